from odoo import api, fields, models
from odoo.exceptions import AccessError, ValidationError

from .collections_posting import LEDGER_ACCOUNT_DOMAIN


class ResCompany(models.Model):
    _inherit = "res.company"

    collections_aging_definition_id = fields.Many2one(
        comodel_name="collections.aging.definition",
        string="Default Aging Period Definition",
        help="Used where the customer pool names none. When both are empty, the first "
        "definition of the list is used.",
    )
    collections_team_id = fields.Many2one(
        comodel_name="collections.team",
        help="New collections agents join this team. When empty, the team Collections "
        "is made with the first agent.",
    )
    collections_snapshot_daily = fields.Boolean(
        string="Daily Aging Snapshot",
        default=True,
        help="Age the balances of all customers every night. Customer pools can ask "
        "for a run of their own.",
    )
    collections_snapshot_retention_days = fields.Integer(
        string="Keep Snapshots",
        help="Older snapshots are deleted by the nightly run, except those that hold "
        "the latest figures of a customer. 0 keeps all of them.",
    )

    collections_settlement_journal_id = fields.Many2one(
        comodel_name="account.journal",
        string="Settlement Journal",
        domain="[('type', '=', 'general')]",
        help="Receives the entries of cash discounts. What other systems call a "
        "journal of type Customer payment is Odoo's journal of type Miscellaneous.",
    )
    collections_partial_cash_discount = fields.Boolean(
        string="Cash Discounts on Partial Payments",
        help="A payment of a part of an invoice in time earns its part of the early "
        "payment discount, booked as an entry of its own. When off, Odoo gives the "
        "discount to the payment of the whole invoice only.",
    )
    collections_writeoff_journal_id = fields.Many2one(
        comodel_name="account.journal",
        string="Write-off Journal",
        domain="[('type', '=', 'general')]",
        help="Receives the write-off entries. What other systems call a journal of "
        "type Daily is Odoo's journal of type Miscellaneous.",
    )
    collections_writeoff_account_id = fields.Many2one(
        comodel_name="account.account",
        string="Write-off Account",
        domain=LEDGER_ACCOUNT_DOMAIN,
        help="Takes what is written off, as an expense or against an allowance for "
        "doubtful debts. Reasons and customers can have an account of their own.",
    )
    collections_writeoff_reason_id = fields.Many2one(
        comodel_name="collections.writeoff.reason",
        string="Default Write-off Reason",
        ondelete="restrict",
        help="Proposed for every write-off. It can be changed there.",
    )
    collections_writeoff_separate_tax = fields.Boolean(
        string="Separate Sales Tax",
        help="The tax in what is written off goes back to its own accounts and tax "
        "report lines. When off, the tax is part of the loss; taxes due on payment are "
        "taken back always.",
    )
    collections_writeoff_draft = fields.Boolean(
        string="Leave Write-offs in Draft",
        help="The items stay open until somebody posts the entry.",
    )
    collections_writeoff_review_amount = fields.Monetary(
        string="Review from",
        help="From this amount on, the write-off of a customer stays in draft for a "
        "second person. 0 for none.",
    )

    collections_transactions_template_id = fields.Many2one(
        comodel_name="mail.template",
        string="E-mail to Customer",
        domain="[('collections_kind', '=', 'collections')]",
        help="For e-mails about what is open. Left empty, the shipped template is "
        "used.",
    )
    collections_statement_template_id = fields.Many2one(
        comodel_name="mail.template",
        string="E-mail with Statement",
        domain="[('collections_kind', '=', 'statement')]",
        help="For statements of account. Left empty, the shipped template is used.",
    )
    collections_salesperson_template_id = fields.Many2one(
        comodel_name="mail.template",
        string="E-mail to Salesperson",
        domain="[('collections_kind', '=', 'salesperson')]",
        help="For the internal copy. Left empty, the shipped template is used.",
    )

    _check_collections_writeoff_review_amount = models.Constraint(
        "CHECK (collections_writeoff_review_amount >= 0)",
        "The amount to review write-offs from cannot be negative.",
    )
    _check_collections_snapshot_retention_days = models.Constraint(
        "CHECK (collections_snapshot_retention_days >= 0)",
        "The number of days to keep snapshots cannot be negative.",
    )

    @api.constrains("collections_aging_definition_id", "collections_team_id")
    def _check_collections_company(self):
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
        for company in self:
            journal = company.collections_settlement_journal_id
            Posting._check_journal(journal, company)
            if company.collections_partial_cash_discount and not (
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
        "collections_writeoff_journal_id", "collections_writeoff_account_id"
    )
    def _check_collections_posting(self):
        Posting = self.env["collections.posting"]
        for company in self:
            Posting._check_journal(company.collections_writeoff_journal_id, company)
            Posting._check_account(company.collections_writeoff_account_id, company)

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

    @api.model
    def action_open_collections_parameters(self):
        """Open the collections parameters of the current company."""
        return self.env.company._get_collections_parameters_action()

    def _get_collections_parameters_action(self):
        """Return the window action that opens the parameters of the company."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "credit_collections.res_company_action_collections_parameters"
        )
        action["res_id"] = self.id
        return action

    def _get_collections_template(self, kind):
        """Return the e-mail template of a kind: the chosen one, else the shipped one.

        :param str kind: `"collections"`, `"statement"` or `"salesperson"`
        :return: a `mail.template`
        :raise UserError: when the shipped one was deleted and none is chosen
        """
        self.ensure_one()
        name = "transactions" if kind == "collections" else kind
        company_sudo = self.sudo()  # a parameter of ours
        template = company_sudo[f"collections_{name}_template_id"].filtered("active")
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
