"""One snapshot for all who watch, while somebody watches; what a database that is away does, and a fork."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import OperationalError

from holdfast.console.hub import Full, Hub
from holdfast.console.snapshots import Figures, Snapshot
from tests.eventually import eventually


class Film:
    """A camera of the test's own: counts its pictures, and breaks if it is told to."""

    def __init__(self) -> None:
        self.taken = 0
        self.error: Exception | None = None
        self.threads: set[str] = set()

    def take(self) -> Snapshot:
        self.threads.add(threading.current_thread().name)
        if self.error is not None:
            raise self.error
        self.taken += 1
        return Snapshot(figures=Figures(queued=self.taken))


@pytest.fixture
def film() -> Film:
    return Film()


@pytest.fixture
def hub(console: str, film: Film) -> Iterator[Hub]:
    hub = Hub(lambda: film, pause_seconds=0.01)
    yield hub
    eventually(lambda: not hub.is_watching)


async def watch(hub: Hub, *, until: Callable[[Snapshot], bool]) -> Snapshot:
    with hub.watch() as watcher:
        while True:
            snapshot = await watcher.next(seconds=10)
            assert snapshot is not None
            if until(snapshot):
                return snapshot


def test_thread_runs_while_somebody_watches_and_no_longer(hub: Hub, film: Film) -> None:
    assert not hub.is_watching
    seen = asyncio.run(watch(hub, until=lambda snapshot: snapshot.figures.queued >= 3))
    assert seen.version >= 3
    assert film.threads == {"holdfast-hub"}
    eventually(lambda: not hub.is_watching)
    taken = film.taken
    # It begins again with the next one.
    asyncio.run(watch(hub, until=lambda snapshot: snapshot.figures.queued > taken))


def test_all_watchers_share_one_snapshot(hub: Hub, film: Film) -> None:
    async def many() -> list[Snapshot]:
        return await asyncio.gather(
            *(watch(hub, until=lambda snapshot: snapshot.version >= 4) for _ in range(20))
        )

    found = asyncio.run(many())
    assert len(found) == 20
    # Each of them has seen about as many as were taken in all.
    assert film.taken <= max(snapshot.version for snapshot in found) + 2
    assert len(film.threads) == 1


def test_who_asks_once_gets_the_snapshot_of_a_moment_ago(console: str, film: Film) -> None:
    now = [100.0]
    hub = Hub(lambda: film, pause_seconds=2.0, monotonic=lambda: now[0])
    assert hub.current().figures.queued == 1
    now[0] += 1.9
    assert hub.current().figures.queued == 1
    now[0] += 0.2
    assert hub.current().figures.queued == 2
    assert not hub.is_watching


def test_those_who_ask_while_one_is_taken_get_that_one(console: str, film: Film) -> None:
    asked, go = threading.Semaphore(0), threading.Event()

    class Slow(Film):
        def take(self) -> Snapshot:
            assert go.wait(60)
            return super().take()

    slow = Slow()
    hub = Hub(lambda: slow, pause_seconds=3600.0)

    def ask() -> None:
        asked.release()
        hub.current()

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert asked.acquire(timeout=60)
    go.set()
    for thread in threads:
        thread.join(60)
    assert slow.taken == 1


def test_thread_does_not_wait_out_its_pause_for_nobody(console: str, film: Film) -> None:
    hub = Hub(lambda: film, pause_seconds=3600.0)
    asyncio.run(watch(hub, until=lambda snapshot: snapshot.version >= 1))
    eventually(lambda: not hub.is_watching)


def test_slow_snapshots_are_taken_less_often(console: str, film: Film) -> None:
    now = [100.0]

    class Slow(Film):
        def take(self) -> Snapshot:
            now[0] += 1.0
            return super().take()

    slow = Slow()
    hub = Hub(lambda: slow, pause_seconds=2.0, monotonic=lambda: now[0])
    hub.current()
    now[0] += 9.9
    hub.current()
    assert slow.taken == 1
    now[0] += 0.2
    hub.current()
    assert slow.taken == 2


def test_database_that_is_away_is_told_and_the_thread_goes_on(hub: Hub, film: Film) -> None:
    async def through_an_outage() -> tuple[Snapshot, Snapshot]:
        with hub.watch() as watcher:

            async def wait(until: Callable[[Snapshot], bool]) -> Snapshot:
                while True:
                    snapshot = await watcher.next(seconds=10)
                    assert snapshot is not None
                    if until(snapshot):
                        return snapshot

            await wait(lambda snapshot: not snapshot.error)
            film.error = OperationalError("connection refused")
            away = await wait(lambda snapshot: bool(snapshot.error))
            film.error = None
            back = await wait(lambda snapshot: not snapshot.error)
            return away, back

    away, back = asyncio.run(through_an_outage())
    assert "connection refused" in away.error
    # The last figures stand, and are said to be old.
    assert away.figures.queued >= 1
    assert back.version > away.version


def test_any_other_error_is_told_too(console: str, film: Film) -> None:
    film.error = RuntimeError("no luck")
    assert Hub(lambda: film).current().error == "no luck"


def test_no_more_than_so_many_may_watch(console: str, film: Film) -> None:
    hub = Hub(lambda: film, pause_seconds=0.01, most=2)

    async def crowd() -> None:
        with hub.watch(), hub.watch():
            assert hub.is_full
            with pytest.raises(Full), hub.watch():
                pass
        assert not hub.is_full

    asyncio.run(crowd())
    eventually(lambda: not hub.is_watching)


def test_watcher_of_an_event_loop_that_is_gone_is_forgotten(hub: Hub, film: Film) -> None:
    async def leave() -> Any:
        return hub.watch().__enter__()

    left = asyncio.run(leave())
    assert left is not None
    eventually(lambda: not hub.is_watching)


def test_child_of_a_fork_begins_anew(console: str, film: Film) -> None:
    hub = Hub(lambda: film, pause_seconds=0.01)
    with hub._state, hub._taking:
        pid = os.fork()
        if pid == 0:
            # What os.register_at_fork does for the hub of the process.
            hub.begin()
            os._exit(0 if hub.current().figures.queued == 1 and not hub.is_watching else 1)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
