from odoo import fields, models

from .collections_posting import CASH_DISCOUNT_TOKEN


class CollectionsPaymentReturnLine(models.Model):
    """One document that a returned payment once paid, and how much of it."""

    _name = "collections.payment.return.line"
    _description = "Document of a Returned Payment"
    _order = "return_id, id"

    return_id = fields.Many2one(
        comodel_name="collections.payment.return",
        required=True,
        index=True,
        ondelete="cascade",
    )
    company_id = fields.Many2one(
        related="return_id.company_id",
        store=True,
        index=True,  # read by the record rule
    )
    name = fields.Char(string="Document", help="As it was called then.")
    move_id = fields.Many2one(
        comodel_name="account.move",
        string="Journal Entry",
        index="btree_not_null",
        ondelete="set null",
    )
    # An invoice that is changed later gets new items: what is kept here is the amount.
    move_line_id = fields.Many2one(
        comodel_name="account.move.line",
        string="Item",
        index="btree_not_null",
        ondelete="set null",
    )
    payment_line_id = fields.Many2one(
        comodel_name="account.move.line",
        string="Item of the Payment",
        index="btree_not_null",
        ondelete="set null",
    )
    date_maturity = fields.Date(string="Due Date")
    currency_id = fields.Many2one(comodel_name="res.currency", required=True)
    amount = fields.Monetary(
        string="Was Paid",
        help="What the payment paid, in the currency of the document.",
    )
    cash_discount_move_id = fields.Many2one(
        comodel_name="account.move",
        string="Cash Discount Entry",
        index="btree_not_null",
        ondelete="set null",
    )
    cash_discount_amount = fields.Monetary(
        string="Cash Discount",
        help="The discount that the payment had earned, taken back with it.",
    )
    amount_residual = fields.Monetary(
        related="move_line_id.amount_residual_currency", string="Open Now"
    )
    payment_state = fields.Selection(related="move_id.payment_state")

    def _is_discount_due(self):
        """Tell whether the discount can be given again with the payment."""
        self.ensure_one()
        move = self.cash_discount_move_id
        if not move or move.state != "posted" or move._is_in_force():
            return False
        deducted = -sum(self._get_discount_lines()[0].mapped("amount_currency"))
        due = self.amount + deducted
        return (
            self.currency_id.compare_amounts(
                self.move_line_id.amount_residual_currency, due
            )
            >= 0
        )

    def _revive_cash_discount(self, date):
        """Reverse what took the discount back, so that its entry is in force again.

        :param date: accounting date, or the first day after it that is not locked
        :return: the lines of the entry against the item and against the payment
        :rtype: tuple
        """
        self.ensure_one()
        move = self.cash_discount_move_id
        reversals = move.reversal_move_ids.filtered(
            lambda reversal: reversal._is_in_force()
        )
        reversals.with_context(collections_undo_date=date)._take_cash_discounts_back()
        return self._get_discount_lines()

    def _get_discount_lines(self):
        return self.env["collections.settlement"]._get_entry_lines(
            self.move_line_id, self.cash_discount_move_id
        )

    def _note_cash_discount(self):
        """Remember the discount on the match that earned it."""
        self.ensure_one()
        partial = self.move_line_id.matched_credit_ids.filtered(
            lambda partial: partial.credit_move_id == self.payment_line_id
        )[-1:]
        partial.with_context(collections_cash_discount=CASH_DISCOUNT_TOKEN).write(
            {
                "cash_discount_move_id": self.cash_discount_move_id.id,
                "cash_discount_amount_currency": self.cash_discount_amount,
            }
        )
