from odoo import fields, models


class MailMail(models.Model):
    _inherit = "mail.mail"

    collections_mailing_line_id = fields.Many2one(
        comodel_name="collections.mailing.line",
        string="Line of Collections Mailing",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="set null",
    )

    def write(self, vals):
        # EXTENDS mail: an e-mail that is taken out of the queue is waited for no more
        waiting = self._get_waiting_lines() if vals.get("state") == "cancel" else None
        result = super().write(vals)
        if waiting:
            waiting._set_lost(
                self.env._("Cancelled by %(user)s", user=self.env.user.name)
            )
        elif vals.get("state") == "outgoing":
            self.sudo().collections_mailing_line_id._set_queued_again()
        return result

    def unlink(self):
        # EXTENDS mail
        waiting = self._get_waiting_lines()
        if waiting:
            waiting._set_lost(
                self.env._("Deleted by %(user)s", user=self.env.user.name)
            )
        return super().unlink()

    def _get_waiting_lines(self):
        """Return the lines of mailings that wait for these e-mails and no others."""
        waiting = self.filtered(lambda mail: mail.state == "outgoing")
        lines = waiting.sudo().collections_mailing_line_id  # who may delete e-mails
        if lines:
            others = waiting.sudo().search(
                [
                    ("collections_mailing_line_id", "in", lines.ids),
                    ("state", "=", "outgoing"),
                    ("id", "not in", waiting.ids),
                ]
            )
            lines -= others.collections_mailing_line_id
        return lines

    def _postprocess_sent_message(
        self, success_pids, success_emails, failure_reason=False, failure_type=None
    ):
        # EXTENDS mail: sent e-mails may be deleted there, so the report learns it now
        for mail in self.filtered("collections_mailing_line_id"):
            mail.collections_mailing_line_id._set_delivered(mail, failure_type)
        return super()._postprocess_sent_message(
            success_pids,
            success_emails,
            failure_reason=failure_reason,
            failure_type=failure_type,
        )
