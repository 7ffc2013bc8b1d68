"""The ledger's tables and indexes as its models say them, against those that the database has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from holdfast.ledger import models
from holdfast.ledger.database import connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexes:
    """What of the indexes of the models is not as it should be, by name."""

    missing: list[str]
    invalid: list[str]
    """The building of it broke off: it costs at each write, and serves no question. On PostgreSQL alone."""


def table_names() -> list[str]:
    """Return the names of the ledger's tables."""
    return [options.db_table for options, _ in _models()]


def indexes() -> Indexes:
    """Compare the indexes of the models with those of the database, by their names; reads its catalogue alone."""
    wanted = {index.name for options, _ in _models() for index in options.indexes}
    found = dict(there())
    return Indexes(
        missing=sorted(wanted - found.keys()),
        invalid=sorted(name for name, valid in found.items() if not valid),
    )


def sql_of_index(name: str) -> str:
    """Return the statement that builds an index of the ledger; on PostgreSQL beside running work.

    Raises:
        LookupError: the models have no such index.
    """
    for options, model in _models():
        for index in options.indexes:
            if index.name == name:
                with connection().schema_editor(collect_sql=True, atomic=False) as editor:
                    kind = {"concurrently": True} if connection().vendor == "postgresql" else {}
                    return str(index.create_sql(model, editor, **kind))
    raise LookupError(f"the ledger has no index {name!r}")


def there() -> Iterator[tuple[str, bool]]:
    """Yield each index of the ledger's tables in the database, with whether it is valid."""
    with connection().cursor() as cursor:
        if connection().vendor == "postgresql":
            cursor.execute(
                "SELECT c.relname, i.indisvalid AND i.indisready FROM pg_index i "
                "JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid "
                "WHERE t.relname = ANY(%s)",
                [table_names()],
            )
        else:
            cursor.execute("SELECT name, 1 FROM sqlite_master WHERE type = 'index'")
        yield from ((name, bool(valid)) for name, valid in cursor.fetchall())


def _models() -> Iterator[tuple[Any, Any]]:
    for name in models.__all__:
        model = getattr(models, name)
        yield model._meta, model  # noqa: SLF001  # Django's own name of it
