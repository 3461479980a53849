from odoo import Command, fields
from odoo.tests import new_test_user

from odoo.addons.account.tests.common import AccountTestInvoicingCommon

AGENT = "credit_collections.group_collections_agent"
MANAGER = "credit_collections.group_collections_manager"


class CollectionsCommon(AccountTestInvoicingCommon):
    """A company with a chart of accounts, a 30/60/90 definition and short factories."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # Enterprise, and addons for batch payments, call it in_payment as long as the
        # bank has not confirmed it.
        cls.classPatch(
            cls.registry["account.move"],
            "_get_invoice_in_payment_state",
            lambda self: "paid",
        )
        cls.company = cls.env.company
        cls.receivable = cls.company_data["default_account_receivable"]
        cls.definition = cls._create_definition(
            "30/60/90",
            [
                ("Over 90", -1, "unlimited", "red"),
                ("61-90", -30, "day", "orange"),
                ("31-60", -30, "day", "yellow"),
                ("1-30", -30, "day", "green"),
                ("Today", 0, "day", "none"),
                ("Not due", 1, "unlimited", "none"),
            ],
        )
        cls.company.collections_aging_definition_id = cls.definition

    @classmethod
    def get_default_groups(cls):
        return super().get_default_groups() | cls.quick_ref(MANAGER)

    @classmethod
    def _create_user(cls, login, groups, companies=None):
        companies = companies or cls.company
        return new_test_user(
            cls.env,
            login=login,
            groups=groups,
            company_id=companies[0].id,
            company_ids=[Command.set(companies.ids)],
        )

    @classmethod
    def _create_definition(cls, name, rows, **values):
        return cls.env["collections.aging.definition"].create(
            {
                "name": name,
                "period_ids": [
                    Command.create(
                        {
                            "sequence": position,
                            "name": heading,
                            "unit": unit,
                            "interval": interval,
                            "indicator": indicator[0] if indicator else "none",
                        }
                    )
                    for position, (heading, unit, interval, *indicator) in enumerate(
                        rows
                    )
                ],
                **values,
            }
        )

    @classmethod
    def _create_term(cls, percentage, days, computation="included", due_days=30):
        """Return a payment term with a cash discount."""
        return cls.env["account.payment.term"].create(
            {
                "name": f"{percentage} % {days} days",
                "early_discount": True,
                "discount_percentage": percentage,
                "discount_days": days,
                "early_pay_discount_computation": computation,
                "line_ids": [
                    Command.create(
                        {
                            "value": "percent",
                            "value_amount": 100,
                            "nb_days": due_days,
                        }
                    )
                ],
            }
        )

    @classmethod
    def _create_instalments(cls, *parts):
        """Return a payment term of parts: percent and days."""
        return cls.env["account.payment.term"].create(
            {
                "name": f"{len(parts)} instalments",
                "line_ids": [
                    Command.create(
                        {"value": "percent", "value_amount": share, "nb_days": days}
                    )
                    for share, days in parts
                ],
            }
        )

    @classmethod
    def _create_customer(cls, name="Customer", **values):
        return cls.env["res.partner"].create(
            {
                "name": name,
                "property_account_receivable_id": cls.receivable.id,
                "property_payment_term_id": False,
                **values,
            }
        )

    @classmethod
    def _create_item(cls, partner, amount, due, date=None, **values):
        """Post an invoice (or a credit note, for a negative amount) without tax."""
        move_values = {
            "move_type": "out_invoice" if amount >= 0 else "out_refund",
            "partner_id": partner.id,
            "invoice_date": date or due,
            "date": date or due,
            "invoice_date_due": due,
            "invoice_payment_term_id": False,
            "invoice_line_ids": [
                Command.create(
                    {
                        "name": "Goods",
                        "price_unit": abs(amount),
                        "tax_ids": [Command.clear()],
                    }
                )
            ],
            **values,
        }
        move = cls.env["account.move"].create(move_values)
        move.action_post()
        return move

    @classmethod
    def _create_payment(cls, partner, amount, date, **values):
        payment = cls.env["account.payment"].create(
            {
                "payment_type": "inbound",
                "partner_type": "customer",
                "partner_id": partner.id,
                "amount": amount,
                "date": date,
                "journal_id": cls.company_data["default_journal_bank"].id,
                **values,
            }
        )
        payment.action_post()
        return payment

    @classmethod
    def _create_branch(cls, partner):
        """Return a branch of the company that knows the customer."""
        branch = cls.env["res.company"].create(
            {"name": "Branch", "parent_id": cls.company.id}
        )
        cls.env.cr.precommit.run()  # gives it the accounts of the company
        cls.env.user.company_ids |= branch
        partner.with_company(branch).property_account_receivable_id = cls.receivable
        return branch

    @classmethod
    def _create_branch_payment(cls, partner, amount, date):
        """Post a payment that a branch gets, through a bank of its own."""
        branch = cls._create_branch(partner)
        bank = cls.env["account.journal"].create(
            {
                "name": "Bank of the branch",
                "code": "BRBNK",
                "type": "bank",
                "company_id": branch.id,
            }
        )
        head = cls.company_data["default_journal_bank"]
        bank.inbound_payment_method_line_ids.payment_account_id = (
            head.inbound_payment_method_line_ids.payment_account_id[:1]
        )
        return cls._create_payment(partner, amount, date, journal_id=bank.id)

    def _get_head_office_env(self):
        """Return the environment of a manager who works for the head office alone.

        He reads everything anew, as another request does.
        """
        user = self._create_user("head", f"{MANAGER},account.group_account_manager")
        self.env.flush_all()
        self.env.invalidate_all()
        return self.env(user=user, context={"allowed_company_ids": self.company.ids})

    @classmethod
    def _get_term_lines(cls, *documents):
        """Return the receivable lines of moves and payments."""
        lines = cls.env["account.move.line"]
        for document in documents:
            move = document.move_id if document._name == "account.payment" else document
            lines |= move.line_ids.filtered(
                lambda line: line.account_id.account_type == "asset_receivable"
            )
        return lines

    @classmethod
    def _match(cls, *documents):
        cls._get_term_lines(*documents).filtered(
            lambda line: not line.reconciled
        ).reconcile()

    @classmethod
    def _run_snapshot(cls, date, **values):
        snapshot = cls.env["collections.aging.snapshot"].create(
            {"company_id": cls.company.id, "date": date, **values}
        )
        snapshot.action_run()
        return snapshot

    def _get_row(self, snapshot, partner):
        row = snapshot.balance_ids.filtered(lambda row: row.partner_id == partner)
        self.assertLessEqual(len(row), 1, "A customer stands in a snapshot once")
        return row

    def _get_amounts(self, snapshot, partner):
        """Return the amounts of a customer by heading, without the empty periods."""
        row = self._get_row(snapshot, partner)
        return {
            period["name"]: row[period["column"]]
            for period in snapshot.period_ranges
            if row[period["column"]]
        }

    def _assert_ties(self, snapshot):
        """Check that a run adds up: periods, rows, snapshot and general ledger."""
        currency = snapshot.currency_id
        for row in snapshot.balance_ids:
            in_periods = sum(row[f"amount_{position}"] for position in range(1, 13))
            self.assertAlmostEqual(in_periods, row.amount_due, currency.decimal_places)
        self.assertAlmostEqual(
            sum(snapshot.balance_ids.mapped("amount_due")),
            snapshot.amount_total,
            currency.decimal_places,
        )
        ledger = self.env["account.move.line"].search(
            [
                ("account_id.account_type", "=", "asset_receivable"),
                ("company_id", "=", snapshot.company_id.id),
                ("parent_state", "=", "posted"),
                ("date", "<=", snapshot.date),
            ]
        )
        self.assertAlmostEqual(
            snapshot.ledger_total,
            sum(ledger.mapped("balance")),
            currency.decimal_places,
        )
        self.assertEqual(snapshot.ledger_difference, 0.0)

    def _get_column(self, definition, heading):
        ranges = definition.get_period_ranges(fields.Date.today())
        return next(period["column"] for period in ranges if period["name"] == heading)


class WriteoffCommon(CollectionsCommon):
    """A company that can write off, and checks of what was booked."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.writeoff_journal = cls.env["account.journal"].create(
            {"name": "Write-offs", "code": "WOFF", "type": "general"}
        )
        cls.writeoff_account = cls._create_account("Bad debts", "600666")
        cls.reason = cls.env["collections.writeoff.reason"].create(
            {"code": "BAD", "name": "Bad debts"}
        )
        cls.company.write(
            {
                "collections_writeoff_journal_id": cls.writeoff_journal.id,
                "collections_writeoff_account_id": cls.writeoff_account.id,
                "collections_writeoff_reason_id": cls.reason.id,
            }
        )
        cls.partner = cls._create_customer()

    @classmethod
    def _create_account(cls, name, code, account_type="expense", **values):
        return cls.env["account.account"].create(
            {"name": name, "code": code, "account_type": account_type, **values}
        )

    @classmethod
    def _create_transition_account(cls):
        """Let the company have taxes due on payment; returns where they wait."""
        cls.company.tax_exigibility = True
        return cls._create_account(
            "Tax not due yet", "259003", "liability_current", reconcile=True
        )

    @classmethod
    def _create_wizard(cls, records, **values):
        return (
            records.env["collections.writeoff.wizard"]
            .with_context(active_model=records._name, active_ids=records.ids)
            .create(values)
        )

    @classmethod
    def _write_off(cls, records, **values):
        """Write off records through the wizard; returns the entries."""
        wizard = cls._create_wizard(records, **values)
        wizard.action_write_off()
        return wizard.move_ids

    @classmethod
    def _create_register(cls, *invoices, **values):
        """Open core's payment wizard on invoices."""
        return (
            cls.env["account.payment.register"]
            .with_context(
                active_model="account.move",
                active_ids=[invoice.id for invoice in invoices],
            )
            .create(values)
        )

    @classmethod
    def _create_settlement(cls, records, **values):
        return (
            records.env["collections.settlement.wizard"]
            .with_context(active_model=records._name, active_ids=records.ids)
            .create(values)
        )

    @classmethod
    def _get_line(cls, wizard, document):
        """Return the line of the settlement wizard for a document or a payment."""
        item = cls._get_term_lines(document)
        return wizard.line_ids.filtered(lambda line: line.move_line_id in item)

    @classmethod
    def _get_books(cls):
        """Return what stands on every account and tax report line, posted."""
        cls.env.flush_all()
        Line = cls.env["account.move.line"]
        domain = [("parent_state", "=", "posted")]
        accounts = Line._read_group(
            domain,
            ["company_id", "account_id", "currency_id"],
            ["balance:sum", "amount_currency:sum"],
        )
        books = {
            (company.id, account.id, currency.id): (
                round(balance, 2),
                round(amount_currency, 2),
            )
            for company, account, currency, balance, amount_currency in accounts
        }
        tags = {}
        for line in Line.search([*domain, ("tax_tag_ids", "!=", False)]):
            for tag in line.tax_tag_ids:
                tags[tag.name] = round(tags.get(tag.name, 0.0) + line.balance, 2)
        books.update(tags)
        return {key: value for key, value in books.items() if value not in (0, (0, 0))}

    @classmethod
    def _get_states(cls, *moves):
        """Return what a user sees of documents: state and residuals of each item."""
        return [
            (
                move.payment_state,
                move.amount_residual,
                [
                    (
                        line.amount_residual,
                        line.amount_residual_currency,
                        line.reconciled,
                    )
                    for line in cls._get_term_lines(move)
                ],
            )
            for move in moves
        ]

    def _assert_entry(self, move, expected, message=None):
        """Check all lines of an entry: account, debit, credit (company currency)."""
        lines = sorted(
            (line.account_id.code, round(line.debit, 2), round(line.credit, 2))
            for line in move.line_ids
        )
        expected = sorted(
            (account.code, debit, credit) for account, debit, credit in expected
        )
        self.assertEqual(lines, expected, message)
        self.assertAlmostEqual(sum(move.line_ids.mapped("balance")), 0.0)

    def _assert_undone(self, books, states, moves):
        """Check that books and documents are what they were before."""
        self.assertEqual(self._get_books(), books)
        self.assertEqual(self._get_states(*moves), states)


class CashDiscountCommon(WriteoffCommon):
    """A company that gives cash discounts on partial payments: 1 % within 14 days."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.discount_account = (
            cls.company.account_journal_early_pay_discount_loss_account_id
        )
        cls.settlement_journal = cls.env["account.journal"].create(
            {"name": "Settlements", "code": "DISC", "type": "general"}
        )
        cls.company.write(
            {
                "collections_settlement_journal_id": cls.settlement_journal.id,
                "collections_partial_cash_discount": True,
            }
        )
        cls.term = cls._create_term(1, 14)
        cls.partner = cls._create_customer("4027")

    @classmethod
    def _create_invoice(cls, amount, date="2015-06-25", term=None, taxes=(), **values):
        invoice = cls.env["account.move"].create(
            {
                "move_type": "out_invoice",
                "partner_id": cls.partner.id,
                "invoice_date": date,
                "date": date,
                "invoice_payment_term_id": (term or cls.term).id,
                "invoice_line_ids": [
                    Command.create(
                        {
                            "name": "Goods",
                            "price_unit": amount,
                            "tax_ids": [Command.set([tax.id for tax in taxes])],
                        }
                    )
                ],
                **values,
            }
        )
        invoice.action_post()
        return invoice

    def _pay(self, amount, date, *invoices, **values):
        payment = self._create_payment(self.partner, amount, date, **values)
        self._match(payment, *invoices)
        return payment

    def _get_entries(self):
        return self.env["account.move"].search(
            [("journal_id", "=", self.settlement_journal.id)], order="id"
        )

    def _get_taken(self, invoice):
        return [
            row["taken"] for row in self._get_term_lines(invoice).get_cash_discount()
        ]


class PaymentReturnCommon(WriteoffCommon):
    """A company whose bank returns payments."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.bank = cls.company_data["default_journal_bank"]
        cls.nsf_journal = cls.env["account.journal"].create(
            {"name": "Returned payments", "code": "NSF", "type": "general"}
        )
        cls.company.collections_nsf_journal_id = cls.nsf_journal
        cls.fee_product = cls._create_fee_product(35)

    @classmethod
    def _create_fee_product(cls, price, **values):
        return cls.env["product.product"].create(
            {
                "name": "Returned payment fee",
                "type": "service",
                "list_price": price,
                "taxes_id": [Command.clear()],
                **values,
            }
        )

    @classmethod
    def _create_nsf_wizard(cls, payments, **values):
        return (
            payments.env["collections.nsf.wizard"]
            .with_context(active_model=payments._name, active_ids=payments.ids)
            .create(values)
        )

    @classmethod
    def _return(cls, payments, date, **values):
        """Return payments through the wizard; returns the records of that."""
        wizard = cls._create_nsf_wizard(payments, date=date, **values)
        wizard.action_process()
        return wizard.return_ids

    @classmethod
    def _pay(cls, amount, date, *invoices, **values):
        """Post a payment and match it with documents in one go."""
        partner = values.pop("partner", cls.partner)
        payment = cls._create_payment(partner, amount, date, **values)
        if invoices:
            cls._match(payment, *invoices)
        return payment

    @classmethod
    def _create_bank_transaction(cls, amount, date, lines, **values):
        """Post a bank transaction and match it with lines of one account."""
        transaction = cls.env["account.bank.statement.line"].create(
            {
                "journal_id": cls.bank.id,
                "payment_ref": "Bank",
                "date": date,
                "amount": amount,
                "counterpart_account_id": lines.account_id.id,
                **values,
            }
        )
        counterpart = transaction.move_id.line_ids.filtered(
            lambda line: line.account_id == lines.account_id
        )
        (counterpart | lines).reconcile()
        return transaction

    @classmethod
    def _get_liquidity_lines(cls, *payments):
        lines = cls.env["account.move.line"]
        for payment in payments:
            lines |= payment._seek_for_lines()[0]
        return lines


class ReimbursementCommon(WriteoffCommon):
    """A company that can reimburse customers, with the minimum of 25.00."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.clearing_account = cls._create_account(
            "Customer reimbursements", "219900", "liability_current", reconcile=True
        )
        cls.settlement_journal = cls.env["account.journal"].create(
            {"name": "Settlements", "code": "SETL", "type": "general"}
        )
        cls.bill_journal = cls.company_data["default_journal_purchase"]
        cls.payable = cls.company_data["default_account_payable"]
        cls.company.write(
            {
                "collections_reimbursement_minimum": 25.0,
                "collections_reimbursement_account_id": cls.clearing_account.id,
                "collections_reimbursement_journal_id": cls.bill_journal.id,
                "collections_settlement_journal_id": cls.settlement_journal.id,
            }
        )
        cls.vendor = cls.env["res.partner"].create({"name": "Vendor"})
        cls.partner.collections_vendor_id = cls.vendor

    @classmethod
    def _create_reimbursement_wizard(cls, partners=None, **values):
        return cls.env["collections.reimbursement.wizard"].create(
            {
                "partner_ids": [Command.set(partners.ids if partners else [])],
                "date": "2026-04-30",
                **values,
            }
        )

    @classmethod
    def _reimburse(cls, partners=None, **values):
        """Reimburse customers through the wizard, without a preview before."""
        wizard = cls._create_reimbursement_wizard(partners, **values)
        action = wizard.action_reimburse()
        return cls.env["collections.reimbursement"].search(action["domain"])

    @classmethod
    def _get_balance(cls, partner, account_type="asset_receivable"):
        """Return what stands on the accounts of a customer or vendor, posted."""
        lines = cls.env["account.move.line"].search(
            [
                ("partner_id", "child_of", partner.id),
                ("account_type", "=", account_type),
                ("parent_state", "=", "posted"),
            ]
        )
        return round(sum(lines.mapped("balance")), 2)

    def _get_results(self, wizard):
        """Return the result for each customer of a preview."""
        return {
            (line.partner_id, line.currency_id.name): (line.state, line.amount)
            for line in wizard.line_ids
        }

    def _assert_clearing_closed(self):
        """Check that nothing is left on the clearing account, nor unmatched there."""
        lines = self.env["account.move.line"].search(
            [
                ("account_id", "=", self.clearing_account.id),
                ("parent_state", "=", "posted"),
            ]
        )
        self.assertTrue(all(line.full_reconcile_id for line in lines))
        self.assertAlmostEqual(sum(lines.mapped("balance")), 0.0)
        self.assertAlmostEqual(sum(lines.mapped("amount_currency")), 0.0)
