"""What all tests share: real services on private ports, and one test on both databases."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from pytest_django import DjangoDbBlocker

from holdfast.testing.services import PostgresServer, RedisServer
from tests.kinds import is_of
from tests.ledgers import empty, ledger_in, sqlite_url

# Every run looks at the same examples, and none is held against a clock.
hypothesis.settings.register_profile(
    "same",
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("same")

# Who is started in the background ignores interrupts, and so would every process that a test starts and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers() -> int:
    """Return what `-n auto` means: three for every two of the cores this process may use, at most six.

    Tests wait for real processes more than half of their time; each of ours has services of its own.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return min(cores + cores // 2, 6)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where only tests that bear no company are asked for, do not import the files that have none."""
    if not str(config.option.markexpr).startswith("alone") or collection_path.suffix != ".py":
        return None
    return b"mark.alone" not in collection_path.read_bytes() or None


@pytest.hookimpl(tryfirst=True)  # before pytest chooses by marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the long forms: those that a module's `is_short` or the mark `short_on` leaves out."""
    for item in items:
        call = getattr(item, "callspec", None)
        if call is not None and not _is_short(item, call.params):
            item.add_marker(pytest.mark.soak)


def _is_short(item: pytest.Item, params: Mapping[str, Any]) -> bool:
    """Tell whether `make test` runs it; a module's `is_short` takes the parameters by name."""
    chooses = getattr(getattr(item, "module", None), "is_short", None)
    if chooses is not None and not chooses(**params):
        return False
    mark = item.get_closest_marker("short_on")
    return mark is None or is_of(mark.args, params.values())


def pytest_collection_finish() -> None:
    """Look for garbage in what comes: thousands of tests stay, and to go through them took a quarter of the time."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def private_directory() -> Iterator[Path]:
    """A folder of this test alone that PostgreSQL's unprivileged user can reach, even under root."""
    path = Path(tempfile.mkdtemp(prefix="holdfast-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One Redis for the whole run; a test that breaks it must mend it."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One PostgreSQL for the whole run; each test makes its own database in it."""
    path = Path(tempfile.mkdtemp(prefix="holdfast-"))
    with PostgresServer(path) as server:
        yield server
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def ledger_urls() -> dict[str, str]:
    """The ledger of each kind: a process of `-n` comes back to it with each of its files."""
    return {}


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def ledger_url(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    ledger_urls: dict[str, str],
) -> str:
    """The address of an empty database: every test that asks for it runs once on each kind."""
    kind = str(request.param)
    if kind not in ledger_urls:
        if kind == "sqlite":
            ledger_urls[kind] = sqlite_url(tmp_path_factory.mktemp("sqlite"))
        else:
            server: PostgresServer = request.getfixturevalue("postgres_server")
            ledger_urls[kind] = server.create_database("ledger")
    return ledger_urls[kind]


@pytest.fixture(scope="session")
def ledger_alias(ledger_url: str, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """A migrated ledger on each kind of database, shared by the tests of a run."""
    with django_db_blocker.unblock(), ledger_in(ledger_url, alias="ledger") as alias:
        yield alias


@pytest.fixture
def ledger(ledger_alias: str, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """The alias of a ledger that is empty at the start of the test: real commits, nothing rolled back."""
    with django_db_blocker.unblock():
        empty(ledger_alias)
        yield ledger_alias
