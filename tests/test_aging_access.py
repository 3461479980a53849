from odoo.exceptions import AccessError, ValidationError
from odoo.tests import tagged

from .access_table import MODELS
from .common import AGENT, MANAGER, CollectionsCommon

# The roles of `access_table` that the users here have.
ROLES = {"employee": {"employee"}, "bookkeeper": {"invoicing", "auditor"}}


@tagged("post_install", "-at_install")
class TestAgingAccess(CollectionsCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.partner = cls._create_customer()
        cls._create_item(cls.partner, 100, "2026-01-31")
        cls.snapshot = cls._run_snapshot("2026-03-31")
        cls.employee = cls._create_user("employee", "base.group_user")
        cls.accountant = cls._create_user("bookkeeper", "account.group_account_user")
        cls.agent = cls._create_user("collector", AGENT)
        cls.manager = cls._create_user("head_of_collections", MANAGER)

    def test_every_model_is_for_groups(self):
        for name in MODELS:
            access = self.env["ir.model.access"].search([("model_id.model", "=", name)])
            self.assertTrue(access, name)
            self.assertTrue(all(access.mapped("group_id")), name)

    def test_others_see_nothing(self):
        for user in (self.employee, self.accountant):
            for name, model in MODELS.items():
                if model.read & ROLES[user.login]:
                    continue
                with self.subTest(user=user.login, model=name):
                    Model = self.env[name].with_user(user)
                    with self.assertRaises(AccessError):
                        Model.search([]).read(["id"])
            with self.assertRaises(AccessError):
                self.env["collections.aging.snapshot"].with_user(user).create({})
            with self.assertRaises(AccessError):
                self.partner.with_user(user).action_refresh_aging()

    def test_contacts_still_open_for_others(self):
        for user in (self.employee, self.accountant):
            fields = self.env["res.partner"].with_user(user).fields_get()
            self.assertNotIn("collections_balance_ids", fields)
            self.partner.with_user(user).read(["name"])
            with self.assertRaises(AccessError):
                self.partner.with_user(user).read(["collections_balance_ids"])

    def test_agent_runs_and_reads_but_does_not_set_up(self):
        Snapshot = self.env["collections.aging.snapshot"].with_user(self.agent)
        snapshot = Snapshot.create({"date": "2026-03-31"})
        self.assertIs(snapshot.action_run(), True)
        self.assertEqual(snapshot.balance_ids.amount_due, 100.0)
        action = snapshot.balance_ids.action_open_items()
        lines = self.env["account.move.line"].with_user(self.agent)
        self.assertEqual(lines.search(action["domain"]).partner_id, self.partner)
        self.assertIs(self.partner.with_user(self.agent).action_refresh_aging(), True)
        for call in (
            lambda: snapshot.unlink(),
            lambda: snapshot.write({"amount_total": 1.0}),
            lambda: snapshot.balance_ids.write({"amount_due": 1.0}),
            lambda: self.definition.with_user(self.agent).write({"name": "x"}),
            lambda: (
                self.env["collections.pool"].with_user(self.agent).create({"name": "x"})
            ),
            lambda: (
                self.env["collections.agent"]
                .with_user(self.agent)
                .create({"user_id": self.agent.id})
            ),
            lambda: self.company.with_user(self.agent).write(
                {"collections_snapshot_retention_days": 5}
            ),
        ):
            with self.assertRaises(AccessError):
                call()

    def test_figures_cannot_come_in_through_the_context(self):
        Snapshot = (
            self.env["collections.aging.snapshot"]
            .with_user(self.agent)
            .with_context(
                default_state="done",
                default_amount_total=5,
                default_run_number=999999,
                default_is_history=True,
                default_scope_partner_ids=self.partner.ids,
            )
        )
        snapshot = Snapshot.create({"date": "2026-03-31"})
        self.assertRecordValues(
            snapshot,
            [
                {
                    "state": "draft",
                    "amount_total": 0.0,
                    "run_number": 0,
                    "is_history": False,
                }
            ],
        )
        self.assertFalse(snapshot.sudo().scope_partner_ids)

    def test_agent_cannot_take_the_figures_of_a_snapshot_away(self):
        snapshot = self.snapshot.with_user(self.agent)
        with self.assertRaises(AccessError):
            snapshot.date = "2026-03-30"
        snapshot.write({"date": "2026-03-31", "include_zero_balance": False})
        self.assertEqual((snapshot.state, snapshot.amount_total), ("done", 100.0))
        snapshot.action_run()
        self.assertEqual(snapshot.amount_total, 100.0)

    def test_definition_in_use_cannot_be_given_to_another_company(self):
        other = self.setup_other_company()["company"]
        self.company.collections_aging_definition_id = False
        with self.assertRaisesRegex(ValidationError, "30/60/90 is used by"):
            self.definition.company_id = other
        self.definition.company_id = self.company

    def test_definition_cannot_be_broken_through_the_context(self):
        period = self.definition.period_ids[0].with_context(
            collections_periods_written=True
        )
        with self.assertRaises(ValidationError):
            period.interval = "day"

    def test_manager_sets_up(self):
        company = self.company.with_user(self.manager)
        company.write(
            {
                "collections_aging_definition_id": self.definition.id,
                "collections_snapshot_retention_days": 400,
            }
        )
        self.assertEqual(self.company.collections_snapshot_retention_days, 400)
        pool = (
            self.env["collections.pool"].with_user(self.manager).create({"name": "P"})
        )
        agent = (
            self.env["collections.agent"]
            .with_user(self.manager)
            .create({"user_id": self.agent.id, "pool_ids": pool.ids})
        )
        self.assertEqual(agent.team_id.name, "Collections")
        self.definition.with_user(self.manager).copy().unlink()
        self.snapshot.with_user(self.manager).unlink()

    def test_manager_writes_no_other_field_of_the_company(self):
        company = self.company.with_user(self.manager)
        for vals in (
            {"name": "Mine"},
            {"name": "Mine", "collections_snapshot_retention_days": 3},
        ):
            with self.assertRaises(AccessError):
                company.write(vals)

    def test_manager_writes_no_other_company(self):
        other = self.setup_other_company()["company"]
        with self.assertRaises(AccessError):
            other.with_user(self.manager).write(
                {"collections_snapshot_retention_days": 3}
            )

    def test_user_of_one_of_two_companies_sees_that_one(self):
        other = self.setup_other_company()["company"]
        foreign = (
            self.env["collections.aging.snapshot"]
            .sudo()
            .create({"company_id": other.id, "definition_id": self.definition.id})
        )
        foreign.action_run()
        agent_of_other = self._create_user("elsewhere", AGENT, companies=other)
        for user, seen, unseen in [
            (self.agent, self.snapshot, foreign),
            (agent_of_other, foreign, self.snapshot),
        ]:
            Snapshot = self.env["collections.aging.snapshot"].with_user(user)
            found = Snapshot.search([("id", "in", (seen + unseen).ids)])
            self.assertEqual(found, seen)
            self.assertLessEqual(
                self.env["collections.aging.balance"]
                .with_user(user)
                .search([])
                .mapped("company_id"),
                user.company_ids,
            )
            with self.assertRaises(AccessError):
                unseen.with_user(user).action_run()
            with self.assertRaises(AccessError):
                Snapshot.create({"company_id": unseen.company_id.id}).action_run()
            reports = self.env["collections.aging.report"].with_user(user)
            self.assertFalse(reports.search([("snapshot_id", "=", unseen.id)]))
        items = self.snapshot.balance_ids.with_user(agent_of_other)
        with self.assertRaises(AccessError):
            items.action_open_items()

    def test_partner_figures_are_those_of_the_companies_in_use(self):
        other = self.setup_other_company()["company"]
        snapshot = self.env["collections.aging.snapshot"].create(
            {
                "company_id": other.id,
                "definition_id": self.definition.id,
                "include_zero_balance": True,
            }
        )
        snapshot.action_run()
        self.assertIn(self.partner, snapshot.balance_ids.partner_id)
        partner = self.partner.with_context(allowed_company_ids=self.company.ids)
        self.assertEqual(partner.collections_balance_ids.company_id, self.company)
