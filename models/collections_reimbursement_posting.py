from collections import defaultdict
from contextlib import contextmanager
from typing import Any, NamedTuple

from odoo import Command, api, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.tools import SQL, clean_context

from ..tools.tax_split import close_gap
from .collections_posting import REFUSED_ACCOUNT_TYPES
from .collections_writeoff import OPEN_ITEMS

# In the context it marks changes of bills and transfers as ours. Nobody can send it
# over RPC.
REIMBURSEMENT_TOKEN = object()
VENDOR_FIELDS = (
    "name",
    "is_company",
    "street",
    "street2",
    "zip",
    "city",
    "state_id",
    "country_id",
    "lang",
    "email",
    "phone",
)


class Position(NamedTuple):
    """What is open of one customer in one currency."""

    partner: Any  # res.partner, the commercial partner
    currency: Any  # res.currency
    credit: float  # open credits up to the day, positive
    debit: float  # open debits of any day
    oldest_date: Any  # of the credits
    is_disputed: bool
    has_discount: bool  # whether one of the items was promised a cash discount


class Proposal(NamedTuple):
    """What is to be done with one position."""

    position: Position
    amount: float  # to reimburse, in the currency of the position; 0 for none
    amount_company: float  # the same in company currency, at the rate of the day
    vendor: Any  # res.partner; empty when a one-time vendor has to be made
    problems: list  # texts, why it is held
    note: str  # what to know about it although it is reimbursed

    @property
    def key(self):
        return self.position.partner, self.position.currency


class Unit(NamedTuple):
    """What one bill is made for: the open items of a position."""

    proposal: Proposal
    items: Any  # account.move.line, all of them
    credits: Any = None  # of these, the payments and credit notes reimbursed
    partial_ids: tuple = ()  # matches between the items that were made first


class CollectionsReimbursementPosting(models.AbstractModel):
    """Turning credit balances of customers into vendor bills.

    A bill line cannot stand on a receivable account. So the bill debits a clearing
    account, and a transfer entry takes the credits of the customer there.
    """

    _name = "collections.reimbursement.posting"
    _inherit = "collections.posting"
    _description = "Booking of Reimbursements"

    # === PARAMETERS === #

    @api.model
    def _find_clearing_account_problem(self, account, company):
        """Return why an account cannot take bills and transfers, as a text, or None.

        :param account: one `account.account`
        :param company: the `res.company` that books
        """
        name = account.sudo().display_name  # also of a company not allowed
        if not company.sudo().parent_ids & account.sudo().company_ids:
            return self.env._(
                "The account %(account)s is not for %(company)s.",
                account=name,
                company=company.name,
            )
        if not account.active:
            return self.env._(
                "The account %(account)s is archived. Choose another one.", account=name
            )
        # Core refuses receivable accounts on bills, and a line on a payable account
        # becomes 0.00 there without a word.
        if account.account_type in REFUSED_ACCOUNT_TYPES:
            types = account._fields["account_type"]._description_selection(self.env)
            return self.env._(
                "The account %(account)s is of type %(type)s. The clearing account of "
                "reimbursements must be neither receivable nor payable nor a bank "
                "account; current liabilities is the usual type.",
                account=name,
                type=dict(types)[account.account_type],
            )
        if not account.reconcile:
            return self.env._(
                "The account %(account)s does not allow reconciliation, so bills and "
                "transfers could not be matched there. Switch it on, or choose another "
                "account.",
                account=name,
            )
        if account.currency_id:
            return self.env._(
                "The account %(account)s is kept in %(currency)s only. Choose one that "
                "takes all currencies.",
                account=name,
                currency=account.currency_id.name,
            )
        return None

    @api.model
    def _get_bill_journal(self, company):
        """Return the purchase journal of the bills; the first one when none is set.

        :param company: the `res.company` that books
        :return: an `account.journal`, may be empty
        """
        return company.collections_reimbursement_journal_id or self.env[
            "account.journal"
        ].search(
            [
                *self.env["account.journal"]._check_company_domain(company),
                ("type", "=", "purchase"),
            ],
            limit=1,
        )

    @api.model
    def _find_setup_problem(self, company):
        """Return the error for a parameter that is missing or unfit, or None.

        :param company: the `res.company` that books
        """
        for value, what in (
            (
                company.collections_reimbursement_account_id,
                self.env._("clearing account of reimbursements"),
            ),
            (
                company.collections_settlement_journal_id,
                self.env._("settlement journal"),
            ),
            (self._get_bill_journal(company), self.env._("journal for vendor bills")),
        ):
            if not value:
                return self._get_missing_error(
                    self.env._(
                        "There is no %(parameter)s for %(company)s. Set it under "
                        "Configuration > Parameters.",
                        parameter=what,
                        company=company.name,
                    ),
                    company,
                )
        problem = (
            self._find_clearing_account_problem(
                company.collections_reimbursement_account_id, company
            )
            or self._find_journal_problem(
                company.collections_settlement_journal_id, company
            )
            or self._find_journal_problem(
                self._get_bill_journal(company), company, "purchase"
            )
        )
        return UserError(problem) if problem else None

    @api.model
    def _get_journals(self, company):
        """Return the journals of bills and transfers, which both must be open."""
        return (
            self._get_bill_journal(company) | company.collections_settlement_journal_id
        )

    @api.model
    def _find_date_problem(self, company, date):
        """Return which lock date keeps reimbursements from a day, as a text, or None.

        :param company: the `res.company` that books
        :param date: the date of bills and transfers
        """
        for journal in self._get_journals(company):
            problem = self._find_lock_problem(company, journal, date, has_tax=False)
            if problem:
                return problem
        return None

    @api.model
    def _get_free_date(self, company, journals, date):
        """Return the first day from a date on that is open in all journals."""
        free = max(
            self._get_first_free_date(company, journal, date, has_tax=False)
            for journal in journals
        )
        return free if free == date else self._get_free_date(company, journals, free)

    # === WHO IS REIMBURSED === #

    @api.model
    def _get_open_items_domain(self, company, partners=None):
        """Return the domain of the items that positions are made of.

        Hook: items that must never be reimbursed are left out here.

        :param company: the `res.company`, one or several
        :param partners: only these customers, commercial `res.partner`; empty for all
        """
        writes_off = Domain("collections_writeoff_line_id", "!=", False)
        domain = (
            OPEN_ITEMS
            & Domain("company_id", "in", company.ids)
            & Domain("partner_id", "!=", False)
            # What only has an exchange difference left is nobody's money.
            & Domain("amount_residual_currency", "!=", 0)
            # Nor is the credit of a write-off that was taken off its item: nobody paid
            # it. A debit counts, as it took a credit away.
            & (~writes_off | Domain("amount_residual_currency", ">", 0))
            # Unless that was the credit of a write-off, which does not count either.
            & Domain("id", "not in", self._get_void_debit_query())
        )
        if partners:
            domain &= Domain("partner_id.commercial_partner_id", "in", partners.ids)
        return domain

    @api.model
    def _get_void_debit_query(self):
        """Return the query for debits against credits that are nobody's money.

        They are what wrote off the credit of a write-off, taken off it as well, as long
        as this credit is there. Once reversed such a debit counts, together with its
        reversal: both make nothing.
        """
        Line = self.env["account.move.line"]
        writes_off = Domain("collections_writeoff_line_id", "!=", False)
        is_reversed = Domain(
            "move_id.reversal_move_ids", "any", [("state", "=", "posted")]
        )
        # There are next to none: looked up once, not item by item.
        query = Line._search(
            writes_off
            & Domain("collections_writeoff_line_id", "any", writes_off)
            & ~is_reversed
        )
        written_off = query.join(
            query.table,
            "collections_writeoff_line_id",
            Line._table,
            "id",
            "written_off",
        )
        query.add_where(
            SQL(
                "%s = -%s",
                SQL.identifier(query.table, "amount_residual_currency"),
                SQL.identifier(written_off, "amount_residual_currency"),
            )
        )
        return query

    @api.model
    def _get_positions(self, company, date, partners=None):
        """Return what is open of all customers who have a credit, in one statement.

        What contacts paid counts for the company they belong to.

        :param company: the `res.company`
        :param date: credits up to this day count
        :param partners: only these customers, `res.partner`; empty for all
        :return: list of `Position`, also those of such a customer without a credit
        """
        Line = self.env["account.move.line"]
        self.env["res.partner"].flush_model(["commercial_partner_id"])
        query = Line._search(
            self._get_open_items_domain(
                company, partners and partners.commercial_partner_id
            )
        )
        # Not all of these fields stand in the domain.
        Line.flush_model(["date", "collections_status", "discount_date"])
        alias = query.join(
            query.table, "partner_id", "res_partner", "id", "collections_partner"
        )
        rows = self.env.execute_query(
            SQL(
                """
                WITH item AS (%(items)s)
                SELECT partner_id,
                       currency_id,
                       COALESCE(-SUM(amount) FILTER (WHERE is_credit), 0),
                       COALESCE(SUM(amount) FILTER (WHERE amount > 0), 0),
                       MIN(date) FILTER (WHERE is_credit),
                       BOOL_OR(is_disputed AND (is_credit OR amount > 0)),
                       BOOL_OR(
                           discount_date IS NOT NULL AND (is_credit OR amount > 0)
                       )
                  FROM item
                 WHERE partner_id IN (SELECT partner_id FROM item WHERE is_credit)
              GROUP BY partner_id, currency_id
              ORDER BY partner_id, currency_id
                """,
                items=query.select(
                    SQL(
                        "%s AS partner_id",
                        SQL.identifier(alias, "commercial_partner_id"),
                    ),
                    *(
                        SQL(
                            "%s AS %s",
                            SQL.identifier(query.table, name),
                            SQL.identifier(column),
                        )
                        for name, column in (
                            ("currency_id", "currency_id"),
                            ("amount_residual_currency", "amount"),
                            ("date", "date"),
                            ("discount_date", "discount_date"),
                        )
                    ),
                    SQL(
                        "%s < 0 AND %s <= %s AS is_credit",
                        SQL.identifier(query.table, "amount_residual_currency"),
                        SQL.identifier(query.table, "date"),
                        date,
                    ),
                    SQL(
                        "%s = 'disputed' AS is_disputed",
                        SQL.identifier(query.table, "collections_status"),
                    ),
                ),
            )
        )
        customers = self.env["res.partner"].browse({row[0] for row in rows})
        currencies = self.env["res.currency"].browse({row[1] for row in rows})
        positions = []
        for partner_id, currency_id, credit, debit, *facts in rows:
            currency = currencies.browse(currency_id).with_prefetch(currencies.ids)
            positions.append(
                Position(
                    customers.browse(partner_id).with_prefetch(customers.ids),
                    currency,
                    currency.round(float(credit)),
                    currency.round(float(debit)),
                    *facts,
                )
            )
        return positions

    @api.model
    def _get_proposals(
        self, company, date, minimum, include_open_debits, partners=None
    ):
        """Return who is reimbursed and who is held, and why.

        :param company: the `res.company`
        :param date: the date of the reimbursements
        :param float minimum: the least amount, in company currency; it counts itself
        :param bool include_open_debits: settle open debits first and reimburse the
            rest; else customers who owe anything are held
        :param partners: only these customers, `res.partner`; empty for all
        :return: list of `Proposal`, one for each customer and currency with a credit
        """
        positions = self._get_positions(company, date, partners)
        owing = defaultdict(list)
        for position in positions:
            if position.debit:
                owing[position.partner].append(position)
        credits = [position for position in positions if position.credit]
        vendors = self._get_vendors(
            company,
            self.env["res.partner"].union(*(position.partner for position in credits)),
        )
        changes = {}
        if include_open_debits:
            changes = self._get_expected_changes(company, date, credits)
        rates = {
            currency: currency._get_conversion_rate(
                currency, company.currency_id, company, date
            )
            for currency in {position.currency for position in credits}
        }
        return [
            self._get_proposal(
                company,
                position,
                changes.get(position, 0.0),
                rates[position.currency],
                minimum,
                include_open_debits,
                vendors[position.partner],
                owing[position.partner],
            )
            for position in credits
        ]

    @api.model
    def _get_proposal(
        self,
        company,
        position,
        change,
        rate,
        minimum,
        include_open_debits,
        vendor,
        owing,
    ):
        """Return what is to be done with one position, see `_get_proposals`.

        :param float change: what settling the debits adds to the net
        :param float rate: of the day, to company currency
        :param vendor: the `res.partner`, may be empty
        :param list owing: the positions of the customer with debits
        :rtype: Proposal
        """
        currency = position.currency
        net = currency.round(position.credit - position.debit + change)
        amount = max(net, 0.0)
        amount_company = company.currency_id.round(amount * rate)
        debts = ", ".join(
            other.currency.format(other.debit)
            for other in owing
            if other.currency != currency
        )
        note = ""
        if debts:
            note = self.env._("Owes in another currency: %(amounts)s.", amounts=debts)
        problems = []
        if owing and not include_open_debits:
            problems += [self.env._("Has open debits."), *([note] if note else [])]
        elif not amount:
            problems.append(self.env._("The open debits take all of the credit."))
        if position.is_disputed:
            problems.append(self.env._("An open item is disputed."))
        if amount and company.currency_id.compare_amounts(amount_company, minimum) < 0:
            problems.append(
                self.env._(
                    "Below the minimum of %(minimum)s.",
                    minimum=company.currency_id.format(minimum),
                )
            )
        problem = vendor and self._find_vendor_problem(
            vendor, company, position.partner
        )
        if problem:
            problems.append(problem)
        return Proposal(position, amount, amount_company, vendor, problems, note)

    @api.model
    def _get_expected_changes(self, company, date, positions):
        """Return what settling debits with credits adds to what is left.

        Cash discounts, and small differences that are booked.

        :param list positions: list of `Position`
        :return: amounts in the currency of the position, negative for less, by position
        :rtype: dict
        """
        Settlement = self.env["collections.settlement"]
        books_differences = Settlement._books_differences(company)
        concerned = {
            (position.partner, position.currency): position
            for position in positions
            if position.debit and (books_differences or position.has_discount)
        }
        if not concerned:
            return {}
        partners = self.env["res.partner"].union(*(key[0] for key in concerned))
        plans = {
            concerned[key]: self._get_settlements(items)
            for key, items in self._get_items(company, date, partners).items()
            if key in concerned
        }
        self._fetch_matches(plans.values())
        return {
            # Credit and item of an allocation are both in the currency of the position.
            position: sum(
                (allocation.discount + allocation.shortage - allocation.excess)
                # Of a credit note that was paid out they take a part of the credit.
                * (1 if allocation.item.amount_residual_currency > 0 else -1)
                for allocation in Settlement._get_allocations(plan)
            )
            for position, plan in plans.items()
        }

    @api.model
    def _fetch_matches(self, plans):
        """Read for all customers at once what discounts and differences depend on.

        :param plans: the plans of all of them, see `_get_settlements`
        """
        lines = self.env["account.move.line"].union(
            *(group for plan in plans for group in plan)
        )
        # Another branch may have got the payment, or given the discount.
        partials_sudo = (lines.matched_debit_ids | lines.matched_credit_ids).sudo()
        partials_sudo.cash_discount_move_id.mapped("reversal_move_ids")
        lines_sudo = lines.filtered("discount_date").sudo()  # offers belong to items
        lines_sudo.cash_discount_offer_ids.mapped("date")
        matched_sudo = partials_sudo.debit_move_id | partials_sudo.credit_move_id
        # Of payments the entry tells whether core has booked its discount there.
        payments = lines.filtered(self.env["collections.settlement"]._is_payment)
        (matched_sudo.move_id | payments.move_id.sudo()).mapped("state")
        payments.move_id.line_ids.mapped("account_id")

    # === VENDORS === #

    @api.model
    def _get_vendors(self, company, partners):
        """Return the vendor of each customer, empty when one has to be made.

        :param company: the `res.company`
        :param partners: the customers, commercial `res.partner`
        :return: `res.partner` by `res.partner`
        :rtype: dict
        """
        partners = partners.with_company(company)
        is_same = company.collections_reimbursement_vendor == "same"
        vendors = {}
        for partner in partners:
            vendor = partner.collections_vendor_id
            if is_same and (not vendor or vendor.sudo().collections_one_time_vendor):
                vendor = partner
            vendors[partner] = vendor
        missing = partners.filtered(lambda partner: not vendors[partner])
        # The one that another company, or an earlier run, has made.
        for vendor in (
            self.env["res.partner"]
            .with_context(active_test=False)
            .search(
                [
                    ("collections_one_time_customer_id", "in", missing.ids),
                    ("company_id", "in", [False, *company.sudo().parent_ids.ids]),
                ],
                order="id desc",
            )
        ):
            vendors[vendor.collections_one_time_customer_id] = vendor
        return vendors

    @api.model
    def _find_vendor_problem(self, vendor, company, partner):
        """Return why a vendor cannot get a bill, as a text, or None.

        :param vendor: one `res.partner`
        :param company: the `res.company` that books
        :param partner: the customer, a `res.partner`
        """
        vendor_sudo = vendor.sudo()  # only its name, when it may not be read
        name = vendor_sudo.display_name
        owner = vendor_sudo.company_id
        if owner and owner not in company.sudo().parent_ids:
            return self.env._(
                "The vendor %(vendor)s belongs to another company.", vendor=name
            )
        if not vendor_sudo.active and (
            vendor_sudo.collections_one_time_customer_id != partner
        ):
            return self.env._("The vendor %(vendor)s is archived.", vendor=name)
        if not vendor.has_access("read"):
            return self.env._("You may not see the vendor %(vendor)s.", vendor=name)
        return None

    @api.model
    def _provide_vendors(self, company, units):
        """Return the vendor of each unit, made or taken out of the archive if needed.

        :param company: the `res.company`
        :param list units: list of `Unit`
        :return: `res.partner` by customer
        :rtype: dict
        """
        vendors = {
            unit.proposal.position.partner: unit.proposal.vendor for unit in units
        }
        customers = self.env["res.partner"].union(
            *(partner for partner, vendor in vendors.items() if not vendor)
        )
        Partner = self.env["res.partner"].with_context(
            **clean_context(self.env.context)
        )
        created = Partner.create(
            [self._prepare_vendor_vals(partner) for partner in customers]
        )
        self._copy_banks(customers, created)
        for partner, vendor in zip(customers, created, strict=True):
            vendors[partner] = vendor.with_env(self.env)
        used = self.env["res.partner"].union(*vendors.values())
        archived = used.filtered(lambda vendor: not vendor.active)
        archived.active = True
        self._update_vendors(archived.filtered("collections_one_time_vendor"))
        for partner, vendor in vendors.items():
            customer = partner.with_company(company)
            if vendor.collections_one_time_vendor and (
                customer.collections_vendor_id != vendor
            ):
                customer.collections_vendor_id = vendor
        return vendors

    @api.model
    def _prepare_vendor_vals(self, partner):
        """Return the values of a one-time vendor.

        It is a contact of its own: one below the customer would be billed as the
        customer.

        :param partner: the customer, a `res.partner`
        """
        vals = partner._convert_to_write(
            {name: partner[name] for name in VENDOR_FIELDS}
        )
        payable = partner._fields["property_account_payable_id"]
        account = partner.property_account_payable_id
        if account != payable.get_company_dependent_fallback(partner):
            vals["property_account_payable_id"] = account.id
        return {
            **vals,
            "company_id": partner.company_id.id,
            "supplier_rank": 1,
            "collections_one_time_vendor": True,
            "collections_one_time_customer_id": partner.id,
        }

    @api.model
    def _update_vendors(self, vendors):
        """Give one-time vendors out of the archive what their customers have by now.

        Nobody has looked at them since their last bill was paid: a customer who has
        moved, or changed banks, would be paid where he was before. Where he has no bank
        account, those of the vendor were entered there and stay.

        :param vendors: one-time vendors, `res.partner`
        """
        # Trust is taken by nobody but those who may give it, and accounts of the head
        # office are not seen in a branch.
        given_up_sudo = back_sudo = self.env["res.partner.bank"].sudo()
        for vendor in vendors:
            customer = vendor.collections_one_time_customer_id
            vals = {
                name: customer[name]
                for name in VENDOR_FIELDS
                if customer[name] != vendor[name]
            }
            if vals:
                vendor.write(customer._convert_to_write(vals))
            numbers = set(customer.sudo().bank_ids.mapped("sanitized_acc_number"))
            banks_sudo = vendor.sudo().with_context(active_test=False).bank_ids
            for bank_sudo in banks_sudo if numbers else ():
                is_kept = bank_sudo.sanitized_acc_number in numbers
                if bank_sudo.active and not is_kept:
                    given_up_sudo |= bank_sudo
                elif is_kept and not bank_sudo.active:
                    back_sudo |= bank_sudo
        if given_up_sudo:
            given_up_sudo.write({"active": False, "allow_out_payment": False})
        if back_sudo:
            back_sudo.write({"active": True, "allow_out_payment": False})
        self._copy_banks(vendors.collections_one_time_customer_id, vendors)

    @api.model
    def _copy_banks(self, customers, vendors):
        """Give vendors the bank accounts of customers; people have to trust them."""
        # Whoever works for a branch does not see those of the head office.
        customers_sudo, vendors_sudo = customers.sudo(), vendors.sudo()
        numbers = {
            vendor.id: vendor.bank_ids.mapped("sanitized_acc_number")
            for vendor in vendors_sudo.with_context(active_test=False)
        }
        self.env["res.partner.bank"].sudo().create(
            [
                {
                    "partner_id": vendor.id,
                    "acc_number": bank.acc_number,
                    "acc_holder_name": bank.acc_holder_name,
                    "bank_id": bank.bank_id.id,
                    "currency_id": bank.currency_id.id,
                    "company_id": bank.company_id.id,
                    "sequence": bank.sequence,
                    "allow_out_payment": False,
                }
                for customer, vendor in zip(customers_sudo, vendors_sudo, strict=True)
                for bank in customer.bank_ids
                if bank.sanitized_acc_number not in numbers[vendor.id]
            ]
        )

    # === ITEMS === #

    @api.model
    def _get_items(self, company, date, partners):
        """Return the items that reimbursements of customers would close.

        :param company: the `res.company`
        :param date: credits up to this day count
        :param partners: the customers, commercial `res.partner`
        :return: `account.move.line`, the oldest first, by customer and currency
        :rtype: dict
        """
        items = self.env["account.move.line"].search(
            self._get_open_items_domain(company, partners)
            & (Domain("amount_residual_currency", ">", 0) | Domain("date", "<=", date)),
            order="date, id",
        )
        return items.grouped(
            lambda item: (item.partner_id.commercial_partner_id, item.currency_id)
        )

    @api.model
    def _get_settlements(self, items):
        """Return a reconciliation plan that settles debits with credits.

        :param items: the `account.move.line` of one customer in one currency
        :return: list of `account.move.line`, one for each account with both
        """
        return [
            group
            for group in items.grouped("account_id").values()
            if len({item.amount_residual_currency > 0 for item in group}) == 2
        ]

    # === POSTING === #

    @api.model
    @contextmanager
    def _booked(self, company, date, proposals, items):
        """Book reimbursements: a bill and a transfer each, matched with the items.

        Bills and transfers get their numbers at the end of the block. From then to the
        commit nobody else can number entries in these journals, so everything else is
        done before: two workers that share a run have to wait for little.

        :param company: the `res.company`
        :param date: the date of bills and transfers
        :param list proposals: list of `Proposal`, none of them held
        :param dict items: see `_get_items`; locked by the caller
        :return: the `collections.reimbursement`, in the order of the proposals
        :raise AccessError: when the user is not a collections manager
        :raise UserError: when a parameter is missing, the date is locked, or the items
            do not close
        """
        self._check_manager()
        problem = self._find_setup_problem(company)
        if problem:
            raise problem
        for journal in self._get_journals(company):
            self._check_date(company, journal, date, has_tax=False)
        booking = self.with_company(company)
        units = booking._settle(
            [Unit(proposal, items[proposal.key]) for proposal in proposals]
        )
        vendors = booking._provide_vendors(company, units)
        vendors_by_unit = [vendors[unit.proposal.position.partner] for unit in units]
        journal = self._get_bill_journal(company)
        bills = booking._create_bills(
            [
                booking._prepare_bill_vals(company, journal, date, unit, vendor)
                for unit, vendor in zip(units, vendors_by_unit, strict=True)
            ]
        )
        if booking._needs_numbers_first(booking._get_journals(company)):
            bills._post(soft=False)
        transfers = booking._create_entries(
            [
                booking._prepare_transfer_vals(company, unit, bill)
                for unit, bill in zip(units, bills, strict=True)
            ]
        )
        texts = [booking._get_transfer_text(bill) for bill in bills]
        drafts = (bills | transfers).filtered(lambda move: move.state == "draft")
        with booking._numbered_last(drafts):
            drafts._post(soft=False)
            booking._match(company, units, bills, transfers)
            (bills | transfers).invalidate_recordset(["collections_reimbursement_id"])
            # Nobody may write reimbursements by hand; checked above.
            Reimbursement_sudo = self.env["collections.reimbursement"].sudo()
            yield Reimbursement_sudo.create(
                [
                    booking._prepare_reimbursement_vals(company, unit, bill, transfer)
                    for unit, bill, transfer in zip(
                        units, bills, transfers, strict=True
                    )
                ]
            ).sudo(self.env.su)
        booking._add_bill_numbers(texts, bills, transfers)

    @api.model
    def _settle(self, units):
        """Match open debits with the credits of the same customer, the oldest first.

        :param list units: list of `Unit`
        :return: list of `Unit` with the matches made and the credits that are left
        """
        before = {
            unit.proposal.key: _get_partials(unit.items)
            for unit in units
            if unit.proposal.position.debit
        }
        plan = [
            group
            for unit in units
            if unit.proposal.key in before
            for group in self._get_settlements(unit.items)
        ]
        if plan:
            self.env["account.move.line"]._reconcile_plan(plan)
        settled = []
        for unit in units:
            partial_ids = ()
            if unit.proposal.key in before:
                made = _get_partials(unit.items) - before[unit.proposal.key]
                partial_ids = tuple(made.ids)
            credits = self._get_open(unit).filtered(
                lambda item: item.amount_residual_currency < 0
            )
            settled.append(unit._replace(credits=credits, partial_ids=partial_ids))
        return settled

    @api.model
    def _create_bills(self, vals_list):
        """Create vendor bills, without defaults of the screen before."""
        context = clean_context(self.env.context)
        bills = self.env["account.move"].with_context(**context).create(vals_list)
        return bills.with_env(self.env)

    @api.model
    def _prepare_bill_vals(self, company, journal, date, unit, vendor):
        """Return the values of the vendor bill of one reimbursement.

        Hook: override to carry more to the bill. It is due at once, without taxes.

        :param company: the `res.company`
        :param journal: the `account.journal`, of type purchase
        :param date: the date of the bill
        :param unit: the `Unit`
        :param vendor: the `res.partner` who gets the bill
        """
        partner = unit.proposal.position.partner
        documents = self._join_names(unit.credits.mapped("move_name"))
        return {
            "move_type": "in_invoice",
            "company_id": company.id,
            "journal_id": journal.id,
            "partner_id": vendor.id,
            "currency_id": unit.proposal.position.currency.id,
            "invoice_date": date,
            "date": date,
            "invoice_date_due": date,
            "invoice_payment_term_id": False,
            # It could put another account in the place of the clearing account.
            "fiscal_position_id": False,
            "ref": self.env._("Reimbursement %(documents)s", documents=documents),
            "invoice_origin": documents,
            "invoice_line_ids": [
                Command.create(
                    {
                        "name": self.env._(
                            "Reimbursement of %(customer)s: %(documents)s",
                            customer=partner.display_name,
                            documents=documents,
                        ),
                        "account_id": company.collections_reimbursement_account_id.id,
                        "quantity": 1,
                        "price_unit": self._get_amount(unit),
                        "tax_ids": [Command.clear()],
                        "analytic_distribution": False,
                    }
                )
            ],
        }

    @api.model
    def _prepare_transfer_vals(self, company, unit, bill):
        """Return the values of the entry from the receivable to the clearing account.

        It has the rate of the bill, and its value in company currency, so that the
        clearing account closes; what the rate has won or lost is the customer's, as for
        any payment.

        :param company: the `res.company`
        :param unit: the `Unit`
        :param bill: its bill, an `account.move`; it may have no number yet
        """
        position = unit.proposal.position
        text = self._get_transfer_text(bill)
        clearing = self._get_clearing_line(bill)
        amounts = {
            account: position.currency.round(
                -sum(group.mapped("amount_residual_currency"))
            )
            for account, group in self._get_open(unit).grouped("account_id").items()
        }
        # Each at the rate of the bill. Cut in proportion, the rounding of a small bill
        # would grow with what an account has more than is left of all together.
        company_currency = company.currency_id
        balances = close_gap(
            [
                company_currency.round(amount / clearing.currency_rate)
                for amount in amounts.values()
            ],
            list(amounts.values()),
            clearing.balance,
            company_currency.rounding,
        )
        common = {
            "name": text,
            "currency_id": position.currency.id,
            "tax_ids": [Command.clear()],
            "analytic_distribution": False,
        }
        lines_vals = [
            {
                **common,
                "account_id": account.id,
                "partner_id": position.partner.id,
                "date_maturity": bill.date,
                "amount_currency": amount,
                "balance": balance,
            }
            for (account, amount), balance in zip(
                amounts.items(), balances, strict=True
            )
        ]
        lines_vals.append(
            {
                **common,
                "account_id": clearing.account_id.id,
                "partner_id": clearing.partner_id.id,
                "amount_currency": -clearing.amount_currency,
                "balance": -clearing.balance,
            }
        )
        return {
            "move_type": "entry",
            "company_id": company.id,
            "journal_id": company.collections_settlement_journal_id.id,
            "partner_id": position.partner.id,
            "date": bill.date,
            "ref": text,
            "line_ids": [Command.create(vals) for vals in lines_vals],
        }

    @api.model
    def _get_transfer_text(self, bill):
        """Return what stands on the transfer of a bill, and on the statement."""
        vendor = bill.partner_id.display_name
        if not bill.name or bill.name == "/":
            return self.env._("Reimbursement to %(vendor)s", vendor=vendor)
        return self.env._(
            "Reimbursement to %(vendor)s, bill %(bill)s", vendor=vendor, bill=bill.name
        )

    @api.model
    def _add_bill_numbers(self, texts, bills, transfers):
        """Put the numbers of bills on transfers, in one statement for all.

        Others wait for the numbers by now, and writing entry by entry takes a while.

        :param list texts: what stands on the transfers so far; other texts stay
        """
        rows = [
            (transfer.id, text, self._get_transfer_text(bill))
            for text, bill, transfer in zip(texts, bills, transfers, strict=True)
            if text != self._get_transfer_text(bill)
        ]
        if not rows:
            return
        values = SQL(", ").join(SQL("(%s, %s, %s)", *row) for row in rows)
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """
                WITH changed (move_id, before, after) AS (VALUES %(values)s),
                     lines AS (
                     UPDATE account_move_line line
                        SET name = CASE line.name
                                   WHEN before THEN after ELSE line.name END,
                            ref = CASE line.ref
                                  WHEN before THEN after ELSE line.ref END
                       FROM changed WHERE line.move_id = changed.move_id
                     )
                UPDATE account_move SET ref = after
                  FROM changed WHERE id = move_id AND ref = before
                """,
                values=values,
            )
        )
        transfers.invalidate_recordset(["ref"])
        transfers.line_ids.invalidate_recordset(["name", "ref"])

    @api.model
    def _match(self, company, units, bills, transfers):
        """Match the transfers with the items and the bills, all in one plan.

        :raise UserError: when anything is left open
        """
        clearing_account = company.collections_reimbursement_account_id
        everything = self.env["account.move.line"]
        plan = []
        for unit, bill, transfer in zip(units, bills, transfers, strict=True):
            clearing = transfer.line_ids.filtered(
                lambda line: line.account_id == clearing_account
            )
            plan.append(clearing | self._get_clearing_line(bill))
            groups = self._get_open(unit).grouped("account_id")
            for line in transfer.line_ids - clearing:
                plan.append(groups[line.account_id] | line)
            everything |= unit.items | clearing
        # Core would read these line by line.
        everything.move_id.line_ids.mapped("tax_ids")
        everything._reconcile_plan(plan)
        left = everything.filtered(
            lambda line: not line.currency_id.is_zero(line.amount_residual_currency)
        )
        if left:
            raise UserError(
                self.env._(
                    "These items did not close: %(items)s. Nothing was booked.",
                    items=self._join_names(left.mapped("move_name")),
                )
            )

    @api.model
    def _prepare_reimbursement_vals(self, company, unit, bill, transfer):
        """Return the values of the record of one reimbursement.

        :param company: the `res.company`
        :param unit: the `Unit`
        :param bill: the posted vendor bill, an `account.move`
        :param transfer: the posted transfer entry, an `account.move`
        """
        return {
            "company_id": company.id,
            "partner_id": unit.proposal.position.partner.id,
            "vendor_id": bill.partner_id.id,
            "currency_id": bill.currency_id.id,
            "amount": bill.amount_total,
            "amount_company": self._get_clearing_line(bill).balance,
            "date": bill.date,
            "bill_id": bill.id,
            "transfer_move_id": transfer.id,
            "credit_line_ids": [Command.set(unit.credits.ids)],
            "settlement_partial_ids": [Command.set(unit.partial_ids)],
        }

    @api.model
    def _get_amount(self, unit):
        """Return what is left of a unit, in its currency.

        :raise UserError: when it is not what was proposed
        """
        position = unit.proposal.position
        amount = position.currency.round(
            -sum(unit.items.mapped("amount_residual_currency"))
        )
        if position.currency.compare_amounts(amount, unit.proposal.amount):
            raise UserError(
                self.env._(
                    "%(customer)s: %(amount)s was proposed, but %(left)s is left after "
                    "settling the open debits.",
                    customer=position.partner.display_name,
                    amount=position.currency.format(unit.proposal.amount),
                    left=position.currency.format(amount),
                )
            )
        return amount

    @api.model
    def _get_open(self, unit):
        """Return the items of a unit that are not settled yet."""
        return unit.items.filtered("amount_residual_currency")

    @api.model
    def _get_clearing_line(self, bill):
        """Return the line of a bill on the clearing account."""
        return bill.line_ids.filtered(lambda line: line.display_type == "product")


def _get_partials(items):
    return items.matched_debit_ids | items.matched_credit_ids
