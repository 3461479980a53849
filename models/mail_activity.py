from odoo import api, fields, models
from odoo.tools.sql import column_exists, create_column

from .collections_posting import AGENT


class MailActivity(models.Model):
    """An activity on a customer or a case, when its type is one of collections."""

    _name = "mail.activity"
    _inherit = ["mail.activity", "collections.aging.columns"]

    _collections_partner_field = "collections_partner_id"

    collections_partner_id = fields.Many2one(
        comodel_name="res.partner",
        string="Customer",
        compute="_compute_collections_partner_id",
        store=True,
        index="btree_not_null",
        groups=AGENT,
        help="The customer that the activity collects from.",
    )
    collections_case_id = fields.Many2one(
        comodel_name="collections.case",
        string="Case",
        compute="_compute_collections_case_id",
        store=True,
        readonly=False,
        index="btree_not_null",
        ondelete="set null",
        domain="[('partner_id', '=', collections_partner_id)]",
        groups=AGENT,
    )

    def _auto_init(self):
        # There is nothing to compute for the activities made before.
        for column in ("collections_partner_id", "collections_case_id"):
            if not column_exists(self.env.cr, "mail_activity", column):
                create_column(self.env.cr, "mail_activity", column, "int4")
        return super()._auto_init()

    @api.depends("res_model", "res_id", "activity_type_id.collections_activity")
    def _compute_collections_partner_id(self):
        self.collections_partner_id = False
        for activity in self:
            if not activity.res_id:
                continue
            if activity.res_model == "collections.case":
                case_sudo = self.env["collections.case"].sudo().browse(activity.res_id)
                activity.collections_partner_id = case_sudo.partner_id
            elif (
                activity.res_model == "res.partner"
                and activity.activity_type_id.collections_activity
            ):
                # The assignee may be somebody who does not see the contact.
                partner_sudo = self.env["res.partner"].sudo().browse(activity.res_id)
                activity.collections_partner_id = partner_sudo.commercial_partner_id

    @api.depends("res_model", "res_id")
    def _compute_collections_case_id(self):
        for activity in self:
            if activity.res_model == "collections.case":
                activity.collections_case_id = activity.res_id
            else:
                activity.collections_case_id = activity.collections_case_id

    def action_open_collections_page(self):
        """Open the collections page of the customer."""
        return self.collections_partner_id.action_open_collections_page()

    def action_open_collections_form(self):
        """Open the activity in a dialog.

        :return: a window action
        """
        self.env["collections.posting"]._check_one(self)
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "credit_collections.mail_activity_action_collections_new"
        )
        action.update({"res_id": self.id, "display_name": self.display_name})
        return action
