"""`manage.py holdfast alerts`: what it shows, changes, sends and refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import override_settings

from holdfast import alerts
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
    with pytest.raises(CommandError, match="There is no rule 'served' in the settings"):
        holdfast("mute", "served")
    with pytest.raises(CommandError, match="from 0 to 8784"):
        holdfast("mute", "unserved", "--hours", "-1")


def test_channels_are_tested_and_what_does_not_take_it_is_an_error(receiver: Web) -> None:
    assert holdfast("test") == "ops: sent (HTTP 202)\n"
    receiver.answers.append((401, {}))
    with pytest.raises(CommandError, match=r"Not sent: ops\. Look at the address and the key"):
        holdfast("test", "ops")
    with pytest.raises(CommandError, match="There is no channel 'x' in the settings"):
        holdfast("test", "x")


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
