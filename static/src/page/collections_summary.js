import { Component, useState } from "@odoo/owl";
import { _t } from "@web/core/l10n/translation";
import { formatCurrency } from "@web/core/currency";
import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";
import { standardFieldProps } from "@web/views/fields/standard_field_props";
import { getListedCompanyId, getShownBalance } from "./page_state";

/** The figures of a customer, and what he owes by period as bars. */
export class CollectionsSummary extends Component {
    static template = "credit_collections.CollectionsSummary";
    static props = { ...standardFieldProps };

    setup() {
        this.orm = useService("orm");
        this.action = useService("action");
        this.state = useState({ isRefreshing: false });
        this.pageState = useState(this.env.collectionsPage.state);
    }

    get data() {
        return this.props.record.data[this.props.name] || { balances: [], cases: [] };
    }

    get balance() {
        return getShownBalance(this.data, this.pageState);
    }

    /** The share of each period of the largest one, credits included. */
    get bars() {
        const { columns } = this.balance;
        const largest = Math.max(...columns.map((column) => Math.abs(column.amount)), 0.01);
        return columns.map((column) => ({
            ...column,
            width: Math.round((100 * Math.abs(column.amount)) / largest),
        }));
    }

    /** Those of another company than the lists are about would leave the lists empty. */
    get cases() {
        const companyId = getListedCompanyId(this.data, this.pageState);
        return this.data.cases.filter((row) => !companyId || row.company_id === companyId);
    }

    get currencies() {
        const { currencies } = this.data;
        return (currencies || []).filter(
            (row) => !this.balance || row.company_id === this.balance.company_id
        );
    }

    get promiseText() {
        const { broken = 0, kept = 0, open = 0, partly = 0 } = this.data.promises || {};
        const judged = kept + partly + broken;
        const parts = [];
        if (judged) {
            parts.push(_t("%(kept)s of %(judged)s kept", { kept, judged }));
        }
        if (partly) {
            parts.push(_t("%s in part", partly));
        }
        if (open) {
            parts.push(_t("%s open", open));
        }
        return parts.join(", ") || _t("None so far");
    }

    get hasPromises() {
        return Object.keys(this.data.promises || {}).length > 0;
    }

    get hasBadRecord() {
        const { broken = 0, kept = 0, partly = 0 } = this.data.promises || {};
        return broken + partly > kept;
    }

    money(amount, currencyId) {
        return formatCurrency(amount || 0, currencyId || this.balance.currency_id);
    }

    balanceName(balance) {
        return this.data.has_several_companies
            ? `${balance.company}: ${balance.definition}`
            : balance.definition;
    }

    onBalanceChange(ev) {
        const balanceId = parseInt(ev.target.value);
        const { balances } = this.data;
        this.pageState.balance = balances.find((row) => row.id === balanceId) || false;
        if (!this.cases.some((row) => row.id === this.pageState.caseId)) {
            this.pageState.caseId = false;
        }
    }

    onCaseChange(ev) {
        this.pageState.caseId = ev.target.value ? parseInt(ev.target.value) : false;
    }

    async openPeriod(column) {
        const action = await this.orm.call(
            "collections.aging.balance",
            "action_open_items",
            [[this.balance.id]],
            { column }
        );
        return this.action.doAction(action);
    }

    async refresh() {
        this.state.isRefreshing = true;
        try {
            await this.orm.call("res.partner", "action_refresh_collections_page", [
                [this.props.record.resId],
            ]);
            await this.props.record.model.load();
        } finally {
            this.state.isRefreshing = false;
        }
    }
}

registry.category("fields").add("collections_summary", {
    component: CollectionsSummary,
    displayName: _t("Collections summary"),
    supportedTypes: ["json"],
});
