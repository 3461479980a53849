"""The money of each job on the charts of accounts and taxes of several countries.

`./dev test neighbours` has their modules; elsewhere the classes of missing ones are
skipped. Taxes, terms and accounts are those that the country's module proposes.
"""

from odoo import Command
from odoo.tests import tagged

from .common import (
    CashDiscountCommon,
    PaymentReturnCommon,
    ReimbursementCommon,
    WriteoffCommon,
)


class CompleteChart(WriteoffCommon):
    """Adds the account of discounts where a chart has none."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        name = "account_journal_early_pay_discount_loss_account_id"
        if not cls.company[name]:
            cls.company[name] = cls._create_account("Discounts given", "999001")


class LocalizationCommon(
    CashDiscountCommon, PaymentReturnCommon, ReimbursementCommon, CompleteChart
):
    # How the country's payment terms take the discount off the tax.
    computation = "included"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.company.collections_writeoff_separate_tax = True
        cls.partner.country_id = cls.company.account_fiscal_country_id
        cls.partner.collections_vendor_id = cls.vendor
        cls.tax = cls.company_data["default_tax_sale"]
        cls.term = cls._create_country_term()

    @classmethod
    def _create_country_term(cls):
        """Make a term of 2 % within 14 days as the country takes it."""
        return cls.env["account.payment.term"].create(
            {
                "name": "2 % 14 days",
                "early_discount": True,
                "discount_percentage": 2,
                "discount_days": 14,
                "line_ids": [
                    Command.create(
                        {"value": "percent", "value_amount": 100, "nb_days": 30}
                    )
                ],
            }
        )

    def _get_tax_open(self, invoice):
        """Return the tax in what is open of an invoice."""
        share = invoice.amount_residual / invoice.amount_total
        return self.company.currency_id.round(invoice.amount_tax * share)

    @staticmethod
    def _get_account_balances(books):
        """Return what stands on accounts, without tax report lines."""
        return {key: value for key, value in books.items() if isinstance(key, tuple)}

    def _assert_adds_up(self):
        """Check entries, trial balance, residuals and the tie of a snapshot."""
        self.env.flush_all()
        self.env.cr.execute(
            """
            SELECT line.move_id
              FROM account_move_line line
             WHERE line.company_id = %(company)s AND line.parent_state = 'posted'
             GROUP BY line.move_id
            HAVING SUM(line.balance) != 0
            """,
            {"company": self.company.id},
        )
        self.assertFalse(self.env.cr.fetchall(), "An entry does not balance")
        self.env.cr.execute(
            """
            SELECT line.id
              FROM account_move_line line
              JOIN account_account account ON account.id = line.account_id
              LEFT JOIN LATERAL (
                   SELECT SUM(amount) AS amount
                     FROM account_partial_reconcile
                    WHERE debit_move_id = line.id
                   ) debit ON TRUE
              LEFT JOIN LATERAL (
                   SELECT SUM(amount) AS amount
                     FROM account_partial_reconcile
                    WHERE credit_move_id = line.id
                   ) credit ON TRUE
             WHERE line.company_id = %(company)s
               AND line.parent_state = 'posted'
               AND account.account_type IN ('asset_receivable', 'liability_payable')
               AND line.amount_residual != line.balance
                   - COALESCE(debit.amount, 0) + COALESCE(credit.amount, 0)
            """,
            {"company": self.company.id},
        )
        self.assertFalse(self.env.cr.fetchall(), "A residual is not what is matched")
        self._assert_ties(self._run_snapshot("2026-12-31"))


class LocalizationTests:
    def test_the_country_is_what_it_should_be(self):
        self.assertEqual(self.company.chart_template, self.chart_template)
        self.assertEqual(self.term.early_pay_discount_computation, self.computation)
        self.assertGreater(self.tax.amount, 0)

    def test_write_off_and_take_back(self):
        invoice = self._create_invoice(1000, "2026-01-31", taxes=self.tax)
        self._pay(300, "2026-02-28", invoice)
        tax_open = self._get_tax_open(invoice)
        residual = invoice.amount_residual
        books, states = self._get_books(), self._get_states(invoice)
        move = self._write_off(invoice, date="2026-03-31")
        self.assertEqual(invoice.amount_residual, 0.0)
        balances = {}
        for line in move.line_ids:
            account = line.account_id
            balances[account] = balances.get(account, 0.0) + line.balance
        self.assertAlmostEqual(balances.pop(self.receivable), -residual)
        self.assertAlmostEqual(
            balances.pop(self.writeoff_account), residual - tax_open, delta=0.011
        )
        self.assertAlmostEqual(sum(balances.values()), tax_open, delta=0.011)
        self._assert_adds_up()
        move.action_reverse_writeoff()
        self._assert_undone(books, states, [invoice])
        self._assert_adds_up()

    def test_partial_cash_discounts_and_undo(self):
        invoice = self._create_invoice(1000, "2026-01-31", taxes=self.tax)
        item = self._get_term_lines(invoice)
        [terms] = item.get_cash_discount("2026-02-05")
        first = self._create_payment(
            self.partner, invoice.amount_total / 3, "2026-02-03"
        )
        rest = self._create_payment(
            self.partner,
            terms["amount_to_settle"] - first.amount,
            "2026-02-05",
        )
        books, states = self._get_books(), self._get_states(invoice)
        self._match(first, invoice)
        self.assertEqual(invoice.payment_state, "partial")
        self._match(rest, invoice)
        self.assertEqual(invoice.amount_residual, 0.0)
        [taken] = self._get_taken(invoice)
        self.assertAlmostEqual(taken, terms["amount"])
        entries = self._get_entries()
        self.assertEqual(len(entries), 2)
        self.assertAlmostEqual(
            -sum(
                entries.line_ids.filtered(
                    lambda line: line.account_id == self.receivable
                ).mapped("balance")
            ),
            taken,
        )
        # Where the tax follows the discount, its share of it goes back.
        self.assertEqual(
            bool(entries.line_ids.filtered("tax_line_id")),
            self.computation == "included",
        )
        self._assert_adds_up()
        item.remove_move_reconcile()
        self._assert_undone(books, states, [invoice])
        self._assert_adds_up()

    def test_returned_payment_with_fee_and_undo(self):
        self.fee_product.taxes_id = self.tax
        self.bank.collections_nsf_fee_product_id = self.fee_product
        invoice = self._create_invoice(1000, "2026-01-31", taxes=self.tax)
        payment = self._pay(invoice.amount_total, "2026-02-28", invoice)
        self.assertEqual(invoice.amount_residual, 0.0)
        books, states = self._get_books(), self._get_states(invoice)
        payment_return = self._return(payment, "2026-03-05")
        self.assertEqual(invoice.amount_residual, invoice.amount_total)
        self.assertEqual(payment_return.fee_move_id.state, "posted")
        self.assertEqual(
            payment_return.fee_move_id.amount_total,
            self.tax.compute_all(35)["total_included"],
        )
        self._assert_adds_up()
        payment_return.action_undo("2026-03-06")
        # The fee goes back as a credit note, which some countries report on its own
        # lines: accounts are compared, not report lines.
        self.assertEqual(
            self._get_account_balances(self._get_books()),
            self._get_account_balances(books),
        )
        self.assertEqual(self._get_states(invoice), states)
        self._assert_adds_up()

    def test_reimburse_and_cancel(self):
        credit = self._create_invoice(
            100,
            "2026-01-31",
            taxes=self.tax,
            move_type="out_refund",
            invoice_payment_term_id=False,
        )
        books, states = self._get_books(), self._get_states(credit)
        reimbursement = self._reimburse(self.partner)
        self.assertEqual(reimbursement.amount, credit.amount_total)
        self.assertEqual(credit.amount_residual, 0.0)
        self.assertEqual(reimbursement.bill_id.amount_residual, credit.amount_total)
        self.assertEqual(self._get_balance(self.partner), 0.0)
        self._assert_clearing_closed()
        self._assert_adds_up()
        reimbursement.action_cancel()
        self._assert_undone(books, states, [credit])
        self._assert_adds_up()


@tagged("post_install", "-at_install")
class TestGenericChart(LocalizationTests, LocalizationCommon):
    chart_template = "generic_coa"


@tagged("post_install", "-at_install")
class TestGermanChart(LocalizationTests, LocalizationCommon):
    chart_template = "de_skr03"
    country_code = "DE"


@tagged("post_install", "-at_install")
class TestFrenchChart(LocalizationTests, LocalizationCommon):
    chart_template = "fr"
    country_code = "FR"


@tagged("post_install", "-at_install")
class TestBelgianChart(LocalizationTests, LocalizationCommon):
    chart_template = "be_comp"
    country_code = "BE"
    computation = "mixed"


@tagged("post_install", "-at_install")
class TestDutchChart(LocalizationTests, LocalizationCommon):
    chart_template = "nl"
    country_code = "NL"
    computation = "excluded"


@tagged("post_install", "-at_install")
class TestSwedishChart(LocalizationTests, LocalizationCommon):
    chart_template = "se"
    country_code = "SE"


@tagged("post_install", "-at_install")
class TestBritishChart(LocalizationTests, LocalizationCommon):
    chart_template = "uk"
    country_code = "GB"


@tagged("post_install", "-at_install")
class TestMexicanChart(LocalizationTests, LocalizationCommon):
    """Taxes fall due when they are paid."""

    chart_template = "mx"
    country_code = "MX"

    def test_taxes_are_due_on_payment(self):
        self.assertEqual(self.tax.tax_exigibility, "on_payment")
        invoice = self._create_invoice(1000, "2026-01-31", taxes=self.tax)
        transition = self.tax.cash_basis_transition_account_id
        self._pay(invoice.amount_total / 2, "2026-02-28", invoice)
        self._write_off(invoice, date="2026-03-31")
        self.assertEqual(invoice.amount_residual, 0.0)
        lines = self.env["account.move.line"].search(
            [("account_id", "=", transition.id), ("parent_state", "=", "posted")]
        )
        self.assertAlmostEqual(sum(lines.mapped("balance")), 0.0)
        self._assert_adds_up()
