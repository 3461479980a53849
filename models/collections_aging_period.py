from odoo import api, fields, models

from ..tools import aging

INDICATORS = [
    ("none", "None"),
    ("green", "Green"),
    ("yellow", "Yellow"),
    ("orange", "Orange"),
    ("red", "Red"),
]


class CollectionsAgingPeriod(models.Model):
    """One period of an aging period definition; its name is a column heading."""

    _name = "collections.aging.period"
    _description = "Aging Period"
    _order = "sequence, id"

    definition_id = fields.Many2one(
        comodel_name="collections.aging.definition",
        required=True,
        index=True,
        ondelete="cascade",
    )
    company_id = fields.Many2one(related="definition_id.company_id", store=True)
    sequence = fields.Integer(default=10)
    name = fields.Char(string="Period", required=True, translate=True)
    unit = fields.Integer(
        required=True,
        default=-30,
        help="How many intervals the period is long: negative before the analysis "
        "date, positive after it, 0 for the interval the analysis date lies in.",
    )
    interval = fields.Selection(
        selection=[
            ("day", "Day"),
            ("week", "Week"),
            ("month", "Month"),
            ("quarter", "Quarter"),
            ("year", "Year"),
            ("unlimited", "Unlimited"),
        ],
        required=True,
        default="day",
        help="Days are counted from the analysis date. Weeks, months, quarters and "
        "years end with the calendar's. Unlimited takes everything before (first "
        "period) or after (last period).",
    )
    indicator = fields.Selection(
        selection=INDICATORS,
        required=True,
        default="none",
        help="The colour customers get in Aged Balances when their oldest overdue item "
        "is in this period.",
    )
    date_from = fields.Date(string="From", compute="_compute_dates")
    date_to = fields.Date(string="To", compute="_compute_dates")
    date_range = fields.Char(string="Dates", compute="_compute_dates")

    # === COMPUTE METHODS === #

    @api.depends(
        "sequence",
        "unit",
        "interval",
        "definition_id.preview_date",
        "definition_id.period_ids.sequence",
        "definition_id.period_ids.unit",
        "definition_id.period_ids.interval",
    )
    @api.depends_context("lang")
    def _compute_dates(self):
        self.date_from = self.date_to = self.date_range = False
        for definition in self.definition_id:
            periods = definition.period_ids.sorted("sequence")
            lines = [
                aging.PeriodLine(position, period.unit, period.interval)
                for position, period in enumerate(periods)
            ]
            on_date = definition.preview_date or fields.Date.context_today(self)
            if any(not line.interval for line in lines) or aging.find_problem(
                lines, on_date
            ):
                continue
            ranges = aging.get_period_ranges(lines, on_date)
            for period, (_key, start, end) in zip(periods, ranges, strict=True):
                period.date_from = start
                period.date_to = end
                period.date_range = definition._format_range(start, end)

    # === CRUD METHODS === #

    @api.model_create_multi
    def create(self, vals_list):
        periods = super().create(vals_list)
        periods.definition_id._check_periods_written_alone()
        return periods

    def write(self, vals):
        definitions = self.definition_id
        result = super().write(vals)
        (definitions | self.definition_id)._check_periods_written_alone()
        return result

    def unlink(self):
        definitions = self.definition_id
        result = super().unlink()
        definitions.exists()._check_periods_written_alone()
        return result
