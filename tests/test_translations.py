import re
from pathlib import Path

import polib

from odoo.tests import TransactionCase, tagged

FOLDER = Path(__file__).parents[1] / "i18n"
PLACEHOLDER = re.compile(r"%\(\w+\)[sdf]|%[sd]|\{\{.*?\}\}")


@tagged("post_install", "-at_install")
class TestTranslations(TransactionCase):
    def _get_texts(self, name):
        return {
            entry.msgid: entry
            for entry in polib.pofile(str(FOLDER / name))
            if not entry.obsolete
        }

    def test_languages_have_every_text(self):
        template = self._get_texts("credit_collections.pot")
        for name in ("nb.po", "nl.po", "sv.po"):
            texts = self._get_texts(name)
            with self.subTest(language=name):
                self.assertEqual(set(texts), set(template))
                self.assertFalse(
                    [text for text in texts.values() if not text.translated()]
                )

    def test_placeholders_are_those_of_the_source(self):
        for path in FOLDER.glob("*.po"):
            for source, entry in self._get_texts(path.name).items():
                with self.subTest(language=path.name, source=source):
                    self.assertEqual(
                        sorted(PLACEHOLDER.findall(source)),
                        sorted(PLACEHOLDER.findall(entry.msgstr)),
                    )

    def test_messages_and_views_are_shown_in_the_language_of_the_user(self):
        self.env["res.lang"]._activate_lang("sv_SE")
        module = self.env["ir.module.module"].search(
            [("name", "=", "credit_collections")]
        )
        module._update_translations(["sv_SE"])
        swedish = self.env(context={"lang": "sv_SE"})
        menu = swedish.ref("credit_collections.collections_aging_balance_menu")
        self.assertEqual(menu.name, "Åldersfördelade saldon")
        period = swedish.ref("credit_collections.collections_aging_period_standard_10")
        self.assertEqual(period.name, "Över 180 dagar")
        wizard = swedish["collections.aging.wizard"].fields_get(["date_basis"])
        self.assertIn(("due_date", "Förfallodatum"), wizard["date_basis"]["selection"])
        texts = self._get_texts("sv.po")
        self.assertEqual(
            swedish._("No customer"),
            texts["No customer"].msgstr,
        )
