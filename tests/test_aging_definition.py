from ast import literal_eval

from freezegun import freeze_time
from lxml import etree

from odoo import Command
from odoo.exceptions import UserError, ValidationError
from odoo.tests import Form, tagged

from .common import CollectionsCommon


@tagged("post_install", "-at_install")
class TestAgingDefinition(CollectionsCommon):
    def test_ranges_are_plain_values_for_programs(self):
        self.assertEqual(
            self.definition.get_period_ranges("2015-12-31"),
            [
                {
                    "id": period.id,
                    "name": name,
                    "date_from": start,
                    "date_to": end,
                    "column": column,
                }
                for period, (name, start, end, column) in zip(
                    self.definition.period_ids,
                    [
                        ("Over 90", False, "2015-10-01", "amount_1"),
                        ("61-90", "2015-10-02", "2015-10-31", "amount_2"),
                        ("31-60", "2015-11-01", "2015-11-30", "amount_3"),
                        ("1-30", "2015-12-01", "2015-12-30", "amount_4"),
                        ("Today", "2015-12-31", "2015-12-31", "amount_5"),
                        ("Not due", "2016-01-01", False, "amount_6"),
                    ],
                    strict=True,
                )
            ],
        )

    def test_programs_learn_what_is_wrong_with_their_date(self):
        for value in ("abc", "31.03.2026", "2026-13-01", 5):
            with self.assertRaisesRegex(UserError, "is not a date"):
                self.definition.get_period_ranges(value)
        with self.assertRaisesRegex(UserError, "one record of Aging Period Definition"):
            self.definition.browse().get_period_ranges("2026-01-01")

    def test_periods_follow_their_sequence_not_their_creation(self):
        definition = self.env["collections.aging.definition"].create(
            {
                "name": "Mixed up",
                "period_ids": [
                    Command.create({"sequence": 3, "name": "B", "unit": 0}),
                    Command.create(
                        {
                            "sequence": 1,
                            "name": "A",
                            "unit": -1,
                            "interval": "unlimited",
                        }
                    ),
                ],
            }
        )
        names = [
            period["name"] for period in definition.get_period_ranges("2026-01-01")
        ]
        self.assertEqual(names, ["A", "B"])

    def test_oldest_period_must_be_unlimited(self):
        with self.assertRaisesRegex(
            ValidationError, "“Last month”, must have.*Unlimited"
        ):
            self._create_definition("Short", [("Last month", -30, "day")])

    def test_thirteen_periods_are_refused_and_twelve_are_not(self):
        rows = [("Old", -1, "unlimited")] + [(f"W{n}", -1, "week") for n in range(11)]
        self.assertEqual(len(self._create_definition("Twelve", rows).period_ids), 12)
        with self.assertRaisesRegex(ValidationError, "more than 12 periods"):
            self._create_definition("Thirteen", [*rows, ("Now", 0, "day")])

    def test_second_zero_and_wrong_order_are_named(self):
        with self.assertRaisesRegex(ValidationError, "“Again” is the second period"):
            self._create_definition(
                "Zeros",
                [("Old", -1, "unlimited"), ("Now", 0, "day"), ("Again", 0, "day")],
            )
        with self.assertRaisesRegex(ValidationError, "“Past” is in the wrong place"):
            self._create_definition(
                "Order",
                [("Old", -1, "unlimited"), ("Now", 0, "day"), ("Past", -7, "day")],
            )

    def test_periods_written_alone_are_checked_too(self):
        oldest, *_middle, newest = self.definition.period_ids
        with self.assertRaises(ValidationError):
            oldest.unlink()
        with self.assertRaises(ValidationError):
            oldest.interval = "day"
        with self.assertRaises(ValidationError):
            self.env["collections.aging.period"].create(
                {
                    "definition_id": self.definition.id,
                    "sequence": 99,
                    "name": "Twice",
                    "unit": 0,
                }
            )
        newest.unlink()
        self.assertEqual(len(self.definition.period_ids), 5)

    def test_all_periods_can_be_replaced_at_once(self):
        self.definition.period_ids = [
            Command.clear(),
            Command.create({"name": "Now", "sequence": 2, "unit": 0}),
            Command.create(
                {"name": "Past", "sequence": 1, "unit": -1, "interval": "unlimited"}
            ),
        ]
        self.assertEqual(
            self.definition.period_ids.sorted().mapped("name"), ["Past", "Now"]
        )

    @freeze_time("2026-03-15")
    def test_form_previews_the_dates_of_each_period(self):
        form = Form(
            self.env["collections.aging.definition"].with_context(
                collections_default_periods=True
            )
        )
        form.name = "New"
        with form.period_ids.edit(1) as period:
            self.assertEqual(period.date_range, "12/15/2025 to 01/13/2026")
        form.preview_date = "2026-04-15"
        with form.period_ids.edit(1) as period:
            self.assertEqual(period.date_range, "01/15/2026 to 02/13/2026")
        with form.period_ids.edit(0) as period:
            self.assertEqual(period.date_range, "Until 01/14/2026")
        with form.period_ids.edit(4) as period:
            self.assertEqual(period.date_range, "From 04/15/2026")
        definition = form.save()
        self.assertEqual(len(definition.period_ids), 5)

    def test_default_periods_come_with_the_form_only(self):
        definition = self.env["collections.aging.definition"].create({"name": "Bare"})
        self.assertFalse(definition.period_ids)
        with self.assertRaisesRegex(ValidationError, "Bare has no periods yet"):
            definition.get_period_ranges("2026-01-01")
        pool = self.env["collections.pool"].create({"name": "P"})
        for record, name in (
            (self.company, "collections_aging_definition_id"),
            (pool, "definition_id"),
        ):
            with (
                self.assertRaisesRegex(ValidationError, "Bare has no periods yet"),
                self.cr.savepoint(),
            ):
                record[name] = definition

    def test_definition_typed_into_the_parameters_has_periods(self):
        for view in (
            "collections_aging_snapshot_view_form",
            "collections_aging_wizard_view_form",
            "collections_pool_view_form",
            "res_company_view_form_collections",
        ):
            arch = etree.fromstring(self.env.ref(f"credit_collections.{view}").arch)
            [field] = arch.xpath("//field[contains(@name, 'definition_id')]")
            Definition = self.env["collections.aging.definition"].with_context(
                **literal_eval(field.get("context"))
            )
            definition_id, _name = Definition.name_create("Typed")
            self.assertEqual(Definition.browse(definition_id).period_count, 5, view)

    def test_definition_in_force_pool_then_company_then_first(self):
        Definition = self.env["collections.aging.definition"]
        self.env["collections.aging.definition"].search([]).sequence = 50
        first = self._create_definition(
            "First", [("All", -1, "unlimited")], sequence=-1
        )
        of_pool = self._create_definition("Pool's", [("All", -1, "unlimited")])
        pool = self.env["collections.pool"].create(
            {"name": "P", "definition_id": of_pool.id}
        )
        bare_pool = self.env["collections.pool"].create({"name": "Q"})
        self.assertEqual(Definition._get_definition(self.company, pool), of_pool)
        self.assertEqual(
            Definition._get_definition(self.company, bare_pool), self.definition
        )
        self.company.collections_aging_definition_id = False
        self.assertEqual(Definition._get_definition(self.company), first)

    def test_definition_of_another_company_is_not_the_first(self):
        other = self.setup_other_company()["company"]
        Definition = self.env["collections.aging.definition"]
        self.company.collections_aging_definition_id = False
        foreign = self._create_definition(
            "Foreign", [("All", -1, "unlimited")], sequence=-5, company_id=other.id
        )
        self.assertNotEqual(Definition._get_definition(self.company), foreign)
        self.assertEqual(Definition._get_definition(other), foreign)
        with self.assertRaisesRegex(ValidationError, "belongs to company_2"):
            self.company.collections_aging_definition_id = foreign

    def test_used_definition_cannot_be_deleted_but_archived(self):
        self._run_snapshot("2026-01-31")
        with self.assertRaisesRegex(UserError, "snapshots made with 30/60/90"):
            self.definition.unlink()
        self.definition.active = False
        self.env["collections.aging.snapshot"].search(
            [("definition_id", "=", self.definition.id)]
        ).unlink()
        self.company.collections_aging_definition_id = False
        self.definition.unlink()

    def test_copy_has_its_own_periods(self):
        copy = self.definition.copy()
        self.assertEqual(copy.name, "30/60/90 (copy)")
        self.assertEqual(
            copy.period_ids.mapped("name"), self.definition.period_ids.mapped("name")
        )
        self.assertFalse(copy.period_ids & self.definition.period_ids)

    def test_headings_are_those_of_the_definition_in_force(self):
        Balance = self.env["collections.aging.balance"]
        labels = Balance.fields_get(["amount_1", "amount_6"], ["string"])
        self.assertEqual(labels["amount_1"]["string"], "Over 90")
        self.assertEqual(labels["amount_6"]["string"], "Not due")
        other = self._create_definition("Other", [("Everything", -1, "unlimited")])
        labels = Balance.with_context(collections_definition_id=other.id).fields_get()
        self.assertEqual(labels["amount_1"]["string"], "Everything")
        self.assertIs(labels["amount_2"]["exportable"], False)

    def test_renamed_heading_is_seen_at_once_everywhere(self):
        Balance = self.env["collections.aging.balance"]
        Balance.get_views([(False, "list"), (False, "pivot"), (False, "graph")])
        self.definition.period_ids[0].name = "Ancient"
        views = Balance.get_views([(False, "list"), (False, "pivot"), (False, "graph")])
        fields = views["models"]["collections.aging.balance"]["fields"]
        self.assertEqual(fields["amount_1"]["string"], "Ancient")
        self.assertEqual(Balance.get_aging_view()["columns"][0]["string"], "Ancient")
        self.assertEqual(
            Balance.fields_get(["amount_1"], ["string"])["amount_1"]["string"],
            "Ancient",
        )

    def test_headings_are_translated(self):
        self.env["res.lang"]._activate_lang("fr_FR")
        self.definition.period_ids[0].with_context(lang="fr_FR").name = "Plus de 90"
        labels = self.env["collections.aging.balance"].with_context(lang="fr_FR")
        self.assertEqual(
            labels.fields_get(["amount_1"], ["string"])["amount_1"]["string"],
            "Plus de 90",
        )

    def test_shipped_definitions_are_sound(self):
        for name in ("standard", "weekly"):
            definition = self.env.ref(
                f"credit_collections.collections_aging_definition_{name}"
            )
            ranges = definition.get_period_ranges("2024-02-29")
            self.assertEqual(len(ranges), len(definition.period_ids))
            self.assertFalse(ranges[0]["date_from"] or ranges[-1]["date_to"])
