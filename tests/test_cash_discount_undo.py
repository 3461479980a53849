import random

from odoo import Command, fields
from odoo.exceptions import AccessError
from odoo.tests import tagged

from .common import CashDiscountCommon


@tagged("post_install", "-at_install")
class TestCashDiscountUndo(CashDiscountCommon):
    """No discount stays behind, whichever way a settlement is taken back."""

    def _assert_nothing_taken(self, invoice):
        self.assertEqual(self._get_taken(invoice), [0.0])
        items = self._get_term_lines(*self._get_entries())
        self.assertTrue(all(items.mapped("reconciled")))
        self.assertEqual(sum(self._get_entries().line_ids.mapped("balance")), 0.0)
        losses = self._get_entries().line_ids.filtered(
            lambda line: line.account_id == self.discount_account
        )
        self.assertEqual(sum(losses.mapped("balance")), 0.0)

    def _create_statement_line(self, amount, date):
        return self.env["account.bank.statement.line"].create(
            {
                "journal_id": self.company_data["default_journal_bank"].id,
                "date": date,
                "payment_ref": "In",
                "partner_id": self.partner.id,
                "amount": amount,
                "counterpart_account_id": self.receivable.id,
            }
        )

    def test_discount_alone_taken_off_the_invoice(self):
        invoice = self._create_invoice(1000)
        self._pay(297, "2015-07-02", invoice)
        line = self._get_term_lines(self._get_entries())
        invoice.js_remove_outstanding_partial(line.matched_debit_ids.id)
        self.assertEqual(invoice.amount_residual, 703.0)
        self._assert_nothing_taken(invoice)

    def test_entry_taken_off_as_a_whole(self):
        invoice = self._create_invoice(1000)
        self._pay(297, "2015-07-02", invoice)
        self._get_entries().line_ids.remove_move_reconcile()
        self.assertEqual(invoice.amount_residual, 703.0)
        self._assert_nothing_taken(invoice)

    def test_payment_reset_and_changed(self):
        """Core keeps the match of a payment in draft until it is changed."""
        invoice = self._create_invoice(1000)
        payment = self._pay(297, "2015-07-02", invoice)
        payment.action_draft()
        payment.amount = 198
        payment.action_post()
        self.assertEqual(invoice.amount_residual, 1000.0)
        self._assert_nothing_taken(invoice)
        self._match(payment, invoice)
        self.assertEqual(invoice.amount_residual, 800.0)

    def test_payment_deleted(self):
        invoice = self._create_invoice(1000)
        payment = self._pay(297, "2015-07-02", invoice)
        payment.action_draft()
        payment.unlink()
        self.assertEqual(invoice.amount_residual, 1000.0)
        self._assert_nothing_taken(invoice)

    def test_invoice_reset(self):
        invoice = self._create_invoice(1000)
        self._pay(297, "2015-07-02", invoice)
        invoice.button_draft()
        invoice.invoice_line_ids.price_unit = 2000
        invoice.action_post()
        self.assertEqual(invoice.amount_residual, 2000.0)
        self._assert_nothing_taken(invoice)

    def test_statement_line_deleted(self):
        invoice = self._create_invoice(1000)
        statement_line = self._create_statement_line(297, "2015-07-02")
        self._match(statement_line.move_id, invoice)
        self.assertEqual(invoice.amount_residual, 700.0)
        statement_line.action_undo_reconciliation()
        statement_line.unlink()
        self.assertEqual(invoice.amount_residual, 1000.0)
        self._assert_nothing_taken(invoice)

    def test_invoice_reversed(self):
        """A credit note for the whole invoice takes the payment off it."""
        invoice = self._create_invoice(1000)
        payment = self._pay(297, "2015-07-02", invoice)
        invoice._reverse_moves([{"date": "2015-07-03"}], cancel=True)
        self.assertEqual(invoice.amount_residual, 0.0)
        self._assert_nothing_taken(invoice)
        self.assertEqual(self._get_term_lines(payment).amount_residual, -297.0)

    def test_in_a_locked_period(self):
        """The reversal is dated on the first free day, as core does."""
        invoice = self._create_invoice(1000)
        payment = self._pay(297, "2015-07-02", invoice)
        self.company.fiscalyear_lock_date = "2015-07-31"
        self._get_term_lines(invoice).remove_move_reconcile()
        self.assertEqual(invoice.amount_residual, 1000.0)
        entry, reversal = self._get_entries()
        self.assertEqual(str(entry.date), "2015-07-02")
        self.assertGreater(reversal.date, fields.Date.to_date("2015-07-31"))
        self.assertEqual(self._get_term_lines(payment).amount_residual, -297.0)

    def test_entry_in_draft(self):
        """Core keeps the match of an entry in draft; it goes with the payment."""
        invoice = self._create_invoice(1000)
        payment = self._pay(297, "2015-07-02", invoice)
        entry = self._get_entries()
        entry.button_draft()
        self._get_term_lines(payment).remove_move_reconcile()
        self.assertEqual(invoice.amount_residual, 1000.0)
        self.assertEqual(self._get_taken(invoice), [0.0])
        self.assertEqual(entry.state, "cancel")

    def test_payments_that_may_earn_nothing_are_no_shares(self):
        """Only rounding makes what is left differ from the rate of what is open."""
        invoice = self._create_invoice(1000)
        item = self._get_term_lines(invoice)
        item.use_cash_discount = "never"
        for _number in range(6):
            self._pay(0.5, "2015-07-02", invoice)
        item.use_cash_discount = "normal"
        [quote] = item.get_cash_discount("2015-07-02")
        self.assertEqual(quote["available"], 9.97)

    def test_credit_note_paid_out_in_another_currency(self):
        self.company.collections_credit_note_cash_discount = True
        yen = self.setup_other_currency(
            "JPY", rounding=1.0, rates=[("2015-01-01", 100.0)]
        )
        credit_note = self._create_invoice(333.33, move_type="out_refund")
        self._pay(
            33000,
            "2015-07-02",
            credit_note,
            currency_id=yen.id,
            payment_type="outbound",
        )
        self.assertEqual(self._get_taken(credit_note), [-3.33])

    def test_random_splits_and_undo(self):
        """In three tax modes and currencies of 0 to 3 decimals."""
        chance = random.Random(4)  # the same stories in every run
        tax = self.company_data["default_tax_sale"]
        # The histories of test_histories.py try the other combinations.
        for code, rounding, mode in (
            ("JPY", 1.0, "mixed"),
            ("EUR", 0.01, "included"),
            ("KWD", 0.001, "excluded"),
        ):
            currency = self.setup_other_currency(
                code, rounding=rounding, rates=[("2015-01-01", chance.uniform(0.5, 9))]
            )
            rate = chance.choice([0.5, 2, 7.5, 50])
            invoice = self._create_invoice(
                chance.choice([1, 77.77, 12345.678]) * 100 * rounding,
                term=self._create_term(rate, 14, mode),
                taxes=[tax],
                currency_id=currency.id,
            )
            with self.subTest(currency=code, mode=mode, rate=rate):
                self._check_splits(invoice, chance)

    def _check_splits(self, invoice, chance):
        currency = invoice.currency_id
        item = self._get_term_lines(invoice)
        promised = currency.round(item.amount_currency - item.discount_amount_currency)
        books, states = self._get_books(), self._get_states(invoice)
        money = item.discount_amount_currency
        payments = []
        while money > 0:
            part = currency.round(chance.uniform(0.2, 0.9) * money)
            part = min(money, max(currency.rounding, part))
            payments.append(
                self._pay(part, "2015-07-02", invoice, currency_id=currency.id)
            )
            money = currency.round(money - part)
        self.assertEqual(invoice.amount_residual, 0.0)
        self.assertEqual(item.amount_residual, 0.0)
        self.assertAlmostEqual(self._get_taken(invoice)[0], promised, 6)
        for payment in payments:
            payment.action_cancel()
        self._assert_undone(books, states, [invoice])

    def test_payments_at_several_rates_matched_in_one_go(self):
        """Odoo notes the exchange difference of the second on the first match."""
        pound = self.setup_other_currency(
            "GBP", rates=[("2015-01-01", 0.5), ("2015-07-01", 0.8)]
        )
        for use, amounts in (("normal", (297, 693)), ("never", (300, 700))):
            for undone, left, rest in ((0, 300, 600.0), (1, 700, 1400.0)):
                invoice = self._create_invoice(1000, currency_id=pound.id)
                item = self._get_term_lines(invoice)
                item.use_cash_discount = use
                payments = [
                    self._create_payment(
                        self.partner, amount, date, currency_id=pound.id
                    )
                    for amount, date in zip(
                        amounts, ("2015-06-28", "2015-07-03"), strict=True
                    )
                ]
                self._match(invoice, *payments)
                self.assertEqual(invoice.payment_state, "paid")
                self._get_term_lines(payments[undone]).remove_move_reconcile()
                with self.subTest(use=use, undone=undone):
                    self.assertEqual(item.amount_residual_currency, left)
                    self.assertEqual(item.amount_residual, rest)
                self._get_term_lines(payments[1 - undone]).remove_move_reconcile()
                self.assertEqual(item.amount_residual, 2000.0)


@tagged("post_install", "-at_install")
class TestCashDiscountReport(CashDiscountCommon):
    def _get_row(self, invoice):
        self.env.flush_all()
        self.env.invalidate_all()  # a report is read anew by each request
        row = self.env["collections.cash.discount.report"].search(
            [("move_id", "=", invoice.id)]
        )
        return (
            row.amount_offered,
            row.amount_taken,
            row.amount_lost,
            row.amount_possible,
        )

    def test_choices_and_parameter_decide_what_is_possible(self):
        today = fields.Date.today()
        for choice, date, expected in (
            ("never", today, (10.0, 0.0, 0.0, 0.0)),
            ("always", fields.Date.subtract(today, days=20), (10.0, 0.0, 0.0, 10.0)),
        ):
            invoice = self._create_invoice(1000, date=date)
            self._get_term_lines(invoice).use_cash_discount = choice
            self.assertEqual(self._get_row(invoice), expected)
        self.company.collections_partial_cash_discount = False
        invoice = self._create_invoice(1000, date=today)
        self.assertEqual(self._get_row(invoice), (10.0, 0.0, 0.0, 10.0))
        self._pay(490, str(today), invoice)
        self.assertEqual(self._get_row(invoice), (10.0, 0.0, 0.0, 0.0))
        # Core has one period only.
        term = self._create_term(2, 5)
        term.cash_discount_period_ids = [Command.create({"days": 14, "percentage": 1})]
        late = self._create_invoice(
            1000, date=fields.Date.subtract(today, days=8), term=term
        )
        self.assertEqual(self._get_row(late), (20.0, 0.0, 20.0, 0.0))

    def test_taken_lost_and_possible(self):
        late = self._create_invoice(1000)
        self._pay(297, "2015-07-02", late)
        self.assertEqual(self._get_row(late), (10.0, 3.0, 7.0, 0.0))
        today = fields.Date.today()
        term = self._create_term(2, 5)
        term.cash_discount_period_ids = [Command.create({"days": 14, "percentage": 1})]
        fresh = self._create_invoice(1000, date=today, term=term)
        self.assertEqual(self._get_row(fresh), (20.0, 0.0, 0.0, 20.0))
        self._pay(490, today, fresh)
        self.assertEqual(self._get_row(fresh), (20.0, 10.0, 0.0, 10.0))
        self._pay(490, today, fresh)
        self.assertEqual(self._get_row(fresh), (20.0, 20.0, 0.0, 0.0))
        second = self._create_invoice(
            1000, date=fields.Date.subtract(today, days=9), term=term
        )
        self.assertEqual(self._get_row(second), (20.0, 0.0, 0.0, 10.0))
        self._get_term_lines(late).remove_move_reconcile()
        self.assertEqual(self._get_row(late), (10.0, 0.0, 10.0, 0.0))

    def test_discount_of_core(self):
        self.company.collections_partial_cash_discount = False
        invoice = self._create_invoice(1000)
        self._create_register(
            invoice, payment_date="2015-07-02"
        ).action_create_payments()
        self.assertEqual(self._get_row(invoice), (10.0, 10.0, 0.0, 0.0))

    def test_foreign_currency(self):
        """Taken at the rate of the payment, offered at the rate of the invoice."""
        euro = self.setup_other_currency(
            "EUR", rates=[("2015-01-01", 0.5), ("2015-07-01", 0.4)]
        )
        invoice = self._create_invoice(1000, currency_id=euro.id)
        self._pay(990, "2015-07-02", invoice, currency_id=euro.id)
        self.assertEqual(self._get_row(invoice), (20.0, 25.0, 0.0, 0.0))

    def test_grouped_by_customer_term_and_month(self):
        invoice = self._create_invoice(1000)
        self._pay(297, "2015-07-02", invoice)
        self.env.flush_all()
        groups = self.env["collections.cash.discount.report"]._read_group(
            [("partner_id", "=", self.partner.id)],
            ["partner_id", "payment_term_id", "invoice_date:month"],
            ["amount_taken:sum", "amount_lost:sum"],
        )
        self.assertEqual(
            groups,
            [(self.partner, self.term, fields.Date.to_date("2015-06-01"), 3.0, 7.0)],
        )
        row = self.env["collections.cash.discount.report"].search(
            [("move_id", "=", invoice.id)]
        )
        self.assertEqual(row.action_open_invoice()["res_id"], invoice.id)

    def test_other_company_is_not_shown(self):
        other = self.setup_other_company(name="Second")["company"]
        user = self._create_user(
            "elsewhere", "account.group_account_readonly", companies=other
        )
        self._create_invoice(1000)
        self.env.flush_all()
        Report = self.env["collections.cash.discount.report"].with_user(user)
        self.assertFalse(Report.search([]))
        employee = self._create_user("plain", "base.group_user")
        with self.assertRaises(AccessError):
            Report.with_user(employee).search([])


@tagged("post_install", "-at_install")
class TestCashDiscountQueries(CashDiscountCommon):
    def test_quotes_of_many_items(self):
        few = [self._create_invoice(100) for _number in range(3)]
        many = few + [self._create_invoice(100) for _number in range(9)]
        self._get_term_lines(*few).get_cash_discount("2015-07-02")  # fills caches
        counts = []
        for invoices in (few, many):
            items = self._get_term_lines(*invoices)
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            items.get_cash_discount("2015-07-02")
            counts.append(self.env.cr.sql_log_count - before)
        self.assertLessEqual(counts[1], counts[0])

    def test_settlement_screen_of_many_items(self):
        counts = []
        for number in (3, 12):
            partner = self._create_customer(f"{number} invoices")
            for _number in range(number):
                self._create_invoice(100, partner_id=partner.id)
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            wizard = self._create_settlement(partner)
            wizard.read(["debit_total"])
            wizard.line_ids.read(["amount_to_settle", "move_id"])
            counts.append(self.env.cr.sql_log_count - before)
        self.assertLessEqual(counts[1] - counts[0], 2, counts)

    def test_quotes_of_many_partly_paid_items(self):
        counts = []
        for number in (2, 8):
            invoices = [self._create_invoice(100) for _number in range(number)]
            for invoice in invoices:
                self._pay(29.7, "2015-07-02", invoice)
            items = self._get_term_lines(*invoices)
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            items.get_cash_discount("2015-07-02")
            counts.append(self.env.cr.sql_log_count - before)
        self.assertLessEqual(counts[1], counts[0] + 1, counts)
