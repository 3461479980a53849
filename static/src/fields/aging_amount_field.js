import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";
import { MonetaryField, monetaryField } from "@web/views/fields/monetary/monetary_field";

/** An aged amount; clicking it opens the items behind it as of the snapshot's date. */
export class AgingAmountField extends MonetaryField {
    static template = "credit_collections.AgingAmountField";

    setup() {
        super.setup();
        this.action = useService("action");
        this.orm = useService("orm");
    }

    get column() {
        return /^amount_\d+$/.test(this.props.name) && this.props.name;
    }

    async onClick() {
        const { resId, resModel } = this.props.record;
        const action = await this.orm.call(resModel, "action_open_items", [[resId]], {
            column: this.column,
        });
        return this.action.doAction(action);
    }
}

registry.category("fields").add("collections_aging_amount", {
    ...monetaryField,
    component: AgingAmountField,
});
