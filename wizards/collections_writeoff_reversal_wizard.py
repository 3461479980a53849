import json
from collections import defaultdict
from itertools import chain

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
            amounts = wizard._get_opening_amounts()
            wizard.item_ids = self.env["account.move.line"].union(
                *chain.from_iterable(amounts.values())
            )

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
            # A draft has no number, and is not reversed.
            later = wizard.move_ids._origin.filtered(
                lambda move, date=wizard.date: (
                    move.state == "posted" and move.date > date
                )
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
        moves = self.move_ids._origin
        moves._read_taxes()
        return list(
            dict.fromkeys(
                (move.company_id, move.journal_id, move._affect_tax_report())
                for move in moves
            )
        )

    def _get_opens(self):
        """Return what opens again, for the preview widget of accounting.

        :rtype: dict
        """
        groups, count = [], 0
        for move, amounts in self._get_opening_amounts().items():
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

    def _get_opening_amounts(self):
        """Return with how much the reversals open items again, by write-off.

        These are all that the write-offs are matched with, also by hand: a reversal
        takes every match apart. What was taken off its item before is not in it.
        Neither are items of write-offs that are reversed together: these stay closed.

        :return: by `account.move` the amounts by `account.move.line`, in the currency
            of the item, those due first at the top
        :rtype: dict
        """
        moves = self.move_ids._origin
        lines = moves.line_ids.filtered(
            lambda line: line.account_type == "asset_receivable"
        )
        partials = lines.matched_debit_ids | lines.matched_credit_ids
        # Core takes the entry of an exchange difference back with its match.
        closed = moves | partials.exchange_move_id
        amounts = {move: defaultdict(float) for move in moves}
        for partial in partials:
            debit, credit = partial.debit_move_id, partial.credit_move_id
            if debit.move_id not in closed:
                amounts[credit.move_id][debit] += partial.debit_amount_currency
            elif credit.move_id not in closed:
                amounts[debit.move_id][credit] -= partial.credit_amount_currency
        return {
            move: dict(
                sorted(
                    items.items(),
                    key=lambda pair: (
                        pair[0].date_maturity or pair[0].date,
                        pair[0].id,
                    ),
                )
            )
            for move, items in amounts.items()
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
        return self.reversal_ids._get_writeoffs_action(
            self.env._("Reversed Write-offs")
        )
