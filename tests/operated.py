"""What tests of operations ask for and look at, in the ledger of the test."""

from __future__ import annotations

from collections import Counter
from typing import Any

from holdfast import operations
from holdfast.ledger import transitions
from holdfast.ledger.models import Job
from holdfast.ledger.records import Hold
from holdfast.ledger.states import State
from holdfast.operations import OperationRow
from tests.rows import FAILURE, hire, new_job


def dead_letters(many: int, *, task: str = "t", error: str = "ValueError('x')") -> list[str]:
    """Record jobs and let them fail."""
    worker = hire()
    tickets = transitions.record([new_job(task=task) for _ in range(many)])
    claimed = transitions.claim([(t.id, t.token, False) for t in tickets], worker=worker).claimed
    for job in claimed:
        assert transitions.fail(Hold(job.id, job.token, worker), stored=FAILURE, error=error)
    return [ticket.id for ticket in tickets]


def waiting(many: int, **more: Any) -> list[str]:
    """Record jobs that nobody takes."""
    return [ticket.id for ticket in transitions.record([new_job(**more) for _ in range(many)])]


def states(ids: list[str]) -> Counter[str]:
    """Count jobs by the name of their state."""
    found = Job.objects.using("ledger").filter(id__in=ids).values_list("state", flat=True)
    return Counter(State(state).name for state in found)


def tokens(ids: list[str]) -> dict[str, int]:
    """Return how often each was moved."""
    return dict(Job.objects.using("ledger").filter(id__in=ids).values_list("id", "token"))


def ask(kind: str, filter: dict[str, Any] | str, **more: Any) -> OperationRow:
    """Ask for an operation as Ada."""
    return operations.ask(kind, filter, actor="ada", **more)


def now(row: OperationRow) -> OperationRow:
    """Return an operation as it is now."""
    found = operations.find(row.id)
    assert found is not None
    return found
