import psycopg2

from odoo import Command
from odoo.exceptions import UserError, ValidationError
from odoo.tests import Form, tagged
from odoo.tools import mute_logger

from .common import AGENT, CollectionsCommon


@tagged("post_install", "-at_install")
class TestCollectionsAgent(CollectionsCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.user = cls._create_user("collector", AGENT)
        cls.colleague = cls._create_user("colleague", AGENT)
        cls.Agent = cls.env["collections.agent"]

    def test_first_agent_makes_the_team_collections(self):
        self.assertFalse(self.company.collections_team_id)
        agent = self.Agent.create({"user_id": self.user.id})
        team = self.company.collections_team_id
        self.assertEqual((team.name, team.company_id), ("Collections", self.company))
        self.assertEqual((agent.team_id, team.member_ids), (team, self.user))
        second = self.Agent.create({"user_id": self.colleague.id})
        self.assertEqual(second.team_id, team)
        self.assertEqual(team.member_ids, self.user | self.colleague)

    def test_agent_works_for_the_company(self):
        other = self.setup_other_company()["company"]
        with self.assertRaisesRegex(UserError, "collector"), self.env.cr.savepoint():
            self.Agent.create({"user_id": self.user.id, "company_id": other.id})
        self.user.company_ids |= other
        agent = self.Agent.create({"user_id": self.user.id, "company_id": other.id})
        self.assertEqual(agent.team_id.company_id, other)

    def test_agents_join_the_team_of_the_parameters(self):
        team = self.env["collections.team"].create({"name": "North"})
        self.company.collections_team_id = team
        agents = self.Agent.create(
            [{"user_id": self.user.id}, {"user_id": self.colleague.id}]
        )
        self.assertEqual(agents.team_id, team)
        self.assertEqual(team.member_ids, self.user | self.colleague)

    def test_team_in_use_stays_with_its_company(self):
        other = self.setup_other_company()["company"]
        agent = self.Agent.create({"user_id": self.user.id})
        team = agent.team_id
        for change in ({"active": False}, {"team_id": self._create_team("East").id}):
            with (
                self.assertRaisesRegex(ValidationError, "used by company_1_data"),
                self.cr.savepoint(),
            ):
                team.company_id = other
            agent.write(change)
        with self.assertRaisesRegex(ValidationError, "in the parameters"):
            team.company_id = other
        self.company.collections_team_id = agent.team_id
        team.company_id = other
        self.assertEqual(team.company_id, other)

    def _create_team(self, name):
        return self.env["collections.team"].create({"name": name})

    def test_nobody_joins_a_team_that_was_archived(self):
        former = self.Agent.create({"user_id": self.user.id}).team_id
        former.active = False
        step = self.env["collections.setup"]._get_step("team", self.company)
        self.assertFalse(step.is_done)
        team = self.Agent.create({"user_id": self.colleague.id}).team_id
        self.assertTrue(team.active)
        self.assertEqual(self.company.collections_team_id, team)
        self.assertEqual(former.member_ids, self.user)

    def test_branch_with_the_team_of_its_head_office(self):
        branch = self._create_branch(self._create_customer())
        team = self._create_team("All of us")
        branch.collections_team_id = team
        self.user.company_ids |= branch
        agent = self.Agent.create({"user_id": self.user.id, "company_id": branch.id})
        self.assertEqual(agent.team_id, team)
        own = self._create_team("Branch")
        own.company_id = branch
        agent.team_id = own
        own.company_id = self.company
        agent.team_id = team
        self.assertEqual(team.member_ids, self.user)

    def test_each_company_gets_its_own_team(self):
        other = self.setup_other_company()["company"]
        self.user.company_ids |= other
        here = self.Agent.create({"user_id": self.user.id})
        there = self.Agent.create({"user_id": self.user.id, "company_id": other.id})
        self.assertNotEqual(here.team_id, there.team_id)
        self.assertEqual(there.team_id.company_id, other)

    def test_moving_and_leaving_change_the_members(self):
        agent = self.Agent.create({"user_id": self.user.id})
        first = agent.team_id
        second = self.env["collections.team"].create({"name": "South"})
        agent.team_id = second
        self.assertEqual(
            (first.member_ids, second.member_ids), (first.user_id, self.user)
        )
        agent.active = False
        self.assertFalse(second.member_ids)
        agent.active = True
        self.assertEqual(second.member_ids, self.user)
        agent.unlink()
        self.assertFalse(second.member_ids)

    def test_somebody_else_takes_over(self):
        agent = self.Agent.create({"user_id": self.user.id})
        agent.user_id = self.colleague
        self.assertEqual(agent.team_id.member_ids, self.colleague)

    def test_a_user_is_an_agent_of_a_company_once(self):
        self.Agent.create({"user_id": self.user.id})
        with mute_logger("odoo.sql_db"), self.assertRaises(psycopg2.IntegrityError):
            self.Agent.create({"user_id": self.user.id})

    def test_default_pool_must_be_one_he_may_see(self):
        mine, other = self.env["collections.pool"].create(
            [{"name": "A"}, {"name": "B"}]
        )
        with self.assertRaisesRegex(
            ValidationError, "B is the default pool of collector"
        ):
            self.Agent.create(
                {
                    "user_id": self.user.id,
                    "pool_ids": [Command.link(mine.id)],
                    "default_pool_id": other.id,
                }
            )

    def test_pool_of_another_company_is_refused(self):
        other = self.setup_other_company()["company"]
        pool = self.env["collections.pool"].create(
            {"name": "F", "company_id": other.id}
        )
        with self.assertRaisesRegex(ValidationError, "pools F of another company"):
            self.Agent.create({"user_id": self.user.id, "pool_ids": pool.ids})

    def test_form_needs_no_more_than_the_user(self):
        form = Form(self.Agent)
        form.user_id = self.user
        self.assertEqual(form.save().team_id.name, "Collections")
