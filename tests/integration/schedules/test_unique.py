"""Occurrences whose call is unique: they note the job that stands for it, and no conflict holds a schedule up."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from holdfast import Unique, run_now
from holdfast.beat.firing import JOB_WAS_THERE
from holdfast.beat.scheduler import Scheduler
from tests.integration.schedules.passes import MINUTE, Clock, counted, entry, fired, jobs, reasons


@pytest.mark.parametrize("conflict", ["existing", "raise"])
def test_occurrence_whose_key_is_taken_notes_the_job_that_was_there(
    start: Callable[..., Scheduler], clock: Clock, conflict: str
) -> None:
    unique = Unique(conflict="raise" if conflict == "raise" else "existing")
    scheduler = start(one=entry(options={"unique": unique}))
    scheduler.one_pass()
    for _ in range(3):
        clock.now += MINUTE
        scheduler.one_pass()

    (job,) = jobs()
    assert fired() == [job] * 3
    assert reasons() == ["", JOB_WAS_THERE, JOB_WAS_THERE]
    assert run_now("one").id == job
    assert counted() == {"fired": 4}
