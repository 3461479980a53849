from odoo import Command, fields
from odoo.tests import HttpCase, tagged

from .common import (
    CashDiscountCommon,
    CollectionsCommon,
    PaymentReturnCommon,
    ReimbursementCommon,
    WriteoffCommon,
)


@tagged("post_install", "-at_install")
class TestCollectionsTours(CollectionsCommon, HttpCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        today = fields.Date.today()
        cls.partner = cls._create_customer("Deco Addict", ref="POOL")
        cls.other = cls._create_customer("Gemini Furniture")
        late = fields.Date.subtract(today, days=45)
        cls._create_item(cls.partner, 1234.5, late)
        cls._create_item(cls.other, 99, late)
        weekly = cls._create_definition(
            "By the week", [("Older weeks", -1, "unlimited"), ("This week", 0, "week")]
        )
        cls.pool = cls.env["collections.pool"].create(
            {
                "name": "Decorators",
                "domain": "[('ref', '=', 'POOL')]",
                "definition_id": weekly.id,
            }
        )
        cls._run_snapshot(today, definition_id=weekly.id)

    def test_first_snapshot_and_work_from_the_list(self):
        self.start_tour(
            "/odoo/aged-balances", "collections_aged_balances_tour", login="accountman"
        )
        snapshot = self.env["collections.aging.snapshot"].search(
            [("definition_id", "=", self.definition.id)]
        )
        self.assertEqual(snapshot.state, "done")

    def test_set_up_definition_and_parameters(self):
        self.start_tour(
            "/odoo/collections-parameters",
            "collections_configuration_tour",
            login="accountman",
        )
        definition = self.env["collections.aging.definition"].search(
            [("name", "=", "Quarterly")]
        )
        self.assertEqual(len(definition.period_ids), 5)
        self.assertEqual(self.company.collections_snapshot_retention_days, 365)


@tagged("post_install", "-at_install")
class TestWriteoffTours(WriteoffCommon, HttpCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        late = fields.Date.subtract(fields.Date.today(), days=45)
        cls.invoice = cls._create_item(
            cls._create_customer("Deco Addict"), 1234.5, late
        )
        cls.small = cls._create_item(cls._create_customer("Gemini Furniture"), 99, late)
        cls._run_snapshot(fields.Date.today())

    def test_write_off_and_take_back(self):
        self.start_tour(
            "/odoo/aged-balances", "collections_writeoff_tour", login="accountman"
        )
        moves = self.env["account.move"].search(
            [("collections_writeoff_reason_id", "=", self.reason.id)]
        )
        self.assertEqual(
            sorted(moves.mapped("collections_writeoff_amount")), [-1000.0, 1000.0]
        )
        self.assertEqual(self.invoice.amount_residual, 1234.5)

    def test_missing_parameter(self):
        self.company.collections_writeoff_journal_id = False
        self.start_tour(
            "/odoo/aged-balances",
            "collections_writeoff_missing_tour",
            login="accountman",
        )
        self.assertEqual(self.invoice.amount_residual, 1234.5)

    def test_small_balances(self):
        self.start_tour(
            "/odoo/aged-balances", "collections_writeoff_small_tour", login="accountman"
        )
        self.assertEqual(self.small.payment_state, "paid")
        self.assertEqual(self.invoice.payment_state, "not_paid")

    def test_from_the_invoice(self):
        self.start_tour(
            f"/odoo/customer-invoices/{self.small.id}",
            "collections_writeoff_invoice_tour",
            login="accountman",
        )
        self.assertTrue(self.small.collections_is_written_off)


@tagged("post_install", "-at_install")
class TestSettlementTours(CashDiscountCommon, HttpCase):
    def test_settle_a_part_and_pay_the_rest(self):
        today = fields.Date.today()
        invoice = self._create_invoice(1000, date=today)
        payment = self._create_payment(self.partner, 297, today)
        self.start_tour(
            f"/odoo/m-account.payment/{payment.id}",
            "collections_settlement_tour",
            login="accountman",
        )
        self.assertEqual(invoice.amount_residual, 0.0)
        self.assertEqual(self._get_taken(invoice), [10.0])
        self.assertEqual(sorted(self._get_entries().mapped("amount_total")), [3.0, 7.0])

    def test_payment_term_with_two_periods(self):
        self.start_tour(
            f"/odoo/m-account.payment.term/{self.term.id}",
            "collections_discount_periods_tour",
            login="accountman",
        )
        self.assertEqual(self.term.cash_discount_period_ids.mapped("days"), [21])


@tagged("post_install", "-at_install")
class TestPaymentReturnTours(PaymentReturnCommon, HttpCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.bank.collections_nsf_fee_product_id = cls.fee_product
        late = fields.Date.subtract(fields.Date.today(), days=45)
        cls.partners = [
            cls._create_customer(name) for name in ("Deco Addict", "Gemini Furniture")
        ]
        cls.invoices = [
            cls._create_item(partner, 500, late) for partner in cls.partners
        ]
        cls.payments = [
            cls._pay(500, late, invoice, partner=invoice.partner_id)
            for invoice in cls.invoices
        ]

    def test_return_a_payment_and_undo_it(self):
        self.start_tour(
            "/odoo/customer-payments",
            "collections_payment_return_tour",
            login="accountman",
        )
        [payment_return] = self.payments[0].collections_return_ids
        self.assertEqual(payment_return.state, "cancelled")
        self.assertEqual(payment_return.comment, "R01")
        self.assertEqual(payment_return.fee_move_id.payment_state, "reversed")
        self.assertEqual(self.invoices[0].payment_state, "paid")

    def test_return_several_from_the_list(self):
        self.start_tour(
            "/odoo/customer-payments",
            "collections_payment_return_list_tour",
            login="accountman",
        )
        self.assertEqual([payment.state for payment in self.payments], ["rejected"] * 2)
        self.assertEqual(
            [invoice.payment_state for invoice in self.invoices], ["not_paid"] * 2
        )


@tagged("post_install", "-at_install")
class TestReimbursementTours(ReimbursementCommon, HttpCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        late = fields.Date.subtract(fields.Date.today(), days=45)
        cls.credit = cls._create_item(cls._create_customer("Deco Addict"), -120, late)
        cls._create_item(cls._create_customer("Gemini Furniture"), -9, late)
        owing = cls._create_customer("Azure Interior")
        cls._create_item(owing, -100, late)
        cls._create_item(owing, 30, late)

    def test_reimburse_and_cancel(self):
        self.start_tour(
            "/odoo/aged-balances", "collections_reimbursement_tour", login="accountman"
        )
        reimbursement = self.env["collections.reimbursement"].search([])
        self.assertRecordValues(
            reimbursement, [{"state": "cancelled", "amount": 120.0}]
        )
        self.assertEqual(self.credit.amount_residual, 120.0)

    def test_from_the_customer_with_a_missing_account(self):
        self.company.collections_reimbursement_account_id = False
        self.start_tour(
            f"/odoo/collections-customers/{self.credit.partner_id.id}",
            "collections_reimbursement_customer_tour",
            login="accountman",
        )
        self.assertTrue(self.company.collections_reimbursement_account_id.reconcile)

    def test_stop_and_continue(self):
        wizard = self._create_reimbursement_wizard(
            self.credit.partner_id, date=fields.Date.today()
        )
        wizard.action_preview()
        Run_sudo = self.env["collections.reimbursement.run"].sudo()
        run = Run_sudo.create(wizard._prepare_run_vals())
        self.start_tour(
            f"/odoo/collections-reimbursement-runs/{run.id}",
            "collections_reimbursement_run_tour",
            login="accountman",
        )
        self.assertEqual(run.state, "queued")
        self.assertEqual(self.credit.amount_residual, 120.0)


@tagged("post_install", "-at_install")
class TestCollectionsPageTours(WriteoffCommon, HttpCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        today = fields.Date.today()
        late = fields.Date.subtract(today, days=45)
        cls.customer = cls._create_customer("Deco Addict", ref="POOL")
        cls.other = cls._create_customer("Gemini Furniture")
        cls.invoice = cls._create_item(cls.customer, 1234.5, late)
        cls._create_item(cls.other, 99, late)

    def test_page(self):
        today = fields.Date.today()
        second = self._create_item(self.customer, 300, today)
        self._run_snapshot(today)
        self.start_tour(
            "/odoo/aged-balances", "collections_page_tour", login="accountman"
        )
        promise = self.env["collections.promise"].search([])
        self.assertEqual((promise.amount, promise.state), (1000.0, "open"))
        case = self.env["collections.case"].search([])
        self.assertEqual(case.move_line_ids, self._get_term_lines(second))

    def test_page_loads_while_a_list_does(self):
        """Once, a list that was loaded for the first time just then stayed empty."""
        self._run_snapshot(fields.Date.today())
        self.start_tour(
            "/odoo/aged-balances", "collections_page_slow_tour", login="accountman"
        )

    def test_page_loads_overtake_each_other(self):
        """Once, buttons that waited for a load that was overtaken stayed disabled."""
        self._run_snapshot(fields.Date.today())
        self.env["mail.activity"].create(
            {
                "res_model_id": self.env["ir.model"]._get_id("res.partner"),
                "res_id": self.customer.id,
                "activity_type_id": self.env.ref(
                    "credit_collections.mail_activity_type_call"
                ).id,
                "summary": "Call the owner",
                "user_id": self.env.user.id,
            }
        )
        self.start_tour(
            "/odoo/aged-balances", "collections_page_overtaken_tour", login="accountman"
        )

    def _create_item_of_other_company(self):
        """Return another company that the customer owes to."""
        other = self.setup_other_company()["company"]
        user = self.env["res.users"].search([("login", "=", "accountman")])
        user.company_ids += other
        invoice = (
            self.env["account.move"]
            .with_company(other)
            .create(
                {
                    "move_type": "out_invoice",
                    "partner_id": self.customer.id,
                    "invoice_date": "2024-01-01",
                    "invoice_line_ids": [
                        Command.create(
                            {"name": "Goods", "price_unit": 77.0, "tax_ids": False}
                        )
                    ],
                }
            )
        )
        invoice.action_post()
        return other

    def _start_tour_in_companies(self, tour, companies):
        self.start_tour(
            "/odoo/aged-balances",
            tour,
            login="accountman",
            cookies={"cids": "-".join(map(str, companies.ids))},
        )

    def test_page_of_a_customer_of_two_companies(self):
        """Figures, items and buttons are about the company of the row."""
        today = fields.Date.today()
        other = self._create_item_of_other_company()
        self._run_snapshot(today)
        self._run_snapshot(today, company_id=other.id, definition_id=self.definition.id)
        for company in self.company + other:
            self.env["collections.case"].create(
                {
                    "name": f"Case in {company.name}",
                    "partner_id": self.customer.id,
                    "company_id": company.id,
                }
            )
        self._start_tour_in_companies(
            "collections_page_companies_tour", self.company + other
        )

    def test_page_with_figures_of_one_of_two_companies(self):
        """The items of the other one are in the list as well."""
        other = self._create_item_of_other_company()
        self._create_payment(self.customer, 5, fields.Date.today())
        self._run_snapshot(fields.Date.today())
        self._start_tour_in_companies(
            "collections_page_mixed_tour", self.company + other
        )

    def test_write_off_from_the_page(self):
        self._run_snapshot(fields.Date.today())
        self.start_tour(
            "/odoo/aged-balances", "collections_page_writeoff_tour", login="accountman"
        )
        self.assertTrue(self.invoice.collections_is_written_off)

    def test_worklist_activities_and_cases(self):
        today = fields.Date.today()
        weekly = self._create_definition(
            "By the week", [("Older weeks", -1, "unlimited"), ("This week", 0, "week")]
        )
        self.env["collections.pool"].create(
            {
                "name": "Decorators",
                "domain": "[('ref', '=', 'POOL')]",
                "definition_id": weekly.id,
            }
        )
        self._run_snapshot(today)
        self._run_snapshot(today, definition_id=weekly.id)
        for customer in self.customer + self.other:
            self.env["mail.activity"].create(
                {
                    "res_model_id": self.env["ir.model"]._get_id("res.partner"),
                    "res_id": customer.id,
                    "activity_type_id": self.env.ref(
                        "credit_collections.mail_activity_type_call"
                    ).id,
                    "summary": f"Call {customer.name.split()[0]}",
                    "user_id": self.env.user.id,
                }
            )
        self.env["collections.case"].create(
            {"name": "Scratched tops", "partner_id": self.customer.id}
        )
        self.start_tour(
            "/odoo/collections-worklist", "collections_lists_tour", login="accountman"
        )
