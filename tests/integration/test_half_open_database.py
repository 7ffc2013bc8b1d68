"""A connection to PostgreSQL whose far end is gone: a loop finds out soon, and has time for its work otherwise."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import count
from urllib.parse import urlsplit

import pytest

from holdfast.ledger.database import connection
from holdfast.testing.services import PostgresServer, TcpProxy
from holdfast.upkeep import loop as loops
from holdfast.upkeep.loop import Loop
from tests.harness import new_site

_numbers = count(1)


@pytest.fixture
def wire(
    request: pytest.FixtureRequest, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TcpProxy]:
    """The wire to the ledger of a site; a first answer may take half a second."""
    monkeypatch.setattr(loops, "FIRST_ANSWER_SECONDS", 0.5)
    url = postgres_server.create_database(f"half_open_{next(_numbers)}")
    port = urlsplit(url).port
    assert port is not None
    with (
        TcpProxy(port) as proxy,
        new_site("postgres", request, database_url=proxy.url(url)),
    ):
        yield proxy
        connection().close()


def asking(*statements: str) -> Callable[[], float]:
    """Return a pass that has statements done, and then wants a pause of a minute."""

    def one_pass() -> float:
        with connection().cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        return 60.0

    return one_pass


def test_loop_finds_out_that_its_connection_leads_nowhere(wire: TcpProxy) -> None:
    loop = Loop("sweep", asking("SELECT 1"), after_error=0.0)
    assert loop._pass_safely() == 60.0

    wire.strand()
    began = time.monotonic()
    assert loop._pass_safely() == 0.0
    assert time.monotonic() - began < 30, "it waited for as long as a whole pass may take"
    assert loop._pass_safely() == 60.0


def test_pass_may_take_longer_than_its_first_answer(wire: TcpProxy) -> None:
    loop = Loop("prune", asking("SELECT 1", "SELECT pg_sleep(2)"), after_error=0.0)

    assert loop._pass_safely() == 60.0
