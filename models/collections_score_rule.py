from odoo import api, fields, models
from odoo.tools import SQL

CRITERIA = [
    ("amount_overdue", "Amount overdue"),
    ("days_overdue", "Days late"),
    ("promise_broken_count", "Broken promises"),
    ("days_without_contact", "Days without contact"),
    ("returned_payment_count", "Returned payments"),
    ("amount_over_limit", "Amount over the credit limit"),
    ("disputed_count", "Disputed items"),
]
AMOUNTS = ("amount_overdue", "amount_over_limit")


class CollectionsScoreRule(models.Model):
    """Points that the worklist gives a customer for one thing."""

    _name = "collections.score.rule"
    _description = "Worklist Rule"
    _order = "sequence, id"

    name = fields.Char(required=True, translate=True)
    active = fields.Boolean(default=True)
    sequence = fields.Integer(default=10)
    company_id = fields.Many2one(
        comodel_name="res.company",
        index=True,
        help="Leave empty to use the rule in all companies.",
    )
    criterion = fields.Selection(
        selection=CRITERIA,
        required=True,
        help="Broken promises and returned payments count for a year. Contact is a "
        "collections activity that was done, a status that somebody set, or an e-mail.",
    )
    minimum = fields.Float(
        string="From",
        help="The rule gives points from this amount, number or days on. Amounts are "
        "in company currency.",
    )
    points = fields.Float(required=True, default=10)
    per_unit = fields.Float(
        string="For Each",
        help="The points are given for each of these, such as each 1,000 overdue or "
        "each 30 days late. 0 gives them once.",
    )
    maximum_points = fields.Float(
        string="At Most", help="The rule gives no more than this. 0 for no limit."
    )

    _check_minimum = models.Constraint(
        "CHECK (minimum >= 0 AND per_unit >= 0 AND maximum_points >= 0)",
        "The numbers of a worklist rule cannot be negative.",
    )

    @api.model
    def _get_in_force(self):
        """Return the rules of the company in use."""
        return self.search([("company_id", "in", [False, self.env.company.id])])

    def _get_points_sql(self):
        """Return the points of the rule for a customer; alias `fact`.

        :rtype: SQL
        """
        self.ensure_one()
        value = SQL("COALESCE(%s, 0)", SQL.identifier("fact", self.criterion))
        points = SQL("%s", self.points)
        if self.per_unit:
            points = SQL("%s * FLOOR(%s / %s)", self.points, value, self.per_unit)
        if self.maximum_points:
            points = SQL("LEAST(%s, %s)", points, self.maximum_points)
        return SQL(
            "CASE WHEN %(value)s > 0 AND %(value)s >= %(minimum)s "
            "THEN (%(points)s)::numeric ELSE 0 END",
            value=value,
            minimum=self.minimum,
            points=points,
        )
