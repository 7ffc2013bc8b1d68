"""What Sentry is told of an error inside a job: which one it is."""

from __future__ import annotations

import sys
from typing import Any

from holdfast.logs.fields import job_fields

_tagged = False


def tag_sentry() -> None:
    """Put tags on every event that sentry_sdk sends from now on: task, job, attempt, correlation.

    Holdfast does it by itself where sentry_sdk is imported by the time Django is set up. It works with and without
    Sentry's own CeleryIntegration, and costs a job nothing: tags are looked up when an event is sent.
    """
    global _tagged  # noqa: PLW0603  # processors cannot be told apart, and two would do the same
    if _tagged:
        return
    from sentry_sdk.scope import add_global_event_processor

    add_global_event_processor(_add_tags)
    _tagged = True


def tag_if_there() -> None:
    """Do it if the project uses Sentry."""
    if "sentry_sdk" in sys.modules:
        tag_sentry()


def _add_tags(event: Any, _hint: Any) -> Any:
    found = job_fields()
    if found["job"]:
        # Sentry takes tags of up to 200 letters.
        said = {f"holdfast.{name}": str(value)[:200] for name, value in found.items() if value}
        event["tags"] = said | dict(event.get("tags") or {})
    return event
