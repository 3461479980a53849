from collections import defaultdict
from datetime import date
from typing import NamedTuple

from dateutil.relativedelta import relativedelta

from odoo import api, models
from odoo.exceptions import UserError
from odoo.tools import SQL, format_amount, format_date, format_list

from ..tools import spreadsheet
from .collections_aging_query import ALL_DATES

PAYMENT_MONTHS = 12
STATEMENT_MONTHS = 3


class StatementPeriod(NamedTuple):
    """What a statement of account shows.

    :param date_from: first day of the movements
    :param date_to: last day; what is open is open at its end
    :param open_only: only items with something left open
    """

    date_from: date
    date_to: date
    open_only: bool


class CollectionsStatement(models.AbstractModel):
    """What a customer owes: figures for spreadsheets, print and portal.

    Open items and totals come from the statements behind Aged Balances, so that a
    customer reads what the collector sees. Everything is fetched for many customers at
    once. Amounts are in the currency of the items, aging is in company currency, and
    totals are there in both.
    """

    _name = "collections.statement"
    _description = "Customer Statement"

    # === PARAMETERS === #

    @api.model
    def _get_period(self, date_from=None, date_to=None, open_only=None):
        """Return the period of a statement.

        What is not given is taken from the context (`collections_statement_date_from`,
        `collections_statement_date_to`, `collections_statement_open_only`), else it is
        from the first day of the month two months ago until today, all movements.

        :param date_from: a date or ISO text
        :param date_to: a date or ISO text
        :param bool open_only: leave out what is settled
        :raise UserError: when the first day is after the last
        """
        context = self.env.context
        parse = self.env["collections.posting"]._parse_date
        date_to = parse(date_to or context.get("collections_statement_date_to"))
        date_from = date_from or context.get("collections_statement_date_from")
        if date_from:
            date_from = parse(date_from)
        else:
            months = relativedelta(months=STATEMENT_MONTHS - 1)
            date_from = date_to.replace(day=1) - months
        if date_from > date_to:
            raise UserError(
                self.env._(
                    "The statement starts on %(date_from)s, after its end on "
                    "%(date_to)s.",
                    date_from=format_date(self.env, date_from),
                    date_to=format_date(self.env, date_to),
                )
            )
        if open_only is None:
            open_only = context.get("collections_statement_open_only")
        return StatementPeriod(date_from, date_to, bool(open_only))

    def _get_query(self, company, date):
        """Return a snapshot that is not stored, for the statements of aging."""
        definition = self.env["collections.aging.definition"]._get_definition(company)
        return (
            self.env["collections.aging.snapshot"]
            .sudo()  # the caller has checked who may see the customers
            .new(
                {
                    "company_id": company.id,
                    "definition_id": definition.id,
                    "date": date,
                    "date_basis": "due_date",
                }
            )
        )

    # === FIGURES === #

    @api.model
    def _get_statements(self, partners, company=None, period=None):
        """Return what customers owe and how it came about.

        The caller has checked that the user may see it.

        :param partners: `res.partner`; contacts stand for their customer
        :param company: the `res.company` owed to, by default the current one
        :param StatementPeriod period: by default that of `_get_period`
        :return: by id of the commercial partner a dict with `partner`, `company`,
            `currency` (of the company), `period`, `totals` (`amount_due`,
            `amount_overdue`, `amount_credit`, `oldest_due_date`, in company currency),
            `currency_totals` (those of `_get_currency_totals`), `amounts_due` and
            `amounts_overdue` (those of `_get_amounts`), `is_credit`, `has_currencies`
            (whether something is in another currency than the company's), `aging`
            (list of `name`, `date_range`, `amount`), `items`, `payments`, and
            `currencies`: for each currency `currency`, `opening`, `movements`,
            `closing` and `amount_open`
        :rtype: dict[int, dict]
        """
        company = company or self.env["collections.recipient"]._get_company()
        period = period or self._get_period()
        customers = partners.commercial_partner_id
        self.env.flush_all()
        query = self._get_query(company, period.date_to)
        contact_ids = query._get_contact_ids(customers)
        totals = self._fetch_totals(query, contact_ids)
        currency_totals = self._fetch_currency_totals(query, customers, contact_ids)
        items = self._fetch_items(query, contact_ids)
        payments = self._fetch_payments(query, contact_ids, items)
        movements = self._fetch_movements(query, contact_ids, period)
        ranges = self._get_ranges(query)
        return {
            customer.id: self._prepare_statement(
                customer,
                company,
                period,
                ranges,
                totals.get(customer.id),
                currency_totals[customer.id],
                items[customer.id],
                payments[customer.id],
                movements[customer.id],
            )
            for customer in customers
        }

    def _prepare_statement(
        self,
        customer,
        company,
        period,
        ranges,
        totals,
        currency_totals,
        items,
        payments,
        movements,
    ):
        company = company.with_env(self.env)
        empty = {
            "amount_due": 0.0,
            "amount_overdue": 0.0,
            "amount_credit": 0.0,
            "oldest_due_date": None,
        }
        return {
            "partner": customer.with_env(self.env),
            "company": company,
            "currency": company.currency_id,
            "period": period,
            "totals": totals or empty,
            "currency_totals": currency_totals,
            "amounts_due": self._get_amounts(currency_totals, "amount_due"),
            "amounts_overdue": self._get_amounts(currency_totals, "amount_overdue"),
            "is_credit": self._is_credit(currency_totals),
            "has_currencies": any(
                entry["currency"] != company.currency_id for entry in currency_totals
            ),
            "aging": [
                {
                    "name": period_range["string"],
                    "date_range": period_range["date_range"],
                    "amount": (totals or {}).get(period_range["name"], 0.0),
                }
                for period_range in ranges
            ],
            "items": items,
            "payments": payments,
            "currencies": self._prepare_currencies(items, movements, period, company),
        }

    def _get_ranges(self, query):
        """Return the aging periods with headings; none without a definition."""
        definition = query.definition_id._origin.with_env(self.env)
        if not definition:
            return []
        return definition._get_columns(definition.get_period_ranges(query.date))

    def _fetch_totals(self, query, contact_ids):
        definition = query.definition_id._origin
        ranges = definition.get_period_ranges(query.date) if definition else []
        if not ranges:
            # One period that is not shown, so that there are totals all the same.
            ranges = [ALL_DATES]
        columns = [
            "amount_due",
            "amount_overdue",
            "amount_credit",
            "oldest_due_date",
            *(period["column"] for period in ranges),
        ]
        rows = self.env.execute_query(
            SQL(
                "SELECT partner_id, %s FROM (%s) AS total WHERE partner_id IS NOT NULL",
                SQL(", ").join(map(SQL.identifier, columns)),
                query._get_customer_totals_sql(ranges, contact_ids),
            )
        )
        return {
            partner_id: {
                name: value if name == "oldest_due_date" else float(value)
                for name, value in zip(columns, values, strict=True)
            }
            for partner_id, *values in rows
        }

    def _fetch_currency_totals(self, query, customers, contact_ids):
        """Return what each customer owes, see `_get_currency_totals`."""
        rows = self.env.execute_query(
            SQL(
                """
                SELECT aged.customer_id, aged.currency_id,
                       SUM(aged.residual_currency),
                       COALESCE(SUM(aged.residual_currency) FILTER (
                           WHERE aged.is_debit AND aged.due_date < %(date)s
                       ), 0),
                       COALESCE(SUM(aged.residual_currency) FILTER (
                           WHERE NOT aged.is_debit
                       ), 0)
                  FROM (%(items)s) AS aged
                 WHERE aged.is_real AND aged.customer_id IS NOT NULL
              GROUP BY aged.customer_id, aged.currency_id
                """,
                date=query.date,
                items=query._get_aged_items_sql(contact_ids),
            )
        )
        settled = customers - customers.browse(row[0] for row in rows)
        rows += self._fetch_settled_totals(query, settled)
        names = ["currency_id", "amount_due", "amount_overdue", "amount_credit"]
        found = self._group_rows(rows, names)
        main_currency = query.company_id.currency_id
        nothing = dict.fromkeys(names[1:], 0.0)
        return {
            customer.id: sorted(
                (
                    {"currency": total.pop("currency_id"), **total}
                    for total in found[customer.id]
                ),
                key=lambda entry: (
                    entry["currency"] != main_currency,
                    entry["currency"].name,
                ),
            )
            or [{"currency": main_currency.with_env(self.env), **nothing}]
            for customer in customers
        }

    def _fetch_settled_totals(self, query, customers):
        """Return zeros for who owes nothing, in the currency of what came last."""
        if not customers:
            return []
        return self.env.execute_query(
            SQL(
                """
                SELECT DISTINCT ON (partner.commercial_partner_id)
                       partner.commercial_partner_id, line.currency_id, 0, 0, 0
                  FROM account_move_line line
                  JOIN res_partner partner ON partner.id = line.partner_id
                 WHERE %(where)s AND line.date <= %(date)s
              ORDER BY partner.commercial_partner_id, line.date DESC, line.id DESC
                """,
                where=self._get_ledger_condition_sql(
                    query, query._get_contact_ids(customers)
                ),
                date=query.date,
            )
        )

    def _fetch_items(self, query, contact_ids):
        """Return the open items by customer, those due first at the top."""
        rows = self.env.execute_query(
            SQL(
                """
                SELECT aged.customer_id, aged.id, aged.date, move.name,
                       COALESCE(move.ref, ''), %(kind)s, aged.due_date,
                       CASE WHEN aged.is_real AND aged.is_debit
                            THEN GREATEST(%(date)s::date - aged.due_date, 0) ELSE 0 END,
                       aged.currency_id, line.amount_currency,
                       aged.residual_currency, aged.residual, aged.status,
                       line.collections_promise_date, line.collections_dispute_reason
                  FROM (%(items)s) AS aged
                  JOIN account_move_line line ON line.id = aged.id
                  JOIN account_move move ON move.id = line.move_id
              ORDER BY aged.due_date, aged.id
                """,
                kind=self._get_document_kind_sql(),
                date=query.date,
                items=query._get_aged_items_sql(contact_ids),
            )
        )
        names = [
            "id",
            "date",
            "name",
            "ref",
            "kind",
            "due_date",
            "days_overdue",
            "currency_id",
            "amount",
            "residual_currency",
            "residual",
            "status",
            "promise_date",
            "dispute_reason",
        ]
        return self._group_rows(rows, names)

    def _fetch_payments(self, query, contact_ids, items):
        """Return the payments of the last twelve months by customer, latest first.

        Payments are what Odoo's payments and bank statement lines booked on the
        customer; what was paid back, or the bank has returned, is negative. What is not
        applied stands among the open items.
        """
        rows = self.env.execute_query(
            SQL(
                """
                SELECT partner.commercial_partner_id, line.id, line.date, move.name,
                       COALESCE(payment.memo, move.ref, ''), line.currency_id,
                       -line.amount_currency
                  FROM account_move_line line
                  JOIN account_move move ON move.id = line.move_id
                  JOIN res_partner partner ON partner.id = line.partner_id
             LEFT JOIN account_payment payment ON payment.id = move.origin_payment_id
                 WHERE %(where)s AND line.date > %(since)s AND line.date <= %(date)s
                   AND (move.origin_payment_id IS NOT NULL
                        OR move.statement_line_id IS NOT NULL
                        OR EXISTS (
                            SELECT FROM collections_payment_return returned
                             WHERE returned.move_id IN (move.id, move.reversed_entry_id)
                        ))
              ORDER BY line.date DESC, line.id DESC
                """,
                where=self._get_ledger_condition_sql(query, contact_ids),
                since=query.date - relativedelta(months=PAYMENT_MONTHS),
                date=query.date,
            )
        )
        names = ["id", "date", "name", "memo", "currency_id", "amount"]
        result = self._group_rows(rows, names)
        for customer_id, payments in result.items():
            open_amounts = {
                item["id"]: item["residual_currency"] for item in items[customer_id]
            }
            for payment in payments:
                payment["unapplied"] = -open_amounts.get(payment["id"], 0.0)
        return result

    def _fetch_movements(self, query, contact_ids, period):
        """Return what was booked on the customers: opening balance and movements."""
        where = self._get_ledger_condition_sql(query, contact_ids)
        elsewhere = self._get_matched_elsewhere_sql(where)
        opening = self.env.execute_query(
            SQL(
                """
                SELECT partner_id, currency_id, SUM(amount)
                  FROM (
                       SELECT partner.commercial_partner_id AS partner_id,
                              line.currency_id, SUM(line.amount_currency) AS amount
                         FROM account_move_line line
                         JOIN res_partner partner ON partner.id = line.partner_id
                        WHERE %(where)s AND line.date < %(date_from)s
                     GROUP BY partner.commercial_partner_id, line.currency_id
                    UNION ALL
                       SELECT partner_id, currency_id, SUM(amount)
                         FROM (%(elsewhere)s) AS elsewhere
                        WHERE date < %(date_from)s
                     GROUP BY partner_id, currency_id
                       ) AS booked
              GROUP BY partner_id, currency_id
                """,
                where=where,
                elsewhere=elsewhere,
                date_from=period.date_from,
            )
        )
        rows = self.env.execute_query(
            SQL(
                """
                SELECT partner_id, date, name, ref, kind, due_date, currency_id, amount
                  FROM (
                       SELECT partner.commercial_partner_id AS partner_id, line.date,
                              move.name, COALESCE(payment.memo, move.ref, '') AS ref,
                              %(kind)s AS kind,
                              COALESCE(line.date_maturity, line.date) AS due_date,
                              line.currency_id, line.amount_currency AS amount,
                              FALSE AS is_match, line.id
                         FROM account_move_line line
                         JOIN account_move move ON move.id = line.move_id
                         JOIN res_partner partner ON partner.id = line.partner_id
                    LEFT JOIN account_payment payment
                           ON payment.id = move.origin_payment_id
                        WHERE %(where)s AND line.amount_currency <> 0
                    UNION ALL
                       SELECT partner_id, date, name, ref, kind, date, currency_id,
                              amount, TRUE, id
                         FROM (%(elsewhere)s) AS elsewhere
                       ) AS movement
                 WHERE date BETWEEN %(date_from)s AND %(date_to)s
              ORDER BY date, is_match, id
                """,
                kind=self._get_document_kind_sql(),
                where=where,
                elsewhere=elsewhere,
                date_from=period.date_from,
                date_to=period.date_to,
            )
        )
        names = ["date", "name", "ref", "kind", "due_date", "currency_id", "amount"]
        result = defaultdict(lambda: {"opening": {}, "rows": []})
        for customer_id, currency_id, amount in opening:
            result[customer_id]["opening"][currency_id] = float(amount)
        for customer_id, movements in self._group_rows(rows, names).items():
            result[customer_id]["rows"] = movements
        return result

    def _get_matched_elsewhere_sql(self, where):
        """Return the query for what was settled outside the balances of a customer.

        An invoice that another customer pays, or that is paid in another company or
        currency, leaves nothing open on either side, though each balance has one of the
        two only: what the match settles goes out of both, on the day of the match.

        :param SQL where: which items, on alias `line`
        :return: the query; columns `partner_id` (commercial partner), `date`, `name`
            of the other document, `ref` (the other company), `kind` (of
            `_get_document_kinds`), `currency_id`, `amount` and `id`
        :rtype: SQL
        """
        return SQL(" UNION ALL ").join(
            SQL(
                """
                SELECT partner.commercial_partner_id AS partner_id,
                       match.max_date AS date, other_move.name,
                       -- who another customer is, is nobody's business
                       CASE WHEN other.company_id <> line.company_id
                            THEN other_company.name ELSE '' END AS ref,
                       CASE WHEN other_customer.id IS NULL THEN 'without_customer'
                            WHEN other_customer.id <> partner.commercial_partner_id
                            THEN %(customer_kind)s
                            WHEN other.company_id <> line.company_id THEN 'company'
                            ELSE 'conversion' END AS kind,
                       line.currency_id, %(amount)s AS amount, match.id
                  FROM account_move_line line
                  JOIN res_partner partner ON partner.id = line.partner_id
                  JOIN account_partial_reconcile match ON %(own)s = line.id
                  JOIN account_move_line other ON other.id = %(other)s
                   AND other.parent_state = 'posted'
                  JOIN account_move other_move ON other_move.id = other.move_id
                  JOIN res_company other_company ON other_company.id = other.company_id
             LEFT JOIN res_partner other_partner ON other_partner.id = other.partner_id
             LEFT JOIN res_partner other_customer
                    ON other_customer.id = other_partner.commercial_partner_id
                 WHERE %(where)s AND %(amount)s <> 0
                   AND (
                        other_customer.id
                            IS DISTINCT FROM partner.commercial_partner_id
                        OR other.company_id <> line.company_id
                        OR other.currency_id <> line.currency_id
                   )
                """,
                where=where,
                own=SQL.identifier("match", f"{own}_move_id"),
                other=SQL.identifier("match", f"{other}_move_id"),
                customer_kind=customer_kind,
                amount=SQL(
                    "%s * %s", sign, SQL.identifier("match", f"{own}_amount_currency")
                ),
            )
            for own, other, sign, customer_kind in (
                ("debit", "credit", -1, "by_customer"),
                ("credit", "debit", 1, "for_customer"),
            )
        )

    def _get_ledger_condition_sql(self, query, contact_ids):
        return SQL(
            "line.account_id IN %s AND line.company_id = %s "
            "AND line.parent_state = 'posted' AND line.partner_id IN %s",
            tuple(query._get_accounts().ids) or (0,),
            query.company_id.id,
            tuple(contact_ids) or (0,),
        )

    def _get_document_kind_sql(self):
        """Return what a document is; aliases `move` and `line`."""
        return SQL(
            """
            CASE WHEN move.move_type IN ('out_invoice', 'out_receipt') THEN 'invoice'
                 WHEN move.move_type = 'out_refund' THEN 'credit_note'
                 WHEN move.origin_payment_id IS NOT NULL
                   OR move.statement_line_id IS NOT NULL THEN 'payment'
                 WHEN line.collections_writeoff_line_id IS NOT NULL THEN 'writeoff'
                 ELSE 'entry' END
            """
        )

    def _get_document_kinds(self):
        return {
            "invoice": self.env._("Invoice"),
            "credit_note": self.env._("Credit note"),
            "payment": self.env._("Payment"),
            "writeoff": self.env._("Write-off"),
            "entry": self.env._("Entry"),
            "conversion": self.env._("Settled in another currency"),
            "company": self.env._("Settled in another company"),
            "by_customer": self.env._("Settled by another customer"),
            "for_customer": self.env._("Settled for another customer"),
            "without_customer": self.env._("Settled with an entry without a customer"),
        }

    def _group_rows(self, rows, names):
        """Return rows as dicts by their first value, numbers as floats."""
        currencies = {
            currency.id: currency
            for currency in self.env["res.currency"]
            .with_context(active_test=False)
            .search([])
        }
        position = names.index("currency_id")
        amounts = [
            index
            for index, name in enumerate(names)
            if name.startswith(("amount", "residual"))
        ]
        result = defaultdict(list)
        for key, *values in rows:
            values[position] = currencies[values[position]]
            for index in amounts:
                values[index] = float(values[index])
            result[key].append(dict(zip(names, values, strict=True)))
        return result

    def _prepare_currencies(self, items, movements, period, company):
        """Return opening balance, movements and closing balance for each currency.

        With open items only, the opening balance is what is open of documents from
        before the period. The currency of the company stands first.
        """
        rows, opening = movements["rows"], dict(movements["opening"])
        if period.open_only:
            rows, opening = self._get_open_movements(items, period)
        by_currency = defaultdict(list)
        for row in rows:
            by_currency[row["currency_id"]].append(row)
        open_amounts = defaultdict(float)
        for item in items:
            open_amounts[item["currency_id"]] += item["residual_currency"]
        currencies = (
            set(by_currency)
            | set(open_amounts)
            | set(self.env["res.currency"].browse(opening))
        )
        result = [
            self._prepare_currency(
                currency,
                opening.get(currency.id, 0.0),
                by_currency[currency],
                open_amounts[currency],
            )
            for currency in sorted(
                currencies,
                key=lambda currency: (currency != company.currency_id, currency.name),
            )
        ]
        return [
            entry
            for entry in result
            if entry["movements"]
            or not entry["currency"].is_zero(entry["opening"])
            or not entry["currency"].is_zero(entry["amount_open"])
        ]

    def _get_open_movements(self, items, period):
        opening, rows = defaultdict(float), []
        for item in items:
            if item["date"] < period.date_from:
                opening[item["currency_id"].id] += item["residual_currency"]
            elif item["residual_currency"]:
                rows.append({**item, "amount": item["residual_currency"]})
        rows.sort(key=lambda row: (row["date"], row["id"]))
        return rows, opening

    def _prepare_currency(self, currency, opening, rows, amount_open):
        """Return the part of a statement in one currency, with running balances."""
        balance = currency.round(opening)
        movements = []
        for row in rows:
            balance = currency.round(balance + row["amount"])
            movements.append({**row, "balance": balance})
        return {
            "currency": currency,
            "opening": currency.round(opening),
            "movements": movements,
            "closing": balance,
            "amount_open": currency.round(amount_open),
        }

    @api.model
    def _get_totals(self, partners, company=None, period=None):
        """Return what customers owe at the end of a period, in company currency.

        The caller has checked that the user may see it.

        :param partners: `res.partner`; contacts stand for their customer
        :param company: the `res.company` owed to, by default the current one
        :param StatementPeriod period: by default that of `_get_period`
        :return: by id of the commercial partner `amount_due`, `amount_overdue`,
            `amount_credit`, `oldest_due_date` and the amounts of the aging periods
        :rtype: dict[int, dict]
        """
        query = self._get_totals_query(company, period)
        return self._fetch_totals(query, query._get_contact_ids(partners))

    @api.model
    def _get_currency_totals(self, partners, company=None, period=None):
        """Return what customers owe at the end of a period, in the currencies of it.

        The caller has checked that the user may see it.

        :param partners: `res.partner`; contacts stand for their customer
        :param company: the `res.company` owed to, by default the current one
        :param StatementPeriod period: by default that of `_get_period`
        :return: by id of the commercial partner, for each currency with something open
            `currency`, `amount_due`, `amount_overdue` and `amount_credit`. That of the
            company stands first. Where nothing is open, zeros in one currency.
        :rtype: dict[int, list[dict]]
        """
        query = self._get_totals_query(company, period)
        customers = partners.commercial_partner_id
        return self._fetch_currency_totals(
            query, customers, query._get_contact_ids(customers)
        )

    @api.model
    def _get_totals_query(self, company, period):
        """Return the query for totals, once what is in memory is in the database.

        :param company: the `res.company` owed to, None for the current one
        :param StatementPeriod period: None for that of `_get_period`
        """
        company = company or self.env["collections.recipient"]._get_company()
        period = period or self._get_period()
        self.env.flush_all()
        return self._get_query(company, period.date_to)

    @api.model
    def _is_credit(self, currency_totals):
        """Tell whether a customer owes nothing and has something in his favour.

        :param list currency_totals: those of one customer, see `_get_currency_totals`
        """
        signs = {
            entry["currency"].compare_amounts(entry["amount_due"], 0.0)
            for entry in currency_totals
        }
        return -1 in signs and 1 not in signs

    @api.model
    def _get_amounts(self, currency_totals, name):
        """Return what stands for one of the totals where people read it.

        That is the amounts that are not zero, else one zero. A balance in favour of the
        customer has no sign: the text says whose it is.

        :param list currency_totals: those of one customer, see `_get_currency_totals`
        :param str name: `"amount_due"` or `"amount_overdue"`
        :return: a dict with `currency` and `amount` for each
        :rtype: list[dict]
        """
        is_credit = name == "amount_due" and self._is_credit(currency_totals)
        amounts = [
            {
                "currency": entry["currency"],
                "amount": -entry[name] if is_credit else entry[name],
            }
            for entry in currency_totals
        ]
        return [
            entry for entry in amounts if not entry["currency"].is_zero(entry["amount"])
        ] or amounts[:1]

    @api.model
    def _format_amounts(self, amounts):
        """Return amounts of `_get_amounts` in one text, such as $ 5.00 and 3.00 €."""
        return format_list(
            self.env,
            [
                format_amount(self.env, entry["amount"], entry["currency"])
                for entry in amounts
            ],
        )

    @api.model
    def _get_localized_statements(self, partners, kind, company=None, period=None):
        """Return the statements of customers, each for who gets it and in his language.

        :param partners: `res.partner`; contacts stand for their customer
        :param str kind: `"collections"`, `"statement"` or `"salesperson"`
        :param company: the `res.company` owed to, by default the current one
        :param StatementPeriod period: by default that of `_get_period`
        :return: those of `_get_statements` in the order of the customers, with `lang`
            (code) and `kinds` (names of documents by key)
        :rtype: list[dict]
        """
        customers = partners.commercial_partner_id
        recipients = self.env["collections.recipient"]._get_recipients(
            customers, kind, company
        )
        by_lang = defaultdict(lambda: customers.browse())
        for customer in customers:
            recipient = customer.browse(recipients[customer.id]["recipient_id"] or [])
            by_lang[self._get_lang(customer, recipient, kind)] |= customer
        found = {}
        for lang, lang_customers in by_lang.items():
            self_lang = self.with_context(lang=lang)
            statements = self_lang._get_statements(lang_customers, company, period)
            kinds = self_lang._get_document_kinds()
            for customer_id, statement in statements.items():
                found[customer_id] = {**statement, "lang": lang, "kinds": kinds}
        return [found[customer.id] for customer in customers]

    def _get_lang(self, customer, recipient, kind):
        """Return the language of an e-mail and its files, as its template has it.

        :param customer: the `res.partner` it is about
        :param recipient: the `res.partner` it goes to, may be empty
        :param str kind: `"collections"`, `"statement"` or `"salesperson"`
        :return: the code of the language
        """
        fallback = self.env.user if kind == "salesperson" else customer
        # The language of a contact is no secret to who may write to him.
        return recipient.sudo().lang or fallback.sudo().lang or self.env.lang

    @api.model
    def _filter_concerned(self, partners, kind, company=None, period=None):
        """Return the customers that there is something to write about.

        That is something open, or for a statement something booked in its period.

        :param partners: `res.partner`; contacts stand for their customer
        :param str kind: `"collections"`, `"statement"` or `"salesperson"`
        :param company: the `res.company` owed to, by default the current one
        :param StatementPeriod period: by default that of `_get_period`
        """
        company = company or self.env["collections.recipient"]._get_company()
        period = period or self._get_period()
        customers = partners.commercial_partner_id
        self.env.flush_all()
        query = self._get_query(company, period.date_to)
        contact_ids = query._get_contact_ids(customers)
        concerned = set(self._fetch_totals(query, contact_ids))
        if kind == "statement":
            where = self._get_ledger_condition_sql(query, contact_ids)
            rows = self.env.execute_query(
                SQL(
                    """
                    SELECT partner.commercial_partner_id
                      FROM account_move_line line
                      JOIN res_partner partner ON partner.id = line.partner_id
                     WHERE %(where)s
                       AND line.date BETWEEN %(date_from)s AND %(date_to)s
                 UNION
                    SELECT partner_id
                      FROM (%(elsewhere)s) AS elsewhere
                     WHERE date BETWEEN %(date_from)s AND %(date_to)s
                    """,
                    where=where,
                    elsewhere=self._get_matched_elsewhere_sql(where),
                    date_from=period.date_from,
                    date_to=period.date_to,
                )
            )
            concerned.update(customer_id for (customer_id,) in rows)
        return customers.filtered(lambda customer: customer.id in concerned)

    # === FILES === #

    @api.model
    def _has_pdf_tool(self):
        """Tell whether the server can make PDF files."""
        state = self.env["ir.actions.report"].get_wkhtmltopdf_state()
        return state not in ("install", "broken")

    @api.model
    def _get_files(self, partners, kind):
        """Return what is attached to the e-mails to customers.

        A spreadsheet, and of statements a print as well where the server can make one.

        :param partners: `res.partner`; contacts stand for their customer
        :param str kind: `"collections"`, `"statement"` or `"salesperson"`
        :return: name and content of each file, by id of the commercial partner
        :rtype: dict[int, list[tuple[str, bytes]]]
        """
        files = {}
        has_pdf_tool = kind == "statement" and self._has_pdf_tool()
        for statement in self._get_localized_statements(partners, kind):
            customer = statement["partner"]
            files[customer.id] = [self._get_spreadsheet(statement, kind)]
            if has_pdf_tool:
                files[customer.id] += self._get_prints(statement)
        return files

    def _get_prints(self, statement):
        period = statement["period"]
        content, file_type = (
            self.env["ir.actions.report"]
            .with_context(lang=statement["lang"])
            ._render_qweb_pdf(
                "credit_collections.report_statement",
                data={
                    "ids": statement["partner"].ids,
                    "date_from": period.date_from.isoformat(),
                    "date_to": period.date_to.isoformat(),
                    "open_only": period.open_only,
                    "company_id": statement["company"].id,
                },
            )
        )
        if file_type != "pdf":
            return []
        self_lang = self.with_context(lang=statement["lang"])
        return [(f"{self_lang._get_file_name(statement, 'statement')}.pdf", content)]

    # === SPREADSHEETS === #

    @api.model
    def _get_spreadsheet(self, statement, kind):
        """Return the spreadsheet of a customer.

        :param dict statement: one of `_get_statements`; when it has a `lang` the
            spreadsheet is in that, else in the language of the environment
        :param str kind: `"collections"`, `"statement"` or `"salesperson"`
        :return: name and content of the file
        :rtype: tuple[str, bytes]
        """
        if statement.get("lang") and statement["lang"] != self.env.lang:
            self = self.with_context(lang=statement["lang"])  # noqa: PLW0642
        sheets = [self._prepare_summary_sheet(statement, kind)]
        if kind == "statement":
            sheets.append(self._prepare_statement_sheet(statement))
        sheets.append(self._prepare_items_sheet(statement, kind))
        sheets.append(self._prepare_payments_sheet(statement))
        lang = self.env["res.lang"]._get_data(code=self.env.lang or "en_US")
        name = self._get_file_name(statement, kind)
        return f"{name}.xlsx", spreadsheet.write_workbook(
            sheets, title=name, is_right_to_left=lang.direction == "rtl"
        )

    def _get_title(self, kind):
        if kind == "statement":
            return self.env._("Statement of account")
        return self.env._("Open items")

    def _get_file_name(self, statement, kind):
        """Return the name of the file without its ending."""
        name = self.env._(
            "%(title)s %(customer)s %(date)s",
            title=self._get_title(kind),
            customer=statement["partner"].name or "",
            date=statement["period"].date_to.isoformat(),
        )
        return "".join(
            "-" if char in '/\\:*?"<>|' or not char.isprintable() else char
            for char in name
        )

    def _get_format(self, currency):
        return spreadsheet.get_number_format(
            currency.decimal_places,
            currency.symbol or currency.name,
            currency.position == "before",
        )

    def _prepare_summary_sheet(self, statement, kind):
        """Return the sheet with totals, aging and what is open by currency."""
        company_format = self._get_format(statement["currency"])
        totals, period = statement["totals"], statement["period"]
        partner, company = statement["partner"], statement["company"]

        def line(*values, number_format=company_format, is_bold=False):
            return spreadsheet.Row(list(values), number_format, is_bold)

        rows = [
            line(self.env._("Company"), company.name),
            line(self.env._("Customer"), partner.name),
            line(self.env._("Reference"), partner.ref),
            line(self.env._("Tax ID"), partner.vat),
            line(self.env._("As of"), period.date_to),
            *self._iter_total_rows(statement),
            line(self.env._("Oldest due date"), totals["oldest_due_date"]),
        ]
        if statement["aging"]:
            rows += [
                line(""),
                line(
                    self.env._(
                        "Aging in %(currency)s", currency=statement["currency"].name
                    )
                    if statement["has_currencies"]
                    else self.env._("Aging"),
                    self.env._("Amount"),
                    self.env._("Due"),
                    is_bold=True,
                ),
            ]
            rows += [
                line(entry["name"], entry["amount"], entry["date_range"])
                for entry in statement["aging"]
            ]
            rows.append(line(self.env._("Total"), totals["amount_due"], is_bold=True))
        rows += [
            line(""),
            line(self.env._("By currency"), self.env._("Open"), is_bold=True),
        ]
        rows += [
            line(
                entry["currency"].name,
                entry["amount_open"],
                number_format=self._get_format(entry["currency"]),
            )
            for entry in statement["currencies"]
        ]
        columns = [
            spreadsheet.Column(self._get_title(kind), 30),
            spreadsheet.Column("", 24),
            spreadsheet.Column("", 30),
        ]
        return spreadsheet.Sheet(self.env._("Summary"), columns, rows)

    def _iter_total_rows(self, statement):
        """Return what is owed, for each currency it is owed in."""
        for entry in statement["currency_totals"]:
            number_format = self._get_format(entry["currency"])
            for is_bold, label, value in (
                (False, self.env._("Currency"), entry["currency"].name),
                (True, self.env._("Amount due"), entry["amount_due"]),
                (False, self.env._("Overdue"), entry["amount_overdue"]),
                (False, self.env._("Credits"), entry["amount_credit"]),
            ):
                yield spreadsheet.Row([label, value], number_format, is_bold)

    def _prepare_items_sheet(self, statement, kind):
        """Return the sheet of open items, with what was said of them for our people."""
        is_internal = kind == "salesperson"
        columns = [
            spreadsheet.Column(self.env._("Date"), 12),
            spreadsheet.Column(self.env._("Document"), 22),
            spreadsheet.Column(self.env._("Type"), 12),
            spreadsheet.Column(self.env._("Reference"), 30),
            spreadsheet.Column(self.env._("Due date"), 12),
            spreadsheet.Column(self.env._("Days overdue"), 10),
            spreadsheet.Column(self.env._("Currency"), 10),
            spreadsheet.Column(self.env._("Original amount"), 18),
            spreadsheet.Column(self.env._("Open amount"), 18),
            spreadsheet.Column(
                self.env._("Open in %(currency)s", currency=statement["currency"].name),
                18,
                self._get_format(statement["currency"]),
            ),
        ]
        if is_internal:
            columns += [
                spreadsheet.Column(self.env._("Status"), 18),
                spreadsheet.Column(self.env._("Promised for"), 12),
                spreadsheet.Column(self.env._("Dispute reason"), 40),
            ]
        return spreadsheet.Sheet(
            self.env._("Open items"),
            columns,
            self._iter_item_rows(statement, is_internal),
        )

    def _iter_item_rows(self, statement, is_internal):
        kinds = self._get_document_kinds()
        statuses = dict(
            self.env["account.move.line"]
            ._fields["collections_status"]
            ._description_selection(self.env)
        )
        formats = {
            entry["currency"]: self._get_format(entry["currency"])
            for entry in statement["currencies"]
        }
        for item in statement["items"]:
            currency = item["currency_id"]
            if currency not in formats:
                formats[currency] = self._get_format(currency)
            values = [
                item["date"],
                item["name"],
                kinds[item["kind"]],
                item["ref"],
                item["due_date"],
                item["days_overdue"],
                currency.name,
                item["amount"],
                item["residual_currency"],
                item["residual"],
            ]
            if is_internal:
                values += [
                    statuses.get(item["status"]),
                    item["promise_date"],
                    item["dispute_reason"],
                ]
            yield spreadsheet.Row(values, formats[currency])
        yield from self._iter_item_totals(statement, formats)

    def _iter_item_totals(self, statement, formats):
        """Return a total for each currency; the last one adds all of them up."""
        currencies = statement["currencies"]
        company_total = statement["totals"]["amount_due"]
        label = self.env._("Total")
        has_one = [entry["currency"] for entry in currencies] == [statement["currency"]]
        for entry in currencies:
            values = [
                label,
                *[""] * 5,
                entry["currency"].name,
                "",
                entry["amount_open"],
            ]
            if has_one:
                values.append(company_total)
            yield spreadsheet.Row(values, formats[entry["currency"]], is_bold=True)
        if not has_one:
            yield spreadsheet.Row([label, *[""] * 8, company_total], is_bold=True)

    def _prepare_payments_sheet(self, statement):
        """Return the sheet of the payments of the last twelve months."""
        columns = [
            spreadsheet.Column(self.env._("Date"), 12),
            spreadsheet.Column(self.env._("Payment"), 22),
            spreadsheet.Column(self.env._("Memo"), 40),
            spreadsheet.Column(self.env._("Currency"), 10),
            spreadsheet.Column(self.env._("Amount"), 18),
            spreadsheet.Column(self.env._("Not applied"), 18),
        ]
        return spreadsheet.Sheet(
            self.env._("Payments"), columns, self._iter_payment_rows(statement)
        )

    def _iter_payment_rows(self, statement):
        formats, totals = {}, defaultdict(lambda: [0.0, 0.0])
        for payment in statement["payments"]:
            currency = payment["currency_id"]
            if currency not in formats:
                formats[currency] = self._get_format(currency)
            totals[currency][0] += payment["amount"]
            totals[currency][1] += payment["unapplied"]
            yield spreadsheet.Row(
                [
                    payment["date"],
                    payment["name"],
                    payment["memo"],
                    currency.name,
                    payment["amount"],
                    payment["unapplied"],
                ],
                formats[currency],
            )
        for currency, amounts in totals.items():
            yield spreadsheet.Row(
                [self.env._("Total"), "", "", currency.name]
                + [currency.round(amount) for amount in amounts],
                formats[currency],
                is_bold=True,
            )

    def _prepare_statement_sheet(self, statement):
        """Return the sheet with opening balance, movements and running balance."""
        columns = [
            spreadsheet.Column(self.env._("Date"), 12),
            spreadsheet.Column(self.env._("Document"), 22),
            spreadsheet.Column(self.env._("Type"), 12),
            spreadsheet.Column(self.env._("Reference"), 30),
            spreadsheet.Column(self.env._("Due date"), 12),
            spreadsheet.Column(self.env._("Currency"), 10),
            spreadsheet.Column(self.env._("Charges"), 18),
            spreadsheet.Column(self.env._("Credits"), 18),
            spreadsheet.Column(self.env._("Balance"), 18),
        ]
        return spreadsheet.Sheet(
            self.env._("Statement"), columns, self._iter_statement_rows(statement)
        )

    def _iter_statement_rows(self, statement):
        kinds, period = self._get_document_kinds(), statement["period"]
        for entry in statement["currencies"]:
            number_format = self._get_format(entry["currency"])
            name = entry["currency"].name
            yield spreadsheet.Row(
                [period.date_from, self.env._("Opening balance"), *[""] * 3, name]
                + ["", "", entry["opening"]],
                number_format,
                is_bold=True,
            )
            for row in entry["movements"]:
                amount = row["amount"]
                yield spreadsheet.Row(
                    [
                        row["date"],
                        row["name"],
                        kinds[row["kind"]],
                        row["ref"],
                        row["due_date"],
                        name,
                        amount if amount > 0 else None,
                        -amount if amount < 0 else None,
                        row["balance"],
                    ],
                    number_format,
                )
            yield spreadsheet.Row(
                [period.date_to, self.env._("Closing balance"), *[""] * 3, name]
                + ["", "", entry["closing"]],
                number_format,
                is_bold=True,
            )
            yield spreadsheet.Row([])
