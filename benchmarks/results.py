"""The last results of every benchmark, kept as a Markdown file beside them."""

import datetime
import os
import platform
import re
from pathlib import Path

import psutil
import psycopg2

from odoo import sql_db

FILE = Path(__file__).resolve().parent / "RESULTS.md"
INTRODUCTION = """# Results of the benchmarks

The last run of each, as `./dev bench` printed it. What counts are the ratios: both
sides ran in turn, in one process, on one database. A line without a limit is there to
look at. Where one is short, the file of the benchmark says why.
"""


def save(report):
    """Put the rows of the benchmark that ran in the place of its former ones.

    :param report: a `common.Report`
    """
    sections = _read()
    sections[report.name] = "\n".join(
        [
            f"## {report.name}",
            "",
            f"{report.title[:1].upper()}{report.title[1:]}.",
            f"{datetime.date.today()}, {_describe_machine()}.",
            "",
            "| " + " | ".join((*report.HEADINGS[:-1], "verdict")) + " |",
            "| --- | ---: | ---: | ---: | ---: | --- |",
            *("| " + " | ".join(row) + " |" for row in report.rows),
            "",
        ]
    )
    texts = [sections[name] for name in sorted(sections)]
    FILE.write_text("\n".join([INTRODUCTION, *texts]), encoding="utf-8")


def _read():
    """Return the sections of the file by the name of their benchmark."""
    if not FILE.exists():
        return {}
    _introduction, *sections = re.split(
        r"^(?=## )", FILE.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    return {section.split()[1]: section.rstrip() + "\n" for section in sections}


def _describe_machine():
    """Describe the machine in general terms."""
    gigabytes = round(psutil.virtual_memory().total / 1024**3)
    _name, parameters = sql_db.connection_info_for("postgres")
    connection = psycopg2.connect(**parameters)
    try:
        version = connection.server_version // 10000
    finally:
        connection.close()
    return (
        f"{os.cpu_count()} processors, {gigabytes} GiB, {platform.system()} "
        f"{platform.machine()}, PostgreSQL {version}, Python "
        f"{'.'.join(platform.python_version_tuple()[:2])}"
    )
