"""One page of the jobs that fit a filter, and where the pages before and behind it begin."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import QuerySet

from holdfast.ledger.database import alias, dialect
from holdfast.ledger.fence import job_rows
from holdfast.ledger.models import Attempt, Job
from holdfast.ledger.reads.search import cursors
from holdfast.ledger.reads.search.bodies import Examination, Unread
from holdfast.ledger.reads.search.filters import JobFilter
from holdfast.ledger.reads.search.plans import plan
from holdfast.ledger.reads.search.walks import Found, walk
from holdfast.ledger.reads.search.ways import Place, Sort, Way
from holdfast.ledger.states import OPEN, State

PAGE = 50
BUDGET_SECONDS = 0.15
# Characters of an error that stand in a list.
ERROR = 200
_RAN = frozenset({State.RUNNING, State.SUCCEEDED, State.FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """One job in a list; times by the database's clock, lengths in seconds."""

    id: str
    task: str
    queue: str
    priority: int
    state: str
    hold: str
    """Why it is held; empty if it is not."""
    reason: str
    """Why it ended as it did; empty if it succeeded or goes on."""
    attempts: int
    failures: int
    losses: int
    recorded_at: datetime
    due_at: datetime | None
    published_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    wait_seconds: float | None
    """From its last publication to the begin of its last attempt, or until now if it waits in its queue."""
    run_seconds: float | None
    """How long its last attempt ran, or has been running; None if that is not what ended it."""
    error: str
    """The first line of the error of its last attempt."""


@dataclass(slots=True, kw_only=True)
class Listing:
    """A page of jobs.

    Attributes:
        sort: the order it is in.
        next: the cursor of the page behind it; empty if there is nothing behind it.
        previous: the cursor of the page before it; empty on the first one.
        looked_to: the look took as long as it may and ended here, a moment of record, or of end if it goes by ends;
            `next` goes on from there. None if the page is full or nothing is left.
        unread: jobs of which nobody can say whether their arguments fit.
        now: the clock of the database.
    """

    rows: list[JobRow]
    sort: Sort
    next: str = ""
    previous: str = ""
    looked_to: datetime | None = None
    unread: Unread = field(default_factory=Unread)
    now: datetime


@dataclass(frozen=True, slots=True)
class Matches:
    """Some of the jobs that fit: their tokens by id, and where to go on; None if these were the last ones."""

    tokens: dict[str, int]
    more: Place | None
    unread: Unread


def usual_sort(wanted: JobFilter) -> Sort:
    """Return the order a search is shown in if nobody asks for another."""
    return Sort.LAST_FINISHED if wanted.asks_finished else Sort.NEWEST


def listing(
    wanted: JobFilter,
    *,
    sort: Sort | None = None,
    cursor: str = "",
    limit: int = PAGE,
    examination: Examination | None = None,
    budget_seconds: float = BUDGET_SECONDS,
) -> Listing:
    """Return a page of at most `limit` jobs.

    What an index gives is found at once; for anything else jobs are looked at in the order of the list for
    `budget_seconds`, and then it is said how far that went. No statement reads more than 20,000 rows of an index.

    Args:
        examination: how jobs are looked into, if the filter asks for what they were called with.

    Raises:
        SelectionRefused: the cursor is none of ours, or belongs to another search.
    """
    sort = sort or usual_sort(wanted)
    now = dialect().now()
    place, backwards = cursors.read(cursor, wanted, sort) if cursor else (None, False)
    way = Way.of(sort, backwards=backwards)
    found = walk(
        plan(wanted, sort, now=now),
        way,
        place=place,
        want=limit,
        examination=examination,
        budget_seconds=budget_seconds,
    )
    if backwards and found.more is None:
        # The first page: with what has come since then, and as long as any.
        return listing(
            wanted,
            sort=sort,
            limit=limit,
            examination=examination,
            budget_seconds=budget_seconds,
        )
    page = Listing(
        rows=rows(reversed(found.ids) if backwards else found.ids, now=now),
        sort=sort,
        unread=found.unread,
        now=now,
        looked_to=_moment_of(found, by_finish=sort.by_finish),
    )
    _add_cursors(page, wanted, found, place=place, backwards=backwards)
    return page


def matches(
    wanted: JobFilter,
    *,
    sort: Sort | None = None,
    after: Place | None = None,
    limit: int = 500,
    examination: Examination | None = None,
    budget_seconds: float = 1.0,
) -> Matches:
    """Return some of the jobs that fit with their tokens, for whoever moves all of them, batch by batch.

    A batch may be empty though there are more: its time was over. Jobs that come or move meanwhile may be met or not;
    give `until` in the filter, and compare tokens when you move them.
    """
    sort = sort or usual_sort(wanted)
    now = dialect().now()
    found = walk(
        plan(wanted, sort, now=now),
        Way.of(sort),
        place=after,
        want=limit,
        examination=examination,
        budget_seconds=budget_seconds,
    )
    tokens = dict(job_rows().filter(id__in=found.ids).values_list("id", "token"))
    return Matches({id: tokens[id] for id in found.ids if id in tokens}, found.more, found.unread)


def rows(ids: Iterable[str], *, now: datetime) -> list[JobRow]:
    """Return the rows of jobs, in the order of their ids as they are given; two statements."""
    wanted = list(ids)
    jobs = {job.id: job for job in job_rows().filter(id__in=wanted)}
    errors = _errors([job for job in jobs.values() if job.attempts])
    return [_row(jobs[id], errors.get(id, ""), now) for id in wanted if id in jobs]


def _errors(jobs: Sequence[Job]) -> dict[str, str]:
    """Return the error of each job's last attempt, if that did not succeed."""
    numbers = {job.id: job.attempts for job in jobs}
    if not numbers:
        return {}
    attempts = Attempt.objects.using(alias()).filter(
        job__in=list(numbers), number__in=set(numbers.values())
    )
    found = attempts.order_by("id").values_list("job", "number", "error")
    return {job: error for job, number, error in found if numbers[job] == number}


def _row(job: Job, error: str, now: datetime) -> JobRow:
    state = State(job.state)
    waits_until = now if state is State.QUEUED else job.started_at
    runs_until = now if state is State.RUNNING else job.finished_at
    # One that was cancelled while it waited has the begin of an attempt that was over long before.
    ran = job.started_at if state in _RAN else None
    return JobRow(
        id=job.id,
        task=job.task,
        queue=job.queue,
        priority=job.priority,
        state=state.name.lower(),
        hold=job.hold if state in OPEN else "",
        reason=job.reason,
        attempts=job.attempts,
        failures=job.failures,
        losses=job.losses,
        recorded_at=job.recorded_at,
        due_at=job.due_at,
        published_at=job.published_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        wait_seconds=_between(job.published_at, waits_until),
        run_seconds=_between(ran, runs_until),
        error=error.strip().partition("\n")[0][:ERROR],
    )


def _between(first: datetime | None, last: datetime | None) -> float | None:
    """Return the seconds between two moments; None if one is not known, or they belong to different attempts."""
    if first is None or last is None or last < first:
        return None
    return (last - first).total_seconds()


def _moment_of(found: Found, *, by_finish: bool) -> datetime | None:
    if not found.ran_out or found.more is None:
        return None
    name = "finished_at" if by_finish else "recorded_at"
    row = job_rows().filter(id=found.more.id).values_list(name, flat=True).first()
    moment: datetime | None = row
    return moment


def _add_cursors(
    page: Listing, wanted: JobFilter, found: Found, *, place: Place | None, backwards: bool
) -> None:
    """Say where the pages on both sides begin."""

    def cursor(at: Place | None, *, back: bool) -> str:
        return cursors.write(wanted, page.sort, at, backwards=back) if at else ""

    if backwards:
        page.previous = cursor(found.more, back=True)
        page.next = cursor(_place_of(found.ids[:1], page.sort) or place, back=False)
    else:
        page.next = cursor(found.more, back=False)
        page.previous = cursor(place and (_place_of(found.ids[:1], page.sort) or place), back=True)


def _place_of(ids: Sequence[str], sort: Sort) -> Place | None:
    """Return the place of a job; None if there is none."""
    there: QuerySet[Job] = job_rows().filter(id__in=ids)
    found = list(Way.of(sort).places(there)) if ids else []
    return Place(*found[0]) if found else None
