from odoo import Command, api, fields, models
from odoo.exceptions import UserError
from odoo.tools import clean_context, format_amount

# From this many customers on the scheduler reimburses, a batch at a time: programs wait
# longer than people, whose requests Odoo ends after two minutes.
BACKGROUND_FROM = 1001
SCREEN_BACKGROUND_FROM = 101
CHOICES = frozenset(
    {"company_id", "date", "minimum", "include_open_debits", "partner_ids"}
)


class CollectionsReimbursementWizard(models.TransientModel):
    """Choose whose credit balances become vendor bills, and see them before."""

    _name = "collections.reimbursement.wizard"
    _description = "Reimburse Customers"

    company_id = fields.Many2one(
        comodel_name="res.company",
        required=True,
        default=lambda self: self.env.company,
    )
    company_currency_id = fields.Many2one(
        related="company_id.currency_id", string="Company Currency"
    )
    partner_ids = fields.Many2many(
        comodel_name="res.partner",
        string="Customers",
        context={"active_test": False},
        help="Empty for all customers who have a credit.",
    )
    date = fields.Date(
        default=fields.Date.context_today,
        help="Date of bills and transfers. Credits up to this day are reimbursed.",
    )
    minimum = fields.Monetary(
        string="Minimum Reimbursement",
        compute="_compute_minimum",
        store=True,
        readonly=False,
        currency_field="company_currency_id",
        help="Credits below it are held; exactly this amount is reimbursed. In company "
        "currency.",
    )
    include_open_debits = fields.Boolean(
        help="Settle what these customers owe with their credits first, and reimburse "
        "the rest. When off, customers who owe anything are held.",
    )
    is_previewed = fields.Boolean(readonly=True)
    line_ids = fields.One2many(
        comodel_name="collections.reimbursement.wizard.line",
        inverse_name="wizard_id",
        string="Customers with Credit",
    )
    run_id = fields.Many2one(
        comodel_name="collections.reimbursement.run", readonly=True
    )

    reimburse_count = fields.Integer(compute="_compute_totals")
    held_count = fields.Integer(compute="_compute_totals")
    has_currencies = fields.Boolean(compute="_compute_totals")
    currency_totals = fields.Char(string="By Currency", compute="_compute_totals")
    amount_total = fields.Monetary(
        string="Total to Reimburse",
        compute="_compute_totals",
        currency_field="company_currency_id",
        help="In company currency, at the rate of the day.",
    )
    in_background = fields.Boolean(compute="_compute_totals")
    problem = fields.Char(compute="_compute_problem")
    lock_message = fields.Char(compute="_compute_problem")
    first_free_date = fields.Date(compute="_compute_problem")

    # === COMPUTE METHODS === #

    @api.depends("company_id")
    def _compute_minimum(self):
        for wizard in self:
            wizard.minimum = wizard.company_id.collections_reimbursement_minimum

    @api.depends("line_ids.state", "line_ids.amount")
    def _compute_totals(self):
        for wizard in self:
            lines = wizard.line_ids.filtered(lambda line: line.state == "reimburse")
            wizard.reimburse_count = len(lines)
            wizard.held_count = len(wizard.line_ids) - len(lines)
            wizard.in_background = len(lines) >= SCREEN_BACKGROUND_FROM
            wizard.amount_total = sum(lines.mapped("amount_company"))
            wizard.has_currencies = bool(
                wizard.line_ids.currency_id - wizard.company_currency_id
            )
            wizard.currency_totals = "  ·  ".join(
                f"{currency.name} "
                f"{format_amount(self.env, sum(group.mapped('amount')), currency)}"
                for currency, group in lines.grouped("currency_id").items()
            )

    @api.depends("company_id", "date")
    def _compute_problem(self):
        Posting = self.env["collections.reimbursement.posting"]
        self.problem = False
        self.lock_message = False
        self.first_free_date = False
        for wizard in self:
            company = wizard.company_id
            error = Posting._find_setup_problem(company)
            if error:
                wizard.problem = str(error)
            elif wizard.date:
                wizard.lock_message = Posting._find_date_problem(company, wizard.date)
                if wizard.lock_message:
                    wizard.first_free_date = Posting._get_free_date(
                        company, Posting._get_journals(company), wizard.date
                    )

    # === ONCHANGE METHODS === #

    @api.onchange(*CHOICES)
    def _onchange_choices(self):
        self.is_previewed = False
        self.line_ids = [Command.clear()]

    # === CRUD METHODS === #

    def write(self, vals):
        # EXTENDS base: a preview holds for the choices it was made with
        if not CHOICES.isdisjoint(vals) and "is_previewed" not in vals:
            self.line_ids.unlink()
            vals = {**vals, "is_previewed": False}
            vals.pop("line_ids", None)
        return super().write(vals)

    # === ACTION METHODS === #

    @api.model
    def _open(self, partners):
        """Open the wizard on customers, with its preview.

        :param partners: `res.partner`; none for all who have a credit
        :return: a window action
        :raise AccessError: when the user is not a collections manager
        """
        self.env["collections.posting"]._check_manager()
        context = clean_context(self.env.context)
        wizard = self.with_env(self.env(context=context)).create(
            {"partner_ids": [Command.set(partners.commercial_partner_id.ids)]}
        )
        wizard.action_preview()
        return wizard._get_wizard_action()

    def _get_wizard_action(self):
        return self._get_records_action(
            name=self.env._("Reimburse Customers"),
            target="new",
            context={"dialog_size": "extra-large"},
        )

    def action_preview(self):
        """Find out who is reimbursed and who is held, and why.

        The result stands in `line_ids`. Lines taken out of it are not reimbursed.

        :return: a window action on the wizard
        :rtype: dict
        :raise AccessError: when the user is not a collections manager
        """
        self.env["collections.posting"]._check_one(self)
        self.env["collections.posting"]._check_manager()
        proposals = self._get_proposals()
        self.line_ids.unlink()
        self.env["collections.reimbursement.wizard.line"].create(
            [self._prepare_line_vals(proposal) for proposal in proposals]
        )
        self.is_previewed = True
        return self._get_wizard_action()

    def action_reimburse(self):
        """Reimburse the customers of the preview, which is made now if there is none.

        More than a thousand customers are handed to the scheduler: `run_id` shows how
        far it is.

        :return: a window action on the `collections.reimbursement`
        :rtype: dict
        :raise AccessError: when the user is not a collections manager
        :raise UserError: nobody to reimburse, a parameter missing, a locked date, or
            somebody else was faster
        """
        self._start_run(BACKGROUND_FROM)
        return self.run_id.action_view_reimbursements()

    def action_confirm(self):
        """Reimburse, and open what a person wants to see then.

        More than a hundred customers are handed to the scheduler.

        :return: a window action on the run when it goes on, or has something to tell,
            else on the reimbursements
        :rtype: dict
        """
        self._start_run(SCREEN_BACKGROUND_FROM)
        run = self.run_id
        if run.state != "done" or run.failed_count:
            return run._get_records_action(name=self.env._("Reimbursement Run"))
        return run.action_view_reimbursements()

    def action_use_first_free_date(self):
        """Book on the first day that is not locked, and preview for that day."""
        self.env["collections.posting"]._check_one(self)
        if self.first_free_date:
            self.date = self.first_free_date
        return self.action_preview()

    def action_open_parameters(self):
        """Open the collections parameters of the company."""
        self.env["collections.posting"]._check_one(self)
        self.check_access("read")
        return self.company_id._get_collections_parameters_action()

    # === BUSINESS METHODS === #

    def _get_proposals(self):
        """Return who is reimbursed and who is held, for the choices made.

        :rtype: list
        :raise UserError: when there is no date
        """
        if not self.date:
            raise UserError(self.env._("Enter the date of the reimbursements."))
        if self.minimum < 0:
            raise UserError(self.env._("The minimum cannot be less than zero."))
        return self.env["collections.reimbursement.posting"]._get_proposals(
            self.company_id,
            self.date,
            self.minimum,
            self.include_open_debits,
            self.partner_ids,
        )

    def _start_run(self, background_from):
        """Make the run, and do it or hand it to the scheduler.

        :param int background_from: from how many customers on it is handed over
        """
        self.env["collections.posting"]._check_one(self)
        Posting = self.env["collections.reimbursement.posting"]
        Posting._check_manager()
        if self.run_id:
            raise UserError(self.env._("These customers are reimbursed already."))
        if not self.date:
            raise UserError(self.env._("Enter the date of the reimbursements."))
        problem = Posting._find_setup_problem(self.company_id)
        if problem:
            raise problem
        locked = Posting._find_date_problem(self.company_id, self.date)
        if locked:
            raise UserError(locked)
        if not self.is_previewed:
            self.action_preview()
        if not self.reimburse_count:
            raise UserError(self._get_nobody_message())
        run_sudo = self._create_run()
        self.run_id = run_sudo.sudo(self.env.su)
        if self.reimburse_count >= background_from:
            run_sudo._queue()
        else:
            self._run_now()

    def _create_run(self):
        """Return the run with the customers of the preview, under sudo."""
        # Nobody writes runs by hand; the caller has checked the right.
        return (
            self.env["collections.reimbursement.run"]
            .sudo()
            .create(self._prepare_run_vals())
        )

    def _prepare_run_vals(self):
        """Return the values of the run, with its work list."""
        return {
            "company_id": self.company_id.id,
            "user_id": self.env.uid,
            "date": self.date,
            "minimum": self.minimum,
            "include_open_debits": self.include_open_debits,
            "line_ids": [
                Command.create(
                    {
                        "partner_id": line.partner_id.id,
                        "currency_id": line.currency_id.id,
                        "amount": line.amount,
                        "vendor_id": line.vendor_id.id,
                        "state": "waiting" if line.state == "reimburse" else "held",
                        "reason": line.reason,
                    }
                )
                for line in self.line_ids
            ],
        }

    def _run_now(self):
        """Do the whole run at once.

        :raise UserError: when nobody could be reimbursed, says why
        """
        run = self.run_id.with_company(self.company_id)
        lines = run.line_ids.filtered(lambda line: line.state == "waiting")
        run._process(lines)
        run._finish()
        if not run.reimbursed_count:
            reasons = [
                f"{line.partner_id.display_name}: {line.reason}" for line in lines[:10]
            ]
            raise UserError(
                self.env._(
                    "Nobody was reimbursed.\n%(reasons)s", reasons="\n".join(reasons)
                )
            )

    def _get_nobody_message(self):
        """Return why there is nobody to reimburse."""
        if not self.line_ids:
            return self.env._(
                "None of these customers has an open credit up to that day."
            )
        reasons = [
            f"{line.partner_id.display_name}: {line.reason}"
            for line in self.line_ids[:10]
        ]
        return self.env._(
            "There is nobody to reimburse.\n%(reasons)s", reasons="\n".join(reasons)
        )

    def _prepare_line_vals(self, proposal):
        """Return the values of one line of the preview.

        :param proposal: a `Proposal` of `collections.reimbursement.posting`
        """
        position = proposal.position
        return {
            "wizard_id": self.id,
            "partner_id": position.partner.id,
            "currency_id": position.currency.id,
            "amount_credit": position.credit,
            "amount_debit": position.debit,
            "oldest_date": position.oldest_date,
            "is_disputed": position.is_disputed,
            "vendor_id": proposal.vendor.id,
            "amount": proposal.amount,
            "amount_company": proposal.amount_company,
            "state": "held" if proposal.problems else "reimburse",
            "reason": " ".join(proposal.problems) or proposal.note,
        }


class CollectionsReimbursementWizardLine(models.TransientModel):
    """One customer and currency in the preview of reimbursements."""

    _name = "collections.reimbursement.wizard.line"
    _description = "Customer to Reimburse"
    _order = "state desc, amount_company desc, id"

    wizard_id = fields.Many2one(
        comodel_name="collections.reimbursement.wizard",
        required=True,
        index=True,
        ondelete="cascade",
    )
    partner_id = fields.Many2one(
        comodel_name="res.partner",
        string="Customer",
        required=True,
        readonly=True,
        ondelete="cascade",
    )
    currency_id = fields.Many2one(
        comodel_name="res.currency", required=True, readonly=True
    )
    company_currency_id = fields.Many2one(
        related="wizard_id.company_currency_id", string="Company Currency"
    )
    amount_credit = fields.Monetary(string="Credit", readonly=True)
    amount_debit = fields.Monetary(string="Open Debits", readonly=True)
    oldest_date = fields.Date(string="Oldest Credit", readonly=True)
    is_disputed = fields.Boolean(string="Disputed", readonly=True)
    vendor_id = fields.Many2one(comodel_name="res.partner", readonly=True)
    vendor_name = fields.Char(string="Bill to", compute="_compute_vendor_name")
    amount = fields.Monetary(
        string="To Reimburse",
        readonly=True,
        help="The net credit: what is left of it after the open debits.",
    )
    amount_company = fields.Monetary(
        string="In Company Currency",
        currency_field="company_currency_id",
        readonly=True,
    )
    state = fields.Selection(
        selection=[("reimburse", "Reimburse"), ("held", "Held")],
        string="Result",
        required=True,
        readonly=True,
    )
    reason = fields.Char(readonly=True)

    @api.depends("vendor_id", "state")
    def _compute_vendor_name(self):
        for line in self:
            vendor_sudo = line.vendor_id.sudo()  # the reason says when it is not ours
            name = vendor_sudo.display_name
            if not name and line.state == "reimburse":
                name = self.env._("New one-time vendor")
            line.vendor_name = name
