"""What HOLDFAST["alerts"] may say, and what becomes of alerts by what is found."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import override_settings
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.alerts import checking
from holdfast.alerts.deciding import FIRED, OVER, REMINDED, Decision, Sign, decide, put_away
from holdfast.alerts.stated import DEFAULTS, KINDS, Rule, read
from holdfast.exceptions import ConfigurationError
from holdfast.ledger.alert_rules import Switch
from holdfast.ledger.alerts import FIRING, RECOVERED, WAITING, AlertRow

CHANNELS = {
    "ops": {"kind": "slack", "url": "https://hooks.slack.com/services/T/B/secret"},
    "pager": {"kind": "pagerduty", "routing_key": "secret"},
}
NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
RULE = Rule(name="queues", when="oldest", asks={"queue": "*", "above": 60.0}, to=("ops",))
SIGN = Sign(subject="queue mail", summary="Queue mail is old.")


def test_channels_alone_bring_rules_that_are_worth_being_woken_for() -> None:
    found = read({"channels": CHANNELS})
    assert [rule.when for rule in found.rules] == [said["when"] for said in DEFAULTS]
    assert {rule.to for rule in found.rules} == {("ops", "pager")}
    assert found.is_on
    assert not read(None).is_on
    assert not read({"rules": [{"when": "missed"}]}).is_on


def test_every_kind_of_rule_can_be_said_with_nothing_but_its_name() -> None:
    found = read({"channels": CHANNELS, "rules": [{"when": kind} for kind in KINDS]})
    assert [dict(rule.asks) for rule in found.rules] == list(KINDS.values())


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"chanels": {}}, "'chanels', which means nothing here: did you mean 'channels'?"),
        ([], "it must be a dictionary with 'channels' and 'rules'"),
        ({"channels": []}, "must be a dictionary of channels by name"),
        ({"channels": {"a": {"kind": "pigeon"}}}, "'kind' is 'pigeon': it must be one of slack"),
        ({"channels": {"a": {"kind": "slack"}}}, "of kind 'slack' needs 'url'"),
        ({"channels": {"a": {"kind": "slack", "url": "file:///x"}}}, "must begin with https://"),
        ({"channels": {"a": {"kind": "email", "to": "a@b", "bcc": 1}}}, "'bcc', which means"),
        ({"rules": "dead_letter"}, "must be a list of dictionaries"),
        ({"rules": ["missed"]}, "'when' is 'missed'"),
        ({"rules": [{"when": "full_moon"}]}, "'when' is 'full_moon': it must be one of dead_let"),
        ({"rules": [{"when": "oldest", "abov": 1}]}, "did you mean 'above'?"),
        ({"rules": [{"when": "oldest", "above": "1"}]}, "['above'] is '1': it must be a number"),
        ({"rules": [{"when": "oldest", "above": True}]}, "['above'] is True"),
        ({"rules": [{"when": "oldest", "queue": 1}]}, "['queue'] is 1: it must be a text"),
        ({"rules": [{"when": "oldest", "to": ["nobody"]}]}, "the channel 'nobody', which"),
        ({"rules": [{"when": "oldest", "severity": "dire"}]}, "['severity'] is 'dire'"),
        ({"rules": [{"when": "oldest", "for_seconds": -1}]}, "['for_seconds'] is -1"),
        ({"rules": [{"when": "finding", "level": "bad"}]}, "['level'] is 'bad': it must be one"),
        ({"rules": [{"when": "missed"}] * 2}, "two rules are called 'missed'"),
        (
            {"rules": [{"when": "failure_rate", "task": "a", "queue": "b"}]},
            "say 'task' or 'queue', one of the two",
        ),
        ({"every_seconds": 0}, "['every_seconds'] is 0: it must be a number, greater than 0"),
        ({"queue": None}, "['queue'] is None: it must be a text"),
    ],
)
def test_wrong_words_are_errors_with_their_repair(said: Any, words: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read(said)
    assert words in str(raised.value)
    with override_settings(HOLDFAST={"alerts": said}):
        (message,) = checking.check_alerts()
    assert words in message.msg


def test_channel_whose_package_is_missing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"channels": {"phone": {"kind": "apprise", "url": "json://shop.example"}}}
    with override_settings(HOLDFAST={"alerts": said}):
        assert not checking.check_alerts()
        monkeypatch.setattr(checking, "find_spec", lambda _name: None)
        (message,) = checking.check_alerts()
    assert "phone" in message.msg
    assert "pip install 'holdfast[apprise]'" in str(message.hint)


def test_secrets_of_channels_are_in_no_error_and_no_repr() -> None:
    bad = {"a": {"kind": "webhook", "url": "ftp://secret"}}
    with pytest.raises(ConfigurationError) as raised:
        read({"channels": bad})
    assert "secret" not in str(raised.value)
    assert "secret" not in repr(read({"channels": CHANNELS}))


def after(
    signs: list[Sign],
    rows: Mapping[str, AlertRow],
    *,
    seconds: float,
    rule: Rule = RULE,
    switch: Switch | None = None,
    repeat: timedelta | None = None,
) -> tuple[Decision, dict[str, AlertRow]]:
    """Decide so long after NOW; return the decision, and what stands then."""
    now = NOW + timedelta(seconds=seconds)
    decision = decide(rule, signs, rows, now=now, switch=switch or Switch(), repeat=repeat)
    return decision, {**rows, **{row.subject: row for row in decision.changed}}


def told(decision: Decision) -> dict[str, list[str]]:
    return {what: [row.subject for row in rows] for what, rows in decision.told.items()}


def test_alert_is_told_once_and_taken_back_once_it_is_over_for_a_while() -> None:
    first, rows = after([SIGN], {}, seconds=0)
    assert told(first) == {FIRED: ["queue mail"]}
    again, rows = after([SIGN], rows, seconds=30)
    assert not again.told
    gone, rows = after([], rows, seconds=60)
    assert not gone.changed  # 30 s without a sign: it may come back
    over, rows = after([], rows, seconds=90)
    assert told(over) == {OVER: ["queue mail"]}
    assert rows["queue mail"].state == RECOVERED
    assert not after([], rows, seconds=120)[0].changed
    new, rows = after([SIGN], rows, seconds=150)
    assert told(new) == {FIRED: ["queue mail"]}
    assert rows["queue mail"].episode == 2


def test_long_names_are_one_alert_and_fit_into_their_columns() -> None:
    long = Sign(subject="q" * 400, summary="Old.", path="queues/" + "q" * 600)
    first, rows = after([long], {}, seconds=0)
    assert [len(row.subject) for row in first.changed] == [255]
    assert [row.path for row in first.changed] == [""]
    assert not after([long], rows, seconds=30)[0].told


def test_what_must_last_is_told_when_it_has_and_forgotten_before() -> None:
    rule = Rule(name="queues", when="oldest", asks=RULE.asks, to=("ops",), for_seconds=60)
    decision, rows = after([SIGN], {}, seconds=0, rule=rule)
    assert (decision.told, rows["queue mail"].state) == ({}, WAITING)
    gone, short = after([], rows, seconds=30, rule=rule)
    assert (gone.told, short["queue mail"].state) == ({}, RECOVERED)
    lasting, _ = after([SIGN], rows, seconds=60, rule=rule)
    assert told(lasting) == {FIRED: ["queue mail"]}


def test_what_is_still_wrong_is_told_again_after_a_while() -> None:
    hour = timedelta(hours=1)
    _, rows = after([SIGN], {}, seconds=0, repeat=hour)
    assert not after([SIGN], rows, seconds=3599, repeat=hour)[0].told
    again, rows = after([SIGN], rows, seconds=3600, repeat=hour)
    assert told(again) == {REMINDED: ["queue mail"]}
    assert not after([SIGN], rows, seconds=3700, repeat=hour)[0].told


def test_muted_alert_is_told_when_that_is_over_and_what_was_told_is_taken_back() -> None:
    mute = Switch(muted_until=NOW + timedelta(seconds=100))
    muted, rows = after([SIGN], {}, seconds=0, switch=mute)
    assert (muted.told, rows["queue mail"].state) == ({}, FIRING)
    assert not after([], rows, seconds=90, switch=mute)[0].told  # nobody had heard of it
    late, rows = after([SIGN], rows, seconds=100, switch=mute)
    assert told(late) == {FIRED: ["queue mail"]}
    again = Switch(muted_until=NOW + timedelta(seconds=1000))
    assert told(after([], rows, seconds=200, switch=again)[0]) == {OVER: ["queue mail"]}


def test_one_alert_can_be_muted_by_itself() -> None:
    row = AlertRow(
        rule="queues",
        subject="queue mail",
        severity="warning",
        state=RECOVERED,
        summary="",
        since=NOW,
        seen_at=NOW,
        muted_until=NOW + timedelta(hours=1),
    )
    other = Sign(subject="queue other", summary="Old.")
    decision, _ = after([SIGN, other], {"queue mail": row}, seconds=1)
    assert told(decision) == {FIRED: ["queue other"]}


def test_rule_that_is_switched_off_or_gone_takes_back_what_it_told() -> None:
    _, rows = after([SIGN], {}, seconds=0)
    off, _ = after([SIGN], rows, seconds=1, switch=Switch(off=True))
    assert told(off) == {OVER: ["queue mail"]}
    gone = put_away(list(rows.values()), now=NOW)
    assert told(gone) == {OVER: ["queue mail"]}
    assert not put_away(gone.changed, now=NOW).changed


def test_clock_that_was_set_back_keeps_nothing_firing_for_ever() -> None:
    _, rows = after([SIGN], {}, seconds=86400)
    first, rows = after([SIGN], rows, seconds=0)
    assert not first.told
    assert told(after([], rows, seconds=61)[0]) == {OVER: ["queue mail"]}


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 200), st.booleans(), st.booleans()), max_size=25
    ),
    st.sampled_from([0.0, 45.0]),
)
def test_told_and_taken_back_in_turns_whatever_happens(
    passes: list[tuple[bool, int, bool, bool]], lasting: float
) -> None:
    rule = Rule(name="r", when="oldest", asks=RULE.asks, to=("ops",), for_seconds=lasting)
    rows: dict[str, AlertRow] = {}
    seconds, said = 0.0, []
    for wrong, pause, muted, off in passes:
        seconds += pause
        until = NOW + timedelta(days=9) if muted else None
        switch = Switch(off=off, muted_until=until)
        decision, rows = after(
            [SIGN] if wrong else [], rows, seconds=seconds, rule=rule, switch=switch
        )
        said += list(decision.told)
    assert said == [FIRED, OVER] * (len(said) // 2) + [FIRED] * (len(said) % 2)
    assert (len(said) % 2 == 1) == any(
        row.state == FIRING and row.told_at is not None for row in rows.values()
    )
