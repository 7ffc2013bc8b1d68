"""Why jobs wait beside a real worker: busy, unserved, run now, rerouted, and its job once it is killed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.test import override_settings
from kombu.utils.uuid import uuid

import holdfast
from holdfast import waiting
from holdfast.ledger import audit
from holdfast.ledger.reads import standing
from holdfast.waiting import Kind
from tests.console.conftest import client
from tests.eventually import eventually
from tests.harness import Site, new_site
from tests.project import steered

STEERED = steered.__name__


@pytest.fixture(params=["sqlite", "postgres"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site(str(request.param), request) as site:
        yield site


def token(id: str) -> int:
    row = standing.standing(id)
    assert row is not None
    return row.token


def kinds(id: str) -> list[Kind]:
    return [wait.kind for wait in holdfast.why_waits(id)]


def test_reasons_are_those_of_real_workers(site: Site) -> None:
    worker = site.worker(concurrency=1)
    gate = site.directory / uuid()
    running = site.task("wait_for_file").delay(str(gate), "first").id
    eventually(lambda: Kind.RUNNING in kinds(running), told="the first job runs")
    (wait,) = holdfast.why_waits(running)
    assert "renewed" in wait.text

    behind = site.task("effect").delay("behind").id
    later = site.task("effect").apply_async(("later",), countdown=3600).id
    elsewhere = site.task("effect").apply_async(("elsewhere",), queue="nobody").id
    eventually(lambda: kinds(behind)[0] in {Kind.BUSY, Kind.CLAIMED}, told="the slot is taken")
    busy = holdfast.why_waits(behind)[0]
    assert [job.id for job in busy.jobs] == [running]
    assert kinds(later) == [Kind.ETA]
    assert kinds(elsewhere)[0] == Kind.UNSERVED

    assert waiting.run_now(later, token=token(later), actor="ada")
    assert waiting.reroute(elsewhere, token=token(elsewhere), actor="ada", queue="celery")
    gate.touch()
    states = site.wait_all_final()
    assert set(states.values()) == {"succeeded"}
    assert site.effect_counts()["end later"] == site.effect_counts()["end elsewhere"] == 1
    assert holdfast.why_waits(later) == []

    closed = site.directory / uuid()
    lost = site.task("wait_for_file").delay(str(closed), "second").id
    eventually(lambda: Kind.RUNNING in kinds(lost), told="the second job runs")
    worker.kill()
    eventually(lambda: kinds(lost) == [Kind.LOST_WORKER], told="its worker is known to be gone")
    assert holdfast.why_waits(lost)[0].trouble, "nobody is left to give it back"


def test_console_asks_a_body_to_stop_and_stops_one_that_does_not_listen(site: Site) -> None:
    site.worker(f"--include={STEERED}", concurrency=2)
    listening = steered.steered.delay("listening").id
    gate = site.directory / uuid()
    deaf = site.task("wait_for_file").delay(str(gate), "deaf").id
    eventually(lambda: {"start listening", "start deaf"} <= set(site.effects()), told="both run")

    said = {**settings.HOLDFAST, "console_access": "tests.console.roles.of_header"}
    with override_settings(HOLDFAST=said):
        for id, more in ((listening, {}), (deaf, {"terminate": "on"})):
            done = client("operate").post(
                f"/holdfast/api/jobs/{id}/cancel/", {"token": token(id), **more}
            )
            assert done.status_code == 200, done.content

    assert set(site.wait_all_final().values()) == {"cancelled"}
    eventually(lambda: "told listening" in site.effects(), told="the body has heard it")
    assert "end deaf" not in site.effects()
    assert {line.actor for line in audit.lines()} == {"operate@test"}
