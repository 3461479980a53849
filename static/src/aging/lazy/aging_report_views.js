import { makeAgingView } from "@credit_collections/aging/aging_view";
import { registry } from "@web/core/registry";
import { graphView } from "@web/views/graph/graph_view";
import { pivotView } from "@web/views/pivot/pivot_view";

// The web client loads pivot and graph, and so what builds on them, when first needed.
const viewRegistry = registry.category("views");
viewRegistry.add("collections_aging_pivot", makeAgingView(pivotView));
viewRegistry.add("collections_aging_graph", makeAgingView(graphView));
