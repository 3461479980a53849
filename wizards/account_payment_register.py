from odoo import api, fields, models

from ..models.collections_cash_discount import CHOICES_KEY, Choices
from ..models.collections_settlement import Credit


class AccountPaymentRegister(models.TransientModel):
    _inherit = "account.payment.register"

    use_cash_discount = fields.Selection(
        selection=[("normal", "Normal"), ("always", "Always"), ("never", "Never")],
        compute="_compute_use_cash_discount",
        store=True,
        readonly=False,
        help="Whether this payment earns cash discounts: by the discount date and the "
        "parameters of the company, always, or never. Empty when the items differ.",
    )
    # What was chosen on the settlement screen, by id of the item.
    cash_discount_choices = fields.Json(readonly=True)
    cash_discount_date = fields.Date(
        compute="_compute_cash_discount", help="The first day a discount is over."
    )
    cash_discount_available = fields.Monetary(compute="_compute_cash_discount")
    cash_discount_taken = fields.Monetary(compute="_compute_cash_discount")
    cash_discount_to_take = fields.Monetary(
        compute="_compute_cash_discount",
        help="What this payment deducts, booked as an entry of its own.",
    )
    cash_discount_lock_message = fields.Char(compute="_compute_cash_discount")
    has_cash_discount = fields.Boolean(compute="_compute_cash_discount")

    # === COMPUTE METHODS === #

    @api.depends("cash_discount_choices", "line_ids")
    def _compute_use_cash_discount(self):
        for wizard in self:
            choices = {
                line.use_cash_discount or "normal"
                for line in wizard.line_ids
                if line.discount_date
            }
            if wizard.cash_discount_choices:
                choices = {
                    choice["use"] for choice in wizard.cash_discount_choices.values()
                }
            wizard.use_cash_discount = choices.pop() if len(choices) == 1 else False

    @api.depends(
        "amount",
        "currency_id",
        "group_payment",
        "line_ids",
        "payment_date",
        "use_cash_discount",
    )
    def _compute_cash_discount(self):
        self.has_cash_discount = False
        self.cash_discount_date = False
        self.cash_discount_available = 0.0
        self.cash_discount_taken = 0.0
        self.cash_discount_to_take = 0.0
        self.cash_discount_lock_message = False
        for wizard in self:
            lines = wizard._get_cash_discount_lines()
            if not lines or not wizard.payment_date or not wizard.currency_id:
                continue
            settlement = wizard._with_choices().env["collections.settlement"]
            quotes = settlement._get_quotes(lines, wizard.payment_date)
            dates = [quote["date"] for quote in quotes.values() if quote["date"]]
            wizard.has_cash_discount = True
            wizard.cash_discount_date = min(dates, default=False)
            for name in ("available", "taken"):
                wizard[f"cash_discount_{name}"] = sum(
                    wizard._to_payment_currency(quote[name], line)
                    for line, quote in quotes.items()
                )
            wizard.cash_discount_to_take = wizard._get_cash_discount_to_take()
            if wizard.cash_discount_to_take:
                wizard.cash_discount_lock_message = wizard._find_cash_discount_lock()

    @api.depends("use_cash_discount")
    def _compute_amount(self):
        # EXTENDS account: the choice changes what is to be paid
        return super()._compute_amount()

    @api.depends("use_cash_discount")
    def _compute_early_payment_discount_mode(self):
        # EXTENDS account
        return super()._compute_early_payment_discount_mode()

    @api.depends("use_cash_discount", "cash_discount_to_take")
    def _compute_payment_difference(self):
        # EXTENDS account: what stays open is less by the discount of this payment
        result = super()._compute_payment_difference()
        for wizard in self:
            if wizard.cash_discount_to_take and not wizard.early_payment_discount_mode:
                wizard.payment_difference = wizard.currency_id.round(
                    wizard.payment_difference - wizard.cash_discount_to_take
                )
        return result

    # === BUSINESS METHODS === #

    def _get_cash_discount_lines(self):
        """Return the items whose discount is not core's."""
        CashDiscount = self._with_choices().env["collections.cash.discount"]
        return self.line_ids._origin.filtered(
            lambda line: (
                CashDiscount._replaces_core(line)
                and not line.currency_id.is_zero(line.amount_residual_currency)
            )
        )

    def _get_choices(self):
        """Return what was chosen here and on the settlement screen.

        :rtype: odoo.addons.credit_collections.models.collections_cash_discount.Choices
        """
        self.ensure_one()
        uses, amounts, discounts = {}, {}, {}
        for line in self.line_ids._origin:
            chosen = (self.cash_discount_choices or {}).get(str(line.id), {})
            use = self.use_cash_discount or chosen.get("use")
            if use:
                uses[line.id] = use
            if use == chosen.get("use") and "amount" in chosen:
                amounts[line.id] = chosen["amount"]
            if use == chosen.get("use") and "discount" in chosen:
                discounts[line.id] = chosen["discount"]
        return Choices(
            uses=uses,
            date=self.payment_date,
            amounts=amounts,
            discounts=discounts,
            only_these=bool(amounts),
            has_own_discount=True,
        )

    def _with_choices(self):
        """Return the wizard in an environment that knows what was chosen."""
        self.ensure_one()
        return self.with_context(**{CHOICES_KEY: self._get_choices()})

    def _to_payment_currency(self, amount, line):
        return line.currency_id._convert(
            amount, self.currency_id, self.company_id, self.payment_date
        )

    def _get_cash_discount_to_take(self):
        """Return what the payment deducts, in its currency."""
        settlement = self._with_choices().env["collections.settlement"]
        lines = self.line_ids._origin.filtered(
            lambda line: not line.currency_id.is_zero(line.amount_residual_currency)
        )
        sign = -1 if lines[0].amount_residual_currency < 0 else 1
        if self.can_edit_wizard and (len(lines) == 1 or self.group_payment):
            payments = [(lines, self.amount)]
        else:
            payments = [
                (own, self._get_discounted_amount(own))
                for own in lines.grouped("move_id").values()
            ]
        allocations = []
        for items, amount in payments:
            credit = Credit(
                None, amount, self.currency_id, self.company_id, self.payment_date
            )
            allocations += settlement._allocate_credits(items, sign, [credit])
        return sum(
            self._to_payment_currency(allocation.discount, allocation.item)
            for allocation in allocations
        )

    def _get_discounted_amount(self, lines):
        """Return what closes items less their discounts, in the payment's currency."""
        CashDiscount = self._with_choices().env["collections.cash.discount"]
        quotes = CashDiscount._get_quotes(lines, self.payment_date)
        return sum(
            abs(self._to_payment_currency(quote["amount_to_settle"], line))
            for line, quote in quotes.items()
        )

    def _find_cash_discount_lock(self):
        """Return on which day discounts are booked when that of the payment is locked.

        :rtype: str | bool
        """
        company = self.company_id
        journal = company.collections_settlement_journal_id
        has_tax = bool(self.line_ids.move_id.line_ids.tax_ids)
        settlement = self.env["collections.settlement"]
        where = (company, journal, self.payment_date, has_tax)
        if not journal or not settlement._find_lock_problem(*where):
            return False
        return self.env._(
            "The date of the payment is locked in %(journal)s. The cash discount is "
            "booked on %(date)s.",
            journal=journal.display_name,
            date=fields.Date.to_string(settlement._get_first_free_date(*where)),
        )

    def _keep_choices(self, lines, choices):
        """Leave choices on the items for the bank statement that pays them later.

        A payment without an entry of its own settles nothing yet.
        """
        for line in lines:
            use = choices.uses.get(line.id)
            if use and line.discount_date and use != line.use_cash_discount:
                line.use_cash_discount = use

    # === EXTENSIONS === #

    def _get_total_amounts_to_pay(self, batch_results):
        # EXTENDS account: with the discounts chosen
        result = super(
            AccountPaymentRegister, self._with_choices()
        )._get_total_amounts_to_pay(batch_results)
        # What was decided on the settlement screen is what is proposed.
        amounts = self._get_choices().amounts
        if amounts and set(result["lines"].ids) <= set(amounts):
            result["epd_applied"] = False
            result["amount_by_default"] = sum(
                self._to_payment_currency(amounts[line.id], line)
                for line in result["lines"]
            )
        return result

    def _create_payment_vals_from_wizard(self, batch_result):
        # EXTENDS account: discounts that are not core's are no lines of the payment
        wizard = self._with_choices()
        return super(AccountPaymentRegister, wizard)._create_payment_vals_from_wizard(
            wizard._get_batch_with_choices(batch_result)
        )

    def _create_payment_vals_from_batch(self, batch_result):
        # EXTENDS account
        wizard = self._with_choices()
        return super(AccountPaymentRegister, wizard)._create_payment_vals_from_batch(
            wizard._get_batch_with_choices(batch_result)
        )

    def _get_batch_with_choices(self, batch_result):
        return {**batch_result, "lines": batch_result["lines"].with_env(self.env)}

    def _reconcile_payments(self, to_process, edit_mode=False):
        # EXTENDS account: the choices hold for these payments and are not kept
        choices = self._get_choices()
        # The rest of the invoice is part of the payment when it is marked as paid.
        choices.shrinks = self.payment_difference_handling == "reconcile"
        for vals in to_process:
            if not vals["payment"].move_id:
                self._keep_choices(vals["to_reconcile"], choices)
            vals["payment"] = vals["payment"].with_context(**{CHOICES_KEY: choices})
        return super()._reconcile_payments(to_process, edit_mode=edit_mode)
