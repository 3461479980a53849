from odoo import api, fields, models


class CollectionsSetupStep(models.TransientModel):
    """One line of the checklist; all it says is worked out when it is read."""

    _name = "collections.setup.step"
    _description = "Step of Setup"
    _order = "sequence, id"

    setup_id = fields.Many2one(
        comodel_name="collections.setup", required=True, ondelete="cascade"
    )
    code = fields.Char(required=True)
    sequence = fields.Integer()
    name = fields.Char(compute="_compute_step")
    why = fields.Text(compute="_compute_step")
    detail = fields.Text(string="Now", compute="_compute_step")
    is_done = fields.Boolean(compute="_compute_step")
    is_required = fields.Boolean(compute="_compute_step")
    state = fields.Selection(
        selection=[("todo", "To do"), ("optional", "Optional"), ("done", "Done")],
        compute="_compute_step",
    )

    @api.depends("code", "setup_id.company_id")
    def _compute_step(self):
        for line in self:
            step = line.setup_id._get_step(line.code, line.setup_id.company_id)
            line.name = step.name
            line.why = step.why
            line.detail = step.detail or False
            line.is_done = step.is_done
            line.is_required = step.is_required
            open_state = "todo" if step.is_required else "optional"
            line.state = "done" if step.is_done else open_state

    def action_do(self):
        """Do the step, or open the place where it is done.

        :return: the action to follow, the checklist again when the step was done
        :rtype: dict
        """
        self.env["collections.posting"]._check_one(self)
        setup = self.setup_id
        action = setup._do_step(self.code, setup.company_id)
        return action or setup._get_open_action()
