from odoo import Command
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.tests import Form, tagged

from ..models.collections_composition import LedgerKey
from .common import WriteoffCommon


class WriteoffTaxCommon(WriteoffCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.company.collections_writeoff_separate_tax = True
        cls.tax_account = cls._create_account(
            "Tax payable", "259001", "liability_current"
        )
        cls.other_tax_account = cls._create_account(
            "Tax payable, other", "259002", "liability_current"
        )

    @classmethod
    def _create_tax(cls, name, amount, account=None, lines=None, **values):
        """Make a sales tax with a tag for each side of its base and its tax."""
        account = account or cls.tax_account
        lines = lines or [(100, account)]
        repartition = {}
        for side in ("invoice", "refund"):
            base = cls._create_tag(f"{name} base {side}")
            commands = [
                Command.create(
                    {"repartition_type": "base", "tag_ids": [Command.set(base.ids)]}
                )
            ]
            for position, (percent, tax_account) in enumerate(lines):
                tag = cls._create_tag(f"{name} tax{position or ''} {side}")
                commands.append(
                    Command.create(
                        {
                            "repartition_type": "tax",
                            "factor_percent": percent,
                            "account_id": tax_account.id,
                            "tag_ids": [Command.set(tag.ids)],
                        }
                    )
                )
            repartition[f"{side}_repartition_line_ids"] = commands
        return cls.env["account.tax"].create(
            {
                "name": name,
                "amount": amount,
                "type_tax_use": "sale",
                **repartition,
                **values,
            }
        )

    @classmethod
    def _create_tax_group(cls, taxes):
        return cls.env["account.tax"].create(
            {
                "name": "Group",
                "amount_type": "group",
                "type_tax_use": "sale",
                "children_tax_ids": [Command.set(taxes.ids)],
            }
        )

    @classmethod
    def _create_tag(cls, name):
        return cls.env["account.account.tag"].create(
            {
                "name": name,
                "applicability": "taxes",
                "country_id": cls.company.account_fiscal_country_id.id,
            }
        )

    @classmethod
    def _create_invoice(cls, lines, move_type="out_invoice", **values):
        """Post an invoice with lines of price and taxes."""
        invoice = cls.env["account.move"].create(
            {
                "move_type": move_type,
                "partner_id": cls.partner.id,
                "invoice_date": "2026-01-31",
                "invoice_date_due": "2026-01-31",
                "invoice_payment_term_id": False,
                "invoice_line_ids": [
                    Command.create(
                        {
                            "name": f"Line {price}",
                            "price_unit": price,
                            "tax_ids": [Command.set(taxes.ids)],
                        }
                    )
                    for price, taxes in lines
                ],
                **values,
            }
        )
        invoice.action_post()
        return invoice

    @classmethod
    def _create_tagged_invoice(cls, *taxes, **values):
        """Post an invoice over a product with a tag, 100.00 with each of the taxes."""
        tag = cls.env["account.account.tag"].create(
            {"name": "Triangular trade", "applicability": "products"}
        )
        product = cls.env["product.product"].create(
            {"name": "Goods", "account_tag_ids": [Command.set(tag.ids)]}
        )
        lines = [
            Command.create(
                {
                    "product_id": product.id,
                    "price_unit": 100,
                    "tax_ids": [Command.set(tax.ids)],
                }
            )
            for tax in taxes
        ]
        return cls._create_invoice([], invoice_line_ids=lines, **values)

    def _get_tagged(self, move):
        """Return the amounts on tax report lines."""
        tagged_amounts = {}
        for line in move.line_ids:
            for tag in line.tax_tag_ids:
                tagged_amounts[tag.name] = round(
                    tagged_amounts.get(tag.name, 0.0) + line.balance, 2
                )
        return tagged_amounts


@tagged("post_install", "-at_install")
class TestWriteoffTax(WriteoffTaxCommon):
    def test_separate_tax(self):
        """WO-02: 1,250.00 with 250.00 tax."""
        tax = self._create_tax("T25", 25)
        invoice = self._create_invoice([(1000, tax)])
        books, states = self._get_books(), self._get_states(invoice)
        move = self._write_off(invoice, date="2026-12-31")
        self._assert_entry(
            move,
            [
                (self.receivable, 0, 1250),
                (self.writeoff_account, 1000, 0),
                (self.tax_account, 250, 0),
            ],
        )
        self.assertEqual(
            self._get_tagged(move), {"T25 base refund": 1000, "T25 tax refund": 250}
        )
        self.assertEqual(move.collections_writeoff_tax_amount, 250)
        tax_line = move.line_ids.filtered("tax_repartition_line_id")
        self.assertEqual(tax_line.tax_line_id, tax)
        self.assertTrue(all((move.line_ids - tax_line)[1:].mapped("is_refund")))
        self.assertEqual(invoice.payment_state, "paid")
        reversal_action = move.action_reverse_writeoff("2026-12-31")
        reversal = self.env["account.move"].browse(reversal_action["res_id"])
        self.assertEqual(
            self._get_tagged(reversal),
            {"T25 base refund": -1000, "T25 tax refund": -250},
        )
        # The report lines of both sides are back where they were.
        self._assert_undone(books, states, invoice)

    def test_tax_stays_in_the_loss(self):
        tax = self._create_tax("T25", 25)
        invoice = self._create_invoice([(1000, tax)])
        move = self._write_off(invoice, separate_tax=False)
        self._assert_entry(
            move, [(self.receivable, 0, 1250), (self.writeoff_account, 1250, 0)]
        )
        self.assertEqual(self._get_tagged(move), {})
        self.assertFalse(move.line_ids.tax_ids)

    def test_mixed_rates_after_a_payment(self):
        """20, 10 and 0 %, of which 50.00 were paid before."""
        t20, t10, t0 = (
            self._create_tax("T20", 20),
            self._create_tax("T10", 10, self.other_tax_account),
            self._create_tax("T0", 0),
        )
        invoice = self._create_invoice([(100, t20), (33.33, t10), (10, t0)])
        self.assertEqual(invoice.amount_total, 166.66)
        payment = self._create_payment(self.partner, 50, "2026-02-01")
        self._match(invoice, payment)
        books, states = self._get_books(), self._get_states(invoice)
        move = self._write_off(invoice)
        self._assert_entry(
            move,
            [
                (self.receivable, 0, 116.66),
                (self.writeoff_account, 70.0, 0),
                (self.writeoff_account, 23.33, 0),
                (self.writeoff_account, 7.0, 0),
                (self.tax_account, 14.0, 0),
                (self.other_tax_account, 2.33, 0),
            ],
        )
        self.assertEqual(
            self._get_tagged(move),
            {
                "T20 base refund": 70.0,
                "T20 tax refund": 14.0,
                "T10 base refund": 23.33,
                "T10 tax refund": 2.33,
                "T0 base refund": 7.0,
            },
        )
        self.assertEqual(invoice.payment_state, "paid")
        move.action_reverse_writeoff()
        self.assertEqual(invoice.amount_residual, 116.66)
        self._assert_undone(books, states, invoice)

    def test_whole_of_many_lines_is_the_invoice_turned_round(self):
        t21 = self._create_tax("T21", 21)
        t6 = self._create_tax("T6", 6)
        invoice = self._create_invoice(
            [(33.37, t21), (0.05, t21), (7.77, t6), (-1.11, t6), (12.34, t21 | t6)]
        )
        move = self._write_off(invoice)
        for account in (self.tax_account, self.receivable):
            on_invoice, on_entry = (
                sum(
                    document.line_ids.filtered(
                        lambda line, account=account: line.account_id == account
                    ).mapped("balance")
                )
                for document in (invoice, move)
            )
            self.assertAlmostEqual(on_invoice, -on_entry)
        self.assertEqual(
            {
                name.replace("refund", "invoice"): amount
                for name, amount in self._get_tagged(move).items()
            },
            {name: -amount for name, amount in self._get_tagged(invoice).items()},
        )

    def test_price_included_tax(self):
        tax = self._create_tax("T20i", 20, price_include_override="tax_included")
        invoice = self._create_invoice([(120, tax)])
        move = self._write_off(invoice)
        self._assert_entry(
            move,
            [
                (self.receivable, 0, 120),
                (self.writeoff_account, 100, 0),
                (self.tax_account, 20, 0),
            ],
        )

    def test_tax_on_tax(self):
        excise = self._create_tax(
            "Excise", 10, self.other_tax_account, include_base_amount=True, sequence=1
        )
        vat = self._create_tax("VAT", 20, sequence=2)
        invoice = self._create_invoice([(100, excise | vat)])
        self.assertEqual(invoice.amount_total, 132)
        move = self._write_off(invoice)
        self._assert_entry(
            move,
            [
                (self.receivable, 0, 132),
                (self.writeoff_account, 100, 0),
                (self.other_tax_account, 10, 0),
                (self.tax_account, 22, 0),
            ],
        )
        self.assertEqual(
            self._get_tagged(move),
            {
                "Excise base refund": 100,
                "Excise tax refund": 10,
                "VAT base refund": 110,
                "VAT tax refund": 22,
            },
        )

    def test_fixed_tax(self):
        fixed = self._create_tax("Deposit", 2.5, amount_type="fixed")
        vat = self._create_tax("VAT", 20, self.other_tax_account)
        invoice = self._create_invoice([(100, fixed | vat)])
        item = self._get_term_lines(invoice)
        move = self._write_off(
            item, line_ids=[Command.create({"move_line_id": item.id, "amount": 49})]
        )
        self._assert_entry(
            move,
            [
                (self.receivable, 0, 49),
                (self.writeoff_account, 40, 0),
                (self.tax_account, 1, 0),
                (self.other_tax_account, 8, 0),
            ],
        )

    def test_group_of_taxes(self):
        parts = self._create_tax("State", 6) | self._create_tax(
            "City", 4, self.other_tax_account
        )
        group = self._create_tax_group(parts)
        invoice = self._create_invoice([(100, group)])
        move = self._write_off(invoice)
        self._assert_entry(
            move,
            [
                (self.receivable, 0, 110),
                (self.writeoff_account, 100, 0),
                (self.tax_account, 6, 0),
                (self.other_tax_account, 4, 0),
            ],
        )
        self.assertEqual(
            self._get_tagged(move),
            {
                "State base refund": 100,
                "State tax refund": 6,
                "City base refund": 100,
                "City tax refund": 4,
            },
        )

    def test_group_of_taxes_archived_meanwhile(self):
        """As when rates change, long before an invoice turns out to be bad."""
        parts = self._create_tax("State", 6) | self._create_tax(
            "City", 4, self.other_tax_account
        )
        group = self._create_tax_group(parts)
        invoice = self._create_invoice([(100, group)])
        (group | parts).active = False
        move = self._write_off(invoice)
        self.assertEqual(
            self._get_tagged(move),
            {
                "State base refund": 100,
                "State tax refund": 6,
                "City base refund": 100,
                "City tax refund": 4,
            },
        )

    def test_reverse_charge(self):
        tax = self._create_tax(
            "RC", 20, lines=[(100, self.tax_account), (-100, self.other_tax_account)]
        )
        invoice = self._create_invoice([(100, tax)])
        self.assertEqual(invoice.amount_total, 100)
        move = self._write_off(invoice)
        self._assert_entry(
            move,
            [
                (self.receivable, 0, 100),
                (self.writeoff_account, 100, 0),
                (self.tax_account, 20, 0),
                (self.other_tax_account, 0, 20),
            ],
        )
        self.assertEqual(
            self._get_tagged(move),
            {"RC base refund": 100, "RC tax refund": 20, "RC tax1 refund": -20},
        )

    def test_credit_note_goes_back_to_the_invoice_side(self):
        tax = self._create_tax("T25", 25)
        credit = self._create_invoice([(100, tax)], move_type="out_refund")
        self._create_invoice([(1000, tax)])
        move = self._write_off(self.partner)
        self._assert_entry(
            move,
            [
                (self.receivable, 0, 1250),
                (self.receivable, 125, 0),
                (self.writeoff_account, 1000, 0),
                (self.writeoff_account, 0, 100),
                (self.tax_account, 250, 0),
                (self.tax_account, 0, 25),
            ],
        )
        self.assertEqual(
            self._get_tagged(move),
            {
                "T25 base refund": 1000,
                "T25 tax refund": 250,
                "T25 base invoice": -100,
                "T25 tax invoice": -25,
            },
        )
        self.assertEqual(credit.amount_residual, 0)

    def test_tags_of_products(self):
        """What reports take from the products goes back, too, as with credit notes."""
        tax, none = self._create_tax("T25", 25), self.env["account.tax"]
        for move_type, side in (("out_invoice", "refund"), ("out_refund", "invoice")):
            invoice = self._create_tagged_invoice(tax, none, move_type=move_type)
            sign = 1 if move_type == "out_invoice" else -1
            self.assertEqual(self._get_tagged(invoice)["Triangular trade"], -225 * sign)
            move = self._write_off(invoice, separate_tax=False)
            self.assertEqual(self._get_tagged(move), {})
            move.action_reverse_writeoff()
            move = self._write_off(invoice)
            self.assertEqual(
                self._get_tagged(move),
                {
                    "Triangular trade": 225 * sign,
                    f"T25 base {side}": 100 * sign,
                    f"T25 tax {side}": 25 * sign,
                },
            )
            items = self._get_term_lines(invoice)
            (items.matched_credit_ids | items.matched_debit_ids).unlink()
            second = self._write_off(move, separate_tax=False)
            self.assertEqual(self._get_tagged(second)["Triangular trade"], -225 * sign)

    def test_tags_of_products_are_no_tax(self):
        """They are no matter of the tax lock date."""
        invoice = self._create_tagged_invoice(self.env["account.tax"])
        self.company.tax_lock_date = "2026-02-28"
        move = self._write_off(invoice, date="2026-02-15")
        self.assertEqual(str(move.date), "2026-02-15")
        self.assertEqual(self._get_tagged(move), {"Triangular trade": 100})

    def test_invoices_of_a_customer_share_tax_lines(self):
        tax = self._create_tax("T25", 25)
        self._create_invoice([(100, tax)])
        self._create_invoice([(300, tax)])
        move = self._write_off(self.partner)
        self._assert_entry(
            move,
            [
                (self.receivable, 0, 125),
                (self.receivable, 0, 375),
                (self.writeoff_account, 400, 0),
                (self.tax_account, 100, 0),
            ],
        )

    def _write_off_part(self, invoice, amount):
        """Write off a part of an invoice, of its first open items first."""
        items = self._get_term_lines(invoice).filtered(lambda item: not item.reconciled)
        lines = []
        for item in items:
            part = min(amount, item.amount_residual_currency)
            amount = round(amount - part, 2)
            values = {"move_line_id": item.id, "amount": part}
            lines.append(Command.create(values))
        return self._write_off(invoice, line_ids=lines)

    def _get_written_off(self, moves):
        """Return what write-offs booked by account, but for the receivable."""
        sums = {}
        for line in moves.line_ids.filtered(
            lambda line: line.account_id != self.receivable
        ):
            sums[line.account_id] = round(
                sums.get(line.account_id, 0.0) + line.balance, 2
            )
        return sums

    def test_bit_by_bit_is_the_tax_of_the_whole(self):
        """Each bit rounded for itself is 11 x 1.91: one cent too much."""
        tax = self._create_tax("T21", 21)
        invoice = self._create_invoice([(100, tax)])
        books, states = self._get_books(), self._get_states(invoice)
        moves = self.env["account.move"]
        for _turn in range(11):
            moves |= self._write_off_part(invoice, 11)
        self.assertEqual(len(moves), 11)
        self.assertEqual(
            {abs(tax) for tax in moves.mapped("collections_writeoff_tax_amount")},
            {1.91, 1.90},
        )
        self.assertEqual(
            self._get_written_off(moves),
            {self.writeoff_account: 100, self.tax_account: 21},
        )
        self.assertEqual(invoice.payment_state, "paid")
        moves.action_reverse_writeoff()
        self._assert_undone(books, states, invoice)

    def test_instalments_one_by_one(self):
        tax, other = self._create_tax("T21", 21), self._create_tax("T6", 6)
        term = self._create_instalments((33.33, 0), (33.33, 30), (33.34, 60))
        invoice = self._create_invoice(
            [(10.07, tax), (3.35, other)], invoice_payment_term_id=term.id
        )
        moves = self.env["account.move"]
        for item in self._get_term_lines(invoice):
            moves |= self._write_off(item)
        self.assertEqual(len(moves), 3)
        self.assertEqual(
            self._get_written_off(moves),
            {self.writeoff_account: 13.42, self.tax_account: invoice.amount_tax},
        )

    def test_bits_of_a_credit_note_in_a_currency(self):
        euro = self.setup_other_currency("EUR", rates=[("2016-01-01", 0.7)])
        tax = self._create_tax("T21", 21)
        refund = self._create_invoice(
            [(100, tax)], move_type="out_refund", currency_id=euro.id
        )
        item = self._get_term_lines(refund)
        moves = self.env["account.move"]
        for amount in (-0.02, -40.37, -40.30, -40.31):
            vals = {"move_line_id": item.id, "amount": amount}
            moves |= self._write_off(refund, line_ids=[Command.create(vals)])
        self.assertEqual(refund.amount_residual, 0)
        taxes = refund.line_ids.filtered("tax_line_id")
        booked = moves.line_ids.filtered("tax_line_id")
        self.assertEqual(taxes.amount_currency, 21)
        self.assertEqual(round(sum(booked.mapped("amount_currency")), 2), -21)
        self.assertEqual(round(sum(booked.mapped("balance")), 2), -taxes.balance)

    def test_bits_count_while_they_are_in_force(self):
        tax = self._create_tax("T21", 21)
        invoice = self._create_invoice([(100, tax)])
        # Twice 0.02 of 121.00 have no tax, 0.04 have a cent.
        first = self._write_off_part(invoice, 0.02)
        self.assertEqual(first.collections_writeoff_tax_amount, 0)
        second = self._write_off_part(invoice, 0.02)
        self.assertEqual(second.collections_writeoff_tax_amount, 0.01)
        (first | second).action_reverse_writeoff()
        third = self._write_off_part(invoice, 0.02)
        self.assertEqual(third.collections_writeoff_tax_amount, 0)
        third.button_draft()
        third.button_cancel()
        rest = self._write_off(invoice)
        self.assertEqual(
            self._get_written_off(rest),
            {self.writeoff_account: 100, self.tax_account: 21},
        )

    def test_bits_complete_what_reversed_ones_leave(self):
        """Whichever of the bits are reversed, those that stay are the invoice."""
        rates = (21, 6, 12, 17, 9, 3)
        taxes = [self._create_tax(f"T{rate}", rate) for rate in rates]
        prices = (10.01, 20.03, 33.33, 3.07, 15.55, 24.49)
        invoice = self._create_invoice(list(zip(prices, taxes, strict=True)))
        books, states = self._get_books(), self._get_states(invoice)
        moves = self.env["account.move"]
        for bits, undone in (
            ((0.07, 11.11, 0.05, 23.45, 0.09, 7.77), (1, 3, 4)),
            ((5.55, 0.03, 13.13, 0.11), (0, 5)),
        ):
            for bit in bits:
                moves |= self._write_off_part(invoice, bit)
            reversed_moves = self.env["account.move"].union(
                *(moves[position] for position in undone)
            )
            reversed_moves.action_reverse_writeoff()
            moves -= reversed_moves
        moves |= self._write_off(invoice)
        self.assertEqual(invoice.payment_state, "paid")
        for tax in taxes:
            with self.subTest(tax.name):
                lines = (invoice | moves).line_ids
                booked = lines.filtered(lambda line, tax=tax: line.tax_line_id == tax)
                self.assertEqual(round(sum(booked.mapped("balance")), 2), 0)
                bases = lines.filtered(lambda line, tax=tax: tax in line.tax_ids)
                self.assertEqual(round(sum(bases.mapped("balance")), 2), 0)
        moves.action_reverse_writeoff()
        self._assert_undone(books, states, invoice)

    def test_bits_of_a_customer_in_a_currency_complete_what_is_left(self):
        """Entries for several documents, tax due on payment, other languages."""
        self.env["res.lang"]._activate_lang("sv_SE")
        euro = self.setup_other_currency("EUR", rates=[("2016-01-01", 0.7)])
        taxes = [self._create_tax(f"T{rate}", rate) for rate in (21, 6)]
        for tax in taxes:
            tax.with_context(lang="sv_SE").name = f"{tax.name} moms"
        invoices = self.env["account.move"]
        for prices in ((10.01, 20.03), (33.33, 3.07), (15.55, 24.49)):
            invoices |= self._create_invoice(
                list(zip(prices, taxes, strict=True)), currency_id=euro.id
            )
        items = self._get_term_lines(invoices)
        moves = self.env["account.move"]
        for turn, bits in enumerate(
            ((0.03, 7.77, 0.01), (0.05, 1.11, 3.33), (2.22, 0.09, 0.02), (4.4, 5.1, 6))
        ):
            lang = "sv_SE" if turn % 2 else "en_US"
            move = self._write_off(
                invoices.with_context(lang=lang),
                line_ids=[
                    Command.create({"move_line_id": item.id, "amount": bit})
                    for item, bit in zip(items, bits, strict=True)
                ],
            )
            self.assertEqual(len(move), 1)
            moves |= move
        moves[1].action_reverse_writeoff()
        moves = moves[0] | moves[2] | moves[3] | self._write_off(invoices)
        self.assertEqual(set(invoices.mapped("payment_state")), {"paid"})
        lines = (invoices | moves).line_ids
        for tax in taxes:
            for found in (
                lines.filtered(lambda line, tax=tax: line.tax_line_id == tax),
                lines.filtered(lambda line, tax=tax: tax in line.tax_ids),
            ):
                self.assertEqual(round(sum(found.mapped("balance")), 2), 0)
                self.assertEqual(round(sum(found.mapped("amount_currency")), 2), 0)

    def test_taken_off_and_written_off_again(self):
        """A write-off that is taken off by hand takes its tax back with it."""
        tax = self._create_tax("T21", 21)
        for customer_pays in (False, True):
            with self.subTest(customer_pays=customer_pays):
                partner = self._create_customer()
                other = self._create_invoice(
                    [(50, self.env["account.tax"])], partner_id=partner.id
                )
                invoice = self._create_invoice([(100, tax)], partner_id=partner.id)
                first = self._write_off(other | invoice)
                self._get_term_lines(invoice).matched_credit_ids.unlink()
                self.assertEqual(invoice.amount_residual, 121)
                moves = first
                if customer_pays:
                    payment = self._create_payment(partner, 121, "2026-02-01")
                    self._match(invoice, payment)
                moves |= self._write_off(partner)
                written_off = {self.writeoff_account: 50}
                if not customer_pays:
                    written_off = {self.writeoff_account: 150, self.tax_account: 21}
                found = self._get_written_off(moves)
                self.assertEqual({k: v for k, v in found.items() if v}, written_off)
                self.assertTrue(
                    all(self._get_term_lines(*moves, invoice).mapped("reconciled"))
                )

    def test_taken_off_without_tax(self):
        tax = self._create_tax("T21", 21)
        invoice = self._create_invoice([(100, tax)])
        first = self._write_off(invoice, separate_tax=False)
        self._get_term_lines(invoice).matched_credit_ids.unlink()
        second = self._write_off(first, separate_tax=True)
        self.assertEqual(
            self._get_written_off(first | second), {self.writeoff_account: 0}
        )

    def _take_off(self, invoice):
        """Take the write-offs off an invoice, by hand."""
        self._get_term_lines(invoice).matched_credit_ids.unlink()

    def test_written_off_in_turn_whatever_is_wanted_of_taxes(self):
        """What the first took comes back, no more and no less."""
        tax = self._create_tax("T25", 25)
        for first_apart, second_apart in (
            (True, True),
            (True, False),
            (False, True),
            (False, False),
        ):
            for share in (1, 0.5):
                with self.subTest(first=first_apart, second=second_apart, share=share):
                    partner = self._create_customer()
                    invoice = self._create_invoice([(1000, tax)], partner_id=partner.id)
                    first = self._write_off(invoice, separate_tax=first_apart)
                    self._take_off(invoice)
                    payment = self._create_payment(partner, 1250, "2026-02-01")
                    self._match(invoice, payment)
                    moves = first
                    for _turn in range(int(1 / share)):
                        item = self._get_term_lines(first)
                        line = {"move_line_id": item.id, "amount": -1250 * share}
                        moves |= self._write_off(
                            first,
                            separate_tax=second_apart,
                            line_ids=[Command.create(line)],
                        )
                    written_off = self._get_written_off(moves)
                    self.assertEqual({v for v in written_off.values() if v}, set())
                    sums = self._get_sums(moves)
                    self.assertEqual({v for v in sums.values() if v}, set())
                    self.assertTrue(
                        all(self._get_term_lines(*moves).mapped("reconciled"))
                    )

    def _get_sums(self, moves):
        """Return the amounts of entries on tax report lines."""
        sums = {}
        for move in moves:
            for name, amount in self._get_tagged(move).items():
                sums[name] = round(sums.get(name, 0.0) + amount, 2)
        return sums

    def test_written_off_with_the_invoice_by_another_choice(self):
        """Half was paid, the other half is a loss with its tax: none is taken back."""
        tax = self._create_tax("T25", 25)
        invoice = self._create_invoice([(1000, tax)])
        first = self._write_off(invoice, separate_tax=True)
        self._take_off(invoice)
        self._match(invoice, self._create_payment(self.partner, 625, "2026-02-01"))
        second = self._write_off(self.partner, separate_tax=False)
        self.assertEqual(
            self._get_written_off(first | second),
            {self.writeoff_account: 625, self.tax_account: 0},
        )
        self.assertEqual(self._get_sums(first | second)["T25 base refund"], 0)
        second.action_reverse_writeoff()
        self.assertEqual(invoice.amount_residual, 625)
        self.assertEqual(self._get_term_lines(first).amount_residual, -1250)

    def test_base_without_tax_comes_back(self):
        tax = self._create_tax("T0", 0)
        for customer_pays in (True, False):
            with self.subTest(customer_pays=customer_pays):
                partner = self._create_customer()
                invoice = self._create_invoice([(1000, tax)], partner_id=partner.id)
                first = self._write_off(invoice)
                self.assertEqual(self._get_tagged(first), {"T0 base refund": 1000})
                self._take_off(invoice)
                if customer_pays:
                    payment = self._create_payment(partner, 1000, "2026-02-01")
                    self._match(invoice, payment)
                second = self._write_off(partner)
                self.assertEqual(
                    self._get_tagged(second),
                    {"T0 base refund": -1000} if customer_pays else {},
                )

    def test_written_off_in_turn_thrice(self):
        """Each takes back what the one before took."""
        tax = self._create_tax("T21", 21)
        invoice = self._create_invoice([(100, tax)])
        moves = self._write_off(invoice)
        self._take_off(invoice)
        self._match(invoice, self._create_payment(self.partner, 121, "2026-02-01"))
        for sign in (-1, 1, -1):
            if len(moves) > 1:
                items = self._get_term_lines(moves[-1])
                (items.matched_debit_ids | items.matched_credit_ids).unlink()
            item = self._get_term_lines(moves[-1])
            line = {"move_line_id": item.id, "amount": item.amount_residual}
            moves |= self._write_off(
                moves[-1], separate_tax=False, line_ids=[Command.create(line)]
            )
            self.assertEqual(
                self._get_written_off(moves[-1]),
                {self.writeoff_account: 100 * sign, self.tax_account: 21 * sign},
            )

    def _get_tax_and_loss(self, *moves):
        written_off = self._get_written_off(self.env["account.move"].union(*moves))
        return [
            written_off.get(account, 0.0)
            for account in (self.tax_account, self.writeoff_account)
        ]

    def test_written_off_before_shares_were_kept(self):
        """What a former version wrote off tells by its taxes what it took."""
        tax = self._create_tax("T21", 21)
        for customer_pays in (True, False):
            with self.subTest(customer_pays=customer_pays):
                partner = self._create_customer()
                invoice = self._create_invoice([(100, tax)], partner_id=partner.id)
                first = self._write_off(invoice)
                self._forget_shares(first)
                self._take_off(invoice)
                if customer_pays:
                    payment = self._create_payment(partner, 121, "2026-02-01")
                    self._match(invoice, payment)
                second = self._write_off(partner)
                self.assertEqual(
                    self._get_tax_and_loss(first, second),
                    [0, 0] if customer_pays else [21, 100],
                )

    def _forget_shares(self, *moves):
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE account_move SET collections_writeoff_shares = NULL WHERE id IN %s",
            [tuple(move.id for move in moves)],
        )
        self.env.invalidate_all()

    def test_bit_of_another_choice_beside_a_line_without_tax(self):
        """A loss with its tax inside is no part of the line without tax."""
        tax, none = self._create_tax("T21", 21), self.env["account.tax"]
        for sign, move_type in ((1, "out_invoice"), (-1, "out_refund")):
            invoice = self._create_invoice(
                [(100, tax), (10, none)], move_type=move_type
            )
            item = self._get_term_lines(invoice)
            line = {"move_line_id": item.id, "amount": 120 * sign}
            first = self._write_off(
                invoice, separate_tax=False, line_ids=[Command.create(line)]
            )
            self.assertEqual(self._get_tax_and_loss(first), [0, 120 * sign])
            second = self._write_off(invoice, separate_tax=True)
            # 11 / 131 of 21.00
            self.assertEqual(self._get_tax_and_loss(second), [1.76 * sign, 9.24 * sign])

    def test_corrected_after_it_was_taken_off(self):
        """What was taken of the invoice before comes back, the rest is as it is now."""
        tax, none = self._create_tax("T21", 21), self.env["account.tax"]
        invoice = self._create_invoice([(1000, tax), (10, none)])
        first = self._write_off(invoice)
        self._take_off(invoice)
        invoice.button_draft()
        for line, price in zip(invoice.invoice_line_ids, (10, 1000), strict=True):
            line.price_unit = price
        invoice.action_post()
        second = self._write_off(self.partner)
        self.assertEqual(self._get_tax_and_loss(first, second), [2.1, 1010])
        self.assertEqual(
            self._get_sums(first | second),
            {
                "T21 base refund": 10,
                "T21 tax refund": 2.1,
            },
        )

    def test_bits_add_up_after_one_was_taken_off(self):
        tax = self._create_tax("T21", 21)
        for at_once in (True, False):
            partner = self._create_customer()
            invoice = self._create_invoice([(100, tax)], partner_id=partner.id)
            bits = [self._write_off_part(invoice, 11) for _turn in range(6)]
            self._get_term_lines(bits[-1]).remove_move_reconcile()
            if at_once:
                bits.append(self._write_off(partner))
            else:
                bits += [self._write_off(invoice), self._write_off(bits[-1])]
            self.assertEqual(self._get_tax_and_loss(*bits), [21, 100])

    def test_bits_add_up_when_documents_or_taxes_have_changed(self):
        """Six bits of 11.00 took 11.45, though each for itself is 1.91."""
        plan = self.env["account.analytic.plan"].create({"name": "Projects"})
        project = self.env["account.analytic.account"].create(
            {"name": "North", "plan_id": plan.id}
        )

        def change_tags(kind):
            def change(_bits, _invoice, tax):
                tag = self._create_tag(f"{tax.name} new")
                repartition = tax.refund_repartition_line_ids.filtered(
                    lambda line: line.repartition_type == kind
                )
                repartition.tag_ids = tag

            return change

        def change_analytics(_bits, invoice, _tax):
            distribution = {str(project.id): 100}
            invoice.invoice_line_ids.analytic_distribution = distribution

        def reverse_some(bits, invoice, tax):
            (bits[0] | bits[3]).action_reverse_writeoff()
            change_tags("tax")(bits, invoice, tax)

        for name, change in (
            ("tags of the tax", change_tags("tax")),
            ("tags of the base", change_tags("base")),
            ("analytics", change_analytics),
            ("reversed", reverse_some),
            # By a version that kept no shares.
            ("kept", lambda bits, _invoice, _tax: self._forget_shares(*bits)),
        ):
            with self.subTest(name):
                tax = self._create_tax(f"T21 {name}", 21)
                invoice = self._create_invoice([(100, tax)])
                bits = self.env["account.move"].union(
                    *(self._write_off_part(invoice, 11) for _turn in range(6))
                )
                change(bits, invoice, tax)
                moves = bits._filter_writeoffs_in_force() | self._write_off(invoice)
                self.assertEqual(self._get_tax_and_loss(*moves), [21, 100])

    def test_deleted_after_it_was_written_off(self):
        """Odoo lets everybody delete what no line has."""
        tax = self._create_tax("T21", 21)
        invoice = self._create_invoice([(100, tax)])
        first = self._write_off_part(invoice, 0.02)
        self.assertEqual(first.collections_writeoff_tax_amount, 0)
        # As kept by a version that kept what is 0.00, too.
        [kept] = first.collections_writeoff_shares
        repartition = tax.refund_repartition_line_ids.filtered(
            lambda line: line.repartition_type == "tax"
        )
        key = LedgerKey(
            is_tax=True,
            account_id=self.tax_account.id,
            tag_ids=tuple(repartition.tag_ids.ids),
            tax_repartition_line_id=repartition.id,
        )
        self.assertEqual(len(kept["shares"]), 1)
        kept["shares"].append([key, 0.0, 0.0])
        first.sudo().collections_writeoff_shares = [kept]
        tax.refund_repartition_line_ids = [
            Command.delete(repartition.id),
            Command.create(
                {
                    "repartition_type": "tax",
                    "factor_percent": 100,
                    "account_id": self.tax_account.id,
                }
            ),
        ]
        self.env.invalidate_all()
        rest = self._write_off(invoice)
        self.assertEqual(self._get_tax_and_loss(first, rest), [21, 100])

    def test_tax_of_zero_deleted_after_it_was_written_off(self):
        tax = self._create_tax("T0", 0)
        invoice = self._create_invoice([(100, tax)])
        first = self._write_off(invoice)
        self._take_off(invoice)
        self._match(invoice, self._create_payment(self.partner, 100, "2026-02-01"))
        tax.unlink()
        self.env.invalidate_all()
        second = self._write_off(first)
        self.assertEqual(
            self._get_written_off(first | second), {self.writeoff_account: 0}
        )
        self.assertEqual(self._get_sums(first | second), {"T0 base refund": 0})

    def test_bits_taken_off_in_half(self):
        """Two halves of 21.01 are 10.51 and 10.50, whichever is taken off."""
        tax = self._create_tax("T21", 21)
        invoice = self._create_invoice([(100.05, tax)])
        first = self._write_off(invoice)
        self._take_off(invoice)
        payment = self._create_payment(self.partner, 60.53, "2026-02-01")
        self._match(invoice, payment)
        self._match(invoice, first)
        second = self._write_off(first)
        self.assertEqual(self._get_tax_and_loss(second), [-10.51, -50.02])
        payment.move_id.line_ids.remove_move_reconcile()
        third = self._write_off(invoice)
        self.assertEqual(self._get_tax_and_loss(first, second, third), [21.01, 100.05])

    def test_bits_taken_off_in_part(self):
        """What was taken off counts no more, what stayed does."""
        tax = self._create_tax("T21", 21)
        first, other = (self._create_invoice([(100, tax)]) for _position in range(2))
        move = self._write_off(first)
        self._take_off(first)
        self._match(other, self._create_payment(self.partner, 100, "2026-02-01"))
        self._match(other, move)  # 21.00 of it
        self._match(first, move)  # 100.00 of it
        self.assertEqual(first.amount_residual, 21)
        rest = self._write_off(first)
        self.assertEqual(self._get_tax_and_loss(rest), [3.64, 17.36])

    def test_reversed_and_taken_apart(self):
        """A write-off and its reversal make nothing, together."""
        tax = self._create_tax("T21", 21)
        for customer_pays in (True, False):
            with self.subTest(customer_pays=customer_pays):
                partner = self._create_customer()
                invoice = self._create_invoice([(100, tax)], partner_id=partner.id)
                first = self._write_off(invoice)
                first.action_reverse_writeoff()
                self._get_term_lines(first).remove_move_reconcile()
                if customer_pays:
                    payment = self._create_payment(partner, 121, "2026-02-01")
                    self._match(invoice, payment)
                moves = first | first.reversal_move_ids | self._write_off(partner)
                self.assertEqual(
                    self._get_tax_and_loss(*moves),
                    [0, 0] if customer_pays else [21, 100],
                )

    def test_taken_off_after_it_made_nothing_with_another(self):
        """The taxes of an invoice and its write-off leave no lines, yet are there."""
        tax = self._create_tax("T21", 21)
        for is_draft in (False, True):
            with self.subTest(is_draft=is_draft):
                partner = self._create_customer()
                invoice = self._create_invoice([(100, tax)], partner_id=partner.id)
                first = self._write_off(invoice)
                self._take_off(invoice)
                self.company.collections_writeoff_draft = is_draft
                both = self._write_off(partner)
                if is_draft:
                    both.action_post()
                    self.company.collections_writeoff_draft = False
                self.assertEqual(self._get_tax_and_loss(both), [0, 0])
                self._take_off(invoice)
                payment = self._create_payment(partner, 121, "2026-02-01")
                self._match(invoice, payment)
                last = self._write_off(both)
                self.assertEqual(self._get_tax_and_loss(first, both, last), [0, 0])
                sums = self._get_sums(first | both | last)
                self.assertEqual(set(sums.values()), {0})

    def test_another_currency_after_it_was_taken_off(self):
        euro = self.setup_other_currency("EUR", rates=[("2016-01-01", 0.5)])
        tax = self._create_tax("T21", 21)
        invoice = self._create_invoice([(100, tax)], currency_id=euro.id)
        first = self._write_off(invoice)
        self.assertEqual(self._get_tax_and_loss(first), [42, 200])
        self._take_off(invoice)
        invoice.button_draft()
        invoice.currency_id = self.company.currency_id
        invoice.action_post()
        self._match(invoice, self._create_payment(self.partner, 121, "2026-02-01"))
        second = self._write_off(first)
        self.assertEqual(self._get_tax_and_loss(second), [-42, -200])

    def test_opening_entry_of_both_signs_in_a_currency(self):
        """Debits and credits that change their sign in company currency."""
        euro = self.setup_other_currency("EUR", rates=[("2016-01-01", 0.5)])
        entry = self.env["account.move"].create(
            {
                "move_type": "entry",
                "date": "2026-01-31",
                "line_ids": [
                    Command.create(
                        {
                            "account_id": self.receivable.id,
                            "partner_id": self.partner.id,
                            "currency_id": euro.id,
                            "amount_currency": amount,
                            "balance": balance,
                        }
                    )
                    for amount, balance in ((100, 150), (-90, -180))
                ]
                + [
                    Command.create(
                        {
                            "account_id": self.tax_account.id,
                            "balance": 30,
                        }
                    )
                ],
            }
        )
        entry.action_post()
        move = self._write_off(self.partner)
        losses = self._get_loss(move)
        self.assertEqual(
            sorted(
                zip(
                    losses.mapped("amount_currency"),
                    losses.mapped("balance"),
                    strict=True,
                )
            ),
            [(-90, -180), (100, 150)],
        )
        self.assertTrue(all(self._get_term_lines(entry, move).mapped("reconciled")))
        move.action_reverse_writeoff()
        self.assertEqual(
            self._get_term_lines(entry).mapped("amount_residual_currency"), [100, -90]
        )

    def test_bits_in_review_count(self):
        self.company.collections_writeoff_draft = True
        term = self._create_instalments((50, 0), (50, 30))
        tax = self._create_tax("T21", 21)
        invoice = self._create_invoice(
            [(0.05, tax), (0.05, self.env["account.tax"])],
            invoice_payment_term_id=term.id,
        )
        moves = self.env["account.move"]
        for item in self._get_term_lines(invoice):
            moves |= self._write_off(item)
        self.assertEqual(set(moves.mapped("state")), {"draft"})
        moves.action_post()
        self.assertEqual(invoice.payment_state, "paid")
        self.assertEqual(
            self._get_written_off(moves),
            {self.writeoff_account: 0.1, self.tax_account: 0.01},
        )

    def test_early_discount_of_mixed_mode(self):
        """The invoice itself has lines for the discount; the tax is on less."""
        term = self._create_term(2, 10, "mixed")
        tax = self._create_tax("T20", 20)
        invoice = self._create_invoice([(100, tax)], invoice_payment_term_id=term.id)
        self.assertEqual(invoice.amount_total, 119.6)
        books = self._get_books()
        move = self._write_off(invoice)
        on_tax = move.line_ids.filtered(
            lambda line: line.account_id == self.tax_account
        )
        self.assertEqual(on_tax.balance, 19.6)
        self.assertEqual(
            self._get_tagged(move), {"T20 base refund": 98, "T20 tax refund": 19.6}
        )
        move.action_reverse_writeoff()
        self.assertEqual(self._get_books(), books)

    def test_tax_registration_abroad(self):
        country = self.env.ref("base.fr")
        position = self.env["account.fiscal.position"].create(
            {
                "name": "France",
                "country_id": country.id,
                "foreign_vat": "FR23334175221",
                "auto_apply": True,
            }
        )
        group = self.env["account.tax.group"].create(
            {"name": "TVA", "country_id": country.id}
        )
        abroad = self.env["account.tax"].create(
            {
                "name": "TVA 20",
                "amount": 20,
                "type_tax_use": "sale",
                "country_id": country.id,
                "tax_group_id": group.id,
            }
        )
        home = self._create_tax("T10", 10)
        self._create_invoice([(100, abroad)], fiscal_position_id=position.id)
        self._create_invoice([(50, home)])
        moves = self._write_off(self.partner)
        self.assertEqual(len(moves), 2)
        self.assertEqual(
            sorted(moves.mapped("collections_writeoff_tax_amount")), [5, 20]
        )
        self.assertIn(position, moves.fiscal_position_id)

    def test_reviewer_changes_the_account_and_keeps_the_tax(self):
        self.company.collections_writeoff_draft = True
        tax = self._create_tax("T20", 20)
        invoice = self._create_invoice([(100, tax)])
        move = self._write_off(invoice)
        tags = self._get_tagged(move)
        loss = move.line_ids.filtered(
            lambda line: line.account_id == self.writeoff_account
        )
        with Form(move) as form:
            position = move.line_ids.ids.index(loss.id)
            with form.line_ids.edit(position) as line:
                line.account_id = self.other_tax_account
        self.assertEqual(self._get_tagged(move), tags)
        move.action_post()
        self.assertEqual(invoice.payment_state, "paid")

    def _create_draft(self, *invoices):
        self.company.collections_writeoff_draft = True
        moves = self.env["account.move"].union(*invoices)
        return self._write_off(moves)

    def _get_loss(self, move):
        return move.line_ids.filtered(
            lambda line: line.account_id == self.writeoff_account
        )

    def _get_amounts(self, move):
        return sorted(move.line_ids.mapped("balance"))

    def test_reviewer_changes_a_line_and_keeps_the_amounts(self):
        """The tax is what the invoices say, not what the base would give."""
        tax = self._create_tax("T21", 21)
        fixed = self._create_tax("F2", 2, amount_type="fixed")
        plan = self.env["account.analytic.plan"].create({"name": "Projects"})
        project = self.env["account.analytic.account"].create(
            {"name": "Losses", "plan_id": plan.id}
        )
        small = [self._create_invoice([(10.02, tax)]) for _position in range(4)]
        big = self._create_invoice([(20, tax | fixed)])
        big.button_draft()
        big.invoice_line_ids.quantity = 5
        big.action_post()
        for invoices, tax_amount in ((small, 8.4), ([big], 31.0)):
            move = self._create_draft(*invoices)
            amounts = self._get_amounts(move)
            loss = self._get_loss(move)
            with Form(move) as form:
                position = move.line_ids.ids.index(loss.id)
                with form.line_ids.edit(position) as line:
                    line.account_id = self.other_tax_account
            self.assertEqual(self._get_amounts(move), amounts)
            distribution = {str(project.id): 100}
            loss.analytic_distribution = distribution
            move.write(
                {
                    "line_ids": [
                        Command.update(
                            loss.id, {"account_id": self.writeoff_account.id}
                        )
                    ]
                }
            )
            self.assertEqual(self._get_amounts(move), amounts)
            self.assertEqual(loss.analytic_distribution, distribution)
            move.action_post()
            self.assertEqual(self._get_amounts(move), amounts)
            self.assertEqual(move.collections_writeoff_tax_amount, tax_amount)
            self.assertEqual({i.payment_state for i in invoices}, {"paid"})

    def test_reviewer_leaves_an_entry_that_does_not_add_up(self):
        tax = self._create_tax("T21", 21)
        invoice = self._create_invoice([(100, tax)])
        move = self._create_draft(invoice)
        loss = self._get_loss(move)
        item = move.line_ids.filtered("collections_writeoff_line_id")
        taxed = move.line_ids - item - loss
        halved = [
            Command.update(item.id, {"balance": -60.5}),
            Command.update(loss.id, {"balance": 50}),
        ]
        with self.assertRaisesRegex(UserError, "not balanced"), self.cr.savepoint():
            move.write({"line_ids": halved})
        with self.assertRaisesRegex(UserError, "not balanced"), self.cr.savepoint():
            loss.balance = 50
        halved.append(Command.update(taxed.id, {"balance": 10.5}))
        move.write({"line_ids": halved})
        move.action_post()
        self.assertEqual(move.collections_writeoff_tax_amount, 10.5)
        self.assertEqual(invoice.amount_residual, 60.5)

    def test_reviewer_leaves_tax_of_what_is_not_written_off(self):
        tax = self._create_tax("T25", 25)
        invoices = [self._create_invoice([(price, tax)]) for price in (1000, 600)]
        for changed in (True, False):
            move = self._create_draft(*invoices)
            [item] = self._get_term_lines(invoices[1])
            line = move.line_ids.filtered(
                lambda line, item=item: line.collections_writeoff_line_id == item
            )
            loss, left = self._get_loss(move), 500 if changed else 750
            move.write(
                {
                    "line_ids": [
                        Command.update(line.id, {"balance": -250})
                        if changed
                        else Command.delete(line.id),
                        Command.update(loss.id, {"balance": 1600 - left}),
                    ]
                }
            )
            self.assertEqual(move.collections_writeoff_amount, 2000 - left)
            self.assertEqual(move.collections_writeoff_tax_amount, 400)
            share = (2000 - left) / 5
            with (
                self.subTest(share=share),
                self.assertRaisesRegex(UserError, f"400.00.of.*{share:.2f}"),
                self.cr.savepoint(),
            ):
                move.action_post()
            taxed = move.line_ids.filtered("tax_repartition_line_id")
            move.write(
                {
                    "line_ids": [
                        Command.update(taxed.id, {"balance": share}),
                        Command.update(loss.id, {"balance": share * 4}),
                    ]
                }
            )
            move.action_post()
            self.assertEqual(invoices[1].amount_residual, left)
            move.action_reverse_writeoff()

    def test_reviewer_takes_the_grids_off_a_tax(self):
        tax = self._create_tax("T25", 25)
        move = self._create_draft(self._create_invoice([(1000, tax)]))
        taxed = move.line_ids.filtered("tax_repartition_line_id")
        tags = taxed.tax_tag_ids
        taxed.tax_tag_ids = False
        # The amount is right: nobody shall be sent to change that.
        message = f"250.00 of T25 back under other tax grids.*{tags.name} there"
        with self.assertRaisesRegex(UserError, message), self.cr.savepoint():
            move.action_post()
        taxed.tax_tag_ids = tags
        move.action_post()
        self.assertEqual(move.collections_writeoff_tax_amount, 250)

    def test_reviewer_leaves_the_base_of_a_tax_that_is_gone(self):
        tax = self._create_tax("T25", 25)
        invoice = self._create_invoice([(1000, tax)])
        move = self._create_draft(invoice)
        taxed, loss = (
            move.line_ids.filtered("tax_repartition_line_id"),
            self._get_loss(move),
        )
        move.write(
            {
                "line_ids": [
                    Command.update(loss.id, {"tax_ids": [Command.clear()]}),
                ]
            }
        )
        whole = [Command.delete(taxed.id), Command.update(loss.id, {"balance": 1250})]
        move.write({"line_ids": whole})
        with (
            self.assertRaisesRegex(UserError, "1,250.00 back as the base of"),
            self.cr.savepoint(),
        ):
            move.action_post()
        loss.tax_tag_ids = False
        move.action_post()
        self.assertEqual(self._get_tagged(move), {})
        self.assertEqual(self._get_written_off(move), {self.writeoff_account: 1250})
        # What it did not take does not come back.
        self._take_off(invoice)
        self._match(invoice, self._create_payment(self.partner, 1250, "2026-02-01"))
        self.company.collections_writeoff_draft = False
        second = self._write_off(move)
        self.assertEqual(self._get_written_off(second), {self.writeoff_account: -1250})
        self.assertEqual(self._get_tagged(second), {})

    def test_reviewer_rounds_another_way(self):
        """A cent more here would be a cent that the rest of the invoice lacks."""
        tax = self._create_tax("T21", 21)
        invoice = self._create_invoice([(100, tax)])
        move = self._create_draft(invoice)
        item = move.line_ids.filtered("collections_writeoff_line_id")
        taxed = move.line_ids.filtered("tax_repartition_line_id")
        loss = self._get_loss(move)

        def change(tax_amount):
            move.write(
                {
                    "line_ids": [
                        Command.update(item.id, {"balance": -60}),
                        Command.update(taxed.id, {"balance": tax_amount}),
                        Command.update(loss.id, {"balance": 60 - tax_amount}),
                    ]
                }
            )

        change(10.43)
        with self.assertRaisesRegex(UserError, "10.41"), self.cr.savepoint():
            move.action_post()
        change(10.41)
        move.action_post()
        self.company.collections_writeoff_draft = False
        rest = self._write_off(invoice)
        self.assertEqual(self._get_tax_and_loss(move, rest), [21, 100])

    def test_reviewer_changes_one_of_many(self):
        """The cents that rounding may move are those of what was changed."""
        tax = self._create_tax("T25", 25)
        invoices = [self._create_invoice([(100, tax)]) for _position in range(20)]
        move = self._create_draft(*invoices)
        line = move.line_ids.filtered("collections_writeoff_line_id")[0]
        loss = self._get_loss(move)
        taxed = move.line_ids.filtered("tax_repartition_line_id")
        commands = [
            Command.update(line.id, {"balance": line.balance + 1}),
            Command.update(loss.id, {"balance": loss.balance - 1}),
        ]
        with self.assertRaisesRegex(UserError, "499.80"), self.cr.savepoint():
            move.write({"line_ids": commands})
            move.action_post()
        commands[1] = Command.update(loss.id, {"balance": loss.balance - 0.8})
        commands.append(Command.update(taxed.id, {"balance": 499.8}))
        move.write({"line_ids": commands})
        move.action_post()
        self.assertEqual(sum(i.amount_residual for i in invoices), 1)

    def test_queries_of_the_check_do_not_grow(self):
        tax = self._create_tax("T25", 25)
        counts = []
        for number in (2, 2, 8):
            moves = self._create_draft(
                *(
                    self._create_invoice(
                        [(100, tax)], partner_id=self._create_customer().id
                    )
                    for _position in range(number)
                )
            )
            self.assertEqual(len(moves), number)
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.cr.sql_log_count
            moves.browse(moves.ids)._check_writeoffs_before_post()
            counts.append(self.cr.sql_log_count - before)
        # The first one fills caches of the company.
        self.assertLessEqual(counts[2], counts[1])

    def test_queries_of_bits_do_not_grow(self):
        """Nor do those that were written off before shares were kept."""
        tax = self._create_tax("T21", 21)
        Writeoff = self.env["collections.writeoff"]
        for is_kept in (True, False):
            counts = []
            for number in (2, 2, 8):
                invoices = self.env["account.move"]
                for _position in range(number):
                    partner = self._create_customer()
                    invoices |= self._create_invoice(
                        [(100, tax)], partner_id=partner.id
                    )
                items = self._get_term_lines(*invoices)
                lines = [{"move_line_id": item.id, "amount": 11} for item in items]
                bits = self._write_off(invoices, line_ids=[*map(Command.create, lines)])
                self.assertEqual(len(bits), number)
                if not is_kept:
                    self._forget_shares(*bits)
                self.env.flush_all()
                self.env.invalidate_all()
                parts = Writeoff._get_parts(dict.fromkeys(items))
                before = self.cr.sql_log_count
                Writeoff._prepare_moves_vals(
                    parts, self.writeoff_journal, self.reason, "2026-12-31", "", True
                )
                counts.append(self.cr.sql_log_count - before)
            with self.subTest(is_kept=is_kept):
                self.assertLessEqual(counts[2], counts[1])

    def test_untouched_drafts_of_many_that_round_alike(self):
        taxes = self._create_tax("T25", 25), self._create_tax("T12", 12)
        invoices = self.env["account.move"]
        for _position in range(8):
            invoices |= self._create_invoice([(100, tax) for tax in taxes])

        def write_off(amount):
            return self._write_off(
                invoices,
                line_ids=[
                    Command.create({"move_line_id": item.id, "amount": amount})
                    for item in self._get_term_lines(invoices)
                ],
            )

        first = write_off(0.02)
        self.company.collections_writeoff_draft = True
        second = write_off(1.08)
        first.action_reverse_writeoff()
        second.action_post()
        self.company.collections_writeoff_draft = False
        third = self._write_off(invoices)
        self.assertEqual(
            self._get_written_off(second | third),
            {self.writeoff_account: 1600, self.tax_account: 296},
        )

    def test_untouched_drafts_are_posted_whatever_happened_meanwhile(self):
        """What rounding leaves of six bases goes to the tax, the largest share."""
        tax = self._create_tax("T21", 21)
        plan = self.env["account.analytic.plan"].create({"name": "Projects"})
        projects = self.env["account.analytic.account"].create(
            [{"name": str(number), "plan_id": plan.id} for number in range(6)]
        )
        for is_reversed in (True, False):
            invoice = self._create_invoice([(100, tax)] * 6)
            invoice.button_draft()
            for line, project in zip(invoice.invoice_line_ids, projects, strict=True):
                line.analytic_distribution = {str(project.id): 100}
            invoice.action_post()
            self.company.collections_writeoff_draft = False
            first = self._write_off_part(invoice, 154.67 if is_reversed else 362.51)
            self.company.collections_writeoff_draft = is_reversed
            second = self._write_off_part(invoice, 362.51 if is_reversed else 154.67)
            if is_reversed:
                first.action_reverse_writeoff()
                draft = second
            else:
                first.button_draft()
                draft = first
            with self.subTest(is_reversed=is_reversed):
                self.assertEqual(draft.state, "draft")
                draft.action_post()
                self.assertEqual(draft.collections_writeoff_state, "posted")

    def test_nothing_stays_on_the_suspense_account(self):
        tax = self._create_tax("T21", 21)
        move = self._create_draft(self._create_invoice([(100, tax)]))
        suspense = self.company.account_journal_suspense_account_id
        self._get_loss(move).account_id = suspense
        with self.assertRaisesRegex(UserError, "suspense account"):
            move.action_post()
        self.company.collections_writeoff_account_id = suspense
        move.action_post()

    def test_reversal_in_draft_of_lines_of_both_signs(self):
        t20, t7 = self._create_tax("T20", 20), self._create_tax("T7", 7)
        invoice = self._create_invoice([(-20, t20), (100, t7)])
        books, states = self._get_books(), self._get_states(invoice)
        move = self._write_off(invoice)
        reversal = move._reverse_moves([{}])
        self.assertEqual(reversal.state, "draft")
        reversal.action_post()
        self._assert_undone(books, states, invoice)

    def test_cash_rounding(self):
        rounding = self.env["account.cash.rounding"].create(
            {
                "name": "0.05",
                "rounding": 0.05,
                "strategy": "add_invoice_line",
                "profit_account_id": self._create_account(
                    "Rounding gain", "499901", "income"
                ).id,
                "loss_account_id": self._create_account("Rounding loss", "699901").id,
            }
        )
        tax = self._create_tax("T7", 7)
        invoice = self._create_invoice(
            [(10.03, tax)], invoice_cash_rounding_id=rounding.id
        )
        self.assertEqual(invoice.amount_total, 10.75)
        move = self._write_off(invoice)
        self.assertEqual(
            self._get_tagged(move), {"T7 base refund": 10.03, "T7 tax refund": 0.7}
        )
        self.assertEqual(move.collections_writeoff_amount, 10.75)


@tagged("post_install", "-at_install")
class TestWriteoffCashBasis(WriteoffTaxCommon):
    """Taxes due on payment: unpaid tax must not become due by a write-off."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.transition = cls._create_transition_account()
        cls.due = cls._create_tax(
            "CB",
            20,
            tax_exigibility="on_payment",
            cash_basis_transition_account_id=cls.transition.id,
        )

    def _get_balance(self, account):
        [(balance,)] = self.env["account.move.line"]._read_group(
            [("account_id", "=", account.id), ("parent_state", "=", "posted")],
            aggregates=["balance:sum"],
        )
        return round(balance, 2)

    def _assert_nothing_due(self):
        self.assertEqual(self._get_balance(self.tax_account), 0)
        self.assertEqual(self._get_balance(self.transition), 0)
        tagged_amounts = {
            name: value for name, value in self._get_books().items() if "CB" in name
        }
        sides = [
            sum(value for name, value in tagged_amounts.items() if kind in name)
            for kind in (" base ", " tax ")
        ]
        self.assertEqual(sides, [0, 0])

    def test_separated_even_when_not_asked_for(self):
        for separate_tax in (True, False):
            with self.subTest(separate_tax=separate_tax):
                invoice = self._create_invoice([(100, self.due)])
                move = self._write_off(invoice, separate_tax=separate_tax)
                self._assert_entry(
                    move,
                    [
                        (self.receivable, 0, 120),
                        (self.writeoff_account, 100, 0),
                        (self.transition, 20, 0),
                    ],
                )
                self.assertEqual(self._get_tagged(move), {})
                self.assertEqual(invoice.payment_state, "paid")
                self._assert_nothing_due()
                open_lines = self.env["account.move.line"].search(
                    [
                        ("account_id", "=", self.transition.id),
                        ("reconciled", "=", False),
                        ("parent_state", "=", "posted"),
                    ]
                )
                self.assertFalse(open_lines)

    def test_tags_of_products(self):
        """Core puts them on what falls due, so they have to stand on both sides."""
        invoice = self._create_tagged_invoice(self.due)
        self._write_off(invoice, separate_tax=False)
        Line = self.env["account.move.line"]
        exigible = Line.search(
            Line._get_tax_exigible_domain() & Domain("parent_state", "=", "posted")
        )
        tagged = exigible.filtered(
            lambda line: "Triangular trade" in line.tax_tag_ids.mapped("name")
        )
        self.assertEqual(sorted(tagged.mapped("balance")), [-100, -20, 20, 100])

    def test_what_was_paid_stays_due(self):
        invoice = self._create_invoice([(100, self.due)])
        payment = self._create_payment(self.partner, 60, "2026-02-01")
        self._match(invoice, payment)
        books, states = self._get_books(), self._get_states(invoice)
        self.assertEqual(self._get_balance(self.tax_account), -10)
        move = self._write_off(invoice)
        self._assert_entry(
            move,
            [
                (self.receivable, 0, 60),
                (self.writeoff_account, 50, 0),
                (self.transition, 10, 0),
            ],
        )
        self.assertEqual(self._get_balance(self.tax_account), -10)
        self.assertEqual(self._get_balance(self.transition), 0)
        move.action_reverse_writeoff()
        self._assert_undone(books, states, invoice)

    def test_beside_a_tax_due_on_invoice(self):
        excise = self._create_tax(
            "Excise", 10, self.other_tax_account, include_base_amount=True, sequence=1
        )
        self.due.sequence = 2
        invoice = self._create_invoice([(100, excise | self.due), (50, excise)])
        self.assertEqual(invoice.amount_total, 187)
        move = self._write_off(invoice, separate_tax=False)
        self._assert_entry(
            move,
            [
                (self.receivable, 0, 187),
                (self.writeoff_account, 110, 0),
                (self.writeoff_account, 55, 0),
                (self.transition, 22, 0),
            ],
        )
        self._assert_nothing_due()

    def test_several_invoices_and_a_credit_note(self):
        self._create_invoice([(100, self.due)])
        self._create_invoice([(50, self.due), (7, self.env["account.tax"])])
        self._create_invoice([(20, self.due)], move_type="out_refund")
        books = self._get_books()
        moves = self._write_off(self.partner)
        # Core makes cash basis entries by the share of the whole entry.
        self.assertEqual(len(moves), 3)
        self.assertEqual(
            sorted(moves.mapped("collections_writeoff_tax_amount")), [-4, 10, 20]
        )
        self._assert_nothing_due()
        tagged_amounts = {
            name: value
            for name, value in self._get_books().items()
            if "CB" in str(name)
        }
        self.assertEqual(
            tagged_amounts,
            {
                "CB base invoice": -170,
                "CB tax invoice": -34,
                "CB base refund": 170,
                "CB tax refund": 34,
            },
        )
        moves.action_reverse_writeoff()
        self.assertEqual(self._get_books(), books)

    def test_documents_at_different_rates(self):
        euro = self.setup_other_currency(
            "EUR", rates=[("2016-01-01", 2.0), ("2026-02-01", 4.0)]
        )
        for date in ("2026-01-31", "2026-02-28"):
            self._create_invoice(
                [(100, self.due)], currency_id=euro.id, invoice_date=date, date=date
            )
        books = self._get_books()
        moves = self._write_off(self.partner)
        self.assertEqual(len(moves), 2)
        self._assert_nothing_due()
        moves.action_reverse_writeoff()
        self.assertEqual(self._get_books(), books)

    def test_instalments(self):
        term = self._create_instalments((33.33, 0), (33.33, 30), (33.34, 60))
        invoice = self._create_invoice(
            [(100.01, self.due)], invoice_payment_term_id=term.id
        )
        move = self._write_off(invoice)
        self.assertEqual(len(move), 1)
        self._assert_nothing_due()

    def test_bit_by_bit(self):
        """What core books match by match adds up with the bits.

        But for the base on the tax report, where core rounds each match for itself
        (as it does for payments): 11 x 9.09.
        """
        due = self._create_tax(
            "CB21",
            21,
            tax_exigibility="on_payment",
            cash_basis_transition_account_id=self.transition.id,
        )
        invoice = self._create_invoice([(100, due)])
        books, states = self._get_books(), self._get_states(invoice)
        item = self._get_term_lines(invoice)
        moves = self.env["account.move"]
        for _turn in range(11):
            vals = {"move_line_id": item.id, "amount": 11}
            moves |= self._write_off(invoice, line_ids=[Command.create(vals)])
        self.assertEqual(
            round(sum(moves.mapped("collections_writeoff_tax_amount")), 2), 21
        )
        self.assertEqual(invoice.payment_state, "paid")
        self.assertEqual(self._get_balance(self.tax_account), 0)
        self.assertEqual(self._get_balance(self.transition), 0)
        tagged_amounts = self._get_books()
        self.assertEqual(tagged_amounts["CB21 tax invoice"], -21)
        self.assertEqual(tagged_amounts["CB21 tax refund"], 21)
        self.assertEqual(tagged_amounts["CB21 base invoice"], -99.99)
        self.assertEqual(tagged_amounts["CB21 base refund"], 100)
        moves.action_reverse_writeoff()
        self._assert_undone(books, states, invoice)

    def test_bases_of_another_choice(self):
        """With no other taxes there is nothing to choose, so all is as it was."""
        other = self._create_tax(
            "CB7",
            7,
            tax_exigibility="on_payment",
            cash_basis_transition_account_id=self.transition.id,
        )
        none = self.env["account.tax"]
        prices = ((16.05, self.due), (30.23, other), (1.05, none), (3.33, none))
        for undone in range(4):
            invoice = self._create_invoice(prices)
            vals = {"move_line_id": self._get_term_lines(invoice).id, "amount": 9.54}
            moves = self.env["account.move"].union(
                *(
                    self._write_off(
                        invoice,
                        separate_tax=bool(turn % 2),
                        line_ids=[Command.create(vals)],
                    )
                    for turn in range(5)
                )
            )
            moves[undone].action_reverse_writeoff()
            moves -= moves[undone]
            moves |= self._write_off(invoice, separate_tax=bool(undone % 2))
            for tax in (self.due, other):
                bases = (invoice | moves).line_ids.filtered(
                    lambda line, tax=tax: tax in line.tax_ids
                )
                self.assertEqual(round(sum(bases.mapped("balance")), 2), 0)

    def test_bits_without_tax_of_another_choice(self):
        """What took none of the tax took none, however it would be cut now."""
        invoice = self._create_invoice([(100, self.due)])
        vals = {"move_line_id": self._get_term_lines(invoice).id, "amount": 0.02}
        bits = self.env["account.move"].union(
            *(
                self._write_off(invoice, line_ids=[Command.create(vals)])
                for _turn in range(5)
            )
        )
        taxed = bits.filtered("collections_writeoff_tax_amount")
        self.assertEqual(len(taxed), 2)
        taxed.action_reverse_writeoff()
        self._write_off(invoice, separate_tax=False)
        self.assertEqual(self._get_balance(self.transition), 0)

    def test_bits_of_another_choice(self):
        """Tax due on payment is apart in any case, and so to the cent."""
        due = self._create_tax(
            "CB21",
            21,
            tax_exigibility="on_payment",
            cash_basis_transition_account_id=self.transition.id,
        )
        tax = self._create_tax("T6", 6, self.other_tax_account)
        for lines in ([(100, due)], [(100, due), (50, tax)]):
            for choices in ((True, False), (False, True)):
                with self.subTest(lines=len(lines), choices=choices):
                    invoice = self._create_invoice(lines)
                    item = self._get_term_lines(invoice)
                    bits = self.env["account.move"]
                    for _turn in range(6):
                        vals = {"move_line_id": item.id, "amount": 11}
                        bits |= self._write_off(
                            invoice,
                            separate_tax=choices[0],
                            line_ids=[Command.create(vals)],
                        )
                    (bits[1] | bits[4]).action_reverse_writeoff()
                    bits |= self._write_off(invoice, separate_tax=choices[1])
                    self.assertEqual(invoice.payment_state, "paid")
                    self.assertEqual(self._get_balance(self.transition), 0)
                    self.assertEqual(self._get_balance(self.tax_account), 0)

    def test_taken_off_and_written_off_again(self):
        for records in ("both", "write-off"):
            with self.subTest(records):
                partner = self._create_customer()
                invoice = self._create_invoice([(100, self.due)], partner_id=partner.id)
                move = self._write_off(invoice)
                books = self._get_books()
                self._get_term_lines(invoice).matched_credit_ids.unlink()
                if records == "both":
                    self._write_off(partner)
                    self.assertEqual(self._get_books(), books)
                    self._assert_nothing_due()
                else:
                    self._write_off(move)
                    self.assertEqual(self._get_balance(self.transition), -20)
                self.assertEqual(self._get_balance(self.tax_account), 0)

    def test_reversed_and_taken_apart(self):
        """A write-off and its reversal make nothing, together."""
        for customer_pays in (True, False):
            with self.subTest(customer_pays=customer_pays):
                partner = self._create_customer()
                invoice = self._create_invoice([(100, self.due)], partner_id=partner.id)
                first = self._write_off(invoice)
                first.action_reverse_writeoff()
                self._get_term_lines(first).remove_move_reconcile()
                if customer_pays:
                    payment = self._create_payment(partner, 120, "2026-02-01")
                    self._match(invoice, payment)
                due = self._get_balance(self.tax_account)
                self._write_off(partner)
                self.assertEqual(self._get_balance(self.transition), 0)
                self.assertEqual(self._get_balance(self.tax_account), due)

    def test_bits_beside_a_tax_due_on_invoice(self):
        """Only tax that waits for the payment needs an amount in the currency."""
        euro = self.setup_other_currency("EUR", rates=[("2016-01-01", 0.7)])
        tax = self._create_tax("T21", 21)
        for price in (0.35, 4.61, 7.9):
            invoice = self._create_invoice(
                [(price, self.due), (26.53, tax)], currency_id=euro.id
            )
            item = self._get_term_lines(invoice)
            moves = self.env["account.move"]
            for amount in (18.71, 0.19, 0.02, 0.02):
                vals = {"move_line_id": item.id, "amount": amount}
                moves |= self._write_off(invoice, line_ids=[Command.create(vals)])
            moves |= self._write_off(invoice)
            taxed = (invoice | moves).line_ids.filtered(
                lambda line: line.tax_line_id == tax
            )
            self.assertEqual(round(sum(taxed.mapped("balance")), 2), 0)
            self.assertEqual(round(sum(taxed.mapped("amount_currency")), 2), 0)
            self.assertEqual(self._get_balance(self.transition), 0)

    def test_bits_too_small_for_a_tax(self):
        """What is worth a coin of the company only would wait for ever."""
        euro = self.setup_other_currency("EUR", rates=[("2016-01-01", 0.7)])
        tax = self._create_tax("T20", 20)
        invoice = self._create_invoice(
            [(100, tax), (0.35, self.due)], currency_id=euro.id
        )
        item = self._get_term_lines(invoice)
        values = {"move_line_id": item.id, "amount": 7}
        moves = self._write_off(invoice, line_ids=[Command.create(values)])
        moves |= self._write_off(invoice)
        self.assertEqual(invoice.payment_state, "paid")
        waiting = self.env["account.move.line"].search(
            [("account_id", "=", self.transition.id)]
        )
        self.assertTrue(all(waiting.mapped("reconciled")))
        self.assertEqual(self._get_balance(self.transition), 0)

    def test_bits_smaller_than_a_coin_of_the_company(self):
        """As in dinars or dollars, where the company has yen."""
        dinar = self.setup_other_currency("BHD", rates=[("2016-01-01", 0.001)])
        invoice = self._create_invoice([(1, self.due)], currency_id=dinar.id)
        books, states = self._get_books(), self._get_states(invoice)
        item = self._get_term_lines(invoice)
        vals = {"move_line_id": item.id, "amount": 0.004}
        moves = self._write_off(invoice, line_ids=[Command.create(vals)])
        self.assertEqual(self._get_balance(self.tax_account), 0)
        self.assertTrue(moves.line_ids.filtered("tax_repartition_line_id").reconciled)
        moves |= self._write_off(invoice)
        self.assertEqual(self._get_balance(self.tax_account), 0)
        self.assertEqual(self._get_balance(self.transition), 0)
        moves.action_reverse_writeoff()
        self._assert_undone(books, states, invoice)

    def test_open_balance_with_tax_not_due(self):
        """A journal entry like those of a migration."""
        repartition = self.due.invoice_repartition_line_ids.filtered(
            lambda line: line.repartition_type == "tax"
        )
        entry = (
            self.env["account.move"]
            .with_context(skip_invoice_sync=True)
            .create(
                {
                    "move_type": "entry",
                    "date": "2026-01-31",
                    "line_ids": [
                        Command.create(
                            {
                                "account_id": self.receivable.id,
                                "partner_id": self.partner.id,
                                "balance": 120,
                            }
                        ),
                        Command.create(
                            {
                                "account_id": self.company_data[
                                    "default_account_revenue"
                                ].id,
                                "balance": -100,
                                "tax_ids": [Command.set(self.due.ids)],
                            }
                        ),
                        Command.create(
                            {
                                "account_id": self.transition.id,
                                "balance": -20,
                                "tax_repartition_line_id": repartition.id,
                                "tax_ids": [Command.clear()],
                            }
                        ),
                    ],
                }
            )
        )
        entry.action_post()
        books = self._get_books()
        move = self._write_off(self.partner, separate_tax=False)
        self._assert_entry(
            move,
            [
                (self.receivable, 0, 120),
                (self.writeoff_account, 100, 0),
                (self.transition, 20, 0),
            ],
        )
        self._assert_nothing_due()
        move.action_reverse_writeoff()
        self.assertEqual(self._get_books(), books)

    def test_currencies_are_apart(self):
        other = self.setup_other_currency("EUR", rates=[("2016-01-01", 0.5)])
        self._create_invoice([(100, self.due)])
        self._create_invoice([(100, self.due)], currency_id=other.id)
        moves = self._write_off(self.partner)
        self.assertEqual(len(moves), 2)
        self._assert_nothing_due()
        self.assertEqual(
            self.env["account.move.line"].search_count(
                [
                    ("account_id", "=", self.receivable.id),
                    ("reconciled", "=", False),
                    ("parent_state", "=", "posted"),
                ]
            ),
            0,
        )

    def test_draft_and_back(self):
        self.company.collections_writeoff_draft = True
        invoice = self._create_invoice([(100, self.due)])
        books, states = self._get_books(), self._get_states(invoice)
        move = self._write_off(invoice)
        for _turn in range(2):
            move.action_post()
            self._assert_nothing_due()
            self.assertEqual(invoice.payment_state, "paid")
            move.button_draft()
            self._assert_undone(books, states, invoice)
