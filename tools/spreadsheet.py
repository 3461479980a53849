"""Spreadsheets: sheets of typed rows, written with XlsxWriter.

Nothing here knows of Odoo: the caller brings texts, dates and numbers. What looks like
a formula or a link in a text stays text. Rows are taken one by one and put aside at
once, so that the memory used does not grow with their number.
"""

import datetime
import io
import re
from collections.abc import Iterable
from typing import NamedTuple

import xlsxwriter

MAX_TEXT = 32767  # what a cell can hold
# What the export takes for a formula or a link.
ACTIVE_TEXTS = (
    "=",
    "{=",
    "external:",
    "file://",
    "ftp://",
    "http://",
    "https://",
    "internal:",
    "mailto:",
)
# What may be taken for a formula in a .csv file, beyond what Odoo escapes itself.
ACTIVE_CSV_TEXTS = ("@", "{=", "\t", "\r", "\n")
MAX_SHEET_NAME = 31
DATE_FORMAT = 14  # the short date of whoever opens the file
PAPER_A4 = 9


class Column(NamedTuple):
    """A column of a sheet.

    :param heading: text in the frozen first row
    :param width: in characters
    :param number_format: for its amounts; when empty each row brings its own
    """

    heading: str
    width: int
    number_format: str = ""


class Row(NamedTuple):
    """A row of a sheet.

    Texts, dates, integers (counts) and floats (amounts) are told apart by their type;
    what is None or False stays empty.

    :param values: one for each column
    :param number_format: for amounts in columns without a format
    :param is_bold: whether it is a title or a total
    """

    values: list
    number_format: str = "#,##0.00"
    is_bold: bool = False


class Sheet(NamedTuple):
    """A sheet: the first row holds the headings and stays on screen."""

    name: str
    columns: list[Column]
    rows: Iterable[Row]


def get_number_format(decimals, symbol="", is_symbol_first=False):
    """Return the number format of a currency.

    :param int decimals: decimal places of the currency
    :param str symbol: its sign, may be empty
    :param bool is_symbol_first: whether the sign stands before the amount

    >>> get_number_format(2, "€")
    '#,##0.00 "€"'
    >>> get_number_format(0, "¥", True)
    '"¥" #,##0'
    >>> get_number_format(3)
    '#,##0.000'
    """
    number = "#,##0" + ("." + "0" * decimals if decimals else "")
    sign = symbol.replace('"', "")
    if not sign:
        return number
    return f'"{sign}" {number}' if is_symbol_first else f'{number} "{sign}"'


def get_sheet_name(name, taken=()):
    """Return a name that a sheet may have: short, without signs of formulas, unique.

    >>> get_sheet_name("Open/Closed: [2026]")
    'Open Closed 2026'
    >>> get_sheet_name("Items", {"items"})
    'Items 2'
    """
    clean = re.sub(r"[\[\]:*?/\\\s]+", " ", name).strip().strip("'") or "Sheet"
    result, number = clean[:MAX_SHEET_NAME], 1
    while result.lower() in taken:
        number += 1
        suffix = f" {number}"
        result = clean[: MAX_SHEET_NAME - len(suffix)] + suffix
    return result


def escape_formula(value, active_texts=ACTIVE_TEXTS):
    """Return a value that stays what it is in the spreadsheets that Odoo exports.

    Odoo's own export takes a text that looks like a formula or a link for one.

    >>> escape_formula('=HYPERLINK("http://thief.example")')
    '\'=HYPERLINK("http://thief.example")'
    >>> escape_formula("Contoso = good")
    'Contoso = good'
    >>> escape_formula(5.0)
    5.0
    """
    if isinstance(value, str) and value.startswith(active_texts):
        return f"'{value}"
    return value


def escape_export(exported):
    """Return what Odoo exports with texts that are no formulas.

    :param dict exported: what `export_data` of a model returns
    """
    return {**exported, "datas": escape_rows(exported["datas"])}


def escape_rows(rows, active_texts=ACTIVE_TEXTS):
    """Return rows of values with texts that are no formulas, see `escape_formula`."""
    return [[escape_formula(value, active_texts) for value in row] for row in rows]


def write_workbook(sheets, title="", is_right_to_left=False):
    """Return a workbook.

    :param sheets: iterable of `Sheet`
    :param str title: shown in the properties of the file
    :param bool is_right_to_left: whether the language reads from the right
    :return: the content of an .xlsx file
    :rtype: bytes
    """
    output = io.BytesIO()
    workbook = xlsxwriter.Workbook(
        output,
        {
            "constant_memory": True,
            "strings_to_formulas": False,
            "strings_to_numbers": False,
            "strings_to_urls": False,
        },
    )
    workbook.set_properties({"title": title})
    formats = _Formats(workbook)
    taken = set()
    for sheet in sheets:
        name = get_sheet_name(sheet.name, taken)
        taken.add(name.lower())
        worksheet = workbook.add_worksheet(name)
        if is_right_to_left:
            worksheet.right_to_left()
        _write_sheet(worksheet, sheet, formats)
    workbook.close()
    return output.getvalue()


class _Formats:
    """The cell formats of a workbook, each made once."""

    def __init__(self, workbook):
        self.workbook = workbook
        self.formats = {}
        self.heading = workbook.add_format(
            {
                "bold": True,
                "bg_color": "#E7E9ED",
                "bottom": 1,
                "text_wrap": True,
                "valign": "top",
            }
        )

    def get(self, number_format=None, is_bold=False):
        key = (number_format, is_bold)
        if key not in self.formats:
            properties = {"bold": is_bold}
            if number_format is not None:
                properties["num_format"] = number_format
            if is_bold:
                properties["top"] = 1
            self.formats[key] = self.workbook.add_format(properties)
        return self.formats[key]


def _write_sheet(worksheet, sheet, formats):
    worksheet.freeze_panes(1, 0)
    worksheet.set_landscape()
    worksheet.set_paper(PAPER_A4)
    worksheet.fit_to_pages(1, 0)
    worksheet.repeat_rows(0)
    for index, column in enumerate(sheet.columns):
        worksheet.set_column(index, index, column.width)
        worksheet.write_string(0, index, column.heading, formats.heading)
    for row_index, row in enumerate(sheet.rows, start=1):
        for index, value in enumerate(row.values):
            _write_cell(
                worksheet, row_index, index, value, sheet.columns[index], row, formats
            )


def _write_cell(worksheet, row_index, index, value, column, row, formats):
    if value is None or value is False or value == "":
        if row.is_bold:
            worksheet.write_blank(row_index, index, None, formats.get(None, True))
    elif isinstance(value, str):
        worksheet.write_string(
            row_index, index, value[:MAX_TEXT], formats.get(None, row.is_bold)
        )
    elif isinstance(value, datetime.date):
        worksheet.write_datetime(
            row_index, index, value, formats.get(DATE_FORMAT, row.is_bold)
        )
    elif isinstance(value, int):
        worksheet.write_number(row_index, index, value, formats.get("0", row.is_bold))
    else:
        worksheet.write_number(
            row_index,
            index,
            value,
            formats.get(column.number_format or row.number_format, row.is_bold),
        )
