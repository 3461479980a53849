from collections import defaultdict

from odoo import Command, api, fields, models
from odoo.exceptions import UserError
from odoo.tools import format_amount, format_date

from .account_move_line import LIMITS_KEY, InTurn, Limits
from .collections_posting import RETURN_TOKEN


class CollectionsPaymentReturn(models.Model):
    """A payment that the bank took back: when, why, and what it had paid.

    Returns are made and undone by their own actions only, so that what they say is
    what the books say.
    """

    _name = "collections.payment.return"
    _inherit = "collections.posting"
    _description = "Returned Payment"
    _order = "date desc, id desc"
    _rec_name = "payment_id"
    _rec_names_search = ["payment_id.name", "partner_id"]

    state = fields.Selection(
        selection=[("posted", "Returned"), ("cancelled", "Undone")],
        required=True,
        default="posted",
        readonly=True,
    )
    payment_id = fields.Many2one(
        comodel_name="account.payment",
        required=True,
        readonly=True,
        index=True,
        ondelete="restrict",
    )
    partner_id = fields.Many2one(
        comodel_name="res.partner",
        string="Customer",
        readonly=True,
        index=True,
        ondelete="restrict",
    )
    journal_id = fields.Many2one(
        comodel_name="account.journal", string="Bank", readonly=True, required=True
    )
    company_id = fields.Many2one(
        comodel_name="res.company", required=True, readonly=True, index=True
    )
    currency_id = fields.Many2one(
        comodel_name="res.currency", required=True, readonly=True
    )
    company_currency_id = fields.Many2one(
        related="company_id.currency_id", string="Company Currency"
    )
    date = fields.Date(string="Returned on", required=True, readonly=True)
    payment_date = fields.Date(string="Paid on", readonly=True)
    amount = fields.Monetary(readonly=True, aggregator=None)
    amount_company = fields.Monetary(
        string="Amount in Company Currency",
        currency_field="company_currency_id",
        readonly=True,
    )
    fee_amount = fields.Monetary(
        string="Fee", currency_field="company_currency_id", readonly=True
    )
    reason_id = fields.Many2one(
        comodel_name="collections.payment.return.reason",
        readonly=True,
        ondelete="restrict",
    )
    comment = fields.Char(readonly=True)
    move_id = fields.Many2one(
        comodel_name="account.move",
        string="Entry",
        readonly=True,
        index="btree_not_null",
    )
    fee_move_id = fields.Many2one(
        comodel_name="account.move",
        string="Fee Invoice",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
    )
    activity_id = fields.Many2one(
        comodel_name="mail.activity",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
    )
    line_ids = fields.One2many(
        comodel_name="collections.payment.return.line",
        inverse_name="return_id",
        string="Once Paid",
        readonly=True,
    )
    payment_state = fields.Char(
        string="State of the Payment before", readonly=True, copy=False
    )
    undo_date = fields.Date(string="Undone on", readonly=True)
    undo_user_id = fields.Many2one(
        comodel_name="res.users", string="Undone by", readonly=True
    )

    _in_force_unique = models.UniqueIndex(
        "(payment_id) WHERE state = 'posted'", "This payment was returned already."
    )
    _partner_idx = models.Index("(partner_id, company_id) WHERE state = 'posted'")

    @api.depends("payment_id", "date")
    def _compute_display_name(self):
        for payment_return in self:
            payment_return.display_name = self.env._(
                "Return of %(payment)s", payment=payment_return.payment_id.display_name
            )

    # === ACTION METHODS === #

    def action_undo(self, date=False):
        """Take returns back that were recorded by mistake.

        The entry and the fee are reversed, and the payment pays again what it had
        paid, with the cash discounts it had earned. What was paid otherwise meanwhile
        stays paid; the payment is then open for what is left of it.

        :param date: accounting date of the reversals, a date or ISO text; today when
            empty, but not before the return
        :return: a window action on the returns
        :rtype: dict
        :raise AccessError: when the user is not a collections manager
        :raise UserError: when a return was undone before, the bank took the money back,
            or the date is locked
        """
        self._check_manager()
        self.check_access("read")
        if not self:
            raise UserError(self.env._("Select the returns to undo first."))
        given = self._parse_date(date)  # today when empty
        for return_sudo in self.sudo():
            companies = return_sudo.line_ids.move_line_id.company_id
            self._check_companies(return_sudo.payment_id, companies)
        self._lock(self.sudo())  # nobody may write returns by hand; checked above
        self._check_can_undo()
        own = self.with_env(
            self._get_plain_env(collections_payment_return=RETURN_TOKEN)
        )
        for payment_return in own:
            payment_return._undo(given if date else max(given, payment_return.date))
        return self._get_records_action(
            name=self.env._("Returned Payments"), context={"create": False}
        )

    def action_view_move(self):
        """Open the entry that takes the payment back."""
        return self.move_id._get_records_action(name=self.env._("Entry"))

    def action_view_payment(self):
        """Open the payment."""
        return self.payment_id._get_records_action(name=self.env._("Payment"))

    def action_view_fee(self):
        """Open the invoice of the fee."""
        return self.fee_move_id._get_records_action(name=self.env._("Fee Invoice"))

    def action_view_documents(self):
        """Open the documents that the payment once paid."""
        return self.line_ids.move_id._get_records_action(
            name=self.env._("Once Paid"),
            context={"create": False, "collections_export": True},
        )

    # === RETURN === #

    def _filter_in_force(self):
        """Return those that were not undone."""
        return self.filtered(lambda payment_return: payment_return.state == "posted")

    @api.model
    def _get_journal(self, payment):
        """Return the journal for the entry of a payment: the bank's or the company's.

        :param payment: one `account.payment`
        :return: an `account.journal`, may be empty
        """
        return (
            payment.journal_id.collections_nsf_journal_id
            or payment.company_id.collections_nsf_journal_id
        )

    @api.model
    def _find_problem(self, payments, journals, charge_fee):
        """Return the first error that keeps payments from being returned, or None.

        :param payments: the `account.payment`
        :param dict journals: the `account.journal` of each payment, may be empty
        :param bool charge_fee: whether a fee is charged
        """
        problems = list(filter(None, payments._find_return_problems().values()))
        if problems:
            return UserError("\n".join(problems[:10]))
        for payment, journal in journals.items():
            company = payment.company_id
            if not journal:
                return self._get_missing_error(
                    self.env._(
                        "There is no journal for payments that %(bank)s returns. "
                        "Choose one, set it on the bank journal, or under "
                        "Configuration > Parameters of %(company)s.",
                        bank=payment.journal_id.display_name,
                        company=company.name,
                    ),
                    company,
                )
            problem = self._find_journal_problem(journal, company)
            if problem:
                return UserError(problem)
        return self._find_fee_problem(payments) if charge_fee else None

    @api.model
    def _find_fee_problem(self, payments):
        """Return the error for fees that cannot be charged, or None."""
        for bank, group in payments.grouped("journal_id").items():
            product = bank.collections_nsf_fee_product_id
            if not product:
                return self._get_missing_error(
                    self.env._(
                        "%(bank)s has no product for the fee of returned payments. Set "
                        "it under Configuration > Returns by Bank, or charge no fee.",
                        bank=bank.display_name,
                    ),
                    group.company_id[:1],
                )
            if product.currency_id.is_zero(product.lst_price):
                return UserError(
                    self.env._(
                        "The fee %(product)s has no price. Set one, or charge no fee.",
                        product=product.display_name,
                    )
                )
            unpaid = group.filtered(lambda payment: not payment.partner_id)
            if unpaid:
                return UserError(
                    self.env._(
                        "%(payment)s has no customer to charge a fee to.",
                        payment=unpaid[0].display_name,
                    )
                )
        return None

    @api.model
    def _find_date_problem(self, payments, journals, date):
        """Return why payments cannot be returned on a day, as a text, or None.

        :param payments: the `account.payment`
        :param dict journals: the `account.journal` of each payment
        :param date: the accounting date
        """
        late = payments.filtered(lambda payment: payment.date > date)
        if late:
            return self.env._(
                "%(payment)s was made on %(date)s and cannot be returned before that.",
                payment=late[0].display_name,
                date=format_date(self.env, late[0].date),
            )
        places = self._get_places(payments, journals)
        return self._find_common_lock_problem(places, date)

    @api.model
    def _get_places(self, payments, journals):
        """Return where entries are booked: company, journal, and whether with tax."""
        return {
            (
                payment.company_id,
                journals[payment],
                bool(payment.move_id) and payment.move_id._affect_tax_report(),
            )
            for payment in payments
        }

    @api.model
    def _return_payments(
        self, payments, date, journal=None, reason=None, comment="", charge_fee=False
    ):
        """Book that the bank returned payments, and open again what they paid.

        :param payments: the `account.payment`
        :param date: the accounting date
        :param journal: the `account.journal` of all entries; None for that of the bank
            or the company of each payment
        :param reason: the `collections.payment.return.reason`, may be empty
        :param str comment: text besides the reason
        :param bool charge_fee: invoice the fee of the bank journal
        :return: the `collections.payment.return`
        :raise AccessError: when the user is not a collections manager
        :raise UserError: when a payment cannot be returned, something is missing, or
            the date is locked
        """
        self._check_manager()
        payments.check_access("write")
        payments._check_matched_companies()
        payments._fetch_matches()
        matches = payments._get_receivable_partials()
        self._lock(payments)
        self._lock(
            self.env["account.move.line"].union(
                *(
                    partials.debit_move_id | partials.credit_move_id | lines
                    for partials, lines in matches.values()
                )
            )
        )
        # Read anew once nobody else changes it.
        payments._fetch_matches()
        payments.move_id.invalidate_recordset(["collections_is_written_off"])
        journals = {
            payment: journal or self._get_journal(payment) for payment in payments
        }
        error = self._find_problem(payments, journals, charge_fee)
        if error:
            raise error
        problem = self._find_date_problem(payments, journals, date)
        if problem:
            raise UserError(problem)
        returns = self.browse()
        env = self._get_plain_env()
        for company, group in payments.grouped("company_id").items():
            returns |= (
                self.with_env(env)
                .with_company(company)
                ._return_company_payments(
                    group.with_env(env), journals, date, reason, comment, charge_fee
                )
            )
        return returns.with_env(self.env)

    @api.model
    def _get_plain_env(self, **context):
        """Return the environment without what the caller's action put into it.

        Core marks the payments that it makes as not to be synchronized: an invoice
        made from there would have no receivable line.

        :param context: what to put into it
        """
        kept = ("lang", "tz", "uid")
        kept = {key: self.env.context[key] for key in kept if key in self.env.context}
        # Programs need not say which companies they work in. `with_company` would leave
        # one of them, and what a payment paid may belong to another branch.
        companies = {"allowed_company_ids": self.env.companies.ids}
        return self.env(context={**kept, **companies, **context})

    @api.model
    def _return_company_payments(
        self, payments, journals, date, reason, comment, charge_fee
    ):
        """Return payments of one company, see `_return_payments`."""
        matches = payments._get_receivable_partials()
        lines_vals = {
            payment: self._prepare_lines_vals(partials, lines)
            for payment, (partials, lines) in matches.items()
        }
        states = {payment: payment.state for payment in payments}
        all_partials = self.env["account.partial.reconcile"].union(
            *(partials for partials, _lines in matches.values())
        )
        moves_vals = {
            payment: self._prepare_move_vals(
                payment, partials, journals[payment], date, reason, comment
            )
            for payment, (partials, _lines) in matches.items()
        }
        all_partials.with_context(collections_undo_date=date).unlink()
        booked = [payment for payment in payments if moves_vals[payment]]
        moves = self._create_entries([moves_vals[payment] for payment in booked])
        moves._post(soft=False)
        move_by_payment = dict(zip(booked, moves, strict=True))
        self._match_entries(move_by_payment, matches)
        payments.with_context(collections_payment_return=RETURN_TOKEN).write(
            {"state": "rejected"}
        )
        returns_sudo = self.sudo().create(  # checked by the caller
            [
                {
                    **self._prepare_return_vals(payment, date, reason, comment),
                    "move_id": move_by_payment[payment].id
                    if payment in move_by_payment
                    else False,
                    "payment_state": states[payment],
                    "line_ids": [Command.create(vals) for vals in lines_vals[payment]],
                }
                for payment in payments
            ]
        )
        returns = returns_sudo.sudo(self.env.su)
        if charge_fee:
            returns._charge_fees()
        returns._plan_activities()
        returns._log_return()
        return returns

    @api.model
    def _match_entries(self, moves, matches):
        """Match entries with the payments they take back.

        What the bank has confirmed of a payment stays matched with the bank. The rest
        is closed, as the money will never come.

        :param dict moves: the entry of each payment, an `account.move`
        :param dict matches: see `account.payment._get_receivable_partials`
        """
        pairs = []
        for payment, move in moves.items():
            if payment.move_id:
                pairs += payment.move_id._get_opposite_pairs(move)
            else:
                # Each with the bank transaction that it was made from: they can have
                # different rates.
                bank_lines = matches[payment][1]
                lines = move.line_ids.filtered(
                    lambda line, own=bank_lines: line.account_id in own.account_id
                )
                pairs += [
                    line | bank_line
                    for line, bank_line in zip(
                        lines.sorted("id"), bank_lines, strict=True
                    )
                ]
        self.env["account.move"]._match_opposite_pairs(pairs)

    @api.model
    def _prepare_return_vals(self, payment, date, reason, comment):
        """Return the values of the record that keeps a return in the history.

        :param payment: one `account.payment`
        :param date: the day of the return
        :param reason: a `collections.payment.return.reason`, may be empty
        :param str comment: text besides the reason
        :rtype: dict
        """
        return {
            "payment_id": payment.id,
            "partner_id": payment.partner_id.commercial_partner_id.id,
            "journal_id": payment.journal_id.id,
            "company_id": payment.company_id.id,
            "currency_id": payment.currency_id.id,
            "date": date,
            "payment_date": payment.date,
            "amount": payment.amount,
            "amount_company": payment.amount_company_currency_signed,
            "reason_id": reason.id if reason else False,
            "comment": comment,
        }

    @api.model
    def _prepare_lines_vals(self, partials, payment_lines):
        """Return what a payment pays, to remember it.

        :param partials: matches of the payment, `account.partial.reconcile`
        :param payment_lines: the payment's own side of them, `account.move.line`
        :return: list of values of `collections.payment.return.line`
        """
        result = []
        for partial in partials.sorted("id"):
            is_credit = partial.credit_move_id in payment_lines
            item = partial.debit_move_id if is_credit else partial.credit_move_id
            if item.move_id.exchange_diff_partial_ids:
                continue  # what was won or lost on the currency is no document
            amount = (
                partial.debit_amount_currency
                if is_credit
                else -partial.credit_amount_currency
            )
            payment_line = (
                partial.credit_move_id if is_credit else partial.debit_move_id
            )
            payment_amount = (
                partial.credit_amount_currency
                if is_credit
                else -partial.debit_amount_currency
            )
            # What was taken off by hand before is not given again with the payment.
            discount_move = partial.cash_discount_move_id.filtered(
                lambda move: move._is_in_force()
            )
            discount = partial.cash_discount_amount_currency if discount_move else 0.0
            result.append(
                {
                    "name": item.move_id.name,
                    "move_id": item.move_id.id,
                    "move_line_id": item.id,
                    "payment_line_id": payment_line.id,
                    "date_maturity": item.date_maturity or item.date,
                    "currency_id": item.currency_id.id,
                    "amount": amount,
                    "payment_amount": payment_amount,
                    "cash_discount_move_id": discount_move.id,
                    "cash_discount_amount": discount,
                }
            )
        return result

    # === ENTRIES === #

    @api.model
    def _prepare_move_vals(self, payment, partials, journal, date, reason, comment):
        """Return the values of the entry that takes a payment back.

        It is the payment's own entry turned round, discounts that core booked in it
        included, at the rate of the payment. A payment without an entry goes back as
        the bank transaction that brought it; where there is none either, nothing is
        booked.

        :param payment: one `account.payment`
        :param partials: its matches, see `account.payment._get_receivable_partials`
        :param journal: the `account.journal`
        :param date: the accounting date
        :param reason: a `collections.payment.return.reason`, may be empty
        :param str comment: text besides the reason
        :return: values of `account.move`, empty when nothing is to be booked
        :rtype: dict
        """
        text = self.env._("Returned payment %(payment)s", payment=payment.display_name)
        if payment.move_id:
            lines_vals = [
                self._prepare_turned_line_vals(line, text)
                for line in payment.move_id.line_ids
            ]
        else:
            lines_vals = self._prepare_bank_lines_vals(payment, partials, text)
        if not lines_vals:
            return {}
        ref = [text, reason.name if reason else False, comment]
        return {
            "move_type": "entry",
            "journal_id": journal.id,
            "company_id": payment.company_id.id,
            "partner_id": payment.partner_id.id,
            "currency_id": payment.currency_id.id,
            "date": date,
            "ref": ", ".join(part for part in ref if part),
            "line_ids": [Command.create(vals) for vals in lines_vals],
        }

    @api.model
    def _prepare_turned_line_vals(self, line, name):
        """Return the values of the line that takes a line of a payment back."""
        return {
            "name": name,
            "display_type": line.display_type,
            "account_id": line.account_id.id,
            "partner_id": line.partner_id.id,
            "currency_id": line.currency_id.id,
            "amount_currency": -line.amount_currency,
            "balance": -line.balance,
            "tax_ids": [Command.set(line.tax_ids.ids)],
            "tax_tag_ids": [Command.set(line.tax_tag_ids.ids)],
            "tax_repartition_line_id": line.tax_repartition_line_id.id,
            "group_tax_id": line.group_tax_id.id,
            "analytic_distribution": line.analytic_distribution,
        }

    @api.model
    def _prepare_bank_lines_vals(self, payment, partials, name):
        """Return the values of the lines that take a bank transaction back."""
        lines_vals = []
        for line, own in partials.grouped("credit_move_id").items():
            amount_currency = line.currency_id.round(
                sum(own.mapped("credit_amount_currency"))
            )
            # Valued at the rate of the bank transaction, the rounding would leave a
            # cent of it: what opens again is taken back, with what was won or lost.
            exchange_lines = own.exchange_move_id.line_ids
            exchanges = line.matched_debit_ids.filtered(
                lambda partial, lines=exchange_lines: partial.debit_move_id in lines
            )
            balance = sum((own | exchanges).mapped("amount"))
            vals = {
                "name": name,
                "account_id": line.account_id.id,
                "partner_id": line.partner_id.id,
                "currency_id": line.currency_id.id,
                "amount_currency": amount_currency,
                "balance": line.company_currency_id.round(balance),
            }
            outstanding = payment._get_outstanding_account(payment.payment_type)
            lines_vals += [
                vals,
                {
                    **vals,
                    "account_id": outstanding.id,
                    "amount_currency": -vals["amount_currency"],
                    "balance": -vals["balance"],
                },
            ]
        return lines_vals

    # === FEES === #

    def _charge_fees(self):
        """Post an invoice of the fee for each payment.

        :raise UserError: when the day is locked for sales
        """
        invoices = self.env["account.move"].create(
            [payment_return._prepare_fee_vals() for payment_return in self]
        )
        for invoice in invoices:
            self._check_date(
                invoice.company_id,
                invoice.journal_id,
                invoice.date,
                invoice._affect_tax_report(),
            )
        invoices._post(soft=False)
        returns_sudo = self.sudo()  # nobody may write returns by hand
        for return_sudo, invoice in zip(returns_sudo, invoices, strict=True):
            return_sudo.write(
                {
                    "fee_move_id": invoice.id,
                    "fee_amount": invoice.amount_total_signed,
                }
            )

    def _prepare_fee_vals(self):
        """Return the values of the invoice that charges the fee.

        :rtype: dict
        """
        self.ensure_one()
        product = self.journal_id.collections_nsf_fee_product_id
        partner_id = self.partner_id.address_get(["invoice"])["invoice"]
        return {
            "move_type": "out_invoice",
            "company_id": self.company_id.id,
            "partner_id": partner_id,
            "invoice_date": self.date,
            "date": self.date,
            "ref": self.env._(
                "Returned payment %(payment)s", payment=self.payment_id.display_name
            ),
            "invoice_line_ids": [
                Command.create({"product_id": product.id, "quantity": 1})
            ],
        }

    # === WHO HAS TO KNOW === #

    def _plan_activities(self):
        """Plan an activity on each customer for the agent who collects from him."""
        by_customer = self.filtered("partner_id").grouped("partner_id")
        users = self.env["collections.agent"]._get_users(
            self.partner_id, self.env.company
        )
        groups = list(by_customer.items())
        activity_type = self._get_activity_type()
        activities = self.env["mail.activity"].create(
            [
                {
                    "activity_type_id": activity_type.id,
                    **returns._prepare_activity_vals(partner, users[partner]),
                }
                for partner, returns in groups
            ]
        )
        for (_partner, returns), activity in zip(groups, activities, strict=True):
            returns.sudo().activity_id = activity  # nobody may write them by hand

    def _prepare_activity_vals(self, partner, user):
        """Return the values of the activity on a customer.

        :param partner: the customer, a `res.partner`
        :param user: who collects from him, a `res.users`
        :rtype: dict
        """
        amounts = [
            self.env._(
                "%(payment)s of %(amount)s",
                payment=payment_return.payment_id.display_name,
                amount=format_amount(
                    self.env, payment_return.amount, payment_return.currency_id
                ),
            )
            for payment_return in self
        ]
        reasons = self.reason_id.mapped("name")
        return {
            "res_model_id": self.env["ir.model"]._get_id("res.partner"),
            "res_id": partner.id,
            "summary": self.env._(
                "The bank returned %(payments)s", payments=self._join_names(amounts)
            ),
            "note": self.env._(
                "Open again: %(documents)s", documents=self._get_document_names()
            )
            if self.line_ids
            else ", ".join(reasons),
            "date_deadline": fields.Date.context_today(self),
            "user_id": user.id,
        }

    @api.model
    def _get_activity_type(self):
        """Return the type of the activities; users may have deleted ours."""
        return self.env.ref(
            "credit_collections.mail_activity_type_payment_return",
            raise_if_not_found=False,
        ) or self.env.ref("mail.mail_activity_data_todo")

    def _get_document_names(self):
        return self._join_names(self.line_ids.mapped("name"))

    def _log_return(self):
        """Note the return on the payments and on the documents that open again."""
        self.payment_id._message_log_batch(
            bodies={
                payment_return.payment_id.id: payment_return._get_log_text()
                for payment_return in self
            }
        )
        lines = self._get_document_lines()
        date = format_date(self.env, self[:1].date)
        lines.move_id._message_log_batch(
            bodies={
                move.id: self.env._(
                    "The bank returned %(payments)s on %(date)s.",
                    payments=self._join_names(
                        own.return_id.payment_id.mapped("display_name")
                    ),
                    date=date,
                )
                for move, own in lines.grouped("move_id").items()
            }
        )

    def _get_document_lines(self):
        """Return the lines whose items belong to documents, not to other entries."""
        return self.line_ids.filtered(
            lambda line: line.move_id.is_invoice(include_receipts=True)
        )

    def _get_log_text(self):
        self.ensure_one()
        parts = [
            self.env._(
                "Returned by the bank on %(date)s.",
                date=format_date(self.env, self.date),
            ),
            self.reason_id.name,
            self.comment,
        ]
        if self.line_ids:
            parts.append(
                self.env._(
                    "Open again: %(documents)s", documents=self._get_document_names()
                )
            )
        return " ".join(part for part in parts if part)

    # === UNDO === #

    def _check_can_undo(self):
        """Refuse to undo what was undone, or what the bank has confirmed.

        :raise UserError: names the payments, or the bank transaction
        """
        undone = self - self._filter_in_force()
        if undone:
            raise UserError(
                self.env._(
                    "These returns were undone already: %(payments)s.",
                    payments=", ".join(undone.payment_id.mapped("display_name")),
                )
            )
        for payment_return in self:
            lines = payment_return.move_id.line_ids
            others = (
                lines.matched_debit_ids.debit_move_id
                | lines.matched_credit_ids.credit_move_id
            ).filtered(
                lambda line, own=payment_return: (
                    line.account_type != "asset_receivable"
                    and line.move_id != own.payment_id.move_id
                )
            )
            if others:
                raise UserError(
                    self.env._(
                        "The bank took %(payment)s back with %(transaction)s. If that "
                        "belongs to something else, undo its matching first.",
                        payment=payment_return.payment_id.display_name,
                        transaction=", ".join(others.move_id.mapped("display_name")),
                    )
                )

    def _undo(self, date):
        """Take one return back, see `action_undo`.

        :param date: accounting date of the reversals
        """
        self.ensure_one()
        if date < self.date:
            raise UserError(
                self.env._(
                    "%(payment)s was returned on %(date)s. Undo that on this day or "
                    "later.",
                    payment=self.payment_id.display_name,
                    date=format_date(self.env, self.date),
                )
            )
        moves = self.move_id | self.fee_move_id.filtered(
            lambda move: move._is_in_force()
        )
        for move in moves:
            self._check_date(
                move.company_id, move.journal_id, date, move._affect_tax_report()
            )
        moves._reverse_moves(
            [
                {
                    "date": date,
                    "ref": self.env._("Reversal of: %(move)s", move=move.name),
                    **({"invoice_date": date} if move.is_invoice() else {}),
                }
                for move in moves
            ],
            cancel=True,
        )
        # A fee that nobody had posted again is no claim any more.
        self.fee_move_id.filtered(lambda move: move.state == "draft").button_cancel()
        self.payment_id.write({"state": self.payment_state})
        self._match_again(date)
        self.sudo().write(self._prepare_undo_vals(date))  # nobody may by hand
        self.activity_id.filtered("active").action_feedback(
            feedback=self.env._("The return was undone.")
        )
        self._log_undo(date)

    def _prepare_undo_vals(self, date):
        """Return what a return says of itself once it is undone."""
        return {"state": "cancelled", "undo_date": date, "undo_user_id": self.env.uid}

    def _match_again(self, date):
        """Match the payment with what it had paid, as far as that is open.

        Invoices that were reset to draft stay matched in Odoo, so they are again.
        """
        lines = self.line_ids.filtered(
            lambda line: (
                line.move_line_id.parent_state in ("draft", "posted")
                and line.payment_line_id.parent_state == "posted"
            )
        )
        # A payment may have paid parts of one item more than once. The order stays:
        # in another one, roundings of the rates would become an exchange difference.
        rounds = []
        pairs = set()
        for line in lines.sorted("id"):
            pair = (line.move_line_id, line.payment_line_id)
            if not rounds or pair in pairs:
                rounds.append(lines.browse())
                pairs.clear()
            rounds[-1] |= line
            pairs.add(pair)
        for part in rounds:
            self._match_lines_again(part, date)

    @api.model
    def _match_lines_again(self, lines, date):
        """Match payments with no more of each item than they had paid.

        :param lines: `collections.payment.return.line`, each of another item or payment
        :param date: accounting date of what gives discounts again
        """
        discounts = lines._filter_discount_due()
        pairs = []
        for line in lines:
            item, payment_line = line.move_line_id, line.payment_line_id
            if line in discounts:
                against_item, against_payment = line._revive_cash_discount(date)
                pairs += [
                    item | against_item,
                    item | payment_line,
                    payment_line | against_payment,
                ]
            else:
                pairs.append(item | payment_line)
        limits = Limits(
            {
                (line.move_line_id.id, line.payment_line_id.id): abs(line.amount)
                for line in lines
            }
        )
        env = self.env(context={**self.env.context, LIMITS_KEY: limits})
        plan = defaultdict(InTurn)
        for pair in pairs:
            if len(pair) > 1 and not any(pair.mapped("reconciled")):
                plan[pair.account_id].append(pair.with_env(env))
        env["account.move.line"]._reconcile_plan(list(plan.values()))
        for line in discounts:
            line._note_cash_discount()
        discounts.move_line_id._judge_promises()

    def _log_undo(self, date):
        """Note the undo on the payment, and on the documents that the return opened.

        They would go on saying that the bank returned the payment.

        :param date: accounting date of the reversals
        """
        self.ensure_one()
        self.payment_id._message_log(body=self._get_undo_text())
        text = self.env._(
            "The return of %(payment)s was undone on %(date)s.",
            payment=self.payment_id.display_name,
            date=format_date(self.env, date),
        )
        moves = self._get_document_lines().move_id
        moves._message_log_batch(bodies=dict.fromkeys(moves.ids, text))

    def _get_undo_text(self):
        self.ensure_one()
        lines = self.line_ids.payment_line_id
        rest = -sum(lines.mapped("amount_residual_currency"))
        text = self.env._(
            "The return was undone: the payment is matched again with what it had paid."
        )
        if self.currency_id.compare_amounts(rest, 0) > 0 and self.line_ids:
            text = self.env._(
                "The return was undone. %(amount)s of it is open, as not all that it "
                "had paid was open any more.",
                amount=format_amount(self.env, rest, self.currency_id),
            )
        return text
