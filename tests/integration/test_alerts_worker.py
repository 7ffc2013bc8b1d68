"""Alerts in real processes: a worker that watches and sends, and one that is killed between decision and sending."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from holdfast.ledger.models import Duty
from holdfast.ledger.models.alerts import Alert, AlertNotice
from tests.eventually import eventually
from tests.harness import Site, new_site
from tests.receivers import Web, web

pytestmark = pytest.mark.slow

_DIES = """
import os, signal, sys
from holdfast.alerts import notices, sending, watching
from holdfast.alerts.deciding import Sign
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
where = sys.argv[1]
if where == "after the commit":
    sending.send_what_waits = die
elif where == "in the transaction":
    watching.ledger.add_notice = die
elif where == "while it sends":
    sending.channels.send = die
watch = watching.Watch(look=lambda rule: [Sign(subject="queue mail", summary="Queue mail is old.")])
watch.one_pass()
"""


@pytest.fixture
def receiver() -> Iterator[Web]:
    with web() as server:
        yield server


def stated(receiver: Web, **rule: Any) -> Mapping[str, str]:
    said = {
        "channels": {"ops": {"kind": "webhook", "url": f"{receiver.url}/hook"}},
        "rules": [{"when": "oldest", "name": "queues", **rule}],
        "every_seconds": 0.5,
    }
    return {"HOLDFAST_ALERTS": json.dumps(said)}


@pytest.mark.parametrize(
    ("kind", "where"),
    [
        ("sqlite", "in the transaction"),
        ("postgres", "in the transaction"),
        ("postgres", "after the commit"),
        ("sqlite", "while it sends"),
    ],
)
def test_one_killed_on_the_way_loses_no_message_and_doubles_none(
    kind: str, where: str, receiver: Web, request: pytest.FixtureRequest
) -> None:
    with new_site(kind, request) as site:
        environment = stated(receiver)
        first = site.process(_DIES, where, environment=environment)
        assert first.wait() == -signal.SIGKILL, first.log_tail()
        assert not receiver.posted
        rows = (
            Alert.objects.using(site.alias).count(),
            AlertNotice.objects.using(site.alias).count(),
        )
        assert rows == ((0, 0) if where == "in the transaction" else (1, 1))
        free_duty(site)
        second = site.process(_DIES, "never", environment=environment)
        assert second.wait() == 0, second.log_tail()
        again = AlertNotice.objects.using(site.alias)
        if where == "while it sends":
            # It may have been sent, for all that anybody knows: it is tried again, after a pause.
            assert [row.tries for row in again] == [1]
        assert [body["title"] for body in receiver.bodies()] == ["Queue mail is old."]
        free_duty(site)
        third = site.process(_DIES, "never", environment=environment)
        assert third.wait() == 0, third.log_tail()
        assert len(receiver.posted) == 1


def free_duty(site: Site) -> None:
    """Let the next one act at once, as after the time of the duty."""
    Duty.objects.using(site.alias).filter(name="alerts").update(holder=None)


def test_scheduler_watches_too_and_leaves_the_duty_when_it_ends(
    receiver: Web, request: pytest.FixtureRequest
) -> None:
    with new_site("sqlite", request, environment=stated(receiver, above=0.001)) as site:
        held = Duty.objects.using(site.alias).filter(name="alerts", holder__isnull=False)
        site.task("effect").apply_async(("late",), queue="mail")
        beat = site.beat()
        eventually(lambda: receiver.bodies("/hook"), told="the alert is told without any worker")
        assert held.exists()
        beat.stop()
        assert not held.exists()


def test_doctor_is_asked_by_the_watch(receiver: Web, request: pytest.FixtureRequest) -> None:
    """The project of the tests says nothing of time limits, which is a finding."""
    rule = {"when": "finding", "name": "doctor", "level": "warning", "id": "holdfast.W004"}
    said = {
        "channels": {"ops": {"kind": "webhook", "url": f"{receiver.url}/hook"}},
        "rules": [rule],
    }
    with new_site("sqlite", request, environment={"HOLDFAST_ALERTS": json.dumps(said)}) as site:
        site.python("from holdfast.alerts.watching import Watch\nWatch().one_pass()")
    (body,) = receiver.bodies("/hook")
    assert body["title"].startswith("holdfast.W004 ")
    assert body["alerts"][0]["facts"]["repair"]


def test_worker_watches_and_sends_by_a_job(receiver: Web, request: pytest.FixtureRequest) -> None:
    with new_site("postgres", request) as site:
        environment = stated(receiver, above=0.001, clear_seconds=0)
        site.task("effect").apply_async(("late",), queue="mail")
        worker = site.worker(queues="celery,alerts", environment=environment)
        eventually(lambda: receiver.bodies("/hook"), told="the alert is told")
        (job,) = site.jobs(task="holdfast.send_alert").values()
        assert job.queue == "alerts"
        worker.stop()
        # Another one, without the queue of messages: it tells that it is over, by itself.
        site.worker(queues="celery,mail", environment=environment)
        eventually(
            lambda: [body["what"] for body in receiver.bodies()] == ["fired", "recovered"],
            told="the end is told",
        )
        assert len(site.jobs(task="holdfast.send_alert")) == 1
