from freezegun import freeze_time

from odoo import Command
from odoo.exceptions import AccessError
from odoo.tests import tagged

from .common import AGENT, MANAGER, CollectionsCommon


@tagged("post_install", "-at_install")
class TestCollectionsWorklist(CollectionsCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.agent = cls._create_user("collector", AGENT)
        cls.Rule = cls.env["collections.score.rule"]
        cls.Rule.search([]).active = False
        cls.partner = cls._create_customer("Late and big")
        cls.small = cls._create_customer("Small")
        cls.invoice = cls._create_item(cls.partner, 2500, "2026-01-01")
        cls._create_item(cls.small, 10, "2026-03-21")
        cls._create_item(cls._create_customer("Not due"), 900, "2026-05-01")

    def _create_rule(self, criterion, points, **values):
        return self.Rule.create(
            {"name": criterion, "criterion": criterion, "points": points, **values}
        )

    def _get_rows(self, **context):
        self.env.flush_all()
        self.env.invalidate_all()
        return (
            self.env["collections.worklist"]
            .with_user(self.agent)
            .with_context(**context)
            .search([("definition_id", "=", self.definition.id)])
        )

    def _get_scores(self):
        return {row.partner_id.name: row.score for row in self._get_rows()}

    @freeze_time("2026-03-31")
    def test_score_adds_the_points_of_the_rules_and_says_why(self):
        self._run_snapshot("2026-03-31")
        self._create_rule("amount_overdue", 2, per_unit=1000)
        self._create_rule("days_overdue", 5, per_unit=30, maximum_points=12)
        self._create_rule("days_overdue", 1, minimum=10)
        rows = self._get_rows()
        # 89 days are twice 30; 2,500 is twice 1,000.
        self.assertEqual(
            [(row.partner_id.name, row.score) for row in rows],
            [("Late and big", 4 + 10 + 1), ("Small", 1)],
        )
        explanation = rows[0].explanation
        self.assertIn("2,500.00): 4", explanation)
        self.assertIn("days_overdue (89): 10", explanation)
        self.assertIn("days_overdue (89): 1", explanation)
        self.assertEqual(rows[1].explanation, "days_overdue (10): 1")
        self.env["collections.score.rule"].search([])[-1].points = 2.5
        self.env.invalidate_all()
        self.assertIn("2.50", self._get_rows()[1].explanation)

    @freeze_time("2026-03-31")
    def test_maximum(self):
        self._run_snapshot("2026-03-31")
        self._create_rule("days_overdue", 5, per_unit=10, maximum_points=12)
        self.assertEqual(self._get_scores(), {"Late and big": 12, "Small": 5})

    def test_broken_promise_contact_and_limit(self):
        item = self._get_term_lines(self.invoice)
        with freeze_time("2026-03-01"):
            item.with_user(self.agent).action_set_collections_status(
                "promised", "2026-03-10"
            )
        with freeze_time("2026-03-31"):
            self.partner.credit_limit = 100
            self._run_snapshot("2026-03-31")
            self._create_rule("promise_broken_count", 15, per_unit=1)
            self._create_rule("days_without_contact", 3, minimum=20)
            self._create_rule("amount_over_limit", 7)
            [row, other] = self._get_rows()
            self.assertEqual((row.score, other.score), (25, 0))
            self.assertEqual(row.days_without_contact, 30)
            activity = self.env["mail.activity"].create(
                {
                    "res_model_id": self.env["ir.model"]._get_id("res.partner"),
                    "res_id": self.partner.id,
                    "activity_type_id": self.env.ref(
                        "credit_collections.mail_activity_type_call"
                    ).id,
                    "user_id": self.agent.id,
                    "date_deadline": "2026-04-02",
                }
            )
            row = self._get_rows()[0]
            self.assertEqual(str(row.next_activity_date), "2026-04-02")
            activity.action_done()
            row = self._get_rows()[0]
            self.assertEqual((row.score, row.days_without_contact), (22, 0))
            self.assertFalse(row.next_activity_date)

    @freeze_time("2026-03-31 04:55:00")
    def test_what_counts_as_contact(self):
        self._run_snapshot("2026-03-31")

        def get_contact(**context):
            rows = self._get_rows(**context)
            row = rows.filtered(lambda row: row.partner_id == self.partner)
            return str(row.last_contact_date), row.days_without_contact

        def write_to(partner, subtype="mail.mt_comment"):
            self.partner.with_user(self.agent).message_post(
                body="Please pay",
                message_type="comment",
                subtype_xmlid=subtype,
                partner_ids=partner.ids,
            )

        def mail_to_many(state, kind):
            return (
                self.env["collections.mailing"]
                .sudo()
                .create(
                    {
                        "subject": "Mailing",
                        "kind": kind,
                        "user_id": self.agent.id,
                        "company_id": self.company.id,
                        "line_ids": [
                            Command.create(
                                {"partner_id": self.partner.id, "state": state}
                            )
                        ],
                    }
                )
            )

        other = self.setup_other_company()["company"]
        foreign = (
            self.env["collections.status.history"]
            .sudo()
            .create(
                {
                    "company_id": other.id,
                    "currency_id": other.currency_id.id,
                    "partner_id": self.partner.id,
                    "source": "user",
                    "move_line_id": self._get_term_lines(self.invoice).id,
                    "status": "disputed",
                }
            )
        )
        write_to(self.partner, "mail.mt_note")
        write_to(self.env.user.partner_id)
        mail_to_many("skipped", "collections")
        mail_to_many("sent", "salesperson")
        self.assertEqual(get_contact(), ("False", 89))
        foreign.unlink()
        sent = mail_to_many("sent", "collections")
        # The database's clock, which is not frozen.
        mailed_on = str(sent.line_ids.write_date.date())
        self.assertEqual(get_contact(), (mailed_on, 0))
        sent.line_ids.state = "failed"
        self.assertEqual(get_contact(), ("False", 89))
        write_to(self.partner)
        self.assertEqual(get_contact(), ("2026-03-31", 0))
        # The evening before, where the user is.
        self.assertEqual(get_contact(tz="America/Los_Angeles"), ("2026-03-30", 0))

    @freeze_time("2026-03-31")
    def test_returned_payment(self):
        payment = self._create_payment(self.small, 10, "2026-03-25")
        payment.action_reject()
        self._run_snapshot("2026-03-31")
        self._create_rule("returned_payment_count", 20, per_unit=1)
        self.assertEqual(self._get_scores(), {"Late and big": 0, "Small": 20})

    @freeze_time("2026-03-31")
    def test_without_rules_the_amount_decides(self):
        self._run_snapshot("2026-03-31")
        rows = self._get_rows()
        self.assertEqual(rows.partner_id, self.partner + self.small)
        self.assertEqual(rows.mapped("explanation"), ["", ""])

    @freeze_time("2026-03-31")
    def test_worklist_of_the_pools_of_the_agent(self):
        self._run_snapshot("2026-03-31")
        pool = self.env["collections.pool"].create(
            {"name": "Small ones", "domain": "[('name', '=', 'Small')]"}
        )
        self.env["collections.agent"].create(
            {
                "user_id": self.agent.id,
                "pool_ids": pool.ids,
                "default_pool_id": pool.id,
            }
        )
        Worklist = self.env["collections.worklist"].with_user(self.agent)
        view = Worklist.get_aging_view(None)
        self.assertEqual(view["pool_id"], pool.id)
        self.assertEqual(Worklist.search(view["domain"]).partner_id, self.small)

    @freeze_time("2026-03-31")
    def test_queries_do_not_grow_with_the_rows(self):
        self._create_rule("amount_overdue", 2, per_unit=1000)
        self._run_snapshot("2026-03-31")

        def count():
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            self._get_rows().read(["partner_id", "score", "explanation", "indicator"])
            return self.env.cr.sql_log_count - before

        count()
        few = count()
        for number in range(10):
            customer = self._create_customer(f"Customer {number}")
            self._create_item(customer, 50, "2026-03-01")
        self._run_snapshot("2026-03-31")
        self.assertLessEqual(count(), few)

    def test_only_managers_change_rules(self):
        values = {"name": "x", "criterion": "days_overdue", "points": 1}
        with self.assertRaises(AccessError):
            self.Rule.with_user(self.agent).create(values)
        manager = self._create_user("head", MANAGER)
        self.Rule.with_user(manager).create(values).unlink()

    @freeze_time("2026-03-31")
    def test_rules_and_rows_of_another_company_do_not_count(self):
        other = self.setup_other_company()["company"]
        self._run_snapshot("2026-03-31")
        self._create_rule("days_overdue", 5, company_id=other.id)
        self.assertEqual(self._get_scores(), {"Late and big": 0, "Small": 0})
        user = self._create_user("elsewhere", AGENT, companies=other)
        self.assertFalse(self.env["collections.worklist"].with_user(user).search([]))
