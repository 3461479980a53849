from odoo import Command
from odoo.exceptions import UserError
from odoo.tests import Form, tagged

from .common import WriteoffCommon


@tagged("post_install", "-at_install")
class TestWriteoffCurrency(WriteoffCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # Units of euro for one dollar: 1 EUR = 2 USD in 2016, 3 USD from 2017 on.
        cls.euro = cls.setup_other_currency(
            "EUR", rates=[("2016-01-01", 0.5), ("2017-01-01", 1 / 3)]
        )

    def _create_euro_item(self, amount, date="2016-06-30", **values):
        return self._create_item(
            self.partner, amount, date, currency_id=self.euro.id, **values
        )

    def _get_exchange_entries(self):
        return self.env["account.move"].search(
            [("journal_id", "=", self.company.currency_exchange_journal_id.id)]
        )

    def test_at_book_value(self):
        invoice = self._create_euro_item(100)
        books, states = self._get_books(), self._get_states(invoice)
        move = self._write_off(invoice, date="2017-03-31")
        self._assert_entry(
            move, [(self.receivable, 0, 200), (self.writeoff_account, 200, 0)]
        )
        self.assertEqual(set(move.line_ids.mapped("currency_id")), {self.euro})
        self.assertEqual(
            sorted(move.line_ids.mapped("amount_currency")), [-100.0, 100.0]
        )
        item = self._get_term_lines(invoice)
        self.assertEqual((item.amount_residual, item.amount_residual_currency), (0, 0))
        self.assertTrue(item.full_reconcile_id)
        self.assertFalse(self._get_exchange_entries())
        move.action_reverse_writeoff("2017-04-30")
        self._assert_undone(books, states, invoice)
        self.assertFalse(self._get_exchange_entries())

    def test_part_and_the_rest(self):
        invoice = self._create_euro_item(100)
        item = self._get_term_lines(invoice)
        move = self._write_off(
            item,
            date="2017-03-31",
            line_ids=[Command.create({"move_line_id": item.id, "amount": 33.33})],
        )
        self._assert_entry(
            move, [(self.receivable, 0, 66.66), (self.writeoff_account, 66.66, 0)]
        )
        self.assertEqual(item.amount_residual_currency, 66.67)
        self.assertEqual(item.amount_residual, 133.34)
        self._write_off(item, date="2017-03-31")
        self.assertEqual((item.amount_residual, item.amount_residual_currency), (0, 0))
        self.assertFalse(self._get_exchange_entries())

    def test_after_a_payment_at_another_rate(self):
        invoice = self._create_euro_item(100)
        payment = self._create_payment(
            self.partner, 40, "2017-02-01", currency_id=self.euro.id
        )
        self._match(invoice, payment)
        item = self._get_term_lines(invoice)
        self.assertEqual(item.amount_residual, 120.0)
        exchange = self._get_exchange_entries()
        states = self._get_states(invoice)
        move = self._write_off(invoice, date="2017-03-31")
        self._assert_entry(
            move, [(self.receivable, 0, 120), (self.writeoff_account, 120, 0)]
        )
        self.assertEqual((item.amount_residual, item.amount_residual_currency), (0, 0))
        self.assertEqual(self._get_exchange_entries(), exchange)
        move.action_reverse_writeoff()
        self.assertEqual(self._get_states(invoice), states)

    def test_only_an_exchange_difference_is_left(self):
        """The currency is at zero, the company currency is not."""
        invoice = self._create_euro_item(100)
        payment = self._create_payment(
            self.partner, 100, "2017-02-01", currency_id=self.euro.id
        )
        lines = self._get_term_lines(invoice, payment)
        lines.with_context(no_exchange_difference=True).reconcile()
        left = lines.filtered("amount_residual")
        self.assertEqual(left.amount_residual_currency, 0)
        self.assertEqual(left.amount_residual, -100.0)
        states = self._get_states(invoice, payment.move_id)
        move = self._write_off(left)
        self._assert_entry(
            move, [(self.receivable, 100, 0), (self.writeoff_account, 0, 100)]
        )
        self.assertEqual(move.line_ids.mapped("amount_currency"), [0.0, 0.0])
        self.assertEqual(left.amount_residual, 0)
        self.assertTrue(left.reconciled)
        move.action_reverse_writeoff()
        self.assertEqual(self._get_states(invoice, payment.move_id), states)

    def test_rest_that_does_not_have_the_rate_it_was_booked_with(self):
        """Late exchange entries leave residuals of another rate than the item's."""
        for paid in (30.0, 90.0):
            invoice = self._create_euro_item(100)
            item = self._get_term_lines(invoice)
            payment = self._create_payment(
                self.partner, paid / 3, "2017-02-01", currency_id=self.euro.id
            )
            (item | self._get_term_lines(payment)).with_context(
                no_exchange_difference=True
            ).reconcile()
            balance = item.amount_residual
            move = self._write_off(item)
            self.assertEqual(move.collections_writeoff_amount, balance)
            self.assertEqual(
                (item.amount_residual, item.amount_residual_currency), (0, 0)
            )
            self.assertTrue(item.reconciled)
            self.assertTrue(all(self._get_term_lines(move).mapped("reconciled")), paid)
        self.assertFalse(self._get_exchange_entries())

    def test_currencies_of_one_customer(self):
        self._create_euro_item(100)
        self._create_item(self.partner, 50, "2016-06-30")
        credit = self._create_euro_item(-100, date="2017-06-30")
        move = self._write_off(self.partner)
        # 200.00 less 300.00 and 0.00 in euro; 50.00 in dollar
        self._assert_entry(
            move,
            [
                (self.receivable, 0, 200),
                (self.receivable, 300, 0),
                (self.receivable, 0, 50),
                (self.writeoff_account, 0, 100),
                (self.writeoff_account, 50, 0),
            ],
        )
        self.assertEqual(credit.amount_residual, 0)

    def test_items_at_different_rates_are_taken_back(self):
        """Core would match the lines of the reversal in one heap."""
        invoices = (
            self._create_euro_item(100),
            self._create_euro_item(200, date="2017-06-30"),
        )
        books, states = self._get_books(), self._get_states(*invoices)
        for post_later in (False, True):
            move = self._write_off(self.partner)
            if post_later:
                move._reverse_moves([{}]).action_post()
            else:
                move.action_reverse_writeoff()
            self._assert_undone(books, states, invoices)
            self.assertFalse(self._get_exchange_entries())

    def test_net_amounts_of_different_signs(self):
        """10.00 EUR to the debit and 140.00 USD to the credit cannot be one line."""
        self._create_euro_item(100)
        self._create_euro_item(-90, date="2017-06-30")
        move = self._write_off(self.partner)
        lines = move.line_ids.filtered(
            lambda line: line.account_id == self.writeoff_account
        )
        self.assertEqual(
            sorted((line.amount_currency, line.balance) for line in lines),
            [(-90.0, -270.0), (100.0, 200.0)],
        )
        self.assertEqual(move.collections_writeoff_amount, -70.0)

    def test_separate_tax(self):
        self.company.collections_writeoff_separate_tax = True
        tax = self.company_data["default_tax_sale"]  # 15 %
        invoice = self._create_euro_item(
            0,
            move_type="out_invoice",
            invoice_line_ids=[
                Command.create({"name": "A", "price_unit": 33.33, "tax_ids": [tax.id]}),
                Command.create({"name": "B", "price_unit": 66.68, "tax_ids": [tax.id]}),
            ],
        )
        books, states = self._get_books(), self._get_states(invoice)
        move = self._write_off(invoice, date="2017-03-31")
        tax_line = move.line_ids.filtered("tax_repartition_line_id")
        origin = invoice.line_ids.filtered("tax_repartition_line_id")
        self.assertEqual(tax_line.balance, -origin.balance)
        self.assertEqual(tax_line.amount_currency, -origin.amount_currency)
        self.assertEqual(tax_line.currency_id, self.euro)
        move.action_reverse_writeoff("2017-03-31")
        self._assert_undone(books, states, invoice)

    def test_amounts_are_in_the_currency_of_the_item(self):
        invoice = self._create_euro_item(100)
        item = self._get_term_lines(invoice)
        wizard = self._create_wizard(invoice)
        self.assertEqual(wizard.line_ids.amount, 100.0)
        self.assertEqual(wizard.amount_total, 200.0)
        self.assertIn("100.00", wizard.currency_totals)
        self.assertIn("EUR", wizard.currency_totals)
        wizard.line_ids.amount = 150.0
        with self.assertRaises(UserError):
            wizard.action_write_off()
        wizard.line_ids.amount = 100.0
        wizard.action_write_off()
        self.assertTrue(item.reconciled)

    def test_odd_amounts(self):
        """Any part of any amount leaves both residuals in the same proportion."""
        yen = self.setup_other_currency(
            "JPY", rates=[("2016-01-01", 113.7)], rounding=1.0
        )
        for amount, part in ((7, 1), (999, 333), (12345, 12344), (1, 1)):
            invoice = self._create_item(
                self.partner, amount, "2016-06-30", currency_id=yen.id
            )
            item = self._get_term_lines(invoice)
            self._write_off(
                item,
                line_ids=[Command.create({"move_line_id": item.id, "amount": part})],
            )
            self.assertEqual(item.amount_residual_currency, amount - part)
            if amount > part:
                self._write_off(item)
            self.assertTrue(item.reconciled, (amount, part))
            self.assertEqual(
                (item.amount_residual, item.amount_residual_currency), (0, 0)
            )
        self.assertFalse(self._get_exchange_entries())

    def test_rest_that_is_not_worth_a_cent(self):
        """Odoo leaves it where an invoice in dinars is paid in dollars."""
        dinar = self.setup_other_currency(
            "BHD", rounding=0.001, rates=[("2016-01-01", 0.37613)]
        )
        invoice = self._create_item(
            self.partner, 8821.98, "2016-06-30", currency_id=dinar.id
        )
        wizard = self._create_register(invoice, payment_date="2016-07-01")
        wizard.currency_id = self.company.currency_id
        wizard._create_payments()
        item = self._get_term_lines(invoice)
        self.assertEqual(
            (item.amount_residual, item.amount_residual_currency), (0.0, 0.001)
        )
        books, states = self._get_books(), self._get_states(invoice)
        move = self._write_off(invoice, date="2016-07-31")
        self.assertEqual(
            sorted(move.line_ids.mapped("amount_currency")), [-0.001, 0.001]
        )
        self.assertEqual(item.amount_residual_currency, 0.0)
        self.assertTrue(item.reconciled)
        self.assertEqual(invoice.payment_state, "paid")
        move.action_reverse_writeoff()
        self._assert_undone(books, states, [invoice])

    def _create_draft(self, records, **values):
        self.company.collections_writeoff_draft = True
        return self._write_off(records, **values)

    def _edit(self, move, date=None, amounts=()):
        """Change a draft as people do.

        :param date: the new date
        :param amounts: pairs of a line and its new amount in currency
        """
        with Form(move) as form:
            if date:
                form.date = date
            for line, amount in amounts:
                with form.line_ids.edit(move.line_ids.ids.index(line.id)) as line_form:
                    line_form.amount_currency = amount

    def _get_pair(self, line):
        return (line.amount_currency, line.balance)

    def test_date_changed_in_review(self):
        """The rate of the new day is none of a write-off's business."""
        for first_date, date, is_posted in (
            ("2016-12-31", "2017-05-31", False),
            ("2017-05-01", "2016-12-31", False),
            ("2017-05-01", "2017-05-31", True),
        ):
            invoice = self._create_euro_item(100)
            states = self._get_states(invoice)
            move = self._create_draft(invoice, date=first_date)
            if is_posted:
                move.action_post()
                move.button_draft()
            self._edit(move, date)
            move.action_post()
            self.assertEqual(str(move.date), date)
            self._assert_entry(
                move, [(self.receivable, 0, 200), (self.writeoff_account, 200, 0)]
            )
            item = self._get_term_lines(invoice)
            self.assertEqual(
                (item.amount_residual, item.amount_residual_currency), (0, 0)
            )
            move.action_reverse_writeoff("2017-07-31")
            self.assertEqual(self._get_states(invoice), states)
        self.assertFalse(self._get_exchange_entries())

    def test_amount_changed_in_review(self):
        for by_hand in (False, True):
            with self.subTest(by_hand=by_hand):
                invoice = self._create_euro_item(100)
                move = self._create_draft(invoice, date="2016-12-31")
                item_line = move.line_ids.filtered("collections_writeoff_line_id")
                loss = move.line_ids - item_line
                if by_hand:
                    self._edit(move, "2017-05-31", [(item_line, -60), (loss, 60)])
                else:
                    move.write(
                        {
                            "date": "2017-05-31",
                            "line_ids": [
                                Command.update(item_line.id, {"amount_currency": -60}),
                                Command.update(loss.id, {"amount_currency": 60}),
                            ],
                        }
                    )
                move.action_post()
                self._assert_entry(
                    move, [(self.receivable, 0, 120), (self.writeoff_account, 120, 0)]
                )
                item = self._get_term_lines(invoice)
                self.assertEqual(
                    (item.amount_residual, item.amount_residual_currency), (80, 40)
                )
        self.assertFalse(self._get_exchange_entries())

    def test_tax_and_several_rates_in_review(self):
        self.company.collections_writeoff_separate_tax = True
        tax = self.company_data["default_tax_sale"]  # 15 %
        line = Command.create(
            {"name": "A", "price_unit": 33.33, "tax_ids": [Command.set(tax.ids)]}
        )
        for date in ("2016-06-30", "2017-06-30"):
            self._create_euro_item(
                0, date, move_type="out_invoice", invoice_line_ids=[line]
            )
        self._create_euro_item(-20)
        move = self._create_draft(self.partner, date="2017-07-31")
        books = sorted(move.line_ids.mapped(self._get_pair))
        self._edit(move, "2016-11-30")
        move.action_post()
        self.assertEqual(
            sorted(move.line_ids.mapped(self._get_pair)),
            books,
        )
        self.assertFalse(self._get_exchange_entries())

    def test_value_changed_in_review(self):
        """What would leave a value without an amount is refused with both of them."""
        invoice = self._create_euro_item(100)
        move = self._create_draft(invoice, date="2016-12-31")
        item_line = move.line_ids.filtered("collections_writeoff_line_id")
        loss = move.line_ids - item_line
        for balance in (50, 250):
            move.write(
                {
                    "line_ids": [
                        Command.update(item_line.id, {"balance": -balance}),
                        Command.update(loss.id, {"balance": balance}),
                    ]
                }
            )
            with self.assertRaises(UserError) as error, self.cr.savepoint():
                move.action_post()
            for amount in ("100.00", "200.00", f"{balance}.00"):
                self.assertIn(amount, str(error.exception))

    def test_account_or_currency_changed_in_review(self):
        other = self._create_account(
            "Doubtful receivables", "121999", "asset_receivable", reconcile=True
        )
        for values in (
            {"account_id": other.id},
            {"currency_id": self.company.currency_id.id},
        ):
            invoice = self._create_euro_item(100)
            move = self._create_draft(invoice, date="2016-12-31")
            move.line_ids.filtered("collections_writeoff_line_id").write(values)
            with self.assertRaisesRegex(UserError, "another account or currency"):
                move.action_post()
