import logging

from odoo import models
from odoo.exceptions import UserError

_logger = logging.getLogger(__name__)


class BasePartnerMergeAutomaticWizard(models.TransientModel):
    _inherit = "base.partner.merge.automatic.wizard"

    def _update_foreign_keys(self, src_partners, dst_partner):
        # EXTENDS base: core moves the rows of a table as they are, and two customers
        # who become one would both have a current row then
        Balance = self.env["collections.aging.balance"].sudo()
        scopes = Balance._merge_partners(src_partners, dst_partner)
        result = super()._update_foreign_keys(src_partners, dst_partner)
        customer = dst_partner.commercial_partner_id
        if customer != dst_partner:
            # Core gave the cases, promises and the like of a customer to a contact.
            dst_partner._move_collections_to(customer)
        Snapshot = self.env["collections.aging.snapshot"].sudo()
        # One row is current in any case: that of the last run, put together.
        Snapshot._update_current(scopes)
        for company, definition in scopes:
            try:
                with self.env.cr.savepoint():
                    Snapshot.create(
                        customer._prepare_refresh_vals(company, definition, customer)
                    ).action_run()
            except UserError as error:
                # Who merges contacts need not know about aging.
                _logger.info("No new figures of a merged customer: %s", error)
        return result
