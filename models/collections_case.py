from odoo import Command, api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.fields import Domain
from odoo.tools import SQL


class CollectionsCase(models.Model):
    """A matter with a customer that takes more than one call: a dispute, a lawsuit."""

    _name = "collections.case"
    _description = "Collections Case"
    _inherit = ["mail.thread", "mail.activity.mixin", "collections.aging.columns"]
    _order = "priority desc, date_deadline, id desc"
    _check_company_auto = True
    _rec_names_search = ["name", "number", "partner_id"]

    number = fields.Char(readonly=True, copy=False, index="trigram")
    name = fields.Char(string="Subject", required=True, tracking=True)
    active = fields.Boolean(default=True)
    state = fields.Selection(
        selection=[("open", "Open"), ("waiting", "Waiting"), ("closed", "Closed")],
        required=True,
        default="open",
        readonly=True,
        copy=False,
        tracking=True,
        group_expand=True,
        help="Waiting: it is the customer's, or somebody else's, turn.",
    )
    category_id = fields.Many2one(
        comodel_name="collections.case.category",
        required=True,
        index=True,
        tracking=True,
        default=lambda self: self._default_category_id(),
        domain="['|', ('company_id', '=', False), ('company_id', '=', company_id)]",
        ondelete="restrict",
    )
    category_type = fields.Selection(related="category_id.category_type", store=True)
    partner_id = fields.Many2one(
        comodel_name="res.partner",
        string="Customer",
        required=True,
        index=True,
        tracking=True,
        domain="[('parent_id', '=', False)]",
        ondelete="restrict",
    )
    company_id = fields.Many2one(
        comodel_name="res.company",
        required=True,
        index=True,
        default=lambda self: self.env.company,
    )
    company_currency_id = fields.Many2one(related="company_id.currency_id")
    user_id = fields.Many2one(
        comodel_name="res.users",
        string="Agent",
        index=True,
        tracking=True,
        default=lambda self: self.env.user,
        domain="[('share', '=', False), ('company_ids', 'in', company_id)]",
    )
    priority = fields.Selection(
        selection=[("0", "Normal"), ("1", "High"), ("2", "Very high")], default="0"
    )
    date_deadline = fields.Date(string="Deadline", tracking=True)
    date_closed = fields.Date(string="Closed on", readonly=True, copy=False)
    description = fields.Html()
    move_line_ids = fields.One2many(
        comodel_name="account.move.line",
        inverse_name="collections_case_id",
        string="Items",
    )
    item_count = fields.Integer(string="Items Count", compute="_compute_items")
    open_item_count = fields.Integer(string="Open Items", compute="_compute_items")
    amount_open = fields.Monetary(
        compute="_compute_items",
        currency_field="company_currency_id",
        help="What is open of the items, in company currency.",
    )
    is_late = fields.Boolean(compute="_compute_is_late")

    def _default_category_id(self):
        return self.env["collections.case.category"].search(
            [
                ("category_type", "=", "collections"),
                ("company_id", "in", [False, self.env.company.id]),
            ],
            limit=1,
        )

    # === COMPUTE METHODS === #

    @api.depends("move_line_ids.amount_residual", "move_line_ids.reconciled")
    def _compute_items(self):
        groups = self.env["account.move.line"]._read_group(
            [("collections_case_id", "in", self.ids)],
            ["collections_case_id", "reconciled"],
            ["__count", "amount_residual:sum"],
        )
        self.item_count = self.open_item_count = self.amount_open = 0
        for case, reconciled, count, amount in groups:
            case.item_count += count
            case.amount_open += amount
            if not reconciled:
                case.open_item_count += count

    @api.depends("date_deadline", "state")
    def _compute_is_late(self):
        today = fields.Date.context_today(self)
        for case in self:
            case.is_late = bool(
                case.state != "closed"
                and case.date_deadline
                and case.date_deadline < today
            )

    @api.depends("number", "name")
    def _compute_display_name(self):
        for case in self:
            case.display_name = " ".join(
                part for part in (case.number, case.name) if part
            )

    @api.model
    def _get_collections_company_sql(self, alias):
        # OVERRIDE: a case is one company's
        return SQL.identifier(alias, "company_id", to_flush=self._fields["company_id"])

    # === CONSTRAINTS === #

    @api.constrains("partner_id", "company_id")
    def _check_items_customer(self):
        for case in self:
            items_sudo = case.sudo().move_line_ids  # the rule holds for all of them
            case._check_takes_items(items_sudo)

    @api.constrains("category_id", "company_id")
    def _check_category_company(self):
        for case in self:
            owner = case.category_id.company_id
            if owner and owner != case.company_id:
                raise ValidationError(
                    self.env._(
                        "The category %(category)s is one of %(owner)s and cannot be "
                        "used for a case of %(company)s.",
                        category=case.category_id.name,
                        owner=owner.name,
                        company=case.company_id.name,
                    )
                )

    def _check_takes_items(self, items):
        """Refuse items that are not of the customer and company of the case.

        :param items: `account.move.line` to belong to the case
        :raise UserError: names the items
        """
        if not self:
            return
        foreign = items.filtered(
            lambda item: (
                item.partner_id.commercial_partner_id
                != self.partner_id.commercial_partner_id
                or item.company_id != self.company_id
            )
        )
        if foreign:
            raise ValidationError(
                self.env._(
                    "These items are not of %(customer)s in %(company)s, whom the case "
                    "%(case)s is about: %(items)s",
                    customer=self.partner_id.display_name,
                    company=self.company_id.name,
                    case=self.display_name,
                    items=self.env["collections.posting"]._join_names(
                        foreign.mapped("display_name")
                    ),
                )
            )

    # === CRUD METHODS === #

    @api.model_create_multi
    def create(self, vals_list):
        vals_list = [dict(vals) for vals in vals_list]
        commands_list = [vals.pop("move_line_ids", None) for vals in vals_list]
        for vals in vals_list:
            if not vals.get("number"):
                vals["number"] = self.env["ir.sequence"].next_by_code(
                    "collections.case"
                )
            if vals.get("partner_id"):
                partner = self.env["res.partner"].browse(vals["partner_id"])
                vals["partner_id"] = partner.commercial_partner_id.id
            if not vals.get("name"):
                # Programs open cases of a kind, without a subject.
                values = {**self.default_get(["name", "category_id"]), **vals}
                category = self.env["collections.case.category"].browse(
                    values.get("category_id")
                )
                vals["name"] = values.get("name") or category.name
        cases = super().create(vals_list)
        for case, commands in zip(cases, commands_list, strict=True):
            case._apply_item_commands(commands or [])
        return cases

    def write(self, vals):
        vals = dict(vals)
        commands = vals.pop("move_line_ids", None)
        if vals.get("partner_id"):
            partner = self.env["res.partner"].browse(vals["partner_id"])
            vals["partner_id"] = partner.commercial_partner_id.id
        if "state" in vals:
            vals["date_closed"] = (
                vals.get("date_closed") or fields.Date.context_today(self)
                if vals["state"] == "closed"
                else False
            )
        result = super().write(vals) if vals else True
        if "partner_id" in vals:
            # What is planned, and was done, is about the customer of the case.
            activities_sudo = self.env["mail.activity"].sudo()
            activities_sudo.with_context(active_test=False).search(
                [("res_model", "=", self._name), ("res_id", "in", self.ids)]
            )._compute_collections_partner_id()
        for case in self:
            case._apply_item_commands(commands or [])
        return result

    def _apply_item_commands(self, commands):
        """Put items in and take them out, as the commands of a written field say.

        Agents only read journal items, so this goes through the checked method.
        """
        Line = self.env["account.move.line"]
        before = items = self.move_line_ids
        for command in commands:
            if isinstance(command, int):
                items |= Line.browse(command)
                continue
            operation, line_id, *value = command
            if operation == Command.LINK:
                items |= Line.browse(line_id)
            elif operation in (Command.UNLINK, Command.DELETE):
                items -= Line.browse(line_id)
            elif operation == Command.SET:
                items = Line.browse(value[0])
            elif operation == Command.CLEAR:
                items = Line
            else:
                raise UserError(
                    self.env._("A case takes existing items; it does not change them.")
                )
        (before - items).action_leave_collections_case()
        if items - before:
            (items - before).action_assign_collections_case(self.id)

    # === ACTION METHODS === #

    def action_wait(self):
        """Put the cases aside until somebody else did something.

        :return: True
        """
        return self.write({"state": "waiting"})

    def action_reopen(self):
        """Work on the cases again.

        :return: True
        """
        return self.write({"state": "open"})

    def action_send_collections_email(self, kind="collections"):
        """Open the composer with the e-mail about the customers of the cases.

        See `res.partner.action_send_collections_email`.
        """
        company = self.env["collections.recipient"]._get_one_company(self)
        return self.partner_id.with_context(
            collections_company_id=company.id
        ).action_send_collections_email(kind)

    def action_close(self):
        """Close the cases. What is still open of the items stays with them.

        :return: True
        """
        closing = self.filtered(lambda case: case.state != "closed")
        for case in closing.filtered("open_item_count"):
            case.message_post(
                body=self.env._(
                    "Closed with %(count)s open items, %(amount)s.",
                    count=case.open_item_count,
                    amount=case.company_currency_id.format(case.amount_open),
                )
            )
        return closing.write(self._prepare_close_vals())

    def _prepare_close_vals(self):
        """Return the values that close a case."""
        return {"state": "closed"}

    def action_view_items(self):
        """Open the items of the cases."""
        self.check_access("read")
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "credit_collections.account_move_line_action_open_items"
        )
        action["domain"] = [("collections_case_id", "in", self.ids)]
        action["context"] = {"create": False}
        return action

    def action_open_collections_page(self):
        """Open the collections page of the customer."""
        return self.partner_id.action_open_collections_page()

    # === BUSINESS METHODS === #

    @api.model
    def _get_open_domain(self):
        """Return the domain of the cases that are not closed."""
        return Domain("state", "!=", "closed")
