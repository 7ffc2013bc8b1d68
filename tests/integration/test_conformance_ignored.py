"""A chord goes on without a member that asks to be ignored; what the member stored itself is what the body gets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from celery import chain, chord, group
from celery.exceptions import ChordError
from celery.result import AsyncResult

import holdfast
from tests.eventually import eventually
from tests.harness import Site, new_site


@pytest.fixture(scope="module", params=["sqlite-prefork", "postgres-threads"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    database, _, pool = str(request.param).partition("-")
    with new_site(database, request) as site:
        site.worker(pool=pool)
        yield site


@pytest.fixture(autouse=True)
def nothing_is_left_open(site: Site) -> Iterator[None]:
    site.empty()
    yield
    site.wait_all_final()


def _error_of(body: AsyncResult[Any]) -> str:
    """Wait for the end of a chord that was told of a failure; `get` may raise the member's error in its place."""
    eventually(lambda: body.state == "FAILURE")
    assert isinstance(body.result, ChordError)
    return str(body.result)


def test_body_gets_none_or_what_the_ignored_member_stored(site: Site) -> None:
    leave, add = site.task("leave"), site.task("add")
    header = [
        leave.si("ignore", "bare"),
        add.si(1, 1),
        leave.si("ignore after success", "stored"),
        leave.si("ignore in a state of its own", "named"),
    ]

    sent = chord(header, site.task("collect").s(), app=site.app).delay()

    assert sent.get(timeout=60) == [None, 2, "stored by the body", "stored by the body"]


def test_chain_that_an_ignored_step_stops_counts_as_done(site: Site) -> None:
    leave, add = site.task("leave"), site.task("add")
    header = [
        chain(leave.si("ignore", "first"), site.task("effect").si("never"), app=site.app),
        add.si(1, 1),
        chain(
            leave.si("ignore", "before a group"), group(add.si(2, 2), add.si(3, 3)), app=site.app
        ),
    ]

    sent = chord(header, site.task("collect").s(), app=site.app).delay()

    # The members of a group count one by one, as they do when they run.
    assert sorted(sent.get(timeout=60), key=str) == [2, None, None, None]
    assert "start never" not in site.effects()


def test_chord_is_told_when_the_chain_before_a_group_fails(site: Site) -> None:
    members = group(site.task("add").si(2, 2), site.task("add").si(3, 3))
    failing = chain(site.task("leave").si("raise", "before a group"), members, app=site.app)

    sent = chord(
        [failing, site.task("add").si(1, 1)], site.task("collect").s(), app=site.app
    ).delay()

    assert "raised ValueError" in _error_of(sent)


def test_chord_is_told_when_the_ignored_member_stored_a_failure(site: Site) -> None:
    leave, add = site.task("leave"), site.task("add")
    body = site.task("after").s("told").on_error(site.task("failed").s("told"))

    sent = chord([add.si(1, 1), leave.si("ignore after failure", "member")], body).delay()

    assert "raised ValueError" in _error_of(sent)
    eventually(lambda: site.effect_counts()["failed told ChordError"] == 1)
    assert not site.effect_counts()["after told"]


def test_state_of_its_own_is_shown_after_the_end_and_nobody_waits(site: Site) -> None:
    sent = site.task("leave").delay("ignore in a state of its own", "named")

    assert sent.get(timeout=60) == "stored by the body"
    assert (sent.state, sent.info) == ("SKIPPED", "stored by the body")
    row = site.jobs()[sent.id]
    assert (site.states()[sent.id], row.reason) == ("succeeded", "ignored")
    members = group(
        site.task("leave").si("ignore in a state of its own", "member"), site.task("add").si(1, 1)
    ).delay()
    assert members.get(timeout=60) == ["stored by the body", 2]


def test_progress_of_a_job_that_ends_well_is_not_taken_for_its_end(site: Site) -> None:
    gate = site.directory / "gate"
    gate.touch()
    sent = site.app.send_task("tests.progress", (str(gate),), ignore_result=True)

    eventually(lambda: site.states().get(sent.id) == "succeeded")
    assert site.result(sent.id).state == "SUCCESS"


def test_ignored_job_that_is_replayed_begins_anew(site: Site) -> None:
    sent = site.task("leave").delay("ignore in a state of its own", "again")
    sent.get(timeout=60)

    holdfast.replay(sent.id).get(timeout=60)

    assert site.effect_counts()["start again"] == 2
    assert site.jobs()[sent.id].reason == "ignored"
