"""The statements that the two screens need which people look at all day.

A screen is opened as the web client opens it: with the fields of its view, and the
first page of its list. Statements are counted with empty caches.
"""

from common import AtMost, measured
from ledger import LedgerBench
from lxml import etree

from odoo import Command, fields

QUERIES = 20
# Nothing may be asked once per row.
ROWS_LIMIT = AtMost(1)

CUSTOMERS = 100_000
FEWER_CUSTOMERS = 1000
ITEMS = 5000
FEWER_ITEMS = 50
PAGE_ROWS = 80
FEWER_ROWS = 20

LIST = ("collections.aging.balance", "collections_aging_balance_view_list", "list")
PAGE = ("res.partner", "res_partner_view_form_collections_page", "form")
PAGE_ITEMS = (
    "account.move.line",
    "account_move_line_view_list_collections_page",
    "list",
)


class PagesBench(LedgerBench):
    """Opens the screens of many customers, and of a customer with many items."""

    @classmethod
    def run_on_books(cls, databases, options, report):
        """Run on the smallest books: the benchmark adds the rows that matter."""
        with databases.books(min(options.sizes)) as registry:
            cls(registry, options, report).run()

    def run(self):
        """Print a line per measure."""
        with self._rolled_back() as env:
            self.user_id = env.ref("base.user_admin").id
        self._report_list()
        self._report_page()

    def _report_list(self):
        name = f"Aged Balances of {CUSTOMERS:,} customers"
        # The first time, rights and views are read that stay in memory.
        self._open_list(FEWER_CUSTOMERS, FEWER_ROWS)
        many = self._open_list(CUSTOMERS, PAGE_ROWS)
        self._report_queries(
            name,
            many,
            {
                f"{PAGE_ROWS} rows to {FEWER_ROWS}": self._open_list(
                    CUSTOMERS, FEWER_ROWS
                ),
                f"to {FEWER_CUSTOMERS:,} customers": self._open_list(
                    FEWER_CUSTOMERS, PAGE_ROWS
                ),
            },
        )

    def _report_page(self):
        self._open_page(FEWER_ITEMS)
        many = self._open_page(ITEMS)
        self._report_queries(
            f"page of a customer with {ITEMS:,} items",
            many,
            {f"to {FEWER_ITEMS} items": self._open_page(FEWER_ITEMS)},
        )

    def _report_queries(self, name, cost, others):
        self.report.measure(f"{name}: queries", cost.queries, QUERIES, AtMost(1), "")
        for label, other in others.items():
            self.report.measure(
                f"{name}: queries, {label}",
                cost.queries,
                other.queries,
                ROWS_LIMIT,
                "",
            )
        self.report.measure(f"{name}: time", cost.seconds, None)

    # === AGED BALANCES === #

    def _open_list(self, customers, rows):
        """Return what the first page costs.

        :param int customers: how many have a row
        :param int rows: how many are shown
        """
        with self._rolled_back() as env:
            self._write_balances(env, customers)
            spec = get_specification(env, *LIST)
            env = as_web_client(env)
            with measured(env) as cost:
                view = env[LIST[0]].get_aging_view()
                read_list(env, [*view["domain"], ("is_current", "=", True)], spec, rows)
        return cost

    def _write_balances(self, env, count):
        """Run a snapshot, and write rows like its first for as many more customers."""
        snapshot = env["collections.aging.snapshot"].create(
            {"date": fields.Date.today(), "company_id": env.company.id}
        )
        snapshot.action_run()
        row = snapshot.balance_ids.filtered("partner_id")[:1]
        partner_ids = _copy_rows(env, "res_partner", row.partner_id.id, count)
        env.cr.execute(
            "UPDATE res_partner SET commercial_partner_id = id WHERE id = ANY(%s)",
            [partner_ids],
        )
        _copy_rows(
            env, "collections_aging_balance", row.id, count, "partner_id", partner_ids
        )
        env.cr.execute("ANALYZE collections_aging_balance")
        env.cr.execute("ANALYZE res_partner")

    # === THE PAGE OF A CUSTOMER === #

    def _open_page(self, count):
        """Return what opening the page of a customer with open items costs."""
        with self._rolled_back() as env:
            customer = self._create_customer(env, count)
            spec, items_spec = (
                get_specification(env, *view) for view in (PAGE, PAGE_ITEMS)
            )
            env = as_web_client(env)
            with measured(env) as cost:
                customer.with_env(env).web_read(spec)
                env[PAGE_ITEMS[0]].web_search_read(
                    [
                        ("partner_id.commercial_partner_id", "=", customer.id),
                        ("account_type", "=", "asset_receivable"),
                        ("parent_state", "=", "posted"),
                        ("reconciled", "=", False),
                    ],
                    items_spec,
                    limit=40,
                    count_limit=10001,
                )
        return cost

    def _create_customer(self, env, count):
        """Create a customer with open items and an aged balance."""
        customer = env["res.partner"].create({"name": "Benchmark", "is_company": True})
        journal = env["account.journal"].search([("type", "=", "general")], limit=1)
        income = env["account.account"].search(
            [("account_type", "=", "income")], limit=1
        )
        move = env["account.move"].create(
            {
                "move_type": "entry",
                "journal_id": journal.id,
                "line_ids": [
                    Command.create(
                        {
                            "partner_id": customer.id,
                            "account_id": account.id,
                            "balance": balance,
                        }
                    )
                    for account, balance in (
                        (customer.property_account_receivable_id, 10.0),
                        (income, -10.0),
                    )
                ],
            }
        )
        move.action_post()
        env.flush_all()
        item = move.line_ids.filtered(lambda line: line.balance > 0)
        _copy_rows(env, "account_move_line", item.id, count - 1)
        env.cr.execute("ANALYZE account_move_line")
        env["collections.aging.snapshot"].create(
            {"date": fields.Date.today(), "company_id": env.company.id}
        ).action_run()
        return customer


def read_list(env, domain, spec, rows=PAGE_ROWS):
    """Read the first page of Aged Balances as the web client does."""
    env[LIST[0]].web_search_read(domain, spec, limit=rows, count_limit=10001)


def as_web_client(env):
    """Return the environment with the context that the web client always sends."""
    return env(
        context={
            "lang": env.user.lang,
            "tz": "Europe/Brussels",
            "allowed_company_ids": env.company.ids,
        }
    )


def get_specification(env, model, view, kind):
    """Return what the web client reads of a view."""
    view_id = env.ref(f"credit_collections.{view}").id
    arch = env[model].get_view(view_id, kind)["arch"]
    specification = {}
    for node in etree.fromstring(arch).iter("field"):
        field = env[model]._fields[node.get("name")]
        many2one = field.type == "many2one"
        specification[field.name] = {"fields": {"display_name": {}}} if many2one else {}
    return specification


def _copy_rows(env, table, row_id, count, column=None, values=None):
    """Copy a row of a table as often as asked, and return the ids of the copies.

    :param column: the column that differs, None when they are all the same
    :param values: what it holds in each copy
    """
    env.flush_all()
    env.cr.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 "
        "AND NOT attisdropped AND attname <> 'id' AND attgenerated = ''",
        [table],
    )
    names = [name for (name,) in env.cr.fetchall() if name != column]
    columns = ", ".join(f'"{name}"' for name in names)
    into = f"{columns}, {column}" if column else columns
    value = ", copy.value" if column else ""
    env.cr.execute(
        f"INSERT INTO {table} ({into}) SELECT {columns}{value} FROM {table}, "
        "unnest(%s::int[]) AS copy(value) WHERE id = %s RETURNING id",
        [values or list(range(count)), row_id],
    )
    return [new_id for (new_id,) in env.cr.fetchall()]


run = PagesBench.run_on_books
