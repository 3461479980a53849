from odoo import http
from odoo.http import request

from odoo.addons.portal.controllers.portal import CustomerPortal

from .spreadsheet import make_spreadsheet_response


class CollectionsPortal(CustomerPortal):
    """What the customer owes, where he sees his invoices."""

    def _prepare_home_portal_values(self, counters):
        values = super()._prepare_home_portal_values(counters)
        if "collections_item_count" in counters:
            values["collections_item_count"] = sum(
                len(statement["items"]) for statement in self._get_portal_statements()
            )
        return values

    def _get_portal_customer(self):
        """Return the customer that the user belongs to, as superuser.

        The user sees the figures of this one only; which one it is cannot be asked
        for.
        """
        return request.env.user.partner_id.sudo().commercial_partner_id

    def _get_portal_statements(self, **period):
        """Return the statements of the user's customer, one for each company.

        Companies that he has nothing to do with are left out.
        """
        customer_sudo = self._get_portal_customer()
        Statement = customer_sudo.env["collections.statement"]
        statements = []
        for company_sudo in request.env.user.company_ids.sudo():
            found = Statement._get_statements(
                customer_sudo, company_sudo, Statement._get_period(**period)
            )
            statements.append(found[customer_sudo.id])
        return [
            statement
            for statement in statements
            if statement["currencies"] or statement["items"]
        ]

    @http.route("/my/statement", type="http", auth="user", website=True)
    def portal_my_statement(self, **kwargs):
        """Show the open items and their age."""
        values = self._prepare_portal_layout_values()
        values.update(
            {
                "page_name": "collections_statement",
                "statements": self._get_portal_statements(),
                "kinds": request.env["collections.statement"]._get_document_kinds(),
            }
        )
        return request.render("credit_collections.portal_my_statement", values)

    @http.route(
        "/my/statement/<int:company_id>/download",
        type="http",
        auth="user",
        website=True,
    )
    def portal_my_statement_download(self, company_id, **kwargs):
        """Download the statement of account towards one of the companies."""
        for statement in self._get_portal_statements():
            if statement["company"].id == company_id:
                Statement = statement["partner"].env["collections.statement"]
                return make_spreadsheet_response(
                    *Statement._get_spreadsheet(statement, "statement")
                )
        return request.redirect("/my/statement")
