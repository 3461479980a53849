"""What a customer may deduct when he pays early, also with parts of an invoice.

A part of an invoice earns the same share of the discount. Amounts are counted in whole
units of the currency's rounding and proportions are exact, so no float decides about a
cent.
"""

from typing import NamedTuple

from .tax_split import from_units, to_units


class Terms(NamedTuple):
    """What an item was promised, in the currency of the item and positive."""

    total: float  # the item as it was invoiced
    discount: float  # what is deducted from all of it when paid in time
    taken: float = 0.0  # what was deducted so far
    shares: int = 0  # payments so far, also those too small to earn the smallest unit


def get_available(terms, residual, rounding):
    """Return what may be deducted when all that is open is paid.

    It is the share of the discount that the open amount is of the item. Where what
    was not taken yet differs from it only by the rounding of the earlier shares, that
    is available, so that payments of any size close an item exactly.

    :param Terms terms: what the item was promised
    :param float residual: what is open of the item, positive
    :param float rounding: the rounding of the currency, such as 0.01
    :return: an amount in the currency of the item, not below zero
    :rtype: float
    """
    total, discount, taken, open_units = (
        to_units(amount, rounding)
        for amount in (terms.total, terms.discount, terms.taken, residual)
    )
    if not total or discount <= 0 or open_units <= 0:
        return 0.0
    left = discount - taken
    # Both sides times 2 * total: |left - residual * rate| <= shares / 2
    if 2 * abs(left * total - discount * open_units) <= terms.shares * total:
        available = left
    else:
        available = _round_half_up(discount * open_units, total)
    return from_units(max(0, min(available, open_units)), rounding)


def get_share(terms, available, residual, payment, rounding):
    """Return what a payment deducts from an item.

    A payment that pays the rest takes all that is available; less money takes as much
    of the discount as it pays of the discounted item.

    :param Terms terms: what the item was promised
    :param float available: what may be deducted, see `get_available`
    :param float residual: what is open of the item, positive
    :param float payment: the money for this item, in its currency, positive
    :param float rounding: the rounding of the currency, such as 0.01
    :rtype: float
    """
    total, discount, available_units, open_units, money = (
        to_units(amount, rounding)
        for amount in (terms.total, terms.discount, available, residual, payment)
    )
    if available_units <= 0 or money <= 0:
        return 0.0
    if money >= open_units - available_units or total <= discount:
        return from_units(available_units, rounding)
    share = _round_half_up(money * discount, total - discount)
    return from_units(min(share, available_units), rounding)


def _round_half_up(dividend, divisor):
    """Divide whole numbers that are not negative, half a unit rounded up."""
    return (2 * dividend + divisor) // (2 * divisor)
