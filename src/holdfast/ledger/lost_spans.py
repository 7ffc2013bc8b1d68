"""What a trace hears of attempts whose process is gone: whoever gives their jobs back tells it in their place.

What if it dies here? Before the commit nothing is told, and whoever comes next tells it. After it the span may be
missing, as any that a process has not sent yet.
"""

from __future__ import annotations

import json
from collections.abc import Collection

from django.db import transaction
from django.db.models.functions import Now

from holdfast import spans
from holdfast.ledger.database import alias
from holdfast.ledger.fence import WORKER_NAME, job_rows
from holdfast.ledger.models import Payload

_COLUMNS = ("task", "queue", "attempts", "started_at")


def tell(job_ids: Collection[str], *, cause: str) -> None:
    """Tell of the attempts that these jobs are about to lose, in the transaction that has locked and will move them.

    The next attempt is told of the lost one by a header. Two reads and one write for all of them; where nobody traces,
    nothing is done.
    """
    tracer = spans.tracer
    if tracer is None or not job_ids:
        return
    rows = {
        row["id"]: row
        for row in job_rows()
        .filter(id__in=job_ids)
        .values("id", *_COLUMNS, worker_name=WORKER_NAME, now=Now())
    }
    told = []
    for payload in Payload.objects.using(alias()).filter(job__in=rows).only("headers"):
        row = rows[payload.job]
        try:
            headers = json.loads(payload.headers)
        except (
            ValueError
        ):  # what cannot be read is found out by the claim; it keeps no other from being given back
            continue
        span = tracer.losing(
            spans.Lost(
                job=payload.job,
                task=row["task"],
                queue=row["queue"],
                attempt=row["attempts"],
                headers=headers,
                worker=row["worker_name"] or "",
                began_at=row["started_at"] or row["now"],
                ended_at=row["now"],
                cause=cause,
            )
        )
        if span is None:
            continue
        payload.headers = json.dumps(headers | dict(span.headers))
        told.append(payload)
        transaction.on_commit(span.end, using=alias(), robust=True)
    if told:
        Payload.objects.using(alias()).bulk_update(told, ["headers"], batch_size=100)
