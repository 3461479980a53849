from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.tools import SQL

from ..tools.aging import MAX_PERIODS
from ..tools.spreadsheet import escape_export
from .collections_aging_period import INDICATORS

PERIOD_COLUMNS = [f"amount_{position}" for position in range(1, MAX_PERIODS + 1)]
SUMMED_COLUMNS = [
    "amount_due",
    "amount_overdue",
    "amount_credit",
    "amount_disputed",
    "amount_promised",
    "open_item_count",
    "disputed_count",
    *PERIOD_COLUMNS,
]


class SnapshotMany2one(fields.Many2one):
    """A link that the row shares with its snapshot.

    The snapshot has the foreign key. A second one here would be looked up again for
    each of the many rows of a run, which costs as much as writing them, and guard
    nothing: rows are only written from their snapshot and go with it.
    """

    def update_db_foreign_key(self, model, column):
        # OVERRIDE base
        return


class CollectionsAgingBalance(models.Model):
    """One customer in one snapshot: a row of Aged Balances.

    Rows are written by `collections.aging.snapshot` in one statement and never change
    afterwards, except for `is_current`.
    """

    _name = "collections.aging.balance"
    _description = "Aged Balance"
    _order = "amount_due desc, id"
    _rec_name = "partner_id"
    _log_access = False  # the snapshot knows who and when; a run writes many rows

    snapshot_id = fields.Many2one(
        comodel_name="collections.aging.snapshot",
        required=True,
        readonly=True,
        index=True,
        ondelete="cascade",
    )
    definition_id = SnapshotMany2one(
        comodel_name="collections.aging.definition",
        string="Aging Period Definition",
        required=True,
        readonly=True,
    )
    company_id = SnapshotMany2one(
        comodel_name="res.company", required=True, readonly=True
    )
    currency_id = SnapshotMany2one(
        comodel_name="res.currency", required=True, readonly=True
    )
    date = fields.Date(string="Aging as of", required=True, readonly=True)
    partner_id = fields.Many2one(
        comodel_name="res.partner",
        string="Customer",
        readonly=True,
        index=True,
        # Core keeps customers with items; what is left are rows of those who owe
        # nothing.
        ondelete="cascade",
        help="The company or person that owes. Empty for items without a customer.",
    )
    is_current = fields.Boolean(
        readonly=True,
        help="The latest figures of this customer for this aging period definition.",
    )
    is_history = fields.Boolean(
        related="snapshot_id.is_history",
        help="Belongs to the last run over all customers for its date, so that totals "
        "per date count every customer once.",
    )
    pool_ids = fields.Many2many(
        comodel_name="collections.pool",
        string="Customer Pools",
        compute="_compute_pool_ids",
        search="_search_pool_ids",
    )

    amount_due = fields.Monetary(
        readonly=True, help="All open items, credits deducted, in company currency."
    )
    amount_overdue = fields.Monetary(
        readonly=True, help="Open debit items past their due date, without credits."
    )
    amount_credit = fields.Monetary(
        string="Credits",
        readonly=True,
        help="Open credit notes and unapplied payments, negative. They are part of the "
        "amount due and of the periods.",
    )
    amount_1 = fields.Monetary(string="Period 1", readonly=True)
    amount_2 = fields.Monetary(string="Period 2", readonly=True)
    amount_3 = fields.Monetary(string="Period 3", readonly=True)
    amount_4 = fields.Monetary(string="Period 4", readonly=True)
    amount_5 = fields.Monetary(string="Period 5", readonly=True)
    amount_6 = fields.Monetary(string="Period 6", readonly=True)
    amount_7 = fields.Monetary(string="Period 7", readonly=True)
    amount_8 = fields.Monetary(string="Period 8", readonly=True)
    amount_9 = fields.Monetary(string="Period 9", readonly=True)
    amount_10 = fields.Monetary(string="Period 10", readonly=True)
    amount_11 = fields.Monetary(string="Period 11", readonly=True)
    amount_12 = fields.Monetary(string="Period 12", readonly=True)

    indicator = fields.Selection(
        selection=INDICATORS,
        readonly=True,
        help="The colour of the period with the oldest overdue item.",
    )
    days_overdue = fields.Integer(
        readonly=True, aggregator="max", help="Age of the oldest overdue item in days."
    )
    oldest_due_date = fields.Date(
        readonly=True, aggregator="min", help="Earliest due date of the open debts."
    )
    open_item_count = fields.Integer(string="Open Items", readonly=True)
    disputed_count = fields.Integer(string="Disputed Items", readonly=True)
    amount_disputed = fields.Monetary(string="Disputed", readonly=True)
    amount_promised = fields.Monetary(string="Promised", readonly=True)
    credit_limit = fields.Monetary(readonly=True)
    credit_remaining = fields.Monetary(
        readonly=True,
        help="Credit limit less the amount due; negative when the limit is exceeded. "
        "Empty for customers without a limit.",
    )
    last_payment_date = fields.Date(string="Last Payment", readonly=True)
    last_payment_amount = fields.Monetary(readonly=True, aggregator=None)

    # Of two runs at the same time only one can leave its rows as the current ones.
    _unique_current = models.UniqueIndex(
        "(company_id, definition_id, COALESCE(partner_id, 0)) WHERE is_current",
        "Another aging run has just replaced the figures of the same customers. Open "
        "Aged Balances again to see them.",
    )

    # === COMPUTE METHODS === #

    @api.depends("partner_id")
    def _compute_display_name(self):
        for balance in self:
            balance.display_name = balance.partner_id.display_name or self.env._(
                "No customer"
            )

    def _compute_pool_ids(self):
        for balance in self:
            balance.pool_ids = balance.partner_id.collections_pool_ids

    def _search_pool_ids(self, operator, value):
        return Domain("partner_id.collections_pool_ids", operator, value)

    # === CRUD METHODS === #

    @api.model
    def fields_get(self, allfields=None, attributes=None):
        # EXTENDS base: the columns carry the headings of the definition in force
        result = super().fields_get(allfields=allfields, attributes=attributes)
        if attributes and "string" not in attributes:
            return result
        columns = [name for name in PERIOD_COLUMNS if name in result]
        if not columns:
            return result
        headings = {
            f"amount_{position}": period.name
            for position, period in enumerate(
                self._get_definition_in_force().period_ids.sorted(), start=1
            )
        }
        for name in columns:
            heading = headings.get(name)
            if heading:
                result[name]["string"] = heading
            else:
                # Nothing is ever in these columns, so nobody should be offered them.
                result[name].update(
                    {"searchable": False, "sortable": False, "exportable": False}
                )
        return result

    def export_data(self, fields_to_export):
        # EXTENDS base: names that customers gave themselves are no formulas
        self.check_access("read")
        exported = super().export_data(fields_to_export)
        if self.env.context.get("collections_export"):
            return exported  # goes into a file in which texts stay texts
        return escape_export(exported)

    # === ACTION METHODS === #

    def action_open_items(self, column=False):
        """Open the items behind an amount, as they stood at the snapshot's date.

        :param column: `"amount_3"` for the items of one period, False for all
        :return: a window action whose domain selects the `account.move.line`
        :rtype: dict
        :raise UserError: when there is no such period
        """
        line_ids = []
        for snapshot, balances in self.grouped("snapshot_id").items():
            line_ids += snapshot._get_open_line_ids(
                balances.partner_id, balances, column
            )
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "credit_collections.account_move_line_action_open_items"
        )
        dates = set(self.mapped("date"))
        context = {"create": False, "collections_export": True}
        if len(dates) == 1:
            # The list shows what was open on that day, whatever happened since.
            context["collections_date"] = fields.Date.to_string(dates.pop())
        action.update(
            {
                "domain": [("id", "in", sorted(line_ids))],
                "context": context,
                "display_name": self._get_open_items_name(column),
            }
        )
        return action

    def action_open_customer(self):
        """Open the collections page of the customer of the row."""
        self.env["collections.posting"]._check_one(self)
        if not self.partner_id:
            return self.action_open_items()
        return self.partner_id.action_open_collections_page()

    def action_refresh(self):
        """Age the customers of the rows again as of today."""
        return self.partner_id.action_refresh_aging()

    def action_open_writeoff(self):
        """Open the wizard that writes off all that is open of the customers."""
        return self.env["collections.writeoff.wizard"]._open(self)

    def action_open_reimbursement(self):
        """Open the wizard that reimburses the credits of the customers.

        :raise UserError: when the rows belong to several companies, or to nobody
        """
        company = self.company_id
        if not self.partner_id:
            raise UserError(
                self.env._("Select customers first: these rows belong to nobody.")
            )
        if len(company) > 1:
            raise UserError(
                self.env._(
                    "The customers belong to several companies: %(companies)s. "
                    "Reimburse them one company at a time.",
                    companies=", ".join(company.mapped("name")),
                )
            )
        return self.partner_id.with_company(company).action_open_reimbursement()

    def action_send_collections_email(self, kind="collections"):
        """Open Odoo's composer with the e-mail about the customers of the rows.

        See `res.partner.action_send_collections_email`.

        :raise UserError: when the rows are of several companies
        """
        company = self.env["collections.recipient"]._get_one_company(self)
        return self.partner_id.with_context(
            collections_company_id=company.id
        ).action_send_collections_email(kind)

    # === BUSINESS METHODS === #

    @api.model
    def get_aging_view(self, pool_id=False, limit=0):
        """Return what the Aged Balances views need to know before they load rows.

        The web client keeps view descriptions in memory and sends them no context, so
        its list, pivot and graph ask here for the headings and for the rows to show.

        :param pool_id: id of the customer pool chosen on screen, False for all
            customers, None for the agent's default pool
        :param limit: when given, only the customers who owe most, as many as this
        :return: `definition`, `columns` (`name`, `string`, `date_range`), `pool_id`,
            `pools`, `snapshot` (figures of the latest run, with the number of customers
            refreshed after it, or False) and `domain`
        :rtype: dict
        """
        agent = self.env["collections.agent"]._get_own()
        can_see_all = not agent.pool_ids or agent.view_all_pools
        if pool_id is None:
            pool = agent.default_pool_id.filtered("active")
            if not pool and not can_see_all:
                pool = agent.pool_ids[:1]
        else:
            pool = self.env["collections.pool"].browse(pool_id or []).exists()
        definition = self.with_context(
            collections_pool_id=pool.id
        )._get_definition_in_force()
        domain = Domain("definition_id", "=", definition.id)
        if pool:
            domain &= Domain("pool_ids", "in", pool.ids)
        result = {
            "definition": bool(definition) and definition._get_view_description(),
            "columns": [],
            "pool_id": pool.id,
            "pools": self.env["collections.pool"]._get_choices(agent),
            "can_see_all": can_see_all,
            "limit": limit,
            "has_several_companies": len(self.env.companies) > 1,
            "snapshot": False,
            "domain": list(domain),
        }
        if definition:
            snapshots = self._get_view_snapshots(definition, pool)
            result["snapshot"] = snapshots._get_view_description()
            # Figures stand under the periods they were cut into.
            source = snapshots[:1] or definition
            result["columns"] = source._get_columns()
        if limit:
            top = self.search(
                domain & Domain("is_current", "=", True) & Domain("amount_due", ">", 0),
                order="amount_due desc, id",
                limit=limit,
            )
            domain &= Domain("partner_id", "in", top.partner_id.ids)
            result["domain"] = list(domain)
        if result["snapshot"]:
            count = self._get_refreshed_count(snapshots, domain)
            result["snapshot"]["refreshed_count"] = count
        return result

    @api.model
    def _get_definition_in_force(self):
        """Return the definition whose headings the columns carry.

        It is the one of context key `collections_definition_id`, else the pool's of
        `collections_pool_id`, else the company's, else the first.
        """
        Definition = self.env["collections.aging.definition"]
        definition = Definition.browse(
            self.env.context.get("collections_definition_id") or []
        )
        if definition.exists():
            return definition
        pool = self.env["collections.pool"].browse(
            self.env.context.get("collections_pool_id") or []
        )
        return Definition._get_definition(self.env.company, pool.exists())

    @api.model
    def _get_view_snapshots(self, definition, pool):
        """Return the runs that the rows on screen come from, one for each company."""
        Snapshot = self.env["collections.aging.snapshot"]
        chosen = Snapshot.browse(self.env.context.get("collections_snapshot_id") or [])
        if chosen.exists():
            return chosen
        latest = Snapshot._read_group(
            [
                ("definition_id", "=", definition.id),
                ("company_id", "in", self.env.companies.ids),
                ("state", "=", "done"),
                ("is_refresh", "=", False),
                ("is_forecast", "=", False),
                ("pool_id", "in", [False, *pool.ids]),
            ],
            ["company_id"],
            ["id:recordset"],
        )
        snapshots = Snapshot.browse(runs.sorted()[0].id for _company, runs in latest)
        return snapshots.sorted()

    @api.model
    def _get_refreshed_count(self, snapshots, domain):
        """Return how many customers have figures that are newer than the runs shown.

        Who owes nothing any more since then counts as well: the rows on screen do not
        add up to the total of the run either way.

        :param snapshots: the runs, see `_get_view_snapshots`
        :param Domain domain: the rows on screen, current or not
        :rtype: int
        """
        newer = snapshots.browse()
        if not self.env.context.get("collections_snapshot_id"):
            for snapshot in snapshots:
                newer |= snapshot._get_newer_snapshots()
        if not newer:
            return 0
        added = Domain("snapshot_id", "in", newer.ids) & Domain("is_current", "=", True)
        replaced = Domain("snapshot_id", "in", snapshots.ids) & Domain(
            "is_current", "=", False
        )
        [(count,)] = self._read_group(
            domain & (added | replaced), aggregates=["partner_id:count_distinct"]
        )
        return count

    def _get_open_items_name(self, column):
        names = ", ".join(self[:3].mapped("display_name"))
        if column and self:
            heading = self.snapshot_id[:1]._get_heading(column)
            return self.env._(
                "%(customers)s: %(period)s", customers=names, period=heading
            )
        return self.env._("%(customers)s: open items", customers=names)

    @api.model
    def _merge_partners(self, src_partners, dst_partner):
        """Put the rows of customers who become one together, snapshot by snapshot.

        The totals of the snapshots stay what they were. No row is current afterwards:
        the caller makes new ones once the items belong to the remaining customer.

        :param src_partners: the `res.partner` that will be gone
        :param dst_partner: the one that stays
        :return: pairs of `res.company` and `collections.aging.definition` with current
            rows
        """
        customer = dst_partner.commercial_partner_id
        if customer in src_partners:
            customer = dst_partner
        if not self.search_count([("partner_id", "in", src_partners.ids)], limit=1):
            return []
        partners = src_partners | customer
        scopes = self._read_group(
            [("partner_id", "in", partners.ids), ("is_current", "=", True)],
            ["company_id", "definition_id"],
        )
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """
                WITH merged AS (
                    SELECT snapshot_id, MIN(id) AS id, %(sums)s,
                           MAX(days_overdue) AS days_overdue,
                           MIN(oldest_due_date) AS oldest_due_date,
                           (ARRAY_AGG(indicator ORDER BY days_overdue DESC))[1]
                               AS indicator,
                           MAX(credit_limit) FILTER (WHERE partner_id = %(customer)s)
                               AS credit_limit,
                           MAX(last_payment_date) AS last_payment_date,
                           (ARRAY_AGG(
                               last_payment_amount
                               ORDER BY last_payment_date DESC NULLS LAST
                           ))[1] AS last_payment_amount
                      FROM collections_aging_balance
                     WHERE partner_id IN %(partners)s
                  GROUP BY snapshot_id
                ), gone AS (
                    DELETE FROM collections_aging_balance other
                     USING merged
                     WHERE other.snapshot_id = merged.snapshot_id
                       AND other.partner_id IN %(partners)s
                       AND other.id <> merged.id
                )
                UPDATE collections_aging_balance AS balance
                   SET partner_id = %(customer)s, is_current = FALSE, %(assignments)s,
                       credit_remaining = CASE WHEN merged.credit_limit > 0
                            THEN merged.credit_limit - merged.amount_due END
                  FROM merged
                 WHERE balance.id = merged.id
                """,
                partners=tuple(partners.ids),
                customer=customer.id,
                sums=SQL(", ").join(
                    SQL("SUM(%s) AS %s", SQL.identifier(name), SQL.identifier(name))
                    for name in SUMMED_COLUMNS
                ),
                assignments=SQL(", ").join(
                    SQL("%s = merged.%s", SQL.identifier(name), SQL.identifier(name))
                    for name in [
                        *SUMMED_COLUMNS,
                        "days_overdue",
                        "oldest_due_date",
                        "indicator",
                        "credit_limit",
                        "last_payment_date",
                        "last_payment_amount",
                    ]
                ),
            )
        )
        self.invalidate_model()
        return scopes
