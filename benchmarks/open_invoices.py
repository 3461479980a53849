"""The generated books, and on top of them open invoices with tax, posted by Odoo.

What gets written off has lines, taxes and tax tags, which the rows of the generator do
not. It is of customers of its own, so a benchmark takes as many of them as it wants.
"""

import generate

from odoo import Command, fields

NAME = "invoices"
# Books of another version are written anew.
VERSION = f"{generate.VERSION}.1"

CUSTOMERS = 3000
# Three customers in a row have ten invoices.
INVOICES_OF_CUSTOMERS = (1, 2, 7)
INVOICES = CUSTOMERS * sum(INVOICES_OF_CUSTOMERS) // len(INVOICES_OF_CUSTOMERS)
CUSTOMER_NAME = "Open invoices %05d"
TAX_NAME = "Benchmark 15%"
TAX_PERCENT = 15
DAYS_OVERDUE = 90
# What is created and posted at once; more of them only take more memory.
CHUNK = 500


class Books:
    """Adds open invoices to the books of one company."""

    def __init__(self, env, _size):
        # Nobody reads the chatter of what is added.
        self.env = env(context={**env.context, "tracking_disable": True})
        self.today = fields.Date.context_today(env["res.users"])

    def write(self):
        """Add to the books, and return a line that describes what was added."""
        tax = self._create_tax()
        vals_list = [
            vals
            for number, partner in enumerate(self._create_customers())
            for vals in self._prepare_invoices_vals(number, partner, tax)
        ]
        for start in range(0, len(vals_list), CHUNK):
            chunk = vals_list[start : start + CHUNK]
            self.env["account.move"].create(chunk).action_post()
            self.env.flush_all()
            self.env.invalidate_all()
        return f"{INVOICES:,} open invoices of {CUSTOMERS:,} customers"

    def _create_customers(self):
        return self.env["res.partner"].create(
            [
                {
                    "name": CUSTOMER_NAME % number,
                    "is_company": True,
                    "property_payment_term_id": False,
                }
                for number in range(CUSTOMERS)
            ]
        )

    def _create_tax(self):
        """Create a tax with tags on base and tax, as charts with a tax report have."""
        company = self.env.company
        account = self.env["account.account"].create(
            {
                "name": "Benchmark tax",
                "code": "253990",
                "account_type": "liability_current",
            }
        )
        return self.env["account.tax"].create(
            {
                "name": TAX_NAME,
                "amount": TAX_PERCENT,
                "type_tax_use": "sale",
                "company_id": company.id,
                "invoice_repartition_line_ids": self._prepare_repartition(
                    "invoice", account
                ),
                "refund_repartition_line_ids": self._prepare_repartition(
                    "refund", account
                ),
            }
        )

    def _prepare_repartition(self, document_type, account):
        tags = self.env["account.account.tag"].create(
            [
                {
                    "name": f"Benchmark {document_type} {part}",
                    "applicability": "taxes",
                    "country_id": self.env.company.account_fiscal_country_id.id,
                }
                for part in ("base", "tax")
            ]
        )
        return [
            Command.create(
                {
                    "document_type": document_type,
                    "repartition_type": part,
                    "account_id": account.id if part == "tax" else False,
                    "tag_ids": [Command.set(tag.ids)],
                }
            )
            for part, tag in zip(("base", "tax"), tags, strict=True)
        ]

    def _prepare_invoices_vals(self, number, partner, tax):
        """Return the invoices of a customer, each with one line to three."""
        count = INVOICES_OF_CUSTOMERS[number % len(INVOICES_OF_CUSTOMERS)]
        return [
            {
                "move_type": "out_invoice",
                "partner_id": partner.id,
                "invoice_date": fields.Date.subtract(
                    self.today, days=DAYS_OVERDUE + 10 * position
                ),
                "invoice_payment_term_id": False,
                "invoice_line_ids": [
                    Command.create(
                        {
                            "name": f"Goods {line}",
                            # Taxes of these leave something to round.
                            "price_unit": 3.33 + (number * 7 + position + line) % 900,
                            "tax_ids": [Command.set(tax.ids)],
                        }
                    )
                    for line in range(1 + (number + position) % 3)
                ],
            }
            for position in range(count)
        ]


def get_invoices(env, count):
    """Return the first of the open invoices, all those of their customers.

    :param int count: how many, a multiple of ten
    """
    customers = count * len(INVOICES_OF_CUSTOMERS) // sum(INVOICES_OF_CUSTOMERS)
    partners = env["res.partner"].search(
        [
            ("name", ">=", CUSTOMER_NAME % 0),
            ("name", "<=", CUSTOMER_NAME % (customers - 1)),
        ]
    )
    invoices = env["account.move"].search(
        [("partner_id", "in", partners.ids), ("move_type", "=", "out_invoice")],
        order="id",
    )
    if len(invoices) != count:
        raise ValueError(f"The books have {len(invoices)} open invoices, not {count}")
    return invoices
