"""What the benchmarks of work that books entries share."""

from contextlib import closing, contextmanager

from odoo import SUPERUSER_ID, api


class LedgerBench:
    """Measures work on one set of books, each run of it in a transaction of its own."""

    books = None  # the module that writes them
    max_repeats = 3

    def __init__(self, registry, options, report):
        self.registry = registry
        self.repeats = min(options.repeat, self.max_repeats)
        self.report = report
        self.user_id = SUPERUSER_ID

    @classmethod
    def run_on_books(cls, databases, options, report):
        """Run on the smallest books: what else is in there hardly counts."""
        size = min(options.sizes)
        with databases.books(size, options.keep, cls.books) as registry:
            cls(registry, options, report).run()

    def run(self):
        """Print a line per measure."""
        raise NotImplementedError

    @contextmanager
    def _rolled_back(self):
        """Provide the environment of a transaction that leaves nothing behind."""
        with closing(self.registry.cursor()) as cr:
            yield api.Environment(cr, self.user_id, {})


def get_values(record, names):
    """Return the values of a record in the form that `create` takes them."""
    return record._convert_to_write({name: record[name] for name in names})
