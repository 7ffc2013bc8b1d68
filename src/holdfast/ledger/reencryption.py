"""Rows that are encrypted, given the newest key: in the order of their keys, a batch a transaction, asked by people.

It reads each table once from its beginning. What if it dies here? The batches that are committed have the newest key
and are passed over by the next call; the others are as they were.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, QuerySet

from holdfast import vault
from holdfast.exceptions import CannotDecrypt
from holdfast.ledger.database import alias, atomic
from holdfast.ledger.models import ChordPart, Payload, Result


@dataclass(slots=True)
class Renewed:
    """What became of encrypted rows: how many have the newest key now, and which keys of others are not here."""

    rows: int = 0
    unreadable: Counter[str] = field(default_factory=Counter)


# Each table with its encrypted column, and those of its columns that hold encrypted text.
_TABLES: tuple[tuple[Any, str, tuple[str, ...]], ...] = (
    (Payload, "body", ()),
    (Result, "result", ("traceback",)),
    (ChordPart, "result", ()),
)


def count_by_key() -> dict[str, int]:
    """Count encrypted rows by the name of their key. Reads the tables once."""
    found: Counter[str] = Counter()
    for model, _, _ in _TABLES:
        rows = _encrypted(model).order_by().values_list("content_encoding")
        for encoding, count in rows.annotate(count=Count("pk")):
            found[_key_of(encoding)] += count
    return dict(found)


def renew(*, batch: int) -> Renewed:
    """Encrypt with the newest key what is encrypted with another one."""
    renewed = Renewed()
    for model, column, texts in _TABLES:
        place: Any = None
        while True:
            place = _renew_batch(model, column, texts, after=place, limit=batch, into=renewed)
            if place is None:
                break
    return renewed


def _renew_batch(
    model: Any,
    column: str,
    texts: tuple[str, ...],
    *,
    after: Any,
    limit: int,
    into: Renewed,
) -> Any:
    """Renew one batch behind a key; return the key it ends at, None if it was the last."""
    with atomic():
        old = _encrypted(model).exclude(content_encoding__endswith=vault.MARK + vault.newest())
        if after is not None:
            old = old.filter(pk__gt=after)
        rows: list[Any] = list(old.order_by("pk").select_for_update()[:limit])
        changed = []
        for row in rows:
            try:
                _renew(row, column, texts)
                changed.append(row)
            except CannotDecrypt:
                into.unreadable[_key_of(row.content_encoding)] += 1
        columns = [column, "content_encoding", *texts]
        model.objects.using(alias()).bulk_update(changed, columns, batch_size=100)
    into.rows += len(changed)
    return rows[-1].pk if len(rows) == limit else None


def _renew(row: Any, column: str, texts: tuple[str, ...]) -> None:
    data, encoding = vault.decrypt(bytes(getattr(row, column)), row.content_encoding)
    clear = {name: vault.decrypt_text(getattr(row, name)) for name in texts}
    data, encoding = vault.encrypt(data, encoding)
    setattr(row, column, data)
    row.content_encoding = encoding
    for name, text in clear.items():
        setattr(row, name, vault.encrypt_text(text) if text else text)


def _key_of(content_encoding: str) -> str:
    return content_encoding.rpartition(":")[2]


def _encrypted(model: Any) -> QuerySet[Any]:
    return model.objects.using(alias()).filter(content_encoding__contains=vault.MARK)
