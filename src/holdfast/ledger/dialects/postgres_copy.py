"""Thousands of jobs of one kind on their way into PostgreSQL: copied in binary, row by row as they are made.

What they have in common is packed once. While the server takes what has been sent, the caller makes the next rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from struct import pack
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from holdfast.ledger.records import Alike, NewJob
from holdfast.ledger.states import State

# Rows in one write: a write costs a few microseconds, and what is written is held twice.
TOGETHER = 64
# The server's timestamps count microseconds from here.
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_OPENING = b"PGCOPY\n\xff\r\n\x00" + pack("!ii", 0, 0)
_ENDING = pack("!h", -1)
_NO, _YES = pack("!ib", 1, 0), pack("!ib", 1, 1)
_LENGTH = "!i"


def copy(
    connection: BaseDatabaseWrapper, template: NewJob, rows: Iterable[list[Alike]]
) -> list[str]:
    """Insert jobs that are queued at once, and their payloads, in the open transaction; return their ids."""
    ids: list[str] = []
    # Of Django's own cursor: psycopg's errors become Django's.
    with connection.wrap_database_errors, connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        (now,) = cursor.fetchone()
        with cursor.copy(
            "COPY holdfast_payload (job, headers, body, content_type, content_encoding) "
            "FROM STDIN (FORMAT binary)"
        ) as out:
            out.write(_OPENING)
            ending = _text(template.content_type) + _text(template.content_encoding)
            for some in rows:
                for start in range(0, len(some), TOGETHER):
                    out.write(_payloads(some[start : start + TOGETHER], ending))
                ids += [row.id for row in some]
            out.write(_ENDING)
        columns = _columns(template, now)
        names = ", ".join(["id", *(["root_id"] if template.root_id is None else []), *columns])
        own = 2 if template.root_id is None else 1
        head, tail = pack("!h", own + len(columns)), b"".join(columns.values())
        with cursor.copy(f"COPY holdfast_job ({names}) FROM STDIN (FORMAT binary)") as out:
            out.write(_OPENING)
            for start in range(0, len(ids), TOGETHER):
                out.write(
                    b"".join(
                        [head + _text(id) * own + tail for id in ids[start : start + TOGETHER]]
                    )
                )
            out.write(_ENDING)
    return ids


def _payloads(rows: list[Alike], ending: bytes) -> bytes:
    parts = []
    for id, headers, body in rows:
        header = headers.encode()
        parts += [
            b"\x00\x05" + _text(id) + pack(_LENGTH, len(header)),
            header,
            pack(_LENGTH, len(body)),
            body,
            ending,
        ]
    return b"".join(parts)


def _columns(template: NewJob, now: datetime) -> dict[str, bytes]:
    """Return what the rows of all these jobs have in common, by column."""
    micros = (now - _EPOCH) // timedelta(microseconds=1)
    moment = pack("!iq", 8, micros)
    zero = pack("!ii", 4, 0)
    columns: dict[str, bytes] = {
        "task": _text(template.task),
        "queue": _text(template.queue),
        "priority": pack("!ih", 2, template.priority),
        "state": pack("!ih", 2, State.QUEUED),
        "token": pack("!iq", 8, 1),
        "attempts": zero,
        "failures": zero,
        "losses": zero,
        "suspect": _NO,
        "ahead": _NO,
        "hold": _text(""),
        "reason": _text(""),
        "recorded_at": moment,
        "published_at": moment,
        "ignore_result": _YES if template.ignore_result else _NO,
        "linked": _NO,
        "unsettled": _NO,
    }
    # What few jobs have is named for these alone.
    optional: dict[str, Any] = {
        "root_id": template.root_id,
        "parent_id": template.parent_id,
        "batch_id": template.batch_id,
    }
    columns |= {name: _text(value) for name, value in optional.items() if value is not None}
    if template.kept_apart:
        columns["kept_apart"] = _YES
    return columns


def _text(text: str) -> bytes:
    data = text.encode()
    return pack(_LENGTH, len(data)) + data
