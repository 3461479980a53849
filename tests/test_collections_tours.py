from odoo import fields
from odoo.tests import HttpCase, tagged

from .common import CollectionsCommon


@tagged("post_install", "-at_install")
class TestCollectionsTours(CollectionsCommon, HttpCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        today = fields.Date.today()
        cls.partner = cls._create_customer("Deco Addict", ref="POOL")
        cls.other = cls._create_customer("Gemini Furniture")
        late = fields.Date.subtract(today, days=45)
        cls._create_item(cls.partner, 1234.5, late)
        cls._create_item(cls.other, 99, late)
        weekly = cls._create_definition(
            "By the week", [("Older weeks", -1, "unlimited"), ("This week", 0, "week")]
        )
        cls.pool = cls.env["collections.pool"].create(
            {
                "name": "Decorators",
                "domain": "[('ref', '=', 'POOL')]",
                "definition_id": weekly.id,
            }
        )
        cls._run_snapshot(today, definition_id=weekly.id)

    def test_first_snapshot_and_work_from_the_list(self):
        self.start_tour(
            "/odoo/aged-balances", "collections_aged_balances_tour", login="accountman"
        )
        snapshot = self.env["collections.aging.snapshot"].search(
            [("definition_id", "=", self.definition.id)]
        )
        self.assertEqual(snapshot.state, "done")

    def test_set_up_definition_and_parameters(self):
        self.start_tour(
            "/odoo/collections-parameters",
            "collections_configuration_tour",
            login="accountman",
        )
        definition = self.env["collections.aging.definition"].search(
            [("name", "=", "Quarterly")]
        )
        self.assertEqual(len(definition.period_ids), 5)
        self.assertEqual(self.company.collections_snapshot_retention_days, 365)
