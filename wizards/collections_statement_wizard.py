from urllib.parse import urlencode

from odoo import api, fields, models
from odoo.exceptions import UserError


class CollectionsStatementWizard(models.TransientModel):
    """Choose the period of statements, then print, download or send them."""

    _name = "collections.statement.wizard"
    _description = "Customer Statement"

    partner_ids = fields.Many2many(
        comodel_name="res.partner",
        string="Customers",
        required=True,
        default=lambda self: self._default_partner_ids(),
    )
    company_id = fields.Many2one(
        comodel_name="res.company",
        required=True,
        default=lambda self: self.env["collections.recipient"]._get_company(),
        domain=lambda self: [("id", "in", self.env.companies.ids)],
    )
    date_from = fields.Date(
        string="From",
        required=True,
        default=lambda self: self.env["collections.statement"]._get_period().date_from,
        help="What was booked before this day is the opening balance.",
    )
    date_to = fields.Date(
        string="To", required=True, default=lambda self: fields.Date.context_today(self)
    )
    open_only = fields.Boolean(
        string="Open Items Only", help="Leave out what is settled by the last day."
    )
    has_pdf_tool = fields.Boolean(compute="_compute_has_pdf_tool")

    @api.model
    def _default_partner_ids(self):
        if self.env.context.get("active_model") != "res.partner":
            return self.env["res.partner"]
        return (
            self.env["res.partner"]
            .browse(self.env.context.get("active_ids") or [])
            .commercial_partner_id
        )

    def _compute_has_pdf_tool(self):
        self.has_pdf_tool = self.env["collections.statement"]._has_pdf_tool()

    def action_print(self):
        """Print the statements.

        :return: the report action
        :rtype: dict
        """
        self._check_period()
        report = self.env.ref("credit_collections.action_report_statement")
        return report.report_action(
            None, data={"ids": self.partner_ids.ids, **self._prepare_options()}
        )

    def action_download(self):
        """Download the statement of one customer as a spreadsheet.

        :return: the action that opens the file
        :rtype: dict
        :raise UserError: when several customers are chosen
        """
        self._check_period()
        if len(self.partner_ids) != 1:
            raise UserError(
                self.env._("A spreadsheet is for one customer. Choose a single one.")
            )
        options = {"kind": "statement", **self._prepare_options()}
        return {
            "type": "ir.actions.act_url",
            "url": f"/collections/spreadsheet/{self.partner_ids.id}?"
            f"{urlencode({key: value for key, value in options.items() if value})}",
            "target": "download",
        }

    def action_send(self):
        """Open the e-mail with the statement, or with those of all customers.

        :return: the window action of Odoo's composer
        :rtype: dict
        """
        period = self._check_period()
        return self.partner_ids.with_context(
            collections_company_id=self.company_id.id,
            collections_statement_date_from=fields.Date.to_string(period.date_from),
            collections_statement_date_to=fields.Date.to_string(period.date_to),
            collections_statement_open_only=period.open_only,
        ).action_send_collections_email("statement")

    def _check_period(self):
        """Return the period chosen.

        :raise UserError: when it ends before it starts
        """
        self.env["collections.posting"]._check_one(self)
        self.check_access("read")
        return self.env["collections.statement"]._get_period(
            self.date_from, self.date_to, self.open_only
        )

    def _prepare_options(self):
        return {
            "date_from": fields.Date.to_string(self.date_from),
            "date_to": fields.Date.to_string(self.date_to),
            "open_only": self.open_only,
            "company_id": self.company_id.id,
        }
