"""Jobs in every place for tests of the search: recorded, claimed and ended by the ledger's own verbs."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from holdfast.ledger import interventions, transitions
from holdfast.ledger.ids import new_id
from holdfast.ledger.reads.search import texts
from holdfast.ledger.reads.search.bodies import Examination
from holdfast.ledger.reads.search.listing import Listing, listing
from holdfast.ledger.reads.search.ways import Sort
from holdfast.ledger.records import Hold
from tests.rows import FAILURE, new_job


def queued(**more: Any) -> str:
    """Record a job; return its id. Ids of one process rise: two that are made in one millisecond are made apart."""
    more.setdefault("id", rising_id())
    transitions.record([new_job(**more)])
    return str(more["id"])


_last = ""


def rising_id() -> str:
    """Return a fresh id that sorts behind all before it."""
    global _last  # noqa: PLW0603  # what was made last is the process's own
    id = new_id()
    while id <= _last:
        id = new_id()
    _last = id
    return id


def running(worker: UUID, **more: Any) -> Hold:
    """Record a job and claim it."""
    id = queued(**more)
    (job,) = transitions.claim([(id, 1, False)], worker=worker).claimed
    return Hold(job.id, job.token, worker)


def failed(worker: UUID, *, error: str = "ValueError('x')", **more: Any) -> str:
    """Record a job and let it fail."""
    hold = running(worker, **more)
    assert transitions.fail(hold, stored=FAILURE, error=error)
    return hold.id


def succeeded(worker: UUID, **more: Any) -> str:
    """Record a job and let it succeed."""
    hold = running(worker, **more)
    assert transitions.succeed(hold, stored=None)
    return hold.id


def cancelled(**more: Any) -> str:
    """Record a job and cancel it."""
    id = queued(**more)
    interventions.cancel([id], running=False)
    return id


def called(*args: Any, **kwargs: Any) -> bytes:
    """Return the body of a call."""
    return json.dumps([args, kwargs, {}]).encode()


def look(text: str = "", **more: Any) -> Listing:
    """Return the first page of a search in words."""
    return listing(texts.read(text), **more)


def found(text: str = "", **more: Any) -> list[str]:
    """Return the ids on the first page of a search in words."""
    return [row.id for row in look(text, **more).rows]


def all_pages(
    text: str,
    *,
    limit: int,
    sort: Sort | None = None,
    examination: Examination | None = None,
    budget_seconds: float = 60,
) -> list[str]:
    """Go through a search to its end; return all ids in the order they came."""
    ids: list[str] = []
    cursor = ""
    while True:
        page = listing(
            texts.read(text),
            sort=sort,
            cursor=cursor,
            limit=limit,
            examination=examination,
            budget_seconds=budget_seconds,
        )
        ids += [row.id for row in page.rows]
        if not page.next:
            return ids
        cursor = page.next
