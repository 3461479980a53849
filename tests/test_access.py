import json
import xmlrpc.client
from contextlib import suppress
from unittest.mock import patch

import psycopg2

from odoo import Command
from odoo.exceptions import AccessError, UserError
from odoo.service.model import call_kw, get_public_method
from odoo.tests import tagged
from odoo.tools import mute_logger
from odoo.tools.json import json_default

from odoo.addons.credit_collections.wizards import (
    collections_reimbursement_wizard as reimbursement_wizard,
)

from .access_table import METHODS, MODELS, ROLES
from .common import (
    AGENT,
    MANAGER,
    CashDiscountCommon,
    PaymentReturnCommon,
    ReimbursementCommon,
)

ADDON = "odoo.addons.credit_collections."
# What programs call on every model: `MODELS` says who may.
CRUD = {"create", "read", "write", "unlink", "copy_data", "default_get", "fields_get"}


# Overridden, and nothing is what core gives back.
CORE_RETURNS_NOTHING = {"button_cancel", "button_draft"}
NOISE = (
    "odoo.addons.base.models.ir_model",
    "odoo.addons.base.models.ir_rule",
    "odoo.sql_db",
)


class _Undo(Exception):
    """Takes back what a call has done."""


class AccessCommon(CashDiscountCommon, PaymentReturnCommon, ReimbursementCommon):
    """Books with one record of everything, and one user of every role."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env.user.partner_id.email = "accountman@us.example"
        cls.other_company = cls.setup_other_company()["company"]
        cls.world = {}
        cls._set_up_customers()
        cls._set_up_documents()
        cls._set_up_collections()
        cls._set_up_users()

    @classmethod
    def _set_up_users(cls):
        customer = cls.world["customer"]
        cls.users = {
            "anonymous": cls.env.ref("base.public_user"),
            "portal": cls._create_user("role_portal", "base.group_portal"),
            "employee": cls._create_user("role_employee", "base.group_user"),
            "invoicing": cls._create_user(
                "role_invoicing", "account.group_account_invoice"
            ),
            "auditor": cls._create_user(
                "role_auditor", "account.group_account_readonly"
            ),
            "agent": cls._create_user("role_agent", AGENT),
            "manager": cls._create_user("role_manager", MANAGER),
            "foreign": cls._create_user(
                "role_foreign", MANAGER, companies=cls.other_company
            ),
        }
        # Customers see most from the portal of their own documents.
        cls.users["portal"].partner_id.parent_id = customer
        cls.world["spare_user"] = cls._create_user("role_spare", AGENT)

    @classmethod
    def _set_up_customers(cls):
        values = {"company_id": cls.company.id, "email": "office@customer.example"}
        cls.world["customer"] = cls._create_customer("Customer", **values)
        cls.world["creditor"] = cls._create_customer("Creditor", **values)
        cls.world["creditor"].collections_vendor_id = cls.vendor
        cls.partner = cls.world["customer"]

    @classmethod
    def _set_up_documents(cls):
        customer = cls.world["customer"]
        invoice = cls._create_item(customer, 300, "2026-01-31")
        other = cls._create_item(customer, 90, "2026-01-31")
        written_off = cls._create_item(customer, 50, "2026-01-31")
        discounted = cls._create_invoice(1000, "2026-01-15", company_id=cls.company.id)
        payment = cls._create_payment(customer, 100, "2026-02-10")
        part = cls._create_payment(customer, 99, "2026-01-20")
        cls._match(part, discounted)
        returned = cls._create_payment(customer, 40, "2026-02-10")
        cls._match(returned, cls._create_item(customer, 40, "2026-01-31"))
        draft = cls._create_item(customer, 10, "2026-01-31")
        draft.button_draft()
        partials = cls._get_term_lines(discounted).matched_credit_ids
        cls.world.update(
            company=cls.company,
            currency=cls.company.currency_id,
            bank=cls.company_data["default_journal_bank"],
            journal=cls.nsf_journal,
            term=cls.term,
            invoice=invoice,
            line=cls._get_term_lines(invoice),
            other_line=cls._get_term_lines(other),
            discounted_invoice=discounted,
            discounted_line=cls._get_term_lines(discounted),
            draft_invoice=draft,
            written_off_invoice=written_off,
            writeoff=cls._write_off(written_off, date="2026-02-15"),
            payment=payment,
            payment_line=cls._get_term_lines(payment),
            returned_payment=returned,
            partial=partials.filtered("cash_discount_move_id")[:1],
        )
        cls.world["return"] = cls._return(returned, "2026-02-20")

    @classmethod
    def _set_up_collections(cls):
        world, env, company = cls.world, cls.env, cls.company
        cls.definition.company_id = company
        pool = env["collections.pool"].create(
            {"name": "Pool", "domain": f"[('id', '=', {world['customer'].id})]"}
        )
        world["line"].action_set_collections_status("promised", "2030-01-01", 20)
        cls._create_item(world["creditor"], -80, "2026-01-31")
        with patch.object(reimbursement_wizard, "BACKGROUND_FROM", 10**6):
            reimbursement = cls._reimburse(world["creditor"])
        cls._create_item(world["creditor"], -60, "2026-02-28")
        world.update(
            definition=cls.definition,
            period=cls.definition.period_ids[:1],
            pool=pool,
            reason=cls.reason,
            offer=world["discounted_line"].cash_discount_offer_ids[:1],
            discount_period=env["collections.cash.discount.period"].create(
                {"payment_term_id": cls.term.id, "days": 20, "percentage": 0.5}
            ),
            category=env["collections.case.category"].create({"name": "Category"}),
            score_rule=env["collections.score.rule"].create(
                {"name": "Rule", "criterion": "days_overdue", "points": 1}
            ),
            return_reason=env["collections.payment.return.reason"].create(
                {"name": "Reason"}
            ),
            return_line=world["return"].line_ids[:1],
            promise=world["line"].collections_promise_line_ids.promise_id,
            promise_line=world["line"].collections_promise_line_ids[:1],
            history=world["line"].collections_history_ids[:1],
            reimbursement=reimbursement,
            bill=reimbursement.bill_id,
            run=reimbursement.run_id,
            run_line=reimbursement.run_id.line_ids[:1],
            agent_record=env["collections.agent"].create({"user_id": env.uid}),
        )
        world["team"] = world["agent_record"].team_id
        world["case"] = env["collections.case"].create(
            {
                "name": "Case",
                "partner_id": world["customer"].id,
                "category_id": world["category"].id,
                "move_line_ids": [Command.link(world["line"].id)],
            }
        )
        world["snapshot"] = cls._run_snapshot("2026-03-31")
        world["balance"] = world["snapshot"].balance_ids.filtered(
            lambda row: row.partner_id == world["customer"]
        )
        env.flush_all()
        for name in ("report", "discount_report", "worklist"):
            model = {
                "report": "collections.aging.report",
                "discount_report": "collections.cash.discount.report",
                "worklist": "collections.worklist",
            }[name]
            world[name] = env[model].search([("company_id", "=", company.id)], limit=1)
        world["activity"] = world["customer"].activity_schedule(
            "credit_collections.mail_activity_type_reminder", user_id=env.uid
        )
        world["mailing"] = (
            env["collections.mailing"]
            .sudo()
            .create(
                {
                    "subject": "Mailing",
                    "kind": "collections",
                    "user_id": env.uid,
                    "company_id": company.id,
                    "line_ids": [
                        Command.create(
                            {"partner_id": world["customer"].id, "state": "failed"}
                        )
                    ],
                }
            )
        )
        world["mailing_line"] = world["mailing"].line_ids
        world["mail"] = cls.env["mail.mail"].create({"subject": "x"})

    # === OWN WIZARDS ===

    def _get_wizard_user(self, name, user):
        """Return who makes a wizard: a manager for those who may not."""
        if user == self.users["foreign"]:
            return self.users["manager"]
        # E-mails of other kinds are written by users without any right, too.
        if name == "own_composer":
            may = user.has_group(AGENT)
        else:
            model = self._get_wizard_recipe(name)[0]
            may = self.env[model].with_user(user).has_access("create")
        return user if may else self.users["manager"]

    def _make_wizard(self, name, user):
        """Return a new wizard of a user, or a line of the one he has."""
        model, records, vals = self._get_wizard_recipe(name)
        if name.endswith("_line"):
            return self._get_record(name.removesuffix("_line"), user).line_ids[:1]
        if name == "own_setup_step":
            steps = self._get_record("own_setup", user).step_ids
            return steps.filtered(lambda step: step.code == "pool")
        context = {}
        if records is not None:
            context = {"active_model": records._name, "active_ids": records.ids}
        Wizard = self.env[model].with_user(user).with_context(**context)
        if name == "own_setup":
            return Wizard.browse(Wizard.action_open()["res_id"])
        if name == "own_composer":
            action = records.with_user(user).action_send_collections_email()
            Wizard = Wizard.with_context(**action["context"])
        wizard = Wizard.create(self._resolve(vals, user))
        wizard.env.flush_all()  # what is computed late is computed by the user too
        if name == "own_reimbursement_wizard":
            wizard.action_preview()
        return wizard

    def _get_wizard_recipe(self, name):
        world = self.world
        name = name.removesuffix("_line").replace("_step", "")
        return {
            "own_aging_wizard": ("collections.aging.wizard", None, {}),
            "own_case_wizard": (
                "collections.case.wizard",
                None,
                {"line_ids": ["@other_line"], "mode": "existing", "case_id": "@case"},
            ),
            "own_composer": ("mail.compose.message", world["customer"], {}),
            "own_nsf_wizard": ("collections.nsf.wizard", world["payment"], {}),
            "own_register": ("account.payment.register", world["invoice"], {}),
            "own_reimbursement_wizard": (
                "collections.reimbursement.wizard",
                None,
                {"partner_ids": ["@creditor"], "date": "2026-04-30"},
            ),
            "own_reversal_wizard": (
                "collections.writeoff.reversal.wizard",
                None,
                {"move_ids": ["@writeoff"]},
            ),
            "own_settlement_wizard": (
                "collections.settlement.wizard",
                world["payment"],
                {},
            ),
            "own_setup": ("collections.setup", None, {}),
            "own_statement_wizard": (
                "collections.statement.wizard",
                None,
                {"partner_ids": ["@customer"]},
            ),
            "own_status_wizard": (
                "collections.status.wizard",
                None,
                {"line_ids": ["@other_line"], "status": "disputed", "reason": "No"},
            ),
            "own_sweep_wizard": (
                "collections.writeoff.sweep.wizard",
                None,
                {"company_id": "@company", "max_amount": 100.0},
            ),
            "own_writeoff_wizard": (
                "collections.writeoff.wizard",
                world["other_line"],
                {"date": "2026-04-30"},
            ),
        }[name]

    # === CALLS ===

    def setUp(self):
        super().setUp()
        self.wizards = {}

    def _get_record(self, name, user):
        if not name.startswith("own_"):
            return self.world[name]
        maker = self._get_wizard_user(name, user)
        # What a call does with it is taken back, so one serves all calls.
        if (name, maker) not in self.wizards:
            self.wizards[name, maker] = self._make_wizard(name, maker)
        return self.wizards[name, maker]

    def _resolve(self, value, user):
        """Return data of the table with the ids of the records that it names."""
        if isinstance(value, str) and value.startswith("@"):
            return self._get_record(value[1:], user).id
        if isinstance(value, dict):
            return {key: self._resolve(item, user) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._resolve(item, user) for item in value]
        return value

    def _call(self, user, model, method, *args, context=None):
        """Call a method as Odoo's RPC does, and take back what it has done.

        :return: the error, or None, and the value returned
        """
        # As for a request of the user: nothing is read yet.
        self.env.invalidate_all()
        Model = self.env[model].with_user(user)
        Model = Model.with_env(Model.env(context={"lang": "en_US"}))
        result = error = None
        kwargs = {"context": context} if context else {}
        try:
            with suppress(_Undo), self.env.cr.savepoint():
                result = call_kw(Model, method, list(args), kwargs)
                self.env.flush_all()
                raise _Undo
        except UserError as raised:
            error = raised
        except psycopg2.IntegrityError as raised:
            # What still refers to it is said by the web client in these words.
            error = UserError(raised.diag.message_primary)
        return error, result

    def _find_problem(self, role, may, model, method, *args, context=None):
        """Return what is wrong with how a call by a role ends, as a text, or None."""
        error, result = self._call(
            self.users[role], model, method, *args, context=context
        )
        name = f"{role}: {model}.{method}"
        if isinstance(error, AccessError):
            return f"{name} is refused: {error}" if may else None
        if not may:
            return f"{name} is not refused: {error or result!r}"
        if error:
            return None if str(error) else f"{name} says nothing: {error!r}"
        if result is None:
            return None if method in CORE_RETURNS_NOTHING else f"{name} returns nothing"
        # Fails on what XML-RPC or JSON cannot carry.
        plain = json.loads(json.dumps(result, default=json_default))
        return None if xmlrpc.client.dumps((plain,)) else name

    def _assert_no_problems(self, problems):
        problems = list(filter(None, problems))
        self.assertFalse(problems, "\n".join(problems))


@tagged("post_install", "-at_install")
class TestAccess(AccessCommon):
    """Nobody comes in by a method or model of the addon who may not."""

    def _get_our_models(self):
        return {
            name
            for name in self.env.registry
            if self.env[name]._original_module == "credit_collections"
            and not name.startswith("report.")
        }

    def _get_our_methods(self):
        """Return what the addon defines, or overrides, that programs can call."""
        found = {}
        for name in self.env.registry:
            Model = self.env[name]
            methods = {
                method
                for cls in type(Model).mro()
                if cls.__module__.startswith(ADDON)
                for method, value in vars(cls).items()
                if callable(value) and self._is_public(Model, method)
            }
            if name in MODELS:
                methods -= CRUD
            if methods:
                found[name] = methods
        return found

    def _is_public(self, Model, method):
        if method.startswith("_"):
            return False
        try:
            return bool(get_public_method(Model, method))
        except AccessError:
            return False

    def test_every_method_has_a_line(self):
        found = {
            (model, method)
            for model, methods in self._get_our_methods().items()
            for method in methods
        }
        table = {(model, method) for model in METHODS for method in METHODS[model]}
        # The headings of rows stand in the table, as they say what periods there are.
        table -= {("collections.aging.balance", "fields_get")}
        self.assertEqual(found - table, set(), "without a line in access_table.py")
        self.assertEqual(table - found, set(), "does not exist any more")

    def test_every_model_has_a_line(self):
        concrete = {
            name for name in self._get_our_models() if not self.env[name]._abstract
        }
        self.assertEqual(concrete, set(MODELS))

    def test_records_of_the_table_exist(self):
        calls = [call for calls in METHODS.values() for call in calls.values()]
        for line in (*calls, *MODELS.values()):
            if line.on and not line.on.startswith("own_"):
                self.assertEqual(len(self.world[line.on]), 1, line.on)
        for role in set(ROLES) - {"anonymous"}:
            self.assertTrue(self.users[role].active)

    @mute_logger(*NOISE)
    def test_methods(self):
        problems = []
        for model, calls in METHODS.items():
            for method, call in calls.items():
                for role in ROLES:
                    user = self.users[role]
                    args = self._resolve(call.args, user)
                    if call.on:
                        args.insert(0, self._get_record(call.on, user).ids)
                    context = self._resolve(call.context, user)
                    may = role in call.allowed
                    problems.append(
                        self._find_problem(
                            role, may, model, method, *args, context=context
                        )
                    )
        self._assert_no_problems(problems)

    @mute_logger(*NOISE)
    def test_models(self):
        problems = []
        for model, line in MODELS.items():
            for role in ROLES:
                user = self.users[role]
                record = self._get_record(line.on, user)
                vals = self._resolve(line.vals, user)
                change = self._resolve(line.change, user)
                for allowed, method, *args in (
                    (line.read, "read", record.ids, ["id"]),
                    (line.write, "write", record.ids, change),
                    (line.unlink, "unlink", record.ids),
                    (line.create, "create", vals),
                ):
                    may = role in allowed
                    problems.append(self._find_problem(role, may, model, method, *args))
                problems.append(self._find_leak(role, model, line, record))
        self._assert_no_problems(problems)

    @mute_logger(*NOISE)
    def test_methods_on_none_or_several(self):
        """They say what is wrong, or do it for each: errors of Python help nobody."""
        problems = []
        user = self.users["manager"]
        for model, calls in METHODS.items():
            if self.env[model]._abstract:
                continue
            several = self.env[model].sudo().search([], limit=2).ids
            for method, call in calls.items():
                if not call.on or self._is_of_core(self.env[model], method):
                    continue
                args = self._resolve(call.args, user)
                context = self._resolve(call.context, user)
                for ids in ([], several):
                    try:
                        self._call(user, model, method, ids, *args, context=context)
                    except ValueError as error:
                        problems.append(f"{model}.{method}({len(ids)}): {error}")
        self._assert_no_problems(problems)

    def _is_of_core(self, Model, method):
        """Tell whether a method is an override of one that core has."""
        return any(
            method in vars(cls)
            for cls in type(Model).mro()
            if not cls.__module__.startswith(ADDON)
        )

    @mute_logger(*NOISE)
    def test_core_records_are_read_as_before(self):
        """Who reads a record of core and names no fields is not stopped by ours."""
        problems = []
        for model, name in (
            ("account.move", "invoice"),
            ("account.move.line", "line"),
            ("account.payment", "payment"),
            ("account.partial.reconcile", "partial"),
            ("res.partner", "customer"),
            ("res.company", "company"),
        ):
            record = self.world[name]
            self.assertEqual(record._name, model)
            ours = {
                field.name
                for field in record._fields.values()
                if "credit_collections" in (field._modules or ())
            }
            self.assertTrue(ours)
            for role in ROLES:
                Model = self.env[model].with_user(self.users[role])
                core = [
                    field
                    for field in Model._fields
                    if field not in ours
                    and Model._has_field_access(Model._fields[field], "read")
                ]
                error, _rows = self._call(
                    self.users[role], model, "read", record.ids, core
                )
                if error:
                    continue
                error, _rows = self._call(self.users[role], model, "read", record.ids)
                problems.append(error and f"{role}: {model}: {error}")
        self._assert_no_problems(problems)

    def _find_leak(self, role, model, line, record):
        """Return that a search finds, or hides, what it should not, or None."""
        domain = [("id", "in", record.ids)]
        error, found = self._call(self.users[role], model, "search", domain)
        if (found or []) == (record.ids if role in line.read else []):
            return None
        return f"{role}: {model} finds {found}, {error}"
