"""JOST as it runs: on a database and a Redis of its own, with real workers, and gateways that can misbehave."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import psutil

from holdfast.testing.services import free_port
from tests import warm
from tests.eventually import eventually

ROOT = Path(__file__).resolve().parents[1]
EVERY_QUEUE = ("default", "critical", "low-priority", "fast", "io")
# A worker that does not beat for so long has lost its jobs; the sweep of the rescuer comes on top.
LEASE_SECONDS = 5.0


class JostSite:
    """One deployment of JOST below `directory`; its workers end with the block."""

    def __init__(
        self,
        directory: Path,
        *,
        redis_url: str,
        gateways_url: str = "",
        database_url: str = "",
    ) -> None:
        self.directory = directory
        self.environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "jost.settings.test",
            "JOST_DATA_DIR": str(directory),
            "CELERY_BROKER_URL": redis_url,
            "JOST_GATEWAYS_URL": gateways_url,
            "DATABASE_URL": database_url,
            # The lease is five seconds shorter.
            "TASK_LOCK_TIMEOUT": str(int(LEASE_SECONDS + 5)),
        }
        self._ends = ExitStack()
        self._hired = 0

    def __enter__(self) -> Self:
        self.manage("migrate", "--verbosity", "0")
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()

    def manage(self, *arguments: str, timeout: float = 120) -> str:
        """Run a command of `manage.py` to its end; return what it printed."""
        done = warm.run(
            ["manage.py", *arguments], environment=self.environment, cwd=ROOT, timeout=timeout
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def ask(self, expression: str, *, imports: str) -> Any:
        """Evaluate an expression in a process of this site; JSON comes back."""
        code = f"import json; {imports}; print(json.dumps({expression}))"
        return json.loads(self.manage("shell", "--verbosity", "0", "-c", code))

    def worker(
        self,
        *,
        pool: str = "threads",
        concurrency: int = 4,
        queues: Sequence[str] = EVERY_QUEUE,
    ) -> SiteWorker:
        """Start a worker; return once it consumes."""
        self._hired += 1
        worker = SiteWorker(self, number=self._hired, pool=pool, concurrency=concurrency)
        worker.start(queues)
        self._ends.callback(worker.end)
        return worker

    def scheduler(self, name: str) -> psutil.Popen:
        """Start a scheduler; return once it has begun."""
        command = ["celery", "--app", "jost", "beat", "--loglevel", "INFO"]
        return self._start(name, command, told="beat: Starting")

    def web(self) -> str:
        """Start the server of pages and API; return its address once it answers."""
        port = str(free_port())
        command = ["uvicorn", "jost.asgi:application", "--port", port, "--lifespan", "off"]
        self._start("web", command, told="Uvicorn running")
        return f"http://127.0.0.1:{port}"

    def _start(self, name: str, command: Sequence[str], *, told: str) -> psutil.Popen:
        path = self.directory / f"{name}.log"
        with path.open("w") as log:
            process = psutil.Popen(
                [sys.executable, "-m", *command],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        self._ends.callback(process.wait)
        self._ends.callback(process.kill)
        eventually(lambda: told in path.read_text(), told=f"{name} says {told}", every=0.05)
        return process


class SiteWorker:
    """A real `celery worker` of a site."""

    def __init__(self, site: JostSite, *, number: int, pool: str, concurrency: int) -> None:
        self._site = site
        self._pool = ["--pool", pool, "--concurrency", str(concurrency)]
        self._name = f"worker{number}"
        self._log = site.directory / f"{self._name}.log"
        self.process: psutil.Popen | None = None

    def start(self, queues: Sequence[str]) -> None:
        options = ["--queues", ",".join(queues), "--hostname", f"{self._name}@%h", *self._pool]
        command = [sys.executable, "-m", "celery", "--app", "jost", "worker", "--loglevel", "INFO"]
        with self._log.open("w") as log:
            self.process = psutil.Popen(
                [*command, *options],
                cwd=ROOT,
                env=self._site.environment,
                stdout=log,
                stderr=log,
            )
        eventually(lambda: " ready." in self.log(), told=f"{self._name} is ready", every=0.05)

    def log(self) -> str:
        return self._log.read_text()

    def kill(self) -> None:
        """As a machine that loses its power: the worker and its pool, at once."""
        if self.process is None:
            return
        family = [self.process, *self.process.children(recursive=True)]
        for each in family:
            try:
                each.send_signal(signal.SIGKILL)
            except psutil.NoSuchProcess:
                continue
        self.process.wait()
        self.process = None

    def end(self) -> None:
        """Ask it to stop; kill it if it does not."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(20)
            self.process = None
        except (psutil.TimeoutExpired, subprocess.TimeoutExpired):
            self.kill()
