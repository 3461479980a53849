from odoo import Command, api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import format_date

from odoo.addons.base.models.ir_model import MODULE_UNINSTALL_FLAG

from ..tools import aging

# Says in the context that a definition checks its periods itself. An object of our own,
# since programs can put any value into a context.
PERIODS_WRITTEN = object()


class CollectionsAgingDefinition(models.Model):
    """A set of aging periods; its periods are the columns of Aged Balances."""

    _name = "collections.aging.definition"
    _description = "Aging Period Definition"
    _order = "sequence, id"

    @api.model
    def default_get(self, fields_list):
        defaults = super().default_get(fields_list)
        if self.env.context.get("collections_default_periods"):
            defaults["period_ids"] = self._prepare_default_periods()
        return defaults

    name = fields.Char(required=True, translate=True)
    active = fields.Boolean(default=True)
    sequence = fields.Integer(
        default=10,
        help="The first definition applies where neither the customer pool nor the "
        "company names one.",
    )
    company_id = fields.Many2one(
        comodel_name="res.company",
        index=True,
        help="Leave empty to share the definition between all companies.",
    )
    period_ids = fields.One2many(
        comodel_name="collections.aging.period",
        inverse_name="definition_id",
        string="Periods",
        copy=True,
    )
    period_count = fields.Integer(compute="_compute_period_count")
    preview_date = fields.Date(
        string="Preview on",
        compute="_compute_preview_date",
        store=False,
        readonly=False,
        help="The date ranges beside the periods are those of this day.",
    )
    snapshot_count = fields.Integer(compute="_compute_snapshot_count")

    # === COMPUTE METHODS === #

    @api.depends("period_ids")
    def _compute_period_count(self):
        for definition in self:
            definition.period_count = len(definition.period_ids)

    def _compute_preview_date(self):
        self.preview_date = fields.Date.context_today(self)

    def _compute_snapshot_count(self):
        groups = self.env["collections.aging.snapshot"]._read_group(
            [("definition_id", "in", self.ids), ("is_refresh", "=", False)],
            ["definition_id"],
            ["__count"],
        )
        count_by_definition = dict(groups)
        for definition in self:
            definition.snapshot_count = count_by_definition.get(definition, 0)

    # === CONSTRAINTS === #

    @api.constrains("period_ids")
    def _check_periods(self):
        """Keep every open item in exactly one period, always."""
        for definition in self:
            problem = definition._get_problem()
            if problem:
                raise ValidationError(problem)

    @api.constrains("company_id")
    def _check_company_of_users(self):
        """A definition of one company cannot serve another one."""
        for definition in self.filtered("company_id"):
            users = (
                self.env["res.company"]
                .sudo()  # a company that the user may not see can use it too
                .search([("collections_aging_definition_id", "=", definition.id)])
            )
            users |= (
                self.env["collections.pool"]
                .sudo()
                .search([("definition_id", "=", definition.id)])
                .company_id
            )
            users |= (
                self.env["collections.aging.snapshot"]
                .sudo()
                .search([("definition_id", "=", definition.id)])
                .company_id
            )
            foreign = users.filtered(
                lambda company, owner=definition.company_id: (
                    owner not in company.parent_ids
                )
            )
            if foreign:
                raise ValidationError(
                    self.env._(
                        "%(definition)s is used by %(companies)s, in the parameters, "
                        "in a customer pool or by snapshots: leave its company empty, "
                        "or copy it for the company.",
                        definition=definition.display_name,
                        companies=", ".join(foreign.mapped("name")),
                    )
                )

    # === CRUD METHODS === #

    @api.model_create_multi
    def create(self, vals_list):
        definitions = super(
            CollectionsAgingDefinition,
            self.with_context(collections_periods_written=PERIODS_WRITTEN),
        ).create(vals_list)
        self._clear_heading_caches()
        return definitions.with_env(self.env)

    def write(self, vals):
        # The periods are judged together, once all commands of the list are done.
        result = super(
            CollectionsAgingDefinition,
            self.with_context(collections_periods_written=PERIODS_WRITTEN),
        ).write(vals)
        self._clear_heading_caches()
        return result

    @api.ondelete(at_uninstall=False)
    def _unlink_except_used(self):
        used = (
            self.env["collections.aging.snapshot"]
            .sudo()  # also those of companies the user is not in at the moment
            .search([("definition_id", "in", self.ids)])
            .definition_id
        )
        if used:
            raise UserError(
                self.env._(
                    "There are aging snapshots made with %(definitions)s, and their "
                    "figures would lose their headings. Archive the definition "
                    "instead, or delete its snapshots first.",
                    definitions=", ".join(used.mapped("display_name")),
                )
            )

    def unlink(self):
        result = super().unlink()
        self._clear_heading_caches()
        return result

    def copy_data(self, default=None):
        vals_list = super().copy_data(default=default)
        for definition, vals in zip(self, vals_list, strict=True):
            if "name" not in (default or {}):
                vals["name"] = self.env._("%s (copy)", definition.name)
        return vals_list

    # === ACTION METHODS === #

    def action_view_snapshots(self):
        """Open the snapshots made with the definition."""
        self.env["collections.posting"]._check_one(self)
        self.check_access("read")
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "credit_collections.collections_aging_snapshot_action"
        )
        action["domain"] = [("definition_id", "=", self.id)]
        return action

    # === BUSINESS METHODS === #

    def get_period_ranges(self, date=False):
        """Return the periods with the dates they cover on an analysis date.

        Dynamics 365 Finance, "Aging period definitions": negative units lie before the
        analysis date, positive ones after it.

        :param date: the analysis date, a date or ISO text; today when empty
        :return: `{"id", "name", "date_from", "date_to", "column"}` of each period,
            oldest first; dates as ISO text, False where the period is open-ended;
            `column` is the field of `collections.aging.balance` that holds its amount
        :rtype: list[dict]
        :raise UserError: when called for none or several, or the date is none
        :raise ValidationError: when the definition has no usable periods
        """
        self.env["collections.posting"]._check_one(self)
        on_date = self._parse_date(date) or fields.Date.context_today(self)
        problem = self._get_problem(on_date)
        if problem:
            raise ValidationError(problem)
        ranges = aging.get_period_ranges(self._get_period_lines(), on_date)
        return [
            {
                "id": period.id,
                "name": period.name,
                "date_from": bool(start) and fields.Date.to_string(start),
                "date_to": bool(end) and fields.Date.to_string(end),
                "column": f"amount_{position}",
            }
            for position, (period, (_key, start, end)) in enumerate(
                zip(self.period_ids.sorted(), ranges, strict=True), start=1
            )
        ]

    @api.model
    def _parse_date(self, value):
        """Return a date that a program has sent.

        :param value: a date, ISO text, or something empty
        :raise UserError: when it is none of these
        """
        try:
            return fields.Date.to_date(value or False)
        except (AttributeError, TypeError, ValueError) as error:
            raise UserError(
                self.env._(
                    "%(value)s is not a date. Dates look like 2026-12-31.", value=value
                )
            ) from error

    @api.model
    def _get_definition(self, company, pool=None):
        """Return the definition in force: pool's, else company's, else the first.

        Dynamics 365 Finance, "Set up collections", names this order.

        :param company: a `res.company`
        :param pool: a `collections.pool`, may be empty
        :return: the definition, empty when there is none
        """
        definition = (pool and pool.definition_id) or (
            company.sudo().collections_aging_definition_id  # a parameter of ours
        )
        if definition:
            return definition.with_env(self.env)
        return self.search(self._get_definition_domain(company), limit=1)

    @api.model
    def _get_definition_domain(self, company):
        return [
            ("period_ids", "!=", False),
            "|",
            ("company_id", "=", False),
            ("company_id", "parent_of", company.ids),
        ]

    @api.model
    def _get_missing_error(self, company):
        """Return the error to raise where no definition applies to a company."""
        return UserError(
            self.env._(
                "There is no aging period definition for %(company)s. Create one under "
                "Configuration > Aging Period Definitions.",
                company=company.name,
            )
        )

    def _get_period_lines(self):
        return [
            aging.PeriodLine(key, period.unit, period.interval)
            for key, period in enumerate(self.period_ids.sorted())
        ]

    def _get_problem(self, on_date=None):
        """Return what is wrong with the periods as a text for the user, or None."""
        self.ensure_one()
        found = aging.find_problem(
            self._get_period_lines(), on_date or fields.Date.context_today(self)
        )
        if not found:
            return None
        problem, key = found
        names = {
            "definition": self.name,
            "period": "" if key is None else self.period_ids.sorted()[key].name,
        }
        return self._get_problem_text(problem, names)

    def _get_problem_text(self, problem, names):
        texts = {
            aging.PROBLEM_EMPTY: self.env._(
                "%(definition)s has no periods yet: add at least one.", **names
            ),
            aging.PROBLEM_TOO_MANY: self.env._(
                "%(definition)s has more than 12 periods: remove some.", **names
            ),
            aging.PROBLEM_OLDEST: self.env._(
                "%(definition)s: the first period, “%(period)s”, must have the "
                "interval Unlimited, or debts older than it would be in no period.",
                **names,
            ),
            aging.PROBLEM_UNLIMITED: self.env._(
                "%(definition)s: “%(period)s” cannot be unlimited there. Only the "
                "first period (past) and the last one (future) can.",
                **names,
            ),
            aging.PROBLEM_ZERO: self.env._(
                "%(definition)s: “%(period)s” is the second period with unit 0. Only "
                "one period can hold the analysis date itself.",
                **names,
            ),
            aging.PROBLEM_ORDER: self.env._(
                "%(definition)s: “%(period)s” is in the wrong place. List the past "
                "periods (negative units) first, then unit 0, then the future ones.",
                **names,
            ),
            aging.PROBLEM_REACH: self.env._(
                "%(definition)s: the periods reach beyond the calendar. Use smaller "
                "units.",
                **names,
            ),
        }
        return texts[problem]

    def _check_periods_written_alone(self):
        """Check after a period was written on its own, not through its definition."""
        if self.env.su and self.env.context.get(MODULE_UNINSTALL_FLAG):
            return  # periods with an external id go one by one
        if self.env.context.get("collections_periods_written") is not PERIODS_WRITTEN:
            self._check_periods()
            self._clear_heading_caches()

    def _get_view_description(self):
        return {"id": self.id, "name": self.name}

    def _get_columns(self, ranges=None):
        """Return the columns of Aged Balances.

        :param list[dict] ranges: the periods as `get_period_ranges` gave them to a
            snapshot; those of today when there is none
        :return: `name` (field), `string` (heading), `date_range` (text) of each column
        :rtype: list[dict]
        """
        self.ensure_one()
        ranges = self.get_period_ranges() if ranges is None else ranges
        periods = self.env["collections.aging.period"].browse(
            [period["id"] for period in ranges]
        )
        # A heading may have been changed since, or its period may be gone.
        headings = {period.id: period.name for period in periods.exists()}
        return [
            {
                "name": period["column"],
                "string": headings.get(period["id"], period["name"]),
                "date_range": self._format_range(
                    fields.Date.to_date(period["date_from"]),
                    fields.Date.to_date(period["date_to"]),
                ),
            }
            for period in ranges
        ]

    def _get_structure(self):
        """Return what the figures of a snapshot depend on, without the headings."""
        self.ensure_one()
        return [[line.unit, line.interval] for line in self._get_period_lines()]

    @api.model
    def _clear_heading_caches(self):
        """Make every process read the headings again.

        View descriptions are kept in memory and hold the headings as field labels.
        """
        self.env.registry.clear_cache("templates")

    def _format_range(self, date_from, date_to):
        """Return the dates of a period as a short text."""
        if not date_from and not date_to:
            return self.env._("All dates")
        if not date_from:
            return self.env._("Until %(date)s", date=format_date(self.env, date_to))
        if not date_to:
            return self.env._("From %(date)s", date=format_date(self.env, date_from))
        if date_from == date_to:
            return format_date(self.env, date_from)
        return self.env._(
            "%(date_from)s to %(date_to)s",
            date_from=format_date(self.env, date_from),
            date_to=format_date(self.env, date_to),
        )

    @api.model
    def _prepare_default_periods(self):
        """Return the periods of a new definition as commands.

        The form starts with them, so that nobody has to begin with an empty list.
        """
        rows = [
            (self.env._("Over 90 days"), -1, "unlimited", "red"),
            (self.env._("61-90 days"), -30, "day", "orange"),
            (self.env._("31-60 days"), -30, "day", "yellow"),
            (self.env._("1-30 days"), -30, "day", "green"),
            (self.env._("Not due"), 0, "unlimited", "none"),
        ]
        return [
            Command.create(
                {
                    "sequence": 10 * position,
                    "name": name,
                    "unit": unit,
                    "interval": interval,
                    "indicator": indicator,
                }
            )
            for position, (name, unit, interval, indicator) in enumerate(rows, start=1)
        ]
