import logging

from psycopg2 import InterfaceError, OperationalError

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain

_logger = logging.getLogger(__name__)

# Customers that are booked, and committed, together. A killed worker loses these.
BATCH_SIZE = 50
UNFINISHED = ("queued", "running")


class CollectionsReimbursementRun(models.Model):
    """One run of reimbursements: its choices, its work list, and what became of it.

    Small runs are done at once, large ones by the scheduler. A line leaves the work
    list in the same transaction that books it, so a run that was stopped or killed goes
    on where it was, and any number of workers can share it.
    """

    _name = "collections.reimbursement.run"
    _inherit = "collections.batch"
    _description = "Reimbursement Run"
    _order = "id desc"

    _batch_method = "_cron_work"

    company_id = fields.Many2one(
        comodel_name="res.company", required=True, readonly=True, index=True
    )
    company_currency_id = fields.Many2one(
        related="company_id.currency_id", string="Company Currency"
    )
    user_id = fields.Many2one(
        comodel_name="res.users", string="Started by", required=True, readonly=True
    )
    date = fields.Date(required=True, readonly=True)
    minimum = fields.Monetary(
        string="Minimum Reimbursement",
        currency_field="company_currency_id",
        readonly=True,
    )
    include_open_debits = fields.Boolean(readonly=True)
    state = fields.Selection(
        selection=[
            ("queued", "Waiting"),
            ("running", "Running"),
            ("stopped", "Stopped"),
            ("done", "Done"),
        ],
        default="queued",
        required=True,
        readonly=True,
    )
    date_done = fields.Datetime(string="Finished on", readonly=True)
    line_ids = fields.One2many(
        comodel_name="collections.reimbursement.run.line",
        inverse_name="run_id",
        readonly=True,
    )
    reimbursement_ids = fields.One2many(
        comodel_name="collections.reimbursement", inverse_name="run_id", readonly=True
    )
    total_count = fields.Integer(string="To Do", compute="_compute_counts")
    done_count = fields.Integer(string="Processed", compute="_compute_counts")
    waiting_count = fields.Integer(
        string="Waiting Customers", compute="_compute_counts"
    )
    reimbursed_count = fields.Integer(string="Reimbursed", compute="_compute_counts")
    cancelled_count = fields.Integer(
        string="Cancelled Since",
        compute="_compute_reimbursements",
        help="How many of the reimbursements of the run were cancelled later.",
    )
    held_count = fields.Integer(string="Held", compute="_compute_counts")
    failed_count = fields.Integer(string="Failed", compute="_compute_counts")
    progress = fields.Float(compute="_compute_counts")
    amount_total = fields.Monetary(
        string="Total",
        compute="_compute_reimbursements",
        currency_field="company_currency_id",
        help="What was reimbursed and not cancelled, in company currency.",
    )

    # === COMPUTE METHODS === #

    def _compute_display_name(self):
        for run in self:
            run.display_name = self.env._("Run %(number)s", number=run.id)

    @api.depends("line_ids.state")
    def _compute_counts(self):
        groups = self.env["collections.reimbursement.run.line"]._read_group(
            [("run_id", "in", self.ids)], ["run_id", "state"], ["__count"]
        )
        counts = {(run, state): count for run, state, count in groups}
        for run in self:
            for state in ("waiting", "reimbursed", "held", "failed"):
                run[f"{state}_count"] = counts.get((run, state), 0)
            run.done_count = run.reimbursed_count + run.failed_count
            run.total_count = run.done_count + run.waiting_count
            run.progress = (
                100.0 * run.done_count / run.total_count if run.total_count else 100.0
            )

    @api.depends("reimbursement_ids.state")
    def _compute_reimbursements(self):
        groups = self.env["collections.reimbursement"]._read_group(
            [("run_id", "in", self.ids)],
            ["run_id", "state"],
            ["__count", "amount_company:sum"],
        )
        amounts = {(run, state): values for run, state, *values in groups}
        for run in self:
            run.amount_total = amounts.get((run, "posted"), (0, 0.0))[1]
            run.cancelled_count = amounts.get((run, "cancelled"), (0, 0.0))[0]

    # === ACTION METHODS === #

    def action_stop(self):
        """Stop runs after the customers that are being booked.

        :return: True
        :raise AccessError: when the user is not a collections manager
        """
        self.env["collections.posting"]._check_manager()
        self.check_access("read")
        runs_sudo = self.sudo()  # runs are written by their own methods; checked
        runs_sudo.filtered(lambda run: run.state in UNFINISHED).state = "stopped"
        return True

    def action_continue(self):
        """Go on with runs that were stopped, and try again what failed.

        :return: True
        :raise AccessError: when the user is not a collections manager
        """
        self.env["collections.posting"]._check_manager()
        self.check_access("read")
        runs_sudo = self.sudo()  # runs are written by their own methods; checked
        runs_sudo.line_ids.filtered(lambda line: line.state == "failed").write(
            {"state": "waiting", "reason": False}
        )
        runs_sudo.filtered("waiting_count")._queue()
        return True

    def action_view_reimbursements(self):
        """Open what the run has reimbursed."""
        self.check_access("read")
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "credit_collections.collections_reimbursement_action"
        )
        action["domain"] = [("run_id", "in", self.ids)]
        action["context"] = {"create": False}
        return action

    # === BUSINESS METHODS === #

    def _queue(self):
        """Hand runs to the scheduler."""
        self.state = "queued"
        for run in self:
            run._start_workers(run.waiting_count, BATCH_SIZE)

    def _is_unfinished(self):
        # OVERRIDES collections.batch
        return self.state in UNFINISHED

    def _begin(self):
        # OVERRIDES collections.batch: one of the workers says that the run is running
        if self.state != "queued" or not self.try_lock_for_update(
            allow_referencing=True
        ):
            return False
        self.state = "running"
        return True

    def _as_starter(self):
        """Return the run in the environment of the user who started it."""
        self.ensure_one()
        return (
            self.with_user(self.user_id)
            .with_company(self.company_id)
            .with_context(allowed_company_ids=self.company_id.ids)
        )

    def _process(self, lines):
        """Reimburse customers of the work list, those that can be.

        What fails for one customer does not keep the others from being reimbursed: the
        lines are halved until the one that fails is found.

        :param lines: waiting `collections.reimbursement.run.line`, locked by the caller
        """
        self.ensure_one()
        try:
            with self.env.cr.savepoint():
                self._reimburse(lines)
        except (OperationalError, InterfaceError):
            # Somebody else has changed the same rows, or the server is gone: the
            # transaction is over.
            raise
        except Exception as error:
            # Whatever it is, one customer must not keep the others from their money.
            self.env.invalidate_all(flush=False)
            if len(lines) > 1:
                middle = len(lines) // 2
                self._process(lines[:middle])
                self._process(lines[middle:])
                return
            if not isinstance(error, UserError):
                _logger.exception("Reimbursement of %s failed", lines)
            lines.sudo().write(  # the work list is written by its run only
                {"state": "failed", "reason": str(error) or type(error).__name__}
            )

    def _reimburse(self, lines):
        """Book the lines whose customers still have what was shown, hold the others."""
        Posting = self.env["collections.reimbursement.posting"]
        company = self.company_id
        partners = lines.partner_id
        busy = self._lock_items(Posting._get_items(company, self.date, partners))
        items = Posting._get_items(company, self.date, partners)
        proposals = {
            proposal.key: proposal
            for proposal in Posting._get_proposals(
                company, self.date, self.minimum, self.include_open_debits, partners
            )
        }
        lines_sudo = lines.sudo()  # the work list is written by its run only
        fit = []
        for line in lines_sudo:
            key = (line.partner_id, line.currency_id)
            reason = self._find_change(line, proposals.get(key))
            if key in busy:
                line.write({"state": "failed", "reason": self._get_busy_message()})
            elif reason:
                line.write({"state": "held", "reason": reason})
            else:
                fit.append(line)
        if not fit:
            return
        with Posting._booked(
            company,
            self.date,
            [proposals[line.partner_id, line.currency_id] for line in fit],
            items,
        ) as reimbursements:
            reimbursements.sudo().write({"run_id": self.id})
            for line, reimbursement in zip(fit, reimbursements, strict=True):
                line.write(
                    {
                        "state": "reimbursed",
                        "vendor_id": reimbursement.vendor_id.id,
                        "reimbursement_id": reimbursement.id,
                    }
                )

    def _lock_items(self, items):
        """Keep others from changing items until the end of the transaction.

        :param dict items: `account.move.line` by customer and currency
        :return: the customers and currencies of which somebody else holds an item
        :rtype: set
        """
        lines = self.env["account.move.line"].union(*items.values())
        # The copy read before the lock was got may be old by now.
        self.env.flush_all()
        held = lines - lines.try_lock_for_update(allow_referencing=True)
        lines.invalidate_recordset()
        return {key for key, group in items.items() if group & held}

    def _get_busy_message(self):
        return self.env._(
            "Somebody else is booking on the same items at this moment. Try again to "
            "see what is still open."
        )

    def _find_change(self, line, proposal):
        """Return why a line cannot be booked as it was shown, or None.

        :param line: a `collections.reimbursement.run.line`
        :param proposal: what would be proposed now, None when there is no credit left
        """
        if not proposal:
            return self.env._(
                "The credit is gone: somebody else has used or reimbursed it meanwhile."
            )
        if proposal.problems:
            return " ".join(proposal.problems)
        if line.currency_id.compare_amounts(line.amount, proposal.amount):
            return self.env._(
                "The credit has changed since the preview: it is %(amount)s now.",
                amount=line.currency_id.format(proposal.amount),
            )
        if line.vendor_id != proposal.vendor and (
            line.vendor_id or not proposal.vendor.collections_one_time_vendor
        ):
            return self.env._(
                "The vendor has changed since the preview: it is %(vendor)s now.",
                vendor=proposal.vendor.display_name or self.env._("none"),
            )
        return None

    def _finish(self):
        """Close runs that have nothing left to do."""
        self_sudo = self.sudo()
        for run in self_sudo:
            run._check_sequence_gaps()
        self_sudo.write({"state": "done", "date_done": fields.Datetime.now()})

    def _check_sequence_gaps(self):
        """Look again for gaps in the numbers of the entries of a run.

        A worker that had to wait for another one's numbers cannot see the entries that
        got them before its own transaction ends, and core takes that for a gap.
        """
        Reimbursement = self.env["collections.reimbursement"]
        Move = self.env["account.move"]
        marked = Move.search(
            Reimbursement._get_moves_domain([("run_id", "=", self.id)])
            & Domain("made_sequence_gap", "=", True)
        )
        self.env.add_to_compute(Move._fields["made_sequence_gap"], marked)

    def _work_batch(self, batch_size):
        # OVERRIDES collections.batch
        Line = self.env["collections.reimbursement.run.line"]
        waiting = [("run_id", "=", self.id), ("state", "=", "waiting")]
        lines = self._take(Line, waiting, batch_size)
        if not lines:
            # What other workers hold still waits in the eyes of this one.
            if not Line.search_count(waiting, limit=1):
                self._finish()
            return 0
        run = self._as_starter()
        run._process(lines.with_env(run.env))
        return len(lines)

    @api.model
    def _cron_work(self, batch_size=BATCH_SIZE):
        """Go on with all runs that wait."""
        runs = self.search([("state", "in", UNFINISHED)], order="id")
        runs._share(sum(runs.mapped("waiting_count")), batch_size)
