from odoo import api, fields, models
from odoo.tools import SQL


class CollectionsCashDiscountReport(models.Model):
    """Cash discounts that were offered, taken and lost, one row for each item."""

    _name = "collections.cash.discount.report"
    _description = "Cash Discount Analysis"
    _auto = False
    _order = "invoice_date desc, id desc"
    _rec_name = "move_id"

    move_line_id = fields.Many2one(
        comodel_name="account.move.line", string="Item", readonly=True
    )
    move_id = fields.Many2one(
        comodel_name="account.move", string="Invoice", readonly=True
    )
    partner_id = fields.Many2one(
        comodel_name="res.partner", string="Customer", readonly=True
    )
    company_id = fields.Many2one(comodel_name="res.company", readonly=True)
    currency_id = fields.Many2one(comodel_name="res.currency", readonly=True)
    payment_term_id = fields.Many2one(
        comodel_name="account.payment.term", string="Payment Terms", readonly=True
    )
    invoice_date = fields.Date(readonly=True)
    discount_date = fields.Date(
        string="Discount until", readonly=True, help="The end of the last period."
    )
    amount_invoiced = fields.Monetary(string="Invoiced", readonly=True)
    amount_offered = fields.Monetary(
        string="Offered",
        readonly=True,
        help="The discount of the first period, which is the best one mostly.",
    )
    amount_taken = fields.Monetary(
        string="Taken",
        readonly=True,
        help="What was deducted, at the rates of the days it was booked.",
    )
    amount_lost = fields.Monetary(
        string="Lost",
        readonly=True,
        help="What was offered and not taken of items that are closed, or whose last "
        "discount period is over.",
    )
    amount_possible = fields.Monetary(
        string="Still Possible",
        readonly=True,
        help="What can be deducted of what is open when it is paid today.",
    )

    @api.depends("move_id")
    def _compute_display_name(self):
        for line in self:
            line.display_name = line.move_id.display_name

    def action_open_invoice(self):
        """Open the invoice of a row."""
        self.env["collections.posting"]._check_one(self)
        return self.move_id.action_open_business_doc()

    @property
    def _table_query(self):
        # Core's own discount is given in full, to a payment in time that closes the
        # invoice, and stands in the entry of that payment.
        return SQL(
            """
            SELECT item.id,
                   item.id AS move_line_id,
                   item.move_id,
                   partner.commercial_partner_id AS partner_id,
                   item.company_id,
                   item.company_currency_id AS currency_id,
                   move.invoice_payment_term_id AS payment_term_id,
                   move.invoice_date,
                   tier.last_date AS discount_date,
                   item.balance AS amount_invoiced,
                   offered.amount AS amount_offered,
                   taken.amount AS amount_taken,
                   CASE WHEN item.reconciled OR NOT tier.is_running
                        THEN GREATEST(offered.amount - taken.amount, 0)
                        ELSE 0 END AS amount_lost,
                   CASE WHEN item.reconciled OR NOT tier.is_running
                          OR engine.choice = 'never'
                        THEN 0
                        WHEN engine.is_ours
                        THEN ROUND(
                            tier.balance * item.amount_residual
                            / NULLIF(item.balance, 0),
                            currency.decimal_places
                        )
                        WHEN item.amount_residual = item.balance THEN offered.amount
                        ELSE 0 END AS amount_possible
              FROM account_move_line item
              JOIN account_move move ON move.id = item.move_id
              JOIN res_company company ON company.id = item.company_id
              JOIN res_currency currency ON currency.id = item.company_currency_id
         LEFT JOIN res_partner partner ON partner.id = item.partner_id
                   , LATERAL (
                   SELECT item.balance - item.discount_balance AS amount
                   ) offered
                   , LATERAL (
                   SELECT COALESCE(item.use_cash_discount, 'normal') AS choice,
                          COALESCE(company.collections_partial_cash_discount, FALSE)
                          OR COALESCE(item.use_cash_discount, 'normal') <> 'normal'
                          AS is_ours
                   ) engine
                   , LATERAL (
                   SELECT COALESCE(MAX(offer.date), item.discount_date) AS last_date,
                          engine.choice = 'always' OR %(today)s <= CASE
                              WHEN engine.is_ours
                              THEN COALESCE(MAX(offer.date), item.discount_date)
                              ELSE item.discount_date END AS is_running,
                          COALESCE(
                              (ARRAY_AGG(offer.balance ORDER BY offer.date) FILTER (
                                  WHERE offer.date >= %(today)s
                              ))[1],
                              (ARRAY_AGG(offer.balance ORDER BY offer.date DESC))[1],
                              offered.amount
                          ) AS balance
                     FROM collections_cash_discount_offer offer
                    WHERE offer.move_line_id = item.id
                   ) tier
                   , LATERAL (
                   SELECT COALESCE(SUM(
                              CASE WHEN entry.id IS NOT NULL
                                   THEN partial.cash_discount_amount_currency
                                        * entry_line.rate
                                   WHEN item.reconciled
                                        AND credit.date <= item.discount_date
                                        AND own.id IS NOT NULL
                                   THEN offered.amount
                                   END
                          ), 0) AS amount
                     FROM account_partial_reconcile partial
                     JOIN account_move_line credit ON credit.id = partial.credit_move_id
                LEFT JOIN account_move entry
                       ON entry.id = partial.cash_discount_move_id
                      AND entry.state = 'posted'
                      AND NOT EXISTS (
                              SELECT 1
                                FROM account_move reversal
                               WHERE reversal.reversed_entry_id = entry.id
                                 AND reversal.state = 'posted'
                          )
        LEFT JOIN LATERAL (
                          SELECT line.balance / NULLIF(line.amount_currency, 0) AS rate
                            FROM account_move_line line
                           WHERE line.move_id = entry.id
                             AND line.account_id = item.account_id
                             AND line.amount_currency < 0
                           LIMIT 1
                          ) entry_line ON TRUE
        LEFT JOIN LATERAL (
                          SELECT line.id
                            FROM account_move_line line
                            JOIN account_move payment ON payment.id = line.move_id
                            JOIN res_company company
                              ON company.id = line.company_id
                           WHERE line.move_id = credit.move_id
                             AND line.account_id =
                                 company.account_journal_early_pay_discount_loss_account_id
                             AND (
                                 payment.origin_payment_id IS NOT NULL
                                 OR payment.statement_line_id IS NOT NULL
                             )
                           LIMIT 1
                          ) own ON TRUE
                    WHERE partial.debit_move_id = item.id
                   ) taken
             WHERE item.discount_date IS NOT NULL
               AND item.display_type = 'payment_term'
               AND item.parent_state = 'posted'
               AND move.move_type IN ('out_invoice', 'out_receipt')
            """,
            today=fields.Date.context_today(self),
        )
