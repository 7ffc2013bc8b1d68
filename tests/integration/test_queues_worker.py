"""Workers that ask their queues by weight or strictly, each queue by its priorities; and tell what they serve."""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Iterator, Mapping

import pytest
from kombu.utils.uuid import uuid

import holdfast
from tests.eventually import eventually
from tests.harness import Site, new_site

QUEUES = "critical,default,low"
WEIGHTS = {"critical": 6, "default": 3, "low": 1}
EACH = 200
FIRST = 250


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site(str(request.param), request) as site:
        yield site


@pytest.fixture
def clean(site: Site) -> Iterator[Site]:
    site.empty()
    yield site
    site.kill_workers()


def order_of_runs(site: Site, settings: Mapping[str, object], *, flags: str = QUEUES) -> list[str]:
    """Run all that waits by one slot, under some settings; return the names of the runs in their order."""
    environment = {f"HOLDFAST_{key.upper()}": json.dumps(value) for key, value in settings.items()}
    site.worker(queues=flags, concurrency=1, environment=environment)
    site.wait_all_final()
    return [line.removeprefix("end ") for line in site.effects() if line.startswith("end ")]


@pytest.mark.short_on("postgres")
def test_queues_share_a_worker_by_weight_and_each_by_its_priorities(clean: Site) -> None:
    for queue in WEIGHTS:
        calls = [(queue,)] * EACH
        clean.task("effect").apply_many(calls, queue=queue)
    for priority in (3, 9):
        clean.task("effect").apply_async(
            (f"critical {priority}",), queue="critical", priority=priority
        )

    runs = order_of_runs(clean, {"queue_weights": WEIGHTS})

    assert [run for run in runs if run.startswith("critical")][:2] == ["critical 9", "critical 3"]
    shares = Counter(run.split()[0] for run in runs[:FIRST])
    # Messages are fetched in batches of a few dozen at most.
    assert shares["critical"] == pytest.approx(FIRST * 0.6, abs=FIRST * 0.12)
    assert shares["default"] == pytest.approx(FIRST * 0.3, abs=FIRST * 0.12)
    assert 0 < shares["low"] <= FIRST * 0.22
    print(f"\nshares of the first {FIRST}: {dict(shares)}")  # noqa: T201  # figures of the guide


@pytest.mark.short_on("sqlite")
def test_strict_order_empties_each_queue_in_the_order_of_the_worker(clean: Site) -> None:
    for queue in ("low", "default", "critical"):
        for priority in (0, 5, 9):
            clean.task("effect").apply_async(
                (f"{queue} {priority}",), queue=queue, priority=priority
            )

    runs = order_of_runs(clean, {"queue_order": "strict"})

    assert runs == [f"{queue} {n}" for queue in WEIGHTS for n in (9, 5, 0)]


@pytest.mark.short_on("sqlite")
def test_worker_tells_which_queues_it_takes_jobs_from_as_they_change(clean: Site) -> None:
    gate = clean.directory / uuid()
    worker = clean.worker(queues="first")
    clean.task("effect").apply_async(("waits",), queue="second")
    clean.task("wait_for_file").apply_async((str(gate), "running"), queue="first")
    eventually(lambda: "start running" in clean.effects())
    assert holdfast.unserved_queues() == ["second"]

    clean.app.control.add_consumer("second", reply=False)
    eventually(lambda: "end waits" in clean.effects(), told="it takes the new queue")
    eventually(lambda: _served(clean) == {"first", "second"}, told="and says so")

    worker.signal(signal.SIGTERM)
    # Its lease stands, for a job runs on; but it takes nothing more.
    eventually(lambda: _served(clean) == set(), told="it serves nothing any more")
    assert worker.running
    gate.touch()
    assert worker.wait() == 0


def _served(site: Site) -> set[str]:
    return {queue.name for queue in holdfast.queues() if queue.workers}
