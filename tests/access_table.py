"""Who may do what over RPC, as data. `test_access.py` walks it.

Every public method that the addon adds or overrides has a line in `METHODS`, and every
model of the addon one in `MODELS`: one without fails the test. Who is not named gets an
`AccessError`; who is named gets a value that XML-RPC can carry, or a message that says
what is missing.

`on` is the record that the method is called on and `"@name"` in arguments is the id of
one, both by their names in `test_access.py`. A record whose name starts with `own_` is
a wizard that the user makes; who may not make one is given that of a manager.
"""

from typing import NamedTuple

# Anonymous, customers with access to the portal, users without any right of their own,
# those of Invoicing and auditors who only read accounting, collections agents and
# managers, and managers of another company.
ROLES = (
    "anonymous",
    "portal",
    "employee",
    "invoicing",
    "auditor",
    "agent",
    "manager",
    "foreign",
)
NOBODY = frozenset()
ALL = frozenset(ROLES)
INTERNAL = ALL - {"anonymous", "portal"}
MANAGERS = frozenset({"manager"})
AGENTS = frozenset({"agent", "manager"})
# The same on what belongs to no company.
ANY_MANAGERS = MANAGERS | {"foreign"}
ANY_AGENTS = AGENTS | {"foreign"}
INVOICERS = frozenset({"invoicing", "manager"})
AUDITORS = AGENTS | {"auditor"}
READERS = INVOICERS | {"auditor", "agent"}
ANY_READERS = READERS | {"foreign"}


class Model(NamedTuple):
    """What users may do with the records of a model."""

    on: str
    read: frozenset = AGENTS
    create: frozenset = NOBODY
    write: frozenset = NOBODY
    unlink: frozenset = NOBODY
    vals: dict = {}  # to create one with
    change: dict = {}  # to write on it


class Call(NamedTuple):
    """Who may call a method, and how it is called."""

    allowed: frozenset
    on: str | None = None
    args: tuple = ()
    context: dict = {}


def _managed(on, vals, change=None, read=AGENTS, change_by=MANAGERS):
    """Return the line of a model that agents read and managers set up."""
    return Model(
        on,
        read=read,
        create=MANAGERS | {"foreign"},
        write=change_by,
        unlink=change_by,
        vals=vals,
        change=change or {"name": "Other"},
    )


def _wizard(on, vals, by=MANAGERS, change=None):
    """Return the line of a wizard: everybody has his own."""
    # On what is of another company nobody makes one.
    makers = by if "@" in str(vals) else by | {"foreign"}
    return Model(on, by, makers, by, by, vals, change or {})


MODELS = {
    "collections.agent": _managed(
        "agent_record",
        {"user_id": "@spare_user", "company_id": "@company"},
        {"view_all_pools": True},
    )._replace(create=MANAGERS),
    "collections.aging.balance": Model("balance", change={"amount_due": 1.0}),
    "collections.aging.definition": _managed("definition", {"name": "D"}),
    "collections.aging.period": _managed(
        "period",
        {"definition_id": "@definition", "name": "P", "unit": -7, "interval": "day"},
    )._replace(create=MANAGERS),
    "collections.aging.report": Model("report", change={"amount": 1.0}),
    "collections.aging.snapshot": Model(
        "snapshot",
        create=AGENTS,
        write=AGENTS,
        unlink=MANAGERS,
        vals={"company_id": "@company", "date": "2026-03-31"},
        change={"update_collection_status": False},
    ),
    "collections.aging.wizard": _wizard(
        "own_aging_wizard", {}, AGENTS, {"date": "2026-01-01"}
    ),
    "collections.case": Model(
        "case",
        create=AGENTS,
        write=AGENTS,
        unlink=MANAGERS,
        vals={
            "name": "C",
            "partner_id": "@customer",
            "category_id": "@category",
            "company_id": "@company",
        },
        change={"name": "Other"},
    ),
    "collections.case.category": _managed(
        "category", {"name": "C"}, read=ANY_AGENTS, change_by=ANY_MANAGERS
    ),
    "collections.case.wizard": _wizard(
        "own_case_wizard", {"line_ids": ["@line"]}, AGENTS, {"name": "Other"}
    ),
    "collections.cash.discount.offer": Model(
        "offer", read=READERS, change={"percentage": 50.0}
    ),
    "collections.cash.discount.period": _managed(
        "discount_period",
        {"payment_term_id": "@term", "days": 40, "percentage": 0.5},
        {"percentage": 0.4},
        read=INTERNAL,
        change_by=ANY_MANAGERS,
    ),
    "collections.cash.discount.report": Model("discount_report", read=AUDITORS),
    "collections.mailing": Model("mailing", change={"subject": "Other"}),
    "collections.mailing.line": Model("mailing_line", change={"state": "sent"}),
    "collections.nsf.wizard": _wizard("own_nsf_wizard", {}, change={"comment": "x"}),
    "collections.payment.return": Model("return", change={"state": "cancelled"}),
    "collections.payment.return.line": Model("return_line", change={"name": "x"}),
    "collections.payment.return.reason": _managed(
        "return_reason", {"name": "R"}, read=ANY_AGENTS, change_by=ANY_MANAGERS
    ),
    "collections.pool": _managed("pool", {"name": "P"}),
    "collections.promise": Model("promise", change={"state": "kept"}),
    "collections.promise.line": Model("promise_line", change={"amount": 1.0}),
    "collections.reimbursement": Model(
        "reimbursement", change={"vendor_id": "@customer"}
    ),
    "collections.reimbursement.run": Model("run", change={"state": "queued"}),
    "collections.reimbursement.run.line": Model("run_line", change={"amount": 1.0}),
    "collections.reimbursement.wizard": _wizard(
        "own_reimbursement_wizard", {}, change={"date": "2026-04-30"}
    ),
    "collections.reimbursement.wizard.line": _wizard(
        "own_reimbursement_wizard_line",
        {
            "wizard_id": "@own_reimbursement_wizard",
            "partner_id": "@creditor",
            "currency_id": "@currency",
            "state": "held",
        },
        change={"reason": "x"},
    )._replace(create=MANAGERS),
    "collections.score.rule": _managed(
        "score_rule",
        {"name": "R", "criterion": "days_overdue", "points": 1.0},
        read=ANY_AGENTS,
        change_by=ANY_MANAGERS,
    ),
    "collections.settlement.wizard": _wizard(
        "own_settlement_wizard", {}, change={"date": "2026-02-01"}
    ),
    "collections.settlement.wizard.line": _wizard(
        "own_settlement_wizard_line",
        {"wizard_id": "@own_settlement_wizard", "move_line_id": "@line"},
        change={"marked": False},
    )._replace(create=MANAGERS),
    "collections.setup": _wizard("own_setup", {"company_id": "@company"})._replace(
        create=MANAGERS
    ),
    "collections.setup.step": _wizard(
        "own_setup_step",
        {"setup_id": "@own_setup", "code": "pool"},
        change={"sequence": 5},
    )._replace(create=MANAGERS),
    "collections.statement.wizard": _wizard(
        "own_statement_wizard",
        {"partner_ids": ["@customer"]},
        AGENTS,
        {"open_only": True},
        # The choice of customers is checked when something is done with them.
    )._replace(create=ANY_AGENTS),
    "collections.status.history": Model("history", change={"comment": "x"}),
    "collections.status.wizard": _wizard(
        "own_status_wizard",
        {"line_ids": ["@line"], "status": "resolved"},
        AGENTS,
        {"comment": "x"},
    ),
    "collections.team": _managed(
        "team", {"name": "T", "company_id": "@company"}
    )._replace(create=MANAGERS),
    "collections.worklist": Model("worklist"),
    "collections.writeoff.reason": _managed(
        "reason",
        {"code": "NEW", "name": "R"},
        read=ANY_READERS,
        change_by=ANY_MANAGERS,
    ),
    "collections.writeoff.reversal.wizard": _wizard(
        "own_reversal_wizard", {"move_ids": ["@writeoff"]}, change={"comment": "x"}
    ),
    "collections.writeoff.sweep.wizard": _wizard(
        "own_sweep_wizard", {"company_id": "@company"}, change={"days": 1}
    ),
    "collections.writeoff.wizard": _wizard(
        "own_writeoff_wizard", {}, change={"comment": "x"}
    ),
    "collections.writeoff.wizard.line": _wizard(
        "own_writeoff_wizard_line",
        {"wizard_id": "@own_writeoff_wizard", "move_line_id": "@other_line"},
        change={"amount": 1.0},
    )._replace(create=MANAGERS),
}

# What programs call on every model is tested with `MODELS`; where core's models have it
# from the addon as well, it stands here.
METHODS = {
    "account.journal": {
        # Accountants change journals, managers what returned payments need of them.
        "write": Call(MANAGERS, "bank", ({"collections_nsf_journal_id": "@journal"},)),
    },
    "account.move": {
        "action_open_settlement": Call(MANAGERS, "invoice"),
        "action_open_writeoff": Call(MANAGERS, "invoice"),
        "action_open_writeoff_reversal": Call(MANAGERS, "writeoff"),
        "action_reverse_writeoff": Call(MANAGERS, "writeoff"),
        "action_send_collections_email": Call(AGENTS, "invoice"),
        "action_view_cash_discounts": Call(READERS, "discounted_invoice"),
        "action_view_collections_cases": Call(AGENTS, "invoice"),
        "action_view_reimbursement": Call(AGENTS, "bill"),
        "action_view_writeoffs": Call(READERS, "written_off_invoice"),
        "button_cancel": Call(INVOICERS, "draft_invoice"),
        "button_draft": Call(INVOICERS, "invoice"),
        "create": Call(INVOICERS | {"foreign"}, args=({"move_type": "out_invoice"},)),
        "default_get": Call(ALL, args=(["collections_writeoff_amount"],)),
        "write": Call(INVOICERS, "invoice", ({"ref": "x"},)),
    },
    "account.move.line": {
        "action_assign_collections_case": Call(AGENTS, "line", ("@case",)),
        "action_leave_collections_case": Call(AGENTS, "line"),
        "action_open_case_wizard": Call(AGENTS, "line"),
        "action_open_settlement": Call(MANAGERS, "line"),
        "action_open_status_wizard": Call(AGENTS, "line"),
        "action_open_writeoff": Call(MANAGERS, "line"),
        "action_send_collections_email": Call(AGENTS, "line"),
        "action_set_collections_status": Call(
            AGENTS, "line", ("promised", "2030-01-01")
        ),
        "action_view_collections_history": Call(AGENTS, "line"),
        "create": Call(
            INVOICERS, args=({"move_id": "@draft_invoice", "name": "More"},)
        ),
        "default_get": Call(ALL, args=(["collections_writeoff_line_id"],)),
        "get_cash_discount": Call(READERS, "discounted_line"),
        "write": Call(INVOICERS, "line", ({"name": "x"},)),
    },
    # Core has no company rule for matches: whoever is of Invoicing may.
    "account.partial.reconcile": {
        "create": Call(
            INVOICERS | {"foreign"},
            args=(
                {
                    "debit_move_id": "@line",
                    "credit_move_id": "@payment_line",
                    "amount": 1.0,
                    "debit_amount_currency": 1.0,
                    "credit_amount_currency": 1.0,
                },
            ),
        ),
        "default_get": Call(ALL, args=(["cash_discount_move_id"],)),
        "unlink": Call(INVOICERS, "partial"),
        "write": Call(INVOICERS | {"foreign"}, "partial", ({"amount": 1.0},)),
    },
    "account.payment": {
        "action_open_nsf": Call(MANAGERS, "payment"),
        "action_open_settlement": Call(MANAGERS, "payment"),
        "action_undo_return": Call(MANAGERS, "returned_payment"),
        "action_view_returns": Call(AGENTS, "returned_payment"),
        "write": Call(INVOICERS, "payment", ({"memo": "x"},)),
    },
    "account.payment.register": {
        "create": Call(
            INVOICERS,
            args=({"amount": 1.0},),
            context={"active_model": "account.move", "active_ids": ["@invoice"]},
        ),
        # The ids of lines that the user may read.
        "default_get": Call(
            READERS | {"portal"},
            args=(["line_ids"],),
            context={"active_model": "account.move", "active_ids": ["@invoice"]},
        ),
        # Core lets everybody with the right to pay write on the wizards of others.
        "write": Call(INVOICERS | {"foreign"}, "own_register", ({"amount": 2.0},)),
    },
    "collections.aging.balance": {
        "action_open_customer": Call(AGENTS, "balance"),
        "action_open_items": Call(AGENTS, "balance"),
        "action_open_reimbursement": Call(MANAGERS, "balance"),
        "action_open_writeoff": Call(MANAGERS, "balance"),
        "action_refresh": Call(AGENTS, "balance"),
        "action_send_collections_email": Call(AGENTS, "balance"),
        "export_data": Call(AGENTS, "balance", (["partner_id"],)),
        "fields_get": Call(ANY_AGENTS, args=(["amount_1"], ["string"])),
        "get_aging_view": Call(ANY_AGENTS),
    },
    "collections.aging.columns": {
        # Has no fields that others could see.
        "fields_get": Call(ALL, args=(["collections_amount_1"], ["string"])),
        "get_aging_view": Call(ANY_AGENTS),
    },
    "collections.aging.definition": {
        "action_view_snapshots": Call(AGENTS, "definition"),
        "get_period_ranges": Call(AGENTS, "definition", ("2026-03-31",)),
    },
    "collections.aging.snapshot": {
        "action_run": Call(AGENTS, "snapshot"),
        "action_view_balances": Call(AGENTS, "snapshot"),
    },
    "collections.aging.wizard": {"action_run": Call(AGENTS, "own_aging_wizard")},
    "collections.case": {
        "action_close": Call(AGENTS, "case"),
        "action_open_collections_page": Call(AGENTS, "case"),
        "action_reopen": Call(AGENTS, "case"),
        "action_send_collections_email": Call(AGENTS, "case"),
        "action_view_items": Call(AGENTS, "case"),
        "action_wait": Call(AGENTS, "case"),
        "get_aging_view": Call(ANY_AGENTS),
    },
    "collections.case.wizard": {"action_assign": Call(AGENTS, "own_case_wizard")},
    "collections.cash.discount.report": {
        "action_open_invoice": Call(AUDITORS, "discount_report"),
    },
    "collections.mailing": {
        "action_retry": Call(AGENTS, "mailing"),
        "action_stop": Call(AGENTS, "mailing"),
        "action_view_lines": Call(AGENTS, "mailing"),
    },
    "collections.nsf.wizard": {
        "action_open_parameters": Call(MANAGERS, "own_nsf_wizard"),
        "action_process": Call(MANAGERS, "own_nsf_wizard"),
        "action_use_first_free_date": Call(MANAGERS, "own_nsf_wizard"),
    },
    "collections.payment.return": {
        "action_undo": Call(MANAGERS, "return"),
        "action_view_documents": Call(AGENTS, "return"),
        "action_view_fee": Call(AGENTS, "return"),
        "action_view_move": Call(AGENTS, "return"),
        "action_view_payment": Call(AGENTS, "return"),
    },
    "collections.pool": {
        "action_view_balances": Call(AGENTS, "pool"),
        "action_view_partners": Call(AGENTS, "pool"),
        "get_partners": Call(AGENTS, "pool"),
    },
    "collections.promise": {
        "action_open_collections_page": Call(AGENTS, "promise"),
        "action_view_items": Call(AGENTS, "promise"),
    },
    "collections.reimbursement": {
        "action_cancel": Call(MANAGERS, "reimbursement"),
        "action_view_bill": Call(AGENTS, "reimbursement"),
        "action_view_credits": Call(AGENTS, "reimbursement"),
        "action_view_transfer": Call(AGENTS, "reimbursement"),
    },
    "collections.reimbursement.run": {
        "action_continue": Call(MANAGERS, "run"),
        "action_stop": Call(MANAGERS, "run"),
        "action_view_reimbursements": Call(AGENTS, "run"),
    },
    "collections.reimbursement.wizard": {
        "action_confirm": Call(MANAGERS, "own_reimbursement_wizard"),
        "action_open_parameters": Call(MANAGERS, "own_reimbursement_wizard"),
        "action_preview": Call(MANAGERS, "own_reimbursement_wizard"),
        "action_reimburse": Call(MANAGERS, "own_reimbursement_wizard"),
        "action_use_first_free_date": Call(MANAGERS, "own_reimbursement_wizard"),
    },
    "collections.settlement.wizard": {
        "action_mark_all": Call(MANAGERS, "own_settlement_wizard"),
        "action_settle": Call(MANAGERS, "own_settlement_wizard"),
        "action_unmark_all": Call(MANAGERS, "own_settlement_wizard"),
    },
    "collections.setup": {
        "action_open": Call(ANY_MANAGERS),
        # Asked by every page of the app; who cannot set up gets no banner.
        "get_banner": Call(ALL),
    },
    "collections.setup.step": {"action_do": Call(MANAGERS, "own_setup_step")},
    "collections.statement.wizard": {
        "action_download": Call(AGENTS, "own_statement_wizard"),
        "action_print": Call(AGENTS, "own_statement_wizard"),
        "action_send": Call(AGENTS, "own_statement_wizard"),
    },
    "collections.status.history": {"action_open_document": Call(AGENTS, "history")},
    "collections.status.wizard": {"action_apply": Call(AGENTS, "own_status_wizard")},
    "collections.worklist": {
        "action_open_collections_page": Call(AGENTS, "worklist"),
        "export_data": Call(AGENTS, "worklist", (["partner_id"],)),
        "get_aging_view": Call(ANY_AGENTS),
    },
    "collections.writeoff.reversal.wizard": {
        "action_reverse": Call(MANAGERS, "own_reversal_wizard"),
        "action_use_first_free_date": Call(MANAGERS, "own_reversal_wizard"),
    },
    "collections.writeoff.sweep.wizard": {
        "action_preview": Call(MANAGERS, "own_sweep_wizard"),
    },
    "collections.writeoff.wizard": {
        "action_open_parameters": Call(MANAGERS, "own_writeoff_wizard"),
        "action_use_first_free_date": Call(MANAGERS, "own_writeoff_wizard"),
        "action_write_off": Call(MANAGERS, "own_writeoff_wizard"),
    },
    "mail.activity": {
        "action_open_collections_form": Call(AGENTS, "activity"),
        "action_open_collections_page": Call(AGENTS, "activity"),
        "fields_get": Call(ALL, args=(["summary"], ["string"])),
        "get_aging_view": Call(ANY_AGENTS),
    },
    # The queue of e-mails is for administrators.
    "mail.mail": {
        "unlink": Call(NOBODY, "mail"),
        "write": Call(NOBODY, "mail", ({"state": "cancel"},)),
    },
    "mail.compose.message": {"action_send_mail": Call(AGENTS, "own_composer")},
    "res.company": {
        "action_create_reimbursement_account": Call(MANAGERS, "company"),
        "action_open_collections_parameters": Call(ANY_MANAGERS),
        "write": Call(
            MANAGERS, "company", ({"collections_snapshot_retention_days": 9},)
        ),
    },
    "res.partner": {
        "action_open_collections_activity": Call(AGENTS, "customer"),
        "action_open_collections_case": Call(AGENTS, "customer"),
        "action_open_collections_page": Call(AGENTS, "customer"),
        "action_open_collections_status": Call(AGENTS, "customer"),
        "action_open_partner_form": Call(AGENTS, "customer"),
        "action_open_reimbursement": Call(MANAGERS, "creditor"),
        "action_open_settlement": Call(MANAGERS, "customer"),
        "action_open_writeoff": Call(MANAGERS, "customer"),
        "action_open_writeoff_reversal": Call(MANAGERS, "customer"),
        "action_refresh_aging": Call(AGENTS, "customer"),
        "action_refresh_collections_page": Call(AGENTS, "customer"),
        "action_send_collections_email": Call(AGENTS, "customer"),
        "action_view_collections_items": Call(AGENTS, "customer"),
        "action_view_reimbursements": Call(AGENTS, "customer"),
        "action_view_returned_payments": Call(AGENTS, "customer"),
        "action_view_writeoffs": Call(AGENTS, "customer"),
        "get_collections_recipient": Call(AGENTS, "customer", ("collections",)),
        "get_collections_spreadsheet": Call(AGENTS, "customer"),
        "write": Call(AGENTS, "customer", ({"comment": "x"},)),
    },
}

# What the addon notes on core's documents, and who may write it there: nobody by hand,
# as what is booked and undone goes by it. Every stored field of the addon on a model of
# core that people cannot change on screen stands here.
NOTED = {
    "account.move": {
        "collections_writeoff_reason_id": "@reason",
        "collections_writeoff_amount": 1.0,
        "collections_writeoff_tax_amount": 1.0,
        "collections_writeoff_shares": [{}],
        "collections_payment_return_ids": [[3, "@return"]],
    },
    "account.move.line": {
        "cash_discount_offer_ids": [[2, "@offer"]],
        "collections_case_id": "@case",
        "collections_dispute_amount": 1.0,
        "collections_dispute_reason": "x",
        "collections_history_ids": [[2, "@history"]],
        "collections_promise_amount": 1.0,
        "collections_promise_date": "2030-01-01",
        "collections_promise_line_ids": [[2, "@promise_line"]],
        "collections_status": "resolved",
        "collections_status_date": "2030-01-01",
        "collections_writeoff_line_id": "@other_line",
    },
    "account.partial.reconcile": {
        "cash_discount_amount_currency": 1.0,
        "cash_discount_move_id": "@invoice",
        "collections_reimbursement_id": "@reimbursement",
    },
    "account.payment": {"collections_return_ids": [[2, "@return"]]},
    "mail.mail": {"collections_mailing_line_id": "@mailing_line"},
    "res.partner": {
        "collections_balance_ids": [[2, "@balance"]],
        "collections_promise_ids": [[2, "@promise"]],
    },
}
# The records that this is tried on.
NOTED_ON = {
    "account.move": "invoice",
    "account.move.line": "line",
    "account.partial.reconcile": "partial",
    "account.payment": "payment",
    "mail.mail": "mail",
    "res.partner": "customer",
}
# Closed to others in another way: the choices of a payment are checked where they are
# written, the vendor of a customer is for managers only, who decide on him anyway, and
# nobody writes on the report of somebody else's mailing.
NOTED_ELSEWHERE = {
    ("account.payment.register", "cash_discount_choices"),
    ("mail.compose.message", "collections_mailing_id"),
    ("res.partner", "collections_one_time_customer_id"),
}

# What the code reads from the context, which programs send with every call. The first
# open a guard and must be objects of the addon; of the others any value does no harm.
CONTEXT_TOKENS = {
    "collections_cash_discount",
    "collections_payment_return",
    "collections_periods_written",
    "collections_reimbursement",
    "collections_reversing",
    "collections_settlement_choices",
    "collections_settlement_limits",
    "collections_status_history",
    "collections_writeoff",
}
CONTEXT_OPTIONS = {
    "collections_company_id",  # one of the companies in use, else ignored
    "collections_date",  # as of when open amounts are shown
    "collections_default_periods",  # proposals of a new definition
    "collections_definition_id",  # read with the rights of the user
    "collections_export",  # texts of exported lists stay texts
    "collections_pool_id",
    "collections_refresh_later",  # the settlement is checked again when it is booked
    "collections_refreshing",
    "collections_skip_followers",  # fewer people are told of a message
    "collections_snapshot_id",
    "collections_statement_date_from",
    "collections_statement_date_to",
    "collections_statement_open_only",
    "collections_undo_date",  # a date object, which programs cannot send
}

# The pages and files of the addon, and what comes back to whom: the answer to those who
# are named, and another one to the others. Anonymous visitors are sent to the login.
ROUTES = {
    "/my/statement": (200, ALL - {"anonymous"}, None),
    # Who is no customer of the company is sent back to the page.
    "/my/statement/<int:company_id>/download": (200, frozenset({"portal"}), 303),
    "/collections/spreadsheet/<int:partner_id>": (200, AGENTS, 403),
}
