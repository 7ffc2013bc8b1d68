"""When a worker's main process is woken by jobs that end in its threads."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from uuid import uuid4

import pytest

from holdfast.ledger.records import Hold
from holdfast.worker.deliveries import Held
from holdfast.worker.intake import LINED_UP, Intake

THREADS = 8


def intake(*, run_time: float, delivered: int) -> tuple[Intake, list[Callable[[], None]]]:
    """Return the intake of a worker whose pool has so many jobs, and what its event loop is asked to do."""
    asked: list[Callable[[], None]] = []
    found = Intake(SimpleNamespace())
    found._consumer = SimpleNamespace(hub=SimpleNamespace(call_soon=asked.append))
    found._pool = SimpleNamespace(num_processes=THREADS)
    found.in_threads = found.lines_up = True
    found.pace.ran(run_time)
    for number in range(delivered):
        hold = Hold(str(number), 2, uuid4())
        found.held[hold.id] = Held(hold, delivered=True)
    return found, asked


def end_one(of: Intake, *, run_time: float) -> None:
    of.release(next(iter(of.held.values())).hold, run_time=run_time)


def test_event_loop_is_woken_when_half_of_the_short_jobs_that_wait_for_a_thread_are_gone() -> None:
    waiting = THREADS * LINED_UP
    of, asked = intake(run_time=0.0001, delivered=THREADS + waiting)
    for _ in range(waiting // 2 - 1):
        end_one(of, run_time=0.0001)
    assert asked == []
    end_one(of, run_time=0.0001)
    assert len(asked) == 1
    end_one(of, run_time=0.0001)
    assert len(asked) == 1, "it has not run yet: asked once is enough"


@pytest.mark.parametrize("running", [1, THREADS])
def test_event_loop_is_woken_by_the_end_of_each_long_job(running: int) -> None:
    of, asked = intake(run_time=10.0, delivered=running)
    end_one(of, run_time=10.0)
    assert len(asked) == 1
