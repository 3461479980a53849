"""Tests that are known to fail are named, with the reason, in files.

They are run and reported as ``xfailed``, or as ``xpassed`` when they do not fail here;
any other failure is one. A line of a file is ``Class.test  # reason``; the reason of a
line without one stands in the comment above it.
"""

from pathlib import Path

import pytest


def pytest_addoption(parser):
    parser.addoption(
        "--known-failures",
        action="append",
        default=[],
        help="A file with names of tests; may be given more than once",
    )


def pytest_collection_modifyitems(config, items):
    known = {}
    for path in config.getoption("--known-failures"):
        known.update(_read(Path(path)))
    for item in items:
        name = f"{item.parent.name}.{item.name}"
        if name in known:
            item.add_marker(pytest.mark.xfail(reason=known[name]))


def _read(path):
    reasons = {}
    above = ""
    for line in path.read_text().splitlines():
        name, _sign, reason = (part.strip() for part in line.partition("#"))
        if name:
            reasons[name] = reason or above
        elif reason:
            above = reason
    return reasons
