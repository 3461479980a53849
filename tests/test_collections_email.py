import io
from smtplib import SMTPRecipientsRefused
from unittest.mock import patch

from freezegun import freeze_time
from lxml import html
from openpyxl import load_workbook

from odoo import Command, fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from odoo.addons.base.models.ir_mail_server import IrMail_Server
from odoo.addons.mail.tests.common import MockEmail

from ..exceptions import MissingParameterError
from ..models.collections_mailing import AT_ONCE
from .common import AGENT, CollectionsCommon


class CollectionsEmailCommon(CollectionsCommon, MockEmail):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.agent = cls._create_user("collector", AGENT)
        cls.agent.partner_id.email = "collector@us.example"
        cls.partner = cls._create_customer("Contoso", email="office@contoso.example")
        cls.contact = cls.env["res.partner"].create(
            {
                "name": "Ann",
                "parent_id": cls.partner.id,
                "email": "ann@contoso.example",
            }
        )
        cls._create_item(cls.partner, 1000, "2026-01-31")
        cls.env["ir.mail_server"].create(
            {"name": "Server", "smtp_host": "smtp.us.example"}
        )

    def _open_composer(self, records=None, kind="collections", user=None, **context):
        """Open the composer as the web client does."""
        records = (self.partner if records is None else records).with_user(
            user or self.agent
        )
        action = records.with_context(**context).action_send_collections_email(kind)
        self.assertEqual(action["res_model"], "mail.compose.message")
        return (
            self.env["mail.compose.message"]
            .with_user(user or self.agent)
            .with_context(**action["context"])
            .create({})
        )

    def _read_sheets(self, attachment):
        workbook = load_workbook(io.BytesIO(attachment.raw))
        return {
            sheet.title: [list(row) for row in sheet.iter_rows(values_only=True)]
            for sheet in workbook
        }


@tagged("post_install", "-at_install")
class TestCollectionsEmail(CollectionsEmailCommon):
    """One e-mail, read before it is sent."""

    @freeze_time("2026-03-31")
    def test_transactions_to_the_customer(self):
        composer = self._open_composer()
        self.assertEqual(composer.composition_mode, "comment")
        self.assertEqual(composer.partner_ids, self.contact)
        self.assertEqual(
            composer.subject, f"{self.company.name}: open items of Contoso"
        )
        self.assertIn("1,000.00", composer.body)
        self.assertIn("01/31/2026", composer.body)
        self.assertIn(
            "ann@contoso.example because: First contact", composer.collections_note
        )
        self.assertNotIn("replaced for each customer", composer.collections_note)
        [attachment] = composer.attachment_ids
        self.assertEqual(attachment.name, "Open items Contoso 2026-03-31.xlsx")
        sheets = self._read_sheets(attachment)
        self.assertEqual(list(sheets), ["Summary", "Open items", "Payments"])
        self.assertEqual(sheets["Open items"][1][8], 1000)
        composer.body = composer.body.replace("Kind regards", "Yours")
        with self.mock_mail_gateway():
            composer.action_send_mail()
        [mail] = self._mails
        self.assertEqual(mail["email_to"], ['"Ann" <ann@contoso.example>'])
        self.assertIn("collector@us.example", mail["email_from"])
        self.assertIn("Yours", mail["body"])
        message = self.partner.message_ids[0]
        self.assertEqual(message.attachment_ids.name, attachment.name)
        self.assertEqual(message.author_id, self.agent.partner_id)

    @freeze_time("2026-03-31")
    def test_statement_goes_with_the_spreadsheet_alone_without_pdf_tool(self):
        Report = self.env.registry["ir.actions.report"]
        with patch.object(Report, "get_wkhtmltopdf_state", lambda report: "install"):
            composer = self._open_composer(kind="statement")
            self.assertIn("No PDF tool", composer.collections_note)
            names = composer.attachment_ids.mapped("name")
            with self.mock_mail_gateway():
                composer.action_send_mail()
        self.assertEqual(names, ["Statement of account Contoso 2026-03-31.xlsx"])
        self.assertEqual(len(self._mails), 1)

    @freeze_time("2026-03-31")
    def test_statement_goes_with_a_print_where_there_is_a_pdf_tool(self):
        Report = self.env.registry["ir.actions.report"]
        printed = []

        def render(report, report_ref, res_ids=None, data=None):
            printed.append(data)
            return b"%PDF-1.4", "pdf"

        with (
            patch.object(Report, "get_wkhtmltopdf_state", lambda report: "ok"),
            patch.object(Report, "_render_qweb_pdf", render),
        ):
            composer = self._open_composer(
                kind="statement", collections_statement_date_from="2026-03-01"
            )
            self.assertNotIn("No PDF tool", composer.collections_note)
            attachments = composer.attachment_ids.sorted("name")
        self.assertEqual(
            attachments.mapped("name"),
            [
                "Statement of account Contoso 2026-03-31.pdf",
                "Statement of account Contoso 2026-03-31.xlsx",
            ],
        )
        self.assertEqual(printed[0]["date_from"], "2026-03-01")
        self.assertEqual(printed[0]["company_id"], self.company.id)
        statement = self._read_sheets(attachments[1])["Statement"]
        self.assertEqual([row[8] for row in statement[1:3]], [1000, 1000])

    @freeze_time("2026-03-31")
    def test_internal_copy_is_not_for_the_customer(self):
        seller = self._create_user("seller", "base.group_user")
        seller.partner_id.email = "seller@us.example"
        self.partner.user_id = seller
        self.partner.message_subscribe(self.contact.ids)
        composer = self._open_composer(kind="salesperson")
        self.assertEqual(composer.partner_ids, seller.partner_id)
        self.assertIn("owes", composer.body)
        with self.mock_mail_gateway():
            composer.action_send_mail()
        self.assertEqual(
            [mail["email_to"] for mail in self._mails],
            [[f'"{seller.name}" <seller@us.example>']],
        )

    @freeze_time("2026-03-31")
    def test_language_of_the_recipient(self):
        self.env["res.lang"]._activate_lang("fr_FR")
        template = self.company._get_collections_template("collections")
        template.with_context(lang="fr_FR").subject = "Relance de {{ object.name }}"
        self.contact.lang = "fr_FR"
        composer = self._open_composer()
        self.assertEqual(composer.subject, "Relance de Contoso")
        self.assertIn("31/01/2026", composer.body)
        self.contact.lang = "en_US"
        self.assertIn("open items of Contoso", self._open_composer().subject)

    @freeze_time("2026-03-31")
    def test_files_in_the_language_of_the_e_mail(self):
        """A contact without a language gets all of it in that of the customer."""
        self.env["res.lang"]._activate_lang("fr_FR")
        self.partner.lang = "fr_FR"
        self.contact.lang = False
        Statement = self.env["collections.statement"].with_user(self.agent)

        def check(kind, lang):
            template = self.company._get_collections_template(kind)
            template.with_context(lang="fr_FR").subject = "Relance"
            subject = self._open_composer(kind=kind).subject
            self.assertEqual(subject == "Relance", lang == "fr_FR")
            for sender_lang in ("en_US", "fr_FR"):
                [statement] = Statement.with_context(
                    lang=sender_lang
                )._get_localized_statements(self.partner, kind)
                self.assertEqual(statement["lang"], lang)

        check("collections", "fr_FR")
        check("statement", "fr_FR")
        self.contact.lang = "en_US"
        check("collections", "en_US")
        # Salespeople get theirs in their own language, else in that of the sender.
        seller = self._create_user("seller", "base.group_user")
        seller.partner_id.write({"email": "seller@us.example", "lang": False})
        self.partner.user_id = seller
        check("salesperson", "en_US")
        seller.partner_id.lang = "fr_FR"
        check("salesperson", "fr_FR")
        seller.partner_id.lang = False
        self.agent.lang = "fr_FR"
        self.partner.lang = "en_US"
        check("salesperson", "fr_FR")

    # === AMOUNTS === #

    def _create_euro_customer(self):
        euro = self.setup_other_currency("EUR", rates=[("2026-01-01", 0.5)])
        euro.write({"symbol": "€", "position": "after"})
        return self._create_customer("Fabrikam", email="f@f.example"), euro

    def _get_text(self, kind, partner):
        """Return the words of an e-mail to a customer."""
        body = self._open_composer(partner, kind).body
        return " ".join(html.fromstring(body).text_content().split())

    @freeze_time("2026-03-31")
    def test_amounts_in_the_currency_of_the_documents(self):
        partner, euro = self._create_euro_customer()
        seller = self._create_user("seller", "base.group_user")
        seller.partner_id.email = "seller@us.example"
        partner.user_id = seller
        self._create_item(partner, 100, "2026-01-31", currency_id=euro.id)
        for kind, expected in (
            ("collections", "Our books show 100.00 € open for Fabrikam, credits"),
            ("collections", "Of your invoices, 100.00 € are past their due date"),
            ("statement", "The amount due on 03/31/2026 is 100.00 €."),
            ("salesperson", "Fabrikam owes 100.00 €; invoices of 100.00 € are past"),
        ):
            self.assertIn(expected, self._get_text(kind, partner))
        self._create_item(partner, 30, "2026-04-30", "2026-03-01")
        self.env.invalidate_all()  # each e-mail is written in a transaction of its own
        for kind, expected in (
            ("collections", "Our books show $ 30.00 and 100.00 € open for Fabrikam"),
            ("statement", "The amount due on 03/31/2026 is $ 30.00 and 100.00 €."),
            ("salesperson", "owes $ 30.00 and 100.00 €; invoices of 100.00 € are"),
        ):
            self.assertIn(expected, self._get_text(kind, partner))
        # Texts from before these go on with amounts in company currency.
        partner = partner.with_user(self.agent)
        self.assertEqual(partner.collections_statement_due, 230.0)
        self.assertEqual(partner.collections_statement_overdue, 200.0)
        self.assertEqual(partner.collections_currency_id, self.company.currency_id)

    @freeze_time("2026-03-31")
    def test_amounts_in_company_currency(self):
        for kind, expected in (
            ("collections", "Our books show $ 1,000.00 open for Contoso, credits"),
            ("statement", "The amount due on 03/31/2026 is $ 1,000.00."),
        ):
            self.assertIn(expected, self._get_text(kind, self.partner))

    @freeze_time("2026-03-31")
    def test_balance_in_favour_of_the_customer(self):
        partner, euro = self._create_euro_customer()
        seller = self._create_user("seller", "base.group_user")
        seller.partner_id.email = "seller@us.example"
        partner.user_id = seller
        self._create_item(partner, -1850, "2026-01-31", currency_id=euro.id)
        for kind, expected in (
            ("collections", "Our books show 1,850.00 € in favour of Fabrikam"),
            ("statement", "The balance in your favour on 03/31/2026 is 1,850.00 €."),
            ("salesperson", "Fabrikam has a balance in its favour of 1,850.00 €. The"),
        ):
            text = self._get_text(kind, partner)
            self.assertIn(expected, text)
            self.assertNotIn("past their due date", text)

    @freeze_time("2026-03-31")
    def test_amounts_in_the_language_of_the_e_mail(self):
        self.env["res.lang"]._activate_lang("nl_NL")
        partner, euro = self._create_euro_customer()
        self._create_item(partner, 1000, "2026-01-31", currency_id=euro.id)
        self._create_item(partner, 30, "2026-04-30", "2026-03-01")
        partner = partner.with_user(self.agent)
        for lang, text in (
            ("en_US", "$\xa030.00 and 1,000.00\xa0€"),
            ("nl_NL", "$\xa030,00 en 1.000,00\xa0€"),
        ):
            partner = partner.with_context(lang=lang)
            self.assertEqual(partner.collections_statement_due_text, text)

    @freeze_time("2026-03-31")
    def test_template_of_the_parameters(self):
        template = self.company._get_collections_template("collections").copy(
            {"name": "Ours", "subject": "Please pay, {{ object.name }}"}
        )
        self.assertEqual(template.collections_kind, "collections")
        self.company.collections_transactions_template_id = template
        composer = self._open_composer()
        self.assertEqual(composer.subject, "Please pay, Contoso")
        self.assertEqual(len(composer.attachment_ids), 1)
        template.active = False
        self.assertIn("open items", self._open_composer().subject)
        template.active = True
        template.collections_kind = "salesperson"
        self.assertIn("open items", self._open_composer().subject)

    def test_parameters_take_templates_of_their_kind(self):
        template = self.company._get_collections_template("statement")
        with (
            self.assertRaisesRegex(ValidationError, "is no template for Open items"),
            self.env.cr.savepoint(),
        ):
            self.company.collections_transactions_template_id = template
        self.company.collections_statement_template_id = template
        with self.assertRaisesRegex(ValidationError, "apply to contacts"):
            template.model_id = self.env["ir.model"]._get("account.move")

    def test_no_template_left(self):
        self.env.ref(
            "credit_collections.mail_template_collections_transactions"
        ).unlink()
        with self.assertRaisesRegex(MissingParameterError, "no e-mail template"):
            self._open_composer()

    @freeze_time("2026-03-31")
    def test_follow_up_and_done_activities(self):
        colleague = self._create_user("colleague", AGENT)
        old, later, foreign = (
            self.partner.activity_schedule(
                "mail.mail_activity_data_todo", date_deadline=day, user_id=user.id
            )
            for day, user in (
                ("2026-03-30", self.agent),
                ("2026-04-30", self.agent),
                ("2026-03-30", colleague),
            )
        )
        composer = self._open_composer()
        composer.write(
            {
                "collections_followup_date": "2026-04-07",
                "collections_close_activities": True,
            }
        )
        with self.mock_mail_gateway():
            composer.action_send_mail()
        self.partner.invalidate_recordset()
        activities = self.partner.activity_ids.filtered("active")
        self.assertNotIn(old, activities)
        self.assertLessEqual(later | foreign, activities)
        [planned] = activities - later - foreign
        self.assertRecordValues(
            planned,
            [
                {
                    "user_id": self.agent.id,
                    "summary": "Follow up the e-mail of 03/31/2026",
                }
            ],
        )
        self.assertEqual(str(planned.date_deadline), "2026-04-07")

    @freeze_time("2026-03-31")
    def test_sent_later(self):
        """The same people get it, and what is to be done with it is done then."""
        follower = self.env["res.partner"].create(
            {"name": "Follower", "email": "follower@contoso.example"}
        )
        self.partner.message_subscribe(
            follower.ids, self.env.ref("mail.mt_comment").ids
        )
        old = self.partner.activity_schedule(
            "mail.mail_activity_data_todo",
            date_deadline="2026-03-30",
            user_id=self.agent.id,
        )
        composer = self._open_composer()
        composer.write(
            {
                "collections_followup_date": "2026-04-07",
                "collections_close_activities": True,
                "scheduled_date": "2026-04-01 08:00:00",
            }
        )
        composer.action_schedule_message()
        self.assertEqual(self.partner.activity_ids, old, "Nothing is sent yet")
        with freeze_time("2026-04-01 09:00:00"), self.mock_mail_gateway():
            self.env["mail.scheduled.message"]._post_messages_cron()
        self.assertEqual(
            [mail["email_to"] for mail in self._mails],
            [['"Ann" <ann@contoso.example>']],
        )
        self.partner.invalidate_recordset()
        self.assertRecordValues(
            self.partner.activity_ids.filtered("active"),
            [
                {
                    "user_id": self.agent.id,
                    "summary": "Follow up the e-mail of 04/01/2026",
                    "date_deadline": fields.Date.to_date("2026-04-07"),
                }
            ],
        )

    def test_nobody_to_send_to_later(self):
        composer = self._open_composer()
        composer.write({"partner_ids": False, "scheduled_date": "2099-04-01 08:00:00"})
        with self.assertRaisesRegex(UserError, "has no recipient"):
            composer.action_schedule_message()

    # === WHAT IS IN THE WAY === #

    def test_nobody_to_write_to(self):
        (self.partner | self.contact).email = False
        self.partner.collections_contact_id = self.contact
        with self.assertRaisesRegex(
            MissingParameterError, "Contoso .*Ann has no valid e-mail address"
        ) as caught:
            self._open_composer()
        self.assertEqual(caught.exception.context["action"]["res_id"], self.partner.id)

    def test_nothing_open(self):
        partner = self._create_customer("Paid", email="paid@example.com")
        for kind in ("collections", "statement", "salesperson"):
            with self.assertRaisesRegex(UserError, "to Paid: nothing is open"):
                self._open_composer(partner, kind)
        with self.assertRaisesRegex(UserError, "Select the customers"):
            self._open_composer(self.env["res.partner"])

    def test_user_without_address_is_told_before(self):
        self.agent.email = False
        with self.assertRaisesRegex(UserError, "You have no e-mail address"):
            self._open_composer()

    def test_no_mail_server_is_said_before(self):
        self.assertNotIn("mail server", self._open_composer().collections_note)
        self.env["ir.mail_server"].search([]).active = False
        self.assertIn("No outgoing mail server", self._open_composer().collections_note)

    def test_composer_without_recipient(self):
        composer = self._open_composer()
        composer.partner_ids = False
        with self.assertRaisesRegex(UserError, "Contoso has no recipient"):
            composer.action_send_mail()

    def test_others_get_no_figures(self):
        user = self._create_user("clerk", "base.group_user,base.group_partner_manager")
        with self.assertRaises(AccessError):
            self.partner.with_user(user).action_send_collections_email()
        template = self.company._get_collections_template("collections")
        composer = self.env["mail.compose.message"].with_user(user)
        with self.assertRaisesRegex(UserError, "Failed to render"):
            composer.create(
                {
                    "model": "res.partner",
                    "res_ids": str(self.partner.ids),
                    "template_id": template.id,
                    "composition_mode": "comment",
                }
            )

    @mute_logger("odoo.addons.mail.models.mail_mail")
    def test_server_that_refuses(self):
        composer = self._open_composer()

        def refuse(*args, **kwargs):
            raise SMTPRecipientsRefused({"ann@contoso.example": (550, b"No such user")})

        with self.mock_mail_gateway():
            self.send_email_mocked.side_effect = refuse
            composer.action_send_mail()
        notification = self.partner.message_ids[0].notification_ids
        self.assertEqual(notification.notification_status, "exception")
        self.assertEqual(len(self.partner.message_ids[0].attachment_ids), 1)

    # === FROM WHERE === #

    def test_from_invoices_items_and_balances(self):
        snapshot = self._run_snapshot("2026-03-31")
        invoice = self._create_item(self.contact, 10, "2026-02-28")
        for records in (
            invoice,
            self._get_term_lines(invoice),
            self._get_row(snapshot, self.partner),
            self.contact,
        ):
            composer = self._open_composer(records)
            self.assertEqual(composer.res_ids, str(self.partner.ids), records)

    def test_two_companies(self):
        other = self.setup_other_company()
        companies = self.company | other["company"]
        self.agent.company_ids = [Command.set(companies.ids)]
        elsewhere = self._create_item(
            self.partner.with_company(other["company"]),
            30,
            "2026-02-28",
            company_id=other["company"].id,
            journal_id=other["default_journal_sale"].id,
        )
        here = self.env["account.move"].search(
            [("partner_id", "=", self.partner.id), ("company_id", "=", self.company.id)]
        )
        context = {"allowed_company_ids": companies.ids}
        with self.assertRaisesRegex(UserError, "for one company"):
            self._open_composer(here | elsewhere, **context)
        composer = self._open_composer(elsewhere, **context)
        self.assertIn(other["company"].name, composer.subject)
        self.assertIn("30.00", composer.body)
        sheets = self._read_sheets(composer.attachment_ids)
        self.assertEqual(sheets["Open items"][1][8], 30)


@tagged("post_install", "-at_install")
class TestCollectionsMailing(CollectionsEmailCommon):
    """E-mails to many, through the mail queue, with a report."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.customers = cls.partner | cls._create_customers(3)

    @classmethod
    def _create_customers(cls, count, prefix="C"):
        customers = cls.env["res.partner"].create(
            [
                {
                    "name": f"{prefix}{number}",
                    "email": f"{prefix.lower()}{number}@many.example",
                    "property_account_receivable_id": cls.receivable.id,
                    "property_payment_term_id": False,
                }
                for number in range(count)
            ]
        )
        moves = cls.env["account.move"].create(
            [
                {
                    "move_type": "out_invoice",
                    "partner_id": customer.id,
                    "invoice_date": "2026-01-31",
                    "invoice_date_due": "2026-01-31",
                    "invoice_payment_term_id": False,
                    "invoice_line_ids": [
                        Command.create(
                            {
                                "name": "Goods",
                                "price_unit": 10,
                                "tax_ids": [Command.clear()],
                            }
                        )
                    ],
                }
                for customer in customers
            ]
        )
        moves.action_post()
        return customers

    def _send(self, customers, kind="collections", **values):
        composer = self._open_composer(customers, kind)
        composer.write(values)
        action = composer.action_send_mail()
        self.assertEqual(action["res_model"], "collections.mailing")
        return self.env["collections.mailing"].browse(action["res_id"])

    def _get_results(self, mailing):
        return {
            line.partner_id.name: (line.state, line.reason or "")
            for line in mailing.line_ids
        }

    def test_few_customers(self):
        composer = self._open_composer(self.customers)
        self.assertEqual(composer.composition_mode, "mass_mail")
        self.assertIn("{{ object.name }}", composer.subject)
        self.assertIn("4 e-mails go to the mail queue", composer.collections_note)
        self.assertIn("replaced for each customer", composer.collections_note)
        with self.mock_mail_gateway():
            mailing = self._send(self.customers)
            self.assertFalse(self._mails, "They wait in the queue")
            self.assertEqual(set(mailing.line_ids.mapped("state")), {"queued"})
            self.assertEqual(mailing.state, "running")
            self.env["mail.mail"].process_email_queue()
        self.assertEqual(len(self._mails), 4)
        self.assertEqual(
            (mailing.state, mailing.sent_count, mailing.line_count), ("done", 4, 4)
        )
        mail = next(
            mail for mail in self._mails if "ann@contoso.example" in mail["email_to"][0]
        )
        self.assertEqual(mail["subject"], f"{self.company.name}: open items of Contoso")
        self.assertIn("1,000.00", mail["body"])
        for customer in self.customers:
            [attachment] = customer.message_ids[0].attachment_ids
            summary = self._read_sheets(attachment)["Summary"]
            self.assertEqual(summary[2][1], customer.name)

    @mute_logger("odoo.addons.mail.models.mail_mail")
    def test_three_hundred_with_three_broken_ones(self):
        many = self._create_customers(300, "M")
        mute, refused, invalid = many[7], many[111], many[222]
        mute.email = False
        invalid.email = "nonsense"
        composer = self._open_composer(many)
        self.assertIn("298 e-mails", composer.collections_note)
        self.assertIn("M7, M222", composer.collections_note)

        send = IrMail_Server.send_email

        def refuse(server, message, *args, **kwargs):
            if "m111@many.example" in message["To"]:
                raise SMTPRecipientsRefused({"m111@many.example": (550, b"Unknown")})
            return send(server, message, *args, **kwargs)

        with self.mock_mail_gateway():
            mailing = self._send(many)
            self.assertEqual(mailing.waiting_count, 298)
            self.assertFalse(self._new_mails, "Many are made in the background")
            with self.enter_registry_test_mode():
                self.env.ref(
                    "credit_collections.ir_cron_collections_mailing"
                ).method_direct_trigger()
            mailing.invalidate_recordset()
            self.assertEqual(
                set(mailing.line_ids.mapped("state")), {"queued", "skipped"}
            )
            self.send_email_mocked.side_effect = refuse
            self.env["mail.mail"].process_email_queue()
        mailing.invalidate_recordset()
        results = self._get_results(mailing)
        self.assertEqual(
            (mailing.sent_count, mailing.failed_count, mailing.skipped_count),
            (297, 1, 2),
        )
        self.assertEqual(results["M7"], ("skipped", "No e-mail address"))
        self.assertEqual(results["M222"], ("skipped", "No e-mail address"))
        self.assertEqual(results["M111"][0], "failed")
        self.assertIn("Unknown", results["M111"][1])
        refused.email = "right@many.example"
        with self.mock_mail_gateway():
            self.assertIs(mailing.with_user(self.agent).action_retry(), True)
            self.env["mail.mail"].process_email_queue()
        self.assertEqual(
            [mail["email_to"] for mail in self._mails],
            [['"M111" <right@many.example>']],
        )
        mailing.invalidate_recordset()
        self.assertEqual((mailing.sent_count, mailing.failed_count), (298, 0))
        with self.assertRaisesRegex(UserError, "No e-mail of this mailing has failed"):
            mailing.action_retry()

    def test_customers_with_nothing_open_are_skipped(self):
        paid = self._create_customer("Paid", email="paid@example.com")
        with self.mock_mail_gateway():
            mailing = self._send(self.customers | paid)
        self.assertEqual(
            self._get_results(mailing)["Paid"], ("skipped", "Nothing is open")
        )

    def test_blacklisted_address(self):
        self.env["mail.blacklist"]._add("c1@many.example")
        with self.mock_mail_gateway():
            mailing = self._send(self.customers)
        self.assertEqual(
            self._get_results(mailing)["C1"], ("skipped", "Blacklisted Address")
        )

    def test_who_is_not_written_to_keeps_his_activities(self):
        """Nor is anything planned that follows an e-mail which was never made."""
        self.env["mail.blacklist"]._add("c1@many.example")
        skipped, written = (
            self.customers.filtered(lambda customer, name=name: customer.name == name)
            for name in ("C1", "C2")
        )
        activities = {
            customer: customer.activity_schedule(
                "mail.mail_activity_data_todo",
                date_deadline="2026-01-01",
                user_id=self.agent.id,
            )
            for customer in skipped | written
        }
        with self.mock_mail_gateway():
            mailing = self._send(
                skipped | written,
                collections_followup_date="2030-01-31",
                collections_close_activities=True,
            )
        self.assertEqual(self._get_results(mailing)["C1"][0], "skipped")
        self.assertEqual(skipped.activity_ids, activities[skipped])
        self.assertEqual(mailing.line_ids.activity_id, written.activity_ids)
        self.assertEqual(
            activities[written].feedback,
            f"E-mail sent: {self.company.name}: open items of C2",
        )

    def test_report_names_who_got_the_e_mail(self):
        """Whatever changed between the start of the mailing and its e-mails."""
        many = self._create_customers(AT_ONCE + 1, "M")
        same, moved, chosen = many[:3]
        with self.mock_mail_gateway():
            mailing = self._send(many)
            moved.email = "new@many.example"
            chosen.collections_contact_id = self.env["res.partner"].create(
                {"name": "Bo", "parent_id": chosen.id, "email": "bo@many.example"}
            )
            mailing._process()
            self.env["mail.mail"].process_email_queue()
        line_by_customer = {line.partner_id: line for line in mailing.line_ids}
        for customer, email, rule in (
            (same, "m0@many.example", "The customer's own e-mail address"),
            (moved, "new@many.example", "The customer's own e-mail address"),
            (chosen, "bo@many.example", "Collections contact of the customer"),
        ):
            line = line_by_customer[customer]
            self.assertEqual((line.email, line.rule), (email, rule))
            name = line.recipient_id.name
            self.assertIn(
                [f'"{name}" <{email}>'], [mail["email_to"] for mail in self._mails]
            )

    def test_report_of_a_template_with_recipients_of_its_own(self):
        template = self.company._get_collections_template("collections")
        template.partner_to = str(self.contact.id)
        with self.mock_mail_gateway():
            mailing = self._send(self.customers[1:])
        self.assertEqual(mailing.line_ids.recipient_id, self.contact)
        self.assertEqual(set(mailing.line_ids.mapped("email")), {"ann@contoso.example"})
        self.assertEqual(set(mailing.line_ids.mapped("rule")), {False})
        # One of several stays who the customer's own rule names.
        template.partner_to += ",{{ object.collections_recipient_id.id }}"
        customers = self._create_customers(2, "Zeta")
        with self.mock_mail_gateway():
            mailing = self._send(customers)
        self.assertEqual(mailing.line_ids.recipient_id, customers)
        self.assertEqual(
            set(mailing.line_ids.mapped("rule")), {"The customer's own e-mail address"}
        )

    def test_stop(self):
        many = self._create_customers(AT_ONCE + 1, "M")
        with self.mock_mail_gateway():
            mailing = self._send(many)
            self.assertIs(mailing.with_user(self.agent).action_stop(), True)
            self.assertEqual(mailing._process(), 0)
            few = self._send(self.customers)
            few.action_stop()
            self.env["mail.mail"].process_email_queue()
        self.assertFalse(self._mails)
        self.assertEqual(mailing.skipped_count, AT_ONCE + 1)
        self.assertIn("Stopped by", mailing.line_ids[0].reason)
        self.assertEqual(few.skipped_count, 4)

    def test_stop_leaves_no_follow_up(self):
        """Nor does sending again plan it twice."""
        with self.mock_mail_gateway():
            mailing = self._send(self.customers, collections_followup_date="2030-01-31")
            activities = mailing.line_ids.activity_id
            self.assertEqual(len(activities), 4)
            self.assertEqual(activities.user_id, self.agent)
            mails = self.env["mail.mail"].search(
                [("collections_mailing_line_id", "in", mailing.line_ids[:2].ids)]
            )
            cancelled, deleted = (mail.collections_mailing_line_id for mail in mails)
            mails[0].cancel()
            mails[1].unlink()
            self.assertEqual(mailing.failed_count, 2)
            self.assertIn("Cancelled by", cancelled.reason)
            self.assertIn("Deleted by", deleted.reason)
            mailing.with_user(self.agent).action_retry()
            self.assertEqual((mailing.waiting_count, mailing.failed_count), (4, 0))
            self.assertEqual(mailing.line_ids.activity_id, activities)
            self.assertEqual(self._get_followups(), activities)
            mailing.with_user(self.agent).action_stop()
            self.env["mail.mail"].process_email_queue()
        self.assertFalse(self._mails)
        self.assertEqual(mailing.state, "done")
        self.assertFalse(self._get_followups())

    def test_sent_again_says_what_is_open_by_then(self):
        """Who has paid since the first try is not reminded."""
        paid, part = self.customers[1:3]
        with freeze_time("2026-03-10"), self.mock_mail_gateway():
            mailing = self._send(paid | part)
            statements = self._send(paid | part, "statement")
            lines = mailing.line_ids | statements.line_ids
            self.env["mail.mail"].search(
                [("collections_mailing_line_id", "in", lines.ids)]
            ).cancel()
        for customer, amount in ((paid, 10), (part, 4)):
            items = self.env["account.move.line"].search(
                [("partner_id", "=", customer.id), ("reconciled", "=", False)]
            )
            payment = self._create_payment(customer, amount, "2026-03-20")
            self._match(payment, items.move_id)
        with freeze_time("2026-04-10"), self.mock_mail_gateway():
            mailing.with_user(self.agent).action_retry()
            self.env["mail.mail"].process_email_queue()
        self.assertEqual(
            self._get_results(mailing),
            {paid.name: ("skipped", "Nothing is open"), part.name: ("sent", "")},
        )
        [mail] = self._mails
        self.assertIn("6.00", mail["body"])
        self.assertEqual(
            statements.statement_date_to, fields.Date.to_date("2026-03-10")
        )

    def test_follow_up_that_was_closed_by_sending_again(self):
        with self.mock_mail_gateway():
            mailing = self._send(
                self.customers,
                collections_followup_date="2030-01-31",
                collections_close_activities=True,
            )
            mails = self.env["mail.mail"].search(
                [("collections_mailing_line_id", "in", mailing.line_ids.ids)]
            )
            mails.cancel()
            with freeze_time("2030-02-01"):
                mailing.with_user(self.agent).action_retry()
            self.assertTrue(all(mailing.line_ids.mapped("activity_id.active")))
            self.assertEqual(len(self._get_followups()), 4)
            # Those from before are not what the lines wait for.
            mails.mark_outgoing()
            mails.cancel()
            mails.unlink()
        self.assertEqual((mailing.waiting_count, mailing.failed_count), (4, 0))

    def _get_followups(self):
        return self.env["mail.activity"].search(
            [
                ("res_model", "=", "res.partner"),
                ("res_id", "in", self.customers.ids),
                ("date_deadline", "=", "2030-01-31"),
            ]
        )

    def test_failed_mail_that_is_queued_again_by_hand(self):
        with self.mock_mail_gateway():
            mailing = self._send(self.customers)
            mail = self.env["mail.mail"].search(
                [("collections_mailing_line_id", "=", mailing.line_ids[0].id)]
            )
            mail._postprocess_sent_message([], [], failure_type="unknown")
            mail.state = "exception"
            self.assertEqual(mailing.failed_count, 1)
            mail.action_retry()
            self.assertEqual((mailing.failed_count, mailing.waiting_count), (0, 4))
            self.env["mail.mail"].process_email_queue()
        self.assertEqual((mailing.state, mailing.sent_count), ("done", 4))
        sent = self.env["mail.mail"].search(
            [("collections_mailing_line_id", "in", mailing.line_ids.ids)]
        )
        sent.unlink()
        self.assertEqual(mailing.sent_count, 4)

    def test_one_customer_that_cannot_be_made_does_not_keep_the_others(self):
        broken = self.customers[2]
        Statement = self.env.registry["collections.statement"]
        get_files = Statement._get_files

        def fail(statement, partners, kind):
            if broken in partners:
                raise ValueError("Broken figures")
            return get_files(statement, partners, kind)

        with self.mock_mail_gateway(), patch.object(Statement, "_get_files", fail):
            mailing = self._send(self.customers)
            self.env["mail.mail"].process_email_queue()
        self.assertEqual(len(self._mails), 3)
        self.assertEqual(
            self._get_results(mailing)[broken.name], ("failed", "Broken figures")
        )

    def test_mixed_languages_and_edited_text(self):
        self.env["res.lang"]._activate_lang("fr_FR")
        template = self.company._get_collections_template("collections")
        template.with_context(lang="fr_FR").subject = "Relance de {{ object.name }}"
        self.customers[1].lang = "fr_FR"
        with self.mock_mail_gateway():
            self._send(self.customers)
            self.env["mail.mail"].process_email_queue()
        subjects = {mail["email_to"][0]: mail["subject"] for mail in self._mails}
        self.assertEqual(subjects['"C0" <c0@many.example>'], "Relance de C0")
        self.assertIn("open items of C1", subjects['"C1" <c1@many.example>'])
        with self.mock_mail_gateway():
            mailing = self._send(
                self.customers, subject="Last call for {{ object.name }}"
            )
            self.env["mail.mail"].process_email_queue()
        self.assertEqual(
            {mail["subject"] for mail in self._mails},
            {f"Last call for {customer.name}" for customer in self.customers},
        )
        self.assertEqual(mailing.subject, "Last call for {{ object.name }}")

    @freeze_time("2026-03-31")
    def test_statements_keep_the_period_chosen(self):
        wizard = (
            self.env["collections.statement.wizard"]
            .with_user(self.agent)
            .with_context(active_model="res.partner", active_ids=self.customers.ids)
            .create({"date_from": "2026-02-01", "open_only": False})
        )
        self.assertEqual(wizard.partner_ids, self.customers)
        action = wizard.action_send()
        composer = (
            self.env["mail.compose.message"]
            .with_user(self.agent)
            .with_context(**action["context"])
            .create({})
        )
        with self.mock_mail_gateway():
            composer.action_send_mail()
        mailing = composer.collections_mailing_id
        self.assertEqual(str(mailing.statement_date_from), "2026-02-01")
        [attachment] = self.partner.message_ids[0].attachment_ids.filtered(
            lambda attachment: attachment.name.endswith("xlsx")
        )
        opening = self._read_sheets(attachment)["Statement"][1]
        self.assertEqual((opening[1], opening[8]), ("Opening balance", 1000))

    def _open_statement_composer(self, customers, **values):
        wizard = (
            self.env["collections.statement.wizard"]
            .with_user(self.agent)
            .with_context(active_model="res.partner", active_ids=customers.ids)
            .create(values)
        )
        return (
            self.env["mail.compose.message"]
            .with_user(self.agent)
            .with_context(**wizard.action_send()["context"])
            .create({})
        )

    @freeze_time("2026-03-31")
    def test_statements_say_what_was_due_on_their_last_day(self):
        """What was booked later stands neither in the text nor in the files."""
        self._create_item(self.partner, 900, "2026-03-10")
        period = {"date_from": "2026-01-01", "date_to": "2026-01-31"}
        composer = self._open_statement_composer(self.partner, **period)
        self.assertIn("1,000.00", composer.body)
        self.assertNotIn("1,900.00", composer.body)
        self.assertIn("01/31/2026", composer.body)
        sheets = self._read_sheets(
            composer.attachment_ids.filtered(
                lambda attachment: attachment.name.endswith("xlsx")
            )
        )
        self.assertIn(["Amount due", 1000], [row[:2] for row in sheets["Summary"]])
        composer = self._open_statement_composer(self.customers, **period)
        with self.mock_mail_gateway():
            composer.action_send_mail()
            self.env["mail.mail"].process_email_queue()
        [body] = [
            mail["body"]
            for mail in self._mails
            if "office@contoso" in mail["email_to"][0] or "ann@" in mail["email_to"][0]
        ]
        self.assertIn("1,000.00", body)
        self.assertNotIn("1,900.00", body)
        composer = self._open_statement_composer(self.partner)
        self.assertIn("1,900.00", composer.body)
        self.assertIn("03/31/2026", composer.body)

    def test_rights(self):
        with self.mock_mail_gateway():
            mailing = self._send(self.customers)
        clerk = self._create_user("clerk", "base.group_user")
        with self.assertRaises(AccessError):
            mailing.with_user(clerk).action_stop()
        with self.assertRaises(AccessError):
            mailing.with_user(self.agent).write({"subject": "Mine"})
        with self.assertRaises(AccessError):
            mailing.line_ids.with_user(self.agent).write({"state": "sent"})
        other = self.setup_other_company()["company"]
        elsewhere = self._create_user("elsewhere", AGENT, companies=other)
        with self.assertRaises(AccessError):
            mailing.with_user(elsewhere).action_stop()

    def test_nobody_writes_on_the_report_of_another(self):
        many = self._create_customers(AT_ONCE + 1, "M")
        with self.mock_mail_gateway():
            mailing = self._send(many)
            colleague = self._create_user("colleague", AGENT)
            colleague.partner_id.email = "colleague@us.example"
            composer = self._open_composer(
                many[:2], user=colleague, default_collections_mailing_id=mailing.id
            )
            composer.collections_mailing_id = mailing
            composer.action_send_mail()
        self.assertEqual(set(mailing.line_ids.mapped("state")), {"pending"})

    def test_download_of_one(self):
        wizard = (
            self.env["collections.statement.wizard"]
            .with_user(self.agent)
            .create({"partner_ids": self.customers.ids, "date_from": "2026-02-01"})
        )
        with self.assertRaisesRegex(UserError, "for one customer"):
            wizard.action_download()
        wizard.partner_ids = self.partner
        self.assertIn(
            f"/collections/spreadsheet/{self.partner.id}?kind=statement",
            wizard.action_download()["url"],
        )
        wizard.date_from = "2100-01-01"
        with self.assertRaisesRegex(UserError, "after its end"):
            wizard.action_print()
