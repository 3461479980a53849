"""A warning or an error that the addon logs fails the test that did not expect it.

Expected ones are caught with ``assertLogs`` or ``mute_logger`` and never get here.
Loggers below ``tests`` belong to Odoo's test classes: the browser's noise comes there.
"""

import logging

import pytest

ADDON = "odoo.addons.credit_collections"


class _AddonRecords(logging.Handler):
    def __init__(self):
        super().__init__(logging.WARNING)
        self.messages = []

    def emit(self, record):
        name = f"{record.name}."
        if name.startswith(f"{ADDON}.") and not name.startswith(f"{ADDON}.tests."):
            self.messages.append(self.format(record))


@pytest.fixture(autouse=True)
def fail_on_logged_warning():
    handler = _AddonRecords()
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    yield
    root.removeHandler(handler)
    if handler.messages:
        pytest.fail("logged during the test:\n" + "\n".join(handler.messages))
