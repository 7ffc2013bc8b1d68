"""What one attempt leaves for the next: fenced, bounded, and gone when it is of no use any more."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from threading import Timer
from typing import Any
from uuid import UUID

import pytest
from django.db import OperationalError, connections, transaction
from django.db.models import F
from django.test import override_settings

import holdfast
from holdfast.conf import get_settings
from holdfast.dispatch import progress
from holdfast.dispatch.progress import Reporter, in_words, meta_of
from holdfast.exceptions import AttemptLost, CheckpointRefused
from holdfast.ledger import checkpoints, interventions, transitions
from holdfast.ledger.models import Job
from holdfast.ledger.reads import queries
from holdfast.ledger.reads.details import details
from holdfast.ledger.records import Hold
from holdfast.ledger.states import Outcome, State
from holdfast.lineage import running
from holdfast.policies import checkpoints as policy
from tests.rows import FAILURE, hire, new_job


@pytest.fixture
def worker(ledger: str) -> UUID:
    return hire()


def run_one(worker: UUID, **more: Any) -> Hold:
    (ticket,) = transitions.record([new_job(**more)])
    return claim(ticket.id, ticket.token, worker)


def claim(id: str, token: int, worker: UUID) -> Hold:
    (job,) = transitions.claim([(id, token, False)], worker=worker).claimed
    return Hold(job.id, job.token, worker)


def saved(worker: UUID, state: Any = 7) -> Hold:
    hold = run_one(worker)
    with running(hold):
        assert holdfast.checkpoint(state)
    return hold


def test_next_attempt_gets_what_the_last_one_left(worker: UUID) -> None:
    hold = run_one(worker)
    state = {"page": 3, "seen": ["ä", None], "share": 0.5}
    with running(hold):
        assert holdfast.last_checkpoint() is None
        assert holdfast.last_checkpoint(default="begin") == "begin"
        assert holdfast.checkpoint(state)
        assert holdfast.last_checkpoint() == state
    (ticket,) = transitions.hand_back([hold], cause="stop")
    with running(claim(ticket.id, ticket.token, worker)):
        assert holdfast.last_checkpoint() == state
    shown = details(hold.id)
    assert shown is not None
    assert shown.checkpoint_at is not None


def test_attempt_that_lost_its_job_saves_nothing(worker: UUID) -> None:
    hold = saved(worker, "old")
    (ticket,) = transitions.hand_back([hold], cause="stop")
    heir = claim(ticket.id, ticket.token, worker)
    with running(heir):
        holdfast.checkpoint("new")
    with running(hold), pytest.raises(AttemptLost):
        holdfast.checkpoint("of a zombie")
    assert checkpoints.load(hold.id) == '"new"'


def test_checkpoint_is_part_of_the_transaction_around_it(ledger: str, worker: UUID) -> None:
    hold = saved(worker, 1)
    with running(hold):
        with transaction.atomic(using=ledger):
            holdfast.checkpoint(2)
            transaction.set_rollback(True, using=ledger)
        assert holdfast.last_checkpoint() == 1
        with transaction.atomic(using=ledger):
            holdfast.checkpoint(3)
        assert holdfast.last_checkpoint() == 3


def test_what_cannot_be_kept_is_refused_with_the_repair(worker: UUID) -> None:
    hold = saved(worker, 1)
    with running(hold):
        with pytest.raises(CheckpointRefused, match="must be what JSON can say"):
            holdfast.checkpoint(object())
        sizes = {**_settings(), "checkpoint_max_bytes": 100}
        with override_settings(HOLDFAST=sizes):
            assert holdfast.checkpoint("x" * 98)
            with pytest.raises(CheckpointRefused, match="101 bytes is too big"):
                holdfast.checkpoint("x" * 99)
    with (
        running(hold, {"atomic": True}),
        pytest.raises(CheckpointRefused, match="Remove atomic=True"),
    ):
        holdfast.checkpoint(2)
    assert checkpoints.load(hold.id) == f'"{"x" * 98}"'


def _settings() -> dict[str, Any]:
    return {"database": get_settings().database}


def test_checkpoints_may_be_asked_for_oftener_than_they_are_written(
    worker: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(policy, "monotonic", lambda: clock[0])
    with running(run_one(worker)):
        assert holdfast.checkpoint(1, every=5)
        clock[0] = 4.9
        assert not holdfast.checkpoint(2, every=5)
        assert holdfast.last_checkpoint() == 1
        clock[0] = 5.0
        assert holdfast.checkpoint(3, every=5)
        assert holdfast.checkpoint(4), "without a pause each is written"


def test_nothing_is_kept_outside_of_attempts(ledger: str) -> None:
    assert not holdfast.checkpoint(1)
    assert holdfast.last_checkpoint("none") == "none"
    with pytest.raises(CheckpointRefused):
        holdfast.checkpoint(object())


@pytest.mark.parametrize(
    ("leave", "kept"),
    [
        (lambda hold: transitions.fail(hold, stored=FAILURE, error="e"), True),
        (lambda hold: interventions.cancel([hold.id], running=True), True),
        (lambda hold: transitions.succeed(hold, stored=None), False),
    ],
    ids=["failed", "cancelled", "succeeded"],
)
def test_replay_goes_on_from_the_checkpoint_of_a_job_that_has_not_succeeded(
    worker: UUID, leave: Callable[[Hold], Any], kept: bool
) -> None:
    hold = saved(worker)
    leave(hold)
    assert interventions.replay(hold.id) is not None
    assert (checkpoints.load(hold.id) is not None) == kept


def test_replay_from_the_start_and_with_other_arguments_forgets_it(worker: UUID) -> None:
    again, edited = saved(worker), saved(worker)
    for hold in (again, edited):
        transitions.fail(hold, stored=FAILURE, error="e")
    interventions.replay(again.id, from_start=True)
    found = queries.state_of(edited.id)
    assert found is not None
    assert interventions.edit(edited.id, token=found[1], headers="{}", body=b"[1]", actor="ada")
    assert [checkpoints.load(hold.id) for hold in (again, edited)] == [None, None]


def test_what_replaces_a_job_begins_at_its_own_start(worker: UUID) -> None:
    replaced, awaited = saved(worker), saved(worker)
    transitions.retry(
        replaced, job=new_job(replaced.id), stored=None, error="", outcome=Outcome.REPLACED
    )
    transitions.await_replacement(awaited)
    assert [checkpoints.load(hold.id) for hold in (replaced, awaited)] == [None, None]


def test_success_takes_its_checkpoint_along_or_neither_is_written(worker: UUID) -> None:
    hold = saved(worker)

    def complete(error: Exception | None = None) -> None:
        assert transitions.succeed(hold, stored=None)
        if error:
            raise error

    with running(hold):
        holdfast.last_checkpoint()
        end = policy.forgetting(hold, complete)
    with pytest.raises(OperationalError):
        end(OperationalError("gone"))
    assert checkpoints.load(hold.id) is not None
    end()
    assert checkpoints.load(hold.id) is None
    with running(hold):
        assert policy.forgetting(hold, complete) is complete, "a job without one pays nothing"


def test_checkpoint_is_deleted_with_its_job(ledger: str, worker: UUID) -> None:
    pruned, forgotten = saved(worker), saved(worker)
    for hold in (pruned, forgotten):
        transitions.succeed(hold, stored=None)
    interventions.forget(forgotten.id)
    Job.objects.using(ledger).update(finished_at=F("finished_at") - timedelta(days=2))
    assert queries.prune_finished(states=[State.SUCCEEDED], before=timedelta(days=1), limit=10) == 1
    with connections[ledger].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM holdfast_checkpoint")
        assert cursor.fetchone() == (0,)


# -- progress -----------------------------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(progress, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def timers(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Timers that go off when the test says so."""
    made: list[Any] = []

    class Waiting(Timer):
        def start(self) -> None:
            made.append(self)

    monkeypatch.setattr(progress, "Timer", Waiting)
    return made


def test_progress_is_written_now_and_then_and_the_last_word_always(
    ledger: str, clock: list[float], timers: list[Any]
) -> None:
    written: list[dict[str, Any]] = []
    reporter = Reporter(written.append, job="j")
    for done in range(100):
        reporter.report(meta_of(done, 100, ""))
    assert [meta["done"] for meta in written] == [0]
    (timer,) = timers
    assert timer.interval == progress.PAUSE_SECONDS
    clock[0] += progress.PAUSE_SECONDS
    timer.function()
    assert [meta["done"] for meta in written] == [0, 99]
    reporter.report(meta_of(100, 100, "done"))
    assert len(written) == 2
    clock[0] += 2 * progress.PAUSE_SECONDS
    timers[1].function()
    assert written[-1] == {"done": 100, "total": 100, "message": "done"}
    clock[0] += progress.PAUSE_SECONDS
    reporter.report(meta_of(101, None, ""))
    assert written[-1]["done"] == 101, "after a pause it is written at once"
    reporter.report(meta_of(102, None, ""))
    timers[-1].join = lambda seconds: None
    reporter.close()
    assert timers[-1].finished.is_set(), "nothing is left behind by a body that is over"
    timers[-1].function()
    assert written[-1]["done"] == 101


def test_progress_that_cannot_be_written_fails_nothing(
    ledger: str, clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    def write(meta: dict[str, Any]) -> None:
        raise OperationalError("gone")

    Reporter(write, job="j").report(meta_of(1, 2, ""))
    assert "Job j: its progress could not be written (gone)" in caplog.text


def test_progress_is_held_to_numbers_and_read_as_words() -> None:
    wrongs: list[tuple[Any, Any]] = [(None, 1), ("1", 2), (1, "2"), (True, 2)]
    for done, total in wrongs:
        with pytest.raises(TypeError, match="give a number"):
            meta_of(done, total, "")
    assert in_words(meta_of(1, 4, "loading")) == "1 of 4 (25%): loading"
    assert in_words(meta_of(0, 0, "")) == "0"
