from odoo import api, fields, models
from odoo.exceptions import ValidationError

from .collections_recipient import RECIPIENT_KINDS


class MailTemplate(models.Model):
    _inherit = "mail.template"

    collections_kind = fields.Selection(
        selection=RECIPIENT_KINDS,
        string="Collections E-mail",
        help="E-mails made with this template carry the spreadsheet of the customer, "
        "and the parameters of Credit & Collections can name it.",
    )

    @api.constrains("collections_kind", "model_id")
    def _check_collections_kind(self):
        for template in self:
            if template.collections_kind and template.model != "res.partner":
                raise ValidationError(
                    self.env._(
                        "%(template)s: e-mails of collections are written to "
                        "customers. Let it apply to contacts.",
                        template=template.name,
                    )
                )
