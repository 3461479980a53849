from odoo import Command, api, fields, models
from odoo.exceptions import UserError
from odoo.tools import clean_context


class CollectionsWriteoffReversalWizard(models.TransientModel):
    """Take write-offs back on a date, knowing what opens again."""

    _name = "collections.writeoff.reversal.wizard"
    _description = "Reverse Write-offs"

    comment = fields.Char(help="Text of the reversals, such as who paid after all.")
    date = fields.Date(
        required=True,
        compute="_compute_date",
        store=True,
        readonly=False,
        precompute=True,
    )
    move_ids = fields.Many2many(
        comodel_name="account.move", string="Write-offs", required=True
    )
    item_ids = fields.Many2many(
        comodel_name="account.move.line",
        string="Items that Open Again",
        compute="_compute_item_ids",
    )
    reversal_ids = fields.Many2many(
        comodel_name="account.move",
        relation="collections_writeoff_reversal_wizard_reversal_rel",
        string="Reversals",
        readonly=True,
    )
    lock_message = fields.Char(compute="_compute_lock_message")

    @api.depends("move_ids")
    def _compute_date(self):
        # Nothing is taken back before it was booked, unless somebody wants it so.
        today = fields.Date.context_today(self)
        for wizard in self:
            wizard.date = max([today, *wizard.move_ids.mapped("date")])

    @api.depends("move_ids")
    def _compute_item_ids(self):
        for wizard in self:
            wizard.item_ids = wizard.move_ids.line_ids.collections_writeoff_line_id

    @api.depends("date", "move_ids")
    def _compute_lock_message(self):
        Posting = self.env["collections.posting"]
        for wizard in self:
            problems = (
                Posting._find_lock_problem(
                    move.company_id,
                    move.journal_id,
                    wizard.date,
                    move._affect_tax_report(),
                )
                for move in wizard.move_ids
                if wizard.date
            )
            wizard.lock_message = next(filter(None, problems), False)

    @api.model
    def _open(self, moves):
        """Open the wizard on the write-offs in force among entries.

        :param moves: the `account.move`
        :return: a window action
        :raise UserError: when there is none
        """
        self.env["collections.posting"]._check_manager()
        moves = moves._filter_writeoffs_in_force()
        if not moves:
            raise UserError(
                self.env._("There is no posted write-off that could be reversed here.")
            )
        env = self.env(context=clean_context(self.env.context))
        wizard = self.with_env(env).create({"move_ids": [Command.set(moves.ids)]})
        return wizard._get_records_action(
            name=self.env._("Reverse Write-offs"), target="new", context={}
        )

    def action_reverse(self):
        """Reverse the write-offs; the reversals are in `reversal_ids`.

        :return: a window action on the reversals
        :rtype: dict
        """
        self.env["collections.posting"]._check_one(self)
        self.reversal_ids = self.move_ids._reverse_writeoffs(self.date, self.comment)
        return self.reversal_ids._get_records_action(
            name=self.env._("Reversed Write-offs"),
            context={"create": False, "collections_export": True},
        )
