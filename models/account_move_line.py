from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL
from odoo.tools.sql import column_exists

from .collections_cash_discount import CHOICES_KEY
from .collections_composition import flatten_taxes
from .collections_posting import INTERNAL

LIMITS_KEY = "collections_settlement_limits"


class Limits(dict):
    """How much of two lines may be matched, by the ids of the item and the credit."""


class InTurn(list):
    """Parts of a reconciliation plan that are matched one after another, as one match.

    Core makes the taxes due on payment for each plan by itself, and what rounding
    leaves of them goes to the last match of it. In plans of their own, the first match
    of an invoice would make all of its taxes due, those of later ones nothing.
    """


class AccountMoveLine(models.Model):
    _inherit = "account.move.line"

    use_cash_discount = fields.Selection(
        selection=[("normal", "Normal"), ("always", "Always"), ("never", "Never")],
        default="normal",
        copy=False,
        help="Whether payments of this item earn its cash discount: by the discount "
        "date and the parameters of the company, always, or never.",
    )
    cash_discount_offer_ids = fields.One2many(
        comodel_name="collections.cash.discount.offer",
        inverse_name="move_line_id",
        string="Cash Discounts Offered",
        copy=False,
    )
    cash_discount_date = fields.Date(
        compute="_compute_cash_discount",
        help="The last day of the discount period in force, or of the last one.",
    )
    cash_discount_amount = fields.Monetary(
        compute="_compute_cash_discount",
        help="What the discount period in force gives on what is open.",
    )
    cash_discount_taken = fields.Monetary(
        compute="_compute_cash_discount",
        help="What was deducted by payments so far.",
    )
    cash_discount_available = fields.Monetary(
        compute="_compute_cash_discount",
        help="What may be deducted when all that is open is paid, by the parameters "
        "of the company and the choice made for the item.",
    )
    collections_writeoff_line_id = fields.Many2one(
        comodel_name="account.move.line",
        string="Writes off",
        readonly=True,
        copy=False,
        index="btree_not_null",
        groups=INTERNAL,
        help="The item that this line of a write-off closes.",
    )
    # Payments are booked on contacts, invoices on the customer they belong to.
    collections_customer_id = fields.Many2one(
        related="partner_id.commercial_partner_id",
        string="Customer",
        groups=INTERNAL,
        help="The customer that the item belongs to, whatever contact it is booked on.",
    )
    collections_amount_open = fields.Monetary(
        string="Open Amount",
        compute="_compute_collections_amount_open",
        currency_field="company_currency_id",
        help="What is open at the end of the day given by the screen, in company "
        "currency.",
    )
    collections_amount_open_currency = fields.Monetary(
        string="Open Amount in Currency",
        compute="_compute_collections_amount_open",
        aggregator=None,  # of several currencies
        help="What is open at the end of the day given by the screen, in the currency "
        "of the item.",
    )
    collections_days_overdue = fields.Integer(
        string="Days Overdue",
        compute="_compute_collections_amount_open",
        aggregator="max",
        help="Days since the due date of an open debit item.",
    )

    # Aging asks for matches with entries that are not posted: there are next to none,
    # and without this index they would have to be looked for among all matches ever
    # made.
    _collections_unposted_matched_idx = models.Index(
        "(account_id) WHERE parent_state <> 'posted' AND matching_number IS NOT NULL"
    )

    def _auto_init(self):
        # The database fills a column default without rewriting the rows; the ORM would
        # update every journal item of the company's life.
        for column, default in (
            ("collections_status", "not_disputed"),
            ("use_cash_discount", "normal"),
        ):
            if not column_exists(self.env.cr, "account_move_line", column):
                self.env.cr.execute(
                    SQL(
                        "ALTER TABLE account_move_line "
                        "ADD COLUMN %s varchar DEFAULT %s",
                        SQL.identifier(column),
                        default,
                    )
                )
        return super()._auto_init()

    def _read_group_select(self, aggregate_spec, query):
        # EXTENDS base: what is open today is stored, so groups can add it up
        name, _colon, func = aggregate_spec.partition(":")
        if name == "collections_amount_open" and (
            not self.env.context.get("collections_date")
        ):
            aggregate_spec = f"amount_residual:{func}"
        return super()._read_group_select(aggregate_spec, query)

    # === COMPUTE METHODS === #

    @api.depends(
        "amount_residual", "amount_residual_currency", "date_maturity", "parent_state"
    )
    @api.depends_context("collections_date")
    def _compute_collections_amount_open(self):
        date = fields.Date.to_date(self.env.context.get("collections_date"))
        on_date = date or fields.Date.context_today(self)
        amounts = self._get_collections_open_amounts(date) if date else {}
        for line in self:
            amount, amount_currency = amounts.get(
                line.id, (line.amount_residual, line.amount_residual_currency)
            )
            line.collections_amount_open = amount
            line.collections_amount_open_currency = amount_currency
            due_date = line.date_maturity or line.date
            is_overdue = due_date and due_date < on_date and amount_currency > 0
            line.collections_days_overdue = (
                (on_date - due_date).days if is_overdue else 0
            )

    @api.depends(
        "amount_residual_currency",
        "cash_discount_offer_ids",
        "discount_date",
        "matched_credit_ids.cash_discount_amount_currency",
        "matched_debit_ids.cash_discount_amount_currency",
        "use_cash_discount",
    )
    @api.depends_context("collections_date")
    def _compute_cash_discount(self):
        CashDiscount = self.env["collections.cash.discount"]
        date = CashDiscount._parse_date(self.env.context.get("collections_date"))
        for line, quote in CashDiscount._get_quotes(self, date).items():
            line.cash_discount_date = quote["date"]
            line.cash_discount_amount = quote["amount"]
            line.cash_discount_taken = quote["taken"]
            line.cash_discount_available = quote["available"]

    @api.depends(
        "move_id.collections_writeoff_reason_id",
        "move_id.line_ids.collections_writeoff_line_id",
        "move_id.line_ids.tax_repartition_line_id",
        "move_id.reversed_entry_id",
    )
    def _compute_is_refund(self):
        # EXTENDS account, which goes by debit or credit in journal entries: the base of
        # tax due on payment would not be reported on the side that its tax is
        result = super()._compute_is_refund()
        # Whoever reads taxes need not see write-offs.
        for line in self.sudo():
            if (
                line.move_id.move_type == "entry"
                and line.tax_ids
                and not line.tax_repartition_line_id
                and line.move_id.collections_writeoff_reason_id
            ):
                side = line._get_writeoff_side()
                if side:
                    line.is_refund = side == "refund"
        return result

    def _get_writeoff_side(self):
        """Return the side of its taxes that a base line of a write-off belongs to.

        It is that of the tax lines, which say it themselves, in the write-off of a
        discount on an invoice and in reversals as well.

        :return: "invoice" or "refund"; None where the entry has tax of both sides
        """
        self.ensure_one()
        taxes = flatten_taxes(self.tax_ids)
        tax_lines = self.move_id.line_ids.filtered("tax_repartition_line_id")
        own = tax_lines.filtered(lambda line: line.tax_line_id in taxes)
        # Where the rate, or the tax of a small amount, is zero there is no tax line.
        sides = set((own or tax_lines).tax_repartition_line_id.mapped("document_type"))
        if not sides:
            root = self.move_id
            while root.reversed_entry_id:
                root = root.reversed_entry_id
            Composition = self.env["collections.composition"]
            for item in root.line_ids.collections_writeoff_line_id:
                document = Composition._get_whole(item).document
                if not document.is_sale_document(True):
                    return None
                is_refund = document.move_type == "out_refund"
                sides.add("invoice" if is_refund else "refund")
        return sides.pop() if len(sides) == 1 else None

    def _get_collections_open_amounts(self, date):
        """Return what was open of the items at the end of a day.

        An item is open with its balance less the matches made up to that day with other
        posted items.

        :param date: the day
        :return: amount in company currency and in the currency of the item, by line id
        :rtype: dict[int, tuple[float, float]]
        """
        if not self.ids:
            return {}
        self.env["account.partial.reconcile"].flush_model()
        self.flush_recordset(["balance", "amount_currency", "date", "parent_state"])
        rows = self.env.execute_query(
            SQL(
                """
                WITH match AS (
                    SELECT partial.debit_move_id AS line_id, partial.amount,
                           partial.debit_amount_currency AS amount_currency
                      FROM account_partial_reconcile partial
                      JOIN account_move_line other ON other.id = partial.credit_move_id
                     WHERE partial.debit_move_id IN %(ids)s
                       AND partial.max_date <= %(date)s
                       AND other.parent_state = 'posted'
                 UNION ALL
                    SELECT partial.credit_move_id, -partial.amount,
                           -partial.credit_amount_currency
                      FROM account_partial_reconcile partial
                      JOIN account_move_line other ON other.id = partial.debit_move_id
                     WHERE partial.credit_move_id IN %(ids)s
                       AND partial.max_date <= %(date)s
                       AND other.parent_state = 'posted'
                )
                SELECT line.id,
                       line.balance - COALESCE(SUM(match.amount), 0),
                       line.amount_currency - COALESCE(SUM(match.amount_currency), 0)
                  FROM account_move_line line
             LEFT JOIN match ON match.line_id = line.id
                 WHERE line.id IN %(ids)s
                   AND line.parent_state = 'posted' AND line.date <= %(date)s
              GROUP BY line.id
                """,
                ids=tuple(self.ids),
                date=date,
            )
        )
        amounts = dict.fromkeys(self.ids, (0.0, 0.0))
        amounts.update(
            {
                line_id: (float(amount), float(amount_currency))
                for line_id, amount, amount_currency in rows
            }
        )
        return amounts

    # === CRUD METHODS === #

    @api.model
    def default_get(self, fields_list):
        # EXTENDS base: nor does a context say what a line writes off
        result = super().default_get(fields_list)
        result.pop("collections_writeoff_line_id", None)
        return result

    @api.model_create_multi
    def create(self, vals_list):
        if any(vals.get("collections_writeoff_line_id") for vals in vals_list):
            self.env["collections.posting"]._check_writes_off()
        return super().create(vals_list)

    def write(self, vals):
        if "collections_writeoff_line_id" in vals:
            self.env["collections.posting"]._check_writes_off()
        if "amount_currency" not in vals or not vals.keys().isdisjoint(
            ("balance", "debit", "credit", "currency_id")
        ):
            return super().write(vals)
        # Core would value the amount at the rate of the day of the entry.
        valued = self._filter_valued_by_items()
        for line in valued:
            balance = line._get_writeoff_balance(vals["amount_currency"])
            super(AccountMoveLine, line).write({**vals, "balance": balance})
        return super(AccountMoveLine, self - valued).write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_written_off(self):
        writeoffs = (
            self.search([("collections_writeoff_line_id", "in", self.ids)])
            .move_id.filtered(lambda move: move not in self.move_id)
            ._filter_writeoffs_in_force()
        )
        if writeoffs:
            raise UserError(
                self.env._(
                    "An item of these lines is written off by %(moves)s. Reverse the "
                    "write-off first.",
                    moves=", ".join(writeoffs.mapped("display_name")),
                )
            )

    # === ONCHANGE METHODS === #

    @api.onchange("amount_currency", "currency_id")
    def _inverse_amount_currency(self):
        # EXTENDS account: neither another day nor another amount makes a write-off in
        # review take the rate of the day. What is saved has its balance already.
        valued = self.filtered(lambda line: not line.id)._filter_valued_by_items()
        for line in valued:
            line.balance = line._origin._get_writeoff_balance(line.amount_currency)
        return super(AccountMoveLine, self - valued)._inverse_amount_currency()

    # === ACTION METHODS === #

    def action_open_settlement(self):
        """Open the wizard that matches the items with others of the customer."""
        return self.env["collections.settlement.wizard"]._open(self)

    def action_open_writeoff(self):
        """Open the wizard that writes off the items."""
        return self.env["collections.writeoff.wizard"]._open(self)

    def action_send_collections_email(self, kind="collections"):
        """Open Odoo's composer with the e-mail about the customers of the items.

        See `res.partner.action_send_collections_email`.

        :raise UserError: when the items are of several companies
        """
        company = self.env["collections.recipient"]._get_one_company(self)
        return self.partner_id.with_context(
            collections_company_id=company.id
        ).action_send_collections_email(kind)

    # === BUSINESS METHODS === #

    @api.model
    def _reconcile_plan(self, reconciliation_plan):
        # EXTENDS account: every way to match lines comes through here
        Settlement = self.env["collections.settlement"]
        if Settlement._is_part_of_another_match():
            return super()._reconcile_plan(reconciliation_plan)
        allocations = Settlement._get_allocations(reconciliation_plan)
        only_these = Settlement._get_choices().only_these
        if not allocations and not only_these:
            return super()._reconcile_plan(reconciliation_plan)
        moves = Settlement._book(allocations)
        plan = Settlement._get_plan(allocations, moves, reconciliation_plan)
        # What was decided is not meant for what core matches besides, such as exchange
        # differences.
        limits = Limits(Settlement._get_limits(allocations))
        env = self.env(
            context={**self.env.context, CHOICES_KEY: False, LIMITS_KEY: limits}
        )
        result = super(AccountMoveLine, self.with_env(env))._reconcile_plan(
            _with_env(plan, env)
        )
        Settlement._note(allocations, moves)
        return result

    @api.model
    def _optimize_reconciliation_plan(
        self, reconciliation_plan, shadowed_aml_values=None
    ):
        # EXTENDS account: make one plan of the parts that are matched one after another
        optimize = super()._optimize_reconciliation_plan
        if not any(isinstance(part, InTurn) for part in reconciliation_plan):
            return optimize(reconciliation_plan, shadowed_aml_values)
        plans, line_ids = [], set()
        for part in reconciliation_plan:
            for plan in optimize([part], shadowed_aml_values)[0]:
                line_ids |= plan["aml_ids"]
                if not isinstance(part, InTurn):
                    plans.append(plan)
                    continue
                # What core looks at after the matches, to give those that close each
                # other their number, stays apart: such plans match nothing.
                first, *others = plan["nodes"]
                plans.append({**plan, "amls": first["amls"], "in_turn": plan["nodes"]})
                plans += [{**node, "in_turn": []} for node in others]
        return plans, self.browse(line_ids)

    @api.model
    def _prepare_reconciliation_plan(
        self, plan, amls_values_map, shadowed_aml_values=None
    ):
        # EXTENDS account, which matches at the end what is left of all parts together
        prepare = super()._prepare_reconciliation_plan
        results = [
            result
            for part in plan.get("in_turn", [plan])
            for result in prepare(part, amls_values_map, shadowed_aml_values)
        ]
        plan["exchanges"] = [
            bool(values and values["move_values"]["line_ids"])
            for values in (result.get("exchange_values") for result in results)
        ]
        return results

    def _reconcile_plan_with_sync(self, plan_list, all_amls):
        # EXTENDS account, which notes an exchange difference on the first match of its
        # line, though that be another's: undoing the match would take it back
        result = super()._reconcile_plan_with_sync(plan_list, all_amls)
        if any(all_amls.company_id.mapped("collections_partial_cash_discount")):
            plans = [
                plan
                for plan in plan_list
                if plan["partials"]
                and plan["amls"].account_id[:1].account_type == "asset_receivable"
            ]
            self._link_exchange_moves(
                self.env["account.partial.reconcile"].union(
                    *(plan["partials"] for plan in plans)
                ),
                [has_exchange for plan in plans for has_exchange in plan["exchanges"]],
            )
        return result

    @api.model
    def _link_exchange_moves(self, partials, exchanges):
        """Note each exchange difference on the match that it is for.

        :param partials: `account.partial.reconcile` in the order they were made
        :param list exchanges: whether each has an exchange difference
        """
        # They are made in the order of the matches.
        moves = partials.exchange_move_id.sorted("id")
        if len(moves) != sum(exchanges):
            return
        rest = iter(moves)
        for partial, has_exchange in zip(partials, exchanges, strict=True):
            move = next(rest) if has_exchange else moves.browse()
            if partial.exchange_move_id != move:
                partial.exchange_move_id = move

    @api.model
    def _prepare_reconciliation_single_partial(
        self, debit_values, credit_values, shadowed_aml_values=None
    ):
        # EXTENDS account: somebody may have decided to settle a part of two lines only
        limits = self.env.context.get(LIMITS_KEY)
        if not isinstance(limits, Limits):
            limits = {}
        prepare = super()._prepare_reconciliation_single_partial
        debit, credit = debit_values["aml"], credit_values["aml"]
        for side, values, key in (
            ("debit", debit_values, (debit.id, credit.id)),
            ("credit", credit_values, (credit.id, debit.id)),
        ):
            if key not in limits:
                continue
            # Less may be left than was decided: that is matched as core does it.
            whole = prepare(
                dict(debit_values), dict(credit_values), shadowed_aml_values
            ).get("partial_values", {})
            matched = whole.get(f"{side}_amount_currency", 0.0)
            if values["aml"].currency_id.compare_amounts(matched, limits[key]) <= 0:
                break
            kept = _hold_back(values, limits[key])
            result = prepare(debit_values, credit_values, shadowed_aml_values)
            for name, amount in kept.items():
                values[name] += amount
            # The rest of both is not matched with one another.
            result["debit_values"] = result["credit_values"] = None
            return result
        return prepare(debit_values, credit_values, shadowed_aml_values)

    def _get_cash_discount_taken(self):
        """Return what was deducted of an item so far, in its currency and positive."""
        self.ensure_one()
        line_sudo = self.sudo()  # what it is matched with may be of another branch
        # One after the other: put together, they would be read item by item.
        return self.currency_id.round(
            sum(
                partial.cash_discount_amount_currency
                for partials in (
                    line_sudo.matched_credit_ids,
                    line_sudo.matched_debit_ids,
                )
                for partial in partials
                if partial.cash_discount_move_id._is_in_force()
            )
        )

    def get_cash_discount(self, date=False):
        """Return the cash discount of open items on a day.

        :param date: the day of a payment, a date or ISO text; today when empty
        :return: for each item its `id`; the `date` until which the discount in force
            is given, the last one's when all are over; the `amount` that this gives on
            what is open; what was `taken` so far; what is `available` to take by the
            parameters and the choice made for the item; and the `amount_to_settle`
            that closes it; amounts in the currency of the item
        :rtype: list[dict]
        """
        self.check_access("read")
        CashDiscount = self.env["collections.cash.discount"]
        quotes = CashDiscount._get_quotes(self, CashDiscount._parse_date(date))
        return [
            {**quote, "id": item.id, "date": fields.Date.to_string(quote["date"])}
            for item, quote in quotes.items()
        ]

    def _prepare_cash_discount_offers(self):
        """Return the values of what an item is promised by its payment term.

        :return: values of `collections.cash.discount.offer`, one for each period
        :rtype: list[dict]
        """
        self.ensure_one()
        move = self.move_id
        term = move.invoice_payment_term_id
        total = self.amount_currency
        sign = -1 if total < 0 else 1
        terms = term._get_cash_discount_terms(
            move.invoice_date or move.date,
            self.currency_id,
            total,
            sign * move.amount_untaxed,
            move.invoice_cash_rounding_id,
        )
        rate = abs(self.balance / total) if total else 0.0
        vals_list = []
        for position, (date, percentage, to_pay) in enumerate(terms):
            if not position:
                # What core has worked out is what stands on the invoice.
                date, to_pay = self.discount_date, self.discount_amount_currency
            discount = self.currency_id.round(total - to_pay)
            vals_list.append(
                {
                    "move_line_id": self.id,
                    "company_id": self.company_id.id,
                    "currency_id": self.currency_id.id,
                    "date": date,
                    "percentage": percentage,
                    "computation": term.early_pay_discount_computation,
                    "amount_currency": discount,
                    "balance": self.company_currency_id.round(discount * rate),
                }
            )
        return vals_list

    def _get_installments_data(
        self, payment_currency=None, payment_date=None, next_payment_date=None
    ):
        # EXTENDS account: what is left of the discount, not that of the whole invoice
        installments = super()._get_installments_data(
            payment_currency, payment_date, next_payment_date
        )
        CashDiscount = self.env["collections.cash.discount"]
        date = payment_date or fields.Date.context_today(self)
        for installment in installments:
            line = installment["line"]
            if installment["type"] != "early_payment_discount" or (
                not CashDiscount._replaces_core(line)
            ):
                continue
            discount = CashDiscount._get_quote(line, date)["available"]
            rate = line.amount_residual / line.amount_residual_currency
            discount_balance = line.company_currency_id.round(discount * rate)
            to_pay = line.currency_id.round(line.amount_residual_currency - discount)
            balance = line.company_currency_id.round(
                line.amount_residual - discount_balance
            )
            sign = -line.move_id.direction_sign
            installment.update(
                amount_residual_currency=to_pay,
                amount_residual=balance,
                amount_residual_currency_unsigned=sign * to_pay,
                amount_residual_unsigned=sign * balance,
                discount_amount_currency=discount,
                discount_amount=discount_balance,
            )
        return installments

    def _get_opposite_key(self, sign=1):
        """Return what a line and the line that takes it back have in common.

        :param int sign: -1 for the line that takes back
        """
        self.ensure_one()
        return (
            self.account_id.id,
            self.currency_id.id,
            self.currency_id.round(sign * self.amount_currency) or 0.0,
            self.company_currency_id.round(sign * self.balance) or 0.0,
        )

    def _get_written_off_amounts(self):
        """Return what a line of a write-off takes of its item, while it is matched.

        :return: amount in the currency of the line, and balance; positive for a debit
        :rtype: list[float]
        """
        self.ensure_one()
        item = self.collections_writeoff_line_id
        amounts = [0.0, 0.0]
        for partial in self.matched_debit_ids:
            if partial.debit_move_id == item:
                amounts[0] += partial.credit_amount_currency
                amounts[1] += partial.amount
        for partial in self.matched_credit_ids:
            if partial.credit_move_id == item:
                amounts[0] -= partial.debit_amount_currency
                amounts[1] -= partial.amount
        if not self.currency_id.compare_amounts(amounts[0], -self.amount_currency):
            return [-self.amount_currency, -self.balance]
        return amounts

    def _filter_valued_by_items(self):
        """Return the lines of write-offs in review that have a value of their own.

        It is the one that the items are booked with, whatever the rate of the day.
        """
        return self.filtered(
            lambda line: (
                line.currency_id != line.company_currency_id
                and line.move_id.state == "draft"
                and line.move_id.collections_writeoff_reason_id
                and line._origin.currency_id == line.currency_id
                and line._origin.amount_currency
            )
        )

    def _get_writeoff_balance(self, amount_currency):
        """Return what another amount of a line in a write-off is worth.

        :param float amount_currency: in the currency of the line
        :return: the balance, at the rate of what is open of the item, else of the line
        """
        self.ensure_one()
        item = self.collections_writeoff_line_id
        whole, balance = self.amount_currency, self.balance
        if not self.currency_id.compare_amounts(amount_currency, whole):
            return balance
        if item.currency_id == self.currency_id and item.amount_residual_currency:
            whole, balance = item.amount_residual_currency, item.amount_residual
        return self.company_currency_id.round(balance * amount_currency / whole)

    def _check_writeoff_items_open(self):
        """Check that what lines of write-offs close is still open.

        :raise UserError: names the items that were paid or changed meanwhile
        """
        problems = []
        for item, lines in self.grouped("collections_writeoff_line_id").items():
            problem = lines._find_writeoff_problem(item)
            if problem:
                problems.append(problem)
        if problems:
            raise UserError(
                self.env._(
                    "Items were paid or changed since the write-off was made, or it "
                    "was changed. Change or delete the draft entry.\n%(items)s",
                    items="\n".join(problems),
                )
            )

    def _find_writeoff_problem(self, item):
        """Return why lines of write-offs cannot close an item, as a text, or None.

        :param item: the `account.move.line` that the lines write off
        """

        def get_names():
            return {
                "item": item.move_id.display_name,
                "move": ", ".join(self.move_id.mapped("display_name")),
            }

        if item.parent_state != "posted":
            return self.env._("%(item)s is not posted any more", **get_names())
        if self.account_id != item.account_id or self.currency_id != item.currency_id:
            return self.env._(
                "%(item)s is booked on %(account)s in %(currency)s, %(move)s has "
                "another account or currency",
                account=item.account_id.display_name,
                currency=item.currency_id.name,
                **get_names(),
            )
        amount_currency = -sum(self.mapped("amount_residual_currency"))
        amount = -sum(self.mapped("amount_residual"))
        open_currency, open_amount = item.amount_residual_currency, item.amount_residual
        currency, company_currency = item.currency_id, item.company_currency_id
        if not _is_part(amount_currency, open_currency, currency) or (
            currency == company_currency
            and not _is_part(amount, open_amount, company_currency)
        ):
            return self.env._(
                "%(item)s: %(open)s is open, %(amount)s would be written off by "
                "%(move)s",
                open=currency.format(open_currency),
                amount=currency.format(amount_currency),
                **get_names(),
            )
        # All of the currency with a part of its value would leave an item that nobody
        # can pay. What has no amount in currency may go bit by bit.
        is_whole = open_currency and not currency.compare_amounts(
            amount_currency, open_currency
        )
        if not _is_part(amount, open_amount, company_currency) or (
            is_whole and company_currency.compare_amounts(amount, open_amount)
        ):
            return self.env._(
                "%(item)s: %(open)s is open and booked with %(balance)s, %(amount)s "
                "would be written off with %(value)s by %(move)s",
                open=currency.format(open_currency),
                balance=company_currency.format(open_amount),
                amount=currency.format(amount_currency),
                value=company_currency.format(amount),
                **get_names(),
            )
        return None


def _is_part(part, whole, currency):
    """Tell whether an amount is the whole of another or a part of it."""
    if currency.is_zero(part):
        return True
    same_sign = (part < 0) == (whole < 0)
    return same_sign and currency.compare_amounts(abs(part), abs(whole)) <= 0


def _with_env(plan, env):
    """Return a reconciliation plan with its records in an environment."""
    return type(plan)(
        _with_env(node, env) if isinstance(node, list | tuple) else node.with_env(env)
        for node in plan
    )


def _hold_back(values, amount_currency):
    """Leave a part of a line to be matched.

    :param dict values: a line and its residuals, see core's reconciliation; changed
    :param float amount_currency: the part, in the currency of the line and positive
    :return: what was taken off the residuals
    :rtype: dict
    """
    line = values["aml"]
    residual_currency = values["amount_residual_currency"]
    residual = values["amount_residual"]
    share = min(abs(amount_currency / residual_currency), 1) if residual_currency else 1
    kept = {
        "amount_residual_currency": line.currency_id.round(
            residual_currency * (1 - share)
        ),
        "amount_residual": line.company_currency_id.round(residual * (1 - share)),
    }
    for name, amount in kept.items():
        values[name] -= amount
    return kept
