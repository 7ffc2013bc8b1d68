"""Jobs that wait at limits, for tests that ask the ledger itself."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from holdfast.ledger import transitions
from holdfast.ledger.limiting import admission, limits
from holdfast.ledger.limiting.bounds import Bounds
from holdfast.ledger.models import Job
from holdfast.ledger.models.limits import Limited, Place
from holdfast.ledger.records import Hold, Use
from holdfast.ledger.states import State
from tests.rows import new_job


def bound(name: str = "l", **bounds: Any) -> None:
    limits.declare({name: Bounds(**bounds)}, overwrite=True)


def wait(id: str, *uses: Use, **more: Any) -> None:
    """Record a job that waits at its limits."""
    transitions.record([new_job(id, hold="limit", limits=uses or (Use("l"),), **more)])


def admit(name: str = "l", **more: Any) -> list[str]:
    return [ticket.id for ticket in admission.admit(name, stated=lambda _: None, **more).tickets]


def run(worker: UUID, id: str) -> Hold:
    token = Job.objects.using("ledger").get(id=id).token
    (job,) = transitions.claim([(id, token, False)], worker=worker).claimed
    return Hold(job.id, job.token, worker)


def places(id: str) -> dict[str, Place]:
    rows = Limited.objects.using("ledger").filter(job=id)
    return {row.name: Place(row.place) for row in rows}


def state(id: str) -> tuple[State, str]:
    job = Job.objects.using("ledger").get(id=id)
    return State(job.state), job.reason or job.hold
