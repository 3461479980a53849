from odoo import fields, models


class MailActivityType(models.Model):
    _inherit = "mail.activity.type"

    collections_activity = fields.Boolean(
        help="Activities of this type on a customer stand in the list of collections "
        "activities.",
    )
