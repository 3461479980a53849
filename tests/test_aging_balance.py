import json

from odoo import fields
from odoo.fields import Domain
from odoo.http import Request
from odoo.tests import HttpCase, tagged

from .common import AGENT, CollectionsCommon


@tagged("post_install", "-at_install")
class TestAgedBalances(CollectionsCommon):
    """What the list, pivot and graph of aged balances are given."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.small = cls._create_customer("Small", ref="POOL")
        cls.large = cls._create_customer("Large")
        cls._create_item(cls.small, 100, "2026-01-31")
        cls._create_item(cls.large, 5000, "2026-01-31")
        cls.weekly = cls._create_definition(
            "Weekly", [("Older", -1, "unlimited"), ("This week", 0, "week")]
        )
        cls.pool = cls.env["collections.pool"].create(
            {"name": "Pool", "domain": "[('ref', '=', 'POOL')]"}
        )
        today = fields.Date.today()
        cls.snapshot = cls._run_snapshot(today)
        cls.weekly_snapshot = cls._run_snapshot(today, definition_id=cls.weekly.id)
        cls.Balance = cls.env["collections.aging.balance"]

    def _get_shown(self, view):
        return self.Balance.search(
            Domain(view["domain"]) & Domain("is_current", "=", True)
        )

    def test_one_definition_at_a_time_so_totals_are_true(self):
        view = self.Balance.get_aging_view()
        self.assertEqual(view["definition"]["name"], "30/60/90")
        self.assertEqual(self._get_shown(view), self.snapshot.balance_ids)
        self.assertEqual(
            [column["string"] for column in view["columns"]],
            self.definition.period_ids.mapped("name"),
        )
        self.assertEqual(view["snapshot"]["id"], self.snapshot.id)

    def test_pool_chooses_rows_and_periods(self):
        view = self.Balance.get_aging_view(pool_id=self.pool.id)
        self.assertEqual(self._get_shown(view).partner_id, self.small)
        self.assertEqual(view["definition"]["name"], "30/60/90")
        self.pool.definition_id = self.weekly
        view = self.Balance.get_aging_view(pool_id=self.pool.id)
        self.assertEqual(view["definition"]["name"], "Weekly")
        self.assertEqual(self._get_shown(view).snapshot_id, self.weekly_snapshot)
        self.assertEqual(self._get_shown(view).partner_id, self.small)

    def test_definition_of_the_context_comes_first(self):
        view = self.Balance.with_context(
            collections_definition_id=self.weekly.id
        ).get_aging_view()
        self.assertEqual(view["definition"]["name"], "Weekly")

    def test_agents_start_with_their_default_pool(self):
        user = self._create_user("collector", AGENT)
        agent = self.env["collections.agent"].create(
            {
                "user_id": user.id,
                "pool_ids": self.pool.ids,
                "default_pool_id": self.pool.id,
            }
        )
        other = self.env["collections.pool"].create({"name": "Other"})
        Balance = self.Balance.with_user(user)
        view = Balance.get_aging_view(pool_id=None)
        self.assertEqual(view["pool_id"], self.pool.id)
        self.assertEqual([pool["id"] for pool in view["pools"]], self.pool.ids)
        self.assertFalse(view["can_see_all"])
        agent.view_all_pools = True
        view = Balance.get_aging_view(pool_id=None)
        self.assertEqual(view["pool_id"], self.pool.id)
        self.assertTrue(view["can_see_all"])
        choices = {pool["id"]: pool["is_own"] for pool in view["pools"]}
        self.assertEqual((choices[self.pool.id], choices[other.id]), (True, False))

    def test_agent_with_pools_but_without_default_starts_with_the_first(self):
        user = self._create_user("collector", AGENT)
        self.env["collections.agent"].create(
            {"user_id": user.id, "pool_ids": self.pool.ids}
        )
        view = self.Balance.with_user(user).get_aging_view(pool_id=None)
        self.assertEqual(view["pool_id"], self.pool.id)

    def test_user_who_is_no_agent_sees_all(self):
        user = self._create_user("collector", AGENT)
        view = self.Balance.with_user(user).get_aging_view(pool_id=None)
        self.assertEqual((view["pool_id"], view["can_see_all"]), (False, True))
        self.assertEqual(len(self._get_shown(view)), 2)

    def test_top_customers_are_those_who_owe_most(self):
        view = self.Balance.get_aging_view(limit=1)
        self.assertEqual(self._get_shown(view).partner_id, self.large)

    def test_no_definition_gives_an_empty_screen_not_an_error(self):
        self.company.collections_aging_definition_id = False
        self.env["collections.aging.definition"].search([]).active = False
        view = self.Balance.get_aging_view()
        self.assertEqual((view["definition"], view["columns"]), (False, []))

    def test_row_opens_the_customer(self):
        row = self._get_row(self.snapshot, self.small)
        action = row.action_open_customer()
        self.assertEqual(
            (action["res_model"], action["res_id"]), ("res.partner", self.small.id)
        )

    def test_rows_of_several_snapshots_open_their_items_together(self):
        rows = self.snapshot.balance_ids | self.weekly_snapshot.balance_ids
        lines = self.env["account.move.line"].search(rows.action_open_items()["domain"])
        self.assertEqual(lines.partner_id, self.small | self.large)

    def test_stacked_periods_over_time(self):
        past = self._run_snapshot("2026-02-15")
        again = self._run_snapshot("2026-02-15")
        rows = self.env["collections.aging.report"]._read_group(
            [
                ("definition_id", "=", self.definition.id),
                ("company_id", "=", self.company.id),
                ("is_history", "=", True),
                ("date", "=", "2026-02-15"),
            ],
            ["date:day", "period_id"],
            ["amount:sum"],
        )
        self.assertEqual(
            [(period.name, amount) for _day, period, amount in rows], [("1-30", 5100.0)]
        )
        self.assertEqual((past + again).mapped("is_history"), [False, True])

    def test_removed_period_keeps_its_amount_under_its_own_name(self):
        snapshot = self._run_snapshot("2026-02-15")
        periods = self.definition.period_ids.sorted()
        periods[1:3].unlink()
        report = self.env["collections.aging.report"].search(
            [("snapshot_id", "=", snapshot.id)]
        )
        self.assertEqual(sum(report.mapped("amount")), snapshot.amount_total)
        self.assertEqual(report.period_id.name, "1-30")
        view = self.Balance.with_context(
            collections_snapshot_id=snapshot.id
        ).get_aging_view()
        self.assertEqual(
            [column["string"] for column in view["columns"]],
            ["Over 90", "61-90", "31-60", "1-30", "Today", "Not due"],
        )
        self.definition.period_ids.sorted()[0].name = "Ancient"
        view = self.Balance.with_context(
            collections_snapshot_id=snapshot.id
        ).get_aging_view()
        self.assertEqual(view["columns"][0]["string"], "Ancient")

    def test_line_above_looks_at_all_companies_in_use(self):
        other = self.setup_other_company()["company"]
        self.env["collections.aging.snapshot"].create(
            {"company_id": other.id, "definition_id": self.definition.id}
        ).action_run()
        self.snapshot.sudo().ledger_difference = 12.0
        Balance = self.Balance.with_context(
            allowed_company_ids=[other.id, self.company.id],
            collections_definition_id=self.definition.id,
        )
        self.assertTrue(Balance.get_aging_view()["snapshot"]["ledger_difference"])
        self.snapshot.sudo().ledger_difference = 0.0
        self.assertFalse(Balance.get_aging_view()["snapshot"]["ledger_difference"])

    def test_line_above_says_how_many_were_refreshed_after_the_run(self):
        def get_count(**params):
            return self.Balance.get_aging_view(**params)["snapshot"]["refreshed_count"]

        self.assertEqual(get_count(), 0)
        self.large.action_refresh_aging()
        self.assertEqual((get_count(), get_count(pool_id=self.pool.id)), (1, 0))
        self.small.action_refresh_aging()
        self.large.action_refresh_aging()
        self.assertEqual((get_count(), get_count(pool_id=self.pool.id)), (2, 1))
        self.assertEqual(get_count(limit=1), 1)
        past = self.Balance.with_context(collections_snapshot_id=self.snapshot.id)
        self.assertEqual(past.get_aging_view()["snapshot"]["refreshed_count"], 0)
        self._run_snapshot(fields.Date.today())
        self.assertEqual(get_count(), 0)

    def test_run_of_a_pool_is_a_refresh_in_the_list_of_all(self):
        run = self._run_snapshot(fields.Date.today(), pool_id=self.pool.id)
        view = self.Balance.get_aging_view()
        self.assertEqual(view["snapshot"]["id"], self.snapshot.id)
        self.assertEqual(view["snapshot"]["refreshed_count"], 1)
        view = self.Balance.get_aging_view(pool_id=self.pool.id)
        self.assertEqual(view["snapshot"]["id"], run.id)
        self.assertEqual(view["snapshot"]["refreshed_count"], 0)

    def test_customer_who_owes_nothing_since_the_run_counts_as_refreshed(self):
        payment = self._create_payment(self.small, 100, fields.Date.today())
        invoice = self.env["account.move"].search(
            [("partner_id", "=", self.small.id), ("move_type", "=", "out_invoice")]
        )
        self._match(invoice, payment)
        self.small.action_refresh_aging()
        view = self.Balance.get_aging_view()
        self.assertEqual(self._get_shown(view).partner_id, self.large)
        self.assertEqual(view["snapshot"]["refreshed_count"], 1)

    def test_archived_default_pool_filters_nothing(self):
        user = self._create_user("collector", AGENT)
        self.env["collections.agent"].create(
            {"user_id": user.id, "default_pool_id": self.pool.id}
        )
        self.pool.active = False
        view = self.Balance.with_user(user).get_aging_view(pool_id=None)
        self.assertFalse(view["pool_id"])

    def test_pool_can_be_searched_by_its_name(self):
        for domain, found in [
            ([("pool_ids", "ilike", "Poo")], self.small),
            ([("pool_ids", "=", "Pool")], self.small),
            ([("pool_ids", "=", False)], self.large),
        ]:
            rows = self.Balance.search(
                [*domain, ("snapshot_id", "=", self.snapshot.id)]
            )
            self.assertEqual(rows.partner_id, found, domain)

    def test_pool_can_be_searched_with_rows_of_the_report(self):
        found = self.env["collections.aging.report"].search(
            [
                ("pool_ids", "in", self.pool.ids),
                ("definition_id", "=", self.definition.id),
            ]
        )
        self.assertEqual(found.partner_id, self.small)

    def test_first_page_with_constant_queries(self):
        def count_queries():
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            view = self.Balance.get_aging_view(pool_id=None)
            self.Balance.web_search_read(
                Domain(view["domain"]) & Domain("is_current", "=", True),
                {
                    "partner_id": {"fields": {"display_name": {}}},
                    "amount_due": {},
                    **{f"amount_{n}": {} for n in range(1, 7)},
                },
                limit=80,
                count_limit=10001,
            )
            return self.env.cr.sql_log_count - before

        count_queries()
        few = count_queries()
        for number in range(30):
            self._create_item(self._create_customer(f"C{number}"), 10, "2026-01-31")
        self.snapshot.action_run()
        self.assertLessEqual(count_queries(), few)
        self.assertLessEqual(few, 20)


@tagged("post_install", "-at_install")
class TestAgedBalancesExport(CollectionsCommon, HttpCase):
    def test_spreadsheet_carries_headings_and_figures(self):
        partner = self._create_customer("Exported & Sons")
        self._create_item(partner, 123.45, "2026-01-31")
        self._run_snapshot("2026-03-31")
        self.authenticate("accountman", "accountman")
        fields_to_export = self.make_jsonrpc_request(
            "/web/export/get_fields",
            {
                "model": "collections.aging.balance",
                "domain": [],
                "import_compat": False,
            },
        )
        labels = {field["id"]: field["string"] for field in fields_to_export}
        # Without a context the company's definition gives the headings.
        self.assertEqual(labels["amount_3"], "31-60")
        self.assertNotIn("amount_9", labels)
        response = self.url_open(
            "/web/export/csv",
            data={
                "data": json.dumps(
                    {
                        "model": "collections.aging.balance",
                        "fields": [
                            {
                                "name": "partner_id",
                                "label": "Customer",
                                "type": "many2one",
                            },
                            {"name": "amount_3", "label": "31-60", "type": "monetary"},
                        ],
                        "ids": False,
                        "domain": [("company_id", "=", self.company.id)],
                        "import_compat": False,
                        "groupby": [],
                    }
                ),
                "csrf_token": Request.csrf_token(self),
            },
        )
        self.assertEqual(response.status_code, 200)
        self.assertIn('"Exported & Sons","123.45"', response.text)
