"""A real Prometheus and a real Alertmanager on loopback, with the rules of deploy/, and whoever is told by them."""

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

from holdfast.testing.child import Child
from holdfast.testing.ports import free_port
from tests.eventually import eventually
from tests.processes import ROOT
from tests.services.asked import program

RULES = ROOT / "deploy" / "prometheus"
_ALERTMANAGER = """
route: {{receiver: test, group_by: [alertname], group_wait: 1s, group_interval: 1s, repeat_interval: 1h}}
receivers:
  - name: test
    webhook_configs: [{{url: "http://127.0.0.1:{port}/", send_resolved: true}}]
"""


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


@contextmanager
def watching(folder: Path, *, scraped: str, path: str, token: str) -> Iterator[Watching]:
    """Start both, once a second each, on what is scraped at `host:port`; the configuration is that of deploy/."""
    port, manager = free_port(), free_port()
    (folder / "holdfast-token").write_text(token)
    (folder / "rules.yml").write_text((RULES / "rules.yml").read_text())
    shown = (RULES / "prometheus.yml").read_text()
    for before, after in (
        (": 15s", ": 1s"),
        ("127.0.0.1:9093", f"127.0.0.1:{manager}"),
        ("127.0.0.1:8000", scraped),
        ("metrics_path: /metrics", f"metrics_path: {path}"),
    ):
        assert before in shown
        shown = shown.replace(before, after)
    (folder / "prometheus.yml").write_text(shown)
    with ExitStack() as stack:
        told = stack.enter_context(Told())
        (folder / "alertmanager.yml").write_text(_ALERTMANAGER.format(port=told.port))
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
