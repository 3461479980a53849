from odoo import Command
from odoo.exceptions import UserError, ValidationError
from odoo.tests import tagged

from .common import WriteoffCommon


@tagged("post_install", "-at_install")
class TestWriteoff(WriteoffCommon):
    def test_whole_balance_of_a_customer(self):
        """WO-01: 1,000.00 and 500.00 less a credit note of 300.00 are 1,200.00."""
        first = self._create_item(self.partner, 1000, "2015-06-01", date="2015-05-01")
        second = self._create_item(self.partner, 500, "2015-06-10", date="2015-05-10")
        credit = self._create_item(self.partner, -300, "2015-06-01")
        documents = (first, second, credit)
        books, states = self._get_books(), self._get_states(*documents)
        move = self._write_off(self.partner, date="2015-12-31", comment="Bad debts")
        self.assertEqual(len(move), 1)
        self.assertRecordValues(
            move,
            [
                {
                    "state": "posted",
                    "move_type": "entry",
                    "journal_id": self.writeoff_journal.id,
                    "partner_id": self.partner.id,
                    "ref": "Bad debts",
                    "collections_writeoff_reason_id": self.reason.id,
                    "collections_writeoff_amount": 1200.0,
                    "collections_writeoff_tax_amount": 0.0,
                    "collections_writeoff_state": "posted",
                }
            ],
        )
        self.assertEqual(str(move.date), "2015-12-31")
        self._assert_entry(
            move,
            [
                (self.receivable, 0, 1000),
                (self.receivable, 0, 500),
                (self.receivable, 300, 0),
                (self.writeoff_account, 1200, 0),
            ],
        )
        for document in documents:
            self.assertEqual(document.amount_residual, 0.0)
            self.assertTrue(self._get_term_lines(document).full_reconcile_id)
        self.assertEqual(first.payment_state, "paid")
        self.assertEqual(credit.payment_state, "reversed")
        move.action_reverse_writeoff()
        self._assert_undone(books, states, documents)

    def test_left_in_draft(self):
        """WO-01 as the reference does it: the journal is posted by somebody else."""
        self.company.collections_writeoff_draft = True
        invoice = self._create_item(self.partner, 1000, "2015-06-01")
        credit = self._create_item(self.partner, -300, "2015-06-01")
        move = self._write_off(self.partner, date="2015-12-31")
        self.assertEqual(move.state, "draft")
        self.assertEqual(move.collections_writeoff_state, "draft")
        entries = move | invoice
        for state, found in (("draft", move), ("posted", entries.browse())):
            domain = [("collections_writeoff_state", "=", state)]
            self.assertEqual(entries.filtered_domain(domain), found)
            self.assertEqual(entries.search(domain) & entries, found)
        domain = [("collections_writeoff_state", "=", False)]
        self.assertEqual(entries.search(domain) & entries, invoice)
        self.assertEqual(invoice.amount_residual, 1000.0)
        self.assertFalse(invoice.collections_is_written_off)
        move.action_post()
        self.assertEqual(str(move.date), "2015-12-31")
        self._assert_entry(
            move,
            [
                (self.receivable, 0, 1000),
                (self.receivable, 300, 0),
                (self.writeoff_account, 700, 0),
            ],
        )
        self.assertEqual(invoice.payment_state, "paid")
        self.assertEqual(credit.amount_residual, 0.0)

    def test_credit_balance(self):
        """WO-04: the customer is debited, the write-off account credited."""
        credit = self._create_item(self.partner, -40, "2026-01-31")
        move = self._write_off(self.partner)
        self._assert_entry(
            move, [(self.receivable, 40, 0), (self.writeoff_account, 0, 40)]
        )
        self.assertEqual(move.collections_writeoff_amount, -40.0)
        self.assertEqual(credit.amount_residual, 0.0)

    def test_unapplied_payment(self):
        payment = self._create_payment(self.partner, 12.5, "2026-01-31")
        move = self._write_off(self._get_term_lines(payment))
        self._assert_entry(
            move, [(self.receivable, 12.5, 0), (self.writeoff_account, 0, 12.5)]
        )
        self.assertTrue(self._get_term_lines(payment).reconciled)

    def test_offsetting_items_touch_no_other_account(self):
        invoice = self._create_item(self.partner, 80, "2026-01-31")
        credit = self._create_item(self.partner, -80, "2026-01-31")
        move = self._write_off(self.partner)
        self._assert_entry(move, [(self.receivable, 80, 0), (self.receivable, 0, 80)])
        self.assertEqual((invoice | credit).mapped("amount_residual"), [0.0, 0.0])

    def test_reason_by_default_and_chosen(self):
        """WO-05"""
        other = self.env["collections.writeoff.reason"].create(
            {"code": "OTHER", "name": "Other", "comment": "Goodwill of the director"}
        )
        self._create_item(self.partner, 10, "2026-01-31")
        move = self._write_off(self.partner)
        self.assertEqual(move.collections_writeoff_reason_id.code, "BAD")
        self.assertEqual(move.ref, "Bad debts")
        self._create_item(self.partner, 10, "2026-01-31")
        move = self._write_off(self.partner, reason_id=other.id)
        self.assertEqual(move.collections_writeoff_reason_id.code, "OTHER")
        self.assertEqual(move.ref, "Goodwill of the director")

    def test_account_of_reason_customer_or_company(self):
        of_customer = self._create_account("Of the customer", "600667")
        of_reason = self._create_account("Of the reason", "600668")
        cases = [(self.writeoff_account, {}, {})]
        cases.append(
            (of_customer, {"collections_writeoff_account_id": of_customer}, {})
        )
        cases.append((of_reason, {}, {"account_id": of_reason}))
        for account, partner_values, reason_values in cases:
            self.partner.write(partner_values)
            self.reason.write(reason_values)
            self._create_item(self.partner, 10, "2026-01-31")
            move = self._write_off(self.partner)
            self._assert_entry(move, [(self.receivable, 0, 10), (account, 10, 0)])

    def test_one_entry_for_each_customer(self):
        other = self._create_customer("Other")
        contact = self.env["res.partner"].create(
            {"name": "Contact", "parent_id": self.partner.id}
        )
        invoices = (
            self._create_item(self.partner, 100, "2026-01-31")
            | self._create_item(contact, 20, "2026-01-31")
            | self._create_item(other, 3, "2026-01-31")
        )
        payment = self._create_payment(contact, 5, "2026-01-31")
        moves = self._write_off(self.partner | other)
        self.assertEqual(
            sorted(moves.mapped("collections_writeoff_amount")), [3.0, 115.0]
        )
        self.assertEqual(set(moves.partner_id), {self.partner, other})
        self.assertEqual(set(invoices.mapped("payment_state")), {"paid"})
        self.assertTrue(self._get_term_lines(payment).reconciled)

    def test_second_of_three_instalments(self):
        term = self._create_instalments((30, 0), (30, 30), (40, 60))
        invoice = self._create_item(
            self.partner,
            1000,
            "2026-01-01",
            invoice_payment_term_id=term.id,
            invoice_date_due=False,
        )
        items = self._get_term_lines(invoice).sorted("date_maturity")
        states = self._get_states(invoice)
        move = self._write_off(items[1])
        self._assert_entry(
            move, [(self.receivable, 0, 300), (self.writeoff_account, 300, 0)]
        )
        self.assertEqual(items.mapped("amount_residual"), [300.0, 0.0, 400.0])
        self.assertEqual(invoice.payment_state, "partial")
        self.assertEqual(invoice.collections_written_off_amount, 300.0)
        move.action_reverse_writeoff()
        self.assertEqual(self._get_states(invoice), states)

    def test_part_of_an_item(self):
        invoice = self._create_item(self.partner, 1000, "2026-01-31")
        item = self._get_term_lines(invoice)
        move = self._write_off(
            item,
            line_ids=[Command.create({"move_line_id": item.id, "amount": 250.0})],
        )
        self._assert_entry(
            move, [(self.receivable, 0, 250), (self.writeoff_account, 250, 0)]
        )
        self.assertEqual(invoice.amount_residual, 750.0)
        self.assertEqual(invoice.payment_state, "partial")
        self._write_off(invoice)
        self.assertEqual(invoice.payment_state, "paid")
        self.assertEqual(invoice.collections_written_off_amount, 1000.0)
        self.assertEqual(len(invoice._get_writeoff_moves()), 2)

    def test_two_receivable_accounts(self):
        other_account = self._create_account(
            "Doubtful receivables", "121999", "asset_receivable", reconcile=True
        )
        first = self._create_item(self.partner, 100, "2026-01-31")
        self.partner.property_account_receivable_id = other_account
        second = self._create_item(self.partner, 50, "2026-01-31")
        move = self._write_off(self.partner)
        self._assert_entry(
            move,
            [
                (self.receivable, 0, 100),
                (other_account, 0, 50),
                (self.writeoff_account, 150, 0),
            ],
        )
        self.assertEqual((first | second).mapped("payment_state"), ["paid", "paid"])

    def test_analytic_distribution_follows_the_invoice(self):
        plan = self.env["account.analytic.plan"].create({"name": "Projects"})
        north, south = self.env["account.analytic.account"].create(
            [{"name": name, "plan_id": plan.id} for name in ("North", "South")]
        )
        invoice = self._create_item(
            self.partner,
            0,
            "2026-01-31",
            move_type="out_invoice",
            invoice_line_ids=[
                Command.create(
                    {
                        "name": name,
                        "price_unit": amount,
                        "tax_ids": [Command.clear()],
                        "analytic_distribution": distribution,
                    }
                )
                for name, amount, distribution in (
                    ("North", 200, {str(north.id): 100}),
                    ("North again", 100, {str(north.id): 100}),
                    ("South", 100, {str(south.id): 100}),
                )
            ],
        )
        item = self._get_term_lines(invoice)
        move = self._write_off(
            item,
            line_ids=[Command.create({"move_line_id": item.id, "amount": 100.0})],
        )
        by_account = {
            tuple(line.analytic_distribution): line.balance
            for line in move.line_ids
            if line.account_id == self.writeoff_account
        }
        self.assertEqual(by_account, {(str(north.id),): 75.0, (str(south.id),): 25.0})

    def test_distribution_model_is_for_the_loss_only(self):
        plan = self.env["account.analytic.plan"].create({"name": "Projects"})
        project = self.env["account.analytic.account"].create(
            {"name": "Losses", "plan_id": plan.id}
        )
        invoice = self.init_invoice(
            "out_invoice",
            partner=self.partner,
            invoice_date="2026-01-31",
            amounts=[100],
            taxes=self.company_data["default_tax_sale"],
            post=True,
        )
        self.env["account.analytic.distribution.model"].create(
            {
                "partner_id": self.partner.id,
                "analytic_distribution": {str(project.id): 100},
            }
        )
        move = self._write_off(invoice, separate_tax=True)
        for line in move.line_ids:
            is_loss = line.account_id == self.writeoff_account
            self.assertEqual(bool(line.analytic_distribution), is_loss)

    def _create_item_of_nobody(self, amount):
        revenue = self.company_data["default_account_revenue"]
        entry = self.env["account.move"].create(
            {
                "move_type": "entry",
                "date": "2026-01-31",
                "line_ids": [
                    Command.create({"account_id": self.receivable.id, "debit": amount}),
                    Command.create({"account_id": revenue.id, "credit": amount}),
                ],
            }
        )
        entry.action_post()
        return entry

    def test_items_without_customer(self):
        entry = self._create_item_of_nobody(9)
        snapshot = self._run_snapshot("2026-03-31")
        row = snapshot.balance_ids.filtered(lambda row: not row.partner_id)
        move = self._write_off(row)
        self._assert_entry(
            move, [(self.receivable, 0, 9), (self.writeoff_account, 9, 0)]
        )
        self.assertTrue(self._get_term_lines(entry).reconciled)

    def test_review_from_an_amount_on(self):
        self.company.collections_writeoff_review_amount = 100.0
        small, big = self._create_customer("Small"), self._create_customer("Big")
        self._create_item(small, 99.99, "2026-01-31")
        big_invoice = self._create_item(big, 130, "2026-01-31")
        self._create_item(big, -60, "2026-01-31")
        wizard = self._create_wizard(small | big)
        self.assertIn("Big", wizard.review_message)
        self.assertNotIn("Small", wizard.review_message)
        wizard.action_write_off()
        states = {move.partner_id: move.state for move in wizard.move_ids}
        self.assertEqual(states, {small: "posted", big: "draft"})
        draft = wizard.move_ids.filtered(lambda move: move.state == "draft")
        self.assertIn("review", draft.message_ids[:1].body)
        draft.action_post()
        self.assertEqual(big_invoice.payment_state, "paid")

    def test_review_of_items_without_customer(self):
        self.company.collections_writeoff_review_amount = 1000.0
        entry = self._create_item_of_nobody(5000)
        wizard = self._create_wizard(self._get_term_lines(entry))
        self.assertIn("no customer", wizard.review_message)
        wizard.action_write_off()
        self.assertEqual(wizard.move_ids.state, "draft")
        # Nobody and somebody else are counted apart.
        small = self._create_item(self.partner, 999, "2026-01-31")
        other = self._create_item_of_nobody(1000)
        wizard = self._create_wizard(self._get_term_lines(small, other))
        self.assertNotIn(self.partner.name, wizard.review_message)
        wizard.action_write_off()
        states = {move.partner_id: move.state for move in wizard.move_ids}
        nobody = self.env["res.partner"]
        self.assertEqual(states, {self.partner: "posted", nobody: "draft"})

    def test_document_in_review_is_not_reset(self):
        """It could be posted again with another customer, or other taxes."""
        self.company.collections_writeoff_draft = True
        invoice = self._create_item(self.partner, 100, "2026-01-31")
        payment = self._create_payment(self.partner, 30, "2026-02-01")
        other = self._create_item(self.partner, 5, "2026-01-31")
        for document, undos in (
            (invoice, (invoice.button_draft, invoice.button_cancel)),
            (payment, (payment.action_draft, payment.action_cancel)),
        ):
            for release in ("button_cancel", "unlink"):
                move = self._write_off(self._get_term_lines(document))
                for undo in undos:
                    with self.assertRaisesRegex(UserError, "waits to be posted"):
                        undo()
                other.button_draft()
                other.action_post()
                getattr(move, release)()
            undos[0]()

    def test_draft_complains_when_items_were_paid_meanwhile(self):
        self.company.collections_writeoff_draft = True
        invoice = self._create_item(self.partner, 100, "2026-01-31")
        move = self._write_off(invoice)
        payment = self._create_payment(self.partner, 30, "2026-02-01")
        self._match(invoice, payment)
        with self.assertRaises(UserError) as error:
            move.action_post()
        self.assertIn("paid or changed", str(error.exception))
        self._get_term_lines(payment).remove_move_reconcile()
        move.action_post()
        self.assertEqual(invoice.payment_state, "paid")

    def test_amount_changed_in_review(self):
        self.company.collections_writeoff_draft = True
        invoice = self._create_item(self.partner, 100, "2026-01-31")
        move = self._write_off(invoice)
        receivable = move.line_ids.filtered("collections_writeoff_line_id")
        move.write(
            {
                "line_ids": [
                    Command.update(receivable.id, {"credit": 40}),
                    Command.update((move.line_ids - receivable).id, {"debit": 40}),
                ]
            }
        )
        move.action_post()
        self.assertEqual(invoice.amount_residual, 60.0)
        self.assertEqual(move.collections_writeoff_amount, 40.0)

    def test_item_in_a_draft_cannot_be_written_off_again(self):
        self.company.collections_writeoff_draft = True
        invoice = self._create_item(self.partner, 100, "2026-01-31")
        other = self._create_item(self.partner, 5, "2026-01-31")
        Wizard = self.env["collections.writeoff.wizard"].with_context(
            active_model="res.partner", active_ids=self.partner.ids
        )
        self.assertIs(Wizard.create({}).pending_message, False)
        first = self._write_off(invoice)
        with self.assertRaises(UserError) as error:
            self._write_off(invoice)
        self.assertIn("waits to be posted", str(error.exception))
        self.assertIn(first.display_name, str(error.exception))
        wizard = Wizard.create({})
        self.assertEqual(
            wizard.line_ids.move_line_id, self._get_term_lines(other), "What is left"
        )
        self.assertIn(invoice.name, wizard.pending_message)
        self.assertNotIn(other.name, wizard.pending_message)
        # What is left of the customer can.
        second = self._write_off(self.partner)
        self.assertEqual(
            second.line_ids.collections_writeoff_line_id, self._get_term_lines(other)
        )
        first.button_cancel()
        self._write_off(invoice)

    def test_printed_invoice_does_not_say_paid(self):
        invoice = self._create_item(self.partner, 100, "2026-01-31")
        self._match(invoice, self._create_payment(self.partner, 40, "2026-02-01"))
        self._write_off(invoice, date="2026-03-31")
        html, _type = self.env["ir.actions.report"]._render_qweb_html(
            "account.account_invoices", invoice.ids
        )
        text = " ".join(html.decode().split())
        self.assertEqual(text.count("Paid on"), 1)
        self.assertEqual(text.count("Written off on"), 1)

    def test_aging_follows(self):
        self._create_item(self.partner, 100, "2026-01-31")
        self._assert_ties(self._run_snapshot("2026-03-31"))
        self._write_off(self.partner, date="2026-03-15")
        snapshot = self._run_snapshot("2026-03-31")
        self._assert_ties(snapshot)
        self.assertFalse(self._get_row(snapshot, self.partner))
        before = self._run_snapshot("2026-03-14")
        self._assert_ties(before)
        self.assertEqual(self._get_row(before, self.partner).amount_due, 100.0)

    def test_parameters_are_checked(self):
        bank = self.company_data["default_journal_bank"]
        with self.assertRaises(ValidationError) as error:
            self.company.collections_writeoff_journal_id = bank
        self.assertIn("Miscellaneous", str(error.exception))
        for record, name in (
            (self.company, "collections_writeoff_account_id"),
            (self.reason, "account_id"),
            (self.partner, "collections_writeoff_account_id"),
        ):
            for account in (self.receivable, bank.default_account_id):
                with (
                    self.subTest(record=record, account=account.name),
                    self.assertRaises(ValidationError) as error,
                ):
                    record[name] = account
                self.assertIn("is of type", str(error.exception))

    def test_reason_code_is_unique(self):
        copy = self.reason.copy()
        self.assertEqual(copy.code, "BAD (copy)")
        self.assertEqual(copy.display_name, "BAD (copy) Bad debts")
