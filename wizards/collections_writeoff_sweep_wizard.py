from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain

from ..models.collections_writeoff import OPEN_ITEMS

# What one run can book while a user waits for it.
MAX_ITEMS = 3000


class CollectionsWriteoffSweepWizard(models.TransientModel):
    """Find small old items, to write all of them off in one go."""

    _name = "collections.writeoff.sweep.wizard"
    _description = "Write Off Small Balances"

    company_id = fields.Many2one(
        comodel_name="res.company",
        required=True,
        default=lambda self: self.env.company,
        domain=lambda self: [("id", "in", self.env.companies.ids)],
    )
    company_currency_id = fields.Many2one(related="company_id.currency_id")
    max_amount = fields.Monetary(
        string="Open Amount up to",
        required=True,
        currency_field="company_currency_id",
        default=5.0,
        help="In company currency, for each item.",
    )
    days = fields.Integer(
        string="Overdue for more than",
        required=True,
        default=90,
        help="Days since the due date.",
    )
    pool_id = fields.Many2one(
        comodel_name="collections.pool",
        string="Customer Pool",
        help="Leave empty for all customers.",
    )
    include_credits = fields.Boolean(
        help="Also write off small credit notes and unapplied payments."
    )
    include_disputed = fields.Boolean(help="Also write off items in dispute.")
    item_count = fields.Integer(compute="_compute_preview")
    customer_count = fields.Integer(compute="_compute_preview")
    limit_message = fields.Char(compute="_compute_preview")
    amount_total = fields.Monetary(
        string="Total",
        compute="_compute_preview",
        currency_field="company_currency_id",
    )

    _check_days = models.Constraint(
        "CHECK (days >= 0)", "The number of days cannot be negative."
    )

    @api.depends(
        "company_id",
        "max_amount",
        "days",
        "pool_id",
        "include_credits",
        "include_disputed",
    )
    def _compute_preview(self):
        for wizard in self:
            wizard.item_count = wizard.customer_count = wizard.amount_total = 0
            wizard.limit_message = False
            if not wizard.company_id:
                continue
            [(count, partners, total)] = self.env["account.move.line"]._read_group(
                wizard._get_domain(),
                aggregates=[
                    "__count",
                    "partner_id:recordset",
                    "amount_residual:sum",
                ],
            )
            wizard.item_count = count
            if count > MAX_ITEMS:
                wizard.limit_message = self.env._(
                    "The oldest %(limit)s of them are written off at a time. Start "
                    "again for the rest.",
                    limit=MAX_ITEMS,
                )
            wizard.customer_count = len(partners.commercial_partner_id)
            wizard.amount_total = total

    def _get_domain(self):
        """Return the domain of the items that are small and old enough."""
        self.ensure_one()
        latest = fields.Date.subtract(
            fields.Date.context_today(self), days=self.days + 1
        )
        lowest = -self.max_amount if self.include_credits else 0
        domain = OPEN_ITEMS & Domain(
            [
                ("company_id", "=", self.company_id.id),
                ("amount_residual", "<=", self.max_amount),
                ("amount_residual", ">=", lowest),
                # Those wait in a draft entry already.
                (
                    "id",
                    "not in",
                    self.env["account.move.line"]
                    .search(
                        [
                            ("collections_writeoff_line_id", "!=", False),
                            ("parent_state", "=", "draft"),
                        ]
                    )
                    .collections_writeoff_line_id.ids,
                ),
            ]
        )
        domain &= Domain("date_maturity", "<=", latest) | (
            Domain("date_maturity", "=", False) & Domain("date", "<=", latest)
        )
        if not self.include_disputed:
            domain &= Domain("collections_status", "!=", "disputed")
        if self.pool_id:
            domain &= Domain(
                "partner_id.commercial_partner_id", "in", self.pool_id.get_partners()
            )
        return domain

    def action_preview(self):
        """Open the write-off wizard on the items found.

        :return: a window action
        :rtype: dict
        :raise UserError: when no item is small and old enough
        """
        self.env["collections.posting"]._check_one(self)
        if self.max_amount <= 0:
            raise UserError(self.env._("Enter the amount up to which items are small."))
        items = self.env["account.move.line"].search(
            self._get_domain(), order="date, id", limit=MAX_ITEMS
        )
        if not items:
            raise UserError(
                self.env._(
                    "No open item is overdue for more than %(days)s days with "
                    "%(amount)s or less.",
                    days=self.days,
                    amount=self.company_currency_id.format(self.max_amount),
                )
            )
        return self.env["collections.writeoff.wizard"]._open(items)
