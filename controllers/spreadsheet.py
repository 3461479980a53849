import base64

from odoo import http
from odoo.http import content_disposition, request
from odoo.tools import str2bool

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def make_spreadsheet_response(name, content):
    """Return the response that downloads a spreadsheet.

    :param str name: of the file
    :param bytes content: of the file
    """
    return request.make_response(
        content,
        [
            ("Content-Type", XLSX),
            ("Content-Disposition", content_disposition(name)),
            ("Content-Length", len(content)),
        ],
    )


class CollectionsSpreadsheet(http.Controller):
    @http.route("/collections/spreadsheet/<int:partner_id>", type="http", auth="user")
    def download(
        self,
        partner_id,
        kind="collections",
        date_from=None,
        date_to=None,
        open_only=None,
        company_id=None,
    ):
        """Download the spreadsheet of a customer; the model checks who may."""
        company_id = int(company_id) if (company_id or "").isdecimal() else None
        companies = request.env.user.company_ids
        context = {"allowed_company_ids": companies.ids} if company_id else {}
        partner = (
            request.env["res.partner"]
            .with_context(collections_company_id=company_id, **context)
            .browse(partner_id)
            .exists()
        )
        if not partner:
            return request.not_found()
        [file] = partner.get_collections_spreadsheet(
            kind, date_from, date_to, str2bool(open_only or "", bool(open_only))
        )
        return make_spreadsheet_response(
            file["name"], base64.b64decode(file["content"])
        )
