import base64

from odoo import api, fields, models
from odoo.exceptions import RedirectWarning, UserError
from odoo.fields import Domain
from odoo.tools import SQL

from ..exceptions import MissingParameterError
from .collections_posting import AGENT, LEDGER_ACCOUNT_DOMAIN, MANAGER

# What is noted of a customer as a whole, whichever contact it came from.
KEPT_BY_CUSTOMER = (
    "collections.case",
    "collections.payment.return",
    "collections.promise",
    "collections.reimbursement",
    "collections.status.history",
)


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
    # Not copied, as none of the fields that not everybody may read: core's users copy
    # contacts too.
    collections_contact_id = fields.Many2one(
        comodel_name="res.partner",
        copy=False,
        domain="[('commercial_partner_id', '=', commercial_partner_id)]",
        index="btree_not_null",  # a contact that is deleted is looked up
        groups=AGENT,
        help="Gets the e-mails about what is open. Left empty, they go to the invoice "
        "address, else to the first contact with an e-mail address, else to the "
        "customer's own.",
    )
    collections_statement_contact_id = fields.Many2one(
        comodel_name="res.partner",
        string="Statement Contact",
        copy=False,
        domain="[('commercial_partner_id', '=', commercial_partner_id)]",
        index="btree_not_null",  # a contact that is deleted is looked up
        groups=AGENT,
        help="Gets the statements of account. Left empty, they go where the other "
        "e-mails go.",
    )
    collections_salesperson_id = fields.Many2one(
        comodel_name="res.users",
        copy=False,
        domain="[('share', '=', False)]",
        groups=AGENT,
        help="Gets the internal e-mails about the customer. Left empty, they go to the "
        "salesperson, else to the one of the latest invoice.",
    )
    collections_recipient_id = fields.Many2one(
        comodel_name="res.partner",
        string="Writes To",
        compute="_compute_collections_recipient",
        groups=AGENT,
        help="Who gets the e-mails about what is open.",
    )
    collections_recipient_email = fields.Char(
        string="Collections E-mail",
        compute="_compute_collections_recipient",
        groups=AGENT,
    )
    collections_recipient_rule = fields.Char(
        string="Because", compute="_compute_collections_recipient", groups=AGENT
    )
    collections_statement_recipient_id = fields.Many2one(
        comodel_name="res.partner",
        string="Sends Statements To",
        compute="_compute_collections_statement_recipient",
        groups=AGENT,
    )
    collections_statement_recipient_rule = fields.Char(
        string="Because (Statements)",
        compute="_compute_collections_statement_recipient",
        groups=AGENT,
    )
    collections_salesperson_recipient_id = fields.Many2one(
        comodel_name="res.partner",
        string="Informs",
        compute="_compute_collections_salesperson_recipient",
        groups=AGENT,
        help="Who gets the internal e-mails about the customer.",
    )
    collections_salesperson_recipient_rule = fields.Char(
        string="Because (Internal)",
        compute="_compute_collections_salesperson_recipient",
        groups=AGENT,
    )
    collections_company_id = fields.Many2one(
        comodel_name="res.company",
        string="Owes To",
        compute="_compute_collections_company_id",
        groups=AGENT,
        help="The company that writes. For e-mails.",
    )
    collections_currency_id = fields.Many2one(
        comodel_name="res.currency",
        string="Owes In",
        compute="_compute_collections_company_id",
        groups=AGENT,
    )
    collections_statement_due = fields.Monetary(
        string="Due by Statement",
        currency_field="collections_currency_id",
        compute="_compute_collections_statement_amounts",
        groups=AGENT,
        help="All open items of the customer, credits deducted, in company currency: "
        "of today, in e-mails with a statement of its last day.",
    )
    collections_statement_overdue = fields.Monetary(
        string="Overdue by Statement",
        currency_field="collections_currency_id",
        compute="_compute_collections_statement_amounts",
        groups=AGENT,
        help="Open debit items past their due date: of today, in e-mails with a "
        "statement of its last day.",
    )
    collections_statement_due_text = fields.Char(
        string="Due by Statement in Words",
        compute="_compute_collections_statement_texts",
        groups=AGENT,
        help="All open items of the customer, credits deducted, in the currencies of "
        "the documents; a balance in his favour without its sign. For e-mails.",
    )
    collections_statement_overdue_text = fields.Char(
        string="Overdue by Statement in Words",
        compute="_compute_collections_statement_texts",
        groups=AGENT,
        help="Open debit items past their due date, in the currencies of the "
        "documents; empty when there are none. For e-mails.",
    )
    collections_statement_is_credit = fields.Boolean(
        string="In Favour by Statement",
        compute="_compute_collections_statement_texts",
        groups=AGENT,
        help="The customer owes nothing and has a balance in his favour. For e-mails.",
    )
    collections_statement_due_date = fields.Date(
        string="Oldest Due Date by Statement",
        compute="_compute_collections_statement_amounts",
        groups=AGENT,
    )
    collections_statement_date = fields.Date(
        string="Last Day of Statement",
        compute="_compute_collections_statement_amounts",
        groups=AGENT,
        help="The day of the amounts by statement.",
    )
    collections_address_state = fields.Selection(
        selection=[
            ("ok", "Fine"),
            ("shared", "Shared"),
            ("bounced", "Bounced"),
            ("none", "No address"),
        ],
        string="Address",
        compute="_compute_collections_address_state",
        search="_search_collections_address_state",
        groups=AGENT,
        help="Shared: other customers are written to at the same address. Bounced: an "
        "e-mail to it came back.",
    )

    @api.constrains("collections_writeoff_account_id")
    def _check_collections_writeoff_account_id(self):
        Posting = self.env["collections.posting"]
        for partner in self:
            Posting._check_account(
                partner.collections_writeoff_account_id, self.env.company
            )

    def write(self, vals):
        # EXTENDS base: what is kept of a customer goes with him into another company
        if not {"parent_id", "is_company"} & vals.keys():
            return super().write(vals)
        customers = self.filtered(
            lambda partner: partner.commercial_partner_id == partner
        )
        result = super().write(vals)
        for customer in customers:
            if customer.commercial_partner_id != customer:
                customer._move_collections_to(customer.commercial_partner_id)
        return result

    def _move_collections_to(self, customer):
        """Let cases, promises and the like of former customers belong to another.

        :param customer: the `res.partner` whose contacts they have become
        """
        for name in KEPT_BY_CUSTOMER:
            records_sudo = (
                self.env[name]
                .sudo()  # also of companies that the user does not see
                .with_context(active_test=False)
                .search([("partner_id", "in", self.ids)])
            )
            records_sudo.write({"partner_id": customer.id})
        activities_sudo = self.env["mail.activity"].sudo()
        activities_sudo.with_context(active_test=False).search(
            [("collections_partner_id", "in", self.ids)]
        ).write({"collections_partner_id": customer.id})

    def _get_recipients_of_origin(self, kind):
        recipients = self.env["collections.recipient"]._get_recipients(
            self._origin, kind
        )
        return {
            partner: recipients.get(partner._origin.id, {}) for partner in self
        }.items()

    @api.depends(
        "collections_contact_id", "child_ids.email", "child_ids.active", "email"
    )
    @api.depends_context("company", "collections_company_id")
    def _compute_collections_recipient(self):
        for partner, found in self._get_recipients_of_origin("collections"):
            partner.collections_recipient_id = found.get("recipient_id", False)
            partner.collections_recipient_email = found.get("email", False)
            partner.collections_recipient_rule = found.get("rule", False)

    @api.depends(
        "collections_contact_id",
        "collections_statement_contact_id",
        "child_ids.email",
        "child_ids.active",
        "email",
    )
    @api.depends_context("company", "collections_company_id")
    def _compute_collections_statement_recipient(self):
        for partner, found in self._get_recipients_of_origin("statement"):
            partner.collections_statement_recipient_id = found.get("recipient_id")
            partner.collections_statement_recipient_rule = found.get("rule")

    @api.depends("collections_salesperson_id", "user_id")
    @api.depends_context("company", "collections_company_id")
    def _compute_collections_salesperson_recipient(self):
        for partner, found in self._get_recipients_of_origin("salesperson"):
            partner.collections_salesperson_recipient_id = found.get("recipient_id")
            partner.collections_salesperson_recipient_rule = found.get("rule")

    @api.depends_context("company", "collections_company_id")
    def _compute_collections_company_id(self):
        company = self.env["collections.recipient"]._get_company()
        self.collections_company_id = company
        self.collections_currency_id = company.currency_id

    @api.depends_context(
        "company",
        "collections_company_id",
        "collections_statement_date_from",
        "collections_statement_date_to",
    )
    def _compute_collections_statement_amounts(self):
        Statement = self.env["collections.statement"]
        period = Statement._get_period()
        totals = Statement._get_totals(self._origin, period=period)
        for partner in self:
            partner.collections_statement_date = period.date_to
            owed = totals.get(partner.commercial_partner_id._origin.id, {})
            partner.collections_statement_due = owed.get("amount_due", 0.0)
            partner.collections_statement_overdue = owed.get("amount_overdue", 0.0)
            partner.collections_statement_due_date = owed.get("oldest_due_date", False)

    @api.depends_context(
        "company",
        "collections_company_id",
        "collections_statement_date_from",
        "collections_statement_date_to",
        "lang",
    )
    def _compute_collections_statement_texts(self):
        Statement = self.env["collections.statement"]
        found = Statement._get_currency_totals(self._origin)
        for partner in self:
            totals = found.get(partner.commercial_partner_id._origin.id, [])
            due, overdue = (
                Statement._get_amounts(totals, name)
                for name in ("amount_due", "amount_overdue")
            )
            partner.collections_statement_is_credit = Statement._is_credit(totals)
            partner.collections_statement_due_text = Statement._format_amounts(due)
            partner.collections_statement_overdue_text = any(
                entry["amount"] for entry in overdue
            ) and Statement._format_amounts(overdue)

    @api.depends("collections_recipient_id")
    @api.depends_context("company", "collections_company_id")
    def _compute_collections_address_state(self):
        Recipient = self.env["collections.recipient"]
        company = Recipient._get_company()
        customers = self.commercial_partner_id._origin
        states = {}
        for state in ("shared", "bounced"):
            query = Recipient._get_address_state_sql(state, company)
            rows = self.env.execute_query(
                SQL(
                    "SELECT customer_id FROM (%s) AS found WHERE customer_id IN %s",
                    query,
                    tuple(customers.ids) or (0,),
                )
            )
            states.update({customer_id: state for (customer_id,) in rows})
        for partner in self:
            if not partner.collections_recipient_id:
                partner.collections_address_state = "none"
            else:
                customer = partner.commercial_partner_id._origin
                partner.collections_address_state = states.get(customer.id, "ok")

    def _search_collections_address_state(self, operator, value):
        if operator != "in":
            return NotImplemented
        Recipient = self.env["collections.recipient"]
        company = Recipient._get_company()

        def get_domain(state):
            query = Recipient._get_address_state_sql(state, company)
            return Domain("commercial_partner_id", "in", SQL("(%s)", query))

        none = ~get_domain("any")
        bounced = get_domain("bounced")
        shared = get_domain("shared") & ~bounced
        domains = {
            "none": none,
            "bounced": bounced,
            "shared": shared,
            "ok": ~(none | bounced | shared),
        }
        return Domain.OR(domains[state] for state in value if state in domains)

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
            "date": self.env["collections.aging.snapshot"]._get_today(company),
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
        self.env["collections.recipient"]._check_agent_reads(self)
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
        self.env["collections.recipient"]._check_agent_reads(self)
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "credit_collections.collections_payment_return_action"
        )
        action["domain"] = self._get_payment_returns_domain()
        return action

    def action_view_collections_items(self):
        """Open the open items of the customers."""
        self.env["collections.recipient"]._check_agent_reads(self)
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "credit_collections.account_move_line_action_open_items"
        )
        action["domain"] = [
            ("account_type", "=", "asset_receivable"),
            ("parent_state", "=", "posted"),
            ("reconciled", "=", False),
            ("partner_id.commercial_partner_id", "in", self.commercial_partner_id.ids),
        ]
        action["context"] = {"create": False, "collections_export": True}
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
        self.env["collections.recipient"]._check_agent_reads(self)
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
        # Core refuses to archive whoever can log in, and all others with him.
        users_sudo = self.env["res.users"].sudo()
        unused -= users_sudo.search([("partner_id", "in", unused.ids)]).partner_id
        try:
            with self.env.cr.savepoint():
                unused.active = False
        except (RedirectWarning, UserError):
            # Another module has a reason to keep one of them: they are in use.
            return

    @api.autovacuum
    def _gc_one_time_vendors(self):
        """Archive one-time vendors whose bills are paid."""
        self.search(
            [("collections_one_time_vendor", "=", True)]
        )._archive_unused_vendors()

    # === E-MAIL === #

    def get_collections_recipient(self, kind):
        """Return who is written to about the customers, and why.

        Contacts stand for the customer they belong to.

        :param str kind: `"collections"` for e-mails about what is open,
            `"statement"` for statements of account, `"salesperson"` for internal ones
        :return: for each partner `id`, `recipient_id` (id of a `res.partner`, False
            when nobody can be written to), `email` (or False) and `rule`, a text that
            says which step of the rule gave the address and why others did not
        :rtype: list[dict]
        :raise UserError: when there is no such kind
        :raise AccessError: when the user is no collections agent
        """
        Recipient = self.env["collections.recipient"]
        Recipient._check_agent_reads(self)
        recipients = Recipient._get_recipients(self, kind)
        return [recipients[partner.id] for partner in self]

    def get_collections_spreadsheet(
        self, kind="collections", date_from=None, date_to=None, open_only=None
    ):
        """Return the spreadsheets that go with the e-mails of the customers.

        :param str kind: `"collections"`, `"statement"` or `"salesperson"`
        :param date_from: first day of a statement, a date or ISO text; by default the
            first of the month two months ago
        :param date_to: the day up to which things are open; by default today
        :param bool open_only: statements only: leave out what is settled
        :return: for each customer `id`, `name` (of the file) and `content` (base64)
        :rtype: list[dict]
        :raise UserError: when there is no such kind or no such day
        :raise AccessError: when the user is no collections agent
        """
        Statement = self.env["collections.statement"]
        Recipient = self.env["collections.recipient"]
        Recipient._check_agent_reads(self)
        Recipient._check_kind(kind)
        period = Statement._get_period(date_from, date_to, open_only)
        result = []
        for statement in Statement._get_localized_statements(self, kind, period=period):
            name, content = Statement._get_spreadsheet(statement, kind)
            result.append(
                {
                    "id": statement["partner"].id,
                    "name": name,
                    "content": base64.b64encode(content).decode(),
                }
            )
        return result

    def action_send_collections_email(self, kind="collections"):
        """Open Odoo's composer with the e-mail about the customers.

        One customer's e-mail can be read and changed before it is sent; it stands in
        the chatter of the customer afterwards. Those to several go to the mail queue,
        with a report of what became of them. Both carry a spreadsheet.

        :param str kind: `"collections"` for what is open, `"statement"` for a
            statement of account, `"salesperson"` for the internal copy
        :return: the window action of the composer
        :rtype: dict
        :raise UserError: when nobody can be written to, nothing is open, or the user
            has no address to write from
        :raise AccessError: when the user is no collections agent
        """
        Recipient = self.env["collections.recipient"]
        Recipient._check_agent_reads(self)
        Recipient._check_kind(kind)
        customers = self.commercial_partner_id
        company = Recipient._get_company()
        customers._check_can_be_written_to(kind, company)
        template = company._get_collections_template(kind)
        context = {
            "default_composition_mode": "comment"
            if len(customers) == 1
            else "mass_mail",
            "default_model": "res.partner",
            "default_res_ids": customers.ids,
            "default_template_id": template.id,
            # Followers are not who is written to: a contact that follows the customer
            # would read the internal copy.
            "default_notify_skip_followers": True,
            "collections_company_id": company.id,
        }
        for name in ("date_from", "date_to", "open_only"):
            key = f"collections_statement_{name}"
            if key in self.env.context:
                context[key] = self.env.context[key]
        return {
            "type": "ir.actions.act_window",
            "name": Recipient._get_kinds()[kind],
            "res_model": "mail.compose.message",
            "view_mode": "form",
            "views": [(False, "form")],
            "target": "new",
            "context": context,
        }

    def _check_can_be_written_to(self, kind, company):
        """Refuse e-mails that cannot be sent, before they are written.

        :raise UserError: says what is missing, with a button that opens the place
        """
        if not self:
            raise UserError(self.env._("Select the customers to write to."))
        if not self.env.user.partner_id.email_normalized:
            raise UserError(
                self.env._(
                    "You have no e-mail address to write from. Enter one under "
                    "Preferences, or ask an administrator."
                )
            )
        Statement = self.env["collections.statement"]
        concerned = Statement._filter_concerned(self, kind, company)
        if not concerned:
            raise UserError(
                self.env._(
                    "There is nothing to write about to %(customers)s: nothing is "
                    "open.",
                    customers=self.env["collections.posting"]._join_names(
                        self.mapped("display_name")
                    ),
                )
            )
        recipients = self.env["collections.recipient"]._get_recipients(
            concerned, kind, company
        )
        if not any(recipient["recipient_id"] for recipient in recipients.values()):
            raise concerned._get_no_recipient_error(recipients)

    def _get_no_recipient_error(self, recipients):
        """Return the error for customers none of whom can be written to."""
        names = self.env["collections.posting"]._join_names(
            self.env._(
                "%(customer)s (%(rule)s)",
                customer=customer.display_name,
                rule=recipients[customer.id]["rule"],
            )
            for customer in self
        )
        return MissingParameterError(
            self.env._("There is no recipient for: %(customers)s", customers=names),
            self._get_records_action(),
            self.env._("Open Customer") if len(self) == 1 else self.env._("Open List"),
        )

    def _notify_get_recipients(self, message, msg_vals=False, **kwargs):
        # EXTENDS mail: core forgets that followers are left out of what is sent later
        if self.env.context.get("collections_skip_followers"):
            kwargs["notify_skip_followers"] = True
        return super()._notify_get_recipients(message, msg_vals=msg_vals, **kwargs)

    def _process_attachments_for_template_post(self, mail_template):
        # EXTENDS mail: our e-mails carry the spreadsheet of the customer
        result = super()._process_attachments_for_template_post(mail_template)
        kind = mail_template.collections_kind
        if not kind or not self:
            return result
        self.env["collections.recipient"]._check_agent()
        files = self.env["collections.statement"]._get_files(self, kind)
        for partner in self:
            result.setdefault(partner.id, {}).setdefault("attachments", []).extend(
                (name, base64.b64encode(content))
                for name, content in files[partner.commercial_partner_id.id]
            )
        return result
