import base64
import io
from datetime import date, datetime

from freezegun import freeze_time
from lxml import html
from openpyxl import load_workbook

from odoo import Command
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from .common import AGENT, CollectionsCommon


@tagged("post_install", "-at_install")
class TestStatement(CollectionsCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.agent = cls._create_user("collector", AGENT)
        cls.partner = cls._create_customer("Contoso", ref="C-100", vat="X1")
        cls.usd = cls.company.currency_id

    def _open(self, kind="collections", partner=None, user=None, **options):
        """Return the sheets of a spreadsheet as lists of rows, opened again."""
        partner = (partner or self.partner).with_user(user or self.agent)
        [result] = partner.get_collections_spreadsheet(kind, **options)
        self.assertTrue(result["name"].endswith(".xlsx"))
        self.workbook = load_workbook(io.BytesIO(base64.b64decode(result["content"])))
        return {
            sheet.title: [list(row) for row in sheet.iter_rows(values_only=True)]
            for sheet in self.workbook
        }

    def _get_summary(self, sheets):
        return {row[0]: row[1] for row in sheets["Summary"] if row[0]}

    # === OPEN ITEMS === #

    @freeze_time("2026-03-31")
    def test_transactions_agree_with_ledger_and_aged_balances(self):
        contact = self._create_customer("Contact", parent_id=self.partner.id)
        invoice = self._create_item(self.partner, 1000, "2026-01-31", ref="PO 7")
        self._create_item(contact, 250.5, "2026-03-15")
        self._create_item(self.partner, 80, "2026-05-15", "2026-03-20")
        self._create_item(self.partner, -40.25, "2026-03-10")
        payment = self._create_payment(
            self.partner, 300, "2026-02-10", memo="Bank ref 1"
        )
        self._match(invoice, payment)
        self._create_payment(self.partner, 25, "2026-03-05")
        snapshot = self._run_snapshot("2026-03-31")
        row = self._get_row(snapshot, self.partner)
        sheets = self._open()
        self.assertEqual(list(sheets), ["Summary", "Open items", "Payments"])
        summary = self._get_summary(sheets)
        self.assertEqual(summary["Customer"], "Contoso")
        self.assertEqual(summary["Reference"], "C-100")
        self.assertEqual(summary["As of"], datetime(2026, 3, 31))
        self.assertEqual(summary["Amount due"], row.amount_due)
        self.assertEqual(summary["Amount due"], 965.25)
        self.assertEqual(summary["Overdue"], row.amount_overdue)
        self.assertEqual(summary["Credits"], row.amount_credit)
        self.assertEqual(summary["Oldest due date"], datetime(2026, 1, 31))
        for period in snapshot.period_ranges:
            self.assertEqual(summary[period["name"]], row[period["column"]])
        self.assertEqual(summary["USD"], 965.25)
        items = sheets["Open items"]
        self.assertEqual(
            items[1],
            [
                datetime(2026, 1, 31),
                invoice.name,
                "Invoice",
                "PO 7",
                datetime(2026, 1, 31),
                59,
                "USD",
                1000,
                700,
                700,
            ],
        )
        self.assertEqual([row[8] for row in items[1:-1]], [700, -25, -40.25, 250.5, 80])
        self.assertEqual(
            [row[2] for row in items[1:-1]],
            ["Invoice", "Payment", "Credit note", "Invoice", "Invoice"],
        )
        self.assertEqual([items[-1][0], *items[-1][8:]], ["Total", 965.25, 965.25])
        lines = self.env["account.move.line"].search(
            [
                ("partner_id.commercial_partner_id", "=", self.partner.id),
                ("account_type", "=", "asset_receivable"),
                ("parent_state", "=", "posted"),
            ]
        )
        self.assertEqual(items[-1][9], sum(lines.mapped("balance")))
        self.assertEqual(
            [row[2:] for row in sheets["Payments"][1:]],
            [
                [sheets["Payments"][1][2], "USD", 25, 25],
                ["Bank ref 1", "USD", 300, 0],
                [None, "USD", 325, 25],
            ],
        )

    @freeze_time("2026-03-31")
    def test_internal_sheet_says_what_was_said(self):
        item = self._get_term_lines(self._create_item(self.partner, 10, "2026-01-31"))
        item.action_set_collections_status("disputed", reason="Broken")
        self._create_item(self.partner, 10, "2026-02-28")
        sheets = self._open("salesperson")
        self.assertEqual(list(sheets), ["Summary", "Open items", "Payments"])
        self.assertEqual(sheets["Open items"][1][10:], ["Disputed", None, "Broken"])
        self.assertNotIn("Status", self._open("collections")["Open items"][0])

    @freeze_time("2026-03-31")
    @freeze_time("2026-03-31")
    def test_settled_in_another_currency(self):
        """What was paid in another currency is owed in neither."""
        euro = self.setup_other_currency("EUR", rates=[("2026-01-01", 0.5)])
        invoice = self._create_item(
            self.partner, 100, "2026-01-31", "2026-01-10", currency_id=euro.id
        )
        self._create_item(self.partner, 30, "2026-03-31", "2026-03-01")
        wizard = (
            self.env["account.payment.register"]
            .with_context(active_model="account.move", active_ids=invoice.ids)
            .create({"payment_date": "2026-02-10", "currency_id": self.usd.id})
        )
        self.assertEqual(wizard.amount, 200.0)
        wizard._create_payments()
        self.assertEqual(invoice.payment_state, "paid")
        for date_from, in_period in (
            ("2026-01-01", True),
            ("2026-02-11", False),
        ):
            [result] = self.partner.get_collections_spreadsheet(
                "statement", date_from=date_from, date_to="2026-03-31"
            )
            book = load_workbook(io.BytesIO(base64.b64decode(result["content"])))
            rows = list(book["Statement"].iter_rows(values_only=True))
            closing = [row[8] for row in rows if row[1] == "Closing balance"]
            self.assertEqual(closing, [30.0, 0.0] if in_period else [30.0])
            texts = [text for row in rows for text in row]
            self.assertEqual(
                texts.count("Settled in another currency"), 2 if in_period else 0
            )

    # === SETTLED ELSEWHERE === #

    def _get_statement(self, partner, company=None, date_from="2026-01-01"):
        """Return the statement of a customer with one currency, and check its sums."""
        Statement = self.env["collections.statement"]
        for open_only in (True, False):
            period = Statement._get_period(date_from, "2026-03-31", open_only)
            found = Statement._get_statements(partner, company, period)
            statement = found[partner.commercial_partner_id.id]
            for entry in statement["currencies"]:
                self.assertEqual(entry["closing"], entry["amount_open"])
        self.assertLessEqual(len(statement["currencies"]), 1)
        return statement

    def _get_settled(self, statement):
        """Return the rows of a statement that no document of the customer makes."""
        return [
            (str(row["date"]), row["kind"], row["name"], row["ref"], row["amount"])
            for entry in statement["currencies"]
            for row in entry["movements"]
            if row["kind"]
            not in ("invoice", "credit_note", "payment", "writeoff", "entry")
        ]

    @freeze_time("2026-03-31")
    def test_paid_by_another_customer(self):
        other = self._create_customer("Fabrikam")
        contact = self._create_customer("Payer", parent_id=other.id)
        invoice = self._create_item(self.partner, 100, "2026-02-01")
        payment = self._create_payment(contact, 130, "2026-02-15")
        self._match(invoice, payment)
        statements = self.env["collections.statement"]._get_statements(
            self.partner | other
        )
        self.assertEqual(
            [
                statement["currencies"][0]["closing"]
                for statement in statements.values()
            ],
            [0.0, -30.0],
        )
        self.assertEqual(
            self._get_settled(self._get_statement(self.partner)),
            [("2026-02-15", "by_customer", payment.move_id.name, "", -100.0)],
        )
        self.assertEqual(
            self._get_settled(self._get_statement(other)),
            [("2026-02-15", "for_customer", invoice.name, "", 100.0)],
        )
        # Once before the first day, it is part of the opening balance.
        self.assertFalse(
            self._get_statement(self.partner, date_from="2026-02-16")["currencies"]
        )
        [entry] = self._get_statement(other, date_from="2026-02-16")["currencies"]
        self.assertEqual((entry["opening"], entry["movements"]), (-30.0, []))
        # A day before, the invoice was open.
        sheets = self._open("statement", date_to="2026-02-14")
        self.assertEqual(self._get_movements(sheets)[-1][4], 100)

    @freeze_time("2026-03-31")
    def test_spreadsheet_and_print_do_not_name_the_other_customer(self):
        other = self._create_customer("Fabrikam")
        invoice = self._create_item(self.partner, 100, "2026-02-01")
        payment = self._create_payment(other, 100, "2026-02-15")
        self._match(invoice, payment)
        rows = self._open("statement")["Statement"]
        self.assertEqual(
            [row[1:4] + row[7:] for row in rows[2:5]],
            [
                [invoice.name, "Invoice", None, None, 100],
                [payment.move_id.name, "Settled by another customer", None, 100, 0],
                ["Closing balance", None, None, None, 0],
            ],
        )
        self.assertIn(
            f"Settled by another customer {payment.move_id.name} "
            "$ 100.00 $ 0.00 03/31/2026 Closing balance $ 0.00",
            self._print(),
        )
        rows = self._open("statement", other)["Statement"]
        self.assertEqual(
            rows[3][1:4], [invoice.name, "Settled for another customer", None]
        )

    @freeze_time("2026-03-31")
    def test_contacts_of_a_customer_are_not_other_customers(self):
        contact = self._create_customer("Payer", parent_id=self.partner.id)
        invoice = self._create_item(self.partner, 100, "2026-02-01")
        self._match(invoice, self._create_payment(contact, 100, "2026-02-15"))
        statement = self._get_statement(self.partner)
        self.assertFalse(self._get_settled(statement))
        self.assertEqual(statement["currencies"][0]["closing"], 0.0)

    @freeze_time("2026-03-31")
    def test_settled_with_an_entry_without_a_customer(self):
        invoice = self._create_item(self.partner, 100, "2026-02-01")
        entry = self.env["account.move"].create(
            {
                "date": "2026-02-15",
                "line_ids": [
                    Command.create({"account_id": account.id, "balance": balance})
                    for account, balance in (
                        (self.receivable, -100),
                        (self.company_data["default_account_revenue"], 100),
                    )
                ],
            }
        )
        entry.action_post()
        self._match(invoice, entry)
        self.assertEqual(
            self._get_settled(self._get_statement(self.partner)),
            [("2026-02-15", "without_customer", entry.name, "", -100.0)],
        )

    @freeze_time("2026-03-31")
    def test_another_customer_in_another_currency_counts_once(self):
        euro = self.setup_other_currency("EUR", rates=[("2026-01-01", 0.5)])
        other = self._create_customer("Fabrikam")
        invoice = self._create_item(
            self.partner, 100, "2026-02-01", currency_id=euro.id
        )
        payment = self._create_payment(other, 200, "2026-02-15")
        self._match(invoice, payment)
        self.assertEqual(invoice.amount_residual, 0.0)
        self.assertEqual(
            self._get_settled(self._get_statement(self.partner)),
            [("2026-02-15", "by_customer", payment.move_id.name, "", -100.0)],
        )
        self.assertEqual(
            self._get_settled(self._get_statement(other)),
            [("2026-02-15", "for_customer", invoice.name, "", 200.0)],
        )

    def _switch_branch_on(self):
        branch = self._create_branch(self.partner)
        self.env = self.env(
            context={"allowed_company_ids": [self.company.id, branch.id]}
        )
        return branch

    def _pay_in_branch(self, branch, partner, invoice):
        """Pay an invoice of the company with an entry of its branch."""
        entry = self.env["account.move"].create(
            {
                "company_id": branch.id,
                "journal_id": self.company_data["default_journal_misc"].id,
                "date": "2026-02-15",
                "line_ids": [
                    Command.create(
                        {
                            "account_id": account.id,
                            "partner_id": partner.id,
                            "balance": balance,
                        }
                    )
                    for account, balance in (
                        (self.receivable, -100),
                        (self.company_data["default_account_revenue"], 100),
                    )
                ],
            }
        )
        entry.action_post()
        self.assertEqual(entry.company_id, branch)
        self._get_term_lines(invoice, entry).with_env(self.env).reconcile()
        return entry

    @freeze_time("2026-03-31")
    def test_paid_in_a_branch(self):
        branch = self._switch_branch_on()
        invoice = self._create_item(self.partner, 100, "2026-02-01")
        entry = self._pay_in_branch(branch, self.partner, invoice)
        self.assertEqual(invoice.amount_residual, 0.0)
        for company, settled in (
            (self.company, ("company", entry.name, "Branch", -100.0)),
            (branch, ("company", invoice.name, self.company.name, 100.0)),
        ):
            with self.subTest(company=company.name):
                statement = self._get_statement(self.partner, company)
                self.assertEqual(statement["currencies"][0]["closing"], 0.0)
                self.assertEqual(
                    self._get_settled(statement), [("2026-02-15", *settled)]
                )

    @freeze_time("2026-03-31")
    def test_paid_by_another_customer_in_a_branch_counts_once(self):
        branch = self._switch_branch_on()
        other = self._create_customer("Fabrikam")
        invoice = self._create_item(self.partner, 100, "2026-02-01")
        entry = self._pay_in_branch(branch, other, invoice)
        self.assertEqual(
            self._get_settled(self._get_statement(self.partner, self.company)),
            [("2026-02-15", "by_customer", entry.name, "Branch", -100.0)],
        )
        name = self.company.name
        self.assertEqual(
            self._get_settled(self._get_statement(other, branch)),
            [("2026-02-15", "for_customer", invoice.name, name, 100.0)],
        )

    def test_statement_for_what_another_customer_paid_in_the_period(self):
        invoice = self._create_item(self.partner, 100, "2026-01-10")
        other = self._create_customer("Fabrikam")
        self._match(invoice, self._create_payment(other, 100, "2026-02-15"))
        Statement = self.env["collections.statement"]
        for month, concerned in (("02", self.partner), ("03", self.partner.browse())):
            period = Statement._get_period(f"2026-{month}-01", f"2026-{month}-28")
            self.assertEqual(
                Statement._filter_concerned(self.partner, "statement", period=period),
                concerned,
            )

    # === CURRENCIES AND LAYOUT === #

    def test_foreign_currency_and_decimals(self):
        for name, decimals, number_format in (
            ("JPY", 0, '"¥" #,##0'),
            ("KWD", 3, '"KD" #,##0.000'),
        ):
            currency = self.env["res.currency"].with_context(active_test=False)
            currency = currency.search([("name", "=", name)])
            currency.write(
                {
                    "active": True,
                    "rounding": 10**-decimals,
                    "symbol": number_format.split('"')[1],
                    "position": "before",
                    "rate_ids": [
                        Command.create(
                            {
                                "name": "2025-01-01",
                                "rate": 4,
                                "company_id": self.company.id,
                            }
                        )
                    ],
                }
            )
            with self.subTest(currency=name):
                partner = self._create_customer(name)
                amount = 100 + 10**-decimals
                self._create_item(
                    partner, amount, "2026-01-31", currency_id=currency.id
                )
                self._create_item(partner, 10, "2026-01-31")
                sheets = self._open(partner=partner)
                item = sheets["Open items"][1]
                self.assertEqual(item[6:9], [name, amount, amount])
                self.assertAlmostEqual(item[9], round(amount / 4, 2))
                cells = self.workbook["Open items"][2]
                self.assertEqual(cells[8].number_format, number_format)
                self.assertEqual(cells[9].number_format, '"$" #,##0.00')
                summary = self._get_summary(sheets)
                self.assertEqual((summary["USD"], summary[name]), (10, amount))
                statement = self._open("statement", partner)["Statement"]
                balances = [row[8] for row in statement if row[1] == "Closing balance"]
                self.assertEqual(balances, [10, amount])

    def _set_up_euro(self):
        euro = self.setup_other_currency("EUR", rates=[("2026-01-01", 0.5)])
        euro.write({"symbol": "€", "position": "after"})
        return euro

    @freeze_time("2026-03-31")
    def test_totals_in_the_currency_of_the_documents(self):
        """A customer who is invoiced in euros reads what he owes in euros."""
        euro = self._set_up_euro()
        self._create_item(
            self.partner, 100, "2026-01-31", "2026-01-10", currency_id=euro.id
        )
        self._create_item(
            self.partner, -30, "2026-04-30", "2026-03-10", currency_id=euro.id
        )
        text = self._print()
        self.assertIn("Amount due 70.00 € Overdue 100.00 € Movements in EUR", text)
        self.assertIn("How old it is, in USD", text)
        self.assertIn("$ 140.00", text.partition("How old it is")[2])
        sheets = self._open("statement")
        rows = [row[:2] for row in sheets["Summary"]]
        position = rows.index(["Currency", "EUR"])
        self.assertEqual(
            rows[position + 1 : position + 5],
            [
                ["Amount due", 70],
                ["Overdue", 100],
                ["Credits", -30],
                ["Oldest due date", datetime(2026, 1, 31)],
            ],
        )
        cell = self.workbook["Summary"].cell(position + 2, 2)
        self.assertEqual(cell.number_format, '#,##0.00 "€"')
        self.assertNotIn(["Currency", "USD"], rows)
        self.assertIn(["Aging in USD", "Amount"], rows)
        self.assertEqual(self._get_summary(sheets)["Total"], 140)

    @freeze_time("2026-03-31")
    def test_totals_in_two_currencies(self):
        euro = self._set_up_euro()
        self._create_item(
            self.partner, 100, "2026-01-31", "2026-01-10", currency_id=euro.id
        )
        self._create_item(self.partner, 30, "2026-04-30", "2026-03-01")
        text = self._print()
        self.assertIn("Amount due $ 30.00 100.00 € Overdue 100.00 € Movements", text)
        rows = [row[:2] for row in self._open()["Summary"]]
        self.assertEqual(
            [row for row in rows if row[0] in ("Currency", "Amount due", "Overdue")],
            [
                ["Currency", "USD"],
                ["Amount due", 30],
                ["Overdue", 0],
                ["Currency", "EUR"],
                ["Amount due", 100],
                ["Overdue", 100],
            ],
        )

    @freeze_time("2026-03-31")
    def test_totals_in_company_currency(self):
        self._create_item(self.partner, 30, "2026-01-31")
        text = self._print()
        self.assertIn("Amount due $ 30.00 Overdue $ 30.00 Movements in USD", text)
        self.assertIn("How old it is", text)
        self.assertNotIn("How old it is, in", text)
        rows = [row[:2] for row in self._open()["Summary"]]
        self.assertEqual(rows.count(["Currency", "USD"]), 1)
        self.assertIn(["Aging", "Amount"], rows)

    @freeze_time("2026-03-31")
    def test_balance_in_favour_of_the_customer(self):
        euro = self._set_up_euro()
        self._create_item(
            self.partner, -100, "2026-01-31", "2026-01-10", currency_id=euro.id
        )
        text = self._print()
        self.assertIn("Balance in your favour 100.00 € Overdue 0.00 €", text)
        self.assertNotIn("Amount due", text)
        # What is owed in another currency keeps its sign, and so does the credit.
        self._create_item(self.partner, 30, "2026-04-30", "2026-03-01")
        self.assertIn("Amount due $ 30.00 -\ufeff100.00 €", self._print())
        # What was settled was in some currency, too.
        other = self._create_customer("Fabrikam")
        self._match(
            self._create_item(
                other, 100, "2026-01-31", "2026-01-10", currency_id=euro.id
            ),
            self._create_item(
                other, -100, "2026-01-31", "2026-01-10", currency_id=euro.id
            ),
        )
        text = self._print(ids=other.ids)
        self.assertIn("Amount due 0.00 € Overdue 0.00 €", text)

    @freeze_time("2026-03-31")
    def test_layout(self):
        self._create_item(self.partner, 10, "2026-01-31")
        self._open("statement")
        for sheet in self.workbook:
            self.assertEqual(sheet.freeze_panes, "A2", sheet.title)
            self.assertGreater(sheet.column_dimensions["A"].width, 10)
        cell = self.workbook["Open items"]["A2"]
        self.assertTrue(cell.is_date)
        self.assertEqual(cell.value, datetime(2026, 1, 31))
        self.assertEqual(self.workbook["Open items"]["I2"].data_type, "n")

    @freeze_time("2026-03-31")
    def test_text_stays_text(self):
        for number, ref in enumerate(
            ["=1+1", "+1", "-1", "@SUM(A1)", "https://example.com", "00123", "{=A1}"]
        ):
            self._create_item(
                self.partner, 10, f"2026-01-{10 + number}", ref=ref, date="2026-01-10"
            )
            self._open()
            cell = self.workbook["Open items"].cell(2 + number, 4)
            self.assertEqual((cell.value, cell.data_type), (ref, "s"), ref)
            self.assertIsNone(cell.hyperlink)

    @freeze_time("2026-03-31")
    def test_right_to_left_name_and_language(self):
        name = "شركة الأمل للتجارة"
        partner = self._create_customer(name)
        self._create_item(partner, 10, "2026-01-31")
        self.assertEqual(
            self._get_summary(self._open(partner=partner))["Customer"], name
        )
        self.assertFalse(self.workbook["Summary"].sheet_view.rightToLeft)
        self.env["res.lang"]._activate_lang("ar_001")
        partner.write({"lang": "ar_001", "email": "amal@example.com"})
        self._open(partner=partner)
        for sheet in self.workbook:
            self.assertTrue(sheet.sheet_view.rightToLeft, sheet.title)

    # === STATEMENT === #

    def _get_movements(self, sheets):
        return [
            (row[0] and row[0].date(), row[1], row[6], row[7], row[8])
            for row in sheets["Statement"][1:]
            if row[8] is not None
        ]

    @freeze_time("2026-03-31")
    def test_running_balance_from_a_day(self):
        old = self._create_item(self.partner, 1000, "2025-12-31")
        invoice = self._create_item(self.partner, 500, "2026-02-10")
        note = self._create_item(self.partner, -50, "2026-02-20")
        payment = self._create_payment(self.partner, 1200, "2026-03-10")
        self._match(old, payment)
        self._match(invoice, payment)
        sheets = self._open("statement", date_from="2026-02-01", date_to="2026-03-31")
        self.assertEqual(
            list(sheets), ["Summary", "Statement", "Open items", "Payments"]
        )
        self.assertEqual(
            self._get_movements(sheets),
            [
                (date(2026, 2, 1), "Opening balance", None, None, 1000),
                (date(2026, 2, 10), invoice.name, 500, None, 1500),
                (date(2026, 2, 20), note.name, None, 50, 1450),
                (date(2026, 3, 10), payment.move_id.name, None, 1200, 250),
                (date(2026, 3, 31), "Closing balance", None, None, 250),
            ],
        )
        self.assertEqual(self._get_summary(sheets)["Amount due"], 250)
        sheets = self._open(
            "statement", date_from="2026-02-01", date_to="2026-03-31", open_only=True
        )
        self.assertEqual(
            self._get_movements(sheets),
            [
                (date(2026, 2, 1), "Opening balance", None, None, 0),
                (date(2026, 2, 10), invoice.name, 300, None, 300),
                (date(2026, 2, 20), note.name, None, 50, 250),
                (date(2026, 3, 31), "Closing balance", None, None, 250),
            ],
        )

    @freeze_time("2026-03-31")
    def test_statement_of_a_past_day(self):
        invoice = self._create_item(self.partner, 500, "2026-01-10")
        self._match(invoice, self._create_payment(self.partner, 500, "2026-03-10"))
        sheets = self._open("statement", date_from="2026-01-01", date_to="2026-02-28")
        self.assertEqual(self._get_summary(sheets)["Amount due"], 500)
        self.assertEqual(sheets["Open items"][1][8], 500)
        self.assertEqual(self._get_movements(sheets)[-1][4], 500)
        sheets = self._open("statement", date_from="2026-01-01")
        self.assertEqual(self._get_movements(sheets)[-1][4], 0)
        self.assertEqual(len(sheets["Open items"]), 2)

    @freeze_time("2026-03-31")
    def test_draft_and_other_companies_stay_out(self):
        self._create_item(self.partner, 500, "2026-01-10")
        draft = self._create_item(self.partner, 70, "2026-01-10")
        draft.button_draft()
        other = self.setup_other_company()
        self._create_item(
            self.partner.with_company(other["company"]),
            30,
            "2026-02-28",
            company_id=other["company"].id,
            journal_id=other["default_journal_sale"].id,
        )
        sheets = self._open("statement")
        self.assertEqual(self._get_summary(sheets)["Amount due"], 500)
        self.assertEqual(self._get_movements(sheets)[-1][4], 500)
        self.agent.company_ids = [Command.link(other["company"].id)]
        partner = self.partner.with_context(allowed_company_ids=other["company"].ids)
        sheets = self._open("statement", partner)
        self.assertEqual(self._get_summary(sheets)["Amount due"], 30)
        self.assertEqual(self._get_summary(sheets)["Company"], other["company"].name)

    @freeze_time("2026-03-31")
    def test_instalments_and_exchange_difference(self):
        term = self._create_instalments((50, 0), (30, 30), (20, 60))
        invoice = self._create_item(
            self.partner,
            100,
            False,
            "2026-02-01",
            invoice_payment_term_id=term.id,
        )
        items = self._open()["Open items"]
        self.assertEqual(
            [(row[1], row[4], row[8]) for row in items[1:4]],
            [
                (invoice.name, datetime(2026, 2, 1), 50),
                (invoice.name, datetime(2026, 3, 3), 30),
                (invoice.name, datetime(2026, 4, 2), 20),
            ],
        )

    @freeze_time("2026-03-31")
    def test_nothing_open(self):
        sheets = self._open("statement")
        self.assertEqual(self._get_summary(sheets)["Amount due"], 0)
        self.assertEqual(len(sheets["Statement"]), 1)

    @freeze_time("2026-03-31")
    def test_without_aging_definition(self):
        self._create_item(self.partner, 500, "2026-01-10")
        self.company.collections_aging_definition_id = False
        self.env["collections.aging.definition"].search([]).active = False
        summary = self._get_summary(self._open())
        self.assertEqual(summary["Amount due"], 500)
        self.assertNotIn("Aging", summary)

    def test_wrong_days_and_rights(self):
        with self.assertRaisesRegex(UserError, "after its end"):
            self._open("statement", date_from="2026-02-01", date_to="2026-01-31")
        with self.assertRaisesRegex(UserError, "not a date"):
            self._open("statement", date_from="yesterday")
        with self.assertRaisesRegex(UserError, "no e-mail of the kind x"):
            self._open("x")
        user = self._create_user("bookkeeper", "account.group_account_user")
        with self.assertRaises(AccessError):
            self._open(user=user)

    def test_queries_do_not_grow_with_customers_and_items(self):
        customers = self.env["res.partner"]
        for number in range(8):
            customers |= self._create_customer(f"C{number}")
            for day in range(1, 4):
                self._create_item(customers[-1], 10, f"2026-01-{day:02}")

        def count(partners):
            self.env.invalidate_all()
            before = self.cr.sql_log_count
            partners.get_collections_spreadsheet("statement")
            return self.cr.sql_log_count - before

        count(customers)
        few = count(customers[:2])
        self.assertEqual(count(customers), few)

    # === PRINT === #

    def _print(self, user=None, **data):
        content, _type = (
            self.env["ir.actions.report"]
            .with_user(user or self.agent)
            ._render_qweb_html(
                "credit_collections.report_statement",
                None,
                data={"ids": self.partner.ids, "company_id": self.company.id, **data},
            )
        )
        return " ".join(html.fromstring(content).text_content().split())

    @freeze_time("2026-03-31")
    def test_print_says_what_the_spreadsheet_says(self):
        old = self._create_item(self.partner, 1000, "2025-12-31")
        invoice = self._create_item(self.partner, 500, "2026-02-10")
        payment = self._create_payment(self.partner, 1200, "2026-03-10")
        self._match(old, payment)
        self._match(invoice, payment)
        text = self._print(date_from="2026-02-01")
        for expected in (
            "Contoso",
            "02/01/2026 Opening balance $\xa01,000.00",
            f"Invoice {invoice.name} 02/10/2026 $\xa0500.00 $\xa01,500.00",
            f"Payment {payment.move_id.name}",
            "03/31/2026 Closing balance $\xa0300.00",
            "Total in USD $\xa0300.00",
            "31-60",
        ):
            self.assertIn(expected.replace("\xa0", " "), text)
        text = self._print(date_from="2026-02-01", open_only=True)
        self.assertIn("Open items in USD", text)
        self.assertIn("02/01/2026 Opening balance $ 0.00", text)
        self.assertNotIn("$ 1,500.00", text)

    @freeze_time("2026-03-31")
    def test_print_in_the_language_of_the_customer(self):
        self.env["res.lang"]._activate_lang("fr_FR")
        self._create_item(self.partner, 500, "2026-02-10")
        self.partner.lang = "fr_FR"
        self.assertIn("10/02/2026", self._print())
        self.partner.lang = "en_US"
        self.assertIn("02/10/2026", self._print())
        # Who it goes to says nothing of his own.
        contact = self._create_customer(
            "Ann", parent_id=self.partner.id, type="invoice", email="ann@c.example"
        )
        contact.lang = False
        self.partner.lang = "fr_FR"
        self.assertIn("10/02/2026", self._print())
        contact.lang = "en_US"
        self.assertIn("02/10/2026", self._print())

    def test_print_of_nothing_and_rights(self):
        self.assertIn("nothing is open", self._print())
        user = self._create_user("bookkeeper", "account.group_account_user")
        with self.assertRaises(AccessError):
            self._print(user)
