"""A company with customers for the tests in several processes, and what must hold."""

from odoo import Command, fields

CREDIT = 100.0
DEBIT = 80.0


def set_up(env):
    """Give the company all parameters, and let only our scheduled actions run."""
    company = env.company
    if company.collections_writeoff_reason_id:
        return False  # a database that was kept
    if not company.chart_template:
        env["account.chart.template"].try_loading("generic_coa", company)
    # Only what a test triggers shall run; helpers are found among active actions.
    env["ir.cron"].search(
        [("model_id.model", "not like", "collections.%")]
    ).active = False
    env["ir.cron"].search([]).nextcall = fields.Datetime.add(
        fields.Datetime.now(), years=1
    )
    journals = env["account.journal"].create(
        [
            {"name": "Settlements", "code": "CSETL", "type": "general"},
            {"name": "Write-offs", "code": "CWOFF", "type": "general"},
        ]
    )
    loss = env["account.account"].create(
        {"name": "Bad debts", "code": "669990", "account_type": "expense"}
    )
    clearing = env["account.account"].create(
        {
            "name": "Customer reimbursements",
            "code": "219990",
            "account_type": "liability_current",
            "reconcile": True,
        }
    )
    company.write(
        {
            "collections_settlement_journal_id": journals[0].id,
            "collections_writeoff_journal_id": journals[1].id,
            "collections_nsf_journal_id": journals[1].id,
            "collections_writeoff_account_id": loss.id,
            "collections_writeoff_reason_id": env["collections.writeoff.reason"]
            .search([], limit=1)
            .id,
            "collections_reimbursement_account_id": clearing.id,
        }
    )
    env.ref("base.user_admin").email = "collector@example.com"
    return True


def create_customers(env, name, count):
    """Return ids of new customers with an e-mail address."""
    return (
        env["res.partner"]
        .create(
            [
                {
                    "name": f"{name} {number}",
                    "email": f"{name.lower()}{number}@customers.example",
                    "is_company": True,
                    "property_payment_term_id": False,
                }
                for number in range(count)
            ]
        )
        .ids
    )


def create_documents(env, partner_ids, move_type, price):
    """Return ids of the receivable items of new posted invoices or credit notes."""
    moves = env["account.move"].create(
        [
            {
                "move_type": move_type,
                "partner_id": partner_id,
                "invoice_date": fields.Date.today(),
                "invoice_payment_term_id": False,
                "invoice_line_ids": [
                    Command.create(
                        {"name": "Goods", "price_unit": price, "tax_ids": []}
                    )
                ],
            }
            for partner_id in partner_ids
        ]
    )
    moves.action_post()
    return moves.line_ids.filtered(
        lambda line: line.account_type == "asset_receivable"
    ).ids


def create_credits(env, name, count):
    """Return ids of new customers who have a credit note each."""
    partner_ids = create_customers(env, name, count)
    create_documents(env, partner_ids, "out_refund", CREDIT)
    return partner_ids


def create_debit(env, name):
    """Return the ids of a new customer and of the item of his invoice."""
    partner_ids = create_customers(env, name, 1)
    return partner_ids[0], create_documents(env, partner_ids, "out_invoice", DEBIT)[0]


def create_payment(env, partner_id, amount):
    """Return the ids of a posted payment and of its receivable item."""
    payment = env["account.payment"].create(
        {
            "partner_id": partner_id,
            "payment_type": "inbound",
            "partner_type": "customer",
            "amount": amount,
        }
    )
    payment.action_post()
    item = payment.move_id.line_ids.filtered(
        lambda line: line.account_type == "asset_receivable"
    )
    return payment.id, item.id


# === WHAT MUST HOLD AT ANY TIME === #


def find_problems(env):
    """Return all that is wrong in the books, as texts."""
    env.cr.execute(
        """
        SELECT 'entry does not balance: ' || move_id
          FROM account_move_line WHERE parent_state = 'posted'
      GROUP BY move_id HAVING ROUND(SUM(balance), 2) <> 0
     UNION ALL
        SELECT 'trial balance: ' || SUM(balance)
          FROM account_move_line WHERE parent_state = 'posted'
        HAVING ROUND(SUM(balance), 2) <> 0
     UNION ALL
        SELECT 'residual of item ' || line.id || ': ' || line.amount_residual
          FROM account_move_line line
          JOIN account_account account ON account.id = line.account_id
          LEFT JOIN LATERAL (
               SELECT SUM(amount) AS amount FROM account_partial_reconcile
                WHERE debit_move_id = line.id
               ) debit ON TRUE
          LEFT JOIN LATERAL (
               SELECT SUM(amount) AS amount FROM account_partial_reconcile
                WHERE credit_move_id = line.id
               ) credit ON TRUE
         WHERE line.parent_state = 'posted'
           AND account.reconcile
           AND (line.amount_residual <> ROUND(
                   line.balance - COALESCE(debit.amount, 0)
                   + COALESCE(credit.amount, 0), 2)
                OR line.amount_residual * line.balance < 0)
     UNION ALL
        SELECT 'clearing account: ' || SUM(line.balance)
          FROM account_move_line line
          JOIN res_company company
            ON company.id = line.company_id
           AND company.collections_reimbursement_account_id = line.account_id
         WHERE line.parent_state = 'posted'
        HAVING ROUND(SUM(line.balance), 2) <> 0
            OR BOOL_OR(line.amount_residual <> 0)
     UNION ALL
        SELECT 'number used twice: ' || name
          FROM account_move WHERE state = 'posted'
      GROUP BY name, journal_id HAVING COUNT(*) > 1
     UNION ALL
        SELECT 'posted without a number: ' || id
          FROM account_move WHERE state = 'posted' AND COALESCE(name, '/') = '/'
     UNION ALL
        SELECT 'gap before ' || name
          FROM account_move WHERE state = 'posted' AND made_sequence_gap
     UNION ALL
        SELECT 'left in draft: ' || id FROM account_move WHERE state = 'draft'
     UNION ALL
        SELECT 'reimbursement without its bill: ' || id
          FROM collections_reimbursement
         WHERE bill_id IS NULL OR transfer_move_id IS NULL OR run_id IS NULL
        """
    )
    return [text for (text,) in env.cr.fetchall()]


def get_open(env, partner_ids):
    """Return what is open of each customer, in the order given."""
    amounts = dict(
        env["account.move.line"]._read_group(
            [
                ("partner_id", "in", partner_ids),
                ("account_type", "=", "asset_receivable"),
                ("parent_state", "=", "posted"),
            ],
            ["partner_id"],
            ["amount_residual:sum"],
        )
    )
    return [
        round(amounts.get(partner, 0.0), 2)
        for partner in env["res.partner"].browse(partner_ids)
    ]
