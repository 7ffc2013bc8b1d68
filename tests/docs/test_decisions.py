"""What the pages in docs/adr claim and nothing else shows."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db.models.functions import Now

import holdfast
from holdfast.conf import get_settings
from holdfast.ledger import interventions, transitions, workers
from holdfast.ledger.models import Job, Worker
from holdfast.ledger.reads import queries
from holdfast.ledger.records import Refusal
from holdfast.ledger.states import State
from tests.docs.pages import ROOT
from tests.rows import hire, new_job

ADRS = sorted((ROOT / "docs" / "adr").glob("*.md"))
PARTS = ("Context", "Decision", "Consequences", "Rejected")


@pytest.mark.parametrize("page", ADRS, ids=lambda page: page.stem)
def test_decision_is_short_and_says_what_was_rejected(page: object) -> None:
    text = (ROOT / "docs" / "adr" / str(page)).read_text()
    assert len(text.splitlines()) <= 20
    assert all(f"**{part}.**" in text for part in PARTS)


def test_decisions_are_numbered_without_a_gap() -> None:
    assert [int(page.name[:4]) for page in ADRS] == list(range(1, len(ADRS) + 1))


def test_overridden_protected_methods_are_the_listed_ones() -> None:
    text = (ROOT / "docs" / "adr" / "0011-protected-hooks.md").read_text()
    assert set(re.findall(r"`(\w+\._\w+)`", text)) == set(_overridden())


def _overridden() -> Iterator[str]:
    for module in pkgutil.walk_packages(holdfast.__path__, "holdfast."):
        if module.name.startswith(("holdfast.migrations", "holdfast.testing")):
            continue
        members = vars(importlib.import_module(module.name)).values()
        for cls in members:
            if inspect.isclass(cls) and cls.__module__ == module.name:
                yield from (f"{cls.__name__}.{name}" for name in _protected(cls))


def _protected(cls: type) -> list[str]:
    above = [base for base in cls.__mro__[1:] if base.__module__.startswith(("celery", "kombu"))]
    own = [name for name in vars(cls) if re.match(r"_[^_]", name)]
    return [name for name in own if any(name in vars(base) for base in above)]


def _record(names: list[str]) -> dict[str, str]:
    ids = {name: f"{name}-{uuid4().hex[:6]}" for name in names}
    transitions.record([new_job(id) for id in ids.values()])
    return ids


def _claim_and_lose_the_worker(ids: list[str], *, slots: int) -> None:
    """One worker claims all it can into `slots` and ahead of them, and its lease runs out."""
    worker = hire()
    queued = {ticket.id: ticket.token for ticket in queries.tickets(ids)}
    asked = [(id, queued[id], place >= slots) for place, id in enumerate(ids) if id in queued]
    transitions.claim(asked, worker=worker)
    Worker.objects.using(get_settings().database).filter(id=worker).update(
        lease_until=Now() - timedelta(seconds=1)
    )
    workers.declare_lost()
    lapsed, worker_of = workers.lapsed_jobs(limit=10)
    interventions.rescue(lapsed, worker_of=worker_of)


def _row(ledger: str, id: str) -> Job:
    return Job.objects.using(ledger).get(id=id)


def test_job_that_waited_is_not_charged_with_a_lost_worker(ledger: str) -> None:
    ids = _record(["poison", "waiting"])
    for _ in range(get_settings().max_lost_attempts):
        _claim_and_lose_the_worker(list(ids.values()), slots=1)
    assert _row(ledger, ids["poison"]).state == State.DEAD
    waiting = _row(ledger, ids["waiting"])
    assert (waiting.state, waiting.losses, waiting.suspect) == (State.QUEUED, 0, True)


def test_poison_job_claimed_ahead_kills_one_worker_more(ledger: str) -> None:
    ids = _record(["harmless", "poison"])
    _claim_and_lose_the_worker(list(ids.values()), slots=1)
    for _ in range(get_settings().max_lost_attempts):
        assert _row(ledger, ids["poison"]).state == State.QUEUED
        _claim_and_lose_the_worker([ids["poison"]], slots=1)
    assert _row(ledger, ids["poison"]).state == State.DEAD


def test_job_on_its_last_chance_is_claimed_by_itself(ledger: str) -> None:
    ids = _record(["poison", "beside", "fresh"])
    for _ in range(get_settings().max_lost_attempts - 1):
        _claim_and_lose_the_worker([ids["poison"], ids["beside"]], slots=2)
    worker = hire()
    queued = {ticket.id: ticket.token for ticket in queries.tickets(ids.values())}
    asked = [(id, queued[id], False) for id in ids.values()]

    together = transitions.claim(asked, worker=worker, last_chances=False)

    assert [job.id for job in together.claimed] == [ids["fresh"]]
    assert set(together.refused.values()) == {Refusal.LAST_CHANCE}
    assert transitions.claim(asked[:1], worker=worker).claimed
