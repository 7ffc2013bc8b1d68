"""What the tests of the doctor share: a clinic each, and a healthy Redis."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.testing.services import RedisServer
from tests.doctor.broker.clinic import Clinic

HEALTHY = ("--maxmemory", "200mb", "--tcp-keepalive", "300")


@pytest.fixture
def clinic(tmp_path: Path) -> Clinic:
    """A project of this test's own."""
    return Clinic(tmp_path)


@pytest.fixture(scope="module")
def healthy_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis as it should be; a test that makes it sick must mend it."""
    with RedisServer(tmp_path_factory.mktemp("redis"), options=HEALTHY) as server:
        yield server
