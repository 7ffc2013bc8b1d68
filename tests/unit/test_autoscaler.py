"""When the autoscaler looks, what it believes, and that it is quiet where a pool cannot change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from celery.concurrency.thread import TaskPool
from django.db import OperationalError
from django.test import override_settings

from holdfast.ledger.reads import depth
from holdfast.ledger.reads.depth import Depth
from holdfast.worker import autoscaler
from holdfast.worker.autoscaler import QueueAutoscaler
from holdfast.worker.intake import Intake


class Stand:
    """A worker with a pool of threads, a clerk who works when he is told to, and a clock that stands still."""

    def __init__(self, *, pool: Any = None) -> None:
        self.now = 0.0
        self.found: Depth | Exception = Depth(0, 0.0)
        self.work: list[Callable[[], object]] = []
        self.told = 0
        self.condition = SimpleNamespace(stalled_since=None)
        app = SimpleNamespace(amqp=SimpleNamespace(queues=SimpleNamespace(consume_from={"q": 1})))
        self.consumer = SimpleNamespace(connection=object(), pool=pool or TaskPool(limit=2))
        self.intake = Intake(app)
        self.intake.clerk = SimpleNamespace(submit=self.work.append)  # type: ignore[assignment]
        self.intake.in_loop = lambda work: None  # type: ignore[method-assign]
        self.intake._pool, self.intake.open, self.intake.in_threads = self.consumer.pool, True, True
        lifeline = SimpleNamespace(condition=self.condition, tell=self._tell)
        self.worker = SimpleNamespace(app=app, consumer=self.consumer, lifeline=lifeline)

    def _tell(self) -> None:
        self.told += 1

    def scaler(self) -> QueueAutoscaler:
        return QueueAutoscaler(self.consumer.pool, 10, 2, worker=self.worker)

    def look(self, _: Any, *, most: int) -> Depth:
        assert most == 501
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


@pytest.fixture
def stand(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    stand = Stand()
    monkeypatch.setattr(depth, "depth", stand.look)
    monkeypatch.setattr(autoscaler, "current_intake", lambda app: stand.intake)
    monkeypatch.setattr(autoscaler, "time", SimpleNamespace(monotonic=lambda: stand.now))
    with override_settings(HOLDFAST={"autoscale_cooldown_seconds": 60.0}):
        yield stand
    stand.consumer.pool.executor.shutdown()


def tick(
    scaler: QueueAutoscaler, stand: Stand, *, seconds: float = 1.0, answers: bool = True
) -> None:
    """Let seconds pass, one tick each."""
    scaler._scale._monotonic = lambda: stand.now
    for _ in range(int(seconds)):
        stand.now += 1.0
        scaler.maybe_scale()
        while answers and stand.work:
            work = stand.work[0]
            try:
                work()
            except OperationalError:
                break  # the clerk asks again
            stand.work.pop(0)


def test_slots_follow_what_waits_and_the_ledger_is_told(stand: Stand) -> None:
    scaler = stand.scaler()
    stand.found = Depth(501, 1.0)
    tick(scaler, stand, seconds=3)
    assert (scaler.processes, stand.told) == (10, 1)
    stand.found = Depth(0, 0.0)
    tick(scaler, stand, seconds=55)
    assert scaler.processes == 10
    tick(scaler, stand, seconds=70)
    assert scaler.processes == 2
    assert stand.intake.lines_up is False, "ten threads are there, and two slots"
    assert scaler.info() | {"waiting": 0, "wanted": 2, "current": 2, "max": 10, "min": 2} == (
        scaler.info()
    )


def test_only_one_look_is_under_way(stand: Stand) -> None:
    scaler = stand.scaler()
    tick(scaler, stand, seconds=60, answers=False)
    assert len(stand.work) == 1


@pytest.mark.parametrize("trouble", ["database away", "database slow", "stalled", "not connected"])
def test_nothing_shrinks_while_the_database_or_the_broker_is_in_trouble(
    stand: Stand, trouble: str
) -> None:
    scaler = stand.scaler()
    stand.found = Depth(501, 1.0)
    tick(scaler, stand, seconds=3)
    stand.found = Depth(0, 0.0)
    tick(scaler, stand, seconds=40)
    if trouble == "database away":
        stand.found = OperationalError("away")
    elif trouble == "stalled":
        stand.condition.stalled_since = 1.0
    elif trouble == "not connected":
        stand.consumer.connection = None
    slow = trouble == "database slow"
    for _ in range(100):
        tick(scaler, stand, seconds=5, answers=not slow)
        tick(scaler, stand)
    assert scaler.processes == 10
    # What was low before counts for nothing afterwards.
    stand.found, stand.condition.stalled_since, stand.consumer.connection = Depth(0, 0.0), None, 1
    tick(scaler, stand, seconds=50)
    assert scaler.processes == 10
    tick(scaler, stand, seconds=20)
    assert scaler.processes == 5


def test_slots_that_run_a_job_stay(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    scaler = stand.scaler()
    stand.found = Depth(501, 1.0)
    tick(scaler, stand, seconds=3)
    running = 9
    monkeypatch.setattr(stand.intake, "_running", lambda: running)
    stand.found = Depth(0, 0.0)
    tick(scaler, stand, seconds=200)
    assert scaler.processes == 9
    running = 3
    tick(scaler, stand)
    assert scaler.processes == 3


def test_bounds_are_moved_and_bad_ones_refused(stand: Stand) -> None:
    scaler = stand.scaler()
    assert scaler.update(max=20, min=4) == (20, 4)
    assert scaler.processes == 4
    with pytest.raises(ValueError, match="at least 5 and at most 3"):
        scaler.update(max=3, min=5)
    assert (scaler.max_concurrency, scaler.min_concurrency) == (20, 4)


def test_pool_that_cannot_change_is_told_once_and_left_alone(
    stand: Stand, caplog: pytest.LogCaptureFixture
) -> None:
    from celery.concurrency.solo import TaskPool as Solo

    scaler = QueueAutoscaler(Solo(limit=1), 10, 2, worker=stand.worker)
    tick(scaler, stand, seconds=100)
    assert not stand.work
    assert "--autoscale does nothing here" in caplog.text


def test_pool_that_refuses_ends_no_worker(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    scaler = stand.scaler()
    stand.found = Depth(501, 1.0)

    def refuse(slots: int) -> int:
        raise OSError("no more processes")

    with monkeypatch.context() as patch:
        patch.setattr(stand.intake, "resize", refuse)
        tick(scaler, stand, seconds=3)
    assert "the pool keeps its size" in caplog.text
    tick(scaler, stand, seconds=3)
    assert scaler.processes == 10


def test_worker_that_stops_keeps_its_size(stand: Stand) -> None:
    scaler = stand.scaler()
    stand.intake.open = False
    stand.found = Depth(501, 1.0)
    tick(scaler, stand, seconds=10)
    assert (scaler.processes, stand.work) == (2, [])
