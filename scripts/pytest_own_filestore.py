"""Every process of pytest-xdist has files of its own, as it has a database of its own.

pytest-odoo lets them share the files of the database they are copied from: the garbage
collection of one then deletes what only the database of another knows.
"""

import os
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest_odoo

import odoo


@contextmanager
def _own_filestore(original_db_name, db_name):
    if db_name == original_db_name:
        yield
        return
    original = Path(odoo.tools.config.filestore(original_db_name))
    own = Path(odoo.tools.config.filestore(db_name))
    shutil.rmtree(own, ignore_errors=True)
    if original.is_dir():
        # Files of a filestore never change, so links will do.
        shutil.copytree(original, own, copy_function=os.link)
    try:
        yield
    finally:
        shutil.rmtree(own, ignore_errors=True)


pytest_odoo._shared_filestore = _own_filestore
