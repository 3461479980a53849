from odoo import models


class BasePartnerMergeAutomaticWizard(models.TransientModel):
    _inherit = "base.partner.merge.automatic.wizard"

    def _update_foreign_keys(self, src_partners, dst_partner):
        # EXTENDS base: core moves the rows of a table as they are, and two customers
        # who become one would both have a current row then
        Balance = self.env["collections.aging.balance"].sudo()
        scopes = Balance._merge_partners(src_partners, dst_partner)
        result = super()._update_foreign_keys(src_partners, dst_partner)
        self.env["collections.aging.snapshot"].sudo().create(
            [
                {
                    "company_id": company.id,
                    "definition_id": definition.id,
                    "partner_id": dst_partner.commercial_partner_id.id,
                    "update_collection_status": False,
                }
                for company, definition in scopes
            ]
        ).action_run()
        return result
