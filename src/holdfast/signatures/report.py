"""What is told of signatures: each change with the jobs it breaks, and each break that no change explains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from holdfast.signatures.changes import Change, changes
from holdfast.signatures.rows import SAMPLES, Rows, Tally
from holdfast.signatures.shapes import Shape


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is told: what changed or does not fit, how many waiting jobs break, and what mends it."""

    task: str
    parameter: str
    what: str
    breaks: bool
    rows: int
    jobs: list[str]
    """Ids of the first few that break."""
    where: list[str]
    """Where in their messages, if it is not the job's own call: "chain", "link", "chord" and the like."""
    repair: str


def findings(
    old: Mapping[str, Shape], new: Mapping[str, Shape], rows: Rows | None
) -> list[Finding]:
    """Return what is to be told, what breaks first; without `rows` nobody asked the ledger."""
    tallies = rows.tallies if rows else {}
    found, explained = [], set()
    for change in changes(old, new):
        ways = [way for way in tallies if way[:2] == (change.task, change.parameter)]
        # What breaks nothing is no reason that a job does not fit; a task that is gone is one.
        mine = ways if change.breaks or not change.parameter else []
        explained.update(mine)
        found.append(_finding(change, [tallies[way] for way in mine], old, new))
    for way in tallies.keys() - explained:
        task, parameter, what = way
        change = Change(task, parameter, what, breaks=True, repair=tallies[way].repair)
        found.append(_finding(change, [tallies[way]], old, new))
    return sorted(found, key=lambda one: (not one.breaks, one.task, one.parameter, one.what))


def _finding(
    change: Change, tallies: Sequence[Tally], old: Mapping[str, Shape], new: Mapping[str, Shape]
) -> Finding:
    breaks = change.breaks or bool(tallies)
    # A job that breaks in two ways is one job.
    rows = max((tally.rows for tally in tallies), default=0)
    shape = old.get(change.task) or new.get(change.task)
    queue = f" --queue {shape.queue}" if shape and shape.queue else ""
    drain = f", or drain first: manage.py holdfast drain{queue}"
    return Finding(
        task=change.task,
        parameter=change.parameter,
        what=change.what,
        breaks=breaks,
        rows=rows,
        jobs=[job for tally in tallies for job in tally.jobs][:SAMPLES],
        where=sorted({where for tally in tallies for where in tally.where if where}),
        repair=f"{change.repair}{drain if breaks else ''}",
    )
