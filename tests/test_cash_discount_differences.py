from odoo.exceptions import ValidationError
from odoo.tests import tagged

from .common import CashDiscountCommon


@tagged("post_install", "-at_install")
class TestCashDiscountDifferences(CashDiscountCommon):
    """What is paid too much or too little."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.difference_account = cls._create_account("Over and under", "600777")
        cls.penny_account = cls._create_account("Pennies", "600778")
        cls.company.write(
            {
                "collections_max_overunderpayment": 5.0,
                "collections_difference_account_id": cls.difference_account.id,
                "collections_max_penny_difference": 0.05,
                "collections_penny_difference_account_id": cls.penny_account.id,
            }
        )

    def _pay_and_undo(self, invoice, amount, lines, left=0.0, taken=0.0, date=None):
        """Pay, check entry, rest of the payment and discount, and take it back."""
        payment = self._create_payment(self.partner, amount, date or "2015-07-02")
        books, states = self._get_books(), self._get_states(invoice)
        before = self._get_entries()
        self._match(invoice, payment)
        entry = self._get_entries() - before
        if lines:
            self._assert_entry(entry, lines)
        else:
            self.assertFalse(entry)
        self.assertEqual(self._get_term_lines(payment).amount_residual, -left)
        self.assertEqual(self._get_taken(invoice), [taken])
        residual = invoice.amount_residual
        self._get_term_lines(invoice).remove_move_reconcile()
        self._assert_undone(books, states, [invoice])
        payment.action_cancel()
        return residual

    def test_payment_in_another_currency_is_worth_what_it_was_booked_with(self):
        """By the rate, 0.12 are 12.00; Odoo's wizard books the 12.01 that are open."""
        pound = self.setup_other_currency("GBP", rates=[("2015-01-01", 0.01)])
        euro = self.setup_other_currency("EUR", rates=[("2015-01-01", 2.0)])
        for currency, amount in ((self.company.currency_id, 12.01), (euro, 24.02)):
            invoice = self._create_invoice(amount, currency_id=currency.id)
            before = self._get_entries()
            payment = (
                self.env["account.payment.register"]
                .with_context(active_model="account.move", active_ids=invoice.ids)
                .create(
                    {
                        "currency_id": pound.id,
                        "amount": 0.12,
                        "payment_date": "2015-12-01",
                    }
                )
                ._create_payments()
            )
            line = self._get_term_lines(payment)
            with self.subTest(currency=currency.name):
                self.assertEqual((line.balance, line.amount_currency), (-12.01, -0.12))
                self.assertTrue(line.reconciled)
                self.assertEqual(invoice.amount_residual, 0.0)
                self.assertFalse(
                    self._get_entries() - before, "A difference was booked"
                )

    def test_discount_of_an_invoice_paid_in_a_third_currency(self):
        pound = self.setup_other_currency("GBP", rates=[("2015-01-01", 0.01)])
        euro = self.setup_other_currency("EUR", rates=[("2015-01-01", 2.0)])
        invoice = self._create_invoice(1000, currency_id=euro.id)
        payment = self._create_payment(
            self.partner, 4.95, "2015-07-02", currency_id=pound.id
        )
        books, states = self._get_books(), self._get_states(invoice)
        before = self._get_entries()
        self._match(invoice, payment)
        self._assert_entry(
            self._get_entries() - before,
            [(self.receivable, 0.0, 5.0), (self.discount_account, 5.0, 0.0)],
        )
        [discount, money] = self._get_term_lines(
            invoice
        ).matched_credit_ids.credit_move_id.sorted("balance", reverse=True)
        self.assertEqual((discount.amount_currency, discount.balance), (-10.0, -5.0))
        self.assertEqual((money.amount_currency, money.balance), (-4.95, -495.0))
        self.assertTrue(money.reconciled)
        self.assertEqual(invoice.amount_residual, 0.0)
        self.assertEqual(self._get_taken(invoice), [10.0])
        self._get_term_lines(invoice).remove_move_reconcile()
        self._assert_undone(books, states, [invoice])

    def test_underpayment(self):
        invoice = self._create_invoice(1000)
        for amount, account, short in (
            (989.97, self.penny_account, 0.03),
            (985.0, self.difference_account, 5.0),
        ):
            residual = self._pay_and_undo(
                invoice,
                amount,
                [
                    (self.discount_account, 10.0, 0.0),
                    (account, short, 0.0),
                    (self.receivable, 0.0, 10.0 + short),
                ],
                taken=10.0,
            )
            self.assertEqual(residual, 0.0)
        residual = self._pay_and_undo(
            invoice,
            984.99,
            [(self.discount_account, 9.95, 0.0), (self.receivable, 0.0, 9.95)],
            taken=9.95,
        )
        self.assertEqual(residual, 5.06)

    def test_without_discount(self):
        """Also when it is late, for an item without terms and with other amounts."""
        late = self._create_invoice(1000)
        plain = self._create_item(self.partner, 1000, "2015-07-25")
        for invoice in (late, plain):
            residual = self._pay_and_undo(
                invoice,
                997.0,
                [(self.difference_account, 3.0, 0.0), (self.receivable, 0.0, 3.0)],
                date="2015-08-01",
            )
            self.assertEqual(residual, 0.0)
            residual = self._pay_and_undo(
                invoice,
                1000.02,
                [(self.receivable, 0.02, 0.0), (self.penny_account, 0.0, 0.02)],
                date="2015-08-01",
            )
            self.assertEqual(residual, 0.0)
            residual = self._pay_and_undo(
                invoice, 1005.01, [], left=5.01, date="2015-08-01"
            )
            self.assertEqual(residual, 0.0)

    def test_overpayment_unspecific(self):
        """The discount gets smaller, whatever the limit; a rest is booked."""
        invoice = self._create_invoice(1000)
        self._pay_and_undo(
            invoice,
            990.03,
            [(self.discount_account, 9.97, 0.0), (self.receivable, 0.0, 9.97)],
            taken=9.97,
        )
        self._pay_and_undo(
            invoice,
            1004.0,
            [(self.receivable, 4.0, 0.0), (self.difference_account, 0.0, 4.0)],
        )
        self._pay_and_undo(invoice, 1200.0, [], left=200.0)

    def test_overpayment_in_another_currency(self):
        """Once 2.01 were booked as too much, and 0.01 of that stayed open."""
        euro = self.setup_other_currency("EUR", rates=[("2015-01-01", 0.47)])
        invoice = self._create_invoice(89.76)
        books, states = self._get_books(), self._get_states(invoice)
        # 88.86 and the discount of 0.90 would be 41.76 and 0.42, but 89.76 are 42.19.
        payment = self._pay(44.19, "2015-07-02", invoice, currency_id=euro.id)
        lines = self._get_term_lines(invoice, payment, self._get_entries())
        self.assertEqual(lines.mapped("reconciled"), [True] * 3)
        self.assertEqual(max(self._get_entries().line_ids.mapped("amount_currency")), 2)
        payment.action_cancel()
        self._assert_undone(books, states, [invoice])

    def test_overpayment_specific(self):
        """The discount is given in full; above the limit the rest stays open."""
        self.company.collections_cash_discount_administration = "specific"
        invoice = self._create_invoice(1000)
        discount = (self.discount_account, 10.0, 0.0)
        closed = (self.receivable, 0.0, 10.0)
        self._pay_and_undo(
            invoice,
            990.03,
            [
                discount,
                closed,
                (self.receivable, 0.03, 0.0),
                (self.penny_account, 0.0, 0.03),
            ],
            taken=10.0,
        )
        self._pay_and_undo(
            invoice,
            995.0,
            [
                discount,
                closed,
                (self.receivable, 5.0, 0.0),
                (self.difference_account, 0.0, 5.0),
            ],
            taken=10.0,
        )
        self._pay_and_undo(invoice, 1000.0, [discount, closed], left=10.0, taken=10.0)

    def test_tax_in_the_discount_only(self):
        tax = self.company_data["default_tax_sale"]
        invoice = self._create_invoice(1000, taxes=[tax])
        self._pay_and_undo(
            invoice,
            1138.0,
            [
                (self.discount_account, 10.0, 0.0),
                (self.company_data["default_account_tax_sale"], 1.5, 0.0),
                (self.difference_account, 0.5, 0.0),
                (self.receivable, 0.0, 12.0),
            ],
            taken=11.5,
        )

    def test_foreign_currency(self):
        """The limits are in company currency; 2.00 euro are 5.00 dollar."""
        euro = self.setup_other_currency(
            "EUR", rates=[("2015-01-01", 0.5), ("2015-07-01", 0.4)]
        )
        invoice = self._create_invoice(1000, currency_id=euro.id)
        for amount, rest in ((988.0, 0.0), (987.99, 2.03)):
            payment = self._pay(amount, "2015-07-02", invoice, currency_id=euro.id)
            self.assertEqual(invoice.amount_residual, rest)
            self._get_term_lines(payment).remove_move_reconcile()
            payment.action_cancel()
            self.assertEqual(invoice.amount_residual, 1000.0)

    def test_several_invoices_in_one_payment(self):
        first, second = self._create_invoice(1000), self._create_invoice(1000)
        payment = self._pay(1978, "2015-07-02", first, second)
        self.assertEqual((first | second).mapped("amount_residual"), [0.0, 0.0])
        self.assertTrue(self._get_term_lines(payment).reconciled)
        differences = self._get_entries().line_ids.filtered(
            lambda line: line.account_id == self.difference_account
        )
        self.assertEqual(sum(differences.mapped("balance")), 2.0)
        payment.action_cancel()
        self.assertEqual((first | second).mapped("amount_residual"), [1000.0, 1000.0])
        balance = self.env["account.move.line"]._read_group(
            [
                ("account_id", "=", self.difference_account.id),
                ("parent_state", "=", "posted"),
            ],
            aggregates=["balance:sum"],
        )
        self.assertEqual(balance, [(0.0,)])

    def test_installments(self):
        """What is far from closing an item is no difference."""
        term = self._create_instalments((30, 30), (30, 60), (40, 90))
        invoice = self._create_invoice(1000, term=term)
        payment = self._create_payment(self.partner, 598, "2015-07-02")
        self._match(invoice, payment)
        self.assertEqual(invoice.amount_residual, 400.0)
        self.assertEqual(self._get_entries().amount_total, 2.0)

    def test_parameters(self):
        for vals in (
            {"collections_difference_account_id": False},
            {"collections_penny_difference_account_id": False},
            {"collections_penny_difference_account_id": self.receivable.id},
        ):
            with self.assertRaises(ValidationError):
                self.company.write(vals)

    def test_account_is_decided_once(self):
        """What is 5.00 by itself may be 5.01 as the rest of a rounded sum."""
        euro = self.setup_other_currency("EUR", rates=[("2015-01-01", 1 / 1.04)])
        invoice = self._create_invoice(1007, currency_id=euro.id)
        payment = self._pay(
            1007 - 10.07 - 4.81, "2015-07-02", invoice, currency_id=euro.id
        )
        self.assertEqual(invoice.amount_residual, 0.0)
        self.assertTrue(self._get_term_lines(payment).reconciled)
        self.assertIn(self.difference_account, self._get_entries().line_ids.account_id)

    def test_the_next_payment_brings_the_rest(self):
        invoice = self._create_invoice(1000)
        payments = [
            self._create_payment(self.partner, amount, "2015-07-02")
            for amount in (986, 4)
        ]
        self._match(invoice, *payments)
        self.assertEqual(invoice.amount_residual, 0.0)
        self.assertTrue(all(self._get_term_lines(*payments).mapped("reconciled")))
        accounts = self._get_entries().line_ids.account_id
        self.assertNotIn(self.difference_account, accounts)
        self.assertEqual(self._get_taken(invoice), [10.0])
