"""Ledgers for tests: the same test on SQLite and on PostgreSQL, each in a database of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import connections
from django.test import override_settings

from tests.settings import _database

TABLES = (
    "holdfast_job",
    "holdfast_payload",
    "holdfast_result",
    "holdfast_attempt",
    "holdfast_chord",
    "holdfast_chord_part",
    "holdfast_group",
    "holdfast_worker",
    "holdfast_duty",
)


@contextmanager
def ledger_in(url: str, *, alias: str) -> Iterator[str]:
    """Make a migrated ledger at `url` the one this process uses, under `alias`."""
    configuration: dict[str, Any] = dict(connections.settings["default"]) | _database(url)
    connections.settings[alias] = configuration
    with override_settings(HOLDFAST={**settings.HOLDFAST, "database": alias}):
        call_command("migrate", "holdfast", database=alias, verbosity=0)
        try:
            yield alias
        finally:
            connections[alias].close()
            # The next ledger of this name would find this connection, and with it this database.
            del connections[alias]


def empty(alias: str) -> None:
    """Delete every row of the ledger."""
    with connections[alias].cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"DELETE FROM {table}")


def sqlite_url(directory: Path) -> str:
    """Return the address of a SQLite database in a directory."""
    return f"sqlite:///{directory / 'ledger.sqlite3'}"
