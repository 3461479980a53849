"""One reimbursement run by one worker and by two: real processes, real commits.

A worker is a fork of this process with connections of its own, as Odoo's workers are.
The runs take turns and each has customers of its own, in a copy of the books that is
dropped afterwards.
"""

import statistics
import sys
import time
from pathlib import Path

import open_credits
from common import AtMost, Wrong
from databases import say
from reimburse import ReimburseBench

from odoo import Command, api, sql_db
from odoo.modules.registry import Registry

sys.path.append(str(Path(__file__).resolve().parent.parent / "scripts"))

from odoo_processes import Process  # noqa: E402

SHARE_LIMIT = AtMost(0.65)
# Each run has this many customers, in so many batches: with fewer of them the workers
# that start together also wait for one another at the start.
BATCH_SIZE = 40
BATCHES = 6
RUNS = open_credits.WITH_VENDOR // (BATCH_SIZE * BATCHES)


def run(databases, options, report):
    """Print how long two workers need for a run, and how long one."""
    with databases.books(min(options.sizes), open_credits) as registry:
        bench = ReimburseBench(registry, options, report)
        bench._prepare()
        _measure(databases, bench)


def _measure(databases, bench):
    books = bench.registry.db_name
    name = f"{books}_shared"
    with databases.copy(books, name):
        _warm_up(name, bench.user_id)
        seconds = {1: [], 2: []}
        for number in range(min(2 * bench.repeats, RUNS)):
            workers = 1 + number % 2
            run_id = _start_run(name, bench.user_id, number)
            seconds[workers].append(_time_run(name, run_id, workers))
    bench.report.measure(
        f"{BATCH_SIZE * BATCHES} customers, two workers : one worker",
        statistics.median(seconds[2]),
        statistics.median(seconds[1]),
        SHARE_LIMIT,
    )
    # The least disturbed ones, where others use the machine as well.
    bench.report.measure(
        "the same, the fastest run of each", min(seconds[2]), min(seconds[1])
    )
    shown = {
        workers: ", ".join(f"{value:.1f}" for value in values)
        for workers, values in seconds.items()
    }
    say(f"seconds of one worker: {shown[1]}; of two: {shown[2]}")


def _warm_up(name, user_id):
    """Fill the caches that the workers inherit: Odoo's live long."""
    with Registry(name).cursor() as cr:
        env = api.Environment(cr, user_id, {})
        customers = open_credits.get_customers(env, BATCH_SIZE)
        _create_wizard(env, customers).action_reimburse()
        cr.rollback()


def _start_run(name, user_id, number):
    """Return the id of a run over the next customers."""
    count = BATCH_SIZE * BATCHES
    with Registry(name).cursor() as cr:
        env = api.Environment(cr, user_id, {})
        customers = open_credits.get_customers(env, count * (number + 1))
        return _create_wizard(env, customers[-count:])._create_run().id


def _create_wizard(env, customers):
    wizard = env["collections.reimbursement.wizard"].create(
        {"partner_ids": [Command.set(customers.ids)]}
    )
    wizard.action_preview()
    return wizard


def _time_run(name, run_id, workers):
    sql_db.close_all()
    start = time.perf_counter()
    processes = [Process(name, _work, run_id) for _worker in range(workers)]
    for process in processes:
        process.get_result(timeout=1800)
    seconds = time.perf_counter() - start
    with Registry(name).cursor() as cr:
        run = api.Environment(cr, api.SUPERUSER_ID, {})[
            "collections.reimbursement.run"
        ].browse(run_id)
        if (run.state, run.reimbursed_count) != ("done", BATCH_SIZE * BATCHES):
            raise Wrong(f"Run {run_id} is {run.state}, {run.reimbursed_count} are done")
    return seconds


def _work(name, run_id):
    """Work on a run as the scheduler does."""
    with Registry(name).cursor() as cr:
        env = api.Environment(cr, api.SUPERUSER_ID, {})
        env["collections.reimbursement.run"].browse(run_id)._work(BATCH_SIZE)
