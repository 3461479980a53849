from odoo import Command
from odoo.exceptions import UserError
from odoo.tests import tagged

from .common import MANAGER, ReimbursementCommon


@tagged("post_install", "-at_install")
class TestReimbursementCurrency(ReimbursementCommon):
    """Credits in several currencies and companies."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # 1.00 USD is 2.00 EUR in January and 4.00 EUR from April on.
        cls.euro = cls.setup_other_currency(
            "EUR", rates=[("2026-01-01", 2.0), ("2026-04-01", 4.0)]
        )

    def test_two_currencies_and_a_rate_change(self):
        dollars = self._create_item(self.partner, -100, "2026-01-31")
        euros = self._create_item(
            self.partner, -200, "2026-01-31", currency_id=self.euro.id
        )
        books = self._get_books()
        states = self._get_states(dollars, euros)
        reimbursements = self._reimburse()
        self.assertRecordValues(
            reimbursements.sorted(lambda record: record.currency_id == self.euro),
            [
                {
                    "currency_id": self.company.currency_id.id,
                    "amount": 100.0,
                    "amount_company": 100.0,
                },
                # Booked at 100.00, worth 50.00 on the day it is reimbursed.
                {
                    "currency_id": self.euro.id,
                    "amount": 200.0,
                    "amount_company": 50.0,
                },
            ],
        )
        bill = reimbursements.filtered(
            lambda record: record.currency_id == self.euro
        ).bill_id
        self.assertEqual(bill.amount_total, 200.0)
        self._assert_entry(
            bill, [(self.clearing_account, 50, 0), (self.payable, 0, 50)]
        )
        for document in (dollars, euros):
            self.assertRecordValues(
                self._get_term_lines(document),
                [
                    {
                        "amount_residual": 0.0,
                        "amount_residual_currency": 0.0,
                        "reconciled": True,
                    }
                ],
            )
        self.assertEqual(self._get_balance(self.partner), 0.0)
        self._assert_clearing_closed()
        reimbursements.action_cancel()
        self._assert_undone(books, states, (dollars, euros))

    def test_cancel_in_a_locked_period(self):
        """The reversal has the rate of the bill, so that the clearing closes."""
        credit = self._create_item(
            self.partner, -200, "2026-01-31", currency_id=self.euro.id
        )
        books, states = self._get_books(), self._get_states(credit)
        reimbursement = self._reimburse()
        self.env["res.currency.rate"].create(
            {"name": "2026-05-01", "rate": 8.0, "currency_id": self.euro.id}
        )
        self.company.fiscalyear_lock_date = "2026-04-30"
        reimbursement.action_cancel()
        self.assertEqual(reimbursement.bill_id.payment_state, "reversed")
        self._assert_undone(books, states, (credit,))
        self._assert_clearing_closed()

    def test_minimum_in_another_currency(self):
        """25.00 USD are 100.00 EUR on the day."""
        for amount, state in ((99.96, "held"), (100.0, "reimburse")):
            customer = self._create_customer(f"Credit of {amount}")
            self._create_item(customer, -amount, "2026-01-31", currency_id=self.euro.id)
            wizard = self._create_reimbursement_wizard(customer)
            wizard.action_preview()
            self.assertEqual(wizard.line_ids.state, state)
        self.assertEqual(wizard.line_ids.amount_company, 25.0)

    def test_debit_in_another_currency(self):
        self._create_item(self.partner, -100, "2026-01-31")
        invoice = self._create_item(
            self.partner, 10, "2026-01-31", currency_id=self.euro.id
        )
        wizard = self._create_reimbursement_wizard()
        wizard.action_preview()
        self.assertEqual(wizard.line_ids.state, "held")
        wizard.include_open_debits = True
        wizard.action_preview()
        self.assertEqual(wizard.line_ids.state, "reimburse")
        self.assertEqual(wizard.line_ids.amount, 100.0)
        self.assertIn("another currency", wizard.line_ids.reason)
        wizard.action_reimburse()
        self.assertEqual(invoice.amount_residual, 10.0)

    def test_debits_of_the_same_currency_at_other_rates(self):
        credit = self._create_item(
            self.partner, -400, "2026-01-31", currency_id=self.euro.id
        )
        invoice = self._create_item(
            self.partner, 100, "2026-04-15", currency_id=self.euro.id
        )
        books, states = self._get_books(), self._get_states(credit, invoice)
        reimbursement = self._reimburse(include_open_debits=True)
        self.assertEqual(reimbursement.amount, 300.0)
        self.assertEqual(self._get_balance(self.partner), 0.0)
        self._assert_clearing_closed()
        reimbursement.action_cancel()
        self._assert_undone(books, states, (credit, invoice))

    def test_little_is_left_of_much_on_two_accounts(self):
        """A cent left of 500.00 on either side moves no more than a cent by rounding.

        Cut in proportion, the rounding of that cent (0.009 USD) made an exchange loss
        of 50.00 on one account and a gain of 49.99 on the other.
        """
        pound = self.setup_other_currency("GBP", rates=[("2026-01-01", 1.1111)])
        other = self._create_account(
            "Other receivable", "121900", "asset_receivable", reconcile=True
        )
        invoice = self._create_item(
            self.partner, 499.99, "2026-01-31", currency_id=pound.id
        )
        self.partner.property_account_receivable_id = other
        credit = self._create_item(
            self.partner, -500, "2026-01-31", currency_id=pound.id
        )
        books, states = self._get_books(), self._get_states(invoice, credit)
        reimbursement = self._reimburse(include_open_debits=True, minimum=0.0)
        self.assertEqual(reimbursement.amount, 0.01)
        self._assert_entry(
            reimbursement.transfer_move_id,
            [
                (self.receivable, 0, 450),
                (other, 450.01, 0),
                (self.clearing_account, 0, 0.01),
            ],
        )
        items = self._get_term_lines(invoice, credit)
        partials = items.matched_debit_ids | items.matched_credit_ids
        for line in partials.exchange_move_id.line_ids:
            self.assertLessEqual(abs(line.balance), 0.01)
        for item in items:
            self.assertRecordValues(
                item, [{"amount_residual": 0.0, "amount_residual_currency": 0.0}]
            )
        self._assert_clearing_closed()
        reimbursement.action_cancel()
        self._assert_undone(books, states, (invoice, credit))

    def test_each_company_on_its_own(self):
        data = self.setup_other_company()
        other = data["company"]
        mine = self._create_item(self.partner, -100, "2026-01-31")
        theirs = (
            self.env["account.move"]
            .with_company(other)
            .create(
                {
                    "move_type": "out_refund",
                    "company_id": other.id,
                    "journal_id": data["default_journal_sale"].id,
                    "partner_id": self.partner.id,
                    "invoice_date": "2026-01-31",
                    "invoice_line_ids": [
                        (0, 0, {"name": "Goods", "price_unit": 70, "tax_ids": []})
                    ],
                }
            )
        )
        theirs.action_post()
        self.assertEqual(self._reimburse().amount, 100.0)
        self.assertEqual(mine.amount_residual, 0.0)
        self.assertEqual(theirs.amount_residual, 70.0)
        with self.assertRaisesRegex(UserError, "There is no clearing account"):
            self._reimburse(company_id=other.id)

    def _create_branch_credits(self, customer, *amounts):
        """Return a branch that reimburses, and what it owes the customer."""
        branch = self._create_branch(customer)
        branch.write(
            {
                "collections_reimbursement_account_id": self.clearing_account.id,
                "collections_settlement_journal_id": self.settlement_journal.id,
            }
        )
        credits = self.env["account.move"].create(
            [
                {
                    "move_type": "out_refund",
                    "company_id": branch.id,
                    "journal_id": self.company_data["default_journal_sale"].id,
                    "partner_id": customer.id,
                    "invoice_date": "2026-01-31",
                    "invoice_line_ids": [
                        Command.create(
                            {"name": "Goods", "price_unit": amount, "tax_ids": []}
                        )
                    ],
                }
                for amount in amounts
            ]
        )
        return branch, credits

    def _reimburse_in(self, branch, user):
        """Reimburse as somebody who has the branch alone switched on."""
        Wizard = self.env["collections.reimbursement.wizard"].with_user(user)
        Wizard = Wizard.with_context(allowed_company_ids=branch.ids)
        wizard = Wizard.create({"date": "2026-04-30"})
        wizard.action_reimburse()
        return wizard.run_id.reimbursement_ids.with_env(self.env)

    def test_branch(self):
        """A branch books in the journals and on the account of its parent."""
        branch, credit = self._create_branch_credits(self.partner, 70)
        self.partner.with_company(branch).collections_vendor_id = self.vendor
        self.vendor.with_company(branch).property_account_payable_id = self.payable
        credit.action_post()
        books, states = self._get_books(), self._get_states(credit)
        context = {"allowed_company_ids": [branch.id, self.company.id]}
        Wizard = self.env["collections.reimbursement.wizard"].with_context(**context)
        wizard = Wizard.create({"date": "2026-04-30"})
        wizard.action_reimburse()
        reimbursement = wizard.run_id.reimbursement_ids
        self.assertEqual(reimbursement.company_id, branch)
        self.assertEqual(reimbursement.bill_id.company_id, branch)
        self.assertEqual(reimbursement.transfer_move_id.company_id, branch)
        self.assertEqual(credit.amount_residual, 0.0)
        clearing = self.clearing_account
        self._assert_entry(
            reimbursement.bill_id, [(clearing, 70, 0), (self.payable, 0, 70)]
        )
        self._assert_entry(
            reimbursement.transfer_move_id,
            [(self.receivable, 70, 0), (clearing, 0, 70)],
        )
        self._assert_clearing_closed()
        reimbursement.action_cancel()
        self._assert_undone(books, states, credit)

    def test_branch_does_not_see_the_accounts_of_its_head_office(self):
        """They are the one-time vendor's all the same."""
        customer = self._create_customer(
            "Of the head office",
            company_id=self.company.id,
            property_account_payable_id=self.payable.id,
        )
        branch, credits = self._create_branch_credits(customer, 70, 80)
        customer.with_company(branch).property_account_payable_id = self.payable
        user = self._create_user("branch_manager", MANAGER, branch)
        numbers = ["BE48 3631 1600 9727", "BE68 5390 0754 7034"]
        for position, credit in enumerate(credits):
            credit.action_post()
            customer.bank_ids = [
                Command.create(
                    {"acc_number": numbers[position], "company_id": self.company.id}
                )
            ]
            self.env.flush_all()
            self.env.invalidate_all()
            reimbursement = self._reimburse_in(branch, user)
            self.assertEqual(
                sorted(reimbursement.vendor_id.bank_ids.mapped("acc_number")),
                numbers[: position + 1],
            )
            self.assertFalse(
                any(reimbursement.vendor_id.bank_ids.mapped("allow_out_payment"))
            )
            reimbursement.vendor_id.active = False
