"""Beside OCA addons that work on the same books.

`./dev test neighbours` has them; elsewhere the test of a missing one is skipped.
"""

from odoo import Command
from odoo.exceptions import UserError
from odoo.tests import Form, tagged

from .common import CashDiscountCommon, PaymentReturnCommon


class NeighbourCommon(CashDiscountCommon, PaymentReturnCommon):
    neighbour = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ensure_installed(cls.neighbour)


@tagged("post_install", "-at_install")
class TestJournalLockDate(NeighbourCommon):
    neighbour = "account_journal_lock_date"

    def test_write_off_asks_the_journal(self):
        self.writeoff_journal.fiscalyear_lock_date = "2026-03-31"
        invoice = self._create_item(self.partner, 100, "2026-01-31")
        wizard = self._create_wizard(invoice, date="2026-03-31")
        self.assertEqual(str(wizard.first_free_date), "2026-04-01")
        with self.assertRaisesRegex(UserError, r"Lock Date \(03/31/2026\).*04/01/2026"):
            wizard.action_write_off()
        self.assertEqual(invoice.amount_residual, 100.0)
        move = self._write_off(invoice, date="2026-04-01")
        self.assertEqual(move.state, "posted")
        self.assertEqual(invoice.amount_residual, 0.0)

    def test_both_locks_are_named(self):
        self.company.fiscalyear_lock_date = "2026-02-28"
        self.writeoff_journal.fiscalyear_lock_date = "2026-03-31"
        invoice = self._create_item(self.partner, 100, "2026-03-31")
        with self.assertRaisesRegex(UserError, r"02/28/2026.*03/31/2026.*04/01/2026"):
            self._write_off(invoice, date="2026-02-01")

    def test_lock_for_all_but_advisers(self):
        self.writeoff_journal.period_lock_date = "2026-03-31"
        Posting = self.env["collections.posting"]
        lock_dates = (
            self.company,
            self.writeoff_journal,
            Posting._parse_date("2026-03-01"),
        )
        self.assertFalse(Posting._get_lock_dates(*lock_dates, has_tax=False))
        manager = self._create_user(
            "collector", "credit_collections.group_collections_manager"
        )
        self.assertTrue(
            Posting.with_user(manager)._get_lock_dates(*lock_dates, has_tax=False)
        )

    def test_discounts_go_to_the_first_free_day(self):
        self.settlement_journal.fiscalyear_lock_date = "2015-07-31"
        invoice = self._create_invoice(1000)
        self._pay(297, "2015-07-02", invoice)
        self.assertEqual(invoice.amount_residual, 700.0)
        entry = self._get_entries()
        self.assertEqual(str(entry.date), "2015-08-01")
        self.settlement_journal.fiscalyear_lock_date = "2015-08-31"
        self._get_term_lines(invoice).remove_move_reconcile()
        self.assertEqual(invoice.amount_residual, 1000.0)
        self.assertGreater(str(entry.reversal_move_ids.date), "2015-08-31")

    def test_returned_payment_in_a_locked_journal(self):
        self.nsf_journal.fiscalyear_lock_date = "2026-03-31"
        invoice = self._create_item(self.partner, 100, "2026-01-31")
        payment = self._pay(100, "2026-02-10", invoice)
        with self.assertRaisesRegex(UserError, "04/01/2026"):
            self._return(payment, "2026-02-20")
        self._return(payment, "2026-04-01")
        self.assertEqual(invoice.amount_residual, 100.0)


@tagged("post_install", "-at_install")
class TestFinancialRisk(NeighbourCommon):
    neighbour = "account_financial_risk"

    def test_fee_of_a_customer_over_the_limit(self):
        """The addon asks instead of posting, which nobody would answer here."""
        self.company.allow_overrisk_invoice_validation = False
        self.bank.collections_nsf_fee_product_id = self.fee_product
        invoice = self._create_item(self.partner, 500, "2026-01-31")
        payment = self._pay(500, "2026-02-10", invoice)
        self.partner.write({"risk_invoice_open_include": True, "credit_limit": 1.0})
        draft = self._create_item_in_draft(10)
        self.assertEqual(draft.action_post()["res_model"], "partner.risk.exceeded.wiz")
        payment_return = self._return(payment, "2026-02-20")
        self.assertEqual(payment_return.fee_move_id.state, "posted")
        self.assertEqual(invoice.amount_residual, 500.0)

    def _create_item_in_draft(self, amount):
        return self.env["account.move"].create(
            {
                "move_type": "out_invoice",
                "partner_id": self.partner.id,
                "invoice_date": "2026-02-01",
                "invoice_line_ids": [
                    Command.create({"name": "Goods", "price_unit": amount})
                ],
            }
        )


@tagged("post_install", "-at_install")
class TestPaymentReturnOfOthers(NeighbourCommon):
    neighbour = "account_payment_return"

    def test_discount_goes_back_and_comes_again(self):
        invoice = self._create_invoice(1000)
        payment = self._pay(297, "2015-07-02", invoice)
        entry = self._get_entries()
        self.assertEqual(invoice.amount_residual, 700.0)
        books, states = self._get_books(), self._get_states(invoice)
        other = self.env["payment.return"].create(
            {
                "journal_id": self.bank.id,
                "date": "2015-07-10",
                "payment_method_line_id": self.inbound_payment_method_line.id,
                "line_ids": [
                    Command.create(
                        {
                            "partner_id": self.partner.id,
                            "move_line_ids": [
                                Command.set(self._get_term_lines(payment).ids)
                            ],
                            "amount": 297,
                        }
                    )
                ],
            }
        )
        other.action_confirm()
        self.assertEqual(invoice.amount_residual, 1000.0)
        self.assertEqual(entry.reversal_move_ids.state, "posted")
        self._assert_ties(self._run_snapshot("2015-12-31"))
        other.action_cancel()
        self._assert_undone(books, states, [invoice])


@tagged("post_install", "-at_install")
class TestPaymentDiscount(NeighbourCommon):
    neighbour = "account_payment_discount"

    def test_its_credit_notes_earn_nothing_here(self):
        """It offers the discount of credit notes as well; ours is a parameter."""
        credit = self._create_invoice(1000, move_type="out_refund")
        payment = self._create_payment(
            self.partner, 990, "2015-07-02", payment_type="outbound"
        )
        self._match(payment, credit)
        self.assertEqual(credit.amount_residual, 10.0)
        self.assertFalse(self._get_entries())

    def test_off_leaves_its_answer(self):
        self.company.collections_partial_cash_discount = False
        credit = self._create_invoice(1000, move_type="out_refund")
        self.assertTrue(
            credit._is_eligible_for_early_payment_discount(
                credit.currency_id, credit.invoice_date
            )
        )

    def test_register_payment_of_a_part(self):
        invoice = self._create_invoice(1000)
        self._create_register(
            invoice, amount=297, payment_date="2015-07-02"
        ).action_create_payments()
        self.assertEqual(invoice.amount_residual, 700.0)
        self._create_register(
            invoice, payment_date="2015-07-03"
        ).action_create_payments()
        self.assertEqual(invoice.amount_residual, 0.0)
        self.assertEqual(self._get_taken(invoice), [10.0])


@tagged("post_install", "-at_install")
class TestReconcileOca(NeighbourCommon):
    neighbour = "account_reconcile_oca"

    def test_bank_transaction_in_time_takes_the_discount(self):
        invoice = self._create_invoice(1000)
        transaction = self.env["account.bank.statement.line"].create(
            {
                "journal_id": self.bank.id,
                "payment_ref": "Deposit",
                "partner_id": self.partner.id,
                "date": "2015-07-02",
                "amount": 297,
            }
        )
        view = "account_reconcile_oca.bank_statement_line_form_reconcile_view"
        with Form(transaction, view=view) as form:
            form.add_account_move_line_id = self._get_term_lines(invoice)
        self.assertTrue(transaction.can_reconcile)
        transaction.reconcile_bank_line()
        self.assertEqual(invoice.amount_residual, 700.0)
        self.assertEqual(self._get_taken(invoice), [3.0])
        transaction.unreconcile_bank_line()
        self.assertEqual(invoice.amount_residual, 1000.0)


@tagged("post_install", "-at_install")
class TestNetting(NeighbourCommon):
    neighbour = "account_netting"

    def test_netted_invoice_earns_no_discount(self):
        """Bills are no payments."""
        invoice = self._create_invoice(1000)
        bill = self._create_invoice(
            990, move_type="in_invoice", invoice_payment_term_id=False
        )
        items = (invoice | bill).line_ids.filtered(
            lambda line: (
                line.account_id.account_type
                in ("asset_receivable", "liability_payable")
            )
        )
        self.env["account.move.make.netting"].with_context(
            active_model="account.move.line", active_ids=items.ids
        ).create({"journal_id": self.nsf_journal.id}).button_compensate()
        self.assertEqual(invoice.amount_residual, 10.0)
        self.assertEqual(bill.amount_residual, 0.0)
        self.assertFalse(self._get_entries())
