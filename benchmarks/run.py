"""Measure the addon against plain SQL and against its peers.

Called by `./dev bench [name] [arguments]`, or by hand after `eval "$(./dev env)"` with
`$ODOO_PYTHON benchmarks/run.py`. Prints one line per measure and ends with exit code 1
when a limit is not met.
"""

import argparse
import importlib
import sys

import common
import databases
import results

BENCHES = {
    "aging": "aging snapshot against plain SQL and the OCA aged partner balance",
    "settle": "200 payments matched, with cash discounts off and on, against core",
    "reimburse": "1,000 customers reimbursed against core booking the same",
    "workers": "one reimbursement run by one worker and by two",
    "writeoff": "1,000 write-offs against core booking the same, and payments of 0.00",
    "pages": "Aged Balances of 100,000 customers, the page of one with 5,000 items",
}


def main():
    options = parse_arguments()
    try:
        available = databases.Databases(with_peer=not options.no_peer)
        report = common.Report()
        report.heading()
        try:
            for name in [options.name] if options.name else BENCHES:
                report.begin(name, BENCHES[name])
                importlib.import_module(name).run(available, options, report)
                results.save(report)
        finally:
            if not options.keep:
                available.drop()
    except databases.SetupError as error:
        sys.exit(f"benchmarks: {error}")
    if report.short:
        sys.exit(f"benchmarks: {len(report.short)} short: " + "; ".join(report.short))


def parse_arguments():
    listed = "\n".join(f"  {name:<10} {what}" for name, what in BENCHES.items())
    parser = argparse.ArgumentParser(
        prog="./dev bench",
        description="Measures the addon on generated books in databases of their own.",
        epilog=f"benchmarks:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "name", nargs="?", choices=BENCHES, help="which benchmark; all without it"
    )
    parser.add_argument(
        "--sizes",
        type=parse_sizes,
        default=[10_000, 100_000, 1_000_000],
        help="receivable items per book (default 10000,100000,1000000)",
    )
    parser.add_argument(
        "--repeat", type=int, default=5, help="least runs of a measure (default 5)"
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="leave the books in place, so that the next run need not write them again "
        "(1,000,000 items: about 4 minutes and 2 GB); the small base database they are "
        "copied from always stays",
    )
    parser.add_argument(
        "--no-peer",
        action="store_true",
        help="without the OCA addons, nothing is fetched",
    )
    parser.add_argument(
        "--peer-max",
        type=int,
        default=100_000,
        help="largest book the peers are run on (default 100000; 1000000 takes long "
        "and many GB of memory)",
    )
    parser.add_argument(
        "--explain",
        action="store_true",
        help="print the plans of all statements of one run each (PostgreSQL superuser)",
    )
    options = parser.parse_args()
    if options.repeat < 1:
        parser.error("--repeat must be at least 1")
    return options


def parse_sizes(text):
    sizes = sorted({int(part) for part in text.replace("_", "").split(",")})
    if sizes[0] < 1000:
        raise argparse.ArgumentTypeError("books have at least 1000 items")
    return sizes


if __name__ == "__main__":
    main()
