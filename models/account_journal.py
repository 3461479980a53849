from odoo import api, fields, models

from .collections_posting import MANAGER

RETURN_FIELDS = frozenset(
    {"collections_nsf_journal_id", "collections_nsf_fee_product_id"}
)


class AccountJournal(models.Model):
    _inherit = "account.journal"

    collections_nsf_journal_id = fields.Many2one(
        comodel_name="account.journal",
        string="Journal of Returned Payments",
        check_company=True,
        domain="[('type', '=', 'general')]",
        help="Receives the entries that take payments back which this bank returns "
        "(NSF payment journal). Left empty, the one of the collections parameters is "
        "used. What other systems call a journal of type Customer payment is Odoo's "
        "journal of type Miscellaneous.",
    )
    collections_nsf_fee_product_id = fields.Many2one(
        comodel_name="product.product",
        string="Fee for Returned Payments",
        check_company=True,
        domain="[('sale_ok', '=', True)]",
        help="Charged to customers whose payments this bank returns, by an invoice "
        "with this product, its price and its taxes. Left empty, there is no fee.",
    )

    @api.constrains("collections_nsf_journal_id", "company_id")
    def _check_collections_nsf_journal_id(self):
        Posting = self.env["collections.posting"]
        for journal in self:
            Posting._check_journal(
                journal.collections_nsf_journal_id, journal.company_id
            )

    def write(self, vals):
        # EXTENDS account: only accountants may write journals, but what happens with
        # returned payments is the business of collections managers.
        if self._may_write_return_parameters(vals):
            return super(AccountJournal, self.sudo()).write(vals)
        return super().write(vals)

    def _may_write_return_parameters(self, vals):
        """Tell whether the user may write these values as a collections manager."""
        if self.env.su or not vals or not RETURN_FIELDS.issuperset(vals):
            return False
        if self.has_access("write") or not self.env.user.has_group(MANAGER):
            return False
        self.check_access("read")
        return self.company_id <= self.env.user.company_ids
