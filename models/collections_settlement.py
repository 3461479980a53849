from collections import defaultdict
from typing import Any, NamedTuple

from odoo import Command, api, models
from odoo.exceptions import UserError

from ..tools import cash_discount
from .account_move_line import InTurn
from .collections_composition import ItemPart, LedgerKey
from .collections_posting import CASH_DISCOUNT_TOKEN, RETURN_TOKEN


class Credit(NamedTuple):
    """Money, or another credit, to put on items."""

    line: Any  # account.move.line, or None for a payment that is only planned
    amount: float  # in its currency, positive
    currency: Any  # res.currency
    company: Any  # res.company
    date: Any
    earns: bool = True  # whether it is a payment that earns discounts
    is_limited: bool = False  # whether somebody decided how much of it is used


class Allocation(NamedTuple):
    """What one credit pays of one item. All amounts are positive."""

    item: Any  # account.move.line
    credit: Credit
    amount: float  # in the currency of the item
    used: float  # of the credit, in its currency
    discount: float = 0.0  # in the currency of the item
    shortage: float = 0.0  # paid too little and booked, in the currency of the item
    shortage_account: Any = None  # account.account
    excess: float = 0.0  # paid too much and booked, in the currency of the credit
    excess_account: Any = None  # account.account
    is_limited: bool = False  # whether somebody decided on the amount
    is_by_hand: bool = False  # whether somebody decided on the discount

    @property
    def books(self):
        return bool(self.discount or self.shortage or self.excess)


class OpenItems:
    """What is left of items while credits are put on them one after another."""

    def __init__(self, items, sign, histories, choices):
        self.items = items
        self.sign = sign  # 1 for invoices, -1 for credit notes that are paid out
        self.residuals = {item: sign * item.amount_residual_currency for item in items}
        self.histories = histories
        self.limits = {
            item: choices.amounts[item.id]
            for item in items
            if item.id in choices.amounts
        }
        self.by_hand = dict(choices.discounts)
        self.sorted_items = {}
        self.items_by_customer = None

    def get_items(self, date, get_order, customer=None):
        """Return the items in the order in which a payment of a day goes on them."""
        if (date, customer) not in self.sorted_items:
            items = self.items
            if customer:
                if self.items_by_customer is None:
                    self.items_by_customer = items.grouped(
                        lambda item: item.partner_id.commercial_partner_id
                    )
                items = self.items_by_customer[customer]
            self.sorted_items[date, customer] = items.sorted(
                lambda item: get_order(item, date)
            )
        return self.sorted_items[date, customer]

    def settle(self, item, amount, discount, shortage, earns):
        """Make less what is open, so that the next credit finds the rest."""
        currency = item.currency_id
        settled = amount + discount + shortage
        self.residuals[item] = currency.round(self.residuals[item] - settled)
        if item in self.limits:
            self.limits[item] = currency.round(self.limits[item] - amount)
        if earns:
            taken, shares = self.histories[item]
            self.histories[item] = (taken + discount, shares + 1)


class CollectionsSettlement(models.AbstractModel):
    """Who pays what: payments put on items with the discounts that they earn.

    The discount is an entry of its own, matched with the item when the payment is, and
    taken back when the match is undone.
    """

    _name = "collections.settlement"
    _inherit = "collections.cash.discount"
    _description = "Settlement"

    # === WHO PAYS WHAT === #

    @api.model
    def _get_allocations(self, plan):
        """Return what is booked besides when lines are matched.

        :param list plan: see `account.move.line._reconcile_plan`
        :return: list of `Allocation`: all of them where a discount or a difference is
            booked, or the choices allow nothing else, otherwise none
        """
        if self._is_part_of_another_match():
            return []
        only_these = self._get_choices().only_these
        allocations = []
        done = self.env["account.move.line"]
        for lines in self._flatten(plan):
            lines = lines - done
            if only_these or any(self._is_concerned(line) for line in lines):
                allocations += self._allocate(lines)
                done |= lines
        # A discount belongs to what its payment pays of the item. Were the others left
        # to core, it might put that payment on another item.
        if (
            only_these
            or any(allocation.books for allocation in allocations)
            or self._is_discount_in_force(done)
        ):
            return allocations
        return []

    @api.model
    def _is_discount_in_force(self, lines):
        """Tell whether one of the payments among lines may earn a discount.

        Who pays what then follows the rules of discounts also where the money goes to
        others: core would put it on what is due first, and the discount would be lost.
        """
        dates = set(lines.filtered(self._is_payment).mapped("date"))
        return any(
            self._get_tier(item, self._get_choices().date or date)
            for item in lines
            if self._is_wanted(item)
            for date in dates
        )

    @api.model
    def _is_part_of_another_match(self):
        """Tell whether core matches what another match or its undoing has booked."""
        context = self.env.context
        return bool(
            context.get("move_reverse_cancel")
            or context.get("no_exchange_difference")
            # An undone return gives back the discounts there were, and no others.
            or context.get("collections_payment_return") is RETURN_TOKEN
        )

    @api.model
    def _flatten(self, plan):
        """Yield the recordsets of a reconciliation plan, those of inner plans first."""
        for node in plan:
            if isinstance(node, list | tuple):
                yield from self._flatten(node)
            else:
                yield node

    @api.model
    def _is_concerned(self, item):
        """Tell whether matching an item can book a discount or a difference."""
        return self._is_wanted(item) or self._has_tolerance(item)

    @api.model
    def _books_differences(self, company):
        """Tell whether a company books what is paid a little too much or too little."""
        return bool(
            company.collections_max_overunderpayment
            or company.collections_max_penny_difference
        )

    @api.model
    def _has_tolerance(self, item):
        """Tell whether small differences of an item are booked."""
        return bool(
            self._books_differences(item.company_id)
            and item.account_type == "asset_receivable"
            and item.move_id.is_sale_document(True)
        )

    @api.model
    def _allocate(self, lines):
        """Spread credits over items: the oldest first, the better discount first.

        What other credits close earns nothing.

        :param lines: `account.move.line` that are matched with one another
        :return: list of `Allocation`
        """
        choices = self._get_choices()
        lines = lines.filtered(
            lambda line: line.parent_state == "posted" and not line.reconciled
        )
        sign = self._get_sign(lines)
        items, credits = self._get_items_and_credits(lines, sign)
        if not any(credit.earns for credit in credits) and not choices.only_these:
            return []
        if not choices.only_these and len(items.account_id | lines.account_id) > 1:
            return []
        return self._allocate_credits(items, sign, credits)

    @api.model
    def _get_items_and_credits(self, lines, sign):
        """Return the items among lines, and the credits in order.

        What other credits close is not left for payments.

        :param lines: open `account.move.line`
        :param int sign: see `OpenItems`
        :return: the items, and a list of `Credit`
        :rtype: tuple
        """
        items = lines.filtered(lambda line: sign * line.amount_residual_currency > 0)
        credits = [
            self._get_credit(line, sign)
            for line in lines - items
            if sign * line.amount_residual_currency < 0
        ]
        credits.sort(key=lambda credit: (credit.earns, credit.date, credit.line.id))
        return items, credits

    @api.model
    def _is_part(self, item, amount, discount):
        """Tell whether an amount and a discount are a part of what is open of an item.

        :param item: one `account.move.line`
        :param float amount: what is settled, with the sign of what is open
        :param float discount: what is deducted, likewise
        """
        residual = item.amount_residual_currency
        sign = -1 if residual < 0 else 1
        compare = item.currency_id.compare_amounts
        return (
            min(sign * amount, sign * discount) >= 0
            and compare(sign * (amount + discount), abs(residual)) <= 0
            # What nothing is paid of earns no discount.
            and compare(sign * discount, abs(residual)) < 0
        )

    @api.model
    def _get_part_error(self, item, amount, discount):
        """Return the error for what is no part of an item, see `_is_part`."""
        return UserError(
            self.env._(
                "%(item)s: %(open)s is open. %(amount)s with a discount of "
                "%(discount)s is not a part of it.",
                item=item.move_id.display_name,
                open=item.currency_id.format(item.amount_residual_currency),
                amount=item.currency_id.format(amount),
                discount=item.currency_id.format(discount),
            )
        )

    @api.model
    def _get_sign(self, lines):
        """Return 1 when invoices are paid, -1 when credit notes are paid out."""
        for sign in (1, -1):
            is_item = any(
                sign * line.amount_residual_currency > 0 and self._is_concerned(line)
                for line in lines
            )
            is_paid = any(
                sign * line.amount_residual_currency < 0 and self._is_payment(line)
                for line in lines
            )
            if is_item and is_paid:
                return sign
        return 1

    @api.model
    def _get_credit(self, line, sign):
        """Return a line as a `Credit`."""
        choices = self._get_choices()
        amount = -sign * line.amount_residual_currency
        earns = self._is_payment(line) and (
            choices.has_own_discount or not self._has_own_discount(line)
        )
        limit = choices.amounts.get(line.id)
        return Credit(
            line,
            amount if limit is None else min(amount, limit),
            line.currency_id,
            line.company_id,
            line.date,
            earns,
            is_limited=limit is not None and limit < amount,
        )

    @api.model
    def _allocate_credits(self, items, sign, credits):
        """Put credits on items one after another.

        :param items: the open `account.move.line`
        :param int sign: see `OpenItems`
        :param list credits: the `Credit` in order
        :return: list of `Allocation`
        """
        histories = {item: self._get_history(item) for item in items}
        left = OpenItems(items, sign, histories, self._get_choices())
        allocations = []
        money_left = [credit.amount for credit in credits]
        for customer, numbers in self._get_turns(items, credits):
            # What one payment leaves open, the next one may bring.
            for number in numbers:
                credit = credits[number]
                parts, money_left[number] = self._allocate_credit(
                    credit, money_left[number], left, number == numbers[-1], customer
                )
                allocations += parts
                if not customer:
                    self._handle_excess(allocations, credit, money_left[number], left)
        return allocations

    @api.model
    def _get_turns(self, items, credits):
        """Return which credits are put on whose items, one after another.

        Where several customers are matched in one call, each pays his own first. At the
        end comes what is left of all, on what is left.

        :param items: the open `account.move.line`
        :param list credits: the `Credit` in order
        :return: list of a customer, None for all, and of the numbers of the credits
        """
        numbers = defaultdict(list)
        for number, credit in enumerate(credits):
            if credit.line:
                numbers[credit.line.partner_id.commercial_partner_id].append(number)
        customers = list(items.partner_id.commercial_partner_id)
        turns = []
        if len({*customers, *numbers}) > 1:
            turns = [
                (customer, numbers[customer])
                for customer in customers
                if customer in numbers
            ]
        turns.append((None, range(len(credits))))
        return turns

    @api.model
    def _get_order(self, item, date):
        """Return what items are sorted by for a payment of a day.

        Dynamics 365 Finance, "Cash discounts": the oldest invoice first; of one day the
        one with the better discount in force. What a payment was made for comes before
        all others.
        """
        choices = self._get_choices()
        rate = 0.0
        if item.amount_currency and self._is_wanted(item):
            tier = self._get_tier(item, choices.date or date)
            rate = tier.discount / abs(item.amount_currency) if tier else 0.0
        return (
            item.id not in choices.first,
            item.move_id.invoice_date or item.date,
            -rate,
            item.date_maturity or item.date,
            item.id,
        )

    @api.model
    def _allocate_credit(self, credit, money_left, left, is_last, customer=None):
        """Return what one credit pays and deducts of items.

        :param Credit credit: what is put on the items
        :param float money_left: what is left of it, in its currency
        :param OpenItems left: what is open of them; made less here
        :param bool is_last: whether no other credit follows
        :param customer: whose items, a `res.partner`; None for those of all
        :return: list of `Allocation`, and what is left of the credit then
        :rtype: tuple
        """
        only_these = self._get_choices().only_these
        allocations = []
        for item in left.get_items(credit.date, self._get_order, customer):
            residual = left.residuals[item]
            if residual <= 0 or money_left <= 0:
                continue
            # Core matches within a currency first, and by itself.
            if not (credit.earns or only_these) and item.currency_id != credit.currency:
                continue
            whole = self._convert_money(credit, money_left, item)
            money = min(whole, left.limits.get(item, whole))
            is_by_hand = item.id in left.by_hand
            discount, shortage, account = self._get_deduction(
                item, credit, money, left, is_last
            )
            amount = min(money, item.currency_id.round(residual - discount - shortage))
            if amount <= 0:
                continue
            # Converted there and back it could be a unit more than there is.
            used = self._convert_money(credit, amount, item, to_item=False)
            used = money_left if amount == whole else min(used, money_left)
            money_left = credit.currency.round(money_left - used)
            left.settle(item, amount, discount, shortage, credit.earns)
            if is_by_hand and credit.earns:
                left.by_hand[item.id] = 0.0
            allocations.append(
                Allocation(
                    item,
                    credit,
                    amount,
                    used,
                    discount,
                    shortage,
                    account,
                    is_limited=credit.is_limited or item in left.limits,
                    is_by_hand=is_by_hand and credit.earns,
                )
            )
        return allocations, money_left

    @api.model
    def _get_deduction(self, item, credit, money, left, is_last):
        """Return the discount of one item, the booked shortage and its account.

        :param item: the `account.move.line`
        :param Credit credit: what it is paid with
        :param float money: what is there for this item, in its currency
        :param OpenItems left: what is open
        :param bool is_last: whether no other credit follows, that may bring the rest
        :rtype: tuple[float, float, record]
        """
        residual = left.residuals[item]
        if not credit.earns or money <= 0:
            return 0.0, 0.0, None
        if item.id in left.by_hand:
            # All of it goes with the first payment of the item.
            return min(left.by_hand[item.id], residual), 0.0, None
        discount, available = self._get_discount(item, credit, money, left)
        if item in left.limits:
            # What somebody decided to pay is paid, as the screen shows it.
            unpaid = item.currency_id.round(residual - money)
            discount = max(0.0, min(discount, unpaid))
        shortage = item.currency_id.round(residual - available - money)
        may_be_short = is_last and item not in left.limits
        if shortage > 0 and may_be_short and self._has_tolerance(item):
            account = self._get_difference_account(
                item.company_id, self._to_company(credit, shortage, item.currency_id)
            )
            if account:
                return available, shortage, account
        return discount, 0.0, None

    @api.model
    def _get_discount(self, item, credit, money, left):
        """Return the share of the discount of a payment, and what is available.

        See `_get_deduction`.

        :rtype: tuple[float, float]
        """
        residual = left.residuals[item]
        rounding = item.currency_id.rounding
        date = self._get_choices().date or credit.date
        tier = self._get_tier(item, date) if self._is_wanted(item) else None
        if not tier:
            return 0.0, 0.0
        terms = self._get_terms(item, tier, *left.histories[item])
        available = cash_discount.get_available(terms, residual, rounding)
        return (
            cash_discount.get_share(terms, available, residual, money, rounding),
            available,
        )

    @api.model
    def _handle_excess(self, allocations, credit, excess, left):
        """Decide about what was paid too much.

        It makes discounts smaller, the last one first, unless the company gives them
        in full or somebody decided on them; a rest within the tolerances is booked;
        more stays on the payment.

        :param list allocations: the `Allocation` of all credits; replaced here
        :param Credit credit: the one that may be too much
        :param float excess: what is left of it, in its currency
        """
        is_too_much = excess > 0 and not any(left.residuals.values())
        if not credit.earns or not is_too_much or credit.is_limited:
            return
        numbers = [
            number
            for number, allocation in enumerate(allocations)
            if allocation.credit is credit
        ]
        parts = [allocations[number] for number in numbers]
        if not parts or any(part.is_limited for part in parts):
            return
        company = credit.company
        if (
            self._get_choices().shrinks
            or company.collections_cash_discount_administration != "specific"
        ):
            parts, excess = self._shrink(parts, credit, excess)
        last = parts[-1]
        if (
            excess > 0
            and last.item.company_id == company
            and self._has_tolerance(last.item)
        ):
            account = self._get_difference_account(
                company, self._to_company(credit, excess, credit.currency)
            )
            if account:
                parts[-1] = last._replace(excess=excess, excess_account=account)
        for number, part in zip(numbers, parts, strict=True):
            allocations[number] = part

    @api.model
    def _shrink(self, allocations, credit, excess):
        """Make discounts smaller by what was paid too much, the last one first.

        :return: list of `Allocation`, and the excess that is left
        """
        shrunk = []
        shrinks_all = self._get_choices().shrinks
        for allocation in reversed(allocations):
            if allocation.is_by_hand and not shrinks_all:
                shrunk.append(allocation)
                continue
            currency = allocation.item.currency_id
            money = self._convert_money(credit, excess, allocation.item)
            less = currency.round(min(allocation.discount, max(money, 0.0)))
            amount = currency.round(allocation.amount + less)
            # Core rounds what it matches once: rounded apart, both parts of it could
            # be a unit more or less.
            used = self._convert_money(credit, amount, allocation.item, to_item=False)
            available = credit.currency.round(allocation.used + excess)
            used = min(used, available) if less else allocation.used
            excess = credit.currency.round(available - used)
            shrunk.append(
                allocation._replace(
                    amount=amount,
                    used=used,
                    discount=currency.round(allocation.discount - less),
                )
            )
        return shrunk[::-1], excess

    @api.model
    def _get_difference_account(self, company, amount):
        """Return the account for a small difference, or an empty recordset.

        :param company: the `res.company`
        :param float amount: the difference in company currency
        """
        compare = company.currency_id.compare_amounts
        if compare(abs(amount), company.collections_max_penny_difference) <= 0:
            return company.collections_penny_difference_account_id
        if compare(abs(amount), company.collections_max_overunderpayment) <= 0:
            return company.collections_difference_account_id
        return self.env["account.account"]

    @api.model
    def _convert(self, credit, amount, source, target):
        """Convert an amount at the rate of the day of a payment."""
        if source == target:
            return amount
        return source._convert(amount, target, credit.company, credit.date)

    @api.model
    def _convert_money(self, credit, amount, item, to_item=True):
        """Convert a part of the money of a credit, as core does when it matches.

        In company currency a payment is worth what it was booked with, which is not
        always what the rate of its day makes of it: Odoo's payment wizard books what is
        open, so that an invoice in company currency is closed to the cent. With an item
        in another foreign currency core matches what both were booked with. Of credit
        notes and items, and of two payments, the rate is that of the day of the one in
        company currency, unless only the other one is a payment.

        :param Credit credit: whose money it is
        :param float amount: in the currency of the credit
        :param item: the `account.move.line` that is paid
        :param bool to_item: False for an amount in the currency of the item
        :return: the amount in the currency of the item; without `to_item` of the credit
        :rtype: float
        """
        source, target = credit.currency, item.currency_id
        if not to_item:
            source, target = target, source
        company_currency = credit.company.currency_id
        own = self._get_line_in_company_currency(credit, item)
        if own:
            other = item if own == credit.line else credit.line
            worth = self._get_booked_rate(other, other.currency_id)
            if worth and self._is_payment(other) and not self._is_payment(own):
                return target.round(
                    amount * (worth if target == company_currency else 1 / worth)
                )
            day = own.move_id.invoice_date or own.date
            return source._convert(amount, target, credit.company, day)
        money = self._get_booked_rate(credit.line, credit.currency)
        if not credit.line and item.currency_id != company_currency:
            # A planned payment is booked at the rate of its day.
            money = self._get_day_rate(credit)
        if source == target or credit.currency == company_currency or not money:
            return self._convert(credit, amount, source, target)
        worth = 1.0
        if item.currency_id != company_currency:
            worth = self._get_booked_rate(item, item.currency_id)
            if not worth:
                return self._convert(credit, amount, source, target)
        rate = money / worth if to_item else worth / money
        return target.round(amount * rate)

    @api.model
    def _get_line_in_company_currency(self, credit, item):
        """Return which of two lines in different currencies tells the rate by its day.

        :param Credit credit: what the item is paid with
        :param item: the `account.move.line`
        :return: an `account.move.line`, or None where another rule decides
        """
        if not credit.line or (
            self._is_payment(credit.line) and not self._is_payment(item)
        ):
            return None
        company_currency = credit.company.currency_id
        own = [
            line
            for line, currency in (
                (credit.line, credit.currency),
                (item, item.currency_id),
            )
            if currency == company_currency
        ]
        return own[0] if len(own) == 1 else None

    @api.model
    def _get_day_rate(self, credit):
        """Return what a unit of a payment is worth in company currency on its day."""
        return self.env["res.currency"]._get_conversion_rate(
            credit.currency, credit.company.currency_id, credit.company, credit.date
        )

    @api.model
    def _get_booked_rate(self, line, currency):
        """Return what a unit of a line is booked with in company currency.

        :param line: an `account.move.line`, may be empty
        :param currency: its `res.currency`
        :return: company currency for a unit, 0.0 where nothing is left to tell it by
        :rtype: float
        """
        if not line or currency.is_zero(line.amount_residual_currency):
            return 0.0
        return abs(line.amount_residual / line.amount_residual_currency)

    @api.model
    def _to_company(self, credit, amount, currency):
        return self._convert(credit, amount, currency, credit.company.currency_id)

    # === ENTRIES === #

    @api.model
    def _find_later_date(self, company, date, has_tax):
        """Return on which day a discount is booked when that of its payment is locked.

        :param company: the `res.company` that books
        :param date: the day of the payment
        :param bool has_tax: whether the discount takes tax back
        :return: a date, or None when the day of the payment is free
        """
        journal = company.collections_settlement_journal_id
        if not journal:
            return None
        free = self._get_first_free_date(company, journal, date, has_tax)
        return free if free != date else None

    @api.model
    def _book(self, allocations):
        """Book discounts and differences, one entry for each allocation with any.

        :param list allocations: list of `Allocation`
        :return: the entry of each allocation, an empty recordset where there is none
        :rtype: list
        """
        booked = [allocation for allocation in allocations if allocation.books]
        Move = self.env["account.move"]
        if not booked:
            return [Move] * len(allocations)
        compositions = self._get_compositions(
            [allocation.item for allocation in booked], separate_tax=True
        )
        moves = self._create_entries(
            [self._prepare_move_vals(allocation, compositions) for allocation in booked]
        )
        moves._post(soft=False)
        entries = iter(moves)
        return [
            next(entries) if allocation.books else Move for allocation in allocations
        ]

    @api.model
    def _prepare_move_vals(self, allocation, compositions):
        """Return the values of the entry of one discount and its differences.

        It is dated with the payment, or on the first day from then on that is not
        locked: a locked period never keeps a payment from being matched.

        :param allocation: an `Allocation`
        :param dict compositions: see `collections.composition._get_compositions`
        :raise UserError: when there is no settlement journal or discount account
        """
        item, credit = allocation.item, allocation.credit
        company = item.company_id
        journal = company.collections_settlement_journal_id
        account = company.account_journal_early_pay_discount_loss_account_id
        if not journal or (allocation.discount and not account):
            raise self._get_settlement_error(company)
        text = self.env._("Cash discount %(document)s", document=item.move_id.name)
        if not allocation.discount:
            text = self.env._(
                "Payment difference %(document)s", document=item.move_id.name
            )
        lines_vals = self._prepare_lines_vals(allocation, compositions, account, text)
        return {
            "move_type": "entry",
            "journal_id": journal.id,
            "company_id": company.id,
            # By its coins core tells what makes tax due on payment due.
            "currency_id": item.currency_id.id,
            "partner_id": item.partner_id.id,
            "fiscal_position_id": item.move_id.fiscal_position_id.filtered(
                "foreign_vat"
            ).id,
            "date": self._get_first_free_date(
                company, journal, credit.date, self._has_tax(lines_vals)
            ),
            "ref": text,
            "line_ids": [Command.create(vals) for vals in lines_vals],
        }

    @api.model
    def _get_settlement_error(self, company):
        """Return the error for a company that cannot book discounts."""
        return self._get_missing_error(
            self.env._(
                "Cash discounts of %(company)s need a settlement journal and the "
                "cash discount account. Set the journal under Configuration > "
                "Parameters and the account in the settings of Invoicing.",
                company=company.name,
            ),
            company,
        )

    @api.model
    def _prepare_lines_vals(self, allocation, compositions, account, text):
        """Return the values of the lines of the entry of one allocation."""
        item, credit = allocation.item, allocation.credit
        sign = 1 if item.amount_residual_currency > 0 else -1
        discount = sign * allocation.discount
        closed = item.currency_id.round(discount + sign * allocation.shortage)
        part = ItemPart(
            item, discount, self._to_company(credit, discount, item.currency_id)
        )
        whole = ItemPart(
            item, closed, self._to_company(credit, closed, item.currency_id)
        )
        lines_vals = []
        if closed:
            lines_vals.append(self._prepare_item_line_vals(whole, text))
        if discount:
            compositions = self._get_discount_compositions(item, compositions)
            lines_vals += self._prepare_ledger_lines_vals(
                self._cut([part], compositions), account, text, item.partner_id
            )[0]
        if allocation.shortage:
            lines_vals.append(
                self._prepare_difference_line_vals(
                    item,
                    allocation.shortage_account,
                    item.currency_id.round(closed - discount),
                    item.company_currency_id.round(whole.balance - part.balance),
                )
            )
        if allocation.excess:
            excess = -sign * allocation.excess
            balance = self._to_company(credit, excess, credit.currency)
            part = ItemPart(credit.line, excess, balance)
            lines_vals += [
                self._prepare_item_line_vals(part, text),
                self._prepare_difference_line_vals(
                    credit.line, allocation.excess_account, excess, balance
                ),
            ]
        return lines_vals

    @api.model
    def _prepare_difference_line_vals(self, line, account, amount_currency, balance):
        """Return the values of the line that takes what was paid too much or little.

        :param line: the item or the line of the payment that it closes
        :param account: the `account.account`
        :param float amount_currency: in the currency of that line
        :param float balance: in company currency
        """
        return {
            "name": self.env._(
                "Payment difference %(document)s", document=line.move_id.name
            ),
            "account_id": account.id,
            "partner_id": line.partner_id.id,
            "currency_id": line.currency_id.id,
            "amount_currency": amount_currency,
            "balance": balance,
            "tax_ids": [Command.clear()],
            "tax_tag_ids": [Command.clear()],
        }

    @api.model
    def _get_discount_compositions(self, item, compositions):
        """Return what the discount of an item is made of.

        With a discount on the total it is a part of the whole document. In the other
        modes the tax stays what it is.
        """
        whole = self._get_whole(item)
        composition = compositions.get(whole)
        if not composition:
            return {}
        # The term may have been changed since the invoice was posted.
        mode = (
            item.sudo().cash_discount_offer_ids[:1].computation  # they belong to it
            or item.move_id.invoice_payment_term_id.early_pay_discount_computation
            or "included"
        )
        if mode == "included":
            return {whole: composition}
        weights = {}
        for key, (amount_currency, balance) in composition["weights"].items():
            if not key.is_tax:
                weight = weights.setdefault(LedgerKey(analytic=key.analytic), [0, 0])
                weight[0] += amount_currency
                weight[1] += balance
        return {whole: {**composition, "weights": weights, "has_cash_basis": False}}

    @api.model
    def _get_plan(self, allocations, moves, plan):
        """Return in which order lines are matched, and what after that.

        :param list allocations: list of `Allocation`
        :param list moves: the entry of each, see `_book`
        :param list plan: what was to be matched, see
            `account.move.line._reconcile_plan`; follows each time, unless only what
            was decided is matched
        """
        result = []
        only_these = self._get_choices().only_these
        left = defaultdict(list)
        for number, allocation in enumerate(allocations):
            for line in (allocation.item, allocation.credit.line):
                left[line].append(number)
        done = set()
        for node in plan:
            lines = (line for lines in self._flatten([node]) for line in lines)
            numbers = {number for line in lines for number in left.pop(line, ())}
            part = InTurn()
            for number in sorted(numbers - done):
                part += self._get_pairs(allocations[number], moves[number])
            done |= numbers
            if not only_these:
                part += node if isinstance(node, InTurn) else [node]
            if part:
                result.append(part)
        return result

    @api.model
    def _get_pairs(self, allocation, move):
        """Return the lines that are matched for an allocation, two by two.

        :param Allocation allocation: what a credit pays of an item
        :param move: its entry, see `_book`
        """
        item, line = allocation.item, allocation.credit.line
        against_item, against_credit = self._get_entry_lines(item, move)
        pairs = [item | against_item, item | line, line | against_credit]
        return [pair for pair in pairs if len(pair) > 1]

    @api.model
    def _get_entry_lines(self, item, move):
        """Return the lines of an entry against the item and against the payment.

        :param item: the `account.move.line` that the discount is of
        :param move: the entry of the discount, an `account.move`, may be empty
        :rtype: tuple
        """
        is_debit = item.amount_currency > 0
        lines = move.line_ids.filtered(lambda line: line.account_id == item.account_id)
        against_item = lines.filtered(
            lambda line: (line.amount_currency < 0) == is_debit
        )
        return against_item, lines - against_item

    @api.model
    def _get_limits(self, allocations):
        """Return how much of two lines may be matched where somebody decided on it.

        :return: amounts in the currency of the item by the ids of item and credit
        :rtype: dict
        """
        return {
            (allocation.item.id, allocation.credit.line.id): allocation.amount
            for allocation in allocations
            if allocation.is_limited
        }

    @api.model
    def _note(self, allocations, moves):
        """Remember on the matches of items and payments which discount they earned.

        The discount belongs to the cash, so promises are judged again.

        :param list allocations: list of `Allocation`
        :param list moves: the entry of each, see `_book`
        """
        items = self.env["account.move.line"]
        for allocation, move in zip(allocations, moves, strict=True):
            if not move:
                continue
            item, line = allocation.item, allocation.credit.line
            partials = item.matched_credit_ids.filtered(
                lambda partial, line=line: partial.credit_move_id == line
            ) | item.matched_debit_ids.filtered(
                lambda partial, line=line: partial.debit_move_id == line
            )
            partial = partials.sorted("id")[-1:]
            if not partial or partial.cash_discount_move_id:
                # The payment pays nothing of the item, so it earns nothing: nobody
                # would take the discount back with it.
                move._take_cash_discounts_back()
                continue
            partial.with_context(collections_cash_discount=CASH_DISCOUNT_TOKEN).write(
                {
                    "cash_discount_move_id": move.id,
                    "cash_discount_amount_currency": allocation.discount,
                }
            )
            items |= item
        items._judge_promises()
