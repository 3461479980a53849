import { patch } from "@web/core/utils/patch";
import { PivotModel } from "@web/views/pivot/pivot_model";

/** A pivot says where it is downloaded from, as exported lists do. */
patch(PivotModel.prototype, {
    exportData() {
        const table = super.exportData(...arguments);
        const { collections_export } = this.searchParams.context;
        return collections_export ? { ...table, context: { collections_export } } : table;
    },
});
