import { makeAgingView } from "@credit_collections/aging/aging_view";
import { registry } from "@web/core/registry";
import { GraphModel } from "@web/views/graph/graph_model";
import { GraphRenderer } from "@web/views/graph/graph_renderer";
import { graphView } from "@web/views/graph/graph_view";
import { pivotView } from "@web/views/pivot/pivot_view";

// From not due to very old.
const AGE_COLORS = ["#8fb3d9", "#5cb85c", "#e6c200", "#e8760c", "#d9534f", "#8e2f2b"];

function getPeriodNames(env) {
    return env.aging.info.columns.map((column) => column.string).reverse();
}

/** Stack the periods by age, the newest at the bottom, whatever order the data come in. */
class AgingGraphModel extends GraphModel {
    _getData() {
        const data = super._getData(...arguments);
        const names = getPeriodNames(this.env);
        data.datasets.sort((a, b) => names.indexOf(a.label) - names.indexOf(b.label));
        return data;
    }
}

/** Give the periods colours that get warmer with age, the same in every graph. */
class AgingGraphRenderer extends GraphRenderer {
    getBarChartData() {
        const data = super.getBarChartData();
        const names = getPeriodNames(this.env);
        for (const dataset of this.model.data.datasets) {
            const age = names.indexOf(dataset.label);
            if (age >= 0) {
                const share = age / Math.max(names.length - 1, 1);
                const color = Math.round(share * (AGE_COLORS.length - 1));
                dataset.backgroundColor = AGE_COLORS[color];
            }
        }
        return data;
    }
}

// The web client loads pivot and graph, and so what builds on them, when first needed.
const viewRegistry = registry.category("views");
viewRegistry.add("collections_aging_pivot", makeAgingView(pivotView));
viewRegistry.add(
    "collections_aging_graph",
    makeAgingView({
        ...graphView,
        Model: AgingGraphModel,
        Renderer: AgingGraphRenderer,
    })
);
