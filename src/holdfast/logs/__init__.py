"""Log lines that say whose they are: task, job, attempt and correlation id, for people or as JSON.

In the settings:

    from holdfast import logs

    LOGGING = logs.config(json=True)

Everything here can be imported before Django is set up.
"""

from __future__ import annotations

from holdfast.correlation import correlated, correlation_id
from holdfast.logs.configuring import config
from holdfast.logs.fields import JobFilter, job_fields
from holdfast.logs.files import SharedRotatingFileHandler
from holdfast.logs.formatters import JsonFormatter, LineFormatter
from holdfast.logs.middleware import CorrelationMiddleware
from holdfast.logs.sentry import tag_sentry
from holdfast.logs.structured import add_job_fields

__all__ = [
    "CorrelationMiddleware",
    "JobFilter",
    "JsonFormatter",
    "LineFormatter",
    "SharedRotatingFileHandler",
    "add_job_fields",
    "config",
    "correlated",
    "correlation_id",
    "job_fields",
    "tag_sentry",
]
