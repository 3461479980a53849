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
    # The sign that each share has to keep.
    directions = [unit * whole * total for unit in units]
    shares = _place_rest(shares, directions, whole)
    return [from_units(share, rounding) for share in shares]


def spread_further(weights, taken, amount, rounding):
    """Cut a further part of something in proportion to weights.

    Together with what was cut before, the shares are what `spread` gives for all of
    it, so that those of the last part complete the weights. Rounded each for itself
    they would not. A share of a few units can have another sign for that.

    :param list[float] weights: amounts of any sign that do not add up to zero
    :param list[float] taken: what was cut before of each weight, in the currency
    :param float amount: what to cut now, in the currency
    :param float rounding: the currency's rounding, such as 0.01
    :return: the shares in the order of the weights; they add up to the amount
    :rtype: list[float]
    :raise ValueError: when the weights add up to zero
    """
    before = [to_units(share, rounding) for share in taken]
    whole = from_units(sum(before) + to_units(amount, rounding), rounding)
    after = spread(weights, whole, rounding)
    return [
        from_units(to_units(new, rounding) - old, rounding)
        for new, old in zip(after, before, strict=True)
    ]


def close_gap(shares, weights, amount, rounding):
    """Correct shares that were rounded on their own, so that they add up.

    What is left or missing goes to the largest, as in `spread`.

    :param list[float] shares: in the currency
    :param list[float] weights: what the shares are for, of any sign; none is zero
    :param float amount: what the shares have to add up to
    :param float rounding: the currency's rounding, such as 0.01
    :return: the shares in the same order; none has another sign than its weight
    :rtype: list[float]
    """
    units = [to_units(share, rounding) for share in shares]
    closed = _place_rest(units, weights, to_units(amount, rounding))
    return [from_units(share, rounding) for share in closed]


def _place_rest(shares, weights, whole):
    """Give what shares lack to the largest one that keeps the sign of its weight.

    :param list[int] shares: in units
    :param list weights: how large they are, and their signs
    :param int whole: what the shares have to add up to
    :rtype: list[int]
    """
    shares = list(shares)
    order = sorted(range(len(weights)), key=lambda i: (-abs(weights[i]), i))
    rest = whole - sum(shares)
    for position in order:
        if not rest:
            break
        share = shares[position] + rest
        if share * weights[position] < 0:
            share = 0
        rest -= share - shares[position]
        shares[position] = share
    if rest:
        # Only weights that nearly cancel out come here: the largest takes it all.
        shares[order[0]] += rest
    return shares


def _divide(dividend, divisor):
    """Divide whole numbers, half a unit rounded away from zero."""
    quotient, rest = divmod(abs(dividend), abs(divisor))
    if 2 * rest >= abs(divisor):
        quotient += 1
    return quotient if (dividend < 0) == (divisor < 0) else -quotient
