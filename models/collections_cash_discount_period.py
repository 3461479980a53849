from odoo import api, fields, models
from odoo.exceptions import ValidationError


class CollectionsCashDiscountPeriod(models.Model):
    """A discount period of a payment term beyond core's first one."""

    _name = "collections.cash.discount.period"
    _description = "Cash Discount Period"
    _order = "days, id"
    _rec_name = "days"

    payment_term_id = fields.Many2one(
        comodel_name="account.payment.term",
        required=True,
        ondelete="cascade",
        index=True,
    )
    company_id = fields.Many2one(related="payment_term_id.company_id", store=True)
    days = fields.Integer(
        string="Within Days",
        required=True,
        help="Days after the invoice date. The last day counts.",
    )
    percentage = fields.Float(
        string="Discount %",
        required=True,
        digits=(16, 2),
        help="Given from the day after the period before is over.",
    )

    _days_unique = models.Constraint(
        "UNIQUE (payment_term_id, days)",
        "Two discount periods of a payment term cannot end on the same day.",
    )

    @api.constrains("days", "percentage", "payment_term_id")
    def _check_period(self):
        for period in self:
            term = period.payment_term_id
            if period.days <= term.discount_days:
                raise ValidationError(
                    self.env._(
                        "A further discount period must be longer than the first one "
                        "of %(days)s days.",
                        days=term.discount_days,
                    )
                )
            if not 0 < period.percentage < 100:
                raise ValidationError(
                    self.env._("A discount must be more than 0 % and less than 100 %.")
                )
        self.payment_term_id._check_cash_discount_periods()
