"""The world outside, as JOST meets it: what happened is in its record, whatever the caller heard of it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests
from django.core.mail import EmailMessage

from jost.gateways import clients
from jost.gateways.clients import GatewayError, GatewayMissingError, GatewayRefusedError
from jost.gateways.email import KEY_HEADER, EmailBackend
from tests.outside import Outside
from tests.project.shopping import open_shop


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    with Outside(tmp_path_factory.mktemp("outside")) as world:
        yield world


@pytest.fixture
def outside(world: Outside, settings: Any) -> Iterator[Outside]:
    settings.JOST_GATEWAYS_URL = world.url
    yield world
    for kind in ("sms", "charges", "mail", "crm", "refunds"):
        world.tell(
            kind, delay_seconds=0, answer_seconds=0, too_many=0, fails=0, declines=0, loses_answer=0
        )


def test_sms_sent_twice_arrives_twice_and_the_record_tells(outside: Outside) -> None:
    for _ in range(2):
        clients.send_sms("+4930123", text="hello", key="twice")

    assert [each["content"]["text"] for each in outside.effects("sms", key="twice")] == [
        "hello"
    ] * 2
    assert outside.totals("sms")["twice"] == 1


def test_charge_with_a_known_key_is_answered_from_memory(outside: Outside) -> None:
    first = clients.charge("7", amount=Decimal("9.50"), key="charge:7")

    assert clients.charge("7", amount=Decimal("9.50"), key="charge:7") == first
    assert clients.charges.find("charge:7") == first
    assert len(outside.effects("charges", key="charge:7")) == 1
    assert outside.totals("charges")["repeated"] == 1


def test_too_many_calls_are_told_when_to_come_again(outside: Outside) -> None:
    outside.tell("sms", too_many=1, retry_after=7)

    with pytest.raises(GatewayError) as told:
        clients.send_sms("+4930123", text="hello", key="too many")

    assert told.value.retry_after == "7"
    assert not told.value.may_have_happened
    assert outside.effects("sms", key="too many") == []


def test_lost_answer_is_an_effect_that_may_have_happened_and_has(outside: Outside) -> None:
    outside.tell("charges", loses_answer=1)

    with pytest.raises(GatewayError) as told:
        clients.charge("8", amount=Decimal(1), key="charge:8")

    assert told.value.may_have_happened
    assert clients.charges.find("charge:8") is not None


def test_gateways_that_die_after_accepting_know_it_when_they_are_back(
    tmp_path: Path, settings: Any
) -> None:
    with Outside(tmp_path) as outside:
        settings.JOST_GATEWAYS_URL = outside.url
        outside.tell("sms", dies=1)

        with pytest.raises(GatewayError, match="no answer") as told:
            clients.send_sms("+4930123", text="hello", key="last words")

        assert told.value.may_have_happened
        outside.await_death()
        outside.start()
        assert clients.sms.find("last words") is not None
        assert outside.totals("sms") == {"effects": 1, "keys": 1, "twice": 0, "died": 1}


@pytest.mark.parametrize("status", [429, 503])
def test_date_to_come_again_is_handed_on_as_it_was_said(status: int, settings: Any) -> None:
    date = "Wed, 21 Oct 2026 07:28:00 GMT"
    with open_shop((status, {"Retry-After": date})) as shop:
        settings.JOST_GATEWAYS_URL = shop.url

        with pytest.raises(GatewayError, match=str(status)) as told:
            clients.sms.find("later")

    assert told.value.retry_after == date


def test_answer_that_nobody_understands_is_a_doubt(settings: Any) -> None:
    with open_shop() as shop:
        settings.JOST_GATEWAYS_URL = shop.url

        with pytest.raises(GatewayError, match="not as agreed: ok") as told:
            clients.sms.find("mumbled")

    assert told.value.may_have_happened


def test_gateway_that_is_too_slow_has_done_it_and_is_asked_later(
    outside: Outside, settings: Any
) -> None:
    settings.JOST_GATEWAY_SECONDS = 0.2
    outside.tell("sms", answer_seconds=0.6)

    with pytest.raises(GatewayError, match="no answer") as told:
        clients.send_sms("+4930123", text="hello", key="slow")

    assert told.value.may_have_happened
    assert told.value.retry_after == 0.2
    settings.JOST_GATEWAY_SECONDS = 10
    assert clients.sms.find("slow") is not None


def test_failing_gateway_has_no_effect(outside: Outside) -> None:
    outside.tell("crm", fails=1)

    with pytest.raises(GatewayError, match="503"):
        clients.tell_crm("3", status="paid", key="crm:3")

    assert clients.crm.find("crm:3") is None


def test_declined_charge_is_refused_for_good_and_has_no_effect(outside: Outside) -> None:
    outside.tell("charges", declines=1)

    with pytest.raises(GatewayRefusedError, match="402"):
        clients.charge("10", amount=Decimal(1), key="charge:10")

    assert clients.charges.find("charge:10") is None


def test_wrong_content_is_refused_by_name(outside: Outside) -> None:
    with pytest.raises(GatewayRefusedError, match="takes a JSON object with to, text"):
        clients.sms.send(key="wrong", to="+4930123")


def test_wrong_behaviour_is_refused_with_the_repair(outside: Outside) -> None:
    answer = requests.put(f"{outside.url}/sms/behaviour", json={"fail": 1}, timeout=10)

    assert answer.status_code == 422
    assert "it has delay_seconds, answer_seconds" in answer.json()["error"]


def test_question_that_makes_no_sense_is_refused_with_the_repair(outside: Outside) -> None:
    answer = requests.get(f"{outside.url}/sms", params={"after": "noon"}, timeout=10)

    assert answer.status_code == 422
    assert "number of an effect" in answer.json()["error"]


def test_mail_goes_through_the_gateway_with_its_key(outside: Outside) -> None:
    message = EmailMessage(
        "Hello", "Welcome.", to=["a@example.com"], headers={KEY_HEADER: "mail:1"}
    )

    assert EmailBackend().send_messages([message]) == 1

    (arrived,) = outside.effects("mail", key="mail:1")
    assert arrived["content"] == {"to": "a@example.com", "subject": "Hello", "text": "Welcome."}


def test_gateways_that_are_away_are_named_and_have_done_nothing(settings: Any) -> None:
    settings.JOST_GATEWAYS_URL = "http://127.0.0.1:9"
    with pytest.raises(GatewayError, match="no answer") as told:
        clients.send_sms("+4930123", text="hello", key="away")
    assert not told.value.may_have_happened

    settings.JOST_GATEWAYS_URL = ""
    with pytest.raises(GatewayMissingError, match="set JOST_GATEWAYS_URL"):
        clients.send_sms("+4930123", text="hello", key="away")


def test_killed_gateways_remember_what_they_accepted(tmp_path: Path, settings: Any) -> None:
    with Outside(tmp_path) as outside:
        settings.JOST_GATEWAYS_URL = outside.url
        number = clients.charge("9", amount=Decimal(3), key="charge:9")
        outside.kill()
        outside.start()

        assert clients.charges.find("charge:9") == number
