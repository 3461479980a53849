from freezegun import freeze_time

from odoo import Command, fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import tagged

from .common import AGENT, MANAGER, PaymentReturnCommon


@tagged("post_install", "-at_install")
class TestPaymentReturn(PaymentReturnCommon):
    def _get_outstanding(self, payment):
        return self._get_liquidity_lines(payment).account_id

    # === WHAT IS BOOKED === #

    def test_bounced_payment_with_fee(self):
        """NS-01"""
        self.bank.collections_nsf_fee_product_id = self.fee_product
        invoice = self._create_item(self.partner, 500, "2026-01-31")
        payment = self._pay(500, "2026-02-10", invoice)
        self.assertEqual(invoice.payment_state, "paid")
        wizard = self._create_nsf_wizard(payment, date="2026-02-20")
        self.assertTrue(wizard.charge_fee)
        self.assertEqual(wizard.journal_id, self.nsf_journal)
        action = wizard.action_process()
        payment_return = wizard.return_ids
        self.assertEqual(action["res_model"], "collections.payment.return")
        self.assertEqual(action["res_id"], payment_return.id)
        self.assertRecordValues(
            payment_return,
            [
                {
                    "state": "posted",
                    "payment_id": payment.id,
                    "partner_id": self.partner.id,
                    "journal_id": self.bank.id,
                    "date": fields.Date.to_date("2026-02-20"),
                    "payment_date": fields.Date.to_date("2026-02-10"),
                    "amount": 500.0,
                    "amount_company": 500.0,
                    "fee_amount": 35.0,
                }
            ],
        )
        entry = payment_return.move_id
        self.assertEqual(entry.journal_id, self.nsf_journal)
        self.assertEqual(str(entry.date), "2026-02-20")
        self.assertEqual(entry.state, "posted")
        self._assert_entry(
            entry,
            [
                (self.receivable, 500.0, 0.0),
                (self._get_outstanding(payment), 0.0, 500.0),
            ],
        )
        self.assertTrue(all(entry.line_ids.mapped("reconciled")))
        self.assertTrue(all(payment.move_id.line_ids.mapped("reconciled")))
        self.assertEqual(payment.state, "rejected")
        self.assertTrue(payment.collections_is_returned)
        self.assertEqual(invoice.payment_state, "not_paid")
        self.assertEqual(invoice.amount_residual, 500.0)
        fee = payment_return.fee_move_id
        self.assertRecordValues(
            fee,
            [
                {
                    "move_type": "out_invoice",
                    "state": "posted",
                    "partner_id": self.partner.id,
                    "amount_total": 35.0,
                    "payment_state": "not_paid",
                    "invoice_date": fields.Date.to_date("2026-02-20"),
                }
            ],
        )
        self.assertEqual(fee.invoice_line_ids.product_id, self.fee_product)
        self.assertEqual(self.partner.credit, 535.0)

    def test_the_history_remembers(self):
        invoice = self._create_item(self.partner, 500, "2026-01-31")
        contact = self._create_customer("Contact", parent_id=self.partner.id)
        payment = self._pay(500, "2026-02-10", invoice, partner=contact)
        reason = self.env["collections.payment.return.reason"].create(
            {"name": "Mandate revoked"}
        )
        payment_return = self._return(
            payment, "2026-02-20", reason_id=reason.id, comment="MD06"
        )
        self.assertEqual(payment_return.partner_id, self.partner)
        self.assertRecordValues(
            payment_return.line_ids,
            [{"name": invoice.name, "move_id": invoice.id, "amount": 500.0}],
        )
        self.assertEqual(payment.collections_return_ids, payment_return)
        self.assertIn("Mandate revoked", payment_return.move_id.ref)
        self.assertIn("MD06", payment_return.move_id.ref)
        self.assertEqual(self.partner.collections_returned_payment_count, 1)
        self.assertEqual(contact.collections_returned_payment_count, 1)
        action = self.partner.action_view_returned_payments()
        self.assertEqual(
            self.env["collections.payment.return"].search(action["domain"]),
            payment_return,
        )
        self.assertIn("Mandate revoked MD06", str(payment.message_ids[:1].body))
        self.assertIn(invoice.name, str(payment.message_ids[:1].body))
        self.assertIn(payment.name, str(invoice.message_ids[:1].body))
        Payment = self.env["account.payment"]
        returned = [("collections_is_returned", "=", True)]
        self.assertEqual(Payment.search(returned), payment)
        self.assertNotIn(
            payment, Payment.search([("collections_is_returned", "=", False)])
        )

    def test_grouped_payment_of_three_invoices(self):
        invoices = [
            self._create_item(self.partner, amount, "2026-01-31")
            for amount in (100, 200, 300)
        ]
        register = (
            self.env["account.payment.register"]
            .with_context(
                active_model="account.move",
                active_ids=[invoice.id for invoice in invoices],
            )
            .create({"payment_date": "2026-02-10", "group_payment": True})
        )
        payment = register._create_payments()
        self.assertEqual(len(payment), 1)
        self.assertEqual({move.payment_state for move in invoices}, {"paid"})
        payment_return = self._return(payment, "2026-02-20")
        self.assertEqual(
            sorted(payment_return.line_ids.mapped("amount")), [100.0, 200.0, 300.0]
        )
        self.assertEqual({move.payment_state for move in invoices}, {"not_paid"})
        self.assertEqual(
            [move.amount_residual for move in invoices], [100.0, 200.0, 300.0]
        )
        self._assert_entry(
            payment_return.move_id,
            [
                (self.receivable, 600.0, 0.0),
                (self._get_outstanding(payment), 0.0, 600.0),
            ],
        )

    def test_instalments_part_payments_and_credit_notes(self):
        term = self._create_instalments((30, 0), (30, 30), (40, 60))
        invoice = self._create_item(
            self.partner,
            1000,
            "2026-01-01",
            invoice_payment_term_id=term.id,
            invoice_date_due=False,
        )
        credit_note = self._create_item(self.partner, -100, "2026-01-05")
        self._match(invoice, credit_note)
        first = self._pay(500, "2026-01-10", invoice)
        second = self._pay(400, "2026-01-12", invoice)
        self.assertEqual(invoice.payment_state, "paid")
        self._return(first, "2026-02-20")
        self.assertEqual(invoice.payment_state, "partial")
        self.assertEqual(invoice.amount_residual, 500.0)
        self.assertEqual(
            sorted(self._get_term_lines(invoice).mapped("amount_residual")),
            [0.0, 200.0, 300.0],
        )
        self.assertTrue(self._get_term_lines(second).reconciled)
        self.assertTrue(self._get_term_lines(credit_note).reconciled)

    def test_payment_that_paid_nothing(self):
        payment = self._pay(500, "2026-02-10")
        payment_return = self._return(payment, "2026-02-20")
        self.assertFalse(payment_return.line_ids)
        self.assertEqual(self.partner.credit, 0.0)
        self.assertTrue(self._get_term_lines(payment).reconciled)

    def test_bank_match_is_kept(self):
        invoice = self._create_item(self.partner, 500, "2026-01-31")
        payment = self._pay(500, "2026-02-10", invoice)
        liquidity = self._get_liquidity_lines(payment)
        self._create_bank_transaction(500, "2026-02-11", liquidity)
        self.assertEqual(payment.state, "paid")
        deposit = liquidity.matched_debit_ids | liquidity.matched_credit_ids
        payment_return = self._return(payment, "2026-02-20")
        self.assertEqual(
            liquidity.matched_debit_ids | liquidity.matched_credit_ids, deposit
        )
        self.assertEqual(payment.state, "rejected")
        self.assertTrue(payment.is_matched)
        self.assertEqual(invoice.payment_state, "not_paid")
        waiting = payment_return.move_id.line_ids.filtered(
            lambda line: line.account_id == liquidity.account_id
        )
        self.assertEqual(waiting.amount_residual, -500.0)
        transaction = self._create_bank_transaction(-500, "2026-02-21", waiting)
        self.assertTrue(waiting.reconciled)
        with self.assertRaisesRegex(UserError, transaction.move_id.name):
            payment_return.action_undo()
        waiting.remove_move_reconcile()
        payment_return.action_undo("2026-02-22")
        self.assertEqual(payment.state, "paid")
        self.assertEqual(invoice.payment_state, "paid")
        self.assertEqual(
            liquidity.matched_debit_ids | liquidity.matched_credit_ids, deposit
        )

    def test_deposit_partly_matched_with_the_bank(self):
        invoice = self._create_item(self.partner, 500, "2026-01-31")
        payment = self._pay(500, "2026-02-10", invoice)
        liquidity = self._get_liquidity_lines(payment)
        self._create_bank_transaction(300, "2026-02-11", liquidity)
        payment_return = self._return(payment, "2026-02-20")
        self.assertTrue(liquidity.reconciled)
        waiting = payment_return.move_id.line_ids.filtered(
            lambda line: line.account_id == liquidity.account_id
        )
        self.assertEqual(waiting.amount_residual, -300.0)

    def test_discount_of_core_in_the_payment(self):
        tax = self.company_data["default_tax_sale"]
        term = self._create_term(2, 10)
        invoice = self._create_item(
            self.partner,
            1000,
            "2026-02-01",
            invoice_payment_term_id=term.id,
            invoice_date_due=False,
            invoice_line_ids=[
                Command.create(
                    {
                        "name": "Goods",
                        "price_unit": 1000,
                        "tax_ids": [Command.set(tax.ids)],
                    }
                )
            ],
        )
        books = self._get_books()
        states = self._get_states(invoice)
        payment = (
            self.env["account.payment.register"]
            .with_context(active_model="account.move", active_ids=invoice.ids)
            .create({"payment_date": "2026-02-05"})
            ._create_payments()
        )
        self.assertEqual(payment.amount, 1127.0)
        self.assertEqual(invoice.payment_state, "paid")
        paid_books = self._get_books()
        payment_return = self._return(payment, "2026-02-20")
        loss = self.company.account_journal_early_pay_discount_loss_account_id
        tax_account = tax.invoice_repartition_line_ids.account_id
        self._assert_entry(
            payment_return.move_id,
            [
                (self.receivable, 1150.0, 0.0),
                (self._get_outstanding(payment), 0.0, 1127.0),
                (loss, 0.0, 20.0),
                (tax_account, 0.0, 3.0),
            ],
        )
        self._assert_undone(books, states, [invoice])
        payment_return.action_undo("2026-02-21")
        self.assertEqual(self._get_books(), paid_books)
        self.assertEqual(invoice.payment_state, "paid")

    def test_cash_basis_tax_is_not_due_any_more(self):
        self.company.tax_exigibility = True
        transition = self._create_account(
            "Tax in waiting", "251555", "liability_current", reconcile=True
        )
        due = self._create_account("Tax due", "251556", "liability_current")
        tax = self.env["account.tax"].create(
            {
                "name": "On payment",
                "amount": 20,
                "tax_exigibility": "on_payment",
                "cash_basis_transition_account_id": transition.id,
                "invoice_repartition_line_ids": [
                    Command.create({"repartition_type": "base"}),
                    Command.create({"repartition_type": "tax", "account_id": due.id}),
                ],
                "refund_repartition_line_ids": [
                    Command.create({"repartition_type": "base"}),
                    Command.create({"repartition_type": "tax", "account_id": due.id}),
                ],
            }
        )
        invoice = self._create_item(
            self.partner,
            100,
            "2026-01-31",
            invoice_line_ids=[
                Command.create(
                    {
                        "name": "Goods",
                        "price_unit": 100,
                        "tax_ids": [Command.set(tax.ids)],
                    }
                )
            ],
        )
        books = self._get_books()
        states = self._get_states(invoice)
        payment = self._pay(120, "2026-02-10", invoice)
        paid_books = self._get_books()
        self.assertEqual(
            paid_books[self.company.id, due.id, invoice.currency_id.id][0], -20.0
        )
        payment_return = self._return(payment, "2026-03-20")
        self._assert_undone(books, states, [invoice])
        reversal = self.env["account.move.line"].search(
            [("account_id", "=", due.id), ("debit", "=", 20.0)]
        )
        self.assertEqual(
            str(reversal.date), "2026-03-20", "The tax goes back with the money"
        )
        payment_return.action_undo("2026-03-21")
        self.assertEqual(self._get_books(), paid_books)

    def test_foreign_currency(self):
        currency = self.setup_other_currency(
            "CHF", rates=[("2026-01-01", 2.0), ("2026-02-01", 4.0), ("2026-03-01", 5.0)]
        )
        invoice = self._create_item(
            self.partner, 1000, "2026-01-15", currency_id=currency.id
        )
        books = self._get_books()
        states = self._get_states(invoice)
        payment = self._pay(1000, "2026-02-10", invoice, currency_id=currency.id)
        self.assertEqual(invoice.payment_state, "paid")
        paid_books = self._get_books()
        payment_return = self._return(payment, "2026-03-20")
        self.assertRecordValues(
            payment_return.move_id.line_ids.sorted("balance"),
            [
                {"balance": -250.0, "amount_currency": -1000.0, "reconciled": True},
                {"balance": 250.0, "amount_currency": 1000.0, "reconciled": True},
            ],
        )
        self.assertEqual(payment_return.line_ids.mapped("amount"), [1000.0])
        self.assertEqual(payment_return.amount_company, 250.0)
        self._assert_undone(books, states, [invoice])
        exchange = self.env["account.move.line"].search(
            [
                ("journal_id", "=", self.company.currency_exchange_journal_id.id),
                ("account_id", "=", self.receivable.id),
            ],
            order="id",
        )
        self.assertEqual(exchange.mapped("balance"), [-250.0, 250.0])
        self.assertEqual(str(exchange[1].date), "2026-03-20")
        payment_return.action_undo("2026-03-21")
        self.assertEqual(self._get_books(), paid_books)
        self.assertEqual(invoice.payment_state, "paid")

    def test_snapshot_ties_after_a_return(self):
        invoice = self._create_item(self.partner, 500, "2026-01-31")
        payment = self._pay(500, "2026-02-10", invoice)
        self._return(payment, "2026-02-20")
        for date, due in (
            ("2026-02-05", 500.0),
            ("2026-02-15", 0.0),
            ("2026-02-28", 500.0),
        ):
            snapshot = self._run_snapshot(date)
            self._assert_ties(snapshot)
            row = self._get_row(snapshot, self.partner)
            self.assertEqual(row.amount_due, due)

    # === WHAT CANNOT BE RETURNED === #

    def _assert_refused(self, payments, text, **values):
        """Check that the wizard says why, and that nothing happens."""
        states = payments.mapped("state")
        wizard = self._create_nsf_wizard(payments, **values)
        self.assertRegex(wizard.problem or wizard.lock_message or "", text)
        with self.assertRaises(UserError) as error:
            wizard.action_process()
        self.assertRegex(str(error.exception), text)
        self.assertEqual(payments.mapped("state"), states)
        return wizard

    def test_twice(self):
        payment = self._pay(500, "2026-02-10")
        wizard = self._create_nsf_wizard(payment, date="2026-02-20")
        wizard.action_process()
        self._assert_refused(payment, "was returned already, on 02/20/2026")
        with self.assertRaisesRegex(UserError, "returned already"):
            wizard.action_process()
        with self.assertRaisesRegex(UserError, "returned already"):
            payment.action_open_nsf()
        self.assertFalse(payment.collections_can_return)

    def test_when_it_can_be_used(self):
        """NS-02"""
        vendor = self._pay(
            100, "2026-02-10", payment_type="outbound", partner_type="supplier"
        )
        refund = self._pay(100, "2026-02-10", payment_type="outbound")
        cash = self._pay(
            100,
            "2026-02-10",
            journal_id=self.company_data["default_journal_cash"].id,
        )
        cancelled = self._pay(100, "2026-02-10")
        cancelled.action_cancel()
        draft = self._pay(100, "2026-02-10")
        draft.action_draft()
        for payment, text in (
            (vendor, "not money received from a customer"),
            (refund, "not money received from a customer"),
            (cash, "which is not a bank"),
            (cancelled, "not posted, or cancelled"),
            (draft, "not posted, or cancelled"),
        ):
            with self.subTest(payment=payment, text=text):
                self._assert_refused(payment, text)
                self.assertFalse(payment.collections_can_return)
        good = self._pay(100, "2026-02-10")
        self.assertTrue(good.collections_can_return)
        with self.assertRaisesRegex(UserError, "not a bank"):
            (cash | vendor).action_open_nsf()
        action = (good | cash).action_open_nsf()
        wizard = self.env["collections.nsf.wizard"].browse(action["res_id"])
        self.assertEqual(wizard.payment_ids, good)
        self.assertIn(cash.name, wizard.skipped_message)

    def test_written_off_payment(self):
        """Its write-off would stay behind as a debt that nobody has."""
        invoice = self._create_item(self.partner, 100, "2026-01-31")
        payment = self._pay(102, "2026-02-10", invoice)
        writeoff = self._write_off(self._get_term_lines(payment), date="2026-02-15")
        books, states = self._get_books(), self._get_states(invoice)
        with self.assertRaisesRegex(UserError, "Reverse the write-off first"):
            self._return(payment, "2026-02-20")
        self._assert_undone(books, states, [invoice])
        self.assertNotEqual(payment.state, "rejected")
        writeoff.action_reverse_writeoff("2026-02-16")
        self._return(payment, "2026-02-20")
        self.assertEqual(invoice.amount_residual, 100.0)
        self.assertEqual(
            sum(self._get_term_lines(payment, writeoff).mapped("amount_residual")), 0.0
        )

    def test_nothing_selected(self):
        wizard = self.env["collections.nsf.wizard"].create({"payment_ids": []})
        with self.assertRaisesRegex(UserError, "Select first"):
            wizard.action_process()
        with self.assertRaisesRegex(UserError, "Select first"):
            self.env["account.payment"].action_open_nsf()

    def test_payment_only_marked_as_rejected(self):
        invoice = self._create_item(self.partner, 500, "2026-01-31")
        payment = self._pay(500, "2026-02-10", invoice)
        payment.action_reject()
        self.assertEqual(invoice.payment_state, "paid", "As core leaves it")
        payment_return = self._return(payment, "2026-02-20")
        self.assertEqual(invoice.payment_state, "not_paid")
        payment_return.action_undo()
        self.assertEqual(payment.state, "rejected")
        self.assertEqual(invoice.payment_state, "paid")

    def test_locked_period(self):
        invoice = self._create_item(self.partner, 500, "2026-01-31")
        payment = self._pay(500, "2026-02-10", invoice)
        self.company.fiscalyear_lock_date = "2026-02-28"
        wizard = self._assert_refused(
            payment, "first free day.*03/01/2026", date="2026-02-20"
        )
        self.assertEqual(invoice.payment_state, "paid")
        self.assertEqual(str(wizard.first_free_date), "2026-03-01")
        wizard.action_use_first_free_date()
        self.assertFalse(wizard.lock_message)
        wizard.action_process()
        self.assertEqual(str(wizard.return_ids.move_id.date), "2026-03-01")
        self.assertEqual(invoice.payment_state, "not_paid")
        self.company.fiscalyear_lock_date = "2026-03-31"
        with self.assertRaisesRegex(UserError, "04/01/2026"):
            wizard.return_ids.action_undo("2026-03-15")
        self.assertEqual(payment.state, "rejected")
        wizard.return_ids.action_undo("2026-04-01")
        self.assertEqual(invoice.payment_state, "paid")

    def test_fee_in_a_period_locked_for_sales(self):
        self.bank.collections_nsf_fee_product_id = self.fee_product
        payment = self._pay(500, "2026-02-10")
        self.company.sale_lock_date = "2026-02-28"
        wizard = self._create_nsf_wizard(payment, date="2026-02-20")
        with self.assertRaises(UserError) as error:
            wizard.action_process()
        self.assertIn("03/01/2026", str(error.exception))
        self.assertEqual(payment.state, "in_process")
        wizard.charge_fee = False
        wizard.action_process()
        self.assertEqual(payment.state, "rejected")

    def test_not_before_the_payment(self):
        payment = self._pay(500, "2026-02-10")
        wizard = self._assert_refused(
            payment, "cannot be returned before", date="2026-02-09"
        )
        self.assertEqual(str(wizard.first_free_date), "2026-02-10")

    def test_journal_missing(self):
        self.company.collections_nsf_journal_id = False
        payment = self._pay(500, "2026-02-10")
        wizard = self._assert_refused(payment, "no journal for payments that")
        self.assertTrue(wizard.is_parameter_missing)
        wizard.journal_id = self.nsf_journal
        self.assertFalse(wizard.problem)
        wizard.action_process()
        self.assertEqual(wizard.return_ids.move_id.journal_id, self.nsf_journal)

    def test_journal_of_the_bank_comes_first(self):
        other = self.env["account.journal"].create(
            {"name": "Returns of this bank", "code": "NSFB", "type": "general"}
        )
        self.bank.collections_nsf_journal_id = other
        second_bank = self.bank.copy({"name": "Second bank"})
        second_bank.collections_nsf_journal_id = False
        payments = self._pay(100, "2026-02-10") | self._pay(
            200, "2026-02-10", journal_id=second_bank.id
        )
        wizard = self._create_nsf_wizard(payments, date="2026-02-20")
        self.assertFalse(wizard.journal_id, "Each bank has its own")
        wizard.action_process()
        self.assertEqual(
            [row.move_id.journal_id for row in wizard.return_ids],
            [other, self.nsf_journal],
        )

    def test_unfit_journals(self):
        sales = self.company_data["default_journal_sale"]
        payment = self._pay(500, "2026-02-10")
        self._assert_refused(payment, "Miscellaneous", journal_id=sales.id)
        with self.assertRaisesRegex(ValidationError, "Miscellaneous"):
            self.company.collections_nsf_journal_id = sales
        with self.assertRaisesRegex(ValidationError, "Miscellaneous"):
            self.bank.collections_nsf_journal_id = sales

    # === FEES === #

    def test_fee_product_missing(self):
        payment = self._pay(500, "2026-02-10")
        wizard = self._create_nsf_wizard(payment)
        self.assertFalse(wizard.charge_fee)
        self._assert_refused(payment, "no product for the fee", charge_fee=True)
        self.bank.collections_nsf_fee_product_id = self._create_fee_product(0)
        self._assert_refused(payment, "has no price", charge_fee=True)

    def test_fee_with_tax_goes_to_the_invoice_address(self):
        tax = self.company_data["default_tax_sale"]
        self.bank.collections_nsf_fee_product_id = self._create_fee_product(
            40, taxes_id=[Command.set(tax.ids)]
        )
        address = self._create_customer(
            "Accounting", parent_id=self.partner.id, type="invoice"
        )
        payment = self._pay(500, "2026-02-10")
        payment_return = self._return(payment, "2026-02-20")
        fee = payment_return.fee_move_id
        self.assertEqual(fee.partner_id, address)
        self.assertEqual(fee.amount_total, 46.0)
        self.assertEqual(payment_return.fee_amount, 46.0)

    def test_no_fee_when_not_wanted(self):
        self.bank.collections_nsf_fee_product_id = self.fee_product
        payment = self._pay(500, "2026-02-10")
        payment_return = self._return(payment, "2026-02-20", charge_fee=False)
        self.assertFalse(payment_return.fee_move_id)

    # === PAYMENTS WITHOUT AN ENTRY === #

    def _pay_without_entry(self, invoices, amount):
        """Pay as where payments are only booked with the bank transaction."""
        self.patch(
            type(self.env["account.move"]),
            "_get_invoice_in_payment_state",
            lambda self: "in_payment",
        )
        self.bank.inbound_payment_method_line_ids.payment_account_id = False
        payment = (
            self.env["account.payment.register"]
            .with_context(active_model="account.move", active_ids=invoices.ids)
            .create(
                {
                    "payment_date": "2026-02-10",
                    "amount": amount,
                    "group_payment": True,
                }
            )
            ._create_payments()
        )
        self.assertFalse(payment.move_id)
        return payment

    def test_without_entry_before_the_bank_knows(self):
        invoice = self._create_item(self.partner, 500, "2026-01-31")
        payment = self._pay_without_entry(invoice, 500)
        self.assertEqual(invoice.payment_state, "in_payment")
        payment_return = self._return(payment, "2026-02-20")
        self.assertFalse(payment_return.move_id, "Nothing was booked")
        self.assertEqual(payment.state, "rejected")
        self.assertEqual(invoice.payment_state, "not_paid")
        payment_return.action_undo()
        self.assertEqual(payment.state, "in_process")
        self.assertEqual(invoice.payment_state, "in_payment")

    def test_without_entry_after_the_bank_transaction(self):
        invoice = self._create_item(self.partner, 500, "2026-01-31")
        payment = self._pay_without_entry(invoice, 500)
        transaction = self._create_bank_transaction(
            500, "2026-02-11", self._get_term_lines(invoice)
        )
        self.assertEqual(payment.state, "paid")
        self.assertEqual(invoice.payment_state, "paid")
        books = self._get_books()
        payment_return = self._return(payment, "2026-02-20")
        outstanding = payment._get_outstanding_account("inbound")
        self._assert_entry(
            payment_return.move_id,
            [(self.receivable, 500.0, 0.0), (outstanding, 0.0, 500.0)],
        )
        self.assertEqual(invoice.payment_state, "not_paid")
        self.assertEqual(payment.state, "rejected")
        credit = transaction.move_id.line_ids.filtered(
            lambda line: line.account_id == self.receivable
        )
        self.assertTrue(credit.reconciled, "Closed by the return, the bank keeps it")
        self.assertEqual(self.partner.credit, 500.0)
        payment_return.action_undo()
        self.assertEqual(payment.state, "paid")
        self.assertEqual(invoice.payment_state, "paid")
        self.assertEqual(self._get_books(), books)

    def test_without_entry_when_the_bank_transaction_is_unclear(self):
        invoice = self._create_item(self.partner, 500, "2026-01-31")
        payment = self._pay_without_entry(invoice, 500)
        self._create_bank_transaction(300, "2026-02-11", self._get_term_lines(invoice))
        self._assert_refused(payment, "cannot be told which bank transaction")

    def _create_euro_invoices(self, *amounts):
        rates = [("2026-01-01", 3.0), ("2026-02-11", 2.9), ("2026-02-15", 2.7)]
        self.euro = self.setup_other_currency("EUR", rates=rates)
        invoices = self.env["account.move"]
        for amount in amounts:
            invoices |= self._create_item(
                self.partner, amount, "2026-01-31", currency_id=self.euro.id
            )
        return invoices

    def _create_euro_transaction(self, amount_currency, date, invoices):
        """Post a bank transaction in euro on the bank account in dollar."""
        self.env.invalidate_all()
        return self._create_bank_transaction(
            self.euro._convert(
                amount_currency,
                self.company.currency_id,
                self.company,
                fields.Date.to_date(date),
            ),
            date,
            self._get_term_lines(*invoices),
            foreign_currency_id=self.euro.id,
            amount_currency=amount_currency,
        )

    def _assert_returned_and_undone(self, payments, invoices, *transactions):
        """Check that the bank transactions close to the cent, and are put back."""
        books, states = self._get_books(), self._get_states(*invoices)
        returns = self._return(payments, "2026-02-20")
        lines = self._get_term_lines(*(move.move_id for move in transactions))
        self.assertEqual(set(lines.mapped("amount_residual")), {0.0})
        for line in self._get_term_lines(*invoices):
            self.assertEqual(line.amount_residual, line.balance)
        back = returns.move_id.line_ids.filtered(
            lambda line: line.account_id == self.receivable
        )
        self.assertEqual(
            sorted(back.mapped("balance")), sorted(-line.balance for line in lines)
        )
        returns.action_undo()
        self._assert_undone(books, states, invoices)

    def test_without_entry_several_invoices_of_one_transaction(self):
        """Rounded for each invoice, 0.01 of the bank transaction stayed open."""
        invoices = self._create_euro_invoices(50, 50, 33.33)
        payment = self._pay_without_entry(invoices, 133.33)
        transaction = self._create_euro_transaction(133.33, "2026-02-11", invoices)
        self._assert_returned_and_undone(payment, invoices, transaction)

    def test_without_entry_two_transactions_at_different_rates(self):
        """Undone in one heap, gains and losses were booked that there never were."""
        invoice = self._create_euro_invoices(1000)
        payment = self._pay_without_entry(invoice, 1000)
        transactions = [
            self._create_euro_transaction(amount, date, invoice)
            for amount, date in ((600, "2026-02-15"), (400, "2026-02-11"))
        ]
        self._assert_returned_and_undone(payment, invoice, *transactions)

    def test_without_entry_several_payments_of_one_transaction(self):
        """Rounded for each payment, 0.01 of the bank transaction stayed open."""
        for at_once in (True, False):
            with self.subTest(at_once=at_once):
                invoices = self._create_euro_invoices(50, 50, 33.33)
                payments = [
                    self._pay_without_entry(invoice, invoice.amount_total)
                    for invoice in invoices
                ]
                payments = self.env["account.payment"].union(*payments)
                transaction = self._create_euro_transaction(
                    133.33, "2026-02-11", invoices
                )
                books, states = self._get_books(), self._get_states(*invoices)
                returns = self.env["collections.payment.return"]
                for part in [payments] if at_once else payments:
                    returns |= self._return(part, "2026-02-20")
                line = self._get_term_lines(transaction.move_id)
                self.assertTrue(line.reconciled)
                self.assertEqual(line.amount_residual, 0.0)
                returns.action_undo()
                self._assert_undone(books, states, invoices)

    def test_without_entry_two_payments_of_one_amount(self):
        """Both took the first bank transaction back, the second one stayed matched."""
        invoice = self._create_item(self.partner, 200, "2026-01-31")
        payments = self.env["account.payment"]
        transactions = []
        for date in ("2026-02-11", "2026-02-12"):
            payments |= self._pay_without_entry(invoice, 100)
            transactions.append(
                self._create_bank_transaction(100, date, self._get_term_lines(invoice))
            )
        self._assert_returned_and_undone(payments, invoice, *transactions)

    def test_without_entry_two_payments_with_one_unclear_transaction(self):
        """The second one was once returned, but its transaction stayed matched."""
        invoice = self._create_item(self.partner, 200, "2026-01-31")
        payments = self.env["account.payment"]
        for amount in (100, 99):
            payments |= self._pay_without_entry(invoice, 100)
            self._create_bank_transaction(
                amount, "2026-02-11", self._get_term_lines(invoice)
            )
        self._assert_refused(payments, "cannot be told which bank transaction")
        action = payments.action_open_nsf()
        wizard = self.env["collections.nsf.wizard"].browse(action["res_id"])
        self.assertEqual(wizard.payment_ids, payments[0])
        self.assertIn("cannot be told", wizard.skipped_message)
        wizard.write({"date": "2026-02-20"})
        wizard.action_process()
        self.assertEqual(invoice.amount_residual, 101.0)

    def test_without_entry_one_that_was_returned_takes_no_transaction(self):
        """Of the payment with it nobody could tell any more what had brought it."""
        invoice = self._create_item(self.partner, 260, "2026-01-31")
        item = self._get_term_lines(invoice)
        first = self._pay_without_entry(invoice, 100)
        self._return(first, "2026-02-15")
        second = self._pay_without_entry(invoice, 100)
        for amount in (100, 60):
            self._create_bank_transaction(amount, "2026-02-11", item)
        wizard = self.env["collections.nsf.wizard"].browse(
            (first | second).action_open_nsf()["res_id"]
        )
        self.assertEqual(wizard.payment_ids, second)
        self.assertIn("was returned already", wizard.skipped_message)

    # === SEVERAL === #

    def test_several_at_once(self):
        other = self._create_customer("Other")
        invoices = [
            self._create_item(partner, 100, "2026-01-31")
            for partner in (self.partner, self.partner, other)
        ]
        payments = self.env["account.payment"].union(
            *(
                self._pay(100, "2026-02-10", invoice, partner=invoice.partner_id)
                for invoice in invoices
            )
        )
        returns = self._return(payments, "2026-02-20")
        self.assertEqual(len(returns), 3)
        self.assertEqual(returns.payment_id, payments)
        self.assertEqual({move.payment_state for move in invoices}, {"not_paid"})
        self.assertEqual(len(returns.activity_id), 2, "One for each customer")
        self.assertEqual(self.partner.collections_returned_payment_count, 2)
        for payment_return in returns:
            own = self._get_term_lines(payment_return.payment_id)
            self.assertEqual(
                own.matched_debit_ids.debit_move_id,
                self._get_term_lines(payment_return.move_id),
                "Each entry takes its own payment back",
            )

    def test_all_or_none(self):
        good = self._pay(100, "2026-02-10")
        bad = self._pay(
            100, "2026-02-10", payment_type="outbound", partner_type="supplier"
        )
        self._assert_refused(good | bad, bad.name)

    def test_queries_do_not_grow_with_the_payments(self):
        def count_queries(number):
            payments = self.env["account.payment"]
            for position in range(number):
                partner = self._create_customer(f"Customer {position}")
                invoice = self._create_item(partner, 100, "2026-01-31")
                payments |= self._pay(100, "2026-02-10", invoice, partner=partner)
            wizard = self._create_nsf_wizard(payments, date="2026-02-20")
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            wizard.action_process()
            self.env.flush_all()
            return self.env.cr.sql_log_count - before

        self.bank.collections_nsf_fee_product_id = self.fee_product
        count_queries(2)  # fills the caches
        few, many, more = count_queries(4), count_queries(12), count_queries(20)
        self.assertLessEqual(more - many, (many - few) * 1.1)

    # === COMPANIES === #

    def test_companies_with_own_parameters(self):
        company_data = self.setup_other_company(name="Second company")
        company = company_data["company"]
        own_journal = self.env["account.journal"].create(
            {
                "name": "Returns there",
                "code": "NSF2",
                "type": "general",
                "company_id": company.id,
            }
        )
        company.collections_nsf_journal_id = own_journal
        here = self._pay(100, "2026-02-10")
        there = self._create_payment(
            self.partner.with_company(company),
            100,
            "2026-02-10",
            journal_id=company_data["default_journal_bank"].id,
        )
        both = here | there
        both = both.with_context(allowed_company_ids=both.company_id.ids)
        wizard = self._create_nsf_wizard(both, date="2026-02-20")
        self.assertFalse(wizard.journal_id)
        wizard.action_process()
        self.assertEqual(
            [
                (row.company_id, row.move_id.journal_id, row.move_id.company_id)
                for row in wizard.return_ids
            ],
            [
                (self.company, self.nsf_journal, self.company),
                (company, own_journal, company),
            ],
        )
        self.assertEqual(
            self.partner.with_context(
                allowed_company_ids=self.company.ids
            ).collections_returned_payment_count,
            1,
        )
        only_here = self._create_user("only_here", MANAGER, self.company)
        Return = self.env["collections.payment.return"].with_user(only_here)
        self.assertEqual(Return.search([]).payment_id.ids, here.ids)

    def test_branch_uses_the_journal_of_its_parent(self):
        branch = self._create_branch(self.partner)
        branch.collections_nsf_journal_id = self.nsf_journal
        env = self.env(context={"allowed_company_ids": [branch.id, self.company.id]})
        payment = (
            self.env["account.payment"]
            .with_env(env)
            .create(
                {
                    "payment_type": "inbound",
                    "partner_type": "customer",
                    "partner_id": self.partner.id,
                    "amount": 100,
                    "date": "2026-02-10",
                    "journal_id": self.bank.id,
                    "company_id": branch.id,
                }
            )
        )
        payment.action_post()
        self.assertEqual(payment.company_id, branch)
        payment_return = self._return(payment, "2026-02-20")
        self.assertEqual(payment_return.move_id.company_id, branch)
        self.assertEqual(payment_return.company_id, branch)

    def test_pays_an_invoice_of_a_branch(self):
        """Programs need not name the companies; people have them switched on."""
        branch = self._create_branch(self.partner)
        invoice = self._create_item(
            self.partner, 500, "2026-01-31", company_id=branch.id
        )
        payment = self._pay(200, "2026-02-10", invoice)
        books, states = self._get_books(), self._get_states(invoice)
        self.assertNotIn("allowed_company_ids", self.env.context)
        head = self._get_head_office_env()
        theirs = payment.with_env(head)
        self.assertTrue(theirs.collections_can_return)
        message = "PBNK1.* also concerns Branch"
        with self.assertRaisesRegex(UserError, message):
            theirs.action_open_nsf()
        with self.assertRaisesRegex(UserError, message):
            head["collections.payment.return"]._return_payments(theirs, "2026-02-20")
        payment_return = self._return(payment, "2026-02-20")
        self.assertEqual(invoice.amount_residual, 500)
        self.env.flush_all()
        self.env.invalidate_all()
        theirs_returned = payment_return.with_env(head)
        self.assertEqual(theirs_returned.line_ids.mapped("name"), [invoice.name])
        with self.assertRaisesRegex(UserError, message):
            theirs_returned.action_undo()
        payment_return.action_undo()
        self._assert_undone(books, states, invoice)

    # === RIGHTS === #

    def test_agents_and_accountants_cannot(self):
        payment = self._pay(500, "2026-02-10")
        payment_return = self._return(self._pay(10, "2026-02-10"), "2026-02-20")
        agent = self._create_user("collector", AGENT)
        clerk = self._create_user("clerk", "account.group_account_invoice")
        for user in (agent, clerk):
            with self.subTest(user=user.login):
                with self.assertRaises(AccessError):
                    payment.with_user(user).action_open_nsf()
                with self.assertRaises(AccessError):
                    self._create_nsf_wizard(payment.with_user(user))
                with self.assertRaises(AccessError):
                    payment_return.with_user(user).action_undo()
                with self.assertRaises(AccessError):
                    self.env["collections.payment.return"].with_user(
                        user
                    )._return_payments(payment.with_user(user), "2026-02-20")
        self.assertEqual(
            payment_return.with_user(agent).payment_id.name,
            payment_return.payment_id.name,
        )
        clerk_fields = payment.with_user(clerk).fields_get()
        self.assertNotIn("collections_return_ids", clerk_fields)
        payment.with_user(clerk).read(["name", "state"])

    def test_nobody_writes_the_history(self):
        payment_return = self._return(self._pay(10, "2026-02-10"), "2026-02-20")
        manager = self._create_user("head", MANAGER)
        mine = payment_return.with_user(manager)
        with self.assertRaises(AccessError):
            mine.write({"state": "cancelled"})
        with self.assertRaises(AccessError):
            mine.unlink()
        with self.assertRaises(AccessError):
            mine.copy()

    def test_managers_set_the_parameters_of_banks(self):
        manager = self._create_user("head", MANAGER)
        self.assertFalse(self.bank.with_user(manager).has_access("write"))
        self.bank.with_user(manager).write(
            {
                "collections_nsf_journal_id": self.nsf_journal.id,
                "collections_nsf_fee_product_id": self.fee_product.id,
            }
        )
        self.assertEqual(self.bank.collections_nsf_journal_id, self.nsf_journal)
        self.company.with_user(manager).collections_nsf_journal_id = False
        with self.assertRaises(AccessError):
            self.bank.with_user(manager).write({"name": "Mine"})
        agent = self._create_user("collector", AGENT)
        with self.assertRaises(AccessError):
            self.bank.with_user(agent).write({"collections_nsf_journal_id": False})
        foreign = self.setup_other_company(name="Foreign")["default_journal_bank"]
        with self.assertRaises(AccessError):
            foreign.with_user(manager).write({"collections_nsf_journal_id": False})

    def test_a_manager_does_it_all(self):
        manager = self._create_user("head", MANAGER)
        self.bank.collections_nsf_fee_product_id = self.fee_product
        invoice = self._create_item(self.partner, 500, "2026-01-31")
        payment = self._pay(500, "2026-02-10", invoice).with_user(manager)
        action = payment.action_open_nsf()
        wizard = (
            self.env["collections.nsf.wizard"]
            .with_user(manager)
            .browse(action["res_id"])
        )
        self.assertIn(invoice.name, wizard.opens_data)
        self.assertIn("500.00", wizard.preview_data)
        wizard.action_process()
        self.assertEqual(wizard.return_ids.create_uid, manager)
        payment.action_undo_return()
        self.assertEqual(wizard.return_ids.undo_user_id, manager)
        self.assertEqual(invoice.payment_state, "paid")

    @freeze_time("2026-03-31")
    def test_statement_does_not_count_the_money_that_went_back(self):
        invoice = self._create_item(self.partner, 500, "2026-01-31")
        payment = self._pay(500, "2026-02-10", invoice)
        payment_return = self._return(payment, "2026-02-20", comment="R01")
        Statement = self.env["collections.statement"]

        def get_payments(date):
            period = Statement._get_period(date_to=date)
            statements = Statement._get_statements(self.partner, period=period)
            payments = statements[self.partner.id]["payments"]
            return [(line["name"], line["amount"]) for line in payments]

        paid = (payment.name, 500.0)
        entry = payment_return.move_id
        returned = (entry.name, -500.0)
        self.assertEqual(get_payments("2026-03-31"), [returned, paid])
        self.assertEqual(get_payments("2026-02-15"), [paid])
        payment_return.action_undo("2026-03-10")
        undone = (entry.reversal_move_ids.name, 500.0)
        self.assertEqual(get_payments("2026-03-31"), [undone, returned, paid])
        self.assertEqual(get_payments("2026-03-01"), [returned, paid])

    # === WHO HAS TO KNOW === #

    def test_activity_for_the_agent_of_the_pool(self):
        pool = self.env["collections.pool"].create(
            {"name": "Key", "domain": f"[('id', '=', {self.partner.id})]"}
        )
        of_pool = self._create_user("of_pool", AGENT)
        of_all = self._create_user("of_all", AGENT)
        self.env["collections.agent"].create(
            [
                {"user_id": of_all.id},
                {"user_id": of_pool.id, "pool_ids": [Command.set(pool.ids)]},
            ]
        )
        invoice = self._create_item(self.partner, 500, "2026-01-31")
        payment = self._pay(500, "2026-02-10", invoice)
        payment_return = self._return(payment, "2026-02-20")
        activity = payment_return.activity_id
        self.assertRecordValues(
            activity,
            [{"res_model": "res.partner", "res_id": self.partner.id}],
        )
        self.assertEqual(activity.user_id, of_pool)
        self.assertIn(payment.name, activity.summary)
        self.assertIn(invoice.name, str(activity.note))
        other = self._pay(10, "2026-02-10", partner=self._create_customer("Other"))
        self.assertEqual(self._return(other, "2026-02-20").activity_id.user_id, of_all)
        of_pool.active = False
        third = self._pay(10, "2026-02-10")
        self.assertEqual(self._return(third, "2026-02-20").activity_id.user_id, of_all)
        payment_return.action_undo()
        self.assertFalse(activity.exists().active)

    def test_activity_without_agents(self):
        payment_return = self._return(self._pay(10, "2026-02-10"), "2026-02-20")
        self.assertEqual(payment_return.activity_id.user_id, self.env.user)
        leader = self._create_user("leader", AGENT)
        team = self.env["collections.team"].create(
            {"name": "Team", "company_id": self.company.id, "user_id": leader.id}
        )
        self.company.collections_team_id = team
        payment_return = self._return(self._pay(10, "2026-02-10"), "2026-02-20")
        self.assertEqual(payment_return.activity_id.user_id, leader)
        leader.active = False
        payment_return = self._return(self._pay(10, "2026-02-10"), "2026-02-20")
        self.assertEqual(payment_return.activity_id.user_id, self.env.user)
