"""The count of a chord's members: each part once, the last one told so exactly once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Exists, F, OuterRef
from django.db.models.functions import Now

from holdfast.ledger.database import alias, atomic, connection
from holdfast.ledger.fence import job_rows
from holdfast.ledger.models import Chord, ChordPart
from holdfast.ledger.states import State

_PART = """
INSERT INTO holdfast_chord_part ("group", member, position, failed, result, content_encoding)
SELECT %s, %s, %s, %s, %s, %s WHERE EXISTS (SELECT 1 FROM holdfast_chord WHERE "group" = %s)
ON CONFLICT ("group", member) DO NOTHING
"""
_COUNT = """
UPDATE holdfast_chord SET done = done + %s WHERE "group" = %s RETURNING done >= size AND NOT fired
"""


@dataclass(frozen=True, slots=True)
class Part:
    """What one member returned."""

    member: str
    failed: bool
    result: bytes | None
    content_encoding: str
    """Of an encrypted result; empty: as the result serializer writes."""


def open_chord(group: str, *, size: int) -> None:
    """Begin to count; opening it again changes nothing."""
    Chord.objects.using(alias()).get_or_create(
        group=group, defaults={"size": size, "created_at": Now()}
    )


def resize(group: str, *, size: int) -> None:
    """Correct the number of members once nested ones have been counted."""
    Chord.objects.using(alias()).filter(group=group).update(size=size)


def grow(group: str) -> None:
    """Wait for one more member."""
    Chord.objects.using(alias()).filter(group=group).update(size=F("size") + 1)


def return_part(
    group: str,
    member: str,
    *,
    position: int,
    failed: bool,
    result: bytes | None,
    content_encoding: str = "",
) -> bool:
    """Note a member's end; True for the one that completes the chord.

    In the transaction of the member's own end: the chord's row lock lets one after the other through.
    """
    values: list[Any] = [group, member, position, failed, result, content_encoding, group]
    with atomic(), connection().cursor() as cursor:
        cursor.execute(_PART, values)
        new = cursor.rowcount == 1
        if not new:
            # A replayed member: what it returns now counts, as long as the chord has not gone on.
            told = ChordPart.objects.using(alias()).filter(group=group, member=member)
            told.update(failed=failed, result=result, content_encoding=content_encoding)
        # From here to the commit the others wait: one statement, and the last one of its transaction but for the body.
        cursor.execute(_COUNT, [int(new), group])
        row = cursor.fetchone()
        if row is None or not row[0]:
            return False
        return bool(
            Chord.objects.using(alias()).filter(group=group, fired=False).update(fired=True)
        )


def parts(group: str) -> list[Part]:
    """Return what all members returned, in their order."""
    rows = ChordPart.objects.using(alias()).filter(group=group).order_by("position", "id")
    return [
        Part(
            row.member,
            row.failed,
            None if row.result is None else bytes(row.result),
            row.content_encoding,
        )
        for row in rows
    ]


def prune(*, before: timedelta, unfired_before: timedelta, limit: int) -> int:
    """Delete chords whose time is over, with at most so many parts of theirs; return how many rows.

    One that has not sent its body is kept longer, and as long as a member waits or runs: it may yet go on.
    """
    old = Chord.objects.using(alias()).order_by("created_at")
    fired = old.filter(fired=True, created_at__lt=Now() - before)
    members = job_rows().filter(group_id=OuterRef("group"), state__lte=State.RUNNING)
    left = old.filter(~Exists(members), fired=False, created_at__lt=Now() - unfired_before)
    deleted = 0
    for rows in (fired, left):
        for group in list(rows.values_list("group", flat=True)[: limit - deleted]):
            deleted += _delete(group, limit=limit - deleted)
            if deleted >= limit:
                return deleted
    return deleted


def _delete(group: str, *, limit: int) -> int:
    with atomic():
        parts = ChordPart.objects.using(alias()).filter(group=group)
        ids = list(parts.values_list("id", flat=True)[:limit])
        ChordPart.objects.using(alias()).filter(id__in=ids).delete()
        # What is left of a chord with very many members goes in the next pass.
        if len(ids) < limit:
            Chord.objects.using(alias()).filter(group=group).delete()
    return len(ids) + 1
