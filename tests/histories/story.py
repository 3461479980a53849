"""Random histories: made from a seed, checked after every step, told when they fail.

A history that fails is told again without some of its steps, until no step can be left
out any more. What is left is the shortest story.
"""

import datetime
from collections import Counter
from random import Random
from time import monotonic

from odoo.exceptions import RedirectWarning, UserError

from . import checks
from .steps import KINDS, NotUndone, Step
from .world import FIRST_DAY, Missing

# Days between two steps: often within a discount period, years in the end.
PAUSES = (0, 0, 1, 2, 4, 7, 10, 30, 60, 150)


class Failure(Exception):
    """A step after which something does not hold."""

    def __init__(self, step, name, problems):
        super().__init__(name)
        self.step = step
        self.name = name
        self.problems = problems


class Teller:
    """Makes histories from seeds and tells them, each in a world of its own."""

    def __init__(self, world, seed):
        self.world = world
        self.seed = seed
        self.done = Counter()  # steps by kind and result

    def make(self, length):
        """Make a history and check it.

        :param int length: the number of steps
        :return: the steps, and the `Failure` or None
        """
        random = Random(self.seed)
        steps = []

        def propose():
            day = FIRST_DAY
            for number in range(1, length + 1):
                day += datetime.timedelta(days=random.choice(PAUSES))
                self.world.day = day
                step = self._propose(random, number, day)
                steps.append(step)
                yield step

        return steps, self._tell(propose())

    def _propose(self, random, number, day):
        kinds = list(KINDS.values())
        weights = [kind.weight for kind in kinds]
        while True:
            kind = random.choices(kinds, weights)[0]
            args = kind.propose(random, self.world)
            if args is not None:
                return Step(number, day, kind.__name__, args)

    def tell(self, steps):
        """Tell a history again.

        :return: the `Failure`, or None
        """
        return self._tell(iter(steps))

    def _tell(self, steps):
        env = self.world.env
        savepoint = env.cr.savepoint()
        try:
            for step in steps:
                self._do(step)
        except Failure as failure:
            return failure
        finally:
            env.cr.precommit.clear()
            savepoint.rollback()
            savepoint.close(rollback=False)
            env.invalidate_all(flush=False)
            env.registry.clear_all_caches()
            self.world.forget()
        return None

    def _do(self, step):
        """Do a step and check what holds.

        :raise Failure: when something does not hold
        """
        world = self.world
        with world.on_day(step.day):
            savepoint = world.env.cr.savepoint()
            try:
                made = KINDS[step.kind].run(world, **step.args)
                world.env.flush_all()
                savepoint.close(rollback=False)
                result = "done"
            except (Missing, UserError, RedirectWarning) as error:
                # Whoever is told no finds the books as they were.
                savepoint.rollback()
                savepoint.close(rollback=False)
                world.env.invalidate_all(flush=False)
                result = "left out" if isinstance(error, Missing) else "refused"
                made = None
            except NotUndone as error:
                raise Failure(step, str(error), error.problems) from error
            except Exception as error:
                raise Failure(step, type(error).__name__, [repr(error)]) from error
            self.done[step.kind, result] += 1
            if made:
                world.made[step.number] = made.with_env(world.env)
            if result == "done":
                found = checks.find_problems(world, self.seed, step.number)
                if found:
                    raise Failure(step, *found)

    # === THE SHORTEST STORY === #

    def shrink(self, steps, failure, seconds=240):
        """Leave out steps as long as the same check fails.

        :param list steps: a history that fails
        :param Failure failure: what is wrong in it
        :param seconds: how long to try
        :return: the steps that are left, and their `Failure`
        """
        until = monotonic() + seconds
        steps = [step for step in steps if step.number <= failure.step.number]
        origins = _get_origins(steps)
        other = self.tell(origins) if len(origins) < len(steps) else None
        if other and other.name == failure.name:
            steps, failure = origins, other
        size = max(1, len(steps) // 2)
        while size:
            position = len(steps)
            found = False
            while position > 0 and monotonic() < until:
                start = max(0, position - size)
                shorter = steps[:start] + steps[position:]
                other = self.tell(shorter) if shorter else None
                if other and other.name == failure.name:
                    steps = [s for s in shorter if s.number <= other.step.number]
                    failure, found = other, True
                position = min(start, len(steps))
            if monotonic() >= until:
                break
            if not (found and size == 1):
                size //= 2
        return steps, failure


def _get_origins(steps):
    """Return the last step with all that its documents come from."""
    needed, origins = {steps[-1].number}, []
    for step in reversed(steps):
        if step.number in needed:
            origins.insert(0, step)
            needed.update(_get_numbers(step.args))
    return origins


def _get_numbers(args):
    """Yield the numbers of the steps that a step works on."""
    for name, value in args.items():
        if name == "args":
            yield from _get_numbers(value)
        elif name in ("number", "of", "credit", "to"):
            yield value
        elif name in ("numbers", "choices"):
            yield from value


def describe(seed, length, steps, failure):
    """Return a failed history as a text that a person can follow.

    :param seed: what the history was made from
    :param int length: how many steps it was to have
    :param list steps: those that are left of it
    :param Failure failure: what does not hold after the last of them
    """
    return "\n".join(
        [
            f"Seed {seed}: {failure.name} does not hold after step "
            f"{failure.step.number}.",
            *(f"    {problem}" for problem in failure.problems[:8]),
            "The shortest story:",
            *(f"  {step}" for step in steps),
            f"Once more: ./dev test histories 1 --seed {seed} --steps {length}",
        ]
    )
