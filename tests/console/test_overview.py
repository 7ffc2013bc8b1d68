"""The overview: the same as HTML and as JSON, read once for all who look, and no dearer with more jobs."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError
from django.db.models.functions import Now
from django.test import Client

from holdfast.console import charts, overview
from holdfast.console.hub import hub
from holdfast.console.recent import LAG, Recent
from holdfast.ledger import minutes, transitions, workers
from holdfast.ledger.models import Job
from holdfast.ledger.reads import rates
from holdfast.ledger.states import State
from holdfast.ledger.tallies import Tally
from holdfast.upkeep.minutes import MinuteKeeper
from tests.finished import finished
from tests.integration.test_idle_statements import counted
from tests.rows import hire, new_job

PAGE, API = "/holdfast/", "/holdfast/api/"


def shop(ledger: str) -> None:
    """A worker with one job of two that wait, an orphaned queue, and some ends."""
    worker = hire()
    workers.take_duty(workers.UPKEEP, worker, seconds=60)
    first, _ = transitions.record([new_job(queue="q"), new_job(queue="q")])
    transitions.claim([(first.id, first.token, False)], worker=worker)
    transitions.record([new_job(queue="orphan<b>") for _ in range(4)])
    Job.objects.using(ledger).filter(queue="orphan<b>").update(
        published_at=Now() - timedelta(seconds=90)
    )
    ago = minutes.now() - timedelta(seconds=5)
    finished(6, at=ago, task="shop.mail", queue="q", wait=0.02, run=0.5)
    finished(1, at=ago, task="shop.pay", queue="q", state=State.FAILED, run=2.0, attempts=3)


def test_overview_tells_the_whole_as_json(console: str, viewer: Client) -> None:
    shop(console)
    page = viewer.get(API).json()
    figures = page["figures"]
    assert (figures["succeeded"], figures["failed"], figures["retried"]) == (6, 1, 2)
    assert figures["ended_per_second"] == pytest.approx(7 / 60, rel=0.05)
    assert figures["run_p50"] == pytest.approx(0.5, rel=0.26)
    assert figures["wait_p95"] == pytest.approx(0.02, rel=0.26)
    assert (figures["queued"], figures["running"], figures["busy"], figures["slots"]) == (
        5,
        1,
        1,
        1,
    )
    assert figures["oldest_seconds"] >= 90
    queues = {queue["name"]: queue for queue in page["queues"]}
    assert queues["orphan<b>"]["unserved"]
    assert (queues["q"]["waiting"], queues["q"]["ended_per_minute"]) == (1, 7)
    kinds = {trouble["kind"]: trouble for trouble in page["troubles"]}
    assert kinds["unserved"]["severity"] == "critical"
    assert "shop.pay" in kinds["dead-letters"]["sentence"]
    assert sum(page["charts"]["ends"]["series"][0]["values"]) == 6
    assert page["charts"]["run"]["unit"] == "seconds"


def test_overview_is_a_page_with_charts_and_troubles_first(console: str, viewer: Client) -> None:
    shop(console)
    html = viewer.get(PAGE).content.decode()
    assert html.index("No worker takes the jobs of queue") < html.index("Throughput")
    assert "orphan&lt;b&gt;" in html
    assert "orphan<b>" not in html
    for name in ("ends", "wait", "run"):
        text = re.search(rf'<script id="{name}" type="application/json">(.*?)</script>', html)
        assert text is not None
        chart = json.loads(text[1])
        assert len(chart["x"]) == len(chart["series"][0]["values"])
        assert f'data-chart="{name}"' in html
    assert " style=" not in html
    assert "onclick" not in html


def test_day_is_told_in_ten_minutes_each(console: str, viewer: Client) -> None:
    at = minutes.begin_of(datetime.now(UTC)) - timedelta(hours=20)
    minutes.write(at, {("shop.mail", "q"): Tally(succeeded=5, run_seconds=9.0)})
    day = viewer.get(API, {"span": "day"}).json()
    assert day["charts"]["ends"]["x"][1] - day["charts"]["ends"]["x"][0] == 600
    assert sum(day["charts"]["ends"]["series"][0]["values"]) == 5
    (task,) = day["tasks"]
    assert (task["task"], task["ended"]) == ("shop.mail", 5)
    assert viewer.get(task["url"]).status_code == viewer.get(task["failed_url"]).status_code == 200
    hour = viewer.get(API).json()
    assert sum(hour["charts"]["ends"]["series"][0]["values"]) == 0
    assert viewer.get(API, {"span": "year"}).status_code == 400


def test_empty_ledger_is_told_as_such(console: str, viewer: Client) -> None:
    html = viewer.get(PAGE).content.decode()
    assert "No queue has open jobs or a worker." in html
    assert "Throughput" in html


def test_those_who_look_at_once_cost_one_look(
    console: str, viewer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop(console)
    # However slow this machine is.
    monkeypatch.setitem(overview.KEPT_SECONDS, "hour", 3600.0)
    monkeypatch.setitem(overview.TASKS_SECONDS, "hour", 3600.0)
    viewer.get(API)
    monkeypatch.setattr(hub, "_pause", 3600.0)
    with counted(console) as statements:
        for _ in range(5):
            viewer.get(API)
            viewer.get(PAGE)
            viewer.get("/holdfast/api/pulse/")
    assert statements == []


def test_look_costs_as_many_statements_with_many_jobs_as_with_few(
    console: str, viewer: Client
) -> None:
    asked = []
    for jobs in (5, 400):
        shop(console)
        transitions.record([new_job(queue="q") for _ in range(jobs)])
        finished(jobs, at=minutes.now() - timedelta(seconds=3))
        hub.begin()
        with counted(console) as statements:
            viewer.get(PAGE)
        asked.append(len(statements))
    # A look that begins at another second of the minute counts one stretch of time more.
    assert abs(asked[0] - asked[1]) <= 2, asked
    assert max(asked) < 60, asked


def test_database_that_does_not_answer_is_told_with_the_old_figures(
    console: str, viewer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop(console)
    viewer.get(API)

    def away() -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(hub._camera, "take", away)
    monkeypatch.setattr(hub, "_taken_at", float("-inf"))
    # What was read for the charts is old by now as well.
    monkeypatch.setattr(rates, "series", lambda *_asked, **_more: away())
    monkeypatch.setattr(hub, "_kept", {name: (0.0, made) for name, (_, made) in hub._kept.items()})
    page = viewer.get(API).json()
    assert "connection refused" in page["error"]
    assert page["figures"]["succeeded"] == 6
    assert "connection refused" in viewer.get(PAGE).content.decode()


# -- the ends of the last minutes ------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.asked: list[tuple[datetime, datetime]] = []

    def count(self, since: datetime, until: datetime) -> dict[tuple[str, str], Tally]:
        self.asked.append((since, until))
        return {("t", "q"): Tally(succeeded=int((until - since).total_seconds()))}


def test_each_second_is_counted_once_and_told_by_the_minute(ledger: str) -> None:
    clock = Clock()
    recent = Recent(clock.count)
    begun = minutes.begin_of(minutes.now()) + timedelta(seconds=30)
    for n in range(100):
        recent.go_on(begun + timedelta(seconds=2 * n))
    pairs = list(zip(clock.asked, clock.asked[1:], strict=False))
    assert all(before[1] == after[0] for before, after in pairs)
    assert all(
        minutes.begin_of(since) == minutes.begin_of(until - timedelta(microseconds=1))
        for since, until in clock.asked
    )
    ended, seconds = recent.last_minute()
    assert seconds == pytest.approx(60, abs=2)
    assert ended.succeeded == seconds
    until = begun + timedelta(seconds=198) - LAG
    tail = recent.tail(counted_until=minutes.begin_of(until))
    assert sum(part["t", "q"].succeeded for _, part in tail.parts) == until.second


def test_long_pause_and_a_clock_that_was_set_begin_anew(ledger: str) -> None:
    clock = Clock()
    recent = Recent(clock.count)
    now = minutes.now()
    for step in (timedelta(0), timedelta(hours=3), timedelta(hours=-2)):
        clock.asked.clear()
        recent.go_on(now + step)
        assert clock.asked[-1][1] == now + step - LAG
        assert sum(((b - a) for a, b in clock.asked), timedelta(0)) <= timedelta(minutes=3)


def test_counted_minute_and_tail_make_one_series(console: str, viewer: Client) -> None:
    over = minutes.begin_of(minutes.now() - minutes.SETTLED)
    finished(2, at=over - timedelta(seconds=30))
    finished(3, at=minutes.now() - timedelta(seconds=2))
    before = sum(viewer.get(API).json()["charts"]["ends"]["series"][0]["values"])
    MinuteKeeper().one_pass()
    hub.begin()
    after = sum(viewer.get(API).json()["charts"]["ends"]["series"][0]["values"])
    assert before == after == 5


def test_chart_without_anything_says_so() -> None:
    chart = charts.Chart(kind="lines", unit="seconds", x=[], series=[])
    assert chart.data["words"]["empty"] == "Nothing in this time."
