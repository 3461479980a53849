import { patch } from "@web/core/utils/patch";
import { ExportDataDialog } from "@web/views/view_dialogs/export_data_dialog";

const MODELS = ["collections.aging.balance", "collections.case", "mail.activity"];
const PERIOD_COLUMN = /^(?:collections_)?amount_\d+$/;

/**
 * The dialog asks the server for field labels without a context, so it would show the
 * headings of the company's definition. The list knows those of the one on screen.
 */
patch(ExportDataDialog.prototype, {
    async loadFields(id) {
        const result = await super.loadFields(...arguments);
        const { fields, resModel } = this.props.root;
        if (id || !MODELS.includes(resModel)) {
            return result;
        }
        for (const name of Object.keys(this.knownFields)) {
            if (PERIOD_COLUMN.test(name) && !fields[name]) {
                delete this.knownFields[name];
            }
        }
        for (const [name, field] of Object.entries(fields)) {
            if (PERIOD_COLUMN.test(name)) {
                this.knownFields[name] = {
                    id: name,
                    value: name,
                    children: false,
                    field_type: field.type,
                    ...this.knownFields[name],
                    string: field.string,
                };
            }
        }
        return result;
    },

    async loadExportList() {
        await super.loadExportList(...arguments);
        const { fields, resModel } = this.props.root;
        if (MODELS.includes(resModel)) {
            for (const field of this.state.exportList) {
                field.string = fields[field.id]?.string || field.string;
            }
        }
    },
});
