"""Jobs brought where they wait, and asked why, for tests of `why_waits`."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import holdfast
from holdfast.ledger import transitions
from holdfast.ledger.models import Job
from holdfast.ledger.records import Hold
from holdfast.waiting import Kind, Wait
from tests.rows import new_job


def record(**more: Any) -> str:
    job = new_job(**more)
    transitions.record([job])
    return job.id


def row(id: str) -> Any:
    return Job.objects.using("ledger").filter(id=id)


def claim(id: str, worker: UUID, *, ahead: bool = False) -> Hold:
    token = row(id).get().token
    (job,) = transitions.claim([(id, token, ahead)], worker=worker).claimed
    return Hold(job.id, job.token, worker)


def waits(id: str, **more: Any) -> dict[Kind, Wait]:
    """Return the reasons by their kinds; the first is the first of them."""
    return {wait.kind: wait for wait in holdfast.why_waits(id, **more)}


def first(id: str, **more: Any) -> Wait:
    return holdfast.why_waits(id, **more)[0]
