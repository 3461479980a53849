import random

from odoo.tests import BaseCase, tagged

from ..tools.tax_split import close_gap, spread, spread_further


@tagged("post_install", "-at_install")
class TestTaxSplit(BaseCase):
    def test_shares_are_proportional(self):
        self.assertEqual(spread([100.0, 20.0], 60.0, 0.01), [50.0, 10.0])
        self.assertEqual(spread([100.0], 33.33, 0.01), [33.33])

    def test_the_whole_gives_the_weights_back(self):
        weights = [83.33, 16.67, 45.45, 4.55, -12.34]
        self.assertEqual(spread(weights, round(sum(weights), 2), 0.01), weights)

    def test_rest_goes_to_the_largest(self):
        self.assertEqual(spread([33.33, 33.33, 33.34], 10.0, 0.01), [3.33, 3.33, 3.34])
        self.assertEqual(spread([1.0, 1.0, 1.0], 0.05, 0.01), [0.01, 0.02, 0.02])

    def test_no_share_changes_its_sign(self):
        # Every share would be rounded up, and the largest pay for it twice over.
        self.assertEqual(spread([0.01] * 10, 0.05, 0.01), [0.0] * 5 + [0.01] * 5)

    def test_negative_amounts(self):
        self.assertEqual(spread([-100.0, -20.0], -60.0, 0.01), [-50.0, -10.0])
        self.assertEqual(spread([120.0, -20.0], 50.0, 0.01), [60.0, -10.0])

    def test_other_roundings(self):
        self.assertEqual(spread([1000.0, 500.0], 100.0, 1.0), [67.0, 33.0])
        self.assertEqual(spread([1.0, 1.0, 1.0], 1.0, 0.05), [0.3, 0.35, 0.35])
        self.assertEqual(spread([1.0, 2.0], 0.001, 0.001), [0.0, 0.001])

    def test_parts_add_up_to_the_weights(self):
        weights, parts = [100.0, 21.0], [11.0] * 11
        # Each for itself: 11 x 1.91 is 21.01.
        self.assertEqual(spread(weights, 11.0, 0.01), [9.09, 1.91])
        self._check_parts(weights, parts)
        self._check_parts([83.33, 16.67, 45.45, 4.55, -12.34], [0.01] * 13766)
        self._check_parts([-100.0, -21.0], [-0.02, -60.49, -60.49])

    def test_any_parts_add_up_to_the_weights(self):
        generator = random.Random(8)
        for _turn in range(200):
            units = [generator.randint(1, 5000) for _n in range(4)]
            cuts = sorted(generator.sample(range(1, sum(units)), 3))
            parts = [
                round((end - start) / 100, 2)
                for start, end in zip([0, *cuts], [*cuts, sum(units)], strict=True)
            ]
            self._check_parts([unit / 100 for unit in units], parts)

    def _check_parts(self, weights, parts):
        sums = [0.0] * len(weights)
        for part in parts:
            shares = spread_further(weights, sums, part, 0.01)
            self.assertEqual(round(sum(shares), 2), part)
            sums = [
                round(total + share, 2)
                for total, share in zip(sums, shares, strict=True)
            ]
        self.assertEqual(sums, weights)

    def test_parts_complete_what_others_left(self):
        """Which parts stay, and in what order they were cut, does not matter."""
        chance = random.Random(9)
        for _turn in range(100):
            weights = [chance.randint(-200, 2000) / 100 for _ in range(6)]
            if sum(weights) <= 0:
                continue
            kept = []
            for _part in range(8):
                taken = self._add_up(kept)
                rest = round(sum(weights) - sum(taken), 2)
                amount = round(rest * chance.random(), 2)
                kept.append(spread_further(weights, taken, amount, 0.01))
                if chance.random() < 0.4:
                    kept.pop(chance.randrange(len(kept)))
            taken = self._add_up(kept)
            rest = round(sum(weights) - sum(taken), 2)
            shares = spread_further(weights, taken, rest, 0.01)
            self.assertEqual(
                self._add_up([taken, shares]),
                [round(weight, 2) for weight in weights],
            )

    def _add_up(self, parts):
        """Return the sums of the shares of parts, zeros where there is none."""
        columns = zip([0.0] * 6, *parts, strict=True)
        return [round(sum(column), 2) for column in columns]

    def test_nothing_is_proportional_to_zero(self):
        with self.assertRaises(ValueError):
            spread([10.0, -10.0], 5.0, 0.01)

    def test_gap_is_closed_by_the_largest(self):
        weights = [-499.99, 500.0]
        self.assertEqual(
            close_gap([-450.0, 450.0], weights, 0.01, 0.01), [-450, 450.01]
        )
        self.assertEqual(close_gap([450.0], [500.0], 450.0, 0.01), [450.0])

    def test_closing_a_gap_changes_no_sign(self):
        shares = close_gap([0.01] * 5, [0.006] * 5, 0.03, 0.01)
        self.assertEqual(shares, [0.0, 0.0, 0.01, 0.01, 0.01])
        self.assertEqual(close_gap([0.0, 0.0], [-0.4, 0.6], 0.01, 0.01), [0.0, 0.01])

    def test_any_cut_adds_up(self):
        chance = random.Random(20261121)  # the same cuts in every run
        for _turn in range(3000):
            rounding = chance.choice([0.01, 0.05, 1.0, 0.001])
            sign = chance.choice([1, -1])
            weights = [
                round(sign * chance.randint(1, 10**6) * rounding, 10)
                for _position in range(chance.randint(1, 9))
            ]
            total = round(sum(weights) / rounding)
            amount = round(sign * chance.randint(1, abs(total)) * rounding, 10)
            shares = spread(weights, amount, rounding)
            self.assertAlmostEqual(sum(shares), amount, 7)
            for weight, share in zip(weights, shares, strict=True):
                self.assertGreaterEqual(weight * share, 0.0)
                exact = weight * amount / sum(weights)
                self.assertLess(abs(share - exact), rounding * (len(weights) + 1) / 2)
