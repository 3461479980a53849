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
    # Pools keep the definitions they use, agents their teams.
    env.cr.execute("UPDATE collections_pool SET definition_id = NULL")
    env.cr.execute("DELETE FROM collections_agent")
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
    _delete_rest(env)


def _delete_rest(env):
    """Delete what Odoo itself leaves of any addon that it uninstalls."""
    # What users kept for themselves of our lists, and files of our records.
    env.cr.execute("DELETE FROM ir_filters WHERE model_id LIKE 'collections.%'")
    env.cr.execute("DELETE FROM ir_exports WHERE resource LIKE 'collections.%'")
    env["ir.attachment"].search([("res_model", "=like", "collections.%")]).unlink()
    # The names that mail, portal and others gave to what our models have from them.
    env.cr.execute(
        """
        DELETE FROM ir_model_data
         WHERE module != 'credit_collections'
           AND (
               model = 'ir.model.fields.selection'
               AND res_id IN (
                   SELECT selection.id
                     FROM ir_model_fields_selection selection
                     JOIN ir_model_fields field ON field.id = selection.field_id
                    WHERE field.model LIKE 'collections.%'
               )
               OR model = 'ir.model.inherit'
               AND res_id IN (
                   SELECT inherit.id
                     FROM ir_model_inherit inherit
                     JOIN ir_model model ON model.id = inherit.model_id
                    WHERE model.model LIKE 'collections.%'
               )
           )
        """
    )
    # Foreign keys go with their columns, their descriptions do not.
    env.cr.execute(
        """
        DELETE FROM ir_model_constraint
         WHERE type = 'f'
           AND module IN (
               SELECT id FROM ir_module_module WHERE name = 'credit_collections'
           )
        """
    )
