"""What a trace hears of attempts whose process is gone, or is ended on purpose: whoever moves their jobs tells it.

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
from holdfast.ledger.fence import WORKER_NAME, held_by, job_rows, lock
from holdfast.ledger.models import Payload, Worker
from holdfast.ledger.records import Hold
from holdfast.spans import By

_COLUMNS = ("task", "queue", "attempts", "started_at")
PREFORK = "prefork"


def tell_killed(hold: Hold, *, cause: str, by: By) -> None:
    """Tell of an attempt whose process is killed now, if it stands; in the transaction that will end it."""
    if spans.tracer is not None and lock(held_by(hold)).values("id").first() is not None:
        tell([hold.id], cause=cause, by=by, killed=True)


def tell(job_ids: Collection[str], *, cause: str, by: By = By.LOSS, killed: bool = False) -> None:
    """Tell of the attempts that these jobs are about to lose, in the transaction that has locked and will move them.

    The next attempt is told of the lost one by a header. Two reads and one write for all of them; where nobody traces,
    nothing is done. With `killed` it tells of processes of a prefork pool alone: in any other pool the body is
    interrupted, or runs on, and its attempt tells of itself.
    """
    tracer = spans.tracer
    if tracer is None or not job_ids:
        return
    found = job_rows().filter(id__in=job_ids)
    if killed:
        found = found.filter(worker__in=Worker.objects.filter(pool=PREFORK).values("id"))
    rows = {
        row["id"]: row for row in found.values("id", *_COLUMNS, worker_name=WORKER_NAME, now=Now())
    }
    if not rows:
        return
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
                by=by,
            )
        )
        if span is None:
            continue
        payload.headers = json.dumps(headers | dict(span.headers))
        told.append(payload)
        transaction.on_commit(span.end, using=alias(), robust=True)
    if told:
        Payload.objects.using(alias()).bulk_update(told, ["headers"], batch_size=100)
