from odoo import Command
from odoo.exceptions import UserError
from odoo.tests import tagged

from .test_writeoff_tax import WriteoffTaxCommon


@tagged("post_install", "-at_install")
class TestWriteoffCompany(WriteoffTaxCommon):
    """Write-offs of another company, with its own currency, and of a branch.

    The user works in the first company all the time: what is booked follows the
    documents, and not the company at the top of the screen.
    """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # 1 EUR = 2 USD in January and 4 USD from February on.
        euro = cls.env.ref("base.EUR")
        euro.active = True
        cls.second = cls.setup_other_company(name="Second", currency_id=euro.id)
        cls.other = cls.second["company"]
        cls.branch = cls._create_branch(cls.partner)
        cls.env.user.company_ids |= cls.other
        cls.env = cls.env(
            context={
                **cls.env.context,
                "allowed_company_ids": [cls.company.id, cls.other.id, cls.branch.id],
            }
        )
        dollar = cls.env.ref("base.USD")
        cls.env["res.currency.rate"].create(
            [
                {
                    "currency_id": dollar.id,
                    "company_id": cls.other.id,
                    "name": name,
                    "rate": rate,
                }
                for name, rate in (("2026-01-01", 2), ("2026-02-01", 4))
            ]
        )
        cls.dollar = dollar
        Account = cls.env["account.account"].with_company(cls.other)
        accounts = Account.create(
            [
                {"name": "Tax", "code": "259001", "account_type": "liability_current"},
                {"name": "Bad debts", "code": "600666", "account_type": "expense"},
            ]
        )
        cls.accounts = {
            cls.other: accounts,
            cls.branch: cls.tax_account | cls.writeoff_account,
        }
        cls.taxes = {
            cls.other: cls._create_tax(
                "Other", 25, account=accounts[0], company_id=cls.other.id
            ),
            cls.branch: cls._create_tax("Branch", 25),
        }
        journal = cls.env["account.journal"].create(
            {
                "name": "Write-offs",
                "code": "WOFF",
                "type": "general",
                "company_id": cls.other.id,
            }
        )
        cls.other.write(
            {
                "collections_writeoff_journal_id": journal.id,
                "collections_writeoff_account_id": accounts[1].id,
                "collections_writeoff_reason_id": cls.reason.id,
                "collections_writeoff_separate_tax": True,
            }
        )
        cls.branch.write(
            {
                "collections_writeoff_journal_id": cls.writeoff_journal.id,
                "collections_writeoff_account_id": cls.writeoff_account.id,
                "collections_writeoff_reason_id": cls.reason.id,
                "collections_writeoff_separate_tax": True,
            }
        )
        cls.partner = cls.partner.with_env(cls.env)
        cls.partner.with_company(cls.other).property_account_receivable_id = cls.second[
            "default_account_receivable"
        ]

    # The companies, and the worth of a dollar of January in their currencies.
    WORTHS = (("other", 0.5), ("branch", 1.0))

    def _invoice(self, company, amount=1000, **values):
        """Post an invoice in dollars over an amount and 25 % of tax."""
        data = self.second if company == self.other else self.company_data
        return self._create_invoice(
            [(amount, self.taxes[company])],
            company_id=company.id,
            journal_id=data["default_journal_sale"].id,
            currency_id=self.dollar.id,
            **values,
        )

    def _pay(self, company, amount, date="2026-01-31"):
        data = self.second if company == self.other else self.company_data
        return self._create_payment(
            self.partner,
            amount,
            date,
            company_id=company.id,
            currency_id=self.dollar.id,
            journal_id=data["default_journal_bank"].id,
        )

    def _get_company_books(self, moves):
        """Return what entries put on the accounts of taxes and losses."""
        tax, loss = self.accounts[moves.company_id]
        return [
            round(
                sum(
                    line.balance
                    for line in moves.line_ids
                    if line.account_id == account
                ),
                2,
            )
            for account in (tax, loss)
        ]

    def _take_off(self, items):
        (items.matched_credit_ids | items.matched_debit_ids).unlink()

    def test_whole(self):
        for name, worth in self.WORTHS:
            with self.subTest(company=name):
                company = getattr(self, name)
                invoice = self._invoice(company)
                books, states = self._get_books(), self._get_states(invoice)
                # Its book value counts, whatever a dollar is worth by then.
                move = self._write_off(invoice, date="2026-03-31")
                self.assertEqual(move.company_id, company)
                self.assertEqual(
                    self._get_company_books(move), [250 * worth, 1000 * worth]
                )
                tax = self.taxes[company].name
                self.assertEqual(
                    self._get_tagged(move),
                    {
                        f"{tax} tax refund": 250 * worth,
                        f"{tax} base refund": 1000 * worth,
                    },
                )
                self.assertEqual(invoice.payment_state, "paid")
                move.action_reverse_writeoff("2026-04-30")
                self._assert_undone(books, states, invoice)

    def test_instalments_and_bits_complete_the_invoice(self):
        for name, worth in self.WORTHS:
            with self.subTest(company=name):
                company = getattr(self, name)
                term = self._create_instalments((33.33, 10), (33.33, 20), (33.34, 30))
                invoice = self._invoice(
                    company, amount=99.99, invoice_payment_term_id=term.id
                )
                items = self._get_term_lines(invoice)
                self.assertEqual(len(items), 3)
                moves = self.env["account.move"]
                for amount in (1.11, 7.77, 0.03):
                    moves |= self._write_off(
                        items[1],
                        line_ids=[
                            Command.create(
                                {"move_line_id": items[1].id, "amount": amount}
                            )
                        ],
                    )
                moves |= self._write_off(items[0])
                moves |= self._write_off(items[1])
                moves |= self._write_off(items[2])
                self.assertEqual(invoice.payment_state, "paid")
                taxes = [
                    line.balance
                    for line in invoice.line_ids
                    if line.account_id == self.accounts[company][0]
                ]
                bases = [
                    line.balance
                    for line in invoice.line_ids
                    if line.display_type == "product"
                ]
                self.assertAlmostEqual(-sum(bases), 99.99 * worth, delta=0.01)
                self.assertEqual(
                    self._get_company_books(moves),
                    [round(-sum(taxes), 2), round(-sum(bases), 2)],
                )

    def test_in_turn(self):
        """What was taken off comes back as what it was, also in another company."""
        for name, worth in self.WORTHS:
            with self.subTest(company=name):
                company = getattr(self, name)
                for apart in (True, False):
                    invoice = self._invoice(company)
                    before = self._get_books()
                    first = self._write_off(invoice)
                    item = self._get_term_lines(invoice)
                    self._take_off(item)
                    self.assertEqual(invoice.amount_residual, 1250)
                    second = self._write_off(first, separate_tax=apart)
                    self.assertEqual(second.company_id, company)
                    self.assertEqual(
                        self._get_company_books(second), [-250 * worth, -1000 * worth]
                    )
                    self.assertEqual(self._get_books(), before)
                    self.assertTrue(
                        all(self._get_term_lines(first, second).mapped("reconciled"))
                    )
                    self._match(invoice, self._pay(company, 1250))
                    self.assertEqual(invoice.payment_state, "paid")

    def test_in_turn_after_a_payment_at_another_rate(self):
        """The difference of the rates is neither loss nor tax."""
        for name, worth in self.WORTHS:
            with self.subTest(company=name):
                company = getattr(self, name)
                invoice = self._invoice(company)
                states = self._get_states(invoice)
                payment = self._pay(company, 250, "2026-02-15")
                self._match(invoice, payment)
                self.assertEqual(invoice.amount_residual, 1000)
                first = self._write_off(invoice, date="2026-03-31")
                self.assertEqual(
                    self._get_company_books(first), [200 * worth, 800 * worth]
                )
                item = self._get_term_lines(invoice)
                self._take_off(item)
                self.assertEqual(self._get_states(invoice), states)
                second = self._write_off(first, date="2026-03-31", separate_tax=False)
                self.assertEqual(
                    self._get_company_books(first | second), [0, 0], company.name
                )
                self._match(invoice, payment)
                third = self._write_off(invoice, date="2026-04-30")
                self.assertEqual(
                    self._get_company_books(third), [200 * worth, 800 * worth]
                )
                self.assertEqual(invoice.payment_state, "paid")

    def test_review(self):
        """The share of the tax is checked in the currency of the company."""
        for name, worth in self.WORTHS:
            with self.subTest(company=name):
                company = getattr(self, name)
                company.collections_writeoff_draft = True
                invoice = self._invoice(company)
                draft = self._write_off(invoice)
                self.assertEqual(draft.state, "draft")
                tax, loss = self.accounts[company]
                changed = [
                    Command.update(line.id, {"balance": line.balance + more})
                    for account, more in ((tax, -0.01), (loss, 0.01))
                    for line in draft.line_ids
                    if line.account_id == account
                ]
                with (
                    self.assertRaises(UserError) as error,
                    self.env.cr.savepoint(),
                ):
                    draft.write({"line_ids": changed})
                    draft.action_post()
                expected = company.currency_id.format(250 * worth)
                self.assertIn(expected, str(error.exception))
                draft.action_post()
                self.assertEqual(invoice.payment_state, "paid")
                self.assertEqual(
                    self._get_company_books(draft), [250 * worth, 1000 * worth]
                )
                company.collections_writeoff_draft = False
