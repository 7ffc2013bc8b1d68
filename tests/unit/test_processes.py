"""What becomes of a pool process that has died where its worker connects anew."""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from celery.concurrency.asynpool import AsynPool
from kombu.asynchronous import Hub

from holdfast.worker.processes import hear_again_of_the_dead


@pytest.fixture
def dead() -> Iterator[Any]:
    """A process that has ended: its pipe says so, and Celery has heard it."""
    read, write = os.pipe()
    os.close(write)
    yield SimpleNamespace(_popen=SimpleNamespace(sentinel=read), _sentinel_poll=None)
    os.close(read)


def test_worker_connects_anew_beside_a_dead_process_that_nobody_has_cleared_away(dead: Any) -> None:
    processes, hub, maintained = object.__new__(AsynPool), Hub(), []
    processes._pool = [dead]
    processes.maintain_pool = lambda: maintained.append(dead)
    with pytest.raises(ValueError, match="file descriptor is None"):
        processes._track_child_process(dead, hub)

    hear_again_of_the_dead(SimpleNamespace(_pool=processes))

    processes._track_child_process(dead, hub)
    next(hub.create_loop())
    assert maintained == [dead]
    hub.close()


def test_pools_of_other_kinds_are_left_alone() -> None:
    hear_again_of_the_dead(SimpleNamespace(_pool=None))
    hear_again_of_the_dead(None)
