"""The seal of an ordinary message: over all of it and its list, told before anything inside is decoded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from django.test import override_settings
from hypothesis import given, settings
from hypothesis import strategies as st
from kombu.utils.json import dumps, loads

from holdfast.broker import messages
from holdfast.broker.arrivals import Origin, read
from holdfast.broker.seals import SEAL, sealed
from holdfast.tickets import Ticket
from tests import attacks

PLACE = "critical"


def sent(**headers: Any) -> bytes:
    """Return a message as the transport puts it on a list; the headers have values of many kinds."""
    parts = json.loads(attacks.message("shop.tasks.mail", 1, "ä", queue=PLACE))
    parts["headers"].update(headers, when=datetime(2026, 1, 1, tzinfo=UTC), key=uuid4(), rate=0.1)
    return dumps(sealed(parts, place=PLACE)).encode()


def origin(item: bytes, *, place: str = PLACE) -> Origin:
    return read(item, queue=place).origin


def test_own_message_is_ours_on_its_list_only() -> None:
    assert origin(sent()) is Origin.SEALED
    assert origin(sent(), place="default") is Origin.FORGED_MESSAGE


def test_message_that_kombu_puts_back_is_still_ours() -> None:
    parts = loads(sent(tenant="a"))
    parts["headers"]["redelivered"] = parts["properties"]["delivery_info"]["redelivered"] = True
    assert origin(dumps(parts).encode()) is Origin.SEALED
    parts["headers"]["tenant"] = "b"
    assert origin(dumps(parts).encode()) is Origin.FORGED_MESSAGE


@settings(deadline=None)
@given(st.data())
def test_one_changed_byte_makes_it_another_message(data: st.DataObject) -> None:
    item = sent()
    place = data.draw(st.integers(0, len(item) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != item[place]))
    changed = item[:place] + bytes([byte]) + item[place + 1 :]
    try:
        same = json.loads(changed) == json.loads(item)
    except ValueError:
        same = False
    # White space in another form, say, is the same message: nothing but that may pass.
    assert same or origin(changed) is not Origin.SEALED


@pytest.mark.parametrize("length", [0, 1, 50, -1, -2, -40])
def test_message_that_was_cut_is_none(length: int) -> None:
    assert origin(sent()[:length]) is Origin.MALFORMED


def test_seal_of_a_ticket_does_not_seal_a_message() -> None:
    mark = messages.headers_of(Ticket("id", 1, "shop.tasks.mail", PLACE, 0))
    parts = json.loads(sent())
    parts[SEAL] = "1:" + mark["holdfast"]["sig"]
    assert origin(json.dumps(parts).encode()) is Origin.FORGED_MESSAGE


def test_keys_rotate_without_refusing_what_is_on_the_way() -> None:
    with override_settings(HOLDFAST={"signing_keys": ["old"]}):
        item = sent()
    with override_settings(HOLDFAST={"signing_keys": ["new", "old"]}):
        assert origin(item) is Origin.SEALED
        assert sent()[-34:] != item[-34:]
    with override_settings(HOLDFAST={"signing_keys": ["new"]}):
        assert origin(item) is Origin.FORGED_MESSAGE


@pytest.fixture
def decoders(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Collect what is decoded into types of the project's own."""
    from kombu.utils import json as kombu_json

    decoded: list[Any] = []
    kombu_json.register_type(Exception, "of-the-project", str, decoded.append)
    yield decoded
    kombu_json._decoders.pop("of-the-project")
    kombu_json._encoders.pop(Exception)


def test_nothing_inside_is_decoded_while_the_origin_is_told(decoders: list[Any]) -> None:
    typed = {"__type__": "of-the-project", "__value__": "run me"}
    parts = json.loads(attacks.message("shop.tasks.mail", queue=PLACE))
    parts["headers"]["typed"] = typed
    assert origin(json.dumps(parts).encode()) is Origin.UNSIGNED
    assert origin(json.dumps({**parts, SEAL: "1:" + "0" * 32}).encode()) is Origin.FORGED_MESSAGE
    assert decoders == []
