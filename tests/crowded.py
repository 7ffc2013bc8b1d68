"""A PostgreSQL ledger full of history, for tests of what is read of it."""

from __future__ import annotations

from uuid import UUID

from django.db import connections

from holdfast.ledger.limiting import limits
from holdfast.ledger.limiting.bounds import Bounds
from tests.rows import hire

HISTORY = 150_000
BACKLOG = 20_000
WORKER = UUID(int=1)


def crowd(alias: str) -> None:
    """Fill an empty ledger: a long history, a backlog, far ETAs, and a worker."""
    with connections[alias].cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO holdfast_job (id, task, queue, priority, state, token, attempts, failures, losses,
                suspect, ahead, hold, reason, due_at, recorded_at, published_at, finished_at, ignore_result,
                linked, unsettled, kept_apart)
            SELECT 'job-' || n, CASE WHEN n %% 7 = 0 THEN 'apart' ELSE 't' END, 'q' || n %% 3, 0,
                CASE WHEN n <= %(history)s THEN CASE WHEN n %% 50 = 0 THEN 4 ELSE 3 END
                     WHEN n <= %(history)s + %(backlog)s THEN 1 ELSE 0 END,
                1, 1, 0, 0, false, false, '', '',
                CASE WHEN n > %(history)s + %(backlog)s THEN now() + interval '30 days' END,
                now(), now(), CASE WHEN n <= %(history)s THEN now() END, false, false, false, n %% 7 = 0
            FROM generate_series(1, %(history)s + %(backlog)s * 2) AS n
            """,
            {"history": HISTORY, "backlog": BACKLOG},
        )
        cursor.execute(
            "INSERT INTO holdfast_payload (job, headers, body, content_type, content_encoding) "
            "SELECT id, '{}', '[]', 'application/json', 'utf-8' FROM holdfast_job"
        )
        cursor.execute(
            "INSERT INTO holdfast_effect (key, state, turn, job, token, times_begun, begun_at, expires_at, "
            "content_type, content_encoding) SELECT 'effect-' || id, (n %% 1000 <> 0)::int, gen_random_uuid(), id, "
            "1, 1, now(), now() + (n - 1000) * interval '1 minute', '', '' "
            "FROM (SELECT id, row_number() OVER () AS n FROM holdfast_job LIMIT %s) AS j",
            [BACKLOG],
        )
        cursor.execute(
            "INSERT INTO holdfast_unique_key (key, job, awaited, given_at, look_at) "
            "SELECT 'key-' || id, id, false, now(), now() + (random() - 0.01) * interval '1 day' FROM holdfast_job"
        )
        cursor.execute(
            "UPDATE holdfast_job SET batch_id = 'b', group_id = 'g' WHERE right(id, 2) = '07'"
        )
        cursor.execute(
            "INSERT INTO holdfast_batch (id, name, callbacks, called, created_at, sealed_at, watched, spoiled, "
            "deleted) VALUES ('b', '', '{}', '{}', now(), now(), true, false, 0)"
        )
        # Jobs that were limited once, a long line of many keys, and a few that are in.
        cursor.execute(
            "INSERT INTO holdfast_limited (job, name, key, weight, rank, place) SELECT id, 'plans', n %% 50, 1, 0, "
            "CASE WHEN n > %(backlog)s THEN 0 WHEN n <= 10 THEN 2 ELSE 1 END "
            "FROM (SELECT id, row_number() OVER () AS n FROM holdfast_job LIMIT %(backlog)s * 2) AS j",
            {"backlog": BACKLOG},
        )
        cursor.execute(
            "INSERT INTO holdfast_minute (at, task, queue, succeeded, failed, cancelled, retried, run_seconds, "
            "waits, runs) "
            "SELECT date_trunc('minute', now()) - n * interval '1 minute', task, '', 1, 0, 0, 0, 1, '{}', '{}' "
            "FROM generate_series(1, 4000) AS n, unnest(ARRAY['', 'a', 'b', 'c', 'd', 'e']) AS task"
        )
        cursor.execute(
            "INSERT INTO holdfast_audit (at, actor, action, job, detail) SELECT now() - n * interval '1 minute', "
            "'user-' || n % 997, CASE WHEN n % 500 = 0 THEN 'purge' ELSE 'cancel' END, 'job-' || n, '' "
            "FROM generate_series(1, 60000) AS n"
        )
        cursor.execute(
            "INSERT INTO holdfast_queue_sample (at, queue, waiting, oldest_seconds) "
            "SELECT now() - n * interval '1 minute', 'q' || q, n, n "
            "FROM generate_series(1, 6000) AS n, generate_series(1, 10) AS q"
        )
        cursor.execute("ANALYZE")
    hire(WORKER)
    limits.declare({"plans": Bounds(concurrency=20), "keys": Bounds(per_key=1)}, overwrite=True)
