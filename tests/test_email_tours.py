from odoo import fields
from odoo.tests import HttpCase, tagged

from .common import CollectionsCommon


@tagged("post_install", "-at_install")
class TestEmailTours(CollectionsCommon, HttpCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.late = fields.Date.subtract(fields.Date.today(), days=45)
        cls.partner = cls._create_customer("Deco Addict", email="ap@deco.example")
        cls.other = cls._create_customer("Gemini Furniture", email="ap@gemini.example")
        cls.mute = cls._create_customer("Mute Customer")
        for partner in cls.partner | cls.other | cls.mute:
            cls._create_item(partner, 1234.5, cls.late)
        cls._run_snapshot(fields.Date.today())

    def test_email_from_aged_balances(self):
        self.start_tour(
            "/odoo/aged-balances", "collections_email_tour", login="accountman"
        )
        message = self.partner.message_ids[0]
        self.assertEqual(message.partner_ids, self.partner)
        self.assertEqual(len(message.attachment_ids), 1)

    def test_mailing_from_aged_balances(self):
        self.start_tour(
            "/odoo/aged-balances", "collections_mailing_tour", login="accountman"
        )
        mailing = self.env["collections.mailing"].search([])
        self.assertEqual((mailing.line_count, mailing.skipped_count), (3, 3))

    def test_statement_from_the_customer(self):
        self.start_tour(
            f"/odoo/collections-customers/{self.partner.id}",
            "collections_statement_tour",
            login="accountman",
        )

    def test_addresses(self):
        self.start_tour(
            "/odoo/collections-addresses",
            "collections_addresses_tour",
            login="accountman",
        )

    def test_setup(self):
        self.start_tour(
            "/odoo/aged-balances", "collections_setup_tour", login="accountman"
        )
        self.assertTrue(self.company.collections_settlement_journal_id)
