from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import format_date

from ..models.collections_posting import AGENT


class MailComposeMessage(models.TransientModel):
    _inherit = "mail.compose.message"

    collections_kind = fields.Selection(related="template_id.collections_kind")
    collections_note = fields.Text(
        compute="_compute_collections_note",
        help="Who gets the e-mail, and what stands in its way.",
    )
    collections_followup_date = fields.Date(
        string="Follow Up On",
        help="Plans a to-do for you on that day, for each customer written to.",
    )
    collections_close_activities = fields.Boolean(
        string="Mark My Due Activities Done",
        help="Your activities on the customers that are due by today.",
    )
    collections_mailing_id = fields.Many2one(
        comodel_name="collections.mailing",
        readonly=True,
        help="The mailing that the e-mails are made for.",
    )

    @api.depends("template_id", "model", "res_ids", "composition_mode")
    def _compute_collections_note(self):
        for composer in self:
            notes = []
            if composer._is_collections() and self.env.user.has_group(AGENT):
                notes = composer._get_collections_notes()
            composer.collections_note = "\n".join(notes) or False

    def _is_collections(self):
        self.ensure_one()
        return self.model == "res.partner" and bool(self.collections_kind)

    def _get_collections_customers(self):
        return (
            self.env["res.partner"]
            .browse(self._evaluate_res_ids())
            .commercial_partner_id
        )

    def _get_collections_notes(self):
        """Return what the user should know before sending, as texts."""
        customers = self._get_collections_customers()
        notes = self._get_recipient_notes(customers)
        notes += self.env["collections.recipient"]._get_sending_problems()
        Statement = self.env["collections.statement"]
        if self.collections_kind == "statement" and not Statement._has_pdf_tool():
            notes.append(
                self.env._(
                    "No PDF tool (wkhtmltopdf) is installed on the server: the "
                    "statement goes as a spreadsheet alone."
                )
            )
        return notes

    def _get_recipient_notes(self, customers):
        Recipient = self.env["collections.recipient"]
        recipients = Recipient._get_recipients(customers, self.collections_kind)
        if self.composition_mode == "comment":
            return [
                self.env._(
                    "Writes to %(email)s because: %(rule)s",
                    email=recipient["email"] or self.env._("nobody"),
                    rule=recipient["rule"],
                )
                for recipient in recipients.values()
            ]
        Statement = self.env["collections.statement"]
        concerned = Statement._filter_concerned(customers, self.collections_kind)
        mute = concerned.filtered(
            lambda customer: not recipients[customer.id]["recipient_id"]
        )
        join = self.env["collections.posting"]._join_names
        notes = [
            self.env._(
                "%(count)s e-mails go to the mail queue, and a report says what became "
                "of them.",
                count=len(concerned - mute),
            ),
            self.env._(
                "The text below is a sample: what is highlighted is replaced for each "
                "customer."
            ),
        ]
        if mute:
            notes.append(
                self.env._(
                    "Skipped, because nobody can be written to: %(customers)s",
                    customers=join(mute.mapped("display_name")),
                )
            )
        if customers - concerned:
            notes.append(
                self.env._(
                    "Skipped, because nothing is open: %(customers)s",
                    customers=join((customers - concerned).mapped("display_name")),
                )
            )
        return notes

    # === SENDING === #

    def action_send_mail(self):
        # EXTENDS mail: show the report of e-mails to many customers
        action = super().action_send_mail()
        mailing = self.collections_mailing_id
        if mailing:
            return mailing._get_records_action(name=self.env._("Collections Mailing"))
        return action

    def _action_send_mail_comment(self, res_ids):
        # EXTENDS mail
        if not self._is_collections():
            return super()._action_send_mail_comment(res_ids)
        self._check_collections_recipients()
        messages = super()._action_send_mail_comment(res_ids)
        self._close_collections_work(self._get_collections_customers())
        self._plan_collections_work(self._get_collections_customers())
        return messages

    def _check_collections_recipients(self):
        """Refuse an e-mail to nobody, or of a user who does not collect.

        :raise UserError: when the e-mail has no recipient
        """
        self.env["collections.recipient"]._check_agent()
        if not self.partner_ids:
            customers = self._get_collections_customers()
            raise UserError(
                self.env._(
                    "The e-mail to %(customers)s has no recipient. Choose one, or "
                    "enter an e-mail address on the customer.",
                    customers=", ".join(customers.mapped("display_name")),
                )
            )

    def _action_schedule_message(self):
        # EXTENDS mail
        for composer in self:
            if composer._is_collections():
                composer._check_collections_recipients()
        return super()._action_schedule_message()

    def _prepare_schedule_message_post_values(self, post_values):
        # EXTENDS mail: what is sent later goes to the same people, and what is to be
        # done with it is done then
        vals = super()._prepare_schedule_message_post_values(post_values)
        if self._is_collections():
            vals["send_context"] = {
                **vals["send_context"],
                "collections_skip_followers": self.notify_skip_followers,
                "collections_work": {
                    "collections_followup_date": fields.Date.to_string(
                        self.collections_followup_date
                    ),
                    "collections_close_activities": self.collections_close_activities,
                },
            }
        return vals

    def _action_send_mail_mass_mail(self, res_ids, auto_commit=False):
        # EXTENDS mail: e-mails to many customers have a work list and a report
        if not self._is_collections() or self.collections_mailing_id:
            return super()._action_send_mail_mass_mail(res_ids, auto_commit=auto_commit)
        customers = self.env["res.partner"].browse(res_ids).commercial_partner_id
        mailing = self.env["collections.mailing"]._create_from_composer(self, customers)
        self.collections_mailing_id = mailing
        mailing._start()
        return (
            self.env["mail.mail"]
            .sudo()  # as core does, who may write to the customers may make e-mails
            .search([("collections_mailing_line_id.mailing_id", "=", mailing.id)])
        )

    def _prepare_mail_values(self, res_ids):
        # EXTENDS mail: the e-mail tells its line what became of it
        mail_values_all = super()._prepare_mail_values(res_ids)
        mailing_sudo = self.collections_mailing_id.sudo()
        # Nobody writes on the report of somebody else's mailing.
        if mailing_sudo and mailing_sudo.user_id == self.env.user:
            lines = mailing_sudo.line_ids.filtered(lambda line: line.state == "pending")
            line_by_partner = {line.partner_id.id: line.id for line in lines}
            for res_id, mail_values in mail_values_all.items():
                mail_values["collections_mailing_line_id"] = line_by_partner.get(res_id)
        return mail_values_all

    def _close_collections_work(self, customers):
        """Close the user's due activities on customers, where he wants that.

        :param customers: the `res.partner` that were written to
        """
        if not self.collections_close_activities:
            return
        activities = self._get_due_activities(customers)
        subjects = dict.fromkeys(activities.mapped("res_id"), self.subject)
        if self.composition_mode == "mass_mail":
            subjects = self._render_field("subject", list(subjects), compute_lang=True)
        for customer_id, due in activities.grouped("res_id").items():
            due.action_feedback(
                feedback=self.env._(
                    "E-mail sent: %(subject)s", subject=subjects[customer_id]
                )
            )

    def _plan_collections_work(self, customers):
        """Plan the follow-up on customers, where the user wants one.

        :param customers: the `res.partner` that were written to
        :return: the `mail.activity` of each customer that has one
        :rtype: dict
        """
        activities = {}
        if self.collections_followup_date:
            for customer in customers.with_user(self.env.user):
                activities[customer] = customer.activity_schedule(
                    self._get_followup_activity_type(),
                    date_deadline=self.collections_followup_date,
                    summary=self.env._(
                        "Follow up the e-mail of %(day)s",
                        day=format_date(self.env, fields.Date.context_today(self)),
                    ),
                    user_id=self.env.uid,
                )
        return activities

    def _get_followup_activity_type(self):
        """Return the XML id of the type of activity that follows an e-mail."""
        return "credit_collections.mail_activity_type_reminder"

    def _get_due_activities(self, customers):
        return self.env["mail.activity"].search(
            [
                ("res_model", "=", "res.partner"),
                ("res_id", "in", customers.ids),
                ("user_id", "=", self.env.uid),
                ("date_deadline", "<=", fields.Date.context_today(self)),
            ]
        )
