"""Rows for tests of the ledger: a job to record, a worker with a lease, results to store."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from holdfast.ledger import workers
from holdfast.ledger.records import NewJob, StoredResult

_JSON: dict[str, Any] = {"content_type": "application/json", "content_encoding": "utf-8"}
RESULT = StoredResult(status="SUCCESS", result=b"1", **_JSON)
FAILURE = StoredResult(status="FAILURE", result=b"{}", **_JSON)


def new_job(id: str | None = None, **more: Any) -> NewJob:
    """Return a call to be recorded."""
    values = {"task": "t", "queue": "q", "headers": "{}", "body": b"[]", **_JSON} | more
    return NewJob(id=id or str(uuid4()), **values)


def hire(id: UUID | None = None) -> UUID:
    """Give a worker its lease; return its incarnation."""
    worker = id or uuid4()
    workers.register(
        workers.Incarnation(
            id=worker, name="w", host="h", pid=1, pool="p", concurrency=1, queues=["q"]
        )
    )
    return worker
