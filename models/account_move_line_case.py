from odoo import fields, models
from odoo.exceptions import UserError


class AccountMoveLine(models.Model):
    """The case that an open item is worked on in."""

    _inherit = "account.move.line"  # pylint: disable=R8180 # a subject of its own

    collections_case_id = fields.Many2one(
        comodel_name="collections.case",
        string="Case",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="set null",
        groups="credit_collections.group_collections_agent",
        help="The collections case that the item belongs to.",
    )

    def action_assign_collections_case(self, case_id=False):
        """Put open items into a case, or take them out of the one they are in.

        :param case_id: id of an open `collections.case` of the same customer and
            company; False to take the items out
        :return: True
        :raise UserError: when an item is not open or not of the customer of the case
        :raise AccessError: without the rights of a collections agent
        """
        self._check_can_set_collections_status()
        case = self.env["collections.case"].browse(case_id or []).exists()
        if case_id and not case:
            raise UserError(self.env._("The case does not exist any more."))
        if case.state == "closed":
            raise UserError(
                self.env._(
                    "%(case)s is closed. Reopen it to put items into it.",
                    case=case.display_name,
                )
            )
        case._check_takes_items(self)
        self._move_to_case(case)
        return True

    def action_open_case_wizard(self):
        """Open the wizard that puts the items into a case."""
        self._check_can_set_collections_status()
        return self.env["collections.case.wizard"]._open(self)

    def action_leave_collections_case(self):
        """Take the items out of their case.

        :return: True
        """
        self.env["collections.case"].check_access("write")
        self.check_access("read")
        self._move_to_case(self.env["collections.case"])
        return True

    # === BUSINESS METHODS === #

    def _move_to_case(self, case):
        """Put items into a case and say so there and in the ones they leave.

        The caller has checked the rights.

        :param case: the `collections.case`; empty to take the items out only
        """
        lines_sudo = self.sudo()  # agents only read journal items; checked before
        moving = lines_sudo.filtered(lambda line: line.collections_case_id != case)
        left = moving.filtered("collections_case_id").grouped("collections_case_id")
        moving.collections_case_id = case
        join_names = self.env["collections.posting"]._join_names
        for former, lines in left.items():
            former._message_log(
                body=self.env._(
                    "Taken out of the case: %(items)s",
                    items=join_names(lines.move_id.mapped("display_name")),
                )
            )
        if case and moving:
            case._message_log(
                body=self.env._(
                    "Put into the case: %(items)s",
                    items=join_names(moving.move_id.mapped("display_name")),
                )
            )
