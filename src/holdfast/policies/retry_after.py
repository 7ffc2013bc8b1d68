"""What the other side asked for with its refusal: the wait of a `Retry-After`, found on an exception of any library."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

# Seconds from now, or the moment to wait for.
Wait = float | datetime


def asked_by(error: BaseException) -> Wait | None:
    """Return the wait an exception asks for; None if it asks for none, or for one that cannot be read.

    Looked for in `error.retry_after`, `error.response.headers` (requests, httpx) and `error.headers` (urllib, aiohttp).
    Never raises.
    """
    for said in _said(error):
        wait = as_wait(said)
        if wait is not None:
            return wait
    return None


def as_wait(said: Any) -> Wait | None:
    """Read a number, a timedelta, an aware datetime, or a header: seconds or an HTTP date. A wait is never negative."""
    if isinstance(said, str | bytes):
        said = _of_header(said)
    if isinstance(said, timedelta):
        said = said.total_seconds()
    if isinstance(said, datetime):
        return said if said.tzinfo is not None else None
    if isinstance(said, bool) or not isinstance(said, int | float):
        return None
    try:
        seconds = float(said)
    except OverflowError:
        return None
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def _said(error: BaseException) -> Iterator[Any]:
    yield _attribute(error, "retry_after")
    for owner in (_attribute(error, "response"), error):
        yield _header(_attribute(owner, "headers"))


def _attribute(owner: Any, name: str) -> Any:
    try:
        return getattr(owner, name, None)
    except Exception:  # noqa: BLE001  # a property of somebody else's: httpx raises where there is no response
        return None


def _header(headers: Any) -> Any:
    try:
        # Those of the libraries take any case; a plain dictionary does not.
        return headers.get("Retry-After") or headers.get("retry-after")
    except Exception:  # noqa: BLE001  # whatever it is, it is no headers
        return None


def _of_header(said: str | bytes) -> Any:
    text = (said.decode("latin-1") if isinstance(said, bytes) else said).strip()
    if text.isascii() and text.isdigit():
        return float(text) if len(text) < 16 else None
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
