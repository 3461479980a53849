from odoo import fields, models

from .collections_posting import CASH_DISCOUNT_TOKEN


def _get_share(left, wanted):
    """Return how much of amounts is left, of the one that most is missing of.

    :param dict left: amounts by journal item, in its currency
    :param dict wanted: the same, of the same sign
    :return: from 0 to 1
    :rtype: float
    """
    share = 1
    for line, amount in wanted.items():
        missing = abs(amount) - max(left[line] * (1 if amount > 0 else -1), 0)
        if line.currency_id.compare_amounts(missing, 0) > 0:
            share = min(share, 1 - missing / abs(amount))
    return share


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
    payment_currency_id = fields.Many2one(
        related="payment_line_id.currency_id", string="Currency of the Payment"
    )
    payment_amount = fields.Monetary(
        string="Taken of the Payment",
        currency_field="payment_currency_id",
        help="What the payment gave for it, in the currency of the payment.",
    )
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

    def _filter_discount_due(self):
        """Return those whose discount can be given again with the payment.

        The item must have room for both, and the payment must have left what it had
        paid: where only a part of it is paid again, the discount is not earned.
        """
        due = self.browse()
        left = {
            line: line.amount_residual_currency
            for line in self.move_line_id | self.payment_line_id
        }
        for line in self:
            item, payment_line = line.move_line_id, line.payment_line_id
            wanted = {item: line.amount, payment_line: -line.payment_amount}
            if line._is_discount_taken_back():
                against_item, against_payment = line._get_discount_lines()
                whole = {
                    item: line.amount - sum(against_item.mapped("amount_currency")),
                    payment_line: -line.payment_amount
                    - sum(against_payment.mapped("amount_currency")),
                }
                if _get_share(left, whole) == 1:
                    due += line
                    wanted = whole
            share = _get_share(left, wanted)
            for side, amount in wanted.items():
                left[side] -= share * amount
        return due

    def _is_discount_taken_back(self):
        """Tell whether there is a discount that the return took back."""
        self.ensure_one()
        move = self.cash_discount_move_id
        return move.state == "posted" and not move._is_in_force()

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
