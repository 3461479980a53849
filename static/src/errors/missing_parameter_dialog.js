import { RedirectWarningDialog } from "@web/core/errors/error_dialogs";
import { registry } from "@web/core/registry";

/**
 * A message that something has to be set first, with the button to the place.
 */
export class MissingParameterDialog extends RedirectWarningDialog {
    setup() {
        super.setup();
        const { message, context } = this.props.data;
        this.message = message;
        this.actionId = context.action;
        this.buttonText = context.button;
    }
}

registry
    .category("error_dialogs")
    .add("credit_collections.missing_parameter", MissingParameterDialog);
