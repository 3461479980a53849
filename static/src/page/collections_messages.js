import { Component } from "@odoo/owl";
import { Chatter } from "@mail/chatter/web_portal/chatter";
import { registry } from "@web/core/registry";
import { standardWidgetProps } from "@web/views/widgets/standard_widget_props";

/** The messages of the customer, in a tab: they are only loaded when somebody looks. */
export class CollectionsMessages extends Component {
    static template = "credit_collections.CollectionsMessages";
    static components = { Chatter };
    static props = { ...standardWidgetProps };
}

registry.category("view_widgets").add("collections_messages", {
    component: CollectionsMessages,
});
