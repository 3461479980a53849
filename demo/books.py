"""The books of the showroom: fourteen months of invoices, payments and snapshots.

Everything is counted back from the day of loading, so the books are always fresh. A
fixed seed makes them the same each time, but for the calendar. Who the customers are
stands in the XML files beside this one; how they pay stands in `CUSTOMERS`.
"""

import random
from collections import defaultdict
from datetime import date as Date
from datetime import timedelta
from typing import NamedTuple

from dateutil.relativedelta import relativedelta

from odoo import Command, fields
from odoo.models import BaseModel

MODULE = "credit_collections"
SEED = 19
FIRST_DAY = 425  # days before today
LAST_DAY = 2
SETTLED_LAST_DAY = 60  # customers who owe nothing bought nothing lately

USUAL_RATE = 0.92  # of the second currency

# Days between due date and payment. Customers not listed here never pay.
HABITS = {
    "discount": (0, 12),
    "prompt": (-6, 2),
    "usual": (0, 16),
    "late": (15, 55),
    "slow": (60, 130),
    "partial": (5, 40),
    "settled": (-5, 10),
}
# Share of the items where they stop paying the invoice, without a word.
LOST = {"usual": 0.18, "late": 0.18, "slow": 0.22}
# Dearest product and largest quantity that the customers buy.
SIZES = {"small": (700, 4), "medium": (2000, 4), "large": (6000, 5)}

PRODUCTS = [
    "desk",
    "chair",
    "table",
    "booth",
    "cabinet",
    "reception",
    "lamp",
    "assembly",
    "maintenance",
    "planning",
]

# Customer: how he pays, number of invoices, size of the orders
CUSTOMERS = {
    "brightwater": ("usual", 12, "large"),
    "copper_kettle": ("discount", 9, "medium"),
    "kestrel": ("late", 13, "medium"),
    "granite_peak": ("usual", 8, "medium"),
    "old_harbor": ("usual", 9, "medium"),
    "prairie_wind": ("usual", 8, "large"),
    "sunset": ("never", 6, "small"),
    "maplewood": ("slow", 10, "medium"),
    "redwood": ("usual", 8, "medium"),
    "bluebonnet": ("late", 8, "large"),
    "ferris": ("discount", 9, "small"),
    "midnight_oil": ("never", 9, "small"),
    "lakeside": ("prompt", 8, "medium"),
    "iron_horse": ("partial", 9, "small"),
    "cactus_flower": ("usual", 8, "medium"),
    "twin_pines": ("settled", 8, "large"),
    "silverline": ("partial", 8, "medium"),
    "two_rivers": ("usual", 7, "medium"),
    "palmetto": ("partial", 8, "small"),
    "hollow_creek": ("usual", 7, "small"),
    "northstar": ("late", 12, "large"),
    "big_sky": ("prompt", 6, "small"),
    "magnolia": ("usual", 7, "small"),
    "pinecrest": ("settled", 3, "small"),
    "fjordlys": ("usual", 8, "medium"),
    "bjorkholm": ("usual", 7, "medium"),
    "thornbury": ("slow", 9, "medium"),
    "maple_ridge": ("prompt", 7, "small"),
    "southern_cross": ("late", 9, "large"),
    "bergmann": ("discount", 8, "large"),
    "alte_muhle": ("usual", 5, "small"),
    "atelier_lumiere": ("partial", 6, "small"),
    "vieux_port": ("late", 4, "small"),
    "gouden_tulp": ("usual", 8, "large"),
    "van_acker": ("usual", 6, "medium"),
    "sant_elmo": ("never", 6, "medium"),
    "rio_claro": ("late", 5, "small"),
    "claddagh": ("prompt", 6, "medium"),
    "alpenblick": ("slow", 6, "medium"),
}

# Customer, which of his invoices (oldest first), how much is credited, reason.
# An open one waits for somebody to apply it.
CREDIT_NOTES = [
    ("granite_peak", 2, "part", "Cabinet returned, lock broken"),
    ("old_harbor", 4, "part", "Short delivery"),
    ("cactus_flower", 3, "part", "Assembly took one day less"),
    ("thornbury", 2, "part", "Damaged in transit"),
    ("van_acker", 2, "part", "Wrong finish, goods taken back"),
    ("fjordlys", 3, "part", "Price as agreed on the phone"),
    ("brightwater", 5, "full", "Ordered twice"),
    ("redwood", 3, "full", "Delivered to the wrong clinic"),
    ("hollow_creek", 1, "full", "Order cancelled before delivery"),
    ("silverline", 1, "full", "Invoiced to the wrong office"),
    ("two_rivers", -2, "open", "Discount for the opening exhibition"),
    ("hollow_creek", -2, "open", "Two chairs returned"),
    ("gouden_tulp", -3, "open", "Volume bonus of the quarter"),
    ("pinecrest", -1, "open", "Autumn season cancelled"),
    ("kestrel", -4, "open", "Late delivery, agreed rebate"),
]

# Customer, payment term, days before today, amount, payments: days after the invoice,
# amount, whether they are matched
DISCOUNT_SALES = [
    ("big_sky", "two_periods", 60, 900.00, [(4, 441.00, True), (12, 445.50, True)]),
    ("ferris", "small", 40, 2400.00, [(9, 990.00, True), (26, 1400.00, True)]),
    ("prairie_wind", "two_periods", 33, 3200.00, []),
    ("copper_kettle", "small", 7, 1000.00, [(7, 297.00, False)]),
    ("lakeside", "two_periods", 3, 1800.00, [(3, 490.00, True)]),
]

# Payer (customer or one of his contacts), days before today, amount, memo of the bank
UNAPPLIED_PAYMENTS = [
    ("brightwater_accounting", 12, 2480.00, "Sent by D. Whitfield, no invoice number"),
    ("kestrel", 20, 3000.00, "On account"),
    ("magnolia", 33, 450.00, "Deposit for the spring fair"),
    ("pinecrest", 47, 275.50, "Paid twice"),
    ("northstar", 9, 10000.00, "On account, list follows"),
    ("gouden_tulp", 16, 1850.00, "Vooruitbetaling"),
    ("bjorkholm", 5, 920.00, "Faktura ?"),
    ("old_harbor", 64, 112.40, "Rounding up the month"),
    ("twin_pines", 38, 640.00, "Paid the same invoice twice"),
]

# Customer, status of his oldest open item without one, days until the promised day,
# promised share, reason
STATUSES = [
    ("bluebonnet", "disputed", 0, 0, "Tops scratched, site manager wants new ones"),
    ("bluebonnet", "disputed", 0, 0, "Retention of 10% not agreed in the contract"),
    ("two_rivers", "disputed", 0, 0, "Purchase order number missing"),
    ("thornbury", "disputed", 0, 0, "Says the assembly was never ordered"),
    ("alpenblick", "disputed", 0, 0, "Delivery note not signed"),
    ("maplewood", "resolved", 0, 0, "Board approved the invoice"),
    ("kestrel", "promised", 4, 1.0, False),
    ("kestrel", "promised", 11, 1.0, False),
    ("northstar", "promised", 7, 0.5, False),
    ("vieux_port", "promised", 2, 1.0, False),
    ("southern_cross", "promised", 15, 1.0, False),
    ("iron_horse", "promised", -3, 1.0, False),
    ("palmetto", "promised", -10, 1.0, False),
    ("palmetto", "promised", -25, 1.0, False),
    ("midnight_oil", "promised", -40, 0.3, False),
    ("sant_elmo", "promised", -18, 1.0, False),
]

# Customer, category, subject, number of his oldest open items, days until the deadline
CASES = [
    ("bluebonnet", "dispute", "Tops scratched on delivery", 2, 5),
    ("thornbury", "dispute", "Assembly was never ordered", 1, -2),
    ("midnight_oil", "legal", "Handed over to the lawyer", 3, 20),
    ("southern_cross", "payment_plan", "Six instalments until spring", 2, 30),
]

# Customer, type, days from today, what to do; done when a feedback is given
ACTIVITIES = [
    ("kestrel", "call", 0, "Ask Ray Tolliver for the payment date", None),
    ("northstar", "call", -2, "Which invoices are the 10,000 for?", None),
    ("bluebonnet", "email", 1, "Send photos of the new tops", None),
    ("midnight_oil", "letter", 3, "Last demand before the lawsuit", None),
    ("palmetto", "reminder", 5, "Did the promised payment come?", None),
    ("iron_horse", "call", -6, "Call the owner", "Pays half on Friday"),
    ("thornbury", "call", -9, "Clarify the assembly", "Wants to see the order"),
]

# Customer, what he left open of his oldest item
SHORT_PAYMENTS = [
    ("granite_peak", 2.35),
    ("old_harbor", 0.80),
    ("cactus_flower", 4.10),
    ("gouden_tulp", 1.25),
    ("northstar", 3.60),
]

# Customer, days before today, how many of his oldest items, reason, comment, days
# before today that it was taken back
WRITEOFFS = [
    ("sunset", 100, 2, "bankruptcy", "Bankruptcy, letter of the trustee", None),
    ("midnight_oil", 58, 1, "uncollectible", "Cost of a lawsuit exceeds it", None),
    ("sant_elmo", 44, 1, "uncollectible", "No answer since spring", 12),
    ("maplewood", 3, 2, "uncollectible", "Board sees no chance", None),
]
REVIEW_AMOUNT = 2500.0

# Customer, days before today, reason, what the bank wrote, whether it was a mistake
RETURNED_PAYMENTS = [
    ("iron_horse", 75, "funds", "R01", False),
    ("iron_horse", 21, "funds", "R01", False),
    ("palmetto", 40, "cheque", "Cheque 2214, refer to drawer", False),
    ("southern_cross", 12, "closed", "R02", False),
    ("thornbury", 30, "mandate", "MD01", False),
    ("lakeside", 18, "stopped", "R08, belongs to another customer", True),
]
# Customer, days before today, whether it was taken back
REIMBURSEMENTS = [
    ("twin_pines", 24, True),
    ("pinecrest", 20, False),
]
MINIMUM_REIMBURSEMENT = 25.0


class PlannedPayment(NamedTuple):
    """What one customer sends on one day, for some of his open items."""

    date: Date
    lines: BaseModel
    amount: float


class DemoBooks:
    """Write the books of the main company, in batches, through the ways users take.

    :param env: environment of the superuser, as demo data has it
    """

    def __init__(self, env):
        self.company = env.ref("base.main_company")
        self.env = env(
            context={
                "allowed_company_ids": self.company.ids,
                "tracking_disable": True,  # nobody reads how the demo came about
                "force_payment_move": True,
            }
        )
        self.company = self.company.with_env(self.env)
        self.today = fields.Date.context_today(self.company)
        self.random = random.Random(SEED)
        self.foreign_currency = self.env.ref(
            "base.USD" if self.company.currency_id.name == "EUR" else "base.EUR"
        )
        self.bank_journal = self.env["account.journal"].search(
            [("type", "=", "bank"), ("company_id", "=", self.company.id)], limit=1
        )
        self.products = self.env["product.product"].union(
            *(self.env.ref(f"{MODULE}.product_product_{name}") for name in PRODUCTS)
        )
        self.customers = {name: self._get_partner(name) for name in CUSTOMERS}
        self.invoices = {}  # by customer, oldest first
        self.discount_dates = {}  # invoice: day of payment

    def load(self):
        """Write the books, unless that was done before or there is no chart.

        :return: whether they were written
        :rtype: bool
        """
        if not self.bank_journal or self._has_invoices():
            return False
        self._set_currency_rates()
        self._set_discount_parameters()
        self._post_invoices()
        self._post_credit_notes()
        self.discount_dates = self._get_discount_dates()
        self._post_payments()
        self._post_unapplied_payments()
        self._pay_with_discount()
        self._pay_short()
        self._sell_with_discounts()
        self._set_statuses()
        self._set_writeoff_parameters()
        self._write_off()
        self._set_return_parameters()
        self._return_payments()
        self._set_reimbursement_parameters()
        self._reimburse()
        self._open_cases()
        self._plan_activities()
        self._run_snapshots()
        return True

    # === SMALL HELPERS === #

    def _get_partner(self, name):
        return self.env.ref(f"{MODULE}.res_partner_{name}")

    def _has_invoices(self):
        partners = self.customers["brightwater"] | self.customers["bergmann"]
        return bool(
            self.env["account.move"].search_count(
                [("commercial_partner_id", "in", partners.ids)], limit=1
            )
        )

    def _get_day(self, days_ago):
        return self.today - timedelta(days=days_ago)

    def _get_workday(self, date):
        """Return the date, or the Friday before when it is on a weekend."""
        return date - timedelta(days=max(0, date.weekday() - 4))

    def _get_currency(self, partner):
        foreign = partner.country_id.currency_id == self.foreign_currency
        return self.foreign_currency if foreign else self.company.currency_id

    def _get_open_lines(self, moves):
        return moves.line_ids.filtered(
            lambda line: line.account_type == "asset_receivable" and not line.reconciled
        ).sorted(lambda line: (line.date_maturity or line.date, line.id))

    # === CURRENCY === #

    def _set_currency_rates(self):
        """Give the second currency a rate for each month, with ups and downs."""
        self.foreign_currency.active = True
        Rate = self.env["res.currency.rate"]
        first = self._get_day(FIRST_DAY).replace(day=1) - relativedelta(months=1)
        dates = [first + relativedelta(months=month) for month in range(18)]
        dates = [date for date in dates if date <= self.today]
        known = Rate.search(
            [
                ("currency_id", "=", self.foreign_currency.id),
                ("company_id", "in", [False, self.company.root_id.id]),
                ("name", "in", dates),
            ]
        ).mapped("name")
        Rate.create(
            [
                {
                    "currency_id": self.foreign_currency.id,
                    "company_id": self.company.root_id.id,
                    "name": date,
                    "rate": round(USUAL_RATE + self.random.uniform(-0.03, 0.03), 4),
                }
                for date in dates
                if date not in known
            ]
        )

    # === INVOICES AND CREDIT NOTES === #

    def _post_invoices(self):
        vals_list = [
            self._prepare_invoice_vals(name, date, size)
            for name, (habit, count, size) in CUSTOMERS.items()
            for date in self._get_invoice_dates(habit, count)
        ]
        # Numbered in the order of their dates, as in real books.
        vals_list.sort(key=lambda vals: vals["invoice_date"])
        invoices = self.env["account.move"].create(vals_list)
        invoices.action_post()
        by_partner = invoices.grouped("commercial_partner_id")
        self.invoices = {
            name: by_partner[partner].sorted(lambda move: (move.invoice_date, move.id))
            for name, partner in self.customers.items()
        }

    def _get_invoice_dates(self, habit, count):
        last_day = SETTLED_LAST_DAY if habit == "settled" else LAST_DAY
        step = (FIRST_DAY - last_day) / count
        return [
            self._get_workday(
                self._get_day(FIRST_DAY - int(step * (position + self.random.random())))
            )
            for position in range(count)
        ]

    def _prepare_invoice_vals(self, name, date, size):
        partner = self.customers[name]
        dearest, quantity = SIZES[size]
        products = self.products.filtered(lambda product: product.lst_price <= dearest)
        product_ids = self.random.sample(products.ids, self.random.randint(1, 3))
        return {
            "move_type": "out_invoice",
            "partner_id": partner.address_get(["invoice"])["invoice"],
            "invoice_date": date,
            "invoice_user_id": partner.user_id.id,
            "invoice_payment_term_id": partner.property_payment_term_id.id,
            "currency_id": self._get_currency(partner).id,
            "ref": f"PO {self.random.randint(10000, 99999)}",
            "invoice_line_ids": [
                Command.create(
                    self._prepare_invoice_line_vals(partner, product_id, quantity)
                )
                for product_id in product_ids
            ],
        }

    def _prepare_invoice_line_vals(self, partner, product_id, quantity):
        vals = {"product_id": product_id, "quantity": self.random.randint(1, quantity)}
        if self._get_currency(partner) == self.foreign_currency:
            price = self.products.browse(product_id).lst_price
            vals["price_unit"] = 5 * round(price * USUAL_RATE / 5)
        if partner.country_id != self.company.country_id:
            vals["tax_ids"] = [Command.clear()]  # exports are not taxed
        return vals

    def _post_credit_notes(self):
        vals_list = [
            self._prepare_credit_note_vals(self.invoices[name][position], kind, reason)
            for name, position, kind, reason in CREDIT_NOTES
        ]
        vals_list.sort(key=lambda vals: vals["invoice_date"])
        self.env["account.move"].create(vals_list).action_post()

    def _prepare_credit_note_vals(self, invoice, kind, reason):
        """Return the values of a credit note.

        Posting applies it to the invoice that it reverses, so an open one names none.
        """
        lines = invoice.invoice_line_ids
        date = invoice.invoice_date + timedelta(days=self.random.randint(5, 15))
        date = min(self._get_workday(date), self.today)
        return {
            "move_type": "out_refund",
            "partner_id": invoice.partner_id.id,
            "invoice_date": date,
            "invoice_date_due": date,
            "invoice_user_id": invoice.invoice_user_id.id,
            "invoice_payment_term_id": False,
            "currency_id": invoice.currency_id.id,
            "ref": f"{invoice.name}: {reason}",
            "reversed_entry_id": invoice.id if kind != "open" else False,
            "invoice_line_ids": [
                Command.create(
                    {
                        "product_id": line.product_id.id,
                        "quantity": line.quantity if kind == "full" else 1,
                        "price_unit": line.price_unit,
                        "tax_ids": [Command.set(line.tax_ids.ids)],
                    }
                )
                for line in (lines if kind == "full" else lines[:1])
            ],
        }

    # === PAYMENTS === #

    def _get_discount_dates(self):
        """Return the invoices paid in time for their discount, with the days."""
        dates = {}
        for name, (habit, _count, _size) in CUSTOMERS.items():
            for invoice in self.invoices[name] if habit == "discount" else ():
                date = invoice.invoice_date + timedelta(days=self.random.randint(3, 10))
                # Now and then they miss it, and then they pay in full like others.
                if self.random.random() >= 0.2 and date <= self.today:
                    dates[invoice] = date
        return dates

    def _pay_with_discount(self):
        """Pay what earns an early payment discount, as a user would register it."""
        for invoice, date in self.discount_dates.items():
            self.env["account.payment.register"].with_context(
                active_model="account.move", active_ids=invoice.ids
            ).create(
                {"payment_date": date, "journal_id": self.bank_journal.id}
            )._create_payments()

    def _post_payments(self):
        """Post the payments and match them with the invoices they are for."""
        planned = sorted(self._plan_payments(), key=lambda payment: payment.date)
        payments = self.env["account.payment"].create(
            [
                self._prepare_payment_vals(
                    payment.lines.partner_id,
                    payment.date,
                    payment.amount,
                    payment.lines.currency_id,
                    ", ".join(payment.lines.move_id.mapped("name")),
                )
                for payment in planned
            ]
        )
        payments.action_post()
        self.env["account.move.line"]._reconcile_plan(
            [
                planned_payment.lines + self._get_open_lines(payment.move_id)
                for planned_payment, payment in zip(planned, payments, strict=True)
            ]
        )

    def _plan_payments(self):
        """Yield the payments up to today, one for what a customer pays on one day."""
        by_day = defaultdict(lambda: self.env["account.move.line"])
        lost = set()
        for name, (habit, _count, _size) in CUSTOMERS.items():
            if habit not in HABITS:
                continue
            for line in self._get_open_lines(self.invoices[name]):
                if line.move_id in self.discount_dates:
                    continue
                date = self._get_payment_date(line, habit)
                if self.random.random() < LOST.get(habit, 0):
                    lost.add(line.move_id)
                if line.move_id in lost or date > self.today:
                    continue
                if habit == "partial":
                    yield from self._plan_partial_payments(line, date)
                else:
                    by_day[line.partner_id, date] += line
        for (_partner, date), lines in by_day.items():
            amount = sum(lines.mapped("amount_residual_currency"))
            yield PlannedPayment(date, lines, amount)

    def _get_payment_date(self, line, habit):
        """Return the day of payment; most customers make their pay run on Fridays."""
        date = line.date_maturity + timedelta(days=self.random.randint(*HABITS[habit]))
        if habit == "settled":
            return min(date, self.today)
        if habit != "prompt":
            date += timedelta(days=(4 - date.weekday()) % 7)
        return max(date, line.date)

    def _plan_partial_payments(self, line, date):
        """Yield a part payment, and the rest when the invoice is old enough."""
        amount = line.amount_residual_currency
        part = line.currency_id.round(amount * self.random.uniform(0.3, 0.7))
        yield PlannedPayment(date, line, part)
        rest_date = date + timedelta(days=self.random.randint(60, 120))
        if rest_date < self._get_day(90):
            yield PlannedPayment(rest_date, line, line.currency_id.round(amount - part))

    def _prepare_payment_vals(self, partner, date, amount, currency, memo):
        return {
            "payment_type": "inbound",
            "partner_type": "customer",
            "partner_id": partner.id,
            "date": date,
            "amount": amount,
            "currency_id": currency.id,
            "journal_id": self.bank_journal.id,
            "memo": memo,
        }

    def _post_unapplied_payments(self):
        vals_list = []
        for name, days_ago, amount, memo in UNAPPLIED_PAYMENTS:
            partner = self._get_partner(name)
            currency = self._get_currency(partner.commercial_partner_id)
            date = self._get_workday(self._get_day(days_ago))
            vals_list.append(
                self._prepare_payment_vals(partner, date, amount, currency, memo)
            )
        self.env["account.payment"].create(vals_list).action_post()

    def _pay_short(self):
        """Post payments that leave next to nothing open."""
        for name, rest in SHORT_PAYMENTS:
            line = self._get_open_lines(self.invoices[name])[:1]
            if not line:
                continue
            date = min(line.date_maturity + timedelta(days=14), self.today)
            amount = line.amount_residual_currency - rest
            payment = self.env["account.payment"].create(
                self._prepare_payment_vals(
                    line.partner_id, date, amount, line.currency_id, line.move_id.name
                )
            )
            payment.action_post()
            (line + self._get_open_lines(payment.move_id)).reconcile()

    # === CASH DISCOUNTS === #

    def _set_discount_parameters(self):
        journal = self.env["account.journal"].create(
            {
                "name": "Settlements",
                "code": "SETL",
                "type": "general",
                "sequence": 101,  # nobody's first miscellaneous journal
                "company_id": self.company.id,
            }
        )
        self.company.collections_settlement_journal_id = journal
        if self.company.account_journal_early_pay_discount_loss_account_id:
            self.company.collections_partial_cash_discount = True

    def _sell_with_discounts(self):
        """Post invoices that a part was paid of, and a payment to be matched."""
        for name, term, days_ago, amount, paid in DISCOUNT_SALES:
            partner = self.customers[name]
            date = self._get_day(days_ago)
            invoice = self.env["account.move"].create(
                {
                    "move_type": "out_invoice",
                    "partner_id": partner.id,
                    "invoice_date": date,
                    "invoice_payment_term_id": self.env.ref(
                        f"{MODULE}.account_payment_term_discount_{term}"
                    ).id,
                    "currency_id": self.company.currency_id.id,
                    "invoice_line_ids": [
                        Command.create(
                            {
                                "name": "Furniture on request",
                                "price_unit": amount,
                                "tax_ids": [Command.clear()],
                            }
                        )
                    ],
                }
            )
            invoice.action_post()
            for days, part, is_matched in paid:
                payment = self.env["account.payment"].create(
                    self._prepare_payment_vals(
                        partner,
                        date + timedelta(days=days),
                        part,
                        invoice.currency_id,
                        invoice.name,
                    )
                )
                payment.action_post()
                if is_matched:
                    lines = self._get_open_lines(invoice | payment.move_id)
                    lines.reconcile()

    # === WRITE-OFFS === #

    def _set_writeoff_parameters(self):
        journal = self.env["account.journal"].create(
            {
                "name": "Write-offs",
                "code": "WOFF",
                "type": "general",
                "sequence": 100,  # nobody's first miscellaneous journal
                "company_id": self.company.id,
            }
        )
        Account = self.env["account.account"]
        account = Account.create(
            {
                "name": "Bad debts",
                "code": Account._search_new_account_code("650000"),
                "account_type": "expense",
                "company_ids": [Command.link(self.company.id)],
            }
        )
        self.company.write(
            {
                "collections_writeoff_journal_id": journal.id,
                "collections_writeoff_account_id": account.id,
                "collections_writeoff_reason_id": self._get_reason("uncollectible").id,
                "collections_writeoff_separate_tax": True,
                "collections_writeoff_review_amount": REVIEW_AMOUNT,
            }
        )

    def _get_reason(self, name):
        return self.env.ref(f"{MODULE}.collections_writeoff_reason_{name}")

    def _write_off(self):
        for name, days_ago, count, reason, comment, days_back in WRITEOFFS:
            items = self._get_open_lines(self.invoices[name])[:count]
            wizard = (
                self.env["collections.writeoff.wizard"]
                .with_context(active_model=items._name, active_ids=items.ids)
                .create(
                    {
                        "date": self._get_workday(self._get_day(days_ago)),
                        "reason_id": self._get_reason(reason).id,
                        "comment": comment,
                    }
                )
            )
            wizard.action_write_off()
            if days_back:
                wizard.move_ids.action_reverse_writeoff(self._get_day(days_back))

    # === RETURNED PAYMENTS === #

    def _set_return_parameters(self):
        self.company.collections_nsf_journal_id = self.env["account.journal"].create(
            {
                "name": "Returned payments",
                "code": "NSF",
                "type": "general",
                "sequence": 101,  # nobody's first miscellaneous journal
                "company_id": self.company.id,
            }
        )
        self.bank_journal.collections_nsf_fee_product_id = self.env.ref(
            f"{MODULE}.product_product_return_fee"
        )

    def _return_payments(self):
        """Have the bank return the latest payment that a customer made before a day."""
        for name, days_ago, reason, comment, is_mistake in RETURNED_PAYMENTS:
            date = self._get_workday(self._get_day(days_ago))
            payment = self.env["account.payment"].search(
                [
                    ("partner_id", "child_of", self.customers[name].id),
                    ("date", "<=", date),
                    ("state", "in", ("in_process", "paid")),
                ],
                order="date desc, id desc",
                limit=1,
            )
            if not payment:
                continue
            wizard = (
                self.env["collections.nsf.wizard"]
                .with_context(active_model=payment._name, active_ids=payment.ids)
                .create(
                    {
                        "date": date,
                        "reason_id": self.env.ref(
                            f"{MODULE}.collections_payment_return_reason_{reason}"
                        ).id,
                        "comment": comment,
                    }
                )
            )
            wizard.action_process()
            if is_mistake:
                wizard.return_ids.action_undo(self._get_day(days_ago - 2))

    # === REIMBURSEMENTS === #

    def _set_reimbursement_parameters(self):
        journal = self.company.collections_settlement_journal_id or self.env[
            "account.journal"
        ].create(
            {
                "name": "Settlements",
                "code": "SETL",
                "type": "general",
                "sequence": 100,  # nobody's first miscellaneous journal
                "company_id": self.company.id,
            }
        )
        self.company.write(
            {
                "collections_settlement_journal_id": journal.id,
                "collections_reimbursement_minimum": MINIMUM_REIMBURSEMENT,
            }
        )
        self.company.action_create_reimbursement_account()

    def _reimburse(self):
        for name, days_ago, is_cancelled in REIMBURSEMENTS:
            wizard = self.env["collections.reimbursement.wizard"].create(
                {
                    "partner_ids": [Command.set(self.customers[name].ids)],
                    "date": self._get_workday(self._get_day(days_ago)),
                }
            )
            wizard.action_reimburse()
            if is_cancelled:
                wizard.run_id.reimbursement_ids.action_cancel()

    # === COLLECTIONS === #

    def _set_statuses(self):
        used = self.env["account.move.line"]
        for name, status, days, share, reason in STATUSES:
            line = (self._get_open_lines(self.invoices[name]) - used)[:1]
            if not line:
                continue
            used += line
            promise_date = status == "promised" and self.today + timedelta(days=days)
            amount = line.currency_id.round(line.amount_residual_currency * share)
            line.action_set_collections_status(status, promise_date, amount, reason)

    def _open_cases(self):
        agents = self._get_agents()
        for name, category, subject, count, days in CASES:
            items = self._get_open_lines(self.invoices[name])[:count]
            self.env["collections.case"].create(
                {
                    "name": subject,
                    "partner_id": self.customers[name].id,
                    "category_id": self.env.ref(
                        f"{MODULE}.collections_case_category_{category}"
                    ).id,
                    "user_id": agents[len(name) % 2].id,
                    "date_deadline": self.today + timedelta(days=days),
                    "company_id": self.company.id,
                    "move_line_ids": [Command.set(items.ids)],
                }
            )

    def _plan_activities(self):
        agents = self._get_agents()
        # Those of the administrator, who opens the showroom, and of the two agents.
        users = [self.env.ref("base.user_admin"), *agents]
        Activity = self.env["mail.activity"].with_context(
            mail_activity_quick_update=True  # nobody gets an e-mail
        )
        for position, (name, kind, days, summary, feedback) in enumerate(ACTIVITIES):
            activity = Activity.create(
                {
                    "res_model_id": self.env["ir.model"]._get_id("res.partner"),
                    "res_id": self.customers[name].id,
                    "activity_type_id": self.env.ref(
                        f"{MODULE}.mail_activity_type_{kind}"
                    ).id,
                    "summary": summary,
                    "date_deadline": self.today + timedelta(days=days),
                    "user_id": users[position % 3].id,
                }
            )
            if feedback:
                activity.action_feedback(feedback)
                activity.date_done = activity.date_deadline

    def _get_agents(self):
        return [
            self.env.ref(f"{MODULE}.res_users_{name}") for name in ("nora", "samuel")
        ]

    def _run_snapshots(self):
        """Age the balances at twelve month ends, of late each week, and today."""
        first_of_month = self.today.replace(day=1)
        month_ends = [
            first_of_month - relativedelta(months=month, days=1) for month in range(12)
        ]
        weeks = [self._get_day(7 * week) for week in range(5)]
        pool = self.env.ref(f"{MODULE}.collections_pool_key_accounts")
        vals_list = [{"date": date} for date in sorted({*month_ends, *weeks})]
        vals_list += [{"date": date, "pool_id": pool.id} for date in sorted(weeks)]
        self.env["collections.aging.snapshot"].create(
            [{"company_id": self.company.id, **vals} for vals in vals_list]
        ).action_run()
