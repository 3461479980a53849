from odoo import api, fields, models
from odoo.exceptions import ValidationError


class CollectionsTeam(models.Model):
    """The people who collect for a company."""

    _name = "collections.team"
    _description = "Collections Team"
    _order = "name, id"
    _check_company_auto = True
    # Branches may have the team of their head office.
    _check_company_domain = models.check_company_domain_parent_of

    name = fields.Char(required=True)
    active = fields.Boolean(default=True)
    company_id = fields.Many2one(
        comodel_name="res.company",
        required=True,
        index=True,
        default=lambda self: self.env.company,
    )
    user_id = fields.Many2one(
        comodel_name="res.users",
        string="Leader",
        domain="[('share', '=', False), ('company_ids', 'in', company_id)]",
    )
    member_ids = fields.Many2many(
        comodel_name="res.users",
        relation="collections_team_member_rel",
        column1="team_id",
        column2="user_id",
        string="Members",
        domain="[('share', '=', False), ('company_ids', 'in', company_id)]",
    )
    agent_ids = fields.One2many(
        comodel_name="collections.agent", inverse_name="team_id", string="Agents"
    )
    member_count = fields.Integer(compute="_compute_member_count")

    @api.depends("member_ids")
    def _compute_member_count(self):
        for team in self:
            team.member_count = len(team.member_ids)

    @api.constrains("company_id")
    def _check_company_of_users(self):
        """A team of one company cannot serve the agents of another one."""
        # Also those whom the user may not see.
        agents_sudo = self.env["collections.agent"].sudo()
        companies_sudo = self.env["res.company"].sudo()
        for team in self:
            agents = agents_sudo.with_context(active_test=False).search(
                [("team_id", "=", team.id)]
            )
            users = agents.company_id | companies_sudo.search(
                [("collections_team_id", "=", team.id)]
            )
            foreign = users.filtered(
                lambda company, owner=team.company_id: owner not in company.parent_ids
            )
            if foreign:
                raise ValidationError(
                    self.env._(
                        "The team %(team)s is used by %(companies)s, by agents or in "
                        "the parameters. Make another team for %(owner)s.",
                        team=team.name,
                        companies=", ".join(foreign.mapped("name")),
                        owner=team.company_id.name,
                    )
                )
