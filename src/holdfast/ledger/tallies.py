"""What became of jobs in some time: counted by task and queue, added up, and kept to a bounded number of names."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from holdfast.ledger.histograms import Histogram

# Tasks, and queues, that a minute tells apart: those with the most ends. The others are counted as one. So many have
# sums of their own, too: those that came first.
MOST_NAMES = 100
# The name of the others; no task and no queue is called so.
OTHERS = "*"
# (task, queue), or one of the two and "" for the other: all of them.
Key = tuple[str, str]
ALL: Key = ("", "")


@dataclass(slots=True)
class Tally:
    """Jobs that ended in some time.

    Attributes:
        recorded: calls that were recorded; counted in sums alone, see `holdfast.ledger.totals`.
        failed: became dead letters (failed, or dead).
        cancelled: were cancelled, or expired.
        retried: attempts that they took beyond one each.
        run_seconds: how long the last attempts of those that succeeded or failed ran, together.
        waits: how long those had waited for a worker since they were put on the broker.
        runs: how long they ran.
    """

    recorded: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    retried: int = 0
    run_seconds: float = 0.0
    waits: Histogram = field(default_factory=Counter)
    runs: Histogram = field(default_factory=Counter)

    @property
    def ended(self) -> int:
        """How many ended in any way."""
        return self.succeeded + self.failed + self.cancelled

    def add(self, other: Tally) -> None:
        """Take up what another one has counted."""
        self.recorded += other.recorded
        self.succeeded += other.succeeded
        self.failed += other.failed
        self.cancelled += other.cancelled
        self.retried += other.retried
        self.run_seconds += other.run_seconds
        self.waits.update(other.waits)
        self.runs.update(other.runs)


Tallies = Mapping[Key, Tally]


def total(tallies: Iterable[Tally]) -> Tally:
    """Add up."""
    found = Tally()
    for each in tallies:
        found.add(each)
    return found


def of(tallies: Tallies, *, task: str = "", queue: str = "") -> Tally:
    """Add up what was counted of a task, a queue, both, or all, of tallies by task and queue."""
    return total(
        tally
        for (its_task, its_queue), tally in tallies.items()
        if task in {"", its_task} and queue in {"", its_queue}
    )


def added_up(tallies: Tallies, *, most: int = MOST_NAMES) -> dict[Key, Tally]:
    """Return what was counted of all, of each task, and of each queue; of so many names each, and the others as one."""
    tasks: dict[str, Tally] = defaultdict(Tally)
    queues: dict[str, Tally] = defaultdict(Tally)
    for (task, queue), tally in tallies.items():
        tasks[task].add(tally)
        queues[queue].add(tally)
    return {
        ALL: total(tallies.values()),
        **{(name, ""): tally for name, tally in _most(tasks, most).items()},
        **{("", name): tally for name, tally in _most(queues, most).items()},
    }


def _most(tallies: Mapping[str, Tally], most: int) -> dict[str, Tally]:
    by_size = sorted(tallies, key=lambda name: (-tallies[name].ended, name))
    found = {name: tallies[name] for name in by_size[:most]}
    if len(by_size) > most:
        found[OTHERS] = total(tallies[name] for name in by_size[most:])
    return found
