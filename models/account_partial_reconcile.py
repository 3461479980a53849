from odoo import api, fields, models
from odoo.exceptions import AccessError

from .collections_posting import CASH_DISCOUNT_TOKEN, REVERSING_TOKEN

# What a match says of discounts and reimbursements: undoing it, or them, goes by that.
NOTED_FIELDS = frozenset(
    {
        "cash_discount_move_id",
        "cash_discount_amount_currency",
        "collections_reimbursement_id",
    }
)


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
        currency_field="cash_discount_currency_id",
        readonly=True,
        copy=False,
        help="The discount, in the currency of the invoice.",
    )
    cash_discount_currency_id = fields.Many2one(
        comodel_name="res.currency",
        string="Currency of the Cash Discount",
        compute="_compute_cash_discount_currency_id",
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

    @api.depends(
        "credit_move_id.move_id.move_type", "debit_currency_id", "credit_currency_id"
    )
    def _compute_cash_discount_currency_id(self):
        for partial in self:
            # Matches are read without the right to the items of another company.
            credit_move = partial.sudo().credit_move_id.move_id
            is_refund = credit_move.move_type == "out_refund"
            side = "credit" if is_refund else "debit"
            partial.cash_discount_currency_id = partial.sudo()[f"{side}_currency_id"]

    @api.model
    def default_get(self, fields_list):
        # EXTENDS base: nor does a context say what was deducted or reimbursed
        result = super().default_get(fields_list)
        for name in NOTED_FIELDS:
            result.pop(name, None)
        return result

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            self._check_noted_vals(vals)
        # EXTENDS account: cash keeps promises the moment it is matched
        partials = super().create(vals_list)
        partials.debit_move_id._judge_promises()
        return partials

    def write(self, vals):
        self._check_noted_vals(vals)
        return super().write(vals)

    @api.model
    def _check_noted_vals(self, vals):
        """Refuse discounts and reimbursements that were not booked here.

        :raise AccessError: when users, over RPC as well, note one on a match
        """
        if NOTED_FIELDS.isdisjoint(vals) or self.env.su:
            return
        token = self.env.context.get("collections_cash_discount")
        if token is not CASH_DISCOUNT_TOKEN:
            raise AccessError(
                self.env._(
                    "Cash discounts and reimbursements are noted on matches only when "
                    "they are booked."
                )
            )

    def unlink(self):
        # EXTENDS account: a discount goes with the payment that earned it, and a
        # promise that it kept is broken again
        moves = self.cash_discount_move_id | self._get_unmatched_cash_discounts()
        items = self.debit_move_id
        result = super().unlink()
        moves.exists()._take_cash_discounts_back()
        items.exists()._judge_promises()
        return result

    @api.model
    def _update_matching_number(self, amls):
        # EXTENDS account: the number is that of all matches of an item, also with what
        # another branch paid. Who works for one branch alone has to be able to take
        # back what he booked there.
        return super()._update_matching_number(amls.sudo())

    def _get_unmatched_cash_discounts(self):
        """Return the entries of discounts that these matches hold on their items.

        Taken off its item, a discount would stay behind as a credit of the customer.
        """
        if self.env.context.get("collections_reversing") is REVERSING_TOKEN:
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
