"""The event stream and the pulse: the same figures, told to browsers that hold a line, and to those that ask."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from django.core.asgi import get_asgi_application
from django.test import AsyncClient, Client
from django.urls import reverse

from holdfast.console import hub as hubs
from holdfast.console import stream
from holdfast.console.hub import Hub
from holdfast.ledger import transitions
from tests.eventually import eventually
from tests.rows import hire, new_job

EVENTS = "/holdfast/events/"


@pytest.fixture
def hub(console: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that does not pause for seconds."""
    hub = Hub(pause_seconds=0.05)
    monkeypatch.setattr(stream, "hub", hub)
    yield hub
    eventually(lambda: not hub.is_watching)


def asgi_scope(role: str = "view") -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "path": EVENTS,
        "raw_path": EVENTS.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "server": ("testserver", 80),
        "headers": [(b"host", b"testserver"), (b"x-test-role", role.encode())],
    }


def test_pulse_tells_the_head_figures(console: str, viewer: Client) -> None:
    hire()
    transitions.record([new_job(queue="orphan") for _ in range(2)])
    pulse = viewer.get("/holdfast/api/pulse/").json()
    assert pulse["error"] == ""
    assert pulse["figures"]["queued"] == "2"
    assert pulse["figures"]["workers"] == "1"
    assert pulse["figures"]["oldest"] != pulse["figures"]["wait_p95"]
    assert pulse["version"] >= 1
    html = viewer.get(reverse("holdfast:pulse")).content.decode()
    assert 'data-figure="queued">2<' in html


def test_browser_is_told_of_each_snapshot_until_it_goes(hub: Hub) -> None:
    transitions.record([new_job()])

    async def browse() -> list[dict[str, Any]]:
        line = ApplicationCommunicator(get_asgi_application(), asgi_scope())
        await line.send_input({"type": "http.request", "body": b"", "more_body": False})
        start = await line.receive_output(timeout=30)
        headers = {name.decode().lower(): value.decode() for name, value in start["headers"]}
        assert start["status"] == 200
        assert headers["content-type"] == "text/event-stream"
        assert headers["x-accel-buffering"] == "no"
        assert "no-store" in headers["cache-control"]
        said = ""
        while said.count("event: tick") < 3:
            said += (await line.receive_output(timeout=30))["body"].decode()
        assert said.startswith("retry: ")
        assert hub.is_watching
        await line.send_input({"type": "http.disconnect"})
        await line.wait(timeout=30)
        return [json.loads(part[6:]) for part in said.split("\n") if part.startswith("data: ")]

    first, second, third = asyncio.run(browse())[:3]
    assert first["figures"]["queued"] == "1"
    assert first["version"] < second["version"] < third["version"]
    eventually(lambda: not hub.is_watching)


def test_silence_is_filled_with_heartbeats_and_a_stream_ends_some_day(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubs.Watcher, "tell", lambda _self: None)

    async def listen(events: AsyncIterator[str]) -> list[str]:
        return [event async for event in events]

    found = asyncio.run(listen(stream.told(hub, heartbeat=0.02, lifetime=1.0)))
    assert found[0] == f"retry: {stream.RETRY_MILLISECONDS}\n\n"
    assert set(found[1:]) == {"event: heartbeat\ndata: {}\n\n"}


def test_who_may_not_look_is_not_told(hub: Hub) -> None:
    async def ask(**headers: str) -> int:
        return (await AsyncClient().get(EVENTS, headers=headers)).status_code

    assert asyncio.run(ask()) == 401
    assert asyncio.run(ask(**{"X-Test-Role": "none"})) in {401, 403}
    assert not hub.is_watching


def test_server_without_streams_says_so(hub: Hub, viewer: Client) -> None:
    answer = viewer.get(EVENTS)
    assert answer.status_code == 204
    assert answer.headers["Retry-After"] == "60"
    assert viewer.post(EVENTS).status_code == 405


def test_one_too_many_is_sent_to_the_poll(console: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "hub", Hub(most=0))

    async def ask() -> int:
        return (await AsyncClient().get(EVENTS, headers={"X-Test-Role": "view"})).status_code

    assert asyncio.run(ask()) == 204

    async def beyond() -> list[str]:
        return [event async for event in stream.told(Hub(most=0))]

    assert len(asyncio.run(beyond())) == 1
