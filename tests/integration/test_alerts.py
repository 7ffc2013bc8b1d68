"""Alerts from a look to a message: decided with their jobs in one transaction, told once, taken back, never lost."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from holdfast import alerts
from holdfast.alerts import channels, sending
from holdfast.alerts.deciding import Sign
from holdfast.alerts.errors import NotSent
from holdfast.alerts.stated import Channel, Rule
from holdfast.alerts.tasks import OWN_TASK
from holdfast.ledger import alerts as ledger
from holdfast.ledger import audit
from holdfast.ledger.database import alias, atomic
from holdfast.policies.effects import effect
from holdfast.testing import HoldfastJobs
from tests.alerted import OTHER, SIGN, Watched, said, wait
from tests.ledgers import empty
from tests.receivers import Web, web


@pytest.fixture
def receiver() -> Iterator[Web]:
    with web() as server:
        yield server


@pytest.fixture
def watched(jobs: HoldfastJobs, receiver: Web) -> Iterator[Watched]:
    empty(
        alias(),
        ["holdfast_alert", "holdfast_alert_rule", "holdfast_alert_added", "holdfast_alert_notice"],
    )
    with said(receiver):
        yield Watched()


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker takes messages from their queue."""
    monkeypatch.setattr(sending, "is_served", lambda: True)


def test_alert_is_sent_by_jobs_once_and_taken_back_once(
    watched: Watched, served: None, jobs: HoldfastJobs, receiver: Web
) -> None:
    watched.finds(SIGN)
    assert not receiver.posted
    assert len(jobs.assert_recorded(OWN_TASK, queue="alerts")) == 2
    jobs.drain()
    watched.finds(SIGN)
    jobs.drain()
    (hook,) = receiver.bodies("/hook")
    (pager,) = receiver.bodies("/pager")
    assert (hook["what"], hook["title"]) == ("fired", "Queue mail is old.")
    assert hook["link"] == "https://shop.example/holdfast/queues/mail/"
    assert pager["event_action"] == "trigger"
    watched.finds()
    jobs.drain()
    watched.finds()
    jobs.drain()
    assert [body["what"] for body in receiver.bodies("/hook")] == ["fired", "recovered"]
    resolved = receiver.bodies("/pager")[1]
    assert (resolved["event_action"], resolved["dedup_key"]) == ("resolve", pager["dedup_key"])
    assert {row.state for row in alerts.listed()} == {"recovered"}
    assert all(row.sent_at for row in alerts.latest())


def test_what_comes_at_once_is_one_message_and_an_incident_each(
    watched: Watched, served: None, jobs: HoldfastJobs, receiver: Web
) -> None:
    many = [Sign(subject=f"queue {n}", summary=f"Queue {n} is old.") for n in range(25)]
    watched.finds(*many)
    jobs.drain()
    (hook,) = receiver.bodies("/hook")
    assert (len(hook["alerts"]), hook["more"]) == (20, 5)
    assert hook["title"] == "Queue 0 is old. (and 24 more)"
    assert len({body["dedup_key"] for body in receiver.bodies("/pager")}) == 25


def test_decision_messages_and_jobs_are_written_together_or_not_at_all(
    watched: Watched, served: None, jobs: HoldfastJobs, receiver: Web, monkeypatch: Any
) -> None:
    def die(_notice: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sending, "record", die)
        with pytest.raises(KeyboardInterrupt):
            watched.finds(SIGN)
    assert not alerts.listed()
    assert not alerts.latest()
    jobs.assert_not_recorded()
    watched.finds(SIGN)
    jobs.drain()
    assert len(receiver.bodies("/hook")) == 1


def test_without_a_worker_messages_leave_at_once_and_no_job_waits(
    watched: Watched, jobs: HoldfastJobs, receiver: Web
) -> None:
    watched.finds(SIGN)
    assert len(receiver.posted) == 2
    jobs.assert_not_recorded()
    watched.finds(SIGN)
    assert len(receiver.posted) == 2


def test_what_no_worker_sends_in_time_is_sent_without_and_not_again_by_its_job(
    watched: Watched, served: None, jobs: HoldfastJobs, receiver: Web
) -> None:
    watched.finds(SIGN)
    assert not receiver.posted
    wait(sending.PATIENCE)
    watched.finds(SIGN)
    assert len(receiver.posted) == 2
    jobs.drain()
    assert len(receiver.posted) == 2


def test_channel_that_fails_is_tried_again_later_and_the_other_is_not_held_up(
    watched: Watched, receiver: Web, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.answers.extend([(503, {}), (202, {})])
    watched.finds(SIGN)
    assert len(receiver.posted) == 2
    assert "was not sent: HTTP 503" in caplog.text
    (failed,) = [row for row in alerts.latest() if row.sent_at is None]
    assert (failed.channel, failed.tries) == ("hook", 1)
    assert failed.error == "NotSent: HTTP 503 ok"
    watched.finds(SIGN)
    assert len(receiver.posted) == 2  # not so soon
    wait(timedelta(seconds=31))
    watched.finds(SIGN)
    assert len(receiver.bodies("/hook")) == 2
    assert all(row.sent_at for row in alerts.latest())


def test_channel_that_hangs_holds_a_pass_up_once_whatever_waits_for_it(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    seconds = [0.0]

    def hang(channel: Channel, _body: object, _key: str) -> str:
        asked.append(channel.name)
        if channel.name == "hook":
            seconds[0] += channels.TIMEOUT_SECONDS
            raise NotSent("no answer: TimeoutError")
        return "ok"

    monkeypatch.setattr(channels, "send", hang)
    monkeypatch.setattr(sending, "time", SimpleNamespace(monotonic=lambda: seconds[0]))
    for number in range(5):
        for name in ("hook", "pager"):
            ledger.add_notice(f"{number} {name}", name, {})
    watched.finds()
    assert sorted(asked) == ["hook", *["pager"] * 5]
    watched.finds()
    assert asked.count("hook") == 2


def test_job_of_a_message_is_retried_as_its_channel_asks(
    watched: Watched, served: None, jobs: HoldfastJobs, receiver: Web
) -> None:
    receiver.answers.append((429, {"Retry-After": "120"}))
    watched.finds(SIGN)
    jobs.drain()
    assert len(receiver.posted) == 2
    jobs.drain(skip_waits=True)
    assert len(receiver.posted) == 3
    assert all(row.sent_at for row in alerts.latest())


def test_one_that_died_between_answer_and_record_sends_again_and_one_that_recorded_does_not(
    watched: Watched, served: None, jobs: HoldfastJobs, receiver: Web, monkeypatch: Any
) -> None:
    watched.finds(SIGN)
    rows = ledger.unsent(within=timedelta(hours=1), limit=9)
    first, second = rows
    effect(f"alert:{first.key}").once(lambda: "HTTP 202")  # it died before it noted its try
    with monkeypatch.context() as patch:
        patch.setattr(channels, "send", interrupt)
        with pytest.raises(KeyboardInterrupt):
            sending.deliver(second)
    jobs.drain()
    assert [one.path for one in receiver.posted] == [
        {"hook": "/hook", "pager": "/pager"}[second.channel]
    ]
    assert all(row.sent_at for row in alerts.latest())


def interrupt(*_: Any) -> str:
    raise KeyboardInterrupt


def test_two_watches_decide_once_and_who_lost_the_duty_decides_nothing(
    watched: Watched, receiver: Web
) -> None:
    other = Watched()
    watched.finds(SIGN)
    other.finds(SIGN, OTHER)
    assert [row.subject for row in alerts.listed()] == ["queue mail"]

    def freeze(_rule: Rule) -> list[Sign]:
        # While this one looks, the duty goes to the other one.
        watched.watch.stop()
        other.finds(SIGN)
        return []

    watched.watch._look = freeze
    watched.watch.one_pass()
    assert {row.state for row in alerts.listed()} == {"firing"}
    assert len(receiver.bodies("/hook")) == 1


def test_rule_that_cannot_be_looked_at_changes_nothing(
    watched: Watched, receiver: Web, caplog: pytest.LogCaptureFixture
) -> None:
    watched.finds(SIGN)

    def fail(_rule: Rule) -> list[Sign]:
        raise LookupError("no such thing")

    watched.watch._look = fail
    watched.watch.one_pass()
    assert {row.state for row in alerts.listed()} == {"firing"}
    assert "The rule queues cannot be looked at" in caplog.text


def test_doctor_is_asked_seldom_and_sooner_while_it_finds_something(
    watched: Watched, receiver: Web
) -> None:
    now = [1000.0]
    asked: list[float] = []

    def look(_rule: Rule) -> list[Sign]:
        asked.append(now[0] - 1000)
        return list(watched.signs)

    watched.watch._monotonic = lambda: now[0]
    watched.watch._look = look
    with said(receiver, rules=[{"when": "finding", "name": "doctor", "clear_seconds": 0}]):
        for second in range(0, 1201, 60):
            now[0] = 1000.0 + second
            watched.finds(*([SIGN] if 600 <= second < 800 else []))
    # Each ten minutes; then, from what it found, each two until it is over.
    assert asked == [0, 600, 720, 840]
    assert [row.state for row in alerts.listed()] == ["recovered"]


def test_muted_rule_and_muted_alert_say_nothing_and_the_audit_says_who_did_it(
    watched: Watched, receiver: Web
) -> None:
    alerts.mute("queues", hours=1, actor="ada", reason="a deploy")
    watched.finds(SIGN)
    assert not receiver.posted
    (rule,) = alerts.rules()
    assert (rule.firing, rule.by, rule.reason) == (1, "ada", "a deploy")
    assert rule.muted_until is not None
    alerts.mute("queues", hours=0, actor="ada")
    (row,) = alerts.listed(firing=True)
    alerts.mute_alert(row.id, hours=2, actor="bob")
    watched.finds(SIGN)
    assert not receiver.posted
    alerts.mute_alert(row.id, hours=0, actor="bob")
    watched.finds(SIGN)
    assert len(receiver.bodies("/hook")) == 1
    found = [(line.action, line.actor, line.detail) for line in audit.lines(limit=4)]
    assert found[::-1] == [
        ("mute alert rule", "ada", "queues a deploy"),
        ("unmute alert rule", "ada", "queues"),
        ("mute alert", "bob", "queues: queue mail"),
        ("unmute alert", "bob", "queues: queue mail"),
    ]


def test_rule_switched_off_takes_back_what_it_told_and_one_gone_does_too(
    watched: Watched, receiver: Web
) -> None:
    watched.finds(SIGN)
    alerts.switch("queues", on=False, actor="ada")
    watched.finds(SIGN)
    assert [body["what"] for body in receiver.bodies("/hook")] == ["fired", "recovered"]
    alerts.switch("queues", on=True, actor="ada")
    watched.finds(SIGN)
    with said(receiver, rules=[{"when": "missed"}]):
        watched.finds()
    assert [body["what"] for body in receiver.bodies("/hook")] == [
        "fired",
        "recovered",
        "fired",
        "recovered",
    ]


def test_what_is_not_there_is_refused_with_what_there_is(watched: Watched) -> None:
    with pytest.raises(alerts.AlertNotFound, match="no rule 'mail'; there are: qu"):
        alerts.mute("mail", hours=1, actor="ada")
    with pytest.raises(alerts.AlertNotFound, match="There is no alert 4711"):
        alerts.mute_alert(4711, hours=1, actor="ada")
    with pytest.raises(alerts.AlertNotFound, match="no channel 'x' in the settings; there are: ho"):
        alerts.test("x", actor="ada")
    with pytest.raises(ValueError, match="from 0 to 8784"):
        alerts.mute("queues", hours=-1, actor="ada")


def test_test_message_goes_out_at_once_and_says_who_asked(watched: Watched, receiver: Web) -> None:
    assert alerts.test("hook", actor="ada") == "HTTP 202"
    (body,) = receiver.bodies("/hook")
    assert body["title"] == "Test: channel hook of shop works"
    assert body["alerts"][0]["summary"] == "ada asked for it."
    receiver.answers.append((404, {}))
    with pytest.raises(NotSent, match="HTTP 404"):
        alerts.test("pager", actor="ada")
    assert [bool(row.sent_at) for row in alerts.latest()] == [False, True]


def test_channel_that_is_gone_from_the_settings_ends_its_messages(
    watched: Watched, receiver: Web
) -> None:
    receiver.answers.extend([(503, {}), (503, {})])
    watched.finds(SIGN)
    with said(receiver, channels={"new": {"kind": "webhook", "url": receiver.url}}):
        wait(timedelta(seconds=31))
        watched.finds(SIGN)
    assert {row.error for row in alerts.latest()} >= {"there is no channel hook in the settings"}


def test_a_look_costs_the_same_with_many_alerts_and_old_ones_go(
    watched: Watched, receiver: Web
) -> None:
    watched.finds()
    few = statements(watched)
    with atomic():
        now = ledger.now() - timedelta(days=31)
        ledger.save(
            ledger.AlertRow(
                rule="queues",
                subject=f"queue {n}",
                severity="warning",
                state="recovered",
                summary="",
                since=now,
                seen_at=now,
            )
            for n in range(300)
        )
    assert statements(watched) == few
    watched.watch._prune_at = 0.0
    watched.finds()
    assert not alerts.listed()


def statements(watched: Watched) -> int:
    with CaptureQueriesContext(connections[alias()]) as queries:
        watched.finds()
    return len(queries)


def test_alert_is_a_line_of_the_log(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="holdfast.alerts")
    watched.finds(SIGN)
    watched.finds()
    assert "Alert (fired, queues): Queue mail is old." in caplog.messages
    assert "Alert (recovered, queues): Queue mail is old." in caplog.messages
