"""Looking into what jobs were called with: a coarse look by the database, then a fine one, job by job.

The fine look is somebody else's, who knows serializers and secrets: the ledger hands over rows and takes a yes or no.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, fields
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import (
    BinaryField,
    BooleanField,
    Case,
    F,
    Func,
    Q,
    Value,
    When,
)
from django.db.models.functions import Length
from django.db.models.lookups import GreaterThan
from django.db.models.sql.compiler import SQLCompiler

from holdfast.ledger.database import alias
from holdfast.ledger.fence import job_rows
from holdfast.ledger.models import Payload
from holdfast.ledger.records import Message
from holdfast.vault import MARK

# Bytes of the longest body that is looked into.
LONGEST = 131_072
_JSON = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """How it is found out whether a job fits by what it was called with.

    Attributes:
        body: for each thing that is looked for, the bytes of which a plain JSON body that fits has at least one.
        headers: texts that the headers of a job that fits have, all of them.
        judge: says whether a job fits; None if it cannot be told without showing what is hidden.
    """

    body: Sequence[Collection[bytes]] = ()
    headers: Sequence[str] = ()
    judge: Callable[[Message], bool | None]


@dataclass(slots=True)
class Unread:
    """Jobs that were looked at, and of which nobody can say whether they fit."""

    encrypted: int = 0
    compressed: int = 0
    other_serializer: int = 0
    too_long: int = 0
    """Of more than 128 KiB: five hundred of them at once would not fit into everybody's memory."""
    described: int = 0
    """Their sender said in words of his own what may be seen of the arguments, or they cannot be decoded here."""

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(getattr(self, field.name) for field in fields(self))


def examine(ids: Sequence[str], examination: Examination | None, unread: Unread) -> set[str]:
    """Return those jobs that fit; one statement, and one more if some may."""
    if examination is None or not ids:
        return set(ids)
    rows = Payload.objects.using(alias()).filter(job__in=ids)
    for text in examination.headers:
        rows = rows.filter(headers__contains=text)
    columns = ["job", "headers", "content_type", "content_encoding", "shown"]
    if examination.body:
        rows = rows.annotate(
            long=GreaterThan(Length("body"), LONGEST),
            plain=Case(When(_PLAIN, long=False, then=True), default=False),
        )
        holding = _holding(examination.body)
        if holding:
            rows = rows.filter(Q(plain=False) | holding)
        rows = rows.annotate(shown=Case(When(plain=True, then=F("body")), default=None))
        columns += ["plain", "long"]
    else:
        rows = rows.annotate(shown=Value(b"", output_field=BinaryField()))
    found = []
    for row in rows.values(*columns):
        if row.get("plain", True):
            found.append(row)
        elif MARK in row["content_encoding"]:
            unread.encrypted += 1
        elif row["content_type"] != _JSON:
            unread.other_serializer += 1
        elif row["long"]:
            unread.too_long += 1
        else:
            unread.compressed += 1
    return _judged(found, examination, unread) if found else set()


_PLAIN = (
    Q(content_type=_JSON)
    & ~Q(content_encoding__contains=MARK)
    & ~Q(headers__contains='"compression"')
)


def _judged(rows: list[dict[str, Any]], examination: Examination, unread: Unread) -> set[str]:
    tasks = dict(job_rows().filter(id__in=[row["job"] for row in rows]).values_list("id", "task"))
    fits = set()
    for row in rows:
        id = row["job"]
        if id not in tasks:
            continue  # deleted meanwhile
        answer = examination.judge(
            Message(
                job=id,
                task=tasks[id],
                headers=row["headers"],
                body=bytes(row["shown"]),
                content_type=row["content_type"],
                content_encoding=row["content_encoding"],
            )
        )
        if answer is None:
            unread.described += 1
        elif answer:
            fits.add(id)
    return fits


def _holding(body: Sequence[Collection[bytes]]) -> Q:
    """Return that a body has one of the bytes for each thing that is looked for."""
    asked = Q()
    for one_of in body:
        any_of = Q()
        for needle in one_of:
            any_of |= Q(_Holds(F("body"), Value(needle, output_field=BinaryField())))
        asked &= any_of
    return asked


class _Holds(Func):
    """Whether bytes have other bytes in them."""

    function = "INSTR"
    template = "%(function)s(%(expressions)s) > 0"
    output_field = BooleanField()

    def as_postgresql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **more: Any
    ) -> Any:
        """Ask by the operator: `strpos` takes texts alone."""
        turned = self.copy()
        turned.set_source_expressions(list(reversed(self.get_source_expressions())))
        return turned.as_sql(
            compiler,
            connection,
            template="POSITION(%(expressions)s) > 0",
            arg_joiner=" IN ",
            **more,
        )
