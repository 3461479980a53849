from typing import NamedTuple

from odoo import Command, api, fields, models
from odoo.exceptions import UserError

from ..models.collections_posting import AGENT, MANAGER


class SetupStep(NamedTuple):
    """What the checklist says about a step.

    :param name: what is set up
    :param why: what it is for, in a sentence
    :param is_done: worked out from the data
    :param detail: what there is, or what is missing
    :param is_required: whether the banner stays until it is done
    """

    name: str
    why: str
    is_done: bool
    detail: str = ""
    is_required: bool = True


class CollectionsSetup(models.TransientModel):
    """The checklist that leads through the set-up of a company.

    A registry of steps: each has a name in `_get_step_codes`, a method `_step_<name>`
    that looks at the data and returns a `SetupStep`, and a method `_do_<name>` that
    does it or returns the action that opens the place. Another part of the app adds a
    step by extending these three.
    """

    _name = "collections.setup"
    _description = "Set Up Credit & Collections"

    company_id = fields.Many2one(
        comodel_name="res.company", required=True, readonly=True
    )
    step_ids = fields.One2many(
        comodel_name="collections.setup.step", inverse_name="setup_id", readonly=True
    )
    done_count = fields.Integer(compute="_compute_counts")
    step_count = fields.Integer(compute="_compute_counts")
    is_done = fields.Boolean(compute="_compute_counts")

    @api.depends("company_id")
    def _compute_display_name(self):
        for setup in self:
            setup.display_name = self.env._(
                "Setup of %(company)s", company=setup.company_id.name
            )

    @api.depends("step_ids")
    def _compute_counts(self):
        for setup in self:
            steps = setup.step_ids
            setup.step_count = len(steps)
            setup.done_count = len(steps.filtered("is_done"))
            setup.is_done = not steps.filtered(
                lambda step: step.is_required and not step.is_done
            )

    # === SCREEN === #

    @api.model
    def action_open(self):
        """Open the checklist of the current company.

        :return: the window action
        :rtype: dict
        """
        self.env["collections.posting"]._check_manager()
        setup = self.create(self._prepare_setup_vals(self.env.company))
        return setup._get_open_action()

    def _get_open_action(self):
        self.ensure_one()
        return {
            **self._get_records_action(name=self.env._("Setup")),
            "target": "main",
        }

    @api.model
    def _prepare_setup_vals(self, company):
        """Return the values of the checklist of a company."""
        return {
            "company_id": company.id,
            "step_ids": [
                Command.create({"code": code, "sequence": sequence})
                for sequence, code in enumerate(self._get_step_codes())
            ],
        }

    @api.model
    def get_banner(self):
        """Return what the banner says until the set-up of the company is done.

        :return: `done` and `total` of the required steps and `next`, the name of the
            first one to do; False when all are done or the user cannot do them
        :rtype: dict | bool
        """
        if not self.env.user.has_group(MANAGER):
            return False
        company = self.env.company
        steps = [
            step
            for code in self._get_step_codes()
            if code not in self._get_slow_step_codes()
            and (step := self._get_step(code, company)).is_required
        ]
        todo = [step for step in steps if not step.is_done]
        if not todo:
            return False
        return {
            "done": len(steps) - len(todo),
            "total": len(steps),
            "next": todo[0].name,
        }

    # === REGISTRY === #

    @api.model
    def _get_step_codes(self):
        """Return the names of the steps in their order."""
        return [
            "aging_definition",
            "parameters",
            "snapshot",
            "pool",
            "team",
            "settlement_journal",
            "writeoff_journal",
            "writeoff_reason",
            "writeoff_account",
            "nsf_journal",
            "reimbursement_account",
            "case_category",
            "email_template",
            "agent",
            "mail_server",
            "user_email",
            "contacts",
        ]

    @api.model
    def _get_slow_step_codes(self):
        """Return the steps that look at every customer; the banner leaves them out."""
        return ["contacts"]

    @api.model
    def _get_step(self, code, company):
        """Return a step of the checklist as it is now.

        :param str code: one of `_get_step_codes`
        :param company: the `res.company`
        :rtype: SetupStep
        """
        return getattr(self._get_scoped(code, company), f"_step_{code}")(company)

    @api.model
    def _do_step(self, code, company):
        """Do a step, or return the action that opens the place to do it.

        :param str code: one of `_get_step_codes`
        :param company: the `res.company`
        :return: an action, or None when it was done
        """
        self.env["collections.posting"]._check_manager()
        return getattr(self._get_scoped(code, company), f"_do_{code}")(company)

    def _get_scoped(self, code, company):
        """Return the model with the company of the checklist as the only one in use.

        :raise UserError: when there is no such step
        """
        if code not in self._get_step_codes():
            raise UserError(self.env._("There is no step %(code)s.", code=code))
        return self.with_context(allowed_company_ids=company.ids)

    # === STEPS === #

    def _step_aging_definition(self, company):
        definition = self.env["collections.aging.definition"]._get_definition(company)
        return SetupStep(
            name=self.env._("Aging period definition"),
            why=self.env._("Its periods are the columns of Aged Balances."),
            is_done=bool(definition),
            detail=self.env._("In force: %(name)s", name=definition.name)
            if definition
            else self.env._("None yet"),
        )

    def _do_aging_definition(self, company):
        return self._open_action("collections_aging_definition_action")

    def _step_parameters(self, company):
        return self._prepare_parameter_step(
            company,
            "collections_aging_definition_id",
            name=self.env._("Default aging period definition"),
            why=self.env._("Used where the customer pool names none."),
            is_required=False,
        )

    def _do_parameters(self, company):
        return company._get_collections_parameters_action()

    def _step_snapshot(self, company):
        snapshot = self.env["collections.aging.snapshot"].search(
            [
                ("company_id", "=", company.id),
                ("state", "=", "done"),
                ("is_refresh", "=", False),
                ("pool_id", "=", False),
            ],
            limit=1,
        )
        return SetupStep(
            name=self.env._("First aging snapshot"),
            why=self.env._("Aged Balances stays empty without one."),
            is_done=bool(snapshot),
            detail=snapshot.display_name if snapshot else self.env._("None yet"),
        )

    def _do_snapshot(self, company):
        if self._step_snapshot(company).is_done:
            return self._open_action("collections_aging_snapshot_action")
        self.env["collections.aging.snapshot"].create(
            {"company_id": company.id}
        ).action_run()
        return None

    def _step_pool(self, company):
        return self._prepare_counted_step(
            "collections.pool",
            company,
            name=self.env._("Customer pools"),
            why=self.env._("Divide the customers among agents, and filter lists."),
        )

    def _do_pool(self, company):
        return self._open_action("collections_pool_action")

    def _step_team(self, company):
        # A parameter of ours.
        team = company.sudo().collections_team_id.filtered("active")
        return SetupStep(
            name=self.env._("Collections team"),
            why=self.env._("Agents join it."),
            is_done=bool(team),
            detail=team.name or self.env._("Made with the first agent"),
            is_required=False,
        )

    def _do_team(self, company):
        if self._step_team(company).is_done:
            return self._open_action("collections_team_action")
        self.env["collections.agent"]._get_or_create_team(company)
        return None

    def _step_settlement_journal(self, company):
        return self._prepare_journal_step(
            company,
            "collections_settlement_journal_id",
            name=self.env._("Settlement journal"),
            why=self.env._("Receives the entries made when items are settled."),
        )

    def _do_settlement_journal(self, company):
        return self._create_journal(
            company,
            "collections_settlement_journal_id",
            self.env._("Settlements"),
            "SETL",
        )

    def _step_writeoff_journal(self, company):
        return self._prepare_journal_step(
            company,
            "collections_writeoff_journal_id",
            name=self.env._("Write-off journal"),
            why=self.env._("Receives the write-offs."),
        )

    def _do_writeoff_journal(self, company):
        return self._create_journal(
            company,
            "collections_writeoff_journal_id",
            self.env._("Write-offs"),
            "WOFF",
        )

    def _step_writeoff_reason(self, company):
        return self._prepare_parameter_step(
            company,
            "collections_writeoff_reason_id",
            name=self.env._("Default write-off reason"),
            why=self.env._("Proposed for every write-off; it can be changed there."),
            find_problem=self.env["collections.writeoff"]._find_reason_problem,
        )

    def _do_writeoff_reason(self, company):
        return company._get_collections_parameters_action()

    def _step_writeoff_account(self, company):
        return self._prepare_parameter_step(
            company,
            "collections_writeoff_account_id",
            name=self.env._("Write-off account"),
            why=self.env._("Takes the loss, or uses up the allowance for it."),
            find_problem=self.env["collections.posting"]._find_account_problem,
        )

    def _do_writeoff_account(self, company):
        return company._get_collections_parameters_action()

    def _step_nsf_journal(self, company):
        return self._prepare_journal_step(
            company,
            "collections_nsf_journal_id",
            name=self.env._("Journal of returned payments"),
            why=self.env._("Receives the entries when the bank takes money back."),
        )

    def _do_nsf_journal(self, company):
        return self._create_journal(
            company,
            "collections_nsf_journal_id",
            self.env._("Returned payments"),
            "NSF",
        )

    def _step_reimbursement_account(self, company):
        posting = self.env["collections.reimbursement.posting"]
        return self._prepare_parameter_step(
            company,
            "collections_reimbursement_account_id",
            name=self.env._("Clearing account of reimbursements"),
            why=self.env._("Carries a credit from the customer to the vendor bill."),
            is_required=False,
            find_problem=posting._find_clearing_account_problem,
        )

    def _do_reimbursement_account(self, company):
        if company.sudo().collections_reimbursement_account_id:  # a parameter of ours
            return company._get_collections_parameters_action()
        company.action_create_reimbursement_account()
        return None

    def _step_case_category(self, company):
        return self._prepare_counted_step(
            "collections.case.category",
            company,
            name=self.env._("Case categories"),
            why=self.env._("What cases are about: disputes, payment plans, lawyers."),
        )

    def _do_case_category(self, company):
        return self._open_action("collections_case_category_action")

    def _step_email_template(self, company):
        missing = []
        for kind, label in self.env["collections.recipient"]._get_kinds().items():
            try:
                company._get_collections_template(kind)
            except UserError:
                missing.append(label)
        return SetupStep(
            name=self.env._("E-mail templates"),
            why=self.env._("What customers and salespeople read. Edit and translate."),
            is_done=not missing,
            detail=", ".join(missing),
            is_required=False,
        )

    def _do_email_template(self, company):
        return self._open_action("mail_template_action_collections")

    def _step_agent(self, company):
        return self._prepare_counted_step(
            "collections.agent",
            company,
            name=self.env._("Collections agents"),
            why=self.env._("Find their own pools first in Aged Balances."),
        )

    def _do_agent(self, company):
        return self._open_action("collections_agent_action")

    def _step_mail_server(self, company):
        is_done = self.env["collections.recipient"]._has_mail_server()
        return SetupStep(
            name=self.env._("Outgoing mail server"),
            why=self.env._("E-mails stay in the queue without one."),
            is_done=is_done,
            detail="" if is_done else self.env._("An administrator sets it up."),
        )

    def _do_mail_server(self, company):
        if not self.env.user.has_group("base.group_system"):
            raise UserError(
                self.env._(
                    "Outgoing mail servers are set up by administrators, under "
                    "Settings > Technical > Outgoing Mail Servers. Ask one."
                )
            )
        return self._open_action("base.action_ir_mail_server_list")

    def _step_user_email(self, company):
        users = self._get_users_without_email(company)
        return SetupStep(
            name=self.env._("E-mail addresses of agents"),
            why=self.env._("Nobody can write to a customer without one."),
            is_done=not users,
            detail=self.env["collections.posting"]._join_names(users.mapped("name")),
        )

    def _do_user_email(self, company):
        users = self._get_users_without_email(company)
        return users.partner_id.sudo(False)._get_records_action(
            name=self.env._("People without E-mail Address")
        )

    def _get_users_without_email(self, company):
        users = (
            self.env["res.users"]
            .sudo()  # who collects is no secret to who sets it up
            .search(
                [
                    ("all_group_ids", "in", self.env.ref(AGENT).ids),
                    ("company_ids", "in", company.ids),
                    ("share", "=", False),
                ]
            )
        )
        return users.filtered(lambda user: not user.partner_id.email_normalized)

    def _step_contacts(self, company):
        count = self.env["res.partner"].search_count(self._get_mute_domain())
        return SetupStep(
            name=self.env._("Addresses of the customers"),
            why=self.env._("Reminders go to nobody without one."),
            is_done=not count,
            detail=count
            and self.env._(
                "Customers with open items but no address: %(count)s", count=count
            ),
            is_required=False,
        )

    def _do_contacts(self, company):
        action = self._open_action("res_partner_action_collections_addresses")
        action["domain"] = self._get_mute_domain()
        action["context"] = {"collections_export": True}
        return action

    def _get_mute_domain(self):
        return [
            ("collections_address_state", "=", "none"),
            ("collections_balance_ids.open_item_count", ">", 0),
        ]

    # === HELPERS FOR STEPS === #

    def _prepare_parameter_step(
        self, company, field, name, why, is_required=True, find_problem=None
    ):
        """Return a step that is done once a parameter of the company is set.

        :param str field: the parameter, one that names a record
        :param find_problem: takes the record and the company, and returns why it
            cannot be used, as a text, or None
        """
        value = company.sudo()[field]  # a parameter of ours
        problem = find_problem(value, company) if value and find_problem else None
        return SetupStep(
            name=name,
            why=why,
            is_done=bool(value) and not problem,
            detail=problem or value.display_name or self.env._("Not chosen"),
            is_required=is_required,
        )

    def _prepare_journal_step(self, company, field, name, why):
        """Return a step that is done once a journal is chosen that can be used."""
        return self._prepare_parameter_step(
            company,
            field,
            name,
            why,
            find_problem=self.env["collections.posting"]._find_journal_problem,
        )

    def _prepare_counted_step(self, model, company, name, why):
        """Return an optional step that is done once there is a record."""
        count = self.env[model].search_count(
            [("company_id", "in", [False, company.id])]
        )
        return SetupStep(
            name=name,
            why=why,
            is_done=bool(count),
            detail=str(count) if count else self.env._("None, which is fine"),
            is_required=False,
        )

    def _create_journal(self, company, field, name, code):
        """Create a general journal and choose it, or open the parameters.

        Accountants create journals; the manager of collections may create the ones of
        the checklist.

        :param company: the `res.company`
        :param str field: the parameter that names the journal
        :param str name: of the journal
        :param str code: its short code, at most four letters
        """
        if company.sudo()[field]:
            return company._get_collections_parameters_action()
        Journal = self.env["account.journal"].sudo()  # `_do_step` has checked
        company_domain = [("company_id", "parent_of", company.ids)]
        codes = set(
            Journal.with_context(active_test=False)
            .search(company_domain)
            .mapped("code")
        )
        free = next(
            candidate
            for candidate in (code, *(f"{code}{number}" for number in range(1, 10)))
            if candidate not in codes
        )
        company.sudo()[field] = Journal.create(
            self._prepare_journal_vals(company, name, free)
        )
        return None

    def _prepare_journal_vals(self, company, name, code):
        """Return the values of a journal that the checklist makes."""
        return {
            "name": name,
            "code": code,
            "type": "general",
            "company_id": company.id,
            # Nobody's first miscellaneous journal.
            "sequence": 100,
        }

    def _open_action(self, xmlid):
        if "." not in xmlid:
            xmlid = f"credit_collections.{xmlid}"
        return self.env["ir.actions.act_window"]._for_xml_id(xmlid)
