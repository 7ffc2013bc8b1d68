"""Who did what: searched by actor, action, job and time, page by page, and none twice or left out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from holdfast.ledger import audit, security
from holdfast.ledger.database import dialect
from holdfast.ledger.models import Audit
from holdfast.ledger.models.security import SecurityEvent
from holdfast.ledger.security import Kind, Sighting


@pytest.fixture
def lines(ledger: str) -> str:
    for number in range(12):
        actor, action = ("ada", "eve")[number % 2], ("pause", "replay", "purge")[number % 3]
        audit.note(action, actor=actor, job=f"job-{number % 4}" if number % 3 else None)
    return ledger


def pages(search: Callable[..., list[Any]], **asked: Any) -> list[int]:
    """Go through all of it, three at a time."""
    found: list[int] = []
    before = None
    while page := search(before=before, limit=3, **asked):
        found += [line.id for line in page]
        before = page[-1].id
    return found


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"actor": "ada"},
        {"action": "purge"},
        {"actor": "eve", "action": "replay"},
        {"job": "job-1"},
        {"actor": "nobody"},
    ],
)
@pytest.mark.parametrize("same_time", [False, True])
def test_pages_show_each_line_once_newest_first(
    lines: str, asked: dict[str, str], *, same_time: bool
) -> None:
    rows = Audit.objects.using(lines)
    if same_time:
        rows.update(at=Now())
    wanted = list(rows.filter(**asked).order_by("-at", "-id").values_list("id", flat=True))
    assert pages(audit.search, **asked) == wanted
    assert bool(wanted) == (asked.get("actor") != "nobody")


def test_lines_of_a_time_alone(lines: str) -> None:
    now = dialect().now()
    hour = timedelta(hours=1)
    old = Audit.objects.using(lines).order_by("id").values_list("id", flat=True)[0]
    Audit.objects.using(lines).filter(id=old).update(at=now - 3 * hour)
    assert [line.id for line in audit.search(since=now - 4 * hour, until=now - 2 * hour)] == [old]
    assert len(audit.search(since=now - hour)) == 11
    assert audit.search(until=now - 4 * hour) == []


def test_actions_that_there_are(lines: str) -> None:
    assert audit.actions() == ["pause", "purge", "replay"]


def test_security_events_are_paged_alike(ledger: str) -> None:
    for number in range(7):
        kind = (Kind.UNSIGNED, Kind.FORGED_TICKET)[number % 2]
        security.note(Sighting(kind=kind, queue="mail"))
    SecurityEvent.objects.using(ledger).update(at=Now())
    every = list(SecurityEvent.objects.using(ledger).order_by("-id").values_list("id", flat=True))
    assert pages(security.search) == every
    assert len(pages(security.search, kind=Kind.UNSIGNED)) == 4
