from odoo import fields, models
from odoo.tools import SQL

from .collections_aging_balance import PERIOD_COLUMNS


class CollectionsAgingReport(models.Model):
    """Aged balances with one row per period, for graphs that stack the periods.

    The periods are those the snapshot was cut into, also when the definition was
    changed afterwards; the amount of a period that is gone has no period any more.
    """

    _name = "collections.aging.report"
    _description = "Aging Analysis"
    _auto = False
    _order = "date desc, period_id"

    snapshot_id = fields.Many2one(
        comodel_name="collections.aging.snapshot", readonly=True
    )
    definition_id = fields.Many2one(
        comodel_name="collections.aging.definition",
        string="Aging Period Definition",
        readonly=True,
    )
    company_id = fields.Many2one(comodel_name="res.company", readonly=True)
    currency_id = fields.Many2one(comodel_name="res.currency", readonly=True)
    partner_id = fields.Many2one(
        comodel_name="res.partner", string="Customer", readonly=True
    )
    period_id = fields.Many2one(comodel_name="collections.aging.period", readonly=True)
    date = fields.Date(string="Aging as of", readonly=True)
    is_current = fields.Boolean(readonly=True)
    is_history = fields.Boolean(string="Last Run of the Date", readonly=True)
    amount = fields.Monetary(readonly=True)
    pool_ids = fields.Many2many(
        comodel_name="collections.pool",
        string="Customer Pools",
        compute="_compute_pool_ids",
        search="_search_pool_ids",
    )

    def _compute_pool_ids(self):
        for line in self:
            line.pool_ids = line.partner_id.collections_pool_ids

    def _search_pool_ids(self, operator, value):
        return self.env["collections.aging.balance"]._search_pool_ids(operator, value)

    @property
    def _table_query(self):
        amounts = SQL(", ").join(
            SQL("(%s, balance.%s)", position, SQL.identifier(column))
            for position, column in enumerate(PERIOD_COLUMNS, start=1)
        )
        return SQL(
            """
            SELECT balance.id::bigint * %(base)s + slot.position AS id,
                   balance.snapshot_id,
                   balance.definition_id,
                   balance.company_id,
                   balance.currency_id,
                   balance.partner_id,
                   period.id AS period_id,
                   balance.date,
                   balance.is_current,
                   snapshot.is_history,
                   slot.amount
              FROM collections_aging_balance balance
              JOIN collections_aging_snapshot snapshot
                ON snapshot.id = balance.snapshot_id
        CROSS JOIN LATERAL (VALUES %(amounts)s) AS slot (position, amount)
         LEFT JOIN collections_aging_period period
                ON period.id = (
                       snapshot.period_ranges -> (slot.position - 1)::int ->> 'id'
                   )::int
             WHERE slot.amount <> 0
            """,
            base=16,
            amounts=amounts,
        )
