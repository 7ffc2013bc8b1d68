"""Web, workers and schedulers replaced one after the other under load: nothing is lost, fails or waits (P12)."""

from __future__ import annotations

import signal
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPException
from itertools import count, pairwise
from typing import Any, NamedTuple
from urllib.error import URLError

import pytest

from holdfast.ledger.models import Job
from holdfast.ledger.models.schedules import Occurrence
from holdfast.testing.ports import free_port
from tests.chaos import judge
from tests.chaos.conftest import Tell
from tests.chaos.ground import Ground, has_started
from tests.eventually import eventually
from tests.processes import SiteProcess

pytestmark = pytest.mark.short_on("postgres")

# Between two requests of one client.
PAUSE = 0.03
CLIENTS = 2
# What uvicorn ends with after an orderly stop: it passes the signal on to itself.
ORDERLY = {0, -signal.SIGTERM}


@dataclass
class Web:
    """The web processes behind a balancer that asks the next one where a connection is refused."""

    ground: Ground
    ports: list[int] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    # Taken and broken off by a web process that ends: who sent it does not know, and asks again.
    unanswered: int = 0
    turns: Iterator[int] = field(default_factory=count)

    def start(self) -> SiteProcess:
        """Start one more."""
        port = free_port()
        return SiteProcess(
            ["-m", "uvicorn", "tests.chaos.web:application", "--port", str(port)],
            log=self.ground.site.directory / f"web{port}.log",
            environment={
                **self.ground.site.environment,
                **self.ground.environment,
                "DJANGO_SETTINGS_MODULE": "tests.chaos.web_settings",
            },
        )

    def admit(self, process: SiteProcess) -> None:
        """Send it requests, once it answers."""
        process.await_line("Uvicorn running")
        self.ports.append(int(process.log.stem.removeprefix("web")))

    def order(self) -> None:
        """Send one request; what was answered with an id is committed."""
        # In turns; a web process that has gone refuses.
        turn = next(self.turns) % len(self.ports)
        for port in self.ports[turn:] + self.ports[:turn]:
            try:
                url = f"http://127.0.0.1:{port}/order/"
                with urllib.request.urlopen(url, timeout=30) as answer:
                    self.accepted.append(answer.read().decode())
                    return
            except URLError as error:
                if isinstance(error.reason, ConnectionRefusedError):
                    continue
                self.unanswered += 1
            except (OSError, HTTPException):
                self.unanswered += 1
            return
        raise AssertionError("no web process takes a request")

    @contextmanager
    def load(self) -> Iterator[None]:
        """Let clients send one request after the other."""
        over, errors = threading.Event(), list[BaseException]()

        def client() -> None:
            try:
                while not over.wait(PAUSE):
                    self.order()
            except BaseException as error:  # noqa: BLE001  # told by the test
                errors.append(error)

        clients = [threading.Thread(target=client, daemon=True) for _ in range(CLIENTS)]
        for thread in clients:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in clients:
                thread.join(60)
        assert not errors, errors


class Role(NamedTuple):
    """How one process of the crew is started, and how to wait until it works."""

    start: Callable[[], SiteProcess]
    await_ready: Callable[[Any], object]


def replaced(old: SiteProcess, role: Role) -> SiteProcess:
    """Start a process in place of another, and end that one in order when the new one works."""
    new = role.start()
    role.await_ready(new)
    old.signal(signal.SIGTERM)
    assert old.wait(60) in ORDERLY, old.log_tail(40)
    return new


def test_all_processes_are_replaced_under_load_and_nothing_is_lost(
    on_both: Ground, tell: Tell
) -> None:
    web = Web(on_both)

    def workers(pool: str) -> Role:
        return Role(
            lambda: on_both.worker(pool=pool, concurrency=2, wait=False),
            lambda process: process.wait_ready(),
        )

    at_work = partial(eventually, told="a scheduler is at work")
    schedulers = Role(on_both.scheduler, lambda one: at_work(lambda: has_started(one)))
    webs = Role(web.start, web.admit)
    roles = [webs, webs, workers("prefork"), workers("threads"), schedulers, schedulers]
    crew = [role.start() for role in roles]
    for role, process in zip(roles, crew, strict=True):
        role.await_ready(process)
    try:
        with web.load():
            eventually(lambda: len(judge.runs(on_both.site)) >= 20, told="jobs run")
            for at, role in enumerate(roles):
                crew[at] = replaced(crew[at], role)
        for one in crew[4:]:
            one.stop()
        on_both.settle()
        for one in crew[2:4]:
            one.stop()
    finally:
        for one in crew:
            one.kill()

    handed_back = len(judge.losses(on_both.site))
    rows = Job.objects.using(on_both.site.alias)
    assert set(rows.values_list("state", "failures", "losses").distinct()) == {(3, 0, 0)}
    fired = Occurrence.objects.using(on_both.site.alias).filter(schedule="kept", outcome="fired")
    dues = list(fired.order_by("due_at").values_list("due_at", flat=True))
    assert {(later - due).total_seconds() for due, later in pairwise(dues)} == {1.0}
    ended = sorted(run.ended for of in judge.runs(on_both.site).values() for run in of if run.ended)
    longest = max(later - before for before, later in pairwise(ended))
    found = on_both.judge(web.accepted)
    tell(
        found,
        faults=len(roles),
        more=f"{len(web.accepted)} requests, {web.unanswered} broken off, {len(dues)} occurrences, "
        f"{handed_back} handed back, longest time without an end {longest:.2f} s",
    )
    assert found.repeated == 0
