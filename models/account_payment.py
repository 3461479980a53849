from odoo import api, fields, models


class AccountPayment(models.Model):
    _inherit = "account.payment"

    collections_can_settle = fields.Boolean(compute="_compute_collections_can_settle")

    # A snapshot looks up the latest payment of every customer.
    _collections_latest_idx = models.Index(
        "(partner_id, date DESC, id DESC) "
        "WHERE payment_type = 'inbound' AND partner_type = 'customer'"
    )

    @api.depends("move_id.line_ids.reconciled", "state")
    def _compute_collections_can_settle(self):
        for payment in self:
            payment.collections_can_settle = any(
                line.account_type == "asset_receivable"
                and line.parent_state == "posted"
                and not line.reconciled
                for line in payment.move_id.line_ids
            )

    def action_open_settlement(self):
        """Open the wizard that matches the payments with open items of the customer."""
        return self.env["collections.settlement.wizard"]._open(self)
