"""A process that takes more and more memory is told from one that has only become warm, and named with its pace."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest

from holdfast.conf import get_settings
from holdfast.worker.growth import BEATS_APART, FEWEST_SAMPLES, Growth, mib_of
from tests.doctor.asking import ask, only, until
from tests.harness import SHORT, new_site

# A sample each two seconds.
LEASE = 1.0


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
@pytest.mark.short_on("sqlite")
def test_worker_whose_process_hoards_is_named_with_its_pace(
    kind: str, request: pytest.FixtureRequest
) -> None:
    with new_site(kind, request, holdfast={**SHORT, "lease_seconds": LEASE}) as site:
        worker = site.worker(concurrency=1)
        hoard = site.task("hoard")
        for _ in range(60):
            hoard.delay(4, seconds=0.5)
        told = until(site.environment, "W511", *only("W511"))
        grows = told.one("W511")
        assert grows["data"]["pid"] in worker.pids()
        assert grows["data"]["to_mib"] > grows["data"]["from_mib"] + 9
        assert grows["data"]["mib_per_hour"] > 1000
        assert "CELERY_WORKER_MAX_MEMORY_PER_CHILD = " in grows["repair"]
        bounded = site.environment | {"TEST_CELERY": json.dumps({"worker_max_tasks_per_child": 50})}
        assert ask(bounded, *only("W511")).findings == []


def told_of(*sizes: Iterable[float]) -> list[str | None]:
    """Return what is told when the memory of processes 1, 2, ... goes this way, sample by sample."""
    clock = [0.0]
    series = {pid: list(size) for pid, size in enumerate(sizes, start=1)}
    memory = Growth(
        lambda: list(series), monotonic=lambda: clock[0], read=lambda pid: series[pid].pop(0)
    )
    told = []
    for _ in range(len(series[1])):
        told.append(memory.look())
        assert memory.look() is None, "it is not time yet"
        clock[0] += get_settings().beat_seconds * BEATS_APART
    return told


def test_growth_is_told_from_warmth_and_from_what_goes_up_and_down() -> None:
    assert not any(told_of([50.0] * 20))
    assert not any(told_of([50, 58, 59, 59, 59, 59, 59]))
    assert not any(told_of([50, 400, 50, 400, 50, 400, 61]))


def test_worst_process_is_told_again_only_when_it_has_changed() -> None:
    told = told_of([50, 55, 60, 65, 70, 75], [50, 70, 90, 110, 130, 150])
    assert [bool(one) for one in told] == [False] * (FEWEST_SAMPLES - 1) + [True, True]
    worst = json.loads(told[-1] or "")
    pace = 20 * 3600 / (get_settings().beat_seconds * BEATS_APART)
    assert (worst["pid"], worst["to_mib"]) == (2, 150.0)
    assert worst["mib_per_hour"] == pytest.approx(pace, rel=0.01)


def test_process_that_is_replaced_begins_anew_and_what_was_told_is_taken_back() -> None:
    clock = [0.0]
    pids, sizes = [1], iter([50, 60, 70, 80, 90, 50])
    memory = Growth(lambda: pids, monotonic=lambda: clock[0], read=lambda _: next(sizes))
    told = []
    for number in range(6):
        pids[:] = [1] if number < 5 else [2]
        told.append(memory.look())
        clock[0] += get_settings().beat_seconds * BEATS_APART
    assert told[4]
    assert told[5] == ""


def test_process_that_is_gone_has_no_memory() -> None:
    assert mib_of(2**22 + 1) is None
