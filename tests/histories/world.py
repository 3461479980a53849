"""The companies that random histories happen in, and what their steps have made."""

from contextlib import contextmanager
from unittest.mock import patch

from odoo import Command, fields

# Rates of the day before the histories, in units for one unit of the company.
RATES = {
    "USD": {"EUR": 0.9137, "JPY": 151.37, "BHD": 0.37613},
    "BHD": {"EUR": 2.4311, "JPY": 401.73, "USD": 2.65259},
}
# How a story calls what it takes place in, in the order of the numbers in its steps.
COMPANIES = ("Head", "Branch", "Other (BHD)")
CUSTOMERS = ("A", "B", "C", "contact of A")
TERMS = (
    "at once",
    "three instalments",
    "3 % 5 days, 1 % 21 days",
    "2 % 14 days",
    "2.5 % 10 days, tax not reduced",
    "2 % 14 days, tax reduced at once",
)
TAXES = ("no tax", "15 %", "10 % included", "20 % when paid")
FIRST_DAY = fields.Date.to_date("2023-01-02")


class Missing(Exception):
    """What a step works on was not made, or is gone: the step is left out."""


class World:
    """Two groups of companies: one with a branch, one whose currency has 3 decimals."""

    def __init__(self, case):
        self.case = case
        self.env = case.env
        self.forget()
        other = case.setup_other_company(
            name="Other", currency_id=self._get_currency("BHD").id
        )
        self.data = {data["company"]: data for data in (case.company_data, other)}
        head, other = self.data
        self.companies = [head, self._create_branch(head), other]
        self.env.user.company_ids |= self.env["res.company"].union(*self.companies)
        self.currencies = {
            code: self._get_currency(code) for code in ("USD", "EUR", "JPY", "BHD")
        }
        self.terms = self._create_terms()
        self.banks, self.taxes, self.accounts = {}, {}, {}
        for company in self.companies:
            self._set_up_company(company)
        self.customers = self._create_customers()

    def forget(self):
        """Start again, once everything was rolled back."""
        self.day = FIRST_DAY
        self.made = {}  # records by the number of the step that made them
        self.discount_move_ids = set()  # of all entries of discounts there ever were
        # The ids of those that a step has reversed or taken off what they close.
        self.reversed_by_hand = set()
        self.has_discount_by_hand = False
        self.unmatched_ids = set()  # of entries that a step took off what they close

    # === SET-UP === #

    def _get_currency(self, code):
        currency = (
            self.env["res.currency"]
            .sudo()
            .with_context(active_test=False)
            .search([("name", "=", code)])
        )
        currency.active = True
        return currency.sudo(False)

    def _create_branch(self, head):
        # The chart of the head was put off as well, and is there already.
        self.env.cr.precommit.clear()
        branch = (
            self.env["res.company"]
            .sudo()
            .create({"name": "Branch", "parent_id": head.id})
        )
        self.env.cr.precommit.run()  # gives the branch the chart of accounts
        return branch.sudo(False)

    def _create_terms(self):
        """Return the payment terms: none, instalments, and discounts of each kind."""
        case = self.case
        instalments = self.env["account.payment.term"].create(
            {
                "name": "Three instalments",
                "line_ids": [
                    Command.create(
                        {"value": "percent", "value_amount": part, "nb_days": days}
                    )
                    for part, days in ((30, 30), (30, 60), (40, 90))
                ],
            }
        )
        periods = case._create_term(3, 5)
        periods.name = "3 % 5 days, 1 % 21 days"
        periods.cash_discount_period_ids = [
            Command.create({"days": 21, "percentage": 1})
        ]
        return [
            self.env["account.payment.term"],
            instalments,
            periods,
            case._create_term(2, 14),
            case._create_term(2.5, 10, "excluded"),
            case._create_term(2, 14, "mixed"),
        ]

    def _set_up_company(self, company):
        root = company.root_id
        env = self.get_env(company)
        if company == root:
            data = self.data[company]
            self.accounts[company] = {
                "receivable": data["default_account_receivable"],
                "payable": data["default_account_payable"],
                "income": data["default_account_revenue"],
                "outstanding": self._create_account(
                    env, "Money on its way", "101998", "asset_current", reconcile=True
                ),
                "clearing": self._create_account(
                    env, "Reimbursed", "219950", "liability_current", reconcile=True
                ),
                "bad_debts": self._create_account(env, "Bad debts", "690001"),
                "differences": self._create_account(env, "Differences", "690002"),
                "pennies": self._create_account(env, "Pennies", "690003"),
                "transition": self._create_account(
                    env, "Tax to come", "251999", "liability_current", reconcile=True
                ),
            }
            self.taxes[company] = self._create_taxes(env, self.accounts[company])
            for code, rate in RATES[company.currency_id.name].items():
                self.set_rate(company, self.currencies[code], "2022-01-01", rate)
        else:
            self.accounts[company] = self.accounts[root]
            self.taxes[company] = self.taxes[root]
        accounts = self.accounts[company]
        self.banks[company] = env["account.journal"].create(
            {"name": f"Bank {company.name}", "code": "HBNK", "type": "bank"}
        )
        banks = env["account.journal"].search(
            [("type", "=", "bank"), ("company_id", "=", company.id)]
        )
        methods = (
            banks.inbound_payment_method_line_ids
            | banks.outbound_payment_method_line_ids
        )
        methods.payment_account_id = accounts["outstanding"]
        fee = self.case.env["product.product"].create(
            {"name": "Fee", "type": "service", "list_price": 12, "taxes_id": False}
        )
        fee.with_env(env).property_account_income_id = accounts["income"]
        banks.collections_nsf_fee_product_id = fee
        self._set_parameters(company, env, accounts)

    def _set_parameters(self, company, env, accounts):
        journals = [
            env["account.journal"].create(
                {"name": name, "code": code, "type": "general"}
            )
            for name, code in [("Settled", "HSET"), ("Bad", "HBAD"), ("NSF", "HNSF")]
        ]
        reason = self.case.env["collections.writeoff.reason"].create(
            {"code": f"BAD{company.id}", "name": "Bad debts"}
        )
        root = company.root_id
        discount_account = root.account_journal_early_pay_discount_loss_account_id
        company.sudo().write(
            {
                "account_journal_early_pay_discount_loss_account_id": (
                    discount_account.id
                ),
                "collections_settlement_journal_id": journals[0].id,
                "collections_writeoff_journal_id": journals[1].id,
                "collections_nsf_journal_id": journals[2].id,
                "collections_writeoff_account_id": accounts["bad_debts"].id,
                "collections_writeoff_reason_id": reason.id,
                "collections_reimbursement_account_id": accounts["clearing"].id,
                "collections_difference_account_id": accounts["differences"].id,
                "collections_penny_difference_account_id": accounts["pennies"].id,
            }
        )
        company.sudo().collections_partial_cash_discount = True

    @staticmethod
    def _create_account(env, name, code, account_type="expense", **values):
        return env["account.account"].create(
            {"name": name, "code": code, "account_type": account_type, **values}
        )

    def _create_taxes(self, env, accounts):
        """Return the taxes: none, on top, in the price, and due when paid."""
        env.company.sudo().tax_exigibility = True
        values = {"amount_type": "percent", "type_tax_use": "sale"}
        return [
            env["account.tax"],
            env["account.tax"].create({"name": "15 %", "amount": 15, **values}),
            env["account.tax"].create(
                {
                    "name": "10 % included",
                    "amount": 10,
                    "price_include_override": "tax_included",
                    **values,
                }
            ),
            env["account.tax"].create(
                {
                    "name": "20 % when paid",
                    "amount": 20,
                    "tax_exigibility": "on_payment",
                    "cash_basis_transition_account_id": accounts["transition"].id,
                    **values,
                }
            ),
        ]

    def _create_customers(self):
        Partner = self.env["res.partner"]
        customers = [Partner.create({"name": f"Customer {name}"}) for name in "ABC"]
        customers.append(
            Partner.create({"name": "Contact of A", "parent_id": customers[0].id})
        )
        for company in self.companies:
            accounts = self.accounts[company]
            for customer in customers:
                customer.with_company(company).write(
                    {
                        "property_account_receivable_id": accounts["receivable"].id,
                        "property_account_payable_id": accounts["payable"].id,
                    }
                )
        return customers

    # === WHAT STEPS USE === #

    def get_env(self, company):
        """Return an environment for working in a company, all others switched on."""
        others = [other.id for other in self.companies if other != company]
        return self.env(
            context={
                "allowed_company_ids": [company.id, *others],
                "tracking_disable": True,  # the log of every change takes a third
            }
        )

    def set_rate(self, company, currency, date, rate):
        Rate = self.env["res.currency.rate"].sudo()
        found = Rate.search(
            [
                ("company_id", "=", company.root_id.id),
                ("currency_id", "=", currency.id),
                ("name", "=", date),
            ]
        )
        if found:
            found.rate = rate
            return found
        return Rate.create(
            {
                "company_id": company.root_id.id,
                "currency_id": currency.id,
                "name": date,
                "rate": rate,
            }
        )

    def get(self, number, model=None):
        """Return what a step made.

        :raise Missing: when the step is not part of the story, or it is gone
        """
        records = self.made.get(number)
        records = records.exists() if records is not None else None
        if not records or (model and records._name != model):
            raise Missing
        # The step works on them in the company they are of.
        company = records[0]["company_id"] if "company_id" in records else None
        return records.with_env(self.get_env(company)) if company else records

    def get_all(self, numbers):
        """Return what is there of several steps. See `get`."""
        found = []
        for number in numbers:
            try:
                found.append(self.get(number))
            except Missing:
                continue
        if not found:
            raise Missing
        return found

    def find(self, model, test=lambda records: True):
        """Return the numbers of the steps that made records of a model."""
        return [
            number
            for number, records in self.made.items()
            if records._name == model and records.exists() and test(records)
        ]

    @staticmethod
    def get_items(records):
        """Return the receivable lines of documents, payments or bank transactions."""
        moves = records if records._name == "account.move" else records.move_id
        return moves.line_ids.filtered(
            lambda line: line.account_type == "asset_receivable"
        )

    def get_open_items(self, records):
        return self.get_items(records).filtered(
            lambda line: line.parent_state == "posted" and not line.reconciled
        )

    def find_open(self, sign=None):
        """Return open documents: number and open items, by group and customer."""
        found = {}
        for number, records in self.made.items():
            if records._name not in DOCUMENTS or not records.exists():
                continue
            items = self.get_open_items(records)
            if sign:
                items = items.filtered(
                    lambda item: sign * item.amount_residual_currency > 0
                )
            for item in items[:1]:
                customer = item.partner_id.commercial_partner_id
                key = (item.company_id.root_id.id, customer.id)
                found.setdefault(key, []).append(number)
        return found

    @contextmanager
    def on_day(self, day):
        """Let it be a day, for what goes by the calendar."""
        self.day = day
        with (
            patch.object(fields.Date, "today", lambda *args: day),
            patch.object(fields.Date, "context_today", lambda *args, **kwargs: day),
        ):
            yield


DOCUMENTS = ("account.move", "account.payment", "account.bank.statement.line")
