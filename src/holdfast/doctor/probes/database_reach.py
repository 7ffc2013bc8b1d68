"""Whether the ledger's database answers, what keeps it from that, and whether its tables are those of this code."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from typing import Any

from holdfast.doctor.findings import Definition, Finding, define
from holdfast.doctor.look import Look
from holdfast.doctor.probing import probe
from holdfast.doctor.wording import counted, named, shortened

NO_NAME = define(
    "holdfast.E401",
    title="The name of the database's host is not known",
    leads_to="Nothing can be recorded: each delay() raises, and no worker starts.",
    repair="Correct HOST of the alias in DATABASES. In Compose and Kubernetes it is the name of the service.",
)
REFUSED = define(
    "holdfast.E402",
    title="Nobody takes connections at the database's address",
    leads_to="Nothing can be recorded: each delay() raises. Workers wait, their jobs are not rescued by mistake.",
    repair="Start the database, or correct HOST and PORT of the alias in DATABASES. Between containers, localhost is "
    "the container itself.",
)
NOT_LET_IN = define(
    "holdfast.E403",
    title="The database does not let this user in",
    leads_to="Nothing can be recorded: each delay() raises, and no worker starts.",
    repair="Correct USER and PASSWORD of the alias in DATABASES, or the line of pg_hba.conf that the server names.",
)
NO_DATABASE = define(
    "holdfast.E404",
    title="The server is there, and has no database of this name",
    leads_to="Nothing can be recorded: each delay() raises, and no worker starts.",
    repair="Correct NAME of the alias in DATABASES, or create it: createdb NAME, then manage.py migrate.",
)
FULL = define(
    "holdfast.E405",
    title="The database takes no more connections",
    leads_to="Processes that have one go on. Every other call raises, and workers that reconnect are refused.",
    repair="See who has them: SELECT application_name, count(*) FROM pg_stat_activity GROUP BY 1. Then run fewer "
    "slots, or raise max_connections or the limit that the server names.",
)
NO_ANSWER = define(
    "holdfast.E406",
    title="The ledger's database does not answer as it should",
    leads_to="Nothing can be recorded: each delay() raises. Workers wait until it answers.",
    repair="Read what it says. While it starts or ends, wait. If something else than PostgreSQL listens there, correct "
    "PORT.",
)
NO_FILE = define(
    "holdfast.E407",
    title="The file of the SQLite ledger cannot be opened",
    leads_to="Nothing can be recorded: each delay() raises, and no worker starts.",
    repair="Create the folder that NAME of the alias in DATABASES lies in, and let the processes' user write there.",
)
NOT_MIGRATED = define(
    "holdfast.E408",
    title="Migrations of holdfast are not applied",
    leads_to="Statements of this release meet tables of an older one: calls raise, or workers end.",
    repair="Run manage.py migrate before the processes of this release start.",
)
AHEAD = define(
    "holdfast.W409",
    title="The database has migrations of holdfast that this code does not know",
    leads_to="This process runs an older release than another one has migrated for. It works while migrations only "
    "add, which they do within a minor release.",
    repair="Install the same release of holdfast everywhere, and restart what still runs the old one.",
)
READ_ONLY = define(
    "holdfast.E410",
    title="The database takes no writes",
    leads_to="Nothing can be recorded, claimed or ended, though every question is answered.",
    repair="Point the alias to the primary. If it is the primary: ALTER DATABASE NAME RESET "
    "default_transaction_read_only.",
)
UNBOUNDED = define(
    "holdfast.W431",
    title="A connect to the database may take more than two minutes",
    leads_to="While its host takes connections and says nothing, each page of the console and each request "
    "that sends a job waits for 130 s. Workers, schedulers and the verbs of manage.py have a bound of their own.",
    repair='Set "OPTIONS": {"connect_timeout": 5} on the alias in DATABASES, or PGCONNECT_TIMEOUT=5 in the '
    "environment of all processes.",
)
_REACH = (NO_NAME, REFUSED, NOT_LET_IN, NO_DATABASE, FULL, NO_ANSWER, NO_FILE, READ_ONLY)
# What servers say: the client library does not pass on the code of a connection that was refused.
_FULL = (
    r"too many (clients|connections)|connection slots are reserved|max_client_conn|query_wait_timeout|"
    r"no more connections allowed"
)
_NOT_LET_IN = (
    r"password authentication failed|no pg_hba\.conf entry|role .* does not exist|not permitted to log in|"
    r"no password supplied|authentication failed|permission denied for database"
)
_SAYS: tuple[tuple[Definition, str], ...] = (
    (FULL, _FULL),
    (NOT_LET_IN, _NOT_LET_IN),
    (NO_DATABASE, r"database .* does not exist|no such database"),
    (NO_FILE, r"unable to open database file"),
    (READ_ONLY, r"readonly database"),
)


@probe(area="database", finds=_REACH, establishes=["database"], seconds=6.0)
def database_answers(look: Look) -> Iterator[Finding]:
    """Whether a connection to the ledger's database can be made, and if not, at which step it ends."""
    from django.db import Error

    here = look.connection
    if here.vendor == "postgresql":
        # This thread's connection alone: who listens there may be no PostgreSQL, and never say a word.
        patience = {"connect_timeout": max(2, int(min(4.0, look.seconds_left() / 2)))}
        here.settings_dict = here.settings_dict | {
            "OPTIONS": {**patience, **here.settings_dict.get("OPTIONS", {})}
        }
    try:
        look.rows("SELECT 1")
    except Error as error:
        yield _why(error, look.connection.settings_dict, look.connection.vendor)


def _why(error: Exception, settings: dict[str, Any], vendor: str) -> Finding:
    said = " ".join(str(error).split())
    host, port = str(settings.get("HOST") or ""), settings.get("PORT") or 5432
    name = settings.get("NAME")
    where = f"{host}:{port}" if host else "the local socket"
    about = {"host": host, "port": str(port), "name": str(name), "said": said}
    for definition, words in _SAYS:
        if re.search(words, said):
            at = (
                str(name) if vendor == "sqlite" else f"{name} at {where}, as {settings.get('USER')}"
            )
            return definition.seen(f"{at}: {said}", **about)
    if vendor == "sqlite" or not host or host.startswith("/"):
        is_socket = vendor != "sqlite" and re.search(r"No such file|refused", said)
        return (REFUSED if is_socket else NO_ANSWER).seen(f"{name}: {said}", **about)
    # Asked step by step, for the words of the client library are translated and change.
    try:
        addresses = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
    except OSError as unknown:
        return NO_NAME.seen(f"{host}: {unknown}", **about)
    for *_, address in addresses:
        try:
            socket.create_connection((str(address[0]), int(port)), timeout=1.0).close()
        except OSError as refused:
            last = refused
        else:
            return NO_ANSWER.seen(f"{where} takes connections, and then: {said}", **about)
    return REFUSED.seen(f"{where}: {last}", **about)


@probe(area="database", finds=[UNBOUNDED], live=False)
def connects_are_bounded(look: Look) -> Iterator[Finding]:
    """Whether a database that has gone silent is given up in time by who connects to it."""
    from django.db import connections

    from holdfast.ledger.connections.watchdog import states_a_bound

    # As the project has it: a connection of the doctor's own is bounded by itself.
    stated, alias = connections.settings[look.settings.database], look.settings.database
    host = str(stated.get("HOST") or "")
    if look.vendor != "postgresql" or not host or host.startswith("/"):
        return
    if not states_a_bound(stated.get("OPTIONS", {})):
        yield UNBOUNDED.seen(
            f"{alias!r} is at {host}, and its OPTIONS have no connect_timeout.", alias=alias
        )


@probe(
    area="database",
    finds=[NOT_MIGRATED, AHEAD],
    after=["settings", "database"],
    establishes=["tables"],
    seconds=4.0,
)
def ledger_is_migrated(look: Look) -> Iterator[Finding]:
    """Whether the migrations in the database are those of the code."""
    from django.db.migrations.loader import MigrationLoader

    loader = MigrationLoader(look.connection, ignore_no_migrations=True)
    known = {name for app, name in loader.graph.nodes if app == "holdfast"}
    applied = {name for app, name in loader.applied_migrations if app == "holdfast"}
    alias = look.settings.database
    missing, unknown = sorted(known - applied), sorted(applied - known)
    if missing:
        yield NOT_MIGRATED.seen(
            f"{counted(len(missing), 'migration')} not applied to {alias!r}: {named(missing)}.",
            repair=f"manage.py migrate holdfast --database {alias}",
            missing=shortened(missing),
        )
    # A squashed migration stands for those it replaces.
    replaced = {
        name
        for node in loader.disk_migrations.values()
        for app, name in getattr(node, "replaces", ())
        if app == "holdfast"
    }
    if ahead := [name for name in unknown if name not in replaced]:
        yield AHEAD.seen(
            f"{counted(len(ahead), 'migration')} of {alias!r} not in this code: {named(ahead)}.",
            unknown=shortened(ahead),
        )


@probe(area="database", finds=[READ_ONLY], after=["settings", "database"])
def database_takes_writes(look: Look) -> Iterator[Finding]:
    """Whether the database, or what the connection was given, only reads."""
    if look.vendor != "postgresql":
        if look.rows("PRAGMA query_only")[0][0]:
            yield READ_ONLY.seen("The connection is set to PRAGMA query_only.")
        return
    from holdfast.ledger.reads import server

    if server.is_replica():
        yield READ_ONLY.seen(
            "pg_is_in_recovery() is true: the server follows another one.", replica=True
        )
    elif server.settings()["default_transaction_read_only"] == "on":
        yield READ_ONLY.seen(
            "default_transaction_read_only is on for this role in this database.", replica=False
        )
