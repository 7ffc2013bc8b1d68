"""Who may read metrics over HTTP, in which format, and where else they are told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from io import StringIO
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client, override_settings

from holdfast.metrics import exposition
from holdfast.metrics.collector import Numbers, numbers
from holdfast.metrics.served import server
from tests.console.conftest import client
from tests.metrics.shown import OPENMETRICS, read

METRICS = "/holdfast/metrics"
TOKEN = "correct horse battery"


@pytest.fixture(autouse=True)
def _fresh() -> None:
    numbers.begin()


def also(**more: Any) -> override_settings:
    return override_settings(HOLDFAST={**settings.HOLDFAST, **more})


def test_metrics_are_closed_by_default(nobody: Client) -> None:
    answer = nobody.get(METRICS)
    assert answer.status_code == 403
    assert b"metrics_token" in answer.content
    assert b"holdfast_queue" not in answer.content


def test_viewer_of_the_console_reads_them(viewer: Client) -> None:
    answer = viewer.get(METRICS)
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain; version=0.0.4")
    assert answer["Cache-Control"] == "no-store"
    assert read(answer.content.decode()).value("holdfast_database_up") == 1


def test_prometheus_gets_the_format_it_asks_for(viewer: Client) -> None:
    answer = viewer.get(METRICS, headers={"Accept": f"{OPENMETRICS},text/plain;q=0.1"})
    assert answer["Content-Type"].startswith("application/openmetrics-text")
    assert answer.content.rstrip().endswith(b"# EOF")


def test_token_opens_them_and_another_one_does_not(console: str) -> None:
    with also(metrics_token=TOKEN):
        anybody = Client()
        for sent, status in (
            (f"Bearer {TOKEN}", 200),
            (f"Bearer {TOKEN}x", 403),
            ("Bearer ", 403),
            (TOKEN, 403),
            ("Basic Zm9v", 403),
            ("Bearer ümlaut", 403),
        ):
            assert anybody.get(METRICS, headers={"Authorization": sent}).status_code == status, sent


def test_empty_token_is_none(console: str) -> None:
    assert Client().get(METRICS, headers={"Authorization": "Bearer "}).status_code == 403


def test_address_that_is_named_opens_them_and_no_header_changes_it(console: str) -> None:
    with also(metrics_from=["10.1.0.0/16", "::1"]):
        for address, status in (
            ("10.1.2.3", 200),
            ("::1", 200),
            ("::ffff:10.1.2.3", 200),
            ("::ffff:10.2.2.3", 403),
            ("10.2.0.1", 403),
            ("not an address", 403),
            ("", 403),
        ):
            answer = Client(REMOTE_ADDR=address).get(
                METRICS, headers={"X-Forwarded-For": "10.1.2.3"}
            )
            assert answer.status_code == status, address


def test_nothing_can_be_posted(viewer: Client) -> None:
    assert viewer.post(METRICS).status_code == 405


def test_without_the_package_it_says_what_to_install(
    viewer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "prometheus_client.exposition", None)
    answer = viewer.get(METRICS)
    assert answer.status_code == 501
    assert b"holdfast[prometheus]" in answer.content


def test_operator_needs_no_more_than_a_viewer(console: str) -> None:
    assert client("operate").get(METRICS).status_code == 200


def test_command_prints_them(console: str) -> None:
    out = StringIO()
    call_command("holdfast", "metrics", stdout=out)
    assert read(out.getvalue()).value("holdfast_database_up") == 1


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("127.0.0.1", "HOST:PORT"),
        ("127.0.0.1:port", "HOST:PORT"),
        ("0.0.0.0:9808", "metrics_token"),
        ("127.0.0.1:99999", "HOST:PORT"),
    ],
)
def test_command_serves_nothing_that_would_be_wrong(console: str, place: str, says: str) -> None:
    with pytest.raises(CommandError, match=says):
        call_command("holdfast", "metrics", serve=place)


@pytest.fixture
def port(console: str) -> Iterator[int]:
    """A server of its own, as the command makes it."""
    with server("127.0.0.1", 0) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield int(made.server_address[1])
        made.shutdown()
        thread.join(10)


def asked(port: int, path: str = "/metrics", **headers: str) -> tuple[int, str]:
    try:
        with urlopen(Request(f"http://127.0.0.1:{port}{path}", headers=headers), timeout=20) as it:
            return it.status, it.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


def test_server_of_its_own_answers_with_the_token_alone(port: int) -> None:
    status, text = asked(port)
    assert (status, read(text).value("holdfast_database_up")) == (200, 1)
    assert asked(port, "/")[0] == 404
    with also(metrics_token=TOKEN):
        assert asked(port)[0] == 403
        assert asked(port, Authorization=f"Bearer {TOKEN}")[0] == 200


def test_registry_of_the_project_takes_them_without_asking_the_database(
    console: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prometheus_client import CollectorRegistry, generate_latest

    with monkeypatch.context() as closed:
        closed.setattr(Numbers, "readings", lambda _self: pytest.fail("it was asked"))
        registry = CollectorRegistry()
        registry.register(exposition.Collector())
    assert read(generate_latest(registry).decode()).value("holdfast_database_up") == 1
