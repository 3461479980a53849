from collections import defaultdict
from math import inf

from odoo import api, fields, models
from odoo.exceptions import UserError

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
        compute="_compute_cash_discount",
        help="The last day of the discount that ends first.",
    )
    cash_discount_available = fields.Monetary(compute="_compute_cash_discount")
    cash_discount_taken = fields.Monetary(compute="_compute_cash_discount")
    cash_discount_to_take = fields.Monetary(
        compute="_compute_cash_discount",
        help="What this payment deducts, booked as an entry of its own.",
    )
    cash_discount_lock_message = fields.Char(compute="_compute_cash_discount")
    has_cash_discount = fields.Boolean(compute="_compute_cash_discount")

    # === CRUD METHODS === #

    @api.model
    def default_get(self, fields_list):
        # EXTENDS base: only managers decide on discounts by hand
        result = super().default_get(fields_list)
        if result.get("cash_discount_choices"):
            self._check_cash_discount_choices(result["cash_discount_choices"])
        return result

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            if vals.get("cash_discount_choices"):
                self._check_cash_discount_choices(vals["cash_discount_choices"])
        return super().create(vals_list)

    def write(self, vals):
        if vals.get("cash_discount_choices"):
            self._check_cash_discount_choices(vals["cash_discount_choices"])
        return super().write(vals)

    @api.model
    def _check_cash_discount_choices(self, choices):
        """Refuse what does not come from the settlement screen of a manager.

        :param choices: by id of the item: `use`, and `amount` and `discount` when they
            were entered by hand
        :raise AccessError: when the user is not a collections manager
        :raise UserError: when it is something else
        """
        self.env["collections.posting"]._check_manager()
        uses = self._fields["use_cash_discount"].get_values(self.env)
        is_known = isinstance(choices, dict) and all(
            str(item_id).isdecimal()
            and isinstance(choice, dict)
            and choice.get("use", "normal") in uses
            and all(
                isinstance(choice.get(name, 0), int | float)
                and 0 <= choice.get(name, 0) < inf
                for name in ("amount", "discount")
            )
            for item_id, choice in choices.items()
        )
        if not is_known:
            raise UserError(
                self.env._(
                    "The discount choices are not valid. Open the settlement screen "
                    "again."
                )
            )

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
                    choice.get("use", "normal")
                    for choice in wizard.cash_discount_choices.values()
                }
            wizard.use_cash_discount = choices.pop() if len(choices) == 1 else False

    @api.depends(
        "amount",
        "currency_id",
        "group_payment",
        "installments_mode",
        "line_ids",
        "payment_date",
        "payment_difference_handling",
        "use_cash_discount",
        "writeoff_account_id",
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
            settlement = wizard._with_choices(groups=wizard._get_groups()).env[
                "collections.settlement"
            ]
            quotes = settlement._get_quotes(lines, wizard.payment_date)
            dates = [quote["date"] for quote in quotes.values() if quote["date"]]
            wizard.has_cash_discount = True
            wizard.cash_discount_date = min(dates, default=False)
            credit = wizard._get_planned_credit(wizard.amount)
            for name in ("available", "taken"):
                wizard[f"cash_discount_{name}"] = sum(
                    settlement._convert_money(credit, quote[name], line, to_item=False)
                    for line, quote in quotes.items()
                )
            wizard.cash_discount_to_take = wizard._get_deducted()[0]
            if wizard.cash_discount_to_take:
                wizard.cash_discount_lock_message = wizard._find_cash_discount_lock()

    @api.depends("group_payment", "use_cash_discount")
    def _compute_amount(self):
        # EXTENDS account: the choice changes what is to be paid, and so does a credit
        # note that is matched with the same payment
        return super()._compute_amount()

    @api.depends("group_payment", "use_cash_discount")
    def _compute_early_payment_discount_mode(self):
        # EXTENDS account
        return super()._compute_early_payment_discount_mode()

    @api.depends(
        "group_payment",
        "payment_difference_handling",
        "use_cash_discount",
        "writeoff_account_id",
    )
    def _compute_payment_difference(self):
        # EXTENDS account: what stays open is less by what is deducted and booked
        result = super()._compute_payment_difference()
        for wizard in self:
            if not wizard._is_settled_by_us() or wizard.early_payment_discount_mode:
                continue
            discount, difference = wizard._get_deducted()
            wizard.payment_difference = wizard.currency_id.round(
                wizard.payment_difference - discount - difference
            )
        return result

    # === BUSINESS METHODS === #

    def _get_cash_discount_lines(self):
        """Return the items whose discount is not core's."""
        CashDiscount = self._with_choices().env["collections.cash.discount"]
        by_hand = self._get_decided("discount")
        return self.line_ids._origin.filtered(
            lambda line: (
                (line.id in by_hand or CashDiscount._replaces_core(line))
                and not line.currency_id.is_zero(line.amount_residual_currency)
            )
        )

    def _get_choices(self):
        """Return what was chosen here and on the settlement screen.

        :rtype: odoo.addons.credit_collections.models.collections_cash_discount.Choices
        """
        self.ensure_one()
        decided = self._get_decided("use")
        uses = {
            line.id: self.use_cash_discount or decided.get(line.id)
            for line in self.line_ids._origin
        }
        return Choices(uses=uses, date=self.payment_date, has_own_discount=True)

    def _get_decided(self, name):
        """Return what was decided on the settlement screen, by id of the item.

        Another choice for the payment overrules it.

        :param str name: `use`, `amount` or `discount`
        """
        return {
            int(item_id): choice[name]
            for item_id, choice in (self.cash_discount_choices or {}).items()
            if name in choice
            and self.use_cash_discount in (False, choice.get("use", "normal"))
        }

    def _get_payment_choices(self):
        """Return the choices with the amounts that the payment is matched with.

        Amounts decided on the settlement screen hold as long as the payment is what
        they add up to.

        :rtype: odoo.addons.credit_collections.models.collections_cash_discount.Choices
        """
        choices = self._get_choices()
        is_marked_as_paid = self.payment_difference_handling == "reconcile"
        if is_marked_as_paid and self.writeoff_is_exchange_account:
            # All of the invoice is paid, at another rate.
            choices.uses = dict.fromkeys(self.line_ids._origin.ids, "never")
            return choices
        # The rest of the invoice is part of the payment then.
        choices.shrinks = is_marked_as_paid
        if len(self.line_ids.move_id) < len(self.line_ids):
            # The instalments that are not due yet are matched as well.
            due = self._get_total_amounts_to_pay(self.batches)["lines"]
            choices.first = frozenset(due.ids)
        amounts = self._get_decided("amount")
        lines = self.line_ids._origin
        if not amounts or is_marked_as_paid or set(lines.ids) - set(amounts):
            return choices
        total = self._get_decided_total(lines, amounts)
        if self.can_edit_wizard and self.currency_id.compare_amounts(
            self.amount, total
        ):
            return choices
        choices.amounts = amounts
        choices.discounts = self._get_decided("discount")
        choices.only_these = True
        return choices

    def _get_decided_total(self, lines, amounts):
        """Return what was decided of items together, in the payment's currency.

        :param lines: `account.move.line`
        :param dict amounts: what was decided of each, by its id, without a sign
        """
        return abs(
            sum(
                self._to_payment_currency(amounts[line.id], line)
                * (-1 if line.amount_residual_currency < 0 else 1)
                for line in lines
            )
        )

    def _with_choices(self, choices=None, groups=()):
        """Return the wizard in an environment that knows what was chosen.

        :param Choices choices: instead of `_get_choices`
        :param groups: the items that payments are proposed for, see `_get_groups`
        """
        self.ensure_one()
        choices = choices or self._get_choices()
        choices.closed = self._get_closed(choices, groups)
        return self.with_context(**{CHOICES_KEY: choices})

    def _get_closed(self, choices, groups):
        """Return what items that are paid together close of one another.

        :param Choices choices: what was chosen
        :param groups: see `_get_groups`
        :return: amounts in the currency of the item and positive, by its id
        :rtype: dict
        """
        settlement = self.env["collections.settlement"].with_context(
            **{CHOICES_KEY: choices}
        )
        closed = defaultdict(float)
        for lines in groups:
            if len({line.amount_residual_currency < 0 for line in lines}) < 2:
                continue
            if not any(settlement._is_wanted(line) for line in lines):
                continue
            sign = self._get_sign(lines)
            items, credits = settlement._get_items_and_credits(
                lines.with_env(settlement.env), sign
            )
            # Other payments earn discounts themselves.
            credits = [credit for credit in credits if not credit.earns]
            if credits:
                for part in settlement._allocate_credits(items, sign, credits):
                    closed[part.item.id] += part.amount
                    closed[part.credit.line.id] += part.used
        return closed

    def _get_groups(self, batches=None):
        """Return the items that each payment is made for and matched with.

        :param list batches: of core, all of the wizard when None
        :return: list of `account.move.line`
        """
        batches = self.batches if batches is None else batches
        groups = [batch["lines"] for batch in batches]
        if self.group_payment:
            return groups
        return [own for lines in groups for own in lines.grouped("move_id").values()]

    @api.model
    def _get_sign(self, lines):
        """Return 1 when the balance of lines is paid by the customer, otherwise -1."""
        return -1 if sum(lines.mapped("amount_residual")) < 0 else 1

    def _to_payment_currency(self, amount, line):
        """Return what a payment has to be for an amount of a line, as core matches."""
        return self.env["collections.settlement"]._convert_money(
            self._get_planned_credit(amount), amount, line, to_item=False
        )

    def _is_settled_by_us(self):
        """Tell whether matching the payment can book a discount or a difference."""
        if not self.payment_date or not self.currency_id:
            return False
        settlement = self._with_choices().env["collections.settlement"]
        by_hand = self._get_decided("discount")
        return any(
            line.id in by_hand or settlement._is_concerned(line)
            for line in self.line_ids._origin
            if line.parent_state == "posted"
        )

    def _get_deducted(self):
        """Return the discount of the payment, and the difference booked with it.

        :return: amounts in the currency of the payment; the difference is positive
            when too little is paid
        :rtype: tuple[float, float]
        """
        settlement = self._with_choices(self._get_payment_choices()).env[
            "collections.settlement"
        ]
        is_edited = self._is_edited()
        allocations = []
        for lines in self._get_groups():
            amount = self.amount if is_edited else self._get_discounted_amount(lines)
            payment = self._get_planned_credit(amount)
            sign = self._get_sign(lines)
            items, credits = settlement._get_items_and_credits(
                lines.with_env(settlement.env), sign
            )
            allocations += [
                allocation
                for allocation in settlement._allocate_credits(
                    items, sign, [*credits, payment]
                )
                if allocation.credit is payment
            ]
        discount = difference = 0.0
        for allocation in allocations:
            discount += settlement._convert_money(
                allocation.credit, allocation.discount, allocation.item, to_item=False
            )
            shortage = settlement._convert_money(
                allocation.credit, allocation.shortage, allocation.item, to_item=False
            )
            difference += shortage - allocation.excess
        return discount, difference

    def _is_edited(self):
        """Tell whether there is one payment, of the amount shown on the screen."""
        return self.can_edit_wizard and (self.group_payment or len(self.line_ids) == 1)

    def _get_planned_credit(self, amount):
        """Return the payment that will be made, for the engine.

        :param float amount: in the currency of the payment
        :rtype: odoo.addons.credit_collections.models.collections_settlement.Credit
        """
        return Credit(
            None, amount, self.currency_id, self.company_id, self.payment_date
        )

    def _get_discounted_amount(self, lines):
        """Return what closes items less their discounts, in the payment's currency."""
        wizard = self._with_choices(groups=[lines])
        amounts = wizard._get_amounts_to_settle(lines.with_env(wizard.env))
        return abs(
            sum(
                self._to_payment_currency(amount, line)
                for line, amount in amounts.items()
            )
        )

    def _find_cash_discount_lock(self):
        """Return on which day discounts are booked when that of the payment is locked.

        :rtype: str | bool
        """
        free = self.env["collections.settlement"]._find_later_date(
            self.company_id,
            self.payment_date,
            bool(self.line_ids.move_id.line_ids.tax_ids),
        )
        return free and self.env._(
            "The date of the payment is locked in %(journal)s. The cash discount is "
            "booked on %(date)s.",
            journal=self.company_id.collections_settlement_journal_id.display_name,
            date=fields.Date.to_string(free),
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
            AccountPaymentRegister,
            self._with_choices(groups=self._get_groups(batch_results)),
        )._get_total_amounts_to_pay(batch_results)
        if self.cash_discount_choices:
            # What was marked on the settlement screen is paid, be it due or not.
            result.update(
                amount_by_default=result["full_amount"],
                amount_for_difference=result["full_amount_for_difference"],
                lines=result["lines"].union(
                    *(batch["lines"] for batch in batch_results)
                ),
            )
        # What was decided there is what is proposed.
        amounts = self._get_decided("amount")
        if amounts and set(result["lines"].ids) <= set(amounts):
            result["epd_applied"] = False
            result["amount_by_default"] = self._get_decided_total(
                result["lines"], amounts
            )
        return result

    def _create_payment_vals_from_wizard(self, batch_result):
        # EXTENDS account: discounts that are not core's are no lines of the payment
        wizard = self._with_choices()
        return super(AccountPaymentRegister, wizard)._create_payment_vals_from_wizard(
            wizard._get_batch_with_choices(batch_result)
        )

    def _create_payment_vals_from_batch(self, batch_result):
        # EXTENDS account, where a discount is never in another currency than the wizard
        wizard = self._with_choices(groups=[batch_result["lines"]])
        batch_result = wizard._get_batch_with_choices(batch_result)
        vals = super(AccountPaymentRegister, wizard)._create_payment_vals_from_batch(
            batch_result
        )
        lines = batch_result["lines"]
        CashDiscount = wizard.env["collections.cash.discount"]
        decided = wizard._get_decided("amount")
        if any(
            line.id in decided or CashDiscount._replaces_core(line) for line in lines
        ):
            amounts = wizard._get_amounts_to_settle(lines)
            vals["amount"] = abs(lines[0].currency_id.round(sum(amounts.values())))
        return vals

    def _get_amounts_to_settle(self, lines):
        """Return what closes items less their discounts, or what was decided of them.

        :param lines: `account.move.line` in an environment that knows the choices
        :return: amounts in the currency of each item, with the sign of what is open
        :rtype: dict
        """
        CashDiscount = self.env["collections.cash.discount"]
        decided = self._get_decided("amount")
        quotes = CashDiscount._get_quotes(lines, self.payment_date)
        amounts = {}
        for line, quote in quotes.items():
            sign = -1 if line.amount_residual_currency < 0 else 1
            amounts[line] = line.amount_residual_currency
            if line.id in decided:
                amounts[line] = sign * decided[line.id]
            elif CashDiscount._replaces_core(line):
                amounts[line] = quote["amount_to_settle"]
            elif line.move_id._is_eligible_for_early_payment_discount(
                line.currency_id, self.payment_date
            ):
                amounts[line] = line.discount_amount_currency
        return amounts

    def _get_batch_with_choices(self, batch_result):
        return {**batch_result, "lines": batch_result["lines"].with_env(self.env)}

    def _create_payments(self):
        # EXTENDS account: programs may send what the settlement screen refuses
        settlement = self.env["collections.settlement"]
        decided = [self._get_decided(name) for name in ("amount", "discount")]
        if self._is_edited() and not self._get_payment_choices().amounts:
            decided = []  # the amount was changed here
        by_hand = {item_id for by_item in decided for item_id in by_item}
        for line in self.line_ids.filtered(lambda line: line.id in by_hand):
            sign = -1 if line.amount_residual_currency < 0 else 1
            part = [sign * by_item.get(line.id, 0.0) for by_item in decided]
            if not settlement._is_part(line, *part):
                raise settlement._get_part_error(line, *part)
        return super()._create_payments()

    def _reconcile_payments(self, to_process, edit_mode=False):
        # EXTENDS account: the choices hold for these payments and are not kept
        choices = self._get_payment_choices()
        for vals in to_process:
            if not vals["payment"].move_id:
                self._keep_choices(vals["to_reconcile"], choices)
            vals["payment"] = vals["payment"].with_context(**{CHOICES_KEY: choices})
        return super()._reconcile_payments(to_process, edit_mode=edit_mode)
