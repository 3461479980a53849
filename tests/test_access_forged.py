import ast
import inspect
import re
from pathlib import Path

from odoo import Command
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import HttpCase, tagged
from odoo.tools import mute_logger

from .. import controllers
from .access_table import (
    CONTEXT_OPTIONS,
    CONTEXT_TOKENS,
    NOTED,
    NOTED_ELSEWHERE,
    NOTED_ON,
    ROUTES,
)
from .test_access import ADDON, NOISE, AccessCommon

SOURCES = Path(__file__).parent.parent


@tagged("post_install", "-at_install")
class TestAccessRoutes(AccessCommon, HttpCase):
    """Pages and files are for those whom the table names."""

    def test_every_route_has_a_line(self):
        found = {
            route
            for module in vars(controllers).values()
            if inspect.ismodule(module)
            for _name, cls in inspect.getmembers(module, inspect.isclass)
            if cls.__module__.startswith(ADDON)
            for method in vars(cls).values()
            if hasattr(method, "original_routing")
            for route in method.original_routing.get("routes", ())
        }
        self.assertEqual(found, set(ROUTES))

    @mute_logger("odoo.http", *NOISE)
    def test_routes(self):
        ids = {
            "<int:company_id>": self.company.id,
            "<int:partner_id>": self.world["customer"].id,
        }
        for role, user in self.users.items():
            login = None if role == "anonymous" else user.sudo().login
            self.authenticate(login, login and login.ljust(8, "x"))
            for route, (status, allowed, other) in ROUTES.items():
                url = route
                for name, record_id in ids.items():
                    url = url.replace(name, str(record_id))
                expected = status if role in allowed else other
                with self.subTest(role=role, url=url):
                    response = self.url_open(url, allow_redirects=False)
                    if role == "anonymous":
                        self.assertIn("/web/login", response.headers["Location"])
                    else:
                        self.assertEqual(response.status_code, expected)


@tagged("post_install", "-at_install")
class TestAccessForged(AccessCommon):
    """Values, contexts and queries that programs make up open nothing."""

    # === FIELDS ===

    def test_every_noted_field_has_a_line(self):
        found = {
            (model, name)
            for model in self.env.registry
            if not model.startswith("collections.")
            for name, field in self.env[model]._fields.items()
            if field._modules
            and field._modules[0] == "credit_collections"
            and field.readonly
            and not field.compute
            and not field.related
        }
        table = {(model, name) for model in NOTED for name in NOTED[model]}
        table |= NOTED_ELSEWHERE
        self.assertEqual(found - table, set(), "without a line in access_table.py")
        # Nobody has a right on what these list.
        lists = {
            (model, name)
            for model, name in table
            if self.env[model]._fields[name].type == "one2many"
        }
        self.assertEqual(table - found - lists, set(), "not readonly any more")

    @mute_logger(*NOISE)
    def test_what_is_noted_cannot_be_written(self):
        problems = []
        for model, values in NOTED.items():
            record = self.world[NOTED_ON[model]]
            for name, value in values.items():
                for role in ("invoicing", "agent", "manager"):
                    value = self._resolve(value, self.users[role])
                    problems.append(
                        self._find_problem(
                            role, False, model, "write", record.ids, {name: value}
                        )
                    )
        self._assert_no_problems(problems)

    @mute_logger(*NOISE)
    def test_new_documents_bring_nothing_along(self):
        Move = self.env["account.move"].with_user(self.users["invoicing"])
        vals = {
            "move_type": "out_invoice",
            "partner_id": self.world["customer"].id,
            "invoice_line_ids": [Command.create({"name": "x", "price_unit": 5.0})],
        }
        for name in ("collections_writeoff_reason_id", "collections_writeoff_amount"):
            with self.assertRaises(AccessError):
                Move.create({**vals, name: self.reason.id})
        line_vals = {
            "collections_status": "promised",
            "collections_promise_date": "2030-01-01",
            "collections_dispute_reason": "x",
            "collections_writeoff_line_id": self.world["line"].id,
        }
        for name, value in line_vals.items():
            with self.assertRaises(AccessError):
                Move.create(
                    {
                        **vals,
                        "invoice_line_ids": [
                            Command.create({"name": "x", name: value})
                        ],
                    }
                )
        defaults = {
            f"default_{name}": value
            for name, value in [
                *line_vals.items(),
                ("collections_writeoff_reason_id", self.reason.id),
                ("collections_writeoff_amount", 5.0),
                ("cash_discount_move_id", self.world["invoice"].id),
                ("cash_discount_amount_currency", 5.0),
                ("collections_case_id", self.world["case"].id),
            ]
        }
        move = Move.with_context(**defaults).create(vals)
        move = move.with_env(self.env).sudo()
        self.assertFalse(move.collections_writeoff_reason_id)
        self.assertFalse(move.collections_writeoff_amount)
        self.assertEqual(
            set(move.line_ids.mapped("collections_status")), {"not_disputed"}
        )
        for name in (*line_vals, "collections_case_id"):
            if name != "collections_status":
                self.assertFalse(any(move.line_ids.mapped(name)), name)
        payment = self._create_payment(self.world["customer"], 5, "2026-03-01")
        lines = self._get_term_lines(payment, self.world["invoice"])
        lines.with_user(self.users["invoicing"]).with_context(
            **defaults,
            default_collections_reimbursement_id=self.world["reimbursement"].id,
        ).reconcile()
        partial = self._get_term_lines(payment).matched_debit_ids.sudo()
        self.assertTrue(partial)
        self.assertFalse(partial.collections_reimbursement_id)
        self.assertFalse(partial.cash_discount_move_id)

    @mute_logger(*NOISE)
    def test_customers_do_not_read_what_is_noted_about_them(self):
        portal = self.users["portal"]
        invoice = self.world["written_off_invoice"].with_user(portal)
        self.env.invalidate_all()
        self.assertTrue(invoice.read(["name"])[0]["name"])
        self.assertTrue(invoice.line_ids.read(["name"]))
        for record, names in (
            (
                invoice,
                [
                    "collections_writeoff_reason_id",
                    "collections_writeoff_state",
                    "collections_is_written_off",
                    "collections_written_off_amount",
                ],
            ),
            (
                invoice.line_ids,
                [
                    "collections_status",
                    "collections_dispute_reason",
                    "collections_promise_date",
                    "collections_history_ids",
                ],
            ),
            (
                self.company.with_user(portal),
                [
                    "collections_max_overunderpayment",
                    "collections_writeoff_review_amount",
                    "collections_reimbursement_minimum",
                ],
            ),
        ):
            self.assertFalse(set(names) & set(record.fields_get()))
            for name in names:
                with self.subTest(field=name):
                    with self.assertRaises(AccessError):
                        record.read([name])
                    if record._fields[name].store:
                        with self.assertRaises(AccessError):
                            record.search([(name, "!=", False)])

    def test_managers_write_plain_parameters_only(self):
        parameters = self.company._get_collections_parameters()
        for name in parameters:
            # Commands would make or change records of other models as superuser.
            self.assertNotIn(
                self.company._fields[name].type, ("one2many", "many2many"), name
            )

    # === CONTEXT ===

    def test_every_context_key_has_a_line(self):
        found = set()
        for folder in ("models", "wizards", "report", "controllers"):
            for path in sorted((SOURCES / folder).glob("*.py")):
                text = path.read_text(encoding="utf-8")
                found |= set(
                    re.findall(r"context\.get\(\s*\"(collections_\w+)\"", text)
                )
                found |= set(
                    re.findall(r"^\w+_KEY = \"(collections_\w+)\"", text, re.M)
                )
        table = CONTEXT_TOKENS | CONTEXT_OPTIONS
        self.assertEqual(found - table, set(), "without a line in access_table.py")
        self.assertEqual(table - found, set(), "not read any more")

    @mute_logger(*NOISE)
    def test_guards_are_not_switched_off_by_the_context(self):
        world = self.world
        for value in (True, 1, "1", {"uses": {}}, [1]):
            context = dict.fromkeys(CONTEXT_TOKENS, value)
            for role in ("invoicing", "manager"):
                calls = (
                    ("invoice", "write", {"collections_writeoff_amount": 1.0}),
                    ("line", "write", {"collections_status": "resolved"}),
                    ("line", "write", {"collections_writeoff_line_id": 1}),
                    ("partial", "write", {"cash_discount_amount_currency": 9.0}),
                    ("bill", "button_draft"),
                    ("returned_payment", "action_draft"),
                    ("written_off_invoice", "button_draft"),
                )
                for on, method, *args in calls:
                    with self.subTest(value=value, role=role, on=on, method=method):
                        error, _result = self._call(
                            self.users[role],
                            world[on]._name,
                            method,
                            world[on].ids,
                            *args,
                            context=context,
                        )
                        self.assertIsInstance(error, UserError)

    def test_a_discount_goes_with_its_match_whatever_the_context_says(self):
        partial = self.world["partial"]
        entry = partial.cash_discount_move_id
        self.assertTrue(entry._is_in_force())
        own = self._get_term_lines(entry).with_user(self.users["invoicing"])
        own.with_context(collections_reversing=True).remove_move_reconcile()
        self.assertFalse(entry._is_in_force())

    def test_forged_choices_take_no_discount(self):
        invoice = self._create_invoice(100, "2026-01-01", company_id=self.company.id)
        payment = self._create_payment(self.world["customer"], 99, "2026-06-01")
        lines = self._get_term_lines(invoice, payment)
        item = self._get_term_lines(invoice)
        forged = {"uses": {str(item.id): "always"}, "date": "2026-01-02"}
        lines.with_user(self.users["invoicing"]).with_context(
            collections_settlement_choices=forged,
            collections_settlement_limits={str(item.id): 1.0},
        ).reconcile()
        self.assertEqual(item.amount_residual, 1.0)

    # === QUERIES OF POOLS ===

    def _create_pool(self, domain, user=None, **values):
        return (
            self.env["collections.pool"]
            .with_user(user or self.users["manager"])
            .create({"name": "Peep", "domain": str(domain), **values})
        )

    @mute_logger(*NOISE)
    def test_pools_ask_for_nothing_that_their_author_may_not_read(self):
        Partner = self.env["res.partner"].with_user(self.users["manager"])
        for domain in (
            [("signup_type", "=", "reset")],
            [("user_ids.password", "like", "a")],
            [("user_ids.totp_secret", "like", "a")],
            [("user_ids.api_key_ids.key", "like", "a")],
            [("user_ids", "any!", [("login", "like", "a")])],
            [("message_ids.mail_ids.body_html", "like", "a")],
            [("company_id.partner_id.signup_type", "!=", False)],
        ):
            with self.subTest(domain=domain):
                # No more than a search of the author's own.
                with self.assertRaises(Exception) as refused:  # noqa: B017 # of two
                    Partner.search(domain)
                self.assertIsInstance(refused.exception, AccessError | ValueError)
                with self.assertRaises(ValidationError):
                    self._create_pool(domain)

    @mute_logger(*NOISE)
    def test_rights_lost_are_lost_by_night_too(self):
        manager = self.users["manager"]
        manager.group_ids += self.env.ref("base.group_erp_manager")
        pool = self._create_pool([("signup_type", "!=", "reset")])
        self.assertTrue(pool.sudo().get_partners())
        manager.group_ids -= self.env.ref("base.group_erp_manager")
        with self.assertRaisesRegex(ValidationError, "role_manager .*may not read"):
            pool.sudo().get_partners()

    def test_pools_see_the_companies_of_their_author_by_night_too(self):
        shared = self._create_customer("Shared", company_id=False)
        self._create_item(
            shared.with_company(self.other_company),
            9999,
            "2026-01-31",
            company_id=self.other_company.id,
        )
        domain = [("id", "=", shared.id), ("invoice_ids.amount_total", ">", 5000)]
        pool = self._create_pool(domain)
        self.assertEqual(pool.get_partners(), [])
        by_night = self.env["collections.pool"].with_user(1).browse(pool.id)
        self.assertTrue(by_night.env.su)
        self.assertEqual(by_night.get_partners(), [])
        snapshot = by_night.env["collections.aging.snapshot"].create(
            {
                "company_id": self.company.id,
                "pool_id": pool.id,
                "date": "2026-03-31",
                "include_zero_balance": True,
            }
        )
        snapshot.action_run()
        self.assertFalse(snapshot.balance_ids)
        # Who may see them may ask for them.
        own = self._create_pool(
            domain, self.users["foreign"], company_id=self.other_company.id
        )
        self.assertEqual(own.sudo().get_partners(), shared.ids)

    def test_pool_for_all_companies_needs_an_author_in_them(self):
        pool = self._create_pool([("customer_rank", ">", 0)], company_id=False)
        of_other = pool.sudo().with_context(allowed_company_ids=self.other_company.ids)
        with self.assertRaisesRegex(ValidationError, "does not work for"):
            of_other.get_partners()
        both = self.company | self.other_company
        pool.with_user(self._create_user("of_both", "base.group_user", companies=both))
        group_manager = self._create_user(
            "group_manager", "credit_collections.group_collections_manager", both
        )
        pool.with_user(group_manager).domain = "[('customer_rank', '>=', 0)]"
        self.assertEqual(pool.domain_user_id, group_manager)
        self.assertTrue(of_other.get_partners())

    def test_nobody_asks_in_the_name_of_somebody_else(self):
        admin = self.env.ref("base.user_admin")
        manager = self.users["manager"]
        with self.assertRaises(AccessError):
            self._create_pool([], domain_user_id=admin.id)
        pool = self.env["collections.pool"].with_user(manager)
        pool = pool.with_context(default_domain_user_id=admin.id).create({"name": "P"})
        self.assertEqual(pool.domain_user_id, manager)
        with self.assertRaises(AccessError):
            pool.domain_user_id = admin
        pool.with_user(admin).sudo().name = "Renamed"
        self.assertEqual(pool.domain_user_id, manager)
        copy = pool.with_user(self.env.user).copy()
        self.assertEqual(copy.domain_user_id, self.env.user)

    def test_queries_are_data_not_code(self):
        for domain in (
            "__import__('os').system('true')",
            "[(1).__class__]",
            "[('id', '=', user.id)]",
            "lambda: []",
        ):
            with self.assertRaises(ValidationError):
                self._create_pool(domain)
        for path in sorted((SOURCES / "models").glob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
            self.assertFalse(names & {"safe_eval", "eval", "exec"}, path.name)

    # === OTHER COMPANIES ===

    @mute_logger(*NOISE)
    def test_no_wizard_takes_what_is_of_another_company(self):
        foreign = self.users["foreign"]
        for model, name in (
            ("collections.nsf.wizard", "payment"),
            ("collections.settlement.wizard", "line"),
            ("collections.settlement.wizard", "customer"),
            ("collections.settlement.wizard", "payment"),
            ("collections.writeoff.wizard", "line"),
            ("collections.writeoff.wizard", "invoice"),
            ("collections.writeoff.wizard", "customer"),
            ("collections.writeoff.wizard", "balance"),
            ("account.payment.register", "invoice"),
        ):
            record = self.world[name]
            context = {"active_model": record._name, "active_ids": record.ids}
            with self.subTest(model=model, on=name):
                error, _result = self._call(
                    foreign, model, "create", {}, context=context
                )
                self.assertIsInstance(error, AccessError)
        for model in (
            "collections.reimbursement.wizard",
            "collections.writeoff.sweep.wizard",
            "collections.setup",
        ):
            error, _result = self._call(
                foreign, model, "create", {"company_id": self.company.id}
            )
            self.assertIsInstance(error, AccessError, model)

    def test_customers_of_all_companies_show_own_figures_only(self):
        shared = self._create_customer("Shared", company_id=False, email="a@b.example")
        self._create_item(shared, 4321, "2026-01-31")
        self._run_snapshot("2026-03-31")
        self.env.invalidate_all()
        partner = shared.with_user(self.users["foreign"])
        partner.action_refresh_aging()
        self.assertFalse(partner.collections_balance_ids)
        self.assertEqual(partner.collections_statement_due, 0.0)
        self.assertFalse(partner.collections_page_data.get("rows"))
        self.assertNotIn("4321", str(partner.collections_page_data))
        context = {
            "collections_company_id": self.company.id,
            "allowed_company_ids": self.company.ids,
        }
        error, _result = self._call(
            self.users["foreign"],
            "res.partner",
            "get_collections_spreadsheet",
            shared.ids,
            context=context,
        )
        self.assertIsInstance(error, AccessError)

    def test_every_model_has_a_rule(self):
        shared = {
            "collections.payment.return.reason",
            "collections.writeoff.reason",
        }
        for name in self.env.registry:
            Model = self.env[name]
            if (
                Model._original_module != "credit_collections"
                or Model._abstract
                or name in shared
            ):
                continue
            rules = (
                self.env["ir.rule"]
                .sudo()
                .search([("model_id.model", "=", name), ("groups", "=", False)])
            )
            self.assertTrue(rules, name)
            if Model._transient:
                self.assertIn("create_uid", " ".join(rules.mapped("domain_force")))

    def test_branch_sees_definitions_of_its_parent_but_no_figures(self):
        branch = self.env["res.company"].create(
            {"name": "Branch", "parent_id": self.company.id}
        )
        user = self._create_user(
            "of_branch", "credit_collections.group_collections_manager", branch
        )
        self.env.invalidate_all()
        self.assertTrue(self.definition.with_user(user).read(["name"]))
        self.assertTrue(self.world["pool"].with_user(user).read(["name"]))
        for name in ("snapshot", "balance", "case", "promise", "reimbursement", "run"):
            with self.subTest(record=name), self.assertRaises(AccessError):
                self.world[name].with_user(user).read(["id"])
        snapshot = (
            self.env["collections.aging.snapshot"]
            .with_user(user)
            .create({"company_id": branch.id, "date": "2026-03-31"})
        )
        snapshot.action_run()
        self.assertEqual(snapshot.amount_total, 0.0)
