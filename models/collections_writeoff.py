import math
from collections import defaultdict
from typing import NamedTuple

from odoo import Command, api, models
from odoo.exceptions import UserError
from odoo.fields import Domain

from .collections_composition import (
    ItemPart,
    LedgerKey,
    Share,
    TaxFacts,
    add_amounts,
    flatten_taxes,
)
from .collections_posting import WRITEOFF_TOKEN

OPEN_ITEMS = Domain(
    [
        ("account_type", "=", "asset_receivable"),
        ("parent_state", "=", "posted"),
        ("reconciled", "=", False),
    ]
)

# What lines have of taxes that is kept by its ids.
KEPT_FIELDS = (
    "tax_repartition_line_id",
    "tax_ids",
    "tax_tag_ids",
    "group_tax_id",
)


class Taken(NamedTuple):
    """What a write-off takes of a document."""

    part: ItemPart  # with a line of the write-off
    shares: list  # of `Share`, none where all is a loss
    separate_tax: bool  # whether all taxes stay apart


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
        contacts, as they are now. Of customers they are those of the company of context
        key `collections_company_id`, when that is one of the companies switched on.

        :param records: `account.move.line`, `account.move`, `res.partner` or
            `collections.aging.balance`
        :return: the `account.move.line`
        :raise UserError: when the records can have no items
        """
        Line = self.env["account.move.line"]
        companies = self.env["collections.recipient"]._get_companies()
        allowed = Domain("company_id", "in", companies.ids)
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
        self._check_customer_items(items)
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
        problem = self._find_reason_problem(reason)
        return UserError(problem) if problem else None

    @api.model
    def _find_reason_problem(self, reason, company=None):
        """Return why nothing can be written off for a reason, as a text, or None.

        :param reason: one `collections.writeoff.reason`
        :param company: the `res.company` that books; all use the same reasons
        """
        if reason.active:
            return None
        return self.env._(
            "The write-off reason %(reason)s is archived. Choose another one.",
            reason=reason.display_name,
        )

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
            whole = self._get_whole(part.item)
            composition = compositions.get(whole)
            partner = part.item.partner_id.commercial_partner_id
            is_apart = composition and composition["has_cash_basis"]
            document = whole.document if is_apart else None
            position = whole.document.fiscal_position_id.filtered("foreign_vat")
            groups[partner, position, document].append(part)
        vals_list = []
        for (partner, position, _document), group in groups.items():
            account = self._get_account(partner, reason, company)
            text = comment or reason.comment or reason.name
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
            currencies = {part.item.currency_id for part in group}
            vals_list.append(
                {
                    "move_type": "entry",
                    "journal_id": journal.id,
                    "company_id": company.id,
                    # By its coins core tells what makes tax due on payment due.
                    "currency_id": (
                        currencies.pop()
                        if len(currencies) == 1
                        else company.currency_id
                    ).id,
                    "partner_id": partner.id,
                    "fiscal_position_id": position.id,
                    "date": date,
                    "ref": text,
                    "collections_writeoff_reason_id": reason.id,
                    "collections_writeoff_amount": company.currency_id.round(balance),
                    "collections_writeoff_tax_amount": tax_amount,
                    "collections_writeoff_shares": self._dump_shares(
                        cuts, compositions
                    ),
                    "line_ids": [
                        Command.create(vals) for vals in [*lines_vals, *ledger_vals]
                    ],
                }
            )
        return vals_list

    @api.model
    def _get_compositions(self, items, separate_tax):
        # EXTENDS collections.composition: a write-off that was taken off its item is
        # cut like what it took, whatever is wanted of taxes now
        compositions = super()._get_compositions(items, separate_tax)
        wholes = {self._get_whole(item) for item in items}
        for move in {whole.moves[0] for whole in wholes if whole.written_off.moves}:
            if not move._is_in_force():
                continue  # its reversal took back what it had taken
            for written_off, taken in self._get_taken_by(move).items():
                whole = written_off._replace(moves=(move, *written_off.moves))
                # What adds up to nothing has no proportions.
                if (
                    whole in wholes
                    and taken.shares
                    and not whole.currency.is_zero(taken.part.amount_currency)
                    and not move.company_currency_id.is_zero(taken.part.balance)
                ):
                    compositions[whole] = self._get_composition(taken)
        return compositions

    @api.model
    def _get_composition(self, taken):
        """Return what a write-off took as what it is made of.

        :param Taken taken: what it took of a document
        :return: see `_get_compositions`
        :rtype: dict
        """
        weights = {}
        for key, *amounts in taken.shares:
            add_amounts(weights.setdefault(key, [0.0, 0.0]), amounts)
        repartitions = self.env["account.tax.repartition.line"].browse(
            {key.tax_repartition_line_id for key in weights if key.is_tax}
        )
        bases = self.env["account.tax"].browse(
            {tax_id for key in weights for tax_id in key.tax_ids}
        )
        taxes = flatten_taxes(bases) | repartitions.tax_id
        return {
            "weights": weights,
            "separate_tax": taken.separate_tax,
            "has_cash_basis": "on_payment" in taxes.mapped("tax_exigibility"),
        }

    @api.model
    def _get_taken(self, compositions):
        """Return what write-offs took of documents already.

        Of a document written off bit by bit, the taxes of the bits have to add up to
        the tax of the whole. Write-offs in review count: their bits are cut. What was
        taken off its item does not: it is an item of its own then, and whoever writes
        it off takes back what it took.

        :param dict compositions: of the documents, see `_get_compositions`
        :return: amounts in currency and balances by `LedgerKey`, positive for an
            invoice, by `Whole`
        :rtype: dict
        """
        taken = defaultdict(dict)
        moves = self.env["account.move"].union(
            *(whole.moves[0] for whole in compositions)
        )
        lines = self.env["account.move.line"].search_fetch(
            [
                ("collections_writeoff_line_id", "in", moves.line_ids.ids),
                ("parent_state", "!=", "cancel"),
            ],
            ["collections_writeoff_line_id", "amount_currency", "balance"],
        )
        for move, move_lines in lines.grouped("move_id").items():
            for whole, own in self._get_taken_by(move, move_lines, True).items():
                if whole in compositions:
                    before = taken[whole]
                    for key, *amounts in self._fit(own, compositions[whole], before):
                        add_amounts(before.setdefault(key, [0.0, 0.0]), amounts)
        return taken

    @api.model
    def _fit(self, taken, composition, before):
        """Return what a write-off took of a document, in shares of what it is now.

        By now its lines may have other analytics, or its taxes other tags; the taxes
        may be separated this time only, or were before only. Of a tax that stands apart
        in both it took what it took. The rest is cut anew, for all write-offs as one:
        each for itself they would not add up to what they took.

        :param Taken taken: what it took
        :param dict composition: of the document, see `_get_compositions`
        :param dict before: what others took, amounts in currency and balances by
            `LedgerKey`
        :rtype: list[Share]
        """
        weights = composition["weights"]
        is_same_choice = taken.separate_tax == composition["separate_tax"]
        if (
            taken.shares
            and is_same_choice
            and all(share.key in weights for share in taken.shares)
        ):
            return taken.shares
        anew = self._split(taken.part, composition, before)
        if not taken.shares:
            return anew
        Repartition = self.env["account.tax.repartition.line"]
        facts = TaxFacts(taken.separate_tax)
        apart = {
            key
            for key in weights
            if key.is_tax
            and facts.is_apart(Repartition.browse(key.tax_repartition_line_id).tax_id)
        }
        by_line = {key.tax_repartition_line_id: key for key in apart}
        shares = []
        rest = [taken.part.amount_currency, taken.part.balance]
        for key, *amounts in taken.shares:
            now = key if key in apart else by_line.get(key.tax_repartition_line_id)
            if now:
                shares.append(Share(now, *amounts))
                add_amounts(rest, (-amounts[0], -amounts[1]))
            elif key.is_tax and is_same_choice:
                return anew  # the document does not have the tax any more
        others = {key: weight for key, weight in weights.items() if key not in apart}
        part = taken.part._replace(amount_currency=rest[0], balance=rest[1])
        currencies = (part.item.currency_id, part.item.company_currency_id)
        # What adds up to nothing has no proportions.
        if any(
            currency.is_zero(sum(weight[position] for weight in others.values()))
            for position, currency in enumerate(currencies)
        ):
            return anew
        return shares + self._split(part, {**composition, "weights": others}, before)

    @api.model
    def _get_taken_by(self, move, lines=None, only_matched=False):
        """Return what a write-off takes of documents.

        :param move: its `account.move`
        :param lines: those of its lines to look at, all when empty
        :param bool only_matched: leave out what was taken off its item since
        :return: a `Taken` by the `Whole` of the items that are written off
        :rtype: dict
        """
        booked, counted = {}, {}
        for line in lines or move.line_ids:
            item = line.collections_writeoff_line_id
            # What is left of exchange differences is no share of a document.
            if item and line.amount_currency:
                whole = self._get_whole(item)._replace(currency=line.currency_id)
                amounts = [-line.amount_currency, -line.balance]
                _add_to_part(booked, whole, line, amounts)
                if only_matched and move.state == "posted":
                    amounts = line._get_written_off_amounts()
                _add_to_part(counted, whole, line, amounts)
        counted = {
            whole: part
            for whole, part in counted.items()
            if not whole.currency.is_zero(part.amount_currency)
        }
        kept = self._load_shares(move) if counted else {}
        if kept is None and not only_matched:
            return self._guess_taken(move, counted)
        result = {}
        for whole, part in counted.items():
            shares, separate_tax = (kept or {}).get(_get_ids(whole), ([], False))
            taken = self._get_taken_part(booked[whole], shares, separate_tax)
            result[whole] = self._leave(taken, part)
        return result

    @api.model
    def _get_taken_part(self, part, shares, separate_tax):
        """Return what is written off of a whole, with the shares of this amount.

        :param ItemPart part: with a line of the write-off
        :param list shares: those kept with the write-off. A reviewer may have changed
            the amounts since
        :param bool separate_tax: whether all taxes stay apart in them
        :rtype: Taken
        """
        currency = part.item.currency_id
        company_currency = part.item.company_currency_id
        total = [0.0, 0.0]
        for _key, *amounts in shares:
            add_amounts(total, amounts)
        kept = Taken(part, shares, separate_tax)
        if not (
            currency.compare_amounts(total[0], part.amount_currency)
            or company_currency.compare_amounts(total[1], part.balance)
        ):
            return kept
        # What adds up to nothing has no proportions.
        if currency.is_zero(total[0]) or company_currency.is_zero(total[1]):
            return kept._replace(shares=[])
        return kept._replace(
            shares=self._split(part, self._get_composition(kept), {}),
        )

    @api.model
    def _leave(self, taken, part):
        """Return what a write-off takes where only a part of it counts.

        The rest was taken off its item. Whoever writes that off in turn cuts it like
        the write-off, so what is left is the write-off without it.

        :param Taken taken: all that it takes
        :param ItemPart part: what counts
        :rtype: Taken
        """
        off = taken.part._replace(
            amount_currency=taken.part.amount_currency - part.amount_currency,
            balance=taken.part.balance - part.balance,
        )
        currency = part.item.currency_id
        company_currency = part.item.company_currency_id
        if currency.is_zero(off.amount_currency) and company_currency.is_zero(
            off.balance
        ):
            return taken
        # What adds up to nothing has no proportions.
        if not taken.shares or company_currency.is_zero(taken.part.balance):
            return taken._replace(part=part, shares=[])
        composition = self._get_composition(taken)
        left = {key: list(weight) for key, weight in composition["weights"].items()}
        for key, amount, balance in self._split(off, composition, {}):
            add_amounts(left[key], (-amount, -balance))
        shares = [
            Share(key, currency.round(amount), company_currency.round(balance))
            for key, (amount, balance) in left.items()
        ]
        return taken._replace(part=part, shares=shares)

    @api.model
    def _guess_taken(self, move, parts):
        """Return what a write-off takes that keeps no shares.

        It was made by a version before they were kept: its taxes tell whether they were
        separated.

        :param move: its `account.move`
        :param dict parts: an `ItemPart` by `Whole`
        :return: a `Taken` by `Whole`
        :rtype: dict
        """
        taxes = flatten_taxes(move.line_ids.tax_ids)
        taxes |= move.line_ids.tax_line_id
        separate_tax = any(tax.tax_exigibility != "on_payment" for tax in taxes)
        documents = self.env["account.move"].union(*(whole.document for whole in parts))
        compositions = self._get_move_compositions(documents, separate_tax)
        return {
            whole: Taken(
                part,
                self._split(part, compositions[whole.document], {})
                if whole.document in compositions
                else [],
                separate_tax,
            )
            for whole, part in parts.items()
        }

    @api.model
    def _get_expected_taxes(self, move):
        """Return the taxes, and the bases of taxes, of what an entry writes off.

        :param move: the `account.move`, in review
        :return: balances by `account.tax.repartition.line` (empty for a base),
            `account.tax` that it is the base of, and `account.account.tag`
        :rtype: dict
        """
        Repartition = self.env["account.tax.repartition.line"]
        Tax, Tag = self.env["account.tax"], self.env["account.account.tag"]
        expected = defaultdict(float)
        for taken in self._get_taken_by(move).values():
            for key, _amount_currency, balance in taken.shares:
                if key.is_tax or key.tax_ids or key.tag_ids:
                    records = (
                        Repartition.browse(key.tax_repartition_line_id),
                        Tax.browse(key.tax_ids),
                        Tag.browse(key.tag_ids),
                    )
                    expected[records] += balance
        return expected

    @api.model
    def _dump_shares(self, cuts, compositions):
        """Return what is kept with an entry of the shares that it takes.

        They cannot be told from the ledger lines of an entry for several documents.
        What comes later has to complete them, or to take them back.

        :param list cuts: see `_cut`
        :param dict compositions: see `_get_compositions`
        :rtype: list[dict]
        """
        sums = defaultdict(dict)
        for whole, part, shares in cuts:
            if part.amount_currency:
                for key, *amounts in shares:
                    if any(amounts):
                        add_amounts(sums[whole].setdefault(key, [0.0, 0.0]), amounts)
        return [
            {
                "whole": _get_ids(whole),
                "separate_tax": (
                    whole in compositions and compositions[whole]["separate_tax"]
                ),
                # The names of taxes depend on the language.
                "shares": [
                    [key._replace(name=""), *amounts] for key, amounts in shares.items()
                ],
            }
            for whole, shares in sums.items()
        ]

    @api.model
    def _load_shares(self, move):
        """Return the shares that are kept with an entry.

        :param move: an `account.move`
        :return: lists of `Share`, and whether all taxes stay apart in them, by the ids
            of the `Whole` they are of; None where the entry keeps none
        :rtype: dict | None
        """
        if not move.collections_writeoff_shares:
            return None
        # Once for all: an entry may be for a thousand documents.
        known = {name: move.line_ids[name] for name in KEPT_FIELDS}
        result = {}
        for kept in move.collections_writeoff_shares:
            sums = {}
            for values, *amounts in kept["shares"]:
                if any(amounts):
                    key = self._get_kept_key(LedgerKey(*_to_tuple(values)), known)
                    add_amounts(sums.setdefault(key, [0.0, 0.0]), amounts)
            shares = [Share(key, *amounts) for key, amounts in sums.items()]
            result[_to_tuple(kept["whole"])] = (shares, kept["separate_tax"])
        return result

    @api.model
    def _get_kept_key(self, key, known):
        """Return a key that is kept with an entry, without what was deleted since.

        Odoo lets nobody delete what a line has, but a tax that was charged nowhere, and
        the entry may have no line for it.

        :param LedgerKey key: as it was kept
        :param dict known: the records that lines of the entry have, by `KEPT_FIELDS`
        :rtype: LedgerKey
        """
        repartition = _find_kept(
            known["tax_repartition_line_id"], [key.tax_repartition_line_id]
        )
        taxes = _find_kept(known["tax_ids"], key.tax_ids)
        tags = _find_kept(known["tax_tag_ids"], key.tag_ids)
        group = _find_kept(known["group_tax_id"], [key.group_tax_id])
        if key.is_tax and not repartition:
            return LedgerKey(analytic=key.analytic)
        return key._replace(
            name=repartition.tax_id.name or "",  # it depends on the language
            tax_ids=tuple(taxes.ids),
            tag_ids=tuple(tags.ids),
            group_tax_id=group.id or 0,
        )

    @api.model
    def _strip_taxes(self, kept):
        """Return kept shares as losses, or nothing when there are no taxes in them.

        :param kept: see `_dump_shares`
        """
        keys = [LedgerKey(*key) for of in kept or [] for key, *_amounts in of["shares"]]
        if not any(key.is_tax or key.tax_ids or key.tag_ids for key in keys):
            return None
        return [
            {
                **of_whole,
                "separate_tax": False,
                "shares": [
                    [LedgerKey(analytic=LedgerKey(*key).analytic), *amounts]
                    for key, *amounts in of_whole["shares"]
                ],
            }
            for of_whole in kept
        ]

    @api.model
    def _prepare_item_line_vals(self, part, name):
        # EXTENDS collections.composition: posting matches the line with its item
        vals = super()._prepare_item_line_vals(part, name)
        return {**vals, "collections_writeoff_line_id": part.item.id}

    @api.model
    def _get_names(self, items):
        """Return the documents of items as a text, the first ten of many."""
        return self._join_names(items.mapped("move_id.display_name"))


def _add_to_part(parts, whole, line, amounts):
    """Add amounts to the `ItemPart` of a whole."""
    total = list(parts.get(whole, (line, 0.0, 0.0))[1:])
    add_amounts(total, amounts)
    parts[whole] = ItemPart(line, *total)


def _find_kept(known, ids):
    """Return the records of kept ids that were not deleted, in their order.

    :param known: those that are there for sure, the others are looked for
    :param ids: some of them may be 0
    """
    records = known.browse(filter(None, ids))
    return records if records <= known else records.exists()


def _get_ids(whole):
    """Return the ids that stand for a whole in JSON."""
    return (tuple(move.id for move in whole.moves), whole.currency.id)


def _to_tuple(value):
    """Return a value of JSON with its lists as tuples."""
    return tuple(map(_to_tuple, value)) if isinstance(value, list) else value
