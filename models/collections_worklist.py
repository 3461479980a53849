from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL, formatLang

from ..tools.spreadsheet import escape_export
from .collections_score_rule import AMOUNTS

COUNTED_DAYS = 365  # for how long a broken promise or a returned payment counts


class CollectionsWorklist(models.Model):
    """Whom to call first: customers with a score made of points by rule.

    A row is the latest aged balance of a customer who owes something. The points are
    worked out in the query, so that the list can be sorted by them.
    """

    _name = "collections.worklist"
    _description = "Worklist"
    _auto = False
    _order = "score desc, amount_overdue desc, id"
    _rec_name = "partner_id"

    balance_id = fields.Many2one(
        comodel_name="collections.aging.balance", readonly=True
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
    pool_ids = fields.Many2many(
        comodel_name="collections.pool",
        string="Customer Pools",
        compute="_compute_pool_ids",
        search="_search_pool_ids",
    )
    score = fields.Float(readonly=True, digits=(16, 0), aggregator="max")
    points = fields.Json(readonly=True)
    explanation = fields.Char(
        string="Why",
        compute="_compute_explanation",
        help="The points of each rule that the score is made of.",
    )
    indicator = fields.Selection(related="balance_id.indicator")
    amount_due = fields.Monetary(readonly=True)
    amount_overdue = fields.Monetary(string="Overdue", readonly=True)
    amount_over_limit = fields.Monetary(string="Over Credit Limit", readonly=True)
    days_overdue = fields.Integer(string="Days Late", readonly=True, aggregator="max")
    disputed_count = fields.Integer(string="Disputed Items", readonly=True)
    promise_broken_count = fields.Integer(string="Broken Promises", readonly=True)
    returned_payment_count = fields.Integer(string="Returned Payments", readonly=True)
    last_contact_date = fields.Date(string="Last Contact", readonly=True)
    days_without_contact = fields.Integer(readonly=True, aggregator="max")
    next_activity_date = fields.Date(
        string="Next Activity",
        readonly=True,
        help="The earliest collections activity that is planned.",
    )

    # === COMPUTE METHODS === #

    def _compute_pool_ids(self):
        for row in self:
            row.pool_ids = row.partner_id.collections_pool_ids

    def _search_pool_ids(self, operator, value):
        return Domain("partner_id.collections_pool_ids", operator, value)

    @api.depends("points")
    @api.depends_context("lang")
    def _compute_explanation(self):
        rules = self.env["collections.score.rule"]._get_in_force()
        for row in self:
            points = row.points or {}
            parts = [
                row._explain(rule, points[str(rule.id)])
                for rule in rules
                if points.get(str(rule.id))
            ]
            row.explanation = " · ".join(parts)

    def _explain(self, rule, points):
        """Return the points of one rule as a text, with what they are given for."""
        value = self[rule.criterion]
        if rule.criterion in AMOUNTS:
            value = self.currency_id.format(value)
        return self.env._(
            "%(rule)s (%(value)s): %(points)s",
            rule=rule.name,
            value=value,
            points=formatLang(self.env, points, digits=0 if points % 1 == 0 else 2),
        )

    # === QUERY === #

    @property
    def _table_query(self):
        rules = self.env["collections.score.rule"]._get_in_force()
        points = SQL(", ").join(
            SQL("%s::text, %s", str(rule.id), rule._get_points_sql()) for rule in rules
        )
        return SQL(
            """
            SELECT fact.*, scored.points,
                   (
                    SELECT COALESCE(SUM(value::numeric), 0)
                      FROM jsonb_each_text(scored.points)
                   ) AS score
              FROM (%(facts)s) AS fact
     CROSS JOIN LATERAL (SELECT jsonb_build_object(%(points)s) AS points) AS scored
            """,
            facts=self._get_facts_sql(),
            points=points,
        )

    @api.model
    def _get_facts_sql(self):
        """Return the query for what the rules look at, one row for each customer.

        :rtype: SQL
        """
        today = fields.Date.context_today(self)
        since = fields.Date.subtract(today, days=COUNTED_DAYS)
        return SQL(
            """
            SELECT balance.id, balance.id AS balance_id, balance.definition_id,
                   balance.company_id, balance.currency_id, balance.partner_id,
                   balance.amount_due, balance.amount_overdue, balance.days_overdue,
                   balance.disputed_count,
                   GREATEST(-balance.credit_remaining, 0) AS amount_over_limit,
                   COALESCE(promise.broken_count, 0) AS promise_broken_count,
                   COALESCE(returned.payment_count, 0) AS returned_payment_count,
                   contact.date AS last_contact_date,
                   GREATEST(%(today)s::date - COALESCE(
                       contact.date, balance.oldest_due_date, %(today)s::date
                   ), 0) AS days_without_contact,
                   planned.date AS next_activity_date
              FROM collections_aging_balance balance
         LEFT JOIN (
                   SELECT partner_id, company_id, COUNT(*) AS broken_count
                     FROM collections_promise
                    WHERE state = 'broken' AND date >= %(since)s
                 GROUP BY partner_id, company_id
                   ) promise
                ON promise.partner_id = balance.partner_id
               AND promise.company_id = balance.company_id
         LEFT JOIN (
                   SELECT partner.commercial_partner_id AS partner_id, pay.company_id,
                          COUNT(*) AS payment_count
                     FROM account_payment pay
                     JOIN res_partner partner ON partner.id = pay.partner_id
                    WHERE pay.state = 'rejected' AND pay.payment_type = 'inbound'
                      AND pay.date >= %(since)s
                 GROUP BY partner.commercial_partner_id, pay.company_id
                   ) returned
                ON returned.partner_id = balance.partner_id
               AND returned.company_id = balance.company_id
         LEFT JOIN (
                   SELECT each_contact.partner_id, company.id AS company_id,
                          MAX(each_contact.date) AS date
                     FROM (%(contacts)s) AS each_contact
                     JOIN res_company company
                       ON COALESCE(each_contact.company_id, company.id) = company.id
                 GROUP BY each_contact.partner_id, company.id
                   ) contact
                ON contact.partner_id = balance.partner_id
               AND contact.company_id = balance.company_id
         LEFT JOIN (
                   SELECT collections_partner_id AS partner_id,
                          MIN(date_deadline) AS date
                     FROM mail_activity
                    WHERE collections_partner_id IS NOT NULL AND active
                 GROUP BY collections_partner_id
                   ) planned
                ON planned.partner_id = balance.partner_id
             WHERE balance.is_current AND balance.partner_id IS NOT NULL
               AND balance.amount_overdue > 0
            """,
            today=today,
            since=since,
            contacts=self._get_contacts_sql(),
        )

    @api.model
    def _get_contacts_sql(self):
        """Return the query for the times that somebody was in contact with customers.

        Hook: what else counts as a contact is added here.

        :return: the query; columns `partner_id` (commercial partner), `company_id`
            (empty for all of them) and `date` (a day of the user)
        :rtype: SQL
        """
        timezone = str(self.env.tz)

        def to_day(column):
            return SQL(
                "(%s AT TIME ZONE 'UTC' AT TIME ZONE %s)::date",
                SQL.identifier(*column.split(".")),
                timezone,
            )

        return SQL(
            """
            SELECT collections_partner_id AS partner_id, NULL::int AS company_id,
                   date_done AS date
              FROM mail_activity
             WHERE collections_partner_id IS NOT NULL AND date_done IS NOT NULL
         UNION ALL
            SELECT history.partner_id, history.company_id, %(said_on)s
              FROM collections_status_history history
             WHERE history.source = 'user'
         UNION ALL
            SELECT line.partner_id, line.company_id, %(mailed_on)s
              FROM collections_mailing_line line
              JOIN collections_mailing mailing ON mailing.id = line.mailing_id
             WHERE line.state IN ('queued', 'sent') AND mailing.kind <> 'salesperson'
         UNION ALL
            SELECT partner.commercial_partner_id, NULL, %(written_on)s
              FROM mail_message message
              JOIN res_partner partner ON partner.id = message.res_id
             WHERE message.model = 'res.partner' AND message.message_type = 'comment'
               AND message.subtype_id = %(discussion)s
               AND EXISTS (
                       SELECT 1
                         FROM mail_message_res_partner_rel addressed
                        WHERE addressed.mail_message_id = message.id
                          AND NOT EXISTS ( -- a colleague is no customer
                              SELECT 1
                                FROM res_users colleague
                               WHERE colleague.partner_id = addressed.res_partner_id
                                 AND NOT colleague.share
                          )
                   )
            """,
            said_on=to_day("history.date"),
            mailed_on=to_day("line.write_date"),
            written_on=to_day("message.date"),
            discussion=self.env["ir.model.data"]._xmlid_to_res_id("mail.mt_comment"),
        )

    def export_data(self, fields_to_export):
        # EXTENDS base: names that customers gave themselves are no formulas
        self.check_access("read")
        exported = super().export_data(fields_to_export)
        if self.env.context.get("collections_export"):
            return exported  # goes into a file in which texts stay texts
        return escape_export(exported)

    # === ACTION METHODS === #

    def action_open_collections_page(self):
        """Open the collections page of the customer."""
        return self.partner_id.action_open_collections_page()

    # === BUSINESS METHODS === #

    @api.model
    def get_aging_view(self, pool_id=False, limit=0):
        """Return what the views need to know before they load rows.

        :param pool_id: see `collections.aging.balance.get_aging_view`
        :param limit: not used here
        :rtype: dict
        """
        return self.env["collections.aging.balance"].get_aging_view(pool_id)
