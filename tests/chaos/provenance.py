"""Where a result comes from: the commit, the versions of all that took part, and the machine."""

from __future__ import annotations

import os
import platform
import subprocess
from typing import Any

import celery
import django
import kombu

from tests.chaos.ground import Ground
from tests.processes import ROOT


def provenance(on: Ground) -> dict[str, Any]:
    """Return what a result says about itself; the load is the mean of five minutes."""
    versions = {
        "python": platform.python_version(),
        "django": django.get_version(),
        "celery": celery.__version__,
        "kombu": kombu.__version__,
        "redis": on.redis.version(),
    }
    if on.postgres is not None:
        versions["postgres"] = on.postgres.execute("SHOW server_version")
    return {
        "commit": _commit(),
        "versions": versions,
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[1], 1),
    }


def _commit() -> str:
    """Return which commit the tree is, and whether it was changed since."""
    head, changes = (
        subprocess.run(
            ["git", *command], cwd=ROOT, capture_output=True, text=True, check=False
        ).stdout.strip()
        for command in (("rev-parse", "--short=12", "HEAD"), ("status", "--porcelain"))
    )
    return (head or "unknown") + (", changed" if changes else "")
