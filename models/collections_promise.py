from odoo import Command, api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL


class CollectionsPromise(models.Model):
    """What a customer promised to pay by a day, judged by the cash that came.

    Cash is a payment or a bank statement line dated up to the promised day and matched
    with the items of the promise, with the cash discount it earned. What credit notes
    or write-offs dated up to that day close need not be paid any more, nor items that
    are not posted any more. The verdict follows the matching: a payment put on the
    right invoice later still counts, one that is taken back does not.
    """

    _name = "collections.promise"
    _description = "Promise to Pay"
    _order = "date desc, id desc"
    _rec_name = "partner_id"

    partner_id = fields.Many2one(
        comodel_name="res.partner",
        string="Customer",
        readonly=True,
        index=True,
        ondelete="cascade",
    )
    company_id = fields.Many2one(
        comodel_name="res.company", required=True, readonly=True, index=True
    )
    currency_id = fields.Many2one(
        comodel_name="res.currency", required=True, readonly=True
    )
    user_id = fields.Many2one(
        comodel_name="res.users", string="Noted by", readonly=True, index=True
    )
    date_noted = fields.Date(string="Noted on", required=True, readonly=True)
    date = fields.Date(string="Promised for", required=True, readonly=True, index=True)
    amount = fields.Monetary(string="Promised", required=True, readonly=True)
    amount_received = fields.Monetary(
        string="Received",
        readonly=True,
        help="Cash dated up to the promised day and matched with these items since the "
        "promise was noted, with the cash discount it earned.",
    )
    state = fields.Selection(
        selection=[
            ("open", "Open"),
            ("kept", "Kept"),
            ("partly", "Partly kept"),
            ("broken", "Broken"),
            ("void", "Nothing left to pay"),
            ("withdrawn", "Withdrawn"),
        ],
        required=True,
        readonly=True,
        default="open",
        help="Partly kept: less than promised came by the day. Withdrawn: the items "
        "were disputed, or promised anew, before the day. Nothing left to pay: by the "
        "day they were closed otherwise than by cash, or are not posted any more.",
    )
    comment = fields.Char(readonly=True)
    line_ids = fields.One2many(
        comodel_name="collections.promise.line",
        inverse_name="promise_id",
        string="Items",
        readonly=True,
    )
    item_count = fields.Integer(string="Items Count", compute="_compute_items")
    items_name = fields.Char(string="Documents", compute="_compute_items")
    is_late = fields.Boolean(compute="_compute_is_late")

    _judged_idx = models.Index("(company_id, date) WHERE state <> 'withdrawn'")

    # === COMPUTE METHODS === #

    @api.depends("line_ids.move_line_id")
    def _compute_items(self):
        for promise in self:
            items = promise.line_ids.move_line_id
            promise.item_count = len(items)
            names = list(dict.fromkeys(items.move_id.mapped("name")))
            promise.items_name = ", ".join(names[:3]) + (
                f" +{len(names) - 3}" if len(names) > 3 else ""
            )

    @api.depends("date", "state")
    def _compute_is_late(self):
        today = fields.Date.context_today(self)
        for promise in self:
            promise.is_late = promise.state == "open" and promise.date < today

    # === ACTION METHODS === #

    def action_view_items(self):
        """Open the items of the promises."""
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "credit_collections.account_move_line_action_open_items"
        )
        action["domain"] = [("id", "in", self.line_ids.move_line_id.ids)]
        action["context"] = {"create": False}
        return action

    def action_open_collections_page(self):
        """Open the collections page of the customer."""
        return self.partner_id.action_open_collections_page()

    # === BUSINESS METHODS === #

    @api.model
    def _note(self, items, shares, date, comment=False):
        """Keep a promise: one for each company, customer and currency.

        :param items: the `account.move.line` it was given for
        :param dict shares: the promised part by item, in its currency; all that is
            open for the others
        :param date: the day of the promise
        :param str comment: what else was said
        :return: the promises
        """
        groups = {}
        for item in items.filtered(lambda item: item.amount_residual_currency > 0):
            key = (item.company_id, item.partner_id.commercial_partner_id)
            groups.setdefault((*key, item.currency_id), []).append(item)
        paid = self._get_cash_matched(items)
        return self.create(
            [
                self._prepare_promise_vals(
                    key, [(item, shares.get(item)) for item in group], paid
                )
                | {"date": date, "comment": comment}
                for key, group in groups.items()
            ]
        )

    @api.model
    def _prepare_promise_vals(self, key, shares, paid):
        """Return the values of a promise, day and comment aside.

        :param tuple key: `res.company`, `res.partner` and `res.currency`
        :param list shares: pairs of item and promised part, None for all that is open
        :param dict paid: the cash matched with the items so far, see
            `_get_cash_matched`
        """
        company, partner, currency = key
        lines = [
            {
                "move_line_id": item.id,
                "amount": share or item.amount_residual_currency,
                "amount_paid_before": sum(paid.get(item.id, {}).values()),
                "payments_before": paid.get(item.id),
            }
            for item, share in shares
        ]
        return {
            "company_id": company.id,
            "partner_id": partner.id,
            "currency_id": currency.id,
            "user_id": self.env.uid,
            "date_noted": fields.Date.context_today(self),
            "amount": currency.round(sum(line["amount"] for line in lines)),
            "line_ids": [Command.create(vals) for vals in lines],
        }

    @api.model
    def _get_cash_sql(self):
        """Return the query for the cash matched with debit items.

        :return: the query; columns `match_id`, `item_id`, `entry_id` and `date` (of the
            payment) and `amount` (in the currency of the item, the cash discount it
            earned included)
        :rtype: SQL
        """
        return SQL(
            """
            SELECT partial.id AS match_id, partial.debit_move_id AS item_id,
                   payment.move_id AS entry_id, payment.date,
                   partial.debit_amount_currency
                   + COALESCE(partial.cash_discount_amount_currency, 0) AS amount
              FROM account_partial_reconcile partial
              JOIN account_move_line payment ON payment.id = partial.credit_move_id
              JOIN account_move entry ON entry.id = payment.move_id
              JOIN account_journal journal ON journal.id = entry.journal_id
             WHERE entry.state = 'posted'
               AND (
                    entry.origin_payment_id IS NOT NULL
                    OR entry.statement_line_id IS NOT NULL
                    OR journal.type IN ('bank', 'cash', 'credit')
               )
            """
        )

    @api.model
    def _get_cash_matched(self, items):
        """Return the cash matched with items, whenever it came.

        :return: the amount by the entry it came with, by item id
        :rtype: dict[int, dict[int, float]]
        """
        if not items:
            return {}
        self.env.flush_all()
        rows = self.env.execute_query(
            SQL(
                "SELECT item_id, entry_id, SUM(amount) FROM (%s) AS cash "
                "WHERE item_id IN %s GROUP BY item_id, entry_id",
                self._get_cash_sql(),
                tuple(items.ids),
            )
        )
        paid = {}
        for item_id, entry_id, amount in rows:
            paid.setdefault(item_id, {})[entry_id] = float(amount)
        return paid

    def _judge(self, source="run"):
        """Judge the promises by the cash matched so far, as of today.

        :param str source: who asks, for the history of the items
        :return: the promises whose verdict changed
        """
        return self._judge_where(
            SQL("promise.id IN %s", tuple(self.ids) or (0,)), source
        )

    @api.model
    def _judge_where(self, condition, source):
        """Judge promises, all of them in one statement.

        :param SQL condition: on alias `promise`
        :param str source: who asks, for the history of the items
        :return: the promises whose verdict changed
        """
        self.env.flush_all()
        # Planning the large statement takes longer than seeing that it is not needed.
        [(is_needed,)] = self.env.execute_query(
            SQL(
                "SELECT EXISTS (SELECT FROM collections_promise promise "
                "WHERE promise.state <> 'withdrawn' AND %s)",
                condition,
            )
        )
        if not is_needed:
            return self.browse()
        rows = self.env.execute_query(
            SQL(
                """
                WITH line AS (
                    SELECT line.id, line.promise_id, line.move_line_id, line.amount,
                           line.payments_before, promise.date,
                           item.parent_state = 'posted' AS is_posted,
                           item.amount_currency AS total,
                           -- Earlier promises only know the sum.
                           CASE WHEN line.payments_before IS NULL
                                THEN line.amount_paid_before
                                ELSE 0
                            END AS paid_before
                      FROM collections_promise_line line
                      JOIN collections_promise promise ON promise.id = line.promise_id
                      JOIN account_move_line item ON item.id = line.move_line_id
                     WHERE line.is_withdrawn IS NOT TRUE
                       AND promise.state <> 'withdrawn' AND %(condition)s
                ), cash AS (
                    SELECT line.id AS line_id, cash.*
                      FROM line
                      JOIN (%(cash)s) AS cash ON cash.item_id = line.move_line_id
                ), payment AS (
                    -- What a payment had paid before counts no more when it is matched
                    -- anew.
                    SELECT line.id AS line_id, cash.date <= line.date AS is_in_time,
                           SUM(cash.amount) AS amount,
                           LEAST(SUM(cash.amount), COALESCE(
                               (line.payments_before ->> cash.entry_id::text)::numeric,
                               0
                           )) AS before
                      FROM line
                      JOIN cash ON cash.line_id = line.id
                  GROUP BY line.id, line.date, line.payments_before, cash.entry_id,
                           cash.date
                ), received AS (
                    SELECT line_id, SUM(before) AS before,
                           SUM(amount - before) FILTER (WHERE is_in_time) AS in_time
                      FROM payment
                  GROUP BY line_id
                ), relieved AS (
                    -- The entries of cash discounts stand with the cash already.
                    SELECT line.id AS line_id,
                           SUM(GREATEST(
                               partial.debit_amount_currency
                               - COALESCE(discount.amount, 0),
                               0
                           )) AS amount
                      FROM line
                      JOIN account_partial_reconcile partial
                        ON partial.debit_move_id = line.move_line_id
                      JOIN account_move_line counterpart
                        ON counterpart.id = partial.credit_move_id
                       AND counterpart.parent_state = 'posted'
                       AND counterpart.date <= line.date
                 LEFT JOIN cash
                        ON cash.line_id = line.id AND cash.match_id = partial.id
                 LEFT JOIN LATERAL (
                           SELECT SUM(paid.cash_discount_amount_currency) AS amount
                             FROM account_partial_reconcile paid
                            WHERE paid.cash_discount_move_id = counterpart.move_id
                              AND paid.debit_move_id = line.move_line_id
                      ) discount ON TRUE
                     WHERE cash.match_id IS NULL
                  GROUP BY line.id
                ), item AS (
                    SELECT line.promise_id, line.is_posted, line.amount,
                           GREATEST(
                               COALESCE(received.in_time, 0) - line.paid_before, 0
                           ) AS received,
                           GREATEST(
                               line.total - COALESCE(relieved.amount, 0)
                               - COALESCE(received.before, 0) - line.paid_before,
                               0
                           ) AS payable
                      FROM line
                 LEFT JOIN received ON received.line_id = line.id
                 LEFT JOIN relieved ON relieved.line_id = line.id
                ), outcome AS (
                    -- Of each item no more than can be paid: what is promised of one
                    -- that was credited is not owed with another.
                    SELECT promise_id,
                           SUM(LEAST(amount, payable)) FILTER (WHERE is_posted)
                               AS promised,
                           SUM(received) FILTER (WHERE is_posted) AS received,
                           SUM(payable) FILTER (WHERE is_posted) AS payable
                      FROM item
                  GROUP BY promise_id
                ), verdict AS (
                    SELECT promise.id, promise.state AS old_state,
                           COALESCE(outcome.received, 0) AS received,
                           CASE WHEN outcome.received > 0
                                 AND outcome.received >= outcome.promised
                                THEN 'kept'
                                WHEN COALESCE(outcome.payable, 0) <= 0 THEN 'void'
                                WHEN promise.date >= %(today)s THEN 'open'
                                WHEN outcome.received > 0 THEN 'partly'
                                ELSE 'broken'
                            END AS state
                      FROM outcome
                      JOIN collections_promise promise
                        ON promise.id = outcome.promise_id
                )
                UPDATE collections_promise promise
                   SET state = verdict.state, amount_received = verdict.received
                  FROM verdict
                 WHERE promise.id = verdict.id
                   AND (
                        promise.state <> verdict.state
                        OR promise.amount_received IS DISTINCT FROM verdict.received
                   )
             RETURNING promise.id, verdict.old_state <> verdict.state
                """,
                condition=condition,
                cash=self._get_cash_sql(),
                today=fields.Date.context_today(self),
            )
        )
        self.invalidate_model(["state", "amount_received"])
        changed = self.browse(promise_id for promise_id, is_new in rows if is_new)
        changed._update_items(source)
        return changed

    def _update_items(self, source):
        """Let the open items of the promises follow the verdict."""
        by_state = self.grouped("state")
        missed = self.browse().union(
            *(by_state.get(state, self.browse()) for state in ("partly", "broken"))
        )
        met = self.browse().union(
            *(by_state.get(state, self.browse()) for state in ("kept", "void"))
        )
        # A kept promise that is taken back had no mark on its items any more.
        missed._get_open_items(("promised", "not_disputed"))._break_promises(source)
        met._get_open_items(("promised", "promise_broken"))._close_promises(source)
        reopened = by_state.get("open", self.browse())
        reopened._get_open_items(("not_disputed", "promise_broken"))._promise_again(
            source
        )

    def _get_open_items(self, statuses):
        """Return the open items whose last promise is one of these, by their status."""
        items_sudo = (
            self.sudo()
            .line_ids.filtered(  # agents may have less than all
                lambda line: not line.is_withdrawn
            )
            .move_line_id
        )
        return items_sudo.filtered(
            lambda item: (
                not item.reconciled
                and item.parent_state == "posted"
                and (item.collections_status or "not_disputed") in statuses
                and item.collections_promise_line_ids._get_last().promise_id in self
            )
        )

    @api.model
    def _get_record_by_partner(self, partners):
        """Return how customers kept their promises, in the companies in use.

        :param partners: commercial partners
        :return: the number of promises by state, by partner id
        :rtype: dict[int, dict[str, int]]
        """
        groups = self._read_group(
            Domain("partner_id", "in", partners.ids)
            & Domain("company_id", "in", self.env.companies.ids),
            ["partner_id", "state"],
            ["__count"],
        )
        record = {partner.id: {} for partner in partners}
        for partner, state, count in groups:
            record[partner.id][state] = count
        return record
