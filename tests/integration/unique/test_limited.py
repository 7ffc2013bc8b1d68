"""Unique jobs that wait at a limit: they have their keys there, and are replaced and postponed there."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from holdfast import Limit, Unique
from holdfast.ledger import rehearsal
from holdfast.ledger.limiting import limits
from holdfast.ledger.models.limits import Limited, Place
from tests.harness import Site
from tests.integration.unique.jobs import called_with, end, row
from tests.project.syncing import plain, render

ONE = Limit("unique-one", concurrency=1)


def place(site: Site, job: str) -> Place:
    return Place(Limited.objects.using(site.alias).get(job=job).place)


def call(text: str, conflict: str, **more: Any) -> str:
    unique = Unique(by="page", conflict=conflict)  # type: ignore[arg-type]  # one of the four
    return str(render.apply_async(("home", text), unique=unique, limit=ONE, **more).id)


@pytest.fixture
def waiting(site: Site) -> str:
    """A unique job in the line of a limit that is full."""
    full = plain.apply_async((0,), limit=ONE)
    assert site.states() == {full.id: "queued"}
    job = call("first", "existing")
    assert site.states()[job] == "held"
    assert place(site, job) == Place.WAITING
    return job


def test_job_in_a_line_has_its_key(site: Site, waiting: str) -> None:
    assert call("second", "existing") == waiting
    assert len(site.jobs()) == 2


def test_replaced_job_waits_in_the_line_with_its_new_arguments(site: Site, waiting: str) -> None:
    assert call("second", "replace") == waiting
    assert called_with(waiting) == (["home", "second"], {})
    assert (site.states()[waiting], place(site, waiting)) == ("held", Place.WAITING)
    end(site, next(iter(site.states(task=plain.name))))
    assert call("third", "replace") == waiting
    assert (site.states()[waiting], place(site, waiting)) == ("queued", Place.ADMITTED)
    assert call("fourth", "replace") == waiting
    assert site.states()[waiting] == "queued", "it gives its place back, and finds room again"
    assert called_with(waiting) == (["home", "fourth"], {})
    end(site, waiting)


def test_postponed_job_leaves_the_line_until_its_time(site: Site, waiting: str) -> None:
    assert call("second", "postpone", countdown=3600) == waiting
    assert row(site, waiting).hold == "eta"
    end(site, next(iter(site.states(task=plain.name))))
    behind = plain.apply_async((1,), limit=ONE)
    assert site.states()[behind.id] == "queued"
    assert site.states()[waiting] == "held"
    end(site, behind.id)
    rehearsal.bring_forward(timedelta(hours=2))
    limits.line_up_due(limit=10)
    assert (row(site, waiting).hold, place(site, waiting)) == ("limit", Place.WAITING)
