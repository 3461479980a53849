from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.tools import format_date

from .collections_posting import AGENT, MANAGER, RETURN_TOKEN


class AccountPayment(models.Model):
    _inherit = "account.payment"

    collections_can_settle = fields.Boolean(compute="_compute_collections_can_settle")
    collections_return_ids = fields.One2many(
        comodel_name="collections.payment.return",
        inverse_name="payment_id",
        string="Returns",
        readonly=True,
        groups=AGENT,
        help="When the bank returned the payment, why, and what it had paid.",
    )
    collections_is_returned = fields.Boolean(
        string="Returned by the Bank",
        compute="_compute_collections_is_returned",
        search="_search_collections_is_returned",
        # Whoever sees the payment may know: core's buttons depend on it.
        compute_sudo=True,
    )
    collections_can_return = fields.Boolean(
        string="Can Be Returned",
        compute="_compute_collections_can_return",
        groups=MANAGER,
    )

    # The latest payment of every customer, for aging snapshots.
    _collections_latest_idx = models.Index(
        "(company_id, partner_id, date DESC, id DESC) "
        "INCLUDE (amount_company_currency_signed) "
        "WHERE payment_type = 'inbound' AND partner_type = 'customer' "
        "AND state IN ('in_process', 'paid')"
    )

    # === COMPUTE METHODS === #

    @api.depends("move_id.line_ids.reconciled", "state")
    def _compute_collections_can_settle(self):
        for payment in self:
            payment.collections_can_settle = any(
                line.account_type == "asset_receivable"
                and line.parent_state == "posted"
                and not line.reconciled
                for line in payment.move_id.line_ids
            )

    @api.depends("collections_return_ids.state")
    def _compute_collections_is_returned(self):
        for payment in self:
            payment.collections_is_returned = bool(
                payment.collections_return_ids._filter_in_force()
            )

    def _search_collections_is_returned(self, operator, value):
        if operator != "in":
            return NotImplemented
        returns_sudo = self.env["collections.payment.return"].sudo()
        query = returns_sudo._search([("state", "=", "posted")])
        domain = Domain("id", "in", query.subselect("payment_id"))
        return Domain.OR(domain if wanted else ~domain for wanted in value)

    @api.depends("state", "collections_return_ids.state")
    def _compute_collections_can_return(self):
        for payment in self:
            # What it paid may belong to another branch.
            problem = payment.sudo()._find_return_problem()
            payment.collections_can_return = not problem

    # === CRUD METHODS === #

    def write(self, vals):
        if "state" in vals:
            self._check_not_returned()
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_returned(self):
        returns = self._get_returns_sudo()
        if returns:
            raise UserError(
                self.env._(
                    "These payments were returned by the bank and stay in the history "
                    "of the customer: %(payments)s.",
                    payments=", ".join(returns.payment_id.mapped("display_name")),
                )
            )

    # === ACTION METHODS === #

    def action_open_settlement(self):
        """Open the wizard that matches the payments with open items of the customer."""
        return self.env["collections.settlement.wizard"]._open(self)

    def action_open_nsf(self):
        """Open the wizard that records that the bank returned the payments.

        :return: a window action
        :rtype: dict
        :raise AccessError: when the user is not a collections manager
        :raise UserError: when none of the payments can be returned; says why
        """
        return self.env["collections.nsf.wizard"]._open(self)

    def action_undo_return(self):
        """Take the returns of the payments back, which were recorded by mistake.

        :return: a window action on the returns
        :rtype: dict
        :raise AccessError: when the user is not a collections manager
        :raise UserError: when there is none, or the bank confirmed it meanwhile
        """
        self.env["collections.posting"]._check_manager()
        returns = self.collections_return_ids._filter_in_force()
        if not returns:
            raise UserError(self.env._("These payments were not returned."))
        return returns.action_undo()

    def action_view_returns(self):
        """Open the returns of the payments."""
        return self.collections_return_ids._get_records_action(
            name=self.env._("Returned Payments"), context={"create": False}
        )

    # === BUSINESS METHODS === #

    def _find_return_problems(self):
        """Return why the bank cannot have returned payments together.

        A bank transaction that brought one of them did not bring another one.

        :return: a text, or None, by payment
        :rtype: dict
        """
        problems = {payment: payment._find_return_problem() for payment in self}
        # What cannot be returned anyway takes no bank transaction from the others.
        fit = self.filtered(lambda payment: not (problems[payment] or payment.move_id))
        matches = fit._get_receivable_partials()
        taken = self.env["account.partial.reconcile"].union(
            *(partials for partials, _lines in matches.values())
        )
        for payment, (partials, _lines) in matches.items():
            if others := taken - partials:
                problems[payment] = payment._find_return_problem(others)
        return problems

    def _find_return_problem(self, others=()):
        """Return why the bank cannot have returned the payment, as a text, or None.

        :param others: `account.partial.reconcile` that belong to other payments
        """
        self.ensure_one()
        names = {"payment": self.display_name, "journal": self.journal_id.display_name}
        returned = self.collections_return_ids._filter_in_force()
        if returned:
            return self.env._(
                "%(payment)s was returned already, on %(date)s.",
                date=format_date(self.env, returned.date),
                **names,
            )
        if self.partner_type != "customer" or self.payment_type != "inbound":
            return self.env._(
                "%(payment)s is not money received from a customer.", **names
            )
        if self.journal_id.type != "bank":
            return self.env._(
                "%(payment)s came in through %(journal)s, which is not a bank.", **names
            )
        if not self._is_posted_for_return():
            return self.env._(
                "%(payment)s is not posted, or cancelled: there is nothing to return.",
                **names,
            )
        if self.move_id.collections_is_written_off:
            return self.env._(
                "What was left of %(payment)s is written off. Reverse the write-off "
                "first.",
                **names,
            )
        counterparts = self._seek_for_lines()[1]
        if any(line.account_type != "asset_receivable" for line in counterparts):
            return self.env._(
                "%(payment)s is not booked on a receivable account.", **names
            )
        if not self.move_id and not self._get_bank_partials(others=others):
            if self._get_bank_partials(certain=False, others=others):
                return self.env._(
                    "It cannot be told which bank transaction brought %(payment)s. "
                    "Undo the matching on the bank transaction.",
                    **names,
                )
        return None

    def _is_posted_for_return(self):
        if self.currency_id.is_zero(self.amount):
            return False
        if self.move_id:
            # What was only marked as rejected is still booked as paid.
            return self.move_id.state == "posted" and self.state in (
                "in_process",
                "paid",
                "rejected",
            )
        return self.state in ("in_process", "paid")

    def _get_bank_partials(self, certain=True, others=()):
        """Return the matches of bank transactions with what the payment pays.

        Only payments without an entry of their own have them.

        :param bool certain: only those that are surely of this payment; core too knows
            them by the amount
        :param others: `account.partial.reconcile` that belong to other payments
        :return: `account.partial.reconcile`
        """
        self.ensure_one()
        partials = self.invoice_ids.line_ids.matched_credit_ids.filtered(
            lambda partial: (
                partial.credit_move_id.move_id.statement_line_id
                and partial.debit_move_id.account_type == "asset_receivable"
                and partial.debit_currency_id == self.currency_id
                and partial not in others
            )
        )
        if not certain:
            return partials
        compare = self.currency_id.compare_amounts
        same = partials.filtered(
            lambda partial: not compare(partial.debit_amount_currency, self.amount)
        )
        if same:
            return same[:1]
        total = sum(partials.mapped("debit_amount_currency"))
        return partials if not compare(total, self.amount) else partials.browse()

    def _get_receivable_partials(self):
        """Return the payments' matches with what they pay, and their side of them.

        Those with bank transactions are of one payment each, also where several have
        paid the same amount of an invoice.

        :return: `account.partial.reconcile` and `account.move.line` by payment
        :rtype: dict
        """
        matches = {}
        taken = self.env["account.partial.reconcile"]
        for payment in self:
            if payment.move_id:
                lines = payment._seek_for_lines()[1]
                partials = lines.matched_debit_ids | lines.matched_credit_ids
            else:
                partials = payment._get_bank_partials(others=taken)
                lines = partials.credit_move_id
                taken |= partials
            matches[payment] = partials, lines
        return matches

    def _check_matched_companies(self):
        """Refuse payments of documents in companies that are not switched on.

        :raise UserError: names the payments and the companies
        """
        matches = self.sudo()._get_receivable_partials()
        for payment_sudo, (partials, _lines) in matches.items():
            paid = partials.debit_move_id | partials.credit_move_id
            companies = paid.company_id | payment_sudo.invoice_ids.company_id
            self.env["collections.posting"]._check_companies(payment_sudo, companies)

    def _fetch_matches(self):
        """Read in one go what is asked of each payment and its matches later."""
        lines = self.move_id.line_ids
        partials = lines.matched_debit_ids | lines.matched_credit_ids
        items = partials.debit_move_id | partials.credit_move_id
        for records, names in (
            (lines, ["tax_ids", "tax_tag_ids"]),
            (partials, ["cash_discount_move_id"]),
            (items.move_id, ["exchange_diff_partial_ids"]),
        ):
            records.fetch(names)

    def _get_returns_sudo(self):
        # Users of Invoicing may change payments without seeing collections.
        return (
            self.env["collections.payment.return"]
            .sudo()
            .search([("payment_id", "in", self.ids)])
        )

    def _check_not_returned(self):
        """Refuse to change payments whose return is in force.

        :raise UserError: names the payments
        """
        if self.env.context.get("collections_payment_return") is RETURN_TOKEN:
            return
        # They are always in this state, and the others cost no query.
        rejected = self.filtered(lambda payment: payment.state == "rejected")
        returns = rejected and rejected._get_returns_sudo()._filter_in_force()
        if returns:
            raise UserError(
                self.env._(
                    "The bank returned these payments: %(payments)s. If that was "
                    "recorded by mistake, press Undo Return.",
                    payments=", ".join(returns.payment_id.mapped("display_name")),
                )
            )
