import base64
import json
import xmlrpc.client

from odoo.tests import HttpCase, tagged

from .common import CollectionsCommon


@tagged("post_install", "-at_install")
class TestCollectionsRpc(CollectionsCommon, HttpCase):
    """Programs get values back, over XML-RPC and over JSON-2."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.partner = cls._create_customer("Remote")
        cls.invoice = cls._create_item(cls.partner, 300, "2026-01-31")

    def _call(self, model, method, *args, **kwargs):
        uid = self.env["res.users"].search([("login", "=", "accountman")]).id
        return self.xmlrpc_object.execute_kw(
            self.env.cr.dbname, uid, "accountman", model, method, args, kwargs
        )

    def test_xmlrpc_from_definition_to_items(self):
        ranges = self._call(
            "collections.aging.definition",
            "get_period_ranges",
            self.definition.ids,
            "2026-03-31",
        )
        self.assertEqual(ranges[0]["date_from"], False)
        self.assertEqual(ranges[0]["date_to"], "2025-12-30")
        snapshot_id = self._call(
            "collections.aging.snapshot",
            "create",
            {"company_id": self.company.id, "date": "2026-03-31"},
        )
        self.assertIs(
            self._call("collections.aging.snapshot", "action_run", [snapshot_id]), True
        )
        rows = self._call(
            "collections.aging.balance",
            "search_read",
            [["snapshot_id", "=", snapshot_id]],
            ["partner_id", "amount_due", "amount_3", "is_current"],
        )
        self.assertEqual(
            rows,
            [
                {
                    "id": rows[0]["id"],
                    "partner_id": [self.partner.id, "Remote"],
                    "amount_due": 300.0,
                    "amount_3": 300.0,
                    "is_current": True,
                }
            ],
        )
        action = self._call(
            "collections.aging.balance",
            "action_open_items",
            [rows[0]["id"]],
            "amount_3",
        )
        self.assertEqual(
            self._call("account.move.line", "search_count", action["domain"]), 1
        )
        labels = self._call(
            "collections.aging.balance",
            "fields_get",
            ["amount_3"],
            ["string"],
            context={"collections_definition_id": self.definition.id},
        )
        self.assertEqual(labels["amount_3"]["string"], "31-60")

    def test_xmlrpc_pool_status_and_refresh(self):
        pool_id = self._call(
            "collections.pool",
            "create",
            {"name": "P", "domain": f"[('id', '=', {self.partner.id})]"},
        )
        self.assertEqual(
            self._call("collections.pool", "get_partners", [pool_id]), self.partner.ids
        )
        line = self._get_term_lines(self.invoice)
        self.assertIs(
            self._call(
                "account.move.line",
                "action_set_collections_status",
                line.ids,
                "promised",
                promise_date="2030-01-01",
                promise_amount=100.0,
            ),
            True,
        )
        self.assertIs(
            self._call("res.partner", "action_refresh_aging", self.partner.ids), True
        )
        self.assertEqual(self.partner.collections_balance_ids.amount_promised, 100.0)

    def test_xmlrpc_returns_a_payment(self):
        journal = self.env["account.journal"].create(
            {"name": "Returned payments", "code": "NSF", "type": "general"}
        )
        payment = self._create_payment(self.partner, 300, "2026-02-10")
        self._match(self.invoice, payment)
        context = {"active_model": "account.payment", "active_ids": payment.ids}
        wizard_id = self._call(
            "collections.nsf.wizard",
            "create",
            {"date": "2026-02-20", "journal_id": journal.id, "charge_fee": False},
            context=context,
        )
        action = self._call("collections.nsf.wizard", "action_process", [wizard_id])
        self.assertEqual(action["res_model"], "collections.payment.return")
        [values] = self._call(
            "collections.payment.return",
            "read",
            [action["res_id"]],
            ["date", "amount", "state", "move_id"],
        )
        self.assertEqual(values["date"], "2026-02-20")
        self.assertEqual((values["amount"], values["state"]), (300.0, "posted"))
        self.assertEqual(payment.state, "rejected")
        self.assertEqual(self.invoice.payment_state, "not_paid")
        with self.assertRaisesRegex(xmlrpc.client.Fault, "returned already"):
            wizard_id = self._call(
                "collections.nsf.wizard", "create", {}, context=context
            )
            self._call("collections.nsf.wizard", "action_process", [wizard_id])
        self._call(
            "collections.payment.return",
            "action_undo",
            [action["res_id"]],
            "2026-03-01",
        )
        self.assertEqual(self.invoice.payment_state, "paid")

    def test_xmlrpc_recipient_spreadsheet_and_email(self):
        partner_id = self.partner.id
        self.partner.email = "ap@remote.example"
        self.assertEqual(
            self._call(
                "res.partner", "get_collections_recipient", [partner_id], "statement"
            ),
            [
                {
                    "id": partner_id,
                    "recipient_id": partner_id,
                    "email": "ap@remote.example",
                    "rule": "The customer's own e-mail address",
                }
            ],
        )
        [file] = self._call(
            "res.partner",
            "get_collections_spreadsheet",
            [partner_id],
            kind="statement",
            date_from="2026-01-01",
        )
        self.assertTrue(base64.b64decode(file["content"]).startswith(b"PK"))
        action = self._call(
            "account.move", "action_send_collections_email", self.invoice.ids
        )
        composer = self._call(
            "mail.compose.message", "create", {}, context=action["context"]
        )
        self._call("mail.compose.message", "action_send_mail", [composer])
        self.assertEqual(self.partner.message_ids[0].partner_ids, self.partner)
        with self.assertRaisesRegex(xmlrpc.client.Fault, "no e-mail of the kind"):
            self._call("res.partner", "get_collections_recipient", [partner_id], "x")

    def test_xmlrpc_errors_are_for_people(self):
        with self.assertRaisesRegex(xmlrpc.client.Fault, "query of the customer pool"):
            self._call("collections.pool", "create", {"name": "P", "domain": "[(1]"})

    def test_json2_runs_a_snapshot(self):
        user = self.env["res.users"].search([("login", "=", "accountman")])
        key = (
            self.env["res.users.apikeys"]
            .with_user(user)
            ._generate("rpc", "collections", None)
        )
        headers = {
            "Authorization": f"bearer {key}",
            "Content-Type": "application/json",
        }

        def call(model, method, **params):
            response = self.url_open(
                f"/json/2/{model}/{method}", data=json.dumps(params), headers=headers
            )
            self.assertEqual(response.status_code, 200, response.text)
            return response.json()

        [snapshot_id] = call(
            "collections.aging.snapshot",
            "create",
            vals_list=[{"company_id": self.company.id, "date": "2026-03-31"}],
        )
        self.assertIs(
            call("collections.aging.snapshot", "action_run", ids=[snapshot_id]), True
        )
        rows = call(
            "collections.aging.balance",
            "search_read",
            domain=[["snapshot_id", "=", snapshot_id]],
            fields=["amount_due"],
        )
        self.assertEqual([row["amount_due"] for row in rows], [300.0])
