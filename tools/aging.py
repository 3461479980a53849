"""Aging periods without the ORM: from signed lengths to date ranges.

A definition lists its periods from the oldest (top) to the newest (bottom). Each has a
signed length (`unit`) counted in an `interval`: negative is past, 0 is the period the
analysis date itself lies in, positive is future. This module checks such a list and
turns it into date ranges that cover every possible date exactly once.

>>> from datetime import date
>>> lines = [
...     PeriodLine(1, -1, "unlimited"),
...     PeriodLine(2, -30, "day"),
...     PeriodLine(3, 0, "day"),
...     PeriodLine(4, 1, "unlimited"),
... ]
>>> for key, start, end in get_period_ranges(lines, date(2026, 3, 31)):
...     print(key, start, end)
1 None 2026-02-28
2 2026-03-01 2026-03-30
3 2026-03-31 2026-03-31
4 2026-04-01 None
"""

from collections import namedtuple
from datetime import timedelta

from dateutil.relativedelta import relativedelta

MAX_PERIODS = 12
INTERVALS = ("day", "week", "month", "quarter", "year", "unlimited")

PeriodLine = namedtuple("PeriodLine", ["key", "unit", "interval"])

# Problems that `find_problem` names; the model translates them for the user.
PROBLEM_EMPTY = "empty"
PROBLEM_TOO_MANY = "too_many"
PROBLEM_OLDEST = "oldest"
PROBLEM_UNLIMITED = "unlimited"
PROBLEM_ZERO = "zero"
PROBLEM_ORDER = "order"
PROBLEM_REACH = "reach"


def find_problem(lines, on_date):
    """Return what is wrong with a list of periods.

    :param list[PeriodLine] lines: the periods, oldest first
    :param date on_date: a date to try the ranges with
    :return: one of the `PROBLEM_*` words and the key of the period it is about (None
        when it concerns the whole list), or None when the list is sound
    :rtype: tuple | None
    """
    if not lines:
        return PROBLEM_EMPTY, None
    if len(lines) > MAX_PERIODS:
        return PROBLEM_TOO_MANY, None
    problem = _find_unlimited_problem(lines) or _find_order_problem(lines)
    if problem:
        return problem
    try:
        get_period_ranges(lines, on_date)
    except (OverflowError, ValueError):
        # The calendar of Python ends in the year 1 and in 9999.
        return PROBLEM_REACH, None
    return None


def _find_unlimited_problem(lines):
    first, last = lines[0], lines[-1]
    if first.interval != "unlimited":
        return PROBLEM_OLDEST, first.key
    for line in lines:
        if line.interval != "unlimited" or line is first:
            continue
        if line is not last or line.unit < 0:
            return PROBLEM_UNLIMITED, line.key
    if first.unit > 0 and first is not last:
        return PROBLEM_UNLIMITED, first.key
    return None


def _find_order_problem(lines):
    zeros = [line for line in lines if line.unit == 0]
    if len(zeros) > 1:
        return PROBLEM_ZERO, zeros[1].key
    for line, following in zip(lines, lines[1:], strict=False):
        if _sign(following.unit) < _sign(line.unit):
            return PROBLEM_ORDER, following.key
    return None


def _sign(number):
    return (number > 0) - (number < 0)


def get_period_ranges(lines, on_date):
    """Return the date range of each period.

    Past periods stack backwards without gaps from the day before the zero period, or
    from the analysis date itself when there is none; future ones stack forwards. Days
    roll, the other intervals end on the borders of the calendar (weeks as in ISO
    8601), and the part of a calendar unit next to the analysis date counts as one
    unit. The oldest and the newest period are open-ended whatever their length, so
    that every date falls in exactly one period.

    :param list[PeriodLine] lines: the periods, oldest first, without problems
    :param date on_date: the analysis date
    :return: (key, first day or None, last day or None) of each period, oldest first
    :rtype: list[tuple]
    """
    zero = next((line for line in lines if line.unit == 0), None)
    if zero:
        zero_start, zero_end = _get_zero_range(zero.interval, on_date)
        past_end, future_start = zero_start - timedelta(1), zero_end + timedelta(1)
    else:
        zero_start = zero_end = None
        past_end, future_start = on_date, on_date + timedelta(1)

    ranges = {}
    if zero:
        ranges[zero.key] = (zero_start, zero_end)
    for line in reversed(lines):
        if line.unit < 0:
            start = _get_past_start(line, past_end)
            ranges[line.key] = (start, past_end)
            past_end = start and start - timedelta(1)
    for line in lines:
        if line.unit > 0:
            end = _get_future_end(line, future_start)
            ranges[line.key] = (future_start, end)
            future_start = end and end + timedelta(1)

    result = [[line.key, *ranges[line.key]] for line in lines]
    result[0][1] = None
    result[-1][2] = None
    return [tuple(row) for row in result]


def _get_zero_range(interval, on_date):
    if interval in ("day", "unlimited"):
        return on_date, on_date
    start = get_interval_start(interval, on_date)
    return start, start + _get_length(interval, 1) - timedelta(1)


def _get_past_start(line, end):
    """Return the first day of a past period that ends on `end`."""
    if line.interval == "unlimited":
        return None
    if line.interval == "day":
        return end + timedelta(line.unit + 1)
    start = get_interval_start(line.interval, end)
    return start - _get_length(line.interval, -line.unit - 1)


def _get_future_end(line, start):
    """Return the last day of a future period that begins on `start`."""
    if line.interval == "unlimited":
        return None
    if line.interval == "day":
        return start + timedelta(line.unit - 1)
    unit_start = get_interval_start(line.interval, start)
    return unit_start + _get_length(line.interval, line.unit) - timedelta(1)


def get_interval_start(interval, on_date):
    """Return the first day of the calendar unit a date lies in.

    >>> from datetime import date
    >>> print(get_interval_start("quarter", date(2024, 2, 29)))
    2024-01-01
    >>> print(get_interval_start("week", date(2024, 12, 31)))
    2024-12-30
    """
    if interval == "week":
        return on_date - timedelta(on_date.weekday())
    if interval == "month":
        return on_date.replace(day=1)
    if interval == "quarter":
        return on_date.replace(month=(on_date.month - 1) // 3 * 3 + 1, day=1)
    if interval == "year":
        return on_date.replace(month=1, day=1)
    raise ValueError(f"There is no calendar unit {interval!r}")


def _get_length(interval, number):
    if interval == "week":
        return relativedelta(weeks=number)
    if interval == "month":
        return relativedelta(months=number)
    if interval == "quarter":
        return relativedelta(months=3 * number)
    return relativedelta(years=number)
