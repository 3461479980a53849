from odoo.exceptions import UserError, ValidationError
from odoo.tests import Form, tagged

from .common import AGENT, CollectionsCommon


@tagged("post_install", "-at_install")
class TestCollectionsPool(CollectionsCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.company_partner = cls._create_customer("Company", is_company=True)
        cls.contact = cls._create_customer(
            "Contact", parent_id=cls.company_partner.id, function="Buyer"
        )
        cls.single = cls._create_customer("Single", function="Buyer", ref="S")

    def _create_pool(self, domain, **values):
        return self.env["collections.pool"].create(
            {"name": "Pool", "domain": domain, **values}
        )

    def test_contact_who_matches_means_his_company(self):
        pool = self._create_pool("[('function', '=', 'Buyer')]")
        self.assertEqual(
            pool.get_partners(), sorted((self.company_partner + self.single).ids)
        )
        self.assertEqual(pool.customer_count, 2)

    def test_same_values_twice(self):
        """A program may use what it gave once more."""
        vals = {"name": "Pool", "domain": "[('ref', '=', 'S')]"}
        Pool = self.env["collections.pool"]
        pools = Pool.create(vals) | Pool.create(vals)
        self.assertEqual(pools.mapped("customer_count"), [1, 1])

    def test_pools_together_name_each_customer_once(self):
        pools = self._create_pool("[('ref', '=', 'S')]") + self._create_pool(
            "[('function', '=', 'Buyer')]"
        )
        self.assertEqual(
            pools.get_partners(), sorted((self.company_partner + self.single).ids)
        )
        self.assertEqual(self.env["collections.pool"].get_partners(), [])

    def test_query_may_use_the_latest_figures(self):
        self._create_item(self.single, 1500, "2026-01-31")
        self._create_item(self.company_partner, 900, "2026-01-31")
        pool = self._create_pool("[('collections_balance_ids.amount_due', '>', 1000)]")
        self.assertEqual(pool.get_partners(), [])
        self._run_snapshot("2026-03-31")
        self.assertEqual(pool.get_partners(), self.single.ids)
        self._create_item(self.single, -600, "2026-01-31")
        self._run_snapshot("2026-03-31")
        self.assertEqual(pool.get_partners(), [])

    def test_figures_of_other_companies_do_not_count(self):
        other = self.setup_other_company()["company"]
        self._create_item(self.single, 1500, "2026-01-31")
        self._run_snapshot("2026-03-31")
        domain = "[('collections_balance_ids.amount_due', '>', 1000)]"
        here = self._create_pool(domain)
        there = self._create_pool(domain, company_id=other.id)
        self.assertEqual(here.get_partners(), self.single.ids)
        self.assertEqual(here.sudo().get_partners(), self.single.ids)
        self.assertEqual(there.sudo().get_partners(), [])

    def test_broken_queries_are_refused_with_a_clear_error(self):
        for domain in (
            "[('no_such_field', '=', 1)]",
            "[('name', '=', 1",
            "['|', ('name', '=', 'x')]",
            "[('name', 'resembles', 'x')]",
            "__import__('os').getcwd()",
            "name = 'x'",
            "7",
        ):
            with (
                self.subTest(domain=domain),
                self.assertRaisesRegex(
                    ValidationError, "query of the customer pool Pool is not valid"
                ),
            ):
                self._create_pool(domain)

    def test_query_broken_later_does_not_break_the_lists(self):
        pool = self._create_pool("[('ref', '=', 'S')]")
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE collections_pool SET domain = %s WHERE id = %s",
            ["[('gone', '=', 1)]", pool.id],
        )
        pool.invalidate_recordset()
        self.assertEqual(pool.customer_count, 0)
        self.assertNotIn(pool, self.single.collections_pool_ids)
        for call in (
            pool.get_partners,
            pool.action_view_partners,
            lambda: self._run_snapshot("2026-03-31", pool_id=pool.id),
        ):
            with self.assertRaisesRegex(UserError, "query of the customer pool Pool"):
                call()

    def test_no_query_means_all(self):
        """Programs may send False where the screen sends an empty list."""
        pool = self._create_pool(False)
        self.assertEqual(pool.domain, "[]")
        pool.write({"domain": "[('name', '=', 'x')]"})
        pool.write({"domain": False})
        self.assertEqual(pool.domain, "[]")
        self.assertIn(self.single.id, pool.get_partners())

    def test_author_cannot_query_what_he_may_not_read(self):
        manager = self._create_user(
            "head_of_collections", "credit_collections.group_collections_manager"
        )
        Pool = self.env["collections.pool"].with_user(manager)
        with self.assertRaisesRegex(ValidationError, "may not read"):
            Pool.create({"name": "Peep", "domain": "[('signup_type', '!=', False)]"})

    def test_customers_know_their_pools(self):
        pool = self._create_pool("[('function', '=', 'Buyer')]")
        self.assertIn(pool, self.contact.collections_pool_ids)
        self.assertIn(pool, self.company_partner.collections_pool_ids)
        found = self.env["res.partner"].search(
            [("collections_pool_ids", "in", pool.ids)]
        )
        self.assertEqual(found, self.company_partner + self.single)

    def test_preview_opens_the_customers(self):
        pool = self._create_pool("[('function', '=', 'Buyer')]")
        action = pool.action_view_partners()
        self.assertEqual(
            self.env["res.partner"].search(action["domain"]),
            self.company_partner + self.single,
        )

    def test_pool_takes_definitions_of_its_company_only(self):
        other = self.setup_other_company()["company"]
        foreign = self._create_definition(
            "Foreign", [("All", -1, "unlimited")], company_id=other.id
        )
        with self.assertRaisesRegex(ValidationError, "Foreign belongs to company_2"):
            self._create_pool("[]", definition_id=foreign.id)
        with self.assertRaisesRegex(ValidationError, "Foreign belongs to company_2"):
            self._create_pool("[]", definition_id=foreign.id, company_id=False)

    def test_pool_of_a_branch_takes_definitions_of_the_head_office(self):
        """As the parameters and the snapshots of the branch do."""
        branch = self._create_branch(self._create_customer())
        values = {"company_id": self.company.id}
        head = self._create_definition("Head", [("All", -1, "unlimited")], **values)
        pool = self._create_pool(
            "[]", definition_id=head.id, company_id=branch.id, name="Branch"
        )
        snapshot = self._run_snapshot(
            "2026-03-31", company_id=branch.id, pool_id=pool.id
        )
        self.assertEqual(snapshot.definition_id, head)
        found = self.env["collections.aging.definition"].search(
            ["|", ("company_id", "=", False), ("company_id", "parent_of", False)]
        )
        self.assertNotIn(head, found, "proposed for pools of all companies")

    def test_pool_of_an_agent_stays_with_his_company(self):
        other = self.setup_other_company()["company"]
        pool = self._create_pool("[('ref', '=', 'S')]", company_id=self.company.id)
        agent = self.env["collections.agent"].create(
            {"user_id": self._create_user("collector", AGENT).id}
        )
        for values in ({"pool_ids": pool.ids}, {"default_pool_id": pool.id}):
            agent.write({"pool_ids": False, "default_pool_id": False, **values})
            with (
                self.assertRaisesRegex(ValidationError, "of another company"),
                self.env.cr.savepoint(),
            ):
                pool.company_id = other
            pool.invalidate_recordset()
        agent.write({"pool_ids": False, "default_pool_id": False})
        pool.company_id = other

    def test_used_pool_cannot_be_deleted_unseen(self):
        pool = self._create_pool("[('ref', '=', 'S')]")
        self._run_snapshot("2026-03-31", pool_id=pool.id)
        with self.assertRaisesRegex(UserError, "snapshots of the customer pool"):
            pool.unlink()

    def test_agent_may_use_pools_but_not_write_them(self):
        pool = self._create_pool("[('ref', '=', 'S')]")
        agent = self._create_user("collector", AGENT)
        self.assertEqual(pool.with_user(agent).get_partners(), self.single.ids)

    def test_form_counts_while_the_query_is_typed(self):
        form = Form(self.env["collections.pool"])
        form.name = "Typed"
        form.domain = "[('ref', '=', 'S')]"
        self.assertEqual(form.customer_count, 1)
        self.assertEqual(form.save().get_partners(), self.single.ids)
