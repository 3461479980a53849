from odoo import api, fields, models
from odoo.exceptions import UserError

from .collections_posting import LEDGER_ACCOUNT_DOMAIN


class CollectionsWriteoffReason(models.Model):
    """Why customers' items are written off, and on which account."""

    _name = "collections.writeoff.reason"
    _description = "Write-off Reason"
    _order = "sequence, code, id"
    _rec_names_search = ["code", "name"]

    sequence = fields.Integer(default=10)
    code = fields.Char(required=True, help="Short and unique, such as BANKRUPT.")
    name = fields.Char(string="Reason", required=True, translate=True)
    comment = fields.Char(
        translate=True,
        help="Proposed as the text of the entries. It can be changed with every "
        "write-off.",
    )
    account_id = fields.Many2one(
        comodel_name="account.account",
        string="Write-off Account",
        company_dependent=True,
        ondelete="restrict",
        domain=LEDGER_ACCOUNT_DOMAIN,
        help="Used for this reason in the current company. Left empty, the customer's "
        "write-off account is used, and without one that of the parameters.",
    )
    active = fields.Boolean(default=True)

    _unique_code = models.UniqueIndex(
        "(code)", "There is a write-off reason with this code already."
    )

    @api.depends("code", "name")
    def _compute_display_name(self):
        for reason in self:
            reason.display_name = (
                f"{reason.code} {reason.name}" if reason.code else reason.name
            )

    @api.constrains("account_id")
    def _check_account_id(self):
        Posting = self.env["collections.posting"]
        for reason in self:
            Posting._check_account(reason.account_id, self.env.company)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_used(self):
        moves = self.env["account.move"].sudo()  # of any company
        used = moves.search_count(
            [("collections_writeoff_reason_id", "in", self.ids)], limit=1
        ) or self.env["res.company"].sudo().search_count(
            [("collections_writeoff_reason_id", "in", self.ids)], limit=1
        )
        if used:
            raise UserError(
                self.env._(
                    "Write-offs or parameters use these reasons: %(reasons)s. Archive "
                    "them instead.",
                    reasons=", ".join(self.mapped("display_name")),
                )
            )

    def copy_data(self, default=None):
        vals_list = super().copy_data(default=default)
        return [
            {**vals, "code": self.env._("%(code)s (copy)", code=reason.code)}
            for reason, vals in zip(self, vals_list, strict=True)
        ]
