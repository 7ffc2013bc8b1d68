"""What the code of this process is: its tasks with their parameters, and the versions of what it stands on."""

from __future__ import annotations

import hashlib
import inspect
import json
import logging
import platform
from importlib import metadata
from typing import Any

from holdfast.ledger.releases import Code

logger = logging.getLogger("holdfast.dispatch")
LIBRARIES = ("holdfast", "celery", "kombu", "redis", "django", "psycopg")
_FOREIGN = ("celery.", "holdfast.")
_MARKS: dict[object, str] = {
    inspect.Parameter.VAR_POSITIONAL: "*",
    inspect.Parameter.VAR_KEYWORD: "**",
}


def code_of(app: Any) -> Code:
    """Return what the app knows by now, the same text in every process with the same code; unknown if that fails."""
    try:
        tasks = {
            name: _parameters(task.run)
            for name, task in sorted(app.tasks.items())
            if not name.startswith(_FOREIGN)
        }
        versions = {"python": platform.python_version(), **_versions()}
    except Exception:
        # It is for people who look: no worker stays away for it.
        logger.exception("The code of this process cannot be told")
        return Code()
    told = json.dumps([tasks, versions], sort_keys=True).encode()
    return Code(key=hashlib.sha256(told).hexdigest()[:32], tasks=tasks, versions=versions)


def _versions() -> dict[str, str]:
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _parameters(body: Any) -> str:
    """Return the parameters without their annotations and defaults, which may read otherwise in each process."""
    try:
        found = inspect.signature(body).parameters.values()
    except (TypeError, ValueError):
        return "*args, **kwargs"
    return ", ".join(
        f"{_MARKS.get(one.kind, '')}{one.name}{'' if one.default is one.empty else '=...'}"
        for one in found
    )
