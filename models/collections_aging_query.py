from odoo import api, fields, models
from odoo.tools import SQL, ormcache

from .collections_aging_balance import PERIOD_COLUMNS

# A period for totals without a definition, whose periods are not asked for.
ALL_DATES = {"date_from": False, "date_to": False, "column": PERIOD_COLUMNS[0]}


class CollectionsAgingQuery(models.AbstractModel):
    """The statements behind an aging snapshot.

    The model that inherits has the fields `company_id`, `definition_id`, `pool_id`,
    `is_refresh`, `date` and `date_basis`. Nothing here writes: each method returns a
    piece of SQL, and the pieces fit into one another

        matches -> open items -> aged items -> totals per customer -> rows

    so that another addon can change one of them and leave the others alone. Whoever
    runs a piece flushes the ORM first.
    """

    _name = "collections.aging.query"
    _description = "Aging Query"

    # === SCOPE === #

    def _is_partial(self):
        """Tell whether the snapshot answers for some customers only."""
        return bool(self.pool_id or self.is_refresh)

    # === OPEN ITEMS === #

    def _get_accounts(self):
        """Return the receivable accounts of the company."""
        return (
            self.env["account.account"]
            .sudo()  # readers of snapshots need not be readers of the chart
            .with_context(active_test=False)
            .search(
                [
                    ("account_type", "=", "asset_receivable"),
                    ("company_ids", "in", self.company_id.sudo().parent_ids.ids),
                ],
                # Their own order, by codes, takes longer than finding them.
                order="id",
            )
        )

    def _get_open_items_sql(self, partner_ids=None):
        """Return the query for the items open at the end of the snapshot's date.

        An item is open with its balance less the matches made up to that day
        (`max_date`) with other posted items. For a recent day few rows have to be read
        when one goes back to it: what is open now, plus what was matched later, plus
        what is matched with an entry that is not posted (resetting a payment to draft
        keeps its matches). For a day long ago it is shorter to go forward, from the
        balance of every item. Both give the same.

        :param partner_ids: ids of `res.partner` to restrict to, contacts included; or
            an `SQL` of them, in brackets
        :return: the query; columns `id`, `move_id`, `partner_id`, `date`,
            `date_maturity`, `currency_id`, `status`, `promise_amount`,
            `dispute_amount`, `residual` (company currency) and `residual_currency` (of
            the item)
        :rtype: SQL
        """
        accounts = tuple(self._get_accounts().ids) or (0,)
        partner_filter = SQL()
        if partner_ids is not None:
            if not isinstance(partner_ids, SQL):
                partner_ids = SQL("%s", tuple(partner_ids) or (0,))
            partner_filter = SQL("AND line.partner_id IN %s", partner_ids)
        columns = SQL(
            """
            line.id, line.move_id, line.partner_id, line.date, line.date_maturity,
            line.currency_id, line.collections_status AS status,
            line.collections_promise_amount AS promise_amount,
            line.collections_dispute_amount AS dispute_amount
            """
        )
        where = SQL(
            """
                line.account_id IN %(accounts)s
            AND line.company_id = %(company)s
            AND line.parent_state = 'posted'
            AND line.date <= %(date)s
            %(partner_filter)s
            """,
            accounts=accounts,
            company=self.company_id.id,
            date=self.date,
            partner_filter=partner_filter,
        )
        forward = self._is_long_ago()
        matched = SQL(
            """
            SELECT line_id, SUM(amount) AS amount,
                   SUM(amount_currency) AS amount_currency
              FROM (%s) AS side
          GROUP BY line_id
            """,
            self._get_matches_sql(accounts, forward),
        )
        if forward:
            return SQL(
                """
                WITH matched AS (%(matched)s), item AS (
                    SELECT %(columns)s,
                           line.balance + COALESCE(matched.amount, 0) AS residual,
                           line.amount_currency + COALESCE(matched.amount_currency, 0)
                               AS residual_currency
                      FROM account_move_line line
                 LEFT JOIN matched ON matched.line_id = line.id
                     WHERE %(where)s
                )
                SELECT * FROM item WHERE residual <> 0 OR residual_currency <> 0
                """,
                matched=matched,
                columns=columns,
                where=where,
            )
        return SQL(
            """
            WITH matched AS (%(matched)s)
            SELECT %(columns)s,
                   line.amount_residual + COALESCE(matched.amount, 0) AS residual,
                   line.amount_residual_currency
                       + COALESCE(matched.amount_currency, 0) AS residual_currency
              FROM account_move_line line
         LEFT JOIN matched ON matched.line_id = line.id
             WHERE line.reconciled IS NOT TRUE AND %(where)s
               AND (
                    line.amount_residual + COALESCE(matched.amount, 0) <> 0
                    OR line.amount_residual_currency
                     + COALESCE(matched.amount_currency, 0) <> 0
               )
         UNION ALL
            SELECT %(columns)s, matched.amount, matched.amount_currency
              FROM matched
              JOIN account_move_line line ON line.id = matched.line_id
             WHERE line.reconciled IS TRUE AND %(where)s
               AND (matched.amount <> 0 OR matched.amount_currency <> 0)
            """,
            matched=matched,
            columns=columns,
            where=where,
        )

    def _is_long_ago(self):
        """Tell whether going forward to the date reads less than going back.

        Guessed from where the date lies between the first and the last match; on books
        with as many matches in each month the two were even at 60 % of that time. Back
        to today there are only the matches dated ahead.
        """
        if self.date >= fields.Date.context_today(self):
            return False
        [(first, last)] = self.env.execute_query(
            SQL("SELECT MIN(max_date), MAX(max_date) FROM account_partial_reconcile")
        )
        return bool(first) and (self.date - first).days < 0.6 * (last - first).days

    def _get_matches_sql(self, accounts, forward):
        """Return the query for what matches add to the amounts of items.

        Back from now these are the matches that do not count on the snapshot's date,
        forward those that do, with the sign turned. Matches with entries that are not
        posted are added either way: neither the residual nor the balance less the
        matches up to the date knows better.

        :param accounts: ids of the receivable accounts
        :param forward: whether the amounts are added to the balance of the items,
            instead of what is open of them now
        :return: the query; columns `line_id`, `amount` and `amount_currency`
        :rtype: SQL
        """
        family = tuple(self._get_branch_family().ids)
        date = self.date
        return SQL(
            """
            SELECT partial.debit_move_id AS line_id, %(sign)s partial.amount AS amount,
                   %(sign)s partial.debit_amount_currency AS amount_currency
              FROM account_partial_reconcile partial
             WHERE partial.max_date %(after)s %(date)s
               AND partial.company_id IN %(family)s
         UNION ALL
            SELECT partial.credit_move_id, %(other)s partial.amount,
                   %(other)s partial.credit_amount_currency
              FROM account_partial_reconcile partial
             WHERE partial.max_date %(after)s %(date)s
               AND partial.company_id IN %(family)s
         UNION ALL
            SELECT partial.debit_move_id, partial.amount, partial.debit_amount_currency
              FROM account_move_line other
              JOIN account_partial_reconcile partial
                ON partial.credit_move_id = other.id
             WHERE other.parent_state <> 'posted' AND other.matching_number IS NOT NULL
               AND other.account_id IN %(accounts)s AND partial.max_date <= %(date)s
         UNION ALL
            SELECT partial.credit_move_id, -partial.amount,
                   -partial.credit_amount_currency
              FROM account_move_line other
              JOIN account_partial_reconcile partial
                ON partial.debit_move_id = other.id
             WHERE other.parent_state <> 'posted' AND other.matching_number IS NOT NULL
               AND other.account_id IN %(accounts)s AND partial.max_date <= %(date)s
            """,
            date=date,
            sign=SQL("-") if forward else SQL("+"),
            other=SQL("+") if forward else SQL("-"),
            after=SQL("<=") if forward else SQL(">"),
            family=family,
            accounts=accounts,
        )

    def _get_branch_family(self):
        """Return the companies whose items can be matched with those of the company."""
        root = self.company_id.sudo().root_id
        return root.browse(self._get_branch_ids(root.id))

    @api.model
    @ormcache("root_id")
    def _get_branch_ids(self, root_id):
        """Return the ids of a company and its branches, also of those closed by now.

        A company stays where it is, and Odoo clears the cache for a new one.
        """
        Company_sudo = self.env["res.company"].sudo()  # of all, whoever asks
        return (
            Company_sudo.with_context(active_test=False)
            .search([("id", "child_of", root_id)])
            ._ids
        )

    def _get_age_date_sql(self):
        """Return the date that an item is aged by; aliases `item` and `move`."""
        return {
            "due_date": SQL("COALESCE(item.date_maturity, item.date)"),
            "invoice_date": SQL("COALESCE(move.invoice_date, item.date)"),
            "accounting_date": SQL("item.date"),
        }[self.date_basis]

    def _get_move_join_sql(self):
        """Return the join with the journal entries, where the dates need it."""
        if self.date_basis != "invoice_date":
            return SQL()
        return SQL("LEFT JOIN account_move move ON move.id = item.move_id")

    def _get_aged_items_sql(self, partner_ids=None):
        """Return the open items with commercial partner and dates.

        Columns besides those of the open items: `customer_id`, `age_date`, `due_date`,
        `is_debit`, and `is_real`, which is false for lines that have nothing left in
        their own currency but wait for an exchange difference entry.
        """
        scope = SQL()
        if self._is_partial():
            scope = SQL(
                """
                JOIN collections_aging_snapshot_scope_rel scope
                  ON scope.snapshot_id = %s
                 AND scope.partner_id = partner.commercial_partner_id
                """,
                self.id,
            )
        return SQL(
            """
            SELECT item.*,
                   partner.commercial_partner_id AS customer_id,
                   %(age_date)s AS age_date,
                   COALESCE(item.date_maturity, item.date) AS due_date,
                   item.residual_currency <> 0 AS is_real,
                   item.residual > 0
                       OR (item.residual = 0 AND item.residual_currency > 0) AS is_debit
              FROM (%(items)s) AS item
         LEFT JOIN res_partner partner ON partner.id = item.partner_id
            %(scope)s
            %(move_join)s
            """,
            age_date=self._get_age_date_sql(),
            items=self._get_open_items_sql(partner_ids),
            scope=scope,
            move_join=self._get_move_join_sql(),
        )

    def _get_period_condition_sql(self, period, column):
        """Return the condition that a date lies in a period."""
        conditions = [SQL("TRUE")]
        if period["date_from"]:
            conditions.append(SQL("%s >= %s", column, period["date_from"]))
        if period["date_to"]:
            conditions.append(SQL("%s <= %s", column, period["date_to"]))
        return SQL(" AND ").join(conditions)

    def _get_indicator_sql(self, ranges):
        """Return the indicator of the period of the oldest overdue item."""
        indicators = {
            period.id: period.indicator for period in self.definition_id.period_ids
        }
        column = SQL("total.oldest_overdue_date")
        cases = [
            SQL(
                "WHEN %s THEN %s",
                self._get_period_condition_sql(period, column),
                indicators[period["id"]],
            )
            for period in ranges
        ]
        return SQL(
            "CASE WHEN %s IS NULL THEN 'none' %s END", column, SQL(" ").join(cases)
        )

    def _get_customer_totals_sql(self, ranges, partner_ids=None):
        """Return the query that adds the open items up per customer."""
        age_date = SQL("item.age_date")
        decimals = SQL("%s", self.company_id.currency_id.decimal_places)
        overdue = SQL(
            "item.is_real AND item.is_debit AND item.due_date < %s", self.date
        )
        amounts = SQL(", ").join(
            SQL(
                "COALESCE(SUM(item.residual) FILTER (WHERE %s), 0) AS %s",
                self._get_period_condition_sql(period, age_date),
                SQL.identifier(period["column"]),
            )
            for period in ranges
        )
        return SQL(
            """
            SELECT item.customer_id AS partner_id,
                   SUM(item.residual) AS amount_due,
                   COALESCE(SUM(item.residual) FILTER (WHERE %(overdue)s), 0)
                       AS amount_overdue,
                   COALESCE(SUM(item.residual) FILTER (WHERE item.residual < 0), 0)
                       AS amount_credit,
                   MIN(item.due_date) FILTER (WHERE %(overdue)s) AS oldest_overdue_date,
                   MIN(item.due_date) FILTER (WHERE item.is_real AND item.is_debit)
                       AS oldest_due_date,
                   COUNT(*) FILTER (WHERE item.is_real) AS open_item_count,
                   COUNT(*) FILTER (WHERE item.is_real AND item.status = 'disputed')
                       AS disputed_count,
                   COALESCE(
                       SUM(%(disputed)s) FILTER (WHERE item.status = 'disputed'), 0
                   )
                       AS amount_disputed,
                   COALESCE(
                       SUM(%(promised)s) FILTER (WHERE item.status = 'promised'), 0
                   )
                       AS amount_promised,
                   %(amounts)s
              FROM (%(items)s) AS item
          GROUP BY item.customer_id
            """,
            overdue=overdue,
            promised=self._get_part_sql(SQL("item.promise_amount"), decimals),
            disputed=self._get_part_sql(SQL("item.dispute_amount"), decimals),
            amounts=amounts,
            items=self._get_aged_items_sql(partner_ids),
        )

    def _get_part_sql(self, amount, decimals):
        """Return what is promised or disputed of an item, in company currency.

        It is said in the currency of the item; without an amount it is all that is
        open, and it is never more.

        :param SQL amount: the column, in the currency of the item
        :param SQL decimals: how many the currency of the company has
        """
        return SQL(
            """
            CASE WHEN COALESCE(%(amount)s, 0) = 0
                   OR %(amount)s >= item.residual_currency
                 THEN item.residual
                 ELSE ROUND(
                    item.residual * %(amount)s / item.residual_currency, %(decimals)s
                 )
             END
            """,
            amount=amount,
            decimals=decimals,
        )

    def _get_zero_customers_sql(self):
        """Return the query for the customers of the scope, open items or not."""
        if self._is_partial():
            return SQL(
                "SELECT partner_id FROM collections_aging_snapshot_scope_rel "
                "WHERE snapshot_id = %s",
                self.id,
            )
        return SQL(
            """
            SELECT partner.id AS partner_id
              FROM res_partner partner
             WHERE partner.commercial_partner_id = partner.id
               AND partner.active AND partner.customer_rank > 0
               AND (partner.company_id IS NULL OR partner.company_id IN %s)
            """,
            tuple(self.company_id.sudo().parent_ids.ids),
        )

    def _get_insert_sql(self, ranges, columns, source, is_current):
        Partner = self.env["res.partner"].with_company(self.company_id)
        credit_limit = Partner._fields["credit_limit"]
        unused = [name for name in PERIOD_COLUMNS if name not in columns]
        return SQL(
            """
            INSERT INTO collections_aging_balance (
                snapshot_id, definition_id, company_id, currency_id, date, partner_id,
                is_current, amount_due, amount_overdue, amount_credit, indicator,
                days_overdue, oldest_due_date, open_item_count, disputed_count,
                amount_disputed, amount_promised, credit_limit, credit_remaining,
                last_payment_date, last_payment_amount, %(columns)s
            )
            SELECT %(snapshot)s, %(definition)s, %(company)s, %(currency)s, %(date)s,
                   total.partner_id, %(is_current)s,
                   total.amount_due, total.amount_overdue, total.amount_credit,
                   %(indicator)s,
                   COALESCE(%(date)s::date - total.oldest_overdue_date, 0),
                   total.oldest_due_date, total.open_item_count, total.disputed_count,
                   total.amount_disputed, total.amount_promised,
                   COALESCE(credit.credit_limit, 0),
                   CASE WHEN credit.credit_limit > 0
                        THEN credit.credit_limit - total.amount_due
                    END,
                   payment.date, payment.amount,
                   %(amounts)s
              FROM (%(source)s) AS total
         LEFT JOIN (
                   SELECT customer.id,
                          CASE WHEN customer.credit_limit IS NULL
                               THEN %(default_credit_limit)s
                               ELSE (%(credit_limit)s)::numeric
                           END AS credit_limit
                     FROM res_partner customer
                   ) credit ON credit.id = total.partner_id
         LEFT JOIN (%(last_payments)s) payment
                ON payment.partner_id = total.partner_id
            """,
            columns=SQL(", ").join(map(SQL.identifier, columns + unused)),
            snapshot=self.id,
            definition=self.definition_id.id,
            company=self.company_id.id,
            currency=self.company_id.currency_id.id,
            date=self.date,
            is_current=is_current,
            indicator=self._get_indicator_sql(ranges),
            amounts=SQL(", ").join(
                [SQL("total.%s", SQL.identifier(name)) for name in columns]
                + [SQL("0") for _name in unused]
            ),
            source=source,
            credit_limit=Partner._field_to_sql("customer", "credit_limit"),
            # Most customers have no limit of their own, and reading that is slow.
            default_credit_limit=credit_limit.get_company_dependent_fallback(Partner),
            last_payments=self._get_last_payments_sql(),
        )

    def _get_last_payments_sql(self):
        """Return the query for the latest payment of each customer up to the date.

        An index gives the latest one of each contact, without reading the others. What
        a bank statement brings without a payment counts as well.
        """
        return SQL(
            """
            SELECT DISTINCT ON (latest.partner_id)
                   latest.partner_id, latest.date, latest.amount
              FROM (
                   SELECT payer.commercial_partner_id AS partner_id, last.id, last.date,
                          last.amount_company_currency_signed AS amount
                     FROM res_partner payer
                     JOIN LATERAL (
                          SELECT pay.id, pay.date, pay.amount_company_currency_signed
                            FROM account_payment pay
                           WHERE pay.partner_id = payer.id
                             AND pay.payment_type = 'inbound'
                             AND pay.partner_type = 'customer'
                             AND pay.state IN ('in_process', 'paid')
                             AND pay.company_id = %(company)s AND pay.date <= %(date)s
                        ORDER BY pay.date DESC, pay.id DESC
                           LIMIT 1
                          ) last ON TRUE
                    WHERE %(is_in_scope)s
                UNION ALL
                   SELECT payer.commercial_partner_id, line.statement_line_id,
                          line.date, -SUM(line.balance)
                     FROM account_move_line line
                     JOIN res_partner payer ON payer.id = line.partner_id
                     JOIN account_account account ON account.id = line.account_id
                    WHERE line.statement_line_id IS NOT NULL
                      AND account.account_type = 'asset_receivable'
                      AND line.parent_state = 'posted'
                      AND line.company_id = %(company)s AND line.date <= %(date)s
                      AND %(is_in_scope)s
                 GROUP BY payer.commercial_partner_id, line.statement_line_id, line.date
                   HAVING SUM(line.balance) < 0
                   ) latest
          ORDER BY latest.partner_id, latest.date DESC, latest.id DESC
            """,
            company=self.company_id.id,
            date=self.date,
            is_in_scope=self._get_scope_condition_sql(
                SQL("payer.commercial_partner_id")
            ),
        )

    def _get_scope_condition_sql(self, column):
        """Return the condition that a customer belongs to the scope of the run."""
        if not self._is_partial():
            return SQL("TRUE")
        return SQL(
            "%s IN (SELECT partner_id FROM collections_aging_snapshot_scope_rel "
            "WHERE snapshot_id = %s)",
            column,
            self.id,
        )

    def _get_contact_condition_sql(self, column):
        """Return that a partner is a customer of the scope or a contact of one.

        Items without a partner belong to a run over all customers only.
        """
        if not self._is_partial():
            return SQL("TRUE")
        return SQL(
            "%s IN (SELECT id FROM res_partner WHERE %s)",
            column,
            self._get_scope_condition_sql(SQL("commercial_partner_id")),
        )

    # === TIE-OUT === #

    def _get_ledger_total(self):
        """Return the balance of the receivable accounts on the snapshot's date.

        Added up from the journal items alone: it does not look at matching, and so
        proves the aged amounts.
        """
        [(total,)] = self.env.execute_query(
            SQL(
                """
                SELECT COALESCE(SUM(line.balance), 0)
                  FROM account_move_line line
                 WHERE line.account_id IN %(accounts)s
                   AND line.company_id = %(company)s
                   AND line.parent_state = 'posted'
                   AND line.date <= %(date)s
                   AND %(where)s
                """,
                accounts=tuple(self._get_accounts().ids) or (0,),
                company=self.company_id.id,
                date=self.date,
                where=self._get_contact_condition_sql(SQL("line.partner_id")),
            )
        )
        return total

    def _get_matched_elsewhere(self):
        """Return by how much matches with other branches move the amount due.

        An invoice of one branch can be paid in another one. It is closed then, while
        the ledger of each of the two companies alone still shows its half.
        """
        [(amount,)] = self.env.execute_query(
            SQL(
                """
                SELECT COALESCE(SUM(
                           CASE WHEN debit.company_id = %(company)s THEN -partial.amount
                                ELSE partial.amount END
                       ), 0)
                  FROM account_partial_reconcile partial
                  JOIN account_move_line debit ON debit.id = partial.debit_move_id
                  JOIN account_move_line credit ON credit.id = partial.credit_move_id
             LEFT JOIN res_partner partner ON partner.id = CASE
                           WHEN debit.company_id = %(company)s THEN debit.partner_id
                           ELSE credit.partner_id END
                 WHERE partial.max_date <= %(date)s
                   AND debit.company_id <> credit.company_id
                   AND %(company)s IN (debit.company_id, credit.company_id)
                   AND debit.account_id IN %(accounts)s
                   AND debit.parent_state = 'posted' AND credit.parent_state = 'posted'
                   AND %(scope)s
                """,
                company=self.company_id.id,
                date=self.date,
                accounts=tuple(self._get_accounts().ids) or (0,),
                scope=self._get_scope_condition_sql(
                    SQL("partner.commercial_partner_id")
                ),
            )
        )
        return amount
