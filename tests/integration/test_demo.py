"""`make demo`: it breaks what it is told to and nothing else, and what it shows comes from the gateways' own record."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from random import Random
from threading import Event
from typing import Any

import psutil
import pytest
import requests
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from jost.demo import faults, load
from jost.demo.counts import LOST_AFTER
from jost.demo.makers import FILE, MAKERS, ROWS, Maker
from jost.demo.rows import SETTLED_AFTER, Rows
from jost.embedded.state import note_process
from jost.imports.models import Contact, Import, RowError
from jost.reports.models import Report, ReportFile, ReportLine, Sale
from tests.eventually import eventually
from tests.integration.test_up import Up


class Demo(Up):
    """A running `make demo`, looked at and pressed as a browser does."""

    target = "demo"

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/demo/"

    def figures(self) -> dict[str, Any]:
        answer = requests.get(f"{self.address}figures/", timeout=30)
        answer.raise_for_status()
        values: dict[str, Any] = answer.json()
        return values

    def happened(self) -> int:
        return int(self.figures().get("sums", {}).get("happened", 0))

    def press(self, kind: str) -> str:
        """Press a button of the page; return the page that follows."""
        session = requests.Session()
        session.get(self.address, timeout=30).raise_for_status()
        token = session.cookies["csrftoken"]
        answer = session.post(
            f"{self.address}break/{kind}/",
            data={"csrfmiddlewaretoken": token},
            headers={"Referer": self.address},
            timeout=30,
        )
        answer.raise_for_status()
        return answer.text

    def recovered(self) -> list[float | None]:
        return [fault["recovered"] for fault in self.figures()["faults"]]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    demo = Demo(tmp_path_factory.mktemp("demo") / "data", JOST_DEMO_FREEZE_SECONDS="3")
    try:
        demo.until_ready()
        eventually(lambda: demo.happened() > 10, told="effects happen")
        yield demo
    finally:
        demo.end()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["kill", "wipe", "freeze"])
def test_each_button_breaks_something_and_nothing_is_lost_or_happens_twice(
    demo: Demo, kind: str
) -> None:
    before = len(demo.figures()["faults"])
    scheduler = psutil.Process(demo.pid("scheduler"))

    page = demo.press(kind)

    if kind == "kill":
        killed = re.search(
            r"Killed the (?:pool process of )?worker \w+, process (\d+), with SIGKILL", page
        )
        assert killed is not None, page
        eventually(lambda: not psutil.pid_exists(int(killed[1])), told="it is gone")
    if kind == "freeze":
        assert scheduler.status() == psutil.STATUS_STOPPED
        eventually(lambda: scheduler.status() != psutil.STATUS_STOPPED, told="it is thawed")
    eventually(lambda: len(demo.figures()["faults"]) > before and None not in demo.recovered())
    more = demo.happened() + 10
    eventually(lambda: demo.happened() > more, told="the load goes on")
    sums = demo.figures()["sums"]
    assert (sums["lost"], sums["twice"]) == (0, 0)
    assert demo.figures()["answers"]["different"] == 0


@pytest.mark.slow
def test_what_is_shown_as_happened_is_what_the_gateways_recorded(demo: Demo) -> None:
    port = (demo.folder / "gateways.port").read_text()

    def in_record() -> int:
        totals = requests.get(f"http://127.0.0.1:{port}/record", timeout=30).json()
        return sum(kind["keys"] for kind in totals.values())

    before = in_record()
    eventually(lambda: demo.happened() >= before)
    assert demo.happened() <= in_record()


@pytest.mark.slow
def test_button_without_its_token_is_refused(demo: Demo) -> None:
    assert requests.post(f"{demo.address}break/kill/", timeout=30).status_code == 403
    assert requests.get(f"{demo.address}break/kill/", timeout=30).status_code == 405


@pytest.mark.parametrize(
    ("picked", "said"), [(0, "worker jobs"), (-1, "pool process of worker jobs")]
)
def test_killed_is_a_whole_worker_or_one_process_of_its_pool(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, picked: int, said: str
) -> None:
    settings.DATA_DIR = tmp_path
    lines = (
        "import subprocess; child = subprocess.Popen(['sleep', '60']);"
        "print(child.pid, flush=True); child.wait()"
    )
    command = [sys.executable, "-c", lines]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as worker:
        assert worker.stdout is not None
        child = int(worker.stdout.readline())
        note_process(tmp_path, name="jobs", pid=worker.pid)
        monkeypatch.setattr("secrets.choice", lambda those: those[picked])

        fault = faults.kill_worker()

        assert (fault.target, fault.pid) == (said, child if picked else worker.pid)
        # Of the killed child it goes on and ends by itself.
        assert worker.wait(20) == (0 if picked else -signal.SIGKILL)
        if not picked:
            os.kill(child, signal.SIGKILL)


@pytest.mark.django_db
def test_rows_of_files_that_are_lost_or_twice_are_told() -> None:
    now = timezone.now()
    done = Import.objects.create(name=FILE, size=1, state=Import.State.DONE, ended_at=now)
    Contact.objects.bulk_create(
        Contact(source=done, line=n, email=f"p{n}@example.com", name="P") for n in range(ROWS - 2)
    )
    Contact.objects.create(source=done, line=ROWS, email="p1@example.com", name="P")
    RowError.objects.create(source=done, line=ROWS + 1, reason="no", text="nobody")
    begun = now - LOST_AFTER - timedelta(seconds=1)
    Import.objects.create(name=FILE, size=1, created_at=begun)

    files, _ = Rows({}).promises()

    assert (files.owed.done, files.happened, files.twice) == (ROWS, ROWS - 1, 1)
    assert (files.owed.open, files.lost) == (ROWS, ROWS + 1)


@pytest.mark.django_db
def test_what_was_judged_for_good_stays_when_it_is_deleted() -> None:
    over = timezone.now() - SETTLED_AFTER - timedelta(seconds=1)
    day = over.date()
    Sale.objects.create(sold_on=day, region=1, category=1, customer=1, quantity=1, amount_cents=1)
    made = [
        Report.objects.create(
            since=day, until=day, parts=1, state=Report.State.SUCCEEDED, finished_at=over
        )
        for _ in range(3)
    ]
    for report in made[:2]:
        for kind in ReportFile.Kind:
            ReportFile.objects.create(report=report, kind=kind, content=b"")
    ReportLine.objects.create(
        report=made[1], month=day, region="r", category="c", sales=2, pieces=2, cents=2, customers=1
    )
    rows = Rows({})
    _, before = rows.promises()

    Report.objects.all().delete()
    _, after = Rows(json.loads(json.dumps(rows.to_dict()))).promises()

    assert (before.owed.done, before.happened, before.twice, before.lost) == (3, 2, 1, 1)
    assert after == before


@pytest.mark.parametrize("demo_mode", [False, True])
def test_there_is_no_page_and_no_button_but_in_the_demo_on_its_own_machine(
    client: Client, settings: Any, demo_mode: bool
) -> None:
    settings.JOST_DEMO = demo_mode
    # In the demo it is somebody else's machine that asks.
    client.defaults["REMOTE_ADDR"] = "192.0.2.7" if demo_mode else "127.0.0.1"
    assert client.get("/demo/").status_code == 404
    assert client.get("/demo/figures/").status_code == 404
    for kind in ("kill", "wipe", "freeze"):
        assert client.post(f"/demo/break/{kind}/").status_code == 404


@pytest.mark.django_db
def test_who_is_held_up_does_not_ask_for_everything_at_once_afterwards() -> None:
    asked: list[float] = []
    stop = Event()

    def slow(_dice: Random, _page: str) -> None:
        asked.append(time.monotonic())
        if len(asked) == 1:
            stop.wait(0.5)
        if len(asked) == 4:
            stop.set()

    maker = Maker(name="slow", per_minute=600, make=slow)
    load.run([maker], page="", dice=Random(1), stop=stop)
    assert len([at for at in asked[1:] if at - asked[1] < 0.02]) <= 2


@pytest.mark.django_db
def test_refusal_does_not_end_the_load(caplog: pytest.LogCaptureFixture) -> None:
    def refused(_dice: Random, _page: str) -> None:
        raise ValueError("no")

    load.ask(Maker(name="refused", per_minute=1, make=refused), page="", dice=Random(1))
    assert "Asked in vain for refused." in caplog.text


@pytest.mark.django_db
@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.name)
def test_each_maker_asks_again_and_again_and_is_never_refused(
    maker: Maker, settings: Any, tmp_path: Path
) -> None:
    settings.MEDIA_ROOT = tmp_path
    call_command("seed_shop", verbosity=0)
    dice = Random(1)
    for _ in range(5):
        maker.make(dice, "http://testserver")
