from random import Random

from odoo import fields
from odoo.tests import tagged

from .common import CollectionsCommon
from .histories.checks import find_aging_problems


@tagged("post_install", "-at_install")
class TestAgingHistory(CollectionsCommon):
    """A random history, computed in two ways and compared with the ledger."""

    def test_forward_and_back_agree_with_the_items_and_the_ledger(self):
        random = Random(7)
        foreign = self.setup_other_currency(
            "EUR", rates=[("2025-01-01", 2.0), ("2025-06-01", 3.0), ("2025-10-01", 1.7)]
        )
        currencies = [self.company.currency_id, foreign]
        customers = [self._create_customer(f"Customer {n}") for n in range(3)]
        customers.append(self._create_customer("Contact", parent_id=customers[0].id))
        first = fields.Date.to_date("2025-01-10")
        dates = [fields.Date.add(first, days=n) for n in range(0, 360, 9)]
        documents = []
        for number in range(36):
            date = random.choice(dates)
            customer = random.choice(customers)
            amount = random.randint(100, 90000) / 100
            currency = random.choice(currencies).id
            if number % 3:
                kind = random.choice([1, 1, -1])
                due = fields.Date.add(date, days=random.randint(0, 60))
                documents.append(
                    self._create_item(
                        customer, kind * amount, due, date, currency_id=currency
                    )
                )
            else:
                documents.append(
                    self._create_payment(customer, amount, date, currency_id=currency)
                )
        for customer in customers[:3]:
            for currency in currencies:
                lines = self._get_term_lines(*documents).filtered(
                    lambda line, customer=customer, currency=currency: (
                        line.partner_id.commercial_partner_id == customer
                        and line.currency_id == currency
                    )
                )
                for _match in range(4):
                    open_lines = lines.filtered(lambda line: not line.reconciled)
                    debits = open_lines.filtered(lambda line: line.balance > 0)
                    credits = open_lines - debits
                    if debits and credits:
                        pair = random.choice(debits) | random.choice(credits)
                        pair.reconcile()
        for document in random.sample(documents, 6):
            if document._name == "account.payment":
                document.action_draft()
            else:
                document.button_draft()
        matched = self._get_term_lines(*documents).matched_debit_ids
        self.assertGreater(len(matched), 5, "the history must have matches")
        for date in ["2025-01-09", *random.sample(dates, 8), "2026-03-31"]:
            date = fields.Date.to_date(date)
            with self.subTest(date=date):
                self.assertEqual(find_aging_problems(self.env, self.company, date), [])
