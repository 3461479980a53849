from odoo import fields, models


class CollectionsPromiseLine(models.Model):
    """An item that a promise was given for."""

    _name = "collections.promise.line"
    _description = "Promised Item"
    _order = "id"
    _rec_name = "move_line_id"

    promise_id = fields.Many2one(
        comodel_name="collections.promise",
        required=True,
        readonly=True,
        index=True,
        ondelete="cascade",
    )
    company_id = fields.Many2one(related="promise_id.company_id", store=True)
    currency_id = fields.Many2one(related="promise_id.currency_id")
    move_line_id = fields.Many2one(
        comodel_name="account.move.line",
        string="Item",
        required=True,
        readonly=True,
        index=True,
        ondelete="cascade",
    )
    amount = fields.Monetary(string="Promised", required=True, readonly=True)
    amount_paid_before = fields.Monetary(
        readonly=True,
        help="Cash that was matched with the item when the promise was noted, which "
        "does not count for it.",
    )
    payments_before = fields.Json(
        readonly=True,
        groups=fields.NO_ACCESS,
        help="The same by the entry of the payment: one that is taken back leaves room "
        "for another.",
    )
    is_withdrawn = fields.Boolean(string="Withdrawn", readonly=True)

    def _get_last(self):
        """Return the line of the promise that was given last."""
        return self.filtered(lambda line: not line.is_withdrawn).sorted("id")[-1:]

    def _withdraw(self, is_for_good=False):
        """Take items out of promises whose day has not come yet.

        A promise whose day has passed is judged first: it stays what it was. What is
        left of the others may have been paid already.

        :param bool is_for_good: take them out of promises that were judged as well;
            what becomes of the items says nothing about these any more
        """
        today = fields.Date.context_today(self)
        self.promise_id.filtered(
            lambda promise: promise.state == "open" and promise.date < today
        )._judge("user")
        lines = self.filtered(
            lambda line: (
                (is_for_good or line.promise_id.state == "open")
                and not line.is_withdrawn
            )
        )
        lines.is_withdrawn = True
        for promise in lines.promise_id:
            left = promise.line_ids.filtered(lambda line: not line.is_withdrawn)
            if left:
                promise.amount = sum(left.mapped("amount"))
            elif promise.state == "open":
                promise.state = "withdrawn"
        lines.promise_id.filtered(lambda promise: promise.state != "withdrawn")._judge(
            "user"
        )
