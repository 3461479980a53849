"""The main job on the demo books: age all customers and tie the result to the ledger.

Runs inside ``odoo shell``, which provides ``env``. Ends with 1 when a figure is wrong.
"""

import sys

from odoo import fields

MAX_ROWS = 40


def main(env):
    snapshot = env["collections.aging.snapshot"].create(
        {"company_id": env.company.id, "date": fields.Date.context_today(env.user)}
    )
    snapshot.action_run()
    env.cr.commit()  # the list in the demo database shows this run afterwards

    currency = env.company.currency_id
    balances = env["collections.aging.balance"].search(
        [("snapshot_id", "=", snapshot.id)], order="amount_due desc, id"
    )
    ranges = snapshot.definition_id.get_period_ranges(
        fields.Date.to_string(snapshot.date)
    )
    columns = ["amount_due", *(period["column"] for period in ranges), "amount_credit"]
    totals = [sum(balances.mapped(column)) for column in columns]
    print_heading(env, snapshot)
    print_table(
        ["Customer", "Amount due", *(period["name"] for period in ranges), "Credits"],
        [
            [balance.display_name, *(balance[column] for column in columns)]
            for balance in balances[:MAX_ROWS]
        ],
        [f"{len(balances)} customers", *totals],
        hidden=len(balances) - MAX_ROWS,
    )
    print_tie_out(snapshot)

    problems = find_problems(snapshot, balances, totals, currency)
    for problem in problems:
        print(f"WRONG: {problem}")
    return 1 if problems else 0


def print_heading(env, snapshot):
    print(
        f"\nAged balances of {env.company.name} as of {snapshot.date}, "
        f"{snapshot.definition_id.name}, {env.company.currency_id.name}\n"
    )


def print_table(heading, rows, total, hidden):
    lines = [[format_cell(cell) for cell in line] for line in [heading, *rows, total]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(heading))]
    ruler = "  ".join("-" * width for width in widths)
    for number, line in enumerate(lines):
        if number == len(lines) - 1:
            if hidden > 0:
                print(f"… and {hidden} more")
            print(ruler)
        cells = [line[0].ljust(widths[0])]
        cells += [
            cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)
        ]
        print("  ".join(cells))
        if number == 0:
            print(ruler)


def format_cell(cell):
    if isinstance(cell, str):
        return cell if len(cell) <= 36 else f"{cell[:35]}…"
    return f"{cell:,.2f}" if cell else "-"


def print_tie_out(snapshot):
    print()
    for label, amount in (
        ("Receivables in the ledger", snapshot.ledger_total),
        ("Total of the snapshot", snapshot.amount_total),
        ("Difference", snapshot.ledger_difference),
    ):
        print(f"{label:<28}{amount:>18,.2f}")


def find_problems(snapshot, balances, totals, currency):
    problems = []
    if not balances:
        problems.append("no customer has an open item in the demo books")
    if not currency.is_zero(snapshot.ledger_difference):
        problems.append("the snapshot does not tie out with the ledger")
    due, *periods, _credits = totals
    if currency.compare_amounts(due, snapshot.amount_total):
        problems.append("the rows do not add up to the total of the snapshot")
    if currency.compare_amounts(due, sum(periods)):
        problems.append("the periods do not add up to the amount due")
    for balance in balances:
        across = sum(balance[f"amount_{number}"] for number in range(1, 13))
        if currency.compare_amounts(across, balance.amount_due):
            problems.append(f"the periods of {balance.display_name} do not add up")
    return problems


sys.exit(main(env))  # noqa: F821 - the shell's own variable
