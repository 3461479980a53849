from datetime import date as Date
from typing import NamedTuple

from odoo import api, models

from ..tools import cash_discount

CHOICES_KEY = "collections_settlement_choices"
SALES_TYPES = ("out_invoice", "out_receipt")


class Choices:
    """What somebody decided for one settlement. It does not stay on the items.

    It travels in the context. Being an object, it cannot be sent over RPC.

    :param dict uses: `normal`, `always` or `never` by id of the item
    :param date: the day that discounts go by, instead of the date of each payment
    :param dict amounts: what is to be settled of an item or a credit by its id, in its
        currency and positive
    :param dict discounts: what is to be deducted of an item by its id
    :param bool only_these: match what was decided and nothing else
    :param bool shrinks: what is paid too much makes discounts smaller in any case
    :param dict closed: what other credits that are matched as well close of an item by
        its id: that earns no discount
    :param bool has_own_discount: whether a payment with core's discount in it may earn
        others from us, as core's are known to be for other items
    :param first: ids of the items that are paid before the others
    """

    def __init__(
        self,
        uses=None,
        date=None,
        amounts=None,
        discounts=None,
        only_these=False,
        shrinks=False,
        has_own_discount=False,
        closed=None,
        first=(),
    ):
        self.uses = uses or {}
        self.date = date
        self.amounts = amounts or {}
        self.discounts = discounts or {}
        self.only_these = only_these
        self.shrinks = shrinks
        self.has_own_discount = has_own_discount
        self.closed = closed or {}
        self.first = frozenset(first)


NO_CHOICES = Choices()


class Tier(NamedTuple):
    """One discount period of an item."""

    date: Date  # the last day of the period
    discount: float  # on the whole item, in its currency and positive


class CollectionsCashDiscount(models.AbstractModel):
    """What may be deducted of an item, and until when.

    Core gives its early payment discount to the one payment that pays all of an
    invoice. Where a company wants it, each payment in time earns its share here.
    """

    _name = "collections.cash.discount"
    _inherit = "collections.composition"
    _description = "Cash Discount"

    # === CHOICES === #

    @api.model
    def _get_choices(self):
        """Return what was decided for the settlement under way.

        :rtype: Choices
        """
        choices = self.env.context.get(CHOICES_KEY)
        return choices if isinstance(choices, Choices) else NO_CHOICES

    @api.model
    def _get_choice(self, item):
        """Return `normal`, `always` or `never` for an `account.move.line`."""
        uses = self._get_choices().uses
        return uses.get(item.id) or item.use_cash_discount or "normal"

    @api.model
    def _replaces_core(self, item):
        """Tell whether core's discount of an item gives way to this one.

        It does where the company has the parameter, or somebody chose for the item.

        :param item: one `account.move.line`
        """
        # Most items have no discount: asked first, this costs the others nothing.
        if not item.discount_date or item.account_type != "asset_receivable":
            return False
        return (
            item.company_id.collections_partial_cash_discount
            or self._get_choice(item) != "normal"
        )

    @api.model
    def _is_wanted(self, item):
        """Tell whether payments of an item can earn its discount at all.

        :param item: one `account.move.line`
        """
        if not self._replaces_core(item):
            return False
        choice = self._get_choice(item)
        if choice == "never":
            return False
        move_type = item.move_id.move_type
        if move_type == "out_refund":
            company = item.company_id
            return choice == "always" or company.collections_credit_note_cash_discount
        return move_type in SALES_TYPES

    # === TERMS === #

    @api.model
    def _get_tiers(self, item):
        """Return the discount periods of an item, the first one first.

        :param item: one `account.move.line` with a discount
        :rtype: list[Tier]
        """
        offers_sudo = item.sudo().cash_discount_offer_ids  # they belong to the item
        if offers_sudo:
            return [
                Tier(offer.date, abs(offer.amount_currency)) for offer in offers_sudo
            ]
        # It was posted before this addon was installed.
        discount = abs(item.amount_currency - item.discount_amount_currency)
        return [Tier(item.discount_date, item.currency_id.round(discount))]

    @api.model
    def _get_tier(self, item, date):
        """Return the discount period in force on a day.

        The last day of a period counts. When all are over there is none, but for items
        that always earn a discount: they keep the last one.

        :param item: one `account.move.line` with a discount
        :param date: the day of the payment
        :rtype: Tier | None
        """
        tiers = self._get_tiers(item)
        for tier in tiers:
            if date <= tier.date:
                return tier
        return tiers[-1] if self._get_choice(item) == "always" else None

    @api.model
    def _get_history(self, item):
        """Return what payments deducted of an item so far and how many there were.

        :return: an amount in the currency of the item, positive, and a number
        :rtype: tuple[float, int]
        """
        tier = self._get_tiers(item)[0] if item.discount_date else None
        shares = 0
        item_sudo = item.sudo()  # another branch may have got the payment
        for partial in item_sudo.matched_credit_ids:
            if self._is_payment(partial.credit_move_id):
                shares += self._is_share(item, tier, partial)
        for partial in item_sudo.matched_debit_ids:
            if self._is_payment(partial.debit_move_id):
                shares += self._is_share(item, tier, partial)
        return item._get_cash_discount_taken(), shares

    @api.model
    def _is_share(self, item, tier, partial):
        """Tell whether a payment earned a share, be it too small for a unit."""
        if partial.cash_discount_move_id._is_in_force():
            return True
        is_debit = partial.debit_move_id == item
        amount = partial[f"{'debit' if is_debit else 'credit'}_amount_currency"]
        to_pay = abs(item.amount_currency) - tier.discount if tier else 0.0
        if to_pay <= 0:
            return False
        return amount * tier.discount / to_pay < item.currency_id.rounding / 2

    @api.model
    def _get_terms(self, item, tier, taken, shares):
        """Return what an item was promised and took so far, for the arithmetic.

        :rtype: odoo.addons.credit_collections.tools.cash_discount.Terms
        """
        total = abs(item.amount_currency)
        return cash_discount.Terms(total, tier.discount, taken, shares)

    @api.model
    def _get_quotes(self, items, date):
        """Return the discounts of items on a day, in the currency of each.

        :param items: `account.move.line`
        :param date: the day of a payment
        :return: by item: the last day of the period in force; the `amount` that the
            period gives on what is open; what was `taken` so far; what is `available`
            by the parameters and the choice; and the `amount_to_settle` that closes it
        :rtype: dict
        """
        return {item: self._get_quote(item, date) for item in items}

    @api.model
    def _get_quote(self, item, date):
        residual = item.amount_residual_currency
        quote = {
            "date": False,
            "amount": 0.0,
            "taken": 0.0,
            "available": 0.0,
            "amount_to_settle": residual,
        }
        # What payments deduct is taken of the items they pay, be they a branch's.
        if item.account_type != "asset_receivable" or self._is_payment(item):
            return quote
        sign = -1 if item.amount_currency < 0 else 1
        if not item.discount_date:
            # A manager may have entered one by hand.
            quote["taken"] = sign * item._get_cash_discount_taken() or 0.0
            return quote
        taken, shares = self._get_history(item)
        tier = self._get_tier(item, date)
        amount = 0.0
        if tier:
            amount = cash_discount.get_available(
                self._get_terms(item, tier, taken, shares),
                sign * residual - self._get_choices().closed.get(item.id, 0.0),
                item.currency_id.rounding,
            )
        available = amount if self._is_wanted(item) else 0.0
        quote.update(
            date=(tier or self._get_tiers(item)[-1]).date,
            amount=sign * amount or 0.0,
            taken=sign * taken or 0.0,
            available=sign * available or 0.0,
            amount_to_settle=item.currency_id.round(residual - sign * available),
        )
        return quote

    @api.model
    def _get_share(self, item, date, available, money):
        """Return what a payment of a part of an item deducts, positive.

        What is paid too much makes it smaller.

        :param item: one `account.move.line`
        :param date: the day of the payment
        :param float available: see `_get_quotes`, positive
        :param float money: what is paid, in the currency of the item and positive
        """
        tier = self._get_tier(item, date) if available else None
        if not tier:
            return 0.0
        residual = abs(item.amount_residual_currency)
        share = cash_discount.get_share(
            self._get_terms(item, tier, *self._get_history(item)),
            available,
            residual,
            money,
            item.currency_id.rounding,
        )
        return max(0.0, item.currency_id.round(min(share, residual - money)))

    @api.model
    def _is_payment(self, line):
        """Tell whether a line comes from a payment or a bank statement."""
        move = line.move_id
        return bool(move.origin_payment_id or move.statement_line_id)

    @api.model
    def _has_own_discount(self, line):
        """Tell whether core has booked its discount in the payment itself."""
        account = line.company_id.account_journal_early_pay_discount_loss_account_id
        return account in line.move_id.line_ids.account_id
