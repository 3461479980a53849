import { Component, onWillStart, useState } from "@odoo/owl";
import { user } from "@web/core/user";
import { useService } from "@web/core/utils/hooks";

// Companies with nothing to say: asked once, until the page is loaded again.
const silentCompanies = new Set();

/** The line that says what is still to be set up, for those who can do it. */
export class SetupBanner extends Component {
    static template = "credit_collections.SetupBanner";
    static props = {};

    setup() {
        this.orm = useService("orm");
        this.action = useService("action");
        this.state = useState({ banner: false });
        onWillStart(async () => {
            const companyId = user.activeCompany.id;
            if (silentCompanies.has(companyId)) {
                return;
            }
            this.state.banner = await this.orm.silent.call(
                "collections.setup",
                "get_banner",
                []
            );
            if (!this.state.banner) {
                silentCompanies.add(companyId);
            }
        });
    }

    openSetup() {
        this.action.doAction("credit_collections.collections_setup_action_open");
    }
}
