"""Books of any size, written by a few set-based statements.

The rows are those that Odoo itself stores when invoices, credit notes and payments are
posted and matched: the same columns, in both currencies, with the exchange entries. The
draws are seeded, so books of one size are the same on every machine, counted back from
the day they are written.
"""

from odoo import fields

NAME = ""  # part of the database's name
# Books of another version are written anew.
VERSION = "1"

SEED = 0.19
YEARS_IN_DAYS = 3 * 365
ITEMS_PER_CUSTOMER = 25
# What comes with the invoices (credit notes, payments, exchange differences) adds up to
# nearly the rest, and unapplied payments fill the gap to the size asked for.
INVOICES_PER_ITEM = 0.512
CURRENCIES = {"EUR": 0.92, "GBP": 0.79}

# Rows go in much faster without them; they are made again as they were.
BULK_TABLES = (
    "account_move",
    "account_move_line",
    "account_payment",
    "account_partial_reconcile",
    "account_full_reconcile",
    "account_move__account_payment",
)


class Books:
    """Writes the books of one company.

    Everything is drawn and matched in temporary tables first (`_draw_…`); only then are
    the rows of Odoo's tables derived from them (`_write_…`).
    """

    def __init__(self, env, size):
        self.env = env
        self.size = size
        self.parameters = self._prepare_parameters()

    def write(self):
        """Write the books, check them, and return a line that describes them."""
        self._run("SELECT setseed(%(seed)s)")
        self._run("SET LOCAL work_mem = '256MB'")
        self._run("SET LOCAL maintenance_work_mem = '512MB'")
        self._write_currencies()
        self._write_customers()
        self._draw_invoices()
        self._draw_settlements()
        self._draw_moves()
        self._draw_partials()
        undo = self._drop_indexes_and_keys()
        self._write_moves()
        self._write_lines()
        self._write_payments()
        self._write_partials()
        self._restore(undo)
        self._advance_sequences()
        self.env.invalidate_all()
        self._check()
        return self._describe()

    # === PARAMETERS === #

    def _prepare_parameters(self):
        env, company = self.env, self.env.company
        today = fields.Date.context_today(env["res.users"])
        payment = env["account.payment"].new({"company_id": company.id})
        partner = company.partner_id
        bank = self._get_journal("bank")
        currencies = env["res.currency"].with_context(active_test=False)
        currencies = currencies.search([("name", "in", list(CURRENCIES))])
        currencies.active = True
        method = bank.inbound_payment_method_line_ids[:1]
        return {
            "seed": SEED,
            "size": self.size,
            "today": today,
            "days": YEARS_IN_DAYS,
            "invoices": int(self.size * INVOICES_PER_ITEM),
            "customers": max(self.size // ITEMS_PER_CUSTOMER, 10),
            "entries": max(self.size // 2000, 1),
            "company": company.id,
            "currency": company.currency_id.id,
            "eur": currencies.filtered(lambda currency: currency.name == "EUR").id,
            "gbp": currencies.filtered(lambda currency: currency.name == "GBP").id,
            "eur_rate": CURRENCIES["EUR"],
            "gbp_rate": CURRENCIES["GBP"],
            "receivable": partner.property_account_receivable_id.id,
            "income": self._get_journal("sale").default_account_id.id,
            "outstanding": payment._get_outstanding_account("inbound").id,
            "exchange_gain": company.income_currency_exchange_account_id.id,
            "exchange_loss": company.expense_currency_exchange_account_id.id,
            "sales": self._get_journal("sale").id,
            "bank": bank.id,
            "misc": self._get_journal("general").id,
            "exchange": company.currency_exchange_journal_id.id,
            "bank_code": f"P{bank.code}",
            "method_line": method.id,
            "method": method.payment_method_id.id,
        }

    def _get_journal(self, journal_type):
        return self.env["account.journal"].search(
            [
                *self.env["account.journal"]._check_company_domain(self.env.company),
                ("type", "=", journal_type),
            ],
            limit=1,
        )

    # === DRAWS === #

    def _write_currencies(self):
        """Write a rate for each month and currency; the company's own is 1."""
        self.env.flush_all()
        self._run(
            """
            CREATE TEMP TABLE bench_rate ON COMMIT DROP AS
            SELECT c.currency_id, month::date,
                   CASE WHEN c.currency_id = %(currency)s THEN 1
                        ELSE round((c.base * (1 + 0.08 * sin(k / 4.0)))::numeric, 6)
                    END AS rate
              FROM generate_series(0, %(days)s / 28 + 2) k
             CROSS JOIN (VALUES (%(currency)s, 1), (%(eur)s, %(eur_rate)s),
                                (%(gbp)s, %(gbp_rate)s)) c (currency_id, base)
             CROSS JOIN LATERAL (
                   SELECT date_trunc('month', %(today)s::date) - k * interval '1 month'
                   ) months (month)
            """
        )
        self._run(
            """
            INSERT INTO res_currency_rate (name, rate, currency_id, company_id,
                   create_uid, create_date, write_uid, write_date)
            SELECT month, rate, currency_id, %(company)s, 1, now(), 1, now()
              FROM bench_rate
             WHERE currency_id != %(currency)s
                ON CONFLICT DO NOTHING
            """
        )

    def _write_customers(self):
        """Write companies, one contact below every third of them, and credit limits."""
        self.parameters["partner_base"] = self._get_highest_id("res_partner")
        self._run(
            """
            CREATE TEMP TABLE bench_customer ON COMMIT DROP AS
            SELECT n, %(partner_base)s + n AS partner_id,
                   CASE WHEN mod(n, 3) = 0
                        THEN %(partner_base)s + %(customers)s + n / 3 END AS contact_id,
                   CASE WHEN mod(n, 25) = 3 THEN %(eur)s
                        WHEN mod(n, 50) = 14 THEN %(gbp)s
                        ELSE %(currency)s END AS currency_id,
                   'Customer ' || to_char(n, 'FM000000') AS name
              FROM generate_series(1, %(customers)s) n
            """
        )
        self._run(
            """
            INSERT INTO res_partner (id, name, complete_name, parent_id, is_company,
                   commercial_partner_id, commercial_company_name, email, lang, type,
                   color, active, partner_share, customer_rank, supplier_rank,
                   message_bounce, autopost_bills, credit_limit,
                   create_uid, create_date, write_uid, write_date)
            SELECT partner_id, name, name, NULL::int, TRUE, partner_id, name,
                   'customer' || n || '@example.com', 'en_US', 'contact', 0, TRUE, TRUE,
                   1, 0, 0, 'ask',
                   CASE WHEN mod(n, 3) = 1
                        THEN jsonb_build_object(%(company)s::text, 10000) END,
                   1, now(), 1, now()
              FROM bench_customer
             UNION ALL
            SELECT contact_id, 'Accounts Payable', name || ', Accounts Payable',
                   partner_id, FALSE, partner_id, name,
                   'payable' || n || '@example.com', 'en_US', 'contact', 0, TRUE,
                   TRUE, 1, 0, 0, 'ask', NULL, 1, now(), 1, now()
              FROM bench_customer
             WHERE contact_id IS NOT NULL
            """
        )

    def _draw_invoices(self):
        """Draw the invoices and what becomes of each.

        A few customers have many invoices, most have few. About every ninth invoice
        gets a credit note, some over the whole amount. Nobody pays after today.
        """
        self._run(
            """
            CREATE TEMP TABLE bench_draw ON COMMIT DROP AS
            SELECT n, 1 + floor(%(customers)s * power(random(), 2))::int AS customer,
                   %(today)s::date - floor(random() * %(days)s)::int AS date,
                   floor(random() * 61)::int AS term,
                   round((20 + 6000 * power(random(), 3))::numeric, 2) AS amount,
                   random() AS fate, random() AS delay, random() AS credit,
                   random() AS share, random() AS pair
              FROM generate_series(1, %(invoices)s) n
            """
        )
        self._run(
            """
            CREATE TEMP TABLE bench_invoice ON COMMIT DROP AS
            WITH day AS (
                SELECT d.*, c.currency_id,
                       greatest(d.date, d.date + d.term - 10 + floor(d.delay * 50)::int)
                       AS payday,
                       least(%(today)s, d.date + floor(d.share * 20)::int)
                       AS credit_date,
                       CASE WHEN d.credit < 0.03 THEN d.amount
                            WHEN d.credit < 0.11
                            THEN round(d.amount * (0.1 + 0.4 * d.share)::numeric, 2)
                            ELSE 0 END AS credit_amount
                  FROM bench_draw d
                  JOIN bench_customer c ON c.n = d.customer
            ), fate AS (
                SELECT *,
                       CASE WHEN payday > %(today)s THEN 'open'
                            WHEN fate < 0.80 THEN 'full'
                            WHEN fate < 0.89 THEN 'part'
                            ELSE 'open' END AS paid
                  FROM day
            ), credit AS (
                SELECT *,
                       credit_amount > 0 AND (paid = 'full'
                           OR (share < 0.4 AND credit_amount < amount))
                       AS credit_matched
                  FROM fate
            )
            SELECT i.n, i.customer, i.currency_id, i.date, i.date + i.term AS due,
                   i.paid, i.amount, round(i.amount / r.rate, 2) AS balance, r.rate,
                   i.credit_amount, i.credit_date, i.credit_matched, i.pair,
                   round(i.credit_amount / cr.rate, 2) AS credit_balance,
                   greatest(i.payday, CASE WHEN i.credit_matched THEN i.credit_date END)
                   AS payday,
                   CASE i.paid WHEN 'full' THEN rest WHEN 'open' THEN 0
                        ELSE round(rest * (0.2 + 0.5 * i.share)::numeric, 2) END
                   AS pay_amount
              FROM credit i
              JOIN bench_rate r ON r.currency_id = i.currency_id
               AND r.month = date_trunc('month', i.date)
              JOIN bench_rate cr ON cr.currency_id = i.currency_id
               AND cr.month = date_trunc('month', i.credit_date)
             CROSS JOIN LATERAL (
                   SELECT i.amount - CASE WHEN i.credit_matched THEN i.credit_amount
                                          ELSE 0 END
                   ) open (rest)
            """
        )

    def _draw_settlements(self):
        """Draw which credit note or payment settles what, and the exchange differences.

        Every fourth pair of neighbouring invoices of a customer is paid by one payment.
        The two sides of a settlement have different book values in another currency;
        the difference is an entry at the end of the month, as in Odoo.
        """
        self._run(
            """
            CREATE TEMP TABLE bench_share ON COMMIT DROP AS
            WITH placed AS (
                SELECT n, customer, currency_id, paid, payday, pay_amount, pair,
                       row_number() OVER (
                           PARTITION BY customer, paid ORDER BY payday, n) - 1 AS place
                  FROM bench_invoice
                 WHERE pay_amount > 0
            ), led AS (
                SELECT *, first_value(n) OVER leader AS leader,
                       first_value(pair) OVER leader AS leader_pair
                  FROM placed
                WINDOW leader AS (PARTITION BY customer, paid, place / 2 ORDER BY place)
            ), grouped AS (
                SELECT n, customer, currency_id, payday, pay_amount,
                       CASE WHEN paid = 'full' AND leader_pair < 0.25
                            THEN leader ELSE n END AS payment
                  FROM led
            ), dated AS (
                SELECT *, max(payday) OVER (PARTITION BY payment) AS date FROM grouped
            )
            SELECT d.n, d.customer, d.currency_id, d.payment, d.date,
                   d.pay_amount AS amount, round(d.pay_amount / r.rate, 2) AS balance
              FROM dated d
              JOIN bench_rate r ON r.currency_id = d.currency_id
               AND r.month = date_trunc('month', d.date)
            """
        )
        self._run("CREATE INDEX ON bench_share (n)")
        self._run("ANALYZE bench_share, bench_invoice, bench_customer")
        self._run(
            """
            CREATE TEMP TABLE bench_settlement ON COMMIT DROP AS
            WITH credit AS (
                SELECT n, CASE WHEN credit_amount = amount THEN balance
                               ELSE round(credit_amount / rate, 2) END AS value
                  FROM bench_invoice
                 WHERE credit_matched
            ), side AS (
                SELECT i.n, 'refund' AS kind, i.n AS key, i.credit_amount AS amount,
                       i.credit_date AS date, c.value AS invoice_value,
                       i.credit_balance AS other_value,
                       coalesce(s.payment, i.n) AS component
                  FROM bench_invoice i
                  JOIN credit c ON c.n = i.n
                  LEFT JOIN bench_share s ON s.n = i.n
                 UNION ALL
                SELECT i.n, 'payment', s.payment, s.amount, s.date,
                       CASE WHEN i.paid = 'full' THEN i.balance - coalesce(c.value, 0)
                            ELSE round(s.amount / i.rate, 2) END,
                       s.balance, s.payment
                  FROM bench_invoice i
                  JOIN bench_share s ON s.n = i.n
                  LEFT JOIN credit c ON c.n = i.n
            )
            SELECT row_number() OVER (ORDER BY date, n, kind) AS id, *,
                   least(invoice_value, other_value) AS value,
                   other_value - invoice_value AS difference,
                   least(%(today)s, (date_trunc('month', date)
                         + interval '1 month - 1 day')::date) AS exchange_date
              FROM side
            """
        )

    def _draw_moves(self):
        """Draw the entries in the order of their dates. Each has two lines."""
        self.parameters.update(
            move_base=self._get_highest_id("account_move"),
            line_base=self._get_highest_id("account_move_line"),
            payment_base=self._get_highest_id("account_payment"),
        )
        self._run(
            """
            CREATE TEMP TABLE bench_item ON COMMIT DROP AS
            SELECT 'invoice' AS kind, n AS key, customer, currency_id, date, due,
                   amount, balance
              FROM bench_invoice
             UNION ALL
            SELECT 'refund', n, customer, currency_id, credit_date, credit_date,
                   -credit_amount, -credit_balance
              FROM bench_invoice
             WHERE credit_amount > 0
             UNION ALL
            SELECT 'payment', payment, min(customer), min(currency_id), min(date),
                   min(date), -sum(amount), -sum(balance)
              FROM bench_share
             GROUP BY payment
             UNION ALL
            SELECT 'exchange', s.id, i.customer, i.currency_id, s.exchange_date,
                   s.exchange_date, 0, s.difference
              FROM bench_settlement s
              JOIN bench_invoice i ON i.n = s.n
             WHERE s.difference != 0
             UNION ALL
            SELECT 'entry', n, NULL, %(currency)s,
                   %(today)s::date - mod(n * 97, %(days)s), NULL, 10 + mod(n * 7, 90),
                   10 + mod(n * 7, 90)
              FROM generate_series(1, %(entries)s) n
            """
        )
        self._fill_with_unapplied_payments()
        self._run(
            """
            CREATE TEMP TABLE bench_move ON COMMIT DROP AS
            WITH kinds (kind, move_type, journal_id, prefix, step) AS (
                VALUES ('invoice', 'out_invoice', %(sales)s, 'INV', 'YYYY'),
                       ('refund', 'out_refund', %(sales)s, 'RINV', 'YYYY'),
                       ('payment', 'entry', %(bank)s, %(bank_code)s, 'YYYY'),
                       ('exchange', 'entry', %(exchange)s, 'EXCH', 'YYYY/MM'),
                       ('entry', 'entry', %(misc)s, 'MISC', 'YYYY/MM')
            ), ordered AS (
                SELECT i.*, k.move_type, k.journal_id,
                       k.prefix || '/' || to_char(i.date, k.step) || '/' AS prefix,
                       row_number() OVER (ORDER BY i.date, i.kind, i.key) AS place
                  FROM bench_item i
                  JOIN kinds k ON k.kind = i.kind
            ), numbered AS (
                SELECT *,
                       row_number() OVER (PARTITION BY prefix ORDER BY place) AS number
                  FROM ordered
            )
            SELECT m.kind, m.key, m.date, m.due, m.currency_id, m.amount, m.balance,
                   m.move_type, m.journal_id, m.prefix, m.number,
                   m.prefix || CASE WHEN m.number < 100000
                                    THEN to_char(m.number, 'FM00000')
                                    ELSE m.number::text END AS name,
                   c.partner_id AS commercial_id,
                   CASE WHEN mod(m.key, 3) = 0 AND m.kind IN ('invoice', 'payment')
                        THEN coalesce(c.contact_id, c.partner_id) ELSE c.partner_id
                    END AS contact_id,
                   c.name AS customer_name,
                   %(move_base)s + m.place AS id,
                   %(line_base)s + 2 * m.place AS line_id,
                   CASE WHEN m.kind = 'payment' THEN %(payment_base)s
                        + row_number() OVER (PARTITION BY m.kind ORDER BY m.place)
                    END AS payment_id
              FROM numbered m
              LEFT JOIN bench_customer c ON c.n = m.customer
            """
        )
        self._run("CREATE INDEX ON bench_move (kind, key)")
        self._run("ANALYZE bench_move")

    def _fill_with_unapplied_payments(self):
        """Add payments that settle nothing, as many as are missing to the size."""
        self._run("SELECT %(size)s - count(*) FROM bench_item")
        (missing,) = self.env.cr.fetchone()
        if not 0 <= missing <= self.size * 0.05:
            raise ValueError(f"The draws do not fit a size of {self.size}: {missing}")
        self._run(
            """
            INSERT INTO bench_item
            SELECT 'payment', %(invoices)s + n,
                   1 + floor(%(customers)s * power(random(), 2))::int, %(currency)s,
                   day, day, -amount, -amount
              FROM generate_series(1, %(missing)s) n
             CROSS JOIN LATERAL (
                   SELECT %(today)s::date - floor(random() * %(days)s)::int + n * 0,
                          round((20 + 2000 * power(random(), 3))::numeric, 2) + n * 0
                   ) drawn (day, amount)
            """,
            missing=missing,
        )

    def _draw_partials(self):
        """Derive the partials, the full reconciles and what stays open of each item."""
        self.parameters.update(
            partial_base=self._get_highest_id("account_partial_reconcile"),
            full_base=self._get_highest_id("account_full_reconcile"),
        )
        self._run(
            """
            CREATE TEMP TABLE bench_partial ON COMMIT DROP AS
            WITH side AS (
                SELECT s.*, i.line_id AS invoice_line, o.line_id AS other_line,
                       x.line_id AS exchange_line, x.id AS exchange_move_id,
                       i.currency_id
                  FROM bench_settlement s
                  JOIN bench_move i ON i.kind = 'invoice' AND i.key = s.n
                  JOIN bench_move o ON o.kind = s.kind AND o.key = s.key
                  LEFT JOIN bench_move x ON x.kind = 'exchange' AND x.key = s.id
            ), both_kinds AS (
                SELECT component, invoice_line AS debit_id, other_line AS credit_id,
                       value, amount, date, exchange_move_id, currency_id
                  FROM side
                 UNION ALL
                SELECT component,
                       CASE WHEN difference > 0
                            THEN exchange_line ELSE invoice_line END,
                       CASE WHEN difference > 0 THEN other_line ELSE exchange_line END,
                       abs(difference), 0, exchange_date, NULL, currency_id
                  FROM side
                 WHERE exchange_line IS NOT NULL
            )
            SELECT %(partial_base)s
                   + row_number() OVER (ORDER BY date, debit_id, credit_id) AS id, *
              FROM both_kinds
            """
        )
        self._run(
            """
            CREATE TEMP TABLE bench_open ON COMMIT DROP AS
            SELECT m.line_id, m.balance - coalesce(p.value, 0) AS residual,
                   m.amount - coalesce(p.amount, 0) AS residual_currency, p.component
              FROM bench_move m
              LEFT JOIN (
                    SELECT line_id, min(component) AS component, sum(value) AS value,
                           sum(amount) AS amount
                      FROM (SELECT debit_id AS line_id, component, value, amount
                              FROM bench_partial
                             UNION ALL
                            SELECT credit_id, component, -value, -amount
                              FROM bench_partial) sides
                     GROUP BY line_id
                   ) p ON p.line_id = m.line_id
            """
        )
        self._run(
            """
            CREATE TEMP TABLE bench_component ON COMMIT DROP AS
            SELECT component, partial_id,
                   CASE WHEN is_full
                        THEN %(full_base)s + row_number() OVER (
                             PARTITION BY is_full ORDER BY partial_id)
                    END AS full_id
              FROM (SELECT component,
                           bool_and(residual = 0 AND residual_currency = 0) AS is_full
                      FROM bench_open
                     WHERE component IS NOT NULL
                     GROUP BY component) o
              JOIN (SELECT component, min(id) AS partial_id
                      FROM bench_partial
                     GROUP BY component) p USING (component)
            """
        )
        self._run("ANALYZE bench_partial, bench_open, bench_component")

    # === ROWS OF ODOO === #

    def _write_moves(self):
        self._run(
            """
            INSERT INTO account_move (id, name, sequence_prefix, sequence_number, ref,
                   date, state, posted_before, checked, auto_post, move_type,
                   journal_id, company_id, currency_id, invoice_currency_rate,
                   partner_id,
                   commercial_partner_id, partner_shipping_id,
                   invoice_partner_display_name, invoice_user_id, invoice_date,
                   invoice_date_due, payment_reference, payment_state,
                   origin_payment_id, always_tax_exigible, is_manually_modified,
                   amount_untaxed, amount_tax, amount_total, amount_residual,
                   amount_untaxed_signed, amount_tax_signed, amount_total_signed,
                   amount_residual_signed, amount_untaxed_in_currency_signed,
                   amount_total_in_currency_signed,
                   create_uid, create_date, write_uid, write_date)
            SELECT m.id, m.name, m.prefix, m.number, p.name, m.date,
                   'posted', TRUE, TRUE, 'no', m.move_type, m.journal_id,
                   %(company)s, m.currency_id,
                   CASE WHEN d.is_document THEN r.rate ELSE 0 END, m.contact_id,
                   m.commercial_id, CASE WHEN d.is_document THEN m.contact_id END,
                   m.customer_name, CASE WHEN d.is_document THEN 1 END,
                   CASE WHEN d.is_document THEN m.date END,
                   coalesce(m.due, m.date),
                   CASE WHEN m.kind = 'invoice' THEN m.name END,
                   CASE WHEN NOT d.is_document OR o.component IS NULL THEN 'not_paid'
                        WHEN o.residual_currency != 0 OR o.residual != 0 THEN 'partial'
                        WHEN i.pay_amount = 0 THEN 'reversed'
                        ELSE 'paid' END,
                   m.payment_id, CASE WHEN NOT d.is_document THEN TRUE END, FALSE,
                   CASE WHEN d.is_document THEN abs(m.amount) ELSE 0 END, 0,
                   abs(m.amount),
                   CASE WHEN d.is_document THEN abs(o.residual_currency) ELSE 0 END,
                   CASE WHEN d.is_document THEN m.balance ELSE 0 END, 0,
                   CASE WHEN d.is_document THEN m.balance ELSE abs(m.balance) END,
                   CASE WHEN d.is_document THEN o.residual ELSE 0 END,
                   CASE WHEN d.is_document THEN m.amount ELSE 0 END,
                   CASE WHEN d.is_document THEN m.amount ELSE abs(m.amount) END,
                   1, now(), 1, now()
              FROM bench_move m
              JOIN bench_open o ON o.line_id = m.line_id
              JOIN bench_rate r ON r.currency_id = m.currency_id
               AND r.month = date_trunc('month', m.date)
              LEFT JOIN bench_invoice i ON m.kind = 'invoice' AND i.n = m.key
              LEFT JOIN bench_move p ON m.kind = 'payment' AND p.kind = 'invoice'
               AND p.key = m.key
             CROSS JOIN LATERAL (
                   SELECT m.kind IN ('invoice', 'refund')) d (is_document)
             ORDER BY m.id
            """
        )

    def _write_lines(self):
        """Write the receivable line (side 1) and its counterpart (side -1)."""
        self._run(
            """
            INSERT INTO account_move_line (id, move_id, move_name, parent_state,
                   journal_id, company_id, company_currency_id, currency_id, account_id,
                   partner_id, payment_id, date, invoice_date, date_maturity, name, ref,
                   sequence, display_type, quantity, price_unit, price_subtotal,
                   price_total, discount, deductible_amount, balance, debit, credit,
                   amount_currency, amount_residual, amount_residual_currency,
                   reconciled,
                   full_reconcile_id, matching_number,
                   discount_balance, discount_amount_currency, no_followup,
                   create_uid, create_date, write_uid, write_date)
            SELECT CASE WHEN l.is_receivable THEN m.line_id ELSE m.line_id - 1 END,
                   m.id, m.name, 'posted', m.journal_id,
                   %(company)s, %(currency)s, m.currency_id,
                   CASE WHEN l.is_receivable THEN %(receivable)s
                        WHEN m.kind = 'payment' THEN %(outstanding)s
                        WHEN m.kind = 'exchange' AND m.balance > 0
                        THEN %(exchange_gain)s
                        WHEN m.kind = 'exchange' THEN %(exchange_loss)s
                        ELSE %(income)s END,
                   CASE WHEN m.kind = 'payment'
                        THEN m.contact_id ELSE m.commercial_id END,
                   m.payment_id, m.date, CASE WHEN d.is_document THEN m.date END,
                   CASE WHEN NOT d.is_document OR l.is_receivable THEN m.due END,
                   CASE WHEN m.kind = 'payment' THEN 'Manual Payment'
                        WHEN m.kind = 'exchange'
                        THEN 'Currency exchange rate difference'
                        WHEN d.is_document AND NOT l.is_receivable
                        THEN 'Goods and services'
                        WHEN m.kind = 'invoice' THEN m.name END,
                   CASE WHEN m.kind = 'payment' THEN p.name END,
                   CASE WHEN d.is_document AND l.is_receivable THEN 12000
                        WHEN m.kind = 'exchange' THEN side ELSE 100 END,
                   CASE WHEN d.is_document AND l.is_receivable THEN 'payment_term'
                        ELSE 'product' END,
                   CASE WHEN d.is_document AND l.is_receivable THEN 0 ELSE 1 END,
                   CASE WHEN d.is_document AND NOT l.is_receivable
                        THEN abs(m.amount) ELSE 0 END,
                   l.price, l.price, 0, 100,
                   side * m.balance, greatest(side * m.balance, 0),
                   greatest(-side * m.balance, 0), side * m.amount,
                   CASE WHEN l.is_receivable THEN o.residual
                        WHEN m.kind = 'payment' THEN -m.balance ELSE 0 END,
                   CASE WHEN l.is_receivable THEN o.residual_currency
                        WHEN m.kind = 'payment' THEN -m.amount ELSE 0 END,
                   CASE WHEN l.is_receivable
                        THEN o.residual = 0 AND o.residual_currency = 0 END,
                   CASE WHEN l.is_receivable THEN c.full_id END,
                   CASE WHEN l.is_receivable
                        THEN coalesce(c.full_id::text, 'P' || c.partial_id) END,
                   CASE WHEN d.is_document AND l.is_receivable THEN 0 END,
                   CASE WHEN d.is_document AND l.is_receivable THEN 0 END,
                   m.kind IN ('exchange', 'entry'),
                   1, now(), 1, now()
              FROM bench_move m
              JOIN bench_open o ON o.line_id = m.line_id
              LEFT JOIN bench_component c ON c.component = o.component
              LEFT JOIN bench_move p ON m.kind = 'payment' AND p.kind = 'invoice'
               AND p.key = m.key
             CROSS JOIN (VALUES (1), (-1)) sides (side)
             CROSS JOIN LATERAL (
                   SELECT m.kind IN ('invoice', 'refund')) d (is_document)
             CROSS JOIN LATERAL (
                   SELECT side = 1,
                          CASE WHEN d.is_document AND side = 1 THEN 0
                               WHEN d.is_document THEN abs(m.amount)
                               ELSE side * m.amount END
                   ) l (is_receivable, price)
             ORDER BY 1
            """
        )

    def _write_payments(self):
        self._run(
            """
            INSERT INTO account_payment (id, name, date, memo, state, move_id,
                   company_id, journal_id, partner_id, currency_id, amount,
                   amount_company_currency_signed, payment_type, partner_type,
                   payment_method_id, payment_method_line_id, destination_account_id,
                   outstanding_account_id, is_reconciled, is_matched, is_sent,
                   create_uid, create_date, write_uid, write_date)
            SELECT m.payment_id, m.name, m.date, i.name,
                   CASE WHEN c.full_id IS NULL THEN 'in_process' ELSE 'paid' END, m.id,
                   %(company)s, m.journal_id, m.contact_id, m.currency_id, -m.amount,
                   -m.balance, 'inbound', 'customer', %(method)s, %(method_line)s,
                   %(receivable)s, %(outstanding)s, o.component IS NOT NULL, FALSE,
                   FALSE, 1, now(), 1, now()
              FROM bench_move m
              JOIN bench_open o ON o.line_id = m.line_id
              LEFT JOIN bench_component c ON c.component = o.component
              LEFT JOIN bench_move i ON i.kind = 'invoice' AND i.key = m.key
             WHERE m.kind = 'payment'
             ORDER BY m.payment_id
            """
        )
        self._run(
            """
            INSERT INTO account_move__account_payment (invoice_id, payment_id)
            SELECT i.id, p.payment_id
              FROM bench_share s
              JOIN bench_move i ON i.kind = 'invoice' AND i.key = s.n
              JOIN bench_move p ON p.kind = 'payment' AND p.key = s.payment
            """
        )

    def _write_partials(self):
        self._run(
            """
            INSERT INTO account_full_reconcile (id, create_uid, create_date, write_uid,
                   write_date)
            SELECT full_id, 1, now(), 1, now()
              FROM bench_component
             WHERE full_id IS NOT NULL
             ORDER BY full_id
            """
        )
        self._run(
            """
            INSERT INTO account_partial_reconcile (id, debit_move_id, credit_move_id,
                   amount, debit_amount_currency, credit_amount_currency,
                   debit_currency_id, credit_currency_id, max_date, company_id,
                   full_reconcile_id,
                   exchange_move_id, create_uid, create_date, write_uid, write_date)
            SELECT p.id, p.debit_id, p.credit_id, p.value, p.amount, p.amount,
                   p.currency_id, p.currency_id, p.date, %(company)s, c.full_id,
                   p.exchange_move_id, 1, now(), 1, now()
              FROM bench_partial p
              JOIN bench_component c ON c.component = p.component
             ORDER BY p.id
            """
        )

    # === TABLES === #

    def _drop_indexes_and_keys(self):
        """Drop secondary indexes and foreign keys; return what makes them again."""
        undo = []
        for table in BULK_TABLES:
            self._run(
                """
                SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
                 WHERE conrelid = %(table)s::regclass AND contype = 'f'
                """,
                table=table,
            )
            for name, definition in self.env.cr.fetchall():
                self._run(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
                undo.append(f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}')
        indexes = []
        for table in BULK_TABLES:
            self._run(
                """
                SELECT i.indexrelid::regclass, pg_get_indexdef(i.indexrelid)
                  FROM pg_index i
                 WHERE i.indrelid = %(table)s::regclass AND NOT i.indisprimary
                   AND NOT EXISTS (SELECT FROM pg_constraint c
                                    WHERE c.conindid = i.indexrelid)
                """,
                table=table,
            )
            for name, definition in self.env.cr.fetchall():
                self._run(f"DROP INDEX {name}")
                indexes.append(definition)
        return indexes + undo

    def _restore(self, statements):
        for statement in statements:
            self._run(statement)

    def _advance_sequences(self):
        for table in ("res_partner", *BULK_TABLES[:-1]):
            self._run(
                f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) "
                f"FROM {table}"
            )

    def _get_highest_id(self, table):
        self._run(f"SELECT coalesce(max(id), 0) FROM {table}")
        return self.env.cr.fetchone()[0]

    def _run(self, statement, **parameters):
        # Statements without parameters may hold a percent sign.
        values = {**self.parameters, **parameters} if "%(" in statement else None
        self.env.cr.execute(statement, values)

    # === CHECKS === #

    def _check(self):
        """Raise when the rows are not what Odoo would have stored."""
        self._check_empty(
            "entries that do not balance",
            """
            SELECT move_id FROM account_move_line
             GROUP BY move_id HAVING sum(balance) != 0 OR sum(amount_currency) != 0
            """,
        )
        self._check_empty(
            "items whose residual is not their balance less what was matched",
            """
            SELECT l.id
              FROM account_move_line l
              LEFT JOIN (
                    SELECT line_id, sum(value) AS value, sum(amount) AS amount
                      FROM (SELECT debit_move_id AS line_id, amount AS value,
                                   debit_amount_currency AS amount
                              FROM account_partial_reconcile
                             UNION ALL
                            SELECT credit_move_id, -amount, -credit_amount_currency
                              FROM account_partial_reconcile) sides
                     GROUP BY line_id
                   ) p ON p.line_id = l.id
             WHERE l.account_id = %(receivable)s
               AND (l.amount_residual != l.balance - coalesce(p.value, 0)
                    OR l.amount_residual_currency
                       != l.amount_currency - coalesce(p.amount, 0)
                    OR l.reconciled
                       != (l.amount_residual = 0 AND l.amount_residual_currency = 0)
                    OR sign(l.amount_residual) * sign(l.balance) < 0
                    OR (l.matching_number IS NULL) != (p.line_id IS NULL)
                    OR (l.full_reconcile_id IS NOT NULL AND NOT l.reconciled))
            """,
        )
        self._check_empty(
            "matches dated before one of their items, or after today",
            """
            SELECT p.id
              FROM account_partial_reconcile p
              JOIN account_move_line d ON d.id = p.debit_move_id
              JOIN account_move_line c ON c.id = p.credit_move_id
             WHERE p.max_date != greatest(d.date, c.date) OR p.max_date > %(today)s
                OR p.amount < 0
            """,
        )
        self._check_empty(
            "a sum of residuals that is not the ledger, or another number of items",
            """
            SELECT 1
              FROM account_move_line
             WHERE account_id = %(receivable)s
            HAVING sum(balance) != sum(amount_residual) OR count(*) != %(size)s
            """,
        )
        self._check_against_odoo()

    def _check_empty(self, what, statement):
        self._run(statement)
        found = self.env.cr.fetchmany(5)
        if found:
            raise ValueError(f"The books have {what}: {found}")

    def _check_against_odoo(self):
        """Let Odoo compute a sample of the stored columns and compare."""
        lines = self.env["account.move.line"].search(
            [("account_id", "=", self.parameters["receivable"])],
            limit=500,
            order="id desc",
        )
        self._check_computed(
            lines,
            [
                "amount_residual",
                "amount_residual_currency",
                "reconciled",
                "debit",
                "credit",
            ],
        )
        self._check_computed(
            lines.move_id,
            [
                "amount_total",
                "amount_residual",
                "amount_untaxed_signed",
                "amount_total_signed",
                "amount_residual_signed",
                "amount_total_in_currency_signed",
                "payment_state",
                "commercial_partner_id",
                "name",
            ],
        )
        self._check_computed(lines.payment_id, ["state", "is_reconciled"])

    def _check_computed(self, records, names):
        stored = {name: [record[name] for record in records] for name in names}
        for name in names:
            self.env.add_to_compute(records._fields[name], records)
        for name in names:
            for record, value in zip(records, stored[name], strict=True):
                if record[name] != value:
                    raise ValueError(
                        f"Odoo computes {record[name]} for {name} of {record}, "
                        f"not {value}"
                    )

    def _describe(self):
        self._run(
            """
            SELECT count(*) FILTER (WHERE l.reconciled),
                   count(*) FILTER (
                       WHERE NOT l.reconciled AND l.matching_number IS NOT NULL),
                   count(*) FILTER (WHERE l.amount_residual < 0),
                   count(*) FILTER (WHERE m.move_type = 'out_refund'),
                   count(*) FILTER (WHERE l.currency_id != l.company_currency_id),
                   count(*) FILTER (WHERE l.payment_id IS NOT NULL),
                   count(DISTINCT p.commercial_partner_id)
              FROM account_move_line l
              JOIN account_move m ON m.id = l.move_id
              LEFT JOIN res_partner p ON p.id = l.partner_id
             WHERE l.account_id = %(receivable)s
            """
        )
        closed, partly, credits, refunds, foreign, payments, customers = (
            self.env.cr.fetchone()
        )
        return (
            f"{self.size:,} items of {customers:,} customers: "
            f"{closed / self.size:.0%} closed, {partly / self.size:.1%} partly "
            f"matched, {credits / self.size:.1%} open credits, "
            f"{refunds / self.size:.1%} credit notes, "
            f"{payments / self.size:.0%} payments, "
            f"{foreign / self.size:.1%} in another currency"
        )
