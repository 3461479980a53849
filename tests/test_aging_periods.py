import doctest
from datetime import date, timedelta
from random import Random

from odoo.tests import TransactionCase, tagged

from odoo.addons.credit_collections.tools import aging
from odoo.addons.credit_collections.tools.aging import (
    PeriodLine,
    find_problem,
    get_period_ranges,
)


def lines(*rows):
    return [
        PeriodLine(key, unit, interval) for key, (unit, interval) in enumerate(rows)
    ]


def ranges(on_date, *rows):
    return [
        (start, end) for _key, start, end in get_period_ranges(lines(*rows), on_date)
    ]


@tagged("post_install", "-at_install")
class TestAgingPeriods(TransactionCase):
    def test_examples_in_the_module_are_true(self):
        result = doctest.testmod(aging)
        self.assertGreater(result.attempted, 0)
        self.assertFalse(result.failed)

    def test_days_roll_back_from_the_day_before_the_zero_day(self):
        self.assertEqual(
            ranges(
                date(2015, 12, 31),
                (-1, "unlimited"),
                (-30, "day"),
                (-30, "day"),
                (0, "day"),
                (30, "day"),
                (1, "unlimited"),
            ),
            [
                (None, date(2015, 10, 31)),
                (date(2015, 11, 1), date(2015, 11, 30)),
                (date(2015, 12, 1), date(2015, 12, 30)),
                (date(2015, 12, 31), date(2015, 12, 31)),
                (date(2016, 1, 1), date(2016, 1, 30)),
                (date(2016, 1, 31), None),
            ],
        )

    def test_current_period_of_30_days_holds_the_date_and_29_days_before(self):
        self.assertEqual(
            ranges(
                date(2026, 3, 31), (-1, "unlimited"), (-30, "day"), (1, "unlimited")
            ),
            [
                (None, date(2026, 3, 1)),
                (date(2026, 3, 2), date(2026, 3, 31)),
                (date(2026, 4, 1), None),
            ],
        )

    def test_newest_period_takes_everything_later(self):
        self.assertEqual(
            ranges(date(2026, 3, 31), (-1, "unlimited"), (-30, "day"), (0, "day"))[-1],
            (date(2026, 3, 31), None),
        )
        self.assertEqual(
            ranges(date(2026, 3, 31), (-1, "unlimited"), (-30, "day"))[-1],
            (date(2026, 3, 2), None),
        )

    def test_months_follow_the_calendar_around_the_zero_month(self):
        self.assertEqual(
            ranges(
                date(2024, 3, 15),
                (-1, "unlimited"),
                (-2, "month"),
                (-1, "month"),
                (0, "month"),
                (1, "month"),
                (1, "unlimited"),
            ),
            [
                (None, date(2023, 11, 30)),
                (date(2023, 12, 1), date(2024, 1, 31)),
                (date(2024, 2, 1), date(2024, 2, 29)),
                (date(2024, 3, 1), date(2024, 3, 31)),
                (date(2024, 4, 1), date(2024, 4, 30)),
                (date(2024, 5, 1), None),
            ],
        )

    def test_elapsed_part_of_the_month_counts_as_one_without_zero_line(self):
        self.assertEqual(
            ranges(date(2026, 3, 15), (-1, "unlimited"), (-1, "month"), (-1, "month")),
            [
                (None, date(2026, 1, 31)),
                (date(2026, 2, 1), date(2026, 2, 28)),
                (date(2026, 3, 1), None),
            ],
        )
        self.assertEqual(
            ranges(date(2026, 3, 15), (-1, "unlimited"), (-2, "month"), (1, "month"))[
                1
            ],
            (date(2026, 2, 1), date(2026, 3, 15)),
        )

    def test_remaining_part_of_the_month_counts_as_one_without_zero_line(self):
        rows = [(-1, "unlimited"), (1, "month"), (1, "unlimited")]
        self.assertEqual(
            ranges(date(2026, 3, 15), *rows)[1], (date(2026, 3, 16), date(2026, 3, 31))
        )
        # On the last day nothing remains, so the next month is the first one ahead.
        self.assertEqual(
            ranges(date(2026, 3, 31), *rows)[1], (date(2026, 4, 1), date(2026, 4, 30))
        )

    def test_weeks_begin_on_monday_across_the_year(self):
        self.assertEqual(
            ranges(
                date(2025, 1, 1),  # a Wednesday
                (-1, "unlimited"),
                (-1, "week"),
                (0, "week"),
                (1, "week"),
                (1, "unlimited"),
            ),
            [
                (None, date(2024, 12, 22)),
                (date(2024, 12, 23), date(2024, 12, 29)),
                (date(2024, 12, 30), date(2025, 1, 5)),
                (date(2025, 1, 6), date(2025, 1, 12)),
                (date(2025, 1, 13), None),
            ],
        )

    def test_quarters_and_years_follow_the_calendar(self):
        self.assertEqual(
            ranges(
                date(2024, 2, 29),
                (-1, "unlimited"),
                (-1, "year"),
                (-1, "quarter"),
                (0, "quarter"),
                (1, "quarter"),
                (1, "year"),
                (1, "unlimited"),
            ),
            [
                (None, date(2022, 12, 31)),
                (date(2023, 1, 1), date(2023, 9, 30)),
                (date(2023, 10, 1), date(2023, 12, 31)),
                (date(2024, 1, 1), date(2024, 3, 31)),
                (date(2024, 4, 1), date(2024, 6, 30)),
                (date(2024, 7, 1), date(2024, 12, 31)),
                (date(2025, 1, 1), None),
            ],
        )
        self.assertEqual(
            ranges(date(2024, 2, 29), (-1, "unlimited"), (0, "year"), (1, "unlimited"))[
                1
            ],
            (date(2024, 1, 1), date(2024, 12, 31)),
        )

    def test_month_end_and_leap_day_do_not_drift(self):
        for on_date in (date(2024, 1, 31), date(2024, 2, 29), date(2023, 2, 28)):
            found = ranges(on_date, (-1, "unlimited"), *[(-1, "month")] * 10)
            starts = [start for start, _end in found[1:]]
            self.assertTrue(all(start.day == 1 for start in starts))
            self.assertEqual(len(set(starts)), 10)

    def test_unlimited_zero_period_is_everything_not_past(self):
        self.assertEqual(
            ranges(
                date(2026, 3, 31), (-1, "unlimited"), (-30, "day"), (0, "unlimited")
            ),
            [
                (None, date(2026, 2, 28)),
                (date(2026, 3, 1), date(2026, 3, 30)),
                (date(2026, 3, 31), None),
            ],
        )
        self.assertEqual(
            ranges(date(2026, 3, 31), (0, "unlimited"), (7, "day")),
            [(None, date(2026, 3, 31)), (date(2026, 4, 1), None)],
        )

    def test_problems_are_found(self):
        cases = [
            ([], aging.PROBLEM_EMPTY),
            ([(-1, "unlimited")] + [(-1, "day")] * 12, aging.PROBLEM_TOO_MANY),
            ([(-30, "day"), (0, "day")], aging.PROBLEM_OLDEST),
            ([(-1, "unlimited"), (-1, "unlimited")], aging.PROBLEM_UNLIMITED),
            (
                [(-1, "unlimited"), (1, "unlimited"), (1, "day")],
                aging.PROBLEM_UNLIMITED,
            ),
            ([(1, "unlimited"), (1, "day")], aging.PROBLEM_UNLIMITED),
            ([(-1, "unlimited"), (0, "day"), (0, "month")], aging.PROBLEM_ZERO),
            ([(-1, "unlimited"), (0, "day"), (-30, "day")], aging.PROBLEM_ORDER),
            ([(-1, "unlimited"), (30, "day"), (0, "day")], aging.PROBLEM_ORDER),
            ([(-1, "unlimited"), (-9999, "year")], aging.PROBLEM_REACH),
            ([(-1, "unlimited"), (-(10**9), "day")], aging.PROBLEM_REACH),
        ]
        for rows, problem in cases:
            with self.subTest(rows=rows):
                self.assertEqual(
                    find_problem(lines(*rows), date(2026, 1, 1))[0], problem
                )
        self.assertIsNone(find_problem(lines((-1, "unlimited")), date(2026, 1, 1)))
        twelve = lines((-1, "unlimited"), *[(-1, "week")] * 10, (0, "week"))
        self.assertIsNone(find_problem(twelve, date(2026, 1, 1)))

    def test_every_date_is_in_exactly_one_period(self):
        random = Random(20)
        intervals = [name for name in aging.INTERVALS if name != "unlimited"]
        for _case in range(300):
            rows = [(-1, "unlimited")]
            rows += [
                (-random.randint(1, 45), random.choice(intervals))
                for _line in range(random.randint(0, 4))
            ]
            if random.random() < 0.5:
                rows.append((0, random.choice([*intervals, "day"])))
            rows += [
                (random.randint(1, 45), random.choice(intervals))
                for _line in range(random.randint(0, 3))
            ]
            if random.random() < 0.5:
                rows.append((1, "unlimited"))
            on_date = date(2020, 1, 1) + timedelta(random.randint(0, 3000))
            found = ranges(on_date, *rows)
            self.assertIsNone(found[0][0])
            self.assertIsNone(found[-1][1])
            for (_start, end), (following, later) in zip(
                found, found[1:], strict=False
            ):
                self.assertEqual(end + timedelta(1), following, f"{on_date} {rows}")
                self.assertTrue(later is None or later >= following)
