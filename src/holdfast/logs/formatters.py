"""How a log line is written: for people, or as one JSON object."""

from __future__ import annotations

import json
import logging
import time
from datetime import UTC, datetime
from typing import Any

from holdfast.logs.fields import NAMES, JobFilter

# What every record has, and what Celery puts beside its words: the arguments of a job are nobody's field.
_KNOWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "data"}
_fill = JobFilter().filter


class LineFormatter(logging.Formatter):
    """`2026-11-22 08:00:01.123 INFO shop [shop.charge 0190-... #2 request-7]: the words`, times in UTC."""

    default_time_format = "%Y-%m-%d %H:%M:%S"
    default_msec_format = "%s.%03d"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s%(whose)s: %(message)s")
        self.converter = time.gmtime

    def format(self, record: logging.LogRecord) -> str:
        """Write a record with the job that it is of."""
        _fill(record)
        values: dict[str, Any] = vars(record)
        attempt = f"#{values['attempt']}" if values["attempt"] else ""
        said = (values["task"], values["job"], attempt, values["correlation"])
        words = [str(word) for word in said if word]
        record.whose = f" [{' '.join(words)}]" if words else ""
        return super().format(record)


class JsonFormatter(logging.Formatter):
    """One object a line: time (ISO 8601, UTC), level, logger, message, task, job, attempt, correlation, process, ...

    `error` has the class of an exception, `traceback` its text. What a line brings by `extra=` is beside them; what
    JSON has no word for is written as text.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Write a record as JSON; never a line break inside."""
        _fill(record)
        values = vars(record)
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **{name: values[name] for name in NAMES if values[name]},
            "process": record.process,
            "thread": record.threadName,
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__qualname__
            line["traceback"] = record.exc_text or self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        line |= {name: value for name, value in values.items() if _is_extra(name, line)}
        return json.dumps(line, default=_as_text, ensure_ascii=False)


def _is_extra(name: str, line: dict[str, Any]) -> bool:
    return name not in _KNOWN and name not in NAMES and name not in line and name != "whose"


def _as_text(value: Any) -> str:
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001  # a value that cannot be written is no reason to lose the line
        return f"<{type(value).__qualname__}: {error!r}>"
