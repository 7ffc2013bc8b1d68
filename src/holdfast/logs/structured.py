"""structlog by choice: a processor that adds the job to each event, and a formatter for all lines."""

from __future__ import annotations

from typing import Any

from holdfast.logs.fields import NAMES, job_fields


def add_job_fields(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Add task, job, attempt and correlation id to an event of structlog; a processor for `structlog.configure`."""
    found = job_fields(event.get("_record"))
    for name in NAMES:
        if found[name]:
            event.setdefault(name, found[name])
    return event


def formatter(*, json: bool) -> Any:
    """Return a formatter that writes structlog's events and the lines of the standard library alike.

    structlog is configured to hand its events to the standard library, unless the project has configured it.
    """
    import structlog

    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        add_job_fields,
    ]
    if not structlog.is_configured():
        structlog.configure(
            processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
            logger_factory=structlog.stdlib.LoggerFactory(),
            wrapper_class=structlog.stdlib.BoundLogger,
            cache_logger_on_first_use=True,
        )
    last: list[Any] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if json:
        last += [
            structlog.processors.dict_tracebacks,
            structlog.processors.JSONRenderer(default=str),
        ]
    else:
        last.append(structlog.dev.ConsoleRenderer(colors=False, timestamp_key="time"))
    return structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=last)
