"""What a SQLite ledger needs beyond the settings that the checks know: its journal, its patience, one host."""

from __future__ import annotations

from collections.abc import Iterator

from holdfast.doctor.findings import Finding, define
from holdfast.doctor.look import Look
from holdfast.doctor.probing import probe
from holdfast.doctor.wording import named

SHORTEST_PATIENCE = 5.0

NOT_WAL = define(
    "holdfast.W427",
    title="The SQLite ledger has no write-ahead log",
    leads_to="Who reads keeps the one writer waiting: workers wait for pages that people look at.",
    repair='Set OPTIONS["init_command"] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL" on the alias.',
)
NOT_SYNCHRONOUS = define(
    "holdfast.W428",
    title="SQLite does not wait for the disk",
    leads_to="After a loss of power the last jobs that delay() has confirmed may be gone, or the file be damaged.",
    repair='Set OPTIONS["init_command"] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL" on the alias.',
)
IMPATIENT = define(
    "holdfast.W429",
    title="SQLite gives up soon while another process writes",
    leads_to="A busy moment is enough: calls raise 'database is locked'.",
    repair='Set OPTIONS["timeout"] = 20 on the alias.',
)
SEVERAL_HOSTS = define(
    "holdfast.E430",
    title="Workers of several hosts share a SQLite ledger",
    leads_to="Its locks do not hold across hosts: on a network file system the file is damaged sooner or later.",
    repair="Use PostgreSQL for a ledger of several hosts, or run all workers on one.",
)


@probe(area="database", finds=[NOT_WAL, NOT_SYNCHRONOUS, IMPATIENT], after=["settings", "database"])
def sqlite_is_set_up(look: Look) -> Iterator[Finding]:
    """How the connections of the project open the file, by what SQLite says itself."""
    if look.vendor != "sqlite":
        return
    ((journal,),) = look.rows("PRAGMA journal_mode")
    if journal not in {"wal", "memory"}:
        yield NOT_WAL.seen(f"journal_mode is {journal}.", journal_mode=journal)
    ((synchronous,),) = look.rows("PRAGMA synchronous")
    least = 2 if journal == "wal" else 1
    if synchronous < least:
        words = ("OFF", "NORMAL", "FULL", "EXTRA")
        yield NOT_SYNCHRONOUS.seen(
            f"synchronous is {words[synchronous]} with journal_mode {journal}.",
            synchronous=words[synchronous],
        )
    ((patience,),) = look.rows("PRAGMA busy_timeout")
    if patience < SHORTEST_PATIENCE * 1000:
        yield IMPATIENT.seen(f"busy_timeout is {patience} ms.", milliseconds=patience)


@probe(area="database", finds=[SEVERAL_HOSTS], after=["settings", "tables"])
def sqlite_is_used_by_one_host(look: Look) -> Iterator[Finding]:
    """From how many hosts the workers are that share the file."""
    if look.vendor != "sqlite":
        return
    from holdfast.ledger.reads import health

    hosts = sorted({worker.host for worker in health.workers() if worker.left_seconds > 0})
    if len(hosts) > 1:
        yield SEVERAL_HOSTS.seen(
            f"Workers of {len(hosts)} hosts are registered: {named(hosts)}.", hosts=hosts
        )
