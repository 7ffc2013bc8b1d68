"""The console of a site, served by a real web server in a process of its own."""

from __future__ import annotations

import urllib.error
import urllib.request
from contextlib import suppress
from itertools import count
from typing import Any, Self

from holdfast.testing.services import free_port
from tests.eventually import eventually
from tests.harness import Site
from tests.processes import ProcessEndedError, SiteProcess

_numbers = count(1)


class WebServer:
    """uvicorn, under which pages get a stream of events; or Django's own server, under WSGI, where they ask."""

    def __init__(self, site: Site, *, wsgi: bool = False) -> None:
        self._site = site
        self._wsgi = wsgi
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.root = f"{self.address}/holdfast/"
        self._process: SiteProcess

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it, always on the same port; return once it answers."""
        asgi = ["-m", "uvicorn", "tests.browser.asgi:application", "--port", str(self.port)]
        own = ["-m", "django", "runserver", "--noreload", "--insecure", f"127.0.0.1:{self.port}"]
        self._process = SiteProcess(
            own if self._wsgi else [*asgi, "--timeout-graceful-shutdown", "1"],
            log=self._site.directory / f"web{next(_numbers)}.log",
            environment=self._site.environment,
        )
        eventually(self._answers, told="the web server answers")

    def kill(self) -> None:
        """Kill -9."""
        self._process.kill()

    def fetch(self, path: str, *, role: str = "view") -> bytes:
        """Return what an address below the console's root answers to a role."""
        asked = urllib.request.Request(self.root + path, headers={"X-Test-Role": role})
        with urllib.request.urlopen(asked, timeout=30) as answer:
            found: bytes = answer.read()
        return found

    def log_tail(self) -> str:
        """Return the end of what it wrote."""
        return self._process.log_tail()

    def _answers(self) -> Any:
        if not self._process.running:
            raise ProcessEndedError(self._process.log_tail(40))
        with suppress(urllib.error.URLError, ConnectionError):
            return self.fetch("api/pulse/")
        return None
