from odoo import fields, models


class CollectionsReimbursementRunLine(models.Model):
    """One customer and currency on the work list of a run, and what became of it."""

    _name = "collections.reimbursement.run.line"
    _description = "Customer in a Reimbursement Run"
    _order = "id"

    run_id = fields.Many2one(
        comodel_name="collections.reimbursement.run",
        required=True,
        readonly=True,
        index=True,
        ondelete="cascade",
    )
    company_id = fields.Many2one(related="run_id.company_id", store=True, index=True)
    partner_id = fields.Many2one(
        comodel_name="res.partner",
        string="Customer",
        required=True,
        readonly=True,
        index=True,
        ondelete="cascade",
    )
    currency_id = fields.Many2one(
        comodel_name="res.currency", required=True, readonly=True
    )
    amount = fields.Monetary(readonly=True)
    vendor_id = fields.Many2one(comodel_name="res.partner", readonly=True)
    state = fields.Selection(
        selection=[
            ("waiting", "Waiting"),
            ("reimbursed", "Reimbursed"),
            ("held", "Held"),
            ("failed", "Failed"),
        ],
        default="waiting",
        required=True,
        readonly=True,
    )
    reason = fields.Char(readonly=True)
    reimbursement_id = fields.Many2one(
        comodel_name="collections.reimbursement", readonly=True, index="btree_not_null"
    )

    _waiting_idx = models.Index("(run_id) WHERE state = 'waiting'")
    # Nobody stands on the list of a run twice.
    _customer_uniq = models.UniqueIndex("(run_id, partner_id, currency_id)")
