import { registry } from "@web/core/registry";
import { Many2OneField, buildM2OFieldDescription } from "@web/views/fields/many2one/many2one_field";

/** The customer of an aged balance; items without one are named as such. */
export class AgingCustomerField extends Many2OneField {
    static template = "credit_collections.AgingCustomerField";
}

registry.category("fields").add("collections_customer", {
    ...buildM2OFieldDescription(AgingCustomerField),
});
