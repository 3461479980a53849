from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.tools import SQL

from .collections_reimbursement_posting import REIMBURSEMENT_TOKEN


class CollectionsReimbursement(models.Model):
    """A credit balance that was turned into a vendor bill."""

    _name = "collections.reimbursement"
    _description = "Reimbursement"
    _order = "date desc, id desc"
    _check_company_auto = True

    company_id = fields.Many2one(
        comodel_name="res.company", required=True, readonly=True, index=True
    )
    partner_id = fields.Many2one(
        comodel_name="res.partner",
        string="Customer",
        required=True,
        readonly=True,
        index=True,
        ondelete="restrict",
    )
    vendor_id = fields.Many2one(
        comodel_name="res.partner",
        required=True,
        readonly=True,
        index=True,
        ondelete="restrict",
    )
    is_one_time_vendor = fields.Boolean(
        related="vendor_id.collections_one_time_vendor", string="One-time Vendor"
    )
    state = fields.Selection(
        selection=[("posted", "Posted"), ("cancelled", "Cancelled")],
        default="posted",
        required=True,
        readonly=True,
        index=True,
    )
    date = fields.Date(required=True, readonly=True)
    currency_id = fields.Many2one(
        comodel_name="res.currency", required=True, readonly=True
    )
    company_currency_id = fields.Many2one(
        related="company_id.currency_id", string="Company Currency"
    )
    amount = fields.Monetary(readonly=True, aggregator=None)
    amount_company = fields.Monetary(
        string="In Company Currency",
        currency_field="company_currency_id",
        readonly=True,
        help="At the rate of the day of the bill.",
    )
    bill_id = fields.Many2one(
        comodel_name="account.move",
        string="Vendor Bill",
        readonly=True,
        ondelete="restrict",
        check_company=True,
    )
    bill_state = fields.Selection(related="bill_id.state", string="Bill Status")
    payment_state = fields.Selection(related="bill_id.payment_state")
    transfer_move_id = fields.Many2one(
        comodel_name="account.move",
        string="Transfer Entry",
        readonly=True,
        ondelete="restrict",
        check_company=True,
        help="Takes the credits from the customer to the clearing account.",
    )
    credit_line_ids = fields.Many2many(
        comodel_name="account.move.line",
        relation="collections_reimbursement_credit_rel",
        column1="reimbursement_id",
        column2="line_id",
        string="Credits",
        readonly=True,
        help="The payments and credit notes that were reimbursed.",
    )
    settlement_partial_ids = fields.One2many(
        comodel_name="account.partial.reconcile",
        inverse_name="collections_reimbursement_id",
        string="Settled Debits",
        readonly=True,
    )
    run_id = fields.Many2one(
        comodel_name="collections.reimbursement.run",
        readonly=True,
        index="btree_not_null",
        ondelete="restrict",
    )
    user_id = fields.Many2one(related="create_uid", string="Made by")
    date_cancelled = fields.Date(string="Cancelled on", readonly=True)

    _bill_uniq = models.UniqueIndex("(bill_id)")
    _transfer_move_uniq = models.UniqueIndex("(transfer_move_id)")

    # === COMPUTE METHODS === #

    @api.depends("partner_id", "bill_id")
    def _compute_display_name(self):
        for reimbursement in self:
            reimbursement.display_name = " ".join(
                filter(
                    None,
                    [reimbursement.partner_id.name, reimbursement.bill_id.name],
                )
            )

    # === ACTION METHODS === #

    def action_cancel(self):
        """Put everything back: bills, transfers, and debits that were settled first.

        Bills and transfers are cancelled; where their period is locked, or they may
        not be changed, they are reversed on the first free day from today on.

        :return: True
        :raise AccessError: when the user is not a collections manager
        :raise UserError: when a bill is paid already, or a reimbursement cancelled
        """
        Posting = self.env["collections.reimbursement.posting"]
        Posting._check_manager()
        self.check_access("read")
        if not self:
            raise UserError(self.env._("Select the reimbursements to cancel first."))
        Posting._lock(self)
        Posting._lock(self.bill_id | self.transfer_move_id)
        self._check_cancellable()
        self._cancel()
        return True

    def action_view_bill(self):
        """Open the vendor bills."""
        return self.bill_id._get_records_action(name=self.env._("Vendor Bills"))

    def action_view_transfer(self):
        """Open the transfer entries."""
        return self.transfer_move_id._get_records_action(
            name=self.env._("Transfer Entries")
        )

    def action_view_credits(self):
        """Open the payments and credit notes that were reimbursed."""
        self.env["collections.posting"]._check_one(self)
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Reimbursed Credits"),
            "res_model": "account.move.line",
            "view_mode": "list",
            "domain": [("id", "in", self.credit_line_ids.ids)],
            "context": {"create": False, "collections_export": True},
        }

    # === BUSINESS METHODS === #

    @api.model
    def _get_moves_domain(self, domain):
        """Return the domain of the bills and transfers of reimbursements.

        :param domain: which `collections.reimbursement`
        """
        query = self._search(domain)
        return Domain.OR(
            Domain(
                "id",
                "in",
                query.subselect(SQL.identifier(query.table, name)),
            )
            for name in ("bill_id", "transfer_move_id")
        )

    def _check_cancellable(self):
        """Refuse what is cancelled, and what was paid to the customer.

        :raise UserError: names the reimbursements
        """
        cancelled = self.filtered(lambda record: record.state == "cancelled")
        if cancelled:
            raise UserError(
                self.env._(
                    "These reimbursements are cancelled already: %(names)s.",
                    names=", ".join(cancelled.mapped("display_name")),
                )
            )
        paid = self.filtered(lambda record: record._is_paid())
        if paid:
            raise UserError(
                self.env._(
                    "The bills of these reimbursements are paid, or a payment is under "
                    "way: %(names)s. Cancel the payment first.",
                    names=", ".join(paid.mapped("display_name")),
                )
            )

    def _is_paid(self):
        """Tell whether anything was paid or settled on the bill."""
        self.ensure_one()
        bill = self.bill_id
        payable = bill.line_ids.filtered(
            lambda line: line.account_type == "liability_payable"
        )
        return bool(
            bill.payment_state not in ("not_paid", "blocked")
            or payable.matched_debit_ids
            or payable.matched_credit_ids
            or bill.matched_payment_ids.filtered(
                lambda payment: payment.state in ("in_process", "paid")
            )
        )

    def _cancel(self):
        """Take bills, transfers and settled debits back, see `action_cancel`."""
        token = {"collections_reimbursement": REIMBURSEMENT_TOKEN}
        moves = (self.bill_id | self.transfer_move_id).with_context(**token)
        closed = self.filtered(lambda record: record._is_closed())
        (moves - closed.bill_id - closed.transfer_move_id).button_cancel()
        for reimbursement in closed:
            pair = reimbursement.bill_id | reimbursement.transfer_move_id
            pair.with_context(**token)._reverse_moves(
                [reimbursement._prepare_reversal_vals(move) for move in pair],
                cancel=True,
            )
        # Reimbursements are written by their own methods only; the callers check.
        self_sudo = self.sudo()
        self_sudo.settlement_partial_ids.sudo(self.env.su).unlink()
        self_sudo.write(
            {"state": "cancelled", "date_cancelled": fields.Date.context_today(self)}
        )
        self.vendor_id._archive_unused_vendors()

    def _is_closed(self):
        """Tell whether the entries may not be changed any more, but reversed."""
        self.ensure_one()
        Posting = self.env["collections.posting"]
        return any(
            move.inalterable_hash
            or move.need_cancel_request
            or Posting._get_lock_dates(
                move.company_id, move.journal_id, move.date, has_tax=False
            )
            for move in self.bill_id | self.transfer_move_id
        )

    def _prepare_reversal_vals(self, move):
        """Return the values of what takes back a bill or transfer of a locked period.

        Both have the same date, and the rate of the bill, so that the clearing account
        closes.

        :param move: the bill or the transfer, an `account.move`
        """
        self.ensure_one()
        today = fields.Date.context_today(self)
        date = self.env["collections.reimbursement.posting"]._get_free_date(
            self.company_id,
            self.bill_id.journal_id | self.transfer_move_id.journal_id,
            max(today, self.date),
        )
        vals = {
            "date": date,
            "ref": self.env._("Cancelled reimbursement %(move)s", move=move.name),
        }
        if move == self.bill_id:
            vals.update(
                invoice_date=date,
                invoice_date_due=date,
                invoice_currency_rate=move.invoice_currency_rate,
            )
        return vals
