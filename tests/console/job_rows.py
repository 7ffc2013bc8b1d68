"""Jobs of a shop for the tests of the page of one job: recorded, run and failed by the ledger's own moves."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from holdfast import Celery
from holdfast.ledger import transitions
from holdfast.ledger.models import Job
from holdfast.ledger.records import Hold
from tests.rows import FAILURE, new_job

ROOT = "/holdfast/"
STARS = "********************"


def row(id: str) -> Job:
    found: Job = Job.objects.using("ledger").get(id=id)
    return found


def record(*args: Any, headers: dict[str, Any] | str | None = None, **more: Any) -> str:
    """Record a call of the shop; return its id."""
    kwargs = more.pop("kwargs", {})
    body = json.dumps([args, kwargs, {}]).encode()
    said = {
        "task": "shop.charge",
        "headers": headers if isinstance(headers, str) else json.dumps(headers or {}),
        "body": body,
    }
    job = new_job(**said | more)
    transitions.record([job])
    return job.id


def claim(id: str, worker: UUID) -> Hold:
    (job,) = transitions.claim([(id, row(id).token, False)], worker=worker).claimed
    return Hold(job.id, job.token, worker)


def fail(id: str, worker: UUID, *, error: str = "ValueError('no such card')") -> str:
    traceback = f'Traceback (most recent call last):\n  File "x.py", line 1, in charge\n{error}\n'
    transitions.fail(claim(id, worker), stored=FAILURE, error=error, traceback=traceback)
    return id


def tickets_on(app: Celery, queue: str = "q") -> list[str]:
    """Return the ids of the jobs whose messages lie in a list."""
    found = app.outbox.publisher.client().lrange(queue, 0, -1)
    return [json.loads(message)["headers"]["id"] for message in found]
