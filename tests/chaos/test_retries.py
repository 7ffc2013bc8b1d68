"""Workers that are killed while jobs wait to run again, and around the clean-up of a job that has failed for good."""

from __future__ import annotations

import pytest

import holdfast
from holdfast.ledger.models import Attempt, Job
from holdfast.ledger.states import State
from tests.chaos.conftest import Enter
from tests.chaos.ground import Ground
from tests.eventually import eventually
from tests.processes import WorkerProcess
from tests.project import retrying
from tests.project.shopping import open_shop

WAIT = 3


def hire(ground: Ground, **options: object) -> WorkerProcess:
    """Start a worker that knows the tasks that are run again."""
    return ground.worker(f"--include=tests.chaos.tasks,{retrying.__name__}", **options)


@pytest.mark.parametrize(("database", "pool"), [("sqlite", "prefork"), ("postgres", "threads")])
def test_worker_killed_while_jobs_wait_to_run_again_takes_nothing_with_it(
    database: str, pool: str, enter_ground: Enter
) -> None:
    ground = enter_ground(database)
    victim = hire(ground, pool=pool)
    with open_shop(*[(503, {"Retry-After": str(WAIT)})] * 3) as shop:
        sent = [ground.task(retrying.fetch).delay(shop.url) for _ in range(3)]
        sent += [ground.task(retrying.later).delay(WAIT) for _ in range(3)]

        def all_wait() -> bool:
            return ground.site.counts() == {"held": 6}

        eventually(all_wait, told="all wait in the ledger")
        due = {id: job.due_at for id, job in ground.site.jobs().items() if job.due_at is not None}
        ground.kill(victim)

        hire(ground, pool=pool)
        ground.settle()

    assert [result.get() for result in sent] == [200] * 3 + ["there"] * 3
    for result in sent:
        first, second = holdfast.attempts(result)
        assert (first.outcome, second.outcome) in {
            ("retried", "succeeded"),
            ("snoozed", "succeeded"),
        }
        assert second.started_at is not None
        assert second.started_at >= due[result.id], "not before its time, by the database's clock"


@pytest.mark.parametrize("dies", ["its second try", "its clean-up"])
def test_job_that_fails_for_good_is_cleaned_up_after_once_whatever_is_killed(
    on_both: Ground, dies: str
) -> None:
    hire(on_both, concurrency=2)
    told = on_both.task(retrying.clean_up)
    sent = on_both.task(retrying.cleaning).apply_async(
        kwargs={"clean_up_dies": dies == "its clean-up", "dies": dies == "its second try"},
        link_error=told.s(),
    )

    on_both.settle()

    row = Job.objects.using(on_both.site.alias).get(id=sent.id)
    assert (row.state, row.reason) == (State.FAILED, "retries exhausted")
    lines = on_both.site.effect_counts()
    assert lines[f"cleans {sent.id}"] == 1, "recorded with the failure, and atomic"
    assert sum(lines[f"on_failure {sent.id} {n}"] for n in (1, 2, 3)) == 1
    outcomes = Attempt.objects.using(on_both.site.alias).filter(job=sent.id).order_by("id")
    lost = ["lost"] if dies == "its second try" else []
    assert [attempt.outcome for attempt in outcomes] == ["retried", *lost, "failed"]
    assert row.losses == len(lost)
