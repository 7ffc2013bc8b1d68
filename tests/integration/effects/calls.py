"""What the tests of effects call and look at."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

from holdfast.conf import get_settings
from holdfast.ledger import effects, transitions
from holdfast.ledger.models import Job
from holdfast.ledger.models.effects import Effect
from holdfast.ledger.records import Hold
from tests.rows import hire, new_job

KEY = "charge:1"


class Gateway:
    """The other side: counts how often it was called, and knows what it did by key."""

    def __init__(self) -> None:
        self.calls = 0
        self.charged: dict[str, dict[str, Any]] = {}

    def charge(self, amount: int, *, key: str = KEY) -> Any:
        self.calls += 1
        self.charged[key] = {"amount": amount, "number": self.calls}
        return self.charged[key]

    def broken(self, *_: Any) -> Any:
        self.calls += 1
        raise ConnectionError("no answer")


def attempt(job: str | None = None) -> Hold:
    """Return a standing attempt of a new job, or the next attempt of one that was lost or handed back."""
    worker = hire()
    if job is None:
        (ticket,) = transitions.record([new_job()])
        job, token = ticket.id, ticket.token
    else:
        token = Job.objects.using(get_settings().database).get(id=job).token
    batch = transitions.claim([(job, token, False)], worker=worker)
    return Hold(job, batch.claimed[0].token, worker)


def lose(hold: Hold) -> Hold:
    """Take an attempt from its worker; return the next one of the same job."""
    assert transitions.lose(hold, cause="killed") is not None
    return attempt(hold.id)


def leave_in_doubt(hold: Hold | None = None, key: str = KEY) -> None:
    """Begin a call as somebody who dies before it is recorded."""
    found = effects.begin(key, turn=uuid4(), hold=hold, keep=timedelta(days=1), take_over=True)
    assert not found.in_doubt


def row(alias: str, key: str = KEY) -> Effect:
    return Effect.objects.using(alias).get(key=key)
