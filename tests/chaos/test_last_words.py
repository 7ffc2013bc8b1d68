"""What a process of a pool says before it dies is heard, also where another one died just before (P6, P10)."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from holdfast.ledger.models import Job
from holdfast.ledger.states import State
from tests.chaos import judge, tasks
from tests.chaos.conftest import Enter
from tests.eventually import eventually
from tests.processes import unread_by
from tests.project.falling import FALLEN

MOST = 2


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_job_that_kills_its_process_while_another_one_dies_is_begun_once_and_its_loss_counts(
    database: str, enter_ground: Enter, tmp_path: Path
) -> None:
    # A lease so long that nothing is ended for being stopped.
    on = enter_ground(database, holdfast={"lease_seconds": 30.0, "max_lost_attempts": MOST})
    worker = on.worker("-I", f"tests.project.falling,{tasks.__name__}", concurrency=2)
    gates = [tmp_path / "one", tmp_path / "two"]
    sent = [on.task(tasks.work_until).delay(str(gate)) for gate in gates]
    at = on.await_running(2)
    # The pool looks after its processes from the last to the first.
    first, last = sorted(at, key=lambda job: worker.pids().index(at[job]))
    gates[[one.id for one in sent].index(last)].touch()
    eventually(lambda: on.site.states()[last] == "succeeded", told="the last process is free")
    worker.await_line(f"[{last}] succeeded")
    psutil.Process(at[last]).suspend()
    bad = on.task(tasks.poison).delay()
    eventually(lambda: unread_by(at[last]), told="the stopped process has the job in its pipe")

    on.kill_child(worker, at[first])
    worker.await_line(FALLEN)

    gates[0].touch()
    gates[1].touch()
    on.settle()
    row = Job.objects.using(on.site.alias).get(id=bad.id)
    tokens = [run.token for run in judge.runs(on.site)[bad.id]]
    assert (row.state, row.losses) == (State.DEAD, MOST)
    assert len(tokens) == len(set(tokens)) == MOST
