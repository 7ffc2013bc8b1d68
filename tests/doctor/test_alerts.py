"""Alerts that reach nobody: nobody looks, a channel takes nothing, one is gone; until it is mended."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db.models.functions import Now
from django.test import override_settings

from holdfast import alerts
from holdfast.alerts.errors import NotSent
from holdfast.alerts.watching import Watch
from holdfast.doctor.findings import Finding
from holdfast.doctor.look import Look
from holdfast.doctor.probes import alerts as probes
from holdfast.ledger.alerts import DUTY
from holdfast.ledger.database import alias
from holdfast.ledger.models import AlertNotice, Duty
from tests.alerting import SIGN, Watched, stated
from tests.doctor.asking import ask, only
from tests.harness import new_site
from tests.receivers import Web, web

RULES = [{"when": "oldest", "name": "queues"}]


@pytest.fixture
def receiver(ledger: str) -> Iterator[Web]:
    with web() as server:
        yield server


def looks() -> list[Finding]:
    return list(probes.somebody_looks(Look()))


def taken() -> list[Finding]:
    return list(probes.channels_take_messages(Look()))


def number(found: Finding) -> str:
    return found.id.removeprefix("holdfast.")


def ago(seconds: float) -> Any:
    return Now() - timedelta(seconds=seconds)


def test_nobody_looks_until_somebody_does(receiver: Web) -> None:
    with stated(receiver, "ops", rules=RULES):
        (found,) = looks()
        assert (number(found), found.evidence) == ("E651", "Nobody ever has.")
        watch = Watch(look=lambda _: [])
        watch.one_pass()
        assert looks() == []
        rows = Duty.objects.using(alias()).filter(name=DUTY)
        rows.update(done_at=ago(301))
        (found,) = looks()
        assert "somebody has the duty, and comes to no end" in found.evidence
        watch.stop()
        (found,) = looks()
        assert "nobody has the duty" in found.evidence
        assert found.data["seconds"] >= 301
        Watch(look=lambda _: []).one_pass()
        assert looks() == []


def test_look_that_fails_each_time_is_none(receiver: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    with stated(receiver, "ops", rules=RULES):
        watch = Watch(look=lambda _: [])
        watch.one_pass()
        Duty.objects.using(alias()).filter(name=DUTY).update(done_at=ago(301))
        with monkeypatch.context() as patch:
            patch.setattr(watch, "_decide", lambda *_, **__: None)
            watch.one_pass()
        assert len(looks()) == 1
        watch.one_pass()
        assert looks() == []


def test_process_of_the_release_before_looks_without_saying_when_it_is_done(receiver: Web) -> None:
    with stated(receiver, "ops", rules=RULES):
        Watch(look=lambda _: []).one_pass()
        rows = Duty.objects.using(alias()).filter(name=DUTY)
        rows.update(done_at=None)
        assert looks() == []
        rows.update(until=ago(600))
        assert len(looks()) == 1


def test_nothing_is_said_where_nobody_is_to_look_and_an_added_rule_is_a_rule(receiver: Web) -> None:
    assert looks() == []
    with stated(receiver, "ops"):
        assert looks() == []
        alerts.add_rule(RULES[0], actor="ada")
        assert len(looks()) == 1
    with stated(receiver, rules=RULES):
        assert looks() == []


def test_channel_that_takes_nothing_for_long_is_named_until_it_takes_a_test(receiver: Web) -> None:
    with stated(receiver, "ops", "chat", rules=[{**RULES[0], "to": ["ops"]}]):
        receiver.answers.append((503, {}))
        Watched().finds(SIGN, by="queues")
        assert taken() == []  # not for long enough yet
        AlertNotice.objects.using(alias()).update(made_at=ago(700))
        (found,) = taken()
        assert (number(found), found.data["channel"]) == ("W652", "ops")
        assert "1 message not taken" in found.evidence
        assert "HTTP 503" in found.evidence
        assert found.repair.endswith("holdfast alerts test ops.")
        receiver.answers.append((503, {}))
        with pytest.raises(NotSent):
            alerts.test("ops", actor="ada")
        assert "2 messages not taken" in taken()[0].evidence
        alerts.test("ops", actor="ada")
        assert taken() == []
    assert "hush" not in str(found)


def test_rule_that_names_a_channel_that_is_gone_is_named_until_it_is_back(receiver: Web) -> None:
    def unreached() -> list[Finding]:
        return list(probes.added_rules_reach_somebody(Look()))

    with stated(receiver, "ops", "chat"):
        alerts.add_rule({**RULES[0], "to": ["ops", "chat"]}, actor="ada")
        alerts.add_rule({"when": "missed"}, actor="ada")
        assert unreached() == []
    with stated(receiver, "chat"):
        (found,) = unreached()
        assert (number(found), found.data["channels"], found.data["reached"]) == (
            "W653",
            ["ops"],
            1,
        )
        alerts.change_rule("queues", {**RULES[0], "to": ["chat"]}, actor="ada")
        assert unreached() == []
    with stated(receiver):
        assert [found.data["rule"] for found in unreached()] == ["missed", "queues"]


@pytest.mark.parametrize("said", ["slack", {"channels": "slack"}, {"channels": {}}, {"rules": []}])
def test_what_cannot_be_read_is_said_by_the_checks_and_breaks_no_probe(
    ledger: str, said: Any
) -> None:
    with override_settings(HOLDFAST={**settings.HOLDFAST, "alerts": said}):
        assert looks() == taken() == []


def test_doctor_says_it_in_a_process_of_its_own(request: pytest.FixtureRequest) -> None:
    said = {"channels": {"ops": {"kind": "webhook", "url": "http://127.0.0.1:9/"}}, "rules": RULES}
    with new_site("sqlite", request, environment={"HOLDFAST_ALERTS": json.dumps(said)}) as site:
        told = ask(site.environment, *only("alerts"))
        assert (told.ids, told.status) == ({"E651"}, 1)
        site.python("from holdfast.alerts.watching import Watch\nWatch().one_pass()")
        assert ask(site.environment, *only("alerts")).ids == set()
