"""Write-offs against what core needs for the same entries, and against core's own way.

The floor is core creating, posting and matching the entries that we book: their values
are taken from a run of ours, and each step is one call for all of them. Nobody has to
find out what to book there. Core reads some things one by one unless somebody has read
them before, as we do to find out what to book; the floor has them read in one go.
The peer is what Odoo offers without this addon: registering a payment of 0.00 on one
invoice after the other, with the difference booked on an account. It leaves the tax in
the loss, so it does less.
"""

import open_invoices
from common import AtLeast, AtMost, Wrong, measured, median, size_name
from ledger import LedgerBench, get_values

from odoo import SUPERUSER_ID, Command, api

FLOOR_LIMIT = AtMost(1.3)
PEER_LIMIT = AtLeast(5)
# A chunk more or less of a statement is no growth.
QUERIES_LIMIT = AtMost(1.05)

ITEMS = 1000
FEWER_ITEMS = 250
MANY_ITEMS = open_invoices.INVOICES
# Registering payments takes the same time for each: a part of them is enough.
PEER_ITEMS = 100

JOURNAL_CODE = "BWOFF"
ACCOUNT_CODE = "690990"
REASON_CODE = "BENCH"

# What makes up a line in core. Whatever else it has is computed from these.
LINE_FIELDS = (
    "name",
    "account_id",
    "partner_id",
    "currency_id",
    "date_maturity",
    "amount_currency",
    "balance",
    "tax_ids",
    "tax_tag_ids",
    "tax_repartition_line_id",
    "group_tax_id",
)
MOVE_FIELDS = ("move_type", "journal_id", "company_id", "partner_id", "date", "ref")


class WriteoffBench(LedgerBench):
    """Measures write-offs on one set of books."""

    books = open_invoices
    name = f"{size_name(ITEMS)} write-offs"

    def run(self):
        """Print a line per measure."""
        self._prepare()
        self._record_entries()
        self._check_same()
        ours = self._race_floor()
        self._report_growth(ours)
        self._race_peer()
        self._report_many(ours)
        return ours

    # === OURS AND THE FLOOR === #

    def _race_floor(self):
        """Run both in turn and judge the medians."""
        ours, floor, plain, opened = [], [], [], []
        for _repeat in range(1 + self.repeats):
            with self._rolled_back() as env:
                opening, cost = self._run_ours(env, ITEMS)
            opened.append(opening)
            ours.append(cost)
            with self._rolled_back() as env:
                floor.append(self._run_floor(env))
            with self._rolled_back() as env:
                plain.append(self._run_floor(env, reads_ahead=False))
        # The first run warmed up, and is not counted.
        ours, floor, plain, opened = (
            median(costs[1:]) for costs in (ours, floor, plain, opened)
        )
        name = size_name(ITEMS)
        self.report.measure(
            f"{name}: write-off to core creating, posting and matching",
            ours.seconds,
            floor.seconds,
            FLOOR_LIMIT,
        )
        self.report.measure(
            f"{name}: the same without reading ahead", ours.seconds, plain.seconds
        )
        self.report.measure(
            f"{name}: queries per item",
            ours.queries / ITEMS,
            floor.queries / ITEMS,
            unit="each",
        )
        self.report.measure(
            f"{name}: queries per item without reading ahead",
            ours.queries / ITEMS,
            plain.queries / ITEMS,
            unit="each",
        )
        self.report.measure(f"{name}: opening the wizard", opened.seconds, None)
        self.report.measure(
            f"{name}: opening the wizard, queries per item",
            opened.queries / ITEMS,
            None,
            unit="each",
        )
        return ours

    def _measure(self, env):
        return self._run_ours(env, ITEMS)[1]

    def _run_ours(self, env, count):
        """Write off through the wizard.

        :return: the costs of opening it and of writing off
        """
        wizard, opening = self._open_wizard(env, count)
        with measured(env) as cost:
            wizard.action_write_off()
        return opening, cost

    def _open_wizard(self, env, count):
        invoices = open_invoices.get_invoices(env, count)
        Wizard = env["collections.writeoff.wizard"].with_context(
            active_model=invoices._name, active_ids=invoices.ids
        )
        with measured(env) as cost:
            wizard = Wizard.create({})
        if len(wizard.line_ids) != count:
            raise Wrong(f"The wizard proposes {len(wizard.line_ids)} items")
        return wizard, cost

    def _run_floor(self, env, reads_ahead=True):
        """Create, post and match what was recorded, all of it at once."""
        with measured(env) as cost:
            if reads_ahead:
                self._read_ahead(env)
            moves = self._create_entries(env)
            moves._post(soft=False)
            self._match_entries(moves)
        return cost

    def _read_ahead(self, env):
        """Read in one go what core would read invoice by invoice."""
        items = env["account.move.line"].browse(filter(None, self.item_ids))
        items.partner_id.mapped("property_account_position_id")
        items.move_id.line_ids.mapped("tax_ids")

    def _create_entries(self, env):
        Move = env["account.move"].with_context(skip_invoice_sync=True)
        moves = Move.create(self.entries)
        return moves.with_context(skip_invoice_sync=False)

    def _match_entries(self, moves):
        # Lines get their numbers in the order they were given.
        lines = moves.line_ids.sorted("id")
        # Read together, not two by two.
        everything = [*lines.ids, *filter(None, self.item_ids)]
        moves.env["account.move.line"]._reconcile_plan(
            [
                line.browse([line.id, item_id]).with_prefetch(everything)
                for line, item_id in zip(lines, self.item_ids, strict=True)
                if item_id
            ]
        )

    def _record_entries(self):
        """Keep what we book, and which of its lines closes which item."""
        self.entries, self.item_ids = [], []
        with self._rolled_back() as env:
            for move in self._get_booked(env):
                lines = move.line_ids.sorted("id")
                self.item_ids += [
                    line.collections_writeoff_line_id.id for line in lines
                ]
                self.entries.append(
                    {
                        **get_values(move, MOVE_FIELDS),
                        "line_ids": [
                            Command.create(get_values(line, LINE_FIELDS))
                            for line in lines
                        ],
                    }
                )

    def _get_booked(self, env):
        wizard, _cost = self._open_wizard(env, ITEMS)
        wizard.action_write_off()
        return wizard.move_ids.sorted("id")

    def _check_same(self):
        """Raise unless core's entries are ours, and close the same items."""
        with self._rolled_back() as env:
            ours = self._get_facts(env, self._get_booked(env))
        with self._rolled_back() as env:
            moves = self._create_entries(env)
            moves._post(soft=False)
            self._match_entries(moves)
            floor = self._get_facts(env, moves)
        different = [
            (mine, other)
            for mine, other in zip(ours, floor, strict=True)
            if mine != other
        ]
        if different:
            raise Wrong(f"Ours and core's are not the same: {different[:3]}")

    def _get_facts(self, env, moves):
        """Return all that matters of entries, and what is left open of the invoices."""
        env.flush_all()
        env.invalidate_all()
        entries = [
            (
                move.state,
                str(move.date),
                line.partner_id.id,
                line.account_id.id,
                line.name,
                line.balance,
                line.amount_currency,
                line.reconciled,
                tuple(line.tax_ids.ids),
                tuple(line.tax_tag_ids.ids),
                line.tax_repartition_line_id.id,
                line.tax_line_id.id,
                line.tax_base_amount,
                tuple(line.matched_debit_ids.debit_move_id.ids),
            )
            for move in moves.sorted("id")
            for line in move.line_ids.sorted("id")
        ]
        invoices = open_invoices.get_invoices(env, ITEMS)
        if any(invoices.mapped("amount_residual")):
            raise Wrong("Some of the invoices are still open")
        return entries + [
            (invoice.id, invoice.payment_state, invoice.amount_residual)
            for invoice in invoices
        ]

    def _report_growth(self, ours):
        """Judge whether an item costs more statements when there are more of them."""
        with self._rolled_back() as env:
            _opening, fewer = self._run_ours(env, FEWER_ITEMS)
        self.report.measure(
            f"queries per item, {size_name(ITEMS)} to {size_name(FEWER_ITEMS)}",
            ours.queries / ITEMS,
            fewer.queries / FEWER_ITEMS,
            QUERIES_LIMIT,
            "each",
        )

    def _report_many(self, ours):
        """Show what ten times as many take."""
        with self._rolled_back() as env:
            opening, many = self._run_ours(env, MANY_ITEMS)
        name = size_name(MANY_ITEMS)
        self.report.measure(f"{name}: write-off", many.seconds, None)
        self.report.measure(
            f"{name}: time per item, to that of {size_name(ITEMS)}",
            many.seconds / MANY_ITEMS * 1000,
            ours.seconds / ITEMS * 1000,
            unit="ms",
        )
        self.report.measure(
            f"{name}: queries per item, to those of {size_name(ITEMS)}",
            many.queries / MANY_ITEMS,
            ours.queries / ITEMS,
            unit="each",
        )
        self.report.measure(f"{name}: memory growth", many.megabytes, None, unit="MB")
        self.report.measure(f"{name}: opening the wizard", opening.seconds, None)

    # === THE PEER === #

    def _race_peer(self):
        """Run core's payment wizard and ours in turn and judge the medians."""
        ours, peer = [], []
        for _repeat in range(self.repeats):
            with self._rolled_back() as env:
                ours.append(self._measure(env))
            with self._rolled_back() as env:
                peer.append(self._run_peer(env))
        ours, peer = median(ours), median(peer)
        factor = ITEMS / PEER_ITEMS
        self.report.measure(
            f"{size_name(ITEMS)}: write-off to payments of 0.00 "
            f"({PEER_ITEMS}, x {factor:g})",
            ours.seconds,
            peer.seconds * factor,
            PEER_LIMIT,
        )
        self.report.measure(
            f"{size_name(ITEMS)}: queries per item, to those of payments",
            ours.queries / ITEMS,
            peer.queries / PEER_ITEMS,
            unit="each",
        )

    def _run_peer(self, env):
        invoices = open_invoices.get_invoices(env, PEER_ITEMS)
        account = env.company.collections_writeoff_account_id
        Register = env["account.payment.register"]
        with measured(env) as cost:
            for invoice in invoices:
                Register.with_context(
                    active_model=invoice._name, active_ids=invoice.ids
                ).create(
                    {
                        "amount": 0.0,
                        "payment_difference_handling": "reconcile",
                        "writeoff_account_id": account.id,
                    }
                ).action_create_payments()
        if any(invoices.mapped("amount_residual")):
            raise Wrong("Payments of 0.00 did not close the invoices")
        return cost

    # === SET-UP === #

    def _prepare(self):
        """Set what the company needs to write off; once for books that are kept."""
        with self.registry.cursor() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            # People write off, and rules and rights are asked for them.
            self.user_id = env.ref("base.user_admin").id
            company = env.company
            if company.collections_writeoff_journal_id.code == JOURNAL_CODE:
                return
            company.write(
                {
                    "collections_writeoff_journal_id": env["account.journal"]
                    .create(
                        {"name": "Write-offs", "code": JOURNAL_CODE, "type": "general"}
                    )
                    .id,
                    "collections_writeoff_account_id": env["account.account"]
                    .create(
                        {
                            "name": "Bad debts",
                            "code": ACCOUNT_CODE,
                            "account_type": "expense",
                        }
                    )
                    .id,
                    "collections_writeoff_reason_id": env["collections.writeoff.reason"]
                    .create({"code": REASON_CODE, "name": "Benchmark"})
                    .id,
                    "collections_writeoff_separate_tax": True,
                }
            )


run = WriteoffBench.run_on_books
