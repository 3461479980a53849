import psycopg2
from freezegun import freeze_time

from odoo.exceptions import UserError
from odoo.modules.registry import Registry
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import CollectionsCommon

TODAY = "2026-03-31"


@tagged("post_install", "-at_install")
class TestAgingCurrent(CollectionsCommon):
    """Which rows are the latest of their customer."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.first = cls._create_customer("First", ref="POOL")
        cls.second = cls._create_customer("Second")
        cls._create_item(cls.first, 100, "2026-01-31")
        cls._create_item(cls.second, 200, "2026-01-31")
        cls.pool = cls.env["collections.pool"].create(
            {"name": "Pool", "domain": "[('ref', '=', 'POOL')]"}
        )
        frozen = freeze_time(TODAY + " 10:00:00")
        frozen.start()
        cls.addClassCleanup(frozen.stop)

    def _get_current(self, definition=None):
        """Return which snapshot holds the current row of each customer."""
        rows = self.env["collections.aging.balance"].search(
            [
                ("company_id", "=", self.company.id),
                ("definition_id", "=", (definition or self.definition).id),
                ("is_current", "=", True),
            ]
        )
        current = {}
        for row in rows:
            self.assertNotIn(row.partner_id, current, "one current row per customer")
            current[row.partner_id] = row.snapshot_id
        return current

    def test_newest_date_is_current(self):
        old = self._run_snapshot("2026-02-28")
        self.assertEqual(self._get_current(), {self.first: old, self.second: old})
        new = self._run_snapshot("2026-03-30")
        self.assertEqual(self._get_current(), {self.first: new, self.second: new})

    def test_later_run_of_the_same_day_is_current(self):
        morning = self._run_snapshot(TODAY)
        evening = self._run_snapshot(TODAY)
        self.assertEqual(
            self._get_current(), {self.first: evening, self.second: evening}
        )
        self.assertEqual((morning + evening).mapped("is_history"), [False, True])
        morning.action_run()
        self.assertEqual(
            self._get_current(), {self.first: morning, self.second: morning}
        )
        self.assertEqual((morning + evening).mapped("is_history"), [True, False])

    def test_back_dated_run_displaces_nothing(self):
        new = self._run_snapshot(TODAY)
        back_dated = self._run_snapshot("2026-02-28")
        self.assertEqual(self._get_current(), {self.first: new, self.second: new})
        self.assertEqual(len(back_dated.balance_ids), 2)
        self.assertTrue(back_dated.is_history)

    def test_future_date_is_never_current(self):
        future = self._run_snapshot("2026-12-31")
        self.assertEqual(self._get_current(), {})
        self.assertEqual(len(future.balance_ids), 2)

    def test_forecast_does_not_become_current_when_its_day_has_come(self):
        full = self._run_snapshot(TODAY)
        self._run_snapshot("2026-04-30")
        with freeze_time("2026-05-02"):
            view = self.env["collections.aging.balance"].get_aging_view()
            self.assertEqual(view["snapshot"]["id"], full.id)
            newer = self._run_snapshot("2026-04-29")
            self.assertEqual(
                self._get_current(), {self.first: newer, self.second: newer}
            )

    def test_forecast_breaks_no_promise_still_to_come(self):
        line = self.env["account.move.line"].search(
            [
                ("partner_id", "=", self.first.id),
                ("account_type", "=", "asset_receivable"),
            ]
        )
        line.action_set_collections_status("promised", promise_date="2026-06-30")
        self._run_snapshot("2026-12-31")
        self.assertEqual(line.collections_status, "promised")

    def test_customer_who_became_a_contact_has_no_row_any_more(self):
        self._run_snapshot(TODAY)
        self.second.parent_id = self.first
        self.first.action_refresh_aging()
        current = self._get_current()
        self.assertEqual(list(current), [self.first])
        row = self._get_row(current[self.first], self.first)
        self.assertEqual(row.amount_due, 300.0)

    def test_refresh_of_many_is_one_run_of_the_same_kind(self):
        full = self._run_snapshot(TODAY, date_basis="invoice_date")
        (self.first + self.second).action_refresh_aging()
        current = self._get_current()
        self.assertEqual(set(current), {self.first, self.second})
        refresh = current[self.first]
        self.assertEqual(refresh, current[self.second])
        self.assertNotEqual(refresh, full)
        self.assertRecordValues(
            refresh,
            [{"is_refresh": True, "date_basis": "invoice_date", "is_history": False}],
        )
        self.assertEqual(refresh.scope_name, "Chosen customers")

    def test_shared_pool_looks_at_the_company_that_is_aged(self):
        other = self.setup_other_company()["company"]
        pool = self.env["collections.pool"].create(
            {
                "name": "Shared",
                "company_id": False,
                "domain": "[('collections_balance_ids.amount_due', '>', 150)]",
            }
        )
        self._run_snapshot(TODAY)
        both = (self.company + other).ids
        Snapshot = self.env["collections.aging.snapshot"].with_context(
            allowed_company_ids=both
        )
        here, there = Snapshot.create(
            [
                {"company_id": company.id, "pool_id": pool.id, "date": TODAY}
                for company in (self.company, other)
            ]
        )
        (here + there).action_run()
        self.assertEqual(here.scope_partner_ids, self.second)
        self.assertFalse(there.scope_partner_ids)

    def test_pool_run_waits_for_a_full_run_after_the_periods_changed(self):
        self._run_snapshot(TODAY)
        self.definition.period_ids[1].unit = -20
        for run in (
            lambda: self._run_snapshot(TODAY, pool_id=self.pool.id),
            self.first.action_refresh_aging,
        ):
            with self.assertRaisesRegex(UserError, "Run a snapshot of all customers"):
                run()
        self._run_snapshot(TODAY)
        self.first.action_refresh_aging()

    def test_pool_run_replaces_its_customers_only(self):
        full = self._run_snapshot("2026-03-30")
        of_pool = self._run_snapshot(TODAY, pool_id=self.pool.id)
        self.assertEqual(self._get_current(), {self.first: of_pool, self.second: full})
        self.assertFalse(of_pool.is_history)
        self.assertEqual(of_pool.ledger_total, 100.0)
        self.assertEqual(of_pool.ledger_difference, 0.0)

    def test_customer_who_paid_has_no_current_row_any_more(self):
        full = self._run_snapshot("2026-03-30")
        payment = self._create_payment(self.first, 100, TODAY)
        invoice = self.env["account.move"].search(
            [("partner_id", "=", self.first.id), ("move_type", "=", "out_invoice")]
        )
        self._match(invoice, payment)
        of_pool = self._run_snapshot(TODAY, pool_id=self.pool.id)
        self.assertFalse(of_pool.balance_ids)
        self.assertEqual(self._get_current(), {self.second: full})
        # Deleting the run that found nothing brings the row before it back.
        of_pool.unlink()
        self.assertEqual(self._get_current(), {self.first: full, self.second: full})
        newer = self._run_snapshot(TODAY)
        self.assertEqual(self._get_current(), {self.second: newer})

    def test_full_run_behind_a_later_pool_run_leaves_its_customers(self):
        of_pool = self._run_snapshot(TODAY, pool_id=self.pool.id)
        full = self._run_snapshot("2026-03-30")
        self.assertEqual(self._get_current(), {self.first: of_pool, self.second: full})

    def test_deleting_a_snapshot_restores_the_one_before(self):
        old = self._run_snapshot("2026-02-28")
        new = self._run_snapshot(TODAY)
        newest = self._run_snapshot(TODAY)
        newest.unlink()
        self.assertEqual(self._get_current(), {self.first: new, self.second: new})
        self.assertTrue(new.is_history)
        new.unlink()
        self.assertEqual(self._get_current(), {self.first: old, self.second: old})
        old.unlink()
        self.assertEqual(self._get_current(), {})

    def test_deleting_an_old_snapshot_changes_nothing(self):
        old = self._run_snapshot("2026-02-28")
        new = self._run_snapshot(TODAY)
        old.unlink()
        self.assertEqual(self._get_current(), {self.first: new, self.second: new})

    def test_run_moved_to_an_earlier_date_restores_the_one_before(self):
        old = self._run_snapshot("2026-02-28")
        moved = self._run_snapshot(TODAY)
        moved.date = "2026-01-31"
        self.assertEqual(self._get_current(), {self.first: old, self.second: old})
        moved.action_run()
        self.assertEqual(self._get_current(), {self.first: old, self.second: old})

    def test_definitions_have_current_rows_of_their_own(self):
        other = self._create_definition("Other", [("All", -1, "unlimited")])
        full = self._run_snapshot(TODAY)
        of_other = self._run_snapshot(TODAY, definition_id=other.id)
        self.assertEqual(self._get_current(), {self.first: full, self.second: full})
        self.assertEqual(
            self._get_current(other), {self.first: of_other, self.second: of_other}
        )

    def test_retention_keeps_the_run_that_found_nothing(self):
        self._run_snapshot("2026-01-31")
        payment = self._create_payment(self.first, 100, "2026-02-01")
        self._match(
            self.env["account.move"].search([("partner_id", "=", self.first.id)])[-1:],
            payment,
        )
        latest = self._run_snapshot("2026-02-02")
        self.company.collections_snapshot_retention_days = 10
        self.env["collections.aging.snapshot"]._remove_old(self.company)
        remaining = self.env["collections.aging.snapshot"].search(
            [("company_id", "=", self.company.id)]
        )
        self.assertEqual(remaining, latest)
        self.assertEqual(self._get_current(), {self.second: latest})

    def test_retention_of_pools_alone(self):
        """Where nobody ages all customers, the last run of each customer is kept."""
        old = [
            self._run_snapshot(date, pool_id=self.pool.id)
            for date in ("2026-02-01", "2026-02-02", "2026-02-03")
        ]
        self.first.ref = False
        self.second.ref = "POOL"
        latest = [
            self._run_snapshot(date, pool_id=self.pool.id)
            for date in ("2026-02-04", "2026-02-05")
        ]
        self.company.collections_snapshot_retention_days = 10
        Snapshot = self.env["collections.aging.snapshot"]
        Snapshot._remove_old(self.company)
        self.assertEqual(
            Snapshot.search([("company_id", "=", self.company.id)], order="id"),
            old[-1] + latest[-1],
        )
        self.assertEqual(
            self._get_current(), {self.first: old[-1], self.second: latest[-1]}
        )

    def test_deleted_run_does_not_bring_back_a_former_customer(self):
        """What he owed counts for the company that he belongs to now."""
        self._run_snapshot("2026-03-01")
        for action in ("unlink", "action_run"):
            self.first.write({"is_company": False, "parent_id": self.second.id})
            self.second.action_refresh_aging()
            refreshed = self._get_current()
            self.assertEqual(list(refreshed), [self.second])
            getattr(self._run_snapshot("2026-01-31"), action)()
            self.assertEqual(self._get_current(), refreshed)
            self.first.write({"parent_id": False, "is_company": True})

    def _run_where_the_next_day_has_begun(self):
        """Run a snapshot as of the day after that of somebody in New York."""
        root = self.env(user=self.env.ref("base.user_root"), context={})
        with freeze_time("2026-04-01 02:30:00"):
            full = root["collections.aging.snapshot"].create(
                {"company_id": self.company.id, "date": "2026-04-01"}
            )
            full.action_run()
        self.assertFalse(full.is_forecast)
        return full.with_env(self.env)

    def test_refresh_where_the_day_before_is_not_over(self):
        """Newer figures do not lose to those made where the next day has begun."""
        full = self._run_where_the_next_day_has_begun()
        with freeze_time("2026-04-01 03:00:00"):
            self._create_item(self.first, 900, "2026-05-31", "2026-03-31")
            for partner in (self.first, self.second):
                partner = partner.with_context(tz="America/New_York")
                partner.action_refresh_aging()
            wizard = (
                self.env["collections.aging.wizard"]
                .with_context(tz="America/New_York")
                .create({"company_ids": self.company.ids})
            )
            row = self._get_row(self._get_current()[self.first], self.first)
            self.assertEqual((row.amount_due, str(row.date)), (1000.0, "2026-04-01"))
            self.assertEqual(str(wizard.date), "2026-04-01")
            action = wizard.action_run()
        self.assertEqual(action["res_model"], "collections.aging.balance")
        self.assertEqual(action["target"], "main")
        current = self._get_current()
        self.assertNotEqual(current[self.second], full)
        self.assertEqual(current[self.first], current[self.second])
        self.assertFalse(current[self.first].is_forecast)

    def test_companies_where_the_next_day_has_begun_and_where_not(self):
        """A run for today gives every company its latest figures."""
        self._run_where_the_next_day_has_begun()
        other = self.setup_other_company()["company"]
        with freeze_time("2026-04-01 03:00:00"):
            wizard = (
                self.env["collections.aging.wizard"]
                .with_context(
                    allowed_company_ids=(self.company + other).ids,
                    tz="America/New_York",
                )
                .create({})
            )
            self.assertEqual(wizard.company_ids, self.company + other)
            wizard.action_run()
        for company, date in [(self.company, "2026-04-01"), (other, TODAY)]:
            snapshot = self.env["collections.aging.snapshot"].search(
                [("company_id", "=", company.id)], limit=1
            )
            self.assertEqual((str(snapshot.date), snapshot.is_forecast), (date, False))

    def test_forecast_of_the_next_day_stays_one(self):
        wizard = self.env["collections.aging.wizard"].create({"date": "2026-04-01"})
        wizard.action_run()
        self.assertTrue(
            self.env["collections.aging.snapshot"].search([], limit=1).is_forecast
        )
        wizard = self.env["collections.aging.wizard"].create({})
        self.assertEqual(str(wizard.date), TODAY)

    def test_merge_where_the_day_before_is_not_over(self):
        self._run_where_the_next_day_has_begun()
        with freeze_time("2026-04-01 03:00:00"):
            self.env["base.partner.merge.automatic.wizard"].with_context(
                tz="America/New_York"
            )._merge((self.first + self.second).ids, self.second)
        current = self._get_current()
        self.assertEqual(list(current), [self.second])
        self.assertEqual(
            self._get_row(current[self.second], self.second).amount_due, 300.0
        )

    def test_merge_after_the_periods_were_changed(self):
        """Who merges contacts is not kept from it; the row is that of the last run."""
        full = self._run_snapshot(TODAY)
        self.definition.period_ids.sorted()[1].unit = -40
        self.env["base.partner.merge.automatic.wizard"]._merge(
            (self.first + self.second).ids, self.second
        )
        self.assertEqual(self._get_current(), {self.second: full})
        self.assertEqual(self._get_row(full, self.second).amount_due, 300.0)

    def test_merged_customers_have_one_row_and_keep_their_history(self):
        self.first.credit_limit = 1000.0
        self.second.credit_limit = 500.0
        old = self._run_snapshot("2026-02-28")
        full = self._run_snapshot(TODAY)
        self.first.action_refresh_aging()
        self.env["base.partner.merge.automatic.wizard"]._merge(
            (self.first + self.second).ids, self.second
        )
        self.assertFalse(self.first.exists())
        limits = full.balance_ids.read(["credit_limit", "credit_remaining"])
        self.assertEqual(
            [(row["credit_limit"], row["credit_remaining"]) for row in limits],
            [(500.0, 200.0)],
        )
        current = self._get_current()
        self.assertEqual(list(current), [self.second])
        row = self._get_row(current[self.second], self.second)
        self.assertEqual((row.amount_due, row.open_item_count), (300.0, 2))
        for snapshot in (old, full):
            self.assertEqual(snapshot.balance_ids.partner_id, self.second)
            self.assertEqual(sum(snapshot.balance_ids.mapped("amount_due")), 300.0)
            self.assertEqual(snapshot.amount_total, 300.0)

    def test_database_refuses_two_current_rows(self):
        row = self._run_snapshot(TODAY).balance_ids[0]
        self.env.flush_all()
        with (
            mute_logger("odoo.sql_db"),
            self.assertRaises(psycopg2.errors.UniqueViolation),
            self.env.cr.savepoint(flush=False),
        ):
            self.env.cr.execute(
                """
                INSERT INTO collections_aging_balance (
                    snapshot_id, definition_id, company_id, currency_id, date,
                    partner_id, is_current
                )
                SELECT snapshot_id, definition_id, company_id, currency_id, date,
                       partner_id, TRUE
                  FROM collections_aging_balance WHERE id = %s
                """,
                [row.id],
            )

    def test_second_of_two_runs_at_once_is_told(self):
        snapshot = self.env["collections.aging.snapshot"].create({"date": TODAY})
        key = (
            "collections.aging.snapshot:"
            f"{snapshot.company_id.id}:{snapshot.definition_id.id}"
        )
        with Registry(self.env.cr.dbname)._db.cursor() as other:
            other.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [key]
            )
            with self.assertRaisesRegex(UserError, "Another aging run of 30/60/90"):
                snapshot.action_run()
        snapshot.action_run()
        self.assertEqual(snapshot.state, "done")
