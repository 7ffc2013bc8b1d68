"""Transactions of others on the ledger's database that stay open: what they hold, and who forgot them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from holdfast.doctor.findings import Finding, define
from holdfast.doctor.look import Look
from holdfast.doctor.probing import probe
from holdfast.doctor.wording import lasting

HOLDS_JOBS = define(
    "holdfast.W420",
    title="A long transaction holds jobs",
    leads_to="Jobs that it has locked are claimed, ended and cancelled by nobody until it ends.",
    repair="Commit sooner: no call to another service inside a transaction. End this one: SELECT "
    "pg_terminate_backend(PID).",
)
IDLE = define(
    "holdfast.W421",
    title="A transaction stands open, and its client asks nothing",
    leads_to="It keeps its locks and its connection, and no vacuum takes away what has died since it began.",
    repair="Find who forgot it, by its application name and its last statement. As a guard: ALTER ROLE NAME SET "
    "idle_in_transaction_session_timeout = '60s'.",
)
OLD = define(
    "holdfast.W422",
    title="A very long transaction holds back the vacuum",
    leads_to="Dead rows of the ledger stay, and each claim steps over them: it becomes slower by the hour.",
    repair="Run reports and dumps on a replica, or in parts. End this one: SELECT pg_terminate_backend(PID).",
)
# In leases.
LONG, VERY_LONG = 1, 20


@probe(area="database", finds=[HOLDS_JOBS, IDLE, OLD], after=["settings", "database"])
def no_long_transactions(look: Look) -> Iterator[Finding]:
    """Transactions of others that have been open for longer than a lease, and what they hold."""
    if look.vendor != "postgresql":
        return
    from holdfast.ledger.reads import server

    lease = look.settings.lease_seconds
    for one in server.transactions(older_than=LONG * lease):
        who = f"{one.user}'s process {one.pid}" + (
            f" ({one.application})" if one.application else ""
        )
        values: dict[str, Any] = {
            "about": str(one.pid),
            "pid": one.pid,
            "seconds": round(one.seconds, 1),
        }
        since = f"{who} has had a transaction open for {lasting(one.seconds)}"
        if one.holds:
            yield HOLDS_JOBS.seen(
                f"{since}, and has locked rows of holdfast_job: {one.statement}",
                repair=f"SELECT pg_terminate_backend({one.pid}), and commit sooner in the code that sent it.",
                **values,
            )
        if one.idle_seconds is not None and one.idle_seconds > LONG * lease:
            yield IDLE.seen(
                f"{since}, and has asked nothing for {lasting(one.idle_seconds)}; its last statement: "
                f"{one.statement}",
                **values,
            )
        elif one.seconds > VERY_LONG * lease:
            yield OLD.seen(f"{since}: {one.statement}", **values)
