import logging

import psycopg2.errors

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Domain
from odoo.tools import SQL, format_date, format_datetime, groupby

from .collections_aging_balance import PERIOD_COLUMNS

_logger = logging.getLogger(__name__)

# What a run was made for: a change of these makes the rows meaningless.
SCOPE_FIELDS = {
    "company_id",
    "definition_id",
    "pool_id",
    "partner_id",
    "date",
    "date_basis",
    "include_zero_balance",
}
# What a run finds: only the run itself writes these.
RESULT_FIELDS = {
    "state",
    "run_date",
    "run_number",
    "is_history",
    "period_ranges",
    "structure",
    "amount_total",
    "ledger_total",
    "amount_matched_elsewhere",
    "ledger_difference",
    "customer_count",
    "promise_broken_count",
    "error",
    "scope_partner_ids",
    "balance_ids",
}


class CollectionsAgingSnapshot(models.Model):
    """The open items of a company, cut into aging periods per customer.

    All customers are computed by one statement in the database, whatever their number. An
    item counts as open on a day when it is posted and dated up to that day, with what is
    left of it after the matches made up to that day with other posted items.
    """

    _name = "collections.aging.snapshot"
    _description = "Aging Snapshot"
    _order = "date desc, run_number desc, id desc"
    _check_company_auto = True

    company_id = fields.Many2one(
        comodel_name="res.company",
        required=True,
        index=True,
        default=lambda self: self.env.company,
    )
    currency_id = fields.Many2one(related="company_id.currency_id")
    definition_id = fields.Many2one(
        comodel_name="collections.aging.definition",
        string="Aging Period Definition",
        compute="_compute_definition_id",
        store=True,
        readonly=False,
        precompute=True,
        index=True,
        ondelete="restrict",
        domain="['|', ('company_id', '=', False), ('company_id', 'parent_of', company_id)]",
        help="Proposed from the customer pool, else from the parameters, else the first "
        "definition.",
    )
    pool_id = fields.Many2one(
        comodel_name="collections.pool",
        string="Customer Pool",
        index="btree_not_null",
        ondelete="restrict",
        domain="['|', ('company_id', '=', False), ('company_id', '=', company_id)]",
        help="Leave empty to age all customers.",
    )
    partner_id = fields.Many2one(
        comodel_name="res.partner",
        string="Customer",
        index="btree_not_null",
        ondelete="cascade",
        help="Set when the figures of a single customer were refreshed.",
    )
    scope_partner_ids = fields.Many2many(
        comodel_name="res.partner",
        relation="collections_aging_snapshot_scope_rel",
        column1="snapshot_id",
        column2="partner_id",
        string="Customers in Scope",
        copy=False,
    )
    date = fields.Date(
        string="Aging as of",
        required=True,
        index=True,
        default=fields.Date.context_today,
        help="What was open at the end of this day, and how old it was then.",
    )
    date_basis = fields.Selection(
        selection=[
            ("due_date", "Due Date"),
            ("invoice_date", "Invoice Date"),
            ("accounting_date", "Accounting Date"),
        ],
        string="Age by",
        required=True,
        default="due_date",
    )
    include_zero_balance = fields.Boolean(
        string="Include Customers without Open Items",
    )
    update_collection_status = fields.Boolean(
        string="Update Promises",
        default=True,
        help="Open items that were promised for a day before the aging date become "
        "Promise broken.",
    )
    state = fields.Selection(
        selection=[("draft", "Draft"), ("done", "Done")],
        required=True,
        readonly=True,
        default="draft",
        copy=False,
    )
    run_date = fields.Datetime(string="Run on", readonly=True, copy=False)
    run_number = fields.Integer(
        readonly=True,
        copy=False,
        aggregator=None,
        help="Order of the runs of a company and definition.",
    )
    is_history = fields.Boolean(
        string="Last Run of the Date",
        readonly=True,
        copy=False,
        help="The last run over all customers for its date. Graphs over time use these.",
    )
    balance_ids = fields.One2many(
        comodel_name="collections.aging.balance",
        inverse_name="snapshot_id",
        string="Balances",
        readonly=True,
        copy=False,
    )
    period_ranges = fields.Json(readonly=True, copy=False)
    structure = fields.Json(readonly=True, copy=False)
    is_outdated = fields.Boolean(
        compute="_compute_is_outdated",
        help="The periods of the definition were changed after the run.",
    )
    customer_count = fields.Integer(string="Customers", readonly=True, copy=False)
    amount_total = fields.Monetary(string="Amount Due", readonly=True, copy=False)
    ledger_total = fields.Monetary(
        string="Receivables in Ledger",
        readonly=True,
        copy=False,
        help="Balance of the receivable accounts on the aging date, all posted journal "
        "items added up, independent of any matching.",
    )
    amount_matched_elsewhere = fields.Monetary(
        string="Matched with Other Branches",
        readonly=True,
        copy=False,
        help="Settled with items of another branch: closed here, but not in the ledger "
        "balance of this company alone.",
    )
    ledger_difference = fields.Monetary(
        string="Difference",
        readonly=True,
        copy=False,
        help="Amount due less receivables in ledger, branches considered. Must be zero.",
    )
    promise_broken_count = fields.Integer(
        string="Promises Broken",
        readonly=True,
        copy=False,
        help="Promises that this run found broken.",
    )
    error = fields.Text(readonly=True, copy=False)

    # === COMPUTE METHODS === #

    @api.depends("pool_id", "company_id")
    def _compute_definition_id(self):
        Definition = self.env["collections.aging.definition"]
        for snapshot in self:
            if snapshot.state == "done":
                # Assigned to itself: a computed field must get a value.
                snapshot.definition_id = snapshot.definition_id
            else:
                snapshot.definition_id = Definition._get_definition(
                    snapshot.company_id, snapshot.pool_id
                )

    @api.depends(
        "definition_id.period_ids.sequence",
        "definition_id.period_ids.unit",
        "definition_id.period_ids.interval",
        "structure",
        "state",
    )
    def _compute_is_outdated(self):
        for snapshot in self:
            snapshot.is_outdated = (
                snapshot.state == "done"
                and snapshot.definition_id._get_structure() != snapshot.structure
            )

    @api.depends("date", "definition_id", "pool_id", "partner_id")
    @api.depends_context("lang")
    def _compute_display_name(self):
        for snapshot in self:
            parts = [
                format_date(self.env, snapshot.date) if snapshot.date else "",
                snapshot.definition_id.name,
                snapshot.pool_id.name,
                snapshot.partner_id.name,
            ]
            snapshot.display_name = " · ".join(part for part in parts if part)

    # === CONSTRAINTS === #

    @api.constrains("definition_id", "pool_id", "company_id")
    def _check_companies(self):
        for snapshot in self:
            definition_company = snapshot.definition_id.company_id
            pool_company = snapshot.pool_id.company_id
            if (
                definition_company
                and definition_company not in snapshot.company_id.parent_ids
            ):
                raise ValidationError(
                    self.env._(
                        "%(definition)s belongs to %(owner)s and cannot age the balances "
                        "of %(company)s.",
                        definition=snapshot.definition_id.display_name,
                        owner=definition_company.name,
                        company=snapshot.company_id.name,
                    )
                )
            if pool_company and pool_company != snapshot.company_id:
                raise ValidationError(
                    self.env._(
                        "The customer pool %(pool)s belongs to %(owner)s and cannot be "
                        "used for %(company)s.",
                        pool=snapshot.pool_id.display_name,
                        owner=pool_company.name,
                        company=snapshot.company_id.name,
                    )
                )

    @api.constrains("pool_id", "partner_id")
    def _check_scope(self):
        if any(snapshot.pool_id and snapshot.partner_id for snapshot in self):
            raise ValidationError(
                self.env._("A snapshot is made for a customer pool or for one customer.")
            )

    # === CRUD METHODS === #

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            self._check_no_results(vals)
        return super().create(vals_list)

    def write(self, vals):
        self._check_no_results(vals)
        done = self.filtered(lambda snapshot: snapshot.state == "done")
        if done and SCOPE_FIELDS.intersection(vals):
            done._reset()
        return super().write(vals)

    def unlink(self):
        scopes = self._get_current_scopes()
        result = super().unlink()
        self._update_current(scopes)
        return result

    def _check_no_results(self, vals):
        forbidden = RESULT_FIELDS.intersection(vals)
        if forbidden and not self.env.su:
            labels = [self._fields[name]._description_string(self.env) for name in forbidden]
            raise AccessError(
                self.env._(
                    "The figures of an aging snapshot come from its run and cannot be "
                    "written: %(fields)s",
                    fields=", ".join(sorted(labels)),
                )
            )

    # === ACTION METHODS === #

    def action_run(self):
        """Compute the snapshots, replacing what earlier runs of them have found.

        :return: True
        :raise UserError: without a usable aging period definition, with a broken pool, or
            while another run of the same company and definition is under way
        """
        self.check_access("write")
        for snapshot in self:
            snapshot._check_can_run()
            # Results are closed to users, also to those who may make the run.
            snapshot.sudo()._run()
        return True

    def action_view_balances(self):
        """Open the rows of the snapshot."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "credit_collections.collections_aging_balance_action_snapshot"
        )
        action.update(
            {
                "display_name": self.display_name,
                "domain": [("snapshot_id", "=", self.id)],
                "context": {
                    "collections_definition_id": self.definition_id.id,
                    "collections_all_rows": True,
                },
            }
        )
        return action

    # === RUN === #

    def _check_can_run(self):
        self.ensure_one()
        if not self.definition_id:
            raise UserError(
                self.env._(
                    "There is no aging period definition for %(company)s. Create one "
                    "under Configuration > Aging Period Definitions.",
                    company=self.company_id.name,
                )
            )
        problem = self.definition_id._get_problem(self.date)
        if problem:
            raise UserError(problem)

    def _run(self):
        """Do the run of one snapshot; the caller has checked the rights."""
        self.ensure_one()
        self._lock_scope()
        if self.state == "done":
            self._reset()
        ranges = self.definition_id.get_period_ranges(self.date)
        self.write(self._prepare_run_vals(ranges))
        self._fill_scope()
        self.env.flush_all()
        # Compiling the statement takes longer than running it.
        self.env.cr.execute("SET LOCAL jit = off")
        broken = self._update_promises() if self.update_collection_status else 0
        self._insert_balances(ranges)
        self.env.invalidate_all(flush=False)
        self.write({**self._prepare_result_vals(), "promise_broken_count": broken})
        self._update_history()
        self.env.flush_all()
        self._run_done()

    def _run_done(self):
        """Hook: called after a run, with its rows in place."""

    def _prepare_run_vals(self, ranges):
        """Return the values that a run keeps of its definition.

        :param list[dict] ranges: the periods as `get_period_ranges` gives them
        """
        return {
            "state": "done",
            "run_date": fields.Datetime.now(),
            "run_number": self._get_last_run_number() + 1,
            "period_ranges": ranges,
            "structure": self.definition_id._get_structure(),
            "error": False,
        }

    def _get_last_run_number(self):
        [(number,)] = self._read_group(
            [
                ("company_id", "=", self.company_id.id),
                ("definition_id", "=", self.definition_id.id),
            ],
            aggregates=["run_number:max"],
        )
        return number or 0

    def _prepare_result_vals(self):
        """Return the totals of a run, with the tie-out to the ledger."""
        count, total = self.env.execute_query(
            SQL(
                """
                SELECT COUNT(*), COALESCE(SUM(amount_due), 0)
                  FROM collections_aging_balance
                 WHERE snapshot_id = %s
                """,
                self.id,
            )
        )[0]
        vals = {"customer_count": count, "amount_total": total}
        if self.partner_id:
            return vals
        ledger_total = self._get_ledger_total()
        elsewhere = 0.0
        if self.currency_id.compare_amounts(total, ledger_total):
            elsewhere = self._get_matched_elsewhere()
        return {
            **vals,
            "ledger_total": ledger_total,
            "amount_matched_elsewhere": elsewhere,
            "ledger_difference": self.currency_id.round(
                float(total) - float(ledger_total) - float(elsewhere)
            ),
        }

    def _lock_scope(self):
        """Let one run at a time work on a company and definition."""
        key = f"collections.aging.snapshot:{self.company_id.id}:{self.definition_id.id}"
        [(locked,)] = self.env.execute_query(
            SQL("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", key)
        )
        if not locked:
            raise UserError(
                self.env._(
                    "Another aging run of %(definition)s for %(company)s is under way. "
                    "Wait until it ends, then open Aged Balances.",
                    definition=self.definition_id.display_name,
                    company=self.company_id.name,
                )
            )

    def _reset(self):
        """Take the results away and put the figures before them in force again."""
        scopes = self._get_current_scopes()
        self_sudo = self.sudo()  # results are closed to users
        self.env["collections.aging.balance"].flush_model()
        self.env.cr.execute(
            SQL(
                "DELETE FROM collections_aging_balance WHERE snapshot_id IN %s",
                tuple(self.ids),
            )
        )
        self_sudo.write({"state": "draft", "is_history": False})
        self.env.invalidate_all()
        self._update_current(scopes)

    def _fill_scope(self):
        """Store which customers the run answers for; none means all."""
        self.env.cr.execute(
            SQL(
                "DELETE FROM collections_aging_snapshot_scope_rel WHERE snapshot_id = %s",
                self.id,
            )
        )
        if self.partner_id:
            partners = SQL("SELECT %s AS partner_id", self.partner_id.commercial_partner_id.id)
        elif self.pool_id:
            partners = self.pool_id._get_checked_partner_query()
        else:
            return
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO collections_aging_snapshot_scope_rel (snapshot_id, partner_id)
                SELECT %s, scope.partner_id FROM (%s) AS scope
                """,
                self.id,
                partners,
            )
        )

    # === SQL === #

    def _get_accounts(self):
        """Return the receivable accounts of the company."""
        return (
            self.env["account.account"]
            .sudo()  # readers of snapshots need not be readers of the chart
            .with_context(active_test=False)
            .search(
                [
                    ("account_type", "=", "asset_receivable"),
                    ("company_ids", "in", self.company_id.sudo().parent_ids.ids),
                ]
            )
        )

    def _get_open_items_sql(self, partner_ids=None):
        """Return the query for the items open at the end of the snapshot's date.

        An item is open with its balance less the matches made up to that day (`max_date`)
        with other posted items. That is what is open now, plus what was matched later,
        plus what is matched with an entry that is not posted (resetting a payment to
        draft keeps its matches): few rows to read for any recent day.

        :param partner_ids: ids of `res.partner` to restrict to, contacts included
        :return: the query; columns `id`, `move_id`, `partner_id`, `date`,
            `date_maturity`, `currency_id`, `status`, `promise_amount`, `residual`
            (company currency) and `residual_currency` (of the item)
        :rtype: SQL
        """
        accounts = tuple(self._get_accounts().ids) or (0,)
        partner_filter = SQL()
        if partner_ids is not None:
            partner_filter = SQL(
                "AND line.partner_id IN %s", tuple(partner_ids) or (0,)
            )
        columns = SQL(
            """
            line.id, line.move_id, line.partner_id, line.date, line.date_maturity,
            line.currency_id, line.collections_status AS status,
            line.collections_promise_amount AS promise_amount
            """
        )
        where = SQL(
            """
                line.account_id IN %(accounts)s
            AND line.company_id = %(company)s
            AND line.parent_state = 'posted'
            AND line.date <= %(date)s
            %(partner_filter)s
            """,
            accounts=accounts,
            company=self.company_id.id,
            date=self.date,
            partner_filter=partner_filter,
        )
        return SQL(
            """
            WITH uncounted AS (
                SELECT line_id, SUM(amount) AS amount, SUM(amount_currency) AS amount_currency
                  FROM (%(uncounted)s) AS side
              GROUP BY line_id
            )
            SELECT %(columns)s,
                   line.amount_residual + COALESCE(uncounted.amount, 0) AS residual,
                   line.amount_residual_currency + COALESCE(uncounted.amount_currency, 0)
                       AS residual_currency
              FROM account_move_line line
         LEFT JOIN uncounted ON uncounted.line_id = line.id
             WHERE line.reconciled IS NOT TRUE AND %(where)s
               AND (
                    line.amount_residual + COALESCE(uncounted.amount, 0) <> 0
                    OR line.amount_residual_currency
                     + COALESCE(uncounted.amount_currency, 0) <> 0
               )
         UNION ALL
            SELECT %(columns)s, uncounted.amount, uncounted.amount_currency
              FROM uncounted
              JOIN account_move_line line ON line.id = uncounted.line_id
             WHERE line.reconciled IS TRUE AND %(where)s
               AND (uncounted.amount <> 0 OR uncounted.amount_currency <> 0)
            """,
            uncounted=self._get_uncounted_matches_sql(accounts),
            columns=columns,
            where=where,
        )

    def _get_uncounted_matches_sql(self, accounts):
        """Return the query for the matches that do not count on the snapshot's date."""
        family = tuple(self._get_branch_family().ids)
        date = self.date
        return SQL(
            """
            SELECT partial.debit_move_id AS line_id, partial.amount,
                   partial.debit_amount_currency AS amount_currency
              FROM account_partial_reconcile partial
             WHERE partial.max_date > %(date)s AND partial.company_id IN %(family)s
         UNION ALL
            SELECT partial.credit_move_id, -partial.amount, -partial.credit_amount_currency
              FROM account_partial_reconcile partial
             WHERE partial.max_date > %(date)s AND partial.company_id IN %(family)s
         UNION ALL
            SELECT partial.debit_move_id, partial.amount, partial.debit_amount_currency
              FROM account_move_line other
              JOIN account_partial_reconcile partial ON partial.credit_move_id = other.id
             WHERE other.parent_state <> 'posted' AND other.matching_number IS NOT NULL
               AND other.account_id IN %(accounts)s AND partial.max_date <= %(date)s
         UNION ALL
            SELECT partial.credit_move_id, -partial.amount, -partial.credit_amount_currency
              FROM account_move_line other
              JOIN account_partial_reconcile partial ON partial.debit_move_id = other.id
             WHERE other.parent_state <> 'posted' AND other.matching_number IS NOT NULL
               AND other.account_id IN %(accounts)s AND partial.max_date <= %(date)s
            """,
            date=date,
            family=family,
            accounts=accounts,
        )

    def _get_branch_family(self):
        """Return the companies whose items can be matched with those of the company."""
        root = self.company_id.sudo().root_id
        return self.env["res.company"].sudo().search([("id", "child_of", root.ids)])

    def _get_age_date_sql(self):
        """Return the date that an item is aged by; aliases `item` and `move`."""
        return {
            "due_date": SQL("COALESCE(item.date_maturity, item.date)"),
            "invoice_date": SQL("COALESCE(move.invoice_date, item.date)"),
            "accounting_date": SQL("item.date"),
        }[self.date_basis]

    def _get_move_join_sql(self):
        """Return the join with the journal entries, where the dates need it."""
        if self.date_basis != "invoice_date":
            return SQL()
        return SQL("LEFT JOIN account_move move ON move.id = item.move_id")

    def _get_aged_items_sql(self, partner_ids=None):
        """Return the open items with commercial partner and dates.

        Columns besides those of the open items: `customer_id`, `age_date`, `due_date`,
        `is_debit`, and `is_real`, which is false for lines that have nothing left in their
        own currency but wait for an exchange difference entry.
        """
        scope = SQL()
        if self.pool_id or self.partner_id:
            scope = SQL(
                """
                JOIN collections_aging_snapshot_scope_rel scope
                  ON scope.snapshot_id = %s
                 AND scope.partner_id = partner.commercial_partner_id
                """,
                self.id,
            )
        return SQL(
            """
            SELECT item.*,
                   partner.commercial_partner_id AS customer_id,
                   %(age_date)s AS age_date,
                   COALESCE(item.date_maturity, item.date) AS due_date,
                   item.residual_currency <> 0 AS is_real,
                   item.residual > 0 OR (item.residual = 0 AND item.residual_currency > 0)
                       AS is_debit
              FROM (%(items)s) AS item
         LEFT JOIN res_partner partner ON partner.id = item.partner_id
            %(scope)s
            %(move_join)s
            """,
            age_date=self._get_age_date_sql(),
            items=self._get_open_items_sql(partner_ids),
            scope=scope,
            move_join=self._get_move_join_sql(),
        )

    def _get_period_condition_sql(self, period, column):
        """Return the condition that a date lies in a period."""
        conditions = [SQL("TRUE")]
        if period["date_from"]:
            conditions.append(SQL("%s >= %s", column, period["date_from"]))
        if period["date_to"]:
            conditions.append(SQL("%s <= %s", column, period["date_to"]))
        return SQL(" AND ").join(conditions)

    def _get_indicator_sql(self, ranges):
        """Return the indicator of the period of the oldest overdue item."""
        indicators = {
            period.id: period.indicator for period in self.definition_id.period_ids
        }
        column = SQL("total.oldest_overdue_date")
        cases = [
            SQL(
                "WHEN %s THEN %s",
                self._get_period_condition_sql(period, column),
                indicators[period["id"]],
            )
            for period in ranges
        ]
        return SQL(
            "CASE WHEN %s IS NULL THEN 'none' %s END", column, SQL(" ").join(cases)
        )

    def _get_customer_totals_sql(self, ranges, partner_ids=None):
        """Return the query that adds the open items up per customer."""
        age_date = SQL("item.age_date")
        overdue = SQL("item.is_real AND item.is_debit AND item.due_date < %s", self.date)
        amounts = SQL(", ").join(
            SQL(
                "COALESCE(SUM(item.residual) FILTER (WHERE %s), 0) AS %s",
                self._get_period_condition_sql(period, age_date),
                SQL.identifier(period["column"]),
            )
            for period in ranges
        )
        return SQL(
            """
            SELECT item.customer_id AS partner_id,
                   SUM(item.residual) AS amount_due,
                   COALESCE(SUM(item.residual) FILTER (WHERE %(overdue)s), 0)
                       AS amount_overdue,
                   COALESCE(SUM(item.residual) FILTER (WHERE item.residual < 0), 0)
                       AS amount_credit,
                   MIN(item.due_date) FILTER (WHERE %(overdue)s) AS oldest_overdue_date,
                   MIN(item.due_date) FILTER (WHERE item.is_real AND item.is_debit)
                       AS oldest_due_date,
                   COUNT(*) FILTER (WHERE item.is_real) AS open_item_count,
                   COUNT(*) FILTER (WHERE item.is_real AND item.status = 'disputed')
                       AS disputed_count,
                   COALESCE(SUM(item.residual) FILTER (WHERE item.status = 'disputed'), 0)
                       AS amount_disputed,
                   COALESCE(SUM(%(promised)s) FILTER (WHERE item.status = 'promised'), 0)
                       AS amount_promised,
                   %(amounts)s
              FROM (%(items)s) AS item
          GROUP BY item.customer_id
            """,
            overdue=overdue,
            promised=self._get_promised_sql(),
            amounts=amounts,
            items=self._get_aged_items_sql(partner_ids),
        )

    def _get_promised_sql(self):
        """Return what is promised of an item, in company currency.

        A promise is given in the currency of the item; without an amount it is for all
        that is open, and it is never for more.
        """
        decimals = self.company_id.currency_id.decimal_places
        return SQL(
            """
            CASE WHEN COALESCE(item.promise_amount, 0) = 0
                   OR item.promise_amount >= item.residual_currency
                 THEN item.residual
                 ELSE ROUND(
                    item.residual * item.promise_amount / item.residual_currency, %s
                 )
             END
            """,
            decimals,
        )

    def _get_zero_customers_sql(self):
        """Return the query for the customers of the scope, open items or not."""
        if self.pool_id or self.partner_id:
            return SQL(
                "SELECT partner_id FROM collections_aging_snapshot_scope_rel "
                "WHERE snapshot_id = %s",
                self.id,
            )
        return SQL(
            """
            SELECT partner.id AS partner_id
              FROM res_partner partner
             WHERE partner.commercial_partner_id = partner.id
               AND partner.active AND partner.customer_rank > 0
               AND (partner.company_id IS NULL OR partner.company_id IN %s)
            """,
            tuple(self.company_id.sudo().parent_ids.ids),
        )

    def _get_is_current_sql(self):
        """Return whether a new row is the latest of its customer.

        It is, unless a run for a later day (up to today) answers for the customer too.
        """
        if self.date > fields.Date.context_today(self):
            return SQL("FALSE")
        newer = self._get_newer_snapshots()
        if newer.filtered(lambda snapshot: not snapshot._is_partial()):
            return SQL("FALSE")
        if not newer:
            return SQL("TRUE")
        return SQL(
            """
            NOT EXISTS (
                SELECT FROM collections_aging_snapshot_scope_rel newer
                 WHERE newer.snapshot_id IN %s AND newer.partner_id = total.partner_id
            )
            """,
            tuple(newer.ids),
        )

    def _insert_balances(self, ranges):
        """Write the rows of the run and make the rows they replace non-current."""
        partner_ids = None
        if self.partner_id:
            commercial = self.partner_id.commercial_partner_id
            partner_ids = (
                self.env["res.partner"]
                .sudo()
                .with_context(active_test=False)
                .search([("commercial_partner_id", "=", commercial.id)])
                .ids
            )
        columns = [period["column"] for period in ranges]
        source = SQL(
            "SELECT * FROM (%s) AS total", self._get_customer_totals_sql(ranges, partner_ids)
        )
        if self.include_zero_balance:
            source = SQL(
                """
                WITH total AS (%(totals)s)
                SELECT * FROM total
             UNION ALL
                SELECT customer.partner_id, 0, 0, 0, NULL, NULL, 0, 0, 0, 0, %(zeros)s
                  FROM (%(customers)s) AS customer
                 WHERE NOT EXISTS (
                       SELECT FROM total WHERE total.partner_id = customer.partner_id
                 )
                """,
                totals=self._get_customer_totals_sql(ranges, partner_ids),
                customers=self._get_zero_customers_sql(),
                zeros=SQL(", ").join(SQL("0") for _column in columns),
            )
        is_current = self._get_is_current_sql()
        try:
            with self.env.cr.savepoint():
                self._supersede_current()
                self.env.cr.execute(
                    self._get_insert_sql(ranges, columns, source, is_current)
                )
        except psycopg2.errors.UniqueViolation as error:
            raise UserError(
                self.env["collections.aging.balance"]._unique_current.get_error_message(
                    self.env["collections.aging.balance"]
                )
            ) from error

    def _get_insert_sql(self, ranges, columns, source, is_current):
        Partner = self.env["res.partner"].with_company(self.company_id)
        unused = [name for name in PERIOD_COLUMNS if name not in columns]
        return SQL(
            """
            INSERT INTO collections_aging_balance (
                snapshot_id, definition_id, company_id, currency_id, date, partner_id,
                is_current, amount_due, amount_overdue, amount_credit, indicator,
                days_overdue, oldest_due_date, open_item_count, disputed_count,
                amount_disputed, amount_promised, credit_limit, credit_remaining,
                last_payment_date, last_payment_amount, %(columns)s
            )
            SELECT %(snapshot)s, %(definition)s, %(company)s, %(currency)s, %(date)s,
                   total.partner_id, %(is_current)s,
                   total.amount_due, total.amount_overdue, total.amount_credit,
                   %(indicator)s,
                   COALESCE(%(date)s::date - total.oldest_overdue_date, 0),
                   total.oldest_due_date, total.open_item_count, total.disputed_count,
                   total.amount_disputed, total.amount_promised,
                   COALESCE(credit.credit_limit, 0),
                   CASE WHEN credit.credit_limit > 0
                        THEN credit.credit_limit - total.amount_due
                    END,
                   payment.date, payment.amount,
                   %(amounts)s
              FROM (%(source)s) AS total
         LEFT JOIN res_partner customer ON customer.id = total.partner_id
         LEFT JOIN LATERAL (
                   SELECT (%(credit_limit)s)::numeric AS credit_limit
                    WHERE customer.id IS NOT NULL
                   ) credit ON TRUE
         LEFT JOIN LATERAL (%(last_payment)s) payment ON TRUE
            """,
            columns=SQL(", ").join(map(SQL.identifier, columns + unused)),
            snapshot=self.id,
            definition=self.definition_id.id,
            company=self.company_id.id,
            currency=self.company_id.currency_id.id,
            date=self.date,
            is_current=is_current,
            indicator=self._get_indicator_sql(ranges),
            amounts=SQL(", ").join(
                [SQL("total.%s", SQL.identifier(name)) for name in columns]
                + [SQL("0") for _name in unused]
            ),
            source=source,
            credit_limit=Partner._field_to_sql("customer", "credit_limit"),
            last_payment=self._get_last_payment_sql(),
        )

    def _get_last_payment_sql(self):
        """Return the latest payment of a customer up to the date; alias `total`."""
        return SQL(
            """
            SELECT pay.date, pay.amount_company_currency_signed AS amount
              FROM res_partner payer
              JOIN account_payment pay ON pay.partner_id = payer.id
             WHERE payer.commercial_partner_id = total.partner_id
               AND pay.payment_type = 'inbound' AND pay.partner_type = 'customer'
               AND pay.state IN ('in_process', 'paid')
               AND pay.company_id = %s AND pay.date <= %s
          ORDER BY pay.date DESC, pay.id DESC
             LIMIT 1
            """,
            self.company_id.id,
            self.date,
        )

    def _get_scope_condition_sql(self, column):
        """Return the condition that a customer belongs to the scope of the run."""
        if not self._is_partial():
            return SQL("TRUE")
        return SQL(
            "%s IN (SELECT partner_id FROM collections_aging_snapshot_scope_rel "
            "WHERE snapshot_id = %s)",
            column,
            self.id,
        )

    # === TIE-OUT === #

    def _get_ledger_total(self):
        """Return the balance of the receivable accounts on the snapshot's date.

        Added up from the journal items alone: it does not look at matching, and so proves
        the aged amounts.
        """
        where = SQL("TRUE")
        if self._is_partial():
            where = SQL(
                "line.partner_id IN (SELECT id FROM res_partner WHERE %s)",
                self._get_scope_condition_sql(SQL("commercial_partner_id")),
            )
        [(total,)] = self.env.execute_query(
            SQL(
                """
                SELECT COALESCE(SUM(line.balance), 0)
                  FROM account_move_line line
                 WHERE line.account_id IN (
                           SELECT id FROM account_account
                            WHERE account_type = 'asset_receivable'
                       )
                   AND line.company_id = %(company)s
                   AND line.parent_state = 'posted'
                   AND line.date <= %(date)s
                   AND %(where)s
                """,
                company=self.company_id.id,
                date=self.date,
                where=where,
            )
        )
        return total

    def _get_matched_elsewhere(self):
        """Return by how much matches with other branches move the amount due.

        An invoice of one branch can be paid in another one. It is closed then, while the
        ledger of each of the two companies alone still shows its half.
        """
        [(amount,)] = self.env.execute_query(
            SQL(
                """
                SELECT COALESCE(SUM(
                           CASE WHEN debit.company_id = %(company)s THEN -partial.amount
                                ELSE partial.amount END
                       ), 0)
                  FROM account_partial_reconcile partial
                  JOIN account_move_line debit ON debit.id = partial.debit_move_id
                  JOIN account_move_line credit ON credit.id = partial.credit_move_id
             LEFT JOIN res_partner partner ON partner.id = CASE
                           WHEN debit.company_id = %(company)s THEN debit.partner_id
                           ELSE credit.partner_id END
                 WHERE partial.max_date <= %(date)s
                   AND debit.company_id <> credit.company_id
                   AND %(company)s IN (debit.company_id, credit.company_id)
                   AND debit.account_id IN %(accounts)s
                   AND debit.parent_state = 'posted' AND credit.parent_state = 'posted'
                   AND %(scope)s
                """,
                company=self.company_id.id,
                date=self.date,
                accounts=tuple(self._get_accounts().ids) or (0,),
                scope=self._get_scope_condition_sql(SQL("partner.commercial_partner_id")),
            )
        )
        return amount

    # === CURRENT ROWS === #

    def _is_partial(self):
        """Tell whether the snapshot answers for some customers only."""
        return bool(self.pool_id or self.partner_id)

    @api.model
    def _get_ranked_domain(self, company, definition):
        """Return the domain of the snapshots that can hold current rows."""
        return Domain(
            [
                ("company_id", "=", company.id),
                ("definition_id", "=", definition.id),
                ("state", "=", "done"),
                ("date", "<=", fields.Date.context_today(self)),
            ]
        )

    def _get_newer_snapshots(self):
        """Return the done runs for a later day up to today, or later for the same day."""
        newer = Domain("date", ">", self.date) | (
            Domain("date", "=", self.date) & Domain("run_number", ">", self.run_number)
        )
        return self.search(
            self._get_ranked_domain(self.company_id, self.definition_id)
            & newer
            & Domain("id", "!=", self.id)
        )

    def _supersede_current(self):
        """Make the earlier rows of the scope non-current, new row or not."""
        is_current = self._get_is_current_sql()
        self.env.cr.execute(
            SQL(
                """
                UPDATE collections_aging_balance AS total
                   SET is_current = FALSE
                 WHERE is_current
                   AND company_id = %(company)s AND definition_id = %(definition)s
                   AND %(scope)s AND %(replaced)s
                """,
                company=self.company_id.id,
                definition=self.definition_id.id,
                scope=self._get_scope_condition_sql(SQL("total.partner_id")),
                replaced=is_current,
            )
        )

    def _get_current_scopes(self):
        """Return the companies and definitions whose current rows may change."""
        return [
            (company, definition)
            for company, snapshots in self.grouped("company_id").items()
            for definition in snapshots.definition_id
        ]

    @api.model
    def _get_current_snapshots(self, company, definition):
        """Return the snapshots that answer for the customers now.

        :return: the latest run over all customers (may be empty), and the later runs over
            some of them, newest first
        """
        snapshots = self.search(self._get_ranked_domain(company, definition))
        partial = self.browse()
        for snapshot in snapshots:
            if not snapshot._is_partial():
                return snapshot, partial
            partial += snapshot
        return self.browse(), partial

    @api.model
    def _update_current(self, scopes):
        """Work out anew which rows are current, after snapshots have gone.

        :param scopes: pairs of `res.company` and `collections.aging.definition`
        """
        self.env.flush_all()
        for company, definition in scopes:
            full, partial = self.sudo()._get_current_snapshots(company, definition)
            target = self._get_current_rows_sql(full, partial)
            for state, condition in (
                (False, SQL("is_current AND id NOT IN (SELECT id FROM target)")),
                (True, SQL("NOT is_current AND id IN (SELECT id FROM target)")),
            ):
                self.env.cr.execute(
                    SQL(
                        """
                        WITH target AS (%s)
                        UPDATE collections_aging_balance SET is_current = %s
                         WHERE company_id = %s AND definition_id = %s
                           AND (is_current OR snapshot_id IN %s) AND %s
                        """,
                        target,
                        state,
                        company.id,
                        definition.id,
                        tuple((full + partial).ids) or (0,),
                        condition,
                    )
                )
            self.sudo().search(
                [
                    ("company_id", "=", company.id),
                    ("definition_id", "=", definition.id),
                    ("state", "=", "done"),
                ]
            )._update_history()
        self.env["collections.aging.balance"].invalidate_model(["is_current"])

    @api.model
    def _get_current_rows_sql(self, full, partial):
        """Return the ids of the rows that are current, given who answers for whom."""
        return SQL(
            """
            SELECT balance.id
              FROM collections_aging_balance balance
         LEFT JOIN (
                   SELECT DISTINCT ON (scope.partner_id)
                          scope.partner_id, scope.snapshot_id
                     FROM collections_aging_snapshot_scope_rel scope
                     JOIN collections_aging_snapshot snapshot
                       ON snapshot.id = scope.snapshot_id
                    WHERE scope.snapshot_id IN %(partial)s
                 ORDER BY scope.partner_id, snapshot.date DESC,
                          snapshot.run_number DESC, snapshot.id DESC
                   ) latest ON latest.partner_id = balance.partner_id
             WHERE balance.snapshot_id IN %(all)s
               AND balance.snapshot_id = COALESCE(latest.snapshot_id, %(full)s)
            """,
            partial=tuple(partial.ids) or (0,),
            all=tuple((full + partial).ids) or (0,),
            full=full.id or 0,
        )

    def _update_history(self):
        """Mark the last run over all customers of each date."""
        keys = {(s.company_id, s.definition_id, s.date) for s in self}
        if not keys:
            return
        snapshots_sudo = self.sudo().search(  # the mark is closed to users
            [
                ("company_id", "in", self.company_id.ids),
                ("definition_id", "in", self.definition_id.ids),
                ("date", "in", list(set(self.mapped("date")))),
                ("state", "=", "done"),
                ("pool_id", "=", False),
                ("partner_id", "=", False),
            ]
        )
        last = self.browse()
        for _key, group in groupby(
            snapshots_sudo, lambda s: (s.company_id, s.definition_id, s.date)
        ):
            last += group[0]
        changed = (last - last.filtered("is_history")).sudo()
        changed.write({"is_history": True})
        (snapshots_sudo.filtered("is_history") - last.sudo()).write({"is_history": False})

    # === ITEMS BEHIND AN AMOUNT === #

    def _get_open_line_ids(self, partners, balances, column=False):
        """Return the journal items behind the rows of some customers.

        :param partners: the commercial partners of the rows
        :param balances: the rows; a row without customer stands for the items without one
        :param column: name of a period column, False for all periods
        :return: ids of `account.move.line`
        :raise UserError: when the snapshot has no such period
        """
        self.ensure_one()
        condition = SQL("TRUE")
        if column:
            condition = self._get_period_condition_sql(
                self._get_range(column), SQL("aged.age_date")
            )
        customer = SQL("aged.customer_id IN %s", tuple(partners.ids) or (0,))
        if any(not balance.partner_id for balance in balances):
            customer = SQL("(%s OR aged.customer_id IS NULL)", customer)
        self.env.flush_all()
        rows = self.env.execute_query(
            SQL(
                "SELECT aged.id FROM (%s) AS aged WHERE %s AND %s",
                self.sudo()._get_aged_items_sql(),
                customer,
                condition,
            )
        )
        return [line_id for (line_id,) in rows]

    def _get_range(self, column):
        for period in self.period_ranges or []:
            if period["column"] == column:
                return period
        raise UserError(
            self.env._(
                "The snapshot %(snapshot)s has no period %(column)s.",
                snapshot=self.display_name,
                column=column,
            )
        )

    def _get_heading(self, column):
        return self._get_range(column)["name"]

    def _get_view_description(self):
        """Return what the line above Aged Balances says about the run."""
        self.ensure_one()
        return {
            "id": self.id,
            "date": fields.Date.to_string(self.date),
            "date_text": format_date(self.env, self.date),
            "run_date_text": format_datetime(self.env, self.run_date, dt_format="short"),
            "company": self.company_id.name,
            "ledger_difference": self.ledger_difference,
            "ledger_difference_text": self.currency_id.format(self.ledger_difference),
            "is_outdated": self.is_outdated,
            "is_today": self.date == fields.Date.context_today(self),
        }

    # === PROMISES === #

    def _update_promises(self):
        """Mark the promises that were for a day before the aging date as broken.

        :return: the number of items
        :rtype: int
        """
        scope = SQL("TRUE")
        if self._is_partial():
            scope = SQL(
                "line.partner_id IN (SELECT id FROM res_partner WHERE %s)",
                self._get_scope_condition_sql(SQL("commercial_partner_id")),
            )
        rows = self.env.execute_query(
            SQL(
                """
                SELECT line.id
                  FROM account_move_line line
                 WHERE line.collections_status = 'promised'
                   AND line.collections_promise_date < %(date)s
                   AND line.company_id = %(company)s
                   AND line.parent_state = 'posted' AND line.reconciled IS NOT TRUE
                   AND %(scope)s
                """,
                date=self.date,
                company=self.company_id.id,
                scope=scope,
            )
        )
        lines = self.env["account.move.line"].browse(line_id for (line_id,) in rows)
        lines._break_promises()
        return len(lines)

    # === SCHEDULED RUN === #

    @api.model
    def _cron_run_daily(self):
        """Age the balances of all companies, and of the pools that ask for it."""
        today = fields.Date.context_today(self)
        todo = self._get_daily_vals(today)
        progress = self.env["ir.cron"]
        progress._commit_progress(remaining=len(todo))
        for vals in todo:
            snapshot = self.create({**vals, "date": today})
            try:
                with self.env.cr.savepoint():
                    snapshot.action_run()
            except (UserError, ValidationError, AccessError) as error:
                # One broken pool must not keep the other companies from their figures.
                _logger.warning("Daily aging %s: %s", snapshot.display_name, error)
                snapshot.sudo().error = str(error)
            if not progress._commit_progress(1):
                return
        for company in self.env["res.company"].search([]):
            self._remove_old(company)

    @api.model
    def _get_daily_vals(self, today):
        """Return the values of the snapshots still to make today.

        :param today: the date to age on
        :rtype: list[dict]
        """
        companies = self.env["res.company"].search(
            [("collections_snapshot_daily", "=", True)]
        )
        pools = self.env["collections.pool"].search([("run_daily", "=", True)])
        made = {
            (snapshot.company_id, snapshot.pool_id)
            for snapshot in self.search(
                [
                    ("date", "=", today),
                    ("partner_id", "=", False),
                    ("create_uid", "=", self.env.uid),
                ]
            )
        }
        wanted = [(company, self.env["collections.pool"]) for company in companies]
        wanted += [
            (company, pool)
            for pool in pools
            for company in (pool.company_id or companies)
        ]
        return [
            {"company_id": company.id, "pool_id": pool.id}
            for company, pool in wanted
            if (company, pool) not in made
            and self.env["collections.aging.definition"]._get_definition(company, pool)
            and self.new({"company_id": company.id})._get_accounts()
        ]

    @api.model
    def _remove_old(self, company):
        """Delete the snapshots that the company does not want to keep any longer."""
        days = company.collections_snapshot_retention_days
        if not days:
            return
        limit = fields.Date.subtract(fields.Date.context_today(self), days=days)
        old = self.search(
            [("company_id", "=", company.id), ("date", "<", limit), ("state", "=", "done")]
        )
        for definition in old.definition_id:
            full, partial = self._get_current_snapshots(company, definition)
            # They say who owes nothing any more, even where they hold no row.
            old -= full + partial
        in_use = self.env["collections.aging.balance"]._read_group(
            [("snapshot_id", "in", old.ids), ("is_current", "=", True)], ["snapshot_id"]
        )
        for (snapshot,) in in_use:
            old -= snapshot
        old.unlink()
