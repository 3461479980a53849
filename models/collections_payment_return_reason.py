from odoo import fields, models


class CollectionsPaymentReturnReason(models.Model):
    """Why a bank sends a payment back."""

    _name = "collections.payment.return.reason"
    _description = "Reason of a Returned Payment"
    _order = "sequence, name, id"

    sequence = fields.Integer(default=10)
    name = fields.Char(string="Reason", required=True, translate=True)
    active = fields.Boolean(default=True)
