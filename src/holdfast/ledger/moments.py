"""Moments as plain statements read them, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.utils.dateparse import parse_datetime


def as_moment(read: Any) -> datetime:
    """Return a moment as a plain statement reads it: on SQLite in UTC without saying so, as a text or not."""
    moment = read if isinstance(read, datetime) else parse_datetime(read)
    assert moment is not None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
