"""Reimbursements against what core needs for the same bills and entries.

The floor is core creating, posting and matching the bills and entries that we book:
their values are taken from a run of ours, and each step is one call for all of them.
Nobody has to find out there who is reimbursed with what amount, nor does anything keep
a record of it. Core reads some things one by one unless somebody has read them before;
the floor has them read in one go.
"""

import open_credits
from common import AtMost, Wrong, measured, median, size_name
from ledger import LedgerBench, get_values

from odoo import SUPERUSER_ID, Command, api

FLOOR_LIMIT = AtMost(1.3)
# A chunk more or less of a statement is no growth.
QUERIES_LIMIT = AtMost(1.05)

CUSTOMERS = 1000
FEWER_CUSTOMERS = 250
# Making vendors is work of its own, which the floor does not have.
NEW_VENDORS = 500

ACCOUNT_CODE = "219990"
JOURNAL_CODE = "BSETL"

BILL_FIELDS = (
    "move_type",
    "company_id",
    "journal_id",
    "partner_id",
    "currency_id",
    "invoice_date",
    "date",
    "invoice_date_due",
    "invoice_payment_term_id",
    "fiscal_position_id",
    "ref",
    "invoice_origin",
)
BILL_LINE_FIELDS = (
    "name",
    "account_id",
    "quantity",
    "price_unit",
    "tax_ids",
    "analytic_distribution",
)
TRANSFER_FIELDS = ("move_type", "company_id", "journal_id", "partner_id", "date", "ref")
TRANSFER_LINE_FIELDS = (
    "name",
    "account_id",
    "partner_id",
    "currency_id",
    "date_maturity",
    "amount_currency",
    "balance",
    "tax_ids",
    "analytic_distribution",
)


class ReimburseBench(LedgerBench):
    """Measures reimbursements on one set of books."""

    books = open_credits
    name = f"{size_name(CUSTOMERS)} reimbursements"

    def run(self):
        """Print a line per measure."""
        self._prepare()
        self._record()
        self._check_same()
        ours = self._race_floor()
        self._report_growth(ours)
        self._report_vendors(ours)
        return ours

    # === OURS AND THE FLOOR === #

    def _race_floor(self):
        """Run both in turn and judge the medians."""
        ours, floor, posting, previews = [], [], [], []
        for _repeat in range(1 + self.repeats):
            with self._rolled_back() as env:
                preview, cost = self._run_ours(env, CUSTOMERS)
            previews.append(preview)
            ours.append(cost)
            with self._rolled_back() as env:
                floor.append(self._run_floor(env))
            with self._rolled_back() as env:
                posting.append(self._run_floor(env, matches=False))
        # The first run warmed up, and is not counted.
        ours, floor, posting, previews = (
            median(costs[1:]) for costs in (ours, floor, posting, previews)
        )
        name = size_name(CUSTOMERS)
        self.report.measure(
            f"{name}: reimburse to core creating, posting and matching",
            ours.seconds,
            floor.seconds,
            FLOOR_LIMIT,
        )
        self.report.measure(
            f"{name}: the same to core without matching",
            ours.seconds,
            posting.seconds,
        )
        self.report.measure(
            f"{name}: queries per customer",
            ours.queries / CUSTOMERS,
            floor.queries / CUSTOMERS,
            unit="each",
        )
        self.report.measure(f"{name}: preview", previews.seconds, None)
        self.report.measure(
            f"{name}: preview, queries per customer",
            previews.queries / CUSTOMERS,
            None,
            unit="each",
        )
        return ours

    def _measure(self, env):
        return self._run_ours(env, CUSTOMERS)[1]

    def _run_ours(self, env, count, with_vendor=True):
        """Preview and reimburse through the wizard.

        :return: the costs of the preview and of reimbursing
        """
        customers = open_credits.get_customers(env, count, with_vendor)
        Wizard = env["collections.reimbursement.wizard"]
        with measured(env) as preview:
            wizard = Wizard.create({"partner_ids": [Command.set(customers.ids)]})
            wizard.action_preview()
        with measured(env) as cost:
            wizard.action_reimburse()
            # What core notes in the chatter before a commit.
            env.cr.flush()
        if wizard.run_id.reimbursed_count != count:
            raise Wrong(f"{wizard.run_id.reimbursed_count} customers were reimbursed")
        return preview, cost

    def _run_floor(self, env, matches=True):
        """Create, post and match what was recorded, all of it at once."""
        with measured(env) as cost:
            items = env["account.move.line"].browse(self.item_ids)
            items.partner_id.mapped("property_account_position_id")
            items.move_id.line_ids.mapped("tax_ids")
            self._book_recorded(env, matches)
            env.cr.flush()
        return cost

    def _book_recorded(self, env, matches=True):
        """Return the bills and transfers that core books from what was recorded."""
        bills = env["account.move"].create(self.bills)
        bills._post(soft=False)
        transfers = (
            env["account.move"]
            .with_context(skip_invoice_sync=True)
            .create(self.transfers)
            .with_context(skip_invoice_sync=False)
        )
        transfers._post(soft=False)
        if matches:
            self._match(bills, transfers)
        return bills, transfers

    def _match(self, bills, transfers):
        Line = bills.env["account.move.line"]
        # Read together, not customer by customer.
        everything = [*bills.line_ids.ids, *transfers.line_ids.ids, *self.item_ids]
        plan = []
        for bill, transfer, item_ids in zip(
            bills, transfers, self.item_ids_by_transfer, strict=True
        ):
            receivable, clearing = transfer.line_ids.sorted("id")
            [line] = bill.invoice_line_ids
            plan += [
                Line.browse([clearing.id, line.id]).with_prefetch(everything),
                Line.browse([receivable.id, *item_ids]).with_prefetch(everything),
            ]
        Line._reconcile_plan(plan)

    def _record(self):
        """Keep what we book, and which items each transfer closes."""
        with self._rolled_back() as env:
            reimbursements = self._get_booked(env)
            self.bills = [
                {
                    **get_values(bill, BILL_FIELDS),
                    "invoice_line_ids": [
                        Command.create(get_values(line, BILL_LINE_FIELDS))
                        for line in bill.invoice_line_ids
                    ],
                }
                for bill in reimbursements.bill_id
            ]
            self.transfers = [
                {
                    **get_values(transfer, TRANSFER_FIELDS),
                    "line_ids": [
                        Command.create(get_values(line, TRANSFER_LINE_FIELDS))
                        for line in transfer.line_ids.sorted("id")
                    ],
                }
                for transfer in reimbursements.transfer_move_id
            ]
            self.item_ids_by_transfer = [
                record.credit_line_ids.ids for record in reimbursements
            ]
            self.item_ids = [
                item_id
                for item_ids in self.item_ids_by_transfer
                for item_id in item_ids
            ]

    def _get_booked(self, env):
        customers = open_credits.get_customers(env, CUSTOMERS)
        wizard = env["collections.reimbursement.wizard"].create(
            {"partner_ids": [Command.set(customers.ids)]}
        )
        wizard.action_reimburse()
        return wizard.run_id.reimbursement_ids.sorted("id")

    def _check_same(self):
        """Raise unless core's bills and entries are ours, and close the same items."""
        with self._rolled_back() as env:
            reimbursements = self._get_booked(env)
            ours = self._get_facts(
                env, reimbursements.bill_id, reimbursements.transfer_move_id
            )
        with self._rolled_back() as env:
            floor = self._get_facts(env, *self._book_recorded(env))
        different = [
            (mine, other)
            for mine, other in zip(ours, floor, strict=True)
            if mine != other
        ]
        if different:
            raise Wrong(f"Ours and core's are not the same: {different[:3]}")

    def _get_facts(self, env, bills, transfers):
        """Return all that matters of entries, and what is left open of the credits."""
        env.flush_all()
        env.invalidate_all()
        items = env["account.move.line"].browse(self.item_ids)
        if any(items.mapped("amount_residual")):
            raise Wrong("Some of the credits are still open")
        return [
            (
                move.state,
                move.move_type,
                str(move.date),
                str(line.date_maturity),
                line.partner_id.id,
                line.account_id.id,
                line.name,
                line.balance,
                line.amount_residual,
                line.reconciled,
                len(line.matched_debit_ids.debit_move_id),
                tuple(line.matched_credit_ids.credit_move_id.ids)
                if line.account_type == "asset_receivable"
                else (),
            )
            for move in (bills | transfers).sorted("id")
            for line in move.line_ids.sorted("id")
        ]

    def _report_growth(self, ours):
        """Judge whether a customer costs more statements among more customers."""
        with self._rolled_back() as env:
            _preview, fewer = self._run_ours(env, FEWER_CUSTOMERS)
        self.report.measure(
            f"queries per customer, {size_name(CUSTOMERS)} to {FEWER_CUSTOMERS}",
            ours.queries / CUSTOMERS,
            fewer.queries / FEWER_CUSTOMERS,
            QUERIES_LIMIT,
            "each",
        )

    def _report_vendors(self, ours):
        """Show what making a one-time vendor for each customer adds."""
        with self._rolled_back() as env:
            _preview, vendors = self._run_ours(env, NEW_VENDORS, with_vendor=False)
        self.report.measure(
            f"time per customer, {NEW_VENDORS} with new one-time vendors",
            vendors.seconds / NEW_VENDORS * 1000,
            ours.seconds / CUSTOMERS * 1000,
            unit="ms",
        )

    # === SET-UP === #

    def _prepare(self):
        """Set what the company needs to reimburse; once for books that are kept."""
        with self.registry.cursor() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            # People reimburse, and rules and rights are asked for them.
            self.user_id = env.ref("base.user_admin").id
            company = env.company
            if company.collections_reimbursement_account_id.code == ACCOUNT_CODE:
                return
            company.write(
                {
                    "collections_settlement_journal_id": env["account.journal"]
                    .create(
                        {"name": "Settlements", "code": JOURNAL_CODE, "type": "general"}
                    )
                    .id,
                    "collections_reimbursement_account_id": env["account.account"]
                    .create(
                        {
                            "name": "Customer reimbursements",
                            "code": ACCOUNT_CODE,
                            "account_type": "liability_current",
                            "reconcile": True,
                        }
                    )
                    .id,
                }
            )


run = ReimburseBench.run_on_books
