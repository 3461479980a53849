# Contacts, products and terms of the demo books, which stay when the addon goes.
DEMO_MODELS_IN_BOOKS = [
    "account.payment.term",
    "product.product",
    "product.template",
    "res.partner",
    "res.users",
]


def uninstall_hook(env):
    """Clear the way, so that nothing of the addon is left but the ledger."""
    # Snapshots keep the definitions and pools they use from being deleted, returned
    # payments their reasons.
    env.cr.execute("DELETE FROM collections_aging_snapshot")
    env.cr.execute("DELETE FROM collections_payment_return")
    # Activities keep their type from being deleted.
    env["mail.activity"].with_context(active_test=False).search(
        [
            (
                "activity_type_id",
                "=",
                env["collections.payment.return"]._get_activity_type().id,
            )
        ]
    ).activity_type_id = env.ref("mail.mail_activity_data_todo")
    # What invoices use cannot be deleted with the demo data that brought it.
    env["ir.model.data"].search(
        [
            ("module", "=", "credit_collections"),
            ("model", "in", DEMO_MODELS_IN_BOOKS),
        ]
    ).unlink()
