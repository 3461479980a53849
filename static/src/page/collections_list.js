import { Component, markup, reactive, useState, useSubEnv } from "@odoo/owl";
import { makeContext } from "@web/core/context";
import { Domain } from "@web/core/domain";
import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";
import { escape } from "@web/core/utils/strings";
import { View } from "@web/views/view";
import { standardWidgetProps } from "@web/views/widgets/standard_widget_props";
import { getListedCompanyId } from "./page_state";

/**
 * A list of something of the customer, with search, pager, totals and buttons of its own.
 *
 * A field that holds the records would send the ids of all of them with the form; a list
 * loads a page, however many there are.
 */
export class CollectionsList extends Component {
    static template = "credit_collections.CollectionsList";
    static components = { View };
    static props = {
        ...standardWidgetProps,
        model: String,
        listView: String,
        searchView: { type: String, optional: true },
        path: String,
        domain: { type: String, optional: true },
        context: { type: String, optional: true },
        companyField: { type: String, optional: true },
        caseField: { type: String, optional: true },
        empty: { type: String, optional: true },
    };

    setup() {
        this.action = useService("action");
        this.pageState = useState(this.env.collectionsPage.state);
        // The list is a view in a view: pager and breadcrumbs of the form are not its own.
        useSubEnv({
            config: {
                ...this.env.config,
                breadcrumbs: reactive([]),
                // Items as they were before, shown first, would be acted on, and what is
                // ticked in them lost when those of now come.
                cache: false,
                disableSearchBarAutofocus: true,
                embeddedActions: [],
                pagerProps: {},
                setDisplayName: () => {},
                viewSwitcherEntries: [],
                views: [],
            },
        });
    }

    get customerId() {
        return this.props.record.resId;
    }

    get data() {
        return this.props.record.data.collections_page_data;
    }

    get companyId() {
        return getListedCompanyId(this.data, this.pageState);
    }

    get domain() {
        const { caseField, companyField, domain, path } = this.props;
        const { caseId } = this.pageState;
        const companyId = this.companyId;
        const parts = [[[path, "=", this.customerId]], domain || "[]"];
        if (companyField && companyId) {
            parts.push([[companyField, "=", companyId]]);
        }
        if (caseField && caseId) {
            parts.push([[caseField, "=", caseId]]);
        }
        return Domain.and(parts.map((part) => new Domain(part))).toList();
    }

    get viewProps() {
        const { context, listView, model, searchView } = this.props;
        const refs = { list_view_ref: listView };
        if (searchView) {
            refs.search_view_ref = searchView;
        }
        // Then rows say which company they are of.
        const collections_all_companies = this.data?.has_several_companies && !this.companyId;
        return {
            type: "list",
            resModel: model,
            context: makeContext([context || "{}", refs, { collections_all_companies }]),
            display: { searchPanel: false },
            domain: this.domain,
            loadActionMenus: false,
            loadIrFilters: false,
            noBreadcrumbs: true,
            noContentHelp: markup(`<p>${escape(this.props.empty || "")}</p>`),
            searchViewId: false,
            selectRecord: (resId, { activeIds }) => this.open(resId, activeIds),
            showButtons: false,
        };
    }

    /** Domain and pager of a list are set when it is made: another customer, another list. */
    get key() {
        return JSON.stringify(this.domain);
    }

    open(resId, activeIds) {
        this.action.doAction(
            {
                type: "ir.actions.act_window",
                res_model: this.props.model,
                res_id: resId,
                views: [[false, "form"]],
            },
            { props: { resIds: activeIds } }
        );
    }
}

registry.category("view_widgets").add("collections_list", {
    component: CollectionsList,
    extractProps: ({ attrs }) => ({
        model: attrs.model,
        listView: attrs.list_view,
        searchView: attrs.search_view,
        path: attrs.path,
        domain: attrs.domain,
        context: attrs.context,
        companyField: attrs.company_field,
        caseField: attrs.case_field,
        empty: attrs.empty,
    }),
});
