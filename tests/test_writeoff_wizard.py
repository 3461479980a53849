import json
import xmlrpc.client
from unittest.mock import patch

from psycopg2 import IntegrityError

from odoo import Command, fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import Form, HttpCase, tagged
from odoo.tools import mute_logger

from odoo.addons.credit_collections.exceptions import MissingParameterError

from ..wizards import collections_writeoff_sweep_wizard as sweep_wizard
from .common import AGENT, MANAGER, WriteoffCommon


@tagged("post_install", "-at_install")
class TestWriteoffWizard(WriteoffCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.invoice = cls._create_item(cls.partner, 1000, "2026-01-31")
        cls.credit = cls._create_item(cls.partner, -300, "2026-02-28")
        cls.other_partner = cls._create_customer("Another")
        cls.other = cls._create_item(cls.other_partner, 70, "2026-03-31")
        cls.items = cls._get_term_lines(cls.invoice, cls.credit)

    def _open(self, records):
        action = records.action_open_writeoff()
        self.assertEqual(action["target"], "new")
        return self.env[action["res_model"]].browse(action["res_id"])

    # === WHAT IT SHOWS === #

    def test_from_four_places(self):
        snapshot = self._run_snapshot("2026-06-30")
        row = self._get_row(snapshot, self.partner)
        later = self._create_item(self.partner, 5, "2026-07-31")
        items = self.items | self._get_term_lines(later)
        cases = [
            (self.invoice, self._get_term_lines(self.invoice)),
            (self.invoice | self.credit, self.items),
            (self.items, self.items),
            (self.partner, items),
            # Rows mean what is open now, not what was on the day of the snapshot.
            (row, items),
            (
                self.partner | self.other_partner,
                items | self._get_term_lines(self.other),
            ),
        ]
        for records, expected in cases:
            with self.subTest(records=records):
                wizard = self._open(records)
                self.assertEqual(wizard.line_ids.move_line_id, expected)

    def test_items_stand_by_customer_and_due_date(self):
        wizard = self._open(self.partner | self.other_partner)
        self.assertEqual(
            wizard.line_ids.mapped("partner_id.name"), ["Another", "Customer"]
        )
        self.assertEqual(
            [str(line.date_maturity) for line in wizard.line_ids],
            ["2026-03-31", "2026-01-31", "2026-02-28"],
        )
        line = wizard.line_ids[1]
        today = fields.Date.today()
        self.assertEqual(
            line.days_overdue, (today - fields.Date.to_date("2026-01-31")).days
        )
        self.assertEqual((line.amount_residual, line.amount), (1000.0, 1000.0))

    def test_totals(self):
        wizard = self._open(self.partner)
        self.assertEqual(wizard.amount_total, 700.0)
        self.assertEqual((wizard.item_count, wizard.customer_count), (2, 1))
        self.assertFalse(wizard.has_currencies)

    def test_preview_is_what_gets_booked(self):
        wizard = self._open(self.partner | self.other_partner)
        preview = json.loads(wizard.preview_data)
        self.assertEqual(len(preview["groups_vals"]), 2)
        shown = [
            (item["account"].split()[0], item["debit"], item["credit"])
            for group in preview["groups_vals"]
            for _command, _id, item in group["items_vals"]
        ]
        wizard.action_write_off()
        currency = self.company.currency_id
        booked = [
            (
                line.account_id.code,
                currency.format(line.debit) if line.debit else "",
                currency.format(line.credit) if line.credit else "",
            )
            for line in wizard.move_ids.line_ids
        ]
        self.assertEqual(sorted(shown), sorted(booked))

    def test_several_entries_open_in_the_list_of_writeoffs(self):
        writeoffs = self.env.ref("credit_collections.account_move_view_list_writeoffs")
        search = self.env.ref("credit_collections.account_move_view_search_writeoffs")
        wizard = self._open(self.partner | self.other_partner)
        written_off = wizard.action_write_off()
        reversed_ = wizard.move_ids.action_reverse_writeoff()
        for action in (written_off, reversed_):
            self.assertEqual(action["views"], [(writeoffs.id, "list"), (False, "form")])
            self.assertEqual(action["search_view_id"], [search.id])
        [(_field, _operator, ids)] = written_off["domain"]
        self.assertCountEqual(ids, wizard.move_ids.ids)
        action = self._open(self.partner).action_write_off()
        self.assertEqual(action["views"], [(False, "form")])

    def test_preview_of_many_is_by_account(self):
        for number in range(11):
            self._create_item(self._create_customer(f"C{number}"), 1, "2026-01-31")
        partners = self.env["res.partner"].search([("name", "=like", "C__")])
        partners |= self.env["res.partner"].search([("name", "=like", "C_")])
        wizard = self._open(partners)
        [group] = json.loads(wizard.preview_data)["groups_vals"]
        self.assertIn("11 entries", group["group_name"])
        self.assertEqual(len(group["items_vals"]), 2)

    def test_edited_in_the_form(self):
        wizard = self._open(self.partner)
        with Form(wizard) as form:
            with form.line_ids.edit(0) as line:
                line.amount = 400
            self.assertEqual(form.amount_total, 100)
            with form.line_ids.edit(1) as line:
                line.amount = 300  # the credit note is open with -300.00
                self.assertEqual(line.amount, -300)
            form.line_ids.remove(1)
            self.assertEqual(form.amount_total, 400)
        wizard.action_write_off()
        self.assertEqual(self.invoice.amount_residual, 600)
        self.assertEqual(self.credit.amount_residual, 300)

    def test_defaults_of_the_screen_before_do_not_come_in(self):
        sales = self.company_data["default_journal_sale"]
        wizard = self._open(
            self.invoice.with_context(
                default_journal_id=sales.id, default_date="2020-01-01"
            )
        )
        self.assertEqual(wizard.journal_id, self.writeoff_journal)
        self.assertEqual(wizard.date, fields.Date.today())

    def test_items_without_due_date_are_small_as_well(self):
        entry = self.env["account.move"].create(
            {
                "move_type": "entry",
                "date": "2026-01-31",
                "line_ids": [
                    Command.create(
                        {
                            "account_id": account.id,
                            "balance": balance,
                            "partner_id": self.partner.id,
                            "date_maturity": False,
                        }
                    )
                    for account, balance in (
                        (self.receivable, 4),
                        (self.company_data["default_account_revenue"], -4),
                    )
                ],
            }
        )
        entry.action_post()
        Sweep = self.env["collections.writeoff.sweep.wizard"]
        sweep = Sweep.create({"max_amount": 5, "days": 30})
        self.assertEqual((sweep.item_count, sweep.customer_count), (1, 1))

    def test_comment_comes_with_the_reason(self):
        reason = self.env["collections.writeoff.reason"].create(
            {"code": "B", "name": "Bankruptcy", "comment": "Court letter"}
        )
        with Form(self._open(self.partner)) as form:
            self.assertFalse(form.comment)
            form.reason_id = reason
            self.assertEqual(form.comment, "Court letter")
            form.comment = "Court letter of May"

    def test_small_balances(self):
        young = self._create_item(self.partner, 3, fields.Date.today())
        disputed = self._create_item(self.partner, 3, "2026-01-31")
        self._get_term_lines(disputed).action_set_collections_status("disputed")
        small = self._create_item(self.partner, 3, "2026-01-31")
        self._create_item(self.other_partner, -2, "2026-01-31")
        Sweep = self.env["collections.writeoff.sweep.wizard"]
        with (
            self.assertRaises(IntegrityError),
            mute_logger("odoo.sql_db"),
            self.env.cr.savepoint(),
        ):
            Sweep.create({"max_amount": 3, "days": -1})
        sweep = Sweep.create({"max_amount": 3, "days": 30})
        self.assertEqual(
            (sweep.item_count, sweep.customer_count, sweep.amount_total), (1, 1, 3)
        )
        action = sweep.action_preview()
        wizard = self.env[action["res_model"]].browse(action["res_id"])
        self.assertEqual(wizard.line_ids.move_line_id.move_id, small)
        self.assertTrue(young.amount_residual and disputed.amount_residual)
        sweep = Sweep.create(
            {
                "max_amount": 70,
                "days": 30,
                "include_credits": True,
                "include_disputed": True,
            }
        )
        self.assertEqual((sweep.item_count, sweep.amount_total), (4, 74))
        sweep.pool_id = self.env["collections.pool"].create(
            {"name": "Another", "domain": "[('name', '=', 'Another')]"}
        )
        self.assertEqual((sweep.item_count, sweep.amount_total), (2, 68))
        with patch.object(sweep_wizard, "MAX_ITEMS", 1):
            sweep.invalidate_recordset()
            self.assertTrue(sweep.limit_message)
            action = sweep.action_preview()
            wizard = self.env[action["res_model"]].browse(action["res_id"])
            self.assertEqual(len(wizard.line_ids), 1)
        sweep.days = 100000
        with self.assertRaises(UserError):
            sweep.action_preview()

    # === WHAT IT REFUSES === #

    def _assert_refused(self, text, records, **values):
        with self.assertRaises(UserError) as error:
            self._write_off(records, **values)
        self.assertIn(text, str(error.exception))
        return error.exception

    def test_nothing_selected(self):
        self._assert_refused("nothing is selected", self.env["account.move"])
        self._assert_refused(
            "nothing is selected", self.invoice, line_ids=[Command.clear()]
        )
        self._assert_refused(
            "nothing to write off",
            self.invoice,
            line_ids=[Command.create({"move_line_id": self.items[0].id, "amount": 0})],
        )
        with self.assertRaises(UserError):
            self.env["collections.writeoff.wizard"].create({}).action_write_off()

    def test_nothing_open(self):
        self._write_off(self.invoice)
        self._assert_refused("Nothing is open", self.invoice)
        bill = self.init_invoice("in_invoice", amounts=[10], post=True)
        self._assert_refused("Nothing is open", bill)
        draft = self.init_invoice("out_invoice", amounts=[10])
        self._assert_refused("Nothing is open", draft)

    def test_two_wizards_on_the_same_item(self):
        first, second = self._open(self.partner), self._open(self.partner)
        first.action_write_off()
        with self.assertRaises(UserError) as error:
            second.action_write_off()
        self.assertIn("closed meanwhile", str(error.exception))
        self.assertIn(self.invoice.name, str(error.exception))
        with self.assertRaises(UserError):
            first.action_write_off()

    def test_partly_paid_meanwhile(self):
        wizard = self._open(self.invoice)
        self._match(self.invoice, self._create_payment(self.partner, 100, "2026-04-01"))
        with self.assertRaises(UserError) as error:
            wizard.action_write_off()
        self.assertIn("900.00", str(error.exception))

    def test_amounts_that_are_no_part(self):
        debit, credit = self.items.sorted("balance", reverse=True)
        for item, amount in (
            (debit, -1),
            (debit, 1000.01),
            (credit, 300),
            (credit, -300.01),
        ):
            with self.subTest(amount=amount), self.assertRaises(UserError):
                self._write_off(
                    self.invoice,
                    line_ids=[
                        Command.create({"move_line_id": item.id, "amount": amount})
                    ],
                )

    def test_amount_that_is_none(self):
        Writeoff = self.env["collections.writeoff"]
        for amount in (float("nan"), float("inf"), "100"):
            with self.assertRaises(UserError):
                Writeoff._get_parts({self.items[0]: amount})

    def test_item_listed_twice(self):
        line = Command.create({"move_line_id": self.items[0].id})
        self._assert_refused("listed twice", self.invoice, line_ids=[line, line])

    def test_item_that_is_not_a_customers(self):
        revenue = self.invoice.line_ids - self._get_term_lines(self.invoice)
        line = Command.create({"move_line_id": revenue.id, "amount": -1000})
        self._assert_refused("not posted items", self.invoice, line_ids=[line])

    def test_missing_parameters(self):
        for name, text in (
            ("collections_writeoff_account_id", "no write-off account"),
            ("collections_writeoff_reason_id", "no reason"),
            ("collections_writeoff_journal_id", "no write-off journal"),
        ):
            self.company[name] = False
            error = self._assert_refused(text, self.invoice)
            self.assertIsInstance(error, MissingParameterError)
            self.assertEqual(error.context["action"]["res_model"], "res.company")
            self.assertEqual(error.context["action"]["res_id"], self.company.id)
            # The wizard opens nevertheless and says so.
            wizard = self._open(self.invoice)
            self.assertIn(text, wizard.problem)
            self.assertFalse(wizard.preview_data)
        # The user may choose what the parameters lack.
        self.reason.account_id = self.writeoff_account
        self._write_off(
            self.invoice,
            journal_id=self.writeoff_journal.id,
            reason_id=self.reason.id,
        )

    def test_archived(self):
        self.reason.active = False
        wizard = self._open(self.invoice)
        self.assertFalse(wizard.reason_id)
        self._assert_refused("archived", self.invoice, reason_id=self.reason.id)
        self.reason.active = True
        self.writeoff_account.active = False
        self._assert_refused("archived", self.invoice)
        self.writeoff_account.active = True
        self.writeoff_journal.active = False
        self._assert_refused("archived", self.invoice)

    def test_journal_of_another_type(self):
        with self.assertRaises(UserError):
            self._write_off(
                self.invoice, journal_id=self.company_data["default_journal_sale"].id
            )

    def test_two_companies(self):
        other = self.setup_other_company(name="Second")
        self.env.user.company_ids |= other["company"]
        in_other = self._create_item(
            self.partner.with_company(other["company"]),
            10,
            "2026-01-31",
            company_id=other["company"].id,
            journal_id=other["default_journal_sale"].id,
        )
        both = self.invoice | in_other
        both = both.with_context(allowed_company_ids=both.company_id.ids)
        self._assert_refused("several companies", both)
        # Of a customer of both, programs and the collections page name the one.
        customer = self.partner.with_context(**both.env.context)
        self._assert_refused("several companies", customer)
        for company in both.company_id:
            wizard = self._open(
                customer.with_context(collections_company_id=company.id)
            )
            self.assertEqual(wizard.company_id, company)
            self.assertEqual(wizard.line_ids.move_line_id.company_id, company)
        # A wizard with the items of one company, and one of the other put in.
        with self.assertRaises(UserError):
            self._write_off(
                self.invoice.with_context(allowed_company_ids=both.company_id.ids),
                line_ids=[
                    Command.create({"move_line_id": item.id})
                    for item in self._get_term_lines(self.invoice, in_other)
                ],
            )
        # In the other company nothing is set up, whatever the first one has.
        wizard = self._open(in_other)
        self.assertEqual(wizard.company_id, other["company"])
        self.assertFalse(wizard.journal_id)
        with self.assertRaises(UserError):
            wizard.journal_id = self.writeoff_journal
            wizard.action_write_off()

    def test_account_of_another_company(self):
        other = self.setup_other_company(name="Second")
        self.reason.with_company(other["company"]).account_id = other[
            "default_account_expense"
        ]
        self._write_off(self.credit)
        self.env.cr.execute(
            "UPDATE res_company SET collections_writeoff_account_id = %s WHERE id = %s",
            [other["default_account_expense"].id, self.company.id],
        )
        self.company.invalidate_recordset()
        self._assert_refused("is not for", self.invoice)

    def test_branch(self):
        branch = self._create_branch(self.partner)
        branch.write(
            {
                "collections_writeoff_journal_id": self.writeoff_journal.id,
                "collections_writeoff_account_id": self.writeoff_account.id,
                "collections_writeoff_reason_id": self.reason.id,
            }
        )
        partner = self.partner.with_company(branch)
        invoice = self._create_item(partner, 10, "2026-01-31", company_id=branch.id)
        self.assertEqual(invoice.company_id, branch)
        move = self._write_off(invoice)
        self.assertEqual(move.company_id, branch)
        self.assertEqual(invoice.payment_state, "paid")
        move.action_reverse_writeoff()
        self.assertEqual(invoice.amount_residual, 10)

    # === LOCK DATES === #

    def _assert_locked(self, wizard, free):
        self.assertTrue(wizard.lock_message)
        self.assertEqual(str(wizard.first_free_date), free)
        with self.assertRaises(UserError) as error:
            wizard.action_write_off()
        self.assertIn("locked", str(error.exception))
        self.assertFalse(wizard.move_ids)
        self.assertEqual(self.invoice.amount_residual, 1000)

    def test_fiscal_lock(self):
        self.company.fiscalyear_lock_date = "2026-06-30"
        wizard = self._create_wizard(self.invoice, date="2026-06-30")
        self._assert_locked(wizard, "2026-07-01")
        wizard.action_use_first_free_date()
        self.assertFalse(wizard.lock_message)
        wizard.action_write_off()
        self.assertEqual(str(wizard.move_ids.date), "2026-07-01")

    def test_hard_lock(self):
        self.company.hard_lock_date = "2026-05-31"
        self._assert_locked(
            self._create_wizard(self.invoice, date="2026-05-15"), "2026-06-01"
        )

    def test_two_locks(self):
        self.company.fiscalyear_lock_date = "2026-03-31"
        self.company.hard_lock_date = "2026-01-31"
        self._assert_locked(
            self._create_wizard(self.invoice, date="2026-01-15"), "2026-04-01"
        )

    def test_sale_lock_does_not_concern_the_journal(self):
        self.company.sale_lock_date = "2026-06-30"
        move = self._write_off(self.invoice, date="2026-06-30")
        self.assertEqual(str(move.date), "2026-06-30")

    def test_tax_lock_concerns_tax(self):
        taxed = self.init_invoice(
            "out_invoice",
            partner=self.partner,
            invoice_date="2026-01-31",
            amounts=[100],
            taxes=self.company_data["default_tax_sale"],
            post=True,
        )
        self.company.tax_lock_date = "2026-06-30"
        wizard = self._create_wizard(taxed, date="2026-06-30", separate_tax=True)
        self._assert_locked(wizard, "2026-07-01")
        wizard.separate_tax = False
        self.assertFalse(wizard.lock_message)
        wizard.action_write_off()
        self.assertEqual(str(wizard.move_ids.date), "2026-06-30")

    # === WHO === #

    def test_manager(self):
        manager = self._create_user("head", MANAGER)
        invoice = self.invoice.with_user(manager)
        action = invoice.action_open_writeoff()
        wizard = self.env[action["res_model"]].with_user(manager)
        wizard = wizard.browse(action["res_id"])
        wizard.action_write_off()
        self.assertEqual(self.invoice.payment_state, "paid")
        self.assertEqual(wizard.move_ids.create_uid, manager)
        wizard.move_ids.action_reverse_writeoff()
        self.assertEqual(self.invoice.payment_state, "not_paid")

    def test_others_may_not(self):
        for login, groups in (
            ("agent", AGENT),
            ("invoicing", "account.group_account_invoice"),
            ("bookkeeper", "account.group_account_user"),
            ("employee", "base.group_user"),
        ):
            user = self._create_user(login, groups)
            with self.subTest(user=login), self.assertRaises(AccessError):
                self._write_off(self.invoice.with_user(user))
            with self.subTest(user=login), self.assertRaises(AccessError):
                self.env["collections.writeoff.sweep.wizard"].with_user(user).create({})

    def test_manager_of_another_company_may_not(self):
        other = self.setup_other_company(name="Second")["company"]
        manager = self._create_user("other_head", MANAGER, other)
        with self.assertRaises(AccessError):
            self._write_off(self.invoice.with_user(manager))
        with self.assertRaises(AccessError):
            self.env["collections.writeoff.wizard"].with_user(manager).create(
                {"line_ids": [Command.create({"move_line_id": self.items[0].id})]}
            ).action_write_off()

    def test_wizard_of_somebody_else_is_closed(self):
        wizard = self._open(self.invoice)
        manager = self._create_user("head", MANAGER)
        with self.assertRaises(AccessError):
            wizard.with_user(manager).action_write_off()

    # === MANY === #

    def _write_off_many(self, items, customers):
        partners = [self._create_customer(f"Many {i}") for i in range(customers)]
        moves = self.env["account.move"].create(
            [
                {
                    "move_type": "out_invoice",
                    "partner_id": partners[number % customers].id,
                    "invoice_date": "2026-01-31",
                    "invoice_line_ids": [
                        Command.create(
                            {
                                "name": "Goods",
                                "price_unit": number + 1,
                                "tax_ids": [
                                    Command.set(
                                        self.company_data["default_tax_sale"].ids
                                    )
                                ],
                            }
                        )
                    ],
                }
                for number in range(items)
            ]
        )
        moves.action_post()
        wizard = self._create_wizard(moves, separate_tax=True)
        self.env.flush_all()
        self.env.invalidate_all()
        before = self.env.cr.sql_log_count
        wizard.action_write_off()
        self.env.flush_all()
        queries = self.env.cr.sql_log_count - before
        self.assertEqual(len(wizard.move_ids), customers)
        self.assertEqual(set(moves.mapped("payment_state")), {"paid"})
        return queries

    def test_queries_do_not_grow_with_the_items(self):
        few = self._write_off_many(40, 10)
        many = self._write_off_many(200, 10)
        self.assertLess((many - few) / 160, 0.5)

    def test_thousand_invoices_of_three_hundred_customers(self):
        queries = self._write_off_many(1000, 300)
        # A number for each entry is core's; beyond that items cost no queries.
        self.assertLess(queries / 1000, 3)


@tagged("post_install", "-at_install")
class TestWriteoffRpc(WriteoffCommon, HttpCase):
    def _call(self, user, model, method, *args, **kwargs):
        return self.xmlrpc_object.execute_kw(
            self.env.cr.dbname,
            user.id,
            user.login.ljust(8, "x"),
            model,
            method,
            args,
            kwargs,
        )

    def test_write_off_and_back(self):
        manager = self._create_user("head", MANAGER)
        invoice = self._create_item(self.partner, 100, "2026-01-31")
        item = self._get_term_lines(invoice)
        context = {"active_model": "account.move", "active_ids": invoice.ids}
        wizard_id = self._call(
            manager,
            "collections.writeoff.wizard",
            "create",
            {
                "date": "2026-03-31",
                "comment": "Over the wire",
                "line_ids": [(0, 0, {"move_line_id": item.id, "amount": 40.0})],
            },
            context=context,
        )
        action = self._call(
            manager, "collections.writeoff.wizard", "action_write_off", [wizard_id]
        )
        self.assertEqual(action["res_model"], "account.move")
        [values] = self._call(
            manager, "collections.writeoff.wizard", "read", [wizard_id], ["move_ids"]
        )
        move = self.env["account.move"].browse(values["move_ids"])
        self.assertEqual(move.ref, "Over the wire")
        self.assertEqual(str(move.date), "2026-03-31")
        invoice.invalidate_recordset()
        self.assertEqual(invoice.amount_residual, 60.0)
        action = self._call(
            manager, "account.move", "action_reverse_writeoff", move.ids, "2026-04-30"
        )
        self.assertEqual(action["res_model"], "account.move")
        self.env.invalidate_all()
        self.assertEqual(invoice.amount_residual, 100.0)

    def test_errors_are_texts(self):
        manager = self._create_user("head", MANAGER)
        invoice = self._create_item(self.partner, 100, "2026-01-31")
        self.company.collections_writeoff_journal_id = False
        context = {"active_model": "account.move", "active_ids": invoice.ids}
        wizard_id = self._call(
            manager, "collections.writeoff.wizard", "create", {}, context=context
        )
        with self.assertRaises(xmlrpc.client.Fault) as fault:
            self._call(
                manager, "collections.writeoff.wizard", "action_write_off", [wizard_id]
            )
        self.assertIn("no write-off journal", fault.exception.faultString)
        agent = self._create_user("collector", AGENT)
        with self.assertRaises(xmlrpc.client.Fault):
            self._call(
                agent, "collections.writeoff.wizard", "create", {}, context=context
            )
