from odoo import Command
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from .common import AGENT, CollectionsCommon


@tagged("post_install", "-at_install")
class TestRecipient(CollectionsCommon):
    """Dynamics 365 Finance, "Set up collections": who gets e-mails (EM-01, EM-02)."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.agent = cls._create_user("collector", AGENT)
        cls.partner = cls._create_customer("Contoso", email="office@contoso.example")
        cls.first = cls._create_contact("K1")
        cls.second = cls._create_contact("K2")

    @classmethod
    def _create_contact(cls, name, **values):
        return cls.env["res.partner"].create(
            {
                "name": name,
                "parent_id": cls.partner.id,
                "email": f"{name.lower()}@contoso.example",
                **values,
            }
        )

    @classmethod
    def _create_salesperson(cls, login, **values):
        user = cls._create_user(login, "base.group_user")
        user.write({"email": f"{login}@seller.example", **values})
        return user

    def _get_recipient(self, kind="collections", partner=None, **context):
        [result] = (
            (partner or self.partner)
            .with_user(self.agent)
            .with_context(**context)
            .get_collections_recipient(kind)
        )
        return result

    def _assert_recipient(self, recipient, rule, kind="collections"):
        self.assertEqual(
            self._get_recipient(kind),
            {
                "id": self.partner.id,
                "recipient_id": recipient.id,
                "email": recipient.email,
                "rule": rule,
            },
        )

    # === CONTACTS === #

    def test_every_step_of_the_customer_chain(self):
        chosen = self._create_contact("CC")
        invoice = self._create_contact("PC", type="invoice")
        self.partner.collections_contact_id = chosen
        self._assert_recipient(chosen, "Collections contact of the customer")
        self.partner.collections_contact_id = False
        self._assert_recipient(invoice, "Invoice address of the customer")
        invoice.active = False
        self._assert_recipient(self.first, "First contact with an e-mail address")
        (self.first | self.second | chosen).active = False
        self._assert_recipient(self.partner, "The customer's own e-mail address")
        self.partner.email = False
        self.assertEqual(
            self._get_recipient(),
            {
                "id": self.partner.id,
                "recipient_id": False,
                "email": False,
                "rule": "No e-mail address",
            },
        )

    def test_first_contact_is_the_one_with_the_lowest_id(self):
        self._create_contact("A first by name")
        self._assert_recipient(self.first, "First contact with an e-mail address")
        self.first.email = False
        self._assert_recipient(self.second, "First contact with an e-mail address")

    def test_chosen_contact_that_cannot_be_written_to(self):
        chosen = self._create_contact("CC")
        self.partner.collections_contact_id = chosen
        rule = "First contact with an e-mail address (%s)"
        chosen.email = False
        self._assert_recipient(self.first, rule % "CC has no valid e-mail address")
        chosen.email = "not an address"
        self._assert_recipient(self.first, rule % "CC has no valid e-mail address")
        chosen.write({"email": "cc@contoso.example", "active": False})
        self._assert_recipient(self.first, rule % "CC is archived")
        other = self.setup_other_company()["company"]
        chosen.write({"active": True, "company_id": other.id})
        self._assert_recipient(self.first, rule % f"CC belongs to {other.name}")

    def test_chosen_contact_who_works_for_another_company_now(self):
        chosen = self._create_contact("CC")
        self.partner.collections_contact_id = chosen
        employer = self._create_customer("Fabrikam", is_company=True)
        chosen.parent_id = employer
        self._assert_recipient(
            self.first,
            "First contact with an e-mail address (CC belongs to Fabrikam)",
        )
        chosen.parent_id = False
        self._assert_recipient(chosen, "Collections contact of the customer")

    def test_nobody_is_left_and_the_reason_names_the_chosen_contact(self):
        self.partner.email = False
        (self.first | self.second).email = False
        self.partner.collections_contact_id = self.first
        result = self._get_recipient()
        self.assertFalse(result["recipient_id"])
        self.assertEqual(
            result["rule"], "No e-mail address (K1 has no valid e-mail address)"
        )

    def test_invoice_address_without_email(self):
        self._create_contact("PC", type="invoice", email=False)
        self._assert_recipient(
            self.first,
            "First contact with an e-mail address "
            "(invoice address PC has no valid e-mail address)",
        )

    def test_invoice_address_is_the_one_invoices_go_to(self):
        self._create_contact("Zebra", type="invoice")
        chosen = self._create_contact("Aardvark", type="invoice")
        self.assertEqual(self.partner.address_get(["invoice"])["invoice"], chosen.id)
        self._assert_recipient(chosen, "Invoice address of the customer")

    def test_statement_contact_comes_first_for_statements_only(self):
        self.partner.collections_contact_id = self.first
        self.partner.collections_statement_contact_id = self.second
        self._assert_recipient(
            self.second, "Statement contact of the customer", "statement"
        )
        self._assert_recipient(self.first, "Collections contact of the customer")
        self.second.email = False
        self._assert_recipient(
            self.first,
            "Collections contact of the customer (K2 has no valid e-mail address)",
            "statement",
        )
        self.partner.collections_statement_contact_id = False
        self._assert_recipient(
            self.first, "Collections contact of the customer", "statement"
        )

    def test_a_contact_stands_for_its_customer(self):
        self.partner.collections_contact_id = self.second
        result = self._get_recipient(partner=self.first)
        self.assertEqual(result["id"], self.first.id)
        self.assertEqual(result["recipient_id"], self.second.id)

    def test_archived_customer_is_still_written_to(self):
        (self.first | self.second | self.partner).active = False
        self._assert_recipient(self.partner, "The customer's own e-mail address")

    def test_two_companies(self):
        other = self.setup_other_company()["company"]
        self.first.company_id = other
        self.agent.company_ids = [Command.link(other.id)]
        self.assertEqual(self._get_recipient()["recipient_id"], self.second.id)
        self.assertEqual(
            self._get_recipient(
                allowed_company_ids=[other.id, self.company.id],
            )["recipient_id"],
            self.first.id,
        )
        self.assertEqual(
            self._get_recipient(
                allowed_company_ids=[self.company.id, other.id],
                collections_company_id=other.id,
            )["recipient_id"],
            self.first.id,
        )
        # A company that is not in use is not written for.
        self.assertEqual(
            self._get_recipient(
                allowed_company_ids=self.company.ids, collections_company_id=other.id
            )["recipient_id"],
            self.second.id,
        )

    # === SALESPEOPLE === #

    def test_every_step_of_the_salesperson_chain(self):
        chosen = self._create_salesperson("sr")
        own = self._create_salesperson("ps")
        older = self._create_salesperson("l2")
        latest = self._create_salesperson("l1")
        for user, date in ((older, "2026-01-31"), (latest, "2026-02-28")):
            self._create_item(self.partner, 10, date, invoice_user_id=user.id)
        self._create_item(self.partner, -10, "2026-03-31", invoice_user_id=older.id)
        self.partner.write({"collections_salesperson_id": chosen.id, "user_id": own.id})
        steps = [
            (chosen, "Collections salesperson of the customer"),
            (own, "Salesperson of the customer"),
            (latest, "Salesperson of the latest invoice"),
        ]
        self._assert_recipient(steps[0][0].partner_id, steps[0][1], "salesperson")
        self.partner.collections_salesperson_id = False
        self._assert_recipient(steps[1][0].partner_id, steps[1][1], "salesperson")
        self.partner.user_id = False
        self._assert_recipient(steps[2][0].partner_id, steps[2][1], "salesperson")
        latest.active = False
        result = self._get_recipient("salesperson")
        self.assertFalse(result["recipient_id"])
        self.assertIn("is no user any more", result["rule"])

    def test_salesperson_without_email_or_company(self):
        chosen = self._create_salesperson("sr", email=False)
        own = self._create_salesperson("ps")
        self.partner.write({"collections_salesperson_id": chosen.id, "user_id": own.id})
        self._assert_recipient(
            own.partner_id,
            f"Salesperson of the customer ({chosen.name} has no valid e-mail address)",
            "salesperson",
        )
        other = self.setup_other_company()["company"]
        own.write({"company_id": other.id, "company_ids": [Command.set(other.ids)]})
        result = self._get_recipient("salesperson")
        self.assertFalse(result["recipient_id"])
        self.assertIn(f"does not work for {self.company.name}", result["rule"])

    def test_latest_invoice_is_one_of_the_company_that_writes(self):
        other = self.setup_other_company()
        seller = self._create_salesperson("here")
        elsewhere = self._create_salesperson(
            "there", company_ids=[Command.link(other["company"].id)]
        )
        self._create_item(self.partner, 10, "2026-01-31", invoice_user_id=seller.id)
        self._create_item(
            self.partner.with_company(other["company"]),
            10,
            "2026-02-28",
            company_id=other["company"].id,
            journal_id=other["default_journal_sale"].id,
            invoice_user_id=elsewhere.id,
        )
        self._assert_recipient(
            seller.partner_id, "Salesperson of the latest invoice", "salesperson"
        )

    # === RIGHTS AND MANY === #

    def test_unknown_kind(self):
        with self.assertRaisesRegex(UserError, "no e-mail of the kind letter"):
            self._get_recipient("letter")

    def test_others_are_refused(self):
        user = self._create_user("bookkeeper", "account.group_account_user")
        with self.assertRaises(AccessError):
            self.partner.with_user(user).get_collections_recipient("collections")

    def test_answers_in_the_order_asked_and_for_none(self):
        partners = self.second | self.partner
        self.assertEqual(
            [row["id"] for row in partners.get_collections_recipient("statement")],
            partners.ids,
        )
        empty = self.env["res.partner"]
        self.assertEqual(empty.get_collections_recipient("collections"), [])
        self.assertEqual(empty.get_collections_recipient("salesperson"), [])

    def test_queries_do_not_grow_with_the_customers(self):
        def count(customers, kind):
            self.env.invalidate_all()
            before = self.cr.sql_log_count
            customers.get_collections_recipient(kind)
            return self.cr.sql_log_count - before

        customers = self.env["res.partner"].create(
            [
                {"name": f"C{number}", "email": f"c{number}@many.example"}
                for number in range(60)
            ]
        )
        for kind in ("collections", "statement", "salesperson"):
            self.env["res.partner"].browse(customers[:3].ids).get_collections_recipient(
                kind
            )
            few = count(customers[:3], kind)
            self.assertEqual(count(customers, kind), few, kind)

    # === ON THE CUSTOMER AND IN LISTS === #

    def test_fields_of_the_customer(self):
        self.partner.collections_statement_contact_id = self.second
        self.partner.user_id = self._create_salesperson("ps")
        partner = self.partner.with_user(self.agent)
        self.assertEqual(partner.collections_recipient_id, self.first)
        self.assertEqual(partner.collections_recipient_email, self.first.email)
        self.assertEqual(
            partner.collections_recipient_rule, "First contact with an e-mail address"
        )
        self.assertEqual(partner.collections_statement_recipient_id, self.second)
        self.assertEqual(
            partner.collections_salesperson_recipient_id,
            self.partner.user_id.partner_id,
        )
        partner.collections_contact_id = self.second
        self.assertEqual(partner.collections_recipient_id, self.second)

    def test_lists_of_addresses_to_look_after(self):
        self.partner.customer_rank = 1
        customers = self.env["res.partner"].create(
            [
                {"name": "Mute", "customer_rank": 1},
                {"name": "Twin A", "customer_rank": 1, "email": "Ap@Shared.example"},
                {"name": "Twin B", "customer_rank": 1, "email": "ap@shared.example"},
                {"name": "Moved", "customer_rank": 1, "email": "old@moved.example"},
                {"name": "Fine", "customer_rank": 1, "email": "ap@fine.example"},
            ]
        )
        mute, twin_a, twin_b, moved, fine = customers
        moved._message_receive_bounce("old@moved.example", customers)
        customers |= self.partner

        def find(state):
            return (
                self.env["res.partner"]
                .with_user(self.agent)
                .search(
                    [
                        ("id", "in", customers.ids),
                        ("collections_address_state", "in", [state]),
                    ]
                )
                .with_env(self.env)
            )

        self.assertEqual(find("none"), mute)
        self.assertEqual(find("shared"), twin_a | twin_b)
        self.assertEqual(find("bounced"), moved)
        self.assertEqual(find("ok"), fine | self.partner)
        self.assertEqual(
            customers.mapped("collections_address_state"),
            ["none", "shared", "shared", "bounced", "ok", "ok"],
        )
