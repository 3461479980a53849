"""Install, update and uninstall between two looks at the same database.

Runs inside ``odoo shell``, which provides ``env``, once for each value of CHECK_PHASE:
``before``, ``installed``, ``used``, ``updated``, ``uninstall`` and ``after``. What is
to be compared lies as JSON in CHECK_FOLDER. Ends with 1 and says what is wrong: a thing
of the addon left behind, a thing of others lost, the ledger changed by a byte.
"""

import hashlib
import json
import logging
import os
import sys
from pathlib import Path

from odoo import Command, fields
from odoo.tools import SQL

ADDON = "credit_collections"
FOLDER = Path(os.environ["CHECK_FOLDER"])
# What must be the same, by each column that was there before the addon.
LEDGER = [
    "account_account",
    "account_bank_statement_line",
    "account_full_reconcile",
    "account_journal",
    "account_move",
    "account_move_line",
    "account_partial_reconcile",
    "account_payment",
    "account_payment_term",
    "account_tax",
]
# Technical records of any module, by id.
TECHNICAL = ["ir", "res_groups", "mail_template", "mail_activity_type", "mail_alias"]
# Not part of any module: files and assets, what schedulers and the server note down,
# and the list of modules, which is read from the disk.
PASSING = {
    "ir_attachment",
    "ir_cron_progress",
    "ir_cron_trigger",
    "ir_logging",
    "ir_module_module",
    "ir_module_module_dependency",
    "ir_module_module_exclusion",
    "ir_profile",
}
# Columns in which records of any kind name a model.
MODEL_COLUMNS = ["model", "model_id", "model_name", "relation", "res_model", "resource"]
PROBLEMS_SHOWN = 40

CATALOGS = {
    "tables": """
        SELECT relkind::text || ' ' || relname
          FROM pg_class
         WHERE relnamespace = 'public'::regnamespace""",
    "columns": """
        SELECT table_name || '.' || column_name || ' ' || udt_name || ' ' || is_nullable
               || ' ' || COALESCE(column_default, '')
          FROM information_schema.columns
         WHERE table_schema = 'public'""",
    "constraints": """
        SELECT conrelid::regclass::text || ' ' || conname || ' '
               || pg_get_constraintdef(oid)
          FROM pg_constraint
         WHERE connamespace = 'public'::regnamespace""",
    "indexes": "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "functions": """
        SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace""",
    "triggers": """
        SELECT tgrelid::regclass::text || ' ' || tgname
          FROM pg_trigger
         WHERE NOT tgisinternal""",
    "external ids": "SELECT module || '.' || name FROM ir_model_data",
    "fields": "SELECT model || '.' || name || ' ' || ttype FROM ir_model_fields",
    "parameters": "SELECT key FROM ir_config_parameter",
}


def main(env):
    phase = os.environ["CHECK_PHASE"]
    problems = PHASES[phase](env)
    for problem in problems[:PROBLEMS_SHOWN]:
        print(f"{phase}: {problem}")
    if len(problems) > PROBLEMS_SHOWN:
        print(f"{phase}: and {len(problems) - PROBLEMS_SHOWN} more")
    return bool(problems)


# === PHASES === #


def look_before(env):
    env["account.chart.template"].try_loading("generic_coa", env.company, False)
    BooksOfCore(env).write()
    env.cr.commit()
    _save("columns", {table: _get_columns(env, table) for table in LEDGER})
    _save("catalog", _get_catalog(env))
    _save("ledger", _get_ledger(env))
    return []


def compare_ledger(env):
    return _compare_ledger(env)


def use(env):
    Work(env).do()
    env.cr.commit()
    _save("ledger", _get_ledger(env))
    print(f"  - {env['account.move'].search_count([])} entries in the ledger")
    return []


def uninstall(env):
    """Uninstall as the list of apps does."""
    records = Records()
    logging.getLogger().addHandler(records)
    env["ir.module.module"]._get(ADDON).button_immediate_uninstall()
    env.cr.commit()
    return [f"logged: {message}" for message in records.messages]


def compare_all(env):
    if env["ir.module.module"]._get(ADDON).state != "uninstalled":
        return ["the addon is installed still"]
    problems = _compare_ledger(env)
    before = _load("catalog")
    now = _get_catalog(env)
    for kind in sorted(before.keys() | now.keys()):
        had, has = set(before.get(kind, [])), set(now.get(kind, []))
        problems += [f"{kind}: left behind: {name}" for name in sorted(has - had)]
        problems += [f"{kind}: lost: {name}" for name in sorted(had - has)]
    return problems


class Records(logging.Handler):
    """Errors, and warnings about the addon."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.messages = []

    def emit(self, record):
        message = f"{record.name}: {record.getMessage()}"
        if record.levelno >= logging.ERROR or "collections" in message:
            self.messages.append(f"{record.levelname} {message}")


# === LOOKING === #


def _get_columns(env, table):
    env.cr.execute(
        """
        SELECT column_name
          FROM information_schema.columns
         WHERE table_schema = 'public' AND table_name = %s
         ORDER BY column_name
        """,
        [table],
    )
    return [name for (name,) in env.cr.fetchall()]


def _get_ledger(env):
    """Return a digest of each row of the ledger, by table and id."""
    env.flush_all()
    columns = _load("columns")
    ledger = {}
    for table in LEDGER:
        env.cr.execute(
            SQL(
                "SELECT id, ROW(%s)::text FROM %s ORDER BY id",
                SQL(", ").join(SQL.identifier(name) for name in columns[table]),
                SQL.identifier(table),
            )
        )
        ledger[table] = {
            str(row_id): hashlib.sha256(row.encode()).hexdigest()[:16]
            for row_id, row in env.cr.fetchall()
        }
    return ledger


def _compare_ledger(env):
    before = _load("ledger")
    now = _get_ledger(env)
    problems = []
    for table in LEDGER:
        had, has = before[table], now[table]
        for row_id in sorted(had.keys() | has.keys(), key=int):
            if had.get(row_id) != has.get(row_id):
                problems.append(f"ledger: {table} {row_id} is not what it was")
    return problems


def _get_catalog(env):
    env.flush_all()
    catalog = {}
    for kind, query in CATALOGS.items():
        env.cr.execute(query)
        catalog[kind] = [text for (text,) in env.cr.fetchall()]
    env.cr.execute("SELECT relname FROM pg_class WHERE relkind = 'r' ORDER BY relname")
    for (table,) in env.cr.fetchall():
        prefixed = any(
            table == name or table.startswith(f"{name}_") for name in TECHNICAL
        )
        if not prefixed or table in PASSING:
            continue
        columns = _get_columns(env, table)
        shown = [name for name in ("id", "name", "model", "key") if name in columns]
        env.cr.execute(
            SQL(
                "SELECT ROW(%s)::text FROM %s",
                SQL(", ").join(SQL.identifier(name) for name in shown or columns),
                SQL.identifier(table),
            )
        )
        catalog[f"records of {table}"] = [row for (row,) in env.cr.fetchall()]
    catalog["records that name a model"] = _get_mentions(env)
    return catalog


def _get_mentions(env):
    """Return where models of the addon are named."""
    env.cr.execute(
        """
        SELECT table_name, column_name
          FROM information_schema.columns
          JOIN information_schema.tables USING (table_schema, table_name)
         WHERE table_schema = 'public'
           AND table_type = 'BASE TABLE'
           AND data_type IN ('character varying', 'text')
           AND column_name = ANY(%s)
        """,
        [MODEL_COLUMNS],
    )
    mentions = []
    for table, column in env.cr.fetchall():
        env.cr.execute(
            SQL(
                "SELECT %s FROM %s WHERE %s LIKE 'collections.%%' GROUP BY 1",
                SQL.identifier(column),
                SQL.identifier(table),
                SQL.identifier(column),
            )
        )
        mentions += [f"{table}: {model}" for (model,) in env.cr.fetchall()]
    return mentions


def _save(name, content):
    (FOLDER / f"{name}.json").write_text(json.dumps(content))


def _load(name):
    return json.loads((FOLDER / f"{name}.json").read_text())


# === WORKING === #


class BooksOfCore:
    """Invoices and payments as a company has them that never heard of the addon."""

    def __init__(self, env):
        self.env = env
        self.company = env.company
        self.tax = env.company.account_sale_tax_id
        self.today = fields.Date.context_today(env.user)
        self.bank = env["account.journal"].search(
            [("type", "=", "bank"), ("company_id", "=", self.company.id)], limit=1
        )

    def write(self):
        # Without it, payments have no entry.
        outstanding = self.env["account.chart.template"].ref(
            "account_journal_payment_debit_account_id"
        )
        self.bank.inbound_payment_method_line_ids.payment_account_id = outstanding
        customer = self._create_partner("Customer of core")
        for amount in (1000, 250, 80):
            self._invoice(customer, amount)
        self._match(self._invoice(customer, 500), self._pay(customer, 300))
        self._match(self._invoice(customer, 700), self._pay(customer, 805))
        self._pay(customer, 60)

    def _create_partner(self, name):
        return self.env["res.partner"].create({"name": name, "email": "a@example.com"})

    def _invoice(self, partner, amount, move_type="out_invoice", **values):
        move = self.env["account.move"].create(
            {
                "move_type": move_type,
                "partner_id": partner.id,
                "invoice_date": self.today,
                "invoice_line_ids": [
                    Command.create(
                        {
                            "name": "Goods",
                            "price_unit": amount,
                            "tax_ids": [Command.set(self.tax.ids)],
                        }
                    )
                ],
                **values,
            }
        )
        move._post()
        return move

    def _pay(self, partner, amount):
        payment = self.env["account.payment"].create(
            {
                "payment_type": "inbound",
                "partner_type": "customer",
                "partner_id": partner.id,
                "amount": amount,
                "date": self.today,
                "journal_id": self.bank.id,
            }
        )
        payment.action_post()
        return payment

    def _get_items(self, *documents):
        lines = self.env["account.move.line"]
        for document in documents:
            move = document if document._name == "account.move" else document.move_id
            lines |= move.line_ids.filtered(
                lambda line: line.account_id.account_type == "asset_receivable"
            )
        return lines

    def _match(self, *documents):
        self._get_items(*documents).reconcile()


class Work(BooksOfCore):
    """A bit of everything that the addon can do."""

    def do(self):
        self._set_parameters()
        customer = self._create_partner("Customer of collections")
        self._discount(customer)
        written_off = self._write_off(self._invoice(customer, 90))
        self._write_off(self._invoice(customer, 95)).action_reverse_writeoff()
        self._return_payment(customer)
        self._reimburse(self._create_partner("Reimbursed"))
        self._age()
        self._collect(customer)
        assert written_off.state == "posted"

    def _set_parameters(self):
        env = self.env

        def journal(name, code):
            return (
                env["account.journal"]
                .create({"name": name, "code": code, "type": "general"})
                .id
            )

        def account(name, code, account_type="expense", **values):
            return (
                env["account.account"]
                .create(
                    {"name": name, "code": code, "account_type": account_type, **values}
                )
                .id
            )

        reason = env["collections.writeoff.reason"].create(
            {"code": "MINE", "name": "A reason of the user"}
        )
        self.company.write(
            {
                "collections_settlement_journal_id": journal("Settlements", "SETL"),
                "collections_partial_cash_discount": True,
                "collections_writeoff_journal_id": journal("Write-offs", "WOFF"),
                "collections_writeoff_account_id": account("Bad debts", "690001"),
                "collections_writeoff_reason_id": reason.id,
                "collections_writeoff_separate_tax": True,
                "collections_nsf_journal_id": journal("Returned", "NSF"),
                "collections_reimbursement_account_id": account(
                    "Clearing", "219901", "liability_current", reconcile=True
                ),
                "collections_reimbursement_minimum": 5,
            }
        )

    def _discount(self, customer):
        term = self.env["account.payment.term"].create(
            {
                "name": "1 % 14 days",
                "early_discount": True,
                "discount_percentage": 1,
                "discount_days": 14,
                "early_pay_discount_computation": "included",
                "line_ids": [
                    Command.create(
                        {"value": "percent", "value_amount": 100, "nb_days": 30}
                    )
                ],
            }
        )
        invoice = self._invoice(customer, 1000, invoice_payment_term_id=term.id)
        self._match(invoice, self._pay(customer, 297))
        assert self.env["account.partial.reconcile"].search_count(
            [("cash_discount_move_id", "!=", False)]
        )

    def _write_off(self, invoice):
        wizard = (
            self.env["collections.writeoff.wizard"]
            .with_context(active_model="account.move", active_ids=invoice.ids)
            .create({})
        )
        wizard.action_write_off()
        return wizard.move_ids

    def _return_payment(self, customer):
        payment = self._pay(customer, 115)
        self._match(self._invoice(customer, 100), payment)
        self.env["collections.nsf.wizard"].with_context(
            active_model="account.payment", active_ids=payment.ids
        ).create({}).action_process()

    def _reimburse(self, customer):
        self._invoice(customer, 100, "out_refund")
        wizard = self.env["collections.reimbursement.wizard"].create(
            {"partner_ids": [Command.set(customer.ids)], "date": self.today}
        )
        wizard.action_reimburse()
        assert self.env["collections.reimbursement"].search_count([])

    def _age(self):
        env = self.env
        pool = env["collections.pool"].create(
            {
                "name": "All",
                "domain": "[]",
                "definition_id": env.ref(
                    f"{ADDON}.collections_aging_definition_weekly"
                ).id,
            }
        )
        env["collections.agent"].create(
            {"user_id": env.ref("base.user_admin").id, "company_id": self.company.id}
        )
        for values in ({}, {"pool_id": pool.id}):
            env["collections.aging.snapshot"].create(
                {"company_id": self.company.id, "date": self.today, **values}
            ).action_run()

    def _collect(self, customer):
        """Status, case, activity, and what users make of screens for themselves."""
        env = self.env
        items = self._get_items(
            self._invoice(customer, 40), self._invoice(customer, 45)
        )
        items[0].action_set_collections_status(
            "promised", fields.Date.to_string(self.today), 40.0, "Said so"
        )
        items[1].action_set_collections_status("disputed", False, 0.0, "Broken")
        case = env["collections.case"].create(
            {
                "partner_id": customer.id,
                "name": "Wrong goods",
                "category_id": env["collections.case.category"].search([], limit=1).id,
            }
        )
        case.message_post(body="Called")
        activity_type = env["mail.activity.type"].search(
            [("collections_activity", "=", True)], limit=1
        )
        customer.activity_schedule(
            activity_type_id=activity_type.id, summary="Call again"
        )
        case.activity_schedule("mail.mail_activity_data_todo", summary="Ask for goods")
        env["ir.filters"].create(
            {
                "name": "Mine",
                "model_id": "collections.aging.balance",
                "user_ids": [Command.set(env.user.ids)],
            }
        )
        env["ir.exports"].create(
            {"name": "Mine", "resource": "collections.aging.balance"}
        )
        env["ir.default"].set("collections.case", "partner_id", customer.id)
        env["ir.attachment"].create(
            {"name": "a.txt", "raw": b"a", "res_model": case._name, "res_id": case.id}
        )


PHASES = {
    "before": look_before,
    "installed": compare_ledger,
    "used": use,
    "updated": compare_ledger,
    "uninstall": uninstall,
    "after": compare_all,
}

sys.exit(main(env))  # noqa: F821 - the shell's own variable
