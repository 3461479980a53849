import logging

from psycopg2 import InterfaceError, OperationalError

from odoo import Command, api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.tools import format_datetime

from .collections_recipient import RECIPIENT_KINDS

_logger = logging.getLogger(__name__)

CHUNK = 50
# Mailings up to this size are put into the queue while the user waits.
AT_ONCE = 20


class CollectionsMailing(models.Model):
    """E-mails to many customers in one go, and the report of what became of them.

    The lines are the work list: each worker takes the next few, makes their e-mails
    with Odoo's composer and puts them into the mail queue.
    """

    _name = "collections.mailing"
    _inherit = "collections.batch"
    _description = "Collections Mailing"
    _order = "id desc"

    _batch_method = "_cron_process"

    subject = fields.Char(required=True, readonly=True)
    # The composer has cleaned it; cleaned twice it would not be the template's text.
    body = fields.Html(readonly=True, sanitize=False)
    kind = fields.Selection(selection=RECIPIENT_KINDS, required=True, readonly=True)
    template_id = fields.Many2one(
        comodel_name="mail.template", readonly=True, ondelete="set null"
    )
    user_id = fields.Many2one(
        comodel_name="res.users",
        string="Sent By",
        required=True,
        readonly=True,
        default=lambda self: self.env.user,
        ondelete="restrict",
    )
    company_id = fields.Many2one(
        comodel_name="res.company", required=True, readonly=True, index=True
    )
    statement_date_from = fields.Date(readonly=True)
    statement_date_to = fields.Date(readonly=True)
    statement_open_only = fields.Boolean(readonly=True)
    email_from = fields.Char(string="From", readonly=True)
    attachment_ids = fields.Many2many(
        comodel_name="ir.attachment", readonly=True, bypass_search_access=True
    )
    followup_date = fields.Date(readonly=True)
    close_activities = fields.Boolean(readonly=True)
    line_ids = fields.One2many(
        comodel_name="collections.mailing.line",
        inverse_name="mailing_id",
        readonly=True,
    )
    state = fields.Selection(
        selection=[("running", "Running"), ("done", "Done")],
        compute="_compute_counts",
        search="_search_state",
    )
    line_count = fields.Integer(string="Customers", compute="_compute_counts")
    waiting_count = fields.Integer(string="Waiting", compute="_compute_counts")
    sent_count = fields.Integer(string="Sent", compute="_compute_counts")
    failed_count = fields.Integer(string="Failed", compute="_compute_counts")
    skipped_count = fields.Integer(string="Skipped", compute="_compute_counts")

    # === COMPUTE METHODS === #

    @api.depends("kind", "create_date")
    def _compute_display_name(self):
        kinds = self.env["collections.recipient"]._get_kinds()
        for mailing in self:
            mailing.display_name = self.env._(
                "%(kind)s, %(day)s",
                kind=kinds.get(mailing.kind, ""),
                day=format_datetime(self.env, mailing.create_date, dt_format="short"),
            )

    @api.depends("line_ids.state")
    def _compute_counts(self):
        groups = self.env["collections.mailing.line"]._read_group(
            [("mailing_id", "in", self.ids)], ["mailing_id", "state"], ["__count"]
        )
        counts = {(mailing.id, state): count for mailing, state, count in groups}
        for mailing in self:

            def get_count(*states, mailing_id=mailing.id):
                return sum(counts.get((mailing_id, state), 0) for state in states)

            mailing.waiting_count = get_count("pending", "queued")
            mailing.sent_count = get_count("sent")
            mailing.failed_count = get_count("failed")
            mailing.skipped_count = get_count("skipped")
            mailing.line_count = (
                mailing.waiting_count
                + mailing.sent_count
                + mailing.failed_count
                + mailing.skipped_count
            )
            mailing.state = "running" if mailing.waiting_count else "done"

    def _search_state(self, operator, value):
        if operator != "in":
            return NotImplemented
        running = Domain("line_ids.state", "in", ["pending", "queued"])
        domains = {"running": running, "done": ~running}
        return Domain.OR(domains[state] for state in value if state in domains)

    # === ACTION METHODS === #

    def action_retry(self):
        """Write again to those where the e-mail failed, at the address they have now.

        :return: True
        :raise UserError: when no e-mail failed
        """
        self._check_own()
        failed = self.line_ids.filtered(lambda line: line.state == "failed")
        if not failed:
            raise UserError(self.env._("No e-mail of this mailing has failed."))
        for mailing, lines in failed.grouped("mailing_id").items():
            mailing._cancel_mails(lines)
            mailing._reset_lines(lines)
            mailing._start()
        return True

    def action_stop(self):
        """Leave out the customers whose e-mail was not yet sent.

        :return: True
        """
        self._check_own()
        waiting = self.line_ids.filtered(
            lambda line: line.state in ("pending", "queued")
        )
        self._cancel_mails(waiting)
        # What was never written is not followed up, whoever has planned that.
        waiting.sudo().activity_id.filtered("active").unlink()
        waiting.sudo().write(
            {
                "state": "skipped",
                "reason": self.env._("Stopped by %(user)s", user=self.env.user.name),
            }
        )
        return True

    def action_view_lines(self):
        """Open the customers of the mailing as a list."""
        self.env["collections.posting"]._check_one(self)
        self.check_access("read")
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "credit_collections.collections_mailing_line_action"
        )
        action["domain"] = [("mailing_id", "=", self.id)]
        return action

    def _check_own(self):
        self.env["collections.recipient"]._check_agent()
        self.check_access("read")

    def _cancel_mails(self, lines):
        """Take e-mails that were not sent out of the queue."""
        self.env["mail.mail"].sudo().search(
            [
                ("collections_mailing_line_id", "in", lines.ids),
                ("state", "in", ("outgoing", "exception")),
            ]
        ).write({"state": "cancel"})

    # === BUSINESS METHODS === #

    @api.model
    def _create_from_composer(self, composer, customers):
        """Return the mailing that a composer asks for, with all customers on it.

        :param composer: a `mail.compose.message` in mass mode
        :param customers: the commercial partners to write to
        """
        self.env["collections.recipient"]._check_agent()
        customers.check_access("read")
        mailing = self.sudo().create(self._prepare_mailing_vals(composer))
        lines = mailing._prepare_line_vals_list(customers)
        self.env["collections.mailing.line"].sudo().create(lines)
        return mailing.sudo(self.env.su)

    @api.model
    def _prepare_mailing_vals(self, composer):
        """Return the values of the mailing that a composer asks for."""
        period = self.env["collections.statement"]._get_period()
        kind = composer.template_id.collections_kind
        # A statement keeps its days when it is sent again; what is open is said as of
        # the day on which the e-mail is made, unless one was chosen.
        has_days = kind == "statement" or bool(
            self.env.context.get("collections_statement_date_to")
        )
        return {
            "subject": composer.subject,
            "body": composer.body,
            "kind": kind,
            "template_id": composer.template_id.id,
            "email_from": composer.email_from,
            "user_id": self.env.uid,
            "company_id": self.env["collections.recipient"]._get_company().id,
            "statement_date_from": has_days and period.date_from,
            "statement_date_to": has_days and period.date_to,
            "statement_open_only": period.open_only,
            "attachment_ids": [Command.set(composer.attachment_ids.ids)],
            "followup_date": composer.collections_followup_date,
            "close_activities": composer.collections_close_activities,
        }

    def _prepare_line_vals_list(self, customers):
        """Return the values of the lines; who cannot be written to is skipped."""
        self.ensure_one()
        recipients = self.env["collections.recipient"]._get_recipients(
            customers, self.kind, self.company_id
        )
        concerned = self._get_concerned(customers)
        vals_list = []
        for customer in customers:
            recipient = recipients[customer.id]
            vals = {
                "mailing_id": self.id,
                "partner_id": customer.id,
                "recipient_id": recipient["recipient_id"],
                "email": recipient["email"],
                "rule": recipient["rule"],
            }
            if customer not in concerned:
                vals.update(state="skipped", reason=self.env._("Nothing is open"))
            elif not recipient["recipient_id"]:
                vals.update(state="skipped", reason=recipient["rule"])
            vals_list.append(vals)
        return vals_list

    def _get_concerned(self, customers):
        """Return the customers that there is something to write about."""
        return self.env["collections.statement"]._filter_concerned(
            customers, self.kind, self.company_id, self._get_period()
        )

    def _get_period(self):
        return self.env["collections.statement"]._get_period(
            self.statement_date_from, self.statement_date_to, self.statement_open_only
        )

    def _reset_lines(self, lines):
        """Put lines on the work list again."""
        self.ensure_one()
        vals_list = self._prepare_line_vals_list(lines.partner_id)
        vals_by_partner = {vals.pop("partner_id"): vals for vals in vals_list}
        for line in lines:
            line.sudo().write(
                {"state": "pending", "reason": False}
                | vals_by_partner[line.partner_id.id]
            )

    def _start(self):
        """Make the e-mails: at once for a few customers, in the background for many."""
        self.ensure_one()
        count = self.env["collections.mailing.line"].search_count(
            self._get_pending_domain()
        )
        if count <= AT_ONCE:
            self._process()
        else:
            self._start_workers(count, CHUNK)

    def _get_pending_domain(self):
        return [("mailing_id", "in", self.ids), ("state", "=", "pending")]

    def _process(self, limit=CHUNK):
        """Make the next e-mails and put them into the mail queue.

        :param int limit: of how many customers
        :return: how many lines were done
        :rtype: int
        """
        self.ensure_one()
        Line_sudo = self.env["collections.mailing.line"].sudo()  # agents only read
        lines = self._take(Line_sudo, self._get_pending_domain(), limit)
        if not lines:
            return 0
        if not self._try_to_make_mails(lines) and len(lines) > 1:
            # One customer must not keep the others from their e-mails.
            for line in lines:
                self._try_to_make_mails(line)
        queue = self.env.ref("mail.ir_cron_mail_scheduler_action")
        queue.sudo()._trigger()
        return len(lines)

    def _work_batch(self, batch_size):
        # OVERRIDES collections.batch
        return self._process(batch_size)

    def _try_to_make_mails(self, lines):
        """Make the e-mails of lines; a line that cannot be made is marked as failed.

        :return: whether it went well
        :rtype: bool
        """
        try:
            with self.env.cr.savepoint():
                self._make_mails(lines)
        except (OperationalError, InterfaceError):
            # Nothing to do with the customer: the transaction, or the server, is gone.
            raise
        except Exception as error:
            _logger.info("Mailing %s", self.id, exc_info=True)
            if len(lines) == 1:
                lines.sudo().write({"state": "failed", "reason": str(error)})
            return False
        return True

    def _make_mails(self, lines):
        """Make the e-mails with Odoo's composer, as the user who sent the mailing."""
        composer = (
            self.env["mail.compose.message"]
            .with_user(self.user_id)
            .with_context(**self._prepare_context())
            .create(self._prepare_composer_vals(lines))
        )
        composer._action_send_mail()
        mails = self.env["mail.mail"].sudo()
        mails = mails.search([("collections_mailing_line_id", "in", lines.ids)])
        for line, line_mails in mails.grouped("collections_mailing_line_id").items():
            line._set_created(line_mails.sorted("id")[-1:])
        # A line that stayed on the list would be taken again and again.
        lines.filtered(lambda line: line.state == "pending").sudo().write(
            {"state": "failed", "reason": self.env._("No e-mail was made")}
        )
        # Who was not written to, being on the blacklist, say, is as he was before.
        written = lines.filtered(lambda line: line.state in ("queued", "sent"))
        composer._close_collections_work(written.partner_id)
        # An e-mail that is sent again was planned with the first try.
        unplanned = written.filtered(lambda line: not line.activity_id.active)
        activities = composer._plan_collections_work(unplanned.partner_id)
        for line in unplanned.filtered(lambda line: line.partner_id in activities):
            line.sudo().activity_id = activities[line.partner_id]

    def _prepare_context(self):
        """Return the context in which the e-mails of the mailing are made."""
        return {
            "allowed_company_ids": self.company_id.ids,
            "lang": self.user_id.lang,
            "tz": self.user_id.tz,
            "collections_company_id": self.company_id.id,
            "collections_statement_date_from": self.statement_date_from,
            "collections_statement_date_to": self.statement_date_to,
            "collections_statement_open_only": self.statement_open_only,
        }

    def _prepare_composer_vals(self, lines):
        """Return the values of the composer that makes the e-mails of some lines."""
        return {
            "composition_mode": "mass_mail",
            "model": "res.partner",
            "res_ids": str(lines.partner_id.ids),
            "template_id": self.template_id.id,
            "subject": self.subject,
            "body": self.body,
            "email_from": self.email_from,
            "attachment_ids": [Command.set(self.attachment_ids.ids)],
            "force_send": False,
            "collections_mailing_id": self.id,
            "collections_followup_date": self.followup_date,
            "collections_close_activities": self.close_activities,
        }

    @api.model
    def _cron_process(self, batch_size=CHUNK):
        """Make the e-mails of all mailings that have some left."""
        pending = self.env["collections.mailing.line"].search_count(
            [("state", "=", "pending")]
        )
        mailings = self.search([("line_ids.state", "=", "pending")], order="id")
        mailings._share(pending, batch_size)
