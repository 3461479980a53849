"""Bring `i18n/` up to date with the texts that Odoo exports.

Called by `./dev translations`. Ends with 1 when a language lacks texts.
"""

import sys
from pathlib import Path

import polib

NAME = "credit_collections.pot"
WRAP = 78


def main(exported, folder):
    template = polib.pofile(exported, wrapwidth=WRAP)
    template.metadata.update({"Content-Transfer-Encoding": "8bit"})
    for entry in list(template):
        entry.occurrences = [
            place for place in entry.occurrences if "/tests/" not in place[0]
        ]
        if not entry.occurrences:
            template.remove(entry)
    keep_dates(template, folder / NAME)
    template.save(str(folder / NAME))
    missing = 0
    for path in sorted(folder.glob("*.po")):
        translated = polib.pofile(str(path), wrapwidth=WRAP)
        translated.merge(template)
        for entry in translated.obsolete_entries():
            translated.remove(entry)
        for name in ("POT-Creation-Date", "Content-Transfer-Encoding"):
            translated.metadata[name] = template.metadata[name]
        translated.save(str(path))
        left = translated.untranslated_entries() + translated.fuzzy_entries()
        missing += len(left)
        print(f"{path.name}: {len(translated) - len(left)} texts, {len(left)} missing")
        for entry in left:
            print(f"  {entry.msgid[:100]!r}")
    return 1 if missing else 0


def keep_dates(template, path):
    """Keep the dates of the former file when it has the same texts."""
    if not path.exists():
        return
    former = polib.pofile(str(path))
    if {entry.msgid for entry in former} == {entry.msgid for entry in template}:
        for name in ("POT-Creation-Date", "PO-Revision-Date"):
            template.metadata[name] = former.metadata[name]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
