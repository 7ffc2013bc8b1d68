"""The clock of the database's own host is set by an hour under work (P1, P5, P11): libfaketime, so not everywhere."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from pytest_django import DjangoDbBlocker

from holdfast.testing.services import PostgresServer
from tests.chaos import judge, tasks
from tests.chaos.conftest import Tell
from tests.chaos.faults.clocks import HOUR, Clock, library
from tests.chaos.ground import Ground, ground, lasting
from tests.eventually import eventually

pytestmark = pytest.mark.soak
HELD = 20


@pytest.fixture
def clock() -> Iterator[Clock]:
    """The clock of a host, where those can reach it who run nothing as root."""
    if (found := library()) is None:
        pytest.skip("libfaketime is not installed: see .ci/install")
    place = Path(tempfile.mkdtemp(prefix="holdfast-clock-"))
    place.chmod(0o755)
    copy = shutil.copy(found, place)
    clock = Clock(place)
    with mock.patch.dict(os.environ, clock.environment | {"LD_PRELOAD": str(copy)}):
        yield clock
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def on_faked(clock: Clock, tmp_path: Path, django_db_blocker: DjangoDbBlocker) -> Iterator[Ground]:
    """A ground whose PostgreSQL goes by that clock, and nobody else."""
    place = Path(tempfile.mkdtemp(prefix="holdfast-chaos-"))
    server = PostgresServer(place).start(timeout=60)
    for name in clock.environment:
        del os.environ[name]
    with django_db_blocker.unblock(), ground(tmp_path, postgres=server) as entered:
        yield entered
    server.stop(immediate=True)
    shutil.rmtree(place, ignore_errors=True)


@pytest.mark.parametrize("step", [-HOUR, HOUR], ids=["back", "forward"])
def test_clock_of_the_database_is_set_under_work_and_nothing_waits_for_it(
    step: int, on_faked: Ground, clock: Clock, tell: Tell
) -> None:
    door = on_faked.site.directory / "door"
    dying = on_faked.worker(concurrency=2)
    sent = [r.id for r in on_faked.task(tasks.work_until).apply_many([(str(door),)] * 2)]
    on_faked.await_running(2)
    living = on_faked.worker(concurrency=2)
    quick = on_faked.task(tasks.quick)
    sent += [quick.apply_async(countdown=3.0 * on_faked.lease).id for _ in range(HELD)]

    clock.step(step)
    # Longer than it takes to judge others by what the clock says now.
    lasting(on_faked.bound + 2 * on_faked.lease)
    assert not judge.rescued(on_faked.site), "a step of the clock rescues nobody"

    on_faked.kill(dying)
    # Its running jobs, and those it had claimed ahead.
    eventually(lambda: len(judge.rescued(on_faked.site)) >= 2, told="rescued")
    on_faked.redis.command("FLUSHALL")
    sent += [quick.delay().id for _ in range(HELD)]
    door.touch()
    on_faked.settle(60)
    found = on_faked.judge(sent)
    tell(found, faults=2)
    assert not found.broken
    assert living.running
