"""What the job of an import does: chunk after chunk, each with its checkpoint in one transaction.

It may be killed anywhere: what a chunk wrote is there together with the place behind it, or neither is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic

from django.conf import settings
from django.db import transaction
from django.utils import timezone

import holdfast

from . import reading, services
from .models import Contact, Import, RowError
from .reading import Chunk, Place
from .rows import WrongRowError, contact_of

# As many rows as are lost and read again at a kill; on SQLite nobody else writes meanwhile.
CHUNK = 1000

Tell = Callable[[int, int, str], None]


class _NotOursError(Exception):
    """Another job works on the file, or it is done, or the import is gone: there is nothing left to do."""


@contextmanager
def _locked(
    import_id: int, *, job: str, states: Sequence[str] = Import.UNDER_WAY
) -> Iterator[Import]:
    """The import, locked until the end of the block; raises if this job is not, or no longer, to work on it."""
    with transaction.atomic():
        source = Import.objects.select_for_update().filter(pk=import_id).first()
        if source is None or source.job != job or source.state == Import.State.DONE:
            raise _NotOursError
        if source.state not in states:
            # Left by this way, its checkpoint stays for whoever goes on.
            raise holdfast.Aborted(f"the import is {source.state}")
        yield source


def work_off(import_id: int, *, job: str, begin: list[int] | None, tell: Tell) -> None:
    """Import what is left of a file, then note that it is done.

    After JOST_IMPORT_JOB_SECONDS a further job goes on: no file holds a queue for long, and lost
    workers are held against the job of their minute, not against the whole import.
    """
    until = monotonic() + settings.JOST_IMPORT_JOB_SECONDS
    try:
        # One that has failed is only run again because its dead letter is replayed.
        with _locked(import_id, job=job, states=(*Import.UNDER_WAY, Import.State.FAILED)) as source:
            source.state, source.reason, source.ended_at = Import.State.RUNNING, "", None
            source.started_at = source.started_at or timezone.now()
            source.save(update_fields=["state", "reason", "started_at", "ended_at"])
        with source.file.open("rb") as file:
            columns, first_row = reading.header(file)
            reached = holdfast.last_checkpoint(begin)
            place = first_row if reached is None else Place(*reached)
            for chunk in reading.chunks(file, begin=place, size=CHUNK):
                if holdfast.is_aborted():
                    raise holdfast.Aborted("asked to stop")
                _import(chunk, source=source, columns=columns, job=job)
                tell(chunk.end.offset, source.size, f"up to line {chunk.end.line - 1}")
                if monotonic() > until:
                    hand_over(import_id, job=job, begin=begin)
                    return
        with _locked(import_id, job=job) as source:
            source.read = source.size
            source.save(update_fields=["read"])
            services.finish(source)
    except _NotOursError:
        return


def _import(chunk: Chunk, *, source: Import, columns: list[str], job: str) -> None:
    contacts, errors = _judge(chunk, source=source, columns=columns)
    with _locked(source.pk, job=job) as locked:
        Contact.objects.bulk_create(contacts)
        RowError.objects.bulk_create(errors)
        locked.read = chunk.end.offset
        locked.imported += len(contacts)
        locked.refused += len(errors)
        locked.save(update_fields=["read", "imported", "refused"])
        # Last: it locks the job, which whoever cancels it waits for.
        holdfast.checkpoint([chunk.end.offset, chunk.end.line])


def _judge(
    chunk: Chunk, *, source: Import, columns: list[str]
) -> tuple[list[Contact], list[RowError]]:
    contacts: list[Contact] = []
    errors: list[RowError] = []
    for record in chunk.records:
        try:
            contact = contact_of(record, columns=columns)
        except WrongRowError as wrong:
            reason = str(wrong)[:200]
            errors.append(
                RowError(source=source, line=record.line, reason=reason, text=record.text)
            )
        else:
            contact.source = source
            contacts.append(contact)
    return contacts, errors


def hand_over(import_id: int, *, job: str, begin: list[int] | None) -> bool:
    """Send a further job to go on where this one is; False if this one has come nowhere.

    Whoever repeats this one finds itself replaced.
    """
    reached = holdfast.last_checkpoint(begin)
    if reached == begin:
        return False
    try:
        with _locked(import_id, job=job) as source:
            services.send(source, place=Place(*reached))
    except _NotOursError:
        pass
    return True
