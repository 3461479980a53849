from odoo import api, models


class AccountPartialReconcile(models.Model):
    _inherit = "account.partial.reconcile"

    @api.model_create_multi
    def create(self, vals_list):
        # EXTENDS account: cash keeps promises the moment it is matched
        partials = super().create(vals_list)
        partials.debit_move_id._judge_promises()
        return partials

    def unlink(self):
        # EXTENDS account: cash that is taken back breaks them again
        items = self.debit_move_id
        result = super().unlink()
        items.exists()._judge_promises()
        return result
