"""What tests share: jobs of the reference project run inline, and jobs run in the test's process on a worker's path."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.core.cache import caches
from django.core.management import call_command
from django.test import override_settings

from holdfast import Celery
from holdfast.broker.publisher import Publisher
from holdfast.testing import HoldfastJobs
from holdfast.testing.services import PostgresServer, RedisServer, TcpProxy
from holdfast.upkeep.reconciler import Reconciler
from jost.api import rates
from tests.ledgers import empty
from tests.surroundings import current_app


@pytest.fixture(autouse=True)
def uncounted_callers() -> None:
    """Let nobody have called JOST's API as yet: a rate that another test used up is none of this one's."""
    caches[rates.CACHE].clear()


@pytest.fixture
def publisher(redis_server: RedisServer) -> Iterator[Publisher]:
    """Puts tickets on an empty Redis."""
    app = Celery("tests", broker=redis_server.url, set_as_current=False)
    publisher = Publisher(app)
    publisher.client().flushall()
    yield publisher
    publisher.close()


@pytest.fixture
def reconciler(publisher: Publisher) -> Reconciler:
    """Publishes again what that Redis has lost."""
    return Reconciler(publisher, publisher.publish)


@pytest.fixture
def proxied_broker(private_directory: Path) -> Iterator[tuple[TcpProxy, str]]:
    """A Redis behind a proxy, and its address there."""
    with RedisServer(private_directory) as redis, TcpProxy(redis.port) as proxy:
        yield proxy, proxy.url(redis.url)


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The address of an empty database for a JOST of the test's own; of SQLite it has one itself."""
    if request.param == "sqlite":
        return ""
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.create_database(f"jost_{uuid4().hex}")


@pytest.fixture
def inline() -> Iterator[None]:
    """Run every job in the call that sends it."""
    from jost.simulations import tasks

    conf = tasks.run_chunk.app.conf
    conf.task_always_eager = True
    yield
    conf.task_always_eager = False


@pytest.fixture
def pretending(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let chunks be counted without an engine."""
    from jost.simulations import tasks
    from tests.simulated import pretended

    monkeypatch.setattr(tasks, "count_chunk", pretended)
    monkeypatch.setattr(tasks, "is_compiled", lambda: True)


@pytest.fixture(autouse=True)
def own_ledger(request: pytest.FixtureRequest) -> Iterator[None]:
    """Keep the ledger of a test that has Django's database alone there: one that others share may be in use still."""
    marker = request.node.get_closest_marker("django_db")
    if marker is None or marker.kwargs or "ledger_alias" in request.fixturenames:
        yield
        return
    with override_settings(HOLDFAST={**settings.HOLDFAST, "database": "default"}):
        yield


@pytest.fixture(scope="module")
def tables(ledger_alias: str, django_db_blocker: Any) -> None:
    """The table that bodies write to, beside the ledger's own."""
    with django_db_blocker.unblock():
        call_command("migrate", "project", database=ledger_alias, verbosity=0)


@pytest.fixture
def app(ledger: str, tables: None) -> Iterator[Celery]:
    """An app of the test's own, without a broker."""
    empty(ledger, ["project_atomic_effect"])
    with current_app("redis://127.0.0.1:1/0") as app:
        yield app


@pytest.fixture
def jobs(app: Celery) -> Iterator[HoldfastJobs]:
    """What is recorded, and the drain that runs it."""
    with HoldfastJobs() as jobs:
        yield jobs


@pytest.fixture
def put(app: Celery) -> Callable[..., Any]:
    """Register a function as a bound task of this test's app."""

    def put(function: Callable[..., Any], **options: Any) -> Any:
        options = {"name": function.__name__, "shared": False, "bind": True} | options
        return app.task(**options)(function)

    return put
