"""Jobs that run and are asked to stop, for tests that ask the ledger itself."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from holdfast.ledger import interventions, transitions
from holdfast.ledger.reads import queries
from holdfast.ledger.records import Hold
from holdfast.ledger.states import State
from tests.rows import new_job


def run_one(worker: UUID, **more: Any) -> Hold:
    (ticket,) = transitions.record([new_job(**more)])
    return claim(ticket.id, ticket.token, worker)


def claim(id: str, token: int, worker: UUID) -> Hold:
    (job,) = transitions.claim([(id, token, False)], worker=worker).claimed
    return Hold(job.id, job.token, worker)


def ask(hold: Hold, **more: Any) -> None:
    assert interventions.cancel([hold.id], running=False, ask=True, **more) == []


def state_of(id: str) -> State:
    found = queries.state_of(id)
    assert found is not None
    return State(found[0])


# -- the wish -----------------------------------------------------------------------------------------
