"""What the benchmarks of work that books entries share."""

from contextlib import closing, contextmanager

from common import AtMost, median, size_name

from odoo import SUPERUSER_ID, api

# The same work in larger books: only the indexes are deeper.
GROWTH_LIMIT = AtMost(1.5)


class LedgerBench:
    """Measures work on one set of books, each run of it in a transaction of its own."""

    books = None  # the module that writes them
    name = ""  # what is measured again in larger books
    max_repeats = 3

    def __init__(self, registry, options, report):
        self.registry = registry
        self.repeats = min(options.repeat, self.max_repeats)
        self.report = report
        self.user_id = SUPERUSER_ID

    @classmethod
    def run_on_books(cls, databases, options, report):
        """Run all measures on the smallest books, and our work again on larger ones."""
        smallest, *larger = options.sizes
        with databases.books(smallest, cls.books) as registry:
            ours = cls(registry, options, report).run()
        for size in larger:
            with databases.books(size, cls.books) as registry:
                again = cls(registry, options, report).run_again()
            report.measure(
                f"{cls.name}: in books of {size_name(size)} to {size_name(smallest)}",
                again.seconds,
                ours.seconds,
                GROWTH_LIMIT,
            )

    def run(self):
        """Print a line per measure.

        :return: the cost of our work
        """
        raise NotImplementedError

    def run_again(self):
        """Return the cost of our work alone."""
        self._prepare()
        costs = []
        for _repeat in range(1 + self.repeats):
            with self._rolled_back() as env:
                costs.append(self._measure(env))
        # The first run warmed up, and is not counted.
        return median(costs[1:])

    def _prepare(self):
        """Set what the company needs; once for books that are kept."""
        raise NotImplementedError

    def _measure(self, env):
        """Do our work, and return its cost."""
        raise NotImplementedError

    @contextmanager
    def _rolled_back(self):
        """Provide the environment of a transaction that leaves nothing behind."""
        with closing(self.registry.cursor()) as cr:
            yield api.Environment(cr, self.user_id, {})


def get_values(record, names):
    """Return the values of a record in the form that `create` takes them."""
    return record._convert_to_write({name: record[name] for name in names})
