"""What may be written into a search: the names that jobs of late have."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.ledger.database import alias
from holdfast.ledger.fence import job_rows
from holdfast.ledger.models import Worker

# Jobs that are looked at, those recorded last; and workers, those that started last.
LATEST, WORKERS = 1_000, 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Names in use, in the order of the alphabet."""

    tasks: list[str]
    queues: list[str]
    workers: list[str]


def names() -> Names:
    """Return the names that the latest 1,000 jobs and 100 workers have; two statements."""
    latest = list(job_rows().order_by("-id").values_list("task", "queue")[:LATEST])
    workers = Worker.objects.using(alias()).order_by("-started_at").values_list("name", flat=True)
    return Names(
        tasks=sorted({task for task, _ in latest}),
        queues=sorted({queue for _, queue in latest}),
        workers=sorted(set(workers[:WORKERS])),
    )
