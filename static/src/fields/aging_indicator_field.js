import { Component } from "@odoo/owl";
import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { standardFieldProps } from "@web/views/fields/standard_field_props";

const COLORS = {
    green: "text-success",
    yellow: "o_collections_yellow",
    orange: "o_collections_orange",
    red: "text-danger",
};

/** The indicator of an aging period as a coloured dot. */
export class AgingIndicatorField extends Component {
    static template = "credit_collections.AgingIndicatorField";
    static props = { ...standardFieldProps };

    get value() {
        return this.props.record.data[this.props.name];
    }

    get colorClass() {
        return COLORS[this.value];
    }

    get label() {
        const { selection } = this.props.record.fields[this.props.name];
        return Object.fromEntries(selection)[this.value];
    }
}

registry.category("fields").add("collections_indicator", {
    component: AgingIndicatorField,
    displayName: _t("Aging indicator"),
    supportedTypes: ["selection"],
    listViewWidth: 24,
});
