import io

from lxml import html
from openpyxl import load_workbook

from odoo import fields
from odoo.tests import HttpCase, new_test_user, tagged

from .common import AGENT, CollectionsCommon


@tagged("post_install", "-at_install")
class TestPortal(CollectionsCommon, HttpCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        late = fields.Date.subtract(fields.Date.today(), days=45)
        cls.partner = cls._create_customer("Contoso", is_company=True)
        cls.other_partner = cls._create_customer("Fabrikam")
        cls.user = new_test_user(
            cls.env,
            login="portal_contoso",
            groups="base.group_portal",
            company_id=cls.company.id,
            company_ids=cls.company.ids,
        )
        cls.user.partner_id.parent_id = cls.partner
        cls.invoice = cls._create_item(cls.partner, 1234.5, late)
        cls.foreign = cls._create_item(cls.other_partner, 987.65, late)
        cls._create_payment(cls.partner, 34.5, late)

    def test_customer_sees_his_own_figures_only(self):
        self.authenticate("portal_contoso", "portal_contoso")
        page = self.url_open("/my/statement").text
        self.assertIn(self.invoice.name, page)
        self.assertIn("1,200.00", page)
        self.assertIn("31-60", page)
        self.assertNotIn(self.foreign.name, page)
        self.assertNotIn("987.65", page)
        self.assertIn("/my/statement", self.url_open("/my").text)
        response = self.url_open(f"/my/statement/{self.company.id}/download")
        workbook = load_workbook(io.BytesIO(response.content))
        self.assertEqual(workbook.sheetnames[1], "Statement")
        names = [row[1] for row in workbook["Open items"].iter_rows(values_only=True)]
        self.assertIn(self.invoice.name, names)
        self.assertNotIn(self.foreign.name, names)

    def test_totals_in_the_currency_of_the_documents(self):
        euro = self.setup_other_currency("EUR", rates=[("2020-01-01", 0.5)])
        euro.write({"symbol": "€", "position": "after"})
        customer = self._create_customer("Euro", is_company=True)
        self._create_item(customer, 50, "2026-01-31", currency_id=euro.id)
        self.user.partner_id.parent_id = customer
        self.authenticate("portal_contoso", "portal_contoso")

        def read_page():
            page = html.fromstring(self.url_open("/my/statement").text)
            return " ".join(page.text_content().split())

        text = read_page()
        self.assertIn("Amount due: 50.00 €", text)
        self.assertIn("Overdue: 50.00 €", text)
        self.assertIn("How old it is, in USD", text)
        self._create_item(customer, -80, "2026-01-31", currency_id=euro.id)
        self.assertIn("Balance in your favour: 30.00 €", read_page())

    def test_link_beside_the_invoices(self):
        self.authenticate("portal_contoso", "portal_contoso")
        self.assertIn("/my/statement", self.url_open("/my/invoices").text)

    def test_no_way_to_the_figures_of_others(self):
        self.authenticate("portal_contoso", "portal_contoso")
        other = self.setup_other_company()["company"]
        self._create_item(
            self.partner.with_company(other),
            77.77,
            "2026-01-31",
            company_id=other.id,
        )
        self.assertNotIn("77.77", self.url_open("/my/statement").text)
        response = self.url_open(f"/my/statement/{other.id}/download")
        self.assertTrue(response.url.endswith("/my/statement"))
        response = self.url_open(f"/collections/spreadsheet/{self.other_partner.id}")
        self.assertNotEqual(response.status_code, 200)

    def test_company_that_owes_nothing(self):
        self.user.partner_id.parent_id = self._create_customer("Paid", is_company=True)
        self.authenticate("portal_contoso", "portal_contoso")
        self.assertIn("You owe nothing", self.url_open("/my/statement").text)

    def test_agent_downloads_a_spreadsheet(self):
        self._create_user("collector", AGENT)
        self.authenticate("collector", "collector")
        response = self.url_open(
            f"/collections/spreadsheet/{self.partner.id}?kind=statement"
            f"&date_from=2020-01-01&company_id={self.company.id}"
        )
        self.assertEqual(response.status_code, 200)
        self.assertIn(".xlsx", response.headers["Content-Disposition"])
        workbook = load_workbook(io.BytesIO(response.content))
        last = list(workbook["Statement"].iter_rows(values_only=True))[-1]
        self.assertEqual(last[8], 1200)
        self.assertEqual(self.url_open("/collections/spreadsheet/0").status_code, 404)
        paid = [
            self._create_item(self.partner, sign * 5, "2026-01-31") for sign in (1, -1)
        ]
        self._match(*paid)
        counts = {}
        for value in ("0", "1", ""):
            response = self.url_open(
                f"/collections/spreadsheet/{self.partner.id}?kind=statement"
                f"&date_from=2020-01-01&company_id={self.company.id}&open_only={value}"
            )
            workbook = load_workbook(io.BytesIO(response.content))
            counts[value] = workbook["Statement"].max_row
        self.assertEqual(counts["0"], counts[""])
        self.assertLess(counts["1"], counts["0"])
