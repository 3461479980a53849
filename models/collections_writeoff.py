import math
from collections import defaultdict

from odoo import Command, api, models
from odoo.exceptions import UserError
from odoo.fields import Domain

from .collections_composition import ItemPart, LedgerKey, Share
from .collections_posting import WRITEOFF_TOKEN

OPEN_ITEMS = Domain(
    [
        ("account_type", "=", "asset_receivable"),
        ("parent_state", "=", "posted"),
        ("reconciled", "=", False),
    ]
)


class CollectionsWriteoff(models.AbstractModel):
    """Writing off customers' items: which, how they are cut, how they are booked."""

    _name = "collections.writeoff"
    _inherit = "collections.composition"
    _description = "Write-off"

    # === WHAT CAN BE WRITTEN OFF === #

    @api.model
    def _get_items(self, records):
        """Return the open items that records stand for, by customer and due date.

        Customers and aged balances mean all open items of the customer and his
        contacts, as they are now.

        :param records: `account.move.line`, `account.move`, `res.partner` or
            `collections.aging.balance`
        :return: the `account.move.line`
        :raise UserError: when the records can have no items
        """
        Line = self.env["account.move.line"]
        allowed = Domain("company_id", "in", self.env.companies.ids)
        records.check_access("read")
        if records._name == "account.move.line":
            items = records.filtered_domain(OPEN_ITEMS)
        elif records._name == "account.move":
            items = records.line_ids.filtered_domain(OPEN_ITEMS)
        elif records._name == "res.partner":
            items = Line.search(
                OPEN_ITEMS
                & allowed
                & Domain(
                    "partner_id.commercial_partner_id",
                    "in",
                    records.commercial_partner_id.ids,
                )
            )
        elif records._name == "collections.aging.balance":
            items = Line
            for company, balances in records.grouped("company_id").items():
                owner = Domain(
                    "partner_id.commercial_partner_id",
                    "in",
                    balances.partner_id.commercial_partner_id.ids,
                )
                if len(balances.filtered("partner_id")) < len(balances):
                    owner |= Domain("partner_id", "=", False)
                items |= Line.search(
                    OPEN_ITEMS & Domain("company_id", "=", company.id) & owner
                )
        else:
            raise UserError(
                self.env._(
                    "Write-offs start from invoices, open items, customers or aged "
                    "balances, not from %(model)s.",
                    model=records._description,
                )
            )
        return items.sorted(
            lambda item: (
                item.partner_id.commercial_partner_id.name or "",
                item.partner_id.commercial_partner_id.id,
                item.date_maturity or item.date,
                item.id,
            )
        )

    @api.model
    def _get_pending_items(self, items):
        """Return which items stand in write-offs that wait to be posted, with those.

        :param items: `account.move.line`
        :return: the draft `account.move` by item
        :rtype: dict
        """
        if not items:
            return {}
        lines = self.env["account.move.line"].search(
            [
                ("collections_writeoff_line_id", "in", items.ids),
                ("parent_state", "=", "draft"),
            ]
        )
        return {line.collections_writeoff_line_id: line.move_id for line in lines}

    @api.model
    def _get_parts(self, amounts):
        """Return what is written off of each item, checked.

        :param dict amounts: the amount of each item (`account.move.line`) in its
            currency, with the sign of its residual; None for all that is open. Items
            with an amount of 0 are left out
        :return: list of `ItemPart`
        :raise UserError: when an item is closed, pending, not a customer's, or the
            amount is not a part of what is open
        """
        items = self.env["account.move.line"].union(*amounts)
        self._check_items(items)
        parts = [self._get_part(item, amount) for item, amount in amounts.items()]
        return [part for part in parts if part.amount_currency or part.balance]

    @api.model
    def _check_items(self, items):
        """Refuse items that cannot be written off.

        :param items: `account.move.line`
        :raise UserError: names the items
        """
        items.check_access("read")
        foreign = items.filtered(
            lambda item: (
                item.account_type != "asset_receivable" or item.parent_state != "posted"
            )
        )
        if foreign:
            raise UserError(
                self.env._(
                    "These are not posted items of customers: %(items)s",
                    items=self._get_names(foreign),
                )
            )
        closed = items.filtered("reconciled")
        if closed:
            raise UserError(
                self.env._(
                    "These items have been closed meanwhile: %(items)s. Open the "
                    "write-off again to see what is left.",
                    items=self._get_names(closed),
                )
            )
        self._check_not_pending(items)
        if len(items.company_id) > 1:
            raise UserError(
                self.env._(
                    "The items belong to several companies: %(companies)s. Write them "
                    "off one company at a time; the company switch at the top right "
                    "narrows the lists.",
                    companies=", ".join(items.company_id.mapped("name")),
                )
            )

    @api.model
    def _check_not_pending(self, items):
        """Refuse items that stand in a write-off in review.

        :param items: `account.move.line`
        :raise UserError: names the items
        """
        pending = self._get_pending_items(items)
        if pending:
            raise UserError(
                self.env._(
                    "These items stand in a write-off that waits to be posted: "
                    "%(items)s. Post, change or delete %(drafts)s under Operations > "
                    "Write-offs.",
                    items=self._get_names(items.browse(item.id for item in pending)),
                    drafts=self._join_names(
                        draft.display_name for draft in pending.values()
                    ),
                )
            )

    @api.model
    def _get_part(self, item, amount):
        """Return the `ItemPart` of one item.

        A part of an item has the same part of its book value, so that nothing is won
        or lost on the currency.
        """
        currency = item.currency_id
        open_currency = item.amount_residual_currency
        if currency.is_zero(open_currency):
            # Only an exchange difference is left. It has no amount to choose from.
            return ItemPart(item, 0.0, item.amount_residual)
        if amount is None:
            return ItemPart(item, open_currency, item.amount_residual)
        if not isinstance(amount, int | float) or not math.isfinite(amount):
            raise UserError(
                self.env._(
                    "%(amount)s is not an amount to write off of %(item)s.",
                    amount=amount,
                    item=item.display_name,
                )
            )
        amount = currency.round(amount)
        if not amount:
            return ItemPart(item, 0.0, 0.0)
        if (amount < 0) != (open_currency < 0) or (
            currency.compare_amounts(abs(amount), abs(open_currency)) > 0
        ):
            raise UserError(
                self.env._(
                    "%(amount)s cannot be written off of %(item)s: %(open)s is open.",
                    amount=currency.format(amount),
                    item=item.display_name,
                    open=currency.format(open_currency),
                )
            )
        if not currency.compare_amounts(amount, open_currency):
            return ItemPart(item, open_currency, item.amount_residual)
        balance = item.amount_residual * amount / open_currency
        return ItemPart(item, amount, item.company_currency_id.round(balance))

    # === POSTING === #

    @api.model
    def _write_off(self, amounts, journal, reason, date, comment="", separate_tax=None):
        """Write off items: one entry for each customer, matched with the items.

        :param dict amounts: see `_get_parts`
        :param journal: the `account.journal`, of type general
        :param reason: the `collections.writeoff.reason`
        :param date: the accounting date
        :param str comment: text of the entries
        :param bool separate_tax: book the tax back on its accounts; None for the
            company's parameter
        :return: the entries, posted or left in draft for review
        :raise AccessError: when the user is not a collections manager
        :raise UserError: when something is missing, closed meanwhile or locked
        """
        self._check_manager()
        items = self.env["account.move.line"].union(*amounts)
        self._lock(items)
        parts = self._get_parts(amounts)
        if not parts:
            raise UserError(self.env._("There is nothing to write off."))
        company = items.company_id
        if separate_tax is None:
            separate_tax = company.collections_writeoff_separate_tax
        writeoff = self.with_company(company)
        problem = writeoff._find_problem(company, journal, reason)
        if problem:
            raise problem
        vals_list = writeoff._prepare_moves_vals(
            parts, journal, reason, date, comment, separate_tax
        )
        has_tax = self._has_tax(self._get_lines_vals(vals_list))
        self._check_date(company, journal, date, has_tax)
        moves = writeoff._create_entries(vals_list)
        reviewed = self._get_moves_to_review(moves, parts)
        reviewed._message_log_batch(
            bodies={
                move.id: self.env._("Left in draft for review by a second person.")
                for move in reviewed
            }
        )
        posted = moves - reviewed
        posted.with_context(collections_writeoff=WRITEOFF_TOKEN)._post(soft=False)
        return moves

    @api.model
    def _find_problem(self, company, journal, reason):
        """Return the error for a journal or reason that is missing or unfit, or None.

        :param company: the `res.company` that books
        :param journal: an `account.journal`, may be empty
        :param reason: a `collections.writeoff.reason`, may be empty
        """
        if not journal:
            return self._get_missing_error(
                self.env._(
                    "There is no write-off journal for %(company)s. Choose one, or set "
                    "it under Configuration > Parameters.",
                    company=company.name,
                ),
                company,
            )
        problem = self._find_journal_problem(journal, company)
        if problem:
            return UserError(problem)
        if not reason:
            return self._get_missing_error(
                self.env._(
                    "There is no reason for the write-off. Choose one, or set a "
                    "default under Configuration > Parameters."
                ),
                company,
            )
        if not reason.active:
            return UserError(
                self.env._(
                    "The write-off reason %(reason)s is archived. Choose another one.",
                    reason=reason.display_name,
                )
            )
        return None

    @api.model
    def _get_account(self, partner, reason, company):
        """Return the account that takes the loss: the reason's, customer's, company's.

        :param partner: the customer, a `res.partner`; may be empty
        :param reason: the `collections.writeoff.reason`
        :param company: the `res.company` that books
        :return: an `account.account`
        :raise UserError: when there is none, or it cannot be used
        """
        reason = reason.with_company(company)
        partner = partner.with_company(company)
        account = (
            reason.account_id
            or partner.collections_writeoff_account_id
            or company.collections_writeoff_account_id
        )
        if not account:
            raise self._get_missing_error(
                self.env._(
                    "There is no write-off account for %(reason)s of %(customer)s. Set "
                    "it on the reason, the customer, or under Configuration > "
                    "Parameters.",
                    reason=reason.display_name,
                    customer=partner.display_name or self.env._("no customer"),
                ),
                company,
            )
        problem = self._find_account_problem(account, company)
        if problem:
            raise UserError(problem)
        return account

    @api.model
    def _get_moves_to_review(self, moves, parts):
        """Return the entries that stay in draft until somebody posts them.

        The company wants it for all, or for customers from an amount on.
        """
        if moves.company_id.collections_writeoff_draft:
            return moves
        partners = set(self._get_partners_to_review(parts))
        return moves.filtered(lambda move: move.partner_id in partners)

    @api.model
    def _get_partners_to_review(self, parts):
        """Return the customers of whom as much is written off as has to be reviewed.

        What counts are the debts, or the credits when they are more.

        :param list parts: list of `ItemPart`
        :return: each `res.partner`, an empty one for items that belong to nobody; none
            when the company reviews nothing by amount
        :rtype: list
        """
        company = parts[0].item.company_id
        limit = company.collections_writeoff_review_amount
        if not limit:
            return []
        sums = defaultdict(lambda: [0.0, 0.0])
        for part in parts:
            partner = part.item.partner_id.commercial_partner_id
            sums[partner][part.balance < 0] += abs(part.balance)
        compare = company.currency_id.compare_amounts
        return [partner for partner in sums if compare(max(sums[partner]), limit) >= 0]

    # === ENTRIES === #

    @api.model
    def _prepare_moves_vals(self, parts, journal, reason, date, comment, separate_tax):
        """Return the values of the entries, one for each customer.

        A document with taxes due on payment has an entry of its own: core makes its
        cash basis entries by the share that is matched of the whole entry, whatever
        document a tax in it is from. Documents with a tax registration in another
        country are apart as well, as an entry is reported in one country.

        :param list parts: list of `ItemPart`, all of one company
        :param journal: the `account.journal`
        :param reason: the `collections.writeoff.reason`
        :param date: the accounting date
        :param str comment: text of the entries
        :param bool separate_tax: whether the tax is booked back on its accounts
        :return: list of values for `account.move`
        :raise UserError: when there is no usable write-off account
        """
        company = parts[0].item.company_id
        compositions = self._get_compositions(
            [part.item for part in parts], separate_tax
        )
        taken = self._get_taken(compositions)
        groups = defaultdict(list)
        for part in parts:
            move = self._get_document(part.item)
            composition = compositions.get(move)
            partner = part.item.partner_id.commercial_partner_id
            document = move if composition and composition["has_cash_basis"] else None
            position = move.fiscal_position_id.filtered("foreign_vat")
            groups[partner, position, document].append(part)
        vals_list = []
        for (partner, position, _document), group in groups.items():
            account = self._get_account(partner, reason, company)
            text = comment or reason.comment or reason.name
            # The first part of a document is cut as it would be now.
            started = {started for started, shares in taken.items() if shares}
            cuts = self._cut(group, compositions, taken)
            ledger_vals, tax_amount = self._prepare_ledger_lines_vals(
                cuts, account, text, partner
            )
            lines_vals = [
                self._prepare_item_line_vals(
                    part,
                    self.env._(
                        "Write-off %(document)s", document=part.item.move_id.name
                    ),
                )
                for part in group
            ]
            balance = sum(part.balance for part in group)
            vals_list.append(
                {
                    "move_type": "entry",
                    "journal_id": journal.id,
                    "company_id": company.id,
                    "partner_id": partner.id,
                    "fiscal_position_id": position.id,
                    "date": date,
                    "ref": text,
                    "collections_writeoff_reason_id": reason.id,
                    "collections_writeoff_amount": company.currency_id.round(balance),
                    "collections_writeoff_tax_amount": tax_amount,
                    "collections_writeoff_shares": self._dump_shares(cuts, started),
                    "line_ids": [
                        Command.create(vals) for vals in [*lines_vals, *ledger_vals]
                    ],
                }
            )
        return vals_list

    @api.model
    def _get_expected_taxes(self, move):
        """Return the tax of what an entry in review writes off, in company currency.

        How it is rounded depends on other write-offs of the documents, which may have
        been made or reversed since: it is told with and without them.

        :param move: the draft `account.move`
        :rtype: list[float]
        """
        items = move.line_ids.collections_writeoff_line_id
        items.fetch(["move_id", "collections_writeoff_line_id"])
        parts = [
            ItemPart(
                line.collections_writeoff_line_id, -line.amount_currency, -line.balance
            )
            for line in move.line_ids
            if line.collections_writeoff_line_id
        ]
        taxes = move.line_ids.tax_line_id
        # Taxes due on payment alone were not asked for.
        separate_tax = any(tax.tax_exigibility != "on_payment" for tax in taxes)
        compositions = self._get_compositions(items, separate_tax)
        return [
            self._prepare_ledger_lines_vals(
                self._cut(parts, compositions, taken),
                self.env["account.account"],
                "",
                move.partner_id,
            )[1]
            for taken in (self._get_taken(compositions, but=move), None)
        ]

    @api.model
    def _get_taken(self, compositions, but=None):
        """Return what write-offs took of documents already.

        Of a document written off bit by bit, the taxes of the bits have to add up to
        the tax of the whole. Write-offs in review count: their bits are cut.

        :param dict compositions: of the documents, see `_get_compositions`
        :param but: an `account.move` that does not count
        :return: amounts in currency and balances by `LedgerKey`, positive for an
            invoice, by document and currency
        :rtype: dict
        """
        taken = defaultdict(dict)
        lines = self.env["account.move"].union(*compositions).line_ids
        origins = {line: line.move_id for line in lines}
        # A write-off may be written off in turn.
        while lines:
            lines = lines.search_fetch(
                [
                    ("collections_writeoff_line_id", "in", lines.ids),
                    ("parent_state", "!=", "cancel"),
                ],
                ["collections_writeoff_line_id", "amount_currency", "balance"],
            )
            for move, move_lines in lines.grouped("move_id").items():
                if move == but or not (move.state == "draft" or move._is_in_force()):
                    continue
                groups = defaultdict(list)
                for line in move_lines:
                    origin = origins[line.collections_writeoff_line_id]
                    origins[line] = origin
                    # What is left of exchange differences is no share of a document.
                    if line.amount_currency:
                        groups[origin, line.currency_id].append(line)
                for (origin, currency), group in groups.items():
                    part = ItemPart(
                        group[0],
                        -sum(line.amount_currency for line in group),
                        -sum(line.balance for line in group),
                    )
                    before = taken[origin, currency]
                    for share in self._load_shares(move, origin, part, compositions):
                        sums = before.setdefault(share.key, [0.0, 0.0])
                        sums[0] += share.amount_currency
                        sums[1] += share.balance
            lines = lines.filtered(origins.get)
        return taken

    @api.model
    def _dump_shares(self, cuts, started):
        """Return the shares to keep with an entry, for parts that come later.

        What a part took that was not the first one cannot be told from its amount, nor
        from the ledger lines of an entry for several documents.

        :param list cuts: see `_cut`
        :param set started: documents and currencies of which something was taken before
        :return: JSON, or False when there is nothing to keep
        """
        return [
            {
                "document": document.id,
                "currency": part.item.currency_id.id,
                # Names of taxes are in the language of the user.
                "shares": [
                    [list(key._replace(name="")), amount_currency, balance]
                    for key, amount_currency, balance in shares
                ],
            }
            for part, shares in cuts
            if (document := self._get_document(part.item), part.item.currency_id)
            in started
        ] or False

    @api.model
    def _load_shares(self, move, document, part, compositions):
        """Return what an entry took of a document, by the kinds of ledger lines.

        :param move: the `account.move` of the write-off
        :param document: the `account.move` that it writes off a part of
        :param ItemPart part: how much of it, with a line of the write-off
        :param dict compositions: see `_get_compositions`
        :rtype: list[Share]
        """
        composition = compositions[document]
        keys = {key._replace(name=""): key for key in composition["weights"]}
        currency = part.item.currency_id
        for kept in move.collections_writeoff_shares or []:
            if (kept["document"], kept["currency"]) != (document.id, currency.id):
                continue
            shares = [
                Share(keys.get(LedgerKey(*map(_to_tuple, key))), *amounts)
                for key, *amounts in kept["shares"]
            ]
            gaps = (
                sum(share.amount_currency for share in shares) - part.amount_currency,
                sum(share.balance for share in shares) - part.balance,
            )
            # A reviewer may have changed the amounts; lines of the document may have
            # other analytics by now, or its tax is not separated this time.
            if (
                all(share.key for share in shares)
                and currency.is_zero(gaps[0])
                and part.item.company_currency_id.is_zero(gaps[1])
            ):
                return shares
        return self._split(part, composition, {})

    @api.model
    def _prepare_item_line_vals(self, part, name):
        # EXTENDS collections.composition: posting matches the line with its item
        vals = super()._prepare_item_line_vals(part, name)
        return {**vals, "collections_writeoff_line_id": part.item.id}

    @api.model
    def _get_names(self, items):
        """Return the documents of items as a text, the first ten of many."""
        return self._join_names(items.mapped("move_id.display_name"))


def _to_tuple(value):
    """Return a value of JSON with its lists as tuples."""
    return tuple(map(_to_tuple, value)) if isinstance(value, list) else value
