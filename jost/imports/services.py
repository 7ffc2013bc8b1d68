"""What is done to a whole import: begin, cancel, go on; each with its job, in one transaction."""

from __future__ import annotations

from pathlib import PurePath
from typing import IO, Any, cast

from celery import states
from celery.result import AsyncResult
from django.conf import settings
from django.contrib.auth.models import User
from django.core.files.storage import FileSystemStorage, default_storage
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.utils import timezone

import holdfast
from holdfast.exceptions import JobNotFound

from . import reading
from .models import Import
from .reading import HeaderError, Place

State = Import.State

MOST_BYTES = 200_000_000
# What a job has beyond its time before it is struck: only a chunk that hangs takes so long.
GRACE_SECONDS = 30


class UploadError(ValueError):
    """The file is not taken; the message says what to change."""


class CannotGoOnError(ValueError):
    """It stopped early and cannot be taken up; the message says why."""


class StillStoppingError(CannotGoOnError):
    """The job has not left yet, or is no longer in the ledger."""


class FileGoneError(CannotGoOnError):
    """The file was kept for its days."""


def begin(upload: UploadedFile[Any], *, owner: User | None = None) -> Import:
    """Keep a file and record the job that imports it; raises `UploadError`."""
    _require_storage()
    size = upload.size or 0
    if not size:
        raise UploadError("The file is empty.")
    if size > MOST_BYTES:
        raise UploadError(f"The file has {size:,} bytes; {MOST_BYTES:,} are the most.")
    try:
        reading.header(cast("IO[bytes]", upload))
    except HeaderError as reason:
        raise UploadError(str(reason)) from None
    upload.seek(0)
    name = PurePath(upload.name or "").name[-200:].replace("\x00", "") or "contacts.csv"
    source = Import(owner=owner, name=name, size=size)
    source.file.save("", upload, save=False)
    try:
        with transaction.atomic():
            source.save()
            send(source, place=None)
    except BaseException:
        # The file is not part of the transaction.
        source.file.delete(save=False)
        raise
    return source


def _require_storage() -> None:
    if isinstance(default_storage, FileSystemStorage) and not str(settings.MEDIA_ROOT):
        # A relative folder would be another one in every process.
        raise UploadError(
            "This site keeps no files: set JOST_DATA_DIR to a folder that web and workers share."
        )


def send(source: Import, *, place: Place | None) -> None:
    """Let a new job work on it from a place, as part of the caller's transaction."""
    from . import tasks  # they import this module

    patience = settings.JOST_IMPORT_JOB_SECONDS + GRACE_SECONDS
    begin_at = None if place is None else [place.offset, place.line]
    job = tasks.run.apply_async(
        (source.pk, begin_at),
        link_error=tasks.note_failure.s(source.pk),
        soft_time_limit=patience,
        time_limit=2 * patience,
    )
    source.job = job.id
    source.save(update_fields=["job"])


def cancel(import_id: int) -> bool:
    """Stop it; rows that are imported stay. False if it had ended already.

    No row is imported after this has returned: each chunk looks at the state under the same lock.
    """
    with transaction.atomic():
        source = Import.objects.select_for_update().get(pk=import_id)
        if not source.is_under_way:
            return False
        _end(source, state=State.CANCELLED)
        holdfast.cancel(source.job, terminate=False)
    return True


def go_on(import_id: int) -> bool:
    """Take up what was cancelled or has failed, at its checkpoint; raises `CannotGoOnError`."""
    with transaction.atomic():
        source = Import.objects.select_for_update().get(pk=import_id)
        if not source.has_stopped_early:
            return False
        if not source.file:
            raise FileGoneError("Its file is no longer kept, so it cannot go on.")
        try:
            holdfast.replay(source.job)
        except JobNotFound as reason:
            raise StillStoppingError(
                "Its job has not stopped yet: try again in a moment. If it was months ago, upload it again."
            ) from reason
        source.state, source.reason, source.ended_at = State.WAITING, "", None
        source.save(update_fields=["state", "reason", "ended_at"])
    return True


def fail(import_id: int, *, job: str) -> None:
    """Note that its job has failed for good; inside the caller's transaction."""
    source = Import.objects.select_for_update().filter(pk=import_id).first()
    if source is not None and source.is_under_way and source.job == job:
        _end(source, state=State.FAILED, reason="Its job has failed; the console says why.")


def settle() -> int:
    """Note of imports whose job was cancelled elsewhere, as in the console, that they are; return how many."""
    settled = 0
    for number, job in Import.objects.filter(state__in=Import.UNDER_WAY).values_list("pk", "job"):
        if AsyncResult(job).state != states.REVOKED:
            continue
        with transaction.atomic():
            source = Import.objects.select_for_update().filter(pk=number, job=job).first()
            if source is not None and source.is_under_way:
                _end(source, state=State.CANCELLED)
                settled += 1
    return settled


def finish(source: Import) -> None:
    """Note that all rows are in; the caller has the lock."""
    _end(source, state=State.DONE)


def _end(source: Import, *, state: Import.State, reason: str = "") -> None:
    source.state, source.reason, source.ended_at = state, reason, timezone.now()
    source.save(update_fields=["state", "reason", "ended_at"])
