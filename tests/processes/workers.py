"""Several Odoo workers at once, and killed ones, on a database of their own.

Run by `./dev test workers`. The processes are real, and so are their connections to
PostgreSQL and their commits: nothing here is rolled back at the end of a test, every
test has customers of its own.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time

import books
import psycopg2
import pytest
from odoo_processes import Process, call, kill_at, pause_at

from odoo import SUPERUSER_ID, api, fields, sql_db
from odoo.modules.registry import Registry
from odoo.tools import config

DATABASE = os.environ["WORKERS_DB"]
BUSY = "Somebody else is booking on the same items"

RUN_CRON = "credit_collections.ir_cron_collections_reimbursement"
MAIL_CRON = "credit_collections.ir_cron_collections_mailing"

# More than one batch of the scheduler.
HOSTS_CUSTOMERS = 60

# A blocked process shows that it waits within this time.
BLOCKED_SECONDS = 3


@pytest.fixture(scope="session", autouse=True)
def company():
    """Load Odoo once: the processes are forks of this one."""
    config.parse_config(
        ["-c", os.environ["ODOO_RC"], "--log-level=critical"], setup_logging=True
    )
    Registry(DATABASE)
    call(DATABASE, books.set_up)
    yield
    sql_db.close_all()


@pytest.fixture(autouse=True)
def sound_books():
    """Whatever a test did, the books are sound afterwards."""
    yield
    assert call(DATABASE, books.find_problems) == []


def on_books(function, *args):
    """Call a function of the books in this process, and commit."""
    try:
        return call(DATABASE, function, *args)
    finally:
        sql_db.close_all()


def read(function, *args):
    """Call a function with an environment, and roll back."""
    with contextlib.closing(Registry(DATABASE).cursor()) as cr:
        return function(api.Environment(cr, SUPERUSER_ID, {}), *args)


# === WHAT PEOPLE DO, EACH IN A TRANSACTION OF ITS OWN === #


def write_off(env, item_id):
    wizard = (
        env["collections.writeoff.wizard"]
        .with_context(active_model="account.move.line", active_ids=[item_id])
        .create({})
    )
    wizard.action_write_off()
    return wizard.move_ids.ids


def settle(env, item_ids):
    wizard = (
        env["collections.settlement.wizard"]
        .with_context(active_model="account.move.line", active_ids=item_ids)
        .create({})
    )
    wizard.action_settle()
    return True


def return_payment(env, payment_id):
    wizard = (
        env["collections.nsf.wizard"]
        .with_context(active_model="account.payment", active_ids=[payment_id])
        .create({"charge_fee": False})
    )
    wizard.action_process()
    return True


def reimburse(env, partner_ids):
    wizard = env["collections.reimbursement.wizard"].create(
        {"partner_ids": [(6, 0, partner_ids)]}
    )
    wizard.action_reimburse()
    return wizard.run_id.id


def queue_reimbursements(env, partner_ids):
    """Return the id of a run that waits for the scheduler."""
    wizard = env["collections.reimbursement.wizard"].create(
        {"partner_ids": [(6, 0, partner_ids)]}
    )
    wizard.action_preview()
    run = wizard._create_run()
    run._queue()
    return run.id


def queue_mailing(env, partner_ids):
    """Return the id of a mailing that waits for the scheduler."""
    partners = env["res.partner"].browse(partner_ids)
    template = env.company._get_collections_template("collections")
    composer = (
        env["mail.compose.message"]
        .with_user(env.ref("base.user_admin"))
        .with_context(
            active_model="res.partner",
            active_ids=partner_ids,
            default_model="res.partner",
            default_res_ids=partner_ids,
            default_composition_mode="mass_mail",
            default_template_id=template.id,
        )
        .create({})
    )
    mailing = env["collections.mailing"]._create_from_composer(composer, partners)
    mailing._start_workers(len(partners), 1)
    return mailing.id


def run_snapshot(env):
    snapshot = env["collections.aging.snapshot"].create(
        {"company_id": env.company.id, "date": fields.Date.today()}
    )
    snapshot.action_run()
    return snapshot.id


# === WHAT WORKERS DO === #


def run_cron(database, xmlid, batch_size):
    """Run a scheduled action as a worker does, with its locks and its commits."""
    with contextlib.closing(sql_db.db_connect(database).cursor()) as cr:
        env = api.Environment(cr, SUPERUSER_ID, {})
        action = env.ref(xmlid)
        model = action.model_id.model
        method = env[model]._batch_method
        job_id = action.id
    cls = Registry(database)[model]
    plain = getattr(cls, method)
    setattr(cls, method, lambda records: plain(records, batch_size))
    IrCron = Registry(database)["ir.cron"]
    with contextlib.closing(sql_db.db_connect(database).cursor()) as cron_cr:
        job = IrCron._acquire_one_job(cron_cr, job_id, include_not_ready=True)
        if not job:
            return "taken"
        IrCron._process_job(cron_cr, job)
        cron_cr.commit()
    return "done"


def count_commits(_child, count, _cursor):
    run_cron.commits = count


def run_cron_counting(database, xmlid, batch_size):
    run_cron(database, xmlid, batch_size)
    return run_cron.commits


def get_run(env, run_id):
    run = env["collections.reimbursement.run"].browse(run_id)
    return run.state, run.waiting_count, run.reimbursed_count, run.failed_count


def get_reimbursed(env, partner_ids):
    return [
        env["collections.reimbursement"].search_count([("partner_id", "=", partner_id)])
        for partner_id in partner_ids
    ]


def get_mails(env, mailing_id):
    """Return how many e-mails each customer of a mailing gets, and the open lines."""
    mailing = env["collections.mailing"].browse(mailing_id)
    mails = env["mail.mail"].search(
        [("collections_mailing_line_id", "in", mailing.line_ids.ids)]
    )
    line_ids = mails.mapped(lambda mail: mail.collections_mailing_line_id.id)
    counts = [line_ids.count(line_id) for line_id in mailing.line_ids.ids]
    pending = len(mailing.line_ids.filtered(lambda line: line.state == "pending"))
    return counts, pending, mailing.failed_count


# === TWO AT ONCE === #


def race(first, second, blocks=None):
    """Run two calls at once: the second begins while the first is about to commit.

    :param first: a function and its arguments
    :param second: the same
    :return: the outcomes of both
    """
    one = Process(DATABASE, call, *first, at_commit=pause_at(1))
    one.wait_until_paused()
    two = Process(DATABASE, call, *second)
    waits = two.is_waiting(BLOCKED_SECONDS)
    one.go_on()
    outcomes = one.get_outcome(), two.get_outcome()
    if blocks is not None:
        assert waits is blocks
    return outcomes


def assert_told(outcome, *texts):
    """Assert that somebody lost with a message that a person understands."""
    kind, value = outcome
    assert kind == "error", f"Both won: {value}"
    name, text, trace = value
    assert name == "UserError", trace
    assert any(part in text for part in texts), text


def test_two_writeoffs_of_the_same_item():
    partner_id, item_id = on_books(books.create_debit, "Twice")
    one, two = race((write_off, item_id), (write_off, item_id))
    assert one[0] == "result"
    assert_told(two, BUSY, "open")
    assert read(books.get_open, [partner_id]) == [0.0]
    # ... nor a moment later.
    again = Process(DATABASE, call, write_off, item_id).get_outcome()
    assert_told(again, "open", "settled", "closed")


@pytest.mark.parametrize("first", ["settle", "write off"])
def test_settlement_against_writeoff(first):
    partner_id, item_id = on_books(books.create_debit, f"Settled {first}")
    _payment_id, payment_item_id = on_books(
        books.create_payment, partner_id, books.DEBIT
    )
    calls = [(settle, [item_id, payment_item_id]), (write_off, item_id)]
    if first == "write off":
        calls.reverse()
    one, two = race(*calls)
    assert one[0] == "result", one
    assert_told(two, BUSY, "open", "settled", "match")
    left = 0.0 if first == "settle" else -books.DEBIT
    assert read(books.get_open, [partner_id]) == [left]


@pytest.mark.parametrize("first", ["settle", "return"])
def test_returned_payment_against_settlement(first):
    partner_id, item_id = on_books(books.create_debit, f"Returned {first}")
    payment_id, payment_item_id = on_books(
        books.create_payment, partner_id, books.DEBIT
    )
    calls = [(settle, [item_id, payment_item_id]), (return_payment, payment_id)]
    if first == "return":
        calls.reverse()
    one, two = race(*calls)
    assert one[0] == "result", one
    assert two[0] == "result" or two[1][0] == "UserError", two
    if first == "return":
        assert_told(two, BUSY, "open", "settled", "match", "returned")
    if first == "settle" and two[0] == "error":
        assert_told(two, BUSY)
        assert read(books.get_open, [partner_id]) == [0.0]
    else:
        # The invoice is open again, and the payment is used up by its return.
        assert read(books.get_open, [partner_id]) == [books.DEBIT]


def test_two_reimbursements_of_the_same_customers():
    partner_ids = on_books(books.create_credits, "Both", 3)
    one, two = race((reimburse, partner_ids), (reimburse, partner_ids))
    assert one[0] == "result", one
    assert_told(two, BUSY, "credit")
    assert read(books.get_open, partner_ids) == [0.0] * 3
    assert read(get_reimbursed, partner_ids) == [1] * 3


def test_two_runs_over_the_same_customers():
    partner_ids = on_books(books.create_credits, "Runs", 4)
    runs = [on_books(queue_reimbursements, partner_ids) for _run in range(2)]
    workers = [
        Process(DATABASE, run_cron, cron, 2) for cron in (RUN_CRON, f"{RUN_CRON}_2")
    ]
    assert [worker.get_result() for worker in workers] == ["done", "done"]
    # A worker that was in nobody's way any more does what is left.
    assert Process(DATABASE, run_cron, RUN_CRON, 2).get_result() == "done"
    states = [read(get_run, run_id) for run_id in runs]
    assert [state[0] for state in states] == ["done", "done"]
    assert sum(state[2] for state in states) == 4
    assert read(books.get_open, partner_ids) == [0.0] * 4
    assert read(get_reimbursed, partner_ids) == [1] * 4


def test_one_scheduled_action_in_two_workers():
    """Odoo lets one worker have it; the other goes on with something else."""
    partner_ids = on_books(books.create_credits, "Same", 2)
    run_id = on_books(queue_reimbursements, partner_ids)
    one = Process(DATABASE, run_cron, RUN_CRON, 1, at_commit=pause_at(3))
    one.wait_until_paused()
    assert Process(DATABASE, run_cron, RUN_CRON, 1).get_result() == "taken"
    one.go_on()
    one.kill()
    assert Process(DATABASE, run_cron, RUN_CRON, 1).get_result() == "done"
    assert read(get_run, run_id) == ("done", 0, 2, 0)
    assert read(get_reimbursed, partner_ids) == [1] * 2


def test_two_workers_share_a_run():
    partner_ids = on_books(books.create_credits, "Shared", 6)
    run_id = on_books(queue_reimbursements, partner_ids)
    one = Process(DATABASE, run_cron, RUN_CRON, 1, at_commit=pause_before_batch())
    one.wait_until_paused()
    # The first worker holds a customer and the numbers of its entries; what the second
    # one does before it needs numbers does not wait.
    two = Process(DATABASE, run_cron, f"{RUN_CRON}_2", 2)
    assert two.is_waiting(BLOCKED_SECONDS)
    assert read(get_run, run_id)[0] == "running"
    one.go_on()
    assert [one.get_result(), two.get_result()] == ["done", "done"]
    assert read(get_run, run_id) == ("done", 0, 6, 0)
    assert read(get_reimbursed, partner_ids) == [1] * 6
    assert read(books.get_open, partner_ids) == [0.0] * 6


def pause_before_batch():
    """Return what pauses a worker before it commits its first batch."""
    counts = []

    def at_commit(child, _count, cursor):
        cursor.execute("SELECT COUNT(*) FROM collections_reimbursement")
        counts.append(cursor.fetchone()[0])
        if counts[-1] > counts[0] and counts[-2] == counts[0]:
            child.pause()

    return at_commit


def test_two_workers_share_a_mailing():
    partner_ids = on_books(books.create_customers, "Letters", 6)
    on_books(books.create_documents, partner_ids, "out_invoice", books.DEBIT)
    mailing_id = on_books(queue_mailing, partner_ids)
    workers = [
        Process(DATABASE, run_cron, cron, 1) for cron in (MAIL_CRON, f"{MAIL_CRON}_2")
    ]
    assert [worker.get_result() for worker in workers] == ["done", "done"]
    assert read(get_mails, mailing_id) == ([1] * 6, 0, 0)


def test_snapshot_while_somebody_posts():
    partner_ids = on_books(books.create_customers, "Aged", 1)
    posting = Process(
        DATABASE,
        call,
        books.create_documents,
        partner_ids,
        "out_invoice",
        books.DEBIT,
        at_commit=pause_at(1),
    )
    posting.wait_until_paused()
    before = Process(DATABASE, call, run_snapshot).get_result()
    posting.go_on()
    posting.get_result()
    after = Process(DATABASE, call, run_snapshot).get_result()

    def get_figures(env):
        Snapshot = env["collections.aging.snapshot"]
        Balance = env["collections.aging.balance"]
        return [
            (
                Snapshot.browse(snapshot_id).ledger_difference,
                sum(
                    Balance.search(
                        [
                            ("snapshot_id", "=", snapshot_id),
                            ("partner_id", "in", partner_ids),
                        ]
                    ).mapped("amount_due")
                ),
            )
            for snapshot_id in (before, after)
        ]

    assert read(get_figures) == [(0.0, 0.0), (0.0, books.DEBIT)]


def test_two_snapshots():
    one, two = race((run_snapshot,), (run_snapshot,))
    assert one[0] == "result", one
    if two[0] == "error":
        assert two[1][0] == "UserError", two

    def get_current(env):
        env.cr.execute(
            "SELECT COUNT(*) FROM collections_aging_balance WHERE is_current"
            " GROUP BY company_id, definition_id, partner_id HAVING COUNT(*) > 1"
        )
        return env.cr.fetchall()

    assert read(get_current) == []


def test_two_hosts():
    """Two servers with the scheduler only, as on two hosts over one database."""
    partner_ids = on_books(books.create_credits, "Hosts", HOSTS_CUSTOMERS)
    run_id = on_books(queue_reimbursements, partner_ids)
    servers = [
        subprocess.Popen(
            [
                sys.executable,
                os.environ["ODOO_BIN"],
                "-c",
                os.environ["ODOO_RC"],
                "-d",
                DATABASE,
                "--no-http",
                "--max-cron-threads=1",
                "--log-level=error",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for _host in range(2)
    ]
    try:
        end = time.monotonic() + 300
        while read(get_run, run_id)[0] != "done" and time.monotonic() < end:
            # As starting work does, once they are there to hear it.
            read(lambda env: env["ir.cron"]._notifydb())
            time.sleep(2)
    finally:
        for server in servers:
            server.send_signal(signal.SIGTERM)
        errors = [server.communicate(timeout=60)[1].decode() for server in servers]
    assert read(get_run, run_id) == ("done", 0, HOSTS_CUSTOMERS, 0), errors
    assert read(get_reimbursed, partner_ids) == [1] * HOSTS_CUSTOMERS
    assert [error for error in errors if " ERROR " in error] == []


# === KILLED IN THE MIDDLE === #


def test_reimbursements_killed_at_each_commit():
    counted = on_books(books.create_credits, "Counted", 4)
    on_books(queue_reimbursements, counted)
    commits = Process(
        DATABASE, run_cron_counting, RUN_CRON, 2, at_commit=count_commits
    ).get_result()
    # At least: the beginning, two batches, and the end.
    assert commits > 4
    for number in range(1, commits + 1):
        partner_ids = on_books(books.create_credits, f"Killed {number}", 4)
        run_id = on_books(queue_reimbursements, partner_ids)
        worker = Process(DATABASE, run_cron, RUN_CRON, 2, at_commit=kill_at(number))
        assert worker.wait(), f"It was not killed at commit {number}"
        # Nothing is half done.
        assert read(books.find_problems) == []
        done = read(get_reimbursed, partner_ids)
        assert set(done) <= {0, 1}
        assert read(books.get_open, partner_ids) == [
            0.0 if count else -books.CREDIT for count in done
        ]
        # The scheduler takes it up again by itself.
        assert number == commits or is_ready(RUN_CRON), number
        assert Process(DATABASE, run_cron, RUN_CRON, 2).get_result() == "done"
        assert read(get_run, run_id) == ("done", 0, 4, 0)
        assert read(get_reimbursed, partner_ids) == [1] * 4
        assert read(books.get_open, partner_ids) == [0.0] * 4


def test_mailing_killed_at_each_commit():
    counted = on_books(books.create_customers, "Heard", 4)
    on_books(books.create_documents, counted, "out_invoice", books.DEBIT)
    on_books(queue_mailing, counted)
    commits = Process(
        DATABASE, run_cron_counting, MAIL_CRON, 2, at_commit=count_commits
    ).get_result()
    assert commits > 3
    for number in range(1, commits + 1):
        partner_ids = on_books(books.create_customers, f"Unheard {number}", 4)
        on_books(books.create_documents, partner_ids, "out_invoice", books.DEBIT)
        mailing_id = on_books(queue_mailing, partner_ids)
        worker = Process(DATABASE, run_cron, MAIL_CRON, 2, at_commit=kill_at(number))
        assert worker.wait(), f"It was not killed at commit {number}"
        counts, pending, failed = read(get_mails, mailing_id)
        assert set(counts) <= {0, 1}
        assert counts.count(0) == pending
        assert not failed
        assert number == commits or is_ready(MAIL_CRON), number
        assert Process(DATABASE, run_cron, MAIL_CRON, 2).get_result() == "done"
        assert read(get_mails, mailing_id) == ([1] * 4, 0, 0)


def test_snapshot_killed():
    """A snapshot is one transaction: killed in it, nothing has happened."""

    def count(env):
        return env["collections.aging.snapshot"].search_count([]), env[
            "collections.aging.balance"
        ].search_count([])

    before = read(count)
    assert Process(DATABASE, call, run_snapshot, at_commit=kill_at(1)).wait()
    assert read(count) == before


def is_ready(xmlid):
    """Tell whether the scheduler would run an action now."""

    def ready(env):
        jobs = type(env["ir.cron"])._get_all_ready_jobs(env.cr)
        return env.ref(xmlid).id in {job["id"] for job in jobs}

    return read(ready)


# === DISK FULL, CONNECTION LOST === #


def test_connection_lost_in_a_batch():
    partner_ids = on_books(books.create_credits, "Lost", 4)
    run_id = on_books(queue_reimbursements, partner_ids)
    worker = Process(DATABASE, run_cron, RUN_CRON, 2, at_commit=pause_before_batch())
    worker.wait_until_paused()

    def terminate(env):
        env.cr.execute(
            """
            SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity
             WHERE datname = current_database()
               AND pid <> pg_backend_pid()
               AND state = 'idle in transaction'
            """
        )
        return env.cr.fetchone()[0]

    assert read(terminate)
    worker.go_on()
    kind, value = worker.get_outcome()
    # The cursor that held the scheduled action is gone as well; Odoo logs it, and asks
    # for work again.
    assert kind == "error", value
    assert value[0] in ("InterfaceError", "OperationalError", "AdminShutdown"), value
    assert read(books.find_problems) == []
    assert read(get_reimbursed, partner_ids) == [0] * 4
    assert is_ready(RUN_CRON)
    assert Process(DATABASE, run_cron, RUN_CRON, 2).get_result() == "done"
    assert read(get_run, run_id) == ("done", 0, 4, 0)
    assert read(get_reimbursed, partner_ids) == [1] * 4


@pytest.mark.parametrize("table", ["account_move", "mail_mail"])
def test_disk_full_in_a_batch(table):
    """PostgreSQL reports a full disk in the second batch, as it does by itself."""
    if table == "account_move":
        cron = RUN_CRON
        partner_ids = on_books(books.create_credits, "Full", 4)
        record_id = on_books(queue_reimbursements, partner_ids)
    else:
        cron = MAIL_CRON
        partner_ids = on_books(books.create_customers, "Crammed", 4)
        on_books(books.create_documents, partner_ids, "out_invoice", books.DEBIT)
        record_id = on_books(queue_mailing, partner_ids)
    with full_disk(table, after=4 if table == "account_move" else 2):
        # The scheduled action fails; Odoo logs why, and runs it again later.
        assert Process(DATABASE, run_cron, cron, 2).get_result() == "done"
    assert read(books.find_problems) == []
    if table == "account_move":
        assert read(get_run, record_id) == ("running", 2, 2, 0)
        assert sorted(read(get_reimbursed, partner_ids)) == [0, 0, 1, 1]
    else:
        counts, pending, failed = read(get_mails, record_id)
        assert (sorted(counts), pending, failed) == ([0, 0, 1, 1], 2, 0)
    assert Process(DATABASE, run_cron, cron, 2).get_result() == "done"
    if table == "account_move":
        assert read(get_run, record_id) == ("done", 0, 4, 0)
        assert read(get_reimbursed, partner_ids) == [1] * 4
    else:
        assert read(get_mails, record_id) == ([1] * 4, 0, 0)


def test_disk_full_when_somebody_writes_off():
    partner_id, item_id = on_books(books.create_debit, "No room")
    with full_disk("account_move", after=0):
        kind, value = Process(DATABASE, call, write_off, item_id).get_outcome()
    assert (kind, value[0]) == ("error", "DiskFull"), value
    assert read(books.get_open, [partner_id]) == [books.DEBIT]
    assert Process(DATABASE, call, write_off, item_id).get_outcome()[0] == "result"
    assert read(books.get_open, [partner_id]) == [0.0]


@contextlib.contextmanager
def full_disk(table, after):
    """Let PostgreSQL refuse rows of a table with its own error for a full disk.

    :param int after: how many rows there is room for
    """
    with administrator() as cr:
        cr.execute(
            f"""
            CREATE SEQUENCE room;
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF nextval('room') > {after} THEN
                    RAISE EXCEPTION 'could not extend file: No space left on device'
                          USING ERRCODE = 'disk_full';
                END IF;
                RETURN NEW;
            END $$;
            CREATE TRIGGER refuse BEFORE INSERT ON {table}
               FOR EACH ROW EXECUTE FUNCTION refuse()
            """
        )
    try:
        yield
    finally:
        with administrator() as cr:
            cr.execute(
                f"DROP TRIGGER refuse ON {table};"
                "DROP FUNCTION refuse; DROP SEQUENCE room"
            )


@contextlib.contextmanager
def administrator():
    """Provide a cursor outside Odoo, committed at once."""
    sql_db.close_all()
    _name, parameters = sql_db.connection_info_for(DATABASE)
    with contextlib.closing(psycopg2.connect(**parameters)) as connection:
        connection.autocommit = True
        with connection.cursor() as cr:
            yield cr
