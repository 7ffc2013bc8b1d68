"""Faults of the database itself: crashed, restarted, frozen, full, slow, locked; each strikes inside transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg

from holdfast.testing.services import PostgresServer
from tests.chaos.faults.scene import POSTGRES, SQLITE, Scene, fault
from tests.chaos.ground import CRASH, SHUTS_OUT, every, lasting
from tests.nursery import steadily

MOST = 3


@fault("crash database", hits="database", databases=POSTGRES)
def crash(scene: Scene) -> bool:
    """PostgreSQL is stopped as a crash does, and started again"""
    if not scene.await_work(scene.work.transactions):
        return False
    scene.ground.crash_database()
    return True


@fault("kill database", hits="database", databases=POSTGRES)
def kill(scene: Scene) -> bool:
    """PostgreSQL and its back ends are killed with -9, and started again after up to 2 s"""
    server = _server(scene)
    if not scene.await_work(scene.work.transactions):
        return False
    # A crash to the judge: claims of the last moments may be undone.
    with scene.harm(CRASH, "database"):
        server.kill()
        lasting(scene.rng.uniform(0, 2))
        steadily(server.start)
    return True


@fault("restart database", hits="database", databases=POSTGRES)
def restart(scene: Scene) -> bool:
    """PostgreSQL ends all connections, shuts down in order, and starts again"""
    server = _server(scene)
    if not scene.await_work(scene.work.transactions):
        return False
    with scene.harm("restart database", "database"):
        steadily(server.restart)
    return True


@fault("stop database", hits="database", databases=POSTGRES)
def stop(scene: Scene) -> bool:
    """PostgreSQL is frozen for longer than a lease, as by a disk that hangs, and goes on"""
    server = _server(scene)
    if not scene.await_work(scene.work.transactions):
        return False
    with scene.harm("stop database", "database"):
        server.pause()
        lasting(scene.beyond_the_lease)
        server.resume()
    return True


@fault("terminate connections", hits="database", databases=POSTGRES)
def terminate(scene: Scene) -> bool:
    """`pg_terminate_backend` of every connection inside a transaction, again and again for 2 s"""
    server, ended = _server(scene), 0
    with scene.harm("terminate connections", "database"):
        for _ in every(0.2, during=2):
            ended += server.end_connections(scene.ground.database_name, inside_transactions=True)
    return ended > 0


@fault(SHUTS_OUT, hits="database", databases=POSTGRES)
def exhaust(scene: Scene) -> bool:
    """The limit of connections is reached for up to 5 s: those that break are not given again"""
    server, name = _server(scene), scene.ground.database_name
    if not scene.await_work(scene.work.transactions):
        return False
    with scene.harm(SHUTS_OUT, "database"):
        server.limit_connections(name, MOST)
        server.end_connections(name)
        lasting(scene.rng.uniform(1, 5))
        server.limit_connections(name, None)
    scene.ground.forget_connection()
    return True


@fault("slow commits", hits="database", databases=POSTGRES)
def slow_commits(scene: Scene) -> bool:
    """Each commit that waits for the disk takes 0.1 s longer, for up to 8 s"""
    server = _server(scene)
    if not scene.await_work(scene.work.transactions):
        return False
    with scene.harm("slow commits", "database"):
        server.delay_commits(0.1)
        lasting(scene.rng.uniform(3, 8))
        server.delay_commits(0)
    return True


@fault("lock jobs", hits="database", databases=POSTGRES)
def lock_jobs(scene: Scene) -> bool:
    """Somebody holds the table of jobs for longer than a lease, as a careless migration does"""
    if not scene.await_work(scene.work.transactions):
        return False
    with (
        scene.harm("lock jobs", "database"),
        psycopg.connect(scene.ground.site.database_url) as connection,
    ):
        connection.execute("LOCK TABLE holdfast_job IN ACCESS EXCLUSIVE MODE")
        lasting(scene.beyond_the_lease)
    return True


@fault("hold writer", hits="database", databases=SQLITE)
def hold_writer(scene: Scene) -> bool:
    """Another process holds SQLite's only writer for up to 2 s while jobs run, as a backup does"""
    if not scene.await_work(scene.work.running):
        return False
    with scene.harm("hold writer", "database"), _writing(scene):
        lasting(scene.rng.uniform(0.5, 2))
    return True


@contextmanager
def _writing(scene: Scene) -> Iterator[None]:
    path = scene.ground.database_path
    with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def _server(scene: Scene) -> PostgresServer:
    assert scene.ground.postgres is not None
    return scene.ground.postgres


FAULTS = (
    crash,
    kill,
    restart,
    stop,
    terminate,
    exhaust,
    slow_commits,
    lock_jobs,
    hold_writer,
)
