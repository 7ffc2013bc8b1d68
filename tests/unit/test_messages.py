"""The message of a job: thin, signed, and told from what anybody else puts on the broker."""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast import Celery
from holdfast.broker import messages
from holdfast.broker.arrivals import Origin, read
from holdfast.tickets import HEADER, Ticket

TICKET = Ticket("0197-id", 4, "shop.tasks.charge", "critical", 6)


def headers(ticket: Ticket = TICKET) -> dict[str, Any]:
    return messages.headers_of(ticket)


def test_message_says_which_job_and_nothing_of_what_is_in_it() -> None:
    message = json.loads(messages.encode(TICKET))

    assert set(message["headers"]) == {"lang", "task", "id", HEADER}
    assert message["properties"]["correlation_id"] == TICKET.id
    assert message["properties"]["priority"] == 6
    assert message["properties"]["delivery_info"]["routing_key"] == "critical"
    assert len(messages.encode(TICKET)) < 700


def test_signature_is_an_hmac_over_what_the_ticket_says() -> None:
    said = b"1 4 7 17 0197-idshop.tasks.chargecritical"
    digest = hmac.digest(messages.signing_keys()[0], said, "sha256")
    assert headers()[HEADER]["sig"] == digest.hex()[:32]


@pytest.mark.parametrize(
    "text", ['a "quoted" name', "back\\slash", "\u00e9\U0001f600", "line\nbreak"]
)
def test_message_of_any_names_is_whole(text: str) -> None:
    message = json.loads(messages.encode(Ticket(f"id {text}", 7, text, f"queue {text}", 3)))

    assert message["headers"] == messages.headers_of(
        Ticket(f"id {text}", 7, text, f"queue {text}", 3)
    )
    assert message["properties"]["correlation_id"] == f"id {text}"
    assert message["properties"]["delivery_info"]["routing_key"] == f"queue {text}"
    assert base64.b64decode(message["body"]).decode() == messages.BODY


def test_every_message_has_a_delivery_tag_of_its_own() -> None:
    tags = {json.loads(messages.encode(TICKET))["properties"]["delivery_tag"] for _ in range(50)}
    assert len(tags) == 50


def test_ticket_is_read_back_from_the_headers() -> None:
    assert messages.ticket_of(headers()) == (TICKET.id, TICKET.token)


@pytest.mark.parametrize(
    "strange",
    [
        None,
        {},
        {"id": "x"},
        {"id": "x", HEADER: None},
        {"id": "x", HEADER: "1"},
        {"id": "x", HEADER: {}},
        {"id": "x", HEADER: {"v": 1}},
        {"id": "x", HEADER: {"v": 1, "token": "4"}},
        {"id": "x", HEADER: {"v": 99, "token": 4}},
        {HEADER: {"v": 1, "token": 4}},
        [1, 2],
        "text",
    ],
)
def test_what_is_no_ticket_is_left_to_celery(strange: Any) -> None:
    assert messages.ticket_of(strange) is None
    assert not (isinstance(strange, dict) and messages.is_authentic(strange, queue="critical"))


def test_own_message_is_authentic_on_its_queue_only() -> None:
    assert messages.is_authentic(headers(), queue="critical")
    assert not messages.is_authentic(headers(), queue="default")


@pytest.mark.parametrize(
    "change",
    [{"id": "other"}, {"task": "shop.tasks.refund"}],
)
def test_message_whose_claim_was_changed_is_not_authentic(change: dict[str, str]) -> None:
    assert not messages.is_authentic(headers() | change, queue="critical")


def test_message_whose_token_was_raised_is_not_authentic() -> None:
    forged = headers()
    forged[HEADER] = forged[HEADER] | {"token": 5}
    assert not messages.is_authentic(forged, queue="critical")


@pytest.mark.parametrize("signature", ["", "0" * 32, None, 7, "ä", "\ud800"])
def test_made_up_signature_is_not_authentic(signature: Any) -> None:
    forged = headers()
    forged[HEADER] = forged[HEADER] | {"sig": signature}
    assert not messages.is_authentic(forged, queue="critical")


def test_keys_rotate_without_refusing_what_is_on_the_way() -> None:
    with override_settings(HOLDFAST={"signing_keys": ["old"]}):
        sent = headers()
    with override_settings(HOLDFAST={"signing_keys": ["new", "old"]}):
        assert messages.is_authentic(sent, queue="critical")
        assert headers()[HEADER]["sig"] != sent[HEADER]["sig"]
    with override_settings(HOLDFAST={"signing_keys": ["new"]}):
        assert not messages.is_authentic(sent, queue="critical")


def test_keys_are_djangos_secret_and_its_fallbacks_unless_given() -> None:
    with override_settings(SECRET_KEY="old", HOLDFAST={}):
        sent = headers()
    with override_settings(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["old"], HOLDFAST={}):
        assert messages.is_authentic(sent, queue="critical")


# Ids and names of users' choosing must not be able to stand for one another in what is signed.
CUTS = st.tuples(st.integers(0, 12), st.integers(0, 12)).map(sorted)


@settings(deadline=None)
@given(st.text("a1 ä", max_size=12), CUTS, CUTS)
def test_one_text_cut_at_two_places_is_signed_in_two_ways(
    text: str, first: list[int], second: list[int]
) -> None:
    one, two = (
        Ticket(text[:start], 1, text[start:end], text[end:], 0) for start, end in (first, second)
    )
    assert (messages.sign(one) == messages.sign(two)) == (one == two)


def test_id_that_reads_like_an_id_and_a_task_forges_nothing() -> None:
    one = Ticket("a 1 b", 1, "c", "q", 0)
    two = Ticket("a", 1, " 1 bc", "q", 0)
    assert messages.sign(one) != messages.sign(two)


@pytest.mark.parametrize("around", ["{}", " {}", "\n{}\n"])
def test_white_space_around_a_message_is_no_part_of_it(around: str) -> None:
    item = around.replace("{}", messages.encode(TICKET)).encode()
    assert read(item, queue=TICKET.queue).origin is Origin.TICKET


@pytest.mark.parametrize("after", ["x", "{}", "]", "\0"])
def test_what_has_more_behind_its_end_is_malformed(after: str) -> None:
    item = (messages.encode(TICKET) + after).encode()
    assert read(item, queue=TICKET.queue).origin is Origin.MALFORMED


def test_project_without_a_secret_hears_of_it_at_its_first_call() -> None:
    app = Celery("no-secret", set_as_current=False)
    with override_settings(SECRET_KEY="", HOLDFAST={}), pytest.raises(ImproperlyConfigured):
        _ = app.outbox
    assert app.outbox is app.outbox
