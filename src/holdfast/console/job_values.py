"""What a job was called with, what it returned and how far it is, as people may see it: without secrets, and in part
where it is large.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from celery import current_app, states
from django.utils.translation import gettext as _

from holdfast import vault
from holdfast.dispatch import calls, said
from holdfast.dispatch.known import task_named
from holdfast.dispatch.progress import in_words
from holdfast.dispatch.prose import Prose
from holdfast.ledger.reads.backlog import OpenJob
from holdfast.ledger.reads.one_job import LARGEST, Call, Kept, Past
from holdfast.ledger.reads.standing import Standing
from holdfast.results import encoding
from holdfast.signatures.calls import Unreadable, calls_of

# Of what is larger the first part is shown.
SHOWN = 65_536
STEPS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A value as it is shown: `value`, or the first part of it as `text`, or `note` says why neither."""

    value: Any = None
    text: str = ""
    note: str = ""
    size: int = 0
    """Bytes, as it lies in the ledger."""

    @property
    def is_whole(self) -> bool:
        """Whether `value` is all of it."""
        return not (self.text or self.note)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCall:
    """What a job is called with."""

    args: Shown
    kwargs: Shown
    size: int
    content_type: str
    encrypted: bool
    note: str
    """What there is to know of it as a whole; empty for most."""
    headers: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A call that a job's end will make: it is no job yet."""

    task: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a running job says it is."""

    words: str
    fraction: float | None
    state: str
    said: Any = field(default=None)


def shown_call(row: Standing, call: Call | None) -> ShownCall | None:
    """Return what a job is called with; None if its call is gone."""
    if call is None:
        return None
    headers = calls.clean(current_app, row.task, call.headers)
    note = ""
    args = kwargs = Shown()
    if call.message is None:
        note = _("Its body takes more than %(most)s MiB, and is not read here.") % {
            "most": LARGEST // 2**20
        }
    else:
        said = calls.shown(current_app, call.message)
        note = said.hidden
        if said.args is not None or said.kwargs is not None:
            args, kwargs = shown(said.args, size=call.size), shown(said.kwargs, size=call.size)
    return ShownCall(
        args=args,
        kwargs=kwargs,
        size=call.size,
        content_type=call.content_type,
        encrypted=vault.is_encrypted(call.content_encoding),
        note=note,
        headers=headers,
    )


def past(found: Past, row: Standing, call: Call | None) -> Past:
    """Return attempts with what they said as people may see it."""
    message = call.message if call else None
    prose = (
        said.of_message(current_app, message)
        if message is not None
        else Prose(task_named(current_app, row.task))
    )
    return replace(found, attempts=[said.attempt(one, prose) for one in found.attempts])


def shown(value: Any, *, size: int, most: int = SHOWN) -> Shown:
    """Return a value whole, or the first part of its text if that is large."""
    if size <= most:
        return Shown(value=value, size=size)
    text = json.dumps(value, indent=1, ensure_ascii=False, default=str)
    if len(text) <= most:
        return Shown(value=value, size=size)
    return Shown(text=text[:most], size=size)


def shown_result(row: Standing, kept: Kept | None, *, most: int | None = SHOWN) -> Shown | None:
    """Return what a job returned, up to `most` characters of it; None if it did not succeed, or nothing is kept."""
    if kept is None or kept.stored.status != states.SUCCESS:
        return None
    if kept.stored.result is None:
        return Shown(
            size=kept.size, note=_("It is too large to be read here.") if kept.size else ""
        )
    value, why = encoding.read(kept.stored, accept=current_app.backend.accept)
    if why:
        return Shown(size=kept.size, note=_("It cannot be decoded here: %(why)s") % {"why": why})
    value = calls.clean(current_app, row.task, value)
    return shown(value, size=kept.size, most=kept.size if most is None else most)


def progress(row: Standing, kept: Kept | None) -> Progress | None:
    """Return how far a running job says it is; None if it says nothing."""
    over = states.READY_STATES | {states.RETRY}
    if kept is None or kept.stored.status in over or kept.stored.result is None:
        return None
    said, why = encoding.read(kept.stored, accept=current_app.backend.accept)
    if why:
        return None
    said = calls.clean(current_app, row.task, said)
    words, fraction = "", None
    if isinstance(said, dict) and "done" in said:
        words = in_words(said)
        done, total = said["done"], said.get("total")
        if isinstance(done, int | float) and isinstance(total, int | float) and total > 0:
            fraction = min(1.0, max(0.0, done / total))
    return Progress(words=words, fraction=fraction, state=kept.stored.status, said=said)


def steps(row: Standing, call: Call | None) -> list[Step]:
    """Return the calls that the job's end will make, as its message carries them; the first 20."""
    if call is None or call.message is None or call.size > SHOWN:
        return []
    message = call.message
    job = OpenJob(
        id=row.id,
        task=row.task,
        queue=row.queue,
        headers=message.headers,
        body=message.body,
        content_type=message.content_type,
        content_encoding=message.content_encoding,
    )
    return list(islice(_steps(job), STEPS))


def _steps(job: OpenJob) -> Iterator[Step]:
    try:
        for call in calls_of(current_app, job):
            if call.where:
                yield Step(task=call.task, where=call.where)
    except Unreadable:
        return
