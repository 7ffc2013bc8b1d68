"""JOST's own alerts: each of its rules finds what it is for, and tells a channel that the environment names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from unittest import mock

import pytest
from django.conf import settings
from django.db.models.functions import Now
from django.test import override_settings

from holdfast import Celery, doctor
from holdfast.alerts import stated
from holdfast.alerts.watching import Watch
from holdfast.doctor import Report
from holdfast.doctor.probes.workers import NO_WORKER
from holdfast.ledger import schedules, transitions
from holdfast.ledger.database import alias, dialect
from holdfast.ledger.models import Alert, Job, Worker
from holdfast.ledger.schedules import Decided
from holdfast.ledger.states import State
from holdfast.testing import HoldfastJobs
from jost.celery import app as celery
from jost.gateways.clients import Gateway, GatewayError
from jost.leads import services
from jost.settings import alerting, queues
from jost.settings.environment import Environment
from tests.doctor.hired import hire
from tests.finished import finished
from tests.integration.test_minutes import last_full
from tests.receivers import Web, web
from tests.rows import new_job


@contextmanager
def telling() -> Iterator[Web]:
    """Who is told, by the address that the environment gives."""
    with web() as server:
        said = alerting.settings(
            Environment(
                ALERT_WEBHOOK_URL=f"{server.url}/S3CRET",
                ALERT_CONSOLE_URL="https://jost.example.com/holdfast/",
            )
        )
        with override_settings(HOLDFAST={**settings.HOLDFAST, "alerts": said}):
            yield server


@pytest.fixture
def told(ledger: str, app: Celery) -> Iterator[Web]:
    with telling() as server:
        yield server


def test_each_of_its_rules_tells_what_it_is_for(told: Web) -> None:
    now = dialect().now()
    for app in alerting.DEAD_LETTERS:
        finished(at=now, task=f"jost.{app}.work", state=State.FAILED, fingerprint=app)
    finished(60, at=last_full(), task="jost.gateways.ask", queue=queues.IO, state=State.FAILED)
    jobs = [new_job(task="jost.old", queue=queue) for queue in alerting.PATIENCE]
    ids = [ticket.id for ticket in transitions.record(jobs)]
    rows = Job.objects.using(alias()).filter(id__in=ids)
    rows.update(published_at=Now() - timedelta(hours=2), state=State.QUEUED)
    frozen = Worker.objects.using(alias()).filter(id=hire("frozen@host"))
    frozen.update(lease_until=Now() - timedelta(seconds=40))
    schedules.note("nightly", Decided(due_at=now, outcome="missed", reason="nobody was there"))
    finding = NO_WORKER.seen("6 queues.")
    with mock.patch.object(doctor, "examine", return_value=Report(findings=[finding])):
        watch = Watch()
        watch.one_pass()
        # What must be so for a while is told then.
        waiting = Alert.objects.using(alias()).filter(rule__in=["nobody serves", "the doctor"])
        waiting.update(since=Now() - timedelta(seconds=181))
        watch.one_pass()
    bodies = told.bodies("/S3CRET")
    assert {body["rule"] for body in bodies} == {rule["name"] for rule in alerting.RULES}
    critical = {body["rule"] for body in bodies if body["severity"] == "critical"}
    assert critical == {
        "dead letter of orders",
        "dead letter of simulations",
        "old in critical",
        "nobody serves",
        "frozen or lost worker",
    }
    assert {body["source"] for body in bodies} == {"JOST"}
    assert all(body["link"].startswith("https://jost.example.com/holdfast/") for body in bodies)


@pytest.mark.django_db
def test_crm_that_is_never_reached_is_told_of_once_no_retry_is_left(
    holdfast_jobs: HoldfastJobs,
) -> None:
    watch = Watch()
    with telling() as told, mock.patch.object(Gateway, "send", side_effect=GatewayError("away")):
        services.add_lead("+4930123456")
        holdfast_jobs.drain(raise_errors=False)
        watch.one_pass()
        assert not told.posted, "as long as it is tried again, nobody is woken"

        holdfast_jobs.drain(raise_errors=False, skip_waits=True)
        watch.one_pass()

        (body,) = told.bodies("/S3CRET")
        assert (body["rule"], body["severity"]) == ("dead letter of leads", "warning")
        assert "jost.leads.tell_crm: 1 dead letter" in str(body)


def test_dead_letters_of_every_app_are_told() -> None:
    apps = {name.split(".")[1] for name in celery.tasks if name.startswith("jost.")}
    # Who keeps the embedded services alive has nothing that anybody waits for.
    assert alerting.DEAD_LETTERS.keys() == apps - {"embedded"}


def test_every_queue_has_its_patience_and_what_is_well_is_not_told(told: Web) -> None:
    # A message that waits is sent without a worker, and a rule would tell of it by another one.
    assert alerting.PATIENCE.keys() == set(queues.NAMES) - {queues.ALERTS}
    transitions.record([new_job(task="jost.new", queue=queue) for queue in queues.NAMES])
    hire("well@host", queues=list(queues.NAMES))
    with mock.patch.object(doctor, "examine", return_value=Report(findings=[])):
        Watch().one_pass()
    assert not told.posted


def test_each_channel_is_one_that_the_environment_names() -> None:
    environment = Environment(
        ALERT_SLACK_URL="https://hooks.example/x",
        ALERT_PAGERDUTY_KEY="key",
        ALERT_EMAIL="ops@example.com",
        ALERT_WEBHOOK_URL="https://hook.example/x",
    )
    channels = stated.read(alerting.settings(environment)).channels
    assert list(channels) == ["slack", "pagerduty", "email", "webhook"]
    assert not stated.read(alerting.settings(Environment())).is_on
