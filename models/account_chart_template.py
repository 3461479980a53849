from odoo import models


class AccountChartTemplate(models.AbstractModel):
    _inherit = "account.chart.template"

    def _pre_load_data(self, template_code, company, template_data, data):
        # EXTENDS account: another chart of accounts takes away the journals and
        # accounts of the one before. Discounts that cannot be booked would keep it from
        # being loaded.
        companies = self.env["res.company"].search(
            [
                ("id", "child_of", company.id),
                ("collections_partial_cash_discount", "=", True),
            ]
        )
        companies.filtered(
            lambda company: (
                not company.collections_settlement_journal_id
                or not company.account_journal_early_pay_discount_loss_account_id
            )
        ).collections_partial_cash_discount = False
        return super()._pre_load_data(template_code, company, template_data, data)
