"""How the PostgreSQL server of the ledger is set: what it promises of a commit, whom it ends, who stands before it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

from holdfast.doctor.findings import Finding, define
from holdfast.doctor.look import Look
from holdfast.doctor.probing import probe
from holdfast.doctor.wording import counted, lasting

# Seconds; the ledger's slowest regular statement, a batch of the pruner, takes less than one.
SHORTEST_TIMEOUT = 5.0
SLOW_COMMIT = 0.02
COMMITS = 20
# Of a worker, beside its slots: clerk, heartbeat, relay, sweep.
LOOPS = 4
SKEW = 2.0

NOT_DURABLE = define(
    "holdfast.E411",
    title="The server does not keep what it has committed",
    leads_to="After a crash of its host the database may be damaged beyond repair, and jobs with it. All that "
    "Holdfast promises rests on commits that are kept.",
    repair="ALTER SYSTEM SET fsync = on; ALTER SYSTEM SET full_page_writes = on; then SELECT pg_reload_conf().",
)
COMMITS_LATER = define(
    "holdfast.W412",
    title="Commits return before they are on disk",
    leads_to="After a crash of the server the last jobs that delay() has confirmed are gone without a trace.",
    repair="Remove it: ALTER DATABASE NAME RESET synchronous_commit, or of the role. Holdfast turns it off by itself "
    "where nothing is lost by it.",
)
SHORT_TIMEOUT = define(
    "holdfast.W413",
    title="The server ends statements after a short time",
    leads_to="A busy moment is enough: calls raise, heartbeats fail and jobs are rescued that still run.",
    repair="Raise it to 30 s for the role of the workers: ALTER ROLE NAME SET statement_timeout = '30s'.",
)
POOLER = define(
    "holdfast.W414",
    title="A connection pooler is in between, and Django uses cursors that live in a session",
    leads_to="In transaction mode the next fetch of an iterator() meets another session: cursor does not exist.",
    repair='Set "DISABLE_SERVER_SIDE_CURSORS": True on the alias in DATABASES, or give workers the server\'s own '
    "address: see docs/guides/poolers.md.",
)
TOO_FEW = define(
    "holdfast.W415",
    title="The workers need more connections than the database allows",
    leads_to="Under load the last ones are refused: attempts fail to begin or to end, and web requests with them.",
    repair="Run fewer slots (-c), raise max_connections, or put a pooler in front of the web processes.",
)
NEARLY_FULL = define(
    "holdfast.W416",
    title="Nearly all connections of the database are taken",
    leads_to="The next processes that start, or reconnect, are refused.",
    repair="See who has them: SELECT application_name, state, count(*) FROM pg_stat_activity GROUP BY 1, 2.",
)
SLOW = define(
    "holdfast.W417",
    title="Commits are slow",
    leads_to="Each delay() and each end of a job with a result waits for one: that is the most that one producer or "
    "one slot gets done in a second.",
    repair="Look at the disk of the server's log (pg_wal), at commit_delay, and at synchronous replicas that are far "
    "away. Send many jobs in one transaction, or with apply_many().",
)
SKEWED = define(
    "holdfast.W418",
    title="The clocks of this host and of the database differ",
    leads_to="An eta or expires that is computed here comes so much too early or too late. Leases and schedules go by "
    "the database's clock and are right.",
    repair="Let both keep their time by NTP: timedatectl set-ntp true. Use countdown in place of eta meanwhile.",
)
RECONNECTS = define(
    "holdfast.I419",
    title="Each web request opens a connection to the database of its own",
    leads_to="Some milliseconds for each request that sends a job, and a load that grows with the requests.",
    repair="Set CONN_MAX_AGE = 600 and CONN_HEALTH_CHECKS = True on the alias. Under ASGI, where each request has a "
    "thread of its own and its connection ends with it, set OPTIONS['pool'] (pip install 'psycopg[pool]').",
)


@probe(
    area="database",
    finds=[NOT_DURABLE, COMMITS_LATER, SHORT_TIMEOUT],
    after=["settings", "database"],
)
def server_settings(look: Look) -> Iterator[Finding]:
    """What the server's settings make of a commit and of a long statement."""
    if look.vendor != "postgresql":
        return
    from holdfast.ledger.reads import server

    found = server.settings()
    if off := [name for name in ("fsync", "full_page_writes") if found[name] == "off"]:
        yield NOT_DURABLE.seen(f"{' and '.join(off)} off.", off=off)
    if found["synchronous_commit"] == "off":
        yield COMMITS_LATER.seen("synchronous_commit is off for this role in this database.")
    short = {
        name: int(found[name])
        for name in ("statement_timeout", "lock_timeout", "transaction_timeout")
        if 0 < int(found.get(name) or 0) < SHORTEST_TIMEOUT * 1000
    }
    if short:
        said = ", ".join(f"{name} is {value} ms" for name, value in short.items())
        yield SHORT_TIMEOUT.seen(f"{said} for this role in this database.", milliseconds=short)


@probe(area="database", finds=[POOLER], after=["settings", "database"])
def pooler_in_between(look: Look) -> Iterator[Finding]:
    """Whether another server answers than the one that greeted, and whether Django is told."""
    if look.vendor != "postgresql":
        return
    from holdfast.ledger.reads import server

    settings = look.connection.settings_dict
    look.facts["database.pooled"] = pooled = server.is_pooled()
    if pooled and not settings.get("DISABLE_SERVER_SIDE_CURSORS"):
        yield POOLER.seen(
            f"{settings.get('HOST')}:{settings.get('PORT')} greets as another process than the one that answers, "
            "and DISABLE_SERVER_SIDE_CURSORS is off."
        )


@probe(area="database", finds=[TOO_FEW, NEARLY_FULL], after=["settings", "tables"])
def connections_suffice(look: Look) -> Iterator[Finding]:
    """What the workers of the ledger need at most, against what the server has."""
    if look.vendor != "postgresql":
        return
    from holdfast.ledger.reads import health, server

    room = server.room()
    workers = [worker for worker in health.workers() if worker.left_seconds > 0]
    needed = sum(worker.slots + LOOPS for worker in workers)
    figures: dict[str, Any] = {
        "needed": needed,
        "allowed": room.most,
        "used": room.used,
        "workers": len(workers),
    }
    look.facts["database.connections"] = figures
    if needed > room.most:
        slots = sum(worker.slots for worker in workers)
        yield TOO_FEW.seen(
            f"{counted(len(workers), 'worker')} with {slots:,} slots need up to {needed:,} connections; "
            f"{room.by} allows {room.most:,}, and {room.used:,} are in use.",
            **figures,
        )
    if room.used > 0.9 * room.most:
        yield NEARLY_FULL.seen(
            f"{room.used:,} of {room.most:,} are in use, by {room.by}.", by=room.by, **figures
        )


@probe(area="database", finds=[SLOW], after=["settings", "database"], seconds=4.0)
def commits_are_quick(look: Look) -> Iterator[Finding]:
    """How long a commit takes, by up to twenty that change no row."""
    if look.vendor != "postgresql":
        return
    from holdfast.ledger.reads import server

    taken: list[float] = []
    on_the_way: list[float] = []
    server.commit_nothing()  # the first one pays for the connection
    while len(taken) < COMMITS and (len(taken) < 3 or look.seconds_left() > 1.0):
        on_the_way.append(_seconds_of(server.answer))
        taken.append(_seconds_of(server.commit_nothing))
    # A network or a host that is busy is not the disk's fault.
    median = max(0.0, statistics.median(taken) - statistics.median(on_the_way))
    look.facts["database.commit_ms"] = round(median * 1000, 2)
    if median > SLOW_COMMIT:
        yield SLOW.seen(
            f"The median of {len(taken)} commits took {median * 1000:.0f} ms more than an answer without one "
            f"({statistics.median(on_the_way) * 1000:.1f} ms), the slowest {max(taken) * 1000:.0f} ms; up to "
            f"{SLOW_COMMIT * 1000:.0f} ms are usual.",
            median_ms=round(median * 1000, 1),
            commits=len(taken),
        )


def _seconds_of(ask: Callable[[], object]) -> float:
    began = time.perf_counter()
    ask()
    return time.perf_counter() - began


@probe(area="database", finds=[SKEWED], after=["settings", "database"])
def clocks_agree(look: Look) -> Iterator[Finding]:
    """By how much the database's clock differs from this host's."""
    look.now()  # the connection is open before it counts
    before = time.time()
    now = look.now().timestamp()
    after = time.time()
    skew = now - after if now > after else now - before if now < before else 0.0
    look.facts["database.skew_seconds"] = round(skew, 3)
    if abs(skew) > SKEW:
        side = "ahead of" if skew > 0 else "behind"
        yield SKEWED.seen(
            f"The database's clock is {lasting(abs(skew))} {side} this host's.",
            skew_seconds=round(skew, 3),
        )


@probe(area="database", finds=[RECONNECTS], live=False)
def connections_are_kept(look: Look) -> Iterator[Finding]:
    """Whether web processes keep their connections to PostgreSQL."""
    settings = look.connection.settings_dict
    pooled = bool(settings.get("OPTIONS", {}).get("pool"))
    if look.vendor == "postgresql" and settings.get("CONN_MAX_AGE") == 0 and not pooled:
        alias = look.settings.database
        yield RECONNECTS.seen(f"CONN_MAX_AGE of {alias!r} is 0, and it has no pool.", alias=alias)
