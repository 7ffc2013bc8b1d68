"""JOST itself for a browser: its web server, one worker for simulations, a database and a Redis of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from holdfast.testing.services import free_port
from tests import warm
from tests.eventually import eventually
from tests.processes import ROOT, ProcessEndedError, SiteProcess
from tests.surroundings import inherited

WORKER = ("--queues", "cpu", "--pool", "prefork", "--concurrency", "1", "--loglevel", "INFO")


class JostSite:
    """What a browser needs of a site: where it is, and what its server wrote."""

    def __init__(self, directory: Path, *, redis_url: str) -> None:
        self.directory = directory
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.root = f"{self.address}/simulations/"
        self.environment = inherited() | {
            "DJANGO_SETTINGS_MODULE": "jost.settings.test",
            "JOST_DATA_DIR": str(directory),
            "CELERY_BROKER_URL": redis_url,
            "PYTHONPATH": str(ROOT),
        }
        self.run("migrate", "--verbosity", "0")
        self._web = self._start(
            "-m", "uvicorn", "jost.asgi:application", "--port", str(self.port), log="web.log"
        )
        self._worker = self._start(
            "-m", "celery", "--app", "jost", "worker", *WORKER, log="cpu.log"
        )
        eventually(self._answers, told="the web server answers")

    def run(self, *arguments: str) -> str:
        """Run a command of manage.py; return what it printed."""
        done = warm.run(
            ("manage.py", *arguments), environment=self.environment, cwd=ROOT, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def ask(self, code: str) -> Any:
        """Evaluate an expression over simulations in a process of the site."""
        imports = (
            "import json; from jost.simulations import lifecycle, studies;"
            "from jost.simulations.models import Simulation, Study;"
            "from jost.simulations.setup import Setup;"
        )
        printed = self.run(
            "shell", "--verbosity", "0", "-c", f"{imports}print(json.dumps({code}, default=str))"
        )
        return json.loads(printed)

    def log_tail(self) -> str:
        return f"{self._web.log_tail()}\n{self._worker.log_tail()}"

    def kill(self) -> None:
        self._web.kill()
        self._worker.kill()

    def _start(self, *command: str, log: str) -> SiteProcess:
        return SiteProcess(command, log=self.directory / log, environment=self.environment)

    def _answers(self) -> bool:
        if not self._web.running:
            raise ProcessEndedError(self._web.log_tail(40))
        with suppress(URLError, ConnectionError), urlopen(self.root, timeout=30):
            return True
        return False


@contextmanager
def jost_site(directory: Path, *, redis_url: str) -> Iterator[JostSite]:
    """Start all of it; kill it in the end."""
    site = JostSite(directory, redis_url=redis_url)
    try:
        yield site
    finally:
        site.kill()
