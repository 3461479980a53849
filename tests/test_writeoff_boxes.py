from odoo import Command
from odoo.tests import tagged

from .test_writeoff_tax import WriteoffTaxCommon


@tagged("post_install", "-at_install")
class TestWriteoffBoxes(WriteoffTaxCommon):
    """Taxes due on payment: base and tax are reported on the same side, box by box.

    What is written off of an invoice stands where credit notes do, what is written off
    of a credit note where invoices do, whether a line is a debit or a credit.
    """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.transition = cls._create_transition_account()
        cls.due = cls._create_due_tax("CB", 20)
        plan = cls.env["account.analytic.plan"].create({"name": "Projects"})
        projects = cls.env["account.analytic.account"].create(
            [{"name": name, "plan_id": plan.id} for name in ("North", "South")]
        )
        cls.distributions = [{str(project.id): 100} for project in projects]

    @classmethod
    def _create_due_tax(cls, name, amount, **values):
        return cls._create_tax(
            name,
            amount,
            tax_exigibility="on_payment",
            cash_basis_transition_account_id=cls.transition.id,
            **values,
        )

    @classmethod
    def _create_mixed(cls, *lines, move_type="out_invoice", **values):
        """Post an invoice with lines of both signs, each of another project."""
        return cls._create_invoice(
            [],
            move_type,
            invoice_line_ids=[
                Command.create(
                    {
                        "name": f"Line {price}",
                        "price_unit": price,
                        "tax_ids": [Command.set(taxes.ids)],
                        "analytic_distribution": distribution,
                    }
                )
                for (price, taxes), distribution in zip(
                    lines, cls.distributions, strict=True
                )
            ],
            **values,
        )

    def _get_boxes(self):
        return {
            name: amount
            for name, amount in self._get_books().items()
            if isinstance(name, str)
        }

    def _assert_boxes(self, base, tax, sides=("invoice", "refund"), name="CB"):
        """Check that boxes have what was written off against what was issued."""
        expected = {
            f"{name} {kind} {side}": sign * amount
            for kind, amount in (("base", base), ("tax", tax))
            for side, sign in zip(sides, (-1, 1), strict=True)
            if amount
        }
        boxes = self._get_boxes()
        self.assertEqual(
            {box: boxes[box] for box in boxes if box.startswith(f"{name} ")}, expected
        )

    def _assert_taken_back(self, move, books, states, invoice):
        """Check reversals of a write-off, and the reversal of one of them."""
        written_off = self._get_boxes()
        action = move.action_reverse_writeoff()
        self._assert_undone(books, states, invoice)
        self.env["account.move"].browse(action["res_id"]).button_draft()
        self.assertEqual(self._get_boxes(), written_off)
        move.reversal_move_ids.unlink()
        reversal = move._reverse_moves([{}])
        reversal.action_post()
        self._assert_undone(books, states, invoice)
        again = reversal._reverse_moves([{}])
        again.action_post()
        self.assertEqual(move.collections_writeoff_state, "posted")
        self.assertEqual(self._get_boxes(), written_off)
        # Matched by hand, a reversal would be due on the side of what it reverses.
        sides = [
            set(entry.line_ids.filtered("tax_ids").mapped("is_refund"))
            for entry in (move, reversal, again)
        ]
        self.assertEqual(sides, [{invoice.move_type == "out_invoice"}] * 3)
        again.button_draft()
        self._assert_undone(books, states, invoice)
        again.unlink()
        # As the button of entries does it.
        again = reversal._reverse_moves([{}], cancel=True)
        self.assertEqual(again.state, "posted")
        self.assertEqual(move.collections_writeoff_state, "posted")
        self.assertEqual(self._get_boxes(), written_off)
        again.button_draft()
        self._assert_undone(books, states, invoice)
        again.unlink()
        reversal.button_draft()
        self.assertEqual(self._get_boxes(), written_off)
        reversal.unlink()

    # === WRITE-OFFS TAKEN OFF THEIR ITEMS === #

    def _take_off_and_pay(self, invoice):
        """Write an invoice off, take that off it by hand and let it be paid."""
        first = self._write_off(invoice)
        item = self._get_term_lines(invoice)
        (item.matched_credit_ids | item.matched_debit_ids).unlink()
        amount = item.amount_residual
        values = {} if amount > 0 else {"payment_type": "outbound"}
        payment = self._create_payment(
            self.partner, abs(amount), "2026-02-01", **values
        )
        self._match(invoice, payment)
        self.assertTrue(item.reconciled)
        return first

    def test_written_off_in_turn(self):
        invoice = self._create_invoice([(100, self.due)])
        first = self._take_off_and_pay(invoice)
        paid = {"CB base invoice": -100, "CB tax invoice": -20}
        self.assertEqual(self._get_boxes(), paid)
        books, states = self._get_books(), self._get_states(invoice, first)
        second = self._write_off(first)
        self.assertEqual(self._get_boxes(), paid)
        second.action_reverse_writeoff()
        self._assert_undone(books, states, [invoice, first])

    def test_written_off_in_turn_at_the_rate_of_zero(self):
        zero = self._create_due_tax("CB0", 0)
        first = self._take_off_and_pay(self._create_mixed((100, zero), (-20, zero)))
        self._write_off(first)
        self.assertEqual(self._get_boxes(), {"CB0 base invoice": -80})

    def test_credit_note_written_off_in_turn(self):
        credit = self._create_invoice([(100, self.due)], move_type="out_refund")
        first = self._take_off_and_pay(credit)
        paid = {"CB base refund": 100, "CB tax refund": 20}
        self.assertEqual(self._get_boxes(), paid)
        second = self._write_off(first)
        self.assertEqual(self._get_boxes(), paid)
        second.action_reverse_writeoff()
        self.assertEqual(self._get_boxes(), paid)

    def test_written_off_in_turn_in_parts(self):
        invoice = self._create_invoice([(100, self.due)])
        first = self._take_off_and_pay(invoice)
        item = self._get_term_lines(first)
        boxes = self._get_boxes()
        for amount, left in ((-30, 75), (-90, 0)):
            self._write_off(
                item,
                line_ids=[Command.create({"move_line_id": item.id, "amount": amount})],
            )
            self.assertEqual(self._get_term_lines(first).amount_residual, -left * 1.2)
            self.assertEqual(self._get_boxes(), boxes)

    def test_written_off_with_a_tax_due_on_invoice_in_turn(self):
        excise = self._create_tax(
            "Excise", 10, self.other_tax_account, include_base_amount=True, sequence=1
        )
        self.due.sequence = 2
        invoice = self._create_invoice([(100, excise | self.due)])
        first = self._take_off_and_pay(invoice)
        self._write_off(first)
        self.assertEqual(
            self._get_boxes(),
            {
                "Excise base invoice": -100,
                "Excise tax invoice": -10,
                "CB base invoice": -110,
                "CB tax invoice": -22,
            },
        )

    # === LINES OF BOTH SIGNS === #

    def test_lines_of_both_signs(self):
        for separate_tax in (True, False):
            with self.subTest(separate_tax=separate_tax):
                invoice = self._create_mixed((100, self.due), (-20, self.due))
                books, states = self._get_books(), self._get_states(invoice)
                move = self._write_off(invoice, separate_tax=separate_tax)
                self._assert_boxes(80, 16)
                self._assert_taken_back(move, books, states, invoice)
                move.action_reverse_writeoff()

    def test_lines_of_both_signs_of_a_credit_note(self):
        credit = self._create_mixed(
            (100, self.due), (-20, self.due), move_type="out_refund"
        )
        books, states = self._get_books(), self._get_states(credit)
        move = self._write_off(credit)
        self._assert_boxes(-80, -16, sides=("refund", "invoice"))
        self._assert_taken_back(move, books, states, credit)

    def test_lines_of_both_signs_reviewed(self):
        self.company.collections_writeoff_draft = True
        invoice = self._create_mixed((100, self.due), (-20, self.due))
        books, states = self._get_books(), self._get_states(invoice)
        move = self._write_off(invoice)
        for _turn in range(2):
            move.action_post()
            self._assert_boxes(80, 16)
            move.button_draft()
            self._assert_undone(books, states, invoice)

    def test_lines_of_both_signs_in_parts(self):
        """One part paid, one written off, and then the rest."""
        invoice = self._create_mixed((100, self.due), (-20, self.due))
        payment = self._create_payment(self.partner, 48, "2026-02-01")
        self._match(invoice, payment)
        item = self._get_term_lines(invoice)
        books, states = self._get_books(), self._get_states(invoice)
        moves = self._write_off(
            item, line_ids=[Command.create({"move_line_id": item.id, "amount": 24})]
        )
        self.assertEqual(
            self._get_boxes(),
            {
                "CB base invoice": -60,
                "CB base refund": 20,
                "CB tax invoice": -12,
                "CB tax refund": 4,
            },
        )
        moves |= self._write_off(invoice)
        self.assertEqual(
            self._get_boxes(),
            {
                "CB base invoice": -80,
                "CB base refund": 40,
                "CB tax invoice": -16,
                "CB tax refund": 8,
            },
        )
        moves.action_reverse_writeoff()
        self._assert_undone(books, states, invoice)

    def test_lines_of_both_signs_in_another_currency(self):
        euro = self.setup_other_currency("EUR", rates=[("2016-01-01", 2.0)])
        invoice = self._create_mixed(
            (100, self.due), (-20, self.due), currency_id=euro.id
        )
        books, states = self._get_books(), self._get_states(invoice)
        move = self._write_off(invoice)
        self._assert_boxes(40, 8)
        self._assert_taken_back(move, books, states, invoice)

    def test_lines_of_both_signs_of_two_taxes(self):
        other = self._create_due_tax("CB10", 10)
        invoice = self._create_invoice([(100, self.due), (-20, other)])
        books, states = self._get_books(), self._get_states(invoice)
        move = self._write_off(invoice)
        self._assert_boxes(100, 20)
        self._assert_boxes(-20, -2, name="CB10")
        self._assert_taken_back(move, books, states, invoice)

    def test_lines_of_both_signs_without_a_tax_line(self):
        """A rate of zero, and a tax too small for a coin, say no side themselves."""
        zero = self._create_due_tax("CB0", 0)
        for lines, base, tax in (
            (((100, zero), (-20, zero)), 80, 0),
            (((0.04, self.due), (-0.02, self.due)), 0.02, 0),
        ):
            with self.subTest(lines=lines):
                name = lines[0][1].name
                invoice = self._create_mixed(*lines)
                self.assertFalse(invoice.line_ids.tax_line_id)
                books, states = self._get_books(), self._get_states(invoice)
                move = self._write_off(invoice)
                self._assert_boxes(base, tax, name=name)
                self._assert_taken_back(move, books, states, invoice)
                move.action_reverse_writeoff()
        credit = self._create_mixed((100, zero), (-20, zero), move_type="out_refund")
        self._write_off(credit)
        self._assert_boxes(-80, 0, sides=("refund", "invoice"), name="CB0")

    def test_discount_at_the_rate_of_zero(self):
        """Its side is that of the tax beside it."""
        zero = self._create_due_tax("CB0", 0)
        invoice = self._create_invoice([(100, self.due), (-20, zero)])
        books, states = self._get_books(), self._get_states(invoice)
        move = self._write_off(invoice)
        self._assert_boxes(100, 20)
        self._assert_boxes(-20, 0, name="CB0")
        self._assert_taken_back(move, books, states, invoice)

    def test_lines_of_both_signs_with_tax_on_tax(self):
        for exigibility in ("on_payment", "on_invoice"):
            with self.subTest(exigibility=exigibility):
                excise = self._create_due_tax(
                    f"Excise {exigibility}",
                    10,
                    account=self.other_tax_account,
                    include_base_amount=True,
                    sequence=1,
                )
                vat = self._create_due_tax(f"VAT {exigibility}", 20, sequence=2)
                excise.tax_exigibility = exigibility
                taxes = excise | vat
                invoice = self._create_mixed((100, taxes), (-20, taxes))
                books, states = self._get_books(), self._get_states(invoice)
                move = self._write_off(invoice)
                self._assert_boxes(80, 8, name=excise.name)
                self._assert_boxes(88, 17.6, name=vat.name)
                self._assert_taken_back(move, books, states, invoice)

    def test_lines_of_both_signs_with_a_group_of_taxes(self):
        parts = self._create_due_tax("State", 6) | self._create_due_tax("City", 4)
        group = self._create_tax_group(parts)
        invoice = self._create_mixed((100, group), (-20, group))
        books, states = self._get_books(), self._get_states(invoice)
        move = self._write_off(invoice)
        self._assert_boxes(80, 4.8, name="State")
        self._assert_boxes(80, 3.2, name="City")
        self._assert_taken_back(move, books, states, invoice)

    def test_invoice_and_credit_note_of_a_customer(self):
        """Each document has an entry of its own, so each has its own side."""
        self._create_mixed((100, self.due), (-20, self.due))
        self._create_mixed((50, self.due), (-10, self.due), move_type="out_refund")
        boxes = self._get_boxes()
        self.assertEqual(boxes, {})
        moves = self._write_off(self.partner)
        self.assertEqual(len(moves), 2)
        self._assert_boxes(120, 24)
        moves.action_reverse_writeoff()
        self.assertEqual(self._get_boxes(), boxes)

    # === WHAT CORE DECIDES === #

    def _create_open_balance(self, *lines):
        """Post a journal entry like those of a migration.

        :param lines: balance, the tax on it, and its side of the tax
        """
        total = sum(balance * (1 + tax.amount / 100) for balance, tax, _side in lines)
        account = self.company_data["default_account_revenue"]
        commands = [
            Command.create(
                {
                    "account_id": self.receivable.id,
                    "partner_id": self.partner.id,
                    "balance": total,
                }
            )
        ]
        for (balance, tax, side), distribution in zip(
            lines, self.distributions[: len(lines)], strict=True
        ):
            commands.append(
                Command.create(
                    {
                        "account_id": account.id,
                        "balance": -balance,
                        "tax_ids": [Command.set(tax.ids)],
                        "analytic_distribution": distribution,
                    }
                )
            )
            if tax.amount:
                repartition = tax[f"{side}_repartition_line_ids"].filtered(
                    lambda line: line.repartition_type == "tax"
                )
                commands.append(
                    Command.create(
                        {
                            "account_id": self.transition.id,
                            "balance": -balance * tax.amount / 100,
                            "tax_repartition_line_id": repartition.id,
                            "tax_ids": [Command.clear()],
                        }
                    )
                )
        entry = self.env["account.move"].with_context(skip_invoice_sync=True)
        entry = entry.create(
            {"move_type": "entry", "date": "2026-01-31", "line_ids": commands}
        )
        entry.action_post()
        return entry

    def test_open_balance(self):
        self._create_open_balance((100, self.due, "invoice"))
        boxes = self._get_boxes()
        move = self._write_off(self.partner)
        self._assert_boxes(100, 20)
        move.action_reverse_writeoff()
        self.assertEqual(self._get_boxes(), boxes)

    def test_open_balance_of_both_sides(self):
        """What was an invoice is a debit there, what was a credit note a credit."""
        self._create_open_balance((100, self.due, "invoice"), (-20, self.due, "refund"))
        boxes = self._get_boxes()
        move = self._write_off(self.partner)
        self._assert_boxes(120, 24)
        move.action_reverse_writeoff()
        self.assertEqual(self._get_boxes(), boxes)

    def test_open_balance_written_off_in_turn(self):
        """Each tax of the entry says its side; one of zero has that of the others."""
        for name, rate, side in (("CB10", 10, "refund"), ("CB0", 0, "invoice")):
            with self.subTest(name):
                other = self._create_due_tax(name, rate)
                entry = self._create_open_balance(
                    (100, self.due, "invoice"), (-20, other, side)
                )
                before = self._get_boxes()
                first = self._take_off_and_pay(entry)
                boxes = self._get_boxes()
                self.assertNotEqual(boxes, before)
                self._write_off(first)
                self.assertEqual(self._get_boxes(), boxes)

    def test_other_entries_are_as_core_has_them(self):
        entry = self._create_open_balance(
            (100, self.due, "invoice"), (-20, self.due, "invoice")
        )
        bases = entry.line_ids.filtered("tax_ids")
        self.assertEqual(bases.mapped("is_refund"), [False, True])

    def test_side_follows_the_lines(self):
        """An entry in review may be changed before anything is stored again."""
        self.company.collections_writeoff_draft = True
        move = self._write_off(self._create_mixed((100, self.due), (-20, self.due)))
        bases = move.line_ids.filtered("tax_ids")
        tax_line = move.line_ids.filtered("tax_repartition_line_id")
        self.assertEqual(bases.mapped("is_refund"), [True, True])
        tax_line.tax_repartition_line_id = (
            self.due.invoice_repartition_line_ids.filtered(
                lambda line: line.repartition_type == "tax"
            )
        )
        self.assertEqual(bases.mapped("is_refund"), [False, False])

    def test_who_reads_taxes_need_not_see_write_offs(self):
        move = self._write_off(self._create_mixed((100, self.due), (-20, self.due)))
        user = self.env["res.users"].create(
            {
                "name": "Invoicing",
                "login": "boxes_invoicing",
                "group_ids": [
                    Command.set(self.env.ref("account.group_account_invoice").ids)
                ],
                "company_id": self.company.id,
                "company_ids": [Command.set(self.company.ids)],
            }
        )
        self.env.invalidate_all()
        bases = move.line_ids.filtered("tax_ids").with_user(user)
        self.assertEqual(bases.mapped("is_refund"), [True, True])
