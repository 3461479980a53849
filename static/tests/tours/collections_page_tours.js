import { browser } from "@web/core/browser/browser";
import { registry } from "@web/core/registry";

const itemBox = (text) =>
    `.o_collections_page_list .o_data_row:contains("${text}") .o_list_record_selector input`;

const { XMLHttpRequest } = browser;

/** Let what is loaded come later than somebody clicks, or something else is loaded. */
function makeSlow(pattern, delay) {
    browser.XMLHttpRequest = class extends XMLHttpRequest {
        open(method, url, ...args) {
            this.isSlow = pattern.test(url);
            super.open(method, url, ...args);
        }
        send(data) {
            setTimeout(() => super.send(data), this.isSlow ? delay : 0);
        }
    };
}
const tab = (name) => `.o_notebook .nav-link[name="${name}"]`;

registry.category("web_tour.tours").add("collections_page_tour", {
    steps: () => [
        {
            content: "A row of Aged Balances opens the page of the customer",
            trigger: ".o_data_row:contains('Deco Addict') [name='days_overdue']",
            run: "click",
        },
        { trigger: ".o_collections_page .o_collections_amount_due:contains('1,534.50')" },
        {
            content: "The bars carry the headings of the list",
            trigger: ".o_collections_bars:contains('31-60'):contains('1,234.50')",
        },
        { trigger: ".o_collections_promise_record:contains('None so far')" },
        {
            content: "The pager goes through the rows of the list",
            trigger: ".o_control_panel .o_pager_value:contains('1')",
        },
        {
            trigger: ".o_action_manager > .o_action .o_control_panel .o_pager_next:first",
            run: "click",
        },
        { trigger: ".o_last_breadcrumb_item:contains('Gemini Furniture')" },
        { trigger: ".o_collections_page_list .o_data_row:contains('99.00')" },
        {
            trigger:
                ".o_action_manager > .o_action .o_control_panel .o_pager_previous:first",
            run: "click",
        },
        { trigger: ".o_collections_page_list .o_data_row:contains('1,234.50')" },
        {
            content: "Note a promise for one of the items",
            trigger: itemBox("1,234.50"),
            run: "click",
        },
        {
            trigger:
                ".o_collections_page_list button[name='action_open_status_wizard']:contains('Change Status')",
            run: "click",
        },
        { trigger: ".modal .o_field_widget[name='line_ids'] .o_data_row:contains('1,234.50')" },
        { trigger: ".modal [name='promise_date'] .o_input", run: "click" },
        {
            trigger: ".modal [name='promise_date'] input",
            run: "edit 12/31/2099",
        },
        { trigger: ".modal [name='amount'] input", run: "edit 1000" },
        { trigger: ".modal [name='comment'] input", run: "edit Ms Lee by phone" },
        { trigger: ".modal footer button[name='action_apply']", run: "click" },
        {
            content: "The list shows it, and the top of the page too",
            trigger:
                ".o_collections_page_list .o_data_row:contains('1,234.50'):contains('Promised to pay')",
        },
        { trigger: ".o_collections_promise_record:contains('1 open')" },
        { trigger: tab("promises"), run: "click" },
        {
            trigger:
                ".o_collections_page_list .o_data_row:contains('1,000.00'):contains('Ms Lee by phone')",
        },
        { trigger: tab("activities"), run: "click" },
        {
            content: "The reminder was planned with the promise",
            trigger: ".o_collections_page_list .o_data_row:contains('Did the promised')",
        },
        { trigger: "button[name='action_open_collections_activity']", run: "click" },
        { trigger: ".modal [name='summary'] input", run: "edit Call the owner" },
        { trigger: ".modal footer button:contains('Save'):first", run: "click" },
        {
            content: "Done from the page",
            trigger:
                ".o_collections_page_list .o_data_row:contains('Call the owner') button[name='action_done']",
            run: async ({ anchor }) => {
                makeSlow(/\/web_(search_)?read$/, 1000);
                anchor.click();
            },
        },
        {
            trigger:
                ".o_collections_page_list .o_list_renderer:not(:contains('Call the owner'))",
        },
        // What is ticked stays so while the page loads, and the list for its sake.
        { trigger: tab("items"), run: "click" },
        { trigger: itemBox("300.00"), run: "click" },
        {
            trigger: ".o_collections_page_list button[name='action_open_case_wizard']",
            run: async () => {
                await new Promise((resolve) => setTimeout(resolve, 4000));
                browser.XMLHttpRequest = XMLHttpRequest;
            },
        },
        {
            trigger: ".o_collections_page_list button[name='action_open_case_wizard']",
            run: "click",
        },
        { trigger: ".modal [name='name'] input", run: "edit Tops scratched" },
        { trigger: ".modal footer button[name='action_assign']", run: "click" },
        {
            content: "The case filters the page",
            trigger: ".o_collections_case_filter:contains('Tops scratched')",
        },
        {
            trigger: ".o_collections_page_list .o_data_row:contains('Tops scratched')",
        },
        { trigger: tab("cases"), run: "click" },
        {
            trigger: ".o_collections_page_list .o_data_row:contains('Tops scratched')",
        },
        { trigger: tab("payments"), run: "click" },
        { trigger: ".o_collections_page_list .o_nocontent_help" },
        { trigger: tab("contacts"), run: "click" },
        { trigger: ".o_collections_page_list .o_data_row:contains('Deco Addict')" },
        { trigger: tab("messages"), run: "click" },
        { trigger: ".o-mail-Chatter" },
    ],
});

registry.category("web_tour.tours").add("collections_page_slow_tour", {
    steps: () => [
        {
            trigger: ".o_data_row:contains('Deco Addict') [name='days_overdue']",
            run: "click",
        },
        {
            content: "Another tab is opened for the first time",
            trigger: ".o_collections_page_list .o_data_row:contains('1,234.50')",
            run: () => makeSlow(/\/web_search_read$/, 2000),
        },
        { trigger: tab("contacts"), run: "click" },
        {
            content: "The page loads while the list does",
            trigger: `${tab("contacts")}.active`,
        },
        { trigger: ".o_collections_refresh", run: "click" },
        {
            content: "The list shows when it is there",
            trigger: ".o_collections_page_list .o_data_row:contains('Deco Addict')",
            run: () => {
                browser.XMLHttpRequest = XMLHttpRequest;
            },
        },
    ],
});

registry.category("web_tour.tours").add("collections_page_overtaken_tour", {
    steps: () => [
        {
            trigger: ".o_data_row:contains('Deco Addict') [name='days_overdue']",
            run: "click",
        },
        { trigger: ".o_collections_page_list .o_data_row:contains('1,234.50')" },
        { trigger: tab("activities"), run: "click" },
        {
            content: "The page loads while the list does for the sake of a button",
            trigger:
                ".o_collections_page_list .o_data_row:contains('Call the owner') button[name='action_done']",
            run: async ({ anchor }) => {
                makeSlow(/\/web_search_read$/, 2000);
                anchor.click();
                await new Promise((resolve) => setTimeout(resolve, 1000));
            },
        },
        { trigger: ".o_collections_refresh", run: "click" },
        {
            trigger:
                ".o_collections_page_list .o_list_renderer:not(:contains('Call the owner'))",
        },
        {
            content: "What the button has disabled can be used again",
            trigger: ".o_collections_page_list .o_searchview_dropdown_toggler:not([disabled])",
        },
        {
            content: "Another customer loads while the page does",
            trigger: ".o_collections_refresh:not([disabled])",
            run: async ({ anchor }) => {
                makeSlow(/\/web_read$/, 2000);
                anchor.click();
                await new Promise((resolve) => setTimeout(resolve, 1000));
            },
        },
        {
            trigger: ".o_action_manager > .o_action .o_control_panel .o_pager_next:first",
            run: "click",
        },
        { trigger: ".o_last_breadcrumb_item:contains('Gemini Furniture')" },
        {
            trigger: ".o_collections_refresh:not([disabled])",
            run: () => {
                browser.XMLHttpRequest = XMLHttpRequest;
            },
        },
    ],
});

registry.category("web_tour.tours").add("collections_page_writeoff_tour", {
    steps: () => [
        {
            trigger: ".o_data_row:contains('Deco Addict') [name='days_overdue']",
            run: "click",
        },
        {
            content: "Write off one item from the page",
            trigger: itemBox("1,234.50"),
            run: "click",
        },
        {
            trigger: ".o_collections_page_list button[name='action_open_writeoff']",
            run: "click",
        },
        { trigger: ".modal [name='comment'] input", run: "edit Bankrupt" },
        { trigger: ".modal footer button[name='action_write_off']", run: "click" },
        { trigger: ".o_form_view [name='ref'] input:value(Bankrupt)" },
        { trigger: ".breadcrumb-item:contains('Deco Addict') a", run: "click" },
        {
            content: "The figures of the snapshot are older than the write-off",
            trigger: ".o_collections_changed:contains('0.00')",
        },
        { trigger: ".o_collections_refresh", run: "click" },
        { trigger: ".o_collections_summary:not(:has(.o_collections_changed))" },
        { trigger: ".o_collections_page_list .o_nocontent_help" },
        {
            content: "Closed items come back with the filter",
            trigger: ".o_collections_page_list .o_facet_remove",
            run: "click",
        },
        { trigger: ".o_collections_page_list .o_data_row:contains('INV')" },
    ],
});

registry.category("web_tour.tours").add("collections_page_companies_tour", {
    steps: () => [
        {
            content: "The row of the other company opens its figures",
            trigger: ".o_data_row:contains('company_2') [name='days_overdue']",
            run: "click",
        },
        { trigger: ".o_collections_amount_due:contains('77.00')" },
        {
            content: "The items are those of the company above",
            trigger: ".o_collections_page_list .o_data_row:contains('77.00')",
        },
        { trigger: ".o_collections_page_list:not(:has(.o_data_row:contains('1,234.50')))" },
        {
            content: "They need not say so",
            trigger: ".o_collections_page_list:not(:has([name='company_id']))",
        },
        {
            content: "So are the cases to choose from, until there is another company",
            trigger: ".o_collections_case_filter:contains('Case in company_2')",
            run: ({ anchor }) => {
                if (anchor.options.length > 2) {
                    throw new Error("There are cases of another company.");
                }
                anchor.value = anchor.options[1].value;
                anchor.dispatchEvent(new Event("change"));
            },
        },
        { trigger: ".o_collections_page_list .o_nocontent_help" },
        {
            content: "So are the items that a button is about",
            trigger: ".o_form_statusbar button[name='action_open_writeoff']",
            run: "click",
        },
        { trigger: ".modal [name='company_id']:contains('company_2')" },
        { trigger: ".modal .o_data_row:contains('77.00')" },
        { trigger: ".modal footer .btn:contains('Cancel')", run: "click" },
        { trigger: "body:not(:has(.modal))" },
        {
            trigger: ".o_form_statusbar button[name='action_open_collections_status']",
            run: "click",
        },
        { trigger: ".modal [name='line_ids'] .o_data_row:contains('77.00')" },
        { trigger: ".modal:not(:has(.o_data_row:contains('1,234.50')))" },
        { trigger: ".modal footer .btn:contains('Cancel')", run: "click" },
        { trigger: "body:not(:has(.modal))" },
        {
            content: "After a refresh the company is the same",
            trigger: ".o_collections_refresh",
            run: "click",
        },
        { trigger: ".o_collections_refresh:not([disabled])" },
        { trigger: ".o_collections_amount_due:contains('77.00')" },
        {
            content: "So is one that was chosen there",
            trigger: ".o_collections_balance",
            run: ({ anchor }) => {
                const options = [...anchor.options];
                anchor.value = options.find(({ text }) => !text.includes("company_2")).value;
                anchor.dispatchEvent(new Event("change"));
            },
        },
        { trigger: ".o_collections_amount_due:contains('1,234.50')" },
        {
            trigger: ".o_collections_refresh",
            run: async ({ anchor }) => {
                anchor.click();
                await new Promise((resolve) => setTimeout(resolve, 2000));
            },
        },
        { trigger: ".o_collections_refresh:not([disabled])" },
        { trigger: ".o_collections_amount_due:contains('1,234.50')" },
        { trigger: ".o_collections_page_list .o_data_row:contains('1,234.50')" },
        {
            trigger: "[data-menu-xmlid='credit_collections.collections_menu_items']",
            run: "click",
        },
        {
            trigger: "[data-menu-xmlid='credit_collections.collections_menu_open_items']",
            run: "click",
        },
        {
            content: "With several companies, lists say which one a row is of",
            trigger: ".o_data_row:contains('77.00') [name='company_id']:contains('company_2')",
        },
    ],
});

registry.category("web_tour.tours").add("collections_page_mixed_tour", {
    steps: () => [
        {
            trigger: ".o_data_row:contains('Deco Addict') [name='days_overdue']",
            run: "click",
        },
        {
            content: "Items of two companies say which one they are of",
            trigger:
                ".o_collections_page_list .o_data_row:contains('77.00') [name='company_id']:contains('company_2')",
        },
        { trigger: ".o_collections_page_list .o_data_row:contains('1,234.50')" },
        { trigger: tab("payments"), run: "click" },
        {
            content: "So do payments",
            trigger: ".o_collections_page_list .o_data_row [name='company_id']",
        },
    ],
});

registry.category("web_tour.tours").add("collections_lists_tour", {
    steps: () => [
        {
            content: "The worklist says why somebody stands on top",
            trigger: ".o_data_row:contains('Deco Addict') [name='explanation']:contains(': ')",
        },
        {
            trigger: "[data-menu-xmlid='credit_collections.collections_menu_activities']",
            run: "click",
        },
        {
            content: "Activities carry the periods of the definition in force",
            trigger: ".o_list_table thead th:contains('31-60')",
        },
        { trigger: ".o_data_row:contains('Call Deco'):contains('1,234.50')" },
        {
            content: "and those of the pool that is chosen",
            trigger: ".o_collections_pool",
            run: "selectByLabel Decorators",
        },
        { trigger: ".o_list_table thead th:contains('Older weeks')" },
        { trigger: ".o_data_row:contains('Call Deco')" },
        { trigger: ".o_list_renderer:not(:contains('Call Gemini'))" },
        { trigger: ".o_switch_view.o_calendar", run: "click" },
        { trigger: ".o_calendar_view .o_event:contains('Deco')" },
        {
            trigger: "[data-menu-xmlid='credit_collections.collections_case_menu']",
            run: "click",
        },
        { trigger: ".o_list_table thead th:contains('31-60')" },
        {
            content: "A row of the list of cases opens the case",
            trigger: ".o_data_row:contains('Scratched') [name='name']",
            run: "click",
        },
        { trigger: ".o_form_view button[name='action_wait']", run: "click" },
        { trigger: ".o_arrow_button_current:contains('Waiting')" },
        { trigger: ".o_form_view button[name='action_open_collections_page']", run: "click" },
        { trigger: ".o_collections_page .o_collections_amount_due" },
    ],
});
