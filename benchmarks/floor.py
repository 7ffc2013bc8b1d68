"""What the two statements take that plain Celery does not have: by libpq alone, in a loop and at 50 a second.

`python -m benchmarks.floor` prints microseconds: the record of a job with its commit, a claim that does not wait for
the disk, and a round trip that does nothing. A durable job is later than another by the sum of the first two at least.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from uuid import uuid4

import psycopg

from holdfast.testing.services import PostgresServer

COUNT, WARM_UP = 600, 50
_TABLES = """
CREATE TABLE job (id text PRIMARY KEY, task text, queue text, state int, token bigint, worker uuid,
    started_at timestamptz, recorded_at timestamptz);
CREATE INDEX ON job (queue, recorded_at) WHERE state = 1;
CREATE INDEX ON job (worker) WHERE state = 2;
CREATE TABLE payload (job text PRIMARY KEY, headers text, body bytea)
"""
_RECORD = b"""
WITH j AS (INSERT INTO job (id, task, queue, state, token, recorded_at) VALUES ($1, 't.noop', 'celery', 1, 1, now()))
INSERT INTO payload VALUES ($1, '{}', '[]')
"""
_CLAIM = b"""
WITH m AS (SELECT set_config('synchronous_commit', 'off', true))
UPDATE job SET state = 2, worker = $2::text::uuid, started_at = now(), token = token + 1 FROM m
 WHERE id = $1 AND state = 1 RETURNING token
"""


def main() -> None:
    """Start a private PostgreSQL, time the statements, print the figures."""
    # Below /tmp: PostgreSQL's unprivileged user must be able to reach it.
    directory = Path(tempfile.mkdtemp(prefix="holdfast-floor-"))
    directory.chmod(0o755)
    try:
        with PostgresServer(directory / "postgres") as server:
            url = server.create_database("floor")
            for pause, said in ((0.0, "in a loop"), (0.02, "at 50 a second")):
                for name, times in _taken(url, pause).items():
                    low, *_, high = quantiles(times, n=20)
                    print(f"{said:15} {name:15} {median(times):6.0f} us ({low:.0f}-{high:.0f})")
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _taken(url: str, pause: float) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {"record, commit": [], "claim": [], "nothing": []}
    with (
        psycopg.connect(url, autocommit=True) as sender,
        psycopg.connect(url, autocommit=True) as worker,
    ):
        sender.execute(f"DROP TABLE IF EXISTS job, payload; {_TABLES}")
        sender.pgconn.prepare(b"record", _RECORD)
        worker.pgconn.prepare(b"claim", _CLAIM)
        worker.pgconn.prepare(b"nothing", b"SELECT 1")
        incarnation = str(uuid4()).encode()
        steps: tuple[tuple[str, Any, bytes, list[bytes]], ...]
        for number in range(COUNT + WARM_UP):
            id = f"{number:036d}".encode()
            steps = (
                ("record, commit", sender, b"record", [id]),
                ("claim", worker, b"claim", [id, incarnation]),
                ("nothing", worker, b"nothing", []),
            )
            for name, connection, statement, values in steps:
                if name != "claim":
                    time.sleep(pause)
                begun = time.perf_counter()
                answer = connection.pgconn.exec_prepared(statement, values)
                if number >= WARM_UP:
                    found[name].append((time.perf_counter() - begun) * 1e6)
                if name == "claim" and answer.ntuples != 1:
                    raise RuntimeError("the claim found no job")
    return found


if __name__ == "__main__":
    main()
