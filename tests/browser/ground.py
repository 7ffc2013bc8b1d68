"""One site for all tests of a browser: jobs in every state, and one of everything else that the console shows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from celery import chord
from django.db import connections

import holdfast
from holdfast import Batch, operations, pausing
from holdfast.ledger import alert_rules, audit, minutes, security
from holdfast.ledger.database import alias
from holdfast.ledger.models.samples import QueueSample
from holdfast.ledger.security import Kind, Sighting
from holdfast.ledger.states import State
from holdfast.upkeep.minutes import MinuteKeeper
from tests.browser import tasks
from tests.browser.names import ADDED, PAUSED, UNSERVED
from tests.browser.serving import WebServer
from tests.eventually import PATIENCE, eventually
from tests.finished import finished
from tests.harness import Site, new_site

T = TypeVar("T")
# Long enough that a busy machine loses no lease.
CALM = {"lease_seconds": 15.0, "sweep_seconds": 0.5, "grace_seconds": 1.5, "relay_seconds": 0.2}
CAMPAIGN = 230


@dataclass(kw_only=True)
class Ground:
    """The site, who serves its console, and what is where."""

    site: Site
    web: WebServer
    gate: Path
    """The file that ends what runs."""
    jobs: dict[str, str] = field(default_factory=dict)
    """Ids by what the jobs are for."""
    batch: str = ""
    operation: int = 0
    alert: int = 0
    _hand: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))

    def do(self, act: Callable[[], T]) -> T:
        """Do something with the ledger in a thread without an event loop: Playwright's runs in that of the tests."""
        return self._hand.submit(act).result(PATIENCE)

    def send(self, task: Any, *args: Any, **options: Any) -> str:
        """Send a job; return its id."""
        return str(self.do(lambda: task.apply_async(args, **options).id))

    def state(self, job: str) -> str:
        """Return the state of a job."""
        return self.do(lambda: self.site.states(id=job)[job])

    def await_state(self, job: str, state: str) -> None:
        """Wait until a job is in a state."""
        eventually(lambda: self.state(job) == state, told=f"job {job} is {state}")

    def api(self, path: str) -> Any:
        """Return what the console tells as JSON."""
        return json.loads(self.web.fetch(f"api/{path}", role="administer"))

    @property
    def worker(self) -> str:
        """The id of the worker's life."""
        return str(self.api("workers/")["workers"][0]["id"])

    @property
    def fingerprint(self) -> str:
        """The cause of what failed most."""
        return str(self.api("errors/")["groups"][0]["fingerprint"])

    def close(self) -> None:
        """Let go of the ledger."""
        self._hand.submit(connections.close_all).result(PATIENCE)
        self._hand.shutdown()


@contextmanager
def new_ground(request: pytest.FixtureRequest) -> Iterator[Ground]:
    """Enter a site on PostgreSQL with a worker, a scheduler and a web server, in the middle of its day."""
    environment = {"DJANGO_SETTINGS_MODULE": "tests.browser.settings"}
    with new_site("postgres", request, holdfast=CALM, environment=environment) as site:
        _remember()
        beat = site.beat()
        site.worker(pool="threads", concurrency=6, queues="celery,mail,shelf," + PAUSED)
        try:
            with WebServer(site) as web:
                ground = Ground(site=site, web=web, gate=site.directory / "gate")
                try:
                    _furnish(ground)
                    yield ground
                finally:
                    ground.gate.touch()
                    ground.close()
        finally:
            beat.kill()


def _remember() -> None:
    """Give the charts a past: what ended, and what waited, in the last quarter of an hour."""
    now = minutes.begin_of(minutes.now() - minutes.SETTLED)
    for back in range(1, 15):
        at = now - timedelta(minutes=back) + timedelta(seconds=20)
        finished(3 + back % 4, at=at, task="shop.mail", queue="mail", wait=0.02 * back, run=0.3)
        finished(
            4 + back % 3, at=at, task="shop.charge", state=State.FAILED, queue="celery", run=1.5
        )
    keeper = MinuteKeeper()
    while keeper.one_pass() == 0.0:
        pass
    depths = [
        QueueSample(queue="mail", at=now - timedelta(minutes=back), waiting=back, oldest_seconds=3)
        for back in range(1, 15)
    ]
    QueueSample.objects.using(alias()).bulk_create(depths)


def _furnish(ground: Ground) -> None:
    """Send jobs that come to every state, and do what leaves a trace."""
    ground.site.await_publisher()
    pausing.pause(queue=PAUSED, actor="ada", reason="until the truck is back")
    gate, later = str(ground.gate), {"countdown": 7200}
    card = {"order": 7, "card_number": "4111 1111 1111 1111"}
    jobs = ground.jobs
    jobs["succeeded"] = tasks.charge.delay(**card, amount=12.5).id
    jobs["failed"], *_ = (tasks.charge.delay(**card, amount=5000 + n).id for n in range(3))
    jobs["dead"] = tasks.restock.delay("candles").id
    jobs["held"] = tasks.mail.apply_async([1], **later).id
    jobs["cancelled"] = tasks.mail.apply_async([2], **later).id
    jobs["expired"] = tasks.mail.apply_async([3], countdown=0.5, expires=0.2).id
    jobs["queued"], *_ = (tasks.mail.apply_async([n], queue=UNSERVED).id for n in range(3))
    jobs["running"] = tasks.pack.delay(8, gate).id
    *_, jobs["limited"] = (tasks.print_label.delay(n, gate).id for n in range(3))
    tasks.mail.apply_async([4], queue=PAUSED)
    jobs["campaign"] = tasks.campaign.delay(CAMPAIGN).id
    receipt = chord([tasks.mail.si(1), tasks.pack.si(9, gate)], tasks.receipt.s()).apply_async()
    jobs["chord"] = receipt.parent.results[0].id
    ground.batch = _batch(card, later)
    holdfast.cancel([jobs["cancelled"]], actor="ada")
    security.note(Sighting(kind=Kind.FORGED_TICKET, queue="mail", task="shop.mail", count=4))
    audit.note("replay", actor="eve", job=jobs["failed"])
    ends = ("succeeded", "failed", "dead", "cancelled", "expired", "running")
    wanted = {jobs[state]: state for state in ends}

    def is_there() -> bool:
        found = ground.site.states(id__in=list(wanted))
        assert found == wanted, f"{found} in place of {wanted}\n{ground.site.log_tails()}"
        return True

    eventually(is_there, told="every state is there")
    asked = operations.ask("priority", f"queue:{UNSERVED}", priority=7, actor="ada", reason="rush")
    ground.operation = asked.id
    eventually(lambda: _state_of(asked.id) == "done", told="the operation is done")
    alert_rules.add(ADDED, {"when": "oldest", "queue": UNSERVED, "above": 86400}, actor="ada")
    firing = eventually(lambda: ground.api("alerts/")["firing"], told="an alert fires")
    ground.alert = firing[0]["id"]
    mailed = {"task": "shop.mail", "root_id": jobs["campaign"]}
    eventually(lambda: ground.site.counts(**mailed) == {"succeeded": CAMPAIGN}, told="all mailed")


def _batch(card: dict[str, Any], later: dict[str, Any]) -> str:
    with Batch("orders of today", on_complete=tasks.receipt.s()) as batch:
        for order in range(4):
            tasks.mail.delay(order)
        tasks.charge.delay(**card, amount=4000)
        tasks.mail.apply_async([9], **later)
    return str(batch.id)


def _state_of(operation: int) -> str | None:
    found = operations.find(operation)
    return found.state if found else None
