from odoo.exceptions import UserError


class MissingParameterError(UserError):
    """Something has to be set first, and the message knows where.

    Programs get a plain error text; the web client shows it with a button that opens
    the place. Odoo's own `RedirectWarning` is no `UserError`, so callers that catch
    those would miss it.
    """

    def __init__(self, message, action, button):
        """
        :param str message: what is missing and where to set it
        :param dict action: the window action that opens the place
        :param str button: the text of the button
        """
        super().__init__(message)
        self.context = {
            "exception_class": "credit_collections.missing_parameter",
            "action": action,
            "button": button,
        }
