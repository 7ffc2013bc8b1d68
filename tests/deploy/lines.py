"""The command lines in the deploy files of JOST, read as each tool reads them, and turned to this machine."""

from __future__ import annotations

import configparser
import re
import shlex
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.files import ROOT


@dataclass(frozen=True)
class Line:
    """One process as a file has it."""

    name: str
    words: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    signal: signal.Signals = signal.SIGTERM
    grace_seconds: int = 30
    to_all: bool = False
    """Whether every process of it gets the signal."""
    notifies: bool = False
    """Whether it tells systemd that it is ready."""
    probe: tuple[str, ...] = ()
    """The command by which it is found to live."""


# By `heroku config:set`.
_HEROKU = {"DJANGO_SETTINGS_MODULE": "jost.settings.production"}
SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]


def _compose() -> Iterator[Line]:
    for name, said in SERVICES.items():
        # Those of the project that stay, without what is for developers.
        if "build" in said and name != "migrate" and said.get("profiles") in (None, ["monitoring"]):
            health = said.get("healthcheck", {}).get("test", [])[1:]
            yield Line(
                name,
                tuple(word.replace("$$", "$") for word in said["command"]),
                said["environment"],
                signal.Signals[said["stop_signal"]],
                int(said["stop_grace_period"].rstrip("s")),
                probe=tuple(health) or ("sh", str(ROOT / "deploy" / "alive.sh")),
            )


def _procfile() -> Iterator[Line]:
    for line in (ROOT / "Procfile").read_text().splitlines():
        name, _, command = line.partition(": ")
        if name != "release":
            # The platform kills after 30 s.
            yield Line(name, ("sh", "-c", f"exec env {command}"), _HEROKU, to_all=True)


def _supervisor() -> Iterator[Line]:
    read = configparser.RawConfigParser()
    read.read(ROOT / "deploy" / "supervisor" / "jost.conf")
    for section in read.sections():
        if section.startswith("program:"):
            said = read[section]
            variables = re.findall(r'(\w+)="([^"]*)"', said["environment"])
            yield Line(
                section.removeprefix("program:jost-"),
                tuple(shlex.split(said["command"].replace("%%", "%"))),
                dict(variables),
                signal.Signals[f"SIG{said['stopsignal']}"],
                int(said["stopwaitsecs"]),
            )


def _systemd() -> Iterator[Line]:
    folder = ROOT / "deploy" / "systemd"
    common = (folder / "jost-worker@.service").read_text()
    for path in sorted(folder.rglob("*")):
        if path.name == "pool.conf":
            pool = path.parent.name.partition("@")[2].removesuffix(".service.d")
            yield _unit(pool, common + path.read_text())
        elif path.name in {"jost-web.service", "jost-scheduler.service"}:
            yield _unit(path.stem.removeprefix("jost-"), path.read_text())


def _unit(name: str, text: str) -> Line:
    said: dict[str, list[str]] = {}
    for line in text.replace("\\\n", " ").splitlines():
        key, equals, value = line.partition("=")
        if equals and key.isidentifier():
            said.setdefault(key, []).append(value)
    command = said["ExecStart"][-1].replace("%i", name).replace("%%", "%")
    variables = [word.split("=", 1) for value in said["Environment"] for word in shlex.split(value)]
    return Line(
        name,
        tuple(shlex.split(command)),
        {key: value for key, value in variables if key != "PATH"},
        signal.Signals[said.get("KillSignal", ["SIGTERM"])[-1]],
        int(said["TimeoutStopSec"][-1]),
        notifies=said["Type"] == ["notify"],
    )


def _kubernetes() -> Iterator[Line]:
    base = ROOT / "deploy" / "kubernetes" / "base"
    watched = ROOT / "deploy" / "kubernetes" / "components" / "monitoring" / "metrics.yaml"
    config = yaml.safe_load((base / "config.yaml").read_text())["data"]
    for path in (base / "web.yaml", base / "workers.yaml", base / "scheduler.yaml", watched):
        for document in yaml.safe_load_all(path.read_text()):
            if document["kind"] == "Deployment":
                pod = document["spec"]["template"]["spec"]
                (said,) = pod["containers"]
                own = {one["name"]: one["value"] for one in said.get("env", [])}
                probe = said.get("startupProbe") or said["livenessProbe"]
                yield Line(
                    document["metadata"]["name"].removeprefix("jost-"),
                    tuple(said["command"]),
                    {**config, **own},
                    grace_seconds=pod["terminationGracePeriodSeconds"],
                    probe=tuple(probe.get("exec", {}).get("command", ())),
                )


def _nix() -> Iterator[Line]:
    said: dict[str, Any] = yaml.safe_load((ROOT / "nix" / "process-compose.yaml").read_text())
    for name, process in said["processes"].items():
        if "availability" in process:
            stop = process["shutdown"]
            yield Line(
                name,
                ("bash", "-c", f". nix/scripts/environment.sh\n{process['command']}"),
                signal=signal.Signals(stop["signal"]),
                grace_seconds=stop["timeout_seconds"],
                to_all=not stop["parent_only"],
            )


LINES: dict[str, Callable[[], Iterator[Line]]] = {
    "compose": _compose,
    "kubernetes": _kubernetes,
    "nix": _nix,
    "procfile": _procfile,
    "supervisor": _supervisor,
    "systemd": _systemd,
}
"""Those of each tool, by the word of `manage.py holdfast render`."""


def turned(text: str, *, folder: Path, venv: Path, port: int, metrics_port: int) -> str:
    """Return a word or a value with the paths and ports of this machine, on loopback alone."""
    for there, here in (
        ("/run/holdfast", str(folder)),
        ("/srv/jost/venv", str(venv)),
        ("0.0.0.0:9808", f"127.0.0.1:{metrics_port}"),
        (", 9808)", f", {metrics_port})"),
        ("0.0.0.0", "127.0.0.1"),
    ):
        text = text.replace(there, here)
    return str(port) if text == "8000" else text
