from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from .common import ReimbursementCommon


@tagged("post_install", "-at_install")
class TestReimbursementUndo(ReimbursementCommon):
    """Cancelling puts everything back, and nothing is left half done by hand."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.credit = cls._create_item(cls.partner, -100, "2026-01-31")
        cls.payment = cls._create_payment(cls.partner, 50, "2026-02-28")
        cls.invoice = cls._create_item(cls.partner, 30, "2026-03-31")
        cls.documents = (cls.credit, cls.invoice, cls.payment.move_id)

    def setUp(self):
        super().setUp()
        # Each test needs what the books were before its own reimbursement.
        self.books = self._get_books()
        self.states = self._get_states(*self.documents)
        self.reimbursement = self._reimburse(include_open_debits=True)
        self.bill = self.reimbursement.bill_id
        self.transfer = self.reimbursement.transfer_move_id

    def _assert_cancelled(self):
        self._assert_undone(self.books, self.states, self.documents)
        self.assertRecordValues(
            self.reimbursement,
            [{"state": "cancelled", "settlement_partial_ids": []}],
        )
        self._assert_clearing_closed()
        # Whatever was taken back can be reimbursed again.
        self.assertEqual(self._reimburse(include_open_debits=True).amount, 120.0)

    def test_cancel(self):
        self.assertEqual(self.reimbursement.amount, 120.0)
        self.assertEqual(self.invoice.amount_residual, 0.0)
        self.assertIs(self.reimbursement.action_cancel(), True)
        self.assertEqual(self.bill.state, "cancel")
        self.assertEqual(self.transfer.state, "cancel")
        self._assert_cancelled()

    def test_cancel_in_a_locked_period(self):
        """The bill cannot be cancelled any more: both are reversed, on one day."""
        self.company.fiscalyear_lock_date = "2026-04-30"
        self.reimbursement.action_cancel()
        self.assertEqual(self.bill.payment_state, "reversed")
        reversals = self.bill.reversal_move_ids | self.transfer.reversal_move_ids
        self.assertEqual(len(reversals), 2)
        self.assertEqual(len(set(reversals.mapped("date"))), 1)
        self.company.fiscalyear_lock_date = False
        self._assert_cancelled()

    def test_cancel_after_the_customer_became_a_contact(self):
        company = self._create_customer("Parent", is_company=True)
        self.partner.parent_id = company
        self.assertEqual(self.reimbursement.partner_id, company)
        self.reimbursement.action_cancel()
        self._assert_undone(self.books, self.states, self.documents)
        self.assertEqual(self.reimbursement.state, "cancelled")

    def test_cancel_twice(self):
        self.reimbursement.action_cancel()
        with self.assertRaisesRegex(UserError, "cancelled already"):
            self.reimbursement.action_cancel()

    def test_cancel_after_payment(self):
        payment = (
            self.env["account.payment.register"]
            .with_context(active_model="account.move", active_ids=self.bill.ids)
            .create({"payment_date": "2026-05-02", "amount": 20})
            ._create_payments()
        )
        with self.assertRaisesRegex(UserError, "Cancel the payment first"):
            self.reimbursement.action_cancel()
        with self.assertRaisesRegex(UserError, "Cancel the payment first"):
            self.bill.button_cancel()
        payment.action_draft()
        payment.action_cancel()
        self.reimbursement.action_cancel()
        self._assert_cancelled()

    def test_bill_cancelled_by_hand(self):
        self.bill.button_cancel()
        self.assertEqual(self.transfer.state, "cancel")
        self._assert_cancelled()

    def test_transfer_cancelled_by_hand_with_others(self):
        other = self._create_item(self.partner, 10, "2026-03-31")
        self._get_term_lines(other).action_set_collections_status(
            "promised", promise_date="2999-12-31"
        )
        promise = self.env["collections.promise"].search([], limit=1)
        self.assertEqual((promise.amount, promise.state), (10.0, "open"))
        (self.transfer | other).button_cancel()
        self.assertEqual(other.state, "cancel")
        self.assertEqual(promise.state, "void")
        self.assertEqual(self.bill.state, "cancel")
        self._assert_undone(self.books, self.states, self.documents)

    def test_bill_and_transfer_are_not_taken_apart(self):
        for move in self.bill | self.transfer:
            for call in (
                lambda move=move: move.button_draft(),
                lambda move=move: move._reverse_moves(cancel=True),
                lambda move=move: move._reverse_moves(),
            ):
                with self.assertRaisesRegex(UserError, "Cancel the reimbursement"):
                    call()
        # A program cannot say that it is us.
        with self.assertRaisesRegex(UserError, "Cancel the reimbursement"):
            self.bill.with_context(collections_reimbursement=True).button_draft()
        self.assertEqual(self._get_balance(self.partner), 0.0)
        self.assertEqual(self._get_balance(self.vendor, "liability_payable"), -120.0)

    def test_cancelled_bill_is_a_bill_like_any_other(self):
        self.reimbursement.action_cancel()
        self.bill.button_draft()
        self.assertEqual(self.bill.state, "draft")

    def test_only_managers(self):
        agent = self._create_user(
            "agent_only", "credit_collections.group_collections_agent"
        )
        clerk = self._create_user("clerk", "account.group_account_invoice")
        with self.assertRaises(AccessError):
            self.reimbursement.with_user(agent).action_cancel()
        with self.assertRaises(AccessError):
            self.bill.with_user(clerk).button_cancel()
        with self.assertRaisesRegex(UserError, "Cancel the reimbursement"):
            self.bill.with_user(clerk).button_draft()
        self.assertEqual(self.reimbursement.state, "posted")

    def test_agents_read_everything(self):
        agent = self._create_user(
            "agent_only", "credit_collections.group_collections_agent"
        )
        reimbursement = self.reimbursement.with_user(agent)
        [values] = reimbursement.read()
        self.assertEqual(values["amount"], 120.0)
        self.assertTrue(reimbursement.settlement_partial_ids.read())
        self.assertTrue(reimbursement.run_id.read())
        self.assertEqual(
            self.bill.with_user(agent).collections_reimbursement_id, (reimbursement)
        )
        self.assertEqual(
            self.partner.with_user(agent).collections_reimbursement_count, 1
        )

    def test_search_bills_by_reimbursement(self):
        Move = self.env["account.move"]
        mine = [("id", "in", (self.bill | self.transfer | self.invoice).ids)]
        for operator, value, expected in (
            ("!=", False, self.bill | self.transfer),
            ("=", False, self.invoice),
            ("in", self.reimbursement.ids, self.bill | self.transfer),
            ("any", [("amount", "=", 120)], self.bill | self.transfer),
        ):
            domain = [("collections_reimbursement_id", operator, value), *mine]
            self.assertEqual(Move.search(domain), expected.sorted())

    def test_payment_that_is_undone_leaves_the_customer_owing(self):
        """The money went out: who takes the payment back owes it."""
        self._get_term_lines(self.payment).remove_move_reconcile()
        self.assertEqual(self._get_balance(self.partner), 0.0)
        wizard = self._create_reimbursement_wizard()
        wizard.action_preview()
        self.assertEqual(wizard.line_ids.state, "held")

    def test_nobody_writes_reimbursements(self):
        manager = self._create_user(
            "manager_only", "credit_collections.group_collections_manager"
        )
        reimbursement = self.reimbursement.with_user(manager)
        for call in (
            lambda: reimbursement.write({"state": "cancelled"}),
            lambda: reimbursement.unlink(),
            lambda: reimbursement.copy(),
            lambda: reimbursement.run_id.write({"state": "queued"}),
            lambda: reimbursement.run_id.line_ids.write({"state": "waiting"}),
        ):
            with self.assertRaises(AccessError):
                call()
        self.assertIs(reimbursement.action_cancel(), True)
