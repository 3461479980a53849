import csv
import datetime
import io
import json

from openpyxl import load_workbook

from odoo import Command
from odoo.http import Request
from odoo.tests import HttpCase, tagged
from odoo.tools.safe_eval import safe_eval

from .common import AGENT, WriteoffCommon

FORMULA = "=1+1"
LINK = "http://thief.example/"
HYPERLINK = f'=HYPERLINK("{LINK}","Open")'


@tagged("post_install", "-at_install")
class TestExports(WriteoffCommon, HttpCase):
    """Files downloaded from the screens hold no formula that somebody else wrote."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.agent = cls._create_user("collector", AGENT)
        cls.agent.group_ids += cls.env.ref("base.group_allow_export")
        cls.customers = cls.env["res.partner"]
        for text in (FORMULA, HYPERLINK, LINK):
            cls.customers += cls._create_troublemaker(text)
        snapshot = cls._run_snapshot("2026-03-31")
        cls.balances = snapshot.balance_ids.filtered(
            lambda row: row.partner_id in cls.customers
        )

    @classmethod
    def _create_troublemaker(cls, text):
        """Return a customer who has the text wherever others can write."""
        partner = cls._create_customer(text, ref=text, website=LINK, customer_rank=1)
        disputed = cls._get_term_lines(
            cls._create_item(partner, 1234.5, "2026-01-31", ref=text)
        )
        disputed.name = text
        disputed.action_set_collections_status("disputed", reason=text, comment=text)
        promised = cls._get_term_lines(cls._create_item(partner, 200, "2026-02-28"))
        promised.action_set_collections_status(
            "promised", promise_date="2030-01-31", comment=text
        )
        cls.env["collections.case"].create(
            {
                "name": text,
                "partner_id": partner.id,
                "move_line_ids": [Command.set(disputed.ids)],
            }
        )
        cls.env["mail.activity"].create(
            {
                "res_model_id": cls.env["ir.model"]._get_id("res.partner"),
                "res_id": partner.id,
                "activity_type_id": cls.env.ref(
                    "credit_collections.mail_activity_type_call"
                ).id,
                "user_id": cls.agent.id,
                "summary": text,
            }
        )
        return partner

    def setUp(self):
        super().setUp()
        self.authenticate("collector", "collector")

    # === HELPERS ===

    def _get_action(self, name):
        """Return a window action of the addon with its context."""
        action = self.env["ir.actions.act_window"]._for_xml_id(
            f"credit_collections.{name}"
        )
        context = safe_eval(action["context"], {"uid": self.agent.id})
        return {**action, "context": context}

    def _post(self, url, data, **files):
        response = self.url_open(
            url, data={**data, "csrf_token": Request.csrf_token(self)}, **files
        )
        self.assertEqual(response.status_code, 200)
        return response.content

    def _export(self, records, names, kind="xlsx", context=None, groupby=()):
        """Return the file that the web client exports."""
        fields = records.fields_get([name.partition("/")[0] for name in names])
        params = {
            "model": records._name,
            "fields": [
                {
                    "name": name,
                    "label": name,
                    "type": fields[name.partition("/")[0]]["type"],
                }
                for name in names
            ],
            "ids": records.ids,
            "domain": [],
            "context": context or {},
            "import_compat": False,
            "groupby": list(groupby),
        }
        return self._post(f"/web/export/{kind}", {"data": json.dumps(params)})

    def _read(self, content):
        """Return the rows of cells of a workbook."""
        return list(load_workbook(io.BytesIO(content)).active.iter_rows())

    def _assert_texts(self, content):
        """Check that a workbook holds what was written, as text; return its values."""
        rows = self._read(content)
        for cell in (cell for row in rows for cell in row):
            self.assertNotEqual(cell.data_type, "f", cell.value)
            self.assertFalse(cell.hyperlink, cell.value)
        return [[cell.value for cell in row] for row in rows]

    def _get_table(self, model, title, **values):
        """Return a pivot as the web client sends it."""
        headers = [[{"title": "Total", "width": 1, "height": 1, "is_bold": False}]]
        headers.append([{"title": title, "width": 1, "height": 1, "is_bold": False}])
        return {
            "model": model,
            "title": "Pivot",
            "measure_count": 1,
            "col_group_headers": headers,
            "measure_headers": [{"title": "Amount", "is_bold": True}],
            "rows": [
                {"title": title, "indent": 0, "values": [{"value": 1234.5}]},
                {"title": title, "indent": 1, "values": [{"value": ""}]},
            ],
            **values,
        }

    def _download_pivot(self, table):
        content = json.dumps(table)
        files = {"data": ("blob", content, "application/json")}
        return self._post("/web/pivot/export_xlsx", {}, files=files)

    # === LISTS ===

    def test_lists_of_the_screens_hold_texts(self):
        items = self._get_term_lines(*self.customers.invoice_ids)
        disputed = items.filtered("collections_dispute_reason")
        domain = [("partner_id", "in", self.customers.ids)]
        lists = (
            ("account_move_line_action_open_items", items, "name"),
            (
                "account_move_line_action_disputes",
                disputed,
                "collections_dispute_reason",
            ),
            ("collections_status_history_action", domain, "comment"),
            ("collections_promise_action", domain, "comment"),
            ("collections_case_action", domain, "name"),
            (
                "mail_activity_action_collections",
                [("collections_partner_id", "in", self.customers.ids)],
                "summary",
            ),
            ("res_partner_action_collections", self.customers, "name"),
            ("res_partner_action_collections_page", self.customers, "ref"),
            ("collections_aging_balance_action", self.balances, "partner_id"),
            ("collections_worklist_action", domain, "partner_id"),
        )
        for name, records, field in lists:
            action = self._get_action(name)
            if isinstance(records, list):
                records = self.env[action["res_model"]].search(records)
            for groupby in ([], [field]):
                with self.subTest(action=name, groupby=groupby):
                    self._assert_list(records, field, action["context"], groupby)

    def _assert_list(self, records, field, context, groupby):
        content = self._export(records, [field, "id"], context=context, groupby=groupby)
        values = [row[0] for row in self._assert_texts(content)]
        for text in (FORMULA, HYPERLINK, LINK):
            self.assertIn(text, values)
        if groupby:
            headings = [value for value in values if value.endswith(")")]
            self.assertTrue(any(text.startswith(FORMULA) for text in headings))

    def test_amounts_and_dates_stay_what_they_are(self):
        action = self._get_action("account_move_line_action_open_items")
        item = self._get_term_lines(*self.customers[0].invoice_ids).filtered(
            lambda line: line.collections_status == "disputed"
        )
        names = ["partner_id", "date_maturity", "amount_residual"]
        expected = [FORMULA, datetime.datetime(2026, 1, 31), 1234.5]
        content = self._export(item, names, context=action["context"])
        self.assertEqual(self._assert_texts(content), [names, expected])
        content = self._export(
            item, names, context=action["context"], groupby=["partner_id"]
        )
        self.assertEqual(
            self._assert_texts(content),
            [names, [f"{FORMULA} (1)", None, 1234.5], expected],
        )

    def test_comma_separated_lists_hold_texts(self):
        self.customers[2].name = "@SUM(A1)"
        for records, context in (
            (self.balances, {}),
            (
                self._get_term_lines(*self.customers.invoice_ids),
                self._get_action("account_move_line_action_disputes")["context"],
            ),
        ):
            content = self._export(records, ["partner_id"], "csv", context)
            values = {value for [value] in csv.reader(io.StringIO(content.decode()))}
            self.assertEqual(
                values, {"partner_id", f"'{FORMULA}", f"'{HYPERLINK}", "'@SUM(A1)"}
            )

    def test_programs_get_escaped_texts(self):
        exported = self.balances.with_user(self.agent).export_data(["partner_id"])
        self.assertEqual(
            {name for [name] in exported["datas"]},
            {f"'{FORMULA}", f"'{HYPERLINK}", f"'{LINK}"},
        )

    # === PIVOTS ===

    def test_pivots_hold_texts(self):
        key = self._get_action("account_move_action_writeoffs")["context"]
        for model, values in (
            ("collections.aging.report", {}),
            ("account.move", {"context": key}),
        ):
            for text in (FORMULA, HYPERLINK, LINK):
                with self.subTest(model=model, text=text):
                    content = self._download_pivot(
                        self._get_table(model, text, **values)
                    )
                    self.assertEqual(
                        self._assert_texts(content),
                        [
                            [None, "Total"],
                            [None, f"'{text}"],
                            [None, "Amount"],
                            [f"'{text}", 1234.5],
                            [f"     '{text}", None],
                        ],
                    )

    def test_pivot_of_writeoffs_says_where_it_comes_from(self):
        self._write_off(self.customers[0].invoice_ids)
        code = """
            const { download } = odoo.loader.modules.get("@web/core/network/download");
            download._download = async ({ data }) => {
                const table = JSON.parse(await data.data.text());
                if (table.context?.collections_export) {
                    console.log("test successful");
                } else {
                    console.error("The pivot does not say where it comes from.");
                }
            };
            document.querySelector(".o_pivot_download").click();
        """
        self.browser_js(
            "/odoo/collections-write-offs?view_type=pivot",
            code,
            ready="!!document.querySelector('.o_pivot_download:not([disabled])')",
            login="collector",
        )

    # === ELSEWHERE ===

    def test_lists_of_odoo_elsewhere_are_unchanged(self):
        customer = self.customers[0]
        rows = self._read(self._export(customer, ["name", "website"]))
        self.assertEqual([cell.data_type for cell in rows[1]], ["f", "s"])
        self.assertTrue(rows[1][1].hyperlink)
        rows = self._read(self._export(customer, ["ref"], groupby=["ref"]))
        self.assertEqual([row[0].data_type for row in rows], ["s", "f", "f"])
        customer.name = "@SUM(A1)"
        content = self._export(customer, ["name", "ref"], "csv")
        self.assertEqual(content, b'"name","ref"\r\n"@SUM(A1)","\'=1+1"\r\n')

    def test_pivots_of_odoo_elsewhere_are_unchanged(self):
        table = self._get_table("account.move", FORMULA)
        rows = self._read(self._download_pivot(table))
        self.assertEqual([rows[1][1].data_type, rows[3][0].data_type], ["f", "f"])

    def test_every_list_of_a_core_model_has_the_key(self):
        data = self.env["ir.model.data"].search(
            [
                ("module", "=", "credit_collections"),
                ("model", "=", "ir.actions.act_window"),
            ]
        )
        actions = self.env["ir.actions.act_window"].browse(data.mapped("res_id"))
        actions = actions.filtered(
            lambda action: (
                not action.res_model.startswith("collections.")
                and "list" in action.view_mode
            )
        )
        self.assertTrue(actions)
        for action in actions:
            context = safe_eval(action.context, {"uid": self.agent.id})
            self.assertIs(context.get("collections_export"), True, action.name)
        customer = self.customers[0]
        for action in (
            self.balances[0].action_open_items(),
            customer.action_view_collections_items(),
            customer.invoice_ids.action_view_writeoffs(),
        ):
            self.assertIs(action["context"].get("collections_export"), True)
