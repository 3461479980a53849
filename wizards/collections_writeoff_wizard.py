import json
from collections import Counter

from odoo import Command, api, fields, models
from odoo.exceptions import UserError
from odoo.tools import clean_context, format_amount

MODELS = (
    "account.move",
    "account.move.line",
    "collections.aging.balance",
    "res.partner",
)


class CollectionsWriteoffWizard(models.TransientModel):
    """Choose what to write off, and see what will be booked before it is."""

    _name = "collections.writeoff.wizard"
    _inherit = "collections.entry.preview"
    _description = "Write Off"

    company_id = fields.Many2one(
        comodel_name="res.company", compute="_compute_company_id", store=True
    )
    company_currency_id = fields.Many2one(related="company_id.currency_id")
    date = fields.Date(default=fields.Date.context_today)
    journal_id = fields.Many2one(
        comodel_name="account.journal",
        compute="_compute_journal_id",
        store=True,
        readonly=False,
        check_company=True,
        domain="[('type', '=', 'general')]",
        help="A journal of type Miscellaneous.",
    )
    reason_id = fields.Many2one(
        comodel_name="collections.writeoff.reason",
        compute="_compute_reason_id",
        store=True,
        readonly=False,
    )
    comment = fields.Char(
        compute="_compute_comment",
        store=True,
        readonly=False,
        help="Text of the entries.",
    )
    separate_tax = fields.Boolean(
        string="Separate Sales Tax",
        compute="_compute_separate_tax",
        store=True,
        readonly=False,
        help="Book the tax in it back on the accounts of the taxes. When off, it is "
        "part of the loss; taxes due on payment are taken back always.",
    )
    line_ids = fields.One2many(
        comodel_name="collections.writeoff.wizard.line",
        inverse_name="wizard_id",
        string="Items",
    )
    move_ids = fields.Many2many(
        comodel_name="account.move", string="Entries", readonly=True
    )

    item_count = fields.Integer(compute="_compute_totals")
    customer_count = fields.Integer(compute="_compute_totals")
    has_currencies = fields.Boolean(compute="_compute_totals")
    amount_total = fields.Monetary(
        string="Total",
        compute="_compute_totals",
        currency_field="company_currency_id",
        help="What is written off, in company currency at the rates booked.",
    )
    currency_totals = fields.Char(string="By Currency", compute="_compute_totals")
    preview_data = fields.Text(compute="_compute_preview")
    problem = fields.Char(compute="_compute_preview")
    lock_message = fields.Char(compute="_compute_preview")
    first_free_date = fields.Date(compute="_compute_preview")
    review_message = fields.Char(compute="_compute_preview")
    pending_message = fields.Char(compute="_compute_pending_message")
    tax_amount = fields.Monetary(
        string="Tax Part",
        compute="_compute_preview",
        currency_field="company_currency_id",
    )

    # === DEFAULT METHODS === #

    @api.model
    def default_get(self, fields_list):
        # EXTENDS base: proposes all open items of what the wizard was opened on
        result = super().default_get(fields_list)
        if "line_ids" in fields_list:
            items = self._get_proposed_items()
            self.env["collections.writeoff"]._check_items(items)
            result["line_ids"] = [
                Command.create({"move_line_id": item.id}) for item in items
            ]
        return result

    @api.model
    def _get_proposed_items(self):
        """Return the open items of the records in context.

        :raise UserError: when there is nothing to write off
        """
        model = self.env.context.get("active_model")
        if model not in MODELS:
            return self.env["account.move.line"]
        Writeoff = self.env["collections.writeoff"]
        ids = self.env.context.get("active_ids") or [
            active_id for active_id in [self.env.context.get("active_id")] if active_id
        ]
        records = self.env[model].browse(ids).exists()
        if not records:
            raise UserError(
                self.env._("Select first what to write off: nothing is selected.")
            )
        items = Writeoff._get_items(records)
        pending = Writeoff._get_pending_items(items)
        left = items.filtered(lambda item: item not in pending)
        if left:
            return left
        if items:
            # Says in which draft entry they are.
            Writeoff._check_items(items)
        raise UserError(
            self.env._(
                "Nothing is open any more on %(records)s.",
                records=", ".join(records[:10].mapped("display_name")),
            )
        )

    # === COMPUTE METHODS === #

    @api.depends("line_ids.move_line_id")
    def _compute_company_id(self):
        for wizard in self:
            wizard.company_id = wizard.line_ids.company_id[:1] or self.env.company

    # One method each: a value given for one field would keep the others of the same
    # method from being computed.
    @api.depends("company_id")
    def _compute_journal_id(self):
        for wizard in self:
            wizard.journal_id = wizard.company_id.collections_writeoff_journal_id

    @api.depends("company_id")
    def _compute_reason_id(self):
        for wizard in self:
            reason = wizard.company_id.collections_writeoff_reason_id
            wizard.reason_id = reason.filtered("active")

    @api.depends("company_id")
    def _compute_separate_tax(self):
        for wizard in self:
            wizard.separate_tax = wizard.company_id.collections_writeoff_separate_tax

    @api.depends("reason_id")
    def _compute_comment(self):
        for wizard in self:
            wizard.comment = wizard.reason_id.comment or wizard.comment

    @api.depends("line_ids.amount", "line_ids.move_line_id")
    def _compute_totals(self):
        for wizard in self:
            lines = wizard.line_ids
            wizard.item_count = len(lines)
            wizard.customer_count = len(
                lines.move_line_id.partner_id.commercial_partner_id
            )
            wizard.amount_total = sum(lines.mapped("amount_company"))
            totals = {
                currency: sum(group.mapped("amount"))
                for currency, group in lines.grouped("currency_id").items()
            }
            wizard.has_currencies = bool(lines.currency_id - wizard.company_currency_id)
            wizard.currency_totals = "  ·  ".join(
                f"{currency.name} {format_amount(self.env, amount, currency)}"
                for currency, amount in totals.items()
            )

    @api.depends(
        "date",
        "journal_id",
        "reason_id",
        "comment",
        "separate_tax",
        "line_ids.amount",
        "line_ids.move_line_id",
    )
    def _compute_preview(self):
        Writeoff = self.env["collections.writeoff"]
        self.preview_data = False
        self.problem = False
        self.lock_message = False
        self.first_free_date = False
        self.review_message = False
        self.tax_amount = 0.0
        for wizard in self:
            company = wizard.company_id
            error = Writeoff._find_problem(company, wizard.journal_id, wizard.reason_id)
            if error:
                wizard.problem = str(error)
                continue
            try:
                parts = Writeoff._get_parts(wizard._get_amounts())
                if not parts:
                    continue
                vals_list = Writeoff.with_company(company)._prepare_moves_vals(
                    parts,
                    wizard.journal_id,
                    wizard.reason_id,
                    wizard.date or fields.Date.context_today(wizard),
                    wizard.comment,
                    wizard.separate_tax,
                )
            except UserError as user_error:
                wizard.problem = str(user_error)
                continue
            wizard.tax_amount = sum(
                vals["collections_writeoff_tax_amount"] for vals in vals_list
            )
            wizard.preview_data = json.dumps(wizard._get_preview(vals_list))
            has_tax = Writeoff._has_tax(Writeoff._get_lines_vals(vals_list))
            where = (company, wizard.journal_id, wizard.date, has_tax)
            if wizard.date:
                wizard.lock_message = Writeoff._find_lock_problem(*where)
            if wizard.lock_message:
                wizard.first_free_date = Writeoff._get_first_free_date(*where)
            wizard.review_message = wizard._get_review_message(parts)

    @api.depends("line_ids.move_line_id")
    def _compute_pending_message(self):
        for wizard in self:
            partners = wizard.line_ids.move_line_id.partner_id.commercial_partner_id
            drafts = self.env["account.move.line"].search(
                [
                    ("company_id", "=", wizard.company_id.id),
                    ("parent_state", "=", "draft"),
                    (
                        "collections_writeoff_line_id.partner_id.commercial_partner_id",
                        "in",
                        partners.ids,
                    ),
                ]
            )
            items = drafts.collections_writeoff_line_id
            wizard.pending_message = bool(items) and self.env._(
                "Not listed, because they stand in a write-off that waits to be "
                "posted: %(items)s",
                items=self.env["collections.writeoff"]._get_names(items),
            )

    def _get_amounts(self):
        """Return the amount to write off of each item.

        :rtype: dict
        :raise UserError: when an item stands there twice
        """
        self.ensure_one()
        counts = Counter(line.move_line_id for line in self.line_ids)
        twice = [item for item, count in counts.items() if count > 1]
        if twice:
            raise UserError(
                self.env._(
                    "These items are listed twice: %(items)s",
                    items=", ".join(item.display_name for item in twice),
                )
            )
        return {line.move_line_id: line.amount for line in self.line_ids}

    def _get_review_message(self, parts):
        """Return the notice on entries that will be left in draft, or False."""
        company = self.company_id
        if company.collections_writeoff_draft:
            return self.env._(
                "The entries are left in draft. The items are closed when somebody "
                "posts them."
            )
        Writeoff = self.env["collections.writeoff"]
        partners = Writeoff._get_partners_to_review(parts)
        if not partners:
            return False
        return self.env._(
            "From %(limit)s on, the write-off of a customer stays in draft for a "
            "second person: %(customers)s.",
            limit=company.currency_id.format(
                company.collections_writeoff_review_amount
            ),
            customers=Writeoff._join_names(
                partner.name or self.env._("no customer") for partner in partners
            ),
        )

    # === ACTION METHODS === #

    @api.model
    def _open(self, records):
        """Open the wizard on records.

        It is saved first, so that the client loads a page of items at a time and not
        thousands of them.

        :param records: see `collections.writeoff._get_items`
        :return: a window action
        :raise UserError: when nothing is open
        """
        self.env["collections.writeoff"]._check_manager()
        # What the screen before had as defaults is not meant for this one.
        context = {
            **clean_context(self.env.context),
            "active_model": records._name,
            "active_ids": records.ids,
        }
        wizard = self.with_env(self.env(context=context)).create({})
        return wizard._get_records_action(
            name=self.env._("Write Off"), target="new", context={}
        )

    def action_write_off(self):
        """Write off the items: one entry for each customer.

        :return: a window action on the entries, which are in `move_ids`
        :rtype: dict
        :raise AccessError: when the user is not a collections manager
        :raise UserError: nothing selected, closed meanwhile, journal, account or reason
            missing, two companies at once, locked date
        """
        self.env["collections.posting"]._check_one(self)
        if self.move_ids:
            raise UserError(self.env._("These items are written off already."))
        if not self.date:
            raise UserError(self.env._("Enter the date of the entries."))
        if not self.line_ids:
            raise UserError(
                self.env._("Select first what to write off: nothing is selected.")
            )
        self.move_ids = self.env["collections.writeoff"]._write_off(
            self._get_amounts(),
            journal=self.journal_id,
            reason=self.reason_id,
            date=self.date,
            comment=self.comment or "",
            separate_tax=self.separate_tax,
        )
        return self.move_ids._get_writeoffs_action(self.env._("Write-offs"))

    def action_use_first_free_date(self):
        """Book on the first day that is not locked."""
        self.env["collections.posting"]._check_one(self)
        self.check_access("write")
        if self.first_free_date:
            self.date = self.first_free_date
        return self._get_records_action(
            name=self.env._("Write Off"), target="new", context={}
        )

    def action_open_parameters(self):
        """Open the collections parameters of the company."""
        self.env["collections.posting"]._check_one(self)
        self.check_access("read")
        return self.company_id._get_collections_parameters_action()


class CollectionsWriteoffWizardLine(models.TransientModel):
    """One item in the write-off wizard."""

    _name = "collections.writeoff.wizard.line"
    _description = "Item to Write Off"
    _order = "id"

    wizard_id = fields.Many2one(
        comodel_name="collections.writeoff.wizard",
        required=True,
        index=True,
        ondelete="cascade",
    )
    move_line_id = fields.Many2one(
        comodel_name="account.move.line",
        string="Item",
        required=True,
        ondelete="cascade",
    )
    partner_id = fields.Many2one(
        related="move_line_id.partner_id.commercial_partner_id", string="Customer"
    )
    # The rows above the items of a customer are made of it.
    partner_name = fields.Char(
        related="partner_id.display_name", string="Name of the Customer"
    )
    move_id = fields.Many2one(related="move_line_id.move_id", string="Document")
    date_maturity = fields.Date(related="move_line_id.date_maturity")
    days_overdue = fields.Integer(related="move_line_id.collections_days_overdue")
    company_id = fields.Many2one(related="move_line_id.company_id")
    currency_id = fields.Many2one(related="move_line_id.currency_id")
    company_currency_id = fields.Many2one(related="move_line_id.company_currency_id")
    amount_residual = fields.Monetary(
        related="move_line_id.amount_residual_currency", string="Open"
    )
    amount = fields.Monetary(
        string="To Write Off",
        compute="_compute_amount",
        store=True,
        readonly=False,
        precompute=True,
        help="In the currency of the item, with the sign of what is open: less than "
        "that leaves the rest open.",
    )
    amount_company = fields.Monetary(
        string="In Company Currency",
        compute="_compute_amount_company",
        currency_field="company_currency_id",
    )

    @api.depends("move_line_id")
    def _compute_amount(self):
        for line in self:
            line.amount = line.move_line_id.amount_residual_currency

    @api.depends("amount", "move_line_id")
    def _compute_amount_company(self):
        for line in self:
            item = line.move_line_id
            whole = item.amount_residual_currency
            share = line.amount / whole if whole else 1.0
            line.amount_company = item.company_currency_id.round(
                item.amount_residual * share
            )

    @api.onchange("amount")
    def _onchange_amount(self):
        if not self.move_line_id:
            return
        Writeoff = self.env["collections.writeoff"]
        try:
            Writeoff._get_part(self.move_line_id, self.amount)
        except UserError as error:
            self.amount = self.move_line_id.amount_residual_currency
            return {
                "warning": {
                    "title": self.env._("Not a part of what is open"),
                    "message": str(error),
                }
            }
