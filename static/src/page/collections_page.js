import { useChildSubEnv } from "@odoo/owl";
import { registry } from "@web/core/registry";
import { user } from "@web/core/user";
import { FormController } from "@web/views/form/form_controller";
import { formView } from "@web/views/form/form_view";
import { ListController } from "@web/views/list/list_controller";
import { listView } from "@web/views/list/list_view";
import { getShownCompanyId, makeEndingLoad, makePageState } from "./page_state";

/** The collections page: what is done above shows in the list below, and the other way. */
export class CollectionsPageController extends FormController {
    setup() {
        super.setup();
        const pageState = makePageState();
        this.pageState = pageState;
        const load = makeEndingLoad(this.model);
        useChildSubEnv({ collectionsPage: { state: pageState, reloadSummary: load } });
        this.model.load = async (params) => {
            await load(params);
            if (params?.resId) {
                // Another customer by the pager has other cases.
                pageState.caseId = false;
            }
        };
    }

    /** The buttons are about the company whose figures the page shows. */
    async beforeExecuteActionButton(clickParams) {
        const { collections_page_data: data } = this.model.root.data;
        const companyId = getShownCompanyId(data, this.pageState);
        const isAboutCompany = companyId && clickParams.name !== "action_open_partner_form";
        // The button keeps it for the next click, maybe at another customer.
        clickParams.buttonContext = isAboutCompany ? this.getCompanyContext(companyId) : {};
        return super.beforeExecuteActionButton(...arguments);
    }

    /** The others stay switched on: a branch may have paid what is taken back. */
    getCompanyContext(companyId) {
        const others = user.activeCompanies.map(({ id }) => id).filter((id) => id !== companyId);
        return {
            allowed_company_ids: [companyId, ...others],
            collections_company_id: companyId,
        };
    }
}

registry.category("views").add("collections_page", {
    ...formView,
    Controller: CollectionsPageController,
});

/**
 * A list in a tab of the collections page.
 *
 * It loads again whenever the page does: the page is drawn anew then, which Odoo takes
 * for a search. What somebody ticks meanwhile stays ticked.
 */
export class CollectionsPageListController extends ListController {
    setup() {
        super.setup();
        const page = this.env.collectionsPage;
        if (!page) {
            return;
        }
        const load = makeEndingLoad(this.model);
        let search;
        this.model.load = async (params) => {
            if (!params) {
                // A button was pressed here.
                await load();
                await page.reloadSummary();
                return;
            }
            const before = search;
            search = JSON.stringify([params.domain, params.groupBy]);
            await (search === before ? this.reload(load, params) : load(params));
        };
    }

    /** Load the items anew and keep what is ticked, also while they are loaded. */
    async reload(load, params) {
        const before = this.model.root;
        if (!(await load(params))) {
            return;
        }
        const ticked = new Set(before.selection.map((record) => record.resId));
        for (const record of this.model.root.records) {
            if (ticked.has(record.resId)) {
                record.toggleSelection(true);
            }
        }
    }
}

registry.category("views").add("collections_page_list", {
    ...listView,
    Controller: CollectionsPageListController,
});
