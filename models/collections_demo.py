from odoo import api, models

from ..demo.books import DemoBooks


class CollectionsDemo(models.AbstractModel):
    """The way from the demo files, which can only call models, to `demo/books.py`."""

    _name = "collections.demo"
    _description = "Collections Demo Data"

    @api.model
    def _load_books(self):
        """Write the demo books. Without the demo customers this does nothing."""
        brightwater = self.env.ref(
            "credit_collections.res_partner_brightwater", raise_if_not_found=False
        )
        return bool(brightwater) and DemoBooks(self.env).load()
