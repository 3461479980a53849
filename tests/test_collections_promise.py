from unittest.mock import patch

from freezegun import freeze_time

from odoo import Command, fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import Form, tagged

from .common import AGENT, CashDiscountCommon, PaymentReturnCommon, WriteoffCommon


class PromiseCommon(WriteoffCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.agent = cls._create_user("collector", AGENT)
        cls.invoice = cls._create_item(cls.partner, 300, "2026-01-31")
        cls.other_invoice = cls._create_item(cls.partner, 200, "2026-02-28")
        cls.item = cls._get_term_lines(cls.invoice)
        cls.other_item = cls._get_term_lines(cls.other_invoice)

    def _promise(self, items, date="2026-03-20", amount=0.0):
        """Note a promise as an agent; returns it in the environment of the test."""
        before = self.env["collections.promise"].search([])
        items.with_user(self.agent).action_set_collections_status(
            "promised", promise_date=date, promise_amount=amount
        )
        return self.env["collections.promise"].search([]) - before

    def _pay(self, amount, date, *documents, partner=None, **values):
        payment = self._create_payment(partner or self.partner, amount, date, **values)
        self._match(payment, *documents)
        return payment

    def _assert_promise(self, promise, state, received, status=None):
        promise.invalidate_recordset()
        self.assertEqual((promise.state, promise.amount_received), (state, received))
        if status:
            items = promise.line_ids.move_line_id
            self.assertEqual(set(items.mapped("collections_status")), {status})


@tagged("post_install", "-at_install")
class TestCollectionsPromise(PromiseCommon):
    @freeze_time("2026-03-10")
    def test_a_promise_is_kept_by_two_payments(self):
        promise = self._promise(self.item)
        self.assertRecordValues(
            promise,
            [
                {
                    "partner_id": self.partner.id,
                    "amount": 300.0,
                    "state": "open",
                    "user_id": self.agent.id,
                    "date": fields.Date.to_date("2026-03-20"),
                }
            ],
        )
        self._pay(100, "2026-03-12", self.invoice)
        self._assert_promise(promise, "open", 100.0, "promised")
        self._pay(200, "2026-03-20", self.invoice)
        self._assert_promise(promise, "kept", 300.0)
        self.assertEqual(self.partner.collections_promise_kept_ratio, 1.0)

    def test_cash_of_the_day_after_comes_too_late(self):
        with freeze_time("2026-03-10"):
            promise = self._promise(self.item)
        with freeze_time("2026-03-21"):
            self._pay(100, "2026-03-20", self.invoice)
            self._pay(150, "2026-03-21", self.invoice)
            self._run_snapshot("2026-03-21")
            self._assert_promise(promise, "partly", 100.0, "promise_broken")

    def test_broken_by_the_daily_run_only_after_the_day(self):
        # AG-05
        with freeze_time("2026-03-10"):
            promise = self._promise(self.item)
        with freeze_time("2026-03-20"):
            snapshot = self._run_snapshot("2026-03-20")
            self.assertEqual(snapshot.promise_broken_count, 0)
            self._assert_promise(promise, "open", 0.0, "promised")
        with freeze_time("2026-03-21"):
            self._run_snapshot("2026-03-21", update_collection_status=False)
            self._assert_promise(promise, "open", 0.0, "promised")
            snapshot = self._run_snapshot("2026-03-21")
            self.assertEqual(snapshot.promise_broken_count, 1)
            self._assert_promise(promise, "broken", 0.0, "promise_broken")
            again = self._run_snapshot("2026-03-21")
            self.assertEqual(again.promise_broken_count, 0)
        self.assertEqual(self.partner.collections_promise_judged_count, 1)
        self.assertEqual(self.partner.collections_promise_kept_ratio, 0.0)

    def test_a_back_dated_run_breaks_nothing(self):
        with freeze_time("2026-03-10"):
            promise = self._promise(self.item)
        with freeze_time("2026-03-25"):
            self._run_snapshot("2026-03-15")
            self._assert_promise(promise, "open", 0.0, "promised")

    def test_cash_on_the_wrong_invoice_counts_once_it_is_matched_right(self):
        with freeze_time("2026-03-10"):
            promise = self._promise(self.other_item)
        with freeze_time("2026-03-18"):
            payment = self._pay(200, "2026-03-18", self.invoice)
        with freeze_time("2026-03-25"):
            self._run_snapshot("2026-03-25")
            self._assert_promise(promise, "broken", 0.0, "promise_broken")
            self._get_term_lines(payment).remove_move_reconcile()
            self._match(payment, self.other_invoice)
            self._assert_promise(promise, "kept", 200.0)

    @freeze_time("2026-03-10")
    def test_cash_on_another_invoice_of_the_same_promise_keeps_it(self):
        promise = self._promise(self.item + self.other_item, amount=250.0)
        self.assertEqual(promise.amount, 250.0)
        self.assertEqual(promise.line_ids.mapped("amount"), [250.0])
        both = self._promise(self.item + self.other_item, amount=400.0)
        self.assertEqual(promise.state, "withdrawn")
        self.assertEqual(both.line_ids.mapped("amount"), [300.0, 100.0])
        self._pay(200, "2026-03-15", self.other_invoice)
        self._pay(200, "2026-03-16", self.invoice)
        self._assert_promise(both, "kept", 400.0)
        self.assertFalse(self.item.reconciled)
        self.assertEqual(self.item.collections_status, "not_disputed")

    def test_payment_in_another_currency_counts_in_the_currency_of_the_item(self):
        currency = self.setup_other_currency("EUR", rates=[("2026-01-01", 2.0)])
        invoice = self._create_item(
            self.partner, 100, "2026-01-31", currency_id=currency.id
        )
        with freeze_time("2026-03-10"):
            promise = self._promise(self._get_term_lines(invoice))
            self.assertEqual(promise.currency_id, currency)
            self._pay(25, "2026-03-15", invoice)
            self._assert_promise(promise, "open", 50.0)
            self._pay(25, "2026-03-16", invoice)
            self._assert_promise(promise, "kept", 100.0)

    @freeze_time("2026-03-10")
    def test_one_promise_for_each_currency(self):
        currency = self.setup_other_currency("EUR", rates=[("2026-01-01", 2.0)])
        foreign = self._create_item(
            self.partner, 100, "2026-01-31", currency_id=currency.id
        )
        promises = self._promise(self.item + self._get_term_lines(foreign))
        self.assertEqual(
            {promise.currency_id: promise.amount for promise in promises},
            {currency: 100.0, self.company.currency_id: 300.0},
        )
        with self.assertRaisesRegex(UserError, "several currencies"):
            self._promise(self.item + self._get_term_lines(foreign), amount=50.0)

    def test_cash_that_was_there_before_does_not_count(self):
        self._pay(100, "2026-03-01", self.invoice)
        with freeze_time("2026-03-10"):
            promise = self._promise(self.item, amount=150.0)
        with freeze_time("2026-03-21"):
            self._run_snapshot("2026-03-21")
            self._assert_promise(promise, "broken", 0.0, "promise_broken")

    def test_payment_on_account_counts_when_it_is_matched(self):
        with freeze_time("2026-03-10"):
            promise = self._promise(self.item)
            payment = self._create_payment(self.partner, 300, "2026-03-12")
        with freeze_time("2026-03-22"):
            self._run_snapshot("2026-03-22")
            self._assert_promise(promise, "broken", 0.0)
            self._match(payment, self.invoice)
            self._assert_promise(promise, "kept", 300.0)

    def test_credit_notes_and_write_offs_are_no_cash(self):
        with freeze_time("2026-03-10"):
            promise = self._promise(self.item)
            other = self._promise(self.other_item)
            credit = self._create_item(self.partner, -120, "2026-03-11")
            self._match(credit, self.invoice)
            self._assert_promise(promise, "open", 0.0, "promised")
            self._pay(180, "2026-03-15", self.invoice)
            # What the credit note closed need not be paid any more.
            self._assert_promise(promise, "kept", 180.0)
            self._write_off(self.other_item)
            self._assert_promise(other, "void", 0.0)
        self.assertEqual(self.partner.collections_promise_judged_count, 1)

    def test_promise_of_a_part_with_one_item_credited(self):
        """What was promised of that item is not owed with the other one."""
        items = self.item | self.other_item
        with freeze_time("2026-03-10"):
            promise = self._promise(items, amount=350)
            self.assertEqual(promise.line_ids.mapped("amount"), [300.0, 50.0])
            credit = self._create_item(self.partner, -300, "2026-03-11")
            self._match(credit, self.invoice)
            self._assert_promise(promise, "open", 0.0)
            self._pay(40, "2026-03-15", self.other_invoice)
            self._assert_promise(promise, "open", 40.0)
            self._pay(10, "2026-03-16", self.other_invoice)
            self._assert_promise(promise, "kept", 50.0)
            self.assertEqual(self.other_item.collections_status, "not_disputed")

    def test_promise_of_a_part_with_one_item_cancelled(self):
        with freeze_time("2026-03-10"):
            promise = self._promise(self.item | self.other_item, amount=350)
            self._pay(50, "2026-03-15", self.other_invoice)
            self._assert_promise(promise, "open", 50.0)
            self.invoice.button_draft()
            self.invoice.button_cancel()
        with freeze_time("2026-03-21"):
            self._run_snapshot("2026-03-21")
            self._assert_promise(promise, "kept", 50.0)

    def test_what_is_closed_after_the_day_changes_no_verdict(self):
        credit = self._create_item(self.partner, -200, "2026-05-31")
        with freeze_time("2026-03-10"):
            promise = self._promise(self.item)
            other = self._promise(self.other_item)
            self._pay(10, "2026-03-15", self.invoice)
        with freeze_time("2026-03-21"):
            self._run_snapshot("2026-03-21")
        with freeze_time("2026-06-01"):
            self._write_off(self.item)
            self._match(credit, self.other_invoice)
            self.assertTrue(self.item.reconciled and self.other_item.reconciled)
            self._run_snapshot("2026-06-01")
            self._assert_promise(promise, "partly", 10.0)
            self._assert_promise(other, "broken", 0.0)

    def test_credit_note_of_the_day_counts_once_it_is_matched(self):
        credit = self._create_item(self.partner, -290, "2026-03-20")
        with freeze_time("2026-03-10"):
            promise = self._promise(self.item)
            self._pay(10, "2026-03-15", self.invoice)
        with freeze_time("2026-03-21"):
            self._run_snapshot("2026-03-21")
            self._assert_promise(promise, "partly", 10.0)
            self._match(credit, self.invoice)
            self._assert_promise(promise, "kept", 10.0)

    def test_cancelled_invoice_leaves_nothing_to_pay(self):
        with freeze_time("2026-03-10"):
            promise = self._promise(self.item)
            self.invoice.button_cancel()
            self._assert_promise(promise, "void", 0.0)
        with freeze_time("2026-03-25"):
            self._run_snapshot("2026-03-25")
            self._assert_promise(promise, "void", 0.0)
        self.assertEqual(self.partner.collections_promise_judged_count, 0)

    def test_invoice_in_draft_leaves_nothing_to_pay(self):
        with freeze_time("2026-03-10"):
            promise = self._promise(self.item)
            both = self._promise(self.item + self.other_item)
            self.assertEqual(promise.state, "withdrawn")
            self._pay(100, "2026-03-12", self.invoice)
            self._pay(200, "2026-03-12", self.other_invoice)
        with freeze_time("2026-03-21"):
            self.invoice.button_draft()
            self._run_snapshot("2026-03-21")
            self._assert_promise(both, "kept", 200.0)
            self.other_invoice.button_draft()
            self._run_snapshot("2026-03-21")
            self._assert_promise(both, "void", 0.0)

    def test_invoice_that_comes_back_is_owed_again(self):
        with freeze_time("2026-03-10"):
            promise = self._promise(self.item)
            self.invoice.button_cancel()
            self.invoice.button_draft()
            self.invoice.action_post()
            self._assert_promise(promise, "open", 0.0, "promised")
            self.invoice.button_draft()
        with freeze_time("2026-03-25"):
            self._run_snapshot("2026-03-25")
            self._assert_promise(promise, "void", 0.0)
            self.invoice.action_post()
            self._assert_promise(promise, "broken", 0.0, "promise_broken")

    def test_payment_that_takes_the_place_of_an_earlier_one(self):
        earlier = self._pay(100, "2026-03-01", self.invoice)
        with freeze_time("2026-03-10"):
            promise = self._promise(self.item)
            self.assertEqual(promise.amount, 200.0)
        with freeze_time("2026-03-12"):
            self._get_term_lines(earlier).remove_move_reconcile()
            self._assert_promise(promise, "open", 0.0, "promised")
            self._pay(200, "2026-03-12", self.invoice)
            self._assert_promise(promise, "kept", 200.0, "not_disputed")
            # The earlier payment is not cash for the promise the second time either.
            self._match(earlier, self.invoice)
            self._assert_promise(promise, "kept", 200.0)

    @freeze_time("2026-03-12")
    def test_earlier_payment_matched_anew_counts_for_what_it_had_not_paid(self):
        earlier = self._create_payment(self.partner, 250, "2026-03-01")
        self._match(earlier, self.other_invoice)
        self._match(earlier, self.invoice)
        promise = self._promise(self.item)
        self.assertEqual(promise.amount, 250.0)
        self._get_term_lines(earlier).remove_move_reconcile()
        self._match(earlier, self.invoice)
        self._assert_promise(promise, "open", 200.0, "promised")

    def test_promise_that_only_knows_the_sum_paid_before(self):
        earlier = self._pay(100, "2026-03-01", self.invoice)
        with freeze_time("2026-03-10"):
            promise = self._promise(self.item)
            self.assertEqual(promise.line_ids.amount_paid_before, 100.0)
            promise.line_ids.sudo().payments_before = False
            self._pay(150, "2026-03-12", self.invoice)
            self._assert_promise(promise, "open", 150.0)
            self._pay(50, "2026-03-13", self.invoice)
            self._assert_promise(promise, "kept", 200.0)
            self._get_term_lines(earlier).remove_move_reconcile()
            self._assert_promise(promise, "open", 100.0)

    def test_payment_in_draft_is_no_cash(self):
        with freeze_time("2026-03-10"):
            promise = self._promise(self.item, amount=100.0)
            whole = self._promise(self.other_item)
            payment = self._pay(100, "2026-03-12", self.invoice)
            all_of_it = self._pay(200, "2026-03-12", self.other_invoice)
            self._assert_promise(promise, "kept", 100.0, "not_disputed")
            self._assert_promise(whole, "kept", 200.0)
        with freeze_time("2026-03-25"):
            (payment + all_of_it).action_draft()
            snapshot = self._run_snapshot("2026-03-25")
            self.assertEqual(self._get_row(snapshot, self.partner).amount_due, 500.0)
            self._assert_promise(promise, "broken", 0.0, "promise_broken")
            self._assert_promise(whole, "broken", 0.0)
            (payment + all_of_it).action_post()
            self._run_snapshot("2026-03-25")
            self._assert_promise(promise, "kept", 100.0, "not_disputed")
            self._assert_promise(whole, "kept", 200.0)

    def test_cash_discount_belongs_to_the_cash(self):
        self.company.write(
            {
                "collections_settlement_journal_id": self.writeoff_journal.id,
                "account_journal_early_pay_discount_loss_account_id": (
                    self.writeoff_account.id
                ),
                "collections_partial_cash_discount": True,
            }
        )
        term = self._create_term(1, 14, "excluded")
        invoice = self._create_item(
            self.partner,
            1000,
            "2026-03-01",
            invoice_payment_term_id=term.id,
            invoice_date_due=False,
        )
        with freeze_time("2026-03-05"):
            promise = self._promise(self._get_term_lines(invoice), amount=300.0)
            self._pay(297, "2026-03-06", invoice)
            self._assert_promise(promise, "kept", 300.0, "not_disputed")
        with freeze_time("2026-03-21"):
            self._run_snapshot("2026-03-21")
            self._assert_promise(promise, "kept", 300.0, "not_disputed")

    def test_undone_match_takes_the_verdict_back(self):
        with freeze_time("2026-03-10"):
            promise = self._promise(self.item)
            payment = self._pay(300, "2026-03-12", self.invoice)
            self._assert_promise(promise, "kept", 300.0)
            self._get_term_lines(payment).remove_move_reconcile()
            self._assert_promise(promise, "open", 0.0, "promised")
            self._match(payment, self.invoice)
        with freeze_time("2026-03-25"):
            self._get_term_lines(payment).remove_move_reconcile()
            self._assert_promise(promise, "broken", 0.0, "promise_broken")

    def test_part_kept_and_taken_back_is_marked_again(self):
        with freeze_time("2026-03-10"):
            promise = self._promise(self.item, amount=100.0)
            payment = self._pay(100, "2026-03-12", self.invoice)
            self._assert_promise(promise, "kept", 100.0, "not_disputed")
            self._get_term_lines(payment).remove_move_reconcile()
            self._assert_promise(promise, "open", 0.0, "promised")
            self._assert_promised_part()
        with freeze_time("2026-03-25"):
            self._run_snapshot("2026-03-25")
            self._assert_promise(promise, "broken", 0.0, "promise_broken")

    def _assert_promised_part(self):
        self.assertRecordValues(
            self.item,
            [
                {
                    "collections_promise_date": fields.Date.to_date("2026-03-20"),
                    "collections_promise_amount": 100.0,
                }
            ],
        )

    def test_part_kept_and_taken_back_after_the_day(self):
        with freeze_time("2026-03-10"):
            promise = self._promise(self.item, amount=100.0)
            payment = self._pay(100, "2026-03-12", self.invoice)
            self._assert_promise(promise, "kept", 100.0, "not_disputed")
        with freeze_time("2026-03-22"):
            payment.action_cancel()
            self._assert_promise(promise, "broken", 0.0, "promise_broken")
            self._assert_promised_part()
            self._pay(100, "2026-03-19", self.invoice)
            self._assert_promise(promise, "kept", 100.0, "not_disputed")

    def test_disputed_item_leaves_its_promise(self):
        with freeze_time("2026-03-10"):
            promise = self._promise(self.item + self.other_item)
            self.assertEqual(promise.amount, 500.0)
            self.item.with_user(self.agent).action_set_collections_status(
                "disputed", reason="Wrong goods"
            )
            self.assertEqual((promise.amount, promise.state), (200.0, "open"))
            self.other_item.action_set_collections_status("disputed", reason="Late")
            self.assertEqual(promise.state, "withdrawn")
        with freeze_time("2026-03-25"):
            self._run_snapshot("2026-03-25")
        self.assertEqual(promise.state, "withdrawn")
        self.assertEqual(self.item.collections_status, "disputed")
        self.assertEqual(self.partner.collections_promise_judged_count, 0)

    @freeze_time("2026-03-10")
    def test_what_is_left_of_a_promise_may_have_been_paid(self):
        third = self._get_term_lines(self._create_item(self.partner, 50, "2026-02-01"))
        promise = self._promise(self.item + self.other_item + third)
        self._pay(300, "2026-03-10", self.invoice)
        self._pay(20, "2026-03-10", third.move_id)
        self.other_item.with_user(self.agent).action_set_collections_status(
            "disputed", reason="Wrong goods"
        )
        self.assertEqual(promise.amount, 350.0)
        self._assert_promise(promise, "open", 320.0)
        third.with_user(self.agent).action_set_collections_status(
            "disputed", reason="Wrong goods"
        )
        self.assertEqual(promise.amount, 300.0)
        self._assert_promise(promise, "kept", 300.0)
        self.assertEqual(
            (self.other_item + third).mapped("collections_status"), ["disputed"] * 2
        )

    def test_dispute_after_the_day_does_not_save_the_promise(self):
        with freeze_time("2026-03-10"):
            promise = self._promise(self.item)
        with freeze_time("2026-03-25"):
            self.item.action_set_collections_status("disputed", reason="Late")
        self.assertEqual(promise.state, "broken")
        self.assertEqual(self.item.collections_status, "disputed")

    def test_item_paid_meanwhile(self):
        with freeze_time("2026-03-10"):
            self._promise(self.item)
            self._pay(300, "2026-03-12", self.invoice)
            with self.assertRaisesRegex(UserError, "not open customer items any more"):
                self._promise(self.item)

    def test_refresh_of_one_customer_judges_his_promises_only(self):
        neighbour = self._create_customer("Neighbour")
        theirs = self._get_term_lines(self._create_item(neighbour, 50, "2026-01-31"))
        with freeze_time("2026-03-10"):
            promise, other = self._promise(self.item), self._promise(theirs)
        with freeze_time("2026-03-25"):
            self.partner.with_user(self.agent).action_refresh_collections_page()
            self._assert_promise(promise, "broken", 0.0, "promise_broken")
            self._assert_promise(other, "open", 0.0, "promised")

    @freeze_time("2026-03-10")
    def test_promise_of_a_contact_person_is_the_customers(self):
        contact = self.env["res.partner"].create(
            {"name": "Ann", "parent_id": self.partner.id}
        )
        invoice = self._create_item(contact, 40, "2026-01-31")
        promise = self._promise(self._get_term_lines(invoice))
        self.assertEqual(promise.partner_id, self.partner)

    @freeze_time("2026-03-10")
    def test_credits_are_not_promised(self):
        credit = self._get_term_lines(
            self._create_item(self.partner, -50, "2026-02-01")
        )
        promise = self._promise(self.item + credit)
        self.assertEqual(promise.amount, 300.0)
        self.assertEqual(credit.collections_status, "not_disputed")
        with self.assertRaisesRegex(UserError, "owes nothing"):
            self._promise(credit)

    @freeze_time("2026-03-10")
    def test_matching_without_promises_judges_nothing(self):
        self._promise(self.item)
        Promise = self.env.registry["collections.promise"]
        with patch.object(Promise, "_judge") as judge:
            self._pay(200, "2026-03-12", self.other_invoice)
            judge.assert_not_called()
            self._pay(300, "2026-03-12", self.invoice)
            judge.assert_called_once()

    @freeze_time("2026-03-10")
    def test_bookkeeper_without_the_role_keeps_and_breaks_promises(self):
        promise = self._promise(self.item)
        payment = self._create_payment(self.partner, 300, "2026-03-12")
        bookkeeper = self._create_user("books", "account.group_account_user")
        lines = self._get_term_lines(payment, self.invoice).with_user(bookkeeper)
        lines.reconcile()
        self._assert_promise(promise, "kept", 300.0)
        lines.remove_move_reconcile()
        self._assert_promise(promise, "open", 0.0, "promised")

    def test_invoice_given_to_another_customer(self):
        """He has promised nothing, and the first one owes it no more."""
        bookkeeper = self._create_user("bookkeeper", "account.group_account_invoice")
        with freeze_time("2026-03-10"):
            promise = self._promise(self.item | self.other_item)
            self.other_item.with_user(self.agent).action_set_collections_status(
                "disputed", reason="Not ours"
            )
            case = self.env["collections.case"].create(
                {"name": "Whose?", "partner_id": self.partner.id}
            )
            items = self.item | self.other_item
            items.action_assign_collections_case(case.id)
            other = self._create_customer("Right customer")
            contact = self._create_customer("Contact", parent_id=self.partner.id)
            for invoice, partner in (
                (self.invoice, other),
                (self.other_invoice, contact),
            ):
                invoice = invoice.with_user(bookkeeper)
                invoice.button_draft()
                invoice.partner_id = partner
                invoice.action_post()
            self.assertEqual(self.item.partner_id, other)
            self._assert_promise(promise, "withdrawn", 0.0)
        with freeze_time("2026-03-21"):
            self._run_snapshot("2026-03-21")
        self._assert_promise(promise, "withdrawn", 0.0)
        self.env.invalidate_all()
        self.assertEqual(
            items.mapped("collections_status"), ["not_disputed", "disputed"]
        )
        self.assertFalse(self.item.collections_promise_date)
        self.assertEqual(case.move_line_ids, self.other_item, "A contact is the same")
        self.assertEqual(self.item.collections_history_ids[0].partner_id, self.partner)

    @freeze_time("2026-03-10")
    def test_nothing_is_judged_where_nothing_was_said(self):
        other = self._create_customer("Right customer")
        self.invoice.button_draft()
        judge = patch.object(type(self.env["collections.promise"]), "_judge_where")
        with judge as judge_where:
            self.invoice.partner_id = other
        judge_where.assert_not_called()

    def test_judged_promises_are_not_about_another_customer(self):
        """Whatever the document was, and the promise became, in between."""
        other = self._create_customer("Right customer")
        with freeze_time("2026-03-10"):
            cancelled = self._promise(self.item)
            self.invoice.button_draft()
            self.invoice.button_cancel()
            self._assert_promise(cancelled, "void", 0.0)
            self.invoice.button_draft()
            self.invoice.partner_id = other
            self.invoice.action_post()
            self._assert_promise(cancelled, "void", 0.0, "not_disputed")
            broken = self._promise(self.other_item)
        with freeze_time("2026-03-21"):
            self._run_snapshot("2026-03-21")
            self.other_invoice.button_draft()
            self.other_invoice.partner_id = other
            self.other_invoice.action_post()
            self.env.invalidate_all()
            self._assert_promise(broken, "broken", 0.0, "not_disputed")
            self._pay(200, "2026-03-20", self.other_invoice, partner=other)
            self._assert_promise(broken, "broken", 0.0)

    def test_invoice_in_instalments_given_to_another_customer(self):
        """Instalments leave together: none is judged for what becomes of another."""
        term = self._create_instalments((50, 0), (50, 30))
        invoices = self.env["account.move"].create(
            [
                {
                    "move_type": "out_invoice",
                    "partner_id": self.partner.id,
                    "invoice_date": "2026-02-01",
                    "invoice_payment_term_id": term.id,
                    "invoice_line_ids": [
                        Command.create({"price_unit": 400, "tax_ids": []})
                    ],
                }
                for _number in range(2)
            ]
        )
        invoices.action_post()
        other = self._create_customer(
            "Right customer", property_payment_term_id=term.id
        )
        with freeze_time("2026-03-10"):
            broken, withdrawn = (
                self._promise(self._get_term_lines(invoice), date)
                for invoice, date in zip(
                    invoices, ("2026-03-20", "2026-04-20"), strict=True
                )
            )
        with freeze_time("2026-03-21"):
            self._run_snapshot("2026-03-21")
            invoices.button_draft()
            invoices.partner_id = other
            invoices.action_post()
        self._assert_promise(broken, "broken", 0.0, "not_disputed")
        self._assert_promise(withdrawn, "withdrawn", 0.0, "not_disputed")
        self.assertEqual((broken.amount, withdrawn.amount), (400.0, 400.0))

    @freeze_time("2026-03-10")
    def test_line_given_to_another_customer_leaves_its_case(self):
        opening = self.env["account.move"].create(
            {
                "date": "2026-03-01",
                "line_ids": [
                    Command.create(
                        {
                            "account_id": account.id,
                            "partner_id": self.partner.id,
                            "balance": balance,
                        }
                    )
                    for account, balance in (
                        (self.company_data["default_account_receivable"], 50.0),
                        (self.company_data["default_account_revenue"], -50.0),
                    )
                ],
            }
        )
        opening.action_post()
        item = opening.line_ids.filtered("debit")
        promise = self._promise(item)
        case = self.env["collections.case"].create(
            {"name": "Whose?", "partner_id": self.partner.id}
        )
        item.action_assign_collections_case(case.id)
        opening.button_draft()
        other = self._create_customer("Right customer")
        vals = {"partner_id": other.id}
        opening.write({"line_ids": [Command.update(item.id, vals)]})
        opening.action_post()
        self._assert_promise(promise, "withdrawn", 0.0, "not_disputed")
        self.assertFalse(case.move_line_ids)

    @freeze_time("2026-03-10")
    def test_line_of_an_entry_given_to_another_customer(self):
        """As of a migration: the lines say whose items they are, not the entry."""
        other = self._create_customer("Right customer")
        lines = [(self.partner, 300), (self.partner, 200), (False, -500)]
        entry = self.env["account.move"].create(
            {
                "date": "2026-01-31",
                "line_ids": [
                    Command.create(
                        {
                            "account_id": self.receivable.id
                            if partner
                            else self.writeoff_account.id,
                            "partner_id": partner and partner.id,
                            "balance": balance,
                        }
                    )
                    for partner, balance in lines
                ],
            }
        )
        entry.action_post()
        moved, kept = self._get_term_lines(entry)
        promises = self._promise(moved) | self._promise(kept)
        entry.button_draft()
        entry.partner_id = other
        self.assertEqual(promises.mapped("state"), ["open", "open"])
        moved.partner_id = other
        self.assertEqual(moved.collections_status, "not_disputed")
        self.assertEqual(kept.collections_status, "promised")
        self.assertEqual(sorted(promises.mapped("state")), ["open", "withdrawn"])

    @freeze_time("2026-03-10")
    def test_items_that_are_deleted_are_promised_no_more(self):
        promise = self._promise(self.item + self.other_item)
        self.assertEqual(promise.amount, 500.0)
        bookkeeper = self._create_user("books", "account.group_account_user")
        for invoice, state, amount in (
            (self.invoice, "open", 200.0),
            (self.other_invoice, "withdrawn", 200.0),
        ):
            invoice = invoice.with_user(bookkeeper)
            invoice.button_draft()
            self.assertEqual(promise.state, "open")
            invoice.name = False
            invoice.unlink()
            self._assert_promise(promise, state, 0.0)
            self.assertEqual(promise.amount, amount)

    def test_nobody_writes_promises_or_history(self):
        with freeze_time("2026-03-10"):
            promise = self._promise(self.item)
        history = self.item.collections_history_ids
        self.assertEqual(len(history), 1)
        for user in (
            self.agent,
            self._create_user("books", "account.group_account_user"),
        ):
            for record in (promise, promise.line_ids, history):
                with self.assertRaises(AccessError):
                    record.with_user(user).write({"currency_id": 1})
                with self.assertRaises(AccessError):
                    record.with_user(user).unlink()

    def test_another_company_sees_nothing(self):
        with freeze_time("2026-03-10"):
            promise = self._promise(self.item)
        other = self.setup_other_company()["company"]
        user = self._create_user("elsewhere", AGENT, companies=other)
        for model in ("collections.promise", "collections.status.history"):
            self.assertFalse(self.env[model].with_user(user).search([]))
        with self.assertRaises(AccessError):
            promise.with_user(user).read(["amount"])

    def test_judging_takes_the_same_queries_for_many(self):
        def judge(count):
            customers = [
                self._create_customer(f"Customer {number}") for number in range(count)
            ]
            for customer in customers:
                invoice = self._create_item(customer, 10, "2026-01-31")
                with freeze_time("2026-03-10"):
                    self._promise(self._get_term_lines(invoice))
            promises = self.env["collections.promise"].search(
                [("partner_id", "in", [customer.id for customer in customers])]
            )
            with freeze_time("2026-03-25"):
                self.env.flush_all()
                self.env.invalidate_all()
                before = self.env.cr.sql_log_count
                promises._judge()
                self.env.flush_all()
                queries = self.env.cr.sql_log_count - before
            self.assertEqual(set(promises.mapped("state")), {"broken"})
            return queries

        judge(1)
        self.assertLessEqual(judge(12), judge(3) + 2)


@tagged("post_install", "-at_install")
class TestPromiseCash(PromiseCommon, CashDiscountCommon, PaymentReturnCommon):
    """What happens to payments and discounts, 1 % within 14 days."""

    def _get_history(self, item):
        return item.collections_history_ids.sorted("id").mapped("status")

    @freeze_time("2015-07-02")
    def test_discount_counts_at_once(self):
        invoice = self._create_invoice(1000)
        item = self._get_term_lines(invoice)
        promise = self._promise(item, "2015-07-05", 300.0)
        payment = self._pay(297, "2015-07-02", invoice)
        self._assert_promise(promise, "kept", 300.0, "not_disputed")
        self.assertEqual(self._get_history(item), ["promised", "not_disputed"])
        self._get_term_lines(payment).remove_move_reconcile()
        self._assert_promise(promise, "open", 0.0, "promised")

    def test_discount_in_time_of_which_the_entry_came_later(self):
        with freeze_time("2015-07-02"):
            invoice = self._create_invoice(1000)
            promise = self._promise(self._get_term_lines(invoice), "2015-07-05")
            credit = self._create_item(self.partner, -505, "2015-07-02")
            self._match(credit, invoice)
            payment = self._create_payment(self.partner, 490.05, "2015-07-02")
        self.company.fiscalyear_lock_date = "2015-07-31"
        with freeze_time("2015-08-02"):
            self._match(payment, invoice)
            self.assertGreater(str(self._get_entries().date), "2015-07-31")
            self.assertEqual(invoice.payment_state, "paid")
            self._assert_promise(promise, "kept", 495.0)

    def test_many_discounts_are_judged_together(self):
        Promise = self.env.registry["collections.promise"]
        judge = Promise._judge
        sizes = []

        def count(promises, source="run"):
            sizes.append(len(promises))
            return judge(promises, source)

        def pay(number):
            invoices = [self._create_invoice(100) for _number in range(number)]
            promise = self._promise(self._get_term_lines(*invoices), "2015-07-05")
            sizes.clear()
            self._pay(99 * number, "2015-07-02", *invoices)
            self._assert_promise(promise, "kept", 100.0 * number)
            return len(sizes)

        with freeze_time("2015-07-02"), patch.object(Promise, "_judge", count):
            self.assertEqual(pay(5), pay(1))

    @freeze_time("2015-07-02")
    def test_returned_payment_that_comes_back(self):
        invoice = self._create_invoice(1000)
        promise = self._promise(self._get_term_lines(invoice), "2015-07-05", 300.0)
        payment = self._pay(297, "2015-07-02", invoice)
        payment_return = self._return(payment, "2015-07-03")
        self._assert_promise(promise, "open", 0.0, "promised")
        payment_return.action_undo("2015-07-04")
        self._assert_promise(promise, "kept", 300.0, "not_disputed")

    def test_returned_payment_leaves_room_for_another(self):
        earlier = self._pay(100, "2026-03-01", self.invoice)
        with freeze_time("2026-03-10"):
            promise = self._promise(self.item)
            payment_return = self._return(earlier, "2026-03-10")
            self._assert_promise(promise, "open", 0.0, "promised")
            self._pay(200, "2026-03-12", self.invoice)
            self._assert_promise(promise, "kept", 200.0)
        with freeze_time("2026-03-25"):
            payment_return.action_undo("2026-03-25")
            self._assert_promise(promise, "kept", 200.0)


@tagged("post_install", "-at_install")
class TestCollectionsStatusHistory(PromiseCommon):
    @freeze_time("2026-03-10 12:00:00")
    def test_history_keeps_what_was_said(self):
        items = (self.item + self.other_item).with_user(self.agent)
        items.action_set_collections_status(
            "disputed", reason="Wrong goods", dispute_amount=350.0, comment="By phone"
        )
        self.assertRecordValues(
            self.item + self.other_item,
            [
                {
                    "collections_dispute_amount": 300.0,
                    "collections_status_date": fields.Date.to_date("2026-03-10"),
                },
                {
                    "collections_dispute_amount": 50.0,
                    "collections_status_date": fields.Date.to_date("2026-03-10"),
                },
            ],
        )
        self._promise(self.item)
        self.assertRecordValues(
            self.item.collections_history_ids.sorted("id"),
            [
                {
                    "status_before": "not_disputed",
                    "status": "disputed",
                    "reason": "Wrong goods",
                    "dispute_amount": 300.0,
                    "comment": "By phone",
                    "source": "user",
                    "user_id": self.agent.id,
                    "amount_open": 300.0,
                },
                {
                    "status_before": "disputed",
                    "status": "promised",
                    "reason": False,
                    "dispute_amount": 0.0,
                    "comment": False,
                    "source": "user",
                    "user_id": self.agent.id,
                    "amount_open": 300.0,
                },
            ],
        )

    def test_disputed_part_is_what_counts_as_disputed(self):
        self.item.action_set_collections_status(
            "disputed", reason="Price", dispute_amount=30.0
        )
        row = self._get_row(self._run_snapshot("2026-03-10"), self.partner)
        self.assertEqual((row.amount_disputed, row.disputed_count), (30.0, 1))
        self.item.action_set_collections_status("disputed", reason="All of it")
        row = self._get_row(self._run_snapshot("2026-03-10"), self.partner)
        self.assertEqual(row.amount_disputed, 300.0)

    def test_run_and_matching_stand_in_the_history(self):
        with freeze_time("2026-03-10"):
            self._promise(self.item, amount=100.0)
            self._promise(self.other_item)
            self._pay(100, "2026-03-12", self.invoice)
        with freeze_time("2026-03-25"):
            self._run_snapshot("2026-03-25")
        self.assertEqual(
            self.item.collections_history_ids.sorted("id").mapped("source"),
            ["user", "matching"],
        )
        self.assertEqual(
            self.other_item.collections_history_ids.sorted("id").mapped("source"),
            ["user", "run"],
        )

    def test_history_notes_who_writes_past_the_action(self):
        item_sudo = self.item.sudo()  # another addon: users are refused
        item_sudo.write({"collections_status": "resolved"})
        self.assertEqual(self.item.collections_history_ids.status, "resolved")
        item_sudo.with_context(collections_status_history=True).write(
            {"collections_status": "disputed"}
        )
        self.assertEqual(len(self.item.collections_history_ids), 2)


@tagged("post_install", "-at_install")
class TestCollectionsStatusWizard(PromiseCommon):
    def _open_wizard(self, items):
        action = items.with_user(self.agent).action_open_status_wizard()
        self.assertEqual(action["target"], "new")
        return (
            self.env[action["res_model"]].with_user(self.agent).browse(action["res_id"])
        )

    @freeze_time("2026-03-10")
    def test_promise_with_reminder(self):
        wizard = self._open_wizard(self.item + self.other_item)
        with Form(wizard) as form:
            form.status = "promised"
            form.promise_date = "2026-03-20"
            form.amount = 400
            form.comment = "Ms Lee, phone"
        self.assertEqual((wizard.item_count, wizard.amount_open), (2, 500.0))
        wizard.action_apply()
        promise = self.env["collections.promise"].search([])
        self.assertEqual((promise.amount, promise.comment), (400.0, "Ms Lee, phone"))
        activity = self.env["mail.activity"].search(
            [("collections_partner_id", "=", self.partner.id)]
        )
        self.assertRecordValues(
            activity,
            [
                {
                    "date_deadline": fields.Date.to_date("2026-03-21"),
                    "user_id": self.agent.id,
                    "res_model": "res.partner",
                }
            ],
        )

    @freeze_time("2026-03-10")
    def test_nobody_is_reminded_of_what_was_not_promised(self):
        """Credits that are selected with the invoices are left out."""
        other = self._create_customer("Has a credit")
        credit = self._get_term_lines(self._create_item(other, -50, "2026-03-01"))
        wizard = (
            self.env["collections.status.wizard"]
            .with_user(self.agent)
            .create(
                {
                    "line_ids": [Command.set((self.item | credit).ids)],
                    "status": "promised",
                    "promise_date": "2099-12-31",
                }
            )
        )
        self.assertIn("Credits are not promised", wizard.left_out_message)
        wizard.action_apply()
        self.assertEqual(credit.collections_status, "not_disputed")
        self.assertTrue(self.partner.activity_ids)
        self.assertFalse(other.activity_ids)

    @freeze_time("2026-03-10")
    def test_dispute_in_bulk_without_reminder(self):
        wizard = self._open_wizard(self.item + self.other_item)
        with Form(wizard) as form:
            form.status = "disputed"
            form.reason = "Scratched"
            form.plan_activity = False
        wizard.action_apply()
        self.assertEqual(
            (self.item + self.other_item).mapped("collections_dispute_reason"),
            ["Scratched"] * 2,
        )
        self.assertFalse(
            self.env["mail.activity"].search(
                [("collections_partner_id", "=", self.partner.id)]
            )
        )

    @freeze_time("2026-03-10")
    def test_what_is_missing_is_said(self):
        wizard = self._open_wizard(self.item)
        for vals, message in [
            ({"status": "disputed"}, "What does the customer dispute"),
            ({"status": "promised"}, "For which day"),
            ({"status": "promised", "promise_date": "2026-03-09"}, "a day to come"),
            (
                {"status": "promised", "promise_date": "2026-03-20", "amount": 301.0},
                "only .*300.00 is open",
            ),
        ]:
            wizard.write(vals)
            with self.assertRaisesRegex(UserError, message):
                wizard.action_apply()
        self._pay(300, "2026-03-10", self.invoice)
        wizard.write({"status": "resolved"})
        with self.assertRaisesRegex(UserError, "not open customer items any more"):
            wizard.action_apply()

    def test_others_do_not_get_the_wizard(self):
        user = self._create_user("books", "account.group_account_user")
        with self.assertRaises(AccessError):
            self.item.with_user(user).action_open_status_wizard()
