from collections import defaultdict
from typing import Any, NamedTuple

from odoo import Command, api, models

from ..tools.tax_split import spread, spread_further

# Lines of an invoice that make up its total. What is left out (cost of sales, the
# shifting of discounts between accounts) adds up to zero.
TOTAL_DISPLAY_TYPES = ("product", "tax", "epd", "rounding", "payment_term")


class ItemPart(NamedTuple):
    """What is booked back of one item, with the sign of its residual."""

    item: Any  # account.move.line
    amount_currency: float  # in the currency of the item
    balance: float  # in company currency, at the rate the item is booked with


class LedgerKey(NamedTuple):
    """What ledger lines of an entry have in common that are booked as one."""

    is_tax: bool = False
    account_id: int = 0  # 0 stands for the account of the loss
    name: str = ""
    analytic: tuple = ()
    tax_ids: tuple = ()
    tag_ids: tuple = ()
    tax_repartition_line_id: int = 0
    group_tax_id: int = 0


class Share(NamedTuple):
    """What is booked back of one kind of ledger lines of a document."""

    key: LedgerKey
    amount_currency: float
    balance: float


class Whole(NamedTuple):
    """What items are parts of: a document, or what a write-off took of one.

    A write-off that was taken off its item is open like any other credit. Whoever
    writes it off in turn takes back what it took.
    """

    moves: tuple  # account.move of the items, what they write off, ... the document
    currency: Any  # res.currency of the items

    @property
    def document(self):
        return self.moves[-1]

    @property
    def written_off(self):
        """What the items write off; has no moves where they are of a document."""
        return self._replace(moves=self.moves[1:])


class Cut(NamedTuple):
    """What is booked back of one whole, and the shares it is cut into."""

    whole: Whole
    part: ItemPart
    shares: list


class CollectionsComposition(models.AbstractModel):
    """What documents are made of, to book a share of them back."""

    _name = "collections.composition"
    _inherit = "collections.posting"
    _description = "Composition of Documents"

    # === LEDGER LINES === #

    @api.model
    def _prepare_ledger_lines_vals(self, cuts, account, text, partner):
        """Return the values of the lines against the receivable of one entry.

        :param list cuts: what the entry books back, see `_cut`
        :param account: the account of the loss
        :param str text: label of the lines on that account
        :param partner: the customer, a `res.partner`
        :return: the values, and the sum of the tax lines in company currency
        :rtype: tuple[list[dict], float]
        """
        company_currency = cuts[0].part.item.company_currency_id
        # Debits and credits are added up apart, as amounts in currency and in company
        # currency could end with different signs otherwise.
        sums = defaultdict(lambda: [[0.0, 0.0], [0.0, 0.0]])
        for _whole, part, shares in cuts:
            for key, amount_currency, balance in shares:
                is_credit = amount_currency < 0 or balance < 0
                pair = sums[part.item.currency_id, key][is_credit]
                pair[0] += amount_currency
                pair[1] += balance
        lines_vals = []
        tax_amount = 0.0
        for (currency, key), (debits, credits) in sorted(
            sums.items(), key=lambda item: (item[0][1].is_tax, item[0][0].id)
        ):
            amount_currency = currency.round(debits[0] + credits[0])
            balance = company_currency.round(debits[1] + credits[1])
            pairs = [(amount_currency, balance)]
            if amount_currency * balance < 0:
                pairs = [debits, credits]
            for amount_currency, balance in pairs:
                amount_currency = currency.round(amount_currency)
                balance = company_currency.round(balance)
                if not amount_currency and not balance:
                    continue
                vals = {
                    "name": key.name if key.is_tax else text,
                    "display_type": "tax" if key.is_tax else "product",
                    "account_id": key.account_id or account.id,
                    "partner_id": partner.id,
                    "currency_id": currency.id,
                    "amount_currency": amount_currency,
                    "balance": balance,
                    "tax_ids": [Command.set(key.tax_ids)],
                    "tax_tag_ids": [Command.set(key.tag_ids)],
                    "tax_repartition_line_id": key.tax_repartition_line_id or False,
                    "group_tax_id": key.group_tax_id or False,
                }
                if key.analytic or key.is_tax:
                    vals["analytic_distribution"] = dict(key.analytic) or False
                lines_vals.append(vals)
                tax_amount += balance if key.is_tax else 0.0
        return lines_vals, company_currency.round(tax_amount)

    @api.model
    def _cut(self, parts, compositions, taken=None):
        """Cut what is booked back like the documents it comes from.

        Instalments of one document are cut as one: the shares of three would not add
        up to the tax of the document.

        :param list parts: the `ItemPart` of one entry
        :param dict compositions: see `_get_compositions`
        :param dict taken: what was booked back before, by `Whole` and `LedgerKey`; the
            parts are added. None where each part is cut for itself
        :rtype: list[Cut]
        """
        groups = defaultdict(list)
        for part in parts:
            whole = self._get_whole(part.item)
            # What has no amount in currency is no share of anything.
            is_share = part.amount_currency and whole in compositions
            groups[whole, None if is_share else part.item].append(part)
        cuts = []
        for (whole, item), group in groups.items():
            part = ItemPart(
                group[0].item,
                sum(part.amount_currency for part in group),
                sum(part.balance for part in group),
            )
            if item or not part.amount_currency:
                shares = [Share(LedgerKey(), part.amount_currency, part.balance)]
            else:
                before = {} if taken is None else taken[whole]
                shares = self._split(part, compositions[whole], before)
                for share in shares:
                    add_amounts(before.setdefault(share.key, [0.0, 0.0]), share[1:])
            cuts.append(Cut(whole, part, shares))
        return cuts

    @api.model
    def _split(self, part, composition, before):
        """Cut a part of a whole like the whole.

        :param part: an `ItemPart` with an amount in currency
        :param dict composition: of the whole, see `_get_compositions`
        :param dict before: amounts in the currency of the item and balances that were
            booked back already, by `LedgerKey`
        :rtype: list[Share]
        """
        weights = composition["weights"]
        currency = part.item.currency_id
        company_currency = part.item.company_currency_id
        taken = [before.get(key, (0.0, 0.0)) for key in weights]
        amounts = spread_further(
            [amount for amount, _balance in weights.values()],
            [amount for amount, _balance in taken],
            part.amount_currency,
            currency.rounding,
        )
        if currency == company_currency:
            balances = amounts
        else:
            balances = spread_further(
                [balance for _amount, balance in weights.values()],
                [balance for _amount, balance in taken],
                part.balance,
                company_currency.rounding,
            )
            if composition["has_cash_basis"]:
                balances = self._join_without_amount(list(weights), amounts, balances)
        shares = []
        for key, amount, balance in zip(weights, amounts, balances, strict=True):
            # No ledger line has an amount and a balance of different signs.
            opposite = amount * balance < 0
            pairs = [(amount, 0.0), (0.0, balance)] if opposite else [(amount, balance)]
            shares += [Share(key, *pair) for pair in pairs]
        return shares

    @api.model
    def _join_without_amount(self, keys, amounts, balances):
        """Return balances; those of tax due on payment go where they have an amount.

        Core makes due what has an amount. A balance alone would stay for good on the
        account where the tax waits.

        :param list keys: the `LedgerKey` of each share
        :param list amounts: in the currency of the item
        :param list balances: in company currency
        """
        Repartition = self.env["account.tax.repartition.line"]
        joined = list(balances)
        rest = 0.0
        for position, key in enumerate(keys):
            tax = Repartition.browse(key.tax_repartition_line_id).tax_id
            if (
                tax.tax_exigibility == "on_payment"
                and amounts[position] * balances[position] <= 0
            ):
                rest += joined[position]
                joined[position] = 0.0
        # What the tax is charged on takes it, if there is anything else.
        others = [position for position, key in enumerate(keys) if not key.is_tax]
        largest = max(
            others or range(len(keys)), key=lambda position: abs(balances[position])
        )
        joined[largest] += rest
        return joined

    @api.model
    def _get_lines_vals(self, vals_list):
        """Return the values of all lines in the values of entries."""
        return [vals for move in vals_list for _command, _id, vals in move["line_ids"]]

    @api.model
    def _has_tax(self, lines_vals):
        """Tell whether lines would be subject to the tax lock date.

        :param lines_vals: values of `account.move.line` prepared here
        """
        if any(
            vals.get("tax_repartition_line_id")
            or any(command[2] for command in vals["tax_ids"])
            for vals in lines_vals
        ):
            return True
        tag_ids = {
            tag_id
            for vals in lines_vals
            for command in vals["tax_tag_ids"]
            for tag_id in command[2] or ()
        }
        tags = self.env["account.account.tag"].browse(tag_ids)
        return "taxes" in tags.mapped("applicability")

    @api.model
    def _prepare_item_line_vals(self, part, name):
        """Return the values of the receivable line that closes (a part of) an item.

        :param part: an `ItemPart`
        :param str name: label of the line
        """
        item = part.item
        return {
            "name": name,
            "account_id": item.account_id.id,
            "partner_id": item.partner_id.id,
            "currency_id": item.currency_id.id,
            "date_maturity": item.date_maturity,
            "amount_currency": -part.amount_currency,
            "balance": -part.balance,
            "tax_ids": [Command.clear()],
            "tax_tag_ids": [Command.clear()],
            # Core would put the distribution of the loss on the receivable as well,
            # where it would take it back.
            "analytic_distribution": False,
        }

    # === WHAT DOCUMENTS ARE MADE OF === #

    @api.model
    def _get_whole(self, item):
        """Return what an item is a part of, to be cut like it.

        :param item: an `account.move.line`
        :rtype: Whole
        """
        moves, currency = [item.move_id], item.currency_id
        while item.collections_writeoff_line_id:
            item = item.collections_writeoff_line_id
            moves.append(item.move_id)
        return Whole(tuple(moves), currency)

    @api.model
    def _get_compositions(self, items, separate_tax):
        """Return what the totals of invoices and credit notes are made of.

        :param list items: the `account.move.line` to book back
        :param bool separate_tax: whether taxes stay apart. Taxes due on payment always
            do: the unpaid tax would become due otherwise
        :return: for each `Whole` its `weights`: amounts in its currency and in company
            currency by `LedgerKey`, positive for an invoice; `separate_tax`, whether
            taxes stay apart that need not; and `has_cash_basis`
        :rtype: dict
        """
        wholes = {
            whole
            for whole in map(self._get_whole, items)
            if not whole.written_off.moves
        }
        moves = self.env["account.move"].union(*(whole.document for whole in wholes))
        by_move = self._get_move_compositions(moves, separate_tax)
        return {
            whole: by_move[whole.document]
            for whole in wholes
            if whole.document in by_move
        }

    @api.model
    def _get_move_compositions(self, moves, separate_tax):
        """Return what documents are made of, see `_get_compositions`.

        :param moves: `account.move`
        :param bool separate_tax: whether taxes stay apart
        :return: their composition by `account.move`
        :rtype: dict
        """
        documents = moves.filtered(lambda move: move.is_sale_document(True))
        moves = documents | self._get_cash_basis_entries(moves - documents)
        lines = self.env["account.move.line"].search_fetch(
            [
                ("move_id", "in", moves.ids),
                ("display_type", "in", TOTAL_DISPLAY_TYPES),
            ],
            [
                "move_id",
                "display_type",
                "amount_currency",
                "balance",
                "tax_ids",
                "tax_line_id",
                "tax_repartition_line_id",
                "tax_tag_ids",
                "group_tax_id",
                "account_id",
                "account_type",
                "analytic_distribution",
            ],
            order="id",
        )
        facts = TaxFacts(separate_tax)
        compositions = {}
        for move, move_lines in lines.grouped("move_id").items():
            weights = self._get_weights(move, move_lines, facts)
            total_currency = sum(weight[0] for weight in weights.values())
            total = sum(weight[1] for weight in weights.values())
            # A document of 0.00 with instalments of both signs has no proportions.
            if not move.currency_id.is_zero(total_currency) and (
                not move.company_currency_id.is_zero(total)
            ):
                due = set().union(*map(facts.get_exigibilities, move_lines))
                compositions[move] = {
                    "weights": weights,
                    "separate_tax": separate_tax and "on_invoice" in due,
                    "has_cash_basis": "on_payment" in due,
                }
        return compositions

    @api.model
    def _get_cash_basis_entries(self, moves):
        """Return the journal entries with tax due on payment, such as open balances.

        The reversal of a write-off is none: it makes nothing with what it reverses,
        which is no share of a document any more either.
        """
        reversals = moves.filtered(
            lambda move: move.collections_writeoff_reason_id and move.reversed_entry_id
        )
        lines = self.env["account.move.line"].search(
            [
                ("move_id", "in", (moves - reversals).ids),
                ("tax_line_id.tax_exigibility", "=", "on_payment"),
            ]
        )
        return lines.move_id

    @api.model
    def _get_weights(self, move, lines, facts):
        """Return what one document is made of, see `_get_compositions`."""
        receivables = lines.filtered(
            lambda line: line.account_type == "asset_receivable"
        )
        is_refund = sum(receivables.mapped("balance")) < 0
        weights = defaultdict(lambda: [0.0, 0.0])
        bases = defaultdict(lambda: [0.0, 0.0])  # by analytic distribution
        inside = [0.0, 0.0]  # tax that stays in the loss
        total = [0.0, 0.0]
        for line in lines:
            # Seen from the customer: what an invoice is made of is positive.
            amounts = (-line.amount_currency, -line.balance)
            if line in receivables:
                add_amounts(total, (line.amount_currency, line.balance))
                continue
            analytic = tuple(sorted((line.analytic_distribution or {}).items()))
            tax_ids, tag_ids = facts.get_base(line, is_refund)
            if not line.tax_line_id:
                key = LedgerKey(analytic=analytic, tax_ids=tax_ids, tag_ids=tag_ids)
                add_amounts(weights[key], amounts)
                add_amounts(bases[analytic], amounts)
            elif facts.is_apart(line.tax_line_id):
                repartition, tax_tag_ids = facts.get_tax(line)
                key = LedgerKey(
                    is_tax=True,
                    account_id=line.account_id.id,
                    name=line.tax_line_id.name,
                    analytic=analytic,
                    tax_ids=tax_ids,
                    tag_ids=tuple(sorted({*tax_tag_ids, *tag_ids})),
                    tax_repartition_line_id=repartition.id,
                    group_tax_id=line.group_tax_id.id,
                )
                add_amounts(weights[key], amounts)
            elif tax_ids:
                # It is part of the base of a tax that is due on payment.
                key = LedgerKey(analytic=analytic, tax_ids=tax_ids, tag_ids=tag_ids)
                add_amounts(weights[key], amounts)
            else:
                add_amounts(inside, amounts)
        explained = [sum(weight[i] for weight in weights.values()) for i in (0, 1)]
        rest = [total[i] - explained[i] - inside[i] for i in (0, 1)]
        add_amounts(weights[LedgerKey()], rest)
        self._spread_inside(move, weights, bases, inside)
        roundings = (move.currency_id, move.company_currency_id)
        return {
            key: rounded
            for key, weight in weights.items()
            if any(
                rounded := [
                    currency.round(amount)
                    for currency, amount in zip(roundings, weight, strict=True)
                ]
            )
        }

    @api.model
    def _spread_inside(self, move, weights, bases, inside):
        """Put the tax that is not booked apart on the lines it was charged on."""
        if not any(inside):
            return
        analytics = list(bases)
        for position, currency in enumerate(
            (move.currency_id, move.company_currency_id)
        ):
            amounts = [bases[analytic][position] for analytic in analytics]
            if currency.is_zero(sum(amounts)):
                weights[LedgerKey()][position] += inside[position]
                continue
            shares = spread(amounts, inside[position], currency.rounding)
            for analytic, share in zip(analytics, shares, strict=True):
                weights[LedgerKey(analytic=analytic)][position] += share


class TaxFacts:
    """What is needed of taxes again and again, looked up once.

    What is booked back of an invoice goes with what its taxes say about credit notes,
    what is booked back of a credit note with what they say about invoices.
    """

    def __init__(self, separate_tax):
        self.separate_tax = separate_tax
        self._bases = {}
        self._taxes = {}
        self._exigibilities = {}

    def is_apart(self, tax):
        """Tell whether a tax is booked on its own account."""
        return self.separate_tax or tax.tax_exigibility == "on_payment"

    def get_exigibilities(self, line):
        """Return when the taxes are due that a line is of, or the base of.

        :param line: the `account.move.line`
        :return: values of `tax_exigibility`
        :rtype: set
        """
        taxes = line.tax_line_id | line.tax_ids
        if taxes not in self._exigibilities:
            due = flatten_taxes(taxes).mapped("tax_exigibility")
            self._exigibilities[taxes] = set(due)
        return self._exigibilities[taxes]

    def get_base(self, line, is_refund):
        """Return the taxes and tags of a line that takes back a base.

        :param line: the `account.move.line` of the document
        :param bool is_refund: whether the document is a credit note
        :return: ids of `account.tax` and of `account.account.tag`
        """
        key = (line.tax_ids, line.tax_line_id, line.tax_tag_ids, is_refund)
        if key not in self._bases:
            flat = flatten_taxes(line.tax_ids)
            apart = flat.filtered(self.is_apart)
            # Tags of taxes due on payment are set by core's cash basis entry.
            due = apart.filtered(lambda tax: tax.tax_exigibility != "on_payment")
            tags = due.get_tax_tags(not is_refund, "base")
            if apart or self.is_apart(line.tax_line_id):
                # Those of its product are the same on both sides.
                tags |= line.tax_tag_ids.filtered(
                    lambda tag: tag.applicability == "products"
                )
            self._bases[key] = (
                tuple(line.tax_ids.ids if apart == flat else apart.ids),
                tuple(sorted(tags.ids)),
            )
        return self._bases[key]

    def get_tax(self, line):
        """Return the repartition line that takes a tax line back, and its tags.

        :param line: the tax line, an `account.move.line`
        :return: the `account.tax.repartition.line` and ids of `account.account.tag`
        """
        repartition = line.tax_repartition_line_id
        if repartition not in self._taxes:
            tax = line.tax_line_id
            sides = (tax.invoice_repartition_line_ids, tax.refund_repartition_line_ids)
            own, other = sides if repartition in sides[0] else reversed(sides)
            counterpart = other[own.ids.index(repartition.id)]
            tag_ids = ()
            if tax.tax_exigibility != "on_payment":
                tag_ids = tuple(counterpart.tag_ids.ids)
            self._taxes[repartition] = (counterpart, tag_ids)
        return self._taxes[repartition]


def flatten_taxes(taxes):
    """Return taxes with those of groups in their place, archived ones as well.

    Taxes are archived when rates change, long before old invoices are written off.

    :param taxes: `account.tax`
    """
    return taxes.with_context(active_test=False).flatten_taxes_hierarchy()


def add_amounts(total, amounts):
    total[0] += amounts[0]
    total[1] += amounts[1]
