from collections import defaultdict
from typing import Any, NamedTuple

from odoo import Command, api, models

from ..tools import cash_discount
from .collections_composition import ItemPart, LedgerKey
from .collections_posting import RETURN_TOKEN


class Allocation(NamedTuple):
    """What one payment pays and deducts of one item, in the currency of the item."""

    item: Any  # account.move.line
    payment_line: Any  # account.move.line
    amount: float
    discount: float


class CollectionsCashDiscount(models.AbstractModel):
    """Cash discounts for parts of an invoice.

    Core gives its early payment discount to the one payment that pays all of an
    invoice. Where a company wants it, each payment in time earns its share here. The
    discount is an entry of its own, matched with the invoice when the payment is, and
    taken back when the match is undone.
    """

    _name = "collections.cash.discount"
    _inherit = "collections.composition"
    _description = "Cash Discount"

    # === TERMS === #

    @api.model
    def _is_wanted(self, item):
        """Tell whether an item can earn a discount at all.

        :param item: one `account.move.line`
        """
        # Most items have no discount: asked first, this costs the others nothing.
        if not item.discount_date or item.account_type != "asset_receivable":
            return False
        choice = item.use_cash_discount
        return (
            choice != "never"
            and (
                choice == "always" or item.company_id.collections_partial_cash_discount
            )
            and item.move_id.move_type in ("out_invoice", "out_receipt")
        )

    @api.model
    def _get_terms(self, item):
        """Return what an item was promised and took so far.

        :param item: one `account.move.line`
        :rtype: odoo.addons.credit_collections.tools.cash_discount.Terms
        """
        partials = item.matched_credit_ids
        return cash_discount.Terms(
            item.amount_currency,
            item.amount_currency - item.discount_amount_currency,
            item._get_cash_discount_taken(),
            len(
                partials.filtered(
                    lambda partial: self._is_payment(partial.credit_move_id)
                )
            ),
        )

    @api.model
    def _get_available(self, item, residual, terms, date):
        """Return what may be deducted when all that is open is paid on a day.

        :param item: one `account.move.line`
        :param float residual: what is open, in the currency of the item
        :param terms: see `_get_terms`
        :param date: the day of the payment; the last day of the discount counts
        """
        if not self._is_wanted(item) or (
            item.use_cash_discount != "always" and date > item.discount_date
        ):
            return 0.0
        return cash_discount.get_available(terms, residual, item.currency_id.rounding)

    @api.model
    def _is_payment(self, line):
        move = line.move_id
        return bool(move.origin_payment_id or move.statement_line_id)

    @api.model
    def _has_own_discount(self, payment_line):
        """Tell whether core has booked its discount in the payment itself."""
        company = payment_line.company_id
        account = company.account_journal_early_pay_discount_loss_account_id
        return account in payment_line.move_id.line_ids.account_id

    # === WHO PAYS WHAT === #

    @api.model
    def _get_allocations(self, plan):
        """Return the payments of a reconciliation plan that earn discounts.

        :param list plan: see `account.move.line._reconcile_plan`
        :return: list of `Allocation` with a discount
        """
        context = self.env.context
        if context.get("move_reverse_cancel") or context.get("no_exchange_difference"):
            return []
        if context.get("collections_payment_return") is RETURN_TOKEN:
            # An undone return gives back the discounts there were, and no others.
            return []
        allocations = []
        done = self.env["account.move.line"]
        for lines in self._flatten(plan):
            lines = lines - done
            if any(self._is_wanted(line) for line in lines):
                allocations += self._allocate(lines)
                done |= lines
        return [allocation for allocation in allocations if allocation.discount]

    @api.model
    def _flatten(self, plan):
        """Yield the recordsets of a reconciliation plan, those of inner plans first."""
        for node in plan:
            if isinstance(node, list | tuple):
                yield from self._flatten(node)
            else:
                yield node

    @api.model
    def _allocate(self, lines):
        """Spread payments over items: the oldest first, the better discount first.

        What other credits close earns nothing. What is paid too much makes the
        discounts smaller.

        :param lines: `account.move.line` that are matched with one another
        :return: list of `Allocation`
        """
        lines = lines.filtered(
            lambda line: line.parent_state == "posted" and not line.reconciled
        )
        payments = lines.filtered(
            lambda line: (
                line.amount_residual_currency < 0
                and self._is_payment(line)
                and not self._has_own_discount(line)
            )
        ).sorted(lambda line: (line.date, line.id))
        items = lines.filtered(lambda line: line.amount_residual_currency > 0)
        if not payments or len(items.company_id | payments.company_id) > 1:
            return []
        terms = {item: self._get_terms(item) for item in items}
        items = items.sorted(lambda item: self._get_order(item, terms[item]))
        residuals = {item: item.amount_residual_currency for item in items}
        self._apply_other_credits(lines - payments - items, items, residuals)
        allocations = []
        for payment in payments:
            allocations += self._allocate_payment(payment, items, residuals, terms)
        return allocations

    @api.model
    def _get_order(self, item, terms):
        rate = terms.discount / terms.total if terms.total else 0.0
        return (
            item.move_id.invoice_date or item.date,
            -rate,
            item.date_maturity or item.date,
            item.id,
        )

    @api.model
    def _apply_other_credits(self, credits, items, residuals):
        """Take what credit notes and entries close off what is left for payments."""
        for credit in credits:
            left = -credit.amount_residual_currency
            for item in items:
                if item.currency_id != credit.currency_id:
                    continue
                used = min(left, residuals[item])
                residuals[item] = item.currency_id.round(residuals[item] - used)
                left -= used

    @api.model
    def _allocate_payment(self, payment, items, residuals, terms):
        """Return what one payment pays and deducts of items.

        :param payment: the open line of the payment, an `account.move.line`
        :param items: the `account.move.line` in order
        :param dict residuals: what is open by item; made smaller here
        :param dict terms: the terms by item; brought up to date here
        :return: list of `Allocation`
        """
        allocations = []
        left = -payment.amount_residual_currency  # in the currency of the payment
        for item in items:
            residual = residuals[item]
            if residual <= 0 or left <= 0:
                continue
            money = self._convert(payment, left, payment.currency_id, item.currency_id)
            own = terms[item]
            available = self._get_available(item, residual, own, payment.date)
            discount = cash_discount.get_share(
                own, available, residual, money, item.currency_id.rounding
            )
            amount = min(money, item.currency_id.round(residual - discount))
            if amount <= 0:
                continue
            left = payment.currency_id.round(
                left
                - self._convert(payment, amount, item.currency_id, payment.currency_id)
            )
            residuals[item] = item.currency_id.round(residual - discount - amount)
            # The next payment matched in the same call finds them as if it came later.
            terms[item] = own._replace(
                taken=own.taken + discount, shares=own.shares + 1
            )
            allocations.append(Allocation(item, payment, amount, discount))
        return self._shrink(allocations, payment, left)

    @api.model
    def _shrink(self, allocations, payment, excess):
        """Make discounts smaller by what was paid too much, the last one first."""
        shrunk = []
        for allocation in reversed(allocations):
            currency = allocation.item.currency_id
            money = self._convert(payment, excess, payment.currency_id, currency)
            less = currency.round(min(allocation.discount, max(money, 0.0)))
            if less:
                excess = payment.currency_id.round(
                    excess - self._convert(payment, less, currency, payment.currency_id)
                )
            shrunk.append(
                allocation._replace(
                    amount=currency.round(allocation.amount + less),
                    discount=currency.round(allocation.discount - less),
                )
            )
        return shrunk[::-1]

    @api.model
    def _convert(self, payment, amount, source, target):
        if source == target:
            return amount
        return source._convert(amount, target, payment.company_id, payment.date)

    # === ENTRIES === #

    @api.model
    def _book(self, allocations):
        """Book the discounts of payments, one entry for each.

        :param list allocations: list of `Allocation`, each with a discount
        :return: the receivable line of each entry, in the order of the allocations
        :rtype: list
        """
        compositions = self._get_compositions(
            [allocation.item for allocation in allocations], separate_tax=True
        )
        vals_list = [
            self._prepare_move_vals(allocation, compositions)
            for allocation in allocations
        ]
        moves = self._create_entries(vals_list)
        moves._post(soft=False)
        return [
            move.line_ids.filtered(
                lambda line, item=allocation.item: line.account_id == item.account_id
            )
            for move, allocation in zip(moves, allocations, strict=True)
        ]

    @api.model
    def _prepare_move_vals(self, allocation, compositions):
        """Return the values of the entry of one discount.

        It is dated with the payment, or on the first day from then on that is not
        locked: a locked period never keeps a payment from being matched.

        :param allocation: an `Allocation`
        :param dict compositions: see `collections.composition._get_compositions`
        :raise UserError: when there is no settlement journal or discount account
        """
        item, payment_line, _amount, discount = allocation
        company = item.company_id
        journal = company.collections_settlement_journal_id
        account = company.account_journal_early_pay_discount_loss_account_id
        if not journal or not account:
            raise self._get_missing_error(
                self.env._(
                    "Cash discounts of %(company)s need a settlement journal and the "
                    "cash discount account. Set the journal under Configuration > "
                    "Parameters and the account in the settings of Invoicing.",
                    company=company.name,
                ),
                company,
            )
        balance = item.currency_id._convert(
            discount, company.currency_id, company, payment_line.date
        )
        part = ItemPart(item, discount, balance)
        text = self.env._("Cash discount %(document)s", document=item.move_id.name)
        partner = item.partner_id
        ledger_vals, _tax = self._prepare_ledger_lines_vals(
            [part],
            self._get_discount_compositions(item, compositions),
            account,
            text,
            partner,
        )
        lines_vals = [self._prepare_item_line_vals(part, text), *ledger_vals]
        return {
            "move_type": "entry",
            "journal_id": journal.id,
            "company_id": company.id,
            "partner_id": partner.id,
            "fiscal_position_id": item.move_id.fiscal_position_id.filtered(
                "foreign_vat"
            ).id,
            "date": self._get_first_free_date(
                company, journal, payment_line.date, self._has_tax(lines_vals)
            ),
            "ref": text,
            "line_ids": [Command.create(vals) for vals in lines_vals],
        }

    @api.model
    def _get_discount_compositions(self, item, compositions):
        """Return what the discount of an item is made of.

        With a discount on the total it is a part of the whole document. In the other
        modes the tax stays what it is.
        """
        move = item.move_id
        composition = compositions.get(move)
        if not composition:
            return {}
        mode = move.invoice_payment_term_id.early_pay_discount_computation
        if mode == "included":
            return {move: composition}
        weights = defaultdict(lambda: [0.0, 0.0])
        for key, (amount_currency, balance) in composition["weights"].items():
            if not key.is_tax:
                weight = weights[LedgerKey(analytic=key.analytic)]
                weight[0] += amount_currency
                weight[1] += balance
        return {move: {"weights": dict(weights), "has_cash_basis": False}}

    @api.model
    def _note(self, allocations, lines):
        """Remember on the matches of items and payments which discount they earned.

        :param list allocations: list of `Allocation`
        :param list lines: the receivable line of the entry of each
        """
        for allocation, line in zip(allocations, lines, strict=True):
            partial = allocation.item.matched_credit_ids.filtered(
                lambda partial, payment=allocation.payment_line: (
                    partial.credit_move_id == payment
                )
            )[-1:]
            partial.write(
                {
                    "cash_discount_move_id": line.move_id.id,
                    "cash_discount_amount_currency": allocation.discount,
                }
            )
