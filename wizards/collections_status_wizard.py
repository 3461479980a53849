from odoo import Command, api, fields, models
from odoo.exceptions import UserError
from odoo.tools import clean_context

from ..models.account_move_line_status import COLLECTIONS_STATUSES

# Nobody says of himself that he broke a promise: the cash that did not come does.
STATUSES = [status for status in COLLECTIONS_STATUSES if status[0] != "promise_broken"]


class CollectionsStatusWizard(models.TransientModel):
    """Say what the customer said about open items, one or many at once."""

    _name = "collections.status.wizard"
    _description = "Change Status"

    line_ids = fields.Many2many(
        comodel_name="account.move.line", string="Items", required=True
    )
    status = fields.Selection(selection=STATUSES, required=True, default="promised")
    promise_date = fields.Date(string="Promised for")
    amount = fields.Monetary(
        help="In the currency of the items, all of them together. Leave empty when it "
        "is about all that is open. It is put on the items by due date.",
    )
    reason = fields.Char(string="Dispute Reason")
    comment = fields.Char(help="Kept in the history of the items.")
    plan_activity = fields.Boolean(
        string="Remind Me",
        compute="_compute_plan_activity",
        store=True,
        readonly=False,
        help="Plan a collections activity for the day after the promise, or in a week.",
    )
    currency_id = fields.Many2one(
        comodel_name="res.currency", compute="_compute_totals"
    )
    item_count = fields.Integer(string="Items Count", compute="_compute_totals")
    amount_open = fields.Monetary(compute="_compute_totals")
    has_currencies = fields.Boolean(compute="_compute_totals")
    left_out_message = fields.Char(compute="_compute_left_out_message")

    # === COMPUTE METHODS === #

    @api.depends("line_ids")
    def _compute_totals(self):
        for wizard in self:
            currencies = wizard.line_ids.currency_id
            wizard.item_count = len(wizard.line_ids)
            wizard.has_currencies = len(currencies) > 1
            wizard.currency_id = currencies[:1] if len(currencies) == 1 else False
            wizard.amount_open = (
                sum(wizard.line_ids.mapped("amount_residual_currency"))
                if len(currencies) == 1
                else 0.0
            )

    @api.depends("amount", "line_ids", "status")
    def _compute_left_out_message(self):
        for wizard in self:
            concerned = wizard._get_concerned_items()
            left_out = len(wizard.line_ids) - len(concerned)
            wizard.left_out_message = False
            if left_out and not wizard.amount:
                wizard.left_out_message = self.env._(
                    "Credits are not promised. Items that nothing is noted on: "
                    "%(count)s.",
                    count=left_out,
                )
            elif left_out:
                wizard.left_out_message = self.env._(
                    "This amount is put on the items by due date: on %(items)s. "
                    "Items that nothing is noted on: %(count)s.",
                    items=self.env["collections.posting"]._join_names(
                        concerned.move_id.mapped("name")
                    ),
                    count=left_out,
                )

    def _get_concerned_items(self):
        """Return the items that something is noted on.

        With an amount those that it is put on; without, all of them, but credits are
        not promised.
        """
        self.ensure_one()
        items = self.line_ids._origin
        if self.status == "promised" and not self.amount:
            return items.filtered(lambda item: item.amount_residual_currency > 0)
        if (
            self.status not in ("promised", "disputed")
            or not self.amount
            or self.has_currencies
        ):
            return items
        try:
            return items.browse().union(*items._get_shares(self.amount))
        except UserError:
            return items  # what is wrong with the amount is said on Apply

    @api.depends("status")
    def _compute_plan_activity(self):
        for wizard in self:
            wizard.plan_activity = wizard.status in ("promised", "disputed")

    # === ACTION METHODS === #

    @api.model
    def _open(self, items):
        """Open the wizard on open items.

        :param items: the `account.move.line`
        :return: a window action
        """
        env = self.env(context=clean_context(self.env.context))
        wizard = self.with_env(env).create({"line_ids": [Command.set(items.ids)]})
        return wizard._get_records_action(
            name=self.env._("Change Status"), target="new", context={}
        )

    def action_apply(self):
        """Set the status and plan the activity asked for.

        :return: a window action that closes the dialog
        :rtype: dict
        :raise UserError: when something needed is missing, or an item is closed
        """
        self.env["collections.posting"]._check_one(self)
        self._check_complete()
        items = self.line_ids
        concerned = self._get_concerned_items()
        items.action_set_collections_status(
            self.status,
            promise_date=self.promise_date,
            promise_amount=self.amount if self.status == "promised" else 0.0,
            reason=self.reason if self.status == "disputed" else False,
            dispute_amount=self.amount if self.status == "disputed" else 0.0,
            comment=self.comment,
        )
        if self.plan_activity:
            self.env["mail.activity"].create(
                [
                    self._prepare_activity_vals(customer, customer_items)
                    for customer, customer_items in concerned.grouped(
                        lambda item: item.partner_id.commercial_partner_id
                    ).items()
                    if customer
                ]
            )
        return {"type": "ir.actions.act_window_close"}

    def _check_complete(self):
        """Refuse what a colleague could not make sense of later.

        :raise UserError: says what is missing
        """
        if self.status == "disputed" and not self.reason:
            raise UserError(self.env._("What does the customer dispute?"))
        if (
            self.status == "promised"
            and self.promise_date
            and self.promise_date < fields.Date.context_today(self)
        ):
            raise UserError(
                self.env._("A payment is promised for today or a day to come.")
            )

    def _prepare_activity_vals(self, customer, items):
        """Return the values of the activity that reminds of what was said.

        :param customer: the `res.partner`
        :param items: what was said something about
        """
        today = fields.Date.context_today(self)
        deadline = fields.Date.add(today, days=7)
        summary = self.env._("Dispute: %(reason)s", reason=self.reason or "")
        if self.status == "promised":
            deadline = fields.Date.add(self.promise_date, days=1)
            summary = self.env._("Did the promised payment come?")
        elif self.status != "disputed":
            summary = self.env._("Follow up")
        return {
            "res_model_id": self.env["ir.model"]._get_id("res.partner"),
            "res_id": customer.id,
            "activity_type_id": self.env.ref(
                "credit_collections.mail_activity_type_reminder"
            ).id,
            "summary": summary,
            "note": self.env["collections.posting"]._join_names(
                items.move_id.mapped("name")
            ),
            "date_deadline": deadline,
            "user_id": self.env.uid,
            "collections_case_id": items.collections_case_id[:1].id,
        }
