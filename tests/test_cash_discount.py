import random
from unittest.mock import patch

from odoo.exceptions import ValidationError
from odoo.tests import tagged

from .common import CashDiscountCommon


@tagged("post_install", "-at_install")
class TestCashDiscount(CashDiscountCommon):
    def test_part_in_time_and_the_rest_late(self):
        """CD-01"""
        invoice = self._create_invoice(1000)
        item = self._get_term_lines(invoice)
        [terms] = item.get_cash_discount("2015-07-02")
        self.assertEqual(
            terms,
            {
                "id": item.id,
                "date": "2015-07-09",
                "amount": 10.0,
                "taken": 0.0,
                "available": 10.0,
                "amount_to_settle": 990.0,
            },
        )
        first = self._pay(297, "2015-07-02", invoice)
        self.assertEqual(invoice.amount_residual, 700.0)
        self.assertEqual(invoice.payment_state, "partial")
        self.assertTrue(self._get_term_lines(first).reconciled)
        entry = self._get_entries()
        self.assertEqual(str(entry.date), "2015-07-02")
        self.assertEqual(
            {line.account_id: line.balance for line in entry.line_ids},
            {self.discount_account: 3.0, self.receivable: -3.0},
        )
        partial = item.matched_credit_ids.filtered("cash_discount_move_id")
        self.assertEqual(partial.cash_discount_move_id, entry)
        self.assertEqual(partial.cash_discount_amount_currency, 3.0)
        self._pay(700, "2015-07-11", invoice)
        self.assertEqual(invoice.payment_state, "paid")
        self.assertEqual(self._get_entries(), entry)
        self.assertEqual(self._get_taken(invoice), [3.0])

    def test_what_was_taken_is_rounded(self):
        invoice = self._create_invoice(1000)
        for amount in (11.1, 12.1):
            self._pay(amount, "2015-07-02", invoice)
        self.assertEqual(self._get_taken(invoice), [0.23])

    def test_always_and_back(self):
        """CD-01-A and CD-01-B"""
        invoice = self._create_invoice(1000)
        item = self._get_term_lines(invoice)
        self._pay(297, "2015-07-02", invoice)
        for choice, amount in (("normal", 700), ("always", 693), ("normal", 700)):
            item.use_cash_discount = choice
            [terms] = item.get_cash_discount("2015-07-11")
            self.assertEqual(terms["amount_to_settle"], amount)
            self.assertEqual(terms["available"], 700 - amount)
        item.use_cash_discount = "always"
        self._pay(693, "2015-07-11", invoice)
        self.assertEqual(invoice.payment_state, "paid")
        self.assertEqual(self._get_taken(invoice), [10.0])

    def test_parameter_off(self):
        """CD-01-C"""
        self.company.collections_partial_cash_discount = False
        invoice = self._create_invoice(1000)
        self._pay(297, "2015-07-02", invoice)
        self.assertEqual(invoice.amount_residual, 703.0)
        self.assertFalse(self._get_entries())

    def test_never(self):
        """CD-01-D"""
        invoice = self._create_invoice(1000)
        self._get_term_lines(invoice).use_cash_discount = "never"
        self._pay(297, "2015-07-02", invoice)
        self.assertEqual(invoice.amount_residual, 703.0)

    def test_always_without_the_parameter(self):
        self.company.collections_partial_cash_discount = False
        invoice = self._create_invoice(1000)
        self._get_term_lines(invoice).use_cash_discount = "always"
        self._pay(297, "2015-12-31", invoice)
        self.assertEqual(invoice.amount_residual, 700.0)

    def test_the_last_day_counts(self):
        """CD-01-E"""
        item = self._get_term_lines(self._create_invoice(1000))
        for date, amount in (("2015-07-09", 990), ("2015-07-10", 1000)):
            [terms] = item.get_cash_discount(date)
            self.assertEqual(terms["amount_to_settle"], amount)
        self._pay(990, "2015-07-09", item.move_id)
        self.assertEqual(item.move_id.payment_state, "paid")

    def test_two_invoices_one_payment(self):
        first, second = (self._create_invoice(1000) for _number in range(2))
        self._pay(1980, "2015-07-02", first, second)
        self.assertEqual((first | second).mapped("payment_state"), ["paid", "paid"])
        self.assertEqual(len(self._get_entries()), 2)

    def test_one_invoice_three_payments_in_one_call(self):
        invoice = self._create_invoice(1000)
        payments = [
            self._create_payment(self.partner, 330, "2015-07-02") for _number in "123"
        ]
        self._match(invoice, *payments)
        self.assertEqual(invoice.amount_residual, 0.0)
        self.assertEqual(
            sorted(self._get_entries().line_ids.filtered("debit").mapped("debit")),
            [3.33, 3.33, 3.34],
        )

    def test_each_company_by_its_own_parameter(self):
        other = self.setup_other_company(name="Second")
        company = other["company"]
        self.env.user.company_ids |= company
        partner = self.partner.with_company(company)
        partner.property_account_receivable_id = other["default_account_receivable"]
        in_other = {"company_id": company.id, "partner_id": partner.id}
        invoice = self._create_invoice(
            1000, journal_id=other["default_journal_sale"].id, **in_other
        )
        payment = self._create_payment(
            partner, 297, "2015-07-02", journal_id=other["default_journal_bank"].id
        )
        self._match(invoice, payment)
        self.assertEqual(invoice.company_id, company)
        self.assertEqual(invoice.amount_residual, 703.0)
        self.assertFalse(self._get_entries())

    def test_part_paid_at_a_branch(self):
        """Who works for the head office alone sees the discount and takes the rest."""
        invoice = self._create_invoice(1000)
        self._match(
            invoice, self._create_branch_payment(self.partner, 297, "2015-07-02")
        )
        self.assertEqual(self._get_taken(invoice), [3.0])
        env = self._get_head_office_env()
        item = self._get_term_lines(invoice).with_env(env)
        for records, names in (
            (item, ["cash_discount_taken", "cash_discount_available"]),
            (item.move_id, ["collections_cash_discount_line_ids"]),
        ):
            self.env.invalidate_all()
            self.assertTrue(records.read(names))
        self.env.invalidate_all()
        wizard = self._create_settlement(self.partner.with_env(env), date="2015-07-05")
        self.assertEqual(wizard.line_ids.cash_discount_taken, 3.0)
        self.assertEqual(wizard.line_ids.amount_to_settle, 693.0)
        payment = self._create_payment(self.partner, 693, "2015-07-05")
        self.env.flush_all()
        self.env.invalidate_all()
        (item | self._get_term_lines(payment).with_env(env)).reconcile()
        self.assertEqual(invoice.payment_state, "paid")
        self.assertEqual(self._get_taken(invoice), [10.0])

    def test_paid_an_invoice_of_a_branch(self):
        """The payment itself shows no discount, also to who does not see the branch."""
        self.company.collections_cash_discount_administration = "specific"
        branch = self._create_branch(self.partner)
        branch.write(
            {
                "collections_partial_cash_discount": True,
                "collections_settlement_journal_id": self.settlement_journal.id,
            }
        )
        invoice = self._create_invoice(1000, company_id=branch.id)
        payment = self._pay(297, "2015-07-02", invoice)
        more = self._create_invoice(100, company_id=branch.id)
        over = self._pay(400, "2015-07-02", more)
        self.assertEqual(payment.company_id, self.company)
        self.assertEqual(self._get_taken(invoice), [3.0])
        self.assertEqual(self._get_taken(more), [1.0])
        self.assertEqual(self._get_entries().company_id, branch)
        env = self._get_head_office_env()
        line = self._get_term_lines(payment).with_env(env)
        self.assertEqual(line.cash_discount_taken, 0)
        wizard = self._create_settlement(self.partner.with_env(env))
        self.assertRecordValues(
            wizard.line_ids,
            [
                {
                    "move_line_id": self._get_term_lines(over).id,
                    "amount_residual": -301.0,
                    "cash_discount_taken": 0.0,
                }
            ],
        )

    def test_books_are_what_they_were_after_undo(self):
        """With tax, at another rate than the invoice."""
        euro = self.setup_other_currency(
            "EUR", rates=[("2015-01-01", 0.5), ("2015-07-01", 0.4)]
        )
        tax = self.company_data["default_tax_sale"]
        invoice = self._create_invoice(1000, taxes=[tax], currency_id=euro.id)
        payment = self._create_payment(
            self.partner, 500, "2015-07-02", currency_id=euro.id
        )
        books, states = self._get_books(), self._get_states(invoice)
        self._match(payment, invoice)
        [entry] = self._get_entries()
        share = 500 / 0.99 * 0.01
        self.assertAlmostEqual(
            -sum(entry.line_ids.filtered("credit").mapped("amount_currency")),
            euro.round(share),
        )
        self.assertEqual(len(entry.line_ids), 3)
        self._get_term_lines(invoice).remove_move_reconcile()
        self._assert_undone(books, states, [invoice])

    def _match_and_take_back(self, expected, credits, *invoices):
        """Match documents, compare what is open, and take the credits off again.

        :param list expected: what is open of each invoice, and what was deducted
        :param list credits: payments and credit notes
        """
        documents = [
            *invoices,
            *(credit for credit in credits if credit._name == "account.move"),
        ]
        books, states = self._get_books(), self._get_states(*documents)
        lines = self._get_term_lines(*invoices, *credits)
        lines.reconcile()
        self.assertEqual(
            [
                (invoice.amount_residual, sum(self._get_taken(invoice)))
                for invoice in invoices
            ],
            expected,
        )
        self.assertFalse(
            self._get_entries().line_ids.filtered(
                lambda line: line.account_id == self.receivable and not line.reconciled
            )
        )
        lines.remove_move_reconcile()
        self._assert_undone(books, states, documents)

    def test_payments_of_several_invoices_keep_their_discounts(self):
        """What an older invoice without a discount takes is not left for the newer."""
        ten = self._create_term(10, 14)
        none = self.env["account.payment.term"].create({"name": "At once"})
        expired = self._create_term(10, 1)
        for older_term in (none, expired):
            older = self._create_invoice(500, "2015-06-20", older_term)
            newer = self._create_invoice(500, "2015-06-25", ten)
            payments = [
                self._create_payment(self.partner, 725, "2015-07-01"),
                self._create_payment(self.partner, 225, "2015-07-02"),
            ]
            self._match_and_take_back([(0.0, 0.0), (0.0, 50.0)], payments, older, newer)

    def test_customers_matched_in_one_call_pay_their_own_first(self):
        """What one pays too much then goes to the other, as with Odoo's matching."""
        ten = self._create_term(10, 14)
        first = self._create_invoice(500, "2015-06-25", ten)
        other = self.env["res.partner"].create({"name": "Other"})
        second = self._create_invoice(500, "2015-06-20", ten, partner_id=other.id)
        contact = other.create({"name": "Payer", "parent_id": other.id})
        payments = [
            self._create_payment(self.partner, 450, "2015-07-01"),
            self._create_payment(contact, 225, "2015-07-02"),
        ]
        self._match_and_take_back([(0.0, 50.0), (250.0, 25.0)], payments, first, second)
        payments[0] = self._create_payment(self.partner, 675, "2015-07-01")
        self._match_and_take_back([(0.0, 50.0), (0.0, 50.0)], payments, first, second)
        # A stranger's money pays last, even if it is older.
        payments = [
            self._create_payment(other, 100, "2015-06-26"),
            self._create_payment(self.partner, 450, "2015-07-02"),
        ]
        lines = self._get_term_lines(first, *payments)
        lines.reconcile()
        self.assertEqual(first.amount_residual, 0.0)
        self.assertEqual(self._get_taken(first), [50.0])
        self.assertEqual(
            [self._get_term_lines(payment).amount_residual for payment in payments],
            [-100.0, 0.0],
        )

    def test_credit_note_beside_a_payment(self):
        ten = self._create_term(10, 14)
        first = self._create_invoice(1000, "2015-06-25", ten)
        second = self._create_invoice(1000, "2015-06-26", ten)
        credit_note = self._create_item(self.partner, -500, "2015-06-22")
        payment = self._create_payment(self.partner, 900, "2015-07-02")
        credits = [credit_note, payment]
        self._match_and_take_back([(0.0, 50.0), (500.0, 50.0)], credits, first, second)
        self._get_term_lines(first, second, *credits).reconcile()
        payment.action_cancel()
        self.assertEqual([first.amount_residual, second.amount_residual], [500, 1000])
        entries = self._get_entries().line_ids
        given = entries.filtered(lambda line: line.account_id == self.discount_account)
        self.assertEqual(sum(given.mapped("balance")), 0.0)

    def test_short_money_of_one_payment_goes_to_the_oldest(self):
        none = self.env["account.payment.term"].create({"name": "At once"})
        older = self._create_invoice(500, "2015-06-20", none)
        newer = self._create_invoice(1000, "2015-06-25")
        payment = self._create_payment(self.partner, 700, "2015-07-02")
        self._match_and_take_back([(0.0, 0.0), (797.98, 2.02)], [payment], older, newer)

    def test_oldest_first_also_when_nothing_is_deducted_yet(self):
        """Core would pay what is due first, and the discount would be lost."""
        sixty_days = self._create_instalments((100, 61))
        ten = self._create_term(10, 14)
        for parts in ((450, 500), (500, 450), (300, 150, 500)):
            older = self._create_invoice(500, "2015-06-20", sixty_days)
            newer = self._create_invoice(500, "2015-06-25", ten)
            for day, amount in enumerate(parts, 1):
                payment = self._create_payment(self.partner, amount, f"2015-07-0{day}")
                self._match(payment, older, newer)
                self.assertTrue(self._get_term_lines(payment).reconciled)
                if day == 1:
                    self.assertEqual(older.amount_residual, 500 - amount)
                    self.assertEqual(newer.amount_residual, 500)
            self.assertEqual([older.amount_residual, newer.amount_residual], [0, 0])
            self.assertEqual(self._get_taken(newer), [50.0])

    def test_the_discount_in_force_decides_which_is_better(self):
        """Of invoices of one day; what is over, or was not wanted, is no discount."""
        expired, good = self._create_term(5, 3), self._create_term(1.5, 14)
        with_periods = self._create_term(2, 5)
        self.env["collections.cash.discount.period"].create(
            {"payment_term_id": with_periods.id, "days": 14, "percentage": 1}
        )
        for term, choice, better, amount, discount in (
            (expired, "normal", self.term, 990, 10.0),
            (self.term, "never", self.term, 990, 10.0),
            (with_periods, "normal", good, 985, 15.0),
        ):
            worse = self._create_invoice(1000, term=term)
            self._get_term_lines(worse).use_cash_discount = choice
            invoice = self._create_invoice(1000, term=better)
            payment = self._create_payment(self.partner, amount, "2015-07-02")
            self._match_and_take_back(
                [(1000.0, 0.0), (0.0, discount)], [payment], worse, invoice
            )

    def test_discount_that_its_payment_did_not_reach_is_taken_back(self):
        invoice = self._create_invoice(1000)
        payment = self._create_payment(self.partner, 990, "2015-07-02")
        books = self._get_books()

        def match_discounts_only(settlement, allocations, moves, plan):
            return [
                allocation.item | settlement._get_entry_lines(allocation.item, move)[0]
                for allocation, move in zip(allocations, moves, strict=True)
            ]

        settlement = type(self.env["collections.settlement"])
        with patch.object(settlement, "_get_plan", match_discounts_only):
            self._match(payment, invoice)
        self.assertEqual(len(self._get_entries()), 2)
        self.assertEqual(self._get_books(), books)
        self.assertEqual(invoice.amount_residual, 1000.0)
        self.assertEqual(self._get_taken(invoice), [0.0])

    def test_better_discount_first_when_the_money_is_short(self):
        low = self._create_invoice(1000)
        high = self._create_invoice(1000, term=self._create_term(3, 14))
        self._pay(970, "2015-07-02", low, high)
        self.assertEqual((low.amount_residual, high.amount_residual), (1000.0, 0.0))

    def test_paid_too_much(self):
        invoice = self._create_invoice(1000)
        payment = self._pay(995, "2015-07-02", invoice)
        self.assertEqual(invoice.payment_state, "paid")
        self.assertTrue(self._get_term_lines(payment).reconciled)
        self.assertEqual(self._get_taken(invoice), [5.0])

    def test_credit_note_earns_nothing(self):
        invoice = self._create_invoice(1000)
        credit = self._create_item(self.partner, -100, "2015-06-30")
        self._pay(891, "2015-07-02", invoice, credit)
        self.assertEqual(invoice.payment_state, "paid")
        self.assertEqual(self._get_taken(invoice), [9.0])

    def test_discount_of_core_in_the_payment(self):
        """The payment was registered before the parameter was set."""
        for administration in ("unspecific", "specific"):
            self.company.collections_cash_discount_administration = administration
            self.company.collections_partial_cash_discount = False
            invoice = self._create_invoice(1000)
            wizard = self._create_register(invoice, payment_date="2015-07-02")
            self.assertEqual(wizard.amount, 990.0)
            payment = wizard._create_payments()
            self.assertIn(self.discount_account, payment.move_id.line_ids.account_id)
            self.company.collections_partial_cash_discount = True
            self._get_term_lines(invoice).remove_move_reconcile()
            self._match(invoice, payment)
            self.assertEqual(invoice.payment_state, "paid")
            self.assertFalse(self._get_entries())

    def test_outstanding_credit_and_statement_line(self):
        invoice = self._create_invoice(1000)
        payment = self._create_payment(self.partner, 297, "2015-07-02")
        invoice.js_assign_outstanding_line(self._get_term_lines(payment).id)
        self.assertEqual(invoice.amount_residual, 700.0)
        statement_line = self.env["account.bank.statement.line"].create(
            {
                "journal_id": self.company_data["default_journal_bank"].id,
                "date": "2015-07-03",
                "payment_ref": "In",
                "partner_id": self.partner.id,
                "amount": 693,
                "counterpart_account_id": self.receivable.id,
            }
        )
        self._match(statement_line.move_id, invoice)
        self.assertEqual(invoice.payment_state, "paid")
        statement_line.action_undo_reconciliation()
        self.assertEqual(invoice.amount_residual, 700.0)
        self.assertEqual(self._get_taken(invoice), [3.0])

    def test_undo(self):
        invoice = self._create_invoice(1000)
        item = self._get_term_lines(invoice)
        for undo in ("unmatch", "cancel", "remove"):
            payment = self._pay(297, "2015-07-02", invoice)
            self.assertEqual(invoice.amount_residual, 700.0)
            if undo == "unmatch":
                partial = item.matched_credit_ids.filtered("cash_discount_move_id")
                invoice.js_remove_outstanding_partial(partial.id)
                payment.action_cancel()
            elif undo == "cancel":
                payment.action_cancel()
            else:
                item.remove_move_reconcile()
            self.assertEqual(invoice.amount_residual, 1000.0, undo)
            self.assertEqual(invoice.payment_state, "not_paid")
            self.assertEqual(self._get_taken(invoice), [0.0])
            self.assertTrue(
                all(self._get_term_lines(*self._get_entries()).mapped("reconciled"))
            )

    def test_entry_reversed_by_hand(self):
        invoice = self._create_invoice(1000)
        self._pay(297, "2015-07-02", invoice)
        self._get_entries()._reverse_moves([{}], cancel=True)
        self.assertEqual(invoice.amount_residual, 703.0)
        self.assertEqual(self._get_taken(invoice), [0.0])

    def test_tax_modes(self):
        tax = self.company_data["default_tax_sale"]  # 15 %
        for computation, pay, discount in (
            ("included", 1138.5, {"discount": 10.0, "tax": 1.5}),
            ("excluded", 1140.0, {"discount": 10.0, "tax": 0.0}),
            ("mixed", 1138.5, {"discount": 10.0, "tax": 0.0}),
        ):
            with self.subTest(computation=computation):
                invoice = self._create_invoice(
                    1000, term=self._create_term(1, 14, computation), taxes=[tax]
                )
                before = self._get_entries()
                self._pay(pay / 2, "2015-07-02", invoice)
                self._pay(pay / 2, "2015-07-03", invoice)
                self.assertEqual(invoice.payment_state, "paid")
                entries = self._get_entries() - before
                taxes = entries.line_ids.filtered("tax_repartition_line_id")
                self.assertAlmostEqual(sum(taxes.mapped("balance")), discount["tax"])
                losses = entries.line_ids.filtered(
                    lambda line: line.account_id == self.discount_account
                )
                self.assertAlmostEqual(
                    sum(losses.mapped("balance")), discount["discount"]
                )

    def test_foreign_currency(self):
        euro = self.setup_other_currency(
            "EUR", rates=[("2015-01-01", 0.5), ("2015-07-01", 0.4)]
        )
        invoice = self._create_invoice(1000, currency_id=euro.id)
        self._pay(297, "2015-07-02", invoice, currency_id=euro.id)
        self.assertEqual(invoice.amount_residual, 700.0)
        entry = self._get_entries()
        loss = entry.line_ids.filtered(
            lambda line: line.account_id == self.discount_account
        )
        self.assertEqual((loss.amount_currency, loss.balance), (3.0, 7.5))
        # Paid in dollar at the rate of the day: 693.00 EUR are 1,732.50 USD.
        self._pay(1732.5, "2015-07-03", invoice)
        self.assertEqual(invoice.payment_state, "paid")
        item = self._get_term_lines(invoice)
        self.assertEqual((item.amount_residual, item.amount_residual_currency), (0, 0))

    def test_locked_period(self):
        invoice = self._create_invoice(1000)
        payment = self._create_payment(self.partner, 297, "2015-07-02")
        self.company.fiscalyear_lock_date = "2015-07-31"
        self._match(payment, invoice)
        self.assertEqual(invoice.amount_residual, 700.0)
        self.assertEqual(str(self._get_entries().date), "2015-08-01")

    def test_parameter_needs_a_journal(self):
        with self.assertRaises(ValidationError):
            self.company.collections_settlement_journal_id = False

    def test_archived_journal_is_in_the_way_of_discounts_only(self):
        account = self._create_account("Other discounts", "600777")
        self.settlement_journal.active = False
        with self.assertRaisesRegex(ValidationError, "archived"), self.cr.savepoint():
            self.company.account_journal_early_pay_discount_loss_account_id = account
        self.company.collections_partial_cash_discount = False
        # Without our discounts the account is Odoo's alone.
        self.company.account_journal_early_pay_discount_loss_account_id = account
        with self.assertRaisesRegex(ValidationError, "archived"):
            self.company.collections_partial_cash_discount = True

    def test_any_split_closes_the_invoice(self):
        chance = random.Random(14)  # the same splits in every run
        for _turn in range(8):
            rate = chance.choice([0.5, 1, 2.5, 10, 50])
            amount = round(chance.uniform(0.5, 5000), 2)
            invoice = self._create_invoice(amount, term=self._create_term(rate, 14))
            item = self._get_term_lines(invoice)
            money = round(item.discount_amount_currency, 2)
            discount = round(amount - money, 2)
            while money > 0:
                part = min(money, max(0.01, round(chance.uniform(0.2, 0.9) * money, 2)))
                self._pay(part, "2015-07-02", invoice)
                money = round(money - part, 2)
            self.assertEqual(invoice.amount_residual, 0.0, (amount, rate))
            self.assertAlmostEqual(self._get_taken(invoice)[0], discount)
