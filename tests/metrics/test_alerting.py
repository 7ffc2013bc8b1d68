"""The numbers of alerts: what fires by kind, what became of messages by channel, and when somebody looked last."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connections
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from holdfast.alerts.deciding import Sign
from holdfast.ledger.alert_kinds import KINDS, SEVERITIES
from holdfast.ledger.alerts import DUTY
from holdfast.ledger.database import alias
from holdfast.ledger.models import Duty
from holdfast.metrics import bounds
from holdfast.metrics.alerting import alerts
from tests.alerting import SIGN, Watched, stated
from tests.receivers import Web, web

RULES = [
    {"when": "oldest", "name": "queues", "severity": "critical", "to": ["ops"], "clear_seconds": 0},
    {"when": "worker", "name": "workers", "to": ["ops"]},
]


@pytest.fixture
def receiver(ledger: str) -> Iterator[Web]:
    with web() as server, stated(server, "ops", "chat", rules=RULES):
        yield server


def numbers() -> dict[tuple[str, ...], float]:
    """Return the value of each series by name and labels."""
    return {(one.metric.name.removeprefix("holdfast_"), *one.labels): one.value for one in alerts()}


def test_what_fires_is_told_by_kind_and_severity_and_all_of_them_from_the_beginning(
    receiver: Web,
) -> None:
    before = numbers()
    firing = {key[1:]: value for key, value in before.items() if key[0] == "alerts_firing"}
    assert firing == {(kind, severity): 0 for kind in KINDS for severity in SEVERITIES}
    watched = Watched()
    watched.signs["workers"] = [SIGN]
    watched.finds(SIGN, Sign(subject="queue b", summary="Queue b is old."), by="queues")
    found = numbers()
    assert found["alerts_firing", "oldest", "critical"] == 2
    assert found["alerts_firing", "worker", "warning"] == 1
    watched.finds(by="queues")
    assert numbers()["alerts_firing", "oldest", "critical"] == 0


def test_messages_are_counted_by_channel_whoever_sends_them(receiver: Web) -> None:
    assert numbers()["alert_messages_sent_total", "ops"] == 0
    receiver.answers.extend([(202, {}), (503, {})])
    watched = Watched()
    watched.signs["workers"] = [SIGN]
    watched.finds(SIGN, by="queues")
    found = numbers()
    assert found["alert_messages_sent_total", "ops"] == 1
    assert found["alert_messages_failed_total", "ops"] == 1
    assert found["alert_messages_waiting", "ops"] == 1
    assert found["alert_messages_sent_total", "chat"] == 0
    assert found["alert_messages_waiting", "chat"] == 0


def test_age_of_the_last_look_rises_until_somebody_looks_to_the_end(receiver: Web) -> None:
    assert numbers()["alert_look_age_seconds",] == math.inf
    watched = Watched()
    watched.watch.one_pass()
    assert numbers()["alert_look_age_seconds",] < 60
    Duty.objects.using(alias()).filter(name=DUTY).update(done_at=Now() - timedelta(seconds=900))
    assert numbers()["alert_look_age_seconds",] >= 900
    watched.watch.one_pass()
    assert numbers()["alert_look_age_seconds",] < 60


def test_nothing_is_told_where_nobody_is_to_be_told(receiver: Web, ledger: str) -> None:
    with stated(receiver), CaptureQueriesContext(connections[ledger]) as queries:
        assert numbers() == {}
    assert len(queries) == 0
    with stated(receiver, "ops"):
        assert ("alert_look_age_seconds",) not in numbers()


def test_cost_and_series_are_bounded(receiver: Web, ledger: str) -> None:
    many = [f"channel {n:02}" for n in range(40)]
    with stated(receiver, *many, rules=[{"when": "missed"}]):
        with CaptureQueriesContext(connections[ledger]) as queries:
            found = numbers()
        waiting = [key for key in found if key[0] == "alert_messages_waiting"]
        assert len(waiting) == bounds.MOST_CHANNELS
    assert len(queries) <= 6
