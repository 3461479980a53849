"""Run functions in Odoo processes of their own, as Odoo's workers are.

A process is a fork of the one that has loaded the registry, like those of `odoo-bin
--workers`: it has its own connections to PostgreSQL and can be killed at any moment.
"""

import os
import pickle
import select
import signal
import time
import traceback
from functools import partial

from odoo import SUPERUSER_ID, api, sql_db
from odoo.modules.registry import Registry
from odoo.service.model import retrying


class Failed(Exception):
    """The function raised; the text is its traceback."""


class Process:
    """A function that runs in a process of its own, from the moment this is made."""

    def __init__(self, database, function, *args, at_commit=None):
        """
        :param function: called with the database name and the further arguments; what
            it returns must survive pickling
        :param at_commit: called in the process before each commit, with its number
        """
        # A child must not inherit connections: closing them would close the parent's.
        sql_db.close_all()
        self._read, write = os.pipe()
        go_read, self._go = os.pipe()
        self.pid = os.fork()
        self._status = None
        if self.pid:
            os.close(write)
            os.close(go_read)
            self._received = b""
            return
        try:
            os.close(self._read)
            os.close(self._go)
            self._run(database, function, args, at_commit, write, go_read)
        finally:
            os._exit(1)  # after a result was written as well: nothing of the parent's

    # === IN THE CHILD === #

    def _run(self, database, function, args, at_commit, write, go_read):
        child = Child(write, go_read)
        if at_commit:
            child.watch_commits(at_commit)
        try:
            answer = ("result", function(database, *args))
        except Exception as error:
            answer = ("error", (type(error).__name__, str(error), _get_trace()))
        child.send(*answer)
        os._exit(0)

    # === IN THE PARENT === #

    def wait_until_paused(self, timeout=120):
        """Wait until the process is about to commit and pauses there."""
        kind, _value = self._receive(timeout)
        if kind != "paused":
            raise Failed(f"It did not get to a commit: {_value}")

    def go_on(self):
        """Let a paused process go on."""
        os.write(self._go, b".")

    def is_waiting(self, seconds):
        """Tell whether there is no answer for so long: another process blocks it."""
        return not select.select([self._read], [], [], seconds)[0]

    def get_outcome(self, timeout=180):
        """Return what the function returned, or the name and text of its error.

        :return: `("result", value)` or `("error", (name, text, traceback))`
        """
        outcome = self._receive(timeout)
        if outcome[0] == "paused":
            self.kill()
            raise Failed("It paused once more; the process was killed")
        self.wait()
        return outcome

    def get_result(self, timeout=180):
        """Return what the function returned.

        :raise Failed: when it raised
        """
        kind, value = self.get_outcome(timeout)
        if kind != "result":
            raise Failed(str(value[2]) if kind == "error" else kind)
        return value

    def kill(self):
        """End the process at once, as the kernel or an administrator does."""
        os.kill(self.pid, signal.SIGKILL)
        self.wait()

    def wait(self):
        """Wait for the end of the process.

        :return: whether it was killed
        """
        if self._status is None:
            _pid, self._status = os.waitpid(self.pid, 0)
            os.close(self._go)
        return os.WIFSIGNALED(self._status)

    def _receive(self, timeout):
        end = time.monotonic() + timeout
        while len(self._received) < 8 or len(self._received) < 8 + self._get_size():
            left = max(end - time.monotonic(), 0)
            if not select.select([self._read], [], [], left)[0]:
                self.kill()
                raise Failed(f"No answer for {timeout} seconds; the process was killed")
            part = os.read(self._read, 65536)
            if not part:
                self.wait()
                return "ended", os.waitstatus_to_exitcode(self._status)
            self._received += part
        end = 8 + self._get_size()
        answer, self._received = self._received[8:end], self._received[end:]
        return pickle.loads(answer)

    def _get_size(self):
        return int.from_bytes(self._received[:8], "big")


class Child:
    """What a process tells its parent."""

    def __init__(self, write, go_read):
        self._write = write
        self._go_read = go_read

    def send(self, kind, value=None):
        answer = pickle.dumps((kind, value))
        os.write(self._write, len(answer).to_bytes(8, "big") + answer)

    def pause(self):
        """Tell the parent, and wait for it."""
        self.send("paused")
        os.read(self._go_read, 1)

    def watch_commits(self, at_commit):
        commit = sql_db.Cursor.commit
        count = 0

        def watched(cursor):
            nonlocal count
            count += 1
            # What the commit would write is written by now, as far as can be.
            cursor.flush()
            at_commit(self, count, cursor)
            return commit(cursor)

        sql_db.Cursor.commit = watched


def _get_trace():
    return traceback.format_exc()[-4000:]


# === WHAT HAPPENS AT A COMMIT === #


def kill_at(number):
    """Return what ends a process by SIGKILL just before its commit of that number."""

    def at_commit(_child, count, _cursor):
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)

    return at_commit


def pause_at(number):
    """Return what makes a process wait for its parent before that commit."""

    def at_commit(child, count, _cursor):
        if count == number:
            child.pause()

    return at_commit


def call(database, function, *args, user_id=SUPERUSER_ID):
    """Call a function with an environment, as Odoo does for a call over RPC.

    It is tried again when another transaction was faster, and committed.

    :param function: called with the environment and the further arguments
    """
    with Registry(database).cursor() as cr:
        env = api.Environment(cr, user_id, {})
        return retrying(partial(function, env, *args), env)
