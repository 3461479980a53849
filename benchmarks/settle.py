"""Matching payments with invoices, against core's own matching of the same lines.

The floor is core with what this addon puts around its matching taken out. Off is what
every company pays that does not use cash discounts. On is what a company with the
parameter pays: for items without a discount, and for payments that each earn one. The
last one books an entry per payment besides: it is judged against core creating, posting
and matching the same entries, and shown against core matching alone.
"""

from contextlib import contextmanager
from unittest.mock import patch

import open_invoices
from common import AtMost, Wrong, measured, median, size_name
from ledger import LedgerBench

from odoo import SUPERUSER_ID, api, fields

from odoo.addons.account.models.account_move_line import (
    AccountMoveLine as CoreMoveLine,
)

OFF_LIMIT = AtMost(1.05)
ON_LIMIT = AtMost(2)

PAIRS = 200
JOURNAL_CODE = "BSETL"
ACCOUNT_CODE = "690991"
MEMO = "Benchmark payment"
# What is measured, in this order. The first two take a second or so each and are judged
# to a twentieth of that: they run more often than the rest, and neither always first.
TURNS = (
    *("core", "off", "off", "core", "off", "core", "core", "off"),
    *("on, no discount", "on", "entries"),
)
# What this addon extends of core's matching.
METHODS = ("_reconcile_plan", "_prepare_reconciliation_single_partial")


class SettleBench(LedgerBench):
    """Measures matching on one set of books."""

    books = open_invoices
    name = f"{size_name(PAIRS)} payments with discount"
    max_repeats = 5

    def run(self):
        """Print a line per measure."""
        self._prepare()
        self._check_same()
        costs = {name: [] for name in TURNS}
        for _repeat in range(1 + self.repeats):
            for name in TURNS:
                costs[name].append(self._run(name))
        # The first run warmed up, and is not counted.
        medians = {name: median(taken[1:]) for name, taken in costs.items()}
        core = medians["core"]
        pairs = size_name(PAIRS)
        for name, label, limit in (
            ("off", "cash discounts off, to core's matching", OFF_LIMIT),
            ("on, no discount", "on, items without discount, to the same", ON_LIMIT),
            ("on", "on, each payment earns one, to the same", None),
        ):
            self.report.measure(
                f"{pairs}: {label}", medians[name].seconds, core.seconds, limit
            )
        self.report.measure(
            f"{pairs}: on, to core booking and matching the same entries",
            medians["on"].seconds,
            core.seconds + medians["entries"].seconds,
            ON_LIMIT,
        )
        for name in ("off", "on"):
            self.report.measure(
                f"{pairs}: {name}, queries per payment",
                medians[name].queries / PAIRS,
                core.queries / PAIRS,
                unit="each",
            )
        return medians["on"]

    # === RUNS === #

    def _run(self, name):
        with self._rolled_back() as env:
            return self._match(env, name)

    def _measure(self, env):
        return self._match(env, "on")

    def _match(self, env, name):
        pairs = self._get_pairs(env)
        if name.startswith("on") or name == "entries":
            env.company.collections_partial_cash_discount = True
        if name == "on, no discount":
            items = env["account.move.line"].union(*(pair[0] for pair in pairs))
            items.discount_date = False
        plan = [item | payment for item, payment in pairs]
        if name == "entries":
            return self._run_entries(env, plan)
        with self._without_addon(env, name == "core"), measured(env) as cost:
            env["account.move.line"]._reconcile_plan(plan)
        return cost

    def _run_entries(self, env, plan):
        """Measure core creating, posting and matching the entries of the discounts."""
        Settlement = env["collections.settlement"]
        allocations = Settlement._get_allocations(plan)
        compositions = Settlement._get_compositions(
            [allocation.item for allocation in allocations], separate_tax=True
        )
        vals_list = [
            Settlement._prepare_move_vals(allocation, compositions)
            for allocation in allocations
        ]
        with self._without_addon(env), measured(env) as cost:
            Move = env["account.move"].with_context(skip_invoice_sync=True)
            moves = Move.create(vals_list).with_context(skip_invoice_sync=False)
            moves._post(soft=False)
            env["account.move.line"]._reconcile_plan(
                [
                    allocation.item
                    | move.line_ids.filtered(
                        lambda line, item=allocation.item: (
                            line.account_id == item.account_id
                        )
                    )
                    for allocation, move in zip(allocations, moves, strict=True)
                ]
            )
        return cost

    @contextmanager
    def _without_addon(self, env, is_wanted=True):
        """Take what this addon adds out of core's matching."""
        if not is_wanted:
            yield
            return
        lines = type(env["account.move.line"])
        with (
            patch.object(lines, METHODS[0], getattr(CoreMoveLine, METHODS[0])),
            patch.object(lines, METHODS[1], getattr(CoreMoveLine, METHODS[1])),
        ):
            yield

    def _get_pairs(self, env):
        """Return item and payment line of each pair, read together."""
        invoices = open_invoices.get_invoices(env, PAIRS)
        items = invoices.line_ids.filtered(
            lambda line: line.display_type == "payment_term"
        )
        payments = env["account.payment"].search(
            [("memo", "=like", f"{MEMO} %")], order="id"
        )
        lines = payments.move_id.line_ids.filtered(
            lambda line: line.account_type == "asset_receivable"
        )
        by_memo = {line.payment_id.memo: line for line in lines}
        everything = [*items.ids, *lines.ids]
        return [
            (
                item.with_prefetch(everything),
                by_memo[f"{MEMO} {item.move_id.id}"].with_prefetch(everything),
            )
            for item in items
        ]

    def _check_same(self):
        """Raise unless off does what core does, and on gives each its discount."""
        states = []
        for name in ("core", "off", "on"):
            with self._rolled_back() as env:
                pairs = self._get_pairs(env)
                if len(pairs) != PAIRS:
                    raise Wrong(f"There are {len(pairs)} pairs")
                env.company.collections_partial_cash_discount = name == "on"
                plan = [item | payment for item, payment in pairs]
                with self._without_addon(env, name == "core"):
                    env["account.move.line"]._reconcile_plan(plan)
                env.invalidate_all()
                taken = [item._get_cash_discount_taken() for item, _line in pairs]
                states.append(
                    [
                        (item.amount_residual, line.amount_residual, line.reconciled)
                        for item, line in pairs
                    ]
                )
        if states[0] != states[1]:
            raise Wrong("Switched off, the matching is not core's")
        if not all(taken):
            raise Wrong("A payment did not earn its discount")

    # === SET-UP === #

    def _prepare(self):
        """Give the invoices a discount, and post half of the money; once."""
        with self.registry.cursor() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {"tracking_disable": True})
            self.user_id = env.ref("base.user_admin").id
            company = env.company
            if company.collections_settlement_journal_id.code == JOURNAL_CODE:
                return
            company.collections_settlement_journal_id = env["account.journal"].create(
                {"name": "Settlements", "code": JOURNAL_CODE, "type": "general"}
            )
            company.account_journal_early_pay_discount_loss_account_id = env[
                "account.account"
            ].create(
                {
                    "name": "Cash discounts",
                    "code": ACCOUNT_CODE,
                    "account_type": "expense",
                }
            )
            self._create_payments(env)

    def _create_payments(self, env):
        invoices = open_invoices.get_invoices(env, PAIRS)
        items = invoices.line_ids.filtered(
            lambda line: line.display_type == "payment_term"
        )
        today = fields.Date.today()
        for item in items:
            item.write(
                {
                    "discount_date": today,
                    "discount_amount_currency": item.currency_id.round(
                        item.amount_currency * 0.99
                    ),
                    "discount_balance": item.company_currency_id.round(
                        item.balance * 0.99
                    ),
                }
            )
        journal = env["account.journal"].search([("type", "=", "bank")], limit=1)
        env["account.payment"].create(
            [
                {
                    "payment_type": "inbound",
                    "partner_type": "customer",
                    "partner_id": item.partner_id.id,
                    "amount": item.currency_id.round(item.amount_currency * 0.5),
                    "date": today,
                    "journal_id": journal.id,
                    "memo": f"{MEMO} {item.move_id.id}",
                }
                for item in items
            ]
        ).action_post()


run = SettleBench.run_on_books
