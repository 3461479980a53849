from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.tools import SQL

from .collections_posting import LEDGER_ACCOUNT_DOMAIN, MANAGER

AGENT = "credit_collections.group_collections_agent"


class ResPartner(models.Model):
    _inherit = "res.partner"

    collections_balance_ids = fields.One2many(
        comodel_name="collections.aging.balance",
        inverse_name="partner_id",
        string="Aged Balances",
        domain=lambda self: [
            ("is_current", "=", True),
            ("company_id", "in", self.env.companies.ids),
        ],
        groups=AGENT,
        help="The figures of the latest aging snapshots.",
    )
    collections_pool_ids = fields.Many2many(
        comodel_name="collections.pool",
        string="Customer Pools",
        compute="_compute_collections_pool_ids",
        search="_search_collections_pool_ids",
        groups=AGENT,
    )

    collections_writeoff_account_id = fields.Many2one(
        comodel_name="account.account",
        string="Write-off Account",
        company_dependent=True,
        ondelete="restrict",
        domain=LEDGER_ACCOUNT_DOMAIN,
        groups=MANAGER,
        help="Takes what is written off of this customer, unless the reason has an "
        "account of its own. Left empty, the account of the parameters is used.",
    )
    collections_written_off = fields.Boolean(
        string="Has Write-offs",
        compute="_compute_collections_written_off",
        groups=AGENT,
    )

    collections_returned_payment_count = fields.Integer(
        string="Payments Returned",
        compute="_compute_collections_returned_payment_count",
        groups=AGENT,
        help="How many payments of the customer and his contacts the bank returned.",
    )

    # Whoever can set it decides who gets the money.
    collections_vendor_id = fields.Many2one(
        comodel_name="res.partner",
        string="Vendor Account",
        company_dependent=True,
        ondelete="restrict",
        groups=MANAGER,
        help="Gets the vendor bill when a credit of this customer is reimbursed. "
        "Empty, the parameters decide.",
    )
    collections_one_time_vendor = fields.Boolean(
        string="One-time Vendor",
        copy=False,
        groups=f"{AGENT},account.group_account_invoice,account.group_account_readonly",
        help="Was made to reimburse a customer. It is archived by night when nothing "
        "is open on it, and taken out of the archive for the next reimbursement. "
        "Untick to keep it as an ordinary vendor.",
    )
    collections_one_time_customer_id = fields.Many2one(
        comodel_name="res.partner",
        string="One-time Vendor of",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="set null",
        groups=MANAGER,
    )
    collections_reimbursement_count = fields.Integer(
        string="Reimbursements",
        compute="_compute_collections_reimbursement_count",
        groups=AGENT,
    )

    @api.constrains("collections_writeoff_account_id")
    def _check_collections_writeoff_account_id(self):
        Posting = self.env["collections.posting"]
        for partner in self:
            Posting._check_account(
                partner.collections_writeoff_account_id, self.env.company
            )

    def _compute_collections_written_off(self):
        moves = self.env["account.move"].search(self._get_writeoffs_domain())
        writeoffs = moves._filter_writeoffs_in_force()
        partners = writeoffs.partner_id.commercial_partner_id
        for partner in self:
            partner.collections_written_off = (
                partner.commercial_partner_id._origin in partners
            )

    def _get_writeoffs_domain(self):
        return [
            (
                "partner_id.commercial_partner_id",
                "in",
                self.commercial_partner_id.ids,
            ),
            ("collections_writeoff_reason_id", "!=", False),
            ("company_id", "in", self.env.companies.ids),
            ("state", "=", "posted"),
        ]

    @api.depends_context("allowed_company_ids")
    def _compute_collections_returned_payment_count(self):
        groups = self.env["collections.payment.return"]._read_group(
            [*self._get_payment_returns_domain(), ("state", "=", "posted")],
            ["partner_id"],
            ["__count"],
        )
        counts = {partner.id: count for partner, count in groups}
        for partner in self:
            partner.collections_returned_payment_count = counts.get(
                partner.commercial_partner_id._origin.id, 0
            )

    def _get_payment_returns_domain(self):
        return [
            ("partner_id", "in", self.commercial_partner_id.ids),
            ("company_id", "in", self.env.companies.ids),
        ]

    def _compute_collections_pool_ids(self):
        pools = self.env["collections.pool"].search([("active", "=", True)])
        commercial_ids = set(self.commercial_partner_id.ids)
        partner_ids_by_pool = {}
        for pool in pools:
            try:
                query = pool._get_checked_partner_query()
            except UserError:
                # The broken pool says so itself where it is used.
                continue
            rows = self.env.execute_query(
                SQL(
                    "SELECT partner_id FROM (%s) AS pool WHERE partner_id IN %s",
                    query,
                    tuple(commercial_ids) or (0,),
                )
            )
            partner_ids_by_pool[pool] = {partner_id for (partner_id,) in rows}
        for partner in self:
            partner.collections_pool_ids = self.env["collections.pool"].union(
                *(
                    pool
                    for pool, partner_ids in partner_ids_by_pool.items()
                    if partner.commercial_partner_id.id in partner_ids
                )
            )

    def _search_collections_pool_ids(self, operator, value):
        Pool = self.env["collections.pool"]
        if operator == "any":
            return self._get_collections_pools_domain(Pool.search(value))
        if operator != "in":
            return NotImplemented
        pools = Pool.browse(pool_id for pool_id in value if pool_id).exists()
        domain = self._get_collections_pools_domain(pools)
        if False in value:
            every = self._get_collections_pools_domain(Pool.search(Domain.TRUE))
            domain |= ~every
        return domain

    def _get_collections_pools_domain(self, pools):
        return Domain.OR(
            Domain("id", "in", SQL("(%s)", pool._get_checked_partner_query()))
            for pool in pools
        )

    def action_refresh_aging(self):
        """Age the balances of the customers again, as of today.

        Done for the companies in use, and for each aging period definition that shows
        the customer, so that no screen keeps the old figures.

        :return: True
        """
        Snapshot = self.env["collections.aging.snapshot"]
        Snapshot.check_access("create")
        partners = self.commercial_partner_id
        snapshots = Snapshot
        if partners:
            for company in self.env.companies:
                for definition in self._get_shown_definitions(company):
                    # Which customers a refresh is for is closed to users.
                    snapshots |= Snapshot.sudo().create(
                        self._prepare_refresh_vals(company, definition, partners)
                    )
        snapshots.sudo(self.env.su).action_run()
        return True

    def _get_shown_definitions(self, company):
        """Return the definitions that show the customers, the one in force included.

        :param company: a `res.company`
        """
        shown = self.env["collections.aging.balance"]._read_group(
            [
                ("partner_id", "in", self.commercial_partner_id.ids),
                ("company_id", "=", company.id),
                ("is_current", "=", True),
            ],
            aggregates=["definition_id:recordset"],
        )
        Definition = self.env["collections.aging.definition"]
        definitions = Definition._get_definition(company) | shown[0][0]
        if not definitions:
            raise Definition._get_missing_error(company)
        return definitions

    def _prepare_refresh_vals(self, company, definition, partners):
        """Return the values of the snapshot that refreshes the figures of customers.

        It ages them by the same date as the list they stand in.
        """
        full, _partial = (
            self.env["collections.aging.snapshot"]
            .sudo()
            ._get_current_snapshots(company, definition)
        )
        vals = {
            "company_id": company.id,
            "definition_id": definition.id,
            "is_refresh": True,
            "scope_partner_ids": partners.ids,
            "date_basis": full.date_basis or "due_date",
            "include_zero_balance": full.include_zero_balance,
        }
        if len(partners) == 1:
            vals["partner_id"] = partners.id
        return vals

    def action_open_settlement(self):
        """Open the wizard that matches open items of the customers."""
        return self.env["collections.settlement.wizard"]._open(self)

    def action_open_writeoff(self):
        """Open the wizard that writes off all that is open of the customers."""
        return self.env["collections.writeoff.wizard"]._open(self)

    def action_view_writeoffs(self):
        """Open the write-offs of the customers."""
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "credit_collections.account_move_action_writeoffs"
        )
        action["domain"] = [
            ("collections_writeoff_reason_id", "!=", False),
            (
                "partner_id.commercial_partner_id",
                "in",
                self.commercial_partner_id.ids,
            ),
        ]
        return action

    def action_open_writeoff_reversal(self):
        """Open the wizard that takes write-offs of the customers back."""
        moves = self.env["account.move"].search(self._get_writeoffs_domain())
        return self.env["collections.writeoff.reversal.wizard"]._open(moves)

    def action_view_returned_payments(self):
        """Open the returned payments of the customers.

        :return: a window action
        :rtype: dict
        """
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "credit_collections.collections_payment_return_action"
        )
        action["domain"] = self._get_payment_returns_domain()
        return action

    def action_view_collections_items(self):
        """Open the open items of the customers."""
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "credit_collections.account_move_line_action_open_items"
        )
        action["domain"] = [
            ("account_type", "=", "asset_receivable"),
            ("parent_state", "=", "posted"),
            ("reconciled", "=", False),
            ("partner_id.commercial_partner_id", "in", self.commercial_partner_id.ids),
        ]
        action["context"] = {"create": False}
        return action

    def _compute_collections_reimbursement_count(self):
        counts = dict(
            self.env["collections.reimbursement"]._read_group(
                [
                    ("partner_id", "in", self.commercial_partner_id.ids),
                    ("company_id", "in", self.env.companies.ids),
                ],
                ["partner_id"],
                ["__count"],
            )
        )
        for partner in self:
            partner.collections_reimbursement_count = counts.get(
                partner.commercial_partner_id._origin, 0
            )

    def action_open_reimbursement(self):
        """Open the wizard that reimburses the credits of the customers.

        Called on no customer, it finds all who have a credit.

        :return: a window action
        :rtype: dict
        :raise AccessError: when the user is not a collections manager
        """
        return self.env["collections.reimbursement.wizard"]._open(self)

    def action_view_reimbursements(self):
        """Open the reimbursements of the customers."""
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "credit_collections.collections_reimbursement_action"
        )
        action["domain"] = [("partner_id", "in", self.commercial_partner_id.ids)]
        action["context"] = {"create": False}
        return action

    def _archive_unused_vendors(self):
        """Archive those one-time vendors that nothing is open on any more."""
        vendors = self.filtered(
            lambda partner: partner.active and partner.collections_one_time_vendor
        )
        if not vendors:
            return
        # In any company, whatever the user sees.
        used_sudo = (
            self.env["account.move.line"]
            .sudo()
            ._read_group(
                [
                    ("partner_id", "in", vendors.ids),
                    ("account_type", "in", ("asset_receivable", "liability_payable")),
                    ("parent_state", "!=", "cancel"),
                    ("reconciled", "=", False),
                ],
                aggregates=["partner_id:recordset"],
            )[0][0]
        )
        unused = vendors.browse(set(vendors.ids) - set(used_sudo.ids))
        try:
            with self.env.cr.savepoint():
                unused.active = False
        except UserError:
            # Somebody made a user of one of them, for instance: they are in use.
            return

    @api.autovacuum
    def _gc_one_time_vendors(self):
        """Archive one-time vendors whose bills are paid."""
        self.search(
            [("collections_one_time_vendor", "=", True)]
        )._archive_unused_vendors()
