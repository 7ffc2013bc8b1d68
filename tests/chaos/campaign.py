"""One soak: a crew of workers, producers, faults at random, quiet, and the judgement; runs in the soak's process."""

from __future__ import annotations

import platform
import statistics
import time
from collections import Counter
from random import Random
from typing import Any

import celery
import django
import kombu

from holdfast.ledger.models import Attempt, Job
from holdfast.ledger.states import Outcome, State
from tests.chaos import judge, producer
from tests.chaos.faults import CATALOGUE, Scene
from tests.chaos.ground import Ground, Harm, lasting
from tests.chaos.judge import Loss
from tests.processes import SiteProcess

PAUSE = (0.5, 3.0)
PRODUCERS = 2
CREW = {"prefork": 2, "threads": 1}
SLOTS = {"prefork": 2, "threads": 4}
# Nobody is to die of being hit by chance; what becomes dead after three losses has scenarios of its own.
SETTINGS = {"max_lost_attempts": 1000.0}


class Soak:
    """One run: load, faults, quiet, judgement."""

    def __init__(self, on: Ground, *, seed: int, minutes: float, database: str) -> None:
        self.on = on
        self.seed, self.minutes, self.database = seed, minutes, database
        self.rng = Random(seed)
        self.stop_file = on.site.directory / "stop"
        self.scene = Scene(on, self.rng, [], [])
        self.started = 0
        self.pools: dict[int, str] = {}
        self.faults: Counter[str] = Counter()

    def run(self) -> dict[str, Any]:
        """Break things for so many minutes, then let everything come to its end."""
        catalogue = [fault for fault in CATALOGUE if self.database in fault.databases]
        self._man()
        for worker in self.scene.workers:
            worker.wait_ready()
        deadline = time.monotonic() + self.minutes * 60
        while time.monotonic() < deadline:
            fault = self.rng.choice(catalogue)
            began = time.monotonic()
            hit = fault.strike(self.scene)
            self.faults[fault.name] += hit
            missed = "" if hit else ", hit nothing that held work"
            say(f"{fault.name} ({time.monotonic() - began:.1f} s{missed})")
            self._man()
            lasting(self.rng.uniform(*PAUSE))
        self.stop_file.touch()
        say("quiet: waiting until every job is final")
        for sender in self.scene.producers:
            sender.wait(60)
        try:
            self.on.settle(120)
        except AssertionError as error:
            # The judge counts what is still open as lost, beside all the rest.
            say(str(error))
        for worker in self.scene.workers:
            worker.stop(40)
        return self.result()

    def end_producers(self) -> None:
        """Leave no process behind, whatever went wrong."""
        for sender in self.scene.producers:
            sender.kill()

    def _man(self) -> None:
        """Start what a supervisor would start: workers and producers that are gone."""
        workers, senders = self.scene.workers, self.scene.producers
        workers[:] = [worker for worker in workers if worker.running]
        senders[:] = [sender for sender in senders if sender.running]
        manned = Counter(self.pools[worker.pid] for worker in workers)
        for pool, wanted in CREW.items():
            for _ in range(wanted - manned[pool]):
                workers.append(self.on.worker(pool=pool, concurrency=SLOTS[pool], wait=False))
                self.pools[workers[-1].pid] = pool
        while len(senders) < PRODUCERS:
            self.started += 1
            senders.append(self._producer())

    def _producer(self) -> SiteProcess:
        arguments = (str(self.seed * 1000 + self.started), str(self.on.journal))
        return SiteProcess(
            ["-m", producer.__name__, *arguments, str(self.stop_file)],
            log=self.on.site.directory / f"producer{self.started}.log",
            environment=self.on.site.environment | self.on.environment,
        )

    def result(self) -> dict[str, Any]:
        """Judge the run by the ledger and the effects."""
        noted = [line.split() for line in self.on.journal.read_text().splitlines()]
        found = self.on.judge([job for what, job in noted if what == "committed"])
        undone = {job for what, job in noted if what == "undone"}
        rows = Job.objects.using(self.on.site.alias)
        failed = {
            *rows.filter(state__in=[State.FAILED, State.DEAD]).values_list("id", flat=True)
        } - {loss.job for loss in judge.refused_writers(self.on.site) if self._was_frozen(loss)}
        taken = judge.losses(self.on.site)
        recovered = self._recoveries(taken)
        bound = self.on.bound
        return {
            "jobs": found.jobs,
            "faults": dict(sorted(self.faults.items())),
            "lost": sorted(found.lost),
            "duplicated_atomic": sorted(found.duplicated_atomic),
            "unexplained_duplicates": sorted({*found.unexplained, *self._needless(taken)}),
            "false_rescues": sorted(loss.job for loss in taken if self._is_false(loss)),
            "ran_though_rolled_back": sorted(undone & {*judge.runs(self.on.site), *self._ids()}),
            "failed_by_a_fault": sorted(failed),
            "bodies_run_again": found.repeated,
            "recovery_seconds": {
                "p50": round(statistics.median(recovered), 2) if recovered else None,
                "max": round(max(recovered), 2) if recovered else None,
                "bound": bound,
                "count": len(recovered),
            },
            "seed": self.seed,
            "minutes": self.minutes,
            "database": self.database,
            "versions": self._versions(),
        }

    def _ids(self) -> set[str]:
        return set(Job.objects.using(self.on.site.alias).values_list("id", flat=True))

    def _harms(self, loss: Loss, *targets: int | str | None) -> list[Harm]:
        """Return what was done to the targets while an attempt stood, its lease included."""
        return [
            harm
            for harm in self.on.harms
            if harm.target in targets
            and harm.since <= loss.ended
            and harm.until + self.on.bound >= loss.began
        ]

    def _is_false(self, loss: Loss) -> bool:
        """Tell whether a worker to which nothing was done lost an attempt."""
        return loss.outcome == Outcome.LOST and not self._harms(loss, loss.worker_pid)

    def _was_frozen(self, loss: Loss) -> bool:
        """Tell whether an atomic body kept SQLite's writer only because it was frozen: it fails, as stated."""
        done = self._harms(loss, loss.worker_pid)
        return any(harm.fault in {"stop worker", "stop child"} for harm in done)

    def _needless(self, taken: list[Loss]) -> set[str]:
        """Return jobs that ran again though neither their worker nor the database was touched."""
        bodies = judge.runs(self.on.site)
        again = {
            (job, run.token) for job, of_job in bodies.items() for run in of_job[:-1] if of_job[1:]
        }
        asked = set(
            Attempt.objects.using(self.on.site.alias)
            .filter(outcome=Outcome.RETRIED)
            .values_list("job", "token")
        )
        by_attempt = {(loss.job, loss.token): loss for loss in taken}
        return {
            attempt[0]
            for attempt in again - asked
            if (loss := by_attempt.get(attempt)) is not None
            and not self._harms(loss, loss.worker_pid, "database")
        }

    def _recoveries(self, taken: list[Loss]) -> list[float]:
        """Return how long each attempt of a killed or frozen worker took to come back, the database being there."""
        seconds = []
        for loss in taken:
            done = [
                harm
                for harm in self._harms(loss, loss.worker_pid)
                if harm.fault in {"kill worker", "stop worker"}
            ]
            if loss.cause != judge.LEASE_RAN_OUT or not done:
                continue
            since = max(harm.since for harm in done)
            away = [
                harm
                for harm in self.on.harms
                if harm.target == "database"
                and harm.since <= loss.ended
                # After an outage nobody judges before a whole lease of steady beats.
                and harm.until + self.on.lease >= since
            ]
            if not away:
                seconds.append(loss.ended - since)
        return seconds

    def _versions(self) -> dict[str, str]:
        known = {
            "python": platform.python_version(),
            "django": django.get_version(),
            "celery": celery.__version__,
            "kombu": kombu.__version__,
            "redis": self.on.redis.version(),
        }
        if self.on.postgres is not None:
            known["postgres"] = self.on.postgres.execute("SHOW server_version")
        return known


def say(text: str) -> None:
    """Tell the terminal what goes on."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)  # noqa: T201  # its user interface
