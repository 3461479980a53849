from unittest.mock import patch

from odoo.exceptions import AccessError, UserError
from odoo.tests import Form, tagged

from .common import CashDiscountCommon


@tagged("post_install", "-at_install")
class TestCashDiscountRegister(CashDiscountCommon):
    """Discounts through core's payment wizard."""

    def _register(self, amount, date, *invoices, **values):
        wizard = self._create_register(*invoices, payment_date=date, **values)
        wizard.amount = amount
        return wizard._create_payments()

    def test_part_in_time_and_the_rest_late(self):
        """CD-01"""
        invoice = self._create_invoice(1000)
        form = Form(
            self.env["account.payment.register"].with_context(
                active_model="account.move", active_ids=invoice.ids
            )
        )
        form.payment_date = "2015-07-02"
        self.assertEqual(form.amount, 990.0)
        self.assertEqual(form.cash_discount_available, 10.0)
        self.assertEqual(form.cash_discount_to_take, 10.0)
        self.assertEqual(form.cash_discount_taken, 0.0)
        self.assertEqual(str(form.cash_discount_date), "2015-07-09")
        form.amount = 297.0
        self.assertEqual(form.cash_discount_to_take, 3.0)
        self.assertEqual(form.payment_difference, 700.0)
        payment = form.save()._create_payments()
        self._assert_entry(
            payment.move_id,
            [
                (payment.outstanding_account_id, 297.0, 0.0),
                (self.receivable, 0.0, 297.0),
            ],
        )
        self.assertEqual(invoice.amount_residual, 700.0)
        wizard = self._create_register(invoice, payment_date="2015-07-11")
        self.assertEqual(wizard.amount, 700.0)
        self.assertEqual(wizard.cash_discount_available, 0.0)
        self.assertEqual(wizard.cash_discount_taken, 3.0)
        wizard.action_create_payments()
        self.assertEqual(invoice.amount_residual, 0.0)
        self.assertEqual(self._get_taken(invoice), [3.0])

    def test_always_and_back(self):
        """CD-01-A and CD-01-B"""
        invoice = self._create_invoice(1000)
        self._register(297, "2015-07-02", invoice)
        wizard = self._create_register(invoice, payment_date="2015-07-11")
        for choice, amount in (("normal", 700), ("always", 693), ("normal", 700)):
            wizard.use_cash_discount = choice
            self.assertEqual(wizard.amount, amount)
        wizard.use_cash_discount = "always"
        wizard.action_create_payments()
        self.assertEqual(invoice.amount_residual, 0.0)
        self.assertEqual(self._get_taken(invoice), [10.0])
        self.assertEqual(
            self._get_term_lines(invoice).use_cash_discount,
            "normal",
            "The choice holds for the payment only",
        )

    def test_proposal_after_a_part_in_time(self):
        invoice = self._create_invoice(1000)
        self._register(297, "2015-07-02", invoice)
        wizard = self._create_register(invoice, payment_date="2015-07-03")
        self.assertEqual(wizard.amount, 693.0)
        self.assertTrue(wizard.early_payment_discount_mode)
        self.assertEqual(wizard.payment_difference, 7.0)
        wizard.action_create_payments()
        self.assertEqual(invoice.amount_residual, 0.0)
        self.assertEqual(self._get_taken(invoice), [10.0])

    def test_parameter_off(self):
        """CD-01-C: core's own discount and nothing else."""
        self.company.collections_partial_cash_discount = False
        invoice = self._create_invoice(1000)
        wizard = self._create_register(invoice, payment_date="2015-07-02")
        self.assertFalse(wizard.has_cash_discount)
        self.assertEqual(wizard.amount, 990.0)
        wizard.amount = 297.0
        self.assertEqual(wizard.payment_difference, 703.0)
        wizard.action_create_payments()
        self.assertEqual(invoice.amount_residual, 703.0)
        self.assertFalse(self._get_entries())

    def test_never(self):
        """CD-01-D, with and without the parameter"""
        for is_on in (True, False):
            self.company.collections_partial_cash_discount = is_on
            invoice = self._create_invoice(1000)
            wizard = self._create_register(
                invoice, payment_date="2015-07-02", use_cash_discount="never"
            )
            self.assertEqual(wizard.amount, 1000.0)
            wizard.amount = 297.0
            wizard.action_create_payments()
            self.assertEqual(invoice.amount_residual, 703.0)
        self.assertFalse(self._get_entries())

    def test_the_last_day_counts(self):
        """CD-01-E"""
        invoice = self._create_invoice(1000)
        for date, amount in (("2015-07-09", 990), ("2015-07-10", 1000)):
            wizard = self._create_register(invoice, payment_date=date)
            self.assertEqual(wizard.amount, amount)

    def test_invoices_with_and_without_terms(self):
        """Grouped, and one payment for each."""
        other_term = self._create_term(2, 14, "mixed")
        for grouped in (True, False):
            invoices = [
                self._create_invoice(1000),
                self._create_invoice(1000, term=other_term),
                self._create_item(self.partner, 100, "2015-07-25", date="2015-06-25"),
            ]
            before = self._get_entries()
            wizard = self._create_register(
                *invoices, payment_date="2015-07-02", group_payment=grouped
            )
            self.assertEqual(wizard.cash_discount_to_take, 30.0)
            if grouped:
                self.assertEqual(wizard.amount, 2070.0)
            payments = wizard._create_payments()
            self.assertEqual(len(payments), 1 if grouped else 3)
            self.assertEqual(sum(payments.mapped("amount")), 2070.0)
            self.assertEqual(
                [invoice.amount_residual for invoice in invoices], [0, 0, 0]
            )
            entries = self._get_entries() - before
            self.assertEqual(sorted(entries.mapped("amount_total")), [10.0, 20.0])
            self.assertTrue(all(self._get_term_lines(*payments).mapped("reconciled")))

    def test_rest_marked_as_paid(self):
        """What is neither paid nor deducted goes to the account of the difference."""
        for administration in ("unspecific", "specific"):
            self.company.collections_cash_discount_administration = administration
            invoice = self._create_invoice(1000)
            wizard = self._create_register(invoice, payment_date="2015-07-02")
            wizard.amount = 297.0
            wizard.payment_difference_handling = "reconcile"
            wizard.writeoff_account_id = self.writeoff_account
            payment = wizard._create_payments()
            self._assert_entry(
                payment.move_id,
                [
                    (payment.outstanding_account_id, 297.0, 0.0),
                    (self.writeoff_account, 700.0, 0.0),
                    (self.receivable, 0.0, 997.0),
                ],
            )
            self.assertEqual(invoice.amount_residual, 0.0)
            self.assertEqual(self._get_taken(invoice), [3.0])

    def test_always_beside_a_discount_of_core(self):
        """The parameter is off; one invoice has a choice, the other has none."""
        self.company.collections_partial_cash_discount = False
        chosen, plain = self._create_invoice(1000), self._create_invoice(500)
        self._get_term_lines(chosen).use_cash_discount = "always"
        wizard = self._create_register(
            chosen, plain, payment_date="2015-07-02", group_payment=True
        )
        self.assertEqual(wizard.amount, 1485.0)
        payment = wizard._create_payments()
        self.assertEqual((chosen | plain).mapped("amount_residual"), [0.0, 0.0])
        core = payment.move_id.line_ids.filtered(
            lambda line: line.account_id == self.discount_account
        )
        self.assertEqual(core.balance, 5.0)
        self.assertEqual(self._get_entries().amount_total, 10.0)

    def test_third_currency_shows_what_is_booked(self):
        yen = self.setup_other_currency(
            "JPY", rates=[("2015-06-01", 120.0), ("2015-07-01", 128.4)], rounding=1.0
        )
        dinar = self.setup_other_currency(
            "BHD",
            rates=[("2015-06-01", 0.376), ("2015-07-01", 0.40232)],
            rounding=0.001,
        )
        invoice = self._create_invoice(
            14197, term=self._create_term(3.33, 14), currency_id=yen.id
        )
        wizard = self._create_register(
            invoice, payment_date="2015-07-02", currency_id=dinar.id
        )
        self.assertEqual(wizard.amount, 46.013)
        self.assertEqual(wizard.cash_discount_to_take, 1.586)
        self.assertEqual(wizard.cash_discount_available, 1.586)
        [payment] = wizard._create_payments()
        self.assertEqual(self._get_taken(invoice), [473.0])
        self.assertEqual(invoice.amount_residual, 0.0)
        self.assertTrue(self._get_term_lines(payment).reconciled)

    def test_several_payments_shown_in_a_third_currency(self):
        """Once, at another rate than the invoices' no discount was shown."""
        euro = self.setup_other_currency(
            "EUR", rates=[("2015-01-01", 0.5), ("2015-07-01", 0.4)]
        )
        pound = self.setup_other_currency("GBP", rates=[("2015-01-01", 0.8)])
        journal = self.env["account.journal"].create(
            {"name": "Pounds", "code": "GBP", "type": "bank", "currency_id": pound.id}
        )
        invoices = [
            self._create_invoice(1000, partner_id=partner.id, currency_id=euro.id)
            for partner in (self.partner, self.partner_b)
        ]
        wizard = self._create_register(
            *invoices, payment_date="2015-07-02", journal_id=journal.id
        )
        self.assertEqual(wizard.currency_id, pound)
        self.assertEqual(wizard.cash_discount_available, 32.0)
        self.assertEqual(wizard.cash_discount_to_take, 32.0)
        wizard._create_payments()
        self.assertEqual(
            [self._get_taken(invoice) for invoice in invoices], [[10.0], [10.0]]
        )

    def test_another_currency(self):
        """An invoice in euro paid in dollar, at the rate of the day."""
        euro = self.setup_other_currency(
            "EUR", rates=[("2015-01-01", 0.5), ("2015-07-01", 0.4)]
        )
        invoice = self._create_invoice(1000, currency_id=euro.id)
        wizard = self._create_register(
            invoice, payment_date="2015-07-02", currency_id=self.company.currency_id.id
        )
        self.assertEqual(wizard.amount, 2475.0)
        self.assertEqual(wizard.cash_discount_to_take, 25.0)
        wizard.action_create_payments()
        item = self._get_term_lines(invoice)
        self.assertEqual((item.amount_residual, item.amount_residual_currency), (0, 0))
        self.assertEqual(self._get_taken(invoice), [10.0])

    def test_payment_without_an_entry(self):
        """The bank statement settles it; the choice waits for it on the item.

        Community alone always makes an entry, accounting addons beside it do not.
        """
        self.patch(
            type(self.env["account.move"]),
            "_get_invoice_in_payment_state",
            lambda self: "in_payment",
        )
        invoice = self._create_invoice(1000)
        method = self.company_data[
            "default_journal_bank"
        ].inbound_payment_method_line_ids[:1]
        method.payment_account_id = False
        wizard = self._create_register(
            invoice,
            payment_date="2015-07-20",
            payment_method_line_id=method.id,
            use_cash_discount="always",
        )
        self.assertEqual(wizard.amount, 990.0)
        payment = wizard._create_payments()
        self.assertFalse(payment.move_id)
        self.assertEqual(invoice.amount_residual, 1000.0)
        statement_line = self.env["account.bank.statement.line"].create(
            {
                "journal_id": self.company_data["default_journal_bank"].id,
                "date": "2015-07-21",
                "payment_ref": "In",
                "partner_id": self.partner.id,
                "amount": 990,
                "counterpart_account_id": self.receivable.id,
            }
        )
        self._match(statement_line.move_id, invoice)
        self.assertEqual(invoice.amount_residual, 0.0)

    def test_locked_day_is_told(self):
        invoice = self._create_invoice(1000)
        self.company.fiscalyear_lock_date = "2015-07-31"
        wizard = self._create_register(invoice, payment_date="2015-07-02")
        self.assertIn("2015-08-01", wizard.cash_discount_lock_message)
        wizard.payment_date = "2015-08-02"
        self.assertFalse(wizard.cash_discount_lock_message)

    def test_vendor_bill_is_not_touched(self):
        bill = self._create_invoice(
            1000,
            move_type="in_invoice",
            journal_id=self.company_data["default_journal_purchase"].id,
        )
        wizard = self._create_register(bill, payment_date="2015-07-02")
        self.assertFalse(wizard.has_cash_discount)
        self.assertEqual(wizard.amount, 990.0)
        wizard.action_create_payments()
        self.assertIn(bill.payment_state, ("paid", "in_payment"))
        self.assertFalse(self._get_entries())

    def test_credit_note_paid_out(self):
        for is_on, amount in ((False, 1000.0), (True, 990.0)):
            self.company.collections_credit_note_cash_discount = is_on
            credit_note = self._create_invoice(1000, move_type="out_refund")
            wizard = self._create_register(credit_note, payment_date="2015-07-02")
            self.assertEqual(wizard.amount, amount)
            wizard.action_create_payments()
            self.assertEqual(credit_note.amount_residual, 0.0)
        entry = self._get_entries()
        self._assert_entry(
            entry, [(self.receivable, 10.0, 0.0), (self.discount_account, 0.0, 10.0)]
        )
        self.assertEqual(self._get_taken(credit_note), [-10.0])

    def test_invoices_of_several_currencies(self):
        """Each payment is in the currency of its invoice."""
        euro = self.setup_other_currency("EUR", rates=[("2015-01-01", 0.4)])
        yen = self.setup_other_currency(
            "JPY", rounding=1.0, rates=[("2015-01-01", 120.0)]
        )
        invoices = [
            self._create_invoice(1000),
            self._create_invoice(1000, currency_id=euro.id),
            self._create_invoice(100000, currency_id=yen.id),
        ]
        wizard = self._create_register(*invoices, payment_date="2015-07-02")
        payments = wizard._create_payments()
        self.assertEqual(
            sorted((payment.currency_id.name, payment.amount) for payment in payments),
            [("EUR", 990.0), ("JPY", 99000.0), ("USD", 990.0)],
        )
        self.assertEqual([invoice.amount_residual for invoice in invoices], [0, 0, 0])
        self.assertTrue(all(self._get_term_lines(*payments).mapped("reconciled")))

    def _decide_part(self, invoice):
        """Enter 297.00 of an invoice on the settlement screen, open the payment."""
        wizard = self._create_settlement(invoice, date="2015-07-02")
        self._get_line(wizard, invoice).amount_to_settle = 297.0
        return self.env["account.payment.register"].browse(
            wizard.action_settle()["res_id"]
        )

    def test_amount_decided_before_is_changed(self):
        invoice = self._create_invoice(1000)
        wizard = self._decide_part(invoice)
        self.assertEqual((wizard.amount, wizard.payment_difference), (297.0, 700.0))
        wizard.amount = 990.0
        self.assertEqual(wizard.cash_discount_to_take, 10.0)
        payment = wizard._create_payments()
        self.assertEqual(invoice.amount_residual, 0.0)
        self.assertTrue(self._get_term_lines(payment).reconciled)

    def test_rest_of_a_decided_part_marked_as_paid(self):
        invoice = self._create_invoice(1000)
        wizard = self._decide_part(invoice)
        wizard.payment_difference_handling = "reconcile"
        wizard.writeoff_account_id = self.writeoff_account
        payment = wizard._create_payments()
        self.assertEqual(invoice.amount_residual, 0.0)
        self.assertEqual(self._get_taken(invoice), [3.0])
        self.assertTrue(self._get_term_lines(payment).reconciled)

    def test_all_paid_at_another_rate(self):
        """The difference is one of exchange: nothing is deducted."""
        euro = self.setup_other_currency(
            "EUR", rates=[("2015-01-01", 0.5), ("2015-07-01", 0.4)]
        )
        invoice = self._create_invoice(1000, currency_id=euro.id)
        wizard = self._create_register(
            invoice, payment_date="2015-07-02", currency_id=self.company.currency_id.id
        )
        wizard.amount = 2400.0
        wizard.payment_difference_handling = "reconcile"
        wizard.writeoff_account_id = self.company.expense_currency_exchange_account_id
        self.assertEqual(wizard.cash_discount_to_take, 0.0)
        payment = wizard._create_payments()
        self.assertEqual(invoice.amount_residual, 0.0)
        self.assertEqual(self._get_term_lines(payment).amount_residual, 0.0)
        self.assertEqual(self._get_taken(invoice), [0.0])

    def _pay_with_credit_note(self, credit, amount, discount, rest=0.0, **values):
        """Pay an invoice of 1000 together with a credit note."""
        invoice = self._create_invoice(1000, **values)
        credit_note = self._create_invoice(credit, move_type="out_refund", **values)
        wizard = self._create_register(
            invoice, credit_note, payment_date="2015-07-02", group_payment=True
        )
        self.assertEqual((wizard.amount, wizard.cash_discount_to_take), amount[:2])
        self.assertEqual(wizard.cash_discount_available, discount)
        if len(amount) > 2:
            wizard.amount = amount[2]
            self.assertEqual(wizard.cash_discount_to_take, amount[3])
            discount = amount[3]
        payment = wizard._create_payments()
        lines = self._get_term_lines(invoice, credit_note, payment)
        self.assertEqual(sum(lines.mapped("amount_residual_currency")), rest)
        self.assertEqual(sum(self._get_taken(invoice)), discount)
        return invoice, credit_note, payment

    def test_what_a_credit_note_closes_earns_nothing(self):
        """The discount proposed is that of what the payment itself pays."""
        self._pay_with_credit_note(300, (693.0, 7.0), 7.0)
        self._pay_with_credit_note(300, (693.0, 7.0, 346.5, 3.5), 7.0, rest=350.0)
        euro = self.setup_other_currency("EUR", rates=[("2015-01-01", 0.5)])
        self._pay_with_credit_note(250, (742.5, 7.5), 7.5, currency_id=euro.id)

    def test_credit_note_on_the_screen(self):
        """What is proposed follows whether one payment is made for both."""
        invoice = self._create_invoice(1000)
        credit_note = self._create_invoice(300, move_type="out_refund")
        form = Form(
            self.env["account.payment.register"].with_context(
                active_model="account.move", active_ids=[invoice.id, credit_note.id]
            )
        )
        form.payment_date = "2015-07-02"
        for is_grouped, amount, discount in ((True, 693, 7), (False, 690, 10)) * 2:
            form.group_payment = is_grouped
            self.assertEqual(
                (form.amount, form.cash_discount_to_take), (amount, discount)
            )
        form.group_payment = True
        form.amount = 500
        form.group_payment = False
        form.group_payment = True
        self.assertEqual(form.amount, 500.0)
        form.amount = 693
        payment = form.save()._create_payments()
        lines = self._get_term_lines(invoice, credit_note, payment)
        self.assertTrue(all(lines.mapped("reconciled")))

    def test_credit_note_that_is_more_than_the_invoice(self):
        """Nothing is left to earn a discount; the rest is paid out."""
        invoice, credit_note, payment = self._pay_with_credit_note(
            1200, (200.0, 0.0), 0.0
        )
        self.assertEqual(payment.payment_type, "outbound")
        self.assertEqual(invoice.amount_residual, 0.0)
        self.assertEqual(credit_note.payment_state, "paid")

    def test_credit_note_and_several_invoices(self):
        """The oldest invoice is closed first, one payment for each customer."""
        invoices = [
            self._create_invoice(amount, date, partner_id=partner.id)
            for partner in (self.partner, self.partner_b)
            for amount, date in ((500, "2015-06-24"), (1000, "2015-06-25"))
        ]
        credit_notes = [
            self._create_invoice(
                200,
                move_type="out_refund",
                partner_id=partner.id,
            )
            for partner in (self.partner, self.partner_b)
        ]
        wizard = self._create_register(
            *invoices, *credit_notes, payment_date="2015-07-02", group_payment=True
        )
        self.assertEqual(wizard.cash_discount_to_take, 26.0)
        payments = wizard._create_payments()
        self.assertEqual(payments.mapped("amount"), [1287.0, 1287.0])
        lines = self._get_term_lines(*invoices, *credit_notes, *payments)
        self.assertTrue(all(lines.mapped("reconciled")))
        self.assertEqual(
            [sum(self._get_taken(invoice)) for invoice in invoices], [3, 10, 3, 10]
        )

    def test_credit_note_paid_apart_from_the_invoice(self):
        invoice = self._create_invoice(1000)
        credit_note = self._create_invoice(300, move_type="out_refund")
        wizard = self._create_register(
            invoice, credit_note, payment_date="2015-07-02", group_payment=False
        )
        self.assertEqual(wizard.cash_discount_to_take, 10.0)
        payments = wizard._create_payments()
        self.assertEqual(sorted(payments.mapped("amount")), [300.0, 990.0])
        self.assertEqual(sum(self._get_taken(invoice)), 10.0)

    def test_amounts_that_are_no_part_of_the_item(self):
        """Programs are told what the settlement screen tells."""
        for part in (
            {"amount": 1001.0, "discount": 0.0},
            {"amount": 900.0, "discount": 100.01},
            {"amount": 0.0, "discount": 1000.0},
        ):
            invoice = self._create_invoice(1000)
            item = self._get_term_lines(invoice)
            with self.subTest(part=part), self.env.cr.savepoint():
                with self.assertRaisesRegex(UserError, "is not a part of it"):
                    wizard = self._create_register(
                        invoice,
                        payment_date="2015-07-02",
                        cash_discount_choices={str(item.id): part},
                    )
                    wizard._create_payments()
            self.assertEqual(invoice.amount_residual, 1000.0)
        invoices = [self._create_invoice(1000) for _number in range(2)]
        item = self._get_term_lines(invoices[0])
        wizard = self._create_register(
            *invoices,
            payment_date="2015-07-02",
            group_payment=False,
            cash_discount_choices={str(item.id): {"amount": 5000.0}},
        )
        with self.assertRaisesRegex(UserError, "is not a part of it"):
            wizard._create_payments()

    def test_open_payment_among_the_items(self):
        """It earns its own discount: what is proposed is the rest."""
        invoice = self._create_invoice(1000)
        items = self._get_term_lines(
            invoice, self._create_payment(self.partner, 297, "2015-07-02")
        )
        wizard = (
            self.env["account.payment.register"]
            .with_context(active_model="account.move.line", active_ids=items.ids)
            .create({"payment_date": "2015-07-02", "group_payment": True})
        )
        self.assertEqual((wizard.amount, wizard.cash_discount_to_take), (693.0, 7.0))
        payment = wizard._create_payments()
        self.assertEqual(self._get_taken(invoice), [10.0])
        items |= self._get_term_lines(payment)
        self.assertTrue(all(items.mapped("reconciled")))

    def test_instalments_that_are_not_due_come_last(self):
        """What is proposed for the next instalment pays that and the others."""
        in_thirds = self._create_instalments((30, 30), (30, 60), (40, 90))
        for credit, proposed, discount, rest in (
            (0, 1290, 10, 700),
            (100, 1190, 10, 700),
        ):
            invoices = [
                self._create_invoice(1000, "2015-06-24", in_thirds),
                self._create_invoice(1000),
            ]
            if credit:
                invoices.append(self._create_invoice(credit, move_type="out_refund"))
            form = Form(
                self.env["account.payment.register"].with_context(
                    active_model="account.move",
                    active_ids=[invoice.id for invoice in invoices],
                )
            )
            form.payment_date = "2015-07-02"
            form.group_payment = True
            self.assertEqual(form.installments_mode, "next")
            self.assertEqual(form.amount, proposed)
            self.assertEqual(form.cash_discount_to_take, discount)
            form.save()._create_payments()
            self.assertEqual(self._get_taken(invoices[1]), [discount])
            self.assertEqual(
                self._get_term_lines(invoices[0]).mapped("amount_residual"),
                [0, 300, 400],
            )
            self.assertEqual(
                [invoice.amount_residual for invoice in invoices[1:]],
                [0.0] * len(invoices[1:]),
            )
            self.assertEqual(invoices[0].amount_residual, rest)

    def test_instalments_that_are_not_due_come_last_whatever_is_paid(self):
        in_thirds = self._create_instalments((30, 30), (30, 60), (40, 90))
        for amount, discount, rests, rest in (
            (1290, 10, [0, 300, 400], 0),
            (1289.5, 9.99, [0, 300, 400], 0.51),
            (1295, 10, [0, 295, 400], 0),
            (1990, 10, [0, 0, 0], 0),
            (100, 0, [200, 300, 400], 1000),
        ):
            older = self._create_invoice(1000, "2015-06-24", in_thirds)
            newer = self._create_invoice(1000)
            form = Form(self._create_register(older, newer, payment_date="2015-07-02"))
            form.group_payment = True
            form.amount = amount
            with self.subTest(amount=amount):
                self.assertEqual(form.cash_discount_to_take, discount)
                form.save()._create_payments()
                self.assertEqual(
                    self._get_term_lines(older).mapped("amount_residual"), rests
                )
                self.assertEqual(newer.amount_residual, rest)

    def test_proposals_for_many_invoices(self):
        """What they cost grows no faster than the invoices."""
        Settlement = self.env.registry["collections.settlement"]
        split = Settlement._get_items_and_credits
        counts = []
        for count in (5, 10):
            invoices = [self._create_invoice(100) for _number in range(count)]
            invoices.append(self._create_invoice(10, move_type="out_refund"))
            for is_grouped in (True, False):
                with patch.object(
                    Settlement,
                    "_get_items_and_credits",
                    autospec=True,
                    side_effect=split,
                ) as spied:
                    wizard = self._create_register(
                        *invoices, payment_date="2015-07-02", group_payment=is_grouped
                    )
                    self.assertTrue(wizard.cash_discount_to_take)
                    self.assertFalse(wizard.payment_difference < 0)
                counts.append(sum(len(call.args[1]) for call in spied.mock_calls))
        self.assertLessEqual(counts[2], counts[0] * 2)
        self.assertLessEqual(counts[3], counts[1] * 2)

    def test_choices_are_for_managers(self):
        """An Invoicing user cannot decide on a discount by way of RPC."""
        invoice = self._create_invoice(1000)
        item = self._get_term_lines(invoice)
        user = self._create_user("billing", "account.group_account_invoice")
        Register = (
            self.env["account.payment.register"]
            .with_user(user)
            .with_context(active_model="account.move", active_ids=invoice.ids)
        )
        choices = {str(item.id): {"use": "normal", "discount": 600.0}}
        with self.assertRaises(AccessError):
            Register.create({"cash_discount_choices": choices})
        with self.assertRaises(AccessError):
            Register.with_context(default_cash_discount_choices=choices).create({})
        wizard = Register.create({"payment_date": "2015-07-02"})
        with self.assertRaises(AccessError):
            wizard.cash_discount_choices = choices
        self.assertEqual(wizard.amount, 990.0)
        wizard.action_create_payments()
        self.assertEqual(invoice.amount_residual, 0.0)
        with self.assertRaises(AccessError):
            item.with_user(user).matched_credit_ids.write(
                {"cash_discount_amount_currency": -500}
            )
        Register = Register.with_env(self.env(context=Register.env.context))
        for choices in (
            [1],
            {"x": {}},
            {"1": {"discount": -1}},
            {"1": {"discount": float("inf")}},
            {"1": {"use": "?"}},
        ):
            with self.assertRaises(UserError):
                Register.create({"cash_discount_choices": choices})
