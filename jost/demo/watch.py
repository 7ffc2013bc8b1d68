"""`python -m jost.demo.watch`: counts all the time and keeps the last minutes; a process of `make demo`."""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import os
import signal
import time
from collections import deque
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import django
import requests

if TYPE_CHECKING:  # their models need Django, which `main` sets up
    from jost.demo.counts import Promise
    from jost.demo.faults import Fault
    from jost.demo.rows import Rows

logger = logging.getLogger(__name__)

EVERY_SECONDS = 1.0
# A quarter of an hour.
MOST_POINTS = 900
# Holdfast counts once a minute.
COUNTERS_SECONDS = 10.0
SAID = {
    "kill": "killed {target} ({pid})",
    "wipe": "wiped Redis",
    "freeze": "froze the scheduler",
}


class Watch:
    """Looks again and again; `look` is one pass. What is kept is bounded, and outlives this process."""

    def __init__(self, *, page: str, file: Path, run: str) -> None:
        self._page = page
        self._file = file
        self._run = run
        kept = told(file)
        mine = kept if kept.get("run") == run else {}
        self._points: deque[list[float]] = deque(mine.get("points", []), maxlen=MOST_POINTS)
        self._recovered: dict[str, float] = mine.get("recovered", {})
        self._rows: Rows = _rows(mine.get("rows", {}))
        self._happened: tuple[float, int] | None = None
        self._answers: dict[int, str] = {}
        self._compared = 0
        self._different = 0
        self._since: datetime | None = None
        self._count_again = 0.0
        self._counted: dict[str, int] = {}

    def look(self) -> None:
        """Count once, thaw what is due, and keep what the page shows."""
        from jost.demo import counts, faults

        broken = faults.known()
        faults.thaw(broken)
        promises = counts.promises()
        rows = self._rows.promises()
        now = time.time()
        oldest = counts.open_since([*promises, *rows])
        self._note_recoveries(broken, promises, now=now, oldest=oldest)
        self._compare_answers()
        jobs = self._jobs()
        self._add_point(promises, now=now, oldest=oldest, waiting=jobs["waiting"])
        self._keep(
            {
                "run": self._run,
                "at": now,
                "jobs": jobs,
                "kinds": [_row(each, now=now) for each in promises],
                "rows": self._rows.to_dict(),
                "tables": [_row(each, now=now) for each in rows],
                "sums": _sums(promises, rows),
                "answers": {"compared": self._compared, "different": self._different},
                "points": list(self._points),
                "recovered": self._recovered,
                "faults": [_broken(each, recovered=self._recovered) for each in reversed(broken)],
            }
        )

    def _note_recoveries(
        self, broken: list[Fault], promises: list[Promise], *, now: float, oldest: float | None
    ) -> None:
        """A fault is over once everything asked for before it has happened, and more happens.

        Of a frozen scheduler: once every message has been found that fell due while it was frozen.
        """
        from jost.demo import counts

        before, had = self._happened or (0.0, 0)
        goes_on = sum(each.happened for each in promises) > had
        for fault in broken:
            # What happened between two looks after the fault did not happen before it.
            if _name(fault) in self._recovered or before <= fault.until or not goes_on:
                continue
            waits = counts.behind_since() if fault.kind == "freeze" else oldest
            if waits is None or waits > fault.until:
                self._recovered[_name(fault)] = round(now - fault.at, 1)

    def _compare_answers(self) -> None:
        """Hold the answers of simulations of one seed against each other; they are the same to the byte."""
        from jost.demo.makers import NAME
        from jost.simulations.models import Simulation

        ended = Simulation.objects.filter(name=NAME, state=Simulation.State.SUCCEEDED)
        if self._since is not None:
            ended = ended.filter(finished_at__gt=self._since)
        for seed, tally, rounds, finished in ended.order_by("finished_at").values_list(
            "seed", "tally", "rounds", "finished_at"
        )[:50]:
            self._since = finished
            said = json.dumps([rounds, tally], sort_keys=True)
            answer = hashlib.sha256(said.encode()).hexdigest()
            self._compared += 1
            self._different += self._answers.setdefault(seed, answer) != answer

    def _jobs(self) -> dict[str, int]:
        """What Holdfast says of its jobs: now waiting and running; recorded and ended until a minute ago."""
        import holdfast

        queues = holdfast.queues()
        now = time.monotonic()
        if now > self._count_again:
            self._count_again = now + COUNTERS_SECONDS
            self._counted = self._counters() or self._counted
        waiting = sum(queue.total + queue.held for queue in queues)
        running = sum(queue.running for queue in queues)
        ended = self._counted.get("holdfast_queue_jobs_ended_total", 0)
        recorded = self._counted.get("holdfast_queue_jobs_recorded_total", 0)
        return {
            "waiting": waiting,
            "running": running,
            # Counted later than ends are; whatever ended, waits or runs was recorded.
            "recorded": max(recorded, ended + waiting + running),
            "ended": ended,
        }

    def _counters(self) -> dict[str, int]:
        from prometheus_client.parser import text_string_to_metric_families

        try:
            answer = requests.get(f"{self._page}/metrics", timeout=5)
            answer.raise_for_status()
        except requests.RequestException:
            return {}
        sums: dict[str, int] = {}
        for family in text_string_to_metric_families(answer.text):
            for sample in family.samples:
                sums[sample.name] = sums.get(sample.name, 0) + int(sample.value)
        return sums

    def _add_point(
        self, promises: list[Promise], *, now: float, oldest: float | None, waiting: int
    ) -> None:
        happened = sum(each.happened for each in promises)
        if self._happened is not None:
            before, had = self._happened
            rate = (happened - had) / max(now - before, 0.001)
            age = 0.0 if oldest is None else max(0.0, now - oldest)
            self._points.append([round(now, 1), round(rate, 2), waiting, round(age, 1)])
        self._happened = now, happened

    def _keep(self, values: dict[str, Any]) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        draft = self._file.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps(values))
        # Whoever reads sees the one or the other, never a half.
        draft.replace(self._file)


def told(file: Path) -> dict[str, Any]:
    """What a watch kept last; nothing, if none has looked yet."""
    try:
        values: dict[str, Any] = json.loads(file.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return values


def _row(promise: Promise, *, now: float) -> dict[str, Any]:
    since = promise.owed.since
    return {
        "name": promise.name,
        "owed": promise.owed.done + promise.owed.open,
        "happened": promise.happened,
        "open": promise.owed.open,
        "oldest": round(max(0.0, now - since.timestamp()), 1) if since else 0.0,
        "twice": promise.twice,
        "lost": promise.lost,
    }


def _rows(kept: dict[str, Any]) -> Rows:
    from jost.demo.rows import Rows

    return Rows(kept)


def _sums(promises: list[Promise], rows: list[Promise]) -> dict[str, int]:
    """Only the gateways have effects; what is lost or twice anywhere is."""
    return {
        "owed": sum(each.owed.done + each.owed.open for each in promises),
        "happened": sum(each.happened for each in promises),
        "open": sum(each.owed.open for each in promises),
        "twice": sum(each.twice for each in [*promises, *rows]),
        "lost": sum(each.lost for each in [*promises, *rows]),
    }


def _name(fault: Fault) -> str:
    return f"{fault.kind} {fault.at:.3f}"


def _broken(fault: Fault, *, recovered: dict[str, float]) -> dict[str, Any]:
    return {
        "kind": fault.kind,
        "said": SAID[fault.kind].format(target=fault.target, pid=fault.pid),
        "at": fault.at,
        "until": fault.until,
        "recovered": recovered.get(_name(fault)),
    }


def main() -> None:
    """Look once a second until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description="Counts what the demo shows.")
    parser.add_argument("--page", required=True, help="where JOST is: http://127.0.0.1:8000")
    options = parser.parse_args()
    django.setup()
    from django.conf import settings
    from django.db import close_old_connections

    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    watch = Watch(
        page=options.page, file=settings.DATA_DIR / "demo" / "told.json", run=settings.JOST_RUN
    )
    while not stop.wait(EVERY_SECONDS):
        close_old_connections()
        try:
            watch.look()
        except Exception:
            # The page shows how old the last look is.
            logger.warning("Could not look.", exc_info=True)


if __name__ == "__main__":
    main()
