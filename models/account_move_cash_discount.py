from odoo import api, fields, models
from odoo.tools import format_date

from .collections_cash_discount import SALES_TYPES


class AccountMove(models.Model):
    _inherit = "account.move"

    collections_cash_discount_line_ids = fields.Many2many(
        comodel_name="account.move.line",
        string="Cash Discount Terms",
        compute="_compute_collections_cash_discounts",
        help="The items of the invoice that a cash discount is offered for.",
    )
    collections_cash_discount_offer_ids = fields.Many2many(
        comodel_name="collections.cash.discount.offer",
        string="Cash Discounts Offered",
        compute="_compute_collections_cash_discounts",
    )
    collections_cash_discount_move_ids = fields.Many2many(
        comodel_name="account.move",
        string="Cash Discount Entries",
        compute="_compute_collections_cash_discounts",
    )

    @api.depends(
        "line_ids.cash_discount_offer_ids",
        "line_ids.matched_credit_ids.cash_discount_move_id",
        "line_ids.matched_debit_ids.cash_discount_move_id",
    )
    def _compute_collections_cash_discounts(self):
        for move in self:
            lines = move.line_ids.filtered("discount_date")
            partials = lines.matched_credit_ids | lines.matched_debit_ids
            is_sale = move.is_sale_document(True) and move.state == "posted"
            move.collections_cash_discount_line_ids = lines if is_sale else False
            move.collections_cash_discount_offer_ids = lines.cash_discount_offer_ids
            move.collections_cash_discount_move_ids = partials.cash_discount_move_id

    def action_open_settlement(self):
        """Open the wizard that matches the documents with other open items."""
        return self.env["collections.settlement.wizard"]._open(self)

    def action_view_cash_discounts(self):
        """Open the entries of the discounts taken of the invoice."""
        self.env["collections.posting"]._check_one(self)
        return self.collections_cash_discount_move_ids._get_records_action(
            name=self.env._("Cash Discounts"), context={"collections_export": True}
        )

    # === WHAT WAS PROMISED === #

    def _create_cash_discount_offers(self):
        """Keep what the payment terms of posted customer documents promise.

        The terms may change later; an invoice keeps what is printed on it.
        """
        lines = self.filtered(lambda move: move.is_sale_document(True)).line_ids
        lines = lines.filtered(
            lambda line: line.discount_date and line.display_type == "payment_term"
        )
        offers_sudo = self.env["collections.cash.discount.offer"].sudo()  # by posting
        lines.cash_discount_offer_ids.sudo().unlink()
        offers_sudo.create(
            [vals for line in lines for vals in line._prepare_cash_discount_offers()]
        )

    # === CORE'S EARLY PAYMENT DISCOUNT === #

    def _get_cash_discount_lines(self):
        """Return the open items whose discount is not core's any more."""
        CashDiscount = self.env["collections.cash.discount"]
        return self.line_ids.filtered(
            lambda line: (
                line.display_type == "payment_term"
                and not line.reconciled
                and CashDiscount._replaces_core(line)
            )
        )

    def _is_eligible_for_early_payment_discount(self, currency, reference_date):
        # EXTENDS account: parts were paid, another currency or a later period do not
        # end it
        lines = self._get_cash_discount_lines()
        if not lines or self.move_type not in (*SALES_TYPES, "out_refund"):
            return super()._is_eligible_for_early_payment_discount(
                currency, reference_date
            )
        CashDiscount = self.env["collections.cash.discount"]
        date = reference_date or self.invoice_date or self.date
        quotes = CashDiscount._get_quotes(lines, date)
        return any(quote["available"] for quote in quotes.values())

    @api.model
    def _get_invoice_counterpart_amls_for_early_payment_discount(
        self, aml_values_list, open_balance
    ):
        # EXTENDS account: what is not core's is booked when the payment is matched
        CashDiscount = self.env["collections.cash.discount"]
        kept = []
        for values in aml_values_list:
            line = values["aml"]
            if not CashDiscount._replaces_core(line):
                kept.append(values)
                continue
            date = CashDiscount._get_choices().date or fields.Date.context_today(self)
            available = CashDiscount._get_quote(line, date)["available"]
            open_balance -= line.currency_id._convert(
                available, line.company_currency_id, line.company_id, date
            )
        if not kept:
            return {
                "term_lines": [],
                "tax_lines": [],
                "base_lines": [],
                "exchange_lines": [],
            }
        return super()._get_invoice_counterpart_amls_for_early_payment_discount(
            kept, open_balance
        )

    def _get_invoice_next_payment_values(self, custom_amount=None):
        # EXTENDS account: until when the discount in force is given
        values = super()._get_invoice_next_payment_values(custom_amount)
        line = values.get("epd_line")
        if not line or not self.env["collections.cash.discount"]._is_wanted(line):
            return values
        today = fields.Date.context_today(self)
        quote = self.env["collections.cash.discount"]._get_quote(line, today)
        date = max(quote["date"], today)
        days = (date - today).days
        values.update(
            discount_date=fields.Date.to_string(date),
            epd_days_left=days,
            epd_discount_msg=self.env._(
                "Pay %(amount)s until %(date)s: discount of %(discount)s",
                amount=self.currency_id.format(quote["amount_to_settle"]),
                date=format_date(self.env, date),
                discount=self.currency_id.format(quote["available"]),
            ),
        )
        return values

    def _get_cash_discount_offers_to_print(self):
        """Return what is to be paid until when, for the printed invoice.

        :return: `date` and `amount` of each discount period, of those that are not
            over when a part was paid; nothing for an invoice with one period of which
            nothing was paid: core prints that by itself
        :rtype: list[dict]
        """
        self.ensure_one()
        CashDiscount = self.env["collections.cash.discount"]
        lines_sudo = self.sudo().line_ids  # of a document that is shown
        lines_sudo = lines_sudo.filtered(CashDiscount._is_wanted)
        today = fields.Date.context_today(self)
        rows = []
        for line in lines_sudo:
            tiers = CashDiscount._get_tiers(line)
            is_paid = bool(line.matched_credit_ids | line.matched_debit_ids)
            if len(tiers) < 2 and not is_paid:
                continue
            for tier in tiers:
                if not is_paid or tier.date >= today:
                    quote = CashDiscount._get_quote(line, tier.date)
                    rows.append(
                        {"date": tier.date, "amount": quote["amount_to_settle"]}
                    )
        return rows
