from odoo import api, models


class ReportCreditCollectionsReportStatement(models.AbstractModel):
    """The printed statement of account, in the language of who gets it."""

    _name = "report.credit_collections.report_statement"
    _description = "Printed Customer Statement"

    @api.model
    def _get_report_values(self, docids, data=None):
        """Return what the template shows.

        :param list docids: ids of `res.partner`; `data["ids"]` when there are none
        :param dict data: `ids`, `date_from`, `date_to`, `open_only` and `company_id`,
            all of them optional
        """
        data = data or {}
        Recipient = self.env["collections.recipient"]
        Recipient._check_agent()
        partners = self.env["res.partner"].browse(docids or data.get("ids") or [])
        partners.check_access("read")
        if data.get("company_id"):
            Recipient = Recipient.with_context(
                collections_company_id=data["company_id"]
            )
        Statement = self.env["collections.statement"]
        period = Statement._get_period(
            data.get("date_from"), data.get("date_to"), data.get("open_only")
        )
        return {
            "doc_ids": partners.ids,
            "doc_model": "res.partner",
            "docs": partners.commercial_partner_id,
            "statements": Statement._get_localized_statements(
                partners, "statement", Recipient._get_company(), period
            ),
        }
