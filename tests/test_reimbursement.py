from odoo import Command
from odoo.exceptions import UserError
from odoo.tests import tagged

from .common import ReimbursementCommon


@tagged("post_install", "-at_install")
class TestReimbursement(ReimbursementCommon):
    """Who is reimbursed, with what entries, and what is left then."""

    def test_minimum_and_vendor_account(self):
        """RB-01: 100.00 with and without vendor, 25.00, 24.99 and nothing."""
        customers = {
            name: self._create_customer(name) for name in ("A", "B", "C", "D", "E")
        }
        vendors = {}
        for name, amount in (("A", 100), ("B", 100), ("C", 25), ("D", 24.99)):
            self._create_item(customers[name], -amount, "2026-01-31")
            if name != "B":
                vendors[name] = self.env["res.partner"].create({"name": f"V-{name}"})
                customers[name].collections_vendor_id = vendors[name]
        reimbursements = self._reimburse()
        vendors["B"] = customers["B"].collections_vendor_id
        self.assertRecordValues(
            reimbursements.sorted(lambda record: record.partner_id.name),
            [
                {
                    "partner_id": customers[name].id,
                    "vendor_id": vendors[name].id,
                    "amount": amount,
                    "state": "posted",
                    "payment_state": "not_paid",
                }
                for name, amount in (("A", 100), ("B", 100), ("C", 25))
            ],
        )
        self.assertTrue(vendors["B"].collections_one_time_vendor)
        for name, amount in (("A", 0), ("B", 0), ("C", 0), ("D", -24.99), ("E", 0)):
            self.assertEqual(self._get_balance(customers[name]), amount)
        for name, amount in (("A", 100), ("B", 100), ("C", 25)):
            payable = self._get_balance(vendors[name], "liability_payable")
            self.assertEqual(payable, -amount)
        self._assert_clearing_closed()
        run = reimbursements.run_id
        self.assertRecordValues(
            run,
            [
                {
                    "state": "done",
                    "reimbursed_count": 3,
                    "held_count": 1,
                    "failed_count": 0,
                    "amount_total": 225.0,
                }
            ],
        )

    def test_selected_customers_only(self):
        """RB-02: of 100.00 and 80.00 only the selected customer is reimbursed."""
        other = self._create_customer("B")
        self._create_item(self.partner, -100, "2026-01-31")
        self._create_item(other, -80, "2026-01-31")
        reimbursement = self._reimburse(self.partner)
        self.assertEqual(reimbursement.bill_id.amount_total, 100.0)
        self.assertEqual(self._get_balance(self.partner), 0.0)
        self.assertEqual(self._get_balance(other), -80.0)

    def test_entries(self):
        """A credit note of 500.00, a payment of 120.00, an invoice of 200.00."""
        credit = self._create_item(self.partner, -500, "2026-01-31")
        payment = self._create_payment(self.partner, 120, "2026-02-28")
        invoice = self._create_item(self.partner, 200, "2026-03-31")
        reimbursement = self._reimburse(include_open_debits=True)
        bill, transfer = reimbursement.bill_id, reimbursement.transfer_move_id
        self._assert_entry(
            bill, [(self.clearing_account, 420, 0), (self.payable, 0, 420)]
        )
        self._assert_entry(
            transfer, [(self.receivable, 420, 0), (self.clearing_account, 0, 420)]
        )
        self.assertRecordValues(
            bill | transfer,
            [
                {
                    "move_type": "in_invoice",
                    "state": "posted",
                    "journal_id": self.bill_journal.id,
                    "partner_id": self.vendor.id,
                    "payment_state": "not_paid",
                    "amount_tax": 0.0,
                    "collections_reimbursement_id": reimbursement.id,
                },
                {
                    "move_type": "entry",
                    "state": "posted",
                    "journal_id": self.settlement_journal.id,
                    "partner_id": self.partner.id,
                    "payment_state": "not_paid",
                    "amount_tax": 0.0,
                    "collections_reimbursement_id": reimbursement.id,
                },
            ],
        )
        for move in bill | transfer:
            self.assertEqual(str(move.date), "2026-04-30")
        self.assertEqual(str(bill.invoice_date_due), "2026-04-30")
        # Core's word for an invoice that only a credit note has closed.
        self.assertEqual(invoice.payment_state, "reversed")
        self.assertEqual(credit.amount_residual, 0.0)
        self.assertTrue(self._get_term_lines(payment).reconciled)
        self._assert_clearing_closed()
        # The bill says for whom and what for, the customer's statement where to.
        text = bill.invoice_line_ids.name
        self.assertIn(self.partner.name, text)
        self.assertIn(credit.name, text)
        self.assertIn(bill.name, self._get_term_lines(transfer).name)
        self.assertEqual(
            reimbursement.credit_line_ids.move_id, credit | payment.move_id
        )

    def test_debits_take_the_oldest_credits(self):
        old = self._create_item(self.partner, -150, "2026-01-31")
        new = self._create_item(self.partner, -100, "2026-02-28")
        invoice = self._create_item(self.partner, 150, "2026-06-30", date="2026-03-31")
        reimbursement = self._reimburse(include_open_debits=True)
        self.assertEqual(reimbursement.amount, 100.0)
        self.assertEqual(
            self._get_term_lines(invoice).matched_credit_ids.credit_move_id,
            self._get_term_lines(old),
        )
        self.assertEqual(reimbursement.credit_line_ids, self._get_term_lines(new))

    def test_open_debits_hold(self):
        self._create_item(self.partner, -100, "2026-01-31")
        self._create_item(self.partner, 30, "2026-06-30", date="2026-03-31")
        wizard = self._create_reimbursement_wizard()
        wizard.action_preview()
        self.assertRecordValues(
            wizard.line_ids,
            [
                {
                    "partner_id": self.partner.id,
                    "amount_credit": 100.0,
                    "amount_debit": 30.0,
                    "amount": 70.0,
                    "state": "held",
                    "vendor_id": self.vendor.id,
                }
            ],
        )
        self.assertIn("open debits", wizard.line_ids.reason)
        with self.assertRaisesRegex(UserError, "open debits"):
            wizard.action_reimburse()
        self.assertEqual(self._get_balance(self.partner), -70.0)

    def test_open_debits_included(self):
        """Net, zero, and negative."""
        results = {}
        for name, debit in (("Net", 60), ("Low", 80), ("Zero", 100), ("Negative", 130)):
            customer = self._create_customer(name)
            self._create_item(customer, -100, "2026-01-31")
            self._create_item(customer, debit, "2026-02-28")
            results[name] = customer
        wizard = self._create_reimbursement_wizard(include_open_debits=True)
        wizard.action_preview()
        usd = self.company.currency_id.name
        self.assertEqual(
            self._get_results(wizard),
            {
                (results["Net"], usd): ("reimburse", 40.0),
                (results["Low"], usd): ("held", 20.0),
                (results["Zero"], usd): ("held", 0.0),
                (results["Negative"], usd): ("held", 0.0),
            },
        )
        wizard.action_reimburse()
        balances = [self._get_balance(customer) for customer in results.values()]
        self.assertEqual(balances, [0.0, -20.0, 0.0, 30.0])
        self._assert_clearing_closed()

    def test_credit_note_partly_used(self):
        credit = self._create_item(self.partner, -100, "2026-01-31")
        invoice = self._create_item(self.partner, 60, "2026-01-31")
        self._match(credit, invoice)
        reimbursement = self._reimburse()
        self.assertEqual(reimbursement.amount, 40.0)
        self.assertEqual(credit.amount_residual, 0.0)

    def test_credit_only_in_a_contact(self):
        contact = self.env["res.partner"].create(
            {"name": "Accounting", "parent_id": self.partner.id}
        )
        self._create_payment(contact, 80, "2026-01-31")
        self._create_item(self.partner, -20, "2026-01-31")
        reimbursement = self._reimburse(contact)
        self.assertRecordValues(
            reimbursement,
            [
                {
                    "partner_id": self.partner.id,
                    "vendor_id": self.vendor.id,
                    "amount": 100.0,
                }
            ],
        )
        self.assertEqual(self._get_balance(self.partner), 0.0)

    def test_disputed_credit(self):
        credit = self._create_item(self.partner, -100, "2026-01-31")
        line = self._get_term_lines(credit)
        line.action_set_collections_status("disputed", reason="Wrong amount")
        wizard = self._create_reimbursement_wizard()
        wizard.action_preview()
        self.assertEqual(wizard.line_ids.state, "held")
        self.assertIn("disputed", wizard.line_ids.reason)
        line.action_set_collections_status("resolved")
        wizard.action_preview()
        self.assertEqual(wizard.line_ids.state, "reimburse")

    def test_credits_after_the_date_stay(self):
        self._create_item(self.partner, -100, "2026-01-31")
        later = self._create_item(self.partner, -50, "2026-05-31")
        reimbursement = self._reimburse()
        self.assertEqual(reimbursement.amount, 100.0)
        self.assertEqual(later.amount_residual, 50.0)

    def test_several_receivable_accounts(self):
        other = self._create_account(
            "Other receivable", "121900", "asset_receivable", reconcile=True
        )
        credit = self._create_item(self.partner, -100, "2026-01-31")
        self.partner.property_account_receivable_id = other
        second = self._create_item(self.partner, -50, "2026-01-31")
        invoice = self._create_item(self.partner, 80, "2026-01-31")
        reimbursement = self._reimburse(include_open_debits=True)
        self._assert_entry(
            reimbursement.transfer_move_id,
            [
                (self.receivable, 100, 0),
                (other, 0, 30),
                (self.clearing_account, 0, 70),
            ],
        )
        for document in (credit, second, invoice):
            self.assertEqual(document.amount_residual, 0.0)
        self._assert_clearing_closed()

    def test_write_offs_taken_off_are_not_paid_out(self):
        """The credit of a write-off is nobody's money."""
        invoice = self._create_item(self.partner, 100, "2026-04-01")
        self._write_off(invoice)
        self._get_term_lines(invoice).matched_credit_ids.unlink()
        self._create_payment(self.partner, 130, "2026-04-10")
        for include_open_debits in (False, True):
            wizard = self._create_reimbursement_wizard(
                include_open_debits=include_open_debits
            )
            wizard.action_preview()
            self.assertEqual(wizard.line_ids.amount, 30)

    def _write_off_twice(self, partner=None):
        """Return a write-off and that of its credit, both taken off their items."""
        partner = partner or self.partner
        invoice = self._create_item(partner, 100, "2026-04-01")
        first = self._write_off(invoice)
        self._get_term_lines(invoice).matched_credit_ids.unlink()
        self._match(invoice, self._create_payment(partner, 100, "2026-04-10"))
        second = self._write_off(first)
        self._get_term_lines(first).matched_debit_ids.unlink()
        self.assertEqual(
            self._get_term_lines(first, second).mapped("amount_residual"), [-100, 100]
        )
        return first, second

    def test_write_offs_of_write_offs_do_not_count_either(self):
        """The credit of the first is left out, and so is the debit of the second."""
        first, second = self._write_off_twice()
        # The button on the collections page is for credits that can be reimbursed.
        self.assertFalse(self.partner.collections_has_credit)
        payment = self._create_payment(self.partner, 150, "2026-04-10")
        self.partner.invalidate_recordset(["collections_has_credit"])
        self.assertTrue(self.partner.collections_has_credit)
        for include_open_debits in (False, True):
            wizard = self._create_reimbursement_wizard(
                include_open_debits=include_open_debits
            )
            wizard.action_preview()
            self.assertRecordValues(
                wizard.line_ids, [{"state": "reimburse", "amount": 150.0}]
            )
        reimbursement = self._reimburse(include_open_debits=True)
        self.assertEqual(reimbursement.amount, 150.0)
        self.assertEqual(
            reimbursement.credit_line_ids,
            self._get_term_lines(payment.move_id),
        )
        self.assertEqual(
            self._get_term_lines(first, second).mapped("amount_residual"), [-100, 100]
        )

    def test_used_up_credits_of_write_offs_do_not_hide_debits(self):
        """What wrote them off is owed, once they have paid another invoice.

        Where a part of them is left, too little is paid out rather than too much.
        """
        for used in (100, 40):
            partner = self._create_customer()
            with self.subTest(used=used):
                first, second = self._write_off_twice(partner)
                other = self._create_item(partner, used, "2026-04-01")
                self._match(other, first)
                self._create_payment(partner, 150, "2026-04-10")
                wizard = self._create_reimbursement_wizard(
                    partner, include_open_debits=True
                )
                wizard.action_preview()
                self.assertEqual(wizard.line_ids.amount, 50.0)
                self.assertFalse(self._get_term_lines(second).reconciled)

    def test_drafts_of_reversals_do_not_change_what_counts(self):
        _first, second = self._write_off_twice()
        self._create_payment(self.partner, 150, "2026-04-10")
        reversal = second._reverse_moves([{"date": "2026-04-20"}])
        self.assertEqual(reversal.state, "draft")
        wizard = self._create_reimbursement_wizard(include_open_debits=True)
        wizard.action_preview()
        self.assertEqual(wizard.line_ids.amount, 150.0)

    def test_reversed_write_offs_of_write_offs_are_not_paid_out(self):
        """Not even where somebody took the reversal off what it takes back."""
        _first, second = self._write_off_twice()
        second.action_reverse_writeoff("2026-04-20")
        self._get_term_lines(second).matched_credit_ids.unlink()
        self._create_payment(self.partner, 150, "2026-04-10")
        wizard = self._create_reimbursement_wizard(include_open_debits=True)
        wizard.action_preview()
        self.assertEqual(wizard.line_ids.amount, 150.0)

    def test_credits_written_off_are_not_paid_out(self):
        payment = self._create_payment(self.partner, 80, "2026-04-10")
        self._write_off(self._get_term_lines(payment))
        self._get_term_lines(payment).matched_debit_ids.unlink()
        for include_open_debits in (False, True):
            wizard = self._create_reimbursement_wizard(
                include_open_debits=include_open_debits
            )
            wizard.action_preview()
            self.assertEqual(wizard.line_ids.mapped("state"), ["held"])

    def test_settling_earns_the_cash_discount(self):
        """A payment in time for an invoice with 1 % earns it, and it is paid out."""
        self.company.collections_partial_cash_discount = True
        self.company.account_journal_early_pay_discount_loss_account_id = (
            self._create_account("Discounts", "443900")
        )
        term = self._create_term(1, 14, due_days=0)
        invoice = self._create_item(
            self.partner, 1000, "2026-04-01", invoice_payment_term_id=term.id
        )
        self._create_payment(self.partner, 1100, "2026-04-10")
        books, states = self._get_books(), self._get_states(invoice)
        wizard = self._create_reimbursement_wizard(include_open_debits=True)
        wizard.action_preview()
        proposed = wizard.line_ids.amount
        action = wizard.action_reimburse()
        reimbursement = self.env["collections.reimbursement"].search(action["domain"])
        self.assertEqual(reimbursement.amount, proposed)
        self.assertEqual(invoice.payment_state, "paid")
        self.assertEqual(self._get_balance(self.partner), 0.0)
        reimbursement.action_cancel()
        self._assert_undone(books, states, [invoice])

    def test_defaults_do_not_change_the_bill(self):
        """Neither terms of the vendor, nor taxes, nor mappings of accounts."""
        position = self.env["account.fiscal.position"].create(
            {
                "name": "Mapping",
                "account_ids": [
                    Command.create(
                        {
                            "account_src_id": self.clearing_account.id,
                            "account_dest_id": self.writeoff_account.id,
                        }
                    )
                ],
            }
        )
        self.vendor.write(
            {
                "property_supplier_payment_term_id": self.pay_terms_b.id,
                "property_account_position_id": position.id,
            }
        )
        self.clearing_account.tax_ids = self.tax_purchase_a
        self._create_item(self.partner, -100, "2026-01-31")
        bill = self._reimburse().bill_id
        self._assert_entry(
            bill, [(self.clearing_account, 100, 0), (self.payable, 0, 100)]
        )
        self.assertEqual(str(bill.invoice_date_due), "2026-04-30")

    def test_bill_is_paid_like_any_other(self):
        self._create_item(self.partner, -100, "2026-01-31")
        reimbursement = self._reimburse()
        bill = reimbursement.bill_id
        self.env["account.payment.register"].with_context(
            active_model="account.move", active_ids=bill.ids
        ).create({"payment_date": "2026-05-02"})._create_payments()
        self.assertIn(bill.payment_state, ("in_payment", "paid"))
        self.assertEqual(bill.amount_residual, 0.0)
        self.assertEqual(self._get_balance(self.vendor, "liability_payable"), 0.0)
        with self.assertRaisesRegex(UserError, "Cancel the payment first"):
            reimbursement.action_cancel()

    def test_lines_taken_out_are_not_reimbursed(self):
        other = self._create_customer("B")
        self._create_item(self.partner, -100, "2026-01-31")
        self._create_item(other, -80, "2026-01-31")
        wizard = self._create_reimbursement_wizard()
        wizard.action_preview()
        wizard.line_ids.filtered(lambda line: line.partner_id == other).unlink()
        wizard.action_reimburse()
        self.assertEqual(self._get_balance(self.partner), 0.0)
        self.assertEqual(self._get_balance(other), -80.0)

    def test_nobody_twice(self):
        """Two people with the same preview: the second one is told."""
        self._create_item(self.partner, -100, "2026-01-31")
        wizards = [self._create_reimbursement_wizard() for _number in range(2)]
        for wizard in wizards:
            wizard.action_preview()
        wizards[0].action_reimburse()
        with self.assertRaisesRegex(UserError, "The credit is gone"):
            wizards[1].action_reimburse()
        with self.assertRaisesRegex(UserError, "reimbursed already"):
            wizards[0].action_reimburse()
        self.assertEqual(self._get_balance(self.vendor, "liability_payable"), -100.0)

    def test_changed_since_the_preview(self):
        self._create_item(self.partner, -100, "2026-01-31")
        wizard = self._create_reimbursement_wizard()
        wizard.action_preview()
        self._create_item(self.partner, -10, "2026-01-31")
        with self.assertRaisesRegex(UserError, "changed since the preview"):
            wizard.action_reimburse()
        self.assertEqual(self._reimburse().amount, 110.0)

    def test_other_choices_need_another_preview(self):
        self._create_item(self.partner, -20, "2026-01-31")
        wizard = self._create_reimbursement_wizard()
        wizard.action_preview()
        self.assertEqual(wizard.line_ids.state, "held")
        wizard.minimum = 20.0
        self.assertFalse(wizard.line_ids)
        wizard.action_reimburse()
        self.assertEqual(self._get_balance(self.partner), 0.0)

    def test_minimum_is_no_negative_amount(self):
        wizard = self._create_reimbursement_wizard(minimum=-1.0)
        with self.assertRaisesRegex(UserError, "cannot be less than zero"):
            wizard.action_preview()

    def test_held_customers_cannot_be_smuggled_in(self):
        self._create_item(self.partner, -20, "2026-01-31")
        wizard = self._create_reimbursement_wizard()
        wizard.action_preview()
        wizard.line_ids.state = "reimburse"
        with self.assertRaisesRegex(UserError, "Below the minimum"):
            wizard.action_reimburse()
        self.assertEqual(self._get_balance(self.partner), -20.0)
