"""The name of an attempt's transaction: by it whoever rescues the job finds one that a frozen process left open."""

from __future__ import annotations

import hashlib


def transaction_mark(job_id: str, token: int) -> str:
    """Name the transaction of an attempt, short enough for a server's list of connections."""
    return f"holdfast:{hashlib.sha256(f'{job_id}:{token}'.encode()).hexdigest()[:32]}"
