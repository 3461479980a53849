import logging
from math import ceil

from psycopg2 import errors
from psycopg2.extensions import TransactionRollbackError

from odoo import api, models
from odoo.tools import SQL

_logger = logging.getLogger(__name__)

# Somebody else has changed, or holds, the same rows; it goes well a moment later.
CONFLICTS = (TransactionRollbackError, errors.LockNotAvailable)
# After so many in a row the work waits for the scheduler.
MAX_CONFLICTS = 10
# Jobs of OCA queue_job that work on one list at the same time, at most; its channels
# may allow fewer.
MAX_JOBS = 8


class CollectionsBatch(models.AbstractModel):
    """Long work in batches that any number of Odoo workers share.

    Every record has a work list. A worker locks the next rows of it that nobody else
    has, does them, and takes them off the list in the same transaction: a worker that
    is killed loses its batch, which is then on the list as before.

    Odoo runs a scheduled action in one worker at a time, so every model has several
    that do the same. Copying one of them lets one more worker take part. Where OCA
    queue_job is installed, jobs take their place.
    """

    _name = "collections.batch"
    _description = "Work Shared by Several Workers"

    # What the scheduled actions of the model call; each model names its own.
    _batch_method = None

    # === HOOKS === #

    def _is_unfinished(self):
        """Tell whether the work may go on. Hook: not when somebody has stopped it."""
        return True

    def _begin(self):
        """Hook: note that the work has begun.

        :return: whether anything was noted
        :rtype: bool
        """
        return False

    def _work_batch(self, batch_size):
        """Hook: take the next rows of the work list and do them.

        :param int batch_size: how many rows are done together
        :return: how many rows were done, 0 when there was nothing to take
        :rtype: int
        """
        raise NotImplementedError

    # === STARTING === #

    def _start_workers(self, count, batch_size):
        """Have the work list worked off, by as many workers as there are batches.

        :param int count: how many rows stand on the list
        :param int batch_size: how many of them are done together
        """
        self.ensure_one()
        batches = max(ceil(count / batch_size), 1)
        if self._has_queue():
            for number in range(min(batches, MAX_JOBS)):
                self._delay_batch(number, batch_size)
        else:
            for action in self._get_workers()[:batches]:
                action._trigger()

    @api.model
    def _get_workers(self):
        """Return the active scheduled actions that work on lists of the model.

        :return: `ir.cron` under sudo, the first made first
        """
        return (
            self.env["ir.cron"]
            .sudo()  # technical records: whoever may start the work, starts these
            .search(
                [
                    ("model_id.model", "=", self._name),
                    ("state", "=", "code"),
                    ("code", "=", f"model.{self._batch_method}()"),
                ],
                order="id",
            )
        )

    # === WORKING === #

    @api.model
    def _take(self, rows, domain, limit):
        """Lock the next rows of a work list that no other worker has.

        Read and locked in one statement: between two, another worker could finish what
        the first has found.

        :param rows: a recordset of the model of the list
        :param domain: which rows wait
        :param int limit: how many at most
        :return: the rows, which belong to this transaction now
        """
        rows.flush_model()
        query = rows._search(domain, order="id", limit=limit)
        taken = self.env.execute_query(
            SQL(
                "%s FOR NO KEY UPDATE OF %s SKIP LOCKED",
                query.select(),
                SQL.identifier(query.table),
            )
        )
        return rows.browse(row_id for [row_id] in taken)

    def _share(self, remaining, batch_size):
        """Work on the lists of all records, beside the other workers.

        :param int remaining: how many rows stand on the lists
        :param int batch_size: how many of them are done together
        """
        Cron = self.env["ir.cron"]
        Cron._commit_progress(remaining=remaining)
        for record in self:
            if not record._work(batch_size):
                return
        # What is still on the lists is in the hands of other workers.
        Cron._commit_progress(remaining=0)

    def _work(self, batch_size):
        """Work off a list in batches, each committed, until done, stopped, or late.

        :param int batch_size: how many rows are done together
        :return: whether there is time for more
        :rtype: bool
        """
        self.ensure_one()
        Cron = self.env["ir.cron"]
        conflicts = 0
        while self._is_unfinished():
            try:
                if self._begin():
                    # At once: else all others would wait for the first batch.
                    Cron._commit_progress()
                done = self._work_batch(batch_size)
                if not done:
                    return True
                # The commit empties the caches, so a stop is seen.
                seconds = Cron._commit_progress(done)
            except CONFLICTS:
                # The next transaction sees what the other one did.
                self.env.cr.rollback()
                conflicts += 1
                if conflicts == MAX_CONFLICTS:
                    _logger.info("%s waits: somebody is busy on the same rows", self)
                    self._start_workers(1, batch_size)
                    Cron._commit_progress()
                    return False
                continue
            conflicts = 0
            if not seconds:
                return False
        return True

    # === OCA QUEUE_JOB === #

    @api.model
    def _has_queue(self):
        """Tell whether OCA queue_job is installed."""
        return hasattr(self, "with_delay")

    def _delay_batch(self, number, batch_size):
        """Make a job of queue_job that does one batch.

        :param int number: of the jobs that work on the list at the same time
        :param int batch_size: how many rows are done together
        """
        self.with_delay(**self._prepare_job_properties(number))._work_batch_as_job(
            number, batch_size
        )

    def _prepare_job_properties(self, number):
        """Return the properties of a job, see `with_delay` of queue_job.

        Hook: override for a channel or priority of your own.

        :param int number: of the jobs that work on the list at the same time
        """
        return {
            "description": self.display_name,
            # Starting the same work twice makes no more jobs.
            "identity_key": f"{self._name}-{self.id}-{number}",
        }

    def _work_batch_as_job(self, number, batch_size):
        """Do one batch, and leave the next one to the next job.

        The queue commits, and tries again when somebody else was busy on the same rows.

        :param int number: of the jobs that work on the list at the same time
        :param int batch_size: how many rows are done together
        :return: how many rows were done; the result that the job shows
        :rtype: int
        """
        self.ensure_one()
        if not self._is_unfinished():
            return 0
        self._begin()
        done = self._work_batch(batch_size)
        if done:
            self._delay_batch(number, batch_size)
        return done
