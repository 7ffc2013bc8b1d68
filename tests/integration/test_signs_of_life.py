"""What real workers and schedulers show to whoever supervises them, and tell of their memory."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.ledger import counts
from holdfast.ledger.models import Worker
from tests.docs.pages import ROOT
from tests.eventually import eventually
from tests.harness import Site, new_site

GUIDE = (ROOT / "docs" / "guides" / "health.md").read_text()
# A canary often, so that a worker is ready soon.
QUICK = {"lease_seconds": 3.0, "sweep_seconds": 0.5, "canary_seconds": 0.5}


@pytest.fixture(scope="module")
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site("postgres", request, holdfast=QUICK) as site:
        yield site


def is_content(named: str, file: Path) -> bool:
    """Run the guide's line for a file, as a supervisor would, on a file of the test's."""
    lines = set(re.findall(rf"(find {re.escape(named)} -mmin -1 \\?\| grep -q \.)", GUIDE))
    (line,) = {line.replace("\\", "") for line in lines}
    shown = line.replace(named, str(file))
    return subprocess.run(["sh", "-c", shown], check=False, stderr=-3).returncode == 0


def is_alive(file: Path) -> bool:
    return is_content("/run/holdfast/w1.alive", file)


def is_ready(file: Path) -> bool:
    return is_content("/run/holdfast/w1.ready", file)


def age(file: Path) -> None:
    """Let a file look as if nobody had touched it for two minutes."""
    old = time.time() - 120
    os.utime(file, (old, old))


def test_worker_is_ready_while_it_takes_jobs_and_alive_until_it_has_ended(site: Site) -> None:
    alive, ready, gate = (site.directory / name for name in ("w.alive", "w.ready", "gate"))
    signs = {"HOLDFAST_ALIVE_FILE": str(alive), "HOLDFAST_READY_FILE": str(ready)}
    worker = site.worker(environment=signs, concurrency=1)
    eventually(lambda: is_ready(ready), told="it is ready")
    assert is_alive(alive)
    told = Worker.objects.using(site.alias).exclude(memory_bytes=None)
    eventually(lambda: told.filter(pid=worker.pid).exists(), told="it has told its memory")
    row = told.get(pid=worker.pid)
    assert row.memory_bytes is not None
    assert row.largest_bytes is not None
    # A main process and one of the pool.
    assert 2 * row.largest_bytes >= row.memory_bytes > row.largest_bytes > 10 * 2**20

    site.task("wait_for_file").delay(str(gate), "long")
    site.await_effect("start long")
    worker.signal(signal.SIGTERM)
    eventually(lambda: not ready.exists(), told="it is not ready any more")
    assert worker.running
    age(alive)
    eventually(lambda: is_alive(alive), told="it shows that it lives still")
    gate.touch()
    assert worker.wait() == 0
    assert not alive.exists()


def test_frozen_worker_looks_neither_ready_nor_alive(site: Site) -> None:
    alive, ready = (site.directory / name for name in ("f.alive", "f.ready"))
    signs = {"HOLDFAST_ALIVE_FILE": str(alive), "HOLDFAST_READY_FILE": str(ready)}
    worker = site.worker(environment=signs, concurrency=1, pool="threads")
    eventually(lambda: is_ready(ready), told="it is ready")
    worker.signal_group(signal.SIGSTOP)
    for file in (alive, ready):
        age(file)
    assert not is_alive(alive)
    assert not is_ready(ready)
    worker.signal_group(signal.SIGCONT)
    eventually(lambda: is_ready(ready) and is_alive(alive), told="it is back")
    worker.stop()


def test_rescue_is_counted_for_good(site: Site) -> None:
    before = counts.told().get((counts.RESCUED, ""), 0)
    gate = site.directory / "rescued"
    first = site.worker(concurrency=1)
    site.task("wait_for_file").delay(str(gate), "torn")
    site.await_effect("start torn")
    first.kill()
    second = site.worker(concurrency=1)
    gate.touch()
    site.wait_all_final()
    eventually(
        lambda: counts.told().get((counts.RESCUED, ""), 0) == before + 1, told="it is counted"
    )
    second.stop()


@pytest.mark.parametrize("end", ["stopped", "killed"])
def test_scheduler_shows_that_it_lives(site: Site, end: str) -> None:
    alive = site.directory / f"{end}.alive"
    site.environment["HOLDFAST_SCHEDULER_ALIVE_FILE"] = str(alive)
    beat = site.beat("-S", "holdfast.beat:Scheduler")
    eventually(
        lambda: is_content("/run/holdfast/scheduler.alive", alive), told="the scheduler lives"
    )
    age(alive)
    eventually(
        lambda: is_content("/run/holdfast/scheduler.alive", alive), told="it is touched again"
    )
    if end == "killed":
        beat.kill()
        age(alive)
        assert not is_content("/run/holdfast/scheduler.alive", alive)
    else:
        beat.stop()
        assert not alive.exists()
