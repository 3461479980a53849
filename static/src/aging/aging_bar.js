import { Component } from "@odoo/owl";
import { useService } from "@web/core/utils/hooks";

/**
 * The line above aged balances: which customers, which periods, how old the figures are
 * and whether they agree with the ledger.
 */
export class AgingBar extends Component {
    static template = "credit_collections.AgingBar";
    static props = {};

    setup() {
        this.action = useService("action");
    }

    get info() {
        return this.env.aging.info;
    }

    get ownPools() {
        return this.info.pools.filter((pool) => pool.is_own);
    }

    get otherPools() {
        return this.info.pools.filter((pool) => !pool.is_own);
    }

    onPoolChange(ev) {
        this.env.aging.selectPool(ev.target.value ? parseInt(ev.target.value) : false);
    }

    openSnapshot() {
        this.action.doAction({
            type: "ir.actions.act_window",
            res_model: "collections.aging.snapshot",
            res_id: this.info.snapshot.id,
            views: [[false, "form"]],
        });
    }

    runSnapshot() {
        this.action.doAction("credit_collections.collections_aging_wizard_action", {
            additionalContext: {
                default_pool_id: this.info.pool_id,
                default_definition_id: this.info.definition?.id,
            },
        });
    }
}
