"""A database whose host takes connections and says nothing: whoever asks after it is answered, and in time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import count
from urllib.parse import urlsplit

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connections

from holdfast.health.looking import Looker
from holdfast.ledger.connections.watchdog import connect_within, states_a_bound
from holdfast.ledger.database import alias, close_connection, connection
from holdfast.metrics.collector import Numbers
from holdfast.testing.services import PostgresServer, TcpProxy
from holdfast.testing.tcp_proxy import Mode
from tests.eventually import eventually
from tests.harness import new_site
from tests.metrics.shown import scraped

_numbers = count(1)
# Without a bound of ours psycopg waits for 130 s.
IN_TIME = 30.0


@pytest.fixture
def wire(request: pytest.FixtureRequest, postgres_server: PostgresServer) -> Iterator[TcpProxy]:
    """The wire to the ledger of a site, which has gone silent; nobody is connected."""
    url = postgres_server.create_database(f"silent_{next(_numbers)}")
    port = urlsplit(url).port
    assert port is not None
    with (
        TcpProxy(port) as proxy,
        new_site("postgres", request, database_url=proxy.url(url)),
    ):
        close_connection()
        # As in a project that says nothing; a site of the tests does.
        options = connection().settings_dict["OPTIONS"]
        stated = dict(options)
        options.pop("connect_timeout", None)
        proxy.switch(Mode.BLACKHOLE)
        yield proxy
        proxy.switch(Mode.PASS)
        options.clear()
        options.update(stated)
        close_connection()


def test_health_sees_a_silent_database_and_soon_that_it_is_back(wire: TcpProxy) -> None:
    source = Looker()
    assert not source.facts()["database"].well
    # While it connects no other look begins.
    assert source._done.wait(IN_TIME)
    wire.switch(Mode.PASS)
    eventually(lambda: source.facts()["database"].well, within=IN_TIME, told="it is back")


def test_scrapes_that_come_together_wait_for_a_silent_database_once(
    wire: TcpProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    came: list[float] = []

    def clock() -> float:
        came.append(time.monotonic())
        return came[-1]

    source = Numbers(monotonic=clock)
    tried: list[int] = []

    def connect(seconds: int) -> None:
        tried.append(seconds)
        connect_within(1)

    monkeypatch.setattr("holdfast.metrics.collector.connect_within", connect)
    told: list[float | None] = []

    def scrape() -> None:
        try:
            told.append(scraped(source).value("holdfast_database_up"))
        finally:
            connections.close_all()

    with source._lock:
        together = [threading.Thread(target=scrape) for _ in range(8)]
        for one in together:
            one.start()
        eventually(lambda: len(came) == 8, told="all have come")
    for one in together:
        one.join(IN_TIME)
    assert told == [0] * 8
    assert len(tried) == 1


def test_project_says_itself_how_long_a_connect_may_take(wire: TcpProxy) -> None:
    stated = connection().settings_dict
    with pytest.raises(OperationalError, match="timeout"):
        connect_within(1)
    assert connection().settings_dict is stated
    assert "connect_timeout" not in stated["OPTIONS"]


def test_command_gives_up_and_says_what_is_away(
    wire: TcpProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = connections[alias()].settings_dict["OPTIONS"]
    monkeypatch.setattr("holdfast.ledger.connections.watchdog.CONNECT_SECONDS", 1)
    with pytest.raises(CommandError, match=r"database refused: .*timeout"):
        call_command("holdfast", "health", "--worker")
    assert options["connect_timeout"] == 1
    assert not states_a_bound(options), "it is the command's own, and no word of the project"
