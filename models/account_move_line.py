from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL
from odoo.tools.sql import column_exists


class AccountMoveLine(models.Model):
    _inherit = "account.move.line"

    use_cash_discount = fields.Selection(
        selection=[("normal", "Normal"), ("always", "Always"), ("never", "Never")],
        default="normal",
        copy=False,
        help="Whether payments of this item earn its cash discount: by the discount "
        "date and the parameters of the company, always, or never.",
    )
    collections_writeoff_line_id = fields.Many2one(
        comodel_name="account.move.line",
        string="Writes off",
        readonly=True,
        copy=False,
        index="btree_not_null",
        help="The item that this line of a write-off closes.",
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
        help="What is open at the end of the day given by the screen, in the currency "
        "of the item.",
    )
    collections_days_overdue = fields.Integer(
        string="Days Overdue",
        compute="_compute_collections_amount_open",
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
        return super().write(vals)

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

    # === ACTION METHODS === #

    def action_open_writeoff(self):
        """Open the wizard that writes off the items."""
        return self.env["collections.writeoff.wizard"]._open(self)

    # === BUSINESS METHODS === #

    def _reconcile_plan(self, reconciliation_plan):
        # EXTENDS account: every way to match lines comes through here
        CashDiscount = self.env["collections.cash.discount"]
        allocations = CashDiscount._get_allocations(reconciliation_plan)
        if not allocations:
            return super()._reconcile_plan(reconciliation_plan)
        lines = CashDiscount._book(allocations)
        pairs = []
        for allocation, line in zip(allocations, lines, strict=True):
            pairs += [
                allocation.item | line,
                allocation.item | allocation.payment_line,
            ]
        result = super()._reconcile_plan([*pairs, *reconciliation_plan])
        CashDiscount._note(allocations, lines)
        return result

    def _get_cash_discount_taken(self):
        """Return what was deducted of an item so far, in its currency."""
        self.ensure_one()
        return sum(
            partial.cash_discount_amount_currency
            for partial in self.matched_credit_ids
            if partial.cash_discount_move_id._is_in_force()
        )

    def get_cash_discount(self, date=False):
        """Return the cash discount of open items on a day.

        :param date: the day of a payment, a date or ISO text; today when empty
        :return: for each item its `id`, the `date` until which the discount is given,
            its `amount` on what is open, what was `taken` so far, what is `available`
            to take and the `amount_to_settle`, all in the currency of the item
        :rtype: list[dict]
        """
        self.check_access("read")
        CashDiscount = self.env["collections.cash.discount"]
        date = CashDiscount._parse_date(date)
        result = []
        for item in self:
            terms = CashDiscount._get_terms(item)
            residual = item.amount_residual_currency
            available = CashDiscount._get_available(item, residual, terms, date)
            result.append(
                {
                    "id": item.id,
                    "date": fields.Date.to_string(item.discount_date) or False,
                    "amount": available,
                    "taken": terms.taken,
                    "available": available,
                    "amount_to_settle": item.currency_id.round(residual - available),
                }
            )
        return result

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

    def _check_writeoff_items_open(self):
        """Check that what lines of write-offs close is still open.

        :raise UserError: names the items that were paid or changed meanwhile
        """
        problems = []
        for item, lines in self.grouped("collections_writeoff_line_id").items():
            amount_currency = -sum(lines.mapped("amount_residual_currency"))
            amount = -sum(lines.mapped("amount_residual"))
            currency = item.currency_id
            if (
                item.parent_state != "posted"
                or lines.currency_id != currency
                or lines.account_id != item.account_id
                or not _is_part(
                    amount_currency, item.amount_residual_currency, currency
                )
                or not _is_part(amount, item.amount_residual, item.company_currency_id)
            ):
                problems.append(
                    self.env._(
                        "%(item)s: %(open)s is open, %(amount)s would be written off "
                        "by %(move)s",
                        item=item.move_id.display_name,
                        open=currency.format(item.amount_residual_currency),
                        amount=currency.format(amount_currency),
                        move=lines.move_id.display_name,
                    )
                )
        if problems:
            raise UserError(
                self.env._(
                    "Items were paid or changed since the write-off was made. Change "
                    "or delete the draft entry.\n%(items)s",
                    items="\n".join(problems),
                )
            )


def _is_part(part, whole, currency):
    """Tell whether an amount is the whole of another or a part of it."""
    if currency.is_zero(part):
        return True
    same_sign = (part < 0) == (whole < 0)
    return same_sign and currency.compare_amounts(abs(part), abs(whole)) <= 0
