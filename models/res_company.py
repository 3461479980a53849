from odoo import Command, api, fields, models
from odoo.exceptions import AccessError, ValidationError

from .collections_posting import (
    INTERNAL,
    LEDGER_ACCOUNT_DOMAIN,
    REFUSED_ACCOUNT_TYPES,
)

CLEARING_ACCOUNT_DOMAIN = str(
    [("account_type", "not in", REFUSED_ACCOUNT_TYPES), ("reconcile", "=", True)]
)


class ResCompany(models.Model):
    _inherit = "res.company"

    collections_aging_definition_id = fields.Many2one(
        comodel_name="collections.aging.definition",
        string="Default Aging Period Definition",
        groups=INTERNAL,
        help="Used where the customer pool names none. When both are empty, the first "
        "definition of the list is used.",
    )
    collections_team_id = fields.Many2one(
        comodel_name="collections.team",
        groups=INTERNAL,
        help="New collections agents join this team. When empty, the team Collections "
        "is made with the first agent.",
    )
    collections_snapshot_daily = fields.Boolean(
        string="Daily Aging Snapshot",
        default=True,
        groups=INTERNAL,
        help="Age the balances of all customers every night. Customer pools can ask "
        "for a run of their own.",
    )
    collections_snapshot_retention_days = fields.Integer(
        string="Keep Snapshots",
        groups=INTERNAL,
        help="Older snapshots are deleted by the nightly run, except those that hold "
        "the latest figures of a customer. 0 keeps all of them.",
    )

    collections_settlement_journal_id = fields.Many2one(
        comodel_name="account.journal",
        string="Settlement Journal",
        domain="[('type', '=', 'general')]",
        groups=INTERNAL,
        help="Receives the entries of cash discounts, and the transfers of "
        "reimbursements. What other systems call a "
        "journal of type Customer payment is Odoo's journal of type Miscellaneous.",
    )
    collections_partial_cash_discount = fields.Boolean(
        string="Cash Discounts on Partial Payments",
        groups=INTERNAL,
        help="A payment of a part of an invoice in time earns its part of the early "
        "payment discount, booked as an entry of its own. When off, Odoo gives the "
        "discount to the payment of the whole invoice only.",
    )
    collections_credit_note_cash_discount = fields.Boolean(
        string="Cash Discounts on Credit Notes",
        groups=INTERNAL,
        help="A credit note that is paid out within its discount period is paid out "
        "less the discount. Matched with an invoice it earns none: payments earn the "
        "discount of what is left of the invoice.",
    )
    collections_cash_discount_administration = fields.Selection(
        selection=[
            ("unspecific", "Unspecific: the discount gets smaller"),
            ("specific", "Specific: the discount is given in full"),
        ],
        string="Cash Discount Administration",
        default="unspecific",
        required=True,
        groups=INTERNAL,
        help="What happens when a customer deducts less than he may. Unspecific makes "
        "the discount smaller by what was paid too much. Specific gives all of it and "
        "books what was paid too much up to the maximum; more stays open on the "
        "payment.",
    )
    collections_max_overunderpayment = fields.Monetary(
        string="Maximum Overpayment or Underpayment",
        groups=INTERNAL,
        help="Up to this amount, in company currency, what was paid too much or too "
        "little is booked and the invoice closed. 0 for none.",
    )
    collections_difference_account_id = fields.Many2one(
        comodel_name="account.account",
        string="Over- and Underpayment Account",
        domain=LEDGER_ACCOUNT_DOMAIN,
        groups=INTERNAL,
    )
    collections_max_penny_difference = fields.Monetary(
        string="Maximum Penny Difference",
        groups=INTERNAL,
        help="Differences up to this amount, in company currency, go to an account of "
        "their own. 0 for none.",
    )
    collections_penny_difference_account_id = fields.Many2one(
        comodel_name="account.account",
        string="Penny Difference Account",
        domain=LEDGER_ACCOUNT_DOMAIN,
        groups=INTERNAL,
    )
    collections_writeoff_journal_id = fields.Many2one(
        comodel_name="account.journal",
        string="Write-off Journal",
        domain="[('type', '=', 'general')]",
        groups=INTERNAL,
        help="Receives the write-off entries. What other systems call a journal of "
        "type Daily is Odoo's journal of type Miscellaneous.",
    )
    collections_writeoff_account_id = fields.Many2one(
        comodel_name="account.account",
        string="Write-off Account",
        domain=LEDGER_ACCOUNT_DOMAIN,
        groups=INTERNAL,
        help="Takes what is written off, as an expense or against an allowance for "
        "doubtful debts. Reasons and customers can have an account of their own.",
    )
    collections_writeoff_reason_id = fields.Many2one(
        comodel_name="collections.writeoff.reason",
        string="Default Write-off Reason",
        ondelete="restrict",
        groups=INTERNAL,
        help="Proposed for every write-off. It can be changed there.",
    )
    collections_writeoff_separate_tax = fields.Boolean(
        string="Separate Sales Tax",
        groups=INTERNAL,
        help="The tax in what is written off goes back to its own accounts and tax "
        "report lines. When off, the tax is part of the loss; taxes due on payment are "
        "taken back always.",
    )
    collections_writeoff_draft = fields.Boolean(
        string="Leave Write-offs in Draft",
        groups=INTERNAL,
        help="The items stay open until somebody posts the entry.",
    )
    collections_writeoff_review_amount = fields.Monetary(
        string="Review from",
        groups=INTERNAL,
        help="From this amount on, the write-off of a customer stays in draft for a "
        "second person. 0 for none.",
    )

    collections_nsf_journal_id = fields.Many2one(
        comodel_name="account.journal",
        string="Journal of Returned Payments",
        domain="[('type', '=', 'general')]",
        groups=INTERNAL,
        help="Receives the entries that take back payments which the bank returns "
        "(NSF), unless the bank journal has one of its own. What other systems call a "
        "journal of type Customer payment is Odoo's journal of type Miscellaneous.",
    )

    collections_reimbursement_minimum = fields.Monetary(
        string="Minimum Reimbursement",
        groups=INTERNAL,
        help="Customers with a credit below this are held. Exactly this amount is "
        "reimbursed.",
    )
    collections_reimbursement_account_id = fields.Many2one(
        comodel_name="account.account",
        string="Clearing Account of Reimbursements",
        domain=CLEARING_ACCOUNT_DOMAIN,
        groups=INTERNAL,
        help="Stands on the vendor bill, as Odoo allows no receivable account there, "
        "and is closed by the transfer entry at once. It has to allow reconciliation "
        "and to be neither receivable nor payable.",
    )
    collections_reimbursement_journal_id = fields.Many2one(
        comodel_name="account.journal",
        string="Journal of Reimbursement Bills",
        domain="[('type', '=', 'purchase')]",
        groups=INTERNAL,
        help="Receives the vendor bills. When empty, the first purchase journal does. "
        "The transfer entries go to the settlement journal.",
    )
    collections_reimbursement_vendor = fields.Selection(
        selection=[
            ("one_time", "One-time vendor"),
            ("same", "The customer"),
        ],
        string="Reimburse to",
        default="one_time",
        required=True,
        groups=INTERNAL,
        help="Who gets the bill when the customer has no vendor account: a one-time "
        "vendor, made with the first reimbursement, or the customer's own contact.",
    )

    _check_collections_reimbursement_minimum = models.Constraint(
        "CHECK (collections_reimbursement_minimum >= 0)",
        "The minimum reimbursement cannot be negative.",
    )
    collections_transactions_template_id = fields.Many2one(
        comodel_name="mail.template",
        string="E-mail to Customer",
        domain="[('collections_kind', '=', 'collections')]",
        groups=INTERNAL,
        help="For e-mails about what is open. Left empty, the shipped template is "
        "used.",
    )
    collections_statement_template_id = fields.Many2one(
        comodel_name="mail.template",
        string="E-mail with Statement",
        domain="[('collections_kind', '=', 'statement')]",
        groups=INTERNAL,
        help="For statements of account. Left empty, the shipped template is used.",
    )
    collections_salesperson_template_id = fields.Many2one(
        comodel_name="mail.template",
        string="E-mail to Salesperson",
        domain="[('collections_kind', '=', 'salesperson')]",
        groups=INTERNAL,
        help="For the internal copy. Left empty, the shipped template is used.",
    )

    _check_collections_writeoff_review_amount = models.Constraint(
        "CHECK (collections_writeoff_review_amount >= 0)",
        "The amount to review write-offs from cannot be negative.",
    )
    _check_collections_tolerances = models.Constraint(
        "CHECK (collections_max_overunderpayment >= 0 "
        "AND collections_max_penny_difference >= 0)",
        "The maximum of payment differences cannot be negative.",
    )
    _check_collections_snapshot_retention_days = models.Constraint(
        "CHECK (collections_snapshot_retention_days >= 0)",
        "The number of days to keep snapshots cannot be negative.",
    )

    @api.constrains("collections_aging_definition_id", "collections_team_id")
    def _check_collections_company(self):
        # Without periods nothing could be aged, and Aged Balances would not open.
        self.collections_aging_definition_id._check_periods()
        for company in self:
            for record in (
                company.collections_aging_definition_id,
                company.collections_team_id,
            ):
                owner = record.company_id
                if owner and owner not in company.parent_ids:
                    raise ValidationError(
                        self.env._(
                            "%(record)s belongs to %(owner)s and cannot be used by "
                            "%(company)s.",
                            record=record.display_name,
                            owner=owner.name,
                            company=company.name,
                        )
                    )

    @api.constrains(
        "collections_partial_cash_discount",
        "collections_settlement_journal_id",
        "account_journal_early_pay_discount_loss_account_id",
    )
    def _check_collections_cash_discount(self):
        Posting = self.env["collections.posting"]
        for company in self.filtered("collections_partial_cash_discount"):
            journal = company.collections_settlement_journal_id
            Posting._check_journal(journal, company)
            if not (
                journal and company.account_journal_early_pay_discount_loss_account_id
            ):
                raise ValidationError(
                    self.env._(
                        "Cash discounts on partial payments need a settlement journal, "
                        "and the cash discount loss account in the settings of "
                        "Invoicing."
                    )
                )

    @api.constrains(
        "collections_difference_account_id",
        "collections_max_overunderpayment",
        "collections_max_penny_difference",
        "collections_penny_difference_account_id",
        "collections_settlement_journal_id",
    )
    def _check_collections_differences(self):
        Posting = self.env["collections.posting"]
        for company in self:
            for maximum, account in (
                (
                    company.collections_max_overunderpayment,
                    company.collections_difference_account_id,
                ),
                (
                    company.collections_max_penny_difference,
                    company.collections_penny_difference_account_id,
                ),
            ):
                Posting._check_account(account, company)
                if maximum and not (
                    account and company.collections_settlement_journal_id
                ):
                    raise ValidationError(
                        self.env._(
                            "Payment differences are booked on an account of their "
                            "own, in the settlement journal. Set both, or the maximum "
                            "to 0."
                        )
                    )

    @api.constrains(
        "collections_writeoff_journal_id", "collections_writeoff_account_id"
    )
    def _check_collections_posting(self):
        Posting = self.env["collections.posting"]
        for company in self:
            Posting._check_journal(company.collections_writeoff_journal_id, company)
            Posting._check_account(company.collections_writeoff_account_id, company)

    @api.constrains(
        "collections_salesperson_template_id",
        "collections_statement_template_id",
        "collections_transactions_template_id",
    )
    def _check_collections_templates(self):
        kinds = self.env["collections.recipient"]._get_kinds()
        for company in self:
            for kind, label in kinds.items():
                name = self._get_collections_template_name(kind)
                template = company[f"collections_{name}_template_id"]
                if template and template.collections_kind != kind:
                    raise ValidationError(
                        self.env._(
                            "%(template)s is no template for %(kind)s. Choose that as "
                            "its Collections E-mail first.",
                            template=template.name,
                            kind=label,
                        )
                    )

    @api.constrains("collections_nsf_journal_id")
    def _check_collections_nsf_journal_id(self):
        Posting = self.env["collections.posting"]
        for company in self:
            Posting._check_journal(company.collections_nsf_journal_id, company)

    @api.constrains(
        "collections_settlement_journal_id",
        "collections_reimbursement_account_id",
        "collections_reimbursement_journal_id",
    )
    def _check_collections_reimbursement(self):
        Posting = self.env["collections.reimbursement.posting"]
        for company in self:
            account = company.collections_reimbursement_account_id
            problem = account and Posting._find_clearing_account_problem(
                account, company
            )
            if problem:
                raise ValidationError(problem)
            Posting._check_journal(company.collections_settlement_journal_id, company)
            Posting._check_journal(
                company.collections_reimbursement_journal_id, company, "purchase"
            )

    def write(self, vals):
        # EXTENDS base: only administrators may write companies, but the parameters of
        # collections are the business of collections managers.
        if self._may_write_collections_parameters(vals):
            return super(ResCompany, self.sudo()).write(vals)
        return super().write(vals)

    def _may_write_collections_parameters(self, vals):
        """Tell whether the user may write these values as a collections manager."""
        if self.env.su or not vals or self.has_access("write"):
            return False
        if not all(name in self._get_collections_parameters() for name in vals):
            return False
        if not self.env.user.has_group("credit_collections.group_collections_manager"):
            return False
        foreign = self - self.env.user.company_ids
        if foreign:
            raise AccessError(
                self.env._(
                    "You do not work for %(companies)s and cannot change the "
                    "collections parameters there.",
                    companies=", ".join(foreign.sudo().mapped("name")),
                )
            )
        return True

    @api.model
    def _get_collections_parameters(self):
        """Return the names of the fields that collections managers may write."""
        return {name for name in self._fields if name.startswith("collections_")}

    def action_create_reimbursement_account(self):
        """Create a clearing account of reimbursements, and set it as the parameter.

        :return: a window action on the parameters
        :rtype: dict
        :raise AccessError: when the user is not a collections manager
        """
        self.env["collections.posting"]._check_one(self)
        self.env["collections.posting"]._check_manager()
        if self not in self.env.user.company_ids:
            raise AccessError(
                self.env._(
                    "You do not work for %(companies)s and cannot change the "
                    "collections parameters there.",
                    companies=self.sudo().name,
                )
            )
        if not self.collections_reimbursement_account_id:
            # Accounts are made by accounting administrators; this one is proper.
            Account_sudo = self.env["account.account"].sudo().with_company(self)
            self.collections_reimbursement_account_id = Account_sudo.create(
                self._prepare_reimbursement_account_vals()
            ).sudo(self.env.su)
        return self._get_collections_parameters_action()

    def _prepare_reimbursement_account_vals(self):
        """Return the values of the clearing account that the setup button creates.

        Its code is the next free one after the company's first current liability.
        """
        Account = self.env["account.account"].sudo().with_company(self)
        neighbour = Account.search(
            [
                *Account._check_company_domain(self),
                ("account_type", "=", "liability_current"),
            ],
            order="code",
            limit=1,
        )
        return {
            "name": self.env._("Customer reimbursements"),
            "code": Account._search_new_account_code(neighbour.code or "201000"),
            "account_type": "liability_current",
            "reconcile": True,
            "company_ids": [Command.set(self.root_id.ids)],
        }

    @api.model
    def action_open_collections_parameters(self):
        """Open the collections parameters of the current company.

        :raise AccessError: when the user is not a collections manager
        """
        self.env["collections.posting"]._check_manager()
        return self.env.company._get_collections_parameters_action()

    def _get_collections_parameters_action(self):
        """Return the window action that opens the parameters of the company."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "credit_collections.res_company_action_collections_parameters"
        )
        action["res_id"] = self.id
        return action

    @api.model
    def _get_collections_template_name(self, kind):
        """Return what templates and parameters call a kind of e-mail in their names."""
        return "transactions" if kind == "collections" else kind

    def _get_collections_template(self, kind):
        """Return the e-mail template of a kind: the chosen one, else the shipped one.

        :param str kind: `"collections"`, `"statement"` or `"salesperson"`
        :return: a `mail.template`
        :raise UserError: when the shipped one was deleted and none is chosen
        """
        self.ensure_one()
        name = self._get_collections_template_name(kind)
        company_sudo = self.sudo()  # a parameter of ours
        template = company_sudo[f"collections_{name}_template_id"].filtered(
            lambda template: template.active and template.collections_kind == kind
        )
        template = template or self.env.ref(
            f"credit_collections.mail_template_collections_{name}",
            raise_if_not_found=False,
        )
        if not template:
            raise self.env["collections.posting"]._get_missing_error(
                self.env._(
                    "There is no e-mail template for this. Choose one in the "
                    "parameters."
                ),
                self,
            )
        return template.with_env(self.env)
