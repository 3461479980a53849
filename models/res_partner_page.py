from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL, format_date, format_datetime

from .collections_aging_query import ALL_DATES
from .collections_posting import AGENT

# What the summary shows of the snapshot and can be told anew at once.
LIVE_AMOUNTS = ("amount_due", "amount_credit", "amount_disputed", "amount_promised")
LIVE_FIGURES = (*LIVE_AMOUNTS, "open_item_count")


class ResPartner(models.Model):
    """The collections page: all about the debt of one customer."""

    _inherit = "res.partner"  # pylint: disable=R8180 # a subject of its own

    collections_page_data = fields.Json(
        string="Collections Summary",
        compute="_compute_collections_page_data",
        groups=AGENT,
    )
    collections_open_item_count = fields.Integer(
        string="Open Items Count",
        compute="_compute_collections_page_data",
        groups=AGENT,
    )
    collections_has_credit = fields.Boolean(
        string="Has a Credit",
        compute="_compute_collections_page_data",
        groups=AGENT,
        help="An unapplied payment or a credit note is open.",
    )
    collections_promise_ids = fields.One2many(
        comodel_name="collections.promise",
        inverse_name="partner_id",
        string="Promises",
        groups=AGENT,
    )
    collections_promise_kept_count = fields.Integer(
        string="Promises Kept", compute="_compute_collections_promises", groups=AGENT
    )
    collections_promise_judged_count = fields.Integer(
        string="Promises Judged",
        compute="_compute_collections_promises",
        groups=AGENT,
        help="Promises whose day has come: kept, partly kept or broken.",
    )
    collections_promise_kept_ratio = fields.Float(
        string="Share of Promises Kept",
        compute="_compute_collections_promises",
        groups=AGENT,
        help="Promises kept, of those whose day has come. 1 is all of them.",
    )
    collections_case_ids = fields.One2many(
        comodel_name="collections.case",
        inverse_name="partner_id",
        string="Collections Cases",
        groups=AGENT,
    )

    # === COMPUTE METHODS === #

    @api.depends_context(
        "allowed_company_ids",
        "collections_company_id",
        "collections_definition_id",
        "collections_pool_id",
        "lang",
    )
    def _compute_collections_page_data(self):
        for partner in self:
            data = partner._get_collections_page_data()
            partner.collections_page_data = data
            partner.collections_open_item_count = data["open_item_count"]
            partner.collections_has_credit = data["has_credit"]

    @api.depends("collections_promise_ids.state")
    @api.depends_context("allowed_company_ids")
    def _compute_collections_promises(self):
        Promise = self.env["collections.promise"]
        customers = self.commercial_partner_id._origin
        record = Promise._get_record_by_partner(customers)
        for partner in self:
            counts = record.get(partner.commercial_partner_id._origin.id, {})
            kept = counts.get("kept", 0)
            judged = kept + counts.get("partly", 0) + counts.get("broken", 0)
            partner.collections_promise_kept_count = kept
            partner.collections_promise_judged_count = judged
            partner.collections_promise_kept_ratio = kept / judged if judged else 0.0

    def _get_collections_page_data(self):
        """Return what the top of the collections page shows.

        :return: `balances` (see `_prepare_collections_balance`), the position of the
            one to show first as `selected` (False for none), `open_item_count`,
            `has_credit`,
            `promises` (their number by state), the `cases` that are not closed, and
            `currencies`, what is open by currency when it is not the company's alone
        :rtype: dict
        """
        self.ensure_one()
        customer = self.commercial_partner_id._origin
        Balance = self.env["collections.aging.balance"]
        balances = Balance.search_fetch(
            [
                ("partner_id", "=", customer.id),
                ("is_current", "=", True),
                ("company_id", "in", self.env.companies.ids),
            ],
            order="company_id, definition_id, id",
        )
        live, now = customer._get_collections_live_amounts(balances)
        definition = Balance._get_definition_in_force()
        wanted = balances.filtered(lambda row: row.definition_id == definition)
        wanted = wanted or balances
        # The company of the row that the page was opened from, else the current one.
        chosen = self.env["collections.recipient"]._get_chosen_company()
        selected = (
            wanted.filtered(lambda row: row.company_id == chosen)
            or balances.filtered(lambda row: row.company_id == chosen)
            or wanted.filtered(lambda row: row.company_id == self.env.company)
            or wanted
        )[:1]
        by_state = self.env["collections.promise"]._get_record_by_partner(customer)
        cases = self.env["collections.case"].search(
            [
                ("partner_id", "=", customer.id),
                ("state", "!=", "closed"),
                ("category_type", "=", "collections"),
                ("company_id", "in", self.env.companies.ids),
            ]
        )
        return {
            "balances": [
                customer._prepare_collections_balance(row, now[row.company_id])
                for row in balances
            ],
            "selected": balances.ids.index(selected.id) if selected else False,
            "open_item_count": sum(row["count"] for row in live),
            "has_credit": any(row["has_credit"] for row in live),
            "has_several_companies": len(self.env.companies) > 1,
            "promises": by_state.get(customer.id, {}),
            "cases": [
                {
                    "id": case.id,
                    "name": case.display_name,
                    "state": case.state,
                    "company_id": case.company_id.id,
                }
                for case in cases
            ],
            "currencies": customer._prepare_collections_currencies(live),
        }

    def _get_collections_items_domain(self):
        """Return the domain of all receivable items of the customers.

        :rtype: Domain
        """
        return Domain(
            [
                ("account_type", "=", "asset_receivable"),
                ("parent_state", "=", "posted"),
                ("company_id", "in", self.env.companies.ids),
                (
                    "partner_id.commercial_partner_id",
                    "in",
                    self.commercial_partner_id.ids,
                ),
            ]
        )

    def _get_collections_live_amounts(self, balances):
        """Return what is open at this moment, and what a run of today would find.

        A run leaves out what is dated later, matches as well as items, and matches with
        entries that are not posted.

        :param balances: the `collections.aging.balance` to compare with
        :return: what is open, by company and currency (all of it: later items count,
            and those that only wait for an exchange difference entry; `has_credit`
            tells whether there is a credit that can be reimbursed), and by
            `res.company` of the balances the `LIVE_FIGURES` of a run
        :rtype: tuple[list[dict], dict]
        """
        self.env.flush_all()
        # One statement: the page is opened often.
        rows = self.env.execute_query(
            SQL(
                """
                SELECT company_id, %(figures)s, live.currency_id, live.amount,
                       live.amount_currency, live.has_credit, live.count
                  FROM (%(live)s) AS live
             FULL JOIN (%(run)s) AS run USING (company_id)
              ORDER BY company_id, live.currency_id
                """,
                figures=SQL(", ").join(
                    SQL("COALESCE(%s, 0)::float", SQL.identifier("run", name))
                    for name in LIVE_FIGURES
                ),
                live=self._get_collections_live_sql(),
                run=self._get_collections_run_sql(balances),
            )
        )
        companies = {company.id: company for company in self.env.companies}
        now = {
            company: dict.fromkeys(LIVE_FIGURES, 0.0) for company in balances.company_id
        }
        live = []
        for company_id, *values in rows:
            company, figures = companies[company_id], values[: len(LIVE_FIGURES)]
            now[company] = dict(zip(LIVE_FIGURES, figures, strict=True))
            currency_id, *amounts = values[len(LIVE_FIGURES) :]
            if currency_id:
                names = ("amount", "amount_currency", "has_credit", "count")
                live.append(
                    {
                        "company": company,
                        "currency": self.env["res.currency"].browse(currency_id),
                        **dict(zip(names, amounts, strict=True)),
                    }
                )
        return live, now

    def _get_collections_live_sql(self):
        """Return the query for what is open, by company and currency."""
        lines = self.env["account.move.line"]
        query = lines._search(
            self._get_collections_items_domain() & Domain("reconciled", "=", False)
        )
        credits = lines._search(
            self.env["collections.reimbursement.posting"]._get_open_items_domain(
                self.env.companies, self.commercial_partner_id
            )
            & Domain("amount_residual_currency", "<", 0)
        )
        names = (
            "company_id",
            "currency_id",
            "amount_residual",
            "amount_residual_currency",
        )
        items = query.select(
            SQL(
                "%s IN %s AS is_credit",
                SQL.identifier(query.table, "id"),
                credits.subselect(),
            ),
            *(SQL.identifier(query.table, name) for name in names),
        )
        return SQL(
            """
            SELECT company_id, currency_id, SUM(amount_residual)::float AS amount,
                   SUM(amount_residual_currency)::float AS amount_currency,
                   BOOL_OR(is_credit) AS has_credit, COUNT(*) AS count
              FROM (%(items)s) AS item
          GROUP BY company_id, currency_id
            """,
            items=items,
        )

    def _get_collections_run_sql(self, balances):
        """Return the query for what a run of today would find, by company.

        :param balances: the `collections.aging.balance` to compare with
        """
        names = SQL(", ").join(map(SQL.identifier, LIVE_FIGURES))
        # Whoever sees the rows sees what goes into them.
        Snapshot_sudo = self.env["collections.aging.snapshot"].sudo()
        contacts = Snapshot_sudo._get_contact_query(self).subselect()
        # For some the next day may have begun; see `_get_today` of snapshots.
        today = fields.Date.context_today(self)
        totals = [
            SQL(
                "SELECT %s AS company_id, %s FROM (%s) AS total",
                company.id,
                names,
                Snapshot_sudo.new(
                    {
                        "company_id": company.id,
                        "definition_id": rows[:1].definition_id.id,
                        "date": max([today, *rows.mapped("date")]),
                        "date_basis": "due_date",  # by which the sums do not differ
                    }
                )._get_customer_totals_sql([ALL_DATES], contacts),
            )
            for company, rows in balances.grouped("company_id").items()
        ]
        if not totals:
            zeros = (SQL("0 AS %s", SQL.identifier(name)) for name in LIVE_FIGURES)
            return SQL("SELECT 0 AS company_id, %s WHERE FALSE", SQL(", ").join(zeros))
        return SQL(" UNION ALL ").join(totals)

    def _prepare_collections_currencies(self, live):
        """Return what is open by company and currency, where that says more.

        :param list[dict] live: see `_get_collections_live_amounts`
        :rtype: list[dict]
        """
        if all(row["currency"] == row["company"].currency_id for row in live):
            return []
        return [
            {
                "company_id": row["company"].id,
                "currency_id": row["currency"].id,
                "amount": row["amount_currency"],
                "company_currency_id": row["company"].currency_id.id,
                "company_amount": row["amount"],
            }
            for row in live
        ]

    def _prepare_collections_balance(self, row, now):
        """Return one aged balance as the collections page shows it.

        :param row: the `collections.aging.balance`
        :param dict now: the same figures as of now
        :rtype: dict
        """
        snapshot = row.snapshot_id
        currency = row.currency_id
        is_total_changed = bool(
            currency.compare_amounts(now["amount_due"], row.amount_due)
        )
        return {
            "id": row.id,
            "company_id": row.company_id.id,
            "company": row.company_id.name,
            "definition_id": row.definition_id.id,
            "definition": row.definition_id.name,
            "currency_id": currency.id,
            "date_text": format_date(self.env, row.date),
            "run_date_text": format_datetime(
                self.env, snapshot.run_date, dt_format="short"
            ),
            "is_today": row.date == fields.Date.context_today(self),
            "is_outdated": snapshot.is_outdated,
            # A payment matched with an invoice, say, leaves the total as it was.
            "is_changed": now["open_item_count"] != row.open_item_count
            or any(
                currency.compare_amounts(now[name], row[name]) for name in LIVE_AMOUNTS
            ),
            "is_total_changed": is_total_changed,
            "amount_now": now["amount_due"],
            "last_payment_date_text": format_date(self.env, row.last_payment_date),
            "columns": self._prepare_collections_bars(row),
            **{
                name: row[name]
                for name in (
                    "amount_due",
                    "amount_overdue",
                    "amount_credit",
                    "amount_disputed",
                    "amount_promised",
                    "credit_limit",
                    "credit_remaining",
                    "last_payment_amount",
                    "days_overdue",
                    "indicator",
                )
            },
        }

    def _prepare_collections_bars(self, row):
        """Return the periods of an aged balance with amount and colour.

        :param row: the `collections.aging.balance`
        :rtype: list[dict]
        """
        definition = row.definition_id
        # A period that the definition does not have any more keeps its old heading.
        periods = {period.id: period for period in definition.period_ids}
        return [
            {
                "name": values["column"],
                "string": period.name if period else values["name"],
                "date_range": definition._format_range(
                    fields.Date.to_date(values["date_from"]),
                    fields.Date.to_date(values["date_to"]),
                ),
                "amount": row[values["column"]],
                "indicator": period.indicator if period else "none",
            }
            for values in row.snapshot_id.period_ranges or []
            for period in [periods.get(values["id"])]
        ]

    # === ACTION METHODS === #

    def action_open_collections_page(self):
        """Open the collections page of a customer.

        :return: a window action; on the company that a contact person belongs to
        :rtype: dict
        """
        self.env["collections.recipient"]._check_agent_reads(self)
        customer = self.commercial_partner_id
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "credit_collections.res_partner_action_collections_page"
        )
        if len(customer) > 1:
            action["domain"] = [("id", "in", customer.ids)]
            return action
        action.update(
            {
                "res_id": customer.id,
                "display_name": customer.display_name,
                "views": [view for view in action["views"] if view[1] == "form"],
                "view_mode": "form",
            }
        )
        return action

    def action_open_partner_form(self):
        """Open the contact itself, to change addresses and terms."""
        self.env["collections.posting"]._check_one(self)
        self.env["collections.recipient"]._check_agent_reads(self)
        action = self._get_records_action()
        action["views"] = [(self.env.ref("base.view_partner_form").id, "form")]
        return action

    def action_refresh_collections_page(self):
        """Age the customer again as of today and judge the promises.

        :return: True
        """
        return self.action_refresh_aging()

    def action_open_collections_status(self):
        """Open the wizard that changes the status of all open items.

        They are those of the company of context key `collections_company_id`, when that
        is one of the companies switched on.

        :return: a window action
        """
        companies = self.env["collections.recipient"]._get_companies()
        items = self.env["account.move.line"].search(
            self._get_collections_items_domain()
            & Domain("company_id", "in", companies.ids)
            & Domain("reconciled", "=", False)
            & Domain("balance", ">", 0)
        )
        return items.action_open_status_wizard()

    def action_open_collections_activity(self):
        """Open the form of a new collections activity on the customer.

        :return: a window action
        """
        self.env["collections.posting"]._check_one(self)
        self.env["collections.recipient"]._check_agent_reads(self)
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "credit_collections.mail_activity_action_collections_new"
        )
        action["context"] = self._prepare_collections_activity_context()
        return action

    def _prepare_collections_activity_context(self):
        """Return the context that a new activity on the customer is made with."""
        activity_type = self.env["mail.activity.type"].search(
            [("collections_activity", "=", True)], limit=1
        )
        return {
            "default_res_model_id": self.env["ir.model"]._get_id("res.partner"),
            "default_res_model": "res.partner",
            "default_res_id": self.id,
            "default_activity_type_id": activity_type.id,
            "default_user_id": self.env.uid,
        }

    def action_open_collections_case(self):
        """Open the form of a new case of the customer.

        :return: a window action
        """
        self.env["collections.posting"]._check_one(self)
        self.env["collections.recipient"]._check_agent_reads(self)
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("New Case"),
            "res_model": "collections.case",
            "views": [(False, "form")],
            "target": "current",
            "context": {"default_partner_id": self.commercial_partner_id.id},
        }
