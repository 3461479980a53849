from dateutil.relativedelta import relativedelta
from markupsafe import Markup

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.tools import float_repr, format_date


class AccountPaymentTerm(models.Model):
    _inherit = "account.payment.term"

    cash_discount_period_ids = fields.One2many(
        comodel_name="collections.cash.discount.period",
        inverse_name="payment_term_id",
        string="Further Discount Periods",
        copy=True,
        help="Each replaces the one before when its days are over.",
    )
    cash_discount_preview = fields.Html(
        compute="_compute_cash_discount_preview", sanitize=False
    )

    @api.constrains(
        "early_discount",
        "discount_days",
        "early_pay_discount_computation",
        "cash_discount_period_ids",
    )
    def _check_cash_discount_periods(self):
        for term in self:
            periods = term.cash_discount_period_ids
            if not periods:
                continue
            if not term.early_discount:
                raise ValidationError(
                    self.env._(
                        "%(term)s has further discount periods. Give it an early "
                        "discount, which is the first one, or delete them.",
                        term=term.display_name,
                    )
                )
            # The tax base of the invoice is fixed by the first discount.
            if term.early_pay_discount_computation == "mixed":
                raise ValidationError(
                    self.env._(
                        "%(term)s reduces the tax upon invoice, by its only discount. "
                        "It cannot have further discount periods.",
                        term=term.display_name,
                    )
                )
            if min(periods.mapped("days")) <= term.discount_days:
                raise ValidationError(
                    self.env._(
                        "The further discount periods of %(term)s must be longer than "
                        "the first one of %(days)s days.",
                        term=term.display_name,
                        days=term.discount_days,
                    )
                )

    @api.depends(
        "cash_discount_period_ids.days",
        "cash_discount_period_ids.percentage",
        "currency_id",
        "discount_days",
        "discount_percentage",
        "early_discount",
        "example_amount",
        "example_date",
    )
    def _compute_cash_discount_preview(self):
        for term in self:
            has_periods = term.early_discount and bool(term.cash_discount_period_ids)
            term.cash_discount_preview = (
                has_periods and term._get_cash_discount_preview()
            )

    def _get_cash_discount_preview(self):
        """Return a table of what is to be paid until when, as HTML."""
        currency = self.currency_id or self.env.company.currency_id
        date_ref = self.example_date or fields.Date.context_today(self)
        rows = Markup()
        for date, percentage, amount in self._get_cash_discount_terms(
            date_ref, currency, self.example_amount, self.example_amount
        ):
            rows += Markup(
                "<tr><td>%s</td><td class='text-end'>%s %%</td>"
                "<td class='text-end'>%s</td><td class='text-end'>%s</td></tr>"
            ) % (
                format_date(self.env, date),
                float_repr(percentage, 2).rstrip("0").rstrip("."),
                currency.format(self.example_amount - amount),
                currency.format(amount),
            )
        return Markup(
            "<table class='table table-sm mb-0'><thead><tr><th>%s</th>"
            "<th class='text-end'>%s</th><th class='text-end'>%s</th>"
            "<th class='text-end'>%s</th></tr></thead><tbody>%s</tbody></table>"
        ) % (
            self.env._("Paid until"),
            self.env._("Discount"),
            self.env._("Amount"),
            self.env._("To pay"),
            rows,
        )

    def _get_cash_discount_terms(
        self, date_ref, currency, total, untaxed, cash_rounding=None
    ):
        """Return until when what has to be paid, for each discount period.

        Rounded as core rounds its own, which is the first one.

        :param date_ref: the invoice date
        :param currency: the `res.currency` of the amounts
        :param float total: what is invoiced
        :param float untaxed: the part of it that is no tax
        :param cash_rounding: the `account.cash.rounding` of the invoice, or none
        :return: the last day, the percentage and the amount to pay of each
        :rtype: list[tuple[date, float, float]]
        """
        self.ensure_one()
        periods_sudo = self.sudo().cash_discount_period_ids  # they belong to the term
        periods = [
            (self.discount_days, self.discount_percentage),
            *(
                (period.days, period.percentage)
                for period in periods_sudo.sorted("days")
            ),
        ]
        terms = []
        for days, percentage in periods:
            if self.early_pay_discount_computation == "included":
                to_pay = currency.round(total * (1 - percentage / 100.0))
            else:
                to_pay = currency.round(total - untaxed * percentage / 100.0)
            if cash_rounding:
                to_pay += cash_rounding.compute_difference(currency, to_pay)
            terms.append(
                (
                    date_ref + relativedelta(days=days),
                    percentage,
                    currency.round(to_pay),
                )
            )
        return terms
