from odoo import api, fields, models


class CollectionsCashDiscountOffer(models.Model):
    """What an item was promised for one discount period, kept when the term changes."""

    _name = "collections.cash.discount.offer"
    _description = "Cash Discount Offer"
    _order = "date, id"
    _rec_name = "date"

    move_line_id = fields.Many2one(
        comodel_name="account.move.line",
        string="Item",
        required=True,
        ondelete="cascade",
        index=True,
        readonly=True,
    )
    company_id = fields.Many2one(
        comodel_name="res.company", required=True, readonly=True
    )
    currency_id = fields.Many2one(
        comodel_name="res.currency", required=True, readonly=True
    )
    company_currency_id = fields.Many2one(
        related="company_id.currency_id", string="Company Currency"
    )
    date = fields.Date(string="Pay until", required=True, readonly=True)
    percentage = fields.Float(string="Discount %", digits=(16, 2), readonly=True)
    computation = fields.Selection(
        selection=[
            ("included", "On early payment"),
            ("excluded", "Never"),
            ("mixed", "Always (upon invoice)"),
        ],
        string="Reduced Tax",
        readonly=True,
    )
    amount_currency = fields.Monetary(
        string="Discount",
        readonly=True,
        help="The discount on the whole item, in its currency.",
    )
    balance = fields.Monetary(
        string="Discount in Company Currency",
        currency_field="company_currency_id",
        readonly=True,
        help="At the rate the item is booked with.",
    )
    amount_to_pay = fields.Monetary(
        compute="_compute_amount_to_pay",
        help="What closes the whole item until this day.",
    )

    @api.depends("amount_currency", "move_line_id.amount_currency")
    def _compute_amount_to_pay(self):
        for offer in self:
            offer.amount_to_pay = (
                offer.move_line_id.amount_currency - offer.amount_currency
            )
