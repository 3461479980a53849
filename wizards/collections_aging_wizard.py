from odoo import api, fields, models
from odoo.exceptions import UserError


class CollectionsAgingWizard(models.TransientModel):
    """Age the balances of one or several companies in one go."""

    _name = "collections.aging.wizard"
    _description = "Run Aging Snapshot"

    company_ids = fields.Many2many(
        comodel_name="res.company",
        string="Companies",
        default=lambda self: self.env.companies,
        domain=lambda self: [("id", "in", self.env.companies.ids)],
        help="Each company gets a snapshot of its own, in its own currency.",
    )
    pool_id = fields.Many2one(
        comodel_name="collections.pool",
        string="Customer Pool",
        help="Leave empty to age all customers.",
    )
    definition_id = fields.Many2one(
        comodel_name="collections.aging.definition",
        string="Aging Period Definition",
        compute="_compute_definition_id",
        store=True,
        readonly=False,
        help="Left empty, each company uses its own default definition.",
    )
    date = fields.Date(
        string="Aging as of",
        required=True,
        default=lambda self: self._get_today(),
    )
    date_basis = fields.Selection(
        selection=lambda self: (
            self.env["collections.aging.snapshot"]
            ._fields["date_basis"]
            ._description_selection(self.env)
        ),
        string="Age by",
        required=True,
        default="due_date",
    )
    include_zero_balance = fields.Boolean(string="Include Customers without Open Items")
    update_collection_status = fields.Boolean(string="Update Promises", default=True)

    @api.depends("pool_id")
    def _compute_definition_id(self):
        for wizard in self:
            if wizard.pool_id.definition_id:
                wizard.definition_id = wizard.pool_id.definition_id
            else:
                wizard.definition_id = wizard.definition_id

    def action_run(self):
        """Make and run one snapshot for each company, then show the aged balances.

        :return: the window action of Aged Balances
        :rtype: dict
        """
        self.env["collections.posting"]._check_one(self)
        if not self.company_ids:
            raise UserError(self.env._("Choose at least one company."))
        snapshots = self.env["collections.aging.snapshot"].create(
            [self._prepare_snapshot_vals(company) for company in self.company_ids]
        )
        snapshots.action_run()
        if self.date != self._get_today():
            if len(snapshots) == 1:
                return snapshots.action_view_balances()
            return snapshots._get_records_action(name=self.env._("Aging Snapshots"))
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "credit_collections.collections_aging_balance_action"
        )
        action["context"] = {
            "collections_pool_id": self.pool_id.id,
            "collections_definition_id": self.definition_id.id,
        }
        # The run was started from the same screen, which the new figures replace.
        action["target"] = "main"
        return action

    def _get_today(self):
        return self.env["collections.aging.snapshot"]._get_today(self.env.company)

    def _prepare_snapshot_vals(self, company):
        """Return the values of the snapshot of one company."""
        date = self.date
        if date == self._get_today():
            # Where the next day has begun for one company, it has not for all of them.
            date = self.env["collections.aging.snapshot"]._get_today(company)
        vals = {
            "company_id": company.id,
            "pool_id": self.pool_id.id,
            "date": date,
            "date_basis": self.date_basis,
            "include_zero_balance": self.include_zero_balance,
            "update_collection_status": self.update_collection_status,
        }
        if self.definition_id:
            vals["definition_id"] = self.definition_id.id
        return vals
