from odoo import Command
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged
from odoo.tools import convert_file

from .common import AGENT, MANAGER, CollectionsCommon


@tagged("post_install", "-at_install")
class TestSetup(CollectionsCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.manager = cls._create_user("head_of_collections", MANAGER)
        # The other users of the database are not what is looked at.
        cls.env["res.users"].search([("email", "=", False)]).email = "x@us.example"

    def _open(self, user=None, company=None):
        user = user or self.manager
        Setup = self.env["collections.setup"].with_user(user)
        if company:
            Setup = Setup.with_context(allowed_company_ids=company.ids)
        action = Setup.action_open()
        self.assertEqual(action["res_model"], "collections.setup")
        return Setup.browse(action["res_id"])

    def _get_states(self, setup):
        setup.step_ids.invalidate_recordset()
        return {step.code: step.state for step in setup.step_ids}

    def _get_step(self, setup, code):
        return setup.step_ids.filtered(lambda step: step.code == code)

    def _do(self, setup, code):
        return self._get_step(setup, code).action_do()

    def test_empty_company(self):
        company = self.env["res.company"].create({"name": "Without anything"})
        self.manager.company_ids = [Command.link(company.id)]
        self.env["collections.aging.definition"].search([]).active = False
        self.env["ir.mail_server"].search([]).active = False
        setup = self._open(company=company)
        self.assertEqual(
            self._get_states(setup),
            {
                "aging_definition": "todo",
                "parameters": "optional",
                "snapshot": "todo",
                "pool": "optional",
                "team": "optional",
                "settlement_journal": "todo",
                "writeoff_journal": "todo",
                "writeoff_reason": "todo",
                "writeoff_account": "todo",
                "nsf_journal": "todo",
                "reimbursement_account": "optional",
                "case_category": "done",
                "email_template": "done",
                "agent": "optional",
                "mail_server": "todo",
                "user_email": "done",
                "contacts": "done",
            },
        )
        definition = self._get_step(setup, "aging_definition")
        self.assertEqual(definition.detail, "None yet")
        self.assertFalse(setup.is_done)
        self.assertEqual((setup.done_count, setup.step_count), (4, 17))

    def test_half_configured_company_to_the_end(self):
        setup = self._open()
        states = self._get_states(setup)
        self.assertEqual(states["aging_definition"], "done")
        self.assertEqual(states["snapshot"], "todo")
        for code in (
            "snapshot",
            "team",
            "settlement_journal",
            "writeoff_journal",
            "nsf_journal",
            "reimbursement_account",
        ):
            action = self._do(setup, code)
            self.assertEqual(action["res_id"], setup.id, code)
            self.assertEqual(self._get_states(setup)[code], "done", code)
        snapshot = self.env["collections.aging.snapshot"].search(
            [("company_id", "=", self.company.id)]
        )
        self.assertEqual(snapshot.state, "done")
        self.assertEqual(self.company.collections_team_id.name, "Collections")
        journals = (
            self.company.collections_settlement_journal_id
            | self.company.collections_writeoff_journal_id
        )
        self.assertEqual(set(journals.mapped("type")), {"general"})
        self.assertEqual(journals.mapped("sequence"), [100, 100])
        self.assertEqual(journals.company_id, self.company)
        reason = self.env["collections.writeoff.reason"].create(
            {"code": "BAD", "name": "Bad debts"}
        )
        self.company.write(
            {
                "collections_writeoff_reason_id": reason.id,
                "collections_writeoff_account_id": self.company_data[
                    "default_account_expense"
                ].id,
            }
        )
        self.env["ir.mail_server"].create({"name": "S", "smtp_host": "smtp.example"})
        setup.invalidate_recordset()
        self.assertEqual(set(self._get_states(setup).values()), {"done", "optional"})
        self.assertTrue(setup.is_done)
        self.assertFalse(self._get_banner())
        # Done again, a step opens the place and makes nothing a second time.
        for code, model in (
            ("snapshot", "collections.aging.snapshot"),
            ("team", "collections.team"),
            ("settlement_journal", "res.company"),
        ):
            self.assertEqual(self._do(setup, code)["res_model"], model)
        self.assertEqual(self.company.collections_settlement_journal_id, journals[0])

    def test_second_company_has_its_own_state(self):
        other = self.setup_other_company()["company"]
        self.manager.company_ids = [Command.link(other.id)]
        self._do(self._open(), "writeoff_journal")
        self.assertTrue(self.company.collections_writeoff_journal_id)
        self.assertFalse(other.collections_writeoff_journal_id)
        setup = self._open(company=other)
        self.assertEqual(self._get_states(setup)["writeoff_journal"], "todo")
        self._do(setup, "writeoff_journal")
        journal = other.collections_writeoff_journal_id
        self.assertEqual(journal.company_id, other)
        self.assertNotEqual(journal, self.company.collections_writeoff_journal_id)

    def test_journal_code_that_is_taken(self):
        self.env["account.journal"].create(
            {"name": "Mine", "code": "WOFF", "type": "general"}
        )
        self._do(self._open(), "writeoff_journal")
        self.assertEqual(self.company.collections_writeoff_journal_id.code, "WOFF1")

    def test_journal_that_cannot_be_used(self):
        setup = self._open()
        self._do(setup, "writeoff_journal")
        self.company.collections_writeoff_journal_id.active = False
        self.assertEqual(self._get_states(setup)["writeoff_journal"], "todo")
        self.assertIn("archived", self._get_step(setup, "writeoff_journal").detail)

    def test_accounts_and_reason_that_cannot_be_used(self):
        """What is refused when it is used is not done, and its button helps."""
        setup = self._open()
        self._do(setup, "reimbursement_account")
        account = self.company.collections_reimbursement_account_id
        reason = self.env["collections.writeoff.reason"].create(
            {"code": "BAD", "name": "Bad debts"}
        )
        expense = self.company_data["default_account_expense"]
        self.company.write(
            {
                "collections_writeoff_account_id": expense.id,
                "collections_writeoff_reason_id": reason.id,
            }
        )
        codes = ("writeoff_account", "writeoff_reason", "reimbursement_account")
        states = self._get_states(setup)
        self.assertEqual([states[code] for code in codes], ["done"] * 3)
        for record in (expense, reason, account):
            record.active = False
        states = self._get_states(setup)
        self.assertEqual([states[code] for code in codes], ["todo", "todo", "optional"])
        for code in codes:
            self.assertIn("archived", self._get_step(setup, code).detail)
            self.assertEqual(self._do(setup, code)["res_model"], "res.company")

    def test_people_and_customers_without_address(self):
        agent = self._create_user("mute", AGENT)
        agent.partner_id.email = False
        customer = self._create_customer("Mute customer")
        self._create_customer("Owes nothing", customer_rank=1)
        self._create_item(customer, 10, "2026-01-31")
        self._run_snapshot("2026-03-31")
        setup = self._open()
        states = self._get_states(setup)
        self.assertEqual(
            (states["user_email"], states["contacts"]), ("todo", "optional")
        )
        self.assertIn("mute", self._get_step(setup, "user_email").detail)
        self.assertIn("no address: 1", self._get_step(setup, "contacts").detail)
        action = self._do(setup, "user_email")
        self.assertEqual(action["res_id"], agent.partner_id.id)
        action = self._do(setup, "contacts")
        found = self.env["res.partner"].search(action["domain"])
        self.assertEqual(found, customer)
        agent.partner_id.email = "mute@us.example"
        customer.email = "mute@example.com"
        states = self._get_states(setup)
        self.assertEqual((states["user_email"], states["contacts"]), ("done", "done"))

    def test_every_step_opens_something(self):
        setup = self._open()
        administrator = self._open(
            self._create_user("administrator", f"{MANAGER},base.group_system")
        )
        for step in setup.step_ids:
            if step.code == "mail_server":
                with self.assertRaisesRegex(UserError, "Ask one"):
                    step.action_do()
                step = self._get_step(administrator, "mail_server")
            action = step.action_do()
            self.assertIn(action["type"], ("ir.actions.act_window",), step.code)
            self.assertTrue(step.name and step.why, step.code)

    def _get_banner(self, user=None):
        return (
            self.env["collections.setup"].with_user(user or self.manager).get_banner()
        )

    def test_banner(self):
        self.env["ir.mail_server"].create({"name": "S", "smtp_host": "smtp.example"})
        self.assertEqual(
            self._get_banner(),
            {"done": 3, "total": 9, "next": "First aging snapshot"},
        )
        self._run_snapshot("2026-03-31")
        self.assertEqual(self._get_banner()["next"], "Settlement journal")
        agent = self._create_user("collector", AGENT)
        self.assertIs(self._get_banner(agent), False)

    def test_agents_do_not_set_up(self):
        agent = self._create_user("collector", AGENT)
        with self.assertRaises(AccessError):
            self._open(agent)
        setup = self._open()
        with self.assertRaises(AccessError):
            setup.step_ids[0].with_user(agent).action_do()
        with self.assertRaises(AccessError):
            self.env["collections.setup"].with_user(agent)._do_step(
                "snapshot", self.company
            )
        colleague = self._create_user("colleague", MANAGER)
        with self.assertRaises(AccessError):
            setup.step_ids[0].with_user(colleague).action_do()

    def test_another_chart_of_accounts(self):
        """It takes the journal away that discounts are booked in."""
        company = self._create_company(name="Elsewhere")
        Chart = self.env["account.chart.template"]
        Chart.try_loading("generic_coa", company, install_demo=False)
        company.collections_settlement_journal_id = self.env["account.journal"].create(
            {
                "name": "Settlements",
                "code": "DISC",
                "type": "general",
                "company_id": company.id,
            }
        )
        company.collections_partial_cash_discount = True
        Chart.try_loading("generic_coa", company, install_demo=False)
        self.assertTrue(company.collections_partial_cash_discount)
        company.chart_template = False
        Chart.try_loading("generic_coa", company, install_demo=False)
        self.assertFalse(company.collections_settlement_journal_id)
        self.assertFalse(company.collections_partial_cash_discount)

    def test_upgrade_does_not_bring_back_what_was_deleted(self):
        """A reason of one's own may have the code of a shipped one by then."""
        self.env["collections.writeoff.reason"].search([]).unlink()
        self.env["collections.writeoff.reason"].create(
            {"code": "BANKRUPT", "name": "Ours"}
        )
        for model in (
            "collections.aging.definition",
            "collections.case.category",
            "collections.payment.return.reason",
            "collections.score.rule",
        ):
            shipped = self.env["ir.model.data"].search(
                [("module", "=", "credit_collections"), ("model", "=", model)]
            )
            self.env[model].browse(shipped.mapped("res_id")).unlink()
        before = self._get_shipped_counts()
        for name in (
            "aging_definition",
            "case",
            "payment_return",
            "score_rule",
            "writeoff_reason",
        ):
            convert_file(
                self.env,
                "credit_collections",
                f"data/collections_{name}_data.xml",
                {},
                mode="update",
            )
        self.assertEqual(self._get_shipped_counts(), before)

    def _get_shipped_counts(self):
        return {
            model: self.env[model].with_context(active_test=False).search_count([])
            for model in (
                "collections.aging.definition",
                "collections.case.category",
                "collections.payment.return.reason",
                "collections.score.rule",
                "collections.writeoff.reason",
            )
        }

    def test_a_step_can_be_added(self):
        Setup = self.env.registry["collections.setup"]
        codes = Setup._get_step_codes
        with self.assertRaisesRegex(UserError, "no step else"):
            self.env["collections.setup"]._get_step("else", self.company)
        self.addCleanup(setattr, Setup, "_get_step_codes", codes)
        self.addCleanup(delattr, Setup, "_step_else")
        Setup._get_step_codes = lambda setup: [*codes(setup), "else"]
        Setup._step_else = lambda setup, company: setup._prepare_parameter_step(
            company, "collections_team_id", "Else", "Because"
        )
        step = self._open().step_ids[-1]
        self.assertEqual((step.name, step.state), ("Else", "todo"))
