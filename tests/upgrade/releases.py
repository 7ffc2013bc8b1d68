"""Two releases of Holdfast under one project: the code of this checkout, and an older build out of its history."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.processes import ROOT, SiteProcess

PROJECT = ROOT / "tests" / "upgrade" / "project"
# Until there is a release: the last build before this migration, with half as many tables as today.
BEFORE = "src/holdfast/migrations/0019_console_permissions.py"
_numbers = count(1)


def unpacked(folder: Path) -> Path:
    """Unpack the sources of the release before this one; return where they are.

    A checkout without history has none: the test is skipped, and says so.
    """
    commit = _older()
    if not commit:
        pytest.skip("no history here to take an older build from: git fetch --unshallow --tags")
    archive = _git("archive", "--format=tar", commit, "src/holdfast")
    with tarfile.open(fileobj=io.BytesIO(archive)) as found:
        found.extractall(folder, filter="data")
    return folder / "src"


def newest_migration(source: Path) -> str:
    """Return the name of the last migration that a build has."""
    return max(path.stem for path in (source / "holdfast" / "migrations").glob("0*.py"))


def _older() -> str:
    tag = _git("describe", "--tags", "--match=v*", "--abbrev=0", "HEAD^").decode().strip()
    if tag:
        return tag
    added = _git("log", "--diff-filter=A", "--format=%H", "-1", "--", BEFORE).decode().strip()
    return f"{added}^" if added and _git("cat-file", "-t", f"{added}^") else ""


def _git(*words: str) -> bytes:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, check=False, timeout=60)
    return done.stdout if done.returncode == 0 else b""


@dataclass
class Build:
    """The project under one release."""

    name: str
    source: Path
    """Its folder that has the package."""
    folder: Path
    """Where logs go."""
    common: dict[str, str]
    workers: list[SiteProcess] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        return self.common | {
            "PYTHONPATH": f"{self.source}:{PROJECT}",
            "DJANGO_SETTINGS_MODULE": "bureau",
            "RELEASE": self.name,
        }

    def python(self, code: str) -> str:
        """Run a few lines in the project; return what they print."""
        return self._run("-c", f"import django\ndjango.setup()\nimport bureau\n{code}")

    def django(self, *words: Any) -> str:
        """Run a command of the project; return what it prints."""
        return self._run("-m", "django", *map(str, words))

    def start(self, *words: Any) -> subprocess.Popen[bytes]:
        """Start a command of the project and return at once."""
        return subprocess.Popen(
            [sys.executable, "-m", "django", *map(str, words)], env=self.environment, cwd=ROOT
        )

    def worker(self, queues: str, *, ready: bool = True) -> SiteProcess:
        """Start a worker; return once it takes jobs, or at once."""
        name = f"{self.name}{next(_numbers)}"
        command = ["-m", "celery", "-A", "bureau", "worker", "-Q", queues, "-c", "2", "-l", "INFO"]
        process = SiteProcess(
            [*command, "-n", f"{name}@%h", "--without-gossip", "--without-mingle"],
            log=self.folder / f"{name}.log",
            environment=self.environment,
        )
        self.workers.append(process)
        if ready:
            process.await_line(" ready.")
        return process

    def _run(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, *words],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()
