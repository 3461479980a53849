from odoo import fields, models

from .collections_recipient import RECIPIENT_KINDS


class MailTemplate(models.Model):
    _inherit = "mail.template"

    collections_kind = fields.Selection(
        selection=RECIPIENT_KINDS,
        string="Collections E-mail",
        help="E-mails made with this template carry the spreadsheet of the customer, "
        "and the parameters of Credit & Collections can name it.",
    )
