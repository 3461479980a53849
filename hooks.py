# Contacts, products and terms of the demo books, which stay when the addon goes.
DEMO_MODELS_IN_BOOKS = [
    "account.payment.term",
    "product.product",
    "product.template",
    "res.partner",
    "res.users",
]


# Their scheduled actions can be copied, so that more workers share long work.
SHARED_WORK = ["collections.mailing", "collections.reimbursement.run"]


def uninstall_hook(env):
    """Clear the way, so that nothing of the addon is left but the ledger."""
    # Copies of scheduled actions keep the models they work on.
    env["ir.cron"].with_context(active_test=False).search(
        [("model_id.model", "in", SHARED_WORK)]
    ).unlink()
    # Snapshots keep the definitions and pools they use from being deleted, returned
    # payments their reasons.
    env.cr.execute("DELETE FROM collections_aging_snapshot")
    env.cr.execute("DELETE FROM collections_payment_return")
    # Activities keep their types from being deleted; what is planned stays planned.
    env.cr.execute(
        """
        UPDATE mail_activity SET activity_type_id = NULL
         WHERE activity_type_id IN (
               SELECT id FROM mail_activity_type WHERE collections_activity
               )
        """
    )
    env.cr.execute("DELETE FROM mail_activity WHERE res_model = 'collections.case'")
    # Cases keep their categories.
    env.cr.execute("DELETE FROM collections_case")
    # What invoices use cannot be deleted with the demo data that brought it, and
    # reasons in use go with their table.
    env["ir.model.data"].search(
        [
            ("module", "=", "credit_collections"),
            ("model", "in", [*DEMO_MODELS_IN_BOOKS, "collections.writeoff.reason"]),
        ]
    ).unlink()
