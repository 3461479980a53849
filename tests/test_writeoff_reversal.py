import json
from unittest.mock import patch

from odoo import Command, fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import Form, tagged

from ..wizards import collections_writeoff_reversal_wizard
from .common import AGENT, WriteoffCommon


@tagged("post_install", "-at_install")
class TestWriteoffReversal(WriteoffCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.company.collections_writeoff_separate_tax = True
        tax = cls.company_data["default_tax_sale"]
        cls.invoice = cls._create_item(
            cls.partner,
            0,
            "2026-01-31",
            move_type="out_invoice",
            invoice_line_ids=[
                Command.create(
                    {"name": "Goods", "price_unit": 1000, "tax_ids": [tax.id]}
                )
            ],
        )
        cls.other = cls._create_item(cls.partner, 50, "2026-02-28")
        payment = cls._create_payment(cls.partner, 150, "2026-02-01")
        cls._match(cls.invoice, payment)
        cls.documents = (cls.invoice, cls.other)
        cls.books = cls._get_books()
        cls.states = cls._get_states(*cls.documents)
        cls.partials = cls._get_term_lines(cls.invoice).matched_credit_ids

    def _assert_back(self):
        self._assert_undone(self.books, self.states, self.documents)
        # What the customer had paid before is still matched.
        self.assertEqual(
            self._get_term_lines(self.invoice).matched_credit_ids, self.partials
        )

    def _assert_written_off(self, move):
        self.assertEqual(set(m.payment_state for m in self.documents), {"paid"})
        self.assertEqual(
            self.invoice.collections_written_off_amount,
            self.invoice.amount_total - 150,
        )
        self.assertEqual(move.collections_writeoff_state, "posted")
        self.assertTrue(all(self._get_term_lines(move).mapped("reconciled")))

    def _get_reversal(self, action):
        return self.env["account.move"].browse(action["res_id"])

    def test_with_the_button(self):
        move = self._write_off(self.partner, date="2026-03-31")
        self._assert_written_off(move)
        reversal = self._get_reversal(move.action_reverse_writeoff())
        self.assertEqual(reversal.date, fields.Date.today())
        self._assert_back()
        self.assertFalse(self.invoice.collections_is_written_off)
        self.assertEqual(move.collections_writeoff_state, "reversed")
        self.assertRecordValues(
            reversal,
            [
                {
                    "state": "posted",
                    "collections_writeoff_state": "reversal",
                    "collections_writeoff_reason_id": self.reason.id,
                    "collections_writeoff_amount": -move.collections_writeoff_amount,
                    "collections_writeoff_tax_amount": (
                        -move.collections_writeoff_tax_amount
                    ),
                    "journal_id": self.writeoff_journal.id,
                    "partner_id": self.partner.id,
                }
            ],
        )
        self.assertEqual(move.collections_writeoff_reason_id, self.reason)

    def test_on_a_date(self):
        move = self._write_off(self.partner, date="2026-03-31")
        reversal = self._get_reversal(move.action_reverse_writeoff("2026-04-15"))
        self.assertEqual(str(reversal.date), "2026-04-15")
        self._assert_back()
        with self.assertRaises(UserError):
            self._write_off(self.partner).action_reverse_writeoff("15/04/2026")

    def test_twice_is_refused(self):
        move = self._write_off(self.partner)
        reversal = self._get_reversal(move.action_reverse_writeoff())
        for entry in (move, reversal, self.invoice):
            with self.assertRaises(UserError):
                entry.action_reverse_writeoff()

    def test_write_off_again_after_it(self):
        self._write_off(self.partner).action_reverse_writeoff()
        move = self._write_off(self.partner)
        self._assert_written_off(move)
        move.action_reverse_writeoff()
        self._assert_back()

    def test_several_at_once(self):
        moves = self._write_off(self.invoice) | self._write_off(self.other)
        action = moves.action_reverse_writeoff()
        self.assertEqual(self.env["account.move"].search_count(action["domain"]), 2)
        self._assert_back()

    def test_with_the_reversal_of_accounting(self):
        move = self._write_off(self.partner)
        wizard = (
            self.env["account.move.reversal"]
            .with_context(active_model="account.move", active_ids=move.ids)
            .create({"journal_id": move.journal_id.id})
        )
        reversal = self._get_reversal(wizard.reverse_moves())
        self._assert_back()
        self.assertEqual(reversal.collections_writeoff_state, "reversal")
        self.assertEqual(move.collections_writeoff_state, "reversed")

    def test_with_a_reversal_posted_later(self):
        move = self._write_off(self.partner, date="2026-03-31")
        reversal = move._reverse_moves([{"date": fields.Date.to_date("2026-04-30")}])
        self.assertEqual(reversal.state, "draft")
        self._assert_written_off(move)
        reversal.action_post()
        self._assert_back()
        self.assertTrue(all(self._get_term_lines(move).mapped("reconciled")))
        self.assertTrue(all(self._get_term_lines(reversal).mapped("reconciled")))

    def test_reset_to_draft_and_posted_again(self):
        move = self._write_off(self.partner, date="2026-03-31")
        books = self._get_books()
        move.button_draft()
        self._assert_back()
        self.assertEqual(move.collections_writeoff_state, "draft")
        move.action_post()
        self._assert_written_off(move)
        self.assertEqual(self._get_books(), books)
        self.assertEqual(str(move.date), "2026-03-31")
        move.action_reverse_writeoff()
        self._assert_back()

    def test_cancelled(self):
        move = self._write_off(self.partner)
        move.button_cancel()
        self._assert_back()
        self.assertEqual(move.collections_writeoff_state, "cancel")
        self._assert_written_off(self._write_off(self.partner))

    def test_reset_and_deleted(self):
        move = self._write_off(self.partner)
        move.button_draft()
        move.unlink()
        self._assert_back()

    def test_reversal_taken_back(self):
        """The write-off is in force again, and matched with its items."""
        move = self._write_off(self.partner, date="2026-03-31")
        books = self._get_books()
        reversal = self._get_reversal(move.action_reverse_writeoff())
        reversal.button_draft()
        self._assert_written_off(move)
        self.assertEqual(self._get_books(), books)
        reversal.action_post()
        self._assert_back()
        reversal.button_cancel()
        self._assert_written_off(move)

    def test_reversal_reversed(self):
        move = self._write_off(self.partner, date="2026-03-31")
        books = self._get_books()
        reversal = self._get_reversal(move.action_reverse_writeoff())
        again = reversal._reverse_moves([{}], cancel=True)
        self._assert_written_off(move)
        self.assertEqual(self._get_books(), books)
        self.assertEqual(
            again.collections_writeoff_amount, move.collections_writeoff_amount
        )
        # ... and back once more.
        again._reverse_moves([{}], cancel=True)
        self._assert_back()

    def test_reversal_taken_back_after_the_items_were_paid(self):
        move = self._write_off(self.other)
        reversal = self._get_reversal(move.action_reverse_writeoff())
        self._match(self.other, self._create_payment(self.partner, 50, "2026-05-01"))
        with self.assertRaises(UserError) as error:
            reversal.button_draft()
        self.assertIn("paid or changed", str(error.exception))

    def test_reversed_write_off_cannot_be_reset(self):
        move = self._write_off(self.partner)
        move.action_reverse_writeoff()
        with self.assertRaises(UserError) as error:
            move.button_draft()
        self.assertIn("was reversed", str(error.exception))
        # Both together is no half state.
        (move | move.reversal_move_ids).button_draft()
        self._assert_back()

    def test_written_off_invoice_cannot_be_reset(self):
        self._write_off(self.partner)
        for document in self.documents:
            with self.assertRaises(UserError) as error:
                document.button_draft()
            self.assertIn("written off", str(error.exception))

    def test_from_the_invoice(self):
        """One entry for two invoices: the wizard says what opens again."""
        move = self._write_off(self.partner)
        action = self.invoice.action_open_writeoff_reversal()
        wizard = self.env[action["res_model"]].browse(action["res_id"])
        self.assertEqual(wizard.move_ids, move)
        self.assertEqual(wizard.item_ids.move_id, self.invoice | self.other)
        wizard.date = "2026-10-31"
        wizard.action_reverse()
        self.assertEqual(str(wizard.reversal_ids.date), "2026-10-31")
        self._assert_back()
        with self.assertRaises(UserError):
            self.invoice.action_open_writeoff_reversal()

    def _open_reversal(self, records):
        action = records.action_open_writeoff_reversal()
        return self.env[action["res_model"]].browse(action["res_id"])

    def _get_opens(self, wizard):
        """Return what the wizard says opens again, by write-off."""
        opens = json.loads(wizard.opens_data or '{"groups_vals": []}')
        return {
            group["group_name"]: [
                (item["name"], item["date_maturity"], item["amount"])
                for _command, _id, item in group["items_vals"]
            ]
            for group in opens["groups_vals"]
        }

    def test_wizard_says_with_how_much_items_open_again(self):
        wizard = self._create_wizard(self.partner, date="2026-03-31")
        wizard.line_ids.filtered(
            lambda line: line.move_id == self.invoice
        ).amount = 600.0
        wizard.action_write_off()
        move = wizard.move_ids
        euro = self.setup_other_currency("EUR", rates=[("2026-01-01", 0.5)])
        euro.write({"symbol": "€", "position": "after"})
        customer = self._create_customer("Fabrikam")
        items = [
            self._create_item(customer, amount, "2026-01-31", currency_id=euro.id)
            for amount in (80, -30)
        ]
        foreign = self._write_off(customer, date="2026-03-31")
        wizard = self._open_reversal(move | foreign)
        groups = {
            f"{move.name}, 03/31/2026, {self.partner.name}": [
                (self.invoice.name, "01/31/2026", "$\xa0600.00"),
                (self.other.name, "02/28/2026", "$\xa050.00"),
            ],
            f"{foreign.name}, 03/31/2026, Fabrikam": [
                (items[0].name, "01/31/2026", "80.00\xa0€"),
                (items[1].name, "01/31/2026", "-\ufeff30.00\xa0€"),
            ],
        }
        self.assertEqual(self._get_opens(wizard), groups)
        with Form(wizard) as form:
            form.move_ids.remove(foreign.id)
            self.assertNotIn("Fabrikam", form.opens_data)
            self.assertIn("600.00", form.opens_data)
        # The rest of an item that was written off in part stays as it is.
        before = self.invoice.amount_residual
        wizard.action_reverse()
        self.assertEqual(self.invoice.amount_residual, before + 600.0)

    def test_wizard_does_not_open_what_stays_closed(self):
        move = self._write_off(self.other, date="2026-03-31")
        self._get_term_lines(self.other).matched_credit_ids.unlink()
        second = self._write_off(move, date="2026-04-30")
        wizard = self._open_reversal(move | second)
        self.assertFalse(wizard.opens_data)
        self.assertIn(move.name, self._open_reversal(second).opens_data)

    def test_wizard_says_what_else_was_closed_with_the_write_off(self):
        """Its credit was taken off by hand, and put on another invoice."""
        paid, closed = (
            self._create_item(self.partner, 100, "2026-01-31") for _number in range(2)
        )
        move = self._write_off(paid, date="2026-03-31")
        self._get_term_lines(paid).matched_credit_ids.unlink()
        self._match(paid, self._create_payment(self.partner, 100, "2026-04-01"))
        closed.js_assign_outstanding_line(self._get_term_lines(move).id)
        self.assertEqual(closed.payment_state, "paid")
        wizard = self._open_reversal(move)
        self.assertEqual(
            list(self._get_opens(wizard).values()),
            [[(closed.name, "01/31/2026", "$\xa0100.00")]],
        )
        self.assertEqual(wizard.item_ids.move_id, closed)
        wizard.action_reverse()
        self.assertEqual(closed.payment_state, "not_paid")
        self.assertEqual(closed.amount_residual, 100.0)
        self.assertEqual(paid.payment_state, "paid")

    def test_wizard_leaves_out_exchange_differences_of_other_matches(self):
        """Their entry is taken back with the match, and opens nothing."""
        euro = self.setup_other_currency(
            "EUR", rates=[("2026-01-01", 0.5), ("2026-02-01", 0.8)]
        )
        written_off, closed = (
            self._create_item(self.partner, 100, day, date=day, currency_id=euro.id)
            for day in ("2026-01-15", "2026-02-15")
        )
        move = self._write_off(written_off, date="2026-03-31")
        self._get_term_lines(written_off).matched_credit_ids.unlink()
        self._match(closed, move)
        line = self._get_term_lines(move)
        self.assertTrue(
            (line.matched_debit_ids | line.matched_credit_ids).exchange_move_id
        )
        wizard = self._open_reversal(move)
        self.assertEqual(wizard.item_ids.move_id, closed)
        wizard.action_reverse()
        self.assertEqual(closed.amount_residual, 100.0)

    def test_wizard_shows_so_many_items_and_counts_the_others(self):
        move = self._write_off(self.partner)
        with patch.object(collections_writeoff_reversal_wizard, "PREVIEW_ITEMS", 1):
            opens = json.loads(self._open_reversal(move).opens_data)
        [group] = opens["groups_vals"]
        self.assertEqual(len(group["items_vals"]), 1)
        self.assertEqual(opens["options"]["discarded_number"], "1 items")

    def test_wizard_offers_the_first_free_day(self):
        move = self._write_off(self.partner, date="2026-03-31")
        other_journal = self.writeoff_journal.copy({"code": "WO2"})
        other = self._write_off(
            self._create_item(self.partner, 20, "2026-01-31"),
            date="2026-03-31",
            journal_id=other_journal.id,
        )
        self.company.fiscalyear_lock_date = "2026-06-30"
        wizard = self._open_reversal(move | other)
        self.assertFalse(wizard.lock_message)
        self.assertFalse(wizard.first_free_date)
        wizard.date = "2026-05-31"
        self.assertEqual(str(wizard.first_free_date), "2026-07-01")
        action = wizard.action_use_first_free_date()
        self.assertEqual((action["res_id"], action["target"]), (wizard.id, "new"))
        self.assertEqual(str(wizard.date), "2026-07-01")
        self.assertFalse(wizard.lock_message)
        wizard.action_reverse()
        self.assertEqual(
            set(map(str, wizard.reversal_ids.mapped("date"))), {"2026-07-01"}
        )

    def test_wizard_says_when_the_day_is_before_the_write_off(self):
        move = self._write_off(self.invoice, date="2026-03-31")
        earlier = self._write_off(self.other, date="2026-03-01")
        wizard = self._open_reversal(move | earlier)
        self.assertFalse(wizard.early_message)
        wizard.date = "2026-03-31"
        self.assertFalse(wizard.early_message)
        wizard.date = "2026-03-30"
        self.assertIn(move.name, wizard.early_message)
        self.assertNotIn(earlier.name, wizard.early_message)
        self.assertFalse(wizard.lock_message)
        wizard.action_reverse()
        self._assert_back()

    def test_wizard_reads_drafts(self):
        """Programs may give it a write-off that waits for a review."""
        posted = self._write_off(self.invoice, date="2026-03-31")
        self.company.collections_writeoff_draft = True
        draft = self._write_off(self.other, date="2026-03-31")
        for moves, early in ((draft, False), (posted | draft, posted.name)):
            wizard = self.env["collections.writeoff.reversal.wizard"].create(
                {"move_ids": [Command.set(moves.ids)], "date": "2026-03-30"}
            )
            [values] = wizard.read(["early_message", "lock_message", "opens_data"])
            self.assertEqual(bool(values["early_message"]), bool(early))
            self.assertIn(early or "", values["early_message"] or "")

    def _count_queries_of_wizard(self, field_name, moves):
        """Return how many queries a field takes for some write-offs."""
        wizard = self.env["collections.writeoff.reversal.wizard"].create(
            {"move_ids": [Command.set(moves.ids)], "date": "2026-03-30"}
        )
        self.env.flush_all()
        self.env.invalidate_all()
        before = self.cr.sql_log_count
        self.assertTrue(wizard[field_name])
        return self.cr.sql_log_count - before

    def test_queries_of_the_wizard_do_not_grow_with_the_write_offs(self):
        moves = self.env["account.move"]
        for _number in range(30):
            invoice = self.invoice.copy({"invoice_date": "2026-01-31"})
            invoice.action_post()
            moves |= self._write_off(invoice, date="2026-03-31")
        self.company.tax_lock_date = "2026-03-30"
        for field_name in ("lock_message", "early_message", "opens_data"):
            with self.subTest(field=field_name):
                self._count_queries_of_wizard(field_name, moves[:1])
                few = self._count_queries_of_wizard(field_name, moves[:10])
                self.assertEqual(self._count_queries_of_wizard(field_name, moves), few)

    def test_recovery_from_the_customer(self):
        """A payment comes after all: the invoice opens again and takes it."""
        self._write_off(self.partner)
        self.assertTrue(self.partner.collections_written_off)
        payment = self._create_payment(self.partner, 50, "2026-10-01")
        action = self.partner.action_open_writeoff_reversal()
        wizard = self.env[action["res_model"]].browse(action["res_id"])
        wizard.action_reverse()
        self.partner.invalidate_recordset(["collections_written_off"])
        self.assertFalse(self.partner.collections_written_off)
        self._match(self.other, payment)
        self.assertEqual(self.other.payment_state, "paid")

    def test_only_one_reversal(self):
        move = self._write_off(self.partner)
        draft = move._reverse_moves([{}])
        for _attempt in range(2):
            with self.assertRaises(UserError):
                move.action_reverse_writeoff()
            with self.assertRaises(UserError):
                move._reverse_moves([{}], cancel=True)
        draft.action_post()
        self._assert_back()
        with self.assertRaises(UserError):
            move._reverse_moves([{}], cancel=True)

    def test_draft_reversals_do_not_pile_up(self):
        move = self._write_off(self.partner)
        first = self._get_reversal(move.action_reverse_writeoff())
        first.button_draft()
        with self.assertRaises(UserError):
            move.action_reverse_writeoff()
        first.unlink()
        move.action_reverse_writeoff()
        self._assert_back()

    def test_reversal_is_the_whole(self):
        move = self._write_off(self.other)
        draft = move._reverse_moves([{}])
        debit = draft.line_ids.filtered("debit")
        draft.write(
            {
                "line_ids": [
                    Command.update(debit.id, {"debit": 40}),
                    Command.update((draft.line_ids - debit)[0].id, {"credit": 40}),
                ]
            }
        )
        with self.assertRaises(UserError) as error:
            draft.action_post()
        self.assertIn("as a whole", str(error.exception))

    def test_reason_in_use_stays(self):
        move = self._write_off(self.other)
        self.company.collections_writeoff_reason_id = False
        with self.assertRaises(UserError) as error:
            self.reason.unlink()
        self.assertIn("Archive", str(error.exception))
        self.reason.active = False
        move.action_reverse_writeoff()

    def test_written_off_document_is_not_reversed(self):
        self._write_off(self.other)
        with self.assertRaises(UserError):
            self.other._reverse_moves([{}], cancel=True)
        self.assertEqual(self.other.payment_state, "paid")

    def test_item_gone_while_in_review(self):
        self.company.collections_writeoff_draft = True
        statement_line = self._create_bank_transaction()
        move = self._write_off(self._get_term_lines(statement_line.move_id))
        statement_line.action_undo_reconciliation()
        with self.assertRaises(UserError) as error:
            move.action_post()
        self.assertIn("is gone", str(error.exception))

    def _create_bank_transaction(self):
        return self.env["account.bank.statement.line"].create(
            {
                "journal_id": self.company_data["default_journal_bank"].id,
                "date": "2026-03-01",
                "payment_ref": "In",
                "partner_id": self.partner.id,
                "amount": 30,
                "counterpart_account_id": self.receivable.id,
            }
        )

    def test_item_of_a_write_off_is_not_deleted(self):
        statement_line = self._create_bank_transaction()
        item = self._get_term_lines(statement_line.move_id)
        move = self._write_off(item)
        with self.assertRaises(UserError):
            statement_line.action_undo_reconciliation()
        move.action_reverse_writeoff()
        statement_line.action_undo_reconciliation()

    def test_draft_does_not_move_past_a_lock_date(self):
        self.company.collections_writeoff_draft = True
        move = self._write_off(self.other, date="2026-03-15")
        self.company.fiscalyear_lock_date = "2026-03-31"
        with self.assertRaises(UserError) as error:
            move.action_post()
        self.assertIn("04/01/2026", str(error.exception))
        move.date = "2026-04-01"
        move.action_post()
        self.assertEqual(str(move.date), "2026-04-01")

    def test_not_before_the_write_off(self):
        later = fields.Date.add(fields.Date.today(), days=40)
        move = self._write_off(self.other, date=later)
        reversal = self._get_reversal(move.action_reverse_writeoff())
        self.assertEqual(reversal.date, later)

    def test_wizard_proposes_no_day_before_the_write_off(self):
        later = fields.Date.add(fields.Date.today(), days=40)
        earlier = self._write_off(self.invoice, date="2026-03-31")
        move = self._write_off(self.other, date=later)
        action = (move | earlier).action_open_writeoff_reversal()
        wizard = self.env[action["res_model"]].browse(action["res_id"])
        self.assertEqual(wizard.date, later)
        wizard.action_reverse()
        self.assertEqual(set(wizard.reversal_ids.mapped("date")), {later})
        move = self._write_off(self.other, date=later)
        Wizard = self.env["collections.writeoff.reversal.wizard"]
        move_ids = [Command.set(move.ids)]
        self.assertEqual(Wizard.create({"move_ids": move_ids}).date, later)
        # Who enters another day gets it.
        wizard = Wizard.create({"move_ids": move_ids, "date": "2026-05-31"})
        wizard.action_reverse()
        self.assertEqual(str(wizard.reversal_ids.date), "2026-05-31")
        self._assert_back()

    def test_fields_are_not_written_by_hand(self):
        move = self._write_off(self.other)
        bookkeeper = self._create_user("bookkeeper", "account.group_account_user")
        for values in (
            {"collections_writeoff_reason_id": False},
            {"collections_writeoff_amount": 1},
        ):
            with self.assertRaises(AccessError):
                move.with_user(bookkeeper).write(values)
        with self.assertRaises(AccessError):
            move.line_ids.with_user(bookkeeper).write(
                {"collections_writeoff_line_id": False}
            )
        with self.assertRaises(AccessError):
            self.env["account.move"].with_user(bookkeeper).with_context(
                collections_writeoff=True
            ).create({"collections_writeoff_reason_id": self.reason.id})
        entry = (
            self.env["account.move"]
            .with_user(bookkeeper)
            .with_context(default_collections_writeoff_reason_id=self.reason.id)
            .create({"move_type": "entry"})
        )
        self.assertFalse(entry.collections_writeoff_reason_id)

    def test_write_off_that_was_written_off(self):
        """A write-off taken off its item is an open item like any other."""
        move = self._write_off(self.other, date="2026-03-31")
        self._get_term_lines(self.other).matched_credit_ids.unlink()
        other_states = self._get_states(self.other)
        second = self._write_off(move, date="2026-04-30")
        for undo in (move.action_reverse_writeoff, move.button_draft):
            with self.assertRaisesRegex(UserError, "are written off: "):
                undo()
        draft = move._reverse_moves([{"date": "2026-05-31"}])
        with self.assertRaisesRegex(UserError, "are written off: "):
            draft.action_post()
        draft.unlink()
        (move | second).action_reverse_writeoff()
        self.assertEqual(self._get_books(), self.books)
        self.assertEqual(self._get_states(self.other), other_states)
        self.assertEqual(
            set(self._get_term_lines(move, second).mapped("reconciled")), {True}
        )

    def test_customer_who_becomes_a_contact(self):
        move = self._write_off(self.partner)
        self.partner.parent_id = self._create_customer("Holding", is_company=True)
        for partner in (self.partner, self.partner.parent_id):
            self.assertTrue(partner.collections_written_off)
            action = partner.action_open_writeoff_reversal()
            wizard = self.env[action["res_model"]].browse(action["res_id"])
            self.assertEqual(wizard.move_ids, move)

    def test_locked_date(self):
        move = self._write_off(self.partner, date="2026-03-31")
        self.company.fiscalyear_lock_date = "2026-06-30"
        with self.assertRaises(UserError) as error:
            move.action_reverse_writeoff("2026-06-30")
        self.assertIn("07/01/2026", str(error.exception))
        action = self.partner.action_open_writeoff_reversal()
        wizard = self.env[action["res_model"]].browse(action["res_id"])
        self.assertFalse(wizard.lock_message)
        wizard.date = "2026-05-31"
        self.assertIn("07/01/2026", wizard.lock_message)
        # The write-off itself stands in the locked period and stays there.
        move.action_reverse_writeoff("2026-07-01")
        self._assert_back()

    def test_hashed_journal(self):
        self.writeoff_journal.restrict_mode_hash_table = True
        move = self._write_off(self.partner, date="2026-03-31")
        self.assertTrue(move.inalterable_hash)
        with self.assertRaises(UserError):
            move.button_draft()
        self._assert_written_off(move)
        move.action_reverse_writeoff()
        self._assert_back()

    def test_item_that_a_branch_got_a_part_of(self):
        """Who works for the head office alone writes the rest off and takes it back."""
        payment = self._create_branch_payment(self.partner, 100, "2026-02-01")
        self._match(self.invoice, payment)
        states = self._get_states(self.invoice)
        number = self._get_term_lines(self.invoice).matching_number
        invoice = self.invoice.with_env(self._get_head_office_env())
        move = self._write_off(invoice)
        self.assertEqual(invoice.payment_state, "paid")
        invoice.env.flush_all()
        invoice.env.invalidate_all()
        move.action_reverse_writeoff()
        self.assertEqual(self._get_states(self.invoice), states)
        # Payments of both companies are matched with it as before.
        self.assertEqual(self._get_term_lines(self.invoice).matching_number, number)
        self.assertEqual(self._get_term_lines(payment).matching_number, number)

    def test_rights(self):
        move = self._write_off(self.partner)
        for groups in (AGENT, "account.group_account_invoice"):
            user = self._create_user(f"u_{groups[-5:]}", groups)
            with self.assertRaises(AccessError):
                move.with_user(user).action_reverse_writeoff()

    def test_unmatched_by_hand_is_not_written_off(self):
        move = self._write_off(self.other)
        self._get_term_lines(self.other).remove_move_reconcile()
        self.other.invalidate_recordset()
        self.assertFalse(self.other.collections_is_written_off)
        self._match(self.other, move)
        self.other.invalidate_recordset()
        self.assertTrue(self.other.collections_is_written_off)
