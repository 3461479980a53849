import json

from odoo import Command, api, fields, models
from odoo.exceptions import UserError
from odoo.tools import clean_context, format_amount, format_date

# What opens again is shown for so many payments; more are for a list, not a dialog.
PREVIEW_PAYMENTS = 50


class CollectionsNsfWizard(models.TransientModel):
    """Record that the bank returned payments, and see before what it does."""

    _name = "collections.nsf.wizard"
    _inherit = "collections.entry.preview"
    _description = "Return Payment"

    payment_ids = fields.Many2many(comodel_name="account.payment", string="Payments")
    company_ids = fields.Many2many(
        comodel_name="res.company", compute="_compute_company_ids"
    )
    date = fields.Date(
        string="Returned on",
        compute="_compute_date",
        store=True,
        readonly=False,
        help="Accounting date of the entries. Cash discounts go back on this day too.",
    )
    journal_id = fields.Many2one(
        comodel_name="account.journal",
        compute="_compute_journal_id",
        store=True,
        readonly=False,
        domain="[('type', '=', 'general'), ('company_id', 'parent_of', company_ids)]",
        help="A journal of type Miscellaneous. Left empty, that of each bank is used, "
        "else that of the parameters.",
    )
    reason_id = fields.Many2one(
        comodel_name="collections.payment.return.reason",
        default=lambda self: self._default_reason_id(),
    )
    comment = fields.Char()
    charge_fee = fields.Boolean(
        compute="_compute_charge_fee",
        store=True,
        readonly=False,
        help="Invoice the fee that is set on the bank journal.",
    )
    return_ids = fields.Many2many(
        comodel_name="collections.payment.return",
        string="Returned Payments",
        readonly=True,
    )

    payment_count = fields.Integer(compute="_compute_payment_count")
    skipped_message = fields.Text(readonly=True)
    fee_message = fields.Char(compute="_compute_fee_message")
    problem = fields.Text(compute="_compute_preview")
    is_parameter_missing = fields.Boolean(compute="_compute_preview")
    lock_message = fields.Char(compute="_compute_preview")
    first_free_date = fields.Date(compute="_compute_preview")
    opens_data = fields.Text(compute="_compute_opens_data")
    preview_data = fields.Text(compute="_compute_preview")

    # === DEFAULT METHODS === #

    @api.model
    def _default_reason_id(self):
        return self.env["collections.payment.return.reason"].search([], limit=1)

    @api.model
    def default_get(self, fields_list):
        # EXTENDS base: the payments that the wizard was opened on
        result = super().default_get(fields_list)
        context = self.env.context
        if (
            "payment_ids" in fields_list
            and context.get("active_model") == "account.payment"
        ):
            ids = context.get("active_ids") or [context.get("active_id")]
            payments = self.env["account.payment"].browse(filter(None, ids)).exists()
            result["payment_ids"] = [Command.set(payments.ids)]
        return result

    # === COMPUTE METHODS === #

    @api.depends("payment_ids")
    def _compute_company_ids(self):
        for wizard in self:
            wizard.company_ids = wizard.payment_ids.company_id

    @api.depends("payment_ids")
    def _compute_payment_count(self):
        for wizard in self:
            wizard.payment_count = len(wizard.payment_ids)

    @api.depends("payment_ids")
    def _compute_date(self):
        today = fields.Date.context_today(self)
        for wizard in self:
            wizard.date = max([today, *wizard.payment_ids.mapped("date")])

    @api.depends("payment_ids")
    def _compute_journal_id(self):
        Return = self.env["collections.payment.return"]
        for wizard in self:
            journals = {Return._get_journal(payment) for payment in wizard.payment_ids}
            # Of several, each payment takes its own.
            wizard.journal_id = journals.pop() if len(journals) == 1 else False

    @api.depends("payment_ids")
    def _compute_charge_fee(self):
        for wizard in self:
            banks = wizard.payment_ids.journal_id
            wizard.charge_fee = bool(banks) and all(
                bank.collections_nsf_fee_product_id for bank in banks
            )

    @api.depends("payment_ids")
    def _compute_fee_message(self):
        for wizard in self:
            products = wizard.payment_ids.journal_id.collections_nsf_fee_product_id
            fees = [
                f"{product.display_name} "
                f"{format_amount(self.env, product.lst_price, product.currency_id)}"
                for product in products
            ]
            wizard.fee_message = ", ".join(fees) or self.env._(
                "No fee is set on the bank journal."
            )

    @api.depends("payment_ids")
    def _compute_opens_data(self):
        for wizard in self:
            wizard.opens_data = json.dumps(wizard._get_opens())

    @api.depends(
        "payment_ids", "date", "journal_id", "reason_id", "comment", "charge_fee"
    )
    def _compute_preview(self):
        Return = self.env["collections.payment.return"]
        self.problem = False
        self.is_parameter_missing = False
        self.lock_message = False
        self.first_free_date = False
        self.preview_data = False
        for wizard in self:
            payments = wizard._get_payments()
            journals = wizard._get_journals()
            error = Return._find_problem(payments, journals, wizard.charge_fee)
            if error:
                wizard.problem = str(error)
                wizard.is_parameter_missing = hasattr(error, "context")
                continue
            if not wizard.date or not payments:
                continue
            wizard.lock_message = Return._find_date_problem(
                payments, journals, wizard.date
            )
            if wizard.lock_message:
                wizard.first_free_date = wizard._get_first_free_date()
            matches = payments._get_receivable_partials()
            vals_list = [
                Return._prepare_move_vals(
                    payment,
                    partials,
                    journals[payment],
                    wizard.date,
                    wizard.reason_id,
                    wizard.comment,
                )
                for payment, (partials, _lines) in matches.items()
            ]
            vals_list = [vals for vals in vals_list if vals]
            if vals_list:
                wizard.preview_data = json.dumps(wizard._get_preview(vals_list))

    def _get_payments(self):
        """Return the payments; in a form they stand there as new records."""
        payments = self.payment_ids._origin
        payments._fetch_matches()
        return payments

    def _get_journals(self):
        """Return the journal of each payment: the one chosen, else its own."""
        Return = self.env["collections.payment.return"]
        return {
            payment: self.journal_id or Return._get_journal(payment)
            for payment in self._get_payments()
        }

    def _get_first_free_date(self):
        """Return the first day on which all of the payments can be returned."""
        Return = self.env["collections.payment.return"]
        payments = self._get_payments()
        places = Return._get_places(payments, self._get_journals())
        date = max([self.date, *payments.mapped("date")])
        return Return._get_common_free_date(places, date)

    def _get_opens(self):
        """Return what opens again, for the preview widget of accounting.

        :rtype: dict
        """
        Return = self.env["collections.payment.return"]
        payments = self._get_payments()
        groups = []
        shown = payments[:PREVIEW_PAYMENTS]
        for payment, matches in shown._get_receivable_partials().items():
            lines = Return._prepare_lines_vals(*matches)
            groups.append(
                {
                    "group_name": ", ".join(
                        [
                            payment.display_name,
                            format_date(self.env, payment.date),
                            payment.partner_id.name or self.env._("No customer"),
                            format_amount(
                                self.env, payment.amount, payment.currency_id
                            ),
                        ]
                    ),
                    "items_vals": [(0, 0, self._get_opens_item(vals)) for vals in lines]
                    or [(0, 0, {"name": self.env._("It paid nothing yet.")})],
                }
            )
        columns = [
            {"field": "name", "label": self.env._("Document")},
            {"field": "date_maturity", "label": self.env._("Due Date")},
        ]
        items = [item for group in groups for _c, _i, item in group["items_vals"]]
        if any(item.get("discount") for item in items):
            columns.append(
                self._get_amount_column("discount", self.env._("Cash Discount Back"))
            )
        columns.append(self._get_amount_column("amount", self.env._("Opens Again")))
        discarded = len(payments) - PREVIEW_PAYMENTS
        return {
            "groups_vals": groups,
            "options": {
                "columns": columns,
                "discarded_number": self.env._("%(count)s payments", count=discarded)
                if discarded > 0
                else False,
            },
        }

    def _get_opens_item(self, vals):
        currency = self.env["res.currency"].browse(vals["currency_id"])
        discount = vals["cash_discount_amount"]
        return {
            "name": vals["name"],
            "date_maturity": format_date(self.env, vals["date_maturity"]),
            "discount": format_amount(self.env, discount, currency) if discount else "",
            "amount": format_amount(self.env, vals["amount"] + discount, currency),
        }

    # === ACTION METHODS === #

    @api.model
    def _open(self, payments):
        """Open the wizard on those of the payments that can be returned.

        :param payments: the `account.payment`
        :return: a window action
        :rtype: dict
        :raise UserError: when none of them can; says why
        """
        self.env["collections.posting"]._check_manager()
        payments._check_matched_companies()
        problems = payments._find_return_problems()
        fit = payments.filtered(lambda payment: not problems[payment])
        texts = [problem for problem in problems.values() if problem]
        if not fit:
            raise UserError(
                "\n".join(texts[:10])
                or self.env._("Select first which payments the bank returned.")
            )
        # What the screen before had as defaults is not meant for this one.
        env = self.env(context=clean_context(self.env.context))
        skipped = self.env._("Left out: %(reasons)s", reasons=" ".join(texts[:10]))
        wizard = self.with_env(env).create(
            {
                "payment_ids": [Command.set(fit.ids)],
                "skipped_message": skipped if texts else False,
            }
        )
        return wizard._get_wizard_action()

    def _get_wizard_action(self):
        return self._get_records_action(
            name=self.env._("Return Payment"), target="new", context={}
        )

    def action_process(self):
        """Record that the bank returned the payments.

        The matching on the customer's side is undone, an entry takes the payments
        back, and the fee is invoiced when wanted. What was matched with the bank stays
        matched.

        :return: a window action on the returns, which are in `return_ids`
        :rtype: dict
        :raise AccessError: when the user is not a collections manager
        :raise UserError: nothing selected, no posted customer payment of a bank,
            returned before, journal or fee missing, locked date
        """
        self.env["collections.posting"]._check_one(self)
        if self.return_ids:
            raise UserError(self.env._("These payments are returned already."))
        if not self.payment_ids:
            raise UserError(
                self.env._("Select first which payments the bank returned.")
            )
        if not self.date:
            raise UserError(self.env._("Enter the day the bank returned them."))
        self.return_ids = self.env["collections.payment.return"]._return_payments(
            self.payment_ids,
            self.date,
            journal=self.journal_id,
            reason=self.reason_id,
            comment=self.comment or "",
            charge_fee=self.charge_fee,
        )
        return self.return_ids._get_records_action(
            name=self.env._("Returned Payments"), context={"create": False}
        )

    def action_use_first_free_date(self):
        """Book on the first day on which that is possible."""
        self.env["collections.posting"]._check_one(self)
        self.check_access("write")
        if self.first_free_date:
            self.date = self.first_free_date
        return self._get_wizard_action()

    def action_open_parameters(self):
        """Open the collections parameters of the company."""
        self.env["collections.posting"]._check_one(self)
        self.check_access("read")
        return self.company_ids[:1]._get_collections_parameters_action()
