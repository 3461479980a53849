from unittest.mock import patch

from freezegun import freeze_time

from odoo import Command, fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import tagged

from .common import CollectionsCommon


@tagged("post_install", "-at_install")
class TestAgingSnapshot(CollectionsCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.partner = cls._create_customer("Azure")

    # === WHAT IS OPEN ON A DAY === #

    def test_definition_left_empty_is_that_of_the_company(self):
        Snapshot = self.env["collections.aging.snapshot"]
        values = {"company_id": self.company.id, "date": "2026-01-01"}
        for extra in ({}, {"definition_id": False}):
            snapshot = Snapshot.create({**values, **extra})
            self.assertEqual(snapshot.definition_id, self.definition)

    def test_payment_counts_from_its_day_on(self):
        invoice = self._create_item(self.partner, 1000, "2026-01-31", date="2026-01-01")
        payment = self._create_payment(self.partner, 400, "2026-03-10")
        self._match(invoice, payment)
        for date, amount in [
            ("2025-12-31", 0),
            ("2026-01-01", 1000),
            ("2026-03-09", 1000),
            ("2026-03-10", 600),
            ("2026-03-11", 600),
        ]:
            with self.subTest(date=date):
                snapshot = self._run_snapshot(date)
                self.assertEqual(
                    self._get_row(snapshot, self.partner).amount_due, amount
                )
                self._assert_ties(snapshot)

    def test_payment_unmatched_again_leaves_invoice_and_credit(self):
        invoice = self._create_item(self.partner, 1000, "2026-01-31")
        payment = self._create_payment(self.partner, 400, "2026-03-10")
        self._match(invoice, payment)
        self._get_term_lines(invoice).remove_move_reconcile()
        row = self._get_row(self._run_snapshot("2026-03-10"), self.partner)
        self.assertRecordValues(
            row,
            [
                {
                    "amount_due": 600.0,
                    "amount_overdue": 1000.0,
                    "amount_credit": -400.0,
                    "open_item_count": 2,
                }
            ],
        )

    def test_cancelled_payment_is_as_if_it_had_not_been(self):
        invoice = self._create_item(self.partner, 1000, "2026-01-31")
        payment = self._create_payment(self.partner, 1000, "2026-03-10")
        self._match(invoice, payment)
        self.assertFalse(self._get_row(self._run_snapshot("2026-03-31"), self.partner))
        payment.action_draft()
        payment.action_cancel()
        snapshot = self._run_snapshot("2026-03-31")
        self.assertEqual(self._get_row(snapshot, self.partner).amount_due, 1000)
        self._assert_ties(snapshot)

    def test_payment_reset_to_draft_does_not_pay(self):
        # Core keeps the match, and with it the reduced residual of the invoice.
        invoice = self._create_item(self.partner, 1000, "2026-01-31")
        payment = self._create_payment(self.partner, 1000, "2026-03-10")
        self._match(invoice, payment)
        payment.action_draft()
        self.assertEqual(self._get_term_lines(invoice).amount_residual, 0.0)
        for date in ("2026-03-09", "2026-03-10", "2026-03-31"):
            snapshot = self._run_snapshot(date)
            self.assertEqual(self._get_row(snapshot, self.partner).amount_due, 1000)
            self._assert_ties(snapshot)
        payment.action_post()
        self.assertFalse(self._get_row(self._run_snapshot("2026-03-31"), self.partner))

    def test_invoice_reset_to_draft_leaves_the_payment_as_credit(self):
        invoice = self._create_item(self.partner, 1000, "2026-01-31")
        payment = self._create_payment(self.partner, 300, "2026-03-10")
        self._match(invoice, payment)
        invoice.button_draft()
        snapshot = self._run_snapshot("2026-03-31")
        self.assertRecordValues(
            self._get_row(snapshot, self.partner),
            [{"amount_due": -300.0, "amount_credit": -300.0, "amount_overdue": 0.0}],
        )
        self._assert_ties(snapshot)

    def test_draft_and_cancelled_invoices_are_not_open(self):
        self._create_item(self.partner, 1000, "2026-01-31").button_draft()
        cancelled = self._create_item(self.partner, 500, "2026-01-31")
        cancelled.button_draft()
        cancelled.button_cancel()
        self.assertFalse(self._get_row(self._run_snapshot("2026-03-31"), self.partner))

    def test_invoice_paid_before_its_date_is_open_until_then_as_credit(self):
        payment = self._create_payment(self.partner, 1000, "2026-01-10")
        invoice = self._create_item(self.partner, 1000, "2026-03-31", date="2026-02-15")
        self._match(invoice, payment)
        row = self._get_row(self._run_snapshot("2026-02-14"), self.partner)
        self.assertEqual((row.amount_due, row.amount_credit), (-1000.0, -1000.0))
        self.assertFalse(self._get_row(self._run_snapshot("2026-02-15"), self.partner))

    def test_instalments_are_aged_one_by_one(self):
        term = self._create_instalments((50, 0), (30, 30), (20, 60))
        invoice = self._create_item(
            self.partner,
            1000,
            False,
            date="2026-01-01",
            invoice_payment_term_id=term.id,
        )
        payment = self._create_payment(self.partner, 500, "2026-01-15")
        self._match(invoice, payment)
        snapshot = self._run_snapshot("2026-02-15")
        self.assertEqual(
            self._get_amounts(snapshot, self.partner), {"1-30": 300.0, "Not due": 200.0}
        )
        self._assert_ties(snapshot)
        before = self._run_snapshot("2026-01-14")
        self.assertEqual(
            self._get_amounts(before, self.partner), {"1-30": 500.0, "Not due": 500.0}
        )

    # === CREDITS === #

    def test_credits_lie_in_their_own_period(self):
        self._create_item(self.partner, 1000, "2026-01-31")
        self._create_item(self.partner, -300, "2026-03-05")
        self._create_payment(self.partner, 50, "2026-02-20")
        snapshot = self._run_snapshot("2026-03-31")
        self.assertEqual(
            self._get_amounts(snapshot, self.partner),
            {"31-60": 950.0, "1-30": -300.0},
        )
        self.assertRecordValues(
            self._get_row(snapshot, self.partner),
            [
                {
                    "amount_due": 650.0,
                    "amount_overdue": 1000.0,
                    "amount_credit": -350.0,
                    "days_overdue": 59,
                    "indicator": "yellow",
                    "open_item_count": 3,
                    "oldest_due_date": fields.Date.to_date("2026-01-31"),
                }
            ],
        )

    def test_credit_larger_than_the_debt_is_negative(self):
        self._create_item(self.partner, 100, "2026-04-30", date="2026-03-01")
        self._create_payment(self.partner, 250, "2026-03-20")
        row = self._get_row(self._run_snapshot("2026-03-31"), self.partner)
        self.assertRecordValues(
            row,
            [
                {
                    "amount_due": -150.0,
                    "amount_overdue": 0.0,
                    "days_overdue": 0,
                    "indicator": "none",
                }
            ],
        )

    def test_offsetting_items_keep_the_row(self):
        self._create_item(self.partner, 100, "2026-01-31")
        self._create_item(self.partner, -100, "2026-03-31")
        row = self._get_row(self._run_snapshot("2026-03-31"), self.partner)
        self.assertEqual((row.amount_due, row.open_item_count), (0.0, 2))
        self.assertEqual(row.amount_overdue, 100.0)

    def test_zero_amount_documents_make_no_row(self):
        self._create_item(self.partner, 0, "2026-01-31")
        self.assertFalse(self._get_row(self._run_snapshot("2026-03-31"), self.partner))

    # === WHO === #

    def test_contacts_count_as_their_company(self):
        contact = self._create_customer("Kid", parent_id=self.partner.id)
        self._create_item(contact, 100, "2026-01-31")
        self._create_payment(contact, 30, "2026-02-10")
        snapshot = self._run_snapshot("2026-03-31")
        self.assertFalse(self._get_row(snapshot, contact))
        self.assertEqual(self._get_row(snapshot, self.partner).amount_due, 70.0)

    def test_items_without_partner_are_kept(self):
        entry = self.env["account.move"].create(
            {
                "date": "2026-02-01",
                "journal_id": self.company_data["default_journal_misc"].id,
                "line_ids": [
                    Command.create({"account_id": self.receivable.id, "debit": 77.0}),
                    Command.create(
                        {
                            "account_id": self.company_data[
                                "default_account_revenue"
                            ].id,
                            "credit": 77.0,
                        }
                    ),
                ],
            }
        )
        entry.action_post()
        snapshot = self._run_snapshot("2026-03-31")
        row = snapshot.balance_ids.filtered(lambda row: not row.partner_id)
        self.assertEqual((row.amount_due, row.display_name), (77.0, "No customer"))
        self.assertEqual(
            self.env["account.move.line"].search(row.action_open_items()["domain"]),
            self._get_term_lines(entry),
        )
        self._assert_ties(snapshot)

    def test_customers_without_open_items_only_when_asked(self):
        paid = self._create_customer("Paid")
        invoice = self._create_item(paid, 100, "2026-01-31")
        self._match(invoice, self._create_payment(paid, 100, "2026-02-10"))
        self.assertFalse(self._get_row(self._run_snapshot("2026-03-31"), paid))
        snapshot = self._run_snapshot("2026-03-31", include_zero_balance=True)
        self.assertRecordValues(
            self._get_row(snapshot, paid),
            [
                {
                    "amount_due": 0.0,
                    "open_item_count": 0,
                    "indicator": "none",
                    "last_payment_amount": 100.0,
                    "last_payment_date": fields.Date.to_date("2026-02-10"),
                }
            ],
        )
        self.assertFalse(self._get_row(snapshot, self.partner), "never a customer yet")
        self._assert_ties(snapshot)

    # === DATES === #

    def test_age_by_due_invoice_or_accounting_date(self):
        move = self._create_item(
            self.partner,
            100,
            "2026-03-20",
            date="2026-02-05",
            invoice_date="2026-01-10",
        )
        self.assertEqual(move.date, fields.Date.to_date("2026-02-05"))
        expected = {
            "due_date": {"1-30": 100.0},
            "accounting_date": {"31-60": 100.0},
            "invoice_date": {"61-90": 100.0},
        }
        for basis, amounts in expected.items():
            with self.subTest(basis=basis):
                snapshot = self._run_snapshot("2026-03-31", date_basis=basis)
                self.assertEqual(self._get_amounts(snapshot, self.partner), amounts)
                # Overdue is a matter of the due date, whatever the columns show.
                self.assertRecordValues(
                    self._get_row(snapshot, self.partner),
                    [
                        {
                            "amount_overdue": 100.0,
                            "days_overdue": 11,
                            "indicator": "green",
                        }
                    ],
                )

    def test_due_on_the_aging_date_is_not_overdue(self):
        self._create_item(self.partner, 100, "2026-03-31")
        row = self._get_row(self._run_snapshot("2026-03-31"), self.partner)
        self.assertEqual((row.amount_overdue, row.days_overdue), (0.0, 0))
        row = self._get_row(self._run_snapshot("2026-04-01"), self.partner)
        self.assertEqual((row.amount_overdue, row.days_overdue), (100.0, 1))

    # === CURRENCIES === #

    def test_foreign_items_are_in_company_currency_at_book_value(self):
        foreign = self.setup_other_currency("EUR")  # 2 EUR are 1 USD from 2017 on
        invoice = self._create_item(
            self.partner, 1000, "2026-01-31", currency_id=foreign.id
        )
        snapshot = self._run_snapshot("2026-03-31")
        self.assertEqual(self._get_row(snapshot, self.partner).amount_due, 500.0)
        payment = self._create_payment(
            self.partner, 400, "2026-03-10", currency_id=foreign.id
        )
        self._match(invoice, payment)
        snapshot = self._run_snapshot("2026-03-31")
        self.assertEqual(self._get_row(snapshot, self.partner).amount_due, 300.0)
        self._assert_ties(snapshot)

    def test_exchange_remainder_counts_in_totals_only(self):
        foreign = self.setup_other_currency(
            "EUR", rates=[("2026-01-01", 2.0), ("2026-03-01", 4.0)]
        )
        invoice = self._create_item(
            self.partner, 1000, "2026-01-31", date="2026-01-10", currency_id=foreign.id
        )
        payment = self._create_payment(
            self.partner, 1000, "2026-03-10", currency_id=foreign.id
        )
        self._match(invoice, payment)
        exchange = self._get_term_lines(invoice).matched_credit_ids.exchange_move_id
        exchange |= self._get_term_lines(payment).matched_debit_ids.exchange_move_id
        self.assertGreater(exchange.date, payment.date, "core dates it at month end")
        snapshot = self._run_snapshot("2026-03-10")
        self.assertRecordValues(
            self._get_row(snapshot, self.partner),
            [
                {
                    "amount_due": 250.0,  # booked at 500.00, paid at 250.00
                    "amount_overdue": 0.0,
                    "days_overdue": 0,
                    "open_item_count": 0,
                    "indicator": "none",
                }
            ],
        )
        self._assert_ties(snapshot)
        after = self._run_snapshot(exchange.date)
        self.assertFalse(self._get_row(after, self.partner))
        self._assert_ties(after)

    # === STATUS, CREDIT LIMIT, LAST PAYMENT === #

    @freeze_time("2026-03-01")
    def test_disputes_and_promises_are_added_up(self):
        disputed = self._get_term_lines(
            self._create_item(self.partner, 100, "2026-01-31")
        )
        promised = self._get_term_lines(
            self._create_item(self.partner, 200, "2026-02-10"),
            self._create_item(self.partner, 300, "2026-02-15"),
        )
        disputed.action_set_collections_status("disputed", reason="Wrong goods")
        promised.action_set_collections_status(
            "promised", promise_date="2026-04-01", promise_amount=250.0
        )
        self.assertEqual(promised.mapped("collections_promise_amount"), [200.0, 50.0])
        row = self._get_row(self._run_snapshot("2026-03-31"), self.partner)
        self.assertRecordValues(
            row,
            [{"disputed_count": 1, "amount_disputed": 100.0, "amount_promised": 250.0}],
        )

    def test_promise_in_foreign_currency_is_worth_its_share(self):
        foreign = self.setup_other_currency("EUR")
        line = self._get_term_lines(
            self._create_item(self.partner, 1000, "2026-01-31", currency_id=foreign.id)
        )
        line.action_set_collections_status(
            "promised", promise_date="2030-01-01", promise_amount=100.0
        )
        row = self._get_row(self._run_snapshot("2026-03-31"), self.partner)
        self.assertEqual(row.amount_promised, 50.0)

    def test_credit_limit_and_what_remains_of_it(self):
        limited = self._create_customer("Limited", credit_limit=1000.0)
        self._create_item(limited, 1200, "2026-01-31")
        self._create_item(self.partner, 100, "2026-01-31")
        snapshot = self._run_snapshot("2026-03-31")
        self.assertRecordValues(
            self._get_row(snapshot, limited) | self._get_row(snapshot, self.partner),
            [
                {"credit_limit": 1000.0, "credit_remaining": -200.0},
                {"credit_limit": 0.0, "credit_remaining": 0.0},
            ],
        )
        over = self.env["collections.aging.balance"].search(
            [("snapshot_id", "=", snapshot.id), ("credit_remaining", "<", 0)]
        )
        self.assertEqual(over.partner_id, limited)

    def test_last_payment_is_the_latest_up_to_the_date(self):
        contact = self._create_customer("Kid", parent_id=self.partner.id)
        self._create_item(self.partner, 1000, "2026-01-31")
        self._create_payment(self.partner, 10, "2026-02-01")
        self._create_payment(contact, 20, "2026-02-20")
        self._create_payment(self.partner, 30, "2026-05-01")
        row = self._get_row(self._run_snapshot("2026-03-31"), self.partner)
        self.assertEqual(row.last_payment_amount, 20.0)
        self.assertEqual(row.last_payment_date, fields.Date.to_date("2026-02-20"))

    def test_bank_statements_bring_payments_too(self):
        invoice = self._create_item(self.partner, 1000, "2026-01-31")
        self._create_payment(self.partner, 10, "2026-02-01")
        contact = self._create_customer("Kid", parent_id=self.partner.id)
        for amount, date, partner in (
            (40, "2026-02-10", self.partner),
            (50, "2026-03-20", contact),
            (-60, "2026-03-21", self.partner),  # paid back
        ):
            self.env["account.bank.statement.line"].create(
                {
                    "journal_id": self.company_data["default_journal_bank"].id,
                    "payment_ref": "Bank",
                    "date": date,
                    "amount": amount,
                    "partner_id": partner.id,
                    "counterpart_account_id": self.receivable.id,
                }
            )
        for day, amount, paid_on in (
            ("2026-02-05", 10.0, "2026-02-01"),
            ("2026-03-10", 40.0, "2026-02-10"),
            ("2026-03-31", 50.0, "2026-03-20"),
        ):
            row = self._get_row(self._run_snapshot(day), self.partner)
            self.assertEqual(row.last_payment_amount, amount)
            self.assertEqual(row.last_payment_date, fields.Date.to_date(paid_on))
        self.assertEqual(invoice.amount_residual, 1000.0)

    # === THE ITEMS BEHIND AN AMOUNT === #

    def test_amount_opens_the_items_as_of_its_date(self):
        invoice = self._create_item(self.partner, 1000, "2026-01-31")
        fresh = self._create_item(self.partner, 70, "2026-04-15", date="2026-03-01")
        self._match(invoice, self._create_payment(self.partner, 400, "2026-02-10"))
        self._match(invoice, self._create_payment(self.partner, 600, "2026-05-10"))
        row = self._get_row(self._run_snapshot("2026-03-31"), self.partner)
        Line = self.env["account.move.line"]
        for column, moves, amount in [
            (False, invoice + fresh, 670.0),
            (self._get_column(self.definition, "31-60"), invoice, 600.0),
            (self._get_column(self.definition, "Not due"), fresh, 70.0),
        ]:
            with self.subTest(column=column):
                action = row.action_open_items(column)
                lines = Line.with_context(**action["context"]).search(action["domain"])
                self.assertEqual(lines.move_id, moves)
                self.assertEqual(sum(lines.mapped("collections_amount_open")), amount)
        self.assertFalse(Line.search(row.action_open_items("amount_1")["domain"]))
        with self.assertRaisesRegex(UserError, "has no period amount_9"):
            row.action_open_items("amount_9")

    def test_items_behind_an_amount_follow_the_basis(self):
        self._create_item(self.partner, 100, "2026-03-20", date="2026-01-10")
        snapshot = self._run_snapshot("2026-03-31", date_basis="invoice_date")
        row = self._get_row(snapshot, self.partner)
        action = row.action_open_items(self._get_column(self.definition, "61-90"))
        lines = self.env["account.move.line"].search(action["domain"])
        self.assertEqual(sum(lines.mapped("amount_residual")), row.amount_2)

    # === RUNS === #

    def test_run_again_replaces_the_rows(self):
        self._create_item(self.partner, 100, "2026-01-31")
        snapshot = self._run_snapshot("2026-03-31")
        self._create_item(self.partner, 50, "2026-01-31")
        snapshot.action_run()
        self.assertEqual(self._get_row(snapshot, self.partner).amount_due, 150.0)
        self.assertEqual(snapshot.amount_total, 150.0)

    def test_figures_cannot_be_written(self):
        snapshot = self._run_snapshot("2026-03-31")
        with self.assertRaisesRegex(AccessError, "Receivables in Ledger"):
            snapshot.ledger_total = 5.0

    def test_changed_scope_takes_the_figures_away(self):
        self._create_item(self.partner, 100, "2026-01-31")
        snapshot = self._run_snapshot("2026-03-31")
        snapshot.date = "2026-02-28"
        self.assertEqual(snapshot.state, "draft")
        self.assertFalse(snapshot.balance_ids)
        snapshot.action_run()
        self.assertEqual(self._get_amounts(snapshot, self.partner), {"1-30": 100.0})

    def test_changed_periods_leave_old_figures_and_say_so(self):
        self._create_item(self.partner, 100, "2026-01-31")
        snapshot = self._run_snapshot("2026-03-31")
        self.definition.period_ids[0].name = "Ancient"
        self.assertFalse(snapshot.is_outdated)
        self.definition.period_ids[2].unit = -10
        self.assertTrue(snapshot.is_outdated)
        row = self._get_row(snapshot, self.partner)
        self.assertEqual(row.amount_3, 100.0)
        items = self.env["account.move.line"].search(
            row.action_open_items("amount_3")["domain"]
        )
        self.assertEqual(sum(items.mapped("amount_residual")), 100.0)
        snapshot.action_run()
        self.assertFalse(snapshot.is_outdated)
        self.assertEqual(self._get_row(snapshot, self.partner).amount_2, 100.0)

    def test_no_definition_at_all_is_a_clear_error(self):
        self.company.collections_aging_definition_id = False
        self.env["collections.aging.definition"].search([]).active = False
        snapshot = self.env["collections.aging.snapshot"].create({})
        with self.assertRaisesRegex(
            UserError, "There is no aging period definition for"
        ):
            snapshot.action_run()

    def test_pool_and_single_customer_exclude_each_other(self):
        pool = self.env["collections.pool"].create({"name": "P"})
        with self.assertRaises(ValidationError):
            self.env["collections.aging.snapshot"].create(
                {"pool_id": pool.id, "partner_id": self.partner.id}
            )

    def test_refresh_of_one_customer_leaves_the_others(self):
        other = self._create_customer("Other")
        self._create_item(self.partner, 100, "2026-01-31")
        self._create_item(other, 100, "2026-01-31")
        full = self._run_snapshot(fields.Date.today())
        self._create_item(self.partner, 11, "2026-01-31")
        self._create_item(other, 22, "2026-01-31")
        contact = self._create_customer("Kid", parent_id=self.partner.id)
        self.assertIs(contact.action_refresh_aging(), True)
        current = self.env["collections.aging.balance"].search(
            [("is_current", "=", True), ("company_id", "=", self.company.id)]
        )
        self.assertEqual(
            {row.partner_id: row.amount_due for row in current},
            {self.partner: 111.0, other: 100.0},
        )
        refresh = (current - full.balance_ids).snapshot_id
        self.assertEqual(refresh.partner_id, self.partner)
        self.assertFalse(refresh.ledger_total or refresh.ledger_difference)

    # === COMPANIES === #

    def test_companies_are_aged_apart_in_their_own_currency(self):
        other = self.setup_other_company(currency_id=self.env.ref("base.EUR").id)
        company = other["company"]
        self._create_item(self.partner, 100, "2026-01-31")
        env = self.env(context={"allowed_company_ids": company.ids})
        invoice = env["account.move"].create(
            {
                "move_type": "out_invoice",
                "company_id": company.id,
                "journal_id": other["default_journal_sale"].id,
                "partner_id": self.partner.id,
                "invoice_date": "2026-01-31",
                "invoice_line_ids": [
                    Command.create(
                        {
                            "name": "x",
                            "price_unit": 40.0,
                            "tax_ids": [Command.clear()],
                            "account_id": other["default_account_revenue"].id,
                        }
                    )
                ],
            }
        )
        invoice.action_post()
        wizard = (
            self.env["collections.aging.wizard"]
            .with_context(allowed_company_ids=(self.company + company).ids)
            .create({"definition_id": self.definition.id, "date": "2026-03-31"})
        )
        wizard.action_run()
        rows = self.env["collections.aging.balance"].search(
            [("partner_id", "=", self.partner.id), ("date", "=", "2026-03-31")],
            order="company_id",
        )
        self.assertRecordValues(
            rows,
            [
                {
                    "company_id": self.company.id,
                    "amount_due": 100.0,
                    "currency_id": self.company.currency_id.id,
                },
                {
                    "company_id": company.id,
                    "amount_due": 40.0,
                    "currency_id": self.env.ref("base.EUR").id,
                },
            ],
        )
        for snapshot in rows.snapshot_id:
            self._assert_ties(snapshot)

    def test_branches_have_their_own_figures_and_tie_across(self):
        branch = self.env["res.company"].create(
            {"name": "Branch", "parent_id": self.company.id}
        )
        self.env.cr.precommit.run()  # gives the branch the chart of accounts
        self.partner.with_company(
            branch
        ).property_account_receivable_id = self.receivable
        self.env.user.company_ids |= branch
        both = self.company + branch
        env = self.env(context={"allowed_company_ids": both.ids})
        invoice = env["account.move"].create(
            {
                "move_type": "out_invoice",
                "company_id": branch.id,
                "partner_id": self.partner.id,
                "invoice_date": "2026-01-31",
                "invoice_line_ids": [
                    Command.create(
                        {
                            "name": "x",
                            "price_unit": 90.0,
                            "tax_ids": [Command.clear()],
                            "account_id": self.company_data[
                                "default_account_revenue"
                            ].id,
                        }
                    )
                ],
            }
        )
        invoice.action_post()
        self.assertEqual(self._get_term_lines(invoice).company_id, branch)
        own = self._run_snapshot("2026-03-31")
        of_branch = self._run_snapshot("2026-03-31", company_id=branch.id)
        self.assertFalse(self._get_row(own, self.partner))
        self.assertEqual(self._get_row(of_branch, self.partner).amount_due, 90.0)
        self._assert_ties(of_branch)
        # Paid at the head office: closed, though each ledger alone keeps its half.
        payment = self._create_payment(self.partner, 90, "2026-02-10")
        self._get_term_lines(invoice, payment).with_env(env).reconcile()
        for company, half in [(branch, 90.0), (self.company, -90.0)]:
            snapshot = self._run_snapshot("2026-03-31", company_id=company.id)
            self.assertRecordValues(
                snapshot,
                [
                    {
                        "amount_total": 0.0,
                        "ledger_total": half,
                        "amount_matched_elsewhere": -half,
                        "ledger_difference": 0.0,
                    }
                ],
            )

    def test_definition_of_another_company_is_refused(self):
        other = self.setup_other_company()["company"]
        foreign = self._create_definition(
            "Foreign", [("All", -1, "unlimited")], company_id=other.id
        )
        with self.assertRaisesRegex(ValidationError, "belongs to company_2"):
            self._run_snapshot("2026-03-31", definition_id=foreign.id)

    # === SCHEDULED RUN === #

    def _run_cron(self):
        with self.enter_registry_test_mode():
            self.env.ref(
                "credit_collections.ir_cron_collections_daily_snapshot"
            ).method_direct_trigger()

    def test_daily_run_ages_companies_and_willing_pools_once(self):
        self._create_item(self.partner, 100, "2026-01-31")
        weekly = self._create_definition("Weekly", [("All", -1, "unlimited")])
        pool = self.env["collections.pool"].create(
            {"name": "Daily", "run_daily": True, "definition_id": weekly.id}
        )
        self.env["collections.pool"].create({"name": "Not daily"})
        self._run_cron()
        self._run_cron()
        made = self.env["collections.aging.snapshot"].search(
            [("company_id", "=", self.company.id)]
        )
        self.assertEqual(
            sorted((s.pool_id.id, s.definition_id.id, s.state) for s in made),
            [(False, self.definition.id, "done"), (pool.id, weekly.id, "done")],
        )

    def test_daily_run_leaves_out_companies_that_do_not_want_it(self):
        self.company.collections_snapshot_daily = False
        self._run_cron()
        self.assertFalse(
            self.env["collections.aging.snapshot"].search(
                [("company_id", "=", self.company.id)]
            )
        )

    def test_broken_pool_does_not_stop_the_daily_run(self):
        pool = self.env["collections.pool"].create(
            {"name": "Broken", "run_daily": True}
        )
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE collections_pool SET domain = %s WHERE id = %s",
            ["[('no_such_field', '=', 1)]", pool.id],
        )
        pool.invalidate_recordset()
        with self.assertLogs(
            "odoo.addons.credit_collections.models.collections_aging_snapshot",
            "WARNING",
        ):
            self._run_cron()
        made = self.env["collections.aging.snapshot"].search(
            [("company_id", "=", self.company.id)]
        )
        self.assertEqual(sorted(made.mapped("state")), ["done", "draft"])
        self.assertIn("Broken", made.filtered("pool_id").error)

    def test_daily_run_of_a_pool_goes_where_its_author_works(self):
        """Elsewhere it would leave a failed snapshot every night."""
        author = self._create_user(
            "head_of_collections", "credit_collections.group_collections_manager"
        )
        other = self.setup_other_company()["company"]
        self.assertNotIn(other, author.company_ids)
        pool = (
            self.env["collections.pool"]
            .with_user(author)
            .create({"name": "Ours", "run_daily": True, "company_id": False})
        )
        self._run_cron()
        made = self.env["collections.aging.snapshot"].search(
            [("pool_id", "=", pool.id)]
        )
        self.assertEqual(made.company_id, self.company)
        self.assertEqual(made.state, "done")
        # Pools from before the field was there have the user who made them.
        made.unlink()
        self.env.cr.execute(
            "UPDATE collections_pool SET domain_user_id = NULL WHERE id = %s", [pool.id]
        )
        pool.invalidate_recordset()
        self._run_cron()
        made = self.env["collections.aging.snapshot"].search(
            [("pool_id", "=", pool.id)]
        )
        self.assertEqual(made.company_id, self.company)
        self.assertEqual(made.state, "done")

    def test_unexpected_error_does_not_stop_the_daily_run_either(self):
        pool = self.env["collections.pool"].create({"name": "Odd", "run_daily": True})
        Snapshot = self.env.registry["collections.aging.snapshot"]
        insert = Snapshot._insert_balances

        def fail_for_pool(snapshot, ranges):
            if snapshot.pool_id == pool:
                raise ZeroDivisionError("something nobody thought of")
            return insert(snapshot, ranges)

        with (
            patch.object(Snapshot, "_insert_balances", fail_for_pool),
            self.assertLogs(
                "odoo.addons.credit_collections.models.collections_aging_snapshot",
                "ERROR",
            ),
        ):
            self._run_cron()
        made = self.env["collections.aging.snapshot"].search(
            [("company_id", "=", self.company.id)]
        )
        self.assertEqual(made.mapped("state"), ["done"])
        self.assertFalse(made.pool_id)

    def test_old_snapshots_go_but_never_current_rows(self):
        today = fields.Date.today()
        self._create_item(self.partner, 100, "2020-01-31")
        current = self._run_snapshot(fields.Date.subtract(today, days=90))
        old = self._run_snapshot(fields.Date.subtract(today, days=200))
        kept = self._run_snapshot(fields.Date.subtract(today, days=50))
        current, superseded = kept, current
        self.company.collections_snapshot_retention_days = 30
        self.env["collections.aging.snapshot"]._remove_old(self.company)
        self.assertFalse((old + superseded).exists())
        self.assertTrue(current.exists())
        self.assertTrue(current.balance_ids.is_current)

    def test_old_failures_of_the_daily_run_go_too(self):
        today = fields.Date.today()
        day = fields.Date.subtract(today, days=31)
        Snapshot = self.env["collections.aging.snapshot"]
        failed, recent, prepared = Snapshot.create(
            [{"date": day}, {"date": today}, {"date": day}]
        )
        (failed | recent).sudo().error = "The pool is broken"
        self.company.collections_snapshot_retention_days = 30
        Snapshot._remove_old(self.company)
        self.assertFalse(failed.exists())
        self.assertEqual((recent | prepared).exists(), recent | prepared)

    # === SPEED === #

    def test_number_of_queries_does_not_depend_on_the_customers(self):
        def count_queries(snapshot):
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            snapshot.action_run()
            return self.env.cr.sql_log_count - before

        Snapshot = self.env["collections.aging.snapshot"]
        self._create_item(self.partner, 100, "2026-01-31")
        Snapshot.create({"date": "2026-03-31"}).action_run()  # fills the caches
        few = count_queries(Snapshot.create({"date": "2026-03-31"}))
        self._create_many_customers(10000)
        snapshot = Snapshot.create({"date": "2026-03-31"})
        many = count_queries(snapshot)
        self.assertEqual(few, many)
        self.assertLessEqual(many, 40)
        self.assertEqual(snapshot.customer_count, 10001)
        self.assertEqual(snapshot.ledger_difference, 0.0)

    def _create_many_customers(self, number):
        """Insert customers with one open item each, past the ORM."""
        template = self._get_term_lines(
            self._create_item(self.partner, 5, "2026-01-31")
        )
        self.env.flush_all()
        self.env.cr.execute(
            """
            WITH customer AS (
                INSERT INTO res_partner (name, complete_name, active, autopost_bills)
                SELECT 'Mass ' || n, 'Mass ' || n, TRUE, 'ask'
                  FROM generate_series(1, %s) n
             RETURNING id
            ), commercial AS (
                SELECT id FROM customer
            )
            INSERT INTO account_move_line (
                move_id, journal_id, company_id, company_currency_id, currency_id,
                account_id, partner_id, date, date_maturity, parent_state, display_type,
                debit, credit, balance, amount_currency, amount_residual,
                amount_residual_currency, reconciled
            )
            SELECT line.move_id, line.journal_id, line.company_id,
                   line.company_currency_id, line.currency_id, line.account_id,
                   commercial.id, line.date, line.date_maturity, 'posted',
                   'payment_term', 7, 0, 7, 7, 7, 7, FALSE
              FROM account_move_line line, commercial
             WHERE line.id = %s
            """,
            [number, template.id],
        )
        self.env.cr.execute(
            "UPDATE res_partner SET commercial_partner_id = id "
            "WHERE commercial_partner_id IS NULL"
        )
        self.env.invalidate_all()
