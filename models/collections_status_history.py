from odoo import api, fields, models

from .account_move_line_status import COLLECTIONS_STATUSES


class CollectionsStatusHistory(models.Model):
    """One thing that was said about an open item, kept as it was said."""

    _name = "collections.status.history"
    _description = "Status History"
    _order = "date desc, id desc"
    _rec_name = "move_line_id"

    move_line_id = fields.Many2one(
        comodel_name="account.move.line",
        string="Item",
        required=True,
        readonly=True,
        index=True,
        ondelete="cascade",
    )
    move_id = fields.Many2one(related="move_line_id.move_id", string="Document")
    partner_id = fields.Many2one(
        comodel_name="res.partner",
        string="Customer",
        readonly=True,
        index=True,
        ondelete="cascade",
    )
    company_id = fields.Many2one(
        comodel_name="res.company", required=True, readonly=True, index=True
    )
    currency_id = fields.Many2one(
        comodel_name="res.currency", required=True, readonly=True
    )
    date = fields.Datetime(
        required=True, readonly=True, default=lambda self: fields.Datetime.now()
    )
    user_id = fields.Many2one(comodel_name="res.users", string="By", readonly=True)
    source = fields.Selection(
        selection=[
            ("user", "User"),
            ("run", "Aging run"),
            ("matching", "Payment"),
        ],
        required=True,
        readonly=True,
        help="A person, the run that found a promise broken, or a payment that was "
        "matched or taken back.",
    )
    status_before = fields.Selection(selection=COLLECTIONS_STATUSES, readonly=True)
    status = fields.Selection(
        selection=COLLECTIONS_STATUSES, required=True, readonly=True
    )
    promise_date = fields.Date(string="Promised for", readonly=True)
    promise_amount = fields.Monetary(string="Promised Amount", readonly=True)
    dispute_amount = fields.Monetary(string="Disputed Amount", readonly=True)
    reason = fields.Char(string="Dispute Reason", readonly=True)
    amount_open = fields.Monetary(
        string="Open Then",
        readonly=True,
        help="What was open of the item, in its currency.",
    )
    comment = fields.Char(readonly=True)

    def action_open_document(self):
        """Open the document of the item."""
        self.env["collections.posting"]._check_one(self)
        return self.move_line_id.action_open_business_doc()

    @api.model
    def _note(self, lines, before, source="user", comment=False):
        """Keep what changed on items.

        :param lines: the `account.move.line` after the change
        :param dict before: what `_get_status_values` gave before it
        :param str source: who says so
        :param str comment: what else was said
        """
        after = lines._get_status_values()
        vals_list = [
            self._prepare_vals(line, before[line.id][0], source, comment)
            for line in lines
            if comment or before[line.id] != after[line.id]
        ]
        self.sudo().create(vals_list)  # nobody writes the history by hand

    @api.model
    def _prepare_vals(self, line, status_before, source, comment):
        """Return the values of an entry in the history of an item.

        :param line: the `account.move.line`, with its new status
        :param str status_before: the status it had
        :param str source: who says so
        :param str comment: what else was said
        """
        return {
            "move_line_id": line.id,
            "partner_id": line.partner_id.commercial_partner_id.id,
            "company_id": line.company_id.id,
            "currency_id": line.currency_id.id,
            "user_id": self.env.uid,
            "source": source,
            "status_before": status_before,
            "status": line.collections_status or "not_disputed",
            "promise_date": line.collections_promise_date,
            "promise_amount": line.collections_promise_amount,
            "dispute_amount": line.collections_dispute_amount,
            "reason": line.collections_dispute_reason,
            "amount_open": line.amount_residual_currency,
            "comment": comment,
        }
