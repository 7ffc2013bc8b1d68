"""The ledger's tables and indexes as they are in the database: missing, invalid, bloated, never vacuumed."""

from __future__ import annotations

from collections.abc import Iterator

from holdfast.doctor.findings import Finding, define
from holdfast.doctor.look import Look
from holdfast.doctor.probing import probe
from holdfast.doctor.wording import shortened

NO_INDEX = define(
    "holdfast.E423",
    title="An index of the ledger is missing",
    leads_to="A look that should cost the same at any size reads the whole history: workers become slower each day.",
    repair="Create it beside running work: manage.py holdfast doctor --fix shows the statement, with --yes runs it.",
)
INVALID_INDEX = define(
    "holdfast.E424",
    title="An index of the ledger is invalid",
    leads_to="It costs at each write and serves no question: the look it is for reads the whole history.",
    repair="REINDEX INDEX CONCURRENTLY NAME.",
)
BLOATED = define(
    "holdfast.W425",
    title="A table of the ledger has more dead rows than living ones",
    leads_to="It is larger than it need be, and its indexes lead to rows that are gone: claims become slower.",
    repair="VACUUM (ANALYZE) TABLE. If it comes back: look for long transactions (W420 to W422) and for autovacuum.",
)
UNVACUUMED = define(
    "holdfast.W426",
    title="Autovacuum is off for the ledger",
    leads_to="The ledger's rows move many times in a job's life: what dies is never taken away, and the plans are made "
    "by figures that are out of date.",
    repair="ALTER TABLE TABLE RESET (autovacuum_enabled); for the server ALTER SYSTEM SET autovacuum = on.",
)
FEWEST_DEAD = 10_000


@probe(area="database", finds=[NO_INDEX, INVALID_INDEX], after=["settings", "tables"])
def indexes_are_whole(look: Look) -> Iterator[Finding]:
    """Whether each index of the models is there and can be used."""
    del look
    from holdfast.ledger.reads import structure

    found = structure.indexes()
    for name in found.missing:
        statement = structure.sql_of_index(name)
        yield NO_INDEX.seen(
            f"{name} is not there.", repair=f"{statement};", about=name, index=name, sql=statement
        )
    for name in found.invalid:
        statement = f"REINDEX INDEX CONCURRENTLY {name}"
        yield INVALID_INDEX.seen(
            f"{name} is there, and not valid: its building broke off.",
            repair=f"{statement};",
            about=name,
            index=name,
            sql=statement,
        )


@probe(area="database", finds=[BLOATED, UNVACUUMED], after=["settings", "tables"])
def tables_are_vacuumed(look: Look) -> Iterator[Finding]:
    """What has died in the ledger's tables, and whether anybody takes it away."""
    if look.vendor != "postgresql":
        return
    from holdfast.ledger.reads import server

    found = server.tables()
    for table in found:
        if table.dead >= FEWEST_DEAD and table.dead > table.live:
            yield BLOATED.seen(
                f"{table.name} has {table.dead:,} dead rows beside {table.live:,} living ones, and takes "
                f"{table.bytes / 2**20:,.0f} MiB.",
                repair=f"VACUUM (ANALYZE) {table.name};",
                about=table.name,
                table=table.name,
                dead=table.dead,
                live=table.live,
            )
    if server.settings()["autovacuum"] == "off":
        yield UNVACUUMED.seen("autovacuum is off on the server.", about="server")
    off = [table.name for table in found if not table.vacuumed]
    if off:
        yield UNVACUUMED.seen(
            f"autovacuum_enabled is off on {', '.join(off)}.",
            repair="; ".join(f"ALTER TABLE {name} RESET (autovacuum_enabled)" for name in off)
            + ";",
            about="tables",
            tables=shortened(off),
        )
