"""Rules that are added at run time: looked at like those of the settings, and nothing of them is lost on the way."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from holdfast import alerts
from holdfast.alerts import signs
from holdfast.alerts.deciding import Sign
from holdfast.ledger import alert_rules, audit
from holdfast.ledger.database import alias
from holdfast.ledger.models.alerts import AddedRule
from tests.alerting import SIGN, Watched, stated
from tests.receivers import Web, web

OLD = {"when": "oldest", "name": "old mail", "queue": "mail", "clear_seconds": 0}


@pytest.fixture
def receiver(ledger: str) -> Iterator[Web]:
    with web() as server:
        yield server


@pytest.fixture
def said(receiver: Web) -> Iterator[Web]:
    with stated(receiver, "ops", "chat"):
        yield receiver


def test_added_rule_is_looked_at_told_and_taken_back_where_it_tells(said: Web) -> None:
    name = alerts.add_rule({**OLD, "to": ["ops"]}, actor="ada")
    watched = Watched()
    watched.finds(SIGN, by=name)
    assert [body["what"] for body in said.bodies("/ops")] == ["fired"]
    watched.finds(by=name)
    assert [body["what"] for body in said.bodies("/ops")] == ["fired", "recovered"]
    assert not said.bodies("/chat")
    (row,) = alerts.listed()
    assert (row.kind, row.state) == ("oldest", "recovered")


def test_rule_keeps_what_it_asks_and_the_audit_who_said_it(said: Web) -> None:
    name = alerts.add_rule(OLD, actor="ada")
    (rule,) = alerts.rules()
    assert (rule.added, rule.on, rule.to, rule.problem) == (True, True, ["ops", "chat"], "")
    # All of it: another release may have other defaults.
    assert rule.said == {
        "when": "oldest",
        "queue": "mail",
        "above": 600.0,
        "severity": "warning",
        "for_seconds": 0.0,
        "clear_seconds": 0.0,
    }
    alerts.change_rule(name, {**OLD, "above": 60}, actor="bob")
    alerts.remove_rule(name, actor="cleo")
    lines = audit.lines(limit=3)[::-1]
    assert [(line.actor, line.action) for line in lines] == [
        ("ada", "add alert rule"),
        ("bob", "change alert rule"),
        ("cleo", "remove alert rule"),
    ]
    changed = json.loads(lines[1].detail)
    assert (changed["before"]["above"], changed["after"]["above"]) == (600.0, 60)
    assert [json.loads(line.detail).get("name") for line in lines[::2]] == ["old mail"] * 2
    assert "hush" not in str(lines)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"when": "full_moon"}, "'when' is 'full_moon': it must be one of dead_letter,"),
        ({"when": "oldest", "abov": 5}, "did you mean 'above'"),
        ({"when": "oldest", "above": -5}, "it must be a number, greater than 0"),
        ({"when": "oldest", "above": float("nan")}, "it must be a number, greater than 0"),
        ({"when": "wait", "minutes": 1e6}, "and 43,200 at most"),
        ({"when": "oldest", "to": ["nobody"]}, "names the channel 'nobody', which HOLDFAST"),
        ({"when": "oldest", "to": 7}, "it must be a list of channels' names"),
        ({"when": "oldest", "name": "two\nlines"}, "must be one line of up to 100 letters"),
        ({"when": "oldest", "name": "n" * 101}, "must be one line of up to 100 letters"),
    ],
)
def test_what_cannot_be_followed_is_refused_with_the_settings_words(
    said: Web, words: dict[str, object], told: str
) -> None:
    for act in (alerts.preview, lambda rule: alerts.add_rule(rule, actor="ada")):
        with pytest.raises(alerts.RuleRefused, match=told):
            act(words)
    assert not alerts.rules()


def test_names_are_taken_once_by_settings_and_by_people(receiver: Web) -> None:
    with stated(receiver, "ops", rules=[{"when": "missed"}]):
        with pytest.raises(alerts.RuleRefused, match="has a rule 'missed': give this one another"):
            alerts.add_rule({"when": "missed"}, actor="ada")
        alerts.add_rule(OLD, actor="ada")
        with pytest.raises(alerts.RuleRefused, match="Somebody has added a rule 'old mail'"):
            alerts.add_rule({"when": "worker", "name": "old mail"}, actor="bob")
        with pytest.raises(alerts.AlertNotFound, match="is one of the settings: change it in"):
            alerts.remove_rule("missed", actor="ada")
        with pytest.raises(alerts.AlertNotFound, match="added are: 'old mail'"):
            alerts.change_rule("none", OLD, actor="ada")


def test_nobody_adds_a_rule_where_nobody_would_be_told(receiver: Web) -> None:
    with stated(receiver), pytest.raises(alerts.RuleRefused, match="names no channel"):
        alerts.add_rule(OLD, actor="ada")


def test_there_is_a_most(said: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alert_rules, "MOST", 1)
    alerts.add_rule(OLD, actor="ada")
    with pytest.raises(alerts.RuleRefused, match="There are 1 added rules"):
        alerts.add_rule({**OLD, "name": "another"}, actor="ada")


def test_rule_of_the_settings_with_its_name_holds_and_what_was_added_rests(receiver: Web) -> None:
    with stated(receiver, "ops"):
        name = alerts.add_rule(OLD, actor="ada")
    watched = Watched()
    with stated(receiver, "ops", rules=[{"when": "missed", "name": name}]):
        watched.finds(SIGN, by=name)
        assert watched.asked == [name]
        settings_rule, added = alerts.rules()
        assert (settings_rule.when, settings_rule.firing, settings_rule.added) == (
            "missed",
            1,
            False,
        )
        assert (added.added, added.firing) == (True, 0)
        assert "has a rule of this name, and that one holds" in added.problem
        # What is said of the name is said of the one that holds.
        alerts.switch(name, on=False, actor="ada")
        assert [rule.on for rule in alerts.rules()] == [False, True]
    with stated(receiver, "ops"):
        (back,) = alerts.rules()
        assert (back.on, back.problem) == (True, "")


def test_channel_that_is_gone_is_named_and_nothing_is_lost_until_it_is_back(receiver: Web) -> None:
    with stated(receiver, "ops", "chat"):
        alerts.add_rule({**OLD, "to": ["ops"]}, actor="ada")
        alerts.add_rule({**OLD, "name": "both", "to": ["ops", "chat"]}, actor="ada")
    watched = Watched()
    watched.signs = {"old mail": [SIGN], "both": [SIGN]}
    with stated(receiver, "chat"):
        watched.watch.one_pass()
        both, lone = alerts.rules()
        assert (both.to, "the others are told" in both.problem) == (["chat"], True)
        assert (lone.to, "nobody is told until one of them is back" in lone.problem) == ([], True)
        assert len(receiver.bodies("/chat")) == 1
        assert {row.state for row in alerts.listed()} == {"firing"}
    with stated(receiver, "ops", "chat"):
        watched.watch.one_pass()
        assert [body["rule"] for body in receiver.bodies("/ops")] == ["old mail"]
        assert [rule.problem for rule in alerts.rules()] == ["", ""]


def test_rule_of_another_release_rests_and_what_it_found_stays(said: Web) -> None:
    name = alerts.add_rule(OLD, actor="ada")
    watched = Watched()
    watched.finds(SIGN, by=name)
    rows = AddedRule.objects.using(alias()).filter(name=name)
    known = rows.get().said
    rows.update(said=json.dumps({"when": "full_moon"}))
    watched.finds(by=name)
    assert watched.asked == [name]
    assert [row.state for row in alerts.listed()] == ["firing"]
    (rule,) = alerts.rules()
    assert "cannot follow it: rule: 'when' is 'full_moon'" in rule.problem
    rows.update(said=known)
    watched.finds(by=name)
    assert [row.state for row in alerts.listed()] == ["recovered"]


def test_removed_rule_takes_back_where_it_told_and_its_name_is_free_and_on(said: Web) -> None:
    name = alerts.add_rule({**OLD, "to": ["chat"]}, actor="ada")
    watched = Watched()
    watched.finds(SIGN, by=name)
    alerts.mute(name, hours=5, actor="ada")
    alerts.remove_rule(name, actor="ada")
    watched.watch.one_pass()
    assert [body["what"] for body in said.bodies("/chat")] == ["fired", "recovered"]
    assert not said.bodies("/ops")
    assert not alerts.rules()
    alerts.add_rule(OLD, actor="bob")
    (rule,) = alerts.rules()
    assert (rule.on, rule.muted_until) == (True, None)


def test_rule_that_is_removed_or_changed_while_it_is_looked_at_decides_nothing(said: Web) -> None:
    for number, act in enumerate(
        (
            lambda name: alerts.remove_rule(name, actor="ada"),
            lambda name: alerts.change_rule(name, {**OLD, "queue": "other"}, actor="ada"),
        )
    ):
        name = alerts.add_rule({**OLD, "name": f"rule {number}"}, actor="ada")
        watched = Watched()
        watched.watch._look = lambda rule, act=act, name=name: act(name) or [SIGN]  # type: ignore[misc]
        watched.watch.one_pass()
        watched.watch.stop()
        assert not alerts.listed()
    assert not said.posted


def test_rule_is_muted_and_switched_in_its_own_row(said: Web) -> None:
    """Workers of the release before forget what is said of rules that their settings do not have."""
    name = alerts.add_rule(OLD, actor="ada")
    alerts.switch(name, on=False, actor="ada", reason="noise")
    alert_rules.forget_switches(but=[])
    watched = Watched()
    watched.finds(SIGN, by=name)
    (rule,) = alerts.rules()
    assert (rule.on, rule.reason, watched.asked) == (False, "noise", [])
    alerts.switch(name, on=True, actor="ada")
    alerts.mute(name, hours=1, actor="ada")
    watched.finds(SIGN, by=name)
    assert (len(alerts.listed(firing=True)), said.posted) == (1, [])


def test_two_watches_decide_once_by_a_rule_that_comes_between(said: Web) -> None:
    one, other = Watched(), Watched()
    one.watch.one_pass()
    name = alerts.add_rule(OLD, actor="ada")
    one.finds(SIGN, by=name)
    other.finds(SIGN, by=name)
    assert (len(said.bodies("/ops")), len(said.bodies("/chat"))) == (1, 1)
    assert other.asked == []


def test_look_costs_the_same_however_many_rules_there_are_beside_their_own_looks(
    said: Web, ledger: str
) -> None:
    watched = Watched()
    watched.watch.one_pass()

    def statements() -> int:
        with CaptureQueriesContext(connections[ledger]) as queries:
            watched.watch.one_pass()
        return len(queries)

    alone = statements()
    for number in range(20):
        alerts.add_rule({**OLD, "name": f"rule {number}"}, actor="ada")
    assert statements() == alone <= 20


def test_preview_says_what_would_be_said_and_nobody_is_told(
    said: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [Sign(subject=f"queue {n}", summary=f"Queue {n} is old.") for n in range(3)]
    monkeypatch.setitem(signs._LOOKS, "oldest", lambda _rule: found)
    shown = alerts.preview({**OLD, "for_seconds": 120, "to": ["ops"]})
    assert (shown.title, shown.to, shown.for_seconds) == (
        "Queue 0 is old. (and 2 more)",
        ["ops"],
        120.0,
    )
    assert shown.found == found
    monkeypatch.setitem(signs._LOOKS, "oldest", lambda _rule: [])
    assert alerts.preview(OLD).title == ""
    assert not alerts.listed()
    assert not said.posted
    assert not audit.lines(limit=1)
