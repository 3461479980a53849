from odoo import Command
from odoo.exceptions import UserError
from odoo.tests import tagged

from .common import PaymentReturnCommon


@tagged("post_install", "-at_install")
class TestPaymentReturnUndo(PaymentReturnCommon):
    def test_undo_puts_everything_back(self):
        self.bank.collections_nsf_fee_product_id = self.fee_product
        invoices = [
            self._create_item(self.partner, amount, "2026-01-31")
            for amount in (100, 200, 300)
        ]
        payment = self._pay(550, "2026-02-10", *invoices)
        books = self._get_books()
        states = self._get_states(*invoices)
        payment_state = payment.state
        partials = self._get_partials(payment)
        payment_return = self._return(payment, "2026-02-20")
        entry, fee = payment_return.move_id, payment_return.fee_move_id
        self.assertNotEqual(self._get_books(), books)
        action = payment_return.action_undo("2026-02-25")
        self.assertEqual(action["res_model"], "collections.payment.return")
        self._assert_undone(books, states, invoices)
        self.assertEqual(payment.state, payment_state)
        self.assertEqual(self._get_partials(payment), partials)
        self.assertEqual(payment_return.state, "cancelled")
        self.assertEqual(str(payment_return.undo_date), "2026-02-25")
        self.assertEqual(str(entry.reversal_move_ids.date), "2026-02-25")
        self.assertEqual(fee.payment_state, "reversed")
        self.assertEqual(str(fee.reversal_move_ids.invoice_date), "2026-02-25")
        self.assertEqual(self.partner.collections_returned_payment_count, 0)
        self.assertFalse(payment.collections_is_returned)
        with self.assertRaisesRegex(UserError, "undone already"):
            payment_return.action_undo()
        with self.assertRaisesRegex(UserError, "were not returned"):
            payment.action_undo_return()

    def test_documents_say_that_the_return_was_undone(self):
        invoices = [
            self._create_item(self.partner, amount, "2026-01-31")
            for amount in (100, 200, 300)
        ]
        payment = self._pay(300, "2026-02-10", *invoices[:2])
        payment_return = self._return(payment, "2026-02-20")
        payment_return.action_undo("2026-02-25")
        for invoice in invoices[:2]:
            bodies = [str(message.body) for message in invoice.message_ids]
            text = f"The return of {payment.name} was undone on 02/25/2026."
            self.assertEqual(sum(text in body for body in bodies), 1)
            self.assertTrue(any("The bank returned" in body for body in bodies))
        bodies = " ".join(map(str, invoices[2].message_ids.mapped("body")))
        self.assertNotIn("undone", bodies)

    def _get_partials(self, payment):
        lines = self._get_term_lines(payment)
        return sorted(
            (partial.debit_move_id.id, partial.amount)
            for partial in lines.matched_debit_ids
        )

    def _settle_part(self, payment, invoice, amount):
        """Settle a part of an invoice with a part of a payment."""
        wizard = self._create_settlement(payment)
        line = self._get_line(wizard, invoice)
        line.marked = True
        line.amount_to_settle = amount
        wizard.action_settle()

    def test_parts_that_were_settled_are_settled_again_and_no_more(self):
        """An item may have been settled with a payment more than once."""
        krona = self.setup_other_currency("SEK", rates=[("2026-01-01", 8.0)])
        for currency in (self.company.currency_id, krona):
            for paid in (self.company.currency_id, krona):
                invoices = [
                    self._create_item(
                        self.partner, amount, "2026-01-31", currency_id=currency.id
                    )
                    for amount in (500, 300)
                ]
                amount = self.company.currency_id._convert(
                    700 / (8 if currency == krona else 1),
                    paid,
                    self.company,
                    "2026-02-10",
                )
                payment = self._pay(amount, "2026-02-10", currency_id=paid.id)
                for invoice, part in zip(
                    (*invoices, *invoices), (33.33, 100, 66.67, 50.01), strict=True
                ):
                    self._settle_part(payment, invoice, part)
                self.assertEqual(
                    [invoice.amount_residual for invoice in invoices], [400.0, 149.99]
                )
                documents = [*invoices, payment.move_id]
                books, states = self._get_books(), self._get_states(*documents)
                partials = self._get_partials(payment)
                self.assertEqual(len(partials), 4)
                payment_return = self._return(payment, "2026-02-20")
                payment_return.action_undo("2026-02-25")
                self._assert_undone(books, states, documents)
                self.assertEqual(self._get_partials(payment), partials)

    def test_parts_are_settled_again_in_their_order(self):
        """In another order, what rounding leaves would become an exchange gain."""
        krona = self.setup_other_currency("SEK", rates=[("2026-01-01", 0.91)])
        invoices = [
            self._create_item(self.partner, amount, "2026-01-31", currency_id=krona.id)
            for amount in (179.83, 187.22)
        ]
        payment = self._pay(304.64, "2026-02-10", currency_id=krona.id)
        first, second = invoices
        self._settle_part(payment, first, 143.86)
        self._settle_part(payment, first, 35.97)
        self._match(payment, second)
        documents = [*invoices, payment.move_id]
        self.assertEqual(self._get_term_lines(payment).amount_residual, 0.0)
        books, states = self._get_books(), self._get_states(*documents)
        partials = self._get_partials(payment)
        payment_return = self._return(payment, "2026-02-20")
        payment_return.action_undo("2026-02-25")
        self._assert_undone(books, states, documents)
        self.assertEqual(self._get_partials(payment), partials)

    def test_invoice_that_is_in_draft(self):
        """Odoo leaves it matched, and the payment is none that is open."""
        invoice = self._create_item(self.partner, 500, "2026-01-31")
        payment = self._pay(500, "2026-02-10", invoice)
        for is_draft_before in (True, False):
            if is_draft_before:
                invoice.button_draft()
            payment_return = self._return(payment, "2026-02-20")
            self.assertEqual(self._get_term_lines(payment).amount_residual, 0.0)
            if not is_draft_before:
                invoice.button_draft()
            payment_return.action_undo("2026-02-25")
            self.assertTrue(self._get_term_lines(payment).reconciled)
            self.assertEqual(self._get_term_lines(invoice).amount_residual, 0.0)
            invoice.action_post()
            self.assertEqual(invoice.payment_state, "paid")
        cancelled = self._return(payment, "2026-02-26")
        invoice.button_draft()
        invoice.button_cancel()
        cancelled.action_undo("2026-02-27")
        self.assertEqual(self._get_term_lines(payment).amount_residual, -500.0)

    def test_returned_undone_and_returned_again(self):
        invoice = self._create_item(self.partner, 500, "2026-01-31")
        payment = self._pay(500, "2026-02-10", invoice)
        first = self._return(payment, "2026-02-20")
        first.action_undo("2026-02-21")
        second = self._return(payment, "2026-02-22")
        self.assertEqual(invoice.payment_state, "not_paid")
        self.assertEqual(payment.collections_return_ids, second | first)
        self.assertEqual(self.partner.collections_returned_payment_count, 1)
        self._assert_entry(
            second.move_id,
            [
                (self.receivable, 500.0, 0.0),
                (self._get_liquidity_lines(payment).account_id, 0.0, 500.0),
            ],
        )
        payment.action_undo_return()
        self.assertEqual(invoice.payment_state, "paid")

    def test_undo_of_nothing(self):
        with self.assertRaisesRegex(UserError, "Select the returns"):
            self.env["collections.payment.return"].action_undo()

    def test_undo_after_the_customer_paid_again(self):
        invoice = self._create_item(self.partner, 500, "2026-01-31")
        payment = self._pay(500, "2026-02-10", invoice)
        payment_return = self._return(payment, "2026-02-20")
        again = self._pay(300, "2026-02-25", invoice)
        payment_return.action_undo()
        self.assertEqual(invoice.payment_state, "paid")
        self.assertTrue(self._get_term_lines(again).reconciled)
        self.assertEqual(self._get_term_lines(payment).amount_residual, -300.0)
        self.assertIn("300.00", str(payment.message_ids[:1].body))

    def test_undo_after_the_fee_was_paid(self):
        self.bank.collections_nsf_fee_product_id = self.fee_product
        payment = self._pay(500, "2026-02-10")
        payment_return = self._return(payment, "2026-02-20")
        fee_payment = self._pay(35, "2026-02-25", payment_return.fee_move_id)
        payment_return.action_undo()
        self.assertEqual(payment_return.fee_move_id.payment_state, "reversed")
        self.assertEqual(self._get_term_lines(fee_payment).amount_residual, -35.0)

    def test_undo_after_the_fee_was_cancelled(self):
        self.bank.collections_nsf_fee_product_id = self.fee_product
        first, second = self._pay(500, "2026-02-10"), self._pay(10, "2026-02-10")
        returns = self._return(first | second, "2026-02-20")
        waived, in_draft = returns.fee_move_id
        waived._reverse_moves([{"invoice_date": "2026-02-21"}], cancel=True)
        in_draft.button_draft()
        returns.action_undo()
        self.assertEqual(len(waived.reversal_move_ids), 1)
        self.assertEqual(in_draft.state, "cancel")

    def test_undo_not_before_the_return(self):
        payment_return = self._return(self._pay(500, "2026-02-10"), "2026-02-20")
        with self.assertRaisesRegex(UserError, "on this day or later"):
            payment_return.action_undo("2026-02-19")
        with self.assertRaisesRegex(UserError, "not a date"):
            payment_return.action_undo("yesterday")

    def test_returned_payments_cannot_be_changed(self):
        invoice = self._create_item(self.partner, 500, "2026-01-31")
        payment = self._pay(500, "2026-02-10", invoice)
        payment_return = self._return(payment, "2026-02-20")
        for action in (
            payment.action_draft,
            payment.action_cancel,
            payment.action_validate,
            payment.move_id.button_draft,
            payment.move_id.button_cancel,
            payment_return.move_id.button_draft,
            payment_return.move_id.button_cancel,
        ):
            with (
                self.subTest(action=action.__name__),
                self.assertRaises(UserError) as error,
            ):
                action()
            self.assertIn("Undo Return", str(error.exception))
        for move in payment.move_id | payment_return.move_id:
            for cancel in (True, False):
                with self.assertRaises(UserError):
                    move._reverse_moves([{}], cancel=cancel)
        with self.assertRaises(UserError):
            payment.unlink()
        self.assertEqual(payment.state, "rejected")
        self.assertEqual(payment_return.move_id.state, "posted")
        payment_return.action_undo()
        with self.assertRaises(UserError):
            payment.unlink()
        payment.action_draft()
        self.assertEqual(payment.state, "draft")

    def test_the_mark_cannot_be_sent(self):
        payment = self._pay(500, "2026-02-10")
        self._return(payment, "2026-02-20")
        for mark in (True, 1, "collections_payment_return", {}):
            with self.assertRaises(UserError):
                payment.with_context(collections_payment_return=mark).action_draft()


@tagged("post_install", "-at_install")
class TestPaymentReturnCashDiscount(PaymentReturnCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.loss = cls.company.account_journal_early_pay_discount_loss_account_id
        cls.settlement_journal = cls.env["account.journal"].create(
            {"name": "Settlements", "code": "DISC", "type": "general"}
        )
        cls.company.write(
            {
                "collections_settlement_journal_id": cls.settlement_journal.id,
                "collections_partial_cash_discount": True,
            }
        )
        cls.term = cls._create_term(1, 14)

    def _create_invoice(self, amount, *taxes):
        return self._create_item(
            self.partner,
            amount,
            "2026-06-25",
            invoice_date_due=False,
            invoice_payment_term_id=self.term.id,
            invoice_line_ids=[
                Command.create(
                    {
                        "name": "Goods",
                        "price_unit": amount,
                        "tax_ids": [Command.set([tax.id for tax in taxes])],
                    }
                )
            ],
        )

    def _get_entries(self):
        return self.env["account.move"].search(
            [("journal_id", "=", self.settlement_journal.id)], order="id"
        )

    def _get_taken(self, invoice):
        return sum(
            row["taken"] for row in self._get_term_lines(invoice).get_cash_discount()
        )

    def test_discount_goes_back_on_the_day_of_the_return(self):
        tax = self.company_data["default_tax_sale"]
        invoice = self._create_invoice(1000, tax)
        books = self._get_books()
        states = self._get_states(invoice)
        payment = self._pay(297, "2026-07-02", invoice)
        self.assertEqual(invoice.amount_residual, 850.0)
        paid_books = self._get_books()
        payment_return = self._return(payment, "2026-08-20")
        self.assertRecordValues(
            payment_return.line_ids, [{"amount": 297.0, "cash_discount_amount": 3.0}]
        )
        self._assert_undone(books, states, [invoice])
        discount, reversal = self._get_entries()
        self.assertEqual(reversal.reversed_entry_id, discount)
        self.assertEqual(str(reversal.date), "2026-08-20")
        self.assertEqual(self._get_taken(invoice), 0.0)
        payment_return.action_undo("2026-08-21")
        self.assertEqual(self._get_books(), paid_books)
        self.assertEqual(invoice.amount_residual, 850.0)
        self.assertEqual(self._get_taken(invoice), 3.0)
        partial = self._get_term_lines(payment).matched_debit_ids
        self.assertEqual(partial.cash_discount_move_id, discount)
        self.assertEqual(partial.cash_discount_amount_currency, 3.0)
        # And all of that once more, with the invoice in draft, which keeps its match.
        drafted = self._return(payment, "2026-08-21")
        invoice.button_draft()
        drafted.action_undo("2026-08-21")
        self.assertEqual(
            self._get_term_lines(payment).matched_debit_ids.cash_discount_move_id,
            discount,
        )
        invoice.action_post()
        self.assertEqual(self._get_books(), paid_books)
        self.assertEqual(invoice.amount_residual, 850.0)
        self.assertEqual(self._get_taken(invoice), 3.0)
        self._return(payment, "2026-08-22")
        self._assert_undone(books, states, [invoice])
        self.assertEqual(self._get_taken(invoice), 0.0)
        payment.action_undo_return()
        self.assertEqual(self._get_books(), paid_books)
        # Undoing the match by hand still takes the discount back.
        self._get_term_lines(payment).remove_move_reconcile()
        self.assertEqual(invoice.amount_residual, 1150.0)
        self.assertEqual(self._get_taken(invoice), 0.0)

    def test_discount_taken_off_before_is_not_given_again(self):
        for number, take_off in enumerate(
            (
                lambda entry: entry.line_ids.remove_move_reconcile(),
                lambda entry: entry._reverse_moves(cancel=True),
            )
        ):
            invoice = self._create_invoice(1000)
            payment = self._pay(297, "2026-07-02", invoice)
            take_off(self._get_entries()[-1])
            books, states = self._get_books(), self._get_states(invoice)
            self.assertEqual(invoice.amount_residual, 703.0)
            payment_return = self._return(payment, "2026-08-20")
            self.assertRecordValues(
                payment_return.line_ids,
                [{"amount": 297.0, "cash_discount_amount": 0.0}],
            )
            self.assertEqual(invoice.amount_residual, 1000.0)
            payment_return.action_undo("2026-08-21")
            self._assert_undone(books, states, [invoice])
            self.assertEqual(len(self._get_entries()), 2 * (number + 1))
            self.assertEqual(self._get_taken(invoice), 0.0)

    def test_several_invoices_with_discounts(self):
        invoices = [self._create_invoice(amount) for amount in (1000, 100, 500)]
        payment = self._pay(1584, "2026-07-02", *invoices)
        self.assertEqual({move.payment_state for move in invoices}, {"paid"})
        paid_books = self._get_books()
        payment_return = self._return(payment, "2026-08-20")
        self.assertEqual([move.amount_residual for move in invoices], [1000, 100, 500])
        payment_return.action_undo("2026-08-21")
        self.assertEqual(self._get_books(), paid_books)
        self.assertEqual([self._get_taken(move) for move in invoices], [10, 1, 5])
        self.assertEqual({move.payment_state for move in invoices}, {"paid"})

    def test_discount_that_nobody_would_give_any_more(self):
        """What was granted with Always comes back though the item says Normal."""
        invoice = self._create_invoice(1000)
        item = self._get_term_lines(invoice)
        item.use_cash_discount = "always"
        payment = self._pay(990, "2026-08-01", invoice)
        self.assertEqual(invoice.payment_state, "paid")
        item.use_cash_discount = "normal"
        payment_return = self._return(payment, "2026-08-20")
        self.company.collections_partial_cash_discount = False
        payment_return.action_undo("2026-08-21")
        self.assertEqual(invoice.payment_state, "paid")
        self.assertEqual(self._get_taken(invoice), 10.0)

    def test_discount_is_not_given_twice(self):
        """Paid again meanwhile, the undone return finds nothing to deduct from."""
        invoice = self._create_invoice(1000)
        payment = self._pay(990, "2026-07-02", invoice)
        payment_return = self._return(payment, "2026-07-05")
        self._pay(990, "2026-07-08", invoice)
        self.assertEqual(invoice.payment_state, "paid")
        self.assertEqual(self._get_taken(invoice), 10.0)
        payment_return.action_undo("2026-08-21")
        self.assertEqual(self._get_taken(invoice), 10.0)
        self.assertEqual(self._get_term_lines(payment).amount_residual, -990.0)
        discount_lines = self._get_entries().line_ids.filtered(
            lambda line: line.account_id == self.receivable
        )
        self.assertTrue(all(discount_lines.mapped("reconciled")))

    def test_discount_is_not_given_without_the_payment(self):
        """What the payment paid meanwhile it does not pay again, nor what it earned."""
        krona = self.setup_other_currency("SEK", rates=[("2026-01-01", 8.0)])
        for currency, amount in ((self.company.currency_id, 990), (krona, 7920)):
            for spent in (amount, amount / 99):
                invoice = self._create_invoice(1000)
                payment = self._pay(
                    amount, "2026-07-02", invoice, currency_id=currency.id
                )
                self.assertEqual(invoice.payment_state, "paid")
                payment_return = self._return(payment, "2026-08-20")
                line = self._get_term_lines(payment)
                line.remove_move_reconcile()  # from the entry of the return
                other = self._create_item(
                    self.partner, spent, "2026-06-25", currency_id=currency.id
                )
                (line | self._get_term_lines(other)).reconcile()
                self.assertEqual(other.payment_state, "paid")
                payment_return.action_undo("2026-08-21")
                self.assertEqual(other.payment_state, "paid")
                self.assertTrue(line.reconciled)
                self.assertEqual(
                    invoice.amount_residual, 1000 if spent == amount else 20
                )
                self.assertEqual(self._get_taken(invoice), 0.0)
                discount, reversal = self._get_entries()[-2:]
                self.assertEqual(reversal.reversed_entry_id, discount)
                self.assertTrue(
                    all(
                        line.reconciled
                        for line in (discount | reversal).line_ids
                        if line.account_id == self.receivable
                    )
                )

    def test_discounts_are_given_as_far_as_the_payment_goes(self):
        invoices = [self._create_invoice(amount) for amount in (1000, 100, 500)]
        payment = self._pay(1584, "2026-07-02", *invoices)
        self.assertEqual({move.payment_state for move in invoices}, {"paid"})
        payment_return = self._return(payment, "2026-08-20")
        line = self._get_term_lines(payment)
        line.remove_move_reconcile()  # from the entry of the return
        other = self._create_item(self.partner, 1200, "2026-06-25")
        self._pay(100, "2026-08-20", invoices[1])
        (line | self._get_term_lines(other)).reconcile()
        self.assertEqual(line.amount_residual, -384.0)
        payment_return.action_undo("2026-08-21")
        self.assertTrue(line.reconciled)
        self.assertEqual([move.amount_residual for move in invoices], [616, 0, 500])
        self.assertEqual([self._get_taken(move) for move in invoices], [0, 0, 0])

    def test_discounts_of_what_comes_after_an_item_that_was_paid(self):
        """An item that was paid otherwise leaves the payment to the next one."""
        invoices = [self._create_invoice(amount) for amount in (1000, 100, 500)]
        payment = self._pay(1584, "2026-07-02", *invoices)
        payment_return = self._return(payment, "2026-08-20")
        line = self._get_term_lines(payment)
        line.remove_move_reconcile()  # from the entry of the return
        self._pay(1000, "2026-08-20", invoices[0])
        other = self._create_item(self.partner, 990, "2026-06-25")
        (line | self._get_term_lines(other)).reconcile()
        self.assertEqual(line.amount_residual, -594.0)
        payment_return.action_undo("2026-08-21")
        self.assertTrue(line.reconciled)
        self.assertEqual({move.payment_state for move in invoices}, {"paid"})
        self.assertEqual([self._get_taken(move) for move in invoices], [0, 1, 5])

    def test_locked_settlement_journal_moves_only_the_discount(self):
        tax = self.company_data["default_tax_sale"]
        invoice = self._create_invoice(1000, tax)
        payment = self._pay(297, "2026-07-02", invoice)
        self.company.tax_lock_date = "2026-08-31"
        payment_return = self._return(payment, "2026-08-20")
        self.assertEqual(str(payment_return.move_id.date), "2026-08-20")
        self.assertEqual(str(self._get_entries()[1].date), "2026-09-01")

    def test_booked_differences_come_and_go_with_the_payment(self):
        """The customer paid 0.03 too much; the discount is given in full."""
        pennies = self._create_account("Pennies", "600778")
        self.company.write(
            {
                "collections_cash_discount_administration": "specific",
                "collections_max_penny_difference": 0.05,
                "collections_penny_difference_account_id": pennies.id,
            }
        )
        invoice = self._create_invoice(1000)
        item = self._get_term_lines(invoice)
        books, states = self._get_books(), self._get_states(invoice)
        payment = self._pay(990.03, "2026-07-02", invoice)
        self.assertTrue(self._get_term_lines(payment).reconciled)
        paid_books, paid_states = self._get_books(), self._get_states(invoice)
        payment_return = self._return(payment, "2026-08-20")
        self._assert_undone(books, states, [invoice])
        payment_return.action_undo("2026-08-21")
        self._assert_undone(paid_books, paid_states, [invoice])
        self.assertTrue(self._get_term_lines(payment).reconciled)
        self.assertEqual(item.amount_residual, 0.0)
