"""What the figures were taken on, and how much of it somebody else was using meanwhile."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("celery", "kombu", "django", "django-celery-results", "psycopg", "redis", "hiredis")
QUIET_SHARE = 0.10
QUIET_PATIENCE_SECONDS = 3.0


@dataclass
class Foreign:
    """The share of all cores that processes other than ours used."""

    share: float = 0.0


@contextmanager
def watched() -> Iterator[Foreign]:
    """Measure what others used of the machine while the block ran."""
    found = Foreign()
    all_before, own_before, begun = _busy_seconds(), _own_seconds(), time.monotonic()
    try:
        yield found
    finally:
        lasted = time.monotonic() - begun
        foreign = _busy_seconds() - all_before - (_own_seconds() - own_before)
        found.share = max(0.0, foreign / lasted / (os.cpu_count() or 1))


def wait_for_quiet() -> None:
    """Wait, for a moment only, until nobody else uses the machine."""
    deadline = time.monotonic() + QUIET_PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with watched() as others:
            time.sleep(0.3)
        if others.share < QUIET_SHARE:
            return


def versions(*, redis: str, postgres: str) -> dict[str, str]:
    """Return the versions of everything that takes part."""
    import sqlite3

    found = {"python": platform.python_version(), "redis-server": redis, "postgresql": postgres}
    found |= {"sqlite": sqlite3.sqlite_version, "holdfast": commit()}
    return found | {name: version(name) for name in PACKAGES}


def cpu() -> str:
    """Name the processor and count its cores."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return f"{model}, {os.cpu_count()} cores"


def commit() -> str:
    """Name the commit that is measured."""

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--", "src/holdfast")
    commit = git("rev-parse", "--short", "HEAD")
    return f"{commit or 'no git'}{' with changes' if changed else ''}"


def _busy_seconds() -> float:
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq)


def _own_seconds() -> float:
    return cpu_seconds(psutil.Process())


def cpu_seconds(family: psutil.Process) -> float:
    """Return the CPU time of a process and of all below it, those that have ended included."""
    total = 0.0
    for process in [family, *family.children(recursive=True)]:
        try:
            times = process.cpu_times()
        except psutil.Error:  # it has just ended: its parent's account has it
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total
