"""The recorded figures as one table: medians with their range."""

from __future__ import annotations

import platform
from importlib.metadata import version
from statistics import median
from typing import Any

PACKAGES = (
    "celery",
    "django",
    "django-celery-results",
    "django-q2",
    "django-tasks-db",
    "dramatiq",
    "huey",
    "procrastinate",
    "rq",
    "taskiq",
    "taskiq-redis",
    "redis",
)
HEAD = (
    "system",
    "drain /s",
    "`delay()` loop /s",
    "bulk /s",
    "p50 / p99 ms",
    "runs again after kill -9",
    "run after a wipe",
    "keeps",
)


def versions(*, redis: str) -> dict[str, str]:
    """Return the versions of everything that takes part."""
    return {"python": platform.python_version(), "redis-server": redis} | {
        name: version(name) for name in PACKAGES
    }


def table(recorded: dict[str, Any]) -> str:
    """Return the table as Markdown."""
    lines = ["| " + " | ".join(HEAD) + " |", "|" + " --- |" * len(HEAD)]
    for name, row in recorded["systems"].items():
        cells = (
            name,
            _range(row.get("drain")),
            _range(row.get("loop")),
            _range(row.get("bulk")),
            f"{_middle(row.get('p50'))} / {_middle(row.get('p99'))}",
            _seconds(row.get("killed")),
            _wiped(row),
            row["keeps"],
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _range(figures: list[float] | None) -> str:
    if not figures:
        return "-"
    middle = f"{median(figures):,.0f}"
    return middle if len(figures) == 1 else f"{middle} ({min(figures):,.0f}-{max(figures):,.0f})"


def _middle(figures: list[float] | None) -> str:
    return f"{median(figures):.1f}" if figures else "-"


def _seconds(figures: list[float | None] | None) -> str:
    if not figures:
        return "-"
    met = [each for each in figures if each is not None]
    return f"{median(met):.1f} s" if met else "not within 60 s"


def _wiped(row: dict[str, Any]) -> str:
    if not row.get("wiped_ran"):
        return "-"
    return f"{median(row['wiped_ran']):,.0f} of {median(row['wiped_queued']):,.0f}"
