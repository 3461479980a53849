from odoo import models


class BasePartnerMergeAutomaticWizard(models.TransientModel):
    _inherit = "base.partner.merge.automatic.wizard"

    def _update_foreign_keys(self, src_partners, dst_partner):
        # EXTENDS base: core moves the rows of a table as they are, and two customers
        # who become one would both have a current row then
        Balance = self.env["collections.aging.balance"].sudo()
        scopes = Balance._merge_partners(src_partners, dst_partner)
        result = super()._update_foreign_keys(src_partners, dst_partner)
        customer = dst_partner.commercial_partner_id
        self.env["collections.aging.snapshot"].sudo().create(
            [
                customer._prepare_refresh_vals(company, definition, customer)
                for company, definition in scopes
            ]
        ).action_run()
        return result
