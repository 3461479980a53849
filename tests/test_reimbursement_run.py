from unittest.mock import patch

from psycopg2.errors import SerializationFailure

from odoo.exceptions import AccessError, UserError
from odoo.tests import HttpCase, tagged
from odoo.tools import mute_logger

from odoo.addons.base.models.ir_cron import IrCron
from odoo.addons.credit_collections.models import (
    collections_batch as batch_module,
)
from odoo.addons.credit_collections.models import (
    collections_posting as posting_module,
)
from odoo.addons.credit_collections.models import (
    collections_reimbursement_posting as posting,
)
from odoo.addons.credit_collections.models import (
    collections_reimbursement_run as run_module,
)
from odoo.addons.credit_collections.wizards import (
    collections_reimbursement_wizard as wizard_module,
)

from .common import AGENT, ReimbursementCommon

CRON = "credit_collections.ir_cron_collections_reimbursement"
CUSTOMERS = 5


@tagged("post_install", "-at_install")
class TestReimbursementRun(ReimbursementCommon):
    """Large runs go on in batches, and reimburse nobody twice."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.customers = cls._create_customers(CUSTOMERS)
        cls.cron = cls.env.ref(CRON)
        # What OCA queue_job does instead is tested with `collections.batch`.
        cls.startClassPatcher(
            patch.object(
                batch_module.CollectionsBatch, "_has_queue", lambda records: False
            )
        )

    @classmethod
    def _create_customers(cls, count):
        customers = cls.env["res.partner"].create(
            [
                {
                    "name": f"Customer {number}",
                    "property_account_receivable_id": cls.receivable.id,
                }
                for number in range(count)
            ]
        )
        for customer in customers:
            customer.collections_vendor_id = cls.vendor
            cls._create_item(customer, -100, "2026-01-31")
        return customers

    def _start(self, customers=None):
        """Start a run that is too large to be done at once."""
        with patch.object(wizard_module, "SCREEN_BACKGROUND_FROM", 1):
            wizard = self._create_reimbursement_wizard(customers or self.customers)
            action = wizard.action_confirm()
            self.assertTrue(wizard.in_background)
        self.assertEqual(action["res_model"], "collections.reimbursement.run")
        return wizard.run_id

    def _work(self, run, batch_size=2, after_batch=None):
        """Work as the scheduler does, without committing."""

        def commit_progress(cron, processed=0, **kwargs):
            run.env.flush_all()
            run.env.invalidate_all()
            if after_batch and processed:
                after_batch()
            return 60.0

        with patch.object(IrCron, "_commit_progress", commit_progress):
            return run.sudo()._work(batch_size)

    def _assert_everybody_once(self):
        reimbursements = self.env["collections.reimbursement"].search([])
        self.assertEqual(len(reimbursements), CUSTOMERS)
        self.assertEqual(reimbursements.partner_id, self.customers)
        for customer in self.customers:
            self.assertEqual(self._get_balance(customer), 0.0)
        self._assert_clearing_closed()

    def test_scheduler_does_large_runs(self):
        run = self._start()
        self.assertRecordValues(
            run,
            [{"state": "queued", "waiting_count": CUSTOMERS, "progress": 0.0}],
        )
        self.assertFalse(run.reimbursement_ids)
        triggers = self.env["ir.cron.trigger"].search([("cron_id", "=", self.cron.id)])
        self.assertTrue(triggers)
        with self.enter_registry_test_mode():
            self.cron.method_direct_trigger()
        run.invalidate_recordset()
        self.assertRecordValues(
            run,
            [
                {
                    "state": "done",
                    "waiting_count": 0,
                    "reimbursed_count": CUSTOMERS,
                    "done_count": CUSTOMERS,
                    "total_count": CUSTOMERS,
                    "progress": 100.0,
                    "amount_total": 100.0 * CUSTOMERS,
                    "cancelled_count": 0,
                }
            ],
        )
        self.assertTrue(run.date_done)
        self._assert_everybody_once()
        # It is the run of the user who started it, and so are the bills.
        self.assertEqual(run.reimbursement_ids.bill_id.create_uid, self.env.user)
        run.reimbursement_ids[0].action_cancel()
        self.assertRecordValues(
            run, [{"cancelled_count": 1, "amount_total": 100.0 * (CUSTOMERS - 1)}]
        )

    def test_stopped_and_continued(self):
        run = self._start()
        self._work(run, after_batch=run.action_stop)
        self.assertRecordValues(
            run,
            [{"state": "stopped", "done_count": 2, "total_count": 5, "progress": 40.0}],
        )
        # A stopped run waits for somebody to go on.
        self._work(run)
        self.assertEqual(run.done_count, 2)
        run.action_continue()
        self.assertEqual(run.state, "queued")
        self._work(run)
        self.assertEqual(run.state, "done")
        self._assert_everybody_once()
        run.action_continue()
        self.assertEqual(run.state, "done")

    def test_killed_worker_loses_its_batch_only(self):
        class Killed(BaseException):
            pass

        def die():
            raise Killed

        run = self._start()
        self._work(run, after_batch=run.action_stop)
        run.action_continue()
        with self.assertRaises(Killed), self.cr.savepoint():
            self._work(run, after_batch=die)
        self.env.invalidate_all()
        self.assertEqual(run.done_count, 2)
        self._work(run)
        self.assertEqual(run.state, "done")
        self._assert_everybody_once()

    def test_out_of_time(self):
        run = self._start()
        with patch.object(IrCron, "_commit_progress", lambda *args, **kwargs: 0.0):
            self.assertFalse(run.sudo()._work(2))
        self.assertEqual(run.state, "running")
        self._work(run)
        self._assert_everybody_once()

    def test_items_changed_by_somebody_else_meanwhile(self):
        """A batch that meets a change made at the same moment is tried again later."""
        run = self._start()
        with (
            self.enter_registry_test_mode(),
            patch.object(
                type(run), "_process", side_effect=SerializationFailure("concurrent")
            ),
            mute_logger(batch_module.__name__),
        ):
            self.cron.method_direct_trigger()
        run.invalidate_recordset()
        self.assertEqual(run.waiting_count, CUSTOMERS)
        self.assertIn(run.state, ("queued", "running"))
        self._work(run)
        self._assert_everybody_once()

    def test_one_that_fails_does_not_stop_the_others(self):
        poor = self.customers[2]
        prepare = type(self.env["collections.reimbursement.posting"])._prepare_bill_vals

        def fail(model, company, journal, date, unit, vendor):
            if unit.proposal.position.partner == poor:
                raise UserError(model.env._("No bill for this one"))
            return prepare(model, company, journal, date, unit, vendor)

        with patch.object(
            posting.CollectionsReimbursementPosting, "_prepare_bill_vals", fail
        ):
            wizard = self._create_reimbursement_wizard(self.customers)
            action = wizard.action_confirm()
        run = wizard.run_id
        self.assertEqual(action["res_model"], "collections.reimbursement.run")
        failed = run.line_ids.filtered(lambda line: line.state == "failed")
        self.assertRecordValues(
            failed, [{"partner_id": poor.id, "reason": "No bill for this one"}]
        )
        self.assertEqual(run.reimbursed_count, CUSTOMERS - 1)
        self.assertEqual(self._get_balance(poor), -100.0)
        self._assert_clearing_closed()
        run.action_continue()
        self._work(run)
        self.assertRecordValues(run, [{"state": "done", "failed_count": 0}])
        self._assert_everybody_once()

    @mute_logger(run_module.__name__)
    def test_unexpected_failure(self):
        """Also what nobody foresaw leaves a reason, and nothing half booked."""
        with (
            patch.object(
                posting.CollectionsReimbursementPosting,
                "_match",
                side_effect=ValueError("broken"),
            ),
            self.assertRaisesRegex(UserError, "broken"),
        ):
            self._reimburse(self.customers[0])
        self.assertEqual(self._get_balance(self.customers[0]), -100.0)
        self.assertFalse(self.env["collections.reimbursement"].search([]))
        self._assert_clearing_closed()

    def test_somebody_is_booking_on_the_items(self):
        with (
            patch.object(
                type(self.env["account.move.line"]),
                "try_lock_for_update",
                lambda lines, **kwargs: lines.browse(),
            ),
            self.assertRaisesRegex(UserError, "Somebody else is booking"),
        ):
            self._reimburse(self.customers[0])
        self.assertEqual(self._get_balance(self.customers[0]), -100.0)

    def test_two_runs_at_once(self):
        first, second = self._start(), self._start()
        self._work(first, after_batch=first.action_stop)
        self._work(second)
        self.assertRecordValues(
            second, [{"state": "done", "reimbursed_count": 3, "held_count": 2}]
        )
        first.action_continue()
        self._work(first)
        self.assertRecordValues(
            first, [{"state": "done", "reimbursed_count": 2, "held_count": 3}]
        )
        self._assert_everybody_once()

    def test_starter_lost_the_right_meanwhile(self):
        manager = self._create_user(
            "manager_only", "credit_collections.group_collections_manager"
        )
        with patch.object(wizard_module, "BACKGROUND_FROM", 1):
            wizard = (
                self.env["collections.reimbursement.wizard"]
                .with_user(manager)
                .create({"date": "2026-04-30"})
            )
            wizard.action_reimburse()
        manager.group_ids = self.env.ref("account.group_account_invoice")
        run = wizard.sudo().run_id
        self._work(run)
        self.assertRecordValues(
            run, [{"reimbursed_count": 0, "failed_count": CUSTOMERS}]
        )

    def test_only_managers_stop_and_continue(self):
        run = self._start().with_user(self._create_user("agent_only", AGENT))
        self.assertEqual(run.waiting_count, CUSTOMERS)
        for call in (run.action_stop, run.action_continue):
            with self.assertRaises(AccessError):
                call()

    def test_queries_do_not_grow_with_the_customers(self):
        counts = {}
        for size in (10, 40):
            customers = self._create_customers(size)
            wizard = self._create_reimbursement_wizard(customers)
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.cr.sql_log_count
            # Numbers are computed in several parts.
            with patch.object(posting_module, "PREFETCH_MAX", 30):
                wizard.action_reimburse()
            self.env.flush_all()
            counts[size] = self.cr.sql_log_count - before
        self.assertLessEqual(counts[40] / 40, counts[10] / 10)
        # What a customer costs more is core's own work on his bill and entry.
        self.assertLessEqual((counts[40] - counts[10]) / 30, 6)
        done = wizard.run_id.reimbursement_ids
        for moves in (done.bill_id, done.transfer_move_id):
            self.assertFalse(any(moves.mapped("made_sequence_gap")))
            numbers = sorted(moves.mapped("sequence_number"))
            self.assertEqual(numbers, list(range(numbers[0], numbers[0] + 40)))
            for move in moves:
                self.assertEqual(set(move.line_ids.mapped("move_name")), {move.name})


@tagged("post_install", "-at_install")
class TestReimbursementRpc(ReimbursementCommon, HttpCase):
    """Programs reimburse and cancel over XML-RPC."""

    def _call(self, model, method, *args, **kwargs):
        return self.xmlrpc_object.execute_kw(
            self.env.cr.dbname,
            self.env.user.id,
            "accountman",
            model,
            method,
            args,
            kwargs,
        )

    def test_xmlrpc(self):
        other = self._create_customer("Below")
        self._create_item(self.partner, -100, "2026-01-31")
        self._create_item(other, -10, "2026-01-31")
        wizard = self._call(
            "collections.reimbursement.wizard",
            "create",
            {"partner_ids": [], "date": "2026-04-30", "minimum": 20.0},
        )
        self._call("collections.reimbursement.wizard", "action_preview", [wizard])
        lines = self._call(
            "collections.reimbursement.wizard.line",
            "search_read",
            [["wizard_id", "=", wizard]],
            ["partner_id", "currency_id", "amount", "vendor_id", "state", "reason"],
        )
        self.assertEqual(
            [(line["partner_id"][0], line["amount"], line["state"]) for line in lines],
            [(self.partner.id, 100.0, "reimburse"), (other.id, 10.0, "held")],
        )
        self.assertEqual(lines[0]["vendor_id"][0], self.vendor.id)
        self.assertIn("Below the minimum", lines[1]["reason"])
        action = self._call(
            "collections.reimbursement.wizard", "action_reimburse", [wizard]
        )
        self.assertEqual(action["res_model"], "collections.reimbursement")
        [reimbursement] = self._call(
            "collections.reimbursement",
            "search_read",
            action["domain"],
            ["partner_id", "amount", "bill_id", "transfer_move_id", "state"],
        )
        self.assertEqual(reimbursement["amount"], 100.0)
        self.assertEqual(reimbursement["state"], "posted")
        ids = [reimbursement["id"]]
        self.assertIs(
            self._call("collections.reimbursement", "action_cancel", ids), True
        )
        self.assertEqual(self._get_balance(self.partner), -100.0)

    def test_opening_from_customers(self):
        self._create_item(self.partner, -100, "2026-01-31")
        action = self._call(
            "res.partner", "action_open_reimbursement", self.partner.ids
        )
        self.assertEqual(action["res_model"], "collections.reimbursement.wizard")
        everybody = self._call("res.partner", "action_open_reimbursement", [])
        self.assertNotEqual(everybody["res_id"], action["res_id"])
