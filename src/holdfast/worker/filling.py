"""What a claim brought, put into the thin message it was asked for with; in a worker's main process."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from holdfast import vault
from holdfast.dispatch.handover import TAKES_END
from holdfast.dispatch.recording import restored_headers
from holdfast.ledger.records import ClaimedJob
from holdfast.tickets import HEADER, LIMITS


def fill(message: Any, job: ClaimedJob, *, worker: UUID, takes_end: bool = False) -> None:
    """Make a thin message the one Celery expects, with the body that came with the claim.

    With `takes_end` the attempt may leave its end to this process.

    Raises:
        CannotDecrypt: it is encrypted, and its key is not here.
    """
    headers = restored_headers(job.id, job.task, job.headers)
    message.body, message.content_encoding = vault.opened(job.body, job.content_encoding, headers)
    headers.pop("compression", None)
    mark: dict[str, Any] = {"token": job.token, "worker": str(worker), "attempt": job.attempt}
    if takes_end:
        mark[TAKES_END] = True
    if LIMITS in headers:
        mark["limits"] = tuple(headers.pop(LIMITS))
    if vault.is_encrypted(job.content_encoding):
        mark["encrypted"] = True
    message.headers = headers | {HEADER: mark}
    message.content_type = job.content_type
    message.properties["correlation_id"] = job.id
    message.properties["priority"] = job.priority or None
    message._decoded_cache = None
