import logging

import psycopg2.errors

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Domain
from odoo.tools import SQL, format_date, format_datetime, groupby

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
    "is_forecast",
    "is_refresh",
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

    All customers are computed by one statement in the database, whatever their number.
    An item counts as open on a day when it is posted and dated up to that day, with
    what is left of it after the matches made up to that day with other posted items.
    """

    _name = "collections.aging.snapshot"
    _inherit = ["collections.aging.query"]
    _description = "Aging Snapshot"
    _order = "date desc, run_number desc, id desc"
    _check_company_auto = True

    @api.model
    def default_get(self, fields_list):
        # Figures do not come in as defaults of a context either.
        defaults = {
            name: value
            for name, value in super().default_get(fields_list).items()
            if name not in RESULT_FIELDS
        }
        if "state" in fields_list:
            defaults["state"] = "draft"
        return defaults

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
        domain="['|', ('company_id', '=', False), ('company_id', 'parent_of', "
        "company_id)]",
        help="Proposed from the customer pool, else from the parameters, else the "
        "first definition.",
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
        string="Scope",
        copy=False,
    )
    scope_name = fields.Char(string="Customers in Scope", compute="_compute_scope_name")
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
        help="The last run over all customers for its date. Graphs over time use "
        "these.",
    )
    is_forecast = fields.Boolean(
        readonly=True,
        copy=False,
        help="Run before its own date, so it cannot know what was booked until then. "
        "Forecasts never hold the latest figures of a customer.",
    )
    is_refresh = fields.Boolean(
        string="Refresh",
        readonly=True,
        copy=False,
        help="Made to refresh the figures of chosen customers.",
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
        help="Amount due less receivables in ledger, branches considered. Must be "
        "zero.",
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

    @api.depends("pool_id", "partner_id", "is_refresh")
    @api.depends_context("lang")
    def _compute_scope_name(self):
        for snapshot in self:
            snapshot.scope_name = (
                snapshot.partner_id.display_name
                or snapshot.pool_id.name
                or (snapshot.is_refresh and self.env._("Chosen customers"))
                or self.env._("All customers")
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
                        "%(definition)s belongs to %(owner)s and cannot age the "
                        "balances of %(company)s.",
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
                self.env._(
                    "A snapshot is made for a customer pool or for one customer."
                )
            )

    # === CRUD METHODS === #

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            self._check_no_results(vals)
        # An empty definition is none that was chosen.
        vals_list = [
            {
                name: value
                for name, value in vals.items()
                if value or name != "definition_id"
            }
            for vals in vals_list
        ]
        snapshots = super().create(vals_list)
        snapshots._set_refresh_scope()
        return snapshots

    def _set_refresh_scope(self):
        """Let the snapshots of single customers answer for these customers."""
        for snapshot_sudo in self.sudo():  # the scope is closed to users
            if snapshot_sudo.partner_id:
                customer = snapshot_sudo.partner_id.commercial_partner_id
                snapshot_sudo.write({"is_refresh": True, "scope_partner_ids": customer})

    def write(self, vals):
        self._check_no_results(vals)
        done = self.filtered(
            lambda snapshot: snapshot.state == "done" and snapshot._changes_scope(vals)
        )
        if done:
            # The figures go: that is for those who may delete them.
            done.check_access("unlink")
            done._reset()
        result = super().write(vals)
        if "partner_id" in vals:
            self._set_refresh_scope()
        return result

    def _changes_scope(self, vals):
        """Tell whether values would make the snapshot one of something else."""
        self.ensure_one()
        names = SCOPE_FIELDS.intersection(vals)
        return any(
            self._fields[name].convert_to_cache(vals[name], self)
            != self._fields[name].convert_to_cache(self[name], self)
            for name in names
        )

    def unlink(self):
        scopes = self._get_current_scopes()
        result = super().unlink()
        self._update_current(scopes)
        return result

    def _check_no_results(self, vals):
        forbidden = RESULT_FIELDS.intersection(vals)
        if forbidden and not self.env.su:
            labels = [
                self._fields[name]._description_string(self.env) for name in forbidden
            ]
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
        :raise UserError: without a usable aging period definition, with a broken pool,
            or while another run of the same company and definition is under way
        """
        self.check_access("write")
        for snapshot in self:
            snapshot._check_can_run()
            # Results are closed to users, also to those who may make the run.
            snapshot.sudo()._run()
        return True

    def action_view_balances(self):
        """Open the rows of the snapshot."""
        self.env["collections.posting"]._check_one(self)
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "credit_collections.collections_aging_balance_action_snapshot"
        )
        action.update(
            {
                "display_name": self.display_name,
                "domain": [("snapshot_id", "=", self.id)],
                "context": {
                    "collections_definition_id": self.definition_id.id,
                    "collections_snapshot_id": self.id,
                },
            }
        )
        return action

    # === RUN === #

    def _check_can_run(self):
        self.ensure_one()
        if not self.definition_id:
            raise self.definition_id._get_missing_error(self.company_id)
        problem = self.definition_id._get_problem(self.date)
        if problem:
            raise UserError(problem)
        if not self._is_partial():
            return
        full, _partial = self.sudo()._get_current_snapshots(
            self.company_id, self.definition_id
        )
        if full.is_outdated:
            # One list cannot show some customers by the old periods, others by the new.
            raise UserError(
                self.env._(
                    "The periods of %(definition)s were changed. Run a snapshot of all "
                    "customers first.",
                    definition=self.definition_id.display_name,
                )
            )

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
        self.write({**self._prepare_result_vals(), "promise_broken_count": broken})
        self._update_history()
        # Whatever was read of the rows before is old now.
        self.env.invalidate_all()
        self._run_done()

    def _run_done(self):
        """Hook: called after a run, with its rows in place."""

    def _prepare_run_vals(self, ranges):
        """Return the values that a run keeps of its definition.

        :param list[dict] ranges: the periods as `get_period_ranges` gives them
        """
        return {
            "state": "done",
            "is_forecast": self.date > self._get_today(self.company_id),
            "run_date": fields.Datetime.now(),
            "run_number": self._get_last_run_number() + 1,
            "period_ranges": ranges,
            "structure": self.definition_id._get_structure(),
            "error": False,
        }

    @api.model
    def _get_today(self, company):
        """Return the day that the latest figures of a company are made for.

        It is today for the user, unless somebody for whom the next day has begun has
        made figures already: those of the same hour must not lose to them.

        :param company: a `res.company`
        :rtype: datetime.date
        """
        today = fields.Date.context_today(self)
        tomorrow = fields.Date.add(today, days=1)
        has_begun = self.sudo().search_count(
            [
                ("company_id", "=", company.id),
                ("date", "=", tomorrow),
                ("state", "=", "done"),
                ("is_forecast", "=", False),
            ],
            limit=1,
        )
        return tomorrow if has_begun else today

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
        if self.is_refresh:
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
        if self.is_refresh:
            return  # the customers were given with the refresh
        self.env.cr.execute(
            SQL(
                "DELETE FROM collections_aging_snapshot_scope_rel WHERE snapshot_id = "
                "%s",
                self.id,
            )
        )
        if not self.pool_id:
            return
        # A pool may look at figures: those of the company that is aged.
        pool = self.pool_id.with_context(allowed_company_ids=self.company_id.ids)
        partners = pool._get_checked_partner_query()
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO collections_aging_snapshot_scope_rel (
                    snapshot_id, partner_id
                )
                SELECT %s, scope.partner_id FROM (%s) AS scope
                """,
                self.id,
                partners,
            )
        )

    # === ROWS === #

    def _insert_balances(self, ranges):
        """Write the rows of the run and make the rows they replace non-current."""
        partner_ids = None
        if self.is_refresh:
            partner_ids = self._get_contact_ids(self.scope_partner_ids)
        columns = [period["column"] for period in ranges]
        source = SQL(
            "SELECT * FROM (%s) AS total",
            self._get_customer_totals_sql(ranges, partner_ids),
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
                self._supersede_current(is_current)
                self.env.cr.execute(
                    self._get_insert_sql(ranges, columns, source, is_current)
                )
        except psycopg2.errors.UniqueViolation as error:
            raise UserError(
                self.env["collections.aging.balance"]._unique_current.get_error_message(
                    self.env["collections.aging.balance"]
                )
            ) from error

    # === CURRENT ROWS === #

    def _get_is_current_sql(self):
        """Return whether a new row is the latest of its customer.

        It is, unless a run for a later day (up to today) answers for the customer too.
        """
        if self.is_forecast:
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

    def _get_ranked_domain(self, company, definition):
        """Return the domain of the snapshots that can hold current rows."""
        return Domain(
            [
                ("company_id", "=", company.id),
                ("definition_id", "=", definition.id),
                ("state", "=", "done"),
                ("is_forecast", "=", False),
            ]
        )

    def _get_newer_snapshots(self):
        """Return the done runs for a later day, or later for the same day."""
        newer = Domain("date", ">", self.date) | (
            Domain("date", "=", self.date) & Domain("run_number", ">", self.run_number)
        )
        ranked = self._get_ranked_domain(self.company_id, self.definition_id)
        return self.search(ranked & newer)

    def _supersede_current(self, is_current):
        """Make the earlier rows of the scope non-current, new row or not.

        :param SQL is_current: whether the run is the latest one of a customer
        """
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
                # Besides the customers of the scope those who became contacts of one.
                scope=self._get_contact_condition_sql(SQL("total.partner_id")),
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

        :return: the latest run over all customers (may be empty), and the later runs
            over some of them, newest first
        """
        ranked = self._get_ranked_domain(company, definition)
        whole = Domain([("pool_id", "=", False), ("is_refresh", "=", False)])
        full = self.search(ranked & whole, limit=1)
        return full, full._get_newer_snapshots() if full else self.search(ranked)

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
         LEFT JOIN (%(latest)s) latest ON latest.partner_id = balance.partner_id
             WHERE balance.snapshot_id IN %(all)s
               AND balance.snapshot_id = COALESCE(latest.snapshot_id, %(full)s)
            """,
            latest=self._get_latest_scopes_sql(partial),
            all=tuple((full + partial).ids) or (0,),
            full=full.id or 0,
        )

    @api.model
    def _get_latest_scopes_sql(self, partial):
        """Return the query for the last one of runs that each customer was part of.

        Who was a customer once and is a contact now is answered for with the customer
        he belongs to.

        :param partial: runs over some customers
        :return: the query; columns `partner_id` and `snapshot_id`
        :rtype: SQL
        """
        return SQL(
            """
            SELECT DISTINCT ON (scope.partner_id)
                   scope.partner_id, scope.snapshot_id
              FROM (
                   SELECT snapshot_id, partner_id
                     FROM collections_aging_snapshot_scope_rel
                    WHERE snapshot_id IN %(partial)s
                UNION ALL
                   SELECT own.snapshot_id, contact.id
                     FROM collections_aging_snapshot_scope_rel own
                     JOIN res_partner contact
                       ON contact.commercial_partner_id = own.partner_id
                      AND contact.id <> own.partner_id
                    WHERE own.snapshot_id IN %(partial)s
                   ) scope
              JOIN collections_aging_snapshot snapshot
                ON snapshot.id = scope.snapshot_id
          ORDER BY scope.partner_id, snapshot.date DESC, snapshot.run_number DESC,
                   snapshot.id DESC
            """,
            partial=tuple(partial.ids) or (0,),
        )

    @api.model
    def _get_answering(self, company, definition):
        """Return the snapshots that say who owes nothing any more, and who owes what.

        They may hold no row.

        :param company: a `res.company`
        :param definition: a `collections.aging.definition`
        """
        full, partial = self._get_current_snapshots(company, definition)
        rows = self.env.execute_query(
            SQL(
                "SELECT DISTINCT snapshot_id FROM (%s) AS latest",
                self._get_latest_scopes_sql(partial),
            )
        )
        return full + self.browse(snapshot_id for (snapshot_id,) in rows)

    def _update_history(self):
        """Mark the last run over all customers of each date."""
        snapshots_sudo = self.sudo().search(  # the mark is closed to users
            [
                ("company_id", "in", self.company_id.ids),
                ("definition_id", "in", self.definition_id.ids),
                ("date", "in", list(set(self.mapped("date")))),
                ("state", "=", "done"),
                ("pool_id", "=", False),
                ("is_refresh", "=", False),
                ("is_forecast", "=", False),
            ]
        )
        last = self.browse()
        for _key, group in groupby(
            snapshots_sudo, lambda s: (s.company_id, s.definition_id, s.date)
        ):
            last += group[0]
        changed = (last - last.filtered("is_history")).sudo()
        changed.write({"is_history": True})
        (snapshots_sudo.filtered("is_history") - last.sudo()).write(
            {"is_history": False}
        )

    # === ITEMS BEHIND AN AMOUNT === #

    def _get_open_line_ids(self, partners, balances, column=False):
        """Return the journal items behind the rows of some customers.

        :param partners: the commercial partners of the rows
        :param balances: the rows; a row without customer stands for the items without
            one
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
        contact_ids = None
        if all(balance.partner_id for balance in balances):
            contact_ids = self._get_contact_ids(partners)
        rows = self.env.execute_query(
            SQL(
                "SELECT aged.id FROM (%s) AS aged WHERE %s AND %s",
                self.sudo()._get_aged_items_sql(contact_ids),
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

    def _get_columns(self):
        """Return the columns that the rows were cut into, see the definition's."""
        self.ensure_one()
        return self.definition_id._get_columns(self.period_ranges or [])

    @api.model
    def _get_contact_ids(self, partners):
        """Return the customers with all their contacts, archived ones too."""
        return list(self._get_contact_query(partners))

    @api.model
    def _get_contact_query(self, partners):
        """Return the query for the customers with all their contacts."""
        return (
            self.env["res.partner"]
            .sudo()  # items can be on contacts that the user does not see
            .with_context(active_test=False)
            ._search(
                [("commercial_partner_id", "in", partners.commercial_partner_id.ids)]
            )
        )

    def _get_view_description(self):
        """Return what the line above Aged Balances says about the runs on screen.

        :return: figures of the latest run, and whether all of them tie; False for none
        :rtype: dict | bool
        """
        if not self:
            return False
        different = self.filtered("ledger_difference")
        return {
            **self[0]._get_own_view_description(),
            "ledger_difference": bool(different),
            "ledger_difference_text": ", ".join(
                snapshot.currency_id.format(snapshot.ledger_difference)
                for snapshot in different
            ),
            "is_outdated": any(snapshot.is_outdated for snapshot in self),
            "is_today": all(
                snapshot.date == fields.Date.context_today(self) for snapshot in self
            ),
        }

    def _get_own_view_description(self):
        return {
            "id": self.id,
            "date_text": format_date(self.env, self.date),
            "run_date_text": format_datetime(
                self.env, self.run_date, dt_format="short"
            ),
        }

    # === PROMISES === #

    def _update_promises(self):
        """Judge the promises that were for a day before the aging date by the cash.

        :return: the number of items with a promise that was found broken
        :rtype: int
        """
        # A forecast does not break what was promised for a day still to come.
        date = min(self.date, fields.Date.context_today(self))
        judged = self.env["collections.promise"]._judge_where(
            SQL(
                "promise.company_id = %s AND promise.date < %s AND %s",
                self.company_id.id,
                date,
                self._get_contact_condition_sql(SQL("promise.partner_id")),
            ),
            "run",
        )
        missed = judged.filtered(lambda promise: promise.state in ("partly", "broken"))
        broken = missed._get_open_items(("promise_broken",))
        lines = self._get_overdue_promised_items(date)
        lines._break_promises()
        return len(broken | lines)

    def _get_overdue_promised_items(self, date):
        """Return the open items still marked as promised for a day before a date.

        Kept promises have left them, so whoever set the mark, nothing came.
        """
        self.env.flush_all()
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
                date=date,
                company=self.company_id.id,
                scope=self._get_contact_condition_sql(SQL("line.partner_id")),
            )
        )
        return self.env["account.move.line"].browse(line_id for (line_id,) in rows)

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
            except Exception:
                _logger.exception("Daily aging %s", snapshot.display_name)
                snapshot.unlink()
            if not progress._commit_progress(1):
                return
        companies = self.env["res.company"].search(
            [("collections_snapshot_retention_days", ">", 0)]
        )
        for company in companies:
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
                    ("is_refresh", "=", False),
                    ("create_uid", "=", self.env.uid),
                ]
            )
        }
        wanted = [(company, self.env["collections.pool"]) for company in companies]
        wanted += [
            (company, pool)
            for pool in pools
            for company in (pool.company_id or pool._filter_companies(companies))
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
            [
                ("company_id", "=", company.id),
                ("date", "<", limit),
                # What somebody prepared waits for him; what failed waits for nobody.
                "|",
                ("state", "=", "done"),
                ("error", "!=", False),
            ]
        )
        for definition in old.definition_id:
            old -= self._get_answering(company, definition)
        in_use = self.env["collections.aging.balance"]._read_group(
            [("snapshot_id", "in", old.ids), ("is_current", "=", True)], ["snapshot_id"]
        )
        for (snapshot,) in in_use:
            old -= snapshot
        old.unlink()
