"""Workers for the doctor's tests: rows of the ledger whose leases are as old as a test wants them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4

from django.db.models.functions import Now

from holdfast.ledger import workers
from holdfast.ledger.database import alias
from holdfast.ledger.models import Worker


def hire(
    name: str,
    *,
    queues: Sequence[str] = ("celery",),
    slots: int = 1,
    host: str = "h",
    lease: float = 600.0,
    left: float | None = None,
    age: float = 0.0,
) -> UUID:
    """Register a worker; its lease of so many seconds has as many left, and it began so long ago."""
    worker = uuid4()
    workers.register(
        workers.Incarnation(
            id=worker, name=name, host=host, pid=7, pool="prefork", concurrency=slots, queues=queues
        )
    )
    Worker.objects.using(alias()).filter(id=worker).update(
        lease_until=Now() + timedelta(seconds=lease if left is None else left),
        lease_seconds=lease,
        started_at=Now() - timedelta(seconds=age),
    )
    return worker
