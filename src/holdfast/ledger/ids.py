"""Ids of jobs: UUID version 7, so that rows recorded together lie together in the index."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from uuid import UUID

# In SQL, of the column `id`: whether it is an id of version 7, which says when it was made.
TELLS_TIME = "id LIKE '________-____-7___-____-____________'"
# Two bits of this digit say which kind of UUID it is, the other two are random.
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def new_id() -> str:
    """Return a fresh id that sorts by the millisecond it was made in."""
    return new_ids(1)[0]


def new_ids(count: int) -> list[str]:
    """Return fresh ids that sort by the millisecond they were made in, as the bits of RFC 9562 lie."""
    stamp = f"{time.time_ns() // 1_000_000 & 0xFFFFFFFFFFFF:012x}"
    opening = f"{stamp[:8]}-{stamp[8:]}-7"
    random = os.urandom(10 * count).hex()
    return [
        f"{opening}{random[at + 1 : at + 4]}-{_VARIANT[random[at + 4]]}{random[at + 5 : at + 8]}-"
        f"{random[at + 8 : at + 20]}"
        for at in range(0, 20 * count, 20)
    ]


def bound_at(moment: datetime, *, last: bool = False) -> str:
    """Return the first id that sorts as those made at a moment, or the last one."""
    stamp = f"{max(0, int(moment.timestamp() * 1000)) & 0xFFFFFFFFFFFF:012x}"
    rest = "-7fff-bfff-ffffffffffff" if last else "-7000-8000-000000000000"
    return f"{stamp[:8]}-{stamp[8:]}{rest}"


def minted_at(job_id: str) -> datetime | None:
    """Return when an id of ours was made; None for an id that came from elsewhere."""
    try:
        value = UUID(job_id)
    except ValueError:
        return None
    return datetime.fromtimestamp((value.int >> 80) / 1000, tz=UTC) if value.version == 7 else None
