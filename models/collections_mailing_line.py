from odoo import api, fields, models

MAILING_LINE_STATES = [
    ("pending", "To do"),
    ("queued", "In the queue"),
    ("sent", "Sent"),
    ("failed", "Failed"),
    ("skipped", "Skipped"),
]


class CollectionsMailingLine(models.Model):
    """One customer of a mailing: who was written to, and what became of it."""

    _name = "collections.mailing.line"
    _description = "Customer of Collections Mailing"
    _order = "id"
    _rec_name = "partner_id"

    mailing_id = fields.Many2one(
        comodel_name="collections.mailing",
        required=True,
        readonly=True,
        index=True,
        ondelete="cascade",
    )
    company_id = fields.Many2one(
        related="mailing_id.company_id",
        store=True,  # read by the record rule
    )
    partner_id = fields.Many2one(
        comodel_name="res.partner",
        string="Customer",
        required=True,
        readonly=True,
        index=True,
        ondelete="cascade",
    )
    recipient_id = fields.Many2one(
        comodel_name="res.partner",
        string="Sent To",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
    )
    email = fields.Char(string="E-mail", readonly=True)
    rule = fields.Char(string="Because", readonly=True)
    state = fields.Selection(
        selection=MAILING_LINE_STATES, required=True, default="pending", readonly=True
    )
    activity_id = fields.Many2one(
        comodel_name="mail.activity",
        string="Follow-up",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
        help="Planned with the e-mail.",
    )
    reason = fields.Char(
        readonly=True, help="Why the customer was skipped, or what the server said."
    )

    def _set_lost(self, reason):
        """Remember that an e-mail was taken out of the queue, so that none will come.

        Such a line counts as failed: the e-mail can be sent again.

        :param str reason: what became of it
        """
        waiting = self.filtered(lambda line: line.state == "queued")
        if waiting:
            waiting.sudo().write({"state": "failed", "reason": reason})

    def _set_queued_again(self):
        """Remember that somebody has put an e-mail that failed into the queue again."""
        failed = self.filtered(lambda line: line.state == "failed")
        if failed:
            failed.sudo().write({"state": "queued", "reason": False})

    def _set_delivered(self, mail, failure_type):
        """Remember what became of the e-mail of the line.

        :param mail: the `mail.mail`
        :param failure_type: key of its failure, empty when it was sent
        """
        if not failure_type:
            self.sudo().write({"state": "sent", "reason": False})
            return
        self.sudo().write(
            {
                "state": "failed",
                "reason": self._get_failure_text(mail, failure_type),
            }
        )

    def _set_created(self, mail):
        """Remember that an e-mail was put into the queue, or why it was not.

        :param mail: the `mail.mail` that the composer made
        """
        states = {"outgoing": "queued", "exception": "failed", "cancel": "skipped"}
        state = states.get(mail.state, "sent")
        vals = {"state": state, "reason": False, **self._prepare_recipient_vals(mail)}
        if state in ("failed", "skipped"):
            vals["reason"] = self._get_failure_text(mail, mail.failure_type)
        self.sudo().write(vals)

    def _prepare_recipient_vals(self, mail):
        """Return who an e-mail goes to, where that is not who it was meant for.

        Addresses may have changed since the mailing was started, and templates of the
        company's own may have recipients of their own.

        :param mail: the `mail.mail` that the composer made
        :rtype: dict
        """
        self.ensure_one()
        recipients = mail.recipient_ids
        meant = recipients & self.recipient_id
        if not recipients or (meant and meant.email == self.email):
            return {}
        found = self.env["collections.recipient"]._get_recipients(
            self.partner_id, self.mailing_id.kind, self.company_id
        )[self.partner_id.id]
        # Of several the one that the rule names.
        recipient = (
            recipients.filtered(lambda one: one.id == found["recipient_id"])
            or recipients[:1]
        )
        return {
            "recipient_id": recipient.id,
            "email": recipient.email,
            "rule": found["recipient_id"] == recipient.id and found["rule"],
        }

    @api.model
    def _get_failure_text(self, mail, failure_type):
        labels = dict(mail._fields["failure_type"]._description_selection(self.env))
        label = labels.get(failure_type) or self.env._("Unknown error")
        if not mail.failure_reason:
            return label
        return self.env._(
            "%(failure)s: %(reason)s",
            failure=label,
            reason=" ".join(mail.failure_reason.split())[:500],
        )
