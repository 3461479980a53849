from odoo import models
from odoo.tools import clean_context


class MailScheduledMessage(models.Model):
    _inherit = "mail.scheduled.message"

    def _message_created_hook(self, message):
        # EXTENDS mail: an e-mail of collections is followed up once it is sent
        super()._message_created_hook(message)
        work = (self.send_context or {}).get("collections_work")
        if not work:
            return
        env = self.env(user=self.create_uid, context=clean_context(self.send_context))
        composer = env["mail.compose.message"].new({**work, "subject": self.subject})
        customer = env["res.partner"].browse(self.res_id).commercial_partner_id
        composer._close_collections_work(customer)
        composer._plan_collections_work(customer)
