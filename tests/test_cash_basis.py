from odoo.tests import tagged

from .common import CashDiscountCommon, PaymentReturnCommon


@tagged("post_install", "-at_install")
class TestCashBasis(CashDiscountCommon, PaymentReturnCommon):
    """Taxes due on payment: each match makes the tax of its own share due.

    Core makes these entries for each plan of a reconciliation by itself. An invoice
    closed in several plans of one call would make all of its tax due by the first.
    """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.transition = cls._create_transition_account()
        cls.tax = cls.company_data["default_tax_sale"].copy(
            {
                "name": "Due on payment",
                "amount": 20,
                "tax_exigibility": "on_payment",
                "cash_basis_transition_account_id": cls.transition.id,
            }
        )
        cls.instalments = cls._create_instalments((20, 0), (30, 30), (50, 60))

    def _get_due(self, invoice):
        """Return date, amount matched, base and tax of what became due, in order."""
        moves = self.env["account.move"].search(
            [("tax_cash_basis_origin_move_id", "=", invoice.id)], order="id"
        )
        return [
            (
                str(move.date),
                move.tax_cash_basis_rec_id.debit_amount_currency,
                sum(move.line_ids.filtered("tax_ids").mapped("credit")),
                sum(move.line_ids.filtered("tax_line_id").mapped("credit")),
            )
            for move in moves
            if move.tax_cash_basis_rec_id
        ]

    def _assert_nothing_waits(self):
        lines = self.env["account.move.line"].search(
            [("account_id", "=", self.transition.id), ("parent_state", "=", "posted")]
        )
        self.assertEqual(round(sum(lines.mapped("balance")), 3), 0.0)
        self.assertEqual(set(lines.mapped("reconciled")), {True})

    def test_discount_and_payment(self):
        invoice = self._create_invoice(1000, taxes=[self.tax])
        books, states = self._get_books(), self._get_states(invoice)
        payment = self._pay(1188, "2015-07-02", invoice)
        self.assertEqual(invoice.payment_state, "paid")
        self.assertEqual(
            self._get_due(invoice),
            [("2015-07-02", 12.0, 10.0, 2.0), ("2015-07-02", 1188.0, 990.0, 198.0)],
        )
        self._assert_nothing_waits()
        self._return(payment, "2015-07-20")
        self._assert_undone(books, states, [invoice])

    def test_discount_smaller_than_a_coin_of_the_company(self):
        """As in dinars or dollars, where the company has yen."""
        dinar = self.setup_other_currency("BHD", rates=[("2000-01-01", 0.001)])
        invoice = self._create_invoice(0.25, taxes=[self.tax], currency_id=dinar.id)
        self._pay(0.297, "2015-07-02", invoice, currency_id=dinar.id)
        self.assertEqual(invoice.payment_state, "paid")
        self.assertEqual(self._get_taken(invoice), [0.003])
        self._assert_nothing_waits()

    def test_payments_of_two_months_at_once(self):
        invoice = self._create_invoice(1000, taxes=[self.tax])
        payments = [
            self._create_payment(self.partner, amount, date)
            for amount, date in ((594, "2015-07-02"), (600, "2015-08-02"))
        ]
        self._match(invoice, *payments)
        self.assertEqual(invoice.payment_state, "paid")
        self.assertEqual(
            self._get_due(invoice),
            [
                ("2015-07-02", 6.0, 5.0, 1.0),
                ("2015-07-02", 594.0, 495.0, 99.0),
                ("2015-08-02", 600.0, 500.0, 100.0),
            ],
        )
        self._assert_nothing_waits()
        self._return(payments[1], "2015-08-20")
        self.assertEqual(invoice.amount_residual, 600.0)
        [due] = self.env["account.move.line"]._read_group(
            [("tax_line_id", "=", self.tax.id), ("date", ">", "2015-08-01")],
            aggregates=["balance:sum"],
        )
        self.assertEqual(due, (0.0,), "The tax of the second payment goes back")

    def test_two_invoices_and_their_rest(self):
        """What is not paid with a discount is matched with the same call."""
        first = self._create_invoice(1000, taxes=[self.tax])
        second = self._create_invoice(
            500, term=self.instalments, taxes=[self.tax], date="2015-06-26"
        )
        self._pay(1788, "2015-07-02", first, second)
        self.assertEqual((first | second).mapped("payment_state"), ["paid", "paid"])
        self.assertEqual(
            self._get_due(first),
            [("2015-07-02", 12.0, 10.0, 2.0), ("2015-07-02", 1188.0, 990.0, 198.0)],
        )
        self.assertEqual(
            self._get_due(second),
            [
                ("2015-07-02", 120.0, 100.0, 20.0),
                ("2015-07-02", 180.0, 150.0, 30.0),
                ("2015-07-02", 300.0, 250.0, 50.0),
            ],
        )
        self._assert_nothing_waits()

    def test_matches_that_have_nothing_to_do_with_each_other(self):
        """They are taken off each on its own, and close each on its own."""
        first, second = (self._create_invoice(1000, taxes=[self.tax]) for _n in "12")
        payments = [
            self._create_payment(self.partner, amount, "2015-07-02")
            for amount in (1188, 500)
        ]
        wizard = self._create_settlement(self.partner, date="2015-07-02")
        for document in (first, second, *payments):
            self._get_line(wizard, document).marked = True
        wizard.action_settle()
        self.assertEqual((first | second).mapped("payment_state"), ["paid", "partial"])
        closed, partly = (self._get_term_lines(move) for move in (first, second))
        self.assertTrue(closed.full_reconcile_id)
        self.assertFalse(partly.full_reconcile_id)
        self.assertNotEqual(closed.matching_number, partly.matching_number)
        first.button_draft()
        self.assertEqual(second.payment_state, "partial")

    def test_instalments_written_off(self):
        invoice = self._create_invoice(1000, term=self.instalments, taxes=[self.tax])
        books, states = self._get_books(), self._get_states(invoice)
        move = self._write_off(invoice, date="2015-07-02")
        self.assertEqual(
            [due[1:] for due in self._get_due(invoice)],
            [(240.0, 200.0, 40.0), (360.0, 300.0, 60.0), (600.0, 500.0, 100.0)],
        )
        self._assert_nothing_waits()
        numbers = self._get_term_lines(invoice).mapped("matching_number")
        self.assertEqual(len(set(numbers)), 3)
        move.action_reverse_writeoff()
        self._assert_undone(books, states, [invoice])

    def test_return_undone(self):
        """In three decimals and another currency: as before, to the thousandth."""
        euro = self.setup_other_currency(
            "EUR", rates=[("2015-01-01", 0.37), ("2015-07-01", 0.41)], rounding=0.001
        )
        invoice = self._create_invoice(
            333.333, term=self.instalments, taxes=[self.tax], currency_id=euro.id
        )
        payment = self._pay(
            invoice.amount_total, "2015-07-02", invoice, currency_id=euro.id
        )
        due, books = self._get_due(invoice), self._get_books()
        self.assertEqual(len(due), 3)
        payment_return = self._return(payment, "2015-07-20")
        payment_return.action_undo("2015-07-21")
        self.assertEqual(self._get_books(), books)
        self.assertEqual(
            [row[1:] for row in self._get_due(invoice)], [row[1:] for row in due]
        )
        self._assert_nothing_waits()
