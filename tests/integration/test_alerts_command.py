"""`manage.py holdfast alerts`: what it shows, changes, sends and refuses."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import override_settings

from holdfast import alerts
from holdfast.alerts import signs
from holdfast.alerts.deciding import Sign
from holdfast.alerts.watching import Watch
from tests.receivers import Web, web


@pytest.fixture
def receiver(ledger: str) -> Iterator[Web]:
    with web() as server:
        stated = {
            "channels": {"ops": {"kind": "webhook", "url": server.url}},
            "rules": [{"when": "unserved", "clear_seconds": 0}],
        }
        with override_settings(HOLDFAST={**settings.HOLDFAST, "alerts": stated}):
            yield server


def holdfast(*words: str) -> str:
    out = StringIO()
    call_command("holdfast", "alerts", *words, stdout=out, stderr=out)
    return out.getvalue()


def test_what_a_look_found_is_listed_with_its_messages(receiver: Web) -> None:
    assert holdfast("list") == "No alerts.\n"
    found = [Sign(subject="queue mail", summary="Queue mail is not served.")]
    Watch(look=lambda _: found).one_pass()
    assert "Queue mail is not served." in holdfast("list", "--firing")
    (row,) = json.loads(holdfast("list", "--json"))
    assert (row["state"], row["rule"], row["episode"]) == ("firing", "unserved", 1)
    assert "sent " in holdfast("messages")
    (message,) = json.loads(holdfast("messages", "--json"))
    assert message["body"]["title"] == "Queue mail is not served."
    assert len(receiver.posted) == 1


def test_rules_are_shown_muted_and_switched(receiver: Web) -> None:
    assert "unserved: queue *" in holdfast("rules")
    said = holdfast("mute", "unserved", "--hours", "2", "--reason", "deploy", "--actor", "ada")
    assert said == "Rule unserved is muted for 2 h.\n"
    assert "muted until" in holdfast("rules")
    assert holdfast("unmute", "unserved") == "Rule unserved is not muted any more.\n"
    assert holdfast("off", "unserved") == "Rule unserved is off.\n"
    (rule,) = json.loads(holdfast("rules", "--json"))
    assert rule["on"] is False
    assert holdfast("on", "unserved") == "Rule unserved is on.\n"
    assert [rule.on for rule in alerts.rules()] == [True]
    with pytest.raises(CommandError, match="There is no rule 'served'; there are: unserved"):
        holdfast("mute", "served")
    with pytest.raises(CommandError, match="from 0 to 8784"):
        holdfast("mute", "unserved", "--hours", "-1")


def test_rules_are_added_tried_changed_and_removed(receiver: Web) -> None:
    tried = holdfast("add", "oldest", "queue=mail", "above=60", "--try")
    assert tried == "It finds nothing now.\n"
    assert len(alerts.rules()) == 1
    added = holdfast("add", "oldest", "queue=mail", "above=60", "--to", "ops", "--actor", "ada")
    assert added.startswith("Rule oldest mail is added.")
    shown = holdfast("rules")
    assert "settings" in shown.splitlines()[1]
    assert "oldest: queue mail, above 60 s" in shown
    assert "added" in shown
    assert holdfast("change", "oldest mail", "above=90", "--for", "30") == (
        "Rule oldest mail is changed.\n"
    )
    said = json.loads(holdfast("rules", "--json"))[1]["said"]
    assert (said["above"], said["queue"], said["for_seconds"], said["to"]) == (
        90.0,
        "mail",
        30.0,
        ["ops"],
    )
    assert holdfast("preview", "oldest mail") == "It finds nothing now.\n"
    assert json.loads(holdfast("preview", "unserved", "--json"))["found"] == []
    assert holdfast("remove", "oldest mail") == "Rule oldest mail is removed.\n"
    assert [rule.name for rule in alerts.rules()] == ["unserved"]


def test_preview_names_what_is_wrong_and_who_would_be_told(
    receiver: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [Sign(subject=f"queue {n}", summary=f"Queue {n} is not served.") for n in range(25)]
    monkeypatch.setitem(signs._LOOKS, "unserved", lambda _rule: found)
    lines = holdfast("preview", "unserved").splitlines()
    assert lines[0] == "To ops: Queue 0 is not served. (and 24 more)"
    assert (len(lines), lines[-1]) == (22, "  ... and 5 more")
    assert not receiver.posted


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("add", "oldest", "abov=5"), "did you mean above=...?"),
        (("add", "oldest", "task=x"), "it takes queue, above"),
        (("add", "oldest", "above=soon"), "above=soon: it must be a number"),
        (("add", "oldest", "--to", "x"), "names the channel 'x'"),
        (("add", "unserved"), "has a rule 'unserved'"),
        (("change", "x", "above=5"), "There is no rule 'x'; there are: unserved"),
        (("change", "unserved"), "is one of the settings"),
        (("remove", "unserved"), "is one of the settings"),
        (("remove", "x"), "Nobody has added a rule 'x'; added are: none"),
        (("preview", "x"), "There is no rule 'x'"),
    ],
)
def test_what_cannot_be_added_or_changed_is_refused(
    receiver: Web, words: tuple[str, ...], told: str
) -> None:
    with pytest.raises(CommandError, match=re.escape(told)):
        holdfast(*words)


def test_channels_are_tested_and_what_does_not_take_it_is_an_error(receiver: Web) -> None:
    assert holdfast("test") == "ops: sent (HTTP 202)\n"
    receiver.answers.append((401, {}))
    with pytest.raises(CommandError, match=r"Not sent: ops\. Look at the address and the key"):
        holdfast("test", "ops")
    with pytest.raises(CommandError, match="There is no channel 'x' in the settings"):
        holdfast("test", "x")


def test_settings_that_cannot_be_followed_are_told_as_such(ledger: str) -> None:
    wrong = {"channels": {"ops": {"kind": "webhook", "ulr": "https://a.example"}}}
    with (
        override_settings(HOLDFAST={**settings.HOLDFAST, "alerts": wrong}),
        pytest.raises(CommandError, match=r"has 'ulr', .*did you mean 'url'\?$"),
    ):
        holdfast("test", "ops")


def test_channel_without_its_library_does_not_keep_the_others_from_their_test(
    receiver: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    stated = settings.HOLDFAST["alerts"]
    both = {"tell": {"kind": "apprise", "url": "json://a.example"}, **stated["channels"]}
    out = StringIO()
    with (
        override_settings(HOLDFAST={**settings.HOLDFAST, "alerts": {**stated, "channels": both}}),
        pytest.raises(CommandError, match=r"pip install 'holdfast\[apprise\]'\.$"),
    ):
        call_command("holdfast", "alerts", "test", stdout=out)
    assert "ops: sent (HTTP 202)" in out.getvalue()
    assert len(receiver.posted) == 1


def test_one_look_from_the_command_line(receiver: Web) -> None:
    assert holdfast("watch", "--once") == ""
    assert not receiver.posted
    assert not alerts.listed()


def test_where_nothing_is_said_it_says_where_to_say_it(ledger: str) -> None:
    for words in (["list"], ["rules"]):
        assert "HOLDFAST['alerts'] says what is looked for" in holdfast(*words)
    for words in (["test"], ["watch"]):
        with pytest.raises(CommandError, match="No rules or no channels"):
            holdfast(*words)
