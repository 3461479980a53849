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
