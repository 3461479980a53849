"""The generated books, and on top of them customers with credits, posted by Odoo.

Every customer has one to three credit notes that nothing is settled with, and a vendor
account of his own; those of the last part have none, and get one-time vendors.
"""

import generate

from odoo import Command, fields

NAME = "credits"
# Books of another version are written anew.
VERSION = f"{generate.VERSION}.1"

CUSTOMERS = 1500
WITH_VENDOR = 1000
CREDITS_OF_CUSTOMERS = (1, 2, 3)
CUSTOMER_NAME = "Credits %05d"
DAYS_OLD = 30
# What is created and posted at once; more of them only take more memory.
CHUNK = 500


class Books:
    """Adds credits of customers to the books of one company."""

    def __init__(self, env, _size):
        # Nobody reads the chatter of what is added.
        self.env = env(context={**env.context, "tracking_disable": True})
        self.today = fields.Date.context_today(env["res.users"])

    def write(self):
        """Add to the books, and return a line that describes what was added."""
        customers = self._create_customers()
        vals_list = [
            vals
            for number, customer in enumerate(customers)
            for vals in self._prepare_credits_vals(number, customer)
        ]
        for start in range(0, len(vals_list), CHUNK):
            chunk = vals_list[start : start + CHUNK]
            self.env["account.move"].create(chunk).action_post()
            self.env.flush_all()
            self.env.invalidate_all()
        return f"{len(vals_list):,} credits of {CUSTOMERS:,} customers"

    def _create_customers(self):
        Partner = self.env["res.partner"]
        vendors = Partner.create(
            [
                {"name": f"Vendor of {CUSTOMER_NAME % number}", "is_company": True}
                for number in range(WITH_VENDOR)
            ]
        )
        return Partner.create(
            [
                {
                    "name": CUSTOMER_NAME % number,
                    "is_company": True,
                    "property_payment_term_id": False,
                    "collections_vendor_id": (
                        vendors[number].id if number < WITH_VENDOR else False
                    ),
                }
                for number in range(CUSTOMERS)
            ]
        )

    def _prepare_credits_vals(self, number, customer):
        count = CREDITS_OF_CUSTOMERS[number % len(CREDITS_OF_CUSTOMERS)]
        return [
            {
                "move_type": "out_refund",
                "partner_id": customer.id,
                "invoice_date": fields.Date.subtract(
                    self.today, days=DAYS_OLD + position
                ),
                "invoice_payment_term_id": False,
                "invoice_line_ids": [
                    Command.create(
                        {
                            "name": "Returned goods",
                            "price_unit": 3.33 + (number * 7 + position) % 900,
                            "tax_ids": [Command.clear()],
                        }
                    )
                ],
            }
            for position in range(count)
        ]


def get_customers(env, count, with_vendor=True):
    """Return customers with credits.

    :param int count: how many
    :param bool with_vendor: those with a vendor account, else those without
    """
    first = 0 if with_vendor else WITH_VENDOR
    customers = env["res.partner"].search(
        [
            ("name", ">=", CUSTOMER_NAME % first),
            ("name", "<=", CUSTOMER_NAME % (first + count - 1)),
        ],
        order="id",
    )
    if len(customers) != count:
        raise ValueError(f"The books have {len(customers)} such customers, not {count}")
    return customers
