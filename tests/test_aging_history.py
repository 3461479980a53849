from random import Random
from unittest.mock import patch

from odoo import fields
from odoo.tests import tagged

from .common import CollectionsCommon


@tagged("post_install", "-at_install")
class TestAgingHistory(CollectionsCommon):
    """A random history, computed in two ways and compared with the ledger."""

    def _get_expected(self, date):
        """Work out what is open of each customer on a day, item by item.

        :return: amount due, credits and number of open items by customer
        """
        amounts = {}
        lines = self.env["account.move.line"].search(
            [
                ("account_id", "=", self.receivable.id),
                ("parent_state", "=", "posted"),
                ("date", "<=", date),
            ]
        )
        for line in lines:
            residual, residual_currency = line.balance, line.amount_currency
            for partial in line.matched_credit_ids:
                other = partial.credit_move_id
                if partial.max_date <= date and other.parent_state == "posted":
                    residual -= partial.amount
                    residual_currency -= partial.debit_amount_currency
            for partial in line.matched_debit_ids:
                other = partial.debit_move_id
                if partial.max_date <= date and other.parent_state == "posted":
                    residual += partial.amount
                    residual_currency += partial.credit_amount_currency
            residual = line.company_currency_id.round(residual)
            if residual or line.currency_id.round(residual_currency):
                customer = line.partner_id.commercial_partner_id
                due, credit, count = amounts.get(customer, (0.0, 0.0, 0))
                amounts[customer] = (
                    line.company_currency_id.round(due + residual),
                    line.company_currency_id.round(credit + min(residual, 0.0)),
                    count + bool(line.currency_id.round(residual_currency)),
                )
        return amounts

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
        model = self.env.registry["collections.aging.snapshot"]
        for date in ["2025-01-09", *random.sample(dates, 8), "2026-03-31"]:
            date = fields.Date.to_date(date)
            expected = self._get_expected(date)
            for is_long_ago in (True, False):
                with (
                    self.subTest(date=date, is_long_ago=is_long_ago),
                    patch.object(
                        model, "_is_long_ago", lambda _self, answer=is_long_ago: answer
                    ),
                ):
                    snapshot = self._run_snapshot(date)
                    found = {
                        row.partner_id: (
                            row.amount_due,
                            row.amount_credit,
                            row.open_item_count,
                        )
                        for row in snapshot.balance_ids
                    }
                    self.assertEqual(found, expected)
                    self._assert_ties(snapshot)
