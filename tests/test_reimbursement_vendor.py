from odoo import Command
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import new_test_user, tagged

from odoo.addons.credit_collections.exceptions import MissingParameterError

from .common import AGENT, MANAGER, ReimbursementCommon


@tagged("post_install", "-at_install")
class TestReimbursementVendor(ReimbursementCommon):
    """Who gets the bill."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.customer = cls._create_customer(
            "B",
            is_company=True,
            street="Main Street 1",
            city="Springfield",
            country_id=cls.env.ref("base.us").id,
            email="b@example.com",
            bank_ids=[Command.create({"acc_number": "BE48 3631 1600 9727"})],
        )
        cls.credit = cls._create_item(cls.customer, -100, "2026-01-31")

    def _preview(self, **values):
        wizard = self._create_reimbursement_wizard(self.customer, **values)
        wizard.action_preview()
        return wizard.line_ids

    def test_one_time_vendor(self):
        self.assertFalse(self._preview().vendor_id)
        self.assertEqual(self._preview().vendor_name, "New one-time vendor")
        vendor = self._reimburse().vendor_id
        self.assertRecordValues(
            vendor,
            [
                {
                    "name": "B",
                    "is_company": True,
                    "street": "Main Street 1",
                    "city": "Springfield",
                    "email": "b@example.com",
                    "parent_id": False,
                    "active": True,
                    "collections_one_time_vendor": True,
                    "collections_one_time_customer_id": self.customer.id,
                }
            ],
        )
        self.assertRecordValues(
            vendor.bank_ids,
            [{"acc_number": "BE48 3631 1600 9727", "allow_out_payment": False}],
        )
        self.assertEqual(self.customer.collections_vendor_id, vendor)
        self.assertGreater(vendor.supplier_rank, 0)

    def test_one_time_vendor_is_used_again(self):
        vendor = self._reimburse().vendor_id
        self._create_item(self.customer, -60, "2026-02-28")
        self.assertEqual(self._preview().vendor_id, vendor)
        self.assertEqual(self._reimburse().vendor_id, vendor)

    def test_one_time_vendor_of_two_currencies(self):
        euro = self.setup_other_currency("EUR", rates=[("2026-01-01", 2.0)])
        self._create_item(self.customer, -90, "2026-01-31", currency_id=euro.id)
        self.assertEqual(len(self._reimburse().vendor_id), 1)

    def test_one_time_vendor_is_archived_when_unused(self):
        reimbursement = self._reimburse()
        vendor = reimbursement.vendor_id
        self.env["res.partner"]._gc_one_time_vendors()
        self.assertTrue(vendor.active)
        self.env["account.payment.register"].with_context(
            active_model="account.move", active_ids=reimbursement.bill_id.ids
        ).create({"payment_date": "2026-05-02"})._create_payments()
        self.env["res.partner"]._gc_one_time_vendors()
        self.assertFalse(vendor.active)
        # Needed again, it comes back.
        self._create_item(self.customer, -60, "2026-02-28")
        again = self._reimburse()
        self.assertEqual(again.vendor_id, vendor)
        self.assertTrue(vendor.active)
        again.action_cancel()
        self.assertFalse(vendor.active)

    def test_one_time_vendor_comes_back_with_what_the_customer_has_now(self):
        """He is not paid on an account that he has given up."""
        first = self._reimburse()
        vendor = first.vendor_id
        vendor.bank_ids.allow_out_payment = True
        first.action_cancel()
        self.assertFalse(vendor.active)
        old = self.customer.bank_ids
        self.customer.write(
            {
                "street": "New Street 2",
                "state_id": self.env.ref("base.state_us_5").id,
                "bank_ids": [
                    Command.unlink(old.id),
                    Command.create({"acc_number": "BE68 5390 0754 7034"}),
                ],
            }
        )
        again = self._reimburse()
        self.assertEqual(again.vendor_id, vendor)
        self.assertEqual(vendor.street, "New Street 2")
        self.assertEqual(vendor.state_id, self.customer.state_id)
        self.assertRecordValues(
            vendor.bank_ids,
            [{"acc_number": "BE68 5390 0754 7034", "allow_out_payment": False}],
        )
        self.assertEqual(again.bill_id.partner_bank_id, vendor.bank_ids)
        # The former one is his again: somebody has to trust it anew.
        again.action_cancel()
        self.customer.bank_ids.active = False
        old.active = True
        self._reimburse()
        self.assertRecordValues(
            vendor.bank_ids,
            [{"acc_number": "BE48 3631 1600 9727", "allow_out_payment": False}],
        )
        # In use, the vendor stays as somebody corrects him.
        vendor.street = "By hand"
        self._create_item(self.customer, -60, "2026-02-28")
        self._reimburse()
        self.assertEqual(vendor.street, "By hand")

    def test_accounts_entered_at_the_one_time_vendor_stay(self):
        self.customer.bank_ids.unlink()
        first = self._reimburse()
        vendor = first.vendor_id
        vendor.bank_ids = [Command.create({"acc_number": "BE68 5390 0754 7034"})]
        vendor.bank_ids.allow_out_payment = True
        first.action_cancel()
        self._reimburse()
        self.assertRecordValues(
            vendor.bank_ids,
            [{"acc_number": "BE68 5390 0754 7034", "allow_out_payment": True}],
        )

    def test_vendor_kept_by_hand_is_not_archived(self):
        reimbursement = self._reimburse()
        vendor = reimbursement.vendor_id
        vendor.collections_one_time_vendor = False
        reimbursement.action_cancel()
        self.assertTrue(vendor.active)
        # Archived by hand, he comes back as he was.
        vendor.write({"active": False, "street": "By hand"})
        self.assertEqual(self._reimburse().vendor_id, vendor)
        self.assertEqual((vendor.active, vendor.street), (True, "By hand"))

    def test_vendor_who_can_log_in_keeps_nobody_else(self):
        """Core refuses to archive him, and asks administrators to do it."""
        other = self._create_customer("Other")
        self._create_item(other, -70, "2026-01-31")
        reimbursements = self._reimburse()
        vendors = reimbursements.vendor_id
        login = vendors.filtered(
            lambda vendor: vendor.collections_one_time_customer_id == self.customer
        )
        self.env["res.users"].create(
            {
                "login": "one_time_vendor",
                "partner_id": login.id,
                "group_ids": [Command.set(self.env.ref("base.group_portal").ids)],
            }
        )
        administrator = self._create_user("head", f"{MANAGER},base.group_erp_manager")
        reimbursements.with_user(administrator).action_cancel()
        self.assertEqual(set(reimbursements.mapped("state")), {"cancelled"})
        self.assertEqual(vendors.filtered("active"), login)

    def test_same_customer(self):
        self.company.collections_reimbursement_vendor = "same"
        self.assertEqual(self._preview().vendor_id, self.customer)
        reimbursement = self._reimburse()
        self.assertEqual(reimbursement.vendor_id, self.customer)
        self.assertEqual(self._get_balance(self.customer), 0.0)
        payable = self._get_balance(self.customer, "liability_payable")
        self.assertEqual(payable, -100.0)

    def test_same_customer_after_one_time_vendor(self):
        self._reimburse()
        self._create_item(self.customer, -60, "2026-02-28")
        self.company.collections_reimbursement_vendor = "same"
        self.assertEqual(self._preview().vendor_id, self.customer)

    def test_vendor_archived(self):
        self.customer.collections_vendor_id = self.vendor
        self.vendor.active = False
        line = self._preview()
        self.assertEqual(line.state, "held")
        self.assertIn("is archived", line.reason)

    def test_vendor_of_another_company(self):
        other = self.setup_other_company()["company"]
        self.vendor.company_id = other
        self.customer.collections_vendor_id = self.vendor
        line = self._preview()
        self.assertEqual(line.state, "held")
        self.assertIn("another company", line.reason)

    def test_vendor_changed_since_the_preview(self):
        wizard = self._create_reimbursement_wizard(self.customer)
        wizard.action_preview()
        self.customer.collections_vendor_id = self.vendor
        with self.assertRaisesRegex(UserError, "The vendor has changed"):
            wizard.action_reimburse()

    def test_vendor_account_is_per_company(self):
        other = self.setup_other_company()["company"]
        self.customer.collections_vendor_id = self.vendor
        self.assertFalse(self.customer.with_company(other).collections_vendor_id)

    def test_only_managers_say_who_gets_the_money(self):
        agent = self._create_user("agent_only", AGENT)
        with self.assertRaises(AccessError):
            self.customer.with_user(agent).collections_vendor_id = self.vendor
        with self.assertRaises(AccessError):
            self.vendor.with_user(
                agent
            ).collections_one_time_customer_id = self.customer


@tagged("post_install", "-at_install")
class TestReimbursementParameters(ReimbursementCommon):
    """Missing or unfit parameters, locked days, missing rights."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls._create_item(cls.partner, -100, "2026-01-31")

    def test_clearing_account_of_the_wrong_type(self):
        bank = self.company_data["default_journal_bank"].default_account_id
        plain = self._create_account("Not reconcilable", "219901", "liability_current")
        for account, text in (
            (self.receivable, "neither receivable nor payable"),
            (self.payable, "neither receivable nor payable"),
            (bank, "neither receivable nor payable"),
            (plain, "does not allow reconciliation"),
        ):
            with self.assertRaisesRegex(ValidationError, text), self.cr.savepoint():
                self.company.collections_reimbursement_account_id = account

    def test_clearing_account_changed_later(self):
        self.clearing_account.reconcile = False
        wizard = self._create_reimbursement_wizard()
        self.assertIn("does not allow reconciliation", wizard.problem)
        with self.assertRaisesRegex(UserError, "does not allow reconciliation"):
            wizard.action_reimburse()
        self.assertEqual(self._get_balance(self.partner), -100.0)

    def test_missing_parameters(self):
        for name, text in (
            ("collections_reimbursement_account_id", "no clearing account"),
            ("collections_settlement_journal_id", "no settlement journal"),
        ):
            value = self.company[name]
            self.company[name] = False
            with self.assertRaisesRegex(MissingParameterError, text) as error:
                self._reimburse()
            action = error.exception.context["action"]
            self.assertEqual(action["res_id"], self.company.id)
            self.company[name] = value

    def test_bill_journal(self):
        self.company.collections_reimbursement_journal_id = False
        self.assertEqual(
            self._create_reimbursement_wizard().problem, False, "the first one is used"
        )
        with self.assertRaisesRegex(ValidationError, "not of type Purchase"):
            self.company.collections_reimbursement_journal_id = self.settlement_journal

    def test_setup_button(self):
        self.company.collections_reimbursement_account_id = False
        manager = self._create_user("manager_only", MANAGER)
        action = self.company.with_user(manager).action_create_reimbursement_account()
        self.assertEqual(action["res_id"], self.company.id)
        account = self.company.collections_reimbursement_account_id
        self.assertRecordValues(
            account, [{"account_type": "liability_current", "reconcile": True}]
        )
        self.company.with_user(manager).action_create_reimbursement_account()
        self.assertEqual(self.company.collections_reimbursement_account_id, account)
        self.assertEqual(self._reimburse().amount, 100.0)
        agent = self._create_user("agent_only", AGENT)
        with self.assertRaises(AccessError):
            self.company.with_user(agent).action_create_reimbursement_account()

    def test_locked_dates(self):
        for name in ("fiscalyear_lock_date", "purchase_lock_date", "hard_lock_date"):
            with self.subTest(lock=name), self.cr.savepoint() as savepoint:
                self.company[name] = "2026-05-31"
                wizard = self._create_reimbursement_wizard()
                self.assertIn("is locked by", wizard.lock_message)
                self.assertEqual(str(wizard.first_free_date), "2026-06-01")
                with self.assertRaisesRegex(UserError, "is locked by"):
                    wizard.action_reimburse()
                wizard.action_use_first_free_date()
                wizard.action_reimburse()
                bill = wizard.run_id.reimbursement_ids.bill_id
                self.assertEqual(str(bill.date), "2026-06-01")
                savepoint.rollback()
                self.env.invalidate_all()

    def test_credits_of_a_locked_period(self):
        self.company.fiscalyear_lock_date = "2026-03-31"
        self.assertEqual(self._reimburse().amount, 100.0)

    def test_user_without_rights(self):
        for login, groups in (
            ("employee", "base.group_user"),
            ("clerk", "account.group_account_invoice"),
            ("collector", AGENT),
        ):
            user = new_test_user(self.env, login=login, groups=groups)
            with self.assertRaises(AccessError):
                self.env["collections.reimbursement.wizard"].with_user(user).create({})
            with self.assertRaises(AccessError):
                self.partner.with_user(user).action_open_reimbursement()

    def test_manager_without_accounting_administration(self):
        manager = self._create_user("manager_only", MANAGER)
        self.partner.collections_vendor_id = False
        action = self.partner.with_user(manager).action_open_reimbursement()
        wizard = (
            self.env["collections.reimbursement.wizard"]
            .with_user(manager)
            .browse(action["res_id"])
        )
        wizard.date = "2026-04-30"
        wizard.action_confirm()
        self.assertEqual(self._get_balance(self.partner), 0.0)
        wizard.run_id.reimbursement_ids.action_cancel()
        self.assertEqual(self._get_balance(self.partner), -100.0)

    def test_nobody(self):
        with self.assertRaisesRegex(UserError, "open credit up to that day"):
            self._reimburse(self._create_customer("Empty"))
        with self.assertRaisesRegex(UserError, "Enter the date"):
            self._reimburse(date=False)

    def test_from_aged_balances(self):
        snapshot = self._run_snapshot("2026-04-30")
        action = snapshot.balance_ids.action_open_reimbursement()
        wizard = self.env["collections.reimbursement.wizard"].browse(action["res_id"])
        self.assertEqual(wizard.partner_ids, self.partner)
        self.assertEqual(wizard.line_ids.partner_id, self.partner)
        with self.assertRaisesRegex(UserError, "belong to nobody"):
            snapshot.balance_ids.browse().action_open_reimbursement()
