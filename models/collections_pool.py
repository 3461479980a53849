import ast

import psycopg2

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Domain
from odoo.tools import SQL, mute_logger


class CollectionsPool(models.Model):
    """Customer pool: a stored query on customers, used as filter and as run scope."""

    _name = "collections.pool"
    _description = "Customer Pool"
    _order = "sequence, name, id"

    name = fields.Char(required=True, translate=True)
    active = fields.Boolean(default=True)
    sequence = fields.Integer(default=10)
    company_id = fields.Many2one(
        comodel_name="res.company",
        index=True,
        default=lambda self: self.env.company,
        help="Leave empty to use the pool in all companies.",
    )
    domain = fields.Char(
        string="Customers",
        required=True,
        default="[]",
        help="Which contacts belong to the pool. A contact person who matches stands "
        "for the company he belongs to.",
    )
    # By night the query runs for everybody: it must not see more than its author.
    domain_user_id = fields.Many2one(
        comodel_name="res.users",
        string="Customers Chosen By",
        readonly=True,
        copy=False,
        ondelete="restrict",
        help="Snapshots find the customers that this user may see, by what this user "
        "may read.",
    )
    definition_id = fields.Many2one(
        comodel_name="collections.aging.definition",
        string="Aging Period Definition",
        ondelete="restrict",
        domain="['|', ('company_id', '=', False), ('company_id', 'parent_of', "
        "company_id)]",
        help="The periods Aged Balances shows for this pool. Left empty, the company's "
        "default definition applies.",
    )
    agent_ids = fields.Many2many(
        comodel_name="collections.agent",
        relation="collections_agent_pool_rel",
        column1="pool_id",
        column2="agent_id",
        string="Agents",
    )
    run_daily = fields.Boolean(
        string="Daily Snapshot",
        help="Age the customers of this pool in a run of their own every night. Needed "
        "only for pools with their own aging period definition.",
    )
    customer_count = fields.Integer(
        string="Customers Count", compute="_compute_customer_count"
    )

    # === COMPUTE METHODS === #

    @api.depends("domain", "company_id")
    def _compute_customer_count(self):
        for pool in self:
            try:
                pool.customer_count = pool._count_partners()
            except (UserError, AccessError):
                # The list of pools must open so that the broken one can be mended.
                pool.customer_count = 0

    # === CONSTRAINTS === #

    @api.constrains("domain", "company_id")
    def _check_domain(self):
        for pool in self:
            # Constraints run as superuser. Here the rights of the author count, so that
            # nobody can query what he may not read.
            pool.sudo(False)._get_checked_partner_query()

    @api.constrains("definition_id", "company_id")
    def _check_definition_company(self):
        self.definition_id._check_periods()
        for pool in self:
            owner = pool.definition_id.company_id
            if owner and owner not in pool.company_id.parent_ids:
                raise ValidationError(
                    self.env._(
                        "%(definition)s belongs to %(company)s: the pool %(pool)s can "
                        "use it only as a pool of that company.",
                        definition=pool.definition_id.display_name,
                        company=owner.name,
                        pool=pool.display_name,
                    )
                )

    @api.constrains("company_id")
    def _check_agents_company(self):
        owned = self.filtered("company_id")
        if not owned:
            return
        agents_sudo = (
            self.env["collections.agent"].sudo().with_context(active_test=False)
        )
        agents_sudo = agents_sudo.search(
            Domain("pool_ids", "in", owned.ids)
            | Domain("default_pool_id", "in", owned.ids)
        )
        agents_sudo._check_pool_company()

    # === CRUD METHODS === #

    @api.model_create_multi
    def create(self, vals_list):
        vals_list = [dict(vals) for vals in vals_list]
        for vals in vals_list:
            self._check_no_author(vals)
            vals["domain_user_id"] = self.env.uid
            if "domain" in vals:
                vals["domain"] = vals["domain"] or "[]"
        return super().create(vals_list)

    def write(self, vals):
        self._check_no_author(vals)
        if {"domain", "company_id"} & vals.keys():
            vals = {**vals, "domain_user_id": self.env.uid}
        if "domain" in vals:
            vals = {**vals, "domain": vals["domain"] or "[]"}
        return super().write(vals)

    @api.model
    def _check_no_author(self, vals):
        """Refuse queries in the name of somebody else.

        :raise AccessError: when users, over RPC as well, say who the author is
        """
        if "domain_user_id" in vals:
            raise AccessError(
                self.env._("Whoever chooses the customers of a pool answers for it.")
            )

    @api.ondelete(at_uninstall=False)
    def _unlink_except_used(self):
        used = (
            self.env["collections.aging.snapshot"]
            .sudo()  # also those of companies the user is not in at the moment
            .search([("pool_id", "in", self.ids)])
            .pool_id
        )
        if used:
            raise UserError(
                self.env._(
                    "There are aging snapshots of the customer pool %(pools)s. Archive "
                    "the pool instead, or delete its snapshots first.",
                    pools=", ".join(used.mapped("name")),
                )
            )

    # === ACTION METHODS === #

    def action_view_partners(self):
        """Open the customers of the pool."""
        self.env["collections.posting"]._check_one(self)
        self._get_checked_partner_query()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "credit_collections.res_partner_action_collections"
        )
        action.update(
            {
                "display_name": self.name,
                "domain": [("collections_pool_ids", "in", self.ids)],
                "context": {"collections_export": True},
            }
        )
        return action

    def action_view_balances(self):
        """Open Aged Balances with this pool chosen."""
        self.env["collections.posting"]._check_one(self)
        self.check_access("read")
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "credit_collections.collections_aging_balance_action"
        )
        action["context"] = {"collections_pool_id": self.id}
        return action

    # === BUSINESS METHODS === #

    def _filter_companies(self, companies):
        """Return those of companies that the author of the pool works for.

        In others the query cannot be run.

        :param companies: the `res.company`
        """
        author = self.domain_user_id or self.create_uid
        if author._is_superuser():
            return companies
        return companies & author.company_ids

    def get_partners(self):
        """Return the customers of the pools.

        A contact person who matches the query means the commercial partner.

        :return: ids of the `res.partner`, ascending
        :rtype: list[int]
        :raise UserError: when the query of a pool cannot be run
        """
        partner_ids = set()
        for pool in self:
            rows = self.env.execute_query(pool._get_checked_partner_query())
            partner_ids.update(partner_id for (partner_id,) in rows)
        return sorted(partner_ids)

    def _count_partners(self):
        query = self._get_checked_partner_query()
        return self.env.execute_query(SQL("SELECT COUNT(*) FROM (%s) AS pool", query))[
            0
        ][0]

    def _get_checked_partner_query(self):
        """Return the query of the pool after the database has accepted it.

        :rtype: SQL
        :raise ValidationError: when the query of the pool is wrong
        """
        query = self._get_partner_query()
        self.env.flush_all()
        try:
            with self.env.cr.savepoint(flush=False), mute_logger("odoo.sql_db"):
                self.env.cr.execute(SQL("SELECT FROM (%s) AS pool LIMIT 1", query))
        except (psycopg2.DataError, psycopg2.ProgrammingError) as error:
            raise self._get_invalid_error(error.diag.message_primary) from error
        return query

    def _get_invalid_error(self, error):
        return ValidationError(
            self.env._(
                "The query of the customer pool %(pool)s is not valid: %(error)s. "
                "Open the pool and choose the customers again.",
                pool=self.name,
                error=error,
            )
        )

    def _get_partner_query(self):
        """Return the query that selects the commercial partners of the pool.

        :rtype: SQL
        :raise UserError: when the query of the pool is wrong
        """
        self.ensure_one()
        companies = self.company_id or self.env.companies
        Partner = self.env["res.partner"].with_context(
            allowed_company_ids=companies.ids, active_test=True
        )
        if self.env.su:
            Partner = Partner.with_user(self._get_author(companies))
        try:
            domain = Domain(ast.literal_eval((self.domain or "[]").strip()))
            query = Partner._search(domain)
            query_sql = query.select(
                SQL.identifier(query.table, "commercial_partner_id")
            )
        except AccessError as error:
            raise ValidationError(
                self.env._(
                    "The customer pool %(pool)s asks for something that %(user)s may "
                    "not read: %(error)s",
                    pool=self.name,
                    user=Partner.env.user.name,
                    error=error,
                )
            ) from error
        except (
            KeyError,
            RecursionError,
            SyntaxError,
            TypeError,
            ValueError,
        ) as error:
            raise self._get_invalid_error(error) from error
        return SQL(
            """
            SELECT DISTINCT partner.commercial_partner_id AS partner_id
              FROM (%s) AS partner
             WHERE partner.commercial_partner_id IS NOT NULL
            """,
            query_sql,
        )

    def _get_author(self, companies):
        """Return the user whose rights the query runs with when nobody asks himself.

        :param companies: the `res.company` that customers are looked for in
        :return: a `res.users`
        :raise ValidationError: when the user does not work for one of them
        """
        author = self.domain_user_id or self.create_uid
        foreign = companies - self._filter_companies(companies)
        if foreign:
            raise ValidationError(
                self.env._(
                    "%(user)s chose the customers of the pool %(pool)s and does not "
                    "work for %(companies)s. Make a pool for that company, or let "
                    "somebody who works for it choose the customers again.",
                    user=author.name,
                    pool=self.name,
                    companies=", ".join(foreign.mapped("name")),
                )
            )
        return author

    @api.model
    def _get_choices(self, agent):
        """Return the pools to choose from on screen, the agent's own first.

        :param agent: the `collections.agent` of the user, may be empty
        :rtype: list[dict]
        """
        company_domain = Domain("company_id", "in", [False, *self.env.companies.ids])
        own = agent.pool_ids.filtered_domain(company_domain)
        if own and not agent.view_all_pools:
            pools = own
        else:
            pools = own | self.search(company_domain)
        return [
            {"id": pool.id, "name": pool.name, "is_own": pool in own} for pool in pools
        ]
