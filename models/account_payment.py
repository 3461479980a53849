from odoo import models


class AccountPayment(models.Model):
    _inherit = "account.payment"

    # A snapshot looks up the latest payment of every customer.
    _collections_latest_idx = models.Index(
        "(partner_id, date DESC, id DESC) "
        "WHERE payment_type = 'inbound' AND partner_type = 'customer'"
    )
