"""The jobs that wait, held against the code: which of them could not be called any more, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from celery import Celery

from holdfast.ledger.reads import backlog
from holdfast.ledger.reads.backlog import OpenJob
from holdfast.signatures.calls import RESULT, Call, Unreadable, calls_of
from holdfast.signatures.changes import misplaced
from holdfast.signatures.shapes import KEEP_TASK, TAKE_OLD, Misfit, Shape, misfits, shape_of

SAMPLES = 5
GONE = "no task of this name is in the code"
UNFIT = "it is given, and does not fit its annotation"


@dataclass(slots=True)
class Tally:
    """The jobs that break in one way."""

    repair: str
    rows: int = 0
    jobs: list[str] = field(default_factory=list)
    """Ids of the first few."""
    where: set[str] = field(default_factory=set)
    """Where in their messages the call stands that cannot be made; "" is the job's own."""


class _Wrong(NamedTuple):
    task: str
    misfit: Misfit
    where: str


@dataclass(slots=True)
class Rows:
    """What the jobs that wait have shown."""

    read: int = 0
    breaking: int = 0
    unreadable: int = 0
    tallies: dict[tuple[str, str, str], Tally] = field(default_factory=dict)
    """By task, parameter and what is wrong."""


def hold_against(app: Celery, *, old: Mapping[str, Shape], new: Mapping[str, Shape]) -> Rows:
    """Bind the calls of all jobs that wait or run against the code; `old` tells who was meant by position."""
    found = Rows()
    known = dict(new)
    for batch in backlog.open_jobs():
        for job in batch:
            found.read += 1
            try:
                wrong = {
                    _Wrong(call.task, misfit, call.where)
                    for call in calls_of(app, job)
                    for misfit in _misfits(app, call, old, known)
                }
            except Unreadable:
                found.unreadable += 1
                continue
            found.breaking += bool(wrong)
            _count(found, job, wrong)
    return found


def _count(found: Rows, job: OpenJob, wrong: set[_Wrong]) -> None:
    for task, misfit in {(each.task, each.misfit) for each in wrong}:
        way = (task, misfit.parameter, misfit.what)
        tally = found.tallies.setdefault(way, Tally(misfit.repair))
        tally.rows += 1
        tally.where |= {each.where for each in wrong if (each.task, each.misfit) == (task, misfit)}
        if len(tally.jobs) < SAMPLES:
            tally.jobs.append(job.id)


def _misfits(
    app: Celery, call: Call, old: Mapping[str, Shape], known: dict[str, Shape]
) -> Iterator[Misfit]:
    task: Any = app.tasks.get(call.task)
    if task is None:
        yield Misfit("", GONE, KEEP_TASK)
        return
    if call.task not in known:  # one of Celery's or of Holdfast's own
        known[call.task] = shape_of(app, task)
    shape, before, positional = known[call.task], old.get(call.task), len(call.args)
    if before:
        yield from misplaced(before, shape, positional=positional)
    wrong = list(misfits(shape, positional=positional, keywords=call.kwargs.keys()))
    for misfit in wrong:
        if before and misfit.parameter.startswith("argument "):
            # The old code knew by what name it was meant.
            places = before.places[len(shape.places) : positional]
            yield replace(misfit, parameter=places[0].name) if places else misfit
        else:
            yield misfit
    if not wrong and getattr(task, "typed_arguments", False):
        unfit = task.argument_annotations.misfits(call.args, call.kwargs, unknown=RESULT)
        yield from (Misfit(parameter, UNFIT, TAKE_OLD) for parameter in unfit)
