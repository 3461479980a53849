"""The aging snapshot against plain SQL, and against the OCA aged partner balance.

Plain SQL is the floor: a handwritten statement that adds up the same totals per
customer and inserts as many rows into the same table, and one for the ledger's total.
For a past date there are two ways to write it, and the floor is the faster one.
The OCA report is `account_financial_report` on the same database: computed alone, and
until there is something to read, which is its page there and our list here.

A run of ours also asks for rights, takes a lock and keeps a record of itself. Where all
of it takes a moment anyway, that is more than the totals: the limits allow for it.

On 100,000 items plain SQL itself is 9 times as fast as computing the OCA report for
today and 16 times for six months ago: rows that stay, their foreign keys and the total
of the ledger are most of it. What asks for 10 and 25 times is short there.
"""

from contextlib import closing, contextmanager, nullcontext

from common import AtLeast, AtMost, Wrong, explained, measured, median, size_name
from pages import LIST, as_web_client, get_specification, read_list
from psycopg2.errors import QueryCanceled

from odoo import SUPERUSER_ID, api, fields
from odoo.tools import SQL

FLOOR_LIMIT = AtMost(1.5, seconds=0.05)
PEER_LIMIT_TODAY = AtLeast(10, seconds=0.1)
PEER_LIMIT_PAST = AtLeast(25, seconds=0.1)
GROWTH_LIMIT = AtMost(1.5)
# What takes longer than this is run once.
PATIENCE_SECONDS = 10
# What is short is repeated for a while: other work on the machine disturbs it most.
ENOUGH_SECONDS = 3
ENOUGH_REPEATS = 25
# A single statement that takes longer is stopped, and books of that size are given up.
STATEMENT_SECONDS = 300

PEER_PAGE = "account_financial_report.aged_partner_balance"
PEER_INDEX = "account_move_line_account_id_partner_id_index"

DEFINITION = "Benchmark"
PERIODS = [
    ("Over 90 days", -1, "unlimited", "red"),
    ("61-90 days", -30, "day", "orange"),
    ("31-60 days", -30, "day", "yellow"),
    ("1-30 days", -30, "day", "green"),
    ("Not due", 0, "unlimited", "none"),
]
# What must be the same in our rows and in those of the floor, to the cent.
COMPARED = [
    "partner_id",
    "amount_due",
    "amount_overdue",
    "amount_credit",
    *(f"amount_{position}" for position in range(1, len(PERIODS) + 1)),
    "indicator",
    "days_overdue",
    "oldest_due_date",
    "open_item_count",
]


def run(databases, options, report):
    """Run the benchmark for all sizes."""
    results = {}
    for size in options.sizes:
        with databases.books(size) as registry:
            try:
                results[size] = AgingBench(registry, size, options, report).run()
            except QueryCanceled:
                report.give_up(
                    f"{size_name(size)}: a statement took over {STATEMENT_SECONDS} s"
                )
    _report_growth(results, report)


def _report_growth(results, report):
    """Judge how time and statements change with the size of the books."""
    if len(results) < 2:
        return
    smallest, *_others, before, largest = [min(results), *sorted(results)]
    for label in results[largest]:
        report.measure(
            f"{label}: time per item, {size_name(largest)} to {size_name(before)}",
            results[largest][label].seconds / largest * 1e6,
            results[before][label].seconds / before * 1e6,
            GROWTH_LIMIT,
            "us",
        )
    for label in results[largest]:
        report.measure(
            f"{label}: queries, {size_name(largest)} to {size_name(smallest)}",
            results[largest][label].queries,
            results[smallest][label].queries,
            AtMost(1),
            "",
        )


class AgingBench:
    """Measures the snapshot on the books of one size."""

    def __init__(self, registry, size, options, report):
        self.registry = registry
        self.size = size
        self.options = options
        self.report = report
        self.has_peer = "aged.partner.balance.report.wizard" in registry
        today = fields.Date.today()
        self.dates = {
            "today": today,
            "6 months ago": fields.Date.subtract(today, months=6),
            "2 years ago": fields.Date.subtract(today, years=2),
        }
        self.totals = {}

    def run(self):
        """Print a line per measure.

        :return: the costs of our runs by label
        """
        self._prepare_definition()
        # The peer brings an index on journal items. We run without it, then with it.
        self._drop_peer_index()
        ours = {}
        for label, date in self.dates.items():
            self._check_same(date)
            ours[label] = self._race_floor(label, date)
        ours["daily run"] = self._race_floor(
            "daily run", self.dates["today"], daily=True
        )
        if self._is_for_peer():
            self._create_peer_index()
            self._race_floor("today, with the peer's index", self.dates["today"])
        for label, date in self.dates.items():
            self._race_peer(label, date, ours[label])
        return ours

    def _is_for_peer(self):
        return self.has_peer and not self.options.no_peer

    # === OURS AND THE FLOOR === #

    def _race_floor(self, label, date, daily=False):
        """Run both in turn and judge the medians."""
        way = self._choose_way(date)
        ours, floor = [], []
        while not self._is_enough(ours):
            explain = not ours
            with self._rolled_back() as env:
                ours.append(self._run_ours(env, date, daily, explain))
            with self._rolled_back() as env:
                floor.append(self._run_floor(env, date, way, daily, explain))
        # The first one warmed up, and may have been explained.
        ours, floor = median(ours[1:] or ours), median(floor[1:] or floor)
        self.report.measure(
            f"{size_name(self.size)} {label}: snapshot to plain SQL",
            ours.seconds,
            floor.seconds,
            FLOOR_LIMIT,
        )
        return ours

    def _is_enough(self, costs):
        """Tell whether there are enough runs, the first one not counted."""
        seconds = sum(cost.seconds for cost in costs)
        if seconds > PATIENCE_SECONDS and len(costs) == 1:
            return True
        if len(costs) <= self.options.repeat:
            return False
        return seconds > ENOUGH_SECONDS or len(costs) > ENOUGH_REPEATS

    def _run_ours(self, env, date, daily=False, explain=False):
        if daily:
            self._create_snapshot(env, fields.Date.subtract(date, days=1)).action_run()
        snapshot = self._create_snapshot(env, date)
        with self._explained(env, f"snapshot {date}", explain), measured(env) as cost:
            snapshot.action_run()
        return cost

    def _choose_way(self, date):
        """Return the way to write the floor that is faster for the date."""
        seconds = {}
        for way in Floor.get_ways(date) * 2:  # the first time warms up
            with self._rolled_back() as env:
                seconds[way] = self._run_floor(env, date, way).seconds
        return min(seconds, key=seconds.get)

    def _run_floor(self, env, date, way, daily=False, explain=False):
        if daily:
            yesterday = fields.Date.subtract(date, days=1)
            self._create_snapshot(env, yesterday).action_run()
        floor = Floor(self._create_snapshot(env, date))
        # As ours does: compiling such a statement takes longer than running it.
        env.cr.execute("SET LOCAL jit = off")
        with self._explained(env, f"plain SQL {date}", explain), measured(env) as cost:
            if daily:
                env.cr.execute(floor.get_supersede())
            env.cr.execute(floor.get_insert(way))
            env.cr.execute(floor.get_ledger_total())
            env.cr.fetchone()
        return cost

    def _check_same(self, date):
        """Raise unless our rows and totals are those of the floor."""
        with self._rolled_back() as env:
            snapshot = self._create_snapshot(env, date)
            snapshot.action_run()
            for way in Floor.get_ways(date):
                other = self._create_snapshot(env, date)
                env.cr.execute(Floor(other, is_current=False).get_insert(way))
                self._check_only_in(snapshot, other, "our snapshot")
                self._check_only_in(other, snapshot, f"the floor, {way},")
            env.cr.execute(Floor(snapshot).get_ledger_total())
            (ledger_total,) = env.cr.fetchone()
            currency = snapshot.company_id.currency_id
            for total in (snapshot.ledger_total, snapshot.amount_total):
                if currency.compare_amounts(total, ledger_total):
                    raise Wrong(f"{date}: {total} is not the ledger's {ledger_total}")
            if snapshot.ledger_difference:
                raise Wrong(f"{date}: the snapshot does not tie out to the ledger")
            self.totals[date] = snapshot.amount_total

    def _check_only_in(self, snapshot, other, side):
        snapshot.env.cr.execute(
            SQL(
                """
                SELECT %(columns)s FROM collections_aging_balance
                 WHERE snapshot_id = %(snapshot)s
                EXCEPT ALL
                SELECT %(columns)s FROM collections_aging_balance
                 WHERE snapshot_id = %(other)s
                 LIMIT 3
                """,
                columns=SQL(", ").join(map(SQL.identifier, COMPARED)),
                snapshot=snapshot.id,
                other=other.id,
            )
        )
        rows = snapshot.env.cr.fetchall()
        if rows:
            raise Wrong(f"{snapshot.date}: only {side} has these rows: {rows}")

    # === THE PEER === #

    def _race_peer(self, label, date, ours):
        """Run the OCA report and ours in turn and judge the medians.

        :param ours: our cost alone, shown where the peer is not run
        """
        name = f"{size_name(self.size)} {label}: snapshot to OCA aged partner balance"
        limit = PEER_LIMIT_TODAY if label == "today" else PEER_LIMIT_PAST
        if not self._is_for_peer() or self.size > self.options.peer_max:
            self.report.measure(name, ours.seconds, None, limit)
            self._report_means(label, ours, None)
            return
        ours, peer = [], []
        for _repeat in range(min(self.options.repeat, 3)):
            with self._rolled_back() as env:
                ours.append(self._run_ours(env, date))
            with self._rolled_back() as env:
                peer.append(self._run_peer(env, date))
        # The first run shows what memory it takes; later ones find it in the process.
        highest = peer[0].megabytes
        ours, peer = median(ours), median(peer)
        peer.megabytes = highest
        self.report.measure(name, ours.seconds, peer.seconds, limit)
        self._report_means(label, ours, peer)
        self._report_on_screen(label, date)

    def _report_on_screen(self, label, date):
        """Show what both take until there is something to read.

        The first time, each side also reads rights and templates that stay in memory.
        """
        self.registry.clear_all_caches()
        ours, peer = [], []
        for _repeat in range(1 + min(self.options.repeat, 3)):
            ours.append(self._show_ours(date))
            peer.append(self._show_peer(date))
        name = f"{size_name(self.size)} {label}: the same, until it can be read"
        for when, times in ((", the first time", slice(1)), ("", slice(1, None))):
            self.report.measure(
                name + when,
                median(ours[times]).seconds,
                median(peer[times]).seconds,
                PEER_LIMIT_TODAY,
            )

    def _show_ours(self, date):
        with self._rolled_back() as env:
            spec = get_specification(env, *LIST)
            snapshot = self._create_snapshot(env, date)
            with measured(env) as cost:
                snapshot.action_run()
                domain = [("snapshot_id", "=", snapshot.id)]
                read_list(as_web_client(env), domain, spec)
        return cost

    def _show_peer(self, date):
        with self._rolled_back() as env:
            wizard = self._create_peer_wizard(env, date)
            data = self._prepare_peer_data(wizard)
            Report = env["ir.actions.report"]
            with measured(env) as cost:
                Report._render_qweb_html(PEER_PAGE, wizard.ids, data=data)
        return cost

    def _report_means(self, label, ours, peer):
        name = f"{size_name(self.size)} {label}"
        queries = peer and peer.queries
        self.report.measure(f"{name}: queries", ours.queries, queries, unit="")
        megabytes = peer and peer.megabytes
        self.report.measure(
            f"{name}: memory growth", ours.megabytes, megabytes, unit="MB"
        )

    def _create_peer_wizard(self, env, date):
        accounts = _get_receivable_accounts(env)
        return env["aged.partner.balance.report.wizard"].create(
            {
                "date_at": date,
                "account_ids": [fields.Command.set(accounts.ids)],
                "partner_ids": [],
                "show_move_line_details": False,
                "age_partner_config_id": False,
            }
        )

    def _prepare_peer_data(self, wizard):
        data = wizard._prepare_report_data()
        return {**data, "date_at": str(data["date_at"])}

    def _run_peer(self, env, date):
        wizard = self._create_peer_wizard(env, date)
        report = env[f"report.{PEER_PAGE}"]
        with measured(env) as cost:
            data = self._prepare_peer_data(wizard)
            values = report._get_report_values(wizard.ids, data)
        total = sum(account["residual"] for account in values["aged_partner_balance"])
        if env.company.currency_id.compare_amounts(total, self.totals[date]):
            raise Wrong(
                f"As of {date}, the OCA report adds up to {total:.2f}, we to "
                f"{self.totals[date]:.2f}"
            )
        return cost

    def _drop_peer_index(self):
        with self.registry.cursor() as cr:
            cr.execute(f"DROP INDEX IF EXISTS {PEER_INDEX}")

    def _create_peer_index(self):
        with self.registry.cursor() as cr:
            cr.execute(
                f"CREATE INDEX IF NOT EXISTS {PEER_INDEX} "
                "ON account_move_line (account_id, partner_id)"
            )

    # === SET-UP === #

    @contextmanager
    def _rolled_back(self):
        """Provide the environment of a transaction that leaves nothing behind."""
        with closing(self.registry.cursor()) as cr:
            cr.execute(f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'")
            yield api.Environment(cr, SUPERUSER_ID, {})

    def _explained(self, env, what, wanted):
        if wanted and self.options.explain:
            return explained(env.cr, f"{size_name(self.size)} {what}")
        return nullcontext()

    def _prepare_definition(self):
        with self.registry.cursor() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            Definition = env["collections.aging.definition"]
            definition = Definition.search([("name", "=", DEFINITION)])
            if not definition:
                definition = Definition.create(
                    {
                        "name": DEFINITION,
                        "period_ids": [
                            fields.Command.clear(),
                            *(
                                fields.Command.create(
                                    {
                                        "sequence": position,
                                        "name": name,
                                        "unit": unit,
                                        "interval": interval,
                                        "indicator": indicator,
                                    }
                                )
                                for position, (
                                    name,
                                    unit,
                                    interval,
                                    indicator,
                                ) in enumerate(PERIODS, start=1)
                            ),
                        ],
                    }
                )
            self.definition_id = definition.id

    def _create_snapshot(self, env, date):
        return env["collections.aging.snapshot"].create(
            {
                "company_id": env.company.id,
                "definition_id": self.definition_id,
                "date": date,
            }
        )


class Floor:
    """The statements that somebody would write who needs these totals once, by hand.

    Open on a day is what is open now plus what was matched later ("back"), or what was
    booked until then less what was matched until then ("forward"): the one reads little
    for a recent day, the other for a day long ago. It knows nothing of pools, branches,
    drafts, disputes or payments.
    """

    def __init__(self, snapshot, is_current=True):
        self.date = snapshot.date
        self.ranges = snapshot.definition_id.get_period_ranges(snapshot.date)
        self.parameters = {
            "snapshot": snapshot.id,
            "definition": snapshot.definition_id.id,
            "company": snapshot.company_id.id,
            "currency": snapshot.currency_id.id,
            "accounts": tuple(_get_receivable_accounts(snapshot.env).ids),
            "date": snapshot.date,
            "is_current": is_current,
        }
        self.indicators = {
            period.id: period.indicator for period in snapshot.definition_id.period_ids
        }

    @staticmethod
    def get_ways(date):
        """Return the ways to write the statement for the date."""
        return ["now"] if date >= fields.Date.today() else ["back", "forward"]

    def get_supersede(self):
        return SQL(
            """
            UPDATE collections_aging_balance SET is_current = FALSE
             WHERE is_current AND company_id = %(company)s
               AND definition_id = %(definition)s
            """,
            **self.parameters,
        )

    def get_ledger_total(self):
        return SQL(
            """
            SELECT SUM(l.balance)
              FROM account_move_line l
             WHERE l.account_id IN %(accounts)s AND l.company_id = %(company)s
               AND l.parent_state = 'posted' AND l.date <= %(date)s
            """,
            **self.parameters,
        )

    def get_insert(self, way):
        amounts = SQL(", ").join(
            SQL(
                "COALESCE(SUM(residual) FILTER (WHERE %s), 0) AS %s",
                self._get_condition(period, SQL("due")),
                SQL.identifier(period["column"]),
            )
            for period in self.ranges
        )
        used = [period["column"] for period in self.ranges]
        unused = [f"amount_{position}" for position in range(len(used) + 1, 13)]
        return SQL(
            """
            INSERT INTO collections_aging_balance (
                   snapshot_id, definition_id, company_id, currency_id, date,
                   is_current, partner_id, amount_due, amount_overdue, amount_credit,
                   indicator, days_overdue, oldest_due_date, open_item_count,
                   disputed_count, amount_disputed, amount_promised, credit_limit,
                   %(used)s, %(unused)s)
            SELECT %(snapshot)s, %(definition)s, %(company)s, %(currency)s, %(date)s,
                   %(is_current)s, partner_id, amount_due, amount_overdue,
                   amount_credit, %(indicator)s,
                   COALESCE(%(date)s::date - oldest_overdue, 0), oldest_due,
                   open_item_count, 0, 0, 0, 0, %(used)s, %(zeros)s
              FROM (SELECT p.commercial_partner_id AS partner_id,
                           SUM(residual) AS amount_due,
                           COALESCE(SUM(residual) FILTER (WHERE residual > 0
                               AND residual_currency <> 0 AND due < %(date)s), 0)
                           AS amount_overdue,
                           COALESCE(SUM(residual) FILTER (WHERE residual < 0), 0)
                           AS amount_credit,
                           MIN(due) FILTER (WHERE residual > 0
                               AND residual_currency <> 0 AND due < %(date)s)
                           AS oldest_overdue,
                           MIN(due) FILTER (WHERE residual > 0
                               AND residual_currency <> 0) AS oldest_due,
                           COUNT(*) FILTER (WHERE residual_currency <> 0)
                           AS open_item_count,
                           %(amounts)s
                      FROM (%(items)s) items
                      LEFT JOIN res_partner p ON p.id = items.partner_id
                     GROUP BY p.commercial_partner_id) totals
            """,
            **self.parameters,
            used=SQL(", ").join(map(SQL.identifier, used)),
            unused=SQL(", ").join(map(SQL.identifier, unused)),
            zeros=SQL(", ").join([SQL("0")] * len(unused)),
            indicator=self._get_indicator(),
            amounts=amounts,
            items=getattr(self, f"_get_items_{way}")(),
        )

    def _get_items_now(self):
        return SQL(
            """
            SELECT l.partner_id, COALESCE(l.date_maturity, l.date) AS due,
                   l.amount_residual AS residual,
                   l.amount_residual_currency AS residual_currency
              FROM account_move_line l
             WHERE l.account_id IN %(accounts)s AND l.company_id = %(company)s
               AND l.parent_state = 'posted' AND l.date <= %(date)s
               AND l.reconciled IS NOT TRUE
            """,
            **self.parameters,
        )

    def _get_items_back(self):
        return SQL(
            """
            WITH later AS (
                SELECT line_id, SUM(amount) AS amount, SUM(currency) AS currency
                  FROM (SELECT debit_move_id AS line_id, amount,
                               debit_amount_currency AS currency
                          FROM account_partial_reconcile
                         WHERE max_date > %(date)s
                         UNION ALL
                        SELECT credit_move_id, -amount, -credit_amount_currency
                          FROM account_partial_reconcile
                         WHERE max_date > %(date)s) sides
                 GROUP BY line_id
            )
            SELECT l.partner_id, COALESCE(l.date_maturity, l.date) AS due,
                   l.amount_residual + COALESCE(later.amount, 0) AS residual,
                   l.amount_residual_currency + COALESCE(later.currency, 0)
                   AS residual_currency
              FROM account_move_line l
              LEFT JOIN later ON later.line_id = l.id
             WHERE l.account_id IN %(accounts)s AND l.company_id = %(company)s
               AND l.parent_state = 'posted' AND l.date <= %(date)s
               AND l.reconciled IS NOT TRUE
             UNION ALL
            SELECT l.partner_id, COALESCE(l.date_maturity, l.date), later.amount,
                   later.currency
              FROM later
              JOIN account_move_line l ON l.id = later.line_id
             WHERE l.account_id IN %(accounts)s AND l.company_id = %(company)s
               AND l.parent_state = 'posted' AND l.date <= %(date)s
               AND l.reconciled
            """,
            **self.parameters,
        )

    def _get_items_forward(self):
        return SQL(
            """
            WITH earlier AS (
                SELECT line_id, SUM(amount) AS amount, SUM(currency) AS currency
                  FROM (SELECT debit_move_id AS line_id, amount,
                               debit_amount_currency AS currency
                          FROM account_partial_reconcile
                         WHERE max_date <= %(date)s
                         UNION ALL
                        SELECT credit_move_id, -amount, -credit_amount_currency
                          FROM account_partial_reconcile
                         WHERE max_date <= %(date)s) sides
                 GROUP BY line_id
            ), item AS (
                SELECT l.partner_id, COALESCE(l.date_maturity, l.date) AS due,
                       l.balance - COALESCE(earlier.amount, 0) AS residual,
                       l.amount_currency - COALESCE(earlier.currency, 0)
                       AS residual_currency
                  FROM account_move_line l
                  LEFT JOIN earlier ON earlier.line_id = l.id
                 WHERE l.account_id IN %(accounts)s AND l.company_id = %(company)s
                   AND l.parent_state = 'posted' AND l.date <= %(date)s
            )
            SELECT * FROM item WHERE residual <> 0 OR residual_currency <> 0
            """,
            **self.parameters,
        )

    def _get_indicator(self):
        cases = [
            SQL(
                "WHEN %s THEN %s",
                self._get_condition(period, SQL("oldest_overdue")),
                self.indicators[period["id"]],
            )
            for period in self.ranges
        ]
        return SQL(
            "CASE WHEN oldest_overdue IS NULL THEN 'none' %s END", SQL(" ").join(cases)
        )

    @staticmethod
    def _get_condition(period, column):
        conditions = []
        if period["date_from"]:
            conditions.append(SQL("%s >= %s", column, period["date_from"]))
        if period["date_to"]:
            conditions.append(SQL("%s <= %s", column, period["date_to"]))
        return SQL(" AND ").join(conditions or [SQL("TRUE")])


def _get_receivable_accounts(env):
    return env["account.account"].search([("account_type", "=", "asset_receivable")])
