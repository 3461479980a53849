from odoo import fields, models


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

    collections_reimbursement_id = fields.Many2one(
        comodel_name="collections.reimbursement",
        string="Reimbursement",
        readonly=True,
        copy=False,
        index="btree_not_null",
        help="The reimbursement that settled this debit first.",
    )

    # Aging as of a past day looks for what was matched after that day.
    _collections_max_date_idx = models.Index("(max_date)")

    def unlink(self):
        # EXTENDS account: a discount goes with the payment that earned it
        moves = self.cash_discount_move_id | self._get_unmatched_cash_discounts()
        result = super().unlink()
        moves.exists()._take_cash_discounts_back()
        return result

    def _get_unmatched_cash_discounts(self):
        """Return the entries of discounts that these matches hold on their items.

        Taken off its item, a discount would stay behind as a credit of the customer.
        """
        if self.env.context.get("collections_reversing"):
            return self.env["account.move"]
        entries = (self.debit_move_id | self.credit_move_id).move_id.filtered(
            lambda move: (
                move.move_type == "entry"
                and not move.origin_payment_id
                and not move.statement_line_id
            )
        )
        if not entries:
            return entries
        return self.search(
            [("cash_discount_move_id", "in", entries.ids)]
        ).cash_discount_move_id
