from odoo import api, models
from odoo.tools import format_amount, format_date

# A preview is for reading: beyond this the entries are shown by account.
PREVIEW_ENTRIES = 10
PREVIEW_LINES = 100


class CollectionsEntryPreview(models.AbstractModel):
    """Shows the entries that a wizard will book, before it does."""

    _name = "collections.entry.preview"
    _description = "Preview of Entries"

    @api.model
    def _get_preview(self, vals_list):
        """Return entries for the preview widget of accounting.

        Few entries are shown line by line, many by account.

        :param list vals_list: values of `account.move`
        :rtype: dict
        """
        lines = [vals for move in vals_list for _c, _i, vals in move["line_ids"]]
        if len(vals_list) > PREVIEW_ENTRIES or len(lines) > PREVIEW_LINES:
            groups = [self._get_preview_by_account(vals_list)]
        else:
            groups = [self._get_preview_of_entry(vals) for vals in vals_list]
        columns = [
            {"field": "account", "label": self.env._("Account")},
            {"field": "name", "label": self.env._("Label")},
        ]
        items = [item for group in groups for _c, _i, item in group["items_vals"]]
        if any(item["amount_currency"] for item in items):
            columns.append(
                self._get_amount_column("amount_currency", self.env._("In Currency"))
            )
        columns.append(self._get_amount_column("debit", self.env._("Debit")))
        columns.append(self._get_amount_column("credit", self.env._("Credit")))
        return {"groups_vals": groups, "options": {"columns": columns}}

    @api.model
    def _get_amount_column(self, field, label):
        return {"field": field, "label": label, "class": "text-end text-nowrap"}

    @api.model
    def _get_preview_of_entry(self, vals):
        partner = self.env["res.partner"].browse(vals["partner_id"] or [])
        currency = self.env["res.company"].browse(vals["company_id"]).currency_id
        return {
            "group_name": ", ".join(
                [
                    format_date(self.env, vals["date"]),
                    self.env["account.journal"].browse(vals["journal_id"]).name,
                    partner.name or self.env._("No customer"),
                ]
            ),
            "items_vals": [
                (0, 0, self._get_preview_item(line["account_id"], line, currency))
                for _command, _id, line in vals["line_ids"]
            ],
        }

    @api.model
    def _get_preview_by_account(self, vals_list):
        totals = {}
        for vals in vals_list:
            for _command, _id, line in vals["line_ids"]:
                key = (
                    vals["company_id"],
                    line["account_id"],
                    line["currency_id"],
                    line["balance"] < 0,
                )
                total = totals.setdefault(
                    key,
                    {
                        "amount_currency": 0.0,
                        "balance": 0.0,
                        "currency_id": line["currency_id"],
                        "count": 0,
                    },
                )
                total["amount_currency"] += line["amount_currency"]
                total["balance"] += line["balance"]
                total["count"] += 1
        Company = self.env["res.company"]
        return {
            "group_name": self.env._("%(count)s entries in sum:", count=len(vals_list)),
            "items_vals": [
                (
                    0,
                    0,
                    self._get_preview_item(
                        key[1],
                        {
                            **total,
                            "name": self.env._("%(count)s lines", count=total["count"]),
                        },
                        Company.browse(key[0]).currency_id,
                    ),
                )
                for key, total in totals.items()
            ],
        }

    @api.model
    def _get_preview_item(self, account_id, line, company_currency):
        currency = self.env["res.currency"].browse(line["currency_id"])
        balance = company_currency.round(line["balance"])
        amount = format_amount(self.env, abs(balance), company_currency)
        return {
            "account": self.env["account.account"].browse(account_id).display_name,
            "name": line["name"],
            "amount_currency": (
                format_amount(self.env, line["amount_currency"], currency)
                if currency != company_currency
                else ""
            ),
            "debit": amount if balance > 0 else "",
            "credit": amount if balance < 0 else "",
        }
