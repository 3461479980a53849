from odoo import fields, models


class CollectionsCaseCategory(models.Model):
    """What a case is about; those of type Collections are worked on here."""

    _name = "collections.case.category"
    _description = "Case Category"
    _order = "sequence, name, id"

    name = fields.Char(required=True, translate=True)
    active = fields.Boolean(default=True)
    sequence = fields.Integer(default=10)
    category_type = fields.Selection(
        selection=[("collections", "Collections"), ("general", "General")],
        string="Type",
        required=True,
        default="collections",
        help="The list of collections cases and the collections page show the cases of "
        "categories of type Collections.",
    )
    company_id = fields.Many2one(
        comodel_name="res.company",
        index=True,
        help="Leave empty to use the category in all companies.",
    )
    description = fields.Text(translate=True, help="When to use the category.")
