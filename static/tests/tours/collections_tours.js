import { registry } from "@web/core/registry";

const heading = (text) => `.o_list_table thead th:contains("${text}")`;

registry.category("web_tour.tours").add("collections_aged_balances_tour", {
    steps: () => [
        {
            content: "Without a snapshot the screen says how to make one",
            trigger: ".o_view_nocontent:contains('Run Snapshot')",
        },
        { trigger: ".o_collections_run", run: "click" },
        { trigger: ".modal button[name='action_run']", run: "click" },
        {
            content: "The customer is there, with the amount in its period",
            trigger: ".o_data_row:contains('Deco Addict'):contains('1,234.50')",
        },
        { trigger: heading("31-60") },
        { trigger: heading("Over 90") },
        {
            content: "No column without a heading of its own",
            trigger: `.o_list_table thead:not(:contains("Period "))`,
        },
        { trigger: ".o_collections_aging_bar:contains('Ties to the ledger')" },
        {
            content: "An amount opens the items behind it",
            trigger:
                ".o_data_row:contains('Deco Addict') [name='amount_3'] .o_collections_amount",
            run: "click",
        },
        { trigger: ".breadcrumb-item:contains('Aged Balances')" },
        { trigger: ".o_last_breadcrumb_item:contains('Deco Addict: 31-60')" },
        { trigger: ".o_data_row:contains('1,234.50')" },
        { trigger: ".breadcrumb-item:contains('Aged Balances') a", run: "click" },
        {
            content: "A pool brings its customers and its own periods",
            trigger: ".o_collections_pool",
            run: "selectByLabel Decorators",
        },
        { trigger: heading("Older weeks") },
        { trigger: ".o_list_renderer:not(:contains('Gemini Furniture'))" },
        {
            content: "The export offers the headings on screen",
            trigger: ".o_data_row:contains('Deco Addict') .o_list_record_selector input",
            run: "click",
        },
        { trigger: ".o_cp_action_menus button:contains('Actions')", run: "click" },
        { trigger: ".o-dropdown-item:contains('Export')", run: "click" },
        { trigger: ".modal .o_fields_list li:contains('Older weeks')" },
        { trigger: ".modal .o_left_field_panel:not(:contains('31-60'))" },
        { trigger: ".modal .btn-close", run: "click" },
        { trigger: ".o_unselect_all, .o_list_selection_box .o_unselect_all", run: "click" },
        { trigger: ".o_switch_view.o_pivot", run: "click" },
        {
            content: "The pivot keeps pool and headings",
            trigger: ".o_pivot th:contains('Older weeks')",
        },
        { trigger: ".o_pivot:not(:contains('Gemini Furniture'))" },
        { trigger: ".o_switch_view.o_graph", run: "click" },
        { trigger: ".o_graph_canvas_container canvas" },
        { trigger: ".o_switch_view.o_list", run: "click" },
        {
            content: "Opening the row opens the customer",
            trigger: ".o_data_row:contains('Deco Addict') [name='days_overdue']",
            run: "click",
        },
        { trigger: ".o_form_view .o_last_breadcrumb_item:contains('Deco Addict')" },
    ],
});

registry.category("web_tour.tours").add("collections_configuration_tour", {
    steps: () => [
        {
            trigger: "[name='collections_snapshot_retention_days'] input",
            run: "edit 365",
        },
        {
            content: "The web client loads itself again when a company was written",
            trigger: ".o_form_button_save",
            run: "click",
            expectUnloadPage: true,
        },
        { trigger: "[name='collections_snapshot_retention_days'] input:value(365)" },
        {
            trigger: "[data-menu-xmlid='credit_collections.collections_menu_configuration']",
            run: "click",
        },
        {
            trigger:
                "[data-menu-xmlid='credit_collections.collections_aging_definition_menu']",
            run: "click",
        },
        { trigger: ".o_list_button_add", run: "click" },
        {
            content: "A new definition starts with usual periods and shows their dates",
            trigger: ".o_data_row:contains('Over 90 days'):contains('Until')",
        },
        { trigger: "[name='name'] input, [name='name'] textarea", run: "edit Quarterly" },
        { trigger: ".o_form_button_save", run: "click" },
        { trigger: ".o_form_saved" },
    ],
});

registry.category("web_tour.tours").add("collections_writeoff_tour", {
    steps: () => [
        {
            trigger: ".o_data_row:contains('Deco Addict') .o_list_record_selector input",
            run: "click",
        },
        {
            trigger: ".o_control_panel button[name='action_open_writeoff']",
            run: "click",
        },
        {
            content: "The items stand under their customer",
            trigger: ".modal .o_list_table tr:not(.o_data_row):contains('Deco Addict')",
        },
        {
            content: "The entry is shown before it is booked",
            trigger:
                ".modal [name='preview_data'] tr:contains('600666'):contains('1,234.50')",
        },
        { trigger: ".modal .o_data_row:first [name='amount']", run: "click" },
        {
            trigger: ".modal .o_data_row:first [name='amount'] input",
            run: "edit 1000",
        },
        { trigger: ".modal [name='comment'] input", run: "edit Gone abroad" },
        {
            content: "Total and entry follow",
            trigger:
                ".modal [name='preview_data'] tr:contains('600666'):contains('1,000.00')",
        },
        { trigger: ".modal [name='amount_total']:contains('1,000.00')" },
        { trigger: ".modal footer button[name='action_write_off']", run: "click" },
        {
            content: "The entry opens",
            trigger: ".o_form_view [name='ref'] input:value(Gone abroad)",
        },
        { trigger: "button[name='action_open_writeoff_reversal']", run: "click" },
        {
            content: "What opens again is shown with its amount",
            trigger: ".modal [name='opens_data'] tr:contains('INV/'):contains('1,000.00')",
        },
        { trigger: ".modal [name='comment'] input", run: "edit Came back and paid" },
        { trigger: ".modal footer button[name='action_reverse']", run: "click" },
        {
            content: "The reversal opens",
            trigger: ".o_form_view [name='ref'] input:value(Came back and paid)",
        },
        {
            trigger: "[data-menu-xmlid='credit_collections.collections_menu_operations']",
            run: "click",
        },
        {
            trigger: "[data-menu-xmlid='credit_collections.collections_menu_writeoffs']",
            run: "click",
        },
        { trigger: ".o_data_row:contains('Gone abroad'):contains('Reversed')" },
        { trigger: ".o_data_row:contains('Came back and paid'):contains('-1,000.00')" },
        { trigger: ".o_switch_view.o_pivot", run: "click" },
        { trigger: ".o_pivot th:contains('BAD Bad debts')" },
        { trigger: ".o_switch_view.o_graph", run: "click" },
        { trigger: ".o_graph_canvas_container canvas" },
    ],
});

registry.category("web_tour.tours").add("collections_writeoff_missing_tour", {
    steps: () => [
        {
            trigger: ".o_data_row:contains('Deco Addict') .o_list_record_selector input",
            run: "click",
        },
        { trigger: ".o_control_panel button[name='action_open_writeoff']", run: "click" },
        {
            content: "What is missing is said at once",
            trigger: ".modal .alert-danger:contains('no write-off journal')",
        },
        { trigger: ".modal footer button[name='action_write_off']", run: "click" },
        {
            content: "... and the error opens the place",
            trigger:
                ".modal:not(.o_inactive_modal):contains('no write-off journal') button:contains('Open Parameters')",
            run: "click",
        },
        { trigger: ".o_form_view [name='collections_writeoff_journal_id']" },
    ],
});

registry.category("web_tour.tours").add("collections_writeoff_small_tour", {
    steps: () => [
        {
            trigger: ".o_control_panel button:contains('Write Off Small Balances')",
            run: "click",
        },
        { trigger: ".modal [name='max_amount'] input", run: "edit 100" },
        { trigger: ".modal [name='days'] input", run: "edit 30" },
        { trigger: ".modal p.text-muted", run: "click" },
        { trigger: ".modal [name='amount_total']:contains('99.00')" },
        { trigger: ".modal button[name='action_preview']", run: "click" },
        {
            trigger:
                ".modal .o_list_table tr:not(.o_data_row):contains('Gemini Furniture')",
        },
        { trigger: ".modal footer button[name='action_write_off']", run: "click" },
        { trigger: ".o_form_view [name='collections_writeoff_reason_id']" },
    ],
});

registry.category("web_tour.tours").add("collections_writeoff_invoice_tour", {
    steps: () => [
        { trigger: "button[name='action_open_writeoff']", run: "click" },
        { trigger: ".modal footer button[name='action_write_off']", run: "click" },
        { trigger: ".o_form_view [name='collections_writeoff_reason_id']" },
        {
            content: "Back on the invoice",
            trigger: ".o_back_button",
            run: "click",
        },
        { trigger: ".ribbon:contains('Written Off')" },
        { trigger: "[name='invoice_payments_widget']:contains('Written off on')" },
        {
            trigger: ".oe_stat_button[name='action_view_writeoffs']:contains('99.00')",
            run: "click",
        },
        { trigger: ".o_form_view [name='collections_writeoff_reason_id']" },
    ],
});

registry.category("web_tour.tours").add("collections_settlement_tour", {
    steps: () => [
        { trigger: "button[name='action_open_settlement']", run: "click" },
        {
            trigger: ".modal .o_data_row:first [name='marked'] input",
            run: "click",
        },
        {
            content: "The payment takes its share of the discount",
            trigger: ".modal .o_data_row:first [name='cash_discount_to_take']:contains('3.00')",
        },
        { trigger: ".modal .o_data_row:first [name='amount_to_settle']:contains('297.00')" },
        { trigger: ".modal [name='difference']:contains('700.00')" },
        { trigger: ".modal footer button:contains('Settle')", run: "click" },
        {
            content: "Nothing of the payment is left to settle",
            trigger: ".o_form_statusbar:not(:has(button[name='action_open_settlement']))",
        },
        {
            content: "From the invoice on, the rest is paid",
            trigger: "button[name='button_open_invoices']",
            run: "click",
        },
        { trigger: ".nav-link:contains('Cash Discounts')", run: "click" },
        { trigger: "[name='collections_cash_discount_line_ids'] td:contains('7.00')" },
        { trigger: "button[name='action_register_payment']", run: "click" },
        { trigger: ".modal [name='cash_discount_to_take']:contains('7.00')" },
        { trigger: ".modal [name='amount'] input:value(693.00)" },
        { trigger: ".modal footer button[name='action_create_payments']", run: "click" },
        { trigger: ".o_form_statusbar:not(:has(button[name='action_register_payment']))" },
    ],
});

registry.category("web_tour.tours").add("collections_discount_periods_tour", {
    steps: () => [
        {
            trigger: "[name='cash_discount_period_ids'] .o_field_x2many_list_row_add a",
            run: "click",
        },
        {
            trigger: "[name='cash_discount_period_ids'] [name='days'] input",
            run: "edit 21",
        },
        {
            trigger: "[name='cash_discount_period_ids'] [name='percentage'] input",
            run: "edit 0.5",
        },
        { trigger: ".o_form_view .oe_title", run: "click" },
        {
            content: "The preview shows what is to be paid until when",
            trigger: "[name='cash_discount_preview'] td:contains('995.00')",
        },
        { trigger: ".o_form_button_save", run: "click" },
        { trigger: ".o_form_saved" },
    ],
});

registry.category("web_tour.tours").add("collections_payment_return_tour", {
    steps: () => [
        { trigger: ".o_data_row:contains('Deco Addict') [name='partner_id']", run: "click" },
        { trigger: "button[name='action_open_nsf']", run: "click" },
        {
            content: "What opens again and what will be booked is shown before",
            trigger: ".modal [name='opens_data'] tr:contains('INV/'):contains('500.00')",
        },
        { trigger: ".modal [name='preview_data'] tr:contains('Returned payment')" },
        { trigger: ".modal [name='fee_message']:contains('35.00')" },
        { trigger: ".modal [name='comment'] input", run: "edit R01" },
        { trigger: ".modal footer button[name='action_process']", run: "click" },
        {
            content: "The return opens, with what is open again",
            trigger: ".o_form_view [name='line_ids'] .o_data_row:contains('Not Paid')",
        },
        { trigger: "button[name='action_view_fee']", run: "click" },
        { trigger: ".o_form_view [name='invoice_line_ids']:contains('Returned payment fee')" },
        { trigger: ".o_back_button", run: "click" },
        { trigger: "button[name='action_view_payment']", run: "click" },
        { trigger: ".o_form_view .ribbon:contains('Returned')" },
        {
            content: "A returned payment cannot be reset to draft",
            trigger: ".o_form_statusbar:not(:has(button[name='action_draft']))",
        },
        { trigger: "[name='partner_id'] a, [name='partner_id'] button", run: "click" },
        {
            content: "The customer shows how many came back",
            trigger:
                ".oe_stat_button[name='action_view_returned_payments']:contains('1')",
        },
        { trigger: ".o-mail-Activity:contains('The bank returned')" },
        { trigger: ".o_back_button", run: "click" },
        { trigger: "button[name='action_undo_return']", run: "click" },
        { trigger: ".modal footer button.btn-primary", run: "click" },
        {
            content: "The return is undone, the invoice is paid again",
            trigger: ".o_form_view .o_statusbar_status:contains('Undone')",
        },
        { trigger: "[name='line_ids'] .o_data_row:contains('Paid')" },
    ],
});

registry.category("web_tour.tours").add("collections_payment_return_list_tour", {
    steps: () => [
        {
            trigger: ".o_data_row:contains('Deco Addict') .o_list_record_selector input",
            run: "click",
        },
        {
            trigger:
                ".o_data_row:contains('Gemini Furniture') .o_list_record_selector input",
            run: "click",
        },
        { trigger: ".o_cp_action_menus button:contains('Actions')", run: "click" },
        { trigger: ".o-dropdown-item:contains('Return Payment')", run: "click" },
        { trigger: ".modal [name='opens_data'] tr:contains('Gemini Furniture')" },
        { trigger: ".modal [name='payment_count']:contains('2')" },
        { trigger: ".modal [name='charge_fee'] input", run: "click" },
        { trigger: ".modal footer button[name='action_process']", run: "click" },
        { trigger: ".o_last_breadcrumb_item:contains('Returned Payments')" },
        { trigger: ".o_list_view .o_data_row:contains('Gemini Furniture')" },
        { trigger: ".o_list_view .o_data_row:contains('Deco Addict')" },
    ],
});

registry.category("web_tour.tours").add("collections_reimbursement_tour", {
    steps: () => [
        {
            trigger: "[data-menu-xmlid='credit_collections.collections_menu_operations']",
            run: "click",
        },
        {
            trigger: "[data-menu-xmlid='credit_collections.collections_menu_reimburse']",
            run: "click",
        },
        {
            content: "The preview says who is reimbursed",
            trigger:
                ".modal .o_data_row:contains('Deco Addict'):contains('New one-time vendor'):contains('Reimburse')",
        },
        {
            content: "... and who is held and why",
            trigger: ".modal .o_data_row:contains('Gemini Furniture'):contains('Below the minimum')",
        },
        {
            content: "Whoever owes something is held",
            trigger: ".modal .o_data_row:contains('Azure Interior'):contains('open debits')",
        },
        { trigger: ".modal [name='amount_total']:contains('120.00')" },
        {
            content: "Other choices need another preview",
            trigger: ".modal [name='include_open_debits'] input",
            run: "click",
        },
        { trigger: ".modal .alert:contains('Preview to see')" },
        { trigger: ".modal footer button[name='action_preview']:contains('Preview')", run: "click" },
        { trigger: ".modal [name='amount_total']:contains('190.00')" },
        {
            content: "A line can be taken out",
            trigger: ".modal .o_data_row:contains('Azure Interior') .o_list_record_remove button",
            run: "click",
        },
        { trigger: ".modal [name='amount_total']:contains('120.00')" },
        { trigger: ".modal footer button[name='action_confirm']", run: "click" },
        {
            content: "The reimbursement is in the list, with its bill to pay",
            trigger: ".o_data_row:contains('Deco Addict'):contains('120.00'):contains('BILL/'):contains('Not Paid')",
        },
        { trigger: ".o_data_row:contains('Deco Addict') [name='date']", run: "click" },
        { trigger: ".o_form_view button[name='action_view_bill']", run: "click" },
        {
            content: "The bill says for whom it is",
            trigger: ".o_form_view [name='invoice_line_ids'] .o_data_row:contains('Reimbursement of Deco Addict')",
        },
        { trigger: ".oe_stat_button[name='action_view_reimbursement']", run: "click" },
        { trigger: ".o_form_view button[name='action_cancel']", run: "click" },
        { trigger: ".modal footer .btn-primary", run: "click" },
        { trigger: ".o_arrow_button_current:contains('Cancelled')" },
        {
            trigger: "[data-menu-xmlid='credit_collections.collections_menu_operations']",
            run: "click",
        },
        {
            trigger: "[data-menu-xmlid='credit_collections.collections_reimbursement_run_menu']",
            run: "click",
        },
        { trigger: ".o_data_row [name='display_name']", run: "click" },
        {
            content: "The run says what became of everybody",
            trigger: ".o_data_row:contains('Gemini Furniture'):contains('Held')",
        },
        { trigger: "[name='progress']:contains('1 of 1')" },
    ],
});

registry.category("web_tour.tours").add("collections_reimbursement_customer_tour", {
    steps: () => [
        {
            trigger: ".o_cp_action_menus .dropdown-toggle",
            run: "click",
        },
        { trigger: ".o-dropdown-item:contains('Reimburse')", run: "click" },
        { trigger: ".modal .alert-danger:contains('no clearing account')" },
        { trigger: ".modal button[name='action_open_parameters']", run: "click" },
        {
            content: "A button makes the account that is missing",
            trigger: ".o_form_view button[name='action_create_reimbursement_account']",
            run: "click",
        },
        {
            trigger: ".o_form_view [name='collections_reimbursement_account_id'] input:value(Customer reimbursements)",
        },
    ],
});

registry.category("web_tour.tours").add("collections_reimbursement_run_tour", {
    steps: () => [
        { trigger: "[name='progress']:contains('0 of 1')" },
        { trigger: "button[name='action_stop']", run: "click" },
        { trigger: ".o_arrow_button_current:contains('Stopped')" },
        { trigger: "button[name='action_continue']:contains('Continue')", run: "click" },
        { trigger: ".o_arrow_button_current:contains('Waiting')" },
        { trigger: "button[name='action_stop']" },
    ],
});
