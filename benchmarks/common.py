"""What all benchmarks share: measuring a piece of work, judging it, printing it."""

import dataclasses
import gc
import math
import statistics
import threading
import time
from contextlib import contextmanager

import psutil

MEGABYTE = 1024 * 1024


class Wrong(Exception):
    """Two sides that must agree do not: the figures would mean nothing."""


@dataclasses.dataclass
class Cost:
    """What one run of a piece of work took."""

    seconds: float = 0.0
    queries: int = 0
    megabytes: float = 0.0  # growth of this process, at its highest


class _HighestMemory(threading.Thread):
    """Watches the memory of this process until it is told to stop."""

    def __init__(self):
        super().__init__(daemon=True)
        self._process = psutil.Process()
        self._stopped = threading.Event()
        self.start_bytes = self.highest = self._process.memory_info().rss

    def run(self):
        while not self._stopped.wait(0.02):
            self._look()

    def stop(self):
        self._stopped.set()
        self.join()
        self._look()
        return (self.highest - self.start_bytes) / MEGABYTE

    def _look(self):
        self.highest = max(self.highest, self._process.memory_info().rss)


@contextmanager
def measured(env):
    """Measure the block: wall time, statements sent by its cursor, memory growth.

    It starts with empty ORM caches, and what the block left unwritten is written inside
    the measured time.
    """
    env.flush_all()
    env.invalidate_all()
    gc.collect()
    cost = Cost()
    memory = _HighestMemory()
    memory.start()
    queries = env.cr.sql_log_count
    start = time.perf_counter()
    try:
        yield cost
        env.flush_all()
        cost.seconds = time.perf_counter() - start
        cost.queries = env.cr.sql_log_count - queries
    finally:
        cost.megabytes = memory.stop()


@contextmanager
def explained(cr, title):
    """Print the plans of the statements of the block; its times are of no use then."""
    cr.execute("LOAD 'auto_explain'")
    cr.execute(
        """
        SET LOCAL auto_explain.log_min_duration = 1;
        SET LOCAL auto_explain.log_analyze = on;
        SET LOCAL auto_explain.log_buffers = on;
        SET LOCAL auto_explain.log_triggers = on;
        SET LOCAL client_min_messages = log
        """
    )
    notices = cr._cnx.notices
    del notices[:]
    yield
    print(f"\n=== {title} ===")
    print("\n".join(notices), flush=True)
    del notices[:]
    cr.execute("SET LOCAL auto_explain.log_min_duration = -1")


def median(costs):
    """Return the median of several runs, each figure on its own."""
    return Cost(
        *(
            statistics.median(getattr(cost, field.name) for cost in costs)
            for field in dataclasses.fields(Cost)
        )
    )


@dataclasses.dataclass
class AtMost:
    """Ours may take at most this many times theirs, or so many seconds more."""

    times: float
    seconds: float = 0.0

    def get_ratio(self, ours, theirs):
        return ours / theirs if theirs else math.inf

    def is_met(self, ours, theirs):
        return ours <= max(self.times * theirs, theirs + self.seconds)

    def __str__(self):
        return f"<= {self.times:g}{_tell_seconds('or +', self.seconds)}"


@dataclasses.dataclass
class AtLeast:
    """Theirs must take at least this many times ours, or ours so many seconds."""

    times: float
    seconds: float = 0.0

    def get_ratio(self, ours, theirs):
        return theirs / ours if ours else math.inf

    def is_met(self, ours, theirs):
        return self.times * ours <= theirs or ours <= self.seconds

    def __str__(self):
        return f">= {self.times:g}{_tell_seconds('or ', self.seconds)}"


def _tell_seconds(word, seconds):
    return f" {word}{seconds * 1000:.0f} ms" if seconds else ""


class Report:
    """Prints one line per measure and remembers whether all limits were met."""

    HEADINGS = ("measure", "ours", "theirs", "ratio", "limit", "")
    LAYOUT = "{:<58} {:>10} {:>10} {:>8} {:>16}  {}"

    def __init__(self):
        self.short = []
        self.name = self.title = ""
        self.rows = []  # of the benchmark that runs

    def heading(self):
        self._print(self.HEADINGS)

    def begin(self, name, title):
        """Begin with another benchmark."""
        self.name, self.title = name, title
        self.rows = []

    def measure(self, name, ours, theirs, limit=None, unit="s"):
        """Judge one figure of ours against one of theirs.

        :param theirs: None when there is nothing to compare with
        :param limit: `AtMost`, `AtLeast`, or None for a figure that is only shown
        """
        ratio = verdict = "-"
        if limit and theirs is not None:
            ratio = f"{limit.get_ratio(ours, theirs):.2f}"
            verdict = "ok" if limit.is_met(ours, theirs) else "short"
        if verdict == "short":
            self.short.append(name)
        self._keep(
            name,
            self._format(ours, unit),
            "-" if theirs is None else self._format(theirs, unit),
            ratio,
            "-" if limit is None else str(limit),
            verdict,
        )

    def give_up(self, what):
        """Print that something could not be measured at all; counts as short."""
        self.short.append(what)
        self._keep(what, "given up", "-", "-", "-", "short")

    def _keep(self, *cells):
        self.rows.append(cells)
        self._print(cells)

    @staticmethod
    def _format(value, unit):
        digits = {"s": 3, "MB": 1, "us": 3, "ms": 3, "each": 2}.get(unit, 0)
        return f"{value:.{digits}f} {unit}".rstrip()

    def _print(self, cells):
        print(self.LAYOUT.format(*cells).rstrip(), flush=True)


def size_name(size):
    """Return `10k`, `1M` for 10000, 1000000."""
    for factor, letter in ((1_000_000, "M"), (1_000, "k")):
        if size % factor == 0:
            return f"{size // factor}{letter}"
    return str(size)
