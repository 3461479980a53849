from odoo import Command, api, fields, models
from odoo.exceptions import ValidationError


class CollectionsAgent(models.Model):
    """A user who collects, with the customer pools he works on."""

    _name = "collections.agent"
    _description = "Collections Agent"
    _order = "company_id, user_id, id"
    _rec_name = "user_id"
    _check_company_auto = True

    user_id = fields.Many2one(
        comodel_name="res.users",
        required=True,
        index=True,
        check_company=True,
        ondelete="cascade",
        domain="[('share', '=', False), ('company_ids', 'in', company_id)]",
    )
    active = fields.Boolean(default=True)
    company_id = fields.Many2one(
        comodel_name="res.company",
        required=True,
        index=True,
        default=lambda self: self.env.company,
    )
    team_id = fields.Many2one(
        comodel_name="collections.team",
        check_company=True,
        ondelete="restrict",
        help="Left empty, the agent joins the team of the parameters. When there is "
        "none, the team Collections is made.",
    )
    pool_ids = fields.Many2many(
        comodel_name="collections.pool",
        relation="collections_agent_pool_rel",
        column1="agent_id",
        column2="pool_id",
        string="Customer Pools",
        domain="['|', ('company_id', '=', False), ('company_id', '=', company_id)]",
        help="The pools offered first in Aged Balances. Leave empty to offer all.",
    )
    default_pool_id = fields.Many2one(
        comodel_name="collections.pool",
        domain="['|', ('company_id', '=', False), ('company_id', '=', company_id)]",
        ondelete="set null",
        help="The pool that Aged Balances opens with.",
    )
    view_all_pools = fields.Boolean(
        string="May View All Pools",
        help="Offer the other pools too, and all customers.",
    )

    _unique_user = models.UniqueIndex(
        "(user_id, company_id)", "This user is already an agent of the company."
    )

    @api.constrains("default_pool_id", "pool_ids", "view_all_pools")
    def _check_default_pool(self):
        for agent in self:
            pool = agent.default_pool_id
            if (
                pool
                and agent.pool_ids
                and not agent.view_all_pools
                and pool not in agent.pool_ids
            ):
                raise ValidationError(
                    self.env._(
                        "%(pool)s is the default pool of %(agent)s but not one of the "
                        "agent's pools: add it there, or let the agent view all pools.",
                        pool=pool.display_name,
                        agent=agent.user_id.name,
                    )
                )

    @api.constrains("pool_ids", "default_pool_id", "company_id")
    def _check_pool_company(self):
        for agent in self:
            foreign = (agent.pool_ids | agent.default_pool_id).filtered(
                lambda pool, company=agent.company_id: (
                    pool.company_id and pool.company_id != company
                )
            )
            if foreign:
                raise ValidationError(
                    self.env._(
                        "%(agent)s collects for %(company)s and cannot work on the "
                        "pools %(pools)s of another company.",
                        agent=agent.user_id.name,
                        company=agent.company_id.name,
                        pools=", ".join(foreign.mapped("display_name")),
                    )
                )

    @api.model_create_multi
    def create(self, vals_list):
        agents = super().create(vals_list)
        for company, company_agents in agents.grouped("company_id").items():
            without_team = company_agents.filtered(lambda agent: not agent.team_id)
            if without_team:
                without_team.team_id = self._get_or_create_team(company)
        agents._join_team()
        return agents

    def write(self, vals):
        before = {agent: (agent.team_id, agent.user_id) for agent in self}
        result = super().write(vals)
        for agent, (team, user) in before.items():
            if (team, user) != (agent.team_id, agent.user_id) or not agent.active:
                agent._leave_team(team, user)
        self._join_team()
        return result

    def unlink(self):
        for agent in self:
            agent._leave_team(agent.team_id, agent.user_id)
        return super().unlink()

    @api.model
    def _get_own(self):
        """Return the agent record of the current user in the current company."""
        return self.search(
            [("user_id", "=", self.env.uid), ("company_id", "=", self.env.company.id)],
            limit=1,
        )

    @api.model
    def _get_users(self, partners, company):
        """Return who collects from customers: one user for each.

        It is the first agent with a pool that the customer is in, else the first one
        who works on all customers, else the leader of the team, else the current user.
        Who has left, and cannot log in any more, is passed over.

        :param partners: commercial partners, `res.partner`
        :param company: the `res.company` of the agents
        :return: the `res.users` by partner
        :rtype: dict
        """
        agents = self.search(
            [("company_id", "=", company.id), ("user_id.active", "=", True)]
        )
        fallback = (
            agents.filtered(lambda agent: not agent.pool_ids)[:1].user_id
            or company.collections_team_id.user_id.filtered("active")
            or self.env.user
        )
        users = dict.fromkeys(partners, fallback)
        agents = agents.filtered("pool_ids")
        # Without agents of pools nobody asks which pools the customers are in.
        for partner in partners if agents else ():
            pools = partner.collections_pool_ids
            users[partner] = (
                agents.filtered(lambda agent, pools=pools: agent.pool_ids & pools)[
                    :1
                ].user_id
                or fallback
            )
        return users

    @api.model
    def _get_or_create_team(self, company):
        """Return the team of the parameters, made and selected there when missing.

        One that was archived is missing too: nobody would find the agents in it.

        Dynamics 365 Finance, "Set up collections agents": when no team is selected, a
        team named Collections is created automatically.
        """
        company_sudo = company.sudo()  # who may create agents may set up the team
        if not company_sudo.collections_team_id.active:
            company_sudo.collections_team_id = self.env["collections.team"].create(
                self._prepare_team_vals(company)
            )
        return company_sudo.collections_team_id.with_env(self.env)

    @api.model
    def _prepare_team_vals(self, company):
        """Return the values of the team that is made with the first agent."""
        return {"name": self.env._("Collections"), "company_id": company.id}

    def _join_team(self):
        for team, agents in self.filtered("active").grouped("team_id").items():
            users = agents.user_id - team.member_ids
            if users:
                team.member_ids = [Command.link(user.id) for user in users]

    def _leave_team(self, team, user):
        """Take a user out of a team, unless he is another agent of it.

        :param team: the `collections.team` that the agent was in
        :param user: the `res.users` that the agent was
        """
        self.ensure_one()
        others = self.search([("team_id", "=", team.id), ("id", "!=", self.id)])
        if user not in others.user_id:
            team.member_ids = [Command.unlink(user.id)]
