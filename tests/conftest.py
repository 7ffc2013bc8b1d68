"""What all tests share: real services on private ports, and one test on both databases."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.testing.services import PostgresServer, RedisServer


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
