import unittest
from unittest.mock import patch

from odoo.tests import tagged

from odoo.addons.credit_collections.models import collections_batch as batch_module
from odoo.addons.credit_collections.models import (
    collections_reimbursement_run as run_module,
)
from odoo.addons.credit_collections.wizards import (
    collections_reimbursement_wizard as wizard_module,
)

from .common import ReimbursementCommon

try:
    from odoo.addons.queue_job.tests.common import trap_jobs
except ImportError:
    trap_jobs = None

CUSTOMERS = 5
BATCH_SIZE = 2


@tagged("post_install", "-at_install")
class TestSharedWork(ReimbursementCommon):
    """Long work is cut into batches that several workers take.

    Several processes at once are tested by `./dev test workers`.
    """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.customers = cls.env["res.partner"].create(
            [
                {
                    "name": f"Customer {number}",
                    "property_account_receivable_id": cls.receivable.id,
                }
                for number in range(CUSTOMERS)
            ]
        )
        for customer in cls.customers:
            customer.collections_vendor_id = cls.vendor
            cls._create_item(customer, -100, "2026-01-31")
        cls.Run = cls.env["collections.reimbursement.run"]

    def _start(self):
        """Start a run of three batches in the background."""
        with (
            patch.object(wizard_module, "BACKGROUND_FROM", 1),
            patch.object(run_module, "BATCH_SIZE", BATCH_SIZE),
        ):
            wizard = self._create_reimbursement_wizard(self.customers)
            wizard.action_reimburse()
        return wizard.run_id

    def _get_triggered(self):
        return (
            self.env["ir.cron.trigger"]
            .search([("cron_id", "in", self.Run._get_workers().ids)])
            .cron_id
        )

    def _without_queue(self):
        return patch.object(
            batch_module.CollectionsBatch, "_has_queue", lambda records: False
        )

    def test_several_actions_do_the_same(self):
        for model in ("collections.reimbursement.run", "collections.mailing"):
            workers = self.env[model]._get_workers()
            self.assertEqual(len(workers), 4, model)
            self.assertEqual(len(set(workers.mapped("code"))), 1, model)

    def test_as_many_workers_as_batches(self):
        with self._without_queue():
            self._start()
        self.assertEqual(self._get_triggered(), self.Run._get_workers()[:3])

    def test_copies_and_archived_actions(self):
        """More workers by copying an action, fewer by archiving it."""
        main, second, third, fourth = self.Run._get_workers()
        copied = second.copy({"active": True})
        (third | fourth).active = False
        with self._without_queue():
            self._start()
        self.assertEqual(self._get_triggered(), main | second | copied)

    def test_what_is_done_leaves_the_list(self):
        with self._without_queue():
            run = self._start()
        Line = self.env["collections.reimbursement.run.line"]
        waiting = [("run_id", "=", run.id), ("state", "=", "waiting")]
        taken = run._take(Line, waiting, BATCH_SIZE)
        self.assertEqual(taken, run.line_ids[:BATCH_SIZE])
        taken.sudo().state = "held"
        self.assertEqual(run._take(Line, waiting, CUSTOMERS), run.line_ids[BATCH_SIZE:])

    def test_a_batch_that_meets_somebody_else_is_done_again(self):
        with self._without_queue():
            run = self._start()
        process = type(run)._process
        calls = []

        def meet(records, lines):
            calls.append(len(lines))
            if len(calls) == 1:
                raise batch_module.errors.SerializationFailure("concurrent")
            return process(records, lines)

        with (
            self.enter_registry_test_mode(),
            patch.object(type(run), "_process", meet),
        ):
            self.Run._get_workers()[0].method_direct_trigger()
        run.invalidate_recordset()
        self.assertRecordValues(
            run, [{"state": "done", "reimbursed_count": CUSTOMERS, "failed_count": 0}]
        )
        self.assertEqual(calls, [CUSTOMERS, CUSTOMERS])

    def test_numbers_in_a_journal_with_hash(self):
        """There the numbers come first; the result is the same."""
        self.settlement_journal.restrict_mode_hash_table = True
        reimbursement = self._reimburse(self.customers[0])
        transfer = reimbursement.transfer_move_id
        self.assertIn(reimbursement.bill_id.name, transfer.ref)
        self.assertTrue(transfer.name)
        self._assert_clearing_closed()

    def test_transfer_names_its_bill_everywhere(self):
        """Also where the number of the bill was not known when it was made."""
        reimbursement = self._reimburse(self.customers[0])
        bill, transfer = reimbursement.bill_id, reimbursement.transfer_move_id
        self.env.invalidate_all()
        text = f"Reimbursement to {self.vendor.display_name}, bill {bill.name}"
        self.assertEqual(transfer.ref, text)
        self.assertEqual(set(transfer.line_ids.mapped("name")), {text})
        self.assertEqual(set(transfer.line_ids.mapped("ref")), {text})
        self.assertEqual(set(transfer.line_ids.mapped("move_name")), {transfer.name})
        self.assertEqual(transfer.sequence_number, 1)
        self.assertFalse((bill | transfer).filtered("made_sequence_gap"))

    @unittest.skipUnless(trap_jobs, "OCA queue_job is not on the addons path")
    def test_jobs_of_queue_job(self):
        if not self.Run._has_queue():
            self.skipTest("OCA queue_job is not installed in this database")
        with trap_jobs() as trap:
            run = self._start()
            # As many jobs as batches, and no scheduled action.
            trap.assert_jobs_count(3, only=run._work_batch_as_job)
            self.assertFalse(self._get_triggered())
            keys = [job.identity_key for job in trap.enqueued_jobs]
            self.assertEqual(len(set(keys)), 3)
            # Every job does one batch and makes the next one, until nothing is left.
            while trap.enqueued_jobs:
                trap.perform_enqueued_jobs()
        self.assertRecordValues(
            run, [{"state": "done", "reimbursed_count": CUSTOMERS, "waiting_count": 0}]
        )
        self.assertEqual(run.reimbursement_ids.partner_id, self.customers)
        self._assert_clearing_closed()
        for customer in self.customers:
            self.assertEqual(self._get_balance(customer), 0.0)
