import json

from werkzeug.datastructures import FileStorage

from odoo import http
from odoo.http import request

from odoo.addons.web.controllers.export import (
    CSVExport,
    ExcelExport,
    GroupExportXlsxWriter,
)
from odoo.addons.web.controllers.pivot import TableExporter

from ..tools.spreadsheet import ACTIVE_CSV_TEXTS, escape_formula, escape_rows


def _is_collections_export(model, context):
    """Return whether rows are downloaded from a screen of the addon.

    Exports of core models anywhere else are Odoo's, as they are without the addon. The
    window actions of the addon on core models have the key in their context.
    """
    return model.startswith("collections.") or bool(context.get("collections_export"))


class TextXlsxWriter(GroupExportXlsxWriter):
    """Writes texts as texts: XlsxWriter makes formulas and links of what looks so."""

    def write(self, row, column, cell_value, style=None):
        if not cell_value or not isinstance(cell_value, str):
            return super().write(row, column, cell_value, style)
        return self.worksheet.write_string(row, column, cell_value, style)


class CollectionsExport:
    """Notes in the request that its file is made here, where texts stay texts."""

    def base(self, data):
        params = json.loads(data)
        if _is_collections_export(params["model"], params.get("context", {})):
            request.update_context(collections_export=True)
        return super().base(data)


class CollectionsExcelExport(CollectionsExport, ExcelExport):
    def from_data(self, fields, columns_headers, rows):
        if not request.env.context.get("collections_export"):
            return super().from_data(fields, columns_headers, rows)
        with TextXlsxWriter(fields, columns_headers, len(rows)) as writer:
            for index, row in enumerate(rows, start=1):
                writer._write_row(index, 0, row)
        return writer.value

    def from_group_data(self, fields, columns_headers, groups):
        if not request.env.context.get("collections_export"):
            return super().from_group_data(fields, columns_headers, groups)
        with TextXlsxWriter(fields, columns_headers, groups.count) as writer:
            row = 1
            for name, group in groups.children.items():
                row, _column = writer.write_group(row, 0, name, group)
        return writer.value


class CollectionsCsvExport(CollectionsExport, CSVExport):
    def from_data(self, fields, columns_headers, rows):
        if request.env.context.get("collections_export"):
            # Odoo's writer takes care of the other signs.
            rows = escape_rows(rows, ACTIVE_CSV_TEXTS)
        return super().from_data(fields, columns_headers, rows)


class CollectionsPivotExport(TableExporter):
    @http.route()
    def export_xlsx(self, data, **kw):
        content = data.read() if isinstance(data, FileStorage) else data
        table = json.loads(content)
        if table and _is_collections_export(table["model"], table.get("context", {})):
            headers = [*table["col_group_headers"], table["measure_headers"]]
            for cell in [*table["rows"], *(cell for row in headers for cell in row)]:
                cell["title"] = escape_formula(cell["title"])
            content = json.dumps(table)
        return super().export_xlsx(content, **kw)
