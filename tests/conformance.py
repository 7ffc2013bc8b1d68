"""The tables of the conformance suite: where a job may stand, how it may leave, and what is true afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from celery import chain, chord, group
from celery.canvas import Signature
from celery.result import AsyncResult

from tests.harness import Site

NAME = object()
REPLACEMENT = object()


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What is true of a job that has left in one way.

    Attributes:
        starts: how often its body began.
        goes_on: whether its link, the next step or the chord's body runs.
        fails: whether its error callbacks run.
    """

    state: str = "SUCCESS"
    result: Any = NAME
    starts: int = 1
    goes_on: bool = True
    fails: bool = False


def _failure(error: str, *, starts: int = 1, fails: bool = True) -> Ending:
    return Ending(state="FAILURE", result=error, starts=starts, goes_on=False, fails=fails)


ENDINGS: dict[str, Ending] = {
    "return": Ending(),
    "return nothing": Ending(result=None),
    "return unwritable": _failure("EncodeError"),
    "raise": _failure("ValueError"),
    # It does not survive pickling: Celery wraps it before it is stored.
    "raise awkward": _failure("UnpickleableExceptionWrapper"),
    "retry": Ending(starts=2),
    "retry later": Ending(starts=2),
    "retry, no throw": Ending(starts=2),
    "retry, exhausted": _failure("ValueError", starts=2),
    "retry, exhausted bare": _failure("MaxRetriesExceededError", starts=2),
    # Nothing says when it is to run again: Celery leaves it in RETRY for ever.
    "retry by hand": _failure("HoldfastError"),
    # As in Celery, no link or next step follows a job that asks to be ignored; here it is final all the same.
    "ignore": Ending(result=None, goes_on=False),
    "ignore after success": Ending(result="stored by the body", goes_on=False),
    "ignore after failure": _failure("ValueError", fails=False),
    "ignore after words of failure": _failure("RuntimeError", fails=False),
    "ignore in a state of its own": Ending(
        state="SKIPPED", result="stored by the body", goes_on=False
    ),
    "snooze": Ending(starts=2),
    "reject": _failure("Reject"),
    "reject, requeue": Ending(starts=2),
    "replace": Ending(result=REPLACEMENT),
    "replace by chain": Ending(result=REPLACEMENT),
    "replace by group": Ending(result=[REPLACEMENT, 3]),
    "replace by chord": Ending(result=REPLACEMENT),
    "replace, failing": _failure("ValueError"),
    "replace by chain, failing": _failure("ValueError"),
    "soft limit": _failure("SoftTimeLimitExceeded"),
    "soft limit, caught": Ending(result="in time"),
    "hard limit": _failure("TimeLimitExceeded"),
    "lose child": Ending(starts=2),
    "lose child always": _failure("WorkerLostError", starts=3),
    "exit": Ending(starts=2),
}
# Only a pool of processes can stop a body from outside, or survive what ends the process.
PREFORK_ONLY = {
    "soft limit",
    "soft limit, caught",
    "hard limit",
    "lose child",
    "lose child always",
}
# Errors that the ledger knows by itself, or that another job or the body has stored.
_ERROR_NOT_OF_THE_TASK = {
    "ignore after failure",
    "ignore after words of failure",
    "reject",
    "replace, failing",
    "replace by chain, failing",
    "lose child always",
}
LOST = {"lose child", "lose child always", "exit"}
LIMITS = {
    "soft limit": {"soft_time_limit": 0.5},
    "soft limit, caught": {"soft_time_limit": 0.5},
    "hard limit": {"time_limit": 1.0},
}


@dataclass(kw_only=True)
class Sent:
    """One case on its way: the job that leaves, and what stands after it."""

    name: str
    job: AsyncResult[Any]
    last: AsyncResult[Any] | None = None


Send = Callable[[Site, Signature[Any], str], Sent]


def _alone(site: Site, job: Signature[Any], name: str) -> Sent:
    return Sent(name=name, job=job.apply_async())


def _linked(site: Site, job: Signature[Any], name: str) -> Sent:
    errors = [site.task("failed").s(name), site.task("failed_id").s(name=name)]
    return Sent(name=name, job=job.apply_async(link=site.task("after").s(name), link_error=errors))


def _first_of_chain(site: Site, job: Signature[Any], name: str) -> Sent:
    sent = chain(job, site.task("after").s(name), app=site.app).apply_async(
        link_error=site.task("failed").s(name)
    )
    return Sent(name=name, job=sent.parent, last=sent)


def _middle_of_chain(site: Site, job: Signature[Any], name: str) -> Sent:
    first = site.task("add").s(1, 1)
    sent = chain(first, job, site.task("after").s(name), app=site.app).apply_async(
        link_error=site.task("failed").s(name)
    )
    return Sent(name=name, job=sent.parent, last=sent)


def _member_of_group(site: Site, job: Signature[Any], name: str) -> Sent:
    sent = group(job, site.task("add").s(1, 1), app=site.app).apply_async()
    return Sent(name=name, job=sent.results[0])


def _member_of_chord(site: Site, job: Signature[Any], name: str) -> Sent:
    body = site.task("after").s(name).on_error(site.task("failed").s(name))
    sent = chord([site.task("add").s(1, 1), job], body, app=site.app).apply_async()
    return Sent(name=name, job=sent.parent.results[1], last=sent)


def _only_member_of_chord(site: Site, job: Signature[Any], name: str) -> Sent:
    body = site.task("after").s(name).on_error(site.task("failed").s(name))
    header = group([job, chain(site.task("add").s(1, 1), site.task("add").s(2))], app=site.app)
    sent = (header | body).apply_async()
    return Sent(name=name, job=sent.parent.results[0], last=sent)


def _end_of_chain_in_chord(site: Site, job: Signature[Any], name: str) -> Sent:
    body = site.task("after").s(name).on_error(site.task("failed").s(name))
    header = [chain(site.task("add").s(1, 1), job, app=site.app), site.task("add").s(1, 1)]
    sent = chord(header, body, app=site.app).apply_async()
    return Sent(name=name, job=sent.parent.results[0], last=sent)


def _body_of_chord(site: Site, job: Signature[Any], name: str) -> Sent:
    header = [site.task("add").s(1, 1), site.task("add").s(2, 2)]
    body = job.on_error(site.task("failed").s(name))
    body.link(site.task("after").s(name))
    sent = chord(header, body, app=site.app).apply_async()
    return Sent(name=name, job=sent)


def _replacement(site: Site, job: Signature[Any], name: str) -> Sent:
    become = site.task("become").s(dict(job))
    return Sent(name=name, job=become.apply_async(link=site.task("after").s(name)))


def _one_of_many(site: Site, job: Signature[Any], name: str) -> Sent:
    sent, _ = site.app.tasks[job.task].apply_many([job.args, ("return", f"{name}, beside")])
    return Sent(name=name, job=sent)


# Where a job stands, and whether something stands after it that goes on, or is told of its failure.
POSITIONS: dict[str, tuple[Send, bool, bool]] = {
    "alone": (_alone, False, False),
    "one of many": (_one_of_many, False, False),
    "linked": (_linked, True, True),
    "first of a chain": (_first_of_chain, True, True),
    "middle of a chain": (_middle_of_chain, True, True),
    "member of a group": (_member_of_group, False, False),
    "member of a chord": (_member_of_chord, True, True),
    "member beside a chain": (_only_member_of_chord, True, True),
    "end of a chain in a chord": (_end_of_chain_in_chord, True, True),
    "body of a chord": (_body_of_chord, True, True),
    "replacement": (_replacement, True, False),
}

# Where the other kinds of tasks stand.
FEW = ("alone", "linked", "first of a chain", "member of a chord")

# Where a chord waits for the job's end, whatever way it comes.
MEMBERS = {"member of a chord", "member beside a chain", "end of a chain in a chord"}


@dataclass(frozen=True)
class Case:
    """One cell of the table."""

    task: str
    position: str
    leaving: str

    def __str__(self) -> str:
        return f"{self.task}: {self.position}: {self.leaving}."

    def ending(self) -> Ending:
        """Return what must be true afterwards; a task that ignores its result keeps neither it nor its error."""
        ending = ENDINGS[self.leaving]
        if self.position in MEMBERS:
            failed = ending.state == "FAILURE"
            ending = replace(ending, goes_on=not failed, fails=failed)
        if self.task != "leave_silent":
            return ending
        if self.leaving == "return unwritable" and self.position == "alone":
            return Ending(result=None)
        if ending.result is NAME or self.leaving == "soft limit, caught":
            return replace(ending, result=None)
        if ending.state == "FAILURE" and self.leaving not in _ERROR_NOT_OF_THE_TASK:
            return replace(ending, result="RuntimeError")
        return ending

    def diagonal(self) -> int:
        """Return a number by which the table is dealt out: neighbours in a row or a column have different ones."""
        row = list(POSITIONS if self.task == "leave" else FEW).index(self.position)
        return row + list(ENDINGS).index(self.leaving)

    def send(self, site: Site) -> Sent:
        job = site.task(self.task).si(self.leaving, str(self))
        job.set(**LIMITS.get(self.leaving, {}))
        send, _, _ = POSITIONS[self.position]
        return send(site, job, str(self))


def cases(*, prefork: bool, sqlite: bool) -> list[Case]:
    """Return the table: all positions for a plain task, and what differs for other kinds of task.

    On SQLite the wait for the one writer counts against an atomic job's limits, which makes them say
    nothing among hundreds of others.
    """
    table = [
        Case("leave", position, leaving)
        for position in POSITIONS
        for leaving in ENDINGS
        # apply_many has one set of options for all its calls.
        if not (position == "one of many" and leaving in LIMITS)
    ]
    for task in ("leave_atomic", "leave_silent"):
        table += [Case(task, position, leaving) for position in FEW for leaving in ENDINGS]
    return [
        case
        for case in table
        if (prefork or case.leaving not in PREFORK_ONLY)
        and not (sqlite and case.task == "leave_atomic" and case.leaving in LIMITS)
    ]
