"""What is looked at, and what is found: plain facts without a secret, and the words of the service beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from celery import current_app
from django.db import connections
from django.db.migrations.loader import MigrationLoader

from holdfast.conf import get_settings
from holdfast.ledger.connections.watchdog import answer_within, connect_within
from holdfast.ledger.database import alias, connection
from holdfast.ledger.reads import gauges

DATABASE, MIGRATIONS, BROKER, BACKLOG = "database", "migrations", "broker", "backlog"
# A database that is silent for so long does not answer.
ANSWER_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One part of the health."""

    part: str
    well: bool
    says: str
    """For everybody: no address, no name of a user, nothing that a service has said."""
    detail: str = ""
    """What a service has said; for logs, and for whoever sits at the terminal."""
    error: Exception | None = None
    """What was raised in place of an answer."""


def database() -> Fact:
    """Whether the ledger's database answers."""
    # A look that hangs is the only one under way: what is back would not be seen until it ends.
    connect_within(int(ANSWER_SECONDS))
    with answer_within(ANSWER_SECONDS), connection().cursor() as cursor:
        cursor.execute("SELECT 1")
    return Fact(part=DATABASE, well=True, says="it answers")


def migrations() -> Fact:
    """Whether the database has all migrations of this process's code; of a ledger apart only its own."""
    with answer_within(ANSWER_SECONDS):
        loader = MigrationLoader(connections[alias()])
        missing = sorted(
            (app, name)
            for app, name in loader.graph.nodes
            if (app, name) not in loader.applied_migrations
            and (alias() == "default" or app == "holdfast")
        )
    if not missing:
        return Fact(part=MIGRATIONS, well=True, says="all are applied")
    names = ", ".join(f"{app}.{name}" for app, name in missing[:5])
    return Fact(
        part=MIGRATIONS,
        well=False,
        says=f"{len(missing)} are not applied: manage.py migrate",
        detail=names,
    )


def backlog() -> Fact:
    """Whether jobs are taken in time: the age of the one that waits longest, and of what should be published."""
    most = get_settings().backlog_seconds
    with answer_within(ANSWER_SECONDS):
        queued, unpublished = gauges.oldest_queued_seconds(), gauges.held().overdue_seconds
    well = queued <= most and unpublished <= most
    says = f"the oldest queued job has waited {queued:.0f} s"
    if unpublished > get_settings().grace_seconds:
        says += f", the first that should be published {unpublished:.0f} s"
    return Fact(part=BACKLOG, well=well, says=says if well else f"{says}; {most:.0f} s is the most")


def broker() -> Fact:
    """Whether the broker takes messages from this process; asked within the publish timeout."""
    outbox: Any = getattr(current_app, "outbox", None)
    if outbox is None:
        return Fact(part=BROKER, well=False, says="the project's Celery app is not Holdfast's")
    if outbox.publisher.is_reachable():
        return Fact(part=BROKER, well=True, says="it takes messages")
    return Fact(
        part=BROKER,
        well=False,
        says="it takes no messages: jobs wait in the ledger until it does",
    )


# In the order they are looked at: what asks the database comes last, and together.
PARTS: dict[str, Callable[[], Fact]] = {
    BROKER: broker,
    DATABASE: database,
    MIGRATIONS: migrations,
    BACKLOG: backlog,
}
ASK_DATABASE = (DATABASE, MIGRATIONS, BACKLOG)
silent = partial(Fact, well=False, says="it does not answer")
