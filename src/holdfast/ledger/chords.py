"""The count of a chord's members: each part once, the last one told so exactly once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef
from django.db.models.functions import Now

from holdfast.ledger.database import alias, atomic, connection
from holdfast.ledger.fence import job_rows
from holdfast.ledger.models import Chord, ChordPart
from holdfast.ledger.records import Part as Returned
from holdfast.ledger.states import State

_PART = """
INSERT INTO holdfast_chord_part ("group", member, position, failed, result, content_encoding)
SELECT %s, %s, %s, %s, %s, %s WHERE EXISTS (SELECT 1 FROM holdfast_chord WHERE "group" = %s)
ON CONFLICT ("group", member) DO NOTHING
"""
_PARTS = """
INSERT INTO holdfast_chord_part ("group", member, position, failed, result, content_encoding)
SELECT p."group", p.member, p.position, false, p.result, p.content_encoding
  FROM unnest(%s::text[], %s::text[], %s::int[], %b::bytea[], %s::text[])
    AS p("group", member, position, result, content_encoding)
 WHERE EXISTS (SELECT 1 FROM holdfast_chord c WHERE c."group" = p."group")
ON CONFLICT ("group", member) DO NOTHING RETURNING member
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
    # In the caller's transaction a savepoint would cost two round trips, one of them while the others wait.
    with transaction.atomic(using=alias(), savepoint=False), connection().cursor() as cursor:
        cursor.execute(_PART, values)
        new = cursor.rowcount == 1
        if not new:
            _tell_again(group, member, failed=failed, result=result, encoding=content_encoding)
        # From here to the commit the others wait: one statement, and the last one of its transaction but for the body.
        cursor.execute(_COUNT, [int(new), group])
        row = cursor.fetchone()
        if row is None or not row[0]:
            return False
        return bool(
            Chord.objects.using(alias()).filter(group=group, fired=False).update(fired=True)
        )


def missing(groups: Collection[str]) -> dict[str, int]:
    """Return how many members of chords have not been counted; chords whose body was sent are left out."""
    rows = Chord.objects.using(alias()).filter(group__in=list(groups), fired=False)
    return {group: size - done for group, size, done in rows.values_list("group", "size", "done")}


def return_parts(parts: Mapping[str, Returned]) -> set[str]:
    """Note the ends of members that have succeeded, by their ids, in the transaction of these ends.

    Returns the chords that are complete by that, for which nobody has sent the body: the caller must undo it all, and
    leave the last member of each to `return_part`.
    """
    new = _note(parts)
    for member, part in parts.items():
        if member not in new:
            encoding = part.content_encoding
            _tell_again(
                part.group, member, failed=False, result=part.value.result, encoding=encoding
            )
    counts = Counter(parts[member].group for member in new)
    groups = {part.group for part in parts.values()}
    complete = set()
    with connection().cursor() as cursor:
        # In one order: two that count in several chords cannot wait for each other.
        for group in sorted(groups):
            cursor.execute(_COUNT, [counts[group], group])
            row = cursor.fetchone()
            if row is not None and row[0]:
                complete.add(group)
    return complete


def _note(parts: Mapping[str, Returned]) -> set[str]:
    """Write parts; return the members that had returned nothing before, of chords that are there."""
    rows: list[Any] = [
        (part.group, member, part.position, part.value.result, part.content_encoding)
        for member, part in parts.items()
    ]
    with connection().cursor() as cursor:
        if connection().vendor == "postgresql":
            cursor.execute(_PARTS, [list(column) for column in zip(*rows, strict=True)])
            return {row[0] for row in cursor.fetchall()}
        new = set()
        for group, member, position, result, content_encoding in rows:
            cursor.execute(_PART, [group, member, position, False, result, content_encoding, group])
            if cursor.rowcount == 1:
                new.add(member)
        return new


def _tell_again(
    group: str, member: str, *, failed: bool, result: bytes | None, encoding: str
) -> None:
    """Note what a replayed member returns now: it counts, as long as the chord has not gone on."""
    told = ChordPart.objects.using(alias()).filter(group=group, member=member)
    told.update(failed=failed, result=result, content_encoding=encoding)


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
