from freezegun import freeze_time

from odoo import Command
from odoo.tests import Form, tagged

from .common import AGENT, CollectionsCommon


@tagged("post_install", "-at_install")
class TestCollectionsActivity(CollectionsCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.agent = cls._create_user("collector", AGENT)
        cls.partner = cls._create_customer()
        cls._create_item(cls.partner, 100, "2026-01-31")
        cls.call = cls.env.ref("credit_collections.mail_activity_type_call")

    def _plan(self, record, activity_type=None, **values):
        return (
            self.env["mail.activity"]
            .with_user(self.agent)
            .create(
                {
                    "res_model_id": self.env["ir.model"]._get_id(record._name),
                    "res_id": record.id,
                    "activity_type_id": (activity_type or self.call).id,
                    "user_id": self.agent.id,
                    **values,
                }
            )
        )

    def _get_listed(self, **context):
        action = self.env.ref("credit_collections.mail_activity_action_collections")
        return (
            self.env["mail.activity"]
            .with_user(self.agent)
            .with_context(active_test=False, **context)
            .search([("collections_partner_id", "!=", False)])
        ), action

    def test_activity_of_the_page_is_one_of_collections(self):
        action = self.partner.with_user(self.agent).action_open_collections_activity()
        Activity = self.env["mail.activity"].with_user(self.agent)
        form = Form(
            Activity.with_context(**action["context"]),
            view="credit_collections.mail_activity_view_form_collections",
        )
        form.summary = "Ask for the payment date"
        activity = form.save()
        self.assertRecordValues(
            activity,
            [
                {
                    "collections_partner_id": self.partner.id,
                    "activity_type_id": self.call.id,
                    "user_id": self.agent.id,
                    "res_model": "res.partner",
                }
            ],
        )
        listed, _action = self._get_listed()
        self.assertEqual(listed, activity)
        activity.action_done()
        self.assertFalse(activity.active)
        self.assertTrue(activity.date_done)
        listed, _action = self._get_listed()
        self.assertEqual(listed, activity)

    def test_other_activities_stay_out(self):
        todo = self.env.ref("mail.mail_activity_data_todo")
        activity = self._plan(self.partner, todo)
        self.assertFalse(activity.collections_partner_id)
        activity.activity_type_id = self.call
        self.assertEqual(activity.collections_partner_id, self.partner)

    def test_contact_person_and_case_stand_for_the_customer(self):
        contact = self.env["res.partner"].create(
            {"name": "Ann", "parent_id": self.partner.id}
        )
        self.assertEqual(self._plan(contact).collections_partner_id, self.partner)
        case = self.env["collections.case"].create(
            {"name": "Claim", "partner_id": self.partner.id}
        )
        activity = self._plan(case, self.env.ref("mail.mail_activity_data_todo"))
        self.assertEqual(activity.collections_partner_id, self.partner)
        self.assertEqual(activity.collections_case_id, case)
        noted = self._plan(self.partner, collections_case_id=case.id)
        self.assertEqual(noted.collections_case_id, case)

    @freeze_time("2026-03-31")
    def test_aging_columns_and_pool_of_the_list(self):
        quiet = self._create_customer("Quiet")
        activity, other = self._plan(self.partner), self._plan(quiet)
        self._run_snapshot("2026-03-31")
        Activity = self.env["mail.activity"].with_user(self.agent)
        domain = [("id", "in", (activity + other).ids)]
        name = f"collections_{self._get_column(self.definition, '31-60')}"
        self.assertEqual(
            Activity.search_read(domain, [name], order=f"{name} desc NULLS LAST")[0][
                name
            ],
            100.0,
        )
        self.assertEqual(
            Activity.search([*domain, ("collections_balance_id", "!=", False)]),
            activity,
        )
        pool = self.env["collections.pool"].create(
            {"name": "Quiet ones", "domain": "[('name', '=', 'Quiet')]"}
        )
        view = Activity.get_aging_view(pool.id)
        self.assertEqual(Activity.search(domain + view["domain"]), other)

    @freeze_time("2026-03-31")
    def test_filters_find_what_the_columns_show(self):
        """With two companies in use, those are the figures of the current one."""
        other = self.setup_other_company()["company"]
        debtor = self._create_customer("Owes the other company")
        invoice = (
            self.env["account.move"]
            .with_company(other)
            .create(
                {
                    "move_type": "out_invoice",
                    "partner_id": debtor.id,
                    "invoice_date": "2026-02-01",
                    "invoice_line_ids": [
                        Command.create({"name": "Goods", "price_unit": 30.0})
                    ],
                }
            )
        )
        invoice.action_post()
        self._run_snapshot("2026-03-31")
        self.env["collections.aging.snapshot"].with_company(other).create(
            {
                "company_id": other.id,
                "date": "2026-03-31",
                "definition_id": self.definition.id,
            }
        ).action_run()
        case = self.env["collections.case"].create(
            {"name": "Lawsuit", "partner_id": debtor.id, "company_id": other.id}
        )
        activities = self._plan(self.partner) + self._plan(debtor)
        both = self._create_user("both", AGENT, companies=self.company + other)
        for companies, shown in (
            (self.company + other, activities[0]),
            (other + self.company, activities[1]),
        ):
            Activity = activities.with_user(both).with_context(
                allowed_company_ids=companies.ids,
                collections_definition_id=self.definition.id,
            )
            domain = [("id", "in", activities.ids)]
            for condition in (
                ("collections_balance_id", "!=", False),
                ("collections_amount_due", ">", 1),
            ):
                self.assertEqual(Activity.search([*domain, condition]), shown)
            self.assertEqual(
                Activity.search([*domain, ("collections_balance_id", "=", False)]),
                activities - shown,
            )
            found = case.with_env(Activity.env).search(
                [("id", "=", case.id), ("collections_amount_due", ">", 1)]
            )
            self.assertEqual(found, case, "A case has the figures of its own company")

    def test_everybody_else_works_with_activities_as_before(self):
        user = self._create_user(
            "employee", "base.group_user,base.group_partner_manager"
        )
        activity = (
            self.env["mail.activity"]
            .with_user(user)
            .create(
                {
                    "res_model_id": self.env["ir.model"]._get_id("res.partner"),
                    "res_id": self.partner.id,
                    "activity_type_id": self.call.id,
                    "user_id": user.id,
                }
            )
        )
        self.assertNotIn(
            "collections_amount_1",
            self.env["mail.activity"].with_user(user).fields_get(),
        )
        activity.read()
        activity.action_feedback("Called")
        self.assertEqual(activity.sudo().collections_partner_id, self.partner)
