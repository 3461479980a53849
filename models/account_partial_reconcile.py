from odoo import api, fields, models


class AccountPartialReconcile(models.Model):
    _inherit = "account.partial.reconcile"

    cash_discount_move_id = fields.Many2one(
        comodel_name="account.move",
        string="Cash Discount Entry",
        readonly=True,
        copy=False,
        index="btree_not_null",
        help="Books the discount that the payment earned with this match.",
    )
    cash_discount_amount_currency = fields.Monetary(
        string="Cash Discount",
        currency_field="debit_currency_id",
        readonly=True,
        copy=False,
        help="The discount, in the currency of the invoice.",
    )

    # Aging as of a past day looks for what was matched after that day.
    _collections_max_date_idx = models.Index("(max_date)")

    @api.model_create_multi
    def create(self, vals_list):
        # EXTENDS account: cash keeps promises the moment it is matched
        partials = super().create(vals_list)
        partials.debit_move_id._judge_promises()
        return partials

    def unlink(self):
        # EXTENDS account: a discount goes with the payment that earned it, and a
        # promise that it kept is broken again
        moves = self.cash_discount_move_id
        items = self.debit_move_id
        result = super().unlink()
        moves.exists()._take_cash_discounts_back()
        items.exists()._judge_promises()
        return result
