import { registry } from "@web/core/registry";

const selectRow = (name) => ({
    trigger: `.o_data_row:contains('${name}') .o_list_record_selector input`,
    run: "click",
});
const clickEmail = {
    trigger: ".o_control_panel button[name='action_send_collections_email']",
    run: "click",
};

registry.category("web_tour.tours").add("collections_email_tour", {
    steps: () => [
        selectRow("Deco Addict"),
        clickEmail,
        {
            content: "Who is written to, and why",
            trigger: ".modal .o_collections_note:contains('ap@deco.example because')",
        },
        {
            content: "The e-mail can be read, with its spreadsheet",
            trigger: ".modal [name='attachment_ids']:contains('Open items Deco Addict')",
        },
        { trigger: ".modal [name='subject'] input:value(open items of Deco Addict)" },
        { trigger: ".modal button.o_mail_send", run: "click" },
        { trigger: "body:not(:has(.modal))" },
        {
            trigger: ".o_data_row:contains('Deco Addict') [name='days_overdue']",
            run: "click",
        },
        { trigger: ".nav-link[name='messages']", run: "click" },
        {
            content: "The customer's chatter has a copy",
            trigger: ".o-mail-Message:contains('open items of Deco Addict')",
        },
        { trigger: ".o-mail-Message .o-mail-AttachmentList:contains('Open items')" },
        { trigger: ".nav-link[name='contacts']", run: "click" },
        { trigger: ".o_data_row [name='collections_recipient_email']:contains('ap@deco.example')" },
        { trigger: ".o_data_row [name='collections_recipient_rule']:contains('own e-mail')" },
    ],
});

registry.category("web_tour.tours").add("collections_mailing_tour", {
    steps: () => [
        selectRow("Deco Addict"),
        selectRow("Gemini Furniture"),
        selectRow("Mute Customer"),
        clickEmail,
        {
            trigger: ".modal .o_collections_note:contains('2 e-mails go to the mail queue')",
        },
        { trigger: ".modal .o_collections_note:contains('Mute Customer')" },
        { trigger: ".modal button.o_mail_send", run: "click" },
        {
            content: "The report opens",
            trigger:
                ".o_form_view .o_data_row:contains('Gemini Furniture'):contains('In the queue')",
        },
        { trigger: ".o_data_row:contains('Mute Customer'):contains('Skipped')" },
        { trigger: "button[name='action_stop']", run: "click" },
        { trigger: ".modal .modal-footer .btn-primary", run: "click" },
        { trigger: ".o_data_row:contains('Gemini Furniture'):contains('Stopped by')" },
    ],
});

registry.category("web_tour.tours").add("collections_setup_tour", {
    steps: () => [
        {
            content: "The banner says what is next",
            trigger: ".o_collections_setup_banner:contains('Settlement journal')",
        },
        { trigger: ".o_collections_setup", run: "click" },
        {
            trigger:
                ".o_data_row:contains('Settlement journal') button[name='action_do']:contains('Set Up')",
            run: "click",
        },
        {
            content: "The journal was made",
            trigger: ".o_data_row:contains('Settlement journal'):contains('Done')",
        },
        {
            trigger:
                ".o_data_row:contains('Default write-off reason') button[name='action_do']:contains('Set Up')",
            run: "click",
        },
        { trigger: ".o_form_view [name='collections_writeoff_reason_id']" },
    ],
});

registry.category("web_tour.tours").add("collections_addresses_tour", {
    steps: () => [
        {
            content: "Customers that cannot be written to",
            trigger: ".o_data_row:contains('Mute Customer'):contains('No address')",
        },
        { trigger: ".o_list_renderer:not(:contains('Deco Addict'))" },
        { trigger: ".o_data_row:contains('Mute Customer') [name='name']", run: "click" },
        { trigger: ".o_form_view .o_last_breadcrumb_item:contains('Mute Customer')" },
    ],
});

registry.category("web_tour.tours").add("collections_statement_tour", {
    steps: () => [
        { trigger: ".o_cp_action_menus button:has(.fa-cog)", run: "click" },
        { trigger: ".o-dropdown-item:contains('Customer Statement')", run: "click" },
        { trigger: ".modal [name='partner_ids']:contains('Deco Addict')" },
        { trigger: ".modal [name='open_only'] input", run: "click" },
        { trigger: ".modal button[name='action_send']", run: "click" },
        {
            trigger:
                ".modal [name='subject'] input:value(statement of account of Deco Addict)",
        },
        { trigger: ".modal [name='attachment_ids']:contains('Statement of account')" },
    ],
});
