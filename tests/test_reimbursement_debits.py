from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import tagged

from .common import ReimbursementCommon


@tagged("post_install", "-at_install")
class TestReimbursementDebits(ReimbursementCommon):
    """Small differences that are booked when open debits are settled."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other_receivable = cls._create_account(
            "Other receivable", "121900", "asset_receivable", reconcile=True
        )
        cls.differences = cls._create_account("Payment differences", "658100")
        cls.pennies = cls._create_account("Penny differences", "658200")
        cls.company.write(
            {
                "collections_reimbursement_minimum": 0.0,
                "collections_cash_discount_administration": "specific",
                "collections_max_overunderpayment": 10.0,
                "collections_difference_account_id": cls.differences.id,
                "collections_max_penny_difference": 0.05,
                "collections_penny_difference_account_id": cls.pennies.id,
            }
        )

    def _create_other_credit(self, amount, **values):
        """Post a credit note on another account than what the customer has so far."""
        self.partner.property_account_receivable_id = self.other_receivable
        return self._create_item(self.partner, -amount, "2026-01-31", **values)

    def _create_discount_term(self):
        """Give cash discounts on partial payments: 1 % within 14 days."""
        self.company.write(
            {
                "collections_partial_cash_discount": True,
                "account_journal_early_pay_discount_loss_account_id": (
                    self._create_account("Discounts", "443900").id
                ),
            }
        )
        return self._create_term(1, 14, due_days=0)

    def _assert_reimbursed(self, amount, *invoices):
        """Check that the preview comes true, and that it can be taken back."""
        books, states = self._get_books(), self._get_states(*invoices)
        wizard = self._create_reimbursement_wizard(include_open_debits=True)
        wizard.action_preview()
        self.assertRecordValues(
            wizard.line_ids, [{"state": "reimburse", "amount": amount}]
        )
        wizard.action_reimburse()
        reimbursement = wizard.run_id.reimbursement_ids
        self.assertRecordValues(reimbursement, [{"amount": amount}])
        self.assertEqual(self._get_balance(self.partner), 0.0)
        self._assert_clearing_closed()
        reimbursement.action_cancel()
        self._assert_undone(books, states, invoices)

    def test_nothing_is_left_of_what_was_paid_too_much(self):
        """With cash discounts on partial payments and without, whole and pennies."""
        discounts = self._create_account("Discounts", "443900")
        self.company.account_journal_early_pay_discount_loss_account_id = discounts
        for on, paid in ((True, 105), (False, 105), (False, 100.03)):
            self.company.collections_partial_cash_discount = on
            customer = self._create_customer(f"{paid} {on}")
            self._create_item(customer, 100, "2026-04-25", "2026-03-25")
            self._create_payment(customer, paid, "2026-04-01")
            wizard = self._create_reimbursement_wizard(
                customer, include_open_debits=True
            )
            wizard.action_preview()
            self.assertRecordValues(wizard.line_ids, [{"state": "held", "amount": 0.0}])
            self.assertIn("take all of the credit", wizard.line_ids.reason)
            with self.assertRaisesRegex(UserError, "take all of the credit"):
                wizard.action_reimburse()

    def test_what_was_paid_too_much_is_not_paid_out(self):
        self.company.collections_reimbursement_minimum = 25.0
        for paid in (100.03, 105):
            with self.subTest(paid=paid), self.env.cr.savepoint() as savepoint:
                invoice = self._create_item(
                    self.partner, 100, "2026-04-25", "2026-03-25"
                )
                self._create_payment(self.partner, paid, "2026-04-01")
                self._create_other_credit(500)
                self._assert_reimbursed(500.0, invoice)
                savepoint.rollback()
                self.env.invalidate_all()

    def test_more_than_the_tolerance_is_paid_out(self):
        invoice = self._create_item(self.partner, 100, "2026-04-25", "2026-03-25")
        self._create_payment(self.partner, 110.01, "2026-04-01")
        self._assert_reimbursed(10.01, invoice)

    def test_what_was_paid_too_little_is_not_kept_back(self):
        invoice = self._create_item(self.partner, 100, "2026-04-25", "2026-03-25")
        self._create_payment(self.partner, 92, "2026-04-01")
        self._create_other_credit(500)
        self._assert_reimbursed(500.0, invoice)

    def test_credit_note_paid_out_before(self):
        """What the payment differs by changes the credit, not the debit."""
        for paid in (95, 105):
            with self.subTest(paid=paid), self.env.cr.savepoint() as savepoint:
                note = self._create_item(self.partner, -100, "2026-03-25")
                self._create_payment(
                    self.partner, paid, "2026-04-01", payment_type="outbound"
                )
                other = self._create_other_credit(500)
                self._assert_reimbursed(500.0, note, other)
                savepoint.rollback()
                self.env.invalidate_all()

    def test_discount_of_a_credit_note_paid_out_before(self):
        """Of 100.00 less 1 % 49.50 were paid out, which leaves 50.00 of it."""
        term = self._create_discount_term()
        self.company.collections_credit_note_cash_discount = True
        note = self._create_item(
            self.partner, -100, "2026-04-01", invoice_payment_term_id=term.id
        )
        self._create_payment(self.partner, 49.5, "2026-04-10", payment_type="outbound")
        self._assert_reimbursed(50.0, note)

    def test_another_currency(self):
        """5.00 EUR too much are 2.50 USD, which is within the tolerance."""
        euro = self.setup_other_currency("EUR", rates=[("2026-01-01", 2.0)])
        invoice = self._create_item(
            self.partner, 100, "2026-04-25", "2026-03-25", currency_id=euro.id
        )
        self._create_payment(self.partner, 105, "2026-04-01", currency_id=euro.id)
        self._create_other_credit(500, currency_id=euro.id)
        self._assert_reimbursed(500.0, invoice)

    def test_debit_that_a_branch_got_a_part_of(self):
        """As the scheduler and people do it who work for the head office alone."""
        invoice = self._create_item(self.partner, 100, "2026-01-31")
        self._match(
            invoice, self._create_branch_payment(self.partner, 30, "2026-02-01")
        )
        self._create_payment(self.partner, 150, "2026-03-01")
        env = self._get_head_office_env()
        wizard = env["collections.reimbursement.wizard"].create(
            {"date": "2026-04-30", "include_open_debits": True}
        )
        wizard.action_preview()
        self.assertEqual(wizard.line_ids.amount, 80.0)
        self.env.flush_all()
        self.env.invalidate_all()
        wizard.action_reimburse()
        self.assertEqual(wizard.run_id.line_ids.state, "reimbursed")
        self.assertEqual(invoice.payment_state, "paid")

    def test_credit_that_paid_a_part_at_a_branch(self):
        """It does not keep all customers from being previewed at the head office."""
        term = self._create_discount_term()
        branch = self._create_branch(self.partner)
        for name in (
            "account_journal_early_pay_discount_loss_account_id",
            "collections_settlement_journal_id",
            "collections_partial_cash_discount",
        ):
            branch[name] = self.company[name]
        there = self._create_item(
            self.partner,
            300,
            "2026-01-31",
            company_id=branch.id,
            invoice_payment_term_id=term.id,
        )
        self._create_item(
            self.partner, 100, "2026-01-31", invoice_payment_term_id=term.id
        )
        payment = self._create_payment(self.partner, 1000, "2026-02-01")
        both = (branch | self.company).ids
        lines = self._get_term_lines(there, payment)
        lines.with_context(allowed_company_ids=both).reconcile()
        self.assertEqual(there.payment_state, "paid")
        env = self._get_head_office_env()
        wizard = env["collections.reimbursement.wizard"].create(
            {"date": "2026-04-30", "include_open_debits": True}
        )
        wizard.action_preview()
        self.assertEqual(wizard.line_ids.amount, 604.0)

    def _count_queries(self, size, **values):
        """Return how many queries the preview of so many customers takes."""
        customers = self.env["res.partner"]
        for number in range(size):
            customer = self._create_customer(f"Customer {number} of {size}")
            customer.collections_vendor_id = self.vendor
            invoice = self._create_item(
                customer, 110, "2026-04-25", "2026-03-25", **values
            )
            self._match(invoice, self._create_payment(customer, 10, "2026-04-01"))
            self._create_payment(customer, 150, "2026-04-01")
            customers |= customer
        Posting = self.env["collections.reimbursement.posting"]
        self.env.flush_all()
        self.env.invalidate_all()
        before = self.cr.sql_log_count
        proposals = Posting._get_proposals(
            self.company, fields.Date.to_date("2026-04-30"), 0.0, True, customers
        )
        self.assertEqual(len(proposals), size)
        self.assertEqual(len({proposal.amount for proposal in proposals}), 1)
        return self.cr.sql_log_count - before

    def test_queries_do_not_grow_with_the_customers(self):
        term = self._create_discount_term()
        for values in ({}, {"invoice_payment_term_id": term.id}):
            self._count_queries(1, **values)
            self.assertEqual(
                self._count_queries(3, **values), self._count_queries(12, **values)
            )

    def test_no_queries_without_tolerances(self):
        self._count_queries(1)
        with_tolerances = self._count_queries(3)
        self.company.write(
            {
                "collections_max_overunderpayment": 0.0,
                "collections_max_penny_difference": 0.0,
            }
        )
        self.assertLess(self._count_queries(3), with_tolerances)
