"""Simulations with a real worker on a real Redis: the answer survives what happens to both."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from holdfast.testing.services import RedisServer
from tests import warm
from tests.eventually import eventually

ROOT = Path(__file__).resolve().parents[2]
# Long enough to be hit in the middle, two seconds or so on one core.
RULES = ("--decks", "6", "--rounds", "4e7", "--seed", "1")

pytestmark = pytest.mark.slow


class Site:
    """JOST on a database and a Redis of its own."""

    def __init__(self, *, directory: Path, redis_url: str) -> None:
        self.log = directory / "worker.log"
        self.environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "jost.settings.test",
            "JOST_DATA_DIR": str(directory),
            "CELERY_BROKER_URL": redis_url,
        }
        self.environment.pop("DATABASE_URL", None)
        self.run("manage.py", "migrate", "--verbosity", "0")

    def run(self, *arguments: str) -> str:
        done = warm.run(arguments, environment=self.environment, cwd=ROOT, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def simulate(self, *options: str) -> subprocess.Popen[str]:
        command = [sys.executable, "manage.py", "simulate", *RULES, "--json", *options]
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ask(self, expression: str) -> Any:
        """Evaluate an expression over Simulation and lifecycle in a process of this site."""
        code = (
            "import json; from jost.simulations import lifecycle;"
            "from jost.simulations.models import Chunk, Simulation;"
            f"print(json.dumps({expression}))"
        )
        return json.loads(self.run("manage.py", "shell", "--verbosity", "0", "-c", code))

    @contextmanager
    def worker(self) -> Iterator[psutil.Process]:
        command = [sys.executable, "-m", "celery", "--app", "jost", "worker", "--loglevel", "INFO"]
        options = ["--queues", "cpu", "--pool", "prefork", "--concurrency", "2"]
        with self.log.open("a") as log:
            started = subprocess.Popen(
                [*command, *options], cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )
        process = psutil.Process(started.pid)
        try:
            eventually(lambda: " ready." in self.log.read_text(), told="worker ready")
            yield process
        finally:
            children = process.children(recursive=True) if process.is_running() else []
            started.terminate()
            try:
                started.wait(20)
            except subprocess.TimeoutExpired:
                started.kill()
                started.wait(5)
            for child in children:
                if child.is_running():
                    child.kill()


@pytest.fixture
def site(tmp_path: Path, redis_server: RedisServer) -> Site:
    return Site(directory=tmp_path, redis_url=redis_server.url)


def answer(process: subprocess.Popen[str], *, within: float = 90) -> dict[str, Any]:
    try:
        out, err = process.communicate(timeout=within)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode == 0, err
    result: dict[str, Any] = json.loads(out)
    return result


def test_jobs_of_a_real_worker_give_the_inline_answer_to_the_last_bit(site: Site) -> None:
    inline = answer(site.simulate("--inline"))

    with site.worker():
        assert answer(site.simulate()) == inline


def test_killed_pool_child_changes_no_bit_of_the_answer(site: Site) -> None:
    inline = answer(site.simulate("--inline"))

    with site.worker() as worker:
        asked = site.simulate()
        eventually(lambda: "jost.simulations.run_chunk" in site.log.read_text())
        children = worker.children()
        children[0].send_signal(signal.SIGKILL)

        assert answer(asked) == inline


def test_cancelled_simulation_leaves_no_job_behind(site: Site) -> None:
    asked = site.simulate()
    eventually(lambda: site.ask("Simulation.objects.count()"), every=0.2)
    cancelled = "lifecycle.cancel(Simulation.objects.get())"

    assert site.ask(cancelled) is True

    with site.worker():
        _, err = asked.communicate(timeout=30)
    assert asked.returncode == 1
    assert "was cancelled" in err
    assert site.ask("Chunk.objects.count()") == 0
    assert "Traceback" not in site.log.read_text()
