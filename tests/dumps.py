"""What somebody reads who has got hold of the ledger: every column of every row of its tables, as text."""

from __future__ import annotations

from django.db import connections

from tests.ledgers import TABLES


def dump(alias: str) -> str:
    """Return all that is in the ledger."""
    found = []
    with connections[alias].cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"SELECT * FROM {table}")
            found += [_text(value) for row in cursor.fetchall() for value in row]
    return "\n".join(found)


def _text(value: object) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode(errors="replace")
    return str(value)
