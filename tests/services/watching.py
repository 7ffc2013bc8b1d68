"""A real Prometheus and a real Alertmanager on loopback, with rendered files, and whoever is told by them."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode
from urllib.request import urlopen

from holdfast.deploy import described, rendered
from holdfast.deploy.facts import Facts
from holdfast.testing.child import Child
from holdfast.testing.ports import free_port
from tests.eventually import eventually
from tests.processes import ROOT
from tests.services.asked import program

PROJECT = "shop"
"""The name of the job."""


class Told:
    """Whoever is told: the alerts of each message, in their order."""

    def __init__(self) -> None:
        self.alerts: list[tuple[str, str]] = []
        told = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                told.alerts += [
                    (alert["labels"]["alertname"], alert["status"]) for alert in message["alerts"]
                ]
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()


class Watching:
    """The two, and what they say."""

    def __init__(self, *, port: int, told: Told, logs: list[Path]) -> None:
        self.told = told
        self._port = port
        self._logs = logs

    def value(self, query: str) -> float | None:
        """Return the value of a query that has one; None if it has none yet."""
        url = f"http://127.0.0.1:{self._port}/api/v1/query?{urlencode({'query': query})}"
        with urlopen(url, timeout=10) as answer:
            found = json.load(answer)["data"]["result"]
        return float(found[0]["value"][1]) if found else None

    def await_value(self, query: str, wanted: float) -> None:
        """Wait until a query has a value."""
        eventually(lambda: self.value(query) == wanted, every=0.2, told=f"{query} is {wanted:g}")

    def await_told(self, alert: str, status: str) -> None:
        """Wait until somebody is told of an alert."""
        wanted = (alert, status)
        eventually(
            lambda: wanted in self.told.alerts,
            every=0.1,
            told=f"{wanted} is told; {self.told.alerts} were\n{self.log_tails()}",
        )

    def log_tails(self) -> str:
        return "\n".join(log.read_text()[-1500:] for log in self._logs)


def _rendered(webhook: str) -> dict[str, str]:
    """Return what is rendered for a project that is told at an address, by the names of the files."""
    facts = Facts(
        app=PROJECT,
        settings="shop.settings",
        folder=ROOT,
        wsgi="shop.wsgi:application",
        servers=("gunicorn",),
        asked={"monitoring": {"webhook": webhook}},
    )
    files = rendered("prometheus", described(facts))
    return {
        Path(path).name: text
        for path, text in files.items()
        if path.startswith("deploy/prometheus/")
    }


def _write(path: Path, files: dict[str, str], *changes: tuple[str, str]) -> None:
    """Write a file for this machine and for a test's patience."""
    text = files[path.name]
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    path.write_text(text)


@contextmanager
def watching(folder: Path, *, scraped: str, path: str, token: str) -> Iterator[Watching]:
    """Start both, once a second each, on what is scraped at `host:port`; the files are those of a project."""
    port, manager = free_port(), free_port()
    (folder / "token").write_text(token)
    with ExitStack() as stack:
        told = stack.enter_context(Told())
        files = _rendered(f"http://127.0.0.1:{told.port}/")
        (folder / "rules.yml").write_text(files["rules.yml"])
        _write(
            folder / "prometheus.yml",
            files,
            (": 15s", ": 1s"),
            ("alertmanager:9093", f"127.0.0.1:{manager}"),
            ("metrics:9808", scraped),
            ("metrics_path: /metrics", f"metrics_path: {path}"),
            ("/run/secrets/METRICS_TOKEN", str(folder / "token")),
        )
        _write(
            folder / "alertmanager.yml",
            files,
            ("group_wait: 30s", "group_wait: 1s"),
            ("group_interval: 5m", "group_interval: 1s"),
        )
        commands = {
            "prometheus": [
                program("prometheus"),
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'series'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--enable-feature=exemplar-storage",
            ],
            "alertmanager": [
                program("prometheus-alertmanager"),
                f"--config.file={folder / 'alertmanager.yml'}",
                f"--storage.path={folder / 'silences'}",
                f"--web.listen-address=127.0.0.1:{manager}",
                "--cluster.listen-address=",
            ],
        }
        logs = []
        for name, command in commands.items():
            logs.append(folder / f"{name}.log")
            child = Child(command, log=logs[-1])
            stack.callback(child.end, signal.SIGTERM, timeout=10)
        found = Watching(port=port, told=told, logs=logs)

        def answers() -> bool:
            try:
                return found.value("vector(1)") == 1
            except OSError as error:
                raise AssertionError(f"{error}\n{found.log_tails()}") from error

        eventually(answers, every=0.2, told="Prometheus answers")
        yield found
