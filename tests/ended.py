"""Ends that a worker's main process is to write, without a worker: jobs whose bodies have ended, and who is told."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from holdfast.ledger import transitions
from holdfast.ledger.models import Job
from holdfast.ledger.records import End, Hold, Part, StoredResult
from holdfast.ledger.states import State
from holdfast.worker.ends import Ends
from tests.rows import new_job


class Told:
    """Ends of one worker, which of them somebody was told of, and what is left to another thread."""

    def __init__(self, worker: UUID) -> None:
        self.worker = worker
        self.wakes = 0
        self.heard: list[str] = []
        self.alone: list[str] = []
        self.aside: list[Callable[[], object]] = []
        self.ends = Ends(lambda: self.worker, self._wake, self.aside.append)

    def _wake(self) -> None:
        self.wakes += 1

    def add(
        self,
        hold: Hold,
        stored: StoredResult | None = None,
        log: str = "",
        part: Part | None = None,
    ) -> None:
        """Add an end that is told of; written by itself it is noted, and no more."""

        def alone() -> bool:
            self.alone.append(hold.id)
            return True

        self.ends.add(
            End(hold, stored, log, part), then=lambda: self.heard.append(hold.id), alone=alone
        )


def run(worker: UUID, *ids: str) -> list[Hold]:
    """Bring jobs to where their bodies have ended."""
    tickets = transitions.record([new_job(id) for id in ids])
    batch = transitions.claim([(t.id, t.token, False) for t in tickets], worker=worker)
    by_id = {job.id: Hold(job.id, job.token, worker) for job in batch.claimed}
    return [by_id[id] for id in ids]


def states(alias: str) -> dict[str, str]:
    """Return the states of all jobs by their ids."""
    rows = Job.objects.using(alias).values_list("id", "state")
    return {id: State(state).name.lower() for id, state in rows}
