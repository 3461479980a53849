from odoo import Command, fields
from odoo.exceptions import AccessError, ValidationError
from odoo.tests import Form, new_test_user, tagged

from .common import CashDiscountCommon


@tagged("post_install", "-at_install")
class TestCashDiscountPeriods(CashDiscountCommon):
    """Payment terms with several discount periods: 2 % in 5 days, then 1 % in 14."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.two_periods = cls._create_two_periods()

    @classmethod
    def _create_two_periods(cls, computation="included"):
        term = cls._create_term(2, 5, computation)
        term.cash_discount_period_ids = [Command.create({"days": 14, "percentage": 1})]
        return term

    def _get_quote(self, invoice, date):
        [quote] = self._get_term_lines(invoice).get_cash_discount(date)
        return quote["date"], quote["amount"], quote["amount_to_settle"]

    def _create_three_invoices(self):
        """The invoices of CD-04-A"""
        return (
            self._create_invoice(1000, date="2015-05-15"),
            self._create_invoice(1000),
            self._create_invoice(1000, term=self.two_periods),
        )

    def test_each_replaces_the_one_before(self):
        invoice = self._create_invoice(1000, term=self.two_periods)
        for date, expected in (
            ("2015-06-25", ("2015-06-30", 20.0, 980.0)),
            ("2015-06-30", ("2015-06-30", 20.0, 980.0)),
            ("2015-07-01", ("2015-07-09", 10.0, 990.0)),
            ("2015-07-09", ("2015-07-09", 10.0, 990.0)),
            ("2015-07-10", ("2015-07-09", 0.0, 1000.0)),
        ):
            self.assertEqual(self._get_quote(invoice, date), expected)
        self._get_term_lines(invoice).use_cash_discount = "always"
        self.assertEqual(
            self._get_quote(invoice, "2015-12-31"), ("2015-07-09", 10.0, 990.0)
        )

    def test_three_invoices_register(self):
        """CD-04-A through core's payment wizard"""
        invoices = self._create_three_invoices()
        wizard = self._create_register(
            *invoices, payment_date="2015-06-29", group_payment=True
        )
        self.assertEqual(wizard.amount, 2970.0)
        self.assertEqual(wizard.cash_discount_to_take, 30.0)
        wizard.action_create_payments()
        self._assert_three_paid(invoices)

    def test_three_invoices_settlement(self):
        """CD-04-A on the settlement screen"""
        invoices = self._create_three_invoices()
        payment = self._create_payment(self.partner, 2970, "2015-06-29")
        wizard = self._create_settlement(payment)
        wizard.action_mark_all()
        self.assertEqual(
            [self._get_line(wizard, invoice).amount_to_settle for invoice in invoices],
            [1000.0, 990.0, 980.0],
        )
        self.assertEqual(wizard.discount_total, 30.0)
        self.assertEqual(wizard.difference, 0.0)
        wizard.action_settle()
        self._assert_three_paid(invoices)

    def test_three_invoices_reconcile(self):
        """CD-04-A matched by a program"""
        invoices = self._create_three_invoices()
        self._pay(2970, "2015-06-29", *invoices)
        self._assert_three_paid(invoices)

    def _assert_three_paid(self, invoices):
        self.assertEqual([invoice.amount_residual for invoice in invoices], [0, 0, 0])
        self.assertEqual(
            [self._get_taken(invoice) for invoice in invoices], [[0.0], [10.0], [20.0]]
        )
        items = self.env["account.move.line"].search(
            [
                ("partner_id", "=", self.partner.id),
                ("account_id", "=", self.receivable.id),
                ("parent_state", "=", "posted"),
            ]
        )
        self.assertTrue(all(items.mapped("reconciled")))
        self.assertEqual(sum(items.mapped("balance")), 0.0)

    def test_parts_in_both_periods(self):
        invoice = self._create_invoice(1000, term=self.two_periods)
        self._pay(490, "2015-06-30", invoice)
        self.assertEqual(invoice.amount_residual, 500.0)
        self._pay(495, "2015-07-05", invoice)
        self.assertEqual(invoice.amount_residual, 0.0)
        self.assertEqual(self._get_taken(invoice), [15.0])

    def test_splits_within_the_second_period(self):
        invoice = self._create_invoice(1000, term=self.two_periods)
        for _number in range(3):
            self._pay(330, "2015-07-05", invoice)
        self.assertEqual(invoice.amount_residual, 0.0)
        self.assertEqual(self._get_taken(invoice), [10.0])

    def test_offers_are_kept(self):
        """The term may change; the invoice keeps what it promised."""
        invoice = self._create_invoice(
            1000, term=self.two_periods, taxes=[self.company_data["default_tax_sale"]]
        )
        offers = self._get_term_lines(invoice).cash_discount_offer_ids
        self.assertEqual(
            [
                (str(offer.date), offer.percentage, offer.amount_currency)
                for offer in offers
            ],
            [("2015-06-30", 2.0, 23.0), ("2015-07-09", 1.0, 11.5)],
        )
        self.assertEqual(offers.mapped("amount_to_pay"), [1127.0, 1138.5])
        self.two_periods.cash_discount_period_ids.unlink()
        self.two_periods.early_pay_discount_computation = "excluded"
        self._pay(1138.5, "2015-07-05", invoice)
        self.assertEqual(invoice.amount_residual, 0.0)
        entry = self._get_entries()
        tax = entry.line_ids.filtered("tax_line_id")
        self.assertEqual(tax.balance, 1.5)
        invoice.button_draft()
        self.assertFalse(offers.exists())
        invoice.action_post()
        self.assertEqual(len(self._get_term_lines(invoice).cash_discount_offer_ids), 1)

    def test_tax_is_left_alone(self):
        """The percentage is of the untaxed amount."""
        tax = self.company_data["default_tax_sale"]
        term = self._create_two_periods("excluded")
        invoice = self._create_invoice(1000, term=term, taxes=[tax])
        self.assertEqual(
            self._get_quote(invoice, "2015-06-30"), ("2015-06-30", 20.0, 1130.0)
        )
        self.assertEqual(
            self._get_quote(invoice, "2015-07-09"), ("2015-07-09", 10.0, 1140.0)
        )
        self._pay(1140, "2015-07-09", invoice)
        self._assert_entry(
            self._get_entries(),
            [(self.discount_account, 10.0, 0.0), (self.receivable, 0.0, 10.0)],
        )

    def test_cash_rounding_and_currency(self):
        rounding = self.env["account.cash.rounding"].create(
            {
                "name": "Five cents",
                "rounding": 0.05,
                "strategy": "add_invoice_line",
                "profit_account_id": self.company_data["default_account_revenue"].id,
                "loss_account_id": self.company_data["default_account_expense"].id,
            }
        )
        euro = self.setup_other_currency("EUR", rates=[("2015-01-01", 0.5)])
        invoice = self._create_invoice(
            333.33,
            term=self.two_periods,
            currency_id=euro.id,
            invoice_cash_rounding_id=rounding.id,
        )
        self.assertEqual(invoice.amount_total, 333.35)
        offers = self._get_term_lines(invoice).cash_discount_offer_ids
        self.assertEqual(offers.mapped("amount_to_pay"), [326.7, 330.0])
        self.assertEqual(offers.mapped("amount_currency"), [6.65, 3.35])
        self.assertEqual(offers.mapped("balance"), [13.3, 6.7])
        self._pay(330.0, "2015-07-09", invoice, currency_id=euro.id)
        item = self._get_term_lines(invoice)
        self.assertEqual((item.amount_residual, item.amount_residual_currency), (0, 0))

    def test_refused_terms(self):
        with self.assertRaisesRegex(ValidationError, "upon invoice"):
            self._create_two_periods("mixed")
        with self.assertRaisesRegex(ValidationError, "upon invoice"):
            self.two_periods.early_pay_discount_computation = "mixed"
        Period = self.env["collections.cash.discount.period"]
        plain = self.env.ref("account.account_payment_term_30days")
        for term, days, percentage in (
            (self.term, 14, 1),
            (self.term, 20, 0),
            (self.term, 20, 100),
            (plain, 20, 1),
        ):
            with self.assertRaises(ValidationError):
                Period.create(
                    {
                        "payment_term_id": term.id,
                        "days": days,
                        "percentage": percentage,
                    }
                )
        with self.assertRaises(ValidationError):
            self.two_periods.discount_days = 14
        with self.assertRaises(ValidationError):
            self.two_periods.early_discount = False

    def test_preview_of_the_term(self):
        form = Form(self.two_periods)
        form.example_date = "2015-06-25"
        preview = form.cash_discount_preview
        for text in ("06/30/2015", "980.00", "07/09/2015", "990.00", "2 %", "1 %"):
            self.assertIn(text, preview.replace("\xa0", " "))
        self.assertFalse(Form(self.term).cash_discount_preview)

    def test_copied_term_and_invoice(self):
        self.assertEqual(len(self.two_periods.copy().cash_discount_period_ids), 1)
        invoice = self._create_invoice(1000, term=self.two_periods)
        copy = invoice.copy({"invoice_date": "2015-08-01"})
        self.assertFalse(copy.line_ids.cash_discount_offer_ids)
        copy.action_post()
        self.assertEqual(
            [
                str(offer.date)
                for offer in self._get_term_lines(copy).cash_discount_offer_ids
            ],
            ["2015-08-06", "2015-08-15"],
        )

    def test_printed_invoice(self):
        invoice = self._create_invoice(1000, term=self.two_periods)
        self.assertEqual(self._get_printed(invoice), ["980.00", "990.00"])
        single = self._create_invoice(1000)
        self.assertEqual(
            self._get_printed(single), ["990.00"], "Core prints it by itself"
        )
        self.company.collections_partial_cash_discount = False
        self.assertEqual(self._get_printed(invoice), ["980.00"])

    def test_printed_invoice_does_not_say_that_the_discount_was_paid(self):
        invoice = self._create_invoice(1000)
        self._pay(297, "2015-07-01", invoice)
        html, _type = self.env["ir.actions.report"]._render_qweb_html(
            "account.account_invoices", invoice.ids
        )
        text = " ".join(html.decode().split())
        self.assertEqual(text.count("Paid on"), 1)
        self.assertEqual(text.count("Deducted on"), 1)
        widget = invoice.invoice_payments_widget["content"]
        self.assertEqual(
            {values["amount"]: values["is_deduction"] for values in widget},
            {297.0: False, 3.0: True},
        )

    def _get_printed(self, invoice):
        html, _type = self.env["ir.actions.report"]._render_qweb_html(
            "account.report_invoice", invoice.ids
        )
        text = html.decode()
        return [
            amount
            for amount in ("980.00", "990.00")
            if amount in text and "due if paid" in text
        ]

    def test_portal(self):
        today = fields.Date.today()
        invoice = self._create_invoice(1000, date=today, term=self.two_periods)
        values = invoice._get_invoice_next_payment_values()
        self.assertEqual(values["installment_state"], "epd")
        self.assertIn("980.00", values["epd_discount_msg"])
        self._pay(490, today, invoice)
        values = invoice._get_invoice_next_payment_values()
        self.assertEqual(values["amount_due"], 490.0)
        self.assertEqual(values["epd_discount_amount_currency"], 10.0)
        portal = new_test_user(self.env, "portal_buyer", groups="base.group_portal")
        with self.assertRaises(AccessError):
            self.env["collections.cash.discount.offer"].with_user(portal).search([])

    def test_invoice_form(self):
        invoice = self._create_invoice(1000, term=self.two_periods)
        self._pay(297, "2015-07-02", invoice)
        self.assertEqual(len(invoice.collections_cash_discount_offer_ids), 2)
        [line] = invoice.collections_cash_discount_line_ids
        self.assertEqual(line.cash_discount_taken, 3.0)
        self.assertEqual(line.cash_discount_available, 0.0)
        line = line.with_context(collections_date="2015-07-05")
        self.assertEqual(line.cash_discount_available, 7.0)
        self.assertEqual(line.cash_discount_amount, 7.0)
        self.assertEqual(str(line.cash_discount_date), "2015-07-09")
        self.assertEqual(
            invoice.collections_cash_discount_move_ids, self._get_entries()
        )
        action = invoice.action_view_cash_discounts()
        self.assertEqual(action["res_id"], self._get_entries().id)
        bill = self._create_invoice(
            1000,
            move_type="in_invoice",
            journal_id=self.company_data["default_journal_purchase"].id,
        )
        self.assertFalse(bill.collections_cash_discount_line_ids)
