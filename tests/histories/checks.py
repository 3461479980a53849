"""What must hold after every step of a random history.

Each check returns what is wrong, as texts. Most ask the database directly, so that they
do not see through the eyes of the code that they check.
"""

from random import Random
from unittest.mock import patch

from odoo import fields
from odoo.tools import SQL

from .world import DOCUMENTS, FIRST_DAY

CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def find_problems(world, seed, number):
    """Return the first check that fails and what it says, or None.

    :param world: the `World`
    :param seed: with the number of the step it decides on the days that are aged
    :param int number: of the step after which the checks are made
    """
    world.env.flush_all()
    for function in CHECKS:
        problems = function(world)
        if problems:
            return function.__name__, problems
    random = Random(f"{seed}-{number}")
    if random.random() < 0.4:
        days = random.randint(-30, (world.day - FIRST_DAY).days + 60)
        date = fields.Date.add(FIRST_DAY, days=days)
        problems = find_aging_problems(world.env, random.choice(world.companies), date)
        if problems:
            return "aging", problems
    return None


def _query(world, code, **values):
    ids = tuple(company.id for company in world.companies)
    return [
        str(row)
        for row in world.env.execute_query_dict(SQL(code, companies=ids, **values))
    ]


# === ENTRIES AND MATCHES === #


@check
def entries_balance(world):
    return _query(
        world,
        """
        SELECT move.name, move.ref, SUM(line.balance) AS balance,
               CASE WHEN COUNT(DISTINCT line.currency_id) = 1
                    THEN SUM(line.amount_currency) END AS amount_currency
          FROM account_move_line line
          JOIN account_move move ON move.id = line.move_id
         WHERE move.company_id IN %(companies)s
           AND line.display_type NOT IN ('line_section', 'line_note')
      GROUP BY move.id
        HAVING ABS(SUM(line.balance)) > 0.00001
            OR COUNT(DISTINCT line.currency_id) = 1
           AND ABS(SUM(line.amount_currency)) > 0.00001
        """,
    )


@check
def amounts_are_whole_units(world):
    return _query(
        world,
        """
        SELECT move.name, move.ref, line.balance, line.amount_currency
          FROM account_move_line line
          JOIN account_move move ON move.id = line.move_id
          JOIN res_company company ON company.id = line.company_id
          JOIN res_currency own ON own.id = company.currency_id
          JOIN res_currency currency ON currency.id = line.currency_id
         WHERE line.company_id IN %(companies)s
           AND (line.balance <> ROUND(line.balance, own.decimal_places)
                OR line.amount_currency
                   <> ROUND(line.amount_currency, currency.decimal_places)
                OR line.currency_id = own.id AND line.balance <> line.amount_currency
                OR line.balance * line.amount_currency < 0)
        """,
    )


@check
def residuals_are_what_the_partials_say(world):
    return _query(
        world,
        """
        WITH match AS (
            SELECT debit_move_id AS line_id, amount,
                   debit_amount_currency AS amount_currency
              FROM account_partial_reconcile
         UNION ALL
            SELECT credit_move_id, -amount, -credit_amount_currency
              FROM account_partial_reconcile
        ), matched AS (
            SELECT line_id, SUM(amount) AS amount,
                   SUM(amount_currency) AS amount_currency
              FROM match
          GROUP BY line_id
        ), item AS (
            SELECT move.name, move.ref, account.code_store,
                   line.balance, line.amount_currency,
                   line.amount_residual, line.amount_residual_currency,
                   line.reconciled,
                   line.balance - COALESCE(matched.amount, 0) AS open,
                   line.amount_currency - COALESCE(matched.amount_currency, 0)
                       AS open_currency
              FROM account_move_line line
              JOIN account_move move ON move.id = line.move_id
              JOIN account_account account ON account.id = line.account_id
         LEFT JOIN matched ON matched.line_id = line.id
             WHERE line.company_id IN %(companies)s
               AND line.parent_state = 'posted' AND account.reconcile
        )
        SELECT *
          FROM item
         WHERE open <> amount_residual
            OR open_currency <> amount_residual_currency
            OR reconciled <> (open = 0 AND open_currency = 0)
            OR open * balance < 0
            OR open_currency * amount_currency < 0
        """,
    )


@check
def partials_fit_their_items(world):
    """Bare Odoo counts a rest in the currency of a credit twice, with the wrong sign.

    That is where the credit is used up in the currency of the company, and the rest is
    worth nothing there. The exchange difference for it is matched with a negative sum.
    """
    return _query(
        world,
        """
        SELECT partial.id, debit_move.name AS debit, credit_move.name AS credit,
               partial.amount, partial.debit_amount_currency,
               partial.credit_amount_currency,
               debit.parent_state AS debit_state, credit.parent_state AS credit_state
          FROM account_partial_reconcile partial
          JOIN account_move_line debit ON debit.id = partial.debit_move_id
          JOIN account_move debit_move ON debit_move.id = debit.move_id
          JOIN account_move_line credit ON credit.id = partial.credit_move_id
          JOIN account_move credit_move ON credit_move.id = credit.move_id
          JOIN res_company company ON company.id = debit.company_id
          JOIN res_currency own ON own.id = company.currency_id
         WHERE debit.company_id IN %(companies)s
           AND (debit.account_id <> credit.account_id
                OR partial.amount < 0
                OR LEAST(partial.debit_amount_currency,
                         partial.credit_amount_currency) < 0
                   AND NOT (partial.amount = 0
                            AND EXISTS (SELECT
                                          FROM account_partial_reconcile matched
                                         WHERE matched.exchange_move_id
                                               IN (debit.move_id, credit.move_id)))
                OR partial.debit_currency_id <> debit.currency_id
                OR partial.credit_currency_id <> credit.currency_id
                OR partial.debit_currency_id = own.id
                   AND partial.debit_amount_currency <> partial.amount
                OR partial.credit_currency_id = own.id
                   AND partial.credit_amount_currency <> partial.amount
                OR 'cancel' IN (debit.parent_state, credit.parent_state)
                OR partial.max_date < GREATEST(debit.date, credit.date))
        """,
    )


@check
def nothing_stays_open_in_one_currency_only(world):
    """Bare Odoo leaves such rests where currencies meet, so only ours are looked at.

    That is whatever is matched with a discount, a write-off, a return or a transfer to
    a vendor bill. A rest that is not worth the smallest coin has no other currency, and
    money in another currency than the item can leave what its smallest coin is worth,
    or the smallest coin of the company: bare Odoo does, where dinars owed in dollars
    are paid in euros.
    Where an exchange difference is one of the item's currency only, Odoo makes the rest
    of the taxes due on payment due with it, at nothing in the company's currency.
    """
    return _query(
        world,
        """
        WITH ours (id) AS (
             SELECT UNNEST(%(discounts)s::int[])
              UNION SELECT move_id FROM account_move_line
                     WHERE collections_writeoff_line_id IS NOT NULL
              UNION SELECT move_id FROM collections_payment_return
              UNION SELECT transfer_move_id FROM collections_reimbursement
             )
        SELECT move.name, move.ref, line.amount_residual,
               line.amount_residual_currency
          FROM account_move_line line
          JOIN account_move move ON move.id = line.move_id
          JOIN res_currency own ON own.id = line.company_currency_id
         WHERE line.company_id IN %(companies)s
           AND line.parent_state = 'posted'
           AND line.account_id IN (SELECT id FROM account_account WHERE reconcile)
           AND (line.amount_residual = 0) <> (line.amount_residual_currency = 0)
           AND (line.amount_residual <> 0
                OR ABS(line.amount_residual_currency * line.balance
                       / line.amount_currency) >= own.rounding)
           AND NOT EXISTS (
                   SELECT 1
                     FROM account_partial_reconcile partial
                     JOIN account_move_line other
                       ON other.id IN (partial.debit_move_id, partial.credit_move_id)
                     JOIN res_currency currency ON currency.id = other.currency_id
                    WHERE line.id IN (partial.debit_move_id, partial.credit_move_id)
                      AND other.currency_id <> line.currency_id
                      AND ABS(line.amount_residual) <= GREATEST(
                              own.rounding,
                              currency.rounding
                              * ABS(other.balance / NULLIF(other.amount_currency, 0))
                          )
               )
           AND NOT EXISTS (
                   SELECT 1
                     FROM account_partial_reconcile partial
                     JOIN account_move_line item
                       ON item.id IN (partial.debit_move_id, partial.credit_move_id)
                    WHERE partial.amount = 0
                      AND item.move_id = move.id
                      AND item.id <> line.id
               )
           AND EXISTS (
                   SELECT 1
                     FROM account_move_line item
                     JOIN account_partial_reconcile partial
                       ON item.id IN (partial.debit_move_id, partial.credit_move_id)
                     JOIN account_move_line other
                       ON other.id IN (partial.debit_move_id, partial.credit_move_id)
                    WHERE item.move_id = COALESCE(
                              move.tax_cash_basis_origin_move_id, move.id
                          )
                      AND other.move_id IN (SELECT id FROM ours)
               )
        """,
        discounts=list(world.discount_move_ids),
    )


@check
def documents_say_what_their_items_say(world):
    problems = []
    for number in world.find("account.move"):
        for move in world.made[number]:
            if move.state != "posted" or not move.is_invoice(include_receipts=True):
                continue
            items = move.line_ids.filtered(
                lambda line: line.display_type == "payment_term"
            )
            # Bare Odoo can leave a thousandth of the company's currency.
            is_closed = all(
                item.currency_id.is_zero(item.amount_residual_currency)
                for item in items
            )
            says_closed = move.payment_state in ("paid", "in_payment", "reversed")
            residual = abs(sum(items.mapped("amount_residual_currency")))
            if is_closed != says_closed or move.currency_id.compare_amounts(
                residual, move.amount_residual
            ):
                problems.append(
                    f"{move.name}: {move.payment_state}, {move.amount_residual} open, "
                    f"items {items.mapped('amount_residual_currency')}"
                )
    return problems


@check
def taxes_fall_due_with_what_is_paid(world):
    """Each match makes its own share of the taxes due on payment due.

    With an exchange difference in the item's own currency, bare Odoo makes all that is
    left due, or more.
    """
    return _query(
        world,
        """
        WITH due AS (
             SELECT entry.tax_cash_basis_rec_id AS partial_id,
                    entry.tax_cash_basis_origin_move_id AS move_id,
                    SUM(line.amount_currency) AS tax
               FROM account_move entry
               JOIN account_move_line line ON line.move_id = entry.id
              WHERE entry.tax_cash_basis_rec_id IS NOT NULL
                AND entry.company_id IN %(companies)s
                AND line.tax_repartition_line_id IS NOT NULL
           GROUP BY entry.id
             ), total AS (
             SELECT line.move_id,
                    SUM(line.amount_currency) FILTER (
                        WHERE account.account_type = 'asset_receivable'
                    ) AS open,
                    SUM(line.amount_currency) FILTER (
                        WHERE tax.tax_exigibility = 'on_payment'
                    ) AS tax,
                    MAX(currency.rounding) AS rounding
               FROM account_move_line line
               JOIN account_account account ON account.id = line.account_id
               JOIN res_currency currency ON currency.id = line.currency_id
          LEFT JOIN account_tax tax ON tax.id = line.tax_line_id
              WHERE line.move_id IN (SELECT move_id FROM due)
           GROUP BY line.move_id
             )
        SELECT move.name, other.name AS matched_with, due.tax,
               total.tax * share.amount / total.open AS expected
          FROM due
          JOIN total ON total.move_id = due.move_id
          JOIN account_move move ON move.id = due.move_id
          JOIN account_partial_reconcile partial ON partial.id = due.partial_id
          JOIN account_move_line debit ON debit.id = partial.debit_move_id
          JOIN account_move_line credit ON credit.id = partial.credit_move_id
          JOIN account_move other
            ON other.id IN (debit.move_id, credit.move_id) AND other.id <> move.id
    CROSS JOIN LATERAL (
               SELECT CASE WHEN debit.move_id = move.id
                           THEN partial.debit_amount_currency
                           ELSE -partial.credit_amount_currency
                       END AS amount
               ) share
         WHERE total.open <> 0
           AND move.move_type <> 'entry' -- their taxes are matched by their reversals
           AND NOT EXISTS (
                   SELECT 1
                     FROM due same
                     JOIN account_partial_reconcile partial
                       ON partial.id = same.partial_id
                     JOIN account_move_line item
                       ON item.id IN (partial.debit_move_id, partial.credit_move_id)
                     JOIN res_company company
                       ON company.currency_exchange_journal_id = item.journal_id
                    WHERE same.move_id = due.move_id
               )
           AND NOT EXISTS ( -- its tax is matched with that of a credit note still
                   SELECT 1
                     FROM account_move_line waiting
                     JOIN account_partial_reconcile match
                       ON waiting.id IN (match.debit_move_id, match.credit_move_id)
                     JOIN account_move_line against
                       ON against.id IN (match.debit_move_id, match.credit_move_id)
                      AND against.id <> waiting.id
                     JOIN account_move note ON note.id = against.move_id
                    WHERE waiting.move_id = due.move_id
                      AND waiting.tax_repartition_line_id IS NOT NULL
                      AND note.move_type <> 'entry'
               )
           AND NOT ( -- or was when it was paid, and nothing of it fell due
                   due.tax = 0
                   AND EXISTS (
                       SELECT 1
                         FROM account_move reversal
                        WHERE move.id IN (reversal.id, reversal.reversed_entry_id)
                          AND reversal.reversed_entry_id IS NOT NULL
                   )
               )
           AND NOT EXISTS ( -- nor after such a difference was undone
                   SELECT 1
                     FROM account_move entry
                     JOIN account_move_line line ON line.move_id = entry.id
                    WHERE entry.tax_cash_basis_origin_move_id = due.move_id
                      AND line.tax_repartition_line_id IS NOT NULL
                      AND line.amount_currency <> 0 AND line.balance = 0
               )
           AND ABS(due.tax - total.tax * share.amount / total.open)
               > total.rounding * (
                     2 + (SELECT COUNT(*) FROM due same
                           WHERE same.move_id = due.move_id)
                 )
        """,
    )


# === CASH DISCOUNTS === #


@check
def no_discount_without_its_settlement(world):
    partials = world.env["account.partial.reconcile"].search(
        [("cash_discount_move_id", "!=", False)]
    )
    settled = partials.cash_discount_move_id
    world.discount_move_ids |= set(settled.ids)
    problems = []
    for move in settled.filtered(lambda move: not move._is_in_force()):
        if move.id not in world.reversed_by_hand and move.state == "posted":
            problems.append(f"{move.name} ({move.ref}) is reversed, its payment is not")
    for move in world.env["account.move"].browse(world.discount_move_ids).exists():
        items = world.get_items(move)
        if move.state == "posted" and not all(items.mapped("reconciled")):
            problems.append(f"{move.name} ({move.ref}) is not matched with its item")
        if move not in settled and move._is_in_force():
            problems.append(f"{move.name} ({move.ref}) is left, its payment is not")
    journals = [
        company.collections_settlement_journal_id.id for company in world.companies
    ]
    transfers = world.env["collections.reimbursement"].search([]).transfer_move_id
    known = transfers.ids + list(world.discount_move_ids)
    unknown = world.env["account.move"].search(
        [
            ("journal_id", "in", journals),
            ("state", "=", "posted"),
            ("id", "not in", known),
        ]
    )
    for move in unknown:
        if move._is_in_force() and not move.reversed_entry_id:
            problems.append(f"{move.name} ({move.ref}) belongs to no payment")
    return problems


@check
def discounts_are_no_more_than_promised(world):
    if world.has_discount_by_hand:
        return []
    partials = world.env["account.partial.reconcile"].search(
        [("cash_discount_move_id", "!=", False)]
    )
    items = world.env["account.move.line"]
    for partial in partials:
        is_refund = partial.credit_move_id.move_id.move_type == "out_refund"
        items |= partial.credit_move_id if is_refund else partial.debit_move_id
    problems = []
    for item in items.filtered("cash_discount_offer_ids"):
        most = max(abs(offer.amount_currency) for offer in item.cash_discount_offer_ids)
        taken = item._get_cash_discount_taken()
        if taken < 0 or item.currency_id.compare_amounts(taken, most) > 0:
            problems.append(f"{item.move_id.name}: {taken} taken, {most} promised")
    return problems


# === WRITE-OFFS === #


@check
def writeoffs_close_what_they_write_off(world):
    return _query(
        world,
        """
        SELECT move.name, move.ref, writeoff.balance, writeoff.amount_residual
          FROM account_move_line writeoff
          JOIN account_move move ON move.id = writeoff.move_id
         WHERE writeoff.collections_writeoff_line_id IS NOT NULL
           AND writeoff.company_id IN %(companies)s
           AND writeoff.parent_state = 'posted'
           AND NOT writeoff.reconciled
           AND writeoff.move_id <> ALL(%(unmatched)s)
        """,
        unmatched=list(world.unmatched_ids),
    )


# === RETURNS AND REIMBURSEMENTS === #


@check
def returned_payments_pay_nothing(world):
    problems = []
    for payment_return in world.env["collections.payment.return"].search([]):
        payment, entry = payment_return.payment_id, payment_return.move_id
        if entry.id in world.unmatched_ids:
            continue
        if payment_return.state == "posted":
            partners = world.get_items(payment)
            others = (
                partners.matched_debit_ids.debit_move_id
                | partners.matched_credit_ids.credit_move_id
            ).move_id - entry
            if payment.state != "rejected" or entry.state != "posted":
                problems.append(f"{payment.name} is returned, but {payment.state}")
            elif others or not all(partners.mapped("reconciled")):
                problems.append(f"{payment.name} is returned, but matched: {others}")
        elif payment.state == "rejected" and not payment.collections_is_returned:
            problems.append(f"{payment.name} is not returned, but rejected")
        elif entry._is_in_force():
            problems.append(f"{entry.name} is left of an undone return")
    return problems


@check
def clearing_accounts_are_at_zero(world):
    ids = {world.accounts[company]["clearing"].id for company in world.companies}
    return _query(
        world,
        """
        SELECT line.company_id, SUM(line.balance) AS balance,
               SUM(line.amount_currency) AS amount_currency,
               COUNT(*) FILTER (WHERE NOT line.reconciled) AS open
          FROM account_move_line line
         WHERE line.company_id IN %(companies)s
           AND line.account_id IN %(accounts)s AND line.parent_state = 'posted'
      GROUP BY line.company_id, line.currency_id
        HAVING SUM(line.balance) <> 0 OR SUM(line.amount_currency) <> 0
            OR NOT BOOL_AND(line.reconciled)
        """,
        accounts=tuple(ids),
    )


@check
def no_reimbursement_without_its_bill(world):
    problems = []
    for record in world.env["collections.reimbursement"].search([]):
        moves = record.bill_id | record.transfer_move_id
        in_force = [move._is_in_force() for move in moves]
        if record.state == "posted" and not (len(in_force) == 2 and all(in_force)):
            problems.append(f"{record.display_name} lacks its bill or transfer")
        if record.state == "cancelled" and any(in_force):
            problems.append(f"{record.display_name} is cancelled, its entries are not")
    return problems


@check
def promises_are_about_their_items(world):
    return [
        f"promise {promise.id} is open without items"
        for promise in world.env["collections.promise"].search([("state", "=", "open")])
        if not promise.line_ids
    ]


# === AGING === #


def get_open_by_customer(env, company, date):
    """Work out what is open of each customer of a company on a day, item by item.

    :return: amount due, credits and number of open items by customer
    """
    amounts = {}
    lines = env["account.move.line"].search(
        [
            ("account_id.account_type", "=", "asset_receivable"),
            ("company_id", "=", company.id),
            ("parent_state", "=", "posted"),
            ("date", "<=", date),
        ]
    )
    for line in lines:
        residual, residual_currency = line.balance, line.amount_currency
        for partial in line.matched_credit_ids:
            if _is_matched(partial, partial.credit_move_id, date):
                residual -= partial.amount
                residual_currency -= partial.debit_amount_currency
        for partial in line.matched_debit_ids:
            if _is_matched(partial, partial.debit_move_id, date):
                residual += partial.amount
                residual_currency += partial.credit_amount_currency
        residual = line.company_currency_id.round(residual)
        is_open = bool(line.currency_id.round(residual_currency))
        if residual or is_open:
            customer = line.partner_id.commercial_partner_id
            due, credit, count = amounts.get(customer, (0.0, 0.0, 0))
            amounts[customer] = (
                line.company_currency_id.round(due + residual),
                line.company_currency_id.round(credit + min(residual, 0.0)),
                count + is_open,
            )
    return amounts


def _is_matched(partial, other, date):
    return partial.max_date <= date and other.parent_state == "posted"


def find_aging_problems(env, company, date):
    """Age a company in both ways there are; compare with the items and the ledger.

    :return: what differs, as texts
    """
    expected = get_open_by_customer(env, company, date)
    problems = []
    model = env.registry["collections.aging.snapshot"]
    for is_long_ago in (True, False):
        with patch.object(
            model, "_is_long_ago", lambda _self, answer=is_long_ago: answer
        ):
            snapshot = env["collections.aging.snapshot"].create(
                {"company_id": company.id, "date": date}
            )
            snapshot.action_run()
        found = {
            row.partner_id: (row.amount_due, row.amount_credit, row.open_item_count)
            for row in snapshot.balance_ids
        }
        where = f"{company.name} on {date}, long ago: {is_long_ago}"
        for customer in {*expected, *found}:
            if found.get(customer) != expected.get(customer):
                problems.append(
                    f"{where}: {customer.name} {found.get(customer)} instead of "
                    f"{expected.get(customer)}"
                )
        if snapshot.ledger_difference:
            problems.append(f"{where}: {snapshot.ledger_difference} to the ledger")
        for row in snapshot.balance_ids:
            in_periods = sum(row[f"amount_{n}"] for n in range(1, 13))
            if company.currency_id.compare_amounts(in_periods, row.amount_due):
                problems.append(f"{where}: the periods do not add up")
        snapshot.unlink()
    return problems


def get_fingerprint(world):
    """Return what the books say, for comparing before and after.

    :return: amounts by account, and what is open by item of the documents there are
    :rtype: dict
    """
    world.env.flush_all()
    amounts = world.env["account.move.line"]._read_group(
        [
            ("company_id", "in", [company.id for company in world.companies]),
            ("parent_state", "=", "posted"),
        ],
        ["company_id", "account_id", "currency_id"],
        ["balance:sum", "amount_currency:sum"],
    )
    found = {
        (company.name, account.id, account.name, currency.name): (
            company.currency_id.round(balance),
            currency.round(amount_currency),
        )
        for company, account, currency, balance, amount_currency in amounts
        if company.currency_id.round(balance) or currency.round(amount_currency)
    }
    for number, records in world.made.items():
        if records._name in DOCUMENTS and records.exists():
            for item in world.get_items(records):
                found[f"item of step {number}", item.id] = (
                    item.parent_state,
                    item.amount_residual,
                    item.amount_residual_currency,
                )
    return found
