import json
from collections import defaultdict

from odoo import Command, api, fields, models
from odoo.exceptions import UserError
from odoo.tools import clean_context, format_amount, format_date

# A preview is for reading: beyond this, items are only counted.
PREVIEW_ITEMS = 100


class CollectionsWriteoffReversalWizard(models.TransientModel):
    """Take write-offs back on a date, knowing what opens again."""

    _name = "collections.writeoff.reversal.wizard"
    _inherit = "collections.entry.preview"
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
    opens_data = fields.Text(compute="_compute_opens_data")
    lock_message = fields.Char(compute="_compute_date_messages")
    first_free_date = fields.Date(compute="_compute_date_messages")
    early_message = fields.Char(compute="_compute_date_messages")

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

    @api.depends("move_ids")
    def _compute_opens_data(self):
        for wizard in self:
            opens = wizard._get_opens()
            wizard.opens_data = bool(opens["groups_vals"]) and json.dumps(opens)

    @api.depends("date", "move_ids")
    def _compute_date_messages(self):
        Posting = self.env["collections.posting"]
        self.lock_message = False
        self.first_free_date = False
        self.early_message = False
        for wizard in self.filtered("date"):
            where = (wizard._get_places(), wizard.date)
            wizard.lock_message = Posting._find_common_lock_problem(*where)
            if wizard.lock_message:
                wizard.first_free_date = Posting._get_common_free_date(*where)
            later = wizard.move_ids._origin.filtered(
                lambda move, date=wizard.date: move.date > date
            )
            # No refusal: a write-off may have been dated too late by mistake.
            wizard.early_message = bool(later) and self.env._(
                "On %(date)s these were not written off yet: %(moves)s. The reversals "
                "would stand in the books before them.",
                date=format_date(self.env, wizard.date),
                moves=Posting._join_names(later.mapped("name")),
            )

    def _get_places(self):
        """Return where the reversals are booked.

        :return: list of company, journal and whether there are tax lines
        """
        return list(
            dict.fromkeys(
                (move.company_id, move.journal_id, move._affect_tax_report())
                for move in self.move_ids._origin
            )
        )

    def _get_opens(self):
        """Return what opens again, for the preview widget of accounting.

        :rtype: dict
        """
        groups, count = [], 0
        # Read together what would be read entry by entry.
        lines = self.move_ids._origin.line_ids
        lines.mapped("collections_writeoff_line_id.move_id.name")
        for name in ("matched_debit_ids", "matched_credit_ids"):
            lines.mapped(f"{name}.debit_amount_currency")
        for move in self.move_ids._origin:
            amounts = self._get_opening_amounts(move)
            count += len(amounts)
            left = PREVIEW_ITEMS - count + len(amounts)
            items = list(amounts.items())[: max(left, 0)]
            if items:
                groups.append(
                    {
                        "group_name": ", ".join(
                            [
                                move.name,
                                format_date(self.env, move.date),
                                move.partner_id.name or self.env._("No customer"),
                            ]
                        ),
                        "items_vals": [
                            (0, 0, self._get_opens_item(item, amount))
                            for item, amount in items
                        ],
                    }
                )
        discarded = count - PREVIEW_ITEMS
        return {
            "groups_vals": groups,
            "options": {
                "columns": [
                    {"field": "name", "label": self.env._("Document")},
                    {"field": "date_maturity", "label": self.env._("Due Date")},
                    self._get_amount_column("amount", self.env._("Opens Again")),
                ],
                "discarded_number": self.env._("%(count)s items", count=discarded)
                if discarded > 0
                else False,
            },
        }

    def _get_opening_amounts(self, move):
        """Return with how much the reversal of a write-off opens each item again.

        What was taken off its item before is not in it. Neither are items of write-offs
        that are reversed together with it: these stay closed.

        :param move: the `account.move`
        :return: amounts in the currency of the item, those due first at the top
        :rtype: dict
        """
        amounts = defaultdict(float)
        items = move.line_ids.collections_writeoff_line_id
        for partial in move._get_writeoff_partials():
            if partial.debit_move_id in items:
                amounts[partial.debit_move_id] += partial.debit_amount_currency
            else:
                amounts[partial.credit_move_id] -= partial.credit_amount_currency
        own = self.move_ids._origin
        return {
            item: amounts[item]
            for item in sorted(
                amounts, key=lambda item: (item.date_maturity or item.date, item.id)
            )
            if item.move_id not in own
        }

    def _get_opens_item(self, item, amount):
        return {
            "name": item.move_id.name,
            "date_maturity": format_date(self.env, item.date_maturity),
            "amount": format_amount(self.env, amount, item.currency_id),
        }

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
        return wizard._get_wizard_action()

    def _get_wizard_action(self):
        return self._get_records_action(
            name=self.env._("Reverse Write-offs"), target="new", context={}
        )

    def action_use_first_free_date(self):
        """Reverse on the first day that is not locked."""
        self.env["collections.posting"]._check_one(self)
        self.check_access("write")
        if self.first_free_date:
            self.date = self.first_free_date
        return self._get_wizard_action()

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
