"""The statements on the hot path, written once for each database the ledger supports."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from holdfast.ledger.dialects.postgres import PostgresDialect
from holdfast.ledger.dialects.sqlite import SQLiteDialect
from holdfast.ledger.records import (
    NO_ENTRY,
    Alike,
    Beat,
    ClaimedJob,
    End,
    Entry,
    Hold,
    NewJob,
    StoredResult,
    Ticket,
)


class Dialect(Protocol):
    """What a database must answer in as few round trips as it can."""

    def record(
        self, jobs: Sequence[NewJob], *, entry: Entry = NO_ENTRY
    ) -> list[tuple[str, int, int]]:
        """Insert jobs with their payloads and places at limits; return (id, state, token) of those that are new.

        Those that are to wait at a limit are queued if the entry holds.
        """

    def let_in(self, jobs: Sequence[str], *, entry: Entry) -> list[Ticket]:
        """Queue jobs that wait at limits, if the entry holds; return the tickets of those that still waited."""

    def record_fresh(self, job: NewJob) -> None:
        """Insert a job that is queued at once and in nothing few jobs are in, under an id minted for this call."""

    def record_alike(self, template: NewJob, rows: Iterable[list[Alike]]) -> list[str]:
        """Insert queued jobs under freshly minted ids, all else of them like a template's; return the ids.

        A template without a root stands for jobs that are each their own. Only inside a transaction.
        """

    def claim(
        self,
        tickets: Sequence[tuple[str, int, bool]],
        *,
        worker: UUID,
        losses_below: int,
        skip_locked: bool = False,
    ) -> list[ClaimedJob]:
        """Take queued jobs by (id, token, ahead) while the worker's lease stands, if they were lost less often.

        With `skip_locked` those that somebody's transaction holds are left.
        """

    def met_a_lock(self, error: Exception) -> bool:
        """Tell whether a statement gave up because it would have had to wait for somebody's transaction."""

    def missed_a_statement(self, error: Exception) -> bool:
        """Tell whether a statement found that what was prepared for it is gone, and did nothing."""

    def succeed(self, hold: Hold, *, stored: StoredResult | None, log: str = "") -> bool:
        """End an attempt in success, with its result and its log where there is one; False: it was not its to end."""

    def succeed_many(
        self, ends: Sequence[End], *, worker: UUID, skip_locked: bool = False
    ) -> set[str]:
        """End attempts of one worker in success, in one transaction; return the jobs that were theirs to end.

        Results and lines that come with the ends are written with them.

        With `skip_locked` those that somebody's transaction holds are left.
        """

    def own_session(self) -> None:
        """Take this thread's connection for the ledger alone.

        What is planned once stays right at any size, and no statement waits for somebody's transaction for long.
        """

    def publish_due(self, limit: int) -> list[Ticket]:
        """Turn held jobs whose time has come into queued ones; return what must go on the broker."""

    def republish(self, tickets: Sequence[Ticket]) -> set[str]:
        """Raise the tokens of queued jobs with these tokens, now; return whose. One that is locked is left."""

    def renew(
        self,
        worker: UUID,
        *,
        seconds: float,
        heard: float | None = None,
        stalled: float | None = None,
    ) -> Beat | None:
        """Renew a lease that was not taken away, and note how many seconds ago it heard a canary or stalled.

        Return what the worker should know, or None.
        """

    def claims_under_way_since(self, moment: datetime) -> int:
        """Count claims that began before a moment, and may not see what was committed then."""

    def mark_transaction(self, mark: str) -> None:
        """Name the running transaction so that a rescuer can end it."""

    def end_transactions(self, marks: Sequence[str]) -> int:
        """End transactions named so; return how many there were."""

    def now(self) -> datetime:
        """Return the database's clock."""


BY_VENDOR: dict[str, Dialect] = {"postgresql": PostgresDialect(), "sqlite": SQLiteDialect()}
