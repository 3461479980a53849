"""Cutting an amount into shares that add up to the last digit.

Amounts are counted in whole units of the currency's rounding, so that no float
arithmetic decides where a cent goes.
"""


def to_units(amount, rounding):
    """Return how many units of a currency's smallest amount an amount has.

    :param float amount: an amount in the currency
    :param float rounding: the currency's rounding, such as 0.01
    """
    return round(amount / rounding)


def from_units(units, rounding):
    """Return the amount of a number of smallest units of a currency."""
    return round(units * rounding, 10)


def spread(weights, amount, rounding):
    """Cut an amount in proportion to weights.

    Each share is rounded on its own; what is left or missing by that goes to the
    largest share. A share never changes its sign by it: what it cannot take goes to
    the next largest.

    :param list[float] weights: amounts of any sign that do not add up to zero
    :param float amount: what to cut, in the currency
    :param float rounding: the currency's rounding, such as 0.01
    :return: the shares in the order of the weights; they add up to the amount
    :rtype: list[float]
    :raise ValueError: when the weights add up to zero, as nothing is proportional then
    """
    units = [to_units(weight, rounding) for weight in weights]
    total = sum(units)
    if not total:
        raise ValueError("weights add up to zero")
    whole = to_units(amount, rounding)
    shares = [_divide(unit * whole, total) for unit in units]
    rest = whole - sum(shares)
    for position in sorted(range(len(units)), key=lambda i: (-abs(units[i]), i)):
        if not rest:
            break
        share = shares[position] + rest
        direction = units[position] * whole * total
        if share * direction < 0:
            share = 0
        rest -= share - shares[position]
        shares[position] = share
    if rest:
        # Only weights that nearly cancel out come here: the largest takes it all.
        largest = max(range(len(units)), key=lambda i: abs(units[i]))
        shares[largest] += rest
    return [from_units(share, rounding) for share in shares]


def _divide(dividend, divisor):
    """Divide whole numbers, half a unit rounded away from zero."""
    quotient, rest = divmod(abs(dividend), abs(divisor))
    if 2 * rest >= abs(divisor):
        quotient += 1
    return quotient if (dividend < 0) == (divisor < 0) else -quotient
