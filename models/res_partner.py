from odoo import fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.tools import SQL

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
        if operator != "in":
            return NotImplemented
        pools = self.env["collections.pool"].browse(
            pool_id for pool_id in value if isinstance(pool_id, int) and pool_id
        )
        return Domain.OR(
            Domain("id", "in", SQL("(%s)", pool._get_checked_partner_query()))
            for pool in pools.exists()
        )

    def action_refresh_aging(self):
        """Age the balances of the customers again, as of today.

        Done for the companies in use, and for each aging period definition that shows
        the customer, so that no screen keeps the old figures.

        :return: True
        """
        Snapshot = self.env["collections.aging.snapshot"]
        partners = self.commercial_partner_id
        vals_list = []
        for company in self.env.companies:
            definitions = self.env["collections.aging.definition"]._get_definition(
                company
            )
            shown = self.env["collections.aging.balance"].search(
                [
                    ("partner_id", "in", partners.ids),
                    ("company_id", "=", company.id),
                    ("is_current", "=", True),
                ]
            )
            for partner in partners:
                rows = shown.filtered(
                    lambda row, partner=partner: row.partner_id == partner
                )
                vals_list += [
                    {
                        "company_id": company.id,
                        "partner_id": partner.id,
                        "definition_id": definition.id,
                    }
                    for definition in definitions | rows.definition_id
                ]
        Snapshot.create(vals_list).action_run()
        return True

    def action_view_collections_items(self):
        """Open the open items of the customers."""
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "credit_collections.account_move_line_action_open_items"
        )
        action["domain"] = [
            ("account_type", "=", "asset_receivable"),
            ("parent_state", "=", "posted"),
            ("reconciled", "=", False),
            ("partner_id", "child_of", self.commercial_partner_id.ids),
        ]
        action["context"] = {"create": False}
        return action
