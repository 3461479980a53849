import { Component, onMounted, onWillUnmount } from "@odoo/owl";
import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { standardFieldProps } from "@web/views/fields/standard_field_props";

const INTERVAL = 2000; // milliseconds

/** The progress of a run, read again every other second as long as it goes on. */
export class RunProgressField extends Component {
    static template = "credit_collections.RunProgressField";
    static props = { ...standardFieldProps };

    setup() {
        onMounted(() => {
            this.timer = setInterval(() => this.refresh(), INTERVAL);
        });
        onWillUnmount(() => clearInterval(this.timer));
    }

    get data() {
        return this.props.record.data;
    }

    get isUnfinished() {
        return ["queued", "running"].includes(this.data.state);
    }

    get percent() {
        return Math.floor(this.data.progress);
    }

    get label() {
        return _t("%(done)s of %(total)s", {
            done: this.data.done_count,
            total: this.data.total_count,
        });
    }

    async refresh() {
        if (this.isUnfinished && !this.isLoading) {
            this.isLoading = true;
            try {
                await this.props.record.load();
            } finally {
                this.isLoading = false;
            }
        }
    }
}

registry.category("fields").add("collections_run_progress", {
    component: RunProgressField,
    displayName: _t("Progress of a run"),
    supportedTypes: ["float"],
    fieldDependencies: [
        { name: "state", type: "selection" },
        { name: "done_count", type: "integer" },
        { name: "total_count", type: "integer" },
    ],
});
