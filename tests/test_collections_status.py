from ast import literal_eval

from lxml import etree

from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from .common import AGENT, CollectionsCommon


@tagged("post_install", "-at_install")
class TestCollectionsStatus(CollectionsCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.partner = cls._create_customer()
        cls.invoices = cls._create_item(
            cls.partner, 100, "2026-01-31"
        ) + cls._create_item(cls.partner, 200, "2026-02-28")
        cls.items = cls._get_term_lines(*cls.invoices)
        cls.agent = cls._create_user("collector", AGENT)

    def test_new_items_are_not_disputed(self):
        self.assertEqual(set(self.items.mapped("collections_status")), {"not_disputed"})
        self.env.flush_all()
        self.env.cr.execute(
            "SELECT column_default FROM information_schema.columns "
            "WHERE table_name = 'account_move_line' "
            "AND column_name = 'collections_status'"
        )
        self.assertIn("not_disputed", self.env.cr.fetchone()[0])

    def test_agent_notes_dispute_promise_and_resolution(self):
        items = self.items.with_user(self.agent)
        self.assertIs(
            items[0].action_set_collections_status("disputed", reason="Wrong goods"),
            True,
        )
        items[1].action_set_collections_status(
            "promised", promise_date="2026-04-01", promise_amount=150.0
        )
        self.assertRecordValues(
            self.items,
            [
                {
                    "collections_status": "disputed",
                    "collections_dispute_reason": "Wrong goods",
                    "collections_promise_amount": 0.0,
                },
                {
                    "collections_status": "promised",
                    "collections_dispute_reason": False,
                    "collections_promise_amount": 150.0,
                },
            ],
        )
        items.action_set_collections_status("resolved")
        self.assertEqual(set(self.items.mapped("collections_status")), {"resolved"})
        self.assertFalse(any(self.items.mapped("collections_promise_date")))

    def test_open_items_are_grouped_by_the_customer_of_a_contact(self):
        contact = self._create_customer(parent_id=self.partner.id)
        payment = self._create_payment(contact, 30, "2026-02-01")
        items = self.items | self._get_term_lines(payment)
        self.assertEqual(items.partner_id, self.partner | contact)
        Line = self.env["account.move.line"].with_user(self.agent)
        view = self.env.ref(
            "credit_collections.account_move_line_view_search_open_items"
        )
        [group_filter] = etree.fromstring(
            Line.get_view(view.id, "search")["arch"]
        ).xpath("//filter[@name='group_by_partner']")
        groupby = literal_eval(group_filter.get("context"))["group_by"]
        domain = [("id", "in", items.ids)]
        groups = Line.formatted_read_group(domain, [groupby], ["__count"])
        self.assertEqual(
            [(group[groupby][0], group["__count"]) for group in groups],
            [(self.partner.id, 3)],
        )
        self.assertEqual(Line.search(domain + groups[0]["__extra_domain"]), items)
        self.assertTrue(Line.fields_get([groupby])[groupby]["groupable"])

    def test_wizard_says_what_an_amount_leaves_out(self):
        items = self.items.with_user(self.agent)
        action = items.action_open_status_wizard()
        wizard = items.env[action["res_model"]].browse(action["res_id"])
        wizard.write({"status": "disputed", "reason": "Damaged"})
        self.assertFalse(wizard.left_out_message)
        for amount in (300.0, 301.0, 100.01):
            wizard.amount = amount
            self.assertFalse(wizard.left_out_message)
        wizard.amount = 80.0
        self.assertIn(self.invoices[0].name, wizard.left_out_message)
        self.assertIn("noted on: 1", wizard.left_out_message)
        wizard.action_apply()
        self.assertEqual(
            self.items.mapped("collections_status"), ["disputed", "not_disputed"]
        )
        [activity] = self.env["mail.activity"].search(
            [("res_model", "=", "res.partner"), ("res_id", "=", self.partner.id)]
        )
        self.assertIn(self.invoices[0].name, activity.note)
        self.assertNotIn(self.invoices[1].name, activity.note)

    def test_groups_of_items_add_up_what_is_open_today(self):
        Line = self.env["account.move.line"].with_user(self.agent)
        domain = [("id", "in", self.items.ids)]
        self._match(
            self._create_payment(self.partner, 30, "2026-02-10"), self.invoices[0]
        )
        name = "collections_amount_open"
        [(total,)] = Line._read_group(domain, aggregates=[f"{name}:sum"])
        self.assertEqual(total, 270.0)
        [group] = Line.formatted_read_group(
            domain, ["partner_id"], [f"{name}:sum", f"{name}:sum_currency"]
        )
        self.assertEqual(
            (group[f"{name}:sum"], group[f"{name}:sum_currency"]), (270.0, 270.0)
        )
        names = [name, f"{name}_currency"]
        shown = Line.fields_get(names, ["aggregator"])
        self.assertEqual(
            [shown[name].get("aggregator") for name in names], ["sum", None]
        )
        past = Line.with_context(collections_date="2026-01-31")
        self.assertFalse(
            past.fields_get([name], ["aggregator"])[name].get("aggregator")
        )

    def test_promise_is_put_on_the_oldest_items_first(self):
        self.items.action_set_collections_status("promised", "2026-04-01", 100.0)
        self.assertRecordValues(
            self.items,
            [
                {"collections_status": "promised", "collections_promise_amount": 100.0},
                {
                    "collections_status": "not_disputed",
                    "collections_promise_amount": 0.0,
                },
            ],
        )

    def test_promise_leaves_items_without_a_share_as_they_are(self):
        self.items[1].action_set_collections_status("disputed", reason="Wrong goods")
        self.items.action_set_collections_status("promised", "2026-04-01", 60.0)
        self.assertRecordValues(
            self.items,
            [
                {"collections_status": "promised", "collections_dispute_reason": False},
                {
                    "collections_status": "disputed",
                    "collections_dispute_reason": "Wrong goods",
                },
            ],
        )

    def test_wrong_calls_say_what_is_wrong(self):
        def call(lines, *args, **kwargs):
            return lambda: lines.action_set_collections_status(*args, **kwargs)

        revenue = self.invoices[0].line_ids - self.items
        draft = self._create_item(self.partner, 5, "2026-01-31")
        draft_line = self._get_term_lines(draft)
        draft.button_draft()
        for call_it, message in [
            (call(self.items, "angry"), "angry is not a collection status"),
            (call(self.items, []), "is not a collection status"),
            (call(self.items, "promised"), "For which day"),
            (call(self.items, "promised", "soon"), "is not a date"),
            (call(self.items, "promised", "2026-04-01", "5"), "is not an amount"),
            (
                call(self.items, "promised", "2026-04-01", 301.0),
                "only .*300.00 is open",
            ),
            (call(self.items, "promised", "2026-04-01", -1.0), "more than zero"),
            (call(revenue, "disputed"), "not open customer items"),
            (call(draft_line, "disputed"), "not open customer items"),
            (call(self.items.browse(), "disputed"), "Select the open items"),
        ]:
            with self.assertRaisesRegex(UserError, message):
                call_it()

    def test_paid_item_has_no_status_to_set(self):
        self._match(
            self.invoices[0], self._create_payment(self.partner, 100, "2026-03-01")
        )
        with self.assertRaisesRegex(UserError, "not open customer items any more"):
            self.items.action_set_collections_status("disputed")

    def test_others_may_not(self):
        for login, group in [
            ("employee", "base.group_user"),
            ("bookkeeper", "account.group_account_user"),
        ]:
            user = self._create_user(login, group)
            with self.assertRaises(AccessError):
                self.items.with_user(user).action_set_collections_status("disputed")

    def test_agent_of_another_company_may_not(self):
        other = self.setup_other_company()["company"]
        user = self._create_user("elsewhere", AGENT, companies=other)
        with self.assertRaises(AccessError):
            self.items.with_user(user).action_set_collections_status("disputed")

    def test_status_is_not_copied(self):
        self.items.action_set_collections_status("disputed", reason="x")
        copy = self.invoices[0].copy()
        line = self._get_term_lines(copy)
        self.assertEqual(line.collections_status, "not_disputed")
        self.assertFalse(line.collections_dispute_reason)
