"""JOST as it runs: on a database and a Redis of its own, with real workers, and gateways that can misbehave."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

from holdfast.testing.services import RedisServer, free_port
from tests import warm
from tests.outside import Outside
from tests.processes import ROOT, SiteProcess

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

    def scheduler(self, name: str) -> SiteProcess:
        """Start a scheduler; return once it has begun."""
        command = ["celery", "--app", "jost", "beat", "--loglevel", "INFO"]
        return self.start(name, command, told="beat: Starting")

    def web(self) -> str:
        """Start the server of pages and API; return its address once it answers."""
        port = str(free_port())
        command = ["uvicorn", "jost.asgi:application", "--port", port, "--lifespan", "off"]
        self.start("web", command, told="Uvicorn running")
        return f"http://127.0.0.1:{port}"

    def start(self, name: str, command: Sequence[str], *, told: str) -> SiteProcess:
        """Start `python -m` with the words of a command; return once its log tells this."""
        process = SiteProcess(
            ["-m", *command],
            log=self.directory / f"{name}.log",
            environment=self.environment,
            warm=True,
        )
        self._ends.callback(process.kill)
        process.await_line(told)
        return process


@contextmanager
def jost_and_gateways(
    directory: Path, *, redis: Path, database_url: str = ""
) -> Iterator[tuple[JostSite, Outside]]:
    """Run JOST on a Redis of its own, with gateways that can misbehave."""
    with (
        RedisServer(redis) as server,
        Outside(directory) as outside,
        JostSite(
            directory, redis_url=server.url, gateways_url=outside.url, database_url=database_url
        ) as site,
    ):
        yield site, outside


class SiteWorker:
    """A real `celery worker` of a site."""

    def __init__(self, site: JostSite, *, number: int, pool: str, concurrency: int) -> None:
        self._site = site
        self._pool = ["--pool", pool, "--concurrency", str(concurrency)]
        self._name = f"worker{number}"
        self.process: SiteProcess | None = None

    def start(self, queues: Sequence[str]) -> None:
        options = ["--queues", ",".join(queues), "--hostname", f"{self._name}@%h", *self._pool]
        command = ["celery", "--app", "jost", "worker", "--loglevel", "INFO", *options]
        self.process = self._site.start(self._name, command, told=" ready.")

    def kill(self) -> None:
        """As a machine that loses its power: the worker and its pool, at once."""
        if self.process is not None:
            self.process.kill()
            self.process = None

    def end(self) -> None:
        """Ask it to stop; kill it if it does not."""
        if self.process is None:
            return
        self.process.signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except AssertionError:
            self.process.kill()
