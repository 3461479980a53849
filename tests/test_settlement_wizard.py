from odoo import Command, fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import Form, tagged

from .common import AGENT, MANAGER, CashDiscountCommon


@tagged("post_install", "-at_install")
class TestSettlementWizard(CashDiscountCommon):
    def _settle(self, records, **values):
        wizard = self._create_settlement(records, **values)
        return wizard.action_settle()

    def _get_shown(self, line):
        return (
            line.cash_discount_amount,
            line.cash_discount_taken,
            line.cash_discount_to_take,
            line.amount_to_settle,
        )

    def test_part_in_time_and_the_rest_late(self):
        """CD-01, CD-01-A and CD-01-B"""
        invoice = self._create_invoice(1000)
        first = self._create_payment(self.partner, 297, "2015-07-02")
        wizard = self._create_settlement(first)
        line = self._get_line(wizard, invoice)
        self.assertEqual(str(line.cash_discount_date), "2015-07-09")
        self.assertFalse(line.marked)
        line.marked = True
        self.assertEqual(self._get_shown(line), (10.0, 0.0, 3.0, 297.0))
        self.assertEqual(self._get_line(wizard, first).amount_to_settle, -297.0)
        self.assertEqual(
            (
                wizard.debit_total,
                wizard.discount_total,
                wizard.credit_total,
                wizard.difference,
            ),
            (1000.0, 3.0, -297.0, 700.0),
        )
        self.assertFalse(self._get_entries(), "Nothing is booked before Settle")
        self.assertIs(wizard.action_settle(), True)
        self.assertEqual(invoice.amount_residual, 700.0)
        self._assert_entry(
            self._get_entries(),
            [(self.discount_account, 3.0, 0.0), (self.receivable, 0.0, 3.0)],
        )
        wizard = self._create_settlement(self.partner, date="2015-07-11")
        line = self._get_line(wizard, invoice)
        line.marked = True
        for choice, shown in (
            ("normal", (0.0, 3.0, 0.0, 700.0)),
            ("always", (7.0, 3.0, 7.0, 693.0)),
            ("normal", (0.0, 3.0, 0.0, 700.0)),
        ):
            line.use_cash_discount = choice
            self.assertEqual(self._get_shown(line), shown)
            self.assertEqual(str(line.cash_discount_date), "2015-07-09")
            self.assertEqual(wizard.amount_to_pay, shown[-1])
        self.assertEqual(self._get_term_lines(invoice).use_cash_discount, "normal")

    def test_full_amount_left_as_it_is(self):
        """Settlement adjusts it: the same 3.00 are taken."""
        invoice = self._create_invoice(1000)
        payment = self._create_payment(self.partner, 297, "2015-07-02")
        items = self._get_term_lines(invoice, payment)
        self._settle(
            items,
            line_ids=[
                Command.create(
                    {
                        "move_line_id": items[0].id,
                        "marked": True,
                        "amount_to_settle": 990.0,
                    }
                ),
                Command.create({"move_line_id": items[1].id, "marked": True}),
            ],
        )
        self.assertEqual(invoice.amount_residual, 700.0)
        self.assertEqual(self._get_taken(invoice), [3.0])

    def test_only_invoices_open_the_payment(self):
        """CD-01-A posted: 693.00 with 7.00"""
        invoice = self._create_invoice(1000)
        self._pay(297, "2015-07-02", invoice)
        wizard = self._create_settlement(invoice, date="2015-07-11")
        line = self._get_line(wizard, invoice)
        self.assertTrue(line.marked)
        line.use_cash_discount = "always"
        action = wizard.action_settle()
        self.assertEqual(action["res_model"], "account.payment.register")
        register = self.env["account.payment.register"].browse(action["res_id"])
        self.assertEqual(register.amount, 693.0)
        self.assertEqual(str(register.payment_date), "2015-07-11")
        again = (
            self.env["account.payment.register"]
            .with_context(**action["context"])
            .create({})
        )
        self.assertEqual(again.amount, 693.0)
        register.action_create_payments()
        self.assertEqual(invoice.amount_residual, 0.0)
        self.assertEqual(self._get_taken(invoice), [10.0])
        self.assertEqual(self._get_term_lines(invoice).use_cash_discount, "normal")

    def test_part_entered_by_hand_before_the_payment(self):
        first, second = self._create_invoice(1000), self._create_invoice(500)
        wizard = self._create_settlement(first | second, date="2015-07-02")
        line = self._get_line(wizard, first)
        line.amount_to_settle = 297.0
        self.assertEqual(line.cash_discount_to_take, 3.0)
        self.assertEqual(wizard.amount_to_pay, 297.0 + 495.0)
        action = wizard.action_settle()
        register = self.env["account.payment.register"].browse(action["res_id"])
        self.assertEqual(register.amount, 792.0)
        self.assertEqual(register.cash_discount_to_take, 8.0)
        payments = register._create_payments()
        self.assertEqual(len(payments), 1)
        self.assertEqual((first | second).mapped("amount_residual"), [700.0, 0.0])

    def test_choices_of_items_reach_the_payment(self):
        never, always = self._create_invoice(1000), self._create_invoice(1000)
        wizard = self._create_settlement(never | always, date="2015-08-01")
        self._get_line(wizard, never).use_cash_discount = "never"
        self._get_line(wizard, always).use_cash_discount = "always"
        register = self.env["account.payment.register"].browse(
            wizard.action_settle()["res_id"]
        )
        self.assertFalse(register.use_cash_discount)
        self.assertEqual(register.amount, 1990.0)
        register.action_create_payments()
        self.assertEqual(
            [self._get_taken(invoice) for invoice in (never, always)], [[0.0], [10.0]]
        )

    def test_amount_entered_leaves_the_rest_of_the_payment(self):
        """Core alone would match all that it can."""
        invoice = self._create_invoice(1000)
        payment = self._create_payment(self.partner, 500, "2015-07-02")
        wizard = self._create_settlement(payment)
        line = self._get_line(wizard, invoice)
        line.marked = True
        self.assertEqual(self._get_shown(line), (10.0, 0.0, 5.05, 500.0))
        line.amount_to_settle = 297.0
        self.assertEqual(self._get_shown(line), (10.0, 0.0, 3.0, 297.0))
        self.assertEqual(self._get_line(wizard, payment).amount_to_settle, -297.0)
        books, states = self._get_books(), self._get_states(invoice)
        wizard.action_settle()
        self.assertEqual(invoice.amount_residual, 700.0)
        self.assertEqual(self._get_term_lines(payment).amount_residual_currency, -203.0)
        self._get_term_lines(invoice).remove_move_reconcile()
        self._assert_undone(books, states, [invoice])

    def test_amount_entered_makes_the_discount_smaller(self):
        """Once, the payment earned all of the discount, and 5.00 of it stayed open."""
        paid, later = self._create_invoice(1000), self._create_invoice(1000)
        payment = self._create_payment(self.partner, 1200, "2015-07-02")
        wizard = self._create_settlement(paid | payment.move_id, date="2015-07-02")
        line = self._get_line(wizard, paid)
        line.amount_to_settle = 995.0
        self.assertEqual(self._get_shown(line), (10.0, 0.0, 5.0, 995.0))
        wizard.action_settle()
        self.assertEqual(self._get_term_lines(payment).amount_residual, -205.0)
        wizard = self._create_settlement(later, date="2015-07-02")
        line = self._get_line(wizard, later)
        line.amount_to_settle = 995.0
        self.assertEqual(self._get_shown(line), (10.0, 0.0, 5.0, 995.0))
        register = self.env["account.payment.register"].browse(
            wizard.action_settle()["res_id"]
        )
        self.assertEqual((register.amount, register.cash_discount_to_take), (995, 5))
        self.assertEqual(register.payment_difference, 0.0)
        payment = register._create_payments()
        self.assertEqual(self._get_term_lines(payment).amount_residual, 0.0)
        for invoice in (paid, later):
            self.assertEqual(invoice.amount_residual, 0.0)
            self.assertEqual(self._get_taken(invoice), [5.0])

    def test_nothing_entered_for_one_of_several(self):
        """Once, a payment of 0.00 was made, and a discount entered was forgotten."""
        other = self._create_customer("Other")
        none = self._create_invoice(1000, partner_id=other.id)
        paid = self._create_invoice(1000)
        items = self._get_term_lines(none, paid)
        wizard = self._create_settlement(items, date="2015-07-02")
        line = self._get_line(wizard, none)
        line.write({"amount_to_settle": 0.0, "cash_discount_to_take": 10.0})
        with self.assertRaisesRegex(UserError, "pays nothing that a discount"):
            wizard.action_settle()
        line.cash_discount_to_take = 0.0
        register = self.env["account.payment.register"].browse(
            wizard.action_settle()["res_id"]
        )
        self.assertEqual(register._create_payments().mapped("amount"), [990.0])
        self.assertEqual(items.mapped("amount_residual"), [1000.0, 0.0])

    def test_instalments_that_are_not_due_are_paid_when_marked(self):
        """Once, only what was due was proposed, and amounts entered were forgotten."""
        in_thirds = self._create_instalments((30, 30), (30, 60), (40, 90))
        invoice = self._create_invoice(1000, term=in_thirds)
        for entered, rests in ((None, [300, 0, 0]), (100, [300, 200, 0])):
            items = self._get_term_lines(invoice).sorted("date_maturity")
            wizard = self._create_settlement(items[1:], date="2015-07-02")
            if entered:
                line = wizard.line_ids.filtered(
                    lambda line, item=items[1]: line.move_line_id == item
                )
                line.amount_to_settle = entered
            register = self.env["account.payment.register"].browse(
                wizard.action_settle()["res_id"]
            )
            self.assertEqual(register.amount, wizard.amount_to_pay)
            payment = register._create_payments()
            self.assertEqual(items.mapped("amount_residual"), rests)
            payment.action_cancel()

    def test_amount_entered_of_the_payment(self):
        euro = self.setup_other_currency("EUR", rates=[("2015-01-01", 0.5)])
        invoice = self._create_invoice(1000, currency_id=euro.id)
        payment = self._create_payment(
            self.partner, 500, "2015-07-02", currency_id=euro.id
        )
        wizard = self._create_settlement(payment)
        self._get_line(wizard, invoice).marked = True
        self._get_line(wizard, payment).amount_to_settle = -297.0
        self.assertEqual(
            self._get_shown(self._get_line(wizard, invoice)), (10.0, 0.0, 3.0, 297.0)
        )
        wizard.action_settle()
        item, line = self._get_term_lines(invoice, payment)
        self.assertEqual(
            (item.amount_residual_currency, item.amount_residual), (700.0, 1400.0)
        )
        self.assertEqual(
            (line.amount_residual_currency, line.amount_residual), (-203.0, -406.0)
        )

    def test_discount_by_hand(self):
        invoice = self._create_invoice(1000)
        payment = self._create_payment(self.partner, 300, "2015-08-01")
        wizard = self._create_settlement(payment)
        line = self._get_line(wizard, invoice)
        line.marked = True
        self.assertEqual(line.cash_discount_to_take, 0.0)
        line.cash_discount_to_take = 25.0
        self.assertEqual(line.amount_to_settle, 300.0)
        wizard.action_settle()
        self.assertEqual(invoice.amount_residual, 675.0)
        self.assertEqual(self._get_taken(invoice), [25.0])

    def test_discount_by_hand_without_terms(self):
        none = self.env["account.payment.term"].create({"name": "At once"})
        invoice = self._create_invoice(1000, term=none)
        payment = self._create_payment(self.partner, 490, "2015-07-01")
        wizard = self._create_settlement(payment)
        line = self._get_line(wizard, invoice)
        line.marked = True
        line.cash_discount_to_take = 10.0
        wizard.action_settle()
        self.assertEqual(invoice.amount_residual, 500.0)
        self.assertEqual(self._get_taken(invoice), [10.0])
        self.assertEqual(self._get_term_lines(invoice).cash_discount_taken, 10.0)
        line = self._get_line(self._create_settlement(self.partner), invoice)
        self.assertEqual(line.cash_discount_taken, 10.0)

    def test_discount_by_hand_without_terms_before_the_payment(self):
        """Once, the payment wizard said that the discount stays open."""
        none = self.env["account.payment.term"].create({"name": "At once"})
        invoice = self._create_invoice(1000, term=none)
        wizard = self._create_settlement(invoice, date="2015-07-02")
        self._get_line(wizard, invoice).cash_discount_to_take = 10.0
        register = self.env["account.payment.register"].browse(
            wizard.action_settle()["res_id"]
        )
        self.assertEqual(register.amount, 990.0)
        self.assertTrue(register.has_cash_discount)
        self.assertEqual(register.cash_discount_to_take, 10.0)
        self.assertEqual(register.payment_difference, 0.0)
        register._create_payments()
        self.assertEqual(invoice.amount_residual, 0.0)
        self.assertEqual(self._get_taken(invoice), [10.0])

    def test_amount_entered_without_terms_in_several_payments(self):
        """Once, each payment was of all that is open, and the rest of it stayed."""
        euro = self.setup_other_currency("EUR", rates=[("2015-01-01", 0.5)])
        none = self.env["account.payment.term"].create({"name": "At once"})
        for currencies, values in (
            ((self.company.currency_id, euro), {}),
            ((euro, euro), {"group_payment": False}),
        ):
            invoices = [
                self._create_invoice(1000, term=none, currency_id=currency.id)
                for currency in currencies
            ]
            wizard = self._create_settlement(
                self._get_term_lines(*invoices), date="2015-07-02"
            )
            self._get_line(wizard, invoices[0]).amount_to_settle = 100.0
            self._get_line(wizard, invoices[1]).cash_discount_to_take = 20.0
            register = self.env["account.payment.register"].browse(
                wizard.action_settle()["res_id"]
            )
            register.write(values)
            payments = register._create_payments()
            self.assertEqual(sorted(payments.mapped("amount")), [100.0, 980.0])
            self.assertTrue(all(self._get_term_lines(*payments).mapped("reconciled")))
            self.assertEqual(
                [invoice.amount_residual for invoice in invoices], [900.0, 0.0]
            )
            self.assertEqual(
                [self._get_taken(invoice) for invoice in invoices], [[0.0], [20.0]]
            )

    def test_amount_entered_and_paid_in_a_third_currency(self):
        """Once, the rate of the day was taken, and what was too much stayed open."""
        euro = self.setup_other_currency(
            "EUR", rates=[("2015-01-01", 0.5), ("2015-07-01", 0.4)]
        )
        pound = self.setup_other_currency("GBP", rates=[("2015-01-01", 0.8)])
        for entered, amount, discount, left in (
            ({"amount_to_settle": 594.0}, 2534.4, 25.6, 400.0),
            ({"cash_discount_to_take": 20.0}, 3152.0, 48.0, 0.0),
        ):
            invoices = [
                self._create_invoice(1000, currency_id=euro.id) for _number in range(2)
            ]
            wizard = self._create_settlement(
                self._get_term_lines(*invoices), date="2015-07-02"
            )
            self._get_line(wizard, invoices[0]).write(entered)
            register = self.env["account.payment.register"].browse(
                wizard.action_settle()["res_id"]
            )
            register.currency_id = pound
            self.assertEqual(
                (register.amount, register.cash_discount_to_take), (amount, discount)
            )
            [payment] = register._create_payments()
            self.assertTrue(self._get_term_lines(payment).reconciled)
            self.assertEqual(
                [invoice.amount_residual for invoice in invoices], [left, 0.0]
            )

    def test_entries_by_hand_stay_until_the_line_changes(self):
        invoice, other = self._create_invoice(1000), self._create_invoice(500)
        wizard = self._create_settlement(invoice, date="2015-07-02")
        line, other_line = (
            self._get_line(wizard, invoice),
            self._get_line(wizard, other),
        )
        line.amount_to_settle = 297.0
        other_line.marked = True
        self.assertEqual(line.amount_to_settle, 297.0)
        line.use_cash_discount = "never"
        self.assertEqual(line.amount_to_settle, 1000.0)
        line.use_cash_discount = "normal"
        line.cash_discount_to_take = 5.0
        self.assertEqual(line.amount_to_settle, 995.0)
        wizard.date = "2015-07-03"
        self.assertEqual(self._get_shown(line), (10.0, 0.0, 10.0, 990.0))

    def test_screen(self):
        """What the web client sends back is not taken for entered by hand."""
        invoice = self._create_invoice(1000)
        payment = self._create_payment(self.partner, 297, "2015-07-02")
        wizard = self._create_settlement(self.partner)
        with Form(wizard) as form:
            for position in range(2):
                with form.line_ids.edit(position) as line:
                    line.marked = True
            with form.line_ids.edit(0) as line:
                self.assertEqual(line.amount_to_settle, 297.0)
                self.assertEqual(line.cash_discount_to_take, 3.0)
            self.assertEqual(form.difference, 700.0)
        self.assertFalse(any(wizard.line_ids.mapped("has_amount_entered")))
        with Form(wizard) as form:
            with form.line_ids.edit(0) as line:
                line.amount_to_settle = 99.0
            with form.line_ids.edit(0) as line:
                self.assertEqual(line.amount_to_settle, 99.0)
                self.assertEqual(line.cash_discount_to_take, 1.0)
        self.assertEqual(wizard.line_ids.mapped("has_amount_entered"), [True, False])
        wizard.action_settle()
        self.assertEqual(invoice.amount_residual, 900.0)
        self.assertEqual(self._get_term_lines(payment).amount_residual, -198.0)

    def test_selected_date(self):
        invoice = self._create_invoice(1000)
        payment = self._create_payment(self.partner, 990, "2015-07-20")
        wizard = self._create_settlement(payment)
        line = self._get_line(wizard, invoice)
        line.marked = True
        self.assertEqual(self._get_shown(line), (0.0, 0.0, 0.0, 990.0))
        wizard.write({"discount_date_basis": "selected", "date": "2015-07-09"})
        self.assertEqual(self._get_shown(line), (10.0, 0.0, 10.0, 990.0))
        wizard.action_settle()
        self.assertEqual(invoice.amount_residual, 0.0)
        self.assertEqual(str(self._get_entries().date), "2015-07-20")

    def test_credit_note_and_payment(self):
        invoice = self._create_invoice(1000)
        credit_note = self._create_item(self.partner, -100, "2015-06-30")
        payment = self._create_payment(self.partner, 891, "2015-07-02")
        wizard = self._create_settlement(self.partner)
        wizard.action_mark_all()
        self.assertEqual(wizard.difference, 0.0)
        self.assertEqual(wizard.discount_total, 9.0)
        wizard.action_settle()
        items = self._get_term_lines(invoice, credit_note, payment)
        self.assertTrue(all(items.mapped("reconciled")))

    def test_lines_given_over_rpc_replace_the_proposal(self):
        """The payment that the wizard is opened on need not be listed."""
        first, second = self._create_invoice(1000), self._create_invoice(1000)
        payment = self._create_payment(self.partner, 297, "2015-07-02")
        wizard = self._create_settlement(
            payment,
            line_ids=[
                Command.create(
                    {
                        "move_line_id": self._get_term_lines(second).id,
                        "marked": True,
                        "use_cash_discount": "never",
                        "amount_to_settle": 200.0,
                    }
                )
            ],
        )
        self.assertEqual(len(wizard.line_ids), 2)
        wizard.action_settle()
        self.assertEqual((first | second).mapped("amount_residual"), [1000.0, 800.0])

    def test_several_customers(self):
        """Each pays his own; what is too much goes to the other one that is marked."""
        other = self.env["res.partner"].create({"name": "Other"})
        first, second = (
            self._create_invoice(1000, partner_id=partner.id)
            for partner in (self.partner, other)
        )
        payments = self._create_payment(
            self.partner, 1188, "2015-07-01"
        ) | self._create_payment(other, 792, "2015-07-02")
        wizard = self._create_settlement(self._get_term_lines(first, second, *payments))
        self.assertEqual(
            [
                (line.amount_to_settle, line.cash_discount_to_take)
                for line in (self._get_line(wizard, own) for own in (first, second))
            ],
            [(990.0, 10.0), (990.0, 10.0)],
        )
        self.assertEqual(wizard.difference, 0.0)
        wizard.action_settle()
        lines = self._get_term_lines(first, second, *payments)
        self.assertTrue(all(lines.mapped("reconciled")))
        self.assertEqual(
            [sum(self._get_taken(invoice)) for invoice in (first, second)], [10, 10]
        )
        matched = self._get_term_lines(first).matched_credit_ids.credit_move_id
        self.assertIn(self._get_term_lines(payments[0]), matched)
        self.assertNotIn(self._get_term_lines(payments[1]), matched)

    def test_short_money_oldest_first(self):
        newer = self._create_invoice(1000, date="2015-06-26")
        older = self._create_invoice(1000, date="2015-06-25")
        payment = self._create_payment(self.partner, 1287, "2015-07-02")
        wizard = self._create_settlement(payment)
        wizard.action_mark_all()
        self.assertEqual(
            self._get_shown(self._get_line(wizard, older)), (10.0, 0.0, 10.0, 990.0)
        )
        self.assertEqual(
            self._get_shown(self._get_line(wizard, newer)), (10.0, 0.0, 3.0, 297.0)
        )
        wizard.action_settle()
        self.assertEqual((newer | older).mapped("amount_residual"), [700.0, 0.0])

    def test_discount_entered_stays_with_several_payments(self):
        for entered, left in (
            (5.0, [5.0, 0.0]),
            (0.0, [10.0, 0.0]),
            (20.0, [0.0, -10.0]),
        ):
            invoice = self._create_invoice(1000)
            payments = [
                self._create_payment(self.partner, 297, "2015-07-02"),
                self._create_payment(self.partner, 693, "2015-07-03"),
            ]
            wizard = self._create_settlement(self._get_term_lines(invoice, *payments))
            line = self._get_line(wizard, invoice)
            line.cash_discount_to_take = entered
            self.assertEqual(line.cash_discount_to_take, entered)
            wizard.action_settle()
            self.assertEqual(self._get_taken(invoice), [entered])
            rest = sum(self._get_term_lines(*payments).mapped("amount_residual"))
            self.assertEqual([invoice.amount_residual, rest], left)

    def test_discount_entered_waits_for_a_payment_that_it_goes_with(self):
        for entered in (5.0, 6.0):
            invoice = self._create_invoice(100)
            credit_note = self._create_item(self.partner, -95, "2015-06-30")
            payments = [
                self._create_payment(self.partner, 3, f"2015-07-0{day}")
                for day in (2, 3)
            ]
            items = self._get_term_lines(invoice, credit_note, *payments)
            wizard = self._create_settlement(items)
            line = self._get_line(wizard, invoice)
            line.cash_discount_to_take = entered
            with self.assertRaisesRegex(UserError, "Change the discount or the marks"):
                wizard.action_settle()
            line.cash_discount_to_take = 2.0
            wizard.action_settle()
            self.assertTrue(all(items[:3].mapped("reconciled")))
            self.assertEqual(items[3].amount_residual, -3.0)
            self.assertEqual(self._get_taken(invoice), [2.0])

    def test_discount_entered_is_not_cut_by_what_is_paid_too_much(self):
        for administration in ("unspecific", "specific"):
            self.company.collections_cash_discount_administration = administration
            for paid, entered, rest in ((990, 20.0, -10.0), (1000, 5.0, -5.0)):
                invoice = self._create_invoice(1000)
                payment = self._create_payment(self.partner, paid, "2015-07-02")
                items = self._get_term_lines(invoice, payment)
                wizard = self._create_settlement(items)
                line = self._get_line(wizard, invoice)
                line.cash_discount_to_take = entered
                self.assertEqual(
                    (line.cash_discount_to_take, line.amount_to_settle),
                    (entered, 1000 - entered),
                )
                wizard.action_settle()
                self.assertEqual(invoice.amount_residual, 0.0)
                self.assertEqual(self._get_taken(invoice), [entered])
                self.assertEqual(items[1].amount_residual, rest)
                other = self._create_item(self.partner, -rest, "2015-06-25")
                self._match(payment, other)

    def test_what_is_no_part_of_the_item_is_refused(self):
        """It is not cut to what would be possible: the user says what he meant."""
        invoice = self._create_invoice(1000)
        payment = self._create_payment(self.partner, 990, "2015-07-02")
        items = self._get_term_lines(invoice, payment)
        books = self._get_books()
        for entered in (
            {"cash_discount_to_take": 20.0, "amount_to_settle": 990.0},
            {"cash_discount_to_take": 30.0, "amount_to_settle": 980.0},
            {"cash_discount_to_take": 1000.0},
            {"cash_discount_to_take": 5000.0},
            {"amount_to_settle": 9999.0},
            {"amount_to_settle": -100.0},
            {"amount_to_settle": 100.0, "cash_discount_to_take": -4.0},
        ):
            with self.subTest(**entered):
                values = {"move_line_id": items[0].id, "marked": True, **entered}
                given = self._create_settlement(
                    payment, line_ids=[Command.create(values)]
                )
                written = self._create_settlement(items)
                self._get_line(written, invoice).write(entered)
                for wizard in (given, written):
                    line = self._get_line(wizard, invoice)
                    for name, amount in entered.items():
                        self.assertEqual(line[name], amount)
                    with self.assertRaisesRegex(UserError, "is not a part of it"):
                        wizard.action_settle()
        wizard = self._create_settlement(items)
        self._get_line(wizard, payment).amount_to_settle = 990.0
        with self.assertRaisesRegex(UserError, "is not a part of it"):
            wizard.action_settle()
        wizard = self._create_settlement(items)
        self._get_line(wizard, invoice).amount_to_settle = 0.0
        with self.assertRaisesRegex(UserError, "Nothing would be settled"):
            wizard.action_settle()
        self.assertEqual(self._get_books(), books)
        # What is wrong can be mended on the same screen.
        line = self._get_line(wizard, invoice)
        line.amount_to_settle = 297.0
        wizard.action_settle()
        self.assertEqual(invoice.amount_residual, 700.0)

    def test_refusals(self):
        invoice = self._create_invoice(1000)
        payment = self._create_payment(self.partner, 297, "2015-07-02")
        wizard = self._create_settlement(self.partner)
        with self.assertRaisesRegex(UserError, "Mark the invoices"):
            wizard.action_settle()
        self._get_line(wizard, payment).marked = True
        with self.assertRaisesRegex(UserError, "Only payments and credits"):
            wizard.action_settle()
        line = self._get_line(wizard, invoice)
        line.marked = True
        line.write({"amount_to_settle": 990.0, "cash_discount_to_take": 20.0})
        self._get_line(wizard, payment).marked = False
        with self.assertRaisesRegex(UserError, "is not a part of it"):
            wizard.action_settle()
        line.use_cash_discount = "never"
        self._get_line(wizard, payment).marked = True
        self._match(invoice, payment)
        with self.assertRaisesRegex(UserError, "settled meanwhile"):
            wizard.action_settle()
        with self.assertRaisesRegex(UserError, "nothing is selected"):
            self._create_settlement(self.env["res.partner"])
        with self.assertRaisesRegex(UserError, "Nothing is open"):
            self._create_settlement(self._create_customer("Nobody"))

    def test_reset_to_draft_meanwhile(self):
        """What is in draft is neither matched nor paid, and Settle says so."""
        invoice = self._create_invoice(1000)
        payment = self._create_payment(self.partner, 297, "2015-07-02")
        wizard = self._create_settlement(self.partner)
        wizard.action_mark_all()
        invoice.button_draft()
        with self.assertRaisesRegex(UserError, "not posted items"):
            wizard.action_settle()
        self._get_line(wizard, payment).marked = False
        with self.assertRaisesRegex(UserError, "not posted items"):
            wizard.action_settle()
        invoice.action_post()
        self._get_line(wizard, payment).marked = True
        payment.action_draft()
        with self.assertRaisesRegex(UserError, "not posted items"):
            wizard.action_settle()
        payment.action_post()
        self.assertIs(wizard.action_settle(), True)
        self.assertEqual(invoice.amount_residual, 700.0)

    def test_other_account(self):
        other = self._create_account("Other", "121999", "asset_receivable")
        invoice = self._create_invoice(1000)
        payment = self._create_payment(
            self.partner, 297, "2015-07-02", destination_account_id=other.id
        )
        wizard = self._create_settlement(self.partner)
        wizard.action_mark_all()
        with self.assertRaisesRegex(UserError, "nothing else is marked"):
            wizard.action_settle()
        self.assertEqual(invoice.amount_residual, 1000.0)
        self.assertTrue(payment)

    def test_who_may(self):
        invoice = self._create_invoice(1000)
        for groups in (AGENT, "account.group_account_invoice"):
            user = self._create_user(f"no_{groups[-5:]}", groups)
            with self.assertRaises(AccessError):
                self.env["collections.settlement.wizard"].with_user(user)._open(invoice)
        manager = self._create_user("settling", MANAGER)
        payment = self._create_payment(self.partner, 297, "2015-07-02")
        wizard = self._create_settlement(payment.with_user(manager))
        wizard.line_ids.marked = True
        wizard.action_settle()
        self.assertEqual(invoice.amount_residual, 700.0)

    def test_locked_day_is_told(self):
        invoice = self._create_invoice(1000)
        payment = self._create_payment(self.partner, 297, "2015-07-02")
        self.company.fiscalyear_lock_date = "2015-07-31"
        wizard = self._create_settlement(payment)
        self.assertFalse(wizard.lock_message)
        self._get_line(wizard, invoice).marked = True
        self.assertIn("2015-08-01", wizard.lock_message)
        wizard.action_settle()
        self.assertEqual(str(self._get_entries().date), "2015-08-01")

    def test_child_contact(self):
        contact = self.env["res.partner"].create(
            {"name": "Branch office", "parent_id": self.partner.id}
        )
        invoice = self._create_invoice(1000, partner_id=contact.id)
        payment = self._create_payment(self.partner, 990, "2015-07-02")
        wizard = self._create_settlement(contact)
        wizard.action_mark_all()
        wizard.action_settle()
        self.assertTrue(
            all(self._get_term_lines(invoice, payment).mapped("reconciled"))
        )

    def test_subsidiary_is_another_customer(self):
        subsidiary = self._create_customer(
            "Subsidiary", is_company=True, parent_id=self.partner.id
        )
        invoice = self._create_invoice(1000)
        other = self._create_invoice(500, partner_id=subsidiary.id)
        for records, expected in (
            (self.partner, invoice),
            (invoice, invoice),
            (subsidiary, other),
            (self.partner | subsidiary, invoice | other),
        ):
            wizard = self._create_settlement(records)
            self.assertEqual(wizard.line_ids.move_id, expected)

    def test_exchange_differences(self):
        """With another rate on the day of the payment, with terms and without."""
        euro = self.setup_other_currency(
            "EUR", rates=[("2015-01-01", 0.5), ("2015-07-01", 0.4137)]
        )
        plain = self._create_item(
            self.partner,
            1000,
            "2015-07-25",
            date="2015-06-25",
            currency_id=euro.id,
        )
        for invoice, amount in (
            (self._create_invoice(1000, currency_id=euro.id), 990),
            (plain, 1000),
        ):
            payment = self._create_payment(
                self.partner, amount, "2015-07-02", currency_id=euro.id
            )
            items = self._get_term_lines(invoice, payment)
            books, states = self._get_books(), self._get_states(invoice)
            wizard = self._create_settlement(items)
            wizard.action_settle()
            lines = items | self._get_term_lines(*self._get_entries())
            self.assertTrue(all(lines.mapped("reconciled")))
            self.assertEqual(set(lines.mapped("amount_residual")), {0.0})
            items[0].remove_move_reconcile()
            self._assert_undone(books, states, [invoice])
            payment.action_cancel()

    def test_credit_note_in_another_currency(self):
        """Odoo matches it at the rate of the day of the one in company currency."""
        euro = self.setup_other_currency(
            "EUR", rates=[("2015-01-01", 0.5), ("2015-07-01", 0.4)]
        )
        own = self.company.currency_id
        for currency, other, credit, paid in (
            (own, euro, 200, 594),  # 400 dollars on the day of the invoice
            (euro, own, 500, 792),  # 200 euros on the day of the credit note
            (euro, euro, 200, 792),
        ):
            invoice = self._create_invoice(1000, currency_id=currency.id)
            credit_note = self._create_item(
                self.partner, -credit, "2015-07-02", currency_id=other.id
            )
            payment = self._create_payment(
                self.partner, paid, "2015-07-02", currency_id=currency.id
            )
            items = self._get_term_lines(invoice, credit_note, payment)
            documents = [invoice, credit_note]
            books, states = self._get_books(), self._get_states(*documents)
            wizard = self._create_settlement(items)
            self.assertEqual(
                self._get_line(wizard, invoice).amount_to_settle
                + self._get_line(wizard, invoice).cash_discount_to_take,
                1000.0,
            )
            self.assertEqual(wizard.difference, 0.0)
            wizard.action_settle()
            lines = items | self._get_term_lines(*self._get_entries())
            self.assertTrue(all(lines.mapped("reconciled")))
            items.remove_move_reconcile()
            self._assert_undone(books, states, documents)
            payment.action_cancel()
            credit_note.button_draft()
            invoice.button_draft()
            (invoice | credit_note).unlink()

    def test_credit_note_paid_out_in_another_currency(self):
        """What a payment was booked with is its rate, also where it is the debit."""
        euro = self.setup_other_currency(
            "EUR", rates=[("2015-01-01", 0.5), ("2015-07-01", 0.4)]
        )
        credit_note = self._create_item(self.partner, -400, "2015-07-02")
        invoice = self._create_item(self.partner, 100, "2015-06-25")
        payment = self._create_payment(
            self.partner,
            200,
            "2015-06-25",
            currency_id=euro.id,
            payment_type="outbound",
        )
        wizard = self._create_settlement(
            self._get_term_lines(credit_note, invoice, payment)
        )
        line = self._get_line(wizard, payment)
        stays_open = line.amount_residual - line.amount_to_settle
        wizard.action_settle()
        self.assertEqual(
            self._get_term_lines(payment).amount_residual_currency, stays_open
        )
        self.assertEqual(stays_open, 50.0)
        self.assertEqual(credit_note.amount_residual, 0.0)

    def test_payment_paid_back_in_another_currency(self):
        """The rate is that of the day of the one in company currency."""
        euro = self.setup_other_currency(
            "EUR", rates=[("2015-01-01", 0.5), ("2015-07-01", 0.4)]
        )
        own = self.company.currency_id
        for amounts, currencies, days, rests in (
            ((1000, 100), (own, euro), (2, -9), [750, 0]),
            ((1000, 100), (own, euro), (-9, 2), [800, 0]),
            ((500, 100), (euro, own), (2, -9), [450, 0]),
        ):
            payments = [
                self._create_payment(
                    self.partner,
                    amount,
                    fields.Date.add(fields.Date.to_date("2015-07-01"), days=day),
                    currency_id=currency.id,
                    payment_type=payment_type,
                )
                for amount, currency, day, payment_type in zip(
                    amounts, currencies, days, ("outbound", "inbound"), strict=True
                )
            ]
            items = self._get_term_lines(*payments)
            wizard = self._create_settlement(items)
            self.assertEqual(
                [
                    line.amount_residual - line.amount_to_settle
                    for payment in payments
                    for line in self._get_line(wizard, payment)
                ],
                rests,
            )
            wizard.action_settle()
            self.assertEqual(items.mapped("amount_residual_currency"), rests)

    def test_another_currency_is_used_up(self):
        """Converted there and back, the payment would be a unit more than it is."""
        euro = self.setup_other_currency("EUR", rates=[("2015-01-01", 0.8771)])
        invoice = self._create_invoice(20000, currency_id=euro.id)
        payment = self._create_payment(self.partner, 1000.04, "2015-07-02")
        wizard = self._create_settlement(payment)
        wizard.action_mark_all()
        self.assertEqual(self._get_line(wizard, payment).amount_to_settle, -1000.04)
        wizard.action_settle()
        self.assertTrue(self._get_term_lines(payment).reconciled)
        self.assertLess(invoice.amount_residual, 20000.0)

    def test_screen_corrected_after_a_first_try(self):
        first, second = self._create_invoice(1000), self._create_invoice(500)
        wizard = self._create_settlement(self.partner, date="2015-07-02")
        with Form(wizard) as form:
            with form.line_ids.edit(0) as line:
                line.marked = True
            with form.line_ids.edit(0) as line:
                line.amount_to_settle = 297.0
        with Form(wizard) as form:
            with form.line_ids.edit(0) as line:
                line.amount_to_settle = 99.0
            with form.line_ids.edit(1) as line:
                line.marked = True
            with form.line_ids.edit(1) as line:
                line.amount_to_settle = 49.5
        self.assertEqual(
            [
                self._get_shown(self._get_line(wizard, invoice))[2:]
                for invoice in (first, second)
            ],
            [(1.0, 99.0), (0.5, 49.5)],
        )
        with Form(wizard) as form, form.line_ids.edit(0) as line:
            line.cash_discount_to_take = 5.0
        self.assertEqual(
            self._get_shown(self._get_line(wizard, first))[2:], (5.0, 99.0)
        )

    def test_booked_differences_are_shown(self):
        self.company.write(
            {
                "collections_max_overunderpayment": 5.0,
                "collections_difference_account_id": self.writeoff_account.id,
            }
        )
        invoice = self._create_invoice(1000)
        payment = self._create_payment(self.partner, 986, "2015-07-02")
        wizard = self._create_settlement(self.partner)
        wizard.action_mark_all()
        self.assertEqual(
            (wizard.discount_total, wizard.booked_total, wizard.difference),
            (10.0, 4.0, 0.0),
        )
        wizard.action_settle()
        items = self._get_term_lines(invoice, payment)
        self.assertTrue(all(items.mapped("reconciled")))
        other = self._create_invoice(1000)
        register = self._create_register(other, payment_date="2015-07-02")
        register.amount = 986.0
        self.assertEqual(register.payment_difference, 0.0)
