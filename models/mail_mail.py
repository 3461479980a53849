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
