import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { X2ManyField, x2ManyField } from "@web/views/fields/x2many/x2many_field";
import { ListRenderer } from "@web/views/list/list_renderer";

/**
 * A list of items with a row above the items of each customer.
 */
export class GroupedItemsRenderer extends ListRenderer {
    static recordRowTemplate = "credit_collections.GroupedItemRow";

    /**
     * The items come ordered by customer.
     *
     * @param {object} record an item
     * @returns {string} the customer, when the item is the first one of it
     */
    getGroupName(record) {
        const { records } = this.props.list;
        const previous = records[records.indexOf(record) - 1];
        const customer = record.data.partner_id;
        if (previous && previous.data.partner_id.id === customer.id) {
            return "";
        }
        return record.data.partner_name || _t("No customer");
    }
}

export class GroupedItemsField extends X2ManyField {
    static components = { ...X2ManyField.components, ListRenderer: GroupedItemsRenderer };
}

registry.category("fields").add("collections_grouped_items", {
    ...x2ManyField,
    component: GroupedItemsField,
});
