from freezegun import freeze_time

from odoo import Command, fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import Form, tagged

from .common import AGENT, CollectionsCommon


@tagged("post_install", "-at_install")
class TestCollectionsCase(CollectionsCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.agent = cls._create_user("collector", AGENT)
        cls.partner = cls._create_customer()
        cls.invoices = cls._create_item(
            cls.partner, 100, "2026-01-31"
        ) + cls._create_item(cls.partner, 200, "2026-02-28")
        cls.items = cls._get_term_lines(*cls.invoices)
        cls.category = cls.env["collections.case.category"].create({"name": "Claims"})

    def _create_case(self, **values):
        return (
            self.env["collections.case"]
            .with_user(self.agent)
            .create(
                {
                    "name": "Scratched tops",
                    "partner_id": self.partner.id,
                    "category_id": self.category.id,
                    **values,
                }
            )
        )

    def test_case_is_seen_on_the_invoice(self):
        case = self._create_case(move_line_ids=[Command.set(self.items[0].ids)])
        invoices = self.invoices.with_user(self.agent)
        self.assertEqual(invoices[0].collections_case_ids, case)
        self.assertFalse(invoices[1].collections_case_ids)
        action = invoices.action_view_collections_cases()
        self.assertEqual(action["res_model"], "collections.case")
        self.assertEqual(action["res_id"], case.id)
        self.items[0].with_user(self.agent).action_leave_collections_case()
        self.assertFalse(invoices[0].collections_case_ids)
        accountant = self._create_user("bookkeeper", "account.group_account_user")
        invoice = invoices[0].with_user(accountant)
        with Form(invoice):
            self.assertNotIn("collections_case_ids", invoice.fields_get())
        with self.assertRaises(AccessError):
            invoice.action_view_collections_cases()

    def test_agent_opens_a_case_with_items(self):
        case = self._create_case(move_line_ids=[Command.set(self.items.ids)])
        self.assertRegex(case.number, r"^C\d{5}$")
        self.assertRecordValues(
            case,
            [
                {
                    "state": "open",
                    "user_id": self.agent.id,
                    "category_type": "collections",
                    "item_count": 2,
                    "open_item_count": 2,
                    "amount_open": 300.0,
                }
            ],
        )
        self.assertEqual(self.items.collections_case_id, case)
        case.write({"move_line_ids": [Command.unlink(self.items[0].id)]})
        self.assertEqual(case.move_line_ids, self.items[1])
        case.write({"move_line_ids": [Command.link(self.items[0].id)]})
        self.assertEqual(len(case.move_line_ids), 2)
        case.write({"move_line_ids": [Command.clear()]})
        self.assertFalse(case.move_line_ids)
        with self.assertRaisesRegex(UserError, "does not change them"):
            case.write(
                {"move_line_ids": [Command.update(self.items[0].id, {"name": "x"})]}
            )

    def test_case_without_a_subject_has_that_of_its_category(self):
        other = self.env["collections.case.category"].create({"name": "Lawsuit"})
        Case = self.env["collections.case"].with_user(self.agent)
        cases = Case.create(
            [
                {"partner_id": self.partner.id},
                {"partner_id": self.partner.id, "category_id": other.id, "name": ""},
            ]
        )
        self.assertEqual(cases.mapped("name"), [cases[0].category_id.name, "Lawsuit"])
        with_defaults = Case.with_context(default_category_id=other.id)
        case = with_defaults.create({"partner_id": self.partner.id})
        self.assertEqual(case.name, "Lawsuit")
        with_defaults = with_defaults.with_context(default_name="Tops")
        case = with_defaults.create({"partner_id": self.partner.id})
        self.assertEqual(case.name, "Tops")

    def test_same_values_twice(self):
        """A program may use what it gave once more."""
        vals = {"partner_id": self.partner.id, "move_line_ids": self.items.ids}
        cases = self.env["collections.case"].with_user(self.agent)
        cases = cases.create(vals) | cases.create(vals)
        self.assertNotEqual(*cases.mapped("number"))
        self.assertEqual(cases[1].move_line_ids, self.items)

    def test_items_that_come_and_go_are_said_in_the_case(self):
        first, second = (self.invoices[n].name for n in (0, 1))
        case, other = self._create_case(), self._create_case(name="Other")
        items = self.items.with_user(self.agent)
        items.action_assign_collections_case(case.id)
        items.action_assign_collections_case(case.id)
        items[1].action_assign_collections_case(other.id)
        items.action_leave_collections_case()

        def read(record):
            bodies = record.message_ids.sorted("id").mapped("preview")
            return [body for body in bodies if "the case:" in body]

        self.assertEqual(
            read(case),
            [
                f"Put into the case: {first}, {second}",
                f"Taken out of the case: {second}",
                f"Taken out of the case: {first}",
            ],
        )
        self.assertEqual(
            read(other),
            [f"Put into the case: {second}", f"Taken out of the case: {second}"],
        )
        self.assertEqual(case.message_ids.author_id, self.agent.partner_id)

    def test_item_of_an_invoice_without_a_number_leaves(self):
        case = self._create_case(move_line_ids=[Command.set(self.items.ids)])
        self.invoices[0].button_draft()
        self.invoices[0].name = False
        case.write({"move_line_ids": [Command.clear()]})
        self.assertFalse(case.move_line_ids)

    def test_closed_once_and_for_good_until_reopened(self):
        case = self._create_case(move_line_ids=[Command.set(self.items[0].ids)])
        with freeze_time("2026-03-01"):
            case.action_close()
        posted = len(case.message_ids)
        with freeze_time("2026-03-05"):
            case.action_close()
        self.assertEqual(str(case.date_closed), "2026-03-01")
        self.assertEqual(len(case.message_ids), posted)
        with self.assertRaisesRegex(UserError, "is closed"):
            self.items[1].with_user(self.agent).action_assign_collections_case(case.id)
        for reopen in (
            case.action_wait,
            case.action_reopen,
            lambda: case.write({"state": "open"}),
        ):
            reopen()
            self.assertFalse(case.date_closed)
            case.write({"state": "closed"})
            self.assertEqual(case.date_closed, fields.Date.today())

    def _note_on_items(self):
        """Return a case, a promise and an activity of the customer."""
        case = self._create_case(move_line_ids=[Command.set(self.items[0].ids)])
        self.items[1].with_user(self.agent).action_set_collections_status(
            "promised", promise_date="2030-01-01"
        )
        promise = self.items[1].collections_promise_line_ids.promise_id
        activity = self.partner.activity_schedule(
            "credit_collections.mail_activity_type_reminder", user_id=self.agent.id
        )
        return case, promise, activity

    def test_customer_who_becomes_a_contact_takes_everything_along(self):
        case, promise, activity = self._note_on_items()
        company = self._create_customer("Parent", is_company=True)
        self.partner.parent_id = company
        self.assertEqual(self.partner.commercial_partner_id, company)
        self.env.invalidate_all()
        self.assertEqual(case.partner_id, company)
        self.assertEqual(promise.partner_id, company)
        self.assertEqual(activity.collections_partner_id, company)
        self.assertEqual(self.items.collections_history_ids.partner_id, company)
        self.assertEqual(company.collections_case_ids, case)
        # What the company has stays with it when he leaves.
        self.partner.parent_id = False
        self.assertEqual(case.partner_id, company)

    def test_customer_merged_into_a_contact_takes_everything_along(self):
        case, promise, activity = self._note_on_items()
        company = self._create_customer("Parent", is_company=True)
        contact = self._create_customer("Contact", parent_id=company.id)
        self.env["base.partner.merge.automatic.wizard"]._merge(
            (self.partner + contact).ids, contact
        )
        self.env.invalidate_all()
        self.assertEqual(self.items.partner_id, company)
        self.assertEqual(case.partner_id, company)
        self.assertEqual(promise.partner_id, company)
        self.assertEqual(activity.collections_partner_id, company)
        self.assertEqual(self.items.collections_history_ids.partner_id, company)

    def test_activities_follow_the_customer_of_the_case(self):
        case = self._create_case()
        to_do, done = (
            case.activity_schedule("mail.mail_activity_data_todo", user_id=user.id)
            for user in (self.agent, self.env.user)
        )
        done.action_feedback("Called")
        self.assertEqual((to_do + done).collections_partner_id, self.partner)
        other = self._create_customer("Other")
        case.partner_id = other
        self.env.invalidate_all()
        self.assertEqual((to_do + done).collections_partner_id, other)

    def test_contact_person_means_the_company(self):
        contact = self.env["res.partner"].create(
            {"name": "Ann", "parent_id": self.partner.id}
        )
        case = self._create_case(partner_id=contact.id)
        self.assertEqual(case.partner_id, self.partner)

    def test_case_takes_only_items_of_its_customer_and_company(self):
        other = self._get_term_lines(
            self._create_item(self._create_customer("Other"), 5, "2026-01-31")
        )
        case = self._create_case()
        with self.assertRaisesRegex(ValidationError, "not of Customer"):
            other.with_user(self.agent).action_assign_collections_case(case.id)
        company = self.setup_other_company()["company"]
        foreign_case = self.env["collections.case"].create(
            {
                "name": "Theirs",
                "partner_id": self.partner.id,
                "company_id": company.id,
                "category_id": self.category.id,
            }
        )
        with self.assertRaisesRegex(ValidationError, "not of Customer"):
            self.items.action_assign_collections_case(foreign_case.id)
        case.move_line_ids = self.items
        with self.assertRaises(ValidationError):
            case.partner_id = other.partner_id

    def test_item_paid_meanwhile_cannot_be_assigned(self):
        case = self._create_case()
        self._match(
            self.invoices[0], self._create_payment(self.partner, 100, "2026-03-01")
        )
        with self.assertRaisesRegex(UserError, "not open customer items any more"):
            self.items.with_user(self.agent).action_assign_collections_case(case.id)

    @freeze_time("2026-03-10")
    def test_closing_with_open_items_keeps_them_in_the_case(self):
        case = self._create_case(move_line_ids=[Command.set(self.items.ids)])
        self.items[0].action_set_collections_status("disputed", reason="Late")
        self.assertIs(case.action_close(), True)
        self.assertRecordValues(
            case,
            [
                {
                    "state": "closed",
                    "date_closed": fields.Date.to_date("2026-03-10"),
                    "open_item_count": 2,
                }
            ],
        )
        self.assertIn("2 open items", case.message_ids[0].preview)
        self.assertEqual(self.items[0].collections_status, "disputed")
        # They can go into another one.
        second = self._create_case(name="Second")
        self.items.with_user(self.agent).action_assign_collections_case(second.id)
        case.invalidate_recordset()
        self.assertEqual((case.item_count, second.item_count), (0, 2))
        self.assertIs(case.action_reopen(), True)
        self.assertEqual((case.state, case.date_closed), ("open", False))
        case.action_wait()
        self.assertEqual(case.state, "waiting")

    def test_paid_items_stay_in_the_case(self):
        case = self._create_case(move_line_ids=[Command.set(self.items.ids)])
        self._match(
            self.invoices[0], self._create_payment(self.partner, 100, "2026-03-01")
        )
        case.invalidate_recordset()
        self.assertEqual(
            (case.item_count, case.open_item_count, case.amount_open), (2, 1, 200.0)
        )

    @freeze_time("2026-03-10")
    def test_late(self):
        case = self._create_case(date_deadline="2026-03-09")
        self.assertTrue(case.is_late)
        case.action_close()
        self.assertFalse(case.is_late)

    def test_case_is_not_copied_with_its_items(self):
        case = self._create_case(move_line_ids=[Command.set(self.items.ids)])
        copy = case.with_user(self.env.user).copy()
        self.assertFalse(copy.move_line_ids)
        self.assertNotEqual(copy.number, case.number)
        self.assertFalse(
            self._get_term_lines(self.invoices[0].copy()).collections_case_id
        )

    def test_deleting_a_case_leaves_the_items(self):
        case = self._create_case(move_line_ids=[Command.set(self.items.ids)])
        with self.assertRaises(AccessError):
            case.unlink()
        case.with_user(self.env.user).unlink()
        self.assertTrue(self.items.exists())
        self.assertFalse(self.items.collections_case_id)

    def test_wizard_proposes_an_open_case_else_a_new_one(self):
        items = self.items.with_user(self.agent)
        action = items.action_open_case_wizard()
        wizard = (
            self.env[action["res_model"]].with_user(self.agent).browse(action["res_id"])
        )
        self.assertEqual(wizard.mode, "new")
        with self.assertRaisesRegex(UserError, "What is the new case about"):
            wizard.action_assign()
        with Form(wizard) as form:
            form.name = "Wrong price"
            form.category_id = self.category
        wizard.action_assign()
        case = self.items.collections_case_id
        self.assertEqual((case.name, case.partner_id), ("Wrong price", self.partner))
        action = items[0].action_open_case_wizard()
        wizard = (
            self.env[action["res_model"]].with_user(self.agent).browse(action["res_id"])
        )
        self.assertEqual((wizard.mode, wizard.case_id), ("existing", case))

    def test_wizard_is_for_one_customer(self):
        other = self._get_term_lines(
            self._create_item(self._create_customer("Other"), 5, "2026-01-31")
        )
        with self.assertRaisesRegex(UserError, "one customer in one company"):
            (self.items + other).with_user(self.agent).action_open_case_wizard()

    def test_users_without_the_role_see_no_case(self):
        self._create_case(move_line_ids=[Command.set(self.items.ids)])
        user = self._create_user("books", "account.group_account_user")
        with self.assertRaises(AccessError):
            self.env["collections.case"].with_user(user).search([])
        with self.assertRaises(AccessError):
            self.items.with_user(user).action_assign_collections_case()
        # Their own work on invoices goes on.
        self.invoices[0].with_user(user).button_draft()

    def test_case_of_another_company_is_not_seen(self):
        case = self._create_case()
        other = self.setup_other_company()["company"]
        user = self._create_user("elsewhere", AGENT, companies=other)
        self.assertFalse(self.env["collections.case"].with_user(user).search([]))
        with self.assertRaises(AccessError):
            case.with_user(user).action_close()
        self.category.company_id = self.company
        with self.assertRaisesRegex(ValidationError, "cannot be used"):
            self.env["collections.case"].create(
                {
                    "name": "x",
                    "partner_id": self.partner.id,
                    "company_id": other.id,
                    "category_id": self.category.id,
                }
            )

    @freeze_time("2026-03-31")
    def test_aging_columns_follow_the_definition(self):
        weekly = self._create_definition(
            "Weekly", [("Older weeks", -1, "unlimited"), ("This week", 0, "week")]
        )
        self._run_snapshot("2026-03-31")
        self._run_snapshot("2026-03-31", definition_id=weekly.id)
        small = self._create_customer("Small")
        self._create_item(small, 5, "2026-02-28")
        self._run_snapshot("2026-03-31")
        case, other = self._create_case(), self._create_case(partner_id=small.id)
        cases = case + other
        name = f"collections_{self._get_column(self.definition, '31-60')}"
        self.assertEqual(cases.mapped(name), [300.0, 5.0])
        self.assertEqual(cases.mapped("collections_amount_due"), [300.0, 5.0])
        in_weeks = cases.with_context(collections_definition_id=weekly.id)
        self.assertEqual(in_weeks.mapped("collections_amount_1"), [300.0, 0.0])
        Case = self.env["collections.case"].with_user(self.agent)
        labels = Case.with_context(collections_definition_id=weekly.id).fields_get(
            ["collections_amount_1", "collections_amount_3"], ["string", "sortable"]
        )
        self.assertEqual(labels["collections_amount_1"]["string"], "Older weeks")
        self.assertFalse(labels["collections_amount_3"]["sortable"])
        domain = [("id", "in", cases.ids)]
        self.assertEqual(Case.search(domain, order=name), other + case)
        self.assertEqual(Case.search(domain, order=f"{name} desc"), case + other)
        shown = Case.fields_get([name, "collections_amount_due"], ["aggregator"])
        self.assertEqual(
            [field.get("aggregator") for field in shown.values()],
            [None, None],
            "A customer with two cases owes what he owes once",
        )
        self.assertEqual(
            Case.search([*domain, ("collections_amount_due", ">", 100)]), case
        )

    @freeze_time("2026-03-31")
    def test_only_customers_with_a_snapshot_and_by_pool(self):
        case, quiet = (
            self._create_case(),
            self._create_case(partner_id=self._create_customer("Quiet").id),
        )
        self._run_snapshot("2026-03-31")
        Case = self.env["collections.case"].with_user(self.agent)
        domain = [("id", "in", (case + quiet).ids)]
        self.assertEqual(
            Case.search([*domain, ("collections_balance_id", "!=", False)]), case
        )
        self.assertEqual(
            Case.search([*domain, ("collections_balance_id", "=", False)]), quiet
        )
        pool = self.env["collections.pool"].create(
            {"name": "Quiet ones", "domain": "[('name', '=', 'Quiet')]"}
        )
        view = Case.get_aging_view(pool.id)
        self.assertEqual(Case.search(domain + view["domain"]), quiet)
        self.assertEqual(view["columns"][0]["string"], "Over 90")
        self.assertEqual(len(Case.search(domain + Case.get_aging_view()["domain"])), 2)
