"""Ledgers for tests: the same test on SQLite and on PostgreSQL, each in a database of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import connections
from django.test import override_settings

from tests.surroundings import database

JOB_TABLES = (
    "holdfast_job",
    "holdfast_payload",
    "holdfast_result",
    "holdfast_attempt",
    "holdfast_attempt_log",
    "holdfast_chord",
    "holdfast_chord_part",
    "holdfast_group",
    "holdfast_audit",
    "holdfast_effect",
    "holdfast_unique_key",
    "holdfast_security_event",
    "holdfast_checkpoint",
    "holdfast_batch",
    "holdfast_limited",
    "holdfast_shelved",
    "holdfast_minute",
    "holdfast_operation",
    "holdfast_cause",
    "holdfast_cause_count",
    "holdfast_total",
    "holdfast_count",
)
SCHEDULE_TABLES = ("holdfast_schedule", "holdfast_occurrence", "holdfast_scheduler")
TABLES = (
    *JOB_TABLES,
    *SCHEDULE_TABLES,
    "holdfast_limit",
    "holdfast_pause",
    "holdfast_queue_sample",
    "holdfast_worker",
    "holdfast_release",
    "holdfast_duty",
    "holdfast_examination",
    "holdfast_alert",
    "holdfast_alert_rule",
    "holdfast_alert_added",
    "holdfast_alert_notice",
)


@contextmanager
def ledger_in(url: str, *, alias: str) -> Iterator[str]:
    """Make a migrated ledger at `url` the one this process uses, under `alias`."""
    with (
        database(alias, url),
        override_settings(HOLDFAST={**settings.HOLDFAST, "database": alias}),
    ):
        call_command("migrate", "holdfast", database=alias, verbosity=0)
        yield alias


def empty(alias: str, tables: Sequence[str] = TABLES) -> None:
    """Delete every row of the ledger, or of some of its tables."""
    statements = [f"DELETE FROM {table}" for table in tables]
    with connections[alias].cursor() as cursor:
        if connections[alias].vendor == "postgresql":
            statements = ["; ".join(statements)]
        for statement in statements:
            cursor.execute(statement)


def sqlite_url(directory: Path) -> str:
    """Return the address of a SQLite database in a directory."""
    return f"sqlite:///{directory / 'ledger.sqlite3'}"
