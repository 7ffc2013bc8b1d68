"""Wait until no job is under way: none queued, none running, none held that is due."""

from __future__ import annotations

import json
import time
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.core.management.base import CommandError, CommandParser

from holdfast.ledger.database import with_patience
from holdfast.ledger.reads import backlog, queries
from holdfast.ledger.reads.backlog import Backlog, Left
from holdfast.management.progress import progress
from holdfast.management.terminal import Terminal

SHORTEST_PAUSE = 0.2
# Looking may take a tenth of the time at most, however long the ledger's answer takes.
REST = 10
PATIENCE_SECONDS = 60.0
# Of each place: the state of its jobs, and what a person reads.
STATES = {
    "queued": ("queued", "queued"),
    "running": ("running", "running"),
    "due": ("held", "held, due"),
    "waiting": ("held", "held for a retry or a limit"),
    "telling": ("over", "over, those who wait not told"),
    "scheduled": ("held", "held, scheduled"),
}


def add_arguments(parser: CommandParser) -> None:
    """Take what to wait for, and how long."""
    parser.add_argument(
        "--queue", action="append", default=[], metavar="Q", help="only this queue; may be repeated"
    )
    parser.add_argument(
        "--timeout",
        type=float,
        metavar="SECONDS",
        help="give up after so many seconds: exit 1 with what is left (default: never)",
    )
    parser.add_argument(
        "--include-scheduled",
        action="store_true",
        help="wait for jobs too whose ETA is still to come",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON value at the end")


def run(options: dict[str, Any], terminal: Terminal) -> None:
    """Wait, and tell the end.

    Raises:
        CommandError: jobs were left at the timeout (exit 1) or when somebody pressed Ctrl-C (exit 130).
    """
    wait = Wait(options["queue"], options["timeout"], scheduled=options["include_scheduled"])
    for queue in wait.unserved():
        terminal.remark(f"No live worker serves the queue {queue!r}: its jobs wait for one.")
    interrupted = False
    try:
        with progress(terminal) as shown:
            while wait.goes_on():
                shown.show(wait.count, _words(wait.now))
                wait.pause()
    except KeyboardInterrupt:
        interrupted = True
    left = wait.end()
    if options["json"]:
        terminal.json(_as_json(wait, left))
    else:
        _tell(terminal, wait, left)
    if not wait.drained:
        why = "interrupted" if interrupted else "timed out"
        raise CommandError(
            f"Not drained, {why} after {wait.seconds:.0f} s: {wait.count} jobs are left.",
            returncode=130 if interrupted else 1,
        )


@dataclass
class Wait:
    """One wait: what is asked for, what the ledger said last, and how long it took so far."""

    queues: Collection[str]
    timeout: float | None
    scheduled: bool

    def __post_init__(self) -> None:
        self.started = time.monotonic()
        self.now = Backlog()
        self.drained = False
        self._cost = 0.0

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    @property
    def count(self) -> int:
        """How many jobs it waits for."""
        return self.now.open + (self.now.scheduled if self.scheduled else 0)

    def goes_on(self) -> bool:
        """Look once; tell whether to look again."""
        began = time.monotonic()
        self.now = self._ask(partial(backlog.backlog, self.queues, all_held=self.scheduled))
        if not self.count:
            # The end is told by one statement that sees all places at one instant: no job slips through
            # on its way from one to another. It counts what is held for later, so it is kept for the end.
            self.now = self._ask(partial(backlog.backlog, self.queues))
        self._cost = time.monotonic() - began
        self.drained = not self.count
        return not self.drained and (self.timeout is None or self.seconds < self.timeout)

    def pause(self) -> None:
        """Rest until the next look, but not beyond the timeout."""
        rest = max(SHORTEST_PAUSE, self._cost * REST)
        time.sleep(
            rest if self.timeout is None else max(0.0, min(rest, self.timeout - self.seconds))
        )

    def end(self) -> list[Left]:
        """Look a last time if it was given up; return what is left of what it waited for."""
        if self.drained:
            return []
        self.now = self._ask(partial(backlog.backlog, self.queues))
        self.drained = not self.count
        rows = self._ask(partial(backlog.left, self.queues))
        return [row for row in rows if self.scheduled or row.place != "scheduled"]

    def unserved(self) -> list[str]:
        """Return the queues with queued jobs that no live worker consumes."""
        served = {queue for worker in queries.live_workers() for queue in json.loads(worker.queues)}
        return sorted(backlog.queues_with_work(self.queues) - served)

    def _ask(self, question: Any) -> Any:
        # A database that restarts in the middle of a deploy does not end the wait.
        return with_patience(question, seconds=PATIENCE_SECONDS, what="drain")


def _words(now: Backlog) -> str:
    counts = {"queued": now.queued, "running": now.running, "due": now.due}
    more = {"held for later": now.waiting, "to be told": now.telling, "scheduled": now.scheduled}
    parts = counts | {name: count for name, count in more.items() if count}
    return ", ".join(f"{count:,} {name}" for name, count in parts.items())


def _tell(terminal: Terminal, wait: Wait, left: list[Left]) -> None:
    if wait.drained:
        terminal.say(f"Drained after {wait.seconds:.1f} s.")
    else:
        rows = [(row.queue, row.task, STATES[row.place][1], row.count) for row in left]
        terminal.table(("QUEUE", "TASK", "STATE", "JOBS"), rows)
        for queue in wait.unserved():
            terminal.say(f"No live worker serves the queue {queue!r}.")
    if wait.now.scheduled and not wait.scheduled:
        moment = backlog.next_scheduled(wait.queues)
        terminal.say(
            f"{wait.now.scheduled:,} jobs are scheduled for later, the next for {moment}; "
            "--include-scheduled waits for them too."
        )


def _as_json(wait: Wait, left: list[Left]) -> dict[str, Any]:
    return {
        "drained": wait.drained,
        "seconds": round(wait.seconds, 3),
        "left": [
            {
                "queue": row.queue,
                "task": row.task,
                "state": STATES[row.place][0],
                "place": row.place,
                "jobs": row.count,
            }
            for row in left
        ],
        "scheduled": wait.now.scheduled,
        "next_scheduled": backlog.next_scheduled(wait.queues),
        "unserved": wait.unserved(),
    }
