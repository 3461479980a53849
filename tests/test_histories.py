import os
from unittest.mock import patch

from odoo import fields
from odoo.tests import tagged

from .common import CashDiscountCommon
from .histories import checks
from .histories.steps import Step
from .histories.story import Teller, describe
from .histories.world import World

# `./dev test histories` sets both.
COUNT = int(os.environ.get("HISTORIES_COUNT", 3))
FIRST_SEED = int(os.environ.get("HISTORIES_SEED", 70))
STEPS = int(os.environ.get("HISTORIES_STEPS", 16))


@tagged("post_install", "-at_install")
class TestHistories(CashDiscountCommon):
    """Years of accounting made up from a seed, checked after every step."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.world = World(cls)

    def _check_history(self, seed, count=STEPS):
        teller = Teller(self.world, seed)
        steps, failure = teller.make(count)
        if failure:
            steps, failure = teller.shrink(steps, failure)
            self.fail(describe(seed, count, steps, failure))
        done = sum(n for key, n in teller.done.items() if key[1] == "done")
        self.assertGreater(done, count // 3, "Most steps of a history are to be done")

    def test_write_off_with_cash_basis_taxes_in_three_decimals(self):
        """Once, 0.001 stayed on the account where these taxes wait for the payment."""
        self._check_history(107, 30)

    def test_discount_taken_off_alone(self):
        """Once, undoing a return gave a discount again that was taken off before."""
        self._check_history(304, 24)

    def test_shortest_story(self):
        """Told with a check that fails as soon as a payment is returned."""
        day = fields.Date.to_date("2024-03-01")
        invoice = {
            "company": 0,
            "customer": 0,
            "move_type": "out_invoice",
            "currency": "USD",
            "term": 0,
            "date": day,
            "lines": [(10000, 0)],
        }
        payment = {
            "company": 0,
            "customer": 0,
            "payment_type": "inbound",
            "currency": "USD",
            "date": day,
            "units": 10000,
            "of": None,
            "share": None,
        }
        steps = [
            Step(1, day, "Invoice", invoice),
            Step(2, day, "Payment", payment),
            Step(3, day, "Match", {"numbers": [1, 2], "part": None}),
            Step(4, day, "SetStatus", {"numbers": [9], "status": "disputed"}),
            Step(5, day, "ReturnPayment", {"number": 2, "date": day, "fee": False}),
            Step(6, day, "Invoice", invoice),
        ]

        def nothing_is_returned(world):
            returns = world.env["collections.payment.return"].search([])
            return returns.mapped("display_name")

        teller = Teller(self.world, seed=7)
        self.assertIsNone(teller.tell(steps))
        with patch.object(checks, "CHECKS", [*checks.CHECKS, nothing_is_returned]):
            failure = teller.tell(steps)
            self.assertEqual(failure.step.number, 5)
            steps, failure = teller.shrink(steps, failure)
        self.assertEqual([step.number for step in steps], [2, 5])
        self.assertEqual(
            describe(7, 50, steps, failure),
            "Seed 7: nothing_is_returned does not hold after step 5.\n"
            "    Return of PHBNK/2024/00001\n"
            "The shortest story:\n"
            "    2. 2024-03-01 payment: company Head, customer A, "
            "payment_type inbound, currency USD, date 2024-03-01, units 10000\n"
            "    5. 2024-03-01 return payment: number #2, date 2024-03-01, fee False\n"
            "Once more: ./dev test histories 1 --seed 7 --steps 50",
        )
        self.assertFalse(self.env["account.payment"].search([("date", "=", day)]))


def _add_seeds():
    for seed in range(FIRST_SEED, FIRST_SEED + COUNT):

        def test(self, seed=seed):
            self._check_history(seed)

        setattr(TestHistories, f"test_seed_{seed:05}", test)


_add_seeds()
