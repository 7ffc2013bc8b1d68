"""The statements of effects: begin, record, free and prune; each is one transaction that may die at any line.

What orders them is the row of the key. It is written first and the caller's attempt is looked at after that: whoever
comes next waits for the row, so an attempt that passed the look had the key before it lost its job.
Every function may be asked again with the same turn after a lost answer.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import F, QuerySet
from django.db.models.functions import Now

from holdfast.exceptions import AttemptLost
from holdfast.ledger.database import alias, atomic
from holdfast.ledger.fence import held_by, job_rows
from holdfast.ledger.models.effects import Effect, EffectState
from holdfast.ledger.records import Hold
from holdfast.ledger.states import State


class Encoded(NamedTuple):
    """What a call returned, as it lies in the ledger; without data it is None."""

    data: bytes | None
    content_type: str = ""
    content_encoding: str = ""


class Found(NamedTuple):
    """What a caller found at a key; the key is its own now unless the effect is done or busy."""

    done: Encoded | None = None
    in_doubt: bool = False
    busy: bool = False
    job: str | None = None


def begin(key: str, *, turn: UUID, hold: Hold | None, keep: timedelta, take_over: bool) -> Found:
    """Take a key before its call is made, or tell what stands in the way.

    Without `take_over` a key in doubt is left to whoever comes to clear it up.

    Raises:
        AttemptLost: the caller's attempt does not stand any more; nothing is written.
    """
    mine: dict[str, Any] = {
        "turn": turn,
        "job": hold.id if hold else None,
        "token": hold.token if hold else None,
        "begun_at": Now(),
        "expires_at": Now() + keep,
    }
    while True:
        with atomic():
            new = Effect(key=key, state=EffectState.BEGUN, **mine)
            _rows().bulk_create([new], ignore_conflicts=True)
            row = _locked(key)
            if row is None:
                continue  # it was there when we wrote, and freed before we looked
            found = _found(row, turn=turn, hold=hold)
            if found.in_doubt and take_over and row.turn != turn:
                _rows().filter(key=key).update(times_begun=F("times_begun") + 1, **mine)
            _require(hold)
            return found


def record(
    key: str, encoded: Encoded, *, turn: UUID, hold: Hold | None, keep: timedelta
) -> Encoded:
    """Note that the call was made and what it returned. What was recorded first stands, and is returned.

    Raises:
        AttemptLost: the caller's attempt does not stand any more; nothing is written.
    """
    done: dict[str, Any] = {
        "state": EffectState.DONE,
        "turn": turn,
        "done_at": Now(),
        "result": encoded.data,
        "content_type": encoded.content_type,
        "content_encoding": encoded.content_encoding,
    }
    with atomic():
        begun = _rows().filter(key=key, state=EffectState.BEGUN)
        while not begun.update(**done):
            # A caller outside of all jobs may find its key recorded by somebody else, or freed.
            defaults = {**done, "begun_at": Now(), "expires_at": Now() + keep}
            row, new = _rows().get_or_create(key=key, defaults=defaults)
            if new or row.state == EffectState.DONE:
                encoded = encoded if new else _encoded(row)
                break
        _require(hold)
    return encoded


def free(key: str, *, turn: UUID, hold: Hold | None) -> bool:
    """Let the key be as if it had never been begun; False if it is not this caller's any more.

    Raises:
        AttemptLost: the caller's attempt does not stand any more; nothing is written.
    """
    with atomic():
        freed, _ = _rows().filter(key=key, state=EffectState.BEGUN, turn=turn).delete()
        _require(hold)
    return bool(freed)


def prune(*, limit: int) -> int:
    """Delete one batch of expired effects; return how many rows were looked at.

    A job that is in the ledger can be repeated: its effects stay for as long again as they are old. So a row is
    looked at a few times in its life, and not at every pass.
    """
    with atomic():
        expired = _rows().filter(expires_at__lt=Now())
        rows = list(expired.order_by("expires_at").values_list("key", "job")[:limit])
        jobs = {job for _, job in rows if job is not None}
        kept = set(job_rows().filter(id__in=jobs).values_list("id", flat=True))
        # Asked again in the same statement: a caller may have begun anew meanwhile.
        expired.filter(key__in=[key for key, job in rows if job in kept]).update(
            expires_at=Now() + (Now() - F("begun_at"))
        )
        expired.filter(key__in=[key for key, job in rows if job not in kept]).delete()
    return len(rows)


def _found(row: Effect, *, turn: UUID, hold: Hold | None) -> Found:
    if row.state == EffectState.DONE:
        return Found(done=_encoded(row), job=row.job)
    if row.turn == turn:
        return Found(in_doubt=row.times_begun > 1, job=row.job)
    own = hold is not None and (row.job, row.token) == (hold.id, hold.token)
    if row.job is not None and row.token is not None and not own:
        standing = job_rows().filter(id=row.job, token=row.token, state=State.RUNNING)
        if standing.exists():
            return Found(busy=True, job=row.job)
    return Found(in_doubt=True, job=row.job)


def _require(hold: Hold | None) -> None:
    """Refuse an attempt that does not stand any more; what it wrote in this transaction is undone."""
    if hold is not None and not held_by(hold).exists():
        raise AttemptLost(hold.id, hold.token)


def _locked(key: str) -> Effect | None:
    return _rows().select_for_update().filter(key=key).first()


def _encoded(row: Effect) -> Encoded:
    data = None if row.result is None else bytes(row.result)
    return Encoded(data, row.content_type, row.content_encoding)


def _rows() -> QuerySet[Effect]:
    return Effect.objects.using(alias())
