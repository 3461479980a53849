import { Component, onWillStart, useState, useSubEnv } from "@odoo/owl";
import { Domain } from "@web/core/domain";
import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";
import { useSetupAction } from "@web/search/action_hook";
import { ListController } from "@web/views/list/list_controller";
import { listView } from "@web/views/list/list_view";
import { SetupBanner } from "../setup/setup_banner";
import { AgingBar } from "./aging_bar";

const BALANCE_MODEL = "collections.aging.balance";
// Models that say themselves what the chosen pool means for their rows.
const DESCRIBED_MODELS = ["collections.case", "collections.worklist", "mail.activity"];
// Lists about something else carry the columns of the customer with a prefix.
const PERIOD_COLUMN = /^(?:collections_)?(amount_\d+)$/;

const getColumn = (name) => name.match(PERIOD_COLUMN)?.[1];

/**
 * Give the period columns the headings of the definition on screen, and drop the columns
 * that the definition does not use.
 */
function patchFields(fields, headings) {
    const patched = {};
    for (const [name, field] of Object.entries(fields)) {
        const column = getColumn(name);
        if (!column) {
            patched[name] = field;
        } else if (headings[column]) {
            const { string, date_range } = headings[column];
            patched[name] = { ...field, string, help: date_range };
        }
    }
    return patched;
}

function patchArch(arch, headings) {
    const patched = arch.cloneNode(true);
    for (const node of patched.querySelectorAll("field")) {
        const name = node.getAttribute("name");
        const column = getColumn(name);
        if (column && !headings[column]) {
            node.remove();
        }
    }
    return patched;
}

/** A view that is come back to keeps what it showed, under the headings of now. */
function patchState(state, fields) {
    const patched = { ...state };
    if (state?.metaData) {
        patched.metaData = { ...state.metaData, fields };
    }
    if (state?.modelState?.config) {
        patched.modelState = {
            ...state.modelState,
            config: { ...state.modelState.config, fields },
        };
    }
    return state && patched;
}

function makeRenderer(Renderer) {
    return class AgingRenderer extends Component {
        static template = "credit_collections.AgingRenderer";
        static components = { AgingBar, SetupBanner };
        static props = ["*"];

        setup() {
            this.Renderer = Renderer;
        }
    };
}

/**
 * Wrap a list, pivot or graph view of aged balances.
 *
 * View descriptions are kept in memory by the web client and loaded without context, so
 * they cannot carry the headings of the definition on screen. The wrapper asks for headings
 * and pool first and then mounts the view proper with patched fields and domain.
 */
export function makeAgingView(view) {
    const innerView = { ...view, Renderer: makeRenderer(view.Renderer) };

    class AgingController extends Component {
        static template = "credit_collections.AgingController";
        static props = ["*"];

        setup() {
            this.orm = useService("orm");
            this.Controller = view.Controller;
            this.state = useState({ key: 0 });
            const { context, globalState } = this.props;
            this.isPoolChosen = globalState?.collectionsIsPoolChosen || false;
            this.poolId = globalState?.collectionsPoolId;
            if (this.poolId === undefined) {
                this.poolId = context.collections_pool_id ?? null;
            }
            useSetupAction({
                getGlobalState: () => ({
                    collectionsIsPoolChosen: this.isPoolChosen,
                    collectionsPoolId: this.poolId,
                }),
            });
            const controller = this;
            useSubEnv({
                aging: {
                    get info() {
                        return controller.info;
                    },
                    showBar: !context.collections_snapshot_id,
                    selectPool: (poolId) => this.selectPool(poolId),
                },
            });
            onWillStart(() => this.load());
        }

        async load(isRemount = false) {
            const context = { ...this.props.context };
            if (this.isPoolChosen) {
                // The pool on screen decides, not what the action came with.
                delete context.collections_definition_id;
            }
            const { resModel } = this.props;
            const model = DESCRIBED_MODELS.includes(resModel) ? resModel : BALANCE_MODEL;
            this.info = await this.orm.call(model, "get_aging_view", [], {
                pool_id: this.poolId,
                limit: context.collections_top || 0,
                context,
            });
            this.poolId = this.info.pool_id;
            const headings = Object.fromEntries(
                this.info.columns.map((column) => [column.name, column])
            );
            const { arch, fields, relatedModels, state } = this.props;
            const patched = patchFields(fields, headings);
            const genericProps = {
                ...this.props,
                arch: patchArch(arch, headings),
                fields: patched,
                relatedModels: {
                    ...relatedModels,
                    [resModel]: { ...relatedModels[resModel], fields: patched },
                },
            };
            genericProps.state = isRemount ? undefined : patchState(state, patched);
            this.viewProps = innerView.props(genericProps, innerView);
        }

        get innerProps() {
            const { context, display, domain, groupBy, orderBy } = this.props;
            const restriction = context.collections_snapshot_id ? [] : this.info.domain;
            return {
                ...this.viewProps,
                context: {
                    ...context,
                    collections_definition_id: this.info.definition?.id,
                    collections_pool_id: this.poolId,
                    collections_multi_company: this.info.has_several_companies,
                },
                display,
                domain: Domain.and([domain, restriction]).toList(),
                groupBy,
                orderBy,
            };
        }

        async selectPool(poolId) {
            this.poolId = poolId;
            this.isPoolChosen = true;
            await this.load(true);
            // Another definition means other columns: mount the view anew.
            this.state.key++;
        }
    }

    return { ...view, Controller: AgingController, props: (genericProps) => genericProps };
}

/** Opening a row opens the collections page, with the other rows as its pager. */
class AgingListController extends ListController {
    async openRecord(record, { newWindow } = {}) {
        const partner = getCustomer(record);
        if (!partner || newWindow) {
            return super.openRecord(...arguments);
        }
        const action = await this.orm.call("res.partner", "action_open_collections_page", [
            [partner.id],
        ]);
        const { collections_definition_id, collections_pool_id } = this.props.context;
        const resIds = this.model.root.records
            .map((row) => getCustomer(row)?.id)
            .filter((id, position, ids) => id && ids.indexOf(id) === position);
        return this.actionService.doAction(action, {
            additionalContext: {
                collections_company_id: record.data.company_id?.id,
                collections_definition_id,
                collections_pool_id,
            },
            props: { resIds },
        });
    }
}

/** The rows of cases open the case. */
function getCustomer(record) {
    const { collections_partner_id, partner_id } = record.data;
    return record.resModel !== "collections.case" && (collections_partner_id || partner_id);
}

const agingListView = { ...listView, Controller: AgingListController };
registry.category("views").add("collections_aging_list", makeAgingView(agingListView));
registry.category("views").add("collections_worklist", makeAgingView(agingListView));
