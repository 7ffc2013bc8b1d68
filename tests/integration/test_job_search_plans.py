"""Looking for jobs stays cheap in a ledger full of history, on both databases: counted in rows and steps, not timed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from pytest_django import DjangoDbBlocker

from holdfast import Celery
from holdfast.dispatch.argument_search import examination_of
from holdfast.ledger.reads import letters, queries
from holdfast.ledger.reads.search import counts, suggestions, texts
from holdfast.ledger.reads.search.listing import Listing, listing
from holdfast.ledger.reads.search.ways import Sort
from holdfast.ledger.states import DEAD_LETTERS, FINAL, State
from holdfast.testing.services import PostgresServer
from tests.ledgers import ledger_in, sqlite_url

# The backlog is the oldest of all: who walks by record meets it last.
BACKLOG, HISTORY, HELD = 5_000, 150_000, 500
EVERY = BACKLOG + HISTORY + HELD
FAILED_EACH, APART_EACH, RARE_EACH = 50, 7, 40_000

# What differs: digits of a number, a moment so many seconds ago.
SQL = {
    "postgresql": {
        "hex": "lpad(to_hex({began} + n::bigint * 1000), 12, '0')",
        "ago": "(now() - ({n}) * interval '1 second')",
        "bytes": "convert_to({text}, 'utf8')",
    },
    "sqlite": {
        "hex": "printf('%012x', {began} + n * 1000)",
        "ago": "strftime('%Y-%m-%d %H:%M:%f', 'now', '-' || ({n}) || ' seconds')",
        "bytes": "CAST({text} AS BLOB)",
    },
}


def fill(alias: str) -> None:
    """Record a backlog, a long history after it, and some jobs that wait for a moment or for a place."""
    own = SQL[connections[alias].vendor]
    ago = own["ago"].format(n=f"{EVERY} - n")
    is_over = f"n > {BACKLOG} AND n <= {BACKLOG + HISTORY}"
    stamp = own["hex"].format(began=int(time.time() - EVERY) * 1000)
    id = f"substr({stamp}, 1, 8) || '-' || substr({stamp}, 9, 4) || '-7000-8000-000000000000'"
    numbers = f"WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {EVERY})"
    body = own["bytes"].format(text="""'[[], {"order_id": ' || n || '}, {}]'""")
    with connections[alias].cursor() as cursor:
        cursor.execute(
            f"""
            {numbers}
            INSERT INTO holdfast_job (id, task, queue, priority, state, token, attempts, failures, losses, suspect,
                ahead, hold, reason, due_at, recorded_at, published_at, finished_at, ignore_result, linked, unsettled,
                kept_apart, batch_id)
            SELECT {id},
                CASE WHEN n % {RARE_EACH} = 0 THEN 'rare' WHEN n % {APART_EACH} = 0 THEN 'apart' ELSE 't' END,
                'q' || (n % 3), 0,
                CASE WHEN n <= {BACKLOG} THEN {State.QUEUED} WHEN n > {BACKLOG + HISTORY} THEN {State.HELD}
                     WHEN n % {FAILED_EACH} = 0 THEN {State.FAILED} ELSE {State.SUCCEEDED} END,
                1, 1, 0, 0, n < 0, n < 0, '', '',
                CASE WHEN n > {BACKLOG + HISTORY} AND n % 2 = 0 THEN {ago} END,
                {ago}, {ago}, CASE WHEN {is_over} THEN {ago} END, n < 0, n < 0, n < 0,
                {is_over} AND n % {APART_EACH} = 0, CASE WHEN n % 1000 = 0 THEN 'b' END
            FROM s
            """  # n < 0: false, in every database's own words
        )
        cursor.execute(
            f"{numbers} INSERT INTO holdfast_payload (job, headers, body, content_type, content_encoding) "
            f"SELECT {id}, '{{}}', {body}, 'application/json', 'utf-8' FROM s"
        )
        cursor.execute("ANALYZE")


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def long_ledger(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[str]:
    """A ledger with a long history."""
    if request.param == "sqlite":
        url = sqlite_url(tmp_path_factory.mktemp("search"))
    else:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        url = server.create_database("search")
    with django_db_blocker.unblock(), ledger_in(url, alias="search") as alias:
        fill(alias)
        yield alias


COMMON = [
    "",
    "state:queued",
    "state:queued queue:q1",
    "state:running",
    "state:held",
    "state:failed",
    "state:failed,dead task:t",
    "state:succeeded",
    "state:cancelled",
    "task:t",
    "task:apart state:succeeded",
    "queue:q1",
    "since:1h",
    "since:1h state:succeeded queue:q2",
    "finished_since:1h",
    "batch:b",
    "root:nothing",
    "group:nothing",
    "fingerprint:0123456789abcdef",
    "id:abcdef01*",
    "worker:nobody state:running",
]
# A page reads no more than some sets of 10,000 rows and a slice or two: history has fifteen times as many.
MOST_ROWS, MOST_STEPS = 32_000, 900_000
# And no statement ever more than a slice of each of three indexes, with what the second look at it reads.
MOST_ROWS_EACH = 70_000


# From the other end what is asked for comes last: the budget ends the look.
ASKED = [
    (text, sort)
    for text in COMMON
    for sort in (None, Sort.NEWEST, Sort.OLDEST, Sort.LAST_FINISHED)
    if not (sort is Sort.OLDEST and ("since" in text or "succeeded" in text))
]


@pytest.mark.parametrize(("text", "sort"), ASKED)
def test_common_searches_read_little(long_ledger: str, text: str, sort: Sort | None) -> None:
    wanted = texts.read(text)
    cost = cost_of(long_ledger, lambda: listing(wanted, sort=sort, budget_seconds=60))
    assert cost.total <= cost.bound, (cost.total, cost.statements)


def test_a_full_read_would_be_seen(long_ledger: str) -> None:
    cost = cost_of(long_ledger, queries.count_by_state)
    assert cost.total > cost.bound


@pytest.mark.parametrize(
    "text",
    ["task:nothing", "error:nothing", "state:succeeded queue:q9", "correlation:c", "args.a:b"],
)
@pytest.mark.parametrize("sort", [Sort.NEWEST, Sort.LAST_FINISHED])
def test_what_no_index_answers_ends_with_its_time(long_ledger: str, text: str, sort: Sort) -> None:
    wanted = texts.read(text)

    def look(budget_seconds: float) -> Listing:
        return listing(
            wanted,
            sort=sort,
            examination=examination_of(Celery(set_as_current=False), wanted),
            budget_seconds=budget_seconds,
        )

    found = look(0)
    assert found.rows == []
    if sort is Sort.NEWEST:
        assert found.looked_to is not None
        assert found.next
    cost = cost_of(long_ledger, lambda: look(0))
    assert cost.total <= cost.bound, cost.statements
    cost = cost_of(long_ledger, lambda: look(0.3))
    assert max(cost.each) <= cost.bound_each, cost.statements


def test_a_look_into_the_past_begins_there(long_ledger: str) -> None:
    cost = cost_of(long_ledger, lambda: listing(texts.read("until:1d"), budget_seconds=60))
    assert cost.total <= cost.bound, cost.statements


@pytest.mark.parametrize("text", ["", "task:t", "batch:b", "since:1h", "state:failed"])
def test_counts_read_ten_thousand_of_each_part(long_ledger: str, text: str) -> None:
    cost = cost_of(long_ledger, lambda: counts.by_state(texts.read(text)))
    # Five sets are read to their end here, and two to their bound.
    assert max(cost.each) <= cost.bound_each
    assert cost.total <= 2 * cost.bound, cost.statements


OTHERS: dict[str, Callable[[], Any]] = {
    "pruner: finished": lambda: queries.prune_finished(
        states=FINAL - DEAD_LETTERS, before=timedelta(days=365), limit=1000
    ),
    "pruner: dead letters": lambda: queries.prune_finished(
        states=DEAD_LETTERS, before=timedelta(days=365), limit=1000
    ),
    "pruner: tasks with a rule": lambda: list(queries.tasks_kept_apart()),
    "dead letters": lambda: letters.batch(letters.Wanted(), after=None, limit=50),
    "dead letters: clock": letters.clock,
}


@pytest.mark.parametrize("name", sorted(OTHERS))
def test_an_index_of_some_states_serves_those_who_ask_for_several(
    long_ledger: str, name: str
) -> None:
    cost = cost_of(long_ledger, OTHERS[name])
    assert cost.total <= cost.bound / 20, cost.statements


def test_names_are_those_of_the_latest_jobs(long_ledger: str) -> None:
    cost = cost_of(long_ledger, suggestions.names)
    assert cost.total <= cost.bound, cost.statements


def test_estimates_are_near_and_said_to_be_estimates(long_ledger: str) -> None:
    found = counts.by_state(texts.read(""))
    assert (found[State.QUEUED].count, found[State.QUEUED].exact) == (BACKLOG, True)
    assert (found[State.HELD].count, found[State.HELD].exact) == (HELD, True)
    assert (found[State.FAILED].count, found[State.FAILED].exact) == (HISTORY / FAILED_EACH, True)
    many = found[State.SUCCEEDED]
    assert not many.exact
    if connections[long_ledger].vendor == "postgresql":
        assert not many.at_least
        assert 0.8 * HISTORY < many.count < 1.1 * HISTORY
    else:
        assert many.at_least
        assert many.count >= 10_000


class Cost:
    """What some statements have read: rows on PostgreSQL, steps of its machine on SQLite."""

    def __init__(self, vendor: str) -> None:
        self.statements: list[tuple[int, str]] = []
        is_postgres = vendor == "postgresql"
        self.bound = MOST_ROWS if is_postgres else MOST_STEPS
        self.bound_each = MOST_ROWS_EACH if is_postgres else 2 * MOST_STEPS

    @property
    def each(self) -> list[int]:
        return [cost for cost, _ in self.statements]

    @property
    def total(self) -> int:
        return sum(self.each)


def cost_of(alias: str, ask: Callable[[], Any]) -> Cost:
    """Run something and measure what every statement of its reads."""
    cost = Cost(connections[alias].vendor)
    measure = _rows_read if connections[alias].vendor == "postgresql" else _steps
    with connections[alias].execute_wrapper(measure(alias, cost)):
        ask()
    return cost


def _rows_read(alias: str, cost: Cost) -> Any:
    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.lstrip("(").upper().startswith(("SELECT", "WITH")):
            with connections[alias].connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}", params)
                plan = cursor.fetchone()[0]
            plan = plan if isinstance(plan, list) else json.loads(plan)
            cost.statements.append((_scanned(plan[0]["Plan"]), sql))
        return execute(sql, params, many, context)

    return note


def _scanned(plan: dict[str, Any]) -> int:
    rows = 0
    if plan["Node Type"].endswith("Scan") and not plan["Node Type"].startswith("Subquery"):
        removed = plan.get("Rows Removed by Filter", 0) + plan.get(
            "Rows Removed by Index Recheck", 0
        )
        rows = round((plan["Actual Rows"] + removed) * plan["Actual Loops"])
    return rows + sum(_scanned(child) for child in plan.get("Plans", ()))


def _steps(alias: str, cost: Cost) -> Any:
    each = 1_000
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += each
        return 0

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal steps
        if sql.upper().startswith("SELECT"):
            steps = 0
            connections[alias].connection.set_progress_handler(step, each)
            cursor = connections[alias].create_cursor()
            cursor.execute(sql, params)
            cursor.fetchall()
            connections[alias].connection.set_progress_handler(None, 0)
            cost.statements.append((steps, sql))
        return execute(sql, params, many, context)

    return note
