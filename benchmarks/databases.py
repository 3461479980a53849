"""The databases of the benchmarks: a base with the addons, and books of several sizes.

The base is installed once and copied as a PostgreSQL template for each size. A database
that is kept serves the next run; the addon is updated in it when its code has changed.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from contextlib import closing, contextmanager
from pathlib import Path

import generate
import psycopg2

from odoo import SUPERUSER_ID, api, sql_db
from odoo.modules.registry import Registry
from odoo.tools import SQL, config

ADDON = "credit_collections"
PEERS = ["account_financial_report"]
HERE = Path(__file__).resolve().parent
PREFIX = os.environ.get("BENCH_DB", "bench")

# Keys of ir.config_parameter
CODE_KEY = "bench.code"
BOOKS_KEY = "bench.books"


class SetupError(Exception):
    """The set-up cannot go on; the text says what to do."""


# === ODOO AND THE PEERS === #


def load_odoo(with_peer):
    """Read the Odoo configuration and put the peers on the addons path."""
    rc = os.environ.get("ODOO_RC")
    if not rc:
        raise SetupError(
            'ODOO_RC is not set. Run `./dev bench`, or `eval "$(./dev env)"` first.'
        )
    peers = _get_peers_folder()
    if with_peer and not (peers / "complete").exists():
        _fetch_peers(peers)
    arguments = ["-c", rc, "--log-level=warn", "--log-handler=py.warnings:ERROR"]
    # A statement that runs into its time limit is reported in our own words.
    arguments += ["--log-handler=odoo.sql_db:CRITICAL"]
    if peers.exists():
        sys.path.append(str(peers))
        os.environ["PYTHONPATH"] = os.pathsep.join(
            filter(None, [os.environ.get("PYTHONPATH"), str(peers)])
        )
        config.parse_config(arguments, setup_logging=False)
        folders = [*config["addons_path"], str(peers / "odoo" / "addons")]
        arguments.append(f"--addons-path={','.join(folders)}")
    config.parse_config(arguments, setup_logging=True)
    return arguments


def _get_cache_folder():
    for variable, folder in (
        ("CREDIT_COLLECTIONS_HOME", "."),
        ("DATA_DIR", ".."),
        ("XDG_CACHE_HOME", ADDON),
    ):
        if os.environ.get(variable):
            return Path(os.environ[variable], folder).resolve()
    return Path.home() / ".cache" / ADDON


def _get_peers_folder():
    requirements = (HERE / "requirements.txt").read_bytes()
    key = hashlib.sha256(requirements).hexdigest()[:8]
    return _get_cache_folder() / "bench" / f"peers-{key}"


def _fetch_peers(folder):
    say("fetching the peers from PyPI")
    shutil.rmtree(folder, ignore_errors=True)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    command += ["--disable-pip-version-check", "--target", str(folder)]
    command += ["--requirement", str(HERE / "requirements.txt")]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SetupError(
            f"The peers could not be fetched from PyPI:\n{done.stderr[-2000:]}\n"
            "Is the network there? Use --no-peer to measure without them."
        )
    (folder / "complete").touch()


# === DATABASES === #


class Databases:
    """Makes, updates and drops the databases of the benchmarks."""

    def __init__(self, with_peer):
        self._arguments = load_odoo(with_peer)
        self._modules = [ADDON, *(PEERS if with_peer else [])]
        self._used = []

    @contextmanager
    def books(self, size, contents=generate):
        """Provide the registry of the database with books of this size.

        :param contents: the module that writes the books
        """
        name = self._prepare_books(size, contents)
        try:
            yield Registry(name)
        finally:
            self._close(name)

    def drop(self):
        """Drop the books that were used. The base stays."""
        for name in self._used:
            self._drop(name)

    @contextmanager
    def copy(self, template, name):
        """Provide a copy of a database, for what has to be committed."""
        self._drop(name)
        self._create(name, template)
        try:
            yield
        finally:
            Registry.delete(name)
            self._drop(name)

    def _prepare_books(self, size, contents):
        """Return the name of a database with these books in their present form."""
        name = "_".join(filter(None, (PREFIX, contents.NAME, str(size))))
        if name not in self._used:
            self._used.append(name)
        if self._exists(name):
            if self._get_parameter(name, BOOKS_KEY) == contents.VERSION:
                self._bring_up_to_date(name)
                return name
            self._drop(name)
        plain = contents is generate
        template = (
            self._prepare_base() if plain else self._prepare_books(size, generate)
        )
        self._create(name, template)
        say(
            f"writing books of {size:,} receivable items" if plain else "adding to them"
        )
        with Registry(name).cursor() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            say(contents.Books(env, size).write())
            env["ir.config_parameter"].set_param(BOOKS_KEY, contents.VERSION)
        self._vacuum(name)
        return name

    def _close(self, name):
        sql_db.close_db(name)
        Registry.delete(name)

    def _prepare_base(self):
        name = f"{PREFIX}_base"
        template = os.environ.get("TEMPLATE_DB")
        if not self._exists(name) and template and self._exists(template):
            self._create(name, template)
        self._bring_up_to_date(name)
        with Registry(name).cursor() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            if not env.company.chart_template:
                env["account.chart.template"].try_loading("generic_coa", env.company)
        self._close(name)
        return name

    def _bring_up_to_date(self, name):
        code = _get_fingerprint()
        installed = self._get_installed(name)
        missing = [module for module in self._modules if module not in installed]
        actions = []
        if missing:
            actions += ["-i", ",".join(missing)]
        if ADDON in installed and self._get_parameter(name, CODE_KEY) != code:
            actions += ["-u", ADDON]
        if not actions:
            return
        say(f"{name}: {' '.join(actions)}")
        command = [sys.executable, "-m", "odoo", *self._arguments, "-d", name, *actions]
        command += ["--stop-after-init", "--no-http", "--without-demo"]
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode or " CRITICAL " in done.stdout or " ERROR " in done.stdout:
            raise SetupError(
                f"Odoo could not set up {name}:\n{done.stdout[-4000:]}\n"
                f"Drop the database {name} to begin again."
            )
        with closing(sql_db.db_connect(name).cursor()) as cr:
            cr.execute(
                SQL(
                    "INSERT INTO ir_config_parameter (key, value) VALUES (%s, %s) "
                    "ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value",
                    CODE_KEY,
                    code,
                )
            )
            cr.commit()
        sql_db.close_db(name)

    def _get_installed(self, name):
        if not self._exists(name):
            return set()
        with closing(sql_db.db_connect(name).cursor()) as cr:
            cr.execute("SELECT to_regclass('ir_module_module')")
            if cr.fetchone() == (None,):
                return set()
            cr.execute("SELECT name FROM ir_module_module WHERE state = 'installed'")
            return {module for (module,) in cr.fetchall()}

    def _get_parameter(self, name, key):
        with closing(sql_db.db_connect(name).cursor()) as cr:
            cr.execute(SQL("SELECT value FROM ir_config_parameter WHERE key = %s", key))
            row = cr.fetchone()
            return row and row[0]

    def _exists(self, name):
        with _maintenance() as cr:
            cr.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
            return bool(cr.fetchone())

    def _create(self, name, template):
        say(f"copying {template} to {name}")
        sql_db.close_db(template)
        with _maintenance() as cr:
            cr.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')

    def _drop(self, name):
        sql_db.close_db(name)
        with _maintenance() as cr:
            cr.execute(f'DROP DATABASE IF EXISTS "{name}"')
        shutil.rmtree(config.filestore(name), ignore_errors=True)

    def _vacuum(self, name):
        with _autocommit(name) as cr:
            cr.execute("VACUUM ANALYZE")


@contextmanager
def _autocommit(name):
    """Provide a cursor outside any transaction, for VACUUM and CREATE DATABASE."""
    _name, parameters = sql_db.connection_info_for(name)
    with closing(psycopg2.connect(**parameters)) as connection:
        connection.autocommit = True
        with connection.cursor() as cr:
            yield cr


def _maintenance():
    return _autocommit("postgres")


def _get_fingerprint():
    """Return a fingerprint of what a database holds of the addon's code."""
    digest = hashlib.sha256()
    for path in sorted(HERE.parent.rglob("*")):
        room = path.relative_to(HERE.parent).parts[0]
        if room in {"benchmarks", "tests", "scripts", "static", "i18n", ".git"}:
            continue
        if path.suffix in {".py", ".xml", ".csv"} and path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def say(text):
    print(f"  - {text}", file=sys.stderr, flush=True)
