"""Stops as platforms make them, on real workers: every process hears SIGTERM, and SIGKILL comes soon."""

from __future__ import annotations

import shlex
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.files import ROOT
from tests.eventually import eventually
from tests.harness import Site, new_site


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site(str(request.param), request) as site:
        yield site


def _of_the_procfile() -> tuple[dict[str, str], list[str]]:
    """Return what the Procfile's worker has in its environment, and what it says of how it stops."""
    lines = (ROOT / "Procfile").read_text().splitlines()
    (command,) = [line.partition(": ")[2] for line in lines if line.startswith("worker: ")]
    words = shlex.split(command)
    environment = dict(word.split("=") for word in words[: words.index("celery")])
    return environment, words[words.index("--") :]


@pytest.mark.short_on("sqlite")
def test_platform_that_signals_every_process_and_kills_soon_costs_no_job(
    site: Site, tmp_path: Path
) -> None:
    environment, flags = _of_the_procfile()
    assert flags == ["--", "worker_soft_shutdown_timeout=20.0"]
    gate = tmp_path / "gate"
    # Shorter than on the platform, for the job will not end by itself.
    worker = site.worker("--", "worker_soft_shutdown_timeout=1.0", environment=environment)
    sent = site.task("wait_for_file").delay(str(gate), "long")
    eventually(lambda: "start long" in site.effects())

    worker.signal_group(signal.SIGTERM)
    worker.wait()

    row = site.jobs()[sent.id]
    assert (row.failures, row.losses) == (0, 0), worker.log_tail(60)
    assert site.states()[sent.id] == "queued"
    gate.touch()
    site.worker()
    assert sent.get(timeout=60) == "long"
    site.kill_workers()
