from odoo import models


class AccountPartialReconcile(models.Model):
    _inherit = "account.partial.reconcile"

    # Aging as of a past day looks for what was matched after that day.
    _collections_max_date_idx = models.Index("(max_date)")
