from odoo import api, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL, config

from .collections_posting import AGENT

RECIPIENT_KINDS = [
    ("collections", "Open items to the customer"),
    ("statement", "Statement to the customer"),
    ("salesperson", "Open items to the salesperson"),
]
# The steps of the rule in their order; statements start with the first one.
STATEMENT_CONTACT, COLLECTIONS_CONTACT, INVOICE_ADDRESS, FIRST_CONTACT, OWN = range(5)


class CollectionsRecipient(models.AbstractModel):
    """Who is written to about a customer, and why.

    Dynamics 365 Finance, "Set up collections", section on e-mail addresses: the
    collections contact, else the primary contact, else the first address of the
    contacts; statements to the statement address first; the salesperson who is the
    contact, else the primary one, else the first listed.
    """

    _name = "collections.recipient"
    _description = "Collections Recipient"

    @api.model
    def _check_kind(self, kind):
        """Refuse what is no kind of e-mail.

        :raise UserError: names the kinds there are
        """
        kinds = self._get_kinds()
        if not isinstance(kind, str) or kind not in kinds:
            raise UserError(
                self.env._(
                    "There is no e-mail of the kind %(kind)s. Choose one of: "
                    "%(kinds)s.",
                    kind=kind,
                    kinds=", ".join(kinds),
                )
            )

    @api.model
    def _get_kinds(self):
        """Return the names of the kinds of e-mail by key."""
        field = self.env["mail.template"]._fields["collections_kind"]
        return dict(field._description_selection(self.env))

    @api.model
    def _check_agent(self):
        """Refuse users who do not collect.

        :raise AccessError: when the user is no collections agent
        """
        if not self.env.su and not self.env.user.has_group(AGENT):
            raise AccessError(
                self.env._(
                    "Only collections agents may do this. Ask an administrator for the "
                    "group Credit & Collections / Agent."
                )
            )

    @api.model
    def _check_agent_reads(self, records):
        """Refuse users who do not collect, and records that they may not see.

        :param records: what they ask about
        :raise AccessError: when the user is no collections agent, or not of the company
        """
        self._check_agent()
        records.check_access("read")

    @api.model
    def _get_company(self):
        """Return the company that is written for.

        It is the one of context key `collections_company_id` when that is one of the
        companies in use, else the current one.
        """
        return self._get_chosen_company() or self.env.company

    @api.model
    def _get_companies(self):
        """Return the companies whose items are worked on.

        It is the one of context key `collections_company_id` when that is one of the
        companies in use, else they all.
        """
        return self._get_chosen_company() or self.env.companies

    @api.model
    def _get_chosen_company(self):
        """Return the company of context key `collections_company_id`.

        :return: a `res.company`, empty when it is none of the companies in use
        """
        company_id = self.env.context.get("collections_company_id")
        return self.env.companies.filtered(lambda company: company.id == company_id)

    @api.model
    def _get_recipients(self, partners, kind, company=None):
        """Return who is written to about customers.

        :param partners: `res.partner`; contacts stand for the customer they belong to
        :param str kind: `"collections"`, `"statement"` or `"salesperson"`
        :param company: the `res.company` that writes, by default the current one
        :return: by id of the partner: `id`, `recipient_id` (id of a `res.partner`, or
            False), `email` (text or False) and `rule` (text, says why)
        :rtype: dict[int, dict]
        :raise UserError: when there is no such kind
        """
        self._check_kind(kind)
        company = company or self._get_company()
        customers = partners.commercial_partner_id
        if kind == "salesperson":
            found = self._find_salespeople(customers, company)
        else:
            found = self._find_contacts(customers, kind, company)
        return {
            partner.id: {"id": partner.id, **found[partner.commercial_partner_id.id]}
            for partner in partners
        }

    @api.model
    def _get_one_company(self, records):
        """Return the company of records that one e-mail is about.

        :raise UserError: when they are of several companies
        """
        companies = records.company_id
        if len(companies) > 1:
            raise UserError(
                self.env._(
                    "An e-mail is written for one company, but these are of "
                    "%(companies)s. Select those of one company.",
                    companies=", ".join(companies.mapped("name")),
                )
            )
        return companies or self._get_company()

    @api.model
    def _get_sending_problems(self):
        """Return what keeps the user's e-mails from going out, as texts."""
        problems = []
        if not self.env.user.partner_id.email_normalized:
            problems.append(
                self.env._(
                    "You have no e-mail address to write from. Enter one under "
                    "Preferences."
                )
            )
        if not self._has_mail_server():
            problems.append(
                self.env._(
                    "No outgoing mail server is set up: e-mails may stay in the queue. "
                    "Ask an administrator."
                )
            )
        return problems

    @api.model
    def _has_mail_server(self):
        """Tell whether Odoo was told where to send e-mails."""
        servers = self.env["ir.mail_server"].sudo()  # settings of administrators
        return bool(
            servers.search_count([("active", "=", True)], limit=1)
            or config["smtp_server"] not in ("", "localhost", False)
        )

    # === CONTACTS === #

    def _find_contacts(self, customers, kind, company):
        rows = self.env.execute_query(
            SQL(
                "SELECT customer_id, contact_id, step FROM (%s) AS recipient",
                self._get_contacts_sql(kind, company, customers),
            )
        )
        by_customer = {customer_id: row for customer_id, *row in rows}
        # Who may write to the customer may know the address that is written to.
        contacts = self.env["res.partner"].sudo().browse(row[1] for row in rows)
        contacts.fetch(["email"])
        invoice_addresses = self._get_mute_invoice_addresses(customers, by_customer)
        result = {}
        for customer in customers.sudo():
            contact_id, step = by_customer.get(customer.id, (False, None))
            contact = contacts.browse(contact_id or [])
            problems = self._get_skipped_contacts(customer, kind, company, step)
            if customer in invoice_addresses:
                problems.append(
                    self.env._(
                        "invoice address %(contact)s has no valid e-mail address",
                        contact=invoice_addresses[customer].name or customer.name,
                    )
                )
            rule = self._get_contact_rules().get(step) or self._get_no_address_rule()
            result[customer.id] = {
                "recipient_id": contact.id,
                "email": contact.email or False,
                "rule": self._join_rule(rule, problems),
            }
        return result

    def _get_contacts_sql(self, kind, company, customers=None):
        """Return the query for the contact that each customer is written to at.

        :param str kind: `"collections"` or `"statement"`
        :param company: the `res.company` that writes; contacts of others are left out
        :param customers: the commercial partners, all when None
        :return: the query; columns `customer_id`, `contact_id`, `email` (normalized),
            `bounces` and `step`; customers without an address are missing
        :rtype: SQL
        """
        self.env["res.partner"].flush_model()
        scope = SQL("customer.commercial_partner_id = customer.id")
        if customers is not None:
            scope = SQL("customer.id IN %s", tuple(customers.ids) or (0,))
        chosen = SQL(
            "(VALUES (customer.collections_contact_id, %s))", COLLECTIONS_CONTACT
        )
        if kind == "statement":
            chosen = SQL(
                "(VALUES (customer.collections_contact_id, %s), "
                "(customer.collections_statement_contact_id, %s))",
                COLLECTIONS_CONTACT,
                STATEMENT_CONTACT,
            )
        return SQL(
            """
            WITH candidate AS (
                SELECT customer.id AS customer_id, chosen.contact_id, chosen.step
                  FROM res_partner customer
                 CROSS JOIN LATERAL %(chosen)s AS chosen (contact_id, step)
                  JOIN res_partner person ON person.id = chosen.contact_id
                 WHERE %(scope)s
                   -- who works for another company now is not written to about this one
                   AND person.commercial_partner_id IN (customer.id, person.id)
             UNION ALL
                SELECT customer.id, contact.id,
                       CASE WHEN contact.id = customer.id THEN %(own)s
                            WHEN contact.type = 'invoice' THEN %(invoice)s
                            ELSE %(first)s END
                  FROM res_partner customer
                  JOIN res_partner contact
                    ON contact.commercial_partner_id = customer.id
                 WHERE %(scope)s
            )
            SELECT DISTINCT ON (candidate.customer_id)
                   candidate.customer_id, candidate.contact_id, candidate.step,
                   contact.email_normalized AS email,
                   contact.message_bounce AS bounces
              FROM candidate
              JOIN res_partner contact ON contact.id = candidate.contact_id
             WHERE contact.email_normalized IS NOT NULL
               -- what an archived customer owes is still written to him about
               AND (contact.active OR contact.id = candidate.customer_id)
               AND (contact.company_id IS NULL OR contact.company_id IN %(companies)s)
          ORDER BY candidate.customer_id, candidate.step,
                   -- of several invoice addresses the one that Odoo takes for invoices
                   CASE WHEN candidate.step = %(invoice)s
                        THEN contact.complete_name END,
                   CASE WHEN candidate.step = %(invoice)s
                        THEN -contact.id ELSE contact.id END
            """,
            chosen=chosen,
            scope=scope,
            own=OWN,
            invoice=INVOICE_ADDRESS,
            first=FIRST_CONTACT,
            companies=tuple(company.sudo().parent_ids.ids),
        )

    def _get_contact_rules(self):
        return {
            STATEMENT_CONTACT: self.env._("Statement contact of the customer"),
            COLLECTIONS_CONTACT: self.env._("Collections contact of the customer"),
            INVOICE_ADDRESS: self.env._("Invoice address of the customer"),
            FIRST_CONTACT: self.env._("First contact with an e-mail address"),
            OWN: self.env._("The customer's own e-mail address"),
        }

    def _get_no_address_rule(self):
        return self.env._("No e-mail address")

    def _join_rule(self, rule, problems):
        if not problems:
            return rule
        return self.env._(
            "%(rule)s (%(problems)s)", rule=rule, problems="; ".join(problems)
        )

    def _get_skipped_contacts(self, customer, kind, company, step):
        """Return why chosen contacts are not written to, as texts."""
        chosen = [(COLLECTIONS_CONTACT, customer.collections_contact_id)]
        if kind == "statement":
            chosen.insert(
                0, (STATEMENT_CONTACT, customer.collections_statement_contact_id)
            )
        return [
            self._get_contact_problem(contact, company, customer)
            for contact_step, contact in chosen
            if contact and (step is None or contact_step < step)
        ]

    def _get_contact_problem(self, contact, company, customer):
        names = {"contact": contact.name, "company": contact.company_id.name}
        if not contact.active:
            return self.env._("%(contact)s is archived", **names)
        employer = contact.commercial_partner_id
        if employer not in customer | contact:
            names["company"] = employer.name
            return self.env._("%(contact)s belongs to %(company)s", **names)
        if contact.company_id and contact.company_id not in company.sudo().parent_ids:
            return self.env._("%(contact)s belongs to %(company)s", **names)
        return self.env._("%(contact)s has no valid e-mail address", **names)

    def _get_mute_invoice_addresses(self, customers, by_customer):
        """Return invoice addresses without e-mail where a later step was taken."""
        later = customers.filtered(
            lambda customer: (
                by_customer.get(customer.id, (False, OWN))[1] > INVOICE_ADDRESS
            )
        )
        addresses = (
            self.env["res.partner"]
            .sudo()  # named in the reason only
            .search(
                [("commercial_partner_id", "in", later.ids), ("type", "=", "invoice")]
            )
        )
        return {
            address.commercial_partner_id: address
            for address in addresses
            if address != address.commercial_partner_id
        }

    # === SALESPEOPLE === #

    def _find_salespeople(self, customers, company):
        invoice_users = self._get_invoice_users(customers, company)
        labels = [
            self.env._("Collections salesperson of the customer"),
            self.env._("Salesperson of the customer"),
            self.env._("Salesperson of the latest invoice"),
        ]
        result = {}
        for customer in customers.sudo():
            users = [
                customer.collections_salesperson_id,
                customer.user_id,
                invoice_users.get(customer.id, customer.user_id.browse()),
            ]
            result[customer.id] = self._choose_salesperson(
                zip(labels, users, strict=True), company
            )
        return result

    def _choose_salesperson(self, candidates, company):
        problems = []
        for rule, user in candidates:
            if not user:
                continue
            problem = self._get_user_problem(user, company)
            if not problem:
                return {
                    "recipient_id": user.partner_id.id,
                    "email": user.email,
                    "rule": self._join_rule(rule, problems),
                }
            if problem not in problems:
                problems.append(problem)
        rule = self.env._("No salesperson with an e-mail address")
        return {
            "recipient_id": False,
            "email": False,
            "rule": self._join_rule(rule, problems),
        }

    def _get_user_problem(self, user, company):
        names = {"user": user.name, "company": company.name}
        if not user.active or user.share:
            return self.env._("%(user)s is no user any more", **names)
        if company not in user.company_ids:
            # The figures of a company are for those who work for it.
            return self.env._("%(user)s does not work for %(company)s", **names)
        if not user.partner_id.email_normalized:
            return self.env._("%(user)s has no valid e-mail address", **names)
        return None

    def _get_invoice_users(self, customers, company):
        """Return the salesperson of the latest invoice by id of the customer."""
        without = customers.sudo().filtered(
            lambda customer: (
                not (customer.collections_salesperson_id or customer.user_id)
                or any(
                    self._get_user_problem(user, company)
                    for user in customer.collections_salesperson_id | customer.user_id
                )
            )
        )
        if not without:
            return {}
        self.env["account.move"].flush_model()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT DISTINCT ON (commercial_partner_id)
                       commercial_partner_id, invoice_user_id
                  FROM account_move
                 WHERE commercial_partner_id IN %s AND company_id = %s
                   AND move_type = 'out_invoice' AND state = 'posted'
                   AND invoice_user_id IS NOT NULL
              ORDER BY commercial_partner_id, invoice_date DESC, id DESC
                """,
                tuple(without.ids),
                company.id,
            )
        )
        users = self.env["res.users"].sudo().browse(user_id for _id, user_id in rows)
        return {
            customer_id: user
            for (customer_id, _user_id), user in zip(rows, users, strict=True)
        }

    # === LISTS === #

    def _get_address_state_sql(self, state, company):
        """Return the query for the customers whose address needs looking after.

        :param str state: `"bounced"` or `"shared"`, or `"any"` for those with one
        :param company: the `res.company` that writes
        :return: the query; column `customer_id`
        :rtype: SQL
        """
        recipients = self._get_contacts_sql("collections", company)
        if state == "bounced":
            return SQL(
                "SELECT customer_id FROM (%s) AS recipient WHERE bounces > 0",
                recipients,
            )
        if state == "shared":
            return SQL(
                """
                SELECT customer_id
                  FROM (
                       SELECT recipient.customer_id,
                              COUNT(*) OVER (PARTITION BY recipient.email) AS customers
                         FROM (%s) AS recipient
                         JOIN res_partner customer
                           ON customer.id = recipient.customer_id
                        WHERE customer.active AND customer.customer_rank > 0
                       ) AS shared
                 WHERE customers > 1
                """,
                recipients,
            )
        return SQL("SELECT customer_id FROM (%s) AS recipient", recipients)
