"""Workers that take nothing for a good reason, for longer than any patience: none of them is called stalled."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest

import holdfast
from holdfast.broker.canary import PREFIX
from holdfast.ledger.models import Worker
from holdfast.testing.services import TcpProxy
from holdfast.testing.tcp_proxy import Mode
from tests.eventually import eventually
from tests.harness import SHORT, Site, new_site
from tests.processes import WorkerProcess, freeze

QUICK: Mapping[str, Any] = SHORT | {"canary_seconds": 1.0, "stall_seconds": 4.0}
# Twice a stall: one would be called, and followed by the end.
LONG = 2.5 * QUICK["stall_seconds"]


def is_short(site: str) -> bool:
    """The short run has SQLite; what a database that is away means, only PostgreSQL can show."""
    return site == "sqlite"


@pytest.fixture(params=["sqlite", "postgres"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site(str(request.param), request, holdfast=QUICK) as site:
        yield site


@pytest.fixture
def away(request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site("postgres", request, holdfast=QUICK) as site:
        yield site


def row(worker: WorkerProcess) -> Worker:
    rows = Worker.objects.using(worker.ledger).filter(pid=worker.pid).order_by("-started_at")
    return rows[0]


def hears(*workers: WorkerProcess) -> None:
    """Wait until each has heard a canary."""
    for worker in workers:
        worker.wait_ready()
        eventually(lambda: row(worker).heard_at, told="a canary is heard")  # noqa: B023


def hears_again(worker: WorkerProcess) -> None:
    """Wait until it hears a canary that is sent from now on."""
    before = row(worker).heard_at
    assert before is not None
    eventually(lambda: (row(worker).heard_at or before) > before, told="a canary is heard again")


def is_well(worker: WorkerProcess) -> bool:
    log = worker.log_text()
    return worker.running and " stalled" not in log and "never heard" not in log


def test_workers_that_are_full_idle_solo_paused_or_frozen_are_not_stalled(site: Site) -> None:
    alive = site.directory / "alive"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(site.directory / "notify"))
        systemd.settimeout(0)
        signs = {"HOLDFAST_ALIVE_FILE": str(alive), "NOTIFY_SOCKET": str(systemd.getsockname())}
        full = site.worker(queues="full", concurrency=1, wait=False)
        solo = site.worker(queues="solo", pool="solo", wait=False)
        frozen = site.worker(queues="frozen", pool="threads", wait=False)
        idle = site.worker(queues="idle", pool="threads", environment=signs, wait=False)
        hears(full, solo, frozen, idle)

        for _ in range(20):
            site.task("effect").apply_async(("full", LONG), queue="full")
        site.await_effect("start full")
        freeze(frozen, site.alias)
        site.app.control.add_consumer("more", reply=False, destination=[row(idle).name])
        site.app.control.cancel_consumer("idle", reply=False, destination=[row(idle).name])
        holdfast.pause(queue="more")
        begun = alive.stat().st_mtime
        site.task("effect").apply_async(("solo", LONG), queue="solo")
        site.await_effect("end solo")

        frozen.signal_group(signal.SIGCONT)
        eventually(lambda: "stood still for" in frozen.log_text(), told="it notes that it stood")
        for worker in (solo, frozen, idle):
            hears_again(worker)
        assert all(is_well(worker) for worker in site.workers), site.log_tails()
        eventually(lambda: alive.stat().st_mtime > begun, told="the file is touched")
        assert alive.read_text().endswith("consuming: yes\ndatabase: yes\n")
        idle.stop()
        assert not alive.exists()
        heard = _messages(systemd)
    # Its jobs may take a while to end: it shows that it lives before it is ready and after it began to stop, too.
    assert [message for message in heard if message != "WATCHDOG=1"] == ["READY=1", "STOPPING=1"]
    assert heard.count("WATCHDOG=1") >= 2

    client = site.redis()
    full.kill()
    kept = [client.pttl(key) for key in client.scan_iter(f"{PREFIX}*")]
    assert all(left != -1 for left in kept), "no list of a dead worker stays"


def test_workers_without_a_broker_or_a_database_are_not_stalled(away: Site) -> None:
    site, clock = away, away.worker(queues="clock", pool="threads")
    ports = urlsplit(site.broker_url).port, urlsplit(site.database_url).port
    assert ports[0]
    assert ports[1]
    with TcpProxy(ports[0]) as broker, TcpProxy(ports[1]) as database:
        apart = [
            site.worker(
                queues=f"apart{number}",
                pool=pool,
                environment={"TEST_BROKER_URL": broker.url(site.broker_url)},
                wait=False,
            )
            for number, pool in enumerate(("prefork", "gevent"))
        ]
        behind = site.worker(
            queues="behind",
            environment={"TEST_DATABASE_URL": database.url(site.database_url)},
        )
        hears(behind, *apart)

        broker.switch(Mode.BLACKHOLE)
        database.switch(Mode.BLACKHOLE)
        for queue in ("behind", "apart0", "apart1"):
            site.task("effect").apply_async((queue,), queue=queue)
        site.task("effect").apply_async(("clock", LONG), queue="clock")
        site.await_effect("end clock")
        broker.switch(Mode.REFUSE)
        site.task("effect").apply_async(("clock again", LONG / 4), queue="clock")
        site.await_effect("end clock again")
        broker.switch(Mode.PASS)
        database.switch(Mode.PASS)

        for queue in ("behind", "apart0", "apart1"):
            site.await_effect(f"end {queue}", timeout=90)
        for worker in (behind, *apart):
            hears_again(worker)
        assert all(is_well(worker) for worker in (clock, behind, *apart)), site.log_tails()
        site.kill_workers()


def _messages(heard: socket.socket) -> list[str]:
    found = []
    try:
        while True:
            found.append(heard.recv(100).decode())
    except BlockingIOError:
        return found
