from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL

from .collections_aging_balance import PERIOD_COLUMNS
from .collections_posting import AGENT

PREFIX = "collections_"


class CurrentBalanceField(fields.Many2one):
    """The latest aged balance of the customer of a record.

    It is not stored: which row it is depends on the definition on screen. The database
    can look it up all the same, so that lists sort, group and add up by what hangs on
    it.
    """

    def to_sql(self, model, alias):
        # OVERRIDE base
        return model._get_collections_balance_sql(alias)


class CollectionsAgingColumns(models.AbstractModel):
    """The aged balance of the customer, as columns of lists about something else.

    They are not added up: a customer may have several cases or activities, and owes
    what he owes once.

    The columns are those of the definition on screen, as in Aged Balances. The model
    that inherits says in `_collections_partner_field` where its customer is, and in
    `_get_collections_company_sql` which company's figures count.
    """

    _name = "collections.aging.columns"
    _description = "Aged Balance of the Customer"

    _collections_partner_field = "partner_id"

    collections_balance_id = CurrentBalanceField(
        comodel_name="collections.aging.balance",
        string="Aged Balance",
        compute="_compute_collections_balance_id",
        search="_search_collections_balance_id",
        groups=AGENT,
    )
    collections_currency_id = fields.Many2one(
        related="collections_balance_id.currency_id",
        string="Company Currency",
        groups=AGENT,
    )
    collections_indicator = fields.Selection(
        related="collections_balance_id.indicator", string="Indicator", groups=AGENT
    )
    collections_amount_due = fields.Monetary(
        related="collections_balance_id.amount_due",
        aggregator=None,
        string="Amount Due",
        currency_field="collections_currency_id",
        groups=AGENT,
    )
    collections_amount_overdue = fields.Monetary(
        related="collections_balance_id.amount_overdue",
        aggregator=None,
        string="Overdue",
        currency_field="collections_currency_id",
        groups=AGENT,
    )
    collections_days_overdue = fields.Integer(
        related="collections_balance_id.days_overdue",
        aggregator=None,
        string="Days Late",
        groups=AGENT,
    )
    collections_amount_1 = fields.Monetary(
        related="collections_balance_id.amount_1",
        aggregator=None,
        currency_field="collections_currency_id",
        groups=AGENT,
    )
    collections_amount_2 = fields.Monetary(
        related="collections_balance_id.amount_2",
        aggregator=None,
        currency_field="collections_currency_id",
        groups=AGENT,
    )
    collections_amount_3 = fields.Monetary(
        related="collections_balance_id.amount_3",
        aggregator=None,
        currency_field="collections_currency_id",
        groups=AGENT,
    )
    collections_amount_4 = fields.Monetary(
        related="collections_balance_id.amount_4",
        aggregator=None,
        currency_field="collections_currency_id",
        groups=AGENT,
    )
    collections_amount_5 = fields.Monetary(
        related="collections_balance_id.amount_5",
        aggregator=None,
        currency_field="collections_currency_id",
        groups=AGENT,
    )
    collections_amount_6 = fields.Monetary(
        related="collections_balance_id.amount_6",
        aggregator=None,
        currency_field="collections_currency_id",
        groups=AGENT,
    )
    collections_amount_7 = fields.Monetary(
        related="collections_balance_id.amount_7",
        aggregator=None,
        currency_field="collections_currency_id",
        groups=AGENT,
    )
    collections_amount_8 = fields.Monetary(
        related="collections_balance_id.amount_8",
        aggregator=None,
        currency_field="collections_currency_id",
        groups=AGENT,
    )
    collections_amount_9 = fields.Monetary(
        related="collections_balance_id.amount_9",
        aggregator=None,
        currency_field="collections_currency_id",
        groups=AGENT,
    )
    collections_amount_10 = fields.Monetary(
        related="collections_balance_id.amount_10",
        aggregator=None,
        currency_field="collections_currency_id",
        groups=AGENT,
    )
    collections_amount_11 = fields.Monetary(
        related="collections_balance_id.amount_11",
        aggregator=None,
        currency_field="collections_currency_id",
        groups=AGENT,
    )
    collections_amount_12 = fields.Monetary(
        related="collections_balance_id.amount_12",
        aggregator=None,
        currency_field="collections_currency_id",
        groups=AGENT,
    )

    # === COMPUTE METHODS === #

    @api.depends_context(
        "collections_definition_id", "collections_pool_id", "allowed_company_ids"
    )
    @api.depends(lambda self: (self._collections_partner_field,))
    def _compute_collections_balance_id(self):
        self.collections_balance_id = False
        if not self.ids:
            return
        self.env.flush_all()
        rows = self.env.execute_query(
            SQL(
                "SELECT origin.id, %s FROM %s AS origin WHERE origin.id IN %s",
                self._get_collections_balance_sql("origin"),
                SQL.identifier(self._table),
                tuple(self.ids),
            )
        )
        balance_ids = dict(rows)
        for record in self:
            record.collections_balance_id = balance_ids.get(record._origin.id)

    def _search_collections_balance_id(self, operator, value):
        # What is found is what the columns show: the figures of one company.
        Balance = self.env["collections.aging.balance"]
        if operator == "any":
            return self._get_collections_balance_domain(Balance._search(value))
        if operator == "in":
            found = Balance._search([("id", "in", [key for key in value if key])])
            domain = self._get_collections_balance_domain(found)
            if False in value:
                every = Balance._search([("is_current", "=", True)])
                domain |= ~self._get_collections_balance_domain(every)
            return domain
        return NotImplemented

    @api.model
    def _get_collections_balance_domain(self, balances):
        """Return the domain of the records that show one of some aged balances.

        :param Query balances: on `collections.aging.balance`
        """
        return Domain(
            "id",
            "in",
            SQL(
                "(SELECT origin.id FROM %s AS origin "
                "JOIN collections_aging_balance balance ON %s WHERE balance.id IN %s)",
                SQL.identifier(self._table),
                self._get_collections_balance_condition_sql("origin"),
                balances.subselect(),
            ),
        )

    @api.model
    def _get_definition_on_screen(self):
        return self.env["collections.aging.balance"]._get_definition_in_force()

    @api.model
    def _get_collections_company_sql(self, alias):
        """Return the company whose figures of the customer count.

        :param str alias: the table of the model in the query
        """
        return SQL("%s", self.env.company.id)

    @api.model
    def _get_collections_balance_sql(self, alias):
        """Return the id of the latest row of the customer, as a subquery.

        :param str alias: the table of the model in the query
        """
        return SQL(
            "(SELECT balance.id FROM collections_aging_balance balance WHERE %s)",
            self._get_collections_balance_condition_sql(alias),
        )

    @api.model
    def _get_collections_balance_condition_sql(self, alias):
        """Return that a row is the latest one of the customer; alias `balance`.

        :param str alias: the table of the model in the query
        """
        name = self._collections_partner_field
        return SQL(
            "balance.is_current AND balance.partner_id = %s "
            "AND balance.definition_id = %s AND balance.company_id = %s",
            SQL.identifier(alias, name, to_flush=self._fields[name]),
            self._get_definition_on_screen().id or 0,
            self._get_collections_company_sql(alias),
        )

    # === CRUD METHODS === #

    @api.model
    def fields_get(self, allfields=None, attributes=None):
        # EXTENDS base: the columns carry the headings of the definition on screen
        result = super().fields_get(allfields=allfields, attributes=attributes)
        names = [PREFIX + name for name in PERIOD_COLUMNS if PREFIX + name in result]
        if not names or (attributes and "string" not in attributes):
            return result
        labels = self.env["collections.aging.balance"].fields_get(
            PERIOD_COLUMNS, ["string", "exportable", "searchable", "sortable"]
        )
        for name in names:
            label = labels[name.removeprefix(PREFIX)]
            result[name]["string"] = label["string"]
            if label.get("exportable") is False:
                result[name].update(
                    {"searchable": False, "sortable": False, "exportable": False}
                )
        return result

    # === BUSINESS METHODS === #

    @api.model
    def get_aging_view(self, pool_id=False, limit=0):
        """Return what the views of the model need to know before they load rows.

        The same as for Aged Balances, with the domain that the chosen pool means here.

        :param pool_id: see `collections.aging.balance.get_aging_view`
        :param limit: not used here
        :rtype: dict
        """
        result = self.env["collections.aging.balance"].get_aging_view(pool_id)
        domain = Domain.TRUE
        if result["pool_id"]:
            domain = Domain(
                f"{self._collections_partner_field}.collections_pool_ids",
                "in",
                [result["pool_id"]],
            )
        result["domain"] = list(domain)
        return result
