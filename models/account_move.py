import datetime
from collections import Counter, defaultdict
from contextlib import contextmanager

from odoo import Command, api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.tools import SQL

from .account_move_line import InTurn
from .collections_posting import (
    AGENT,
    INTERNAL,
    RETURN_TOKEN,
    REVERSING_TOKEN,
    WRITEOFF_TOKEN,
)
from .collections_reimbursement_posting import REIMBURSEMENT_TOKEN

WRITEOFF_FIELDS = frozenset(
    {
        "collections_writeoff_reason_id",
        "collections_writeoff_amount",
        "collections_writeoff_tax_amount",
        "collections_writeoff_shares",
    }
)


class AccountMove(models.Model):
    _inherit = "account.move"

    collections_writeoff_reason_id = fields.Many2one(
        comodel_name="collections.writeoff.reason",
        string="Write-off Reason",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="restrict",
        groups=INTERNAL,
        help="Why customer items were written off with this entry. Reversals of "
        "write-offs carry it too.",
    )
    collections_writeoff_amount = fields.Monetary(
        string="Written-off Amount",
        currency_field="company_currency_id",
        readonly=True,
        copy=False,
        groups=INTERNAL,
        help="What the entry writes off, tax included, in company currency. Negative "
        "for written-off credits and for reversals.",
    )
    collections_writeoff_tax_amount = fields.Monetary(
        string="Tax Part",
        currency_field="company_currency_id",
        readonly=True,
        copy=False,
        groups=INTERNAL,
        help="The tax in it that was booked back on the accounts of the taxes.",
    )
    # What was taken of each kind of ledger lines of the documents: what comes later
    # completes them, and who writes this off in turn takes the same back.
    collections_writeoff_shares = fields.Json(
        string="Written-off Shares",
        readonly=True,
        copy=False,
        prefetch=False,
        exportable=False,
        groups=INTERNAL,
    )
    collections_writeoff_state = fields.Selection(
        selection=[
            ("draft", "In review"),
            ("posted", "Written off"),
            ("reversed", "Reversed"),
            ("reversal", "Reversal"),
            ("cancel", "Cancelled"),
        ],
        string="Write-off State",
        compute="_compute_collections_writeoff_state",
        search="_search_collections_writeoff_state",
        groups=INTERNAL,
    )
    collections_written_off_amount = fields.Monetary(
        string="Written Off",
        compute="_compute_collections_written_off_amount",
        groups=INTERNAL,
        help="What of the invoice is written off, in its currency.",
    )
    collections_is_written_off = fields.Boolean(
        string="Has Write-offs",
        compute="_compute_collections_written_off_amount",
        search="_search_collections_is_written_off",
        groups=INTERNAL,
    )

    collections_payment_return_ids = fields.One2many(
        comodel_name="collections.payment.return",
        inverse_name="move_id",
        string="Returned Payments",
        readonly=True,
        groups=AGENT,
        help="The payments that the entry takes back, as the bank returned them.",
    )

    collections_case_ids = fields.Many2many(
        comodel_name="collections.case",
        string="Cases",
        compute="_compute_collections_case_ids",
        groups=AGENT,
        help="The collections cases that items of the document belong to.",
    )
    collections_reimbursement_id = fields.Many2one(
        comodel_name="collections.reimbursement",
        string="Reimbursement",
        compute="_compute_collections_reimbursement_id",
        search="_search_collections_reimbursement_id",
        groups="credit_collections.group_collections_agent",
        help="The customer credit that this bill pays out, or this entry takes from "
        "the customer.",
    )

    # === COMPUTE METHODS === #

    @api.depends("state", "collections_writeoff_reason_id", "reversal_move_ids.state")
    def _compute_collections_writeoff_state(self):
        for move in self:
            if not move.collections_writeoff_reason_id:
                move.collections_writeoff_state = False
            elif move.state != "posted":
                move.collections_writeoff_state = move.state
            elif move.reversed_entry_id:
                move.collections_writeoff_state = "reversal"
            elif move._is_in_force():
                move.collections_writeoff_state = "posted"
            else:
                move.collections_writeoff_state = "reversed"

    def _search_collections_writeoff_state(self, operator, value):
        if operator != "in":
            return NotImplemented
        # Whether an entry is in force depends on reversals of reversals.
        entries = self.search([("collections_writeoff_reason_id", "!=", False)])
        found = entries.filtered(lambda move: move.collections_writeoff_state in value)
        domain = Domain("id", "in", found.ids)
        if False in value:
            domain |= Domain("collections_writeoff_reason_id", "=", False)
        return domain

    @api.depends("line_ids.collections_case_id")
    def _compute_collections_case_ids(self):
        for move in self:
            move.collections_case_ids = move.line_ids.collections_case_id

    @api.depends("amount_residual")
    def _compute_collections_written_off_amount(self):
        amounts = {}
        if self.ids:
            self.env["account.partial.reconcile"].flush_model()
            self.env["account.move.line"].flush_model(
                ["collections_writeoff_line_id", "parent_state"]
            )
            amounts = dict(
                self.env.execute_query(
                    SQL(
                        """
                        SELECT match.move_id, SUM(match.amount)
                          FROM (%s) AS match
                         WHERE match.move_id IN %s
                      GROUP BY match.move_id
                        """,
                        self._get_writeoff_matches(),
                        tuple(self.ids),
                    )
                )
            )
        for move in self:
            amount = float(amounts.get(move._origin.id, 0.0))
            move.collections_written_off_amount = amount
            move.collections_is_written_off = move._origin.id in amounts

    def _compute_payments_widget_reconciled_info(self):
        # EXTENDS account: what was written off or deducted was not paid
        result = super()._compute_payments_widget_reconciled_info()
        contents = [
            (move.invoice_payments_widget or {}).get("content", []) for move in self
        ]
        counterparts = self.browse(
            {
                values["move_id"]
                for content in contents
                for values in content
                if values.get("move_id")
            }
        ).sudo()
        writeoffs = counterparts.filtered("collections_writeoff_reason_id")
        deductions = (
            counterparts.env["account.partial.reconcile"]
            .search([("cash_discount_move_id", "in", counterparts.ids)])
            .cash_discount_move_id
        )
        for content in contents:
            for values in content:
                values["is_writeoff"] = values.get("move_id") in writeoffs.ids
                values["is_deduction"] = values.get("move_id") in deductions.ids
        return result

    def _search_collections_is_written_off(self, operator, value):
        if operator != "in":
            return NotImplemented
        domain = Domain(
            "id",
            "in",
            SQL(
                "(SELECT match.move_id FROM (%s) AS match)",
                self._get_writeoff_matches(),
            ),
        )
        return Domain.OR(domain if wanted else ~domain for wanted in value)

    @api.model
    def _get_writeoff_matches(self):
        """Return the SQL of what is matched between items and their write-offs.

        Rows of `move_id`, the document written off, and `amount` in its currency.
        """
        return SQL(
            """
            SELECT item.move_id, partial.debit_amount_currency AS amount
              FROM account_move_line writeoff
              JOIN account_move_line item
                ON item.id = writeoff.collections_writeoff_line_id
              JOIN account_partial_reconcile partial
                ON partial.debit_move_id = item.id
               AND partial.credit_move_id = writeoff.id
             WHERE writeoff.collections_writeoff_line_id IS NOT NULL
               AND writeoff.parent_state = 'posted'
         UNION ALL
            SELECT item.move_id, partial.credit_amount_currency
              FROM account_move_line writeoff
              JOIN account_move_line item
                ON item.id = writeoff.collections_writeoff_line_id
              JOIN account_partial_reconcile partial
                ON partial.credit_move_id = item.id
               AND partial.debit_move_id = writeoff.id
             WHERE writeoff.collections_writeoff_line_id IS NOT NULL
               AND writeoff.parent_state = 'posted'
            """
        )

    @api.depends("state")
    def _compute_collections_reimbursement_id(self):
        reimbursements = self.env["collections.reimbursement"].search(
            self._get_reimbursements_domain()
        )
        by_move = {}
        for reimbursement in reimbursements:
            by_move[reimbursement.bill_id] = reimbursement
            by_move[reimbursement.transfer_move_id] = reimbursement
        for move in self:
            move.collections_reimbursement_id = by_move.get(move._origin, False)

    def _search_collections_reimbursement_id(self, operator, value):
        if operator not in ("in", "any"):
            return NotImplemented
        Reimbursement = self.env["collections.reimbursement"]
        domain = Domain("id", "in", value) if operator == "in" else Domain(value)
        found = Reimbursement._get_moves_domain(domain)
        if operator == "in" and False in value:
            found |= ~Reimbursement._get_moves_domain(Domain.TRUE)
        return found

    def _get_reimbursements_domain(self):
        return [
            "|",
            ("bill_id", "in", self.ids),
            ("transfer_move_id", "in", self.ids),
        ]

    # === ACTION METHODS === #

    def action_open_writeoff(self):
        """Open the wizard that writes off what is open of the invoices."""
        return self.env["collections.writeoff.wizard"]._open(self)

    def action_send_collections_email(self, kind="collections"):
        """Open Odoo's composer with the e-mail about the customers of the invoices.

        See `res.partner.action_send_collections_email`.

        :raise UserError: when the invoices are of several companies
        """
        company = self.env["collections.recipient"]._get_one_company(self)
        return self.commercial_partner_id.with_context(
            collections_company_id=company.id
        ).action_send_collections_email(kind)

    def action_view_writeoffs(self):
        """Open the entries that write the invoices off."""
        # Customers read their invoices too, but not why they were written off.
        self.env["collections.writeoff.reason"].check_access("read")
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "credit_collections.account_move_action_writeoffs"
        )
        moves = self._get_writeoff_moves()
        action["domain"] = [("id", "in", moves.ids)]
        action["context"] = {"create": False, "collections_export": True}
        if len(moves) == 1:
            action.update(
                {"views": [(False, "form")], "res_id": moves.id, "view_mode": "form"}
            )
        return action

    def action_view_collections_cases(self):
        """Open the cases that items of the documents belong to."""
        return self.collections_case_ids._get_records_action(name=self.env._("Cases"))

    def action_open_writeoff_reversal(self):
        """Open the wizard that takes write-offs back.

        Called on write-off entries, or on the invoices they write off.
        """
        moves = self.filtered("collections_writeoff_reason_id")
        return self.env["collections.writeoff.reversal.wizard"]._open(
            moves | (self - moves)._get_writeoff_moves()
        )

    def action_reverse_writeoff(self, date=False):
        """Take write-offs back: the entry, the matching and the tax, to the cent.

        Payments and other matches that the items had before stay as they are.

        :param date: accounting date of the reversals, a date or ISO text; today when
            empty, but not before the write-off
        :return: a window action on the reversals
        :rtype: dict
        :raise AccessError: when the user is not a collections manager
        :raise UserError: when an entry is no write-off in force, or the date is locked
        """
        reversals = self._reverse_writeoffs(date)
        return reversals._get_writeoffs_action(self.env._("Reversed Write-offs"))

    def action_view_reimbursement(self):
        """Open the reimbursement that the bill or entry belongs to."""
        self.check_access("read")
        return self.collections_reimbursement_id._get_records_action(
            name=self.env._("Reimbursement")
        )

    # === BUSINESS METHODS === #

    def _reverse_writeoffs(self, date=False, comment=""):
        """Reverse write-offs, see `action_reverse_writeoff`.

        :param date: accounting date of the reversals, a date or ISO text
        :param str comment: text of the reversals
        :return: the reversals, an `account.move`
        """
        Posting = self.env["collections.posting"]
        Posting._check_manager()
        self.check_access("write")
        if not self:
            raise UserError(self.env._("Select the write-offs to reverse first."))
        unfit = self - self._filter_writeoffs_in_force()
        if unfit:
            raise UserError(
                self.env._(
                    "These are no write-offs that can be reversed: %(moves)s. They "
                    "were reversed already, are not posted, or write nothing off.",
                    moves=", ".join(unfit.mapped("display_name")),
                )
            )
        given = Posting._parse_date(date)  # today when empty
        dates = {move: given if date else max(given, move.date) for move in self}
        Posting._lock(self)
        if self._filter_writeoffs_in_force() != self:
            raise UserError(
                self.env._("Somebody else has just reversed one of these write-offs.")
            )
        self._read_taxes()
        for move in self:
            Posting._check_date(
                move.company_id,
                move.journal_id,
                dates[move],
                move._affect_tax_report(),
            )
        return self._reverse_moves(
            [
                {
                    "date": dates[move],
                    "ref": comment
                    or self.env._("Reversal of write-off %(move)s", move=move.name),
                }
                for move in self
            ],
            cancel=True,
        )

    def _get_writeoffs_action(self, name):
        """Return a window action on write-offs or reversals: the entry, or their list.

        The list that core would open has neither customer nor reason, and shows amounts
        in other currencies as if they were in that of the company.

        :param str name: heading of the window
        :rtype: dict
        """
        action = self._get_records_action(
            name=name, context={"create": False, "collections_export": True}
        )
        if len(self) > 1:
            list_view, search_view = (
                self.env.ref(f"credit_collections.account_move_view_{kind}_writeoffs")
                for kind in ("list", "search")
            )
            action["views"] = [(list_view.id, "list"), (False, "form")]
            action["search_view_id"] = [search_view.id]
        return action

    def _take_cash_discounts_back(self):
        """Reverse entries of cash discounts, unless that was done by hand."""
        Posting = self.env["collections.posting"]
        # Core keeps what is matched with an entry in draft.
        drafts = self.filtered(lambda move: move.state == "draft")
        if drafts:
            drafts = drafts.with_context(collections_reversing=REVERSING_TOKEN)
            drafts.line_ids.remove_move_reconcile()
            drafts.button_cancel()
        moves = self.filtered(lambda move: move._is_in_force())
        if not moves:
            return
        moves._reverse_moves(
            [
                {
                    # The journal may be locked longer than the company.
                    "date": Posting._get_first_free_date(
                        move.company_id,
                        move.journal_id,
                        move._get_accounting_date(move.date, move._affect_tax_report()),
                        move._affect_tax_report(),
                    ),
                    "ref": self.env._("Reversal of: %(move)s", move=move.name),
                }
                for move in moves
            ],
            cancel=True,
        )

    def _is_in_force(self):
        """Tell whether an entry is posted and no reversal takes it back."""
        return self.state == "posted" and not any(
            reversal._is_in_force() for reversal in self.reversal_move_ids
        )

    def _filter_writeoffs_in_force(self):
        """Return the entries that write something off and are not reversed."""
        return self.filtered(
            lambda move: (
                move.collections_writeoff_reason_id
                and not move.reversed_entry_id
                and move._is_in_force()
            )
        )

    def _get_writeoff_moves(self):
        """Return the posted entries that write documents off, the newest first."""
        lines = self.env["account.move.line"].search(
            [
                ("collections_writeoff_line_id", "in", self.line_ids.ids),
                ("parent_state", "=", "posted"),
            ]
        )
        return lines.move_id._filter_writeoffs_in_force().sorted(
            lambda move: (move.date, move.id), reverse=True
        )

    def _get_writeoff_roots(self):
        """Return the write-offs that these entries are, or reverse in the end."""
        roots = self.env["account.move"]
        entries = self.filtered("collections_writeoff_reason_id")
        while entries:
            roots |= entries.filtered(lambda move: not move.reversed_entry_id)
            entries = entries.reversed_entry_id
        return roots

    def _sync_writeoff_matching(self):
        """Match write-offs as their reversals leave them.

        In force they are matched with what they write off. Reversed they are matched
        with the reversal, and what they wrote off is open.

        :raise UserError: when items were paid or changed meanwhile
        """
        roots = self._get_writeoff_roots()
        in_force = roots._filter_writeoffs_in_force()
        for move in (roots - in_force).filtered(lambda move: move.state == "posted"):
            move._get_writeoff_partials().unlink()
            for reversal in move.reversal_move_ids:
                if reversal._is_in_force():
                    self._match_opposite_pairs(move._get_opposite_pairs(reversal))
        in_force._match_writeoffs()

    def _get_writeoff_partials(self):
        """Return the matches of write-offs with the items they write off."""
        lines = self.line_ids.filtered("collections_writeoff_line_id")
        items = lines.collections_writeoff_line_id
        return lines.matched_debit_ids.filtered(
            lambda partial: partial.debit_move_id in items
        ) | lines.matched_credit_ids.filtered(
            lambda partial: partial.credit_move_id in items
        )

    def _match_writeoffs(self):
        """Match write-offs with what they write off.

        :raise UserError: when items were paid or changed meanwhile
        """
        lines = self.line_ids.filtered(
            lambda line: line.collections_writeoff_line_id and not line.reconciled
        )
        if not lines:
            return
        self.env["collections.posting"]._lock(lines.collections_writeoff_line_id)
        lines._check_writeoff_items_open()
        # Where a reversal is reversed the context would keep core from making due what
        # is written off again.
        Line = self.env["account.move.line"].with_context(move_reverse_cancel=False)
        own, foreign = defaultdict(InTurn), defaultdict(InTurn)
        for line in lines:
            item = line.collections_writeoff_line_id
            is_own = line.currency_id == line.company_currency_id
            (own if is_own else foreign)[item.move_id, line.account_id].append(
                line | item
            )
        if own:
            Line._reconcile_plan(list(own.values()))
        if foreign:
            # Written off at the rate the items are booked with: there is nothing for
            # core to book as won or lost, except on the accounts of cash basis taxes,
            # whose entries core rounds match by match. Twice, since what only differs
            # in company currency is matched once the currency is at zero.
            no_exchange = Line.with_context(no_exchange_difference_no_recursive=True)
            no_exchange._reconcile_plan(list(foreign.values()))
            rest = [
                pair
                for pairs in foreign.values()
                for pair in pairs
                if not any(line.reconciled for line in pair)
            ]
            if rest:
                no_exchange._reconcile_plan(rest)

    def _reconcile_reversed_moves(self, reverse_moves, move_reverse_cancel):
        # EXTENDS account, which matches all lines of an account in one heap. Lines
        # booked at different rates would meet there and book exchange differences.
        pairs = []
        is_undo = self.env.context.get("collections_payment_return") is RETURN_TOKEN
        for move, reverse_move in zip(self, reverse_moves, strict=True):
            if move.collections_writeoff_reason_id or (
                is_undo and move.collections_payment_return_ids
            ):
                pairs += move._get_opposite_pairs(reverse_move)
            else:
                super(AccountMove, move)._reconcile_reversed_moves(
                    reverse_move, move_reverse_cancel
                )
        self._match_opposite_pairs(pairs)
        return reverse_moves

    def _get_opposite_pairs(self, reversal):
        """Return each open line of an entry with the one that takes it back.

        :param reversal: an `account.move` with the exact opposite lines
        :return: list of pairs, each an `account.move.line` recordset
        """
        candidates = defaultdict(list)
        for line in reversal.line_ids:
            candidates[line._get_opposite_key(-1)].append(line)
        pairs = []
        for line in self.line_ids:
            if not line.account_id.reconcile or line.reconciled:
                continue
            opposites = candidates[line._get_opposite_key()]
            if opposites and not opposites[0].reconciled:
                pairs.append(line | opposites.pop(0))
        return pairs

    @api.model
    def _match_opposite_pairs(self, pairs):
        """Match lines with those that take them back, see `_get_opposite_pairs`."""
        if pairs:
            # As core does where entries cancel each other; and both lines have the
            # same rate, so there is no exchange difference.
            self.env["account.move.line"].with_context(
                move_reverse_cancel=True, no_exchange_difference=True
            )._reconcile_plan(pairs)

    def _update_writeoff_amounts(self):
        """Note what the entries write off, which a reviewer may have changed."""
        for move in self:
            receivables = move.line_ids.filtered(
                lambda line: line.account_type == "asset_receivable"
            )
            taxes = move.line_ids.filtered("tax_repartition_line_id")
            vals = {
                "collections_writeoff_amount": -sum(receivables.mapped("balance")),
                "collections_writeoff_tax_amount": sum(taxes.mapped("balance")),
            }
            currency = move.company_currency_id
            if any(currency.compare_amounts(move[name], vals[name]) for name in vals):
                move.with_context(collections_writeoff=WRITEOFF_TOKEN).write(vals)

    def _update_writeoff_shares(self):
        """Note that all is a loss where a reviewer took the taxes out."""
        Writeoff = self.env["collections.writeoff"]
        for move in self:
            kept = Writeoff._strip_taxes(move.collections_writeoff_shares)
            if not kept or any(
                line.tax_repartition_line_id or line.tax_ids or line.tax_tag_ids
                for line in move.line_ids
            ):
                continue
            # An invoice and what was written off of it before have the same taxes,
            # which leave no lines in an entry for both.
            expected = Writeoff._get_expected_taxes(move).values()
            if not all(map(move.company_currency_id.is_zero, expected)):
                move.with_context(collections_writeoff=WRITEOFF_TOKEN).write(
                    {"collections_writeoff_shares": kept}
                )

    def _read_taxes(self):
        """Read at once what `_affect_tax_report` of core reads entry by entry."""
        lines = self.line_ids | self.invoice_line_ids
        for path in ("tax_ids", "tax_line_id", "tax_tag_ids.applicability"):
            lines.mapped(path)

    def _unmatch_writeoffs(self):
        """Take apart what write-offs, or their reversals, are matched with."""
        self.line_ids.remove_move_reconcile()

    def _check_writeoffs_before_post(self):
        """Check that write-offs, and reversals of them, are fit to be posted.

        :raise UserError: when the date is locked (core would book on another day), an
            item is gone, a reviewer left tax that is not the share of what is written
            off, or a reversal does not take back exactly what is in force, or what was
            written off itself
        """
        is_new = self.env.context.get("collections_writeoff") is WRITEOFF_TOKEN
        Posting = self.env["collections.posting"]
        origins = self.reversed_entry_id
        origins.filtered(lambda move: move.state == "posted")._check_not_written_off()
        self._read_taxes()
        for move in self:
            Posting._check_date(
                move.company_id, move.journal_id, move.date, move._affect_tax_report()
            )
            origin = move.reversed_entry_id
            if origin:
                origin._check_reversal(move)
                continue
            if not all(
                line.collections_writeoff_line_id
                for line in move.line_ids
                if line.account_type == "asset_receivable"
            ):
                raise UserError(
                    self.env._(
                        "An item that %(move)s writes off is gone. Delete the draft "
                        "and write off again what is open.",
                        move=move.display_name,
                    )
                )
            move._check_no_suspense_account()
            if not is_new:
                move._check_writeoff_tax()

    def _check_writeoff_tax(self):
        """Refuse a write-off whose taxes are not the share of what it writes off.

        A reviewer may have changed the amounts, or deleted an item. Without taxes, also
        as what the loss is the base of, all of it is a loss, as it is where the tax is
        not separated.

        :raise UserError: names both amounts
        """
        found = defaultdict(float)
        for line in self.line_ids:
            repartition = line.tax_repartition_line_id
            if repartition or line.tax_ids or line.tax_tag_ids:
                found[repartition, line.tax_ids, line.tax_tag_ids] += line.balance
        if not found:
            return
        expected = self.env["collections.writeoff"]._get_expected_taxes(self)
        # A version before kept no shares, what they were is known but for cents.
        leeway = 0.0
        if not self.collections_writeoff_shares:
            leeway = self.company_currency_id.rounding * len(self.line_ids)
        # What is there before what is missing, taxes before what they are charged on.
        keys = {*found, *expected}
        for key in sorted(keys, key=lambda key: (key not in found, not key[0])):
            gap = abs(found[key] - expected[key])
            if self.company_currency_id.compare_amounts(gap, leeway) > 0:
                self._check_writeoff_grids(*key, found[key], expected)
                self._raise_wrong_tax(*key, found[key], expected[key])

    def _check_writeoff_grids(self, repartition, taxes, tags, amount, expected):
        """Refuse a right amount of a tax, or base of taxes, under other tax grids.

        :raise UserError: names the right ones
        """
        currency = self.company_currency_id
        for (*origin, right), expected_amount in expected.items():
            if origin != [repartition, taxes] or right == tags:
                continue
            if currency.compare_amounts(amount, expected_amount) == 0:
                raise UserError(
                    self.env._(
                        "%(move)s takes %(amount)s of %(tax)s back under other tax "
                        "grids than what it writes off has. Choose %(grids)s there, or "
                        "delete the draft and write off again.",
                        move=self.display_name,
                        amount=currency.format(amount),
                        tax=", ".join((repartition.tax_id or taxes).mapped("name")),
                        grids=", ".join(right.mapped("name"))
                        or self.env._("no tax grid"),
                    )
                )

    def _raise_wrong_tax(self, repartition, taxes, tags, amount, expected):
        """Raise the error for a tax, or the base of taxes, of another amount."""
        names = {
            "move": self.display_name,
            "tax": ", ".join(
                (repartition.tax_id or taxes).mapped("name") or tags.mapped("name")
            ),
            "amount": self.company_currency_id.format(amount),
            "expected": self.company_currency_id.format(expected),
        }
        if repartition:
            raise UserError(
                self.env._(
                    "%(move)s takes %(amount)s of the tax %(tax)s back, but the share "
                    "of what it writes off is %(expected)s. Enter that on the line of "
                    "the tax and the rest on the line of the loss, or delete the draft "
                    "and write off again.",
                    **names,
                )
            )
        raise UserError(
            self.env._(
                "%(move)s takes %(amount)s back as the base of %(tax)s, but the share "
                "of what it writes off is %(expected)s. Change the lines of the loss, "
                "or delete the draft and write off again.",
                **names,
            )
        )

    def _check_no_suspense_account(self):
        """Refuse a write-off with a part on the suspense account of the bank.

        Nobody would look for a loss there. Odoo itself puts what does not add up in an
        entry with taxes on that account.

        :raise UserError: names the account
        """
        company = self.company_id
        suspense = company.account_journal_suspense_account_id
        if not suspense & self.line_ids.account_id:
            return
        # Whoever may post has to know, also who does not see the customer's account.
        customer_sudo = self.partner_id.sudo().with_company(company)
        chosen = (
            self.collections_writeoff_reason_id.with_company(company).account_id
            | customer_sudo.collections_writeoff_account_id.sudo(self.env.su)
            | company.collections_writeoff_account_id
        )
        if suspense - chosen:
            raise UserError(
                self.env._(
                    "%(move)s has a line on the suspense account %(account)s. Give the "
                    "line another account, or delete the draft and write off again.",
                    move=self.display_name,
                    account=suspense.display_name,
                )
            )

    def _check_reversal(self, reversal):
        """Refuse a second reversal, and one that differs from what it takes back."""
        if self.state == "posted" and not self._is_in_force():
            raise UserError(
                self.env._(
                    "%(move)s was reversed already. Delete %(reversal)s.",
                    move=self.display_name,
                    reversal=reversal.display_name,
                )
            )
        lines = Counter(line._get_opposite_key() for line in self.line_ids)
        opposite = Counter(line._get_opposite_key(-1) for line in reversal.line_ids)
        if lines != opposite:
            raise UserError(
                self.env._(
                    "A write-off is taken back as a whole: the lines of %(reversal)s "
                    "must be those of %(move)s turned round.",
                    reversal=reversal.display_name,
                    move=self.display_name,
                )
            )

    def _get_reimbursements_in_force(self):
        """Return the reimbursements of bills and transfers, unless they are at work.

        Whoever changes a bill has to know, also who may not see reimbursements.

        :return: `collections.reimbursement`, under sudo
        """
        Reimbursement_sudo = self.env["collections.reimbursement"].sudo()
        if self.env.context.get("collections_reimbursement") is REIMBURSEMENT_TOKEN:
            return Reimbursement_sudo
        return Reimbursement_sudo.search(
            Domain(self._get_reimbursements_domain()) & Domain("state", "=", "posted")
        )

    def _check_not_reimbursed(self):
        """Refuse to take bills and transfers of reimbursements apart.

        :raise UserError: names the reimbursements
        """
        reimbursements_sudo = self._get_reimbursements_in_force()
        if reimbursements_sudo:
            raise UserError(
                self.env._(
                    "These belong to reimbursements of customers: %(names)s. Cancel "
                    "the reimbursement instead: it takes the bill back and gives the "
                    "customer the credit again.",
                    names=", ".join(reimbursements_sudo.mapped("display_name")),
                )
            )

    # === OVERRIDES === #

    @api.model
    def default_get(self, fields_list):
        # EXTENDS base: nor does a context say what is a write-off
        result = super().default_get(fields_list)
        return {
            name: value for name, value in result.items() if name not in WRITEOFF_FIELDS
        }

    @api.model_create_multi
    def create(self, vals_list):
        if any(vals.get(name) for vals in vals_list for name in WRITEOFF_FIELDS):
            self.env["collections.posting"]._check_writes_off()
        return super().create(vals_list)

    def write(self, vals):
        if not WRITEOFF_FIELDS.isdisjoint(vals):
            self.env["collections.posting"]._check_writes_off()
        if "partner_id" in vals:
            # Instalments leave together what was promised of them: core gives them to
            # the customer one by one.
            lines = self.filtered(lambda move: move.is_invoice(True)).line_ids
            lines._leave_collections_customer(vals["partner_id"])
        result = super().write(vals)
        if "line_ids" in vals:
            self.filtered(
                lambda move: (
                    move.collections_writeoff_reason_id
                    and move.state == "draft"
                    and not move.reversed_entry_id
                )
            )._update_writeoff_amounts()
        return result

    @contextmanager
    def _sync_tax_lines(self, container):
        # EXTENDS account, which would reckon the tax anew from what is left of its base
        # once somebody changes a line. Here it is a share of the tax of documents.
        others = {"records": container["records"]._filter_no_writeoffs()}
        with super()._sync_tax_lines(others):
            yield
            others["records"] = container["records"]._filter_no_writeoffs()

    @contextmanager
    def _sync_unbalanced_lines(self, container):
        # EXTENDS account: what does not add up in a write-off is for the reviewer to
        # mend, not for the suspense account
        others = {"records": container["records"]._filter_no_writeoffs()}
        with super()._sync_unbalanced_lines(others):
            yield
            others["records"] = container["records"]._filter_no_writeoffs()

    def _filter_no_writeoffs(self):
        """Return the entries that neither write something off nor take that back."""
        return self.filtered(lambda move: not move.collections_writeoff_reason_id)

    def _post(self, soft=True):
        # EXTENDS account: write-offs are matched with their items when they are posted,
        # whoever posts them, and items open again when reversals are; promises wait
        # again for invoices that come back
        entries = self.filtered("collections_writeoff_reason_id")
        again = self.filtered("posted_before")
        if entries:
            today = fields.Date.context_today(self)
            due = entries.filtered(lambda move: not soft or move.date <= today)
            due._check_writeoffs_before_post()
            due.reversed_entry_id.filtered(
                lambda move: move.state == "posted"
            )._unmatch_writeoffs()
        posted = super()._post(soft)
        if entries:
            (posted & entries)._update_writeoff_amounts()
            (posted & entries)._update_writeoff_shares()
            (posted & entries)._sync_writeoff_matching()
        posted._create_cash_discount_offers()
        (posted & again).line_ids._judge_promises()
        return posted

    def button_draft(self):
        # EXTENDS account, which keeps what is matched with an entry in draft
        if not self:
            return super().button_draft()
        self._check_payment_not_returned()
        # ... and lets a bill be changed while the customer's credit is gone.
        self._check_not_reimbursed()
        entries = self.filtered("collections_writeoff_reason_id")
        taken_back = entries.filtered(
            lambda move: any(
                reversal._is_in_force() and reversal not in self
                for reversal in move.reversal_move_ids
            )
        )
        if taken_back:
            raise UserError(
                self.env._(
                    "%(moves)s was reversed. Reset the reversal to draft first, or "
                    "leave both as they are.",
                    moves=", ".join(taken_back.mapped("display_name")),
                )
            )
        self._check_not_written_off()
        # A document posted again need not be what the waiting entry was made from.
        self.env["collections.writeoff"]._check_not_pending(
            self.line_ids.filtered(lambda line: line.account_type == "asset_receivable")
        )
        entries._unmatch_writeoffs()
        self.line_ids.cash_discount_offer_ids.sudo().unlink()  # made again when posted
        result = super().button_draft()
        entries._sync_writeoff_matching()
        return result

    def button_cancel(self):
        # EXTENDS account: who cancels the bill means the reimbursement, and nobody
        # waits for what was promised on a cancelled invoice
        reimbursements = self._get_reimbursements_in_force()
        rest = self
        if reimbursements:
            reimbursements.sudo(self.env.su).action_cancel()
            rest = self.filtered(lambda move: move.state != "cancel")
            if not rest:
                return None
        result = super(AccountMove, rest).button_cancel()
        rest.line_ids._judge_promises()
        return result

    def _reverse_moves(self, default_values_list=None, cancel=False):
        # EXTENDS account: reversals count against the write-offs of their reason, and
        # the bill of a reimbursement is not reversed alone
        if cancel:
            # What is taken off its items here is reversed already.
            self = self.with_context(collections_reversing=REVERSING_TOKEN)
        self._check_payment_not_returned()
        self._check_not_reimbursed()
        entries = self.filtered("collections_writeoff_reason_id")
        if cancel:
            self._check_not_written_off()
        if not entries:
            return super()._reverse_moves(default_values_list, cancel=cancel)
        entries._check_reversible()
        default_values_list = default_values_list or [{} for move in self]
        for move, default_values in zip(self, default_values_list, strict=True):
            if move in entries:
                default_values.update(move._prepare_writeoff_reversal_vals())
        moves = self.with_context(collections_writeoff=WRITEOFF_TOKEN)
        reversals = super(AccountMove, moves)._reverse_moves(
            default_values_list, cancel=cancel
        )
        if not cancel:
            for move, reversal in zip(moves, reversals, strict=True):
                if move in entries:
                    move._copy_lines_reversed(reversal)
        return reversals.with_env(self.env)

    def _get_accounting_date(self, invoice_date, has_tax, lock_dates=None):
        # EXTENDS account: what goes back with a payment goes back on the day of the
        # return, not in the month of the payment. Over RPC a date is a text, so
        # programs cannot choose a day in this way.
        undo_date = self.env.context.get("collections_undo_date")
        if type(undo_date) is not datetime.date:
            return super()._get_accounting_date(invoice_date, has_tax, lock_dates)
        return self.env["collections.posting"]._get_first_free_date(
            self.company_id, self.journal_id, max(undo_date, invoice_date), has_tax
        )

    def _check_payment_not_returned(self):
        """Refuse to change entries of payments whose return is in force.

        :raise UserError: names the payments
        """
        if self.env.context.get("collections_payment_return") is RETURN_TOKEN:
            return
        entries = self.filtered(lambda move: move.move_type == "entry")
        if not entries:
            return
        # Users of Invoicing may change entries without seeing collections.
        returns_sudo = (
            self.env["collections.payment.return"]
            .sudo()
            .search(
                [
                    ("state", "=", "posted"),
                    "|",
                    ("move_id", "in", entries.ids),
                    ("payment_id", "in", entries.origin_payment_id.ids),
                ]
            )
        )
        if returns_sudo:
            raise UserError(
                self.env._(
                    "These entries belong to payments that the bank returned: "
                    "%(payments)s. If that was recorded by mistake, press Undo Return "
                    "on the payment.",
                    payments=", ".join(returns_sudo.payment_id.mapped("display_name")),
                )
            )

    def _check_reversible(self):
        """Refuse to reverse what is reversed, or about to be.

        :raise UserError: names the reversals
        """
        for move in self:
            reversals = move.reversal_move_ids.filtered(
                lambda reversal: reversal.state == "draft" or reversal._is_in_force()
            )
            if reversals:
                raise UserError(
                    self.env._(
                        "%(move)s has a reversal already: %(reversals)s. A draft can "
                        "be posted or deleted.",
                        move=move.display_name,
                        reversals=", ".join(reversals.mapped("display_name")),
                    )
                )

    def _check_not_written_off(self):
        """Refuse to take documents apart that a write-off closes.

        :raise UserError: names the documents
        """
        written_off = self.filtered("collections_is_written_off")
        # A write-off may be written off itself, once it was taken off its item.
        written_off -= written_off.filtered(
            lambda move: (
                move.collections_writeoff_reason_id
                and move._get_writeoff_moves() <= self
            )
        )
        if written_off:
            raise UserError(
                self.env._(
                    "These documents are written off: %(moves)s. Reverse the write-off "
                    "first.",
                    moves=", ".join(written_off.mapped("display_name")),
                )
            )

    def _copy_lines_reversed(self, reversal):
        """Give a reversal in draft the exact lines; core computed its taxes anew."""
        lines = self.line_ids.with_context(include_business_fields=True)
        # Core protects tax lines from being deleted one by one, not from this.
        reversal.with_context(skip_invoice_sync=True, dynamic_unlink=True).write(
            {
                "line_ids": [
                    *(Command.delete(line.id) for line in reversal.line_ids),
                    *(
                        Command.create(
                            {
                                **vals,
                                "balance": -line.balance,
                                "amount_currency": -line.amount_currency,
                            }
                        )
                        for line, vals in zip(lines, lines.copy_data(), strict=True)
                    ),
                ]
            }
        )

    def _prepare_writeoff_reversal_vals(self):
        """Return what the reversal of a write-off, or of its reversal, says of it."""
        return {
            "collections_writeoff_reason_id": self.collections_writeoff_reason_id.id,
            "collections_writeoff_amount": -self.collections_writeoff_amount,
            "collections_writeoff_tax_amount": -self.collections_writeoff_tax_amount,
        }
