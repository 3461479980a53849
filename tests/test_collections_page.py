from freezegun import freeze_time
from lxml import etree

from odoo import Command
from odoo.exceptions import AccessError
from odoo.tests import tagged
from odoo.tools import SQL

from .common import AGENT, CollectionsCommon

PAGE = "credit_collections.res_partner_view_form_collections_page"
ITEMS = "credit_collections.account_move_line_view_list_collections_page"


@tagged("post_install", "-at_install")
class TestCollectionsPage(CollectionsCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.agent = cls._create_user("collector", AGENT)
        cls.partner = cls._create_customer("Very Long Name of a Customer " * 5)

    def _get_data(self, partner=None, **context):
        partner = (partner or self.partner).with_user(self.agent)
        partner = partner.with_context(**context)
        partner.invalidate_recordset()
        return partner.collections_page_data

    def _get_spec(self, model, view):
        """Return what the web client reads of a view."""
        arch = (
            self.env[model]
            .with_user(self.agent)
            .get_view(
                self.env.ref(view).id, etree.fromstring(self.env.ref(view).arch).tag
            )["arch"]
        )
        spec = {}
        for node in etree.fromstring(arch).iter("field"):
            field = self.env[model]._fields[node.get("name")]
            many2one = field.type == "many2one"
            spec[field.name] = {"fields": {"display_name": {}}} if many2one else {}
        return spec

    def _count_queries_to_open(self, partner, specs):
        """Return how many queries it takes to open the page with its items."""
        form_spec, items_spec = specs
        self.env.flush_all()
        self.env.invalidate_all()
        env = self.env(user=self.agent)
        before = self.env.cr.sql_log_count
        [values] = env["res.partner"].browse(partner.id).web_read(form_spec)
        items = env["account.move.line"].web_search_read(
            [
                ("partner_id.commercial_partner_id", "=", partner.id),
                ("account_type", "=", "asset_receivable"),
                ("parent_state", "=", "posted"),
                ("reconciled", "=", False),
            ],
            items_spec,
            limit=40,
            order="date_maturity, id",
            count_limit=10001,
        )
        return self.env.cr.sql_log_count - before, values, items

    def _create_many_items(self, partner, count):
        """Give a customer many open items: one that Odoo posts, and copies of it."""
        invoice = self._create_item(partner, 1.0, "2026-02-15")
        item = self._get_term_lines(invoice)
        self.env.flush_all()
        columns = SQL(", ").join(
            SQL.identifier(name)
            for name, field in item._fields.items()
            if field.store and field.column_type and name != "id"
        )
        self.env.execute_query(
            SQL(
                "INSERT INTO account_move_line (%(columns)s) SELECT %(columns)s "
                "FROM account_move_line, generate_series(2, %(count)s) "
                "WHERE id = %(item)s RETURNING id",
                columns=columns,
                count=count,
                item=item.id,
            )
        )

    @freeze_time("2026-03-31")
    def test_five_thousand_items_open_in_as_many_queries_as_ten(self):
        small = self._create_customer("Small")
        self._create_many_items(small, 10)
        self._create_many_items(self.partner, 5000)
        self._run_snapshot("2026-03-31")
        specs = (self._get_spec("res.partner", PAGE), self._get_spec(*self.items_view))
        few, _values, _items = self._count_queries_to_open(small, specs)
        many, values, items = self._count_queries_to_open(self.partner, specs)
        self.assertEqual(values["collections_open_item_count"], 5000)
        self.assertEqual((items["length"], len(items["records"])), (5000, 40))
        self.assertLessEqual(many, few)
        self.assertLessEqual(many, 20)

    items_view = ("account.move.line", ITEMS)

    @freeze_time("2026-03-31")
    def test_figures_are_those_of_the_snapshot(self):
        self.partner.credit_limit = 1000
        self._create_item(self.partner, 600, "2026-02-14")
        self._create_item(self.partner, 500, "2026-04-30", date="2026-03-01")
        self._create_payment(self.partner, 50, "2026-03-10")
        self._run_snapshot("2026-03-31")
        data = self._get_data()
        balance = data["balances"][data["selected"]]
        self.assertEqual(
            {
                name: balance[name]
                for name in (
                    "amount_due",
                    "amount_overdue",
                    "days_overdue",
                    "credit_remaining",
                    "last_payment_amount",
                    "indicator",
                    "is_changed",
                )
            },
            {
                "amount_due": 1050.0,
                "amount_overdue": 600.0,
                "days_overdue": 45,
                "credit_remaining": -50.0,
                "last_payment_amount": 50.0,
                "indicator": "yellow",
                "is_changed": False,
            },
        )
        self.assertEqual(
            [
                (bar["string"], bar["amount"], bar["indicator"])
                for bar in balance["columns"]
                if bar["amount"]
            ],
            [
                ("31-60", 600.0, "yellow"),
                ("1-30", -50.0, "green"),
                ("Not due", 500.0, "none"),
            ],
        )
        self.assertEqual(data["open_item_count"], 3)

    @freeze_time("2026-03-31")
    def test_what_changed_since_the_snapshot_is_said_and_refreshed(self):
        self._create_item(self.partner, 600, "2026-02-14")
        self._run_snapshot("2026-03-31")
        self._create_item(self.partner, 40, "2026-03-14")
        balance = self._get_data()["balances"][0]
        self.assertEqual((balance["is_changed"], balance["amount_now"]), (True, 640.0))
        self.assertIs(
            self.partner.with_user(self.agent).action_refresh_collections_page(), True
        )
        balance = self._get_data()["balances"][0]
        self.assertEqual((balance["is_changed"], balance["amount_due"]), (False, 640.0))

    @freeze_time("2026-03-31")
    def test_what_changed_within_the_same_total_is_said(self):
        invoice = self._create_item(self.partner, 1000, "2026-04-30", date="2026-03-01")
        payment = self._create_payment(self.partner, 1500, "2026-03-10")
        self._run_snapshot("2026-03-31")
        self.assertFalse(self._get_data()["balances"][0]["is_changed"])

        self._match(invoice, payment)
        balance = self._get_data()["balances"][0]
        self.assertEqual((balance["amount_due"], balance["amount_now"]), (-500, -500))
        self.assertEqual(balance["amount_credit"], -1500.0)
        self.assertTrue(balance["is_changed"])
        self.assertFalse(balance["is_total_changed"])
        self.partner.with_user(self.agent).action_refresh_collections_page()
        balance = self._get_data()["balances"][0]
        self.assertEqual(
            (balance["is_changed"], balance["amount_credit"]), (False, -500)
        )

    @freeze_time("2026-03-31")
    def test_what_is_dated_later_is_no_change(self):
        self._create_item(self.partner, 1000, "2026-04-30", date="2026-03-01")
        self._create_item(self.partner, 50, "2026-05-20", date="2026-04-20")
        self._create_payment(self.partner, 70, "2026-04-02")
        self._run_snapshot("2026-03-31")
        data = self._get_data()
        self.assertFalse(data["balances"][0]["is_changed"])
        self.assertEqual(data["open_item_count"], 3)
        self.assertTrue(data["has_credit"])

    @freeze_time("2026-03-31")
    def test_what_a_snapshot_does_not_count_is_no_change(self):
        """Matches dated later, and with entries that were reset to draft."""
        ahead = self._create_item(self.partner, 200, "2026-03-14")
        returned = self._create_item(self.partner, 300, "2026-03-14")
        self._run_snapshot("2026-03-31")
        self._match(ahead, self._create_payment(self.partner, 200, "2026-04-10"))
        self.assertFalse(self._get_data()["balances"][0]["is_changed"])
        payment = self._create_payment(self.partner, 300, "2026-03-20")
        self._match(returned, payment)
        balance = self._get_data()["balances"][0]
        self.assertEqual((balance["is_changed"], balance["amount_now"]), (True, 200.0))
        payment.move_id.button_draft()
        self.assertTrue(self._get_term_lines(returned).matched_credit_ids)
        self.assertFalse(self._get_data()["balances"][0]["is_changed"])
        self.partner.with_user(self.agent).action_refresh_collections_page()
        balance = self._get_data()["balances"][0]
        self.assertEqual((balance["is_changed"], balance["amount_due"]), (False, 500.0))

    @freeze_time("2026-03-31")
    def test_all_paid_since_the_snapshot_is_said(self):
        contact = self.env["res.partner"].create(
            {"name": "Ann", "parent_id": self.partner.id}
        )
        item = self._create_item(self.partner, 200, "2026-03-14")
        self._run_snapshot("2026-03-31")
        self._match(item, self._create_payment(contact, 200, "2026-03-31"))
        balance = self._get_data()["balances"][0]
        self.assertEqual((balance["is_changed"], balance["amount_now"]), (True, 0.0))

    @freeze_time("2026-03-31")
    def test_disputes_and_promises_since_the_snapshot_are_said(self):
        currency = self.setup_other_currency("EUR", rates=[("2026-01-01", 3.0)])
        invoice = self._create_item(
            self.partner, 100, "2026-02-14", currency_id=currency.id
        )
        items = self._get_term_lines(invoice).with_user(self.agent)
        self._run_snapshot("2026-03-31")
        for status, vals, column in [
            ("disputed", {"dispute_amount": 50, "reason": "Late"}, "amount_disputed"),
            ("promised", {"promise_date": "2026-04-15"}, "amount_promised"),
        ]:
            items.action_set_collections_status(status, **vals)
            balance = self._get_data()["balances"][0]
            self.assertTrue(balance["is_changed"], status)
            self.assertFalse(balance["is_total_changed"], status)
            self.partner.with_user(self.agent).action_refresh_collections_page()
            balance = self._get_data()["balances"][0]
            self.assertTrue(balance[column], status)
            self.assertFalse(balance["is_changed"], status)

    def test_customer_without_anything(self):
        data = self._get_data()
        self.assertEqual(data["balances"], [])
        self.assertIs(data["selected"], False)
        self.assertEqual(data["open_item_count"], 0)
        self.assertEqual(data["promises"], {})

    @freeze_time("2026-03-31")
    def test_contact_person_opens_the_page_of_the_company(self):
        contact = self.env["res.partner"].create(
            {"name": "Ann", "parent_id": self.partner.id}
        )
        self._create_item(contact, 70, "2026-02-14")
        self._run_snapshot("2026-03-31")
        action = contact.with_user(self.agent).action_open_collections_page()
        self.assertEqual(action["res_id"], self.partner.id)
        self.assertEqual(action["views"], [(self.env.ref(PAGE).id, "form")])
        self.assertEqual(self._get_data(contact)["balances"][0]["amount_due"], 70.0)
        several = (
            contact + self._create_customer("Other")
        ).action_open_collections_page()
        self.assertIn(self.partner.id, several["domain"][0][2])

    @freeze_time("2026-03-31")
    def test_row_of_aged_balances_opens_the_page(self):
        self._create_item(self.partner, 70, "2026-02-14")
        snapshot = self._run_snapshot("2026-03-31")
        action = self._get_row(snapshot, self.partner).action_open_customer()
        self.assertEqual(action["res_id"], self.partner.id)
        self.assertEqual(action["views"][0][0], self.env.ref(PAGE).id)

    @freeze_time("2026-03-31")
    def test_the_definition_of_the_list_comes_first(self):
        weekly = self._create_definition(
            "Weekly", [("Old", -1, "unlimited"), ("This week", 0, "week")]
        )
        self._create_item(self.partner, 70, "2026-02-14")
        self._run_snapshot("2026-03-31")
        self._run_snapshot("2026-03-31", definition_id=weekly.id)
        data = self._get_data()
        self.assertEqual(data["balances"][data["selected"]]["definition"], "30/60/90")
        data = self._get_data(collections_definition_id=weekly.id)
        self.assertEqual(data["balances"][data["selected"]]["definition"], "Weekly")
        self.assertEqual(len(data["balances"]), 2)

    @freeze_time("2026-03-31")
    def test_two_companies_with_parameters_of_their_own(self):
        other = self.setup_other_company()["company"]
        weekly = self._create_definition(
            "Weekly", [("Old", -1, "unlimited"), ("This week", 0, "week")]
        )
        other.collections_aging_definition_id = weekly
        self._create_item(self.partner, 70, "2026-02-14")
        foreign = (
            self.env["account.move"]
            .with_company(other)
            .create(
                {
                    "move_type": "out_invoice",
                    "partner_id": self.partner.id,
                    "invoice_date": "2026-02-01",
                    "invoice_line_ids": [
                        Command.create({"name": "Goods", "price_unit": 30.0})
                    ],
                }
            )
        )
        foreign.action_post()
        self._run_snapshot("2026-03-31")
        self.env["collections.aging.snapshot"].with_company(other).create(
            {"company_id": other.id, "date": "2026-03-31"}
        ).action_run()
        both = self._create_user("both", AGENT, companies=self.company + other)
        partner = self.partner.with_user(both)
        ours = partner.with_context(allowed_company_ids=self.company.ids)
        self.assertEqual(len(ours.collections_page_data["balances"]), 1)
        for companies, definition, amount in [
            (self.company + other, "30/60/90", 70.0),
            (other + self.company, "Weekly", foreign.amount_total),
        ]:
            partner = self.partner.with_user(both).with_context(
                allowed_company_ids=companies.ids
            )
            partner.invalidate_recordset()
            data = partner.collections_page_data
            balance = data["balances"][data["selected"]]
            self.assertEqual(
                (balance["definition"], balance["amount_due"]), (definition, amount)
            )
            self.assertEqual(
                {row["amount_now"] for row in data["balances"]},
                {70.0, foreign.amount_total},
            )
            self.assertFalse(any(row["is_changed"] for row in data["balances"]))
            self.assertTrue(data["has_several_companies"])
        # The row of Aged Balances that was opened tells which company comes first.
        partner = self.partner.with_user(both).with_context(
            allowed_company_ids=(self.company + other).ids,
            collections_company_id=other.id,
        )
        partner.invalidate_recordset()
        data = partner.collections_page_data
        balance = data["balances"][data["selected"]]
        self.assertEqual(
            (balance["definition"], balance["company"]), ("Weekly", other.name)
        )
        action = partner.action_open_collections_status()
        wizard = self.env[action["res_model"]].browse(action["res_id"])
        self.assertEqual(wizard.line_ids, self._get_term_lines(foreign))

    @freeze_time("2026-03-31 12:00:00")
    def test_another_company_where_it_is_tomorrow(self):
        """Each company's figures are compared with those of its own day."""
        other = self.setup_other_company()["company"]
        self._create_item(self.partner, 100, "2026-03-14")
        self._create_item(self.partner, 9, "2026-04-01")
        invoice = (
            self.env["account.move"]
            .with_company(other)
            .create(
                {
                    "move_type": "out_invoice",
                    "partner_id": self.partner.id,
                    "invoice_date": "2026-03-01",
                    "invoice_line_ids": [
                        Command.create(
                            {"name": "Goods", "price_unit": 30.0, "tax_ids": False}
                        )
                    ],
                }
            )
        )
        invoice.action_post()
        self._run_snapshot("2026-03-31")
        east = self.env["collections.aging.snapshot"].with_context(
            tz="Pacific/Kiritimati"
        )
        definition = self.company.collections_aging_definition_id
        east.with_company(other).create(
            {
                "company_id": other.id,
                "date": "2026-04-01",
                "definition_id": definition.id,
            }
        ).action_run()
        both = self._create_user("both", AGENT, companies=self.company + other)
        data = (
            self.partner.with_user(both)
            .with_context(allowed_company_ids=(self.company + other).ids)
            .collections_page_data
        )
        self.assertEqual(
            [(row["amount_now"], row["is_changed"]) for row in data["balances"]],
            [(100.0, False), (30.0, False)],
        )

    @freeze_time("2026-03-31")
    def test_open_amounts_in_their_currencies(self):
        currency = self.setup_other_currency("EUR", rates=[("2026-01-01", 2.0)])
        self._create_item(self.partner, 70, "2026-02-14")
        self.assertEqual(self._get_data()["currencies"], [])
        self._create_item(self.partner, 100, "2026-02-14", currency_id=currency.id)
        amounts = {
            row["currency_id"]: (row["amount"], row["company_amount"])
            for row in self._get_data()["currencies"]
        }
        self.assertEqual(amounts[currency.id], (100.0, 50.0))
        self.assertEqual(amounts[self.company.currency_id.id], (70.0, 70.0))

    def test_others_do_not_read_the_page(self):
        user = self._create_user("books", "account.group_account_user")
        for name in ("collections_page_data", "collections_promise_kept_ratio"):
            with self.assertRaises(AccessError):
                self.partner.with_user(user).read([name])

    def test_status_for_all_open_items_leaves_credits_out(self):
        invoice = self._create_item(self.partner, 70, "2026-02-14")
        self._create_item(self.partner, -20, "2026-02-14")
        action = self.partner.with_user(self.agent).action_open_collections_status()
        wizard = self.env[action["res_model"]].browse(action["res_id"])
        self.assertEqual(wizard.line_ids, self._get_term_lines(invoice))

    def test_the_form_of_contacts_stays_the_default_one(self):
        view = self.env["res.partner"].get_view(view_type="form")
        self.assertEqual(view["id"], self.env.ref("base.view_partner_form").id)
        action = self.partner.with_user(self.agent).action_open_partner_form()
        self.assertEqual(
            action["views"], [(self.env.ref("base.view_partner_form").id, "form")]
        )
