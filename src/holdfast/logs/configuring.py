"""The LOGGING of a project in one call, and workers that keep to it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from holdfast.exceptions import ConfigurationError

# By this name `holdfast.apps` knows that the project's logging is of our making.
FILTER = "holdfast_job"


def config(
    *,
    json: bool = False,
    level: str = "INFO",
    file: str = "",
    file_bytes: int = 50_000_000,
    file_count: int = 5,
    structlog: bool = False,
    loggers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return a value for LOGGING: lines with task, job, attempt and correlation id, on stderr and in a file.

    Workers and schedulers keep to it: Celery does not put its own handlers in their place. `-l` makes them say more,
    but never less than `level`; `-f` adds a file.

    Args:
        json: one JSON object a line; else lines for people.
        level: lowest level that is written.
        file: path of a file that is written beside stderr, by all processes of the machine together; turned over.
        file_bytes: size at which the file is turned over; 0 leaves that to logrotate.
        file_count: how many full files are kept.
        structlog: lines that structlog writes; its own events are written as those of the standard library. Extra
            `structlog`.
        loggers: lowest levels by logger, such as {"kombu": "WARNING"}.

    Raises:
        ConfigurationError: a level is none, a size is no whole number, or structlog is not installed.
    """
    _check_levels(
        {"level": level, **{f"loggers[{name!r}]": of for name, of in (loggers or {}).items()}}
    )
    _check_sizes({"file_bytes": file_bytes, "file_count": file_count})
    handlers: dict[str, dict[str, Any]] = {"stderr": {"class": "logging.StreamHandler"}}
    if file:
        handlers["file"] = {
            "class": "holdfast.logs.SharedRotatingFileHandler",
            "filename": file,
            "most_bytes": file_bytes,
            "kept": file_count,
        }
    for handler in handlers.values():
        handler |= {"formatter": "holdfast", "filters": [FILTER]}
    # Django's own handlers would write its lines a second time.
    ours = {name: {"handlers": [], "propagate": True} for name in ("django", "django.server")}
    for name, lowest in (loggers or {}).items():
        ours.setdefault(name, {})["level"] = lowest
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {FILTER: {"()": "holdfast.logs.JobFilter"}},
        "formatters": {"holdfast": _formatter(json=json, structlog=structlog)},
        "handlers": handlers,
        "root": {"handlers": list(handlers), "level": level},
        "loggers": ours,
    }


def _formatter(*, json: bool, structlog: bool) -> dict[str, Any]:
    if structlog:
        # Said here: logging would say only that it cannot make a formatter.
        if find_spec("structlog") is None:
            raise ConfigurationError(
                "holdfast.logs.config(structlog=True) needs structlog, and it is not installed: "
                "pip install 'holdfast[structlog]'."
            )
        return {"()": "holdfast.logs.structured.formatter", "json": json}
    return {"()": f"holdfast.logs.{'JsonFormatter' if json else 'LineFormatter'}"}


def _check_levels(levels: Mapping[str, Any]) -> None:
    known = logging.getLevelNamesMapping()
    for where, level in levels.items():
        if level not in known:
            raise ConfigurationError(
                f"holdfast.logs.config(): {where} is {level!r}: it must be the name of a level: {', '.join(known)}"
            )


def _check_sizes(sizes: Mapping[str, Any]) -> None:
    # Said here and not at the first line that is logged, which would raise in the middle of a job.
    for where, size in sizes.items():
        if type(size) is not int or size < 0:
            raise ConfigurationError(
                f"holdfast.logs.config(): {where} is {size!r}: it must be a whole number, such as 50_000_000 bytes or "
                "5 files; 0 of bytes never turns the file over, 0 of files keeps none"
            )


def keep_in_workers(configured: Any) -> None:
    """Let Celery's processes keep the project's LOGGING if it is of our making."""
    if not isinstance(configured, Mapping) or FILTER not in (configured.get("filters") or {}):
        return
    from celery import signals

    signals.setup_logging.connect(_keep, weak=False, dispatch_uid="holdfast.logs")


def _keep(*, loglevel: Any = None, logfile: str | None = None, **_: Any) -> None:
    """Take over what was asked on the command line; Django has set up the rest."""
    root = logging.getLogger()
    if isinstance(loglevel, int) and loglevel:
        root.setLevel(min(root.level, loglevel))
    if logfile and root.handlers:
        from holdfast.logs.fields import JobFilter
        from holdfast.logs.files import SharedRotatingFileHandler

        handler = SharedRotatingFileHandler(logfile)
        handler.addFilter(JobFilter())
        handler.setFormatter(root.handlers[0].formatter)
        root.addHandler(handler)
