"""Worked examples of the reference system, with their figures."""

from freezegun import freeze_time

from odoo.tests import tagged

from .common import CollectionsCommon


@tagged("post_install", "-at_install")
class TestAgingScenarios(CollectionsCommon):
    def test_30_60_90_definition_puts_every_edge_in_its_period(self):
        """AG-01: 0-30 covers 1 to 30 days before, over 90 is 91 and more."""
        definition = self._create_definition(
            "30/60/90 of the reference",
            [
                ("Over 90", -1, "unlimited", "red"),
                ("61-90", -30, "day", "yellow"),
                ("31-60", -30, "day", "yellow"),
                ("0-30", -30, "day", "green"),
                ("Aging date", 0, "day", "green"),
            ],
        )
        partner = self._create_customer()
        dues = [
            ("2015-12-31", 100),
            ("2015-12-30", 101),
            ("2015-12-01", 102),
            ("2015-11-30", 103),
            ("2015-11-01", 104),
            ("2015-10-31", 105),
            ("2015-10-02", 106),
            ("2015-10-01", 107),
            ("2015-06-14", 108),
        ]
        for due, amount in dues:
            self._create_item(partner, amount, due, date="2015-01-01")
        snapshot = self._run_snapshot("2015-12-31", definition_id=definition.id)
        self.assertEqual(
            self._get_amounts(snapshot, partner),
            {
                "Aging date": 100.0,
                "0-30": 203.0,
                "31-60": 207.0,
                "61-90": 211.0,
                "Over 90": 215.0,
            },
        )
        self.assertRecordValues(
            self._get_row(snapshot, partner),
            [
                {
                    "amount_due": 936.0,
                    "amount_overdue": 836.0,
                    "amount_credit": 0.0,
                    "indicator": "red",
                    "days_overdue": 200,
                    "open_item_count": 9,
                }
            ],
        )
        self._assert_ties(snapshot)

    def test_definition_of_pool_wins_over_default_and_default_over_first(self):
        """AG-03: pool, else default, else the first."""
        self.env["collections.aging.definition"].search([]).sequence = 50
        first = self._create_definition("F", [("All", -1, "unlimited")], sequence=-1)
        default = self._create_definition("D", [("All", -1, "unlimited")])
        of_pool = self._create_definition("P", [("All", -1, "unlimited")])
        pool = self.env["collections.pool"].create(
            {"name": "Pool", "definition_id": of_pool.id}
        )
        self.company.collections_aging_definition_id = default
        Snapshot = self.env["collections.aging.snapshot"]
        self.assertEqual(Snapshot.create({"pool_id": pool.id}).definition_id, of_pool)
        pool.definition_id = False
        self.assertEqual(Snapshot.create({"pool_id": pool.id}).definition_id, default)
        self.company.collections_aging_definition_id = False
        self.assertEqual(Snapshot.create({}).definition_id, first)

    def test_current_period_of_30_days(self):
        """AG-04: the aging date and the 29 days before it."""
        definition = self._create_definition(
            "Current 30",
            [
                ("Old", -1, "unlimited"),
                ("Current", -30, "day"),
                ("Later", 1, "unlimited"),
            ],
        )
        partner = self._create_customer()
        for due, amount in [("2026-03-31", 1), ("2026-03-02", 2), ("2026-03-01", 4)]:
            self._create_item(partner, amount, due)
        snapshot = self._run_snapshot("2026-03-31", definition_id=definition.id)
        self.assertEqual(
            self._get_amounts(snapshot, partner), {"Current": 3.0, "Old": 4.0}
        )

    def test_promise_turns_broken_after_its_day(self):
        """AG-05: kept on the promise date, broken on the day after."""
        partner = self._create_customer()
        with freeze_time("2015-07-01"):
            line = self._get_term_lines(self._create_item(partner, 50, "2015-06-01"))
            line.action_set_collections_status("promised", promise_date="2015-07-10")
        with freeze_time("2015-07-10"):
            self._run_snapshot("2015-07-10", update_collection_status=True)
            self.assertEqual(line.collections_status, "promised")
        with freeze_time("2015-07-11"):
            self._run_snapshot("2015-07-11", update_collection_status=False)
            self.assertEqual(line.collections_status, "promised")
            snapshot = self._run_snapshot("2015-07-11", update_collection_status=True)
            self.assertEqual(line.collections_status, "promise_broken")
            self.assertEqual(snapshot.promise_broken_count, 1)

    def test_only_customers_with_a_snapshot_are_listed(self):
        """AG-06: a snapshot per pool gives rows to the customers of the pool only."""
        with_snapshot = self._create_customer("X", ref="POOL")
        without = self._create_customer("Y")
        self._create_item(with_snapshot, 10, "2026-01-01")
        self._create_item(without, 10, "2026-01-01")
        pool = self.env["collections.pool"].create(
            {"name": "Pool", "domain": "[('ref', '=', 'POOL')]"}
        )
        self._run_snapshot("2026-01-31", pool_id=pool.id)
        listed = self.env["collections.aging.balance"].search(
            [("is_current", "=", True), ("company_id", "=", self.company.id)]
        )
        self.assertEqual(listed.partner_id, with_snapshot)
