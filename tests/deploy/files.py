"""The deploy files of two projects, rendered once by the command as a user runs it."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.warm import run

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Files:
    """What was rendered for one project."""

    folder: Path
    name: str
    pools: dict[str, int]
    """Names of the pools, and the seconds that a stop waits for each."""
    settings: str
    queues: str
    python: str

    def text(self, path: str) -> str:
        return (self.folder / path.replace("NAME", self.name)).read_text()

    def yaml(self, path: str) -> list[Any]:
        return [document for document in yaml.safe_load_all(self.text(path)) if document]

    @property
    def services(self) -> dict[str, Any]:
        (compose,) = self.yaml("docker-compose.yml")
        services: dict[str, Any] = compose["services"]
        return services

    def objects(self, kind: str, *, below: str = "base") -> dict[str, Any]:
        """Return the Kubernetes objects of a kind by their names."""
        return {
            found["metadata"]["name"]: found
            for path in sorted((self.folder / "deploy" / "kubernetes" / below).glob("*.yaml"))
            for found in yaml.safe_load_all(path.read_text())
            if isinstance(found, dict) and found.get("kind") == kind and "metadata" in found
        }

    @property
    def paths(self) -> list[Path]:
        return sorted(path for path in self.folder.rglob("*") if path.is_file())


JOST = {
    "name": "jost",
    "pools": dict.fromkeys(["worker", "worker-fast", "worker-cpu", "worker-io"], 1830),
    "settings": "jost.settings.test",
    "queues": "default,critical,low-priority,alerts,fast,cpu,io",
    "python": "3.12",
}
BAKERY = {
    "name": "corner-bakery",
    "pools": {"worker": 600, "worker-cpu": 600, "worker-io": 600, "ovens": 930},
    "settings": "tests.deploy.bakery.settings",
    "queues": "counter,cpu_intensive,io-suppliers,ovens",
    "python": "3.13",
}
PROJECTS = {"jost": JOST, "bakery": BAKERY}


def rendered_for(project: str, folder: Path) -> Files:
    """Render everything of a project into a folder, with the command."""
    said = PROJECTS[project]
    done = render("all", "--output", str(folder), settings=str(said["settings"]))
    assert done.returncode == 0, done.stderr
    return Files(folder=folder, **said)  # type: ignore[arg-type]


def render(*words: str, settings: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run `holdfast render` for a project; nothing of its environment is of ours."""
    app = {"tests.deploy.bakery.settings": "import tests.deploy.bakery; "}.get(
        settings, "import jost.celery; "
    )
    command = f"{app}from django.core.management import execute_from_command_line as run; import sys; run(sys.argv)"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": str(ROOT),
        "DJANGO_SETTINGS_MODULE": settings,
    }
    words = ("-c", command, "holdfast", "render", *words)
    return run(words, environment=environment, cwd=folder, timeout=60)
