"""Ids of jobs: UUID version 7, so that rows recorded together lie together in the index."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from uuid import UUID


def new_id() -> str:
    """Return a fresh id that sorts by the millisecond it was made in."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & 0xFFFFFFFFFFFF) << 80 | int.from_bytes(os.urandom(10))
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(UUID(int=value))


def minted_at(job_id: str) -> datetime | None:
    """Return when an id of ours was made; None for an id that came from elsewhere."""
    try:
        value = UUID(job_id)
    except ValueError:
        return None
    return datetime.fromtimestamp((value.int >> 80) / 1000, tz=UTC) if value.version == 7 else None
