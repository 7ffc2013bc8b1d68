"""The count of a chord's members: each part once, the last one told so exactly once."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import F
from django.db.models.functions import Now

from holdfast.ledger.database import alias, atomic
from holdfast.ledger.models import Chord, ChordPart


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
    with atomic():
        chord = Chord.objects.using(alias()).select_for_update().filter(group=group).first()
        if chord is None:
            return False
        said = {"failed": failed, "result": result, "content_encoding": content_encoding}
        new = ChordPart(group=group, member=member, position=position, **said)
        before = ChordPart.objects.using(alias()).filter(group=group, member=member)
        if before.exists():
            # A replayed member: what it returns now counts, as long as the chord has not gone on.
            before.update(**said)
        else:
            new.save(using=alias(), force_insert=True)
            chord.done += 1
        complete = chord.done >= chord.size and not chord.fired
        chord.fired = chord.fired or complete
        chord.save(using=alias(), update_fields=["done", "fired"])
        return complete


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
