from odoo import Command, api, fields, models
from odoo.exceptions import UserError
from odoo.tools import clean_context


class CollectionsCaseWizard(models.TransientModel):
    """Put open items into a case of their customer, an existing or a new one."""

    _name = "collections.case.wizard"
    _description = "Assign to Case"

    line_ids = fields.Many2many(
        comodel_name="account.move.line", string="Items", required=True
    )
    partner_id = fields.Many2one(
        comodel_name="res.partner", string="Customer", compute="_compute_partner_id"
    )
    company_id = fields.Many2one(
        comodel_name="res.company", compute="_compute_partner_id"
    )
    mode = fields.Selection(
        selection=[("existing", "An open case"), ("new", "A new case")],
        compute="_compute_mode",
        store=True,
        readonly=False,
    )
    case_id = fields.Many2one(
        comodel_name="collections.case",
        compute="_compute_mode_case_id",
        store=True,
        readonly=False,
        domain="[('partner_id', '=', partner_id), ('company_id', '=', company_id), "
        "('state', '!=', 'closed')]",
    )
    has_open_case = fields.Boolean(compute="_compute_partner_id")
    name = fields.Char(string="Subject")
    category_id = fields.Many2one(
        comodel_name="collections.case.category",
        default=lambda self: self.env["collections.case"]._default_category_id(),
        domain="['|', ('company_id', '=', False), ('company_id', '=', company_id)]",
    )
    date_deadline = fields.Date(string="Deadline")

    # === COMPUTE METHODS === #

    @api.depends("line_ids")
    def _compute_partner_id(self):
        for wizard in self:
            wizard.partner_id = wizard.line_ids.partner_id.commercial_partner_id[:1]
            wizard.company_id = wizard.line_ids.company_id[:1]
            wizard.has_open_case = bool(wizard._get_open_cases())

    @api.depends("line_ids")
    def _compute_mode(self):
        for wizard in self:
            wizard.mode = "existing" if wizard._get_open_cases() else "new"

    @api.depends("line_ids")
    def _compute_mode_case_id(self):
        for wizard in self:
            wizard.case_id = wizard._get_open_cases()[:1]

    def _get_open_cases(self):
        return self.env["collections.case"].search(
            [
                (
                    "partner_id",
                    "=",
                    self.line_ids.partner_id.commercial_partner_id[:1].id,
                ),
                ("company_id", "=", self.line_ids.company_id[:1].id),
                ("state", "!=", "closed"),
            ]
        )

    # === ACTION METHODS === #

    @api.model
    def _open(self, items):
        """Open the wizard on open items of one customer.

        :param items: the `account.move.line`
        :return: a window action
        :raise UserError: when they are of several customers or companies
        """
        if len(items.partner_id.commercial_partner_id) > 1 or len(items.company_id) > 1:
            raise UserError(
                self.env._(
                    "A case is about one customer in one company. Select the "
                    "items of one."
                )
            )
        env = self.env(context=clean_context(self.env.context))
        wizard = self.with_env(env).create({"line_ids": [Command.set(items.ids)]})
        return wizard._get_records_action(
            name=self.env._("Assign to Case"), target="new", context={}
        )

    def action_assign(self):
        """Put the items into the case chosen, made first when it is a new one.

        :return: a window action that closes the dialog
        :rtype: dict
        """
        self.env["collections.posting"]._check_one(self)
        case = self.case_id
        if self.mode == "new":
            if not self.name:
                raise UserError(self.env._("What is the new case about?"))
            case = self.env["collections.case"].create(self._prepare_case_vals())
        elif not case:
            raise UserError(self.env._("Choose the case."))
        self.line_ids.action_assign_collections_case(case.id)
        return {"type": "ir.actions.act_window_close"}

    def _prepare_case_vals(self):
        """Return the values of the new case."""
        return {
            "name": self.name,
            "partner_id": self.partner_id.id,
            "company_id": self.company_id.id,
            "category_id": self.category_id.id,
            "date_deadline": self.date_deadline,
        }
