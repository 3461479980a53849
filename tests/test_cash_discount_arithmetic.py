import random

from odoo.tests import BaseCase, tagged

from ..tools.cash_discount import Terms, get_available, get_share
from ..tools.tax_split import to_units


@tagged("post_install", "-at_install")
class TestCashDiscountArithmetic(BaseCase):
    def _pay(self, total, discount, payments, rounding=0.01):
        """Return what payments deduct one after another, and what is open then."""
        residual, taken, shares = total, 0.0, 0
        deducted = []
        for payment in payments:
            terms = Terms(total, discount, taken, shares)
            available = get_available(terms, residual, rounding)
            share = get_share(terms, available, residual, payment, rounding)
            deducted.append(share)
            taken = round(taken + share, 10)
            shares += bool(payment)
            residual = round(residual - payment - share, 10)
        return deducted, residual

    def test_part_of_a_thousand(self):
        """CD-01: 297.00 take 3.00 of 10.00 and leave 700.00."""
        self.assertEqual(self._pay(1000, 10, [297]), ([3.0], 700.0))
        terms = Terms(1000, 10, 3, 1)
        self.assertEqual(get_available(terms, 700, 0.01), 7.0)

    def test_three_times_the_same(self):
        self.assertEqual(
            self._pay(1000, 10, [330, 330, 330]), ([3.33, 3.33, 3.34], 0.0)
        )

    def test_what_was_settled_without_discount_earns_none(self):
        """500.00 were settled before; the other half earns half of the discount."""
        terms = Terms(1000, 10)
        self.assertEqual(get_available(terms, 500, 0.01), 5.0)

    def test_more_than_the_rest_takes_no_more(self):
        terms = Terms(1000, 10)
        self.assertEqual(get_share(terms, 10, 1000, 995, 0.01), 10.0)

    def test_nothing(self):
        self.assertEqual(get_available(Terms(1000, 0), 1000, 0.01), 0.0)
        self.assertEqual(get_available(Terms(1000, 10), 0, 0.01), 0.0)
        self.assertEqual(get_share(Terms(1000, 10), 10, 1000, 0, 0.01), 0.0)
        self.assertEqual(get_available(Terms(0, 0), 10, 0.01), 0.0)

    def test_whole_discount(self):
        self.assertEqual(get_share(Terms(100, 100), 100, 100, 0.01, 0.01), 100.0)

    def test_any_split_closes_the_item(self):
        chance = random.Random(297)  # the same splits in every run
        for _turn in range(3000):
            rounding = chance.choice([0.01, 1.0, 0.001])
            total_units = chance.randint(1, 10 ** chance.randint(1, 9))
            rate = chance.uniform(0.005, 0.5)
            total = round(total_units * rounding, 10)
            discount = round(round(total_units * rate) * rounding, 10)
            money = to_units(total - discount, rounding)
            cuts = sorted(
                chance.randint(0, money) for _cut in range(chance.randint(0, 6))
            )
            parts = [
                round((end - start) * rounding, 10)
                for start, end in zip([0, *cuts], [*cuts, money], strict=True)
            ]
            deducted, residual = self._pay(total, discount, parts, rounding)
            story = (total, discount, parts)
            self.assertAlmostEqual(residual, 0.0, 6, story)
            self.assertAlmostEqual(sum(deducted), discount, 6, story)
