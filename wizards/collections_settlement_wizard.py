from odoo import Command, api, fields, models
from odoo.exceptions import UserError
from odoo.tools import clean_context

from ..models.collections_cash_discount import CHOICES_KEY, Choices

MODELS = ("account.move", "account.move.line", "account.payment", "res.partner")
# What was entered by hand, and where it is kept until the line is marked anew.
ENTRIES = {
    "amount_to_settle": ("has_amount_entered", "amount_entered"),
    "cash_discount_to_take": ("has_discount_entered", "discount_entered"),
}


class CollectionsSettlementWizard(models.TransientModel):
    """Match open items of a customer and see the discounts before they are booked.

    Nothing is stored until Settle. The choices made here hold for this settlement.
    """

    _name = "collections.settlement.wizard"
    _description = "Settle Open Items"

    company_id = fields.Many2one(
        comodel_name="res.company", default=lambda self: self.env.company
    )
    date = fields.Date(
        default=fields.Date.context_today,
        help="The selected date. While no payment is marked, also the date of the "
        "payment that will be made.",
    )
    discount_date_basis = fields.Selection(
        selection=[
            ("payment_date", "Date of the payment"),
            ("selected", "Selected date"),
        ],
        string="Discounts by",
        default="payment_date",
        required=True,
        help="The day that decides which discount period is in force.",
    )
    line_ids = fields.One2many(
        comodel_name="collections.settlement.wizard.line",
        inverse_name="wizard_id",
        string="Items",
    )

    partner_name = fields.Char(string="Customer", compute="_compute_partner_name")
    currency_id = fields.Many2one(
        comodel_name="res.currency", compute="_compute_totals"
    )
    debit_total = fields.Monetary(
        string="Marked Invoices",
        compute="_compute_totals",
        help="What is open of the invoices that are marked.",
    )
    discount_total = fields.Monetary(string="Discount", compute="_compute_totals")
    credit_total = fields.Monetary(
        string="Marked Payments and Credits", compute="_compute_totals"
    )
    booked_total = fields.Monetary(
        string="Difference Booked",
        compute="_compute_totals",
        help="Paid too little, or too much when negative, within the tolerances of the "
        "company.",
    )
    difference = fields.Monetary(
        string="Stays Open",
        compute="_compute_totals",
        help="Positive on invoices, negative on payments and credits.",
    )
    amount_to_pay = fields.Monetary(
        string="To Pay",
        compute="_compute_totals",
        help="The payment that settles the marked invoices.",
    )
    has_debits = fields.Boolean(compute="_compute_totals")
    has_credits = fields.Boolean(compute="_compute_totals")
    lock_message = fields.Char(compute="_compute_lock_message")

    # === DEFAULT METHODS === #

    @api.model
    def default_get(self, fields_list):
        # EXTENDS base: proposes all open items of the customer
        result = super().default_get(fields_list)
        if "line_ids" in fields_list and self.env.context.get("active_model") in MODELS:
            marked = self._get_marked_items()
            items = self._get_open_items(marked)
            result["line_ids"] = [
                Command.create({"move_line_id": item.id, "marked": item in marked})
                for item in items
            ]
        return result

    @api.model
    def _get_records(self):
        context = self.env.context
        ids = context.get("active_ids") or [context.get("active_id")]
        records = self.env[context["active_model"]].browse(filter(None, ids)).exists()
        if not records:
            raise UserError(
                self.env._("Select first whose items to settle: nothing is selected.")
            )
        return records

    @api.model
    def _get_marked_items(self):
        """Return the open items among the records that the wizard is opened on."""
        records = self._get_records()
        if records._name == "res.partner":
            return self.env["account.move.line"]
        items = records
        if records._name == "account.payment":
            items = records.move_id.line_ids
        elif records._name == "account.move":
            items = records.line_ids
        return items.filtered(
            lambda item: (
                item.account_type == "asset_receivable"
                and item.parent_state == "posted"
                and not item.reconciled
            )
        )

    @api.model
    def _get_open_items(self, marked):
        """Return the open items of the customers: invoices first, the oldest first.

        :param marked: the items that are proposed, which are part of them
        :raise UserError: when nothing is open, or the records have several owners
        """
        records = self._get_records()
        partners = marked.partner_id.commercial_partner_id
        if records._name == "res.partner":
            partners = records.commercial_partner_id
        elif records._name in ("account.move", "account.payment"):
            partners |= records.partner_id.commercial_partner_id
        company = marked.company_id[:1] or self.env.company
        companies = self.env.companies.filtered(
            lambda other: other.root_id == company.root_id
        )
        if len(marked.company_id.root_id) > 1:
            raise UserError(
                self.env._("The items belong to several companies. Settle each apart.")
            )
        items = marked | self.env["account.move.line"].search(
            [
                ("account_type", "=", "asset_receivable"),
                ("parent_state", "=", "posted"),
                ("reconciled", "=", False),
                # A subsidiary below is a customer of its own.
                ("partner_id.commercial_partner_id", "in", partners.ids),
                ("company_id", "in", companies.ids),
            ]
        )
        if not items:
            raise UserError(
                self.env._(
                    "Nothing is open any more on %(records)s.",
                    records=", ".join(records[:10].mapped("display_name")),
                )
            )
        return items.sorted(
            lambda item: (
                item.amount_residual_currency < 0,
                item.invoice_date or item.date,
                item.id,
            )
        )

    # === COMPUTE METHODS === #

    @api.depends("line_ids.move_line_id")
    def _compute_partner_name(self):
        for wizard in self:
            partners = wizard.line_ids.move_line_id.partner_id.commercial_partner_id
            wizard.partner_name = self.env["collections.posting"]._join_names(
                partners.mapped("display_name")
            )

    @api.depends("date", "line_ids.amount_to_settle", "line_ids.marked")
    def _compute_totals(self):
        for wizard in self:
            marked = wizard.line_ids.filtered("marked")
            debits = marked.filtered(lambda line: line.amount_residual > 0)
            credits = marked - debits
            currencies = marked.currency_id
            company = wizard.company_id
            wizard.currency_id = (
                currencies if len(currencies) == 1 else company.currency_id
            )

            def total(lines, *names, wizard=wizard):
                """Return what fields add up to, the first one less the others."""
                return wizard.currency_id.round(
                    sum(
                        line.currency_id._convert(
                            line[names[0]] - sum(line[name] for name in names[1:]),
                            wizard.currency_id,
                            wizard.company_id,
                            wizard.date or fields.Date.context_today(wizard),
                        )
                        for line in lines
                    )
                )

            wizard.debit_total = total(debits, "amount_residual")
            wizard.credit_total = total(credits, "amount_residual")
            wizard.discount_total = total(marked, "cash_discount_to_take")
            wizard.amount_to_pay = total(debits, "amount_to_settle")
            wizard.booked_total = total(marked, "difference_to_book")
            # Item by item: where currencies meet, what is won or lost on them is part
            # of the other totals.
            wizard.difference = total(
                marked,
                "amount_residual",
                "amount_to_settle",
                "cash_discount_to_take",
                "difference_to_book",
            )
            wizard.has_debits = bool(debits)
            wizard.has_credits = bool(credits)

    @api.depends("line_ids.cash_discount_to_take", "line_ids.marked")
    def _compute_lock_message(self):
        """Tell beforehand when discounts cannot be dated with the payment."""
        Settlement = self.env["collections.settlement"]
        for wizard in self:
            wizard.lock_message = False
            marked = wizard.line_ids.filtered("marked")
            items = marked.filtered("cash_discount_to_take").move_line_id
            payments = marked.move_line_id._origin.filtered(Settlement._is_payment)
            has_tax = bool(items.move_id.line_ids.tax_ids)
            for date in payments.mapped("date") if items else []:
                free = Settlement._find_later_date(wizard.company_id, date, has_tax)
                if free:
                    wizard.lock_message = self.env._(
                        "%(date)s is locked. The discounts are booked on %(free)s.",
                        date=fields.Date.to_string(date),
                        free=fields.Date.to_string(free),
                    )

    # === ONCHANGE METHODS === #

    @api.onchange("date", "discount_date_basis")
    def _onchange_date(self):
        self.line_ids._forget_entries()
        self._refresh()

    @api.onchange("line_ids")
    def _onchange_line_ids(self):
        self._refresh()

    # === CRUD METHODS === #

    @api.model_create_multi
    def create(self, vals_list):
        later = self.with_context(collections_refresh_later=True)
        wizards = super(CollectionsSettlementWizard, later).create(vals_list)
        wizards = wizards.with_env(self.env)
        for wizard, vals in zip(wizards, vals_list, strict=True):
            wizard._mark_credits_of_context()
            wizard._review_entries(vals.get("line_ids") or [])
        return wizards

    def write(self, vals):
        entries = {line: line._get_entries() for line in self.line_ids}
        later = self.with_context(collections_refresh_later=True)
        result = super(CollectionsSettlementWizard, later).write(vals)
        if {"date", "discount_date_basis"} & vals.keys():
            self.line_ids._forget_entries()
        for wizard in self:
            wizard._review_entries(vals.get("line_ids") or [], entries)
        return result

    def _mark_credits_of_context(self):
        """Add the payments that the wizard was opened on to lines given without them.

        Programs may list what a payment pays only.
        """
        if self.env.context.get("active_model") not in MODELS[:3]:
            return
        credits = self._get_marked_items().filtered(
            lambda item: item.amount_residual_currency < 0
        )
        given = self.line_ids.filtered("marked").move_line_id
        if any(item.amount_residual_currency < 0 for item in given):
            return
        for item in credits - self.line_ids.move_line_id:
            self.line_ids = [Command.create({"move_line_id": item.id, "marked": True})]

    def _review_entries(self, commands, entries=None):
        """Tell what was entered by hand from what the screen has worked out.

        The web client sends back all that has changed on the screen. What somebody
        entered there comes with its copy in `ENTRIES`; programs send the amount alone.

        :param list commands: what was written on `line_ids`
        :param dict entries: what was entered by hand before, by line
        """
        entries = entries or {}
        by_item = {line.move_line_id.id: line for line in self.line_ids}
        doubtful = []
        for command in commands:
            if command[0] == Command.UPDATE:
                line = self.line_ids.browse(command[1])
            elif command[0] == Command.CREATE:
                line = by_item.get(command[2].get("move_line_id"))
            else:
                continue
            vals = command[2]
            is_other_choice = bool({"marked", "use_cash_discount"} & vals.keys())
            for name, (flag, entered) in ENTRIES.items():
                if line and name in vals and not {flag, entered} & vals.keys():
                    before = {} if is_other_choice else entries.get(line, {})
                    line._set_quietly(
                        {
                            flag: before.get(flag, False),
                            entered: before.get(entered, 0.0),
                        }
                    )
                    doubtful.append((line, name, vals[name]))
        self._refresh()
        by_hand = True
        while by_hand:
            # What one amount entered changes may show that another one was, too.
            by_hand = [
                (line, name, amount)
                for line, name, amount in doubtful
                if not line[ENTRIES[name][0]]
                and line.currency_id.compare_amounts(line[name], amount)
            ]
            for line, name, amount in by_hand:
                flag, entered = ENTRIES[name]
                line._set_quietly({flag: True, entered: amount})
            if by_hand:
                self._refresh()

    # === WHAT IS SETTLED === #

    def _get_choices(self):
        """Return what was decided on the screen.

        :rtype: odoo.addons.credit_collections.models.collections_cash_discount.Choices
        """
        self.ensure_one()
        lines = self.line_ids
        marked = lines.filtered("marked")
        return Choices(
            uses={
                line.move_line_id._origin.id: line.use_cash_discount or "normal"
                for line in lines
            },
            date=self.date if self.discount_date_basis == "selected" else None,
            amounts={
                line.move_line_id._origin.id: abs(line.amount_entered)
                for line in marked
                if line.has_amount_entered
            },
            discounts={
                line.move_line_id._origin.id: abs(line.discount_entered)
                for line in marked
                if line.has_discount_entered
            },
            only_these=True,
        )

    def _get_settlement(self):
        """Return the model that settles, in an environment that knows the choices."""
        return self.env["collections.settlement"].with_context(
            **{CHOICES_KEY: self._get_choices()}
        )

    def _get_quote_date(self):
        """Return the day that the discounts shown go by."""
        today = self.date or fields.Date.context_today(self)
        if self.discount_date_basis == "selected":
            return today
        settlement = self.env["collections.settlement"]
        payments = self.line_ids.filtered("marked").move_line_id._origin.filtered(
            lambda item: (
                item.amount_residual_currency < 0 and settlement._is_payment(item)
            )
        )
        return min(payments.mapped("date"), default=today)

    def _get_quotes(self):
        """Return the discounts of the items, see `collections.cash.discount`."""
        return self._get_settlement()._get_quotes(
            self.line_ids.move_line_id._origin, self._get_quote_date()
        )

    def _get_results(self, quotes):
        """Return what is settled and deducted of each item, without their signs.

        :param dict quotes: see `_get_quotes`
        :return: amount to settle, discount and booked difference by
            `account.move.line`; what is not marked shows what would close it
        :rtype: dict
        """
        self.ensure_one()
        settlement = self._get_settlement()
        choices = settlement._get_choices()
        marked = self.line_ids.filtered("marked").move_line_id._origin
        results = {
            item: self._get_result_alone(settlement, choices, item, quote)
            for item, quote in quotes.items()
        }
        for own in marked.grouped("account_id").values():
            signs = {item.amount_residual_currency > 0 for item in own}
            if len(signs) < 2:
                continue
            results.update(dict.fromkeys(own, (0.0, 0.0, 0.0)))
            for allocation in settlement._allocate(own):
                item, line = allocation.item, allocation.credit.line
                amount, discount, booked = results[item]
                results[item] = (
                    amount + allocation.amount,
                    discount + allocation.discount,
                    booked + allocation.shortage,
                )
                amount, _discount, booked = results[line]
                results[line] = (
                    amount + allocation.used,
                    0.0,
                    booked + allocation.excess,
                )
        return results

    def _refresh(self):
        """Work out discounts and amounts of all lines from what is decided."""
        for wizard in self:
            quotes = wizard._get_quotes()
            results = wizard._get_results(quotes)
            for line in wizard.line_ids:
                item = line.move_line_id._origin
                line._set_quietly(line._prepare_result(quotes[item], *results[item]))

    def _get_result_alone(self, settlement, choices, item, quote):
        """Return what is settled and deducted of one item that nothing pays yet."""
        residual = abs(item.amount_residual_currency)
        available = abs(quote["available"])
        amount = choices.amounts.get(item.id)
        discount = choices.discounts.get(item.id)
        if discount is None:
            discount = available
            if amount is not None:
                discount = settlement._get_share(
                    item, self._get_quote_date(), available, amount
                )
        if amount is None:
            amount = item.currency_id.round(residual - discount)
        return amount, discount, 0.0

    # === ACTION METHODS === #

    @api.model
    def _open(self, records):
        """Open the wizard on customers, payments, documents or items.

        It is saved first, so that the client loads a page of items at a time.

        :return: a window action
        :raise AccessError: when the user is not a collections manager
        :raise UserError: when nothing is open
        """
        self.env["collections.posting"]._check_manager()
        context = {
            **clean_context(self.env.context),
            "active_model": records._name,
            "active_ids": records.ids,
        }
        wizard = self.with_env(self.env(context=context)).create({})
        return wizard._get_wizard_action()

    def _get_wizard_action(self):
        return self._get_records_action(
            name=self.env._("Settle Open Items"),
            target="new",
            context={"dialog_size": "extra-large"},
        )

    def action_mark_all(self):
        """Mark all items."""
        self.line_ids.marked = True
        return self._get_wizard_action()

    def action_unmark_all(self):
        """Take all marks off."""
        self.line_ids.marked = False
        return self._get_wizard_action()

    def action_settle(self):
        """Match what is marked, with the discounts shown.

        With only invoices marked it opens the payment of them.

        :return: True, or the window action of the payment
        :raise AccessError: when the user is not a collections manager
        :raise UserError: nothing marked, no invoice marked, closed meanwhile, an amount
            that is more than what is open, items on different accounts
        """
        self.env["collections.posting"]._check_one(self)
        self.env["collections.posting"]._check_manager()
        marked = self.line_ids.filtered("marked")
        marked._check_marked()
        items = marked.move_line_id
        signs = {item.amount_residual_currency > 0 for item in items}
        if signs == {True} and not any(
            item.move_id.is_inbound(include_receipts=True) for item in items
        ):
            raise UserError(self.env._("Mark a payment or an invoice as well."))
        if signs == {True}:
            return self._get_payment_action(marked)
        if signs == {False}:
            raise UserError(
                self.env._(
                    "Only payments and credits are marked. Mark the invoices that "
                    "they pay as well."
                )
            )
        self.env["collections.posting"]._lock(items)
        marked._check_marked()
        choices = self._get_choices()
        for account, own in items.grouped("account_id").items():
            if len({item.amount_residual_currency > 0 for item in own}) < 2:
                raise UserError(
                    self.env._(
                        "%(items)s stand on the account %(account)s, where nothing "
                        "else is marked to match them with.",
                        items=self.env["collections.posting"]._join_names(
                            own.mapped("move_id.display_name")
                        ),
                        account=account.display_name,
                    )
                )
            own.with_context(**{CHOICES_KEY: choices}).reconcile()
        return True

    def _get_payment_action(self, marked):
        """Return the action of core's payment wizard, with total and choices.

        :param marked: the lines of the invoices to pay
        """
        # Of what nothing is paid there would be a payment of 0.00.
        marked = marked.filtered("amount_to_settle")
        chosen = {}
        for line in marked:
            choice = {"use": line.use_cash_discount or "normal"}
            if line.has_amount_entered:
                choice["amount"] = line.amount_to_settle
            if line.has_discount_entered:
                choice["discount"] = line.cash_discount_to_take
            chosen[str(line.move_line_id.id)] = choice
        if any(len(choice) > 1 for choice in chosen.values()):
            # One amount decided makes the others decided as well.
            for line in marked:
                chosen[str(line.move_line_id.id)]["amount"] = line.amount_to_settle
        context = {
            **clean_context(self.env.context),
            "active_model": "account.move.line",
            "active_ids": marked.move_line_id.ids,
            "default_payment_date": fields.Date.to_string(self.date),
            "default_cash_discount_choices": chosen,
            "default_group_payment": True,
        }
        wizard = (
            self.env["account.payment.register"]
            .with_env(self.env(context=context))
            .create({})
        )
        return wizard._get_records_action(
            name=self.env._("Register Payment"), target="new", context=context
        )


class CollectionsSettlementWizardLine(models.TransientModel):
    """One open item on the settlement screen."""

    _name = "collections.settlement.wizard.line"
    _description = "Item to Settle"
    _order = "id"

    wizard_id = fields.Many2one(
        comodel_name="collections.settlement.wizard",
        required=True,
        index=True,
        ondelete="cascade",
    )
    move_line_id = fields.Many2one(
        comodel_name="account.move.line",
        string="Item",
        required=True,
        ondelete="cascade",
    )
    marked = fields.Boolean()
    move_id = fields.Many2one(related="move_line_id.move_id", string="Document")
    partner_id = fields.Many2one(related="move_line_id.partner_id")
    invoice_date = fields.Date(compute="_compute_invoice_date", string="Date")
    date_maturity = fields.Date(related="move_line_id.date_maturity")
    currency_id = fields.Many2one(related="move_line_id.currency_id")
    amount_residual = fields.Monetary(
        related="move_line_id.amount_residual_currency", string="Open"
    )
    use_cash_discount = fields.Selection(
        selection=[("normal", "Normal"), ("always", "Always"), ("never", "Never")],
        compute="_compute_use_cash_discount",
        store=True,
        readonly=False,
        precompute=True,
        help="Normal obeys the discount date and the parameters of the company, Always "
        "takes a discount in any case, Never takes none. It holds for this settlement.",
    )
    has_discount_terms = fields.Boolean(compute="_compute_invoice_date")
    # The rest follows from what is marked and chosen, see `_refresh` of the wizard. It
    # is stored, as the client is not told of computed fields of the other lines.
    cash_discount_date = fields.Date(readonly=True)
    cash_discount_amount = fields.Monetary(
        readonly=True,
        help="What the discount period in force gives on what is open.",
    )
    cash_discount_taken = fields.Monetary(readonly=True)
    cash_discount_to_take = fields.Monetary(
        help="What is deducted now. It can be changed by hand.",
    )
    amount_to_settle = fields.Monetary(
        help="What is paid of the item now, without the discount, in its currency and "
        "with the sign of what is open. It can be changed by hand.",
    )
    difference_to_book = fields.Monetary(
        string="Difference",
        readonly=True,
        help="Booked within the tolerances of the company.",
    )
    has_amount_entered = fields.Boolean()
    amount_entered = fields.Float()
    has_discount_entered = fields.Boolean()
    discount_entered = fields.Float()

    # === COMPUTE METHODS === #

    @api.depends("move_line_id")
    def _compute_use_cash_discount(self):
        for line in self:
            line.use_cash_discount = line.move_line_id.use_cash_discount or "normal"

    @api.depends("move_line_id")
    def _compute_invoice_date(self):
        for line in self:
            item = line.move_line_id
            line.invoice_date = item.invoice_date or item.date
            line.has_discount_terms = bool(item.discount_date)

    # === ONCHANGE METHODS === #

    @api.onchange("amount_to_settle")
    def _onchange_amount_to_settle(self):
        self.has_amount_entered = True
        self.amount_entered = self.amount_to_settle

    @api.onchange("cash_discount_to_take")
    def _onchange_cash_discount_to_take(self):
        self.has_discount_entered = True
        self.discount_entered = self.cash_discount_to_take

    @api.onchange("marked", "use_cash_discount")
    def _onchange_choice(self):
        self._forget_entries()

    # === CRUD METHODS === #

    @api.model_create_multi
    def create(self, vals_list):
        lines = super().create([self._prepare_entries(vals) for vals in vals_list])
        if not self.env.context.get("collections_refresh_later"):
            lines.wizard_id._refresh()
        return lines

    def write(self, vals):
        if self.env.context.get("collections_refreshing"):
            return super().write(vals)
        result = super().write(self._prepare_entries(vals))
        if not self.env.context.get("collections_refresh_later"):
            self.wizard_id._refresh()
        return result

    @api.model
    def _prepare_entries(self, vals):
        """Return values with those that say what was entered by hand.

        An amount that is given is entered by hand; another mark or choice makes the
        amounts be proposed anew.

        :param dict vals: values of the line
        """
        vals = dict(vals)
        is_other_choice = bool({"marked", "use_cash_discount"} & vals.keys())
        for name, (flag, entered) in ENTRIES.items():
            if name in vals:
                vals.setdefault(flag, True)
                vals.setdefault(entered, vals[name])
            elif is_other_choice:
                vals.setdefault(flag, False)
        return vals

    # === BUSINESS METHODS === #

    def _get_entries(self):
        """Return what is entered by hand, as values."""
        names = [name for names in ENTRIES.values() for name in names]
        return {name: self[name] for name in names}

    def _set_quietly(self, vals):
        """Set values that nobody has entered, those that differ only."""
        vals = {name: value for name, value in vals.items() if self[name] != value}
        if vals:
            self.with_context(collections_refreshing=True).update(vals)

    def _forget_entries(self):
        """Propose amounts anew instead of those entered by hand."""
        for line in self:
            line._set_quietly(
                {"has_amount_entered": False, "has_discount_entered": False}
            )

    def _prepare_result(self, quote, amount, discount, booked):
        """Return the values of the line that follow from what is decided.

        :param dict quote: see `collections.cash.discount._get_quotes`
        :param float amount: what is settled, positive
        :param float discount: what is deducted, positive
        :param float booked: what was paid too little or, of a payment, too much
        """
        currency = self.currency_id
        sign = -1 if self.amount_residual < 0 else 1
        vals = {
            "cash_discount_date": quote["date"],
            "cash_discount_amount": quote["amount"],
            "cash_discount_taken": quote["taken"],
            "amount_to_settle": currency.round(sign * amount) or 0.0,
            "cash_discount_to_take": currency.round(sign * discount) or 0.0,
            "difference_to_book": currency.round(sign * booked) or 0.0,
        }
        if self.marked and not self.env["collections.settlement"]._is_part(
            self.move_line_id,
            *(self[entered] * self[flag] for flag, entered in ENTRIES.values()),
        ):
            # It stays for the user to see, and Settle says what is wrong with it.
            for name, (flag, entered) in ENTRIES.items():
                if self[flag]:
                    vals[name] = self[entered]
        return vals

    def _check_marked(self):
        """Check that what is marked can be settled.

        :raise UserError: names the item
        """
        if not self:
            raise UserError(
                self.env._("Mark the invoices, payments and credits to settle.")
            )
        self.env["collections.posting"]._check_customer_items(self.move_line_id)
        closed = self.move_line_id.filtered("reconciled")
        if closed:
            raise UserError(
                self.env._(
                    "These items were settled meanwhile: %(items)s",
                    items=self.env["collections.posting"]._join_names(
                        closed.mapped("move_id.display_name")
                    ),
                )
            )
        twice = len(self) - len(self.move_line_id)
        if twice:
            raise UserError(self.env._("An item is listed twice."))
        settlement = self.env["collections.settlement"]
        for line in self:
            part = (
                line.move_line_id,
                line.amount_to_settle,
                line.cash_discount_to_take,
            )
            if not settlement._is_part(*part):
                raise settlement._get_part_error(*part)
            if line.has_discount_entered and (
                line.currency_id.compare_amounts(
                    line.discount_entered, line.cash_discount_to_take
                )
                or (line.discount_entered and not line.amount_to_settle)
            ):
                raise UserError(
                    self.env._(
                        "%(item)s: what is marked pays nothing that a discount of "
                        "%(discount)s goes with. Change the discount or the marks.",
                        item=line.move_id.display_name,
                        discount=line.currency_id.format(line.discount_entered),
                    )
                )
        invoices = self.filtered(lambda line: line.amount_residual > 0)
        if invoices and not any(invoices.mapped("amount_to_settle")):
            raise UserError(
                self.env._(
                    "Nothing would be settled of %(items)s. Enter an amount to settle.",
                    items=self.env["collections.posting"]._join_names(
                        invoices.mapped("move_id.display_name")
                    ),
                )
            )
