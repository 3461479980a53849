"""Companies that Odoo's own tests make have all parameters of the addon on."""

from unittest.mock import patch

import pytest


@pytest.fixture(scope="session", autouse=True)
def parameters_on(load_registry):
    from odoo.addons.account.tests.common import AccountTestInvoicingCommon

    create_company = AccountTestInvoicingCommon._create_company.__func__

    def create_company_with_parameters(cls, **values):
        company = create_company(cls, **values)
        _turn_on(company.sudo())
        return company

    with patch.object(
        AccountTestInvoicingCommon,
        "_create_company",
        classmethod(create_company_with_parameters),
    ):
        yield


def _turn_on(company):
    if company.parent_id:
        # Accounts and journals of the parent are the branch's too.
        company.write(
            {name: company.parent_id[name] for name in _get_parameter_names(company)}
        )
        return
    env = company.with_company(company).env

    def create_journal(name, code, journal_type="general"):
        return env["account.journal"].create(
            {
                "name": name,
                "code": code,
                "type": journal_type,
                "company_id": company.id,
                # Not the first one that somebody finds.
                "sequence": 99,
            }
        )

    def create_account(name, code, account_type="expense", **values):
        return env["account.account"].create(
            {"name": name, "code": code, "account_type": account_type, **values}
        )

    fee = env["product.product"].create(
        {"name": "Returned payment fee", "type": "service", "list_price": 35}
    )
    returns = create_journal("Returned payments", "CCNSF")
    company.write(
        {
            "collections_settlement_journal_id": create_journal("Settled", "CCSET").id,
            "collections_partial_cash_discount": True,
            "collections_credit_note_cash_discount": True,
            "collections_cash_discount_administration": "specific",
            "collections_max_overunderpayment": 0.05,
            "collections_difference_account_id": create_account(
                "Payment differences", "987701"
            ).id,
            "collections_max_penny_difference": 0.01,
            "collections_penny_difference_account_id": create_account(
                "Penny differences", "987702"
            ).id,
            "collections_writeoff_journal_id": create_journal("Losses", "CCWOF").id,
            "collections_writeoff_account_id": create_account("Losses", "987703").id,
            "collections_writeoff_reason_id": env["collections.writeoff.reason"]
            .search([], limit=1)
            .id,
            "collections_writeoff_separate_tax": True,
            "collections_writeoff_draft": True,
            "collections_writeoff_review_amount": 1000.0,
            "collections_nsf_journal_id": returns.id,
            "collections_reimbursement_minimum": 25.0,
            "collections_reimbursement_account_id": create_account(
                "Reimbursements", "299001", "liability_current", reconcile=True
            ).id,
            "collections_reimbursement_journal_id": create_journal(
                "Reimbursements", "CCREI", "purchase"
            ).id,
            "collections_reimbursement_vendor": "same",
            "collections_snapshot_retention_days": 365,
        }
    )
    env["account.journal"].search(
        [("type", "=", "bank"), ("company_id", "=", company.id)]
    ).write(
        {
            "collections_nsf_journal_id": returns.id,
            "collections_nsf_fee_product_id": fee.id,
        }
    )


def _get_parameter_names(company):
    """Return the fields with the parameters of a company."""
    return [
        name
        for name, field in company._fields.items()
        if name.startswith("collections_") and field.store and not field.related
    ]
