from contextlib import contextmanager

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tools import clean_context, format_date, format_list, split_every
from odoo.tools.constants import PREFETCH_MAX

from ..exceptions import MissingParameterError

AGENT = "credit_collections.group_collections_agent"
MANAGER = "credit_collections.group_collections_manager"
# On documents that customers read in the portal, and on companies: not for them.
INTERNAL = "base.group_user"
# What accounting keeps for itself: an amount booked there would not leave the books of
# the customer, or would have to be explained by the bank.
REFUSED_ACCOUNT_TYPES = (
    "asset_receivable",
    "liability_payable",
    "asset_cash",
    "liability_credit_card",
    "off_balance",
)

LEDGER_ACCOUNT_DOMAIN = str([("account_type", "not in", REFUSED_ACCOUNT_TYPES)])
# Lock dates of a journal itself, by the fields of the OCA addon
# account_journal_lock_date: for everybody, and for all who are no accounting advisers.
JOURNAL_LOCK_DATE = "fiscalyear_lock_date"
JOURNAL_SOFT_LOCK_DATE = "period_lock_date"
# Marks them among the lock dates of the company, which has fields of the same name.
JOURNAL_PREFIX = "journal."

# In the context it marks values of write-offs as ours. Nobody can send it over RPC.
WRITEOFF_TOKEN = object()
# The same for what returned payments do themselves.
RETURN_TOKEN = object()
# And for reversals, which take the discounts of an entry back themselves.
REVERSING_TOKEN = object()
# And for the discounts noted on matches.
CASH_DISCOUNT_TOKEN = object()


class CollectionsPosting(models.AbstractModel):
    """What everything that posts asks before it does: right, journal, account, date."""

    _name = "collections.posting"
    _description = "Checks before Posting"

    @api.model
    def _check_manager(self):
        """Refuse users who may not post in collections.

        :raise AccessError: when the user is not a collections manager
        """
        if not self.env.su and not self.env.user.has_group(MANAGER):
            raise AccessError(
                self.env._(
                    "Only collections managers may do this. Ask an administrator for "
                    "the group Credit & Collections / Manager."
                )
            )

    @api.model
    def _check_companies(self, documents, companies):
        """Refuse what would change items of companies that are not switched on.

        Branches pay one another's invoices. Taking that back opens them again.

        :param documents: what the message names
        :param companies: the `res.company` of all that would change
        :raise UserError: names the companies
        """
        missing = companies - self.env.companies
        if missing and not self.env.su:
            raise UserError(
                self.env._(
                    "%(documents)s also concerns %(companies)s. Switch on all of these "
                    "companies at the top right, or ask somebody who works for them.",
                    documents=self._join_names(documents.mapped("display_name")),
                    companies=", ".join(missing.sudo().mapped("name")),
                )
            )

    @api.model
    def _check_one(self, records):
        """Refuse to do for none, or for several, what is done for one at a time.

        :param records: what a program or button called for
        :raise UserError: when it is not one record
        """
        if len(records) != 1:
            raise UserError(
                self.env._(
                    "This is done for one record of %(model)s at a time.",
                    model=self.env["ir.model"]._get(records._name).name,
                )
            )

    @api.model
    def _check_customer_items(self, items):
        """Refuse what is no posted item of a customer, or is no longer.

        :param items: `account.move.line`
        :raise UserError: names the documents
        """
        foreign = items.filtered(
            lambda item: (
                item.account_type != "asset_receivable" or item.parent_state != "posted"
            )
        )
        if foreign:
            raise UserError(
                self.env._(
                    "These are not posted items of customers: %(items)s",
                    items=self._join_names(foreign.mapped("move_id.display_name")),
                )
            )

    @api.model
    def _get_missing_error(self, message, company):
        """Return the error for a parameter that is not set.

        :param str message: what is missing
        :param company: the `res.company` whose parameters lack it
        """
        return MissingParameterError(
            message,
            company._get_collections_parameters_action(),
            self.env._("Open Parameters"),
        )

    @api.model
    def _find_journal_problem(self, journal, company, journal_type="general"):
        """Return why a journal cannot be used, as a text, or None.

        :param journal: one `account.journal`
        :param company: the `res.company` that books
        :param str journal_type: the type that it must have
        """
        if not journal.active:
            return self.env._(
                "The journal %(journal)s is archived. Choose another one.",
                journal=journal.display_name,
            )
        if journal.company_id not in company.sudo().parent_ids:
            return self.env._(
                "The journal %(journal)s does not belong to %(company)s.",
                journal=journal.display_name,
                company=company.name,
            )
        if journal.type != journal_type:
            types = dict(journal._fields["type"]._description_selection(self.env))
            return self.env._(
                "The journal %(journal)s is not of type %(type)s. Choose one that is.",
                journal=journal.display_name,
                type=types[journal_type],
            )
        return None

    @api.model
    def _find_account_problem(self, account, company):
        """Return why nothing can be booked on an account, as a text, or None.

        :param account: one `account.account`
        :param company: the `res.company` that books
        """
        if not company.sudo().parent_ids & account.sudo().company_ids:
            return self.env._(
                "The account %(account)s is not for %(company)s.",
                account=account.sudo().display_name,
                company=company.name,
            )
        if not account.active:
            return self.env._(
                "The account %(account)s is archived. Choose another one.",
                account=account.display_name,
            )
        if account.account_type in REFUSED_ACCOUNT_TYPES:
            return self.env._(
                "The account %(account)s is of type %(type)s. Choose an expense, "
                "income or allowance account.",
                account=account.display_name,
                type=dict(
                    account._fields["account_type"]._description_selection(self.env)
                )[account.account_type],
            )
        return None

    @api.model
    def _check_journal(self, journal, company, journal_type="general"):
        """Refuse a journal that nothing can be booked in as a parameter.

        :param journal: an `account.journal`, may be empty
        :param company: the `res.company` that books
        :param str journal_type: the type that it must have
        :raise ValidationError: says what is wrong with the journal
        """
        problem = journal and self._find_journal_problem(journal, company, journal_type)
        if problem:
            raise ValidationError(problem)

    @api.model
    def _check_account(self, account, company):
        """Refuse an account that nothing can be booked on as a parameter.

        :param account: an `account.account`, may be empty
        :param company: the `res.company` that books
        :raise ValidationError: says what is wrong with the account
        """
        problem = account and self._find_account_problem(account, company)
        if problem:
            raise ValidationError(problem)

    @api.model
    def _get_lock_dates(self, company, journal, date, has_tax):
        """Return the lock dates that keep an entry from being booked on a day.

        Hook: modules that lock journals on days of their own add them here, and their
        name in `_get_lock_date_name`.

        :param company: the `res.company` that books
        :param journal: the `account.journal`
        :param date: the accounting date
        :param bool has_tax: whether the entry has tax lines
        :return: the lock dates with the name of their field, in order
        :rtype: list[tuple[date, str]]
        """
        return sorted(
            company._get_violated_lock_dates(date, has_tax, journal)
            + self._get_journal_lock_dates(journal, date)
        )

    @api.model
    def _get_journal_lock_dates(self, journal, date):
        """Return the lock dates that a journal has of its own.

        :param journal: the `account.journal`, may be empty
        :param date: the accounting date
        :rtype: list[tuple[date, str]]
        """
        names = [JOURNAL_LOCK_DATE]
        if not self.env.user.has_group("account.group_account_manager"):
            names.append(JOURNAL_SOFT_LOCK_DATE)
        return [
            (journal[name], JOURNAL_PREFIX + name)
            for name in names
            if name in journal._fields and journal[name] and date <= journal[name]
        ]

    @api.model
    def _get_lock_date_name(self, company, journal, name):
        """Return what a lock date of `_get_lock_dates` is called, as a text."""
        records = company
        if name.startswith(JOURNAL_PREFIX):
            records, name = journal, name.removeprefix(JOURNAL_PREFIX)
        return records.fields_get([name], ["string"])[name]["string"]

    @api.model
    def _get_first_free_date(self, company, journal, date, has_tax):
        """Return the first day from a date on that no lock date keeps closed."""
        lock_dates = self._get_lock_dates(company, journal, date, has_tax)
        while lock_dates:
            date = fields.Date.add(lock_dates[-1][0], days=1)
            lock_dates = self._get_lock_dates(company, journal, date, has_tax)
        return date

    @api.model
    def _find_lock_problem(self, company, journal, date, has_tax):
        """Return which lock date is in the way and the first free day, or None.

        Odoo itself would silently book on another day.

        :param company: the `res.company` that books
        :param journal: the `account.journal`
        :param date: the accounting date
        :param bool has_tax: whether the entry has tax lines
        """
        lock_dates = self._get_lock_dates(company, journal, date, has_tax)
        if not lock_dates:
            return None
        free = self._get_first_free_date(company, journal, date, has_tax)
        return self.env._(
            "%(date)s is locked by: %(locks)s. The first free day in %(journal)s is "
            "%(free)s.",
            date=format_date(self.env, date),
            locks=format_list(
                self.env,
                [
                    f"{self._get_lock_date_name(company, journal, name)} "
                    f"({format_date(self.env, lock_date)})"
                    for lock_date, name in lock_dates
                ],
            ),
            journal=journal.display_name,
            free=format_date(self.env, free),
        )

    @api.model
    def _get_common_free_date(self, places, date):
        """Return the first day from a date on that is closed in none of the places.

        :param places: tuples of company, journal and whether there are tax lines
        :param date: the accounting date to begin with
        """
        previous = None
        while date != previous:
            previous = date
            for company, journal, has_tax in places:
                date = self._get_first_free_date(company, journal, date, has_tax)
        return date

    @api.model
    def _find_common_lock_problem(self, places, date):
        """Return the first of what `_find_lock_problem` says of the places, or None.

        :param places: tuples of company, journal and whether there are tax lines
        :param date: the accounting date
        """
        problems = (
            self._find_lock_problem(company, journal, date, has_tax)
            for company, journal, has_tax in places
        )
        return next(filter(None, problems), None)

    @api.model
    def _check_date(self, company, journal, date, has_tax):
        """Refuse a locked day.

        :raise UserError: names the lock date and the first free day of the journal
        """
        problem = self._find_lock_problem(company, journal, date, has_tax)
        if problem:
            raise UserError(problem)

    @api.model
    def _create_entries(self, vals_list):
        """Create entries with exactly the lines given.

        Nothing that an action was opened with turns up as a default in them, and core
        does not compute their taxes anew.

        :param list vals_list: values of `account.move`
        :return: the entries in draft, in the environment of the caller
        """
        context = {
            **clean_context(self.env.context),
            "skip_invoice_sync": True,
            "collections_writeoff": WRITEOFF_TOKEN,
        }
        Move = self.env["account.move"].with_env(self.env(context=context))
        return Move.create(vals_list).with_env(self.env)

    @api.model
    def _needs_numbers_first(self, journals):
        """Tell whether entries must have their numbers when they are posted.

        :param journals: `account.journal`
        """
        # The number is part of the hash, which is taken then.
        return any(journals.mapped("restrict_mode_hash_table"))

    @api.model
    @contextmanager
    def _numbered_last(self, moves):
        """Let entries that are posted in the block get their numbers at its end.

        Core locks the numbers of a journal from the first entry posted to the commit.
        Whatever is done before that, others need not wait for.

        :param moves: `account.move` in draft
        """
        if self._needs_numbers_first(moves.journal_id):
            yield
            return
        name = moves._fields["name"]
        with self.env.protecting([name], moves):
            yield
            # What is left to write, and what the chatter notes of it.
            self.env.cr.flush()
        # The ORM computes no more than this at once.
        for ids in split_every(PREFETCH_MAX, moves.ids):
            part = moves.browse(ids)
            self.env.add_to_compute(name, part)
            part.modified(["name"])
            # The number is taken out of the name, so both are computed. Asked for the
            # name, core would write the number entry by entry, as if somebody had
            # edited it. The chatter has noted that they were posted.
            part.with_context(tracking_disable=True)._recompute_recordset(
                ["sequence_number"]
            )
        moves.flush_recordset()

    @api.model
    def _check_writes_off(self):
        """Refuse values of write-offs that do not come from our own actions.

        :raise AccessError: when users, over RPC as well, say what is a write-off
        """
        token = self.env.context.get("collections_writeoff")
        if not self.env.su and token is not WRITEOFF_TOKEN:
            raise AccessError(
                self.env._("Write-offs are made and changed by their own actions only.")
            )

    @api.model
    def _join_names(self, names):
        """Return names as a text, the first ten of many."""
        names = list(dict.fromkeys(names))
        if len(names) > 10:
            more = self.env._("and %(count)s more", count=len(names) - 10)
            names = [*names[:10], more]
        return ", ".join(names)

    @api.model
    def _parse_date(self, date):
        """Return a day given as a date or ISO text; today when there is none.

        :raise UserError: when the text is no day
        """
        try:
            return fields.Date.to_date(date) or fields.Date.context_today(self)
        except (AttributeError, TypeError, ValueError) as error:
            raise UserError(
                self.env._("%(date)s is not a date like 2026-12-31.", date=date)
            ) from error

    @api.model
    def _lock(self, records):
        """Keep others from changing records until the end of the transaction.

        :raise UserError: when somebody else is changing one of them just now
        """
        # The copy read before the lock was got may be old by now.
        records.env.flush_all()
        if records.try_lock_for_update(allow_referencing=True) != records:
            raise UserError(
                self.env._(
                    "Somebody else is booking on the same items at this moment. Try "
                    "again to see what is still open."
                )
            )
        records.invalidate_recordset()
