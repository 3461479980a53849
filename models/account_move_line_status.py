import math

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError

from .collections_posting import AGENT, INTERNAL

COLLECTIONS_STATUSES = [
    ("not_disputed", "Not disputed"),
    ("disputed", "Disputed"),
    ("promised", "Promised to pay"),
    ("promise_broken", "Promise broken"),
    ("resolved", "Resolved"),
]
STATUS_FIELDS = (
    "collections_status",
    "collections_promise_date",
    "collections_promise_amount",
    "collections_dispute_reason",
    "collections_dispute_amount",
)
# What is said by the methods below only: they check who says it and keep the history.
SAID_FIELDS = (*STATUS_FIELDS, "collections_status_date", "collections_case_id")
# In the context it says that the history is written by the caller, for all items at
# once. Nobody can send it over RPC.
NOTED_BY_CALLER = object()


class AccountMoveLine(models.Model):
    """What the customer says about an open item."""

    _inherit = "account.move.line"  # pylint: disable=R8180 # a subject of its own

    collections_status = fields.Selection(
        selection=COLLECTIONS_STATUSES,
        default="not_disputed",
        readonly=True,
        copy=False,
        groups=INTERNAL,
        help="What the customer says about the open item.",
    )
    collections_status_date = fields.Date(
        string="Status since",
        readonly=True,
        copy=False,
        groups=INTERNAL,
        help="The day the collection status was set.",
    )
    collections_promise_date = fields.Date(
        string="Promised for", readonly=True, copy=False, groups=INTERNAL
    )
    collections_promise_amount = fields.Monetary(
        string="Promised Amount",
        readonly=True,
        copy=False,
        groups=INTERNAL,
        help="In the currency of the item. Empty when all that is open was promised.",
    )
    collections_dispute_reason = fields.Char(
        string="Dispute Reason", readonly=True, copy=False, groups=INTERNAL
    )
    collections_dispute_amount = fields.Monetary(
        string="Disputed Amount",
        readonly=True,
        copy=False,
        groups=INTERNAL,
        help="In the currency of the item. Empty when all that is open is disputed.",
    )
    collections_history_ids = fields.One2many(
        comodel_name="collections.status.history",
        inverse_name="move_line_id",
        string="Status History",
        readonly=True,
        groups=AGENT,
    )
    collections_promise_line_ids = fields.One2many(
        comodel_name="collections.promise.line",
        inverse_name="move_line_id",
        string="Promises",
        readonly=True,
        groups=AGENT,
    )

    _collections_status_idx = models.Index(
        "(company_id) WHERE collections_status <> 'not_disputed'"
    )

    # === CRUD METHODS === #

    @api.model
    def default_get(self, fields_list):
        # EXTENDS base: nor does a context say what customers said
        names = [name for name in fields_list if name not in SAID_FIELDS]
        result = super().default_get(names)
        if "collections_status" in fields_list:
            result["collections_status"] = "not_disputed"
        return result

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            if vals.get("collections_status", "not_disputed") != "not_disputed" or any(
                vals.get(name) for name in SAID_FIELDS if name != "collections_status"
            ):
                self._check_said_by_methods()
        return super().create(vals_list)

    def write(self, vals):
        if any(name in vals for name in SAID_FIELDS):
            self._check_said_by_methods()
        if "partner_id" in vals:
            self._leave_collections_customer(vals["partner_id"])
        # EXTENDS account: the history misses nothing, whoever writes a status
        if (
            not any(name in vals for name in STATUS_FIELDS)
            or self.env.context.get("collections_status_history") is NOTED_BY_CALLER
        ):
            return super().write(vals)
        before = self._get_status_values()
        result = super().write(vals)
        self.env["collections.status.history"]._note(self, before)
        return result

    @api.ondelete(at_uninstall=False)
    def _unlink_withdraw_promises(self):
        """Take the lines out of what was promised: nobody waits for them any more."""
        promise_lines = self.sudo().collections_promise_line_ids
        if promise_lines:
            promise_lines._withdraw()

    @api.model
    def _check_said_by_methods(self):
        """Refuse a status or case that users, over RPC as well, write by hand.

        :raise AccessError: when it does not come from the methods of the items
        """
        if not self.env.su:
            raise AccessError(
                self.env._(
                    "The collection status and the case of items are set by their own "
                    "actions only."
                )
            )

    def _get_status_values(self):
        """Return what the status fields of the items hold, by line id."""
        return {line.id: tuple(line[name] for name in STATUS_FIELDS) for line in self}

    # === ACTION METHODS === #

    def action_set_collections_status(
        self,
        status,
        promise_date=False,
        promise_amount=0.0,
        reason=False,
        dispute_amount=0.0,
        comment=False,
    ):
        """Set what the customer says about open items.

        A promise is kept as a `collections.promise` of its own and judged by the cash
        that comes. An open promise on the items that no longer holds is withdrawn.

        :param str status: `not_disputed`, `disputed`, `promised`, `promise_broken` or
            `resolved`
        :param promise_date: the day the payment was promised for, a date or ISO text;
            needed with `promised`
        :param float promise_amount: what was promised, in the currency of the items,
            all of them together; 0 when all that is open was promised. It is put on
            the items by due date
        :param str reason: why the items are disputed
        :param float dispute_amount: what is disputed, in the currency of the items, put
            on them like a promised amount; 0 when all that is open is disputed
        :param str comment: kept in the history
        :return: True
        :raise UserError: when an item is not an open receivable item, or something
            needed is missing
        :raise AccessError: without the rights of a collections agent
        """
        self._check_can_set_collections_status()
        if not isinstance(status, str) or status not in dict(COLLECTIONS_STATUSES):
            raise UserError(
                self.env._(
                    "%(status)s is not a collection status. Known are: %(known)s",
                    status=status,
                    known=", ".join(dict(COLLECTIONS_STATUSES)),
                )
            )
        lines_sudo = self.sudo()  # agents only read journal items; checked above
        vals = self._prepare_collections_status_vals(status, promise_date, reason)
        shares = {}
        if status == "promised" and promise_amount:
            shares = lines_sudo._get_shares(promise_amount)
            vals_by_line = {
                line: {**vals, "collections_promise_amount": share}
                for line, share in shares.items()
            }
        elif status == "disputed" and dispute_amount:
            vals_by_line = {
                line: {**vals, "collections_dispute_amount": share}
                for line, share in lines_sudo._get_shares(dispute_amount).items()
            }
        else:
            vals_by_line = dict.fromkeys(lines_sudo._filter_can_have(status), vals)
        lines = lines_sudo.browse().union(*vals_by_line)
        if status != "promise_broken":
            lines.collections_promise_line_ids._withdraw()
        lines._write_collections_statuses(vals_by_line, comment=comment)
        if status == "promised":
            self.env["collections.promise"].sudo()._note(
                lines, shares, vals["collections_promise_date"], comment
            )
        return True

    def action_open_status_wizard(self):
        """Open the wizard that changes the status of the items."""
        self._check_can_set_collections_status()
        return self.env["collections.status.wizard"]._open(self)

    def action_view_collections_history(self):
        """Open what was said about the items so far."""
        self.env["collections.status.history"].check_access("read")
        self.check_access("read")
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "credit_collections.collections_status_history_action"
        )
        action["domain"] = [("move_line_id", "in", self.ids)]
        return action

    # === BUSINESS METHODS === #

    def _prepare_collections_status_vals(self, status, promise_date, reason):
        """Return the values that a status writes on items, amounts aside.

        :param str status: the new status
        :param promise_date: a date or ISO text; needed with `promised`
        :param str reason: why the items are disputed
        :rtype: dict
        """
        if status == "promised":
            if not promise_date:
                raise UserError(self.env._("For which day was the payment promised?"))
            promise_date = self.env["collections.aging.definition"]._parse_date(
                promise_date
            )
        else:
            promise_date = False
        return {
            "collections_status": status,
            "collections_promise_date": promise_date,
            "collections_promise_amount": 0.0,
            "collections_dispute_reason": str(reason) if reason else False,
            "collections_dispute_amount": 0.0,
        }

    def _check_can_set_collections_status(self):
        if not self.env.user.has_group("credit_collections.group_collections_agent"):
            raise AccessError(
                self.env._(
                    "Only collections agents set the collection status of items."
                )
            )
        self._check_open_items()

    def _check_open_items(self):
        """Refuse what is not an open customer item.

        :raise UserError: names the items, or says that there are none
        """
        self.check_access("read")
        if not self:
            raise UserError(self.env._("Select the open items first."))
        unfit = self.filtered(
            lambda line: (
                line.account_type != "asset_receivable"
                or line.parent_state != "posted"
                or line.reconciled
            )
        )
        if unfit:
            raise UserError(
                self.env._(
                    "These are not open customer items any more: %(items)s",
                    items=self.env["collections.posting"]._join_names(
                        unfit.mapped("display_name")
                    ),
                )
            )

    def _filter_can_have(self, status):
        """Return the items that a status can be said of.

        :param str status: the new status
        :raise UserError: when only credits are promised
        """
        if status != "promised":
            return self
        owed = self.filtered(lambda line: line.amount_residual_currency > 0)
        if not owed:
            raise UserError(
                self.env._(
                    "The customer owes nothing on these items. Select the invoices "
                    "that he promised to pay."
                )
            )
        return owed

    def _get_shares(self, amount):
        """Put an amount on the items, the earliest due date first.

        Items that nothing is left for are not in the result: nothing was said of them.

        :param float amount: in the currency of the items
        :return: the share by item
        :rtype: dict
        :raise UserError: when it is no amount, more than is open, or the items are in
            several currencies
        """
        if not isinstance(amount, int | float) or not math.isfinite(amount):
            raise UserError(self.env._("%(amount)s is not an amount.", amount=amount))
        currency = self.currency_id
        if len(currency) > 1:
            raise UserError(
                self.env._(
                    "The items are in several currencies. Note the amount for each "
                    "currency on its own, or leave it empty."
                )
            )
        total = sum(self.mapped("amount_residual_currency"))
        if currency.compare_amounts(amount, 0) <= 0:
            raise UserError(self.env._("The amount must be more than zero."))
        if currency.compare_amounts(amount, total) > 0:
            raise UserError(
                self.env._(
                    "The amount is %(amount)s, but only %(total)s is open on these "
                    "items.",
                    amount=currency.format(amount),
                    total=currency.format(total),
                )
            )
        left = amount
        shares = {}
        for line in self.sorted(
            lambda line: (line.date_maturity or line.date, line.id)
        ):
            share = currency.round(min(left, line.amount_residual_currency))
            if share > 0:
                shares[line] = share
                left = currency.round(left - share)
        return shares

    def _write_collections_statuses(self, vals_by_line, source="user", comment=False):
        """Write statuses and their history; the caller has checked the rights.

        :param dict vals_by_line: the values of each item in `self`
        :param str source: who says so, see `collections.status.history`
        :param str comment: kept in the history
        """
        before = self._get_status_values()
        lines = self.with_context(
            collections_status_history=NOTED_BY_CALLER,
            # No amount changes, so there is nothing to add up or to compute anew.
            skip_invoice_sync=True,
            check_move_validity=False,
        )
        by_vals = {}
        for line, vals in vals_by_line.items():
            by_vals.setdefault(tuple(vals.items()), []).append(line.id)
        for vals, line_ids in by_vals.items():
            lines.browse(line_ids).write(
                {
                    **dict(vals),
                    "collections_status_date": fields.Date.context_today(self),
                }
            )
        self.env["collections.status.history"]._note(self, before, source, comment)

    def _judge_promises(self):
        """Judge the promises given for the items, after a match was made or undone."""
        # The column is read with the line anyway, so nothing is asked of the database
        # for the many items that nobody ever said anything of. A kept promise has no
        # date on the item any more.
        promised_sudo = self.sudo().filtered("collections_status_date")
        promises_sudo = promised_sudo.collections_promise_line_ids.promise_id
        if promises_sudo:
            promises_sudo._judge("matching")

    def _break_promises(self, source="run"):
        """Mark promises that were not kept as broken, on the items still open."""
        lines_sudo = self.sudo()  # said by the cash that did not come
        vals = {"collections_status": "promise_broken"}
        lines_sudo._write_collections_statuses(
            {
                # A promise that was kept first had no mark on its items any more.
                line: vals
                if line.collections_promise_date
                else {**line._prepare_last_promise_vals(), **vals}
                for line in lines_sudo
            },
            source,
        )

    def _close_promises(self, source="run"):
        """Take the mark of a kept promise from items of which something is left."""
        lines_sudo = self.sudo()  # said by the cash that came
        vals = self._prepare_collections_status_vals("not_disputed", False, False)
        lines_sudo._write_collections_statuses(dict.fromkeys(lines_sudo, vals), source)

    def _promise_again(self, source="run"):
        """Mark items as promised again, whose payment was taken back before the day."""
        lines_sudo = self.sudo()  # said by the cash that was taken back
        lines_sudo._write_collections_statuses(
            {line: line._prepare_last_promise_vals() for line in lines_sudo}, source
        )

    def _leave_collections_customer(self, partner_id):
        """Take back what was said about items that become another customer's.

        Open promises and cases are about what a customer owes.

        :param partner_id: the `res.partner` who has the items from now on, as the field
            takes it
        """
        # Whatever a program sends.
        partner_id = self._fields["partner_id"].convert_to_cache(partner_id, self)
        partner_sudo = self.env["res.partner"].sudo().browse(partner_id or [])
        # Whoever may give the document to another customer does not see all of this.
        moving_sudo = self.sudo().filtered(
            lambda line: (
                (line.collections_status_date or line.collections_case_id)
                and line.partner_id.commercial_partner_id
                != partner_sudo.commercial_partner_id
            )
        )
        if not moving_sudo:
            return
        moving_sudo.collections_promise_line_ids._withdraw(is_for_good=True)
        marked_sudo = moving_sudo.filtered(
            lambda line: line.collections_status not in (False, "not_disputed")
        )
        vals = self._prepare_collections_status_vals("not_disputed", False, False)
        marked_sudo._write_collections_statuses(
            dict.fromkeys(marked_sudo, vals),
            comment=self.env._("The document was given to another customer."),
        )
        moving_sudo._move_to_case(self.env["collections.case"])

    def _prepare_last_promise_vals(self):
        """Return the values that the last promise puts on an item.

        :rtype: dict
        """
        self.ensure_one()
        promised = self.collections_promise_line_ids._get_last()
        return {
            "collections_status": "promised",
            "collections_promise_date": promised.promise_id.date,
            "collections_promise_amount": promised.amount,
        }
