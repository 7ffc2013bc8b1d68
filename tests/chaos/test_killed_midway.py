"""Processes that die amid what is kept beside a job: its lines, its progress, the key it is encrypted with."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from celery import chord
from cryptography.fernet import Fernet
from django.conf import settings
from django.test import override_settings

import holdfast
from holdfast import Batch
from holdfast.ledger import reencryption
from holdfast.ledger.models.logs import AttemptLog
from tests.chaos.conftest import Enter, Tell
from tests.chaos.ground import Ground
from tests.eventually import eventually
from tests.project import batching, dying, retrying, steered

TASKS = (dying, batching, retrying, steered)
INCLUDE = f"--include=tests.chaos.tasks,{','.join(module.__name__ for module in TASKS)}"
OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))


def dies_after(ground: Ground, function: str, calls: int = 0) -> dict[str, str]:
    """Return the environment of a process that dies after so many calls of a function."""
    return {"DIES_AFTER": f"{function}:{calls}", "DIED": str(died(ground))}


def died(ground: Ground) -> Path:
    return ground.site.directory / "died"


@pytest.mark.short_on("sqlite")
def test_process_that_dies_between_the_lines_and_the_end_of_an_attempt_leaves_neither(
    on_both: Ground,
) -> None:
    keep = "holdfast.ledger.logs:keep"
    on_both.worker(INCLUDE, concurrency=1, environment=dies_after(on_both, keep))
    sent = on_both.task(retrying.plain).delay("value")
    eventually(died(on_both).exists, told="it died inside the transaction that ends the attempt")
    # Whoever died, a process of the pool or the worker: this one lives.
    on_both.worker(INCLUDE, concurrency=1)
    on_both.settle()

    ended = holdfast.attempts(sent)
    assert [attempt.outcome for attempt in ended] == ["lost", "failed"]
    assert [len(attempt.log) for attempt in ended] == [0, 2]
    rows = AttemptLog.objects.using(on_both.site.alias).filter(job=sent.id)
    assert list(rows.values_list("number", flat=True)) == [2]


@pytest.mark.short_on("postgres")
def test_worker_that_dies_with_ends_and_lines_unwritten_repeats_the_bodies_and_keeps_no_line_twice(
    on_both: Ground,
) -> None:
    on_both.worker(
        INCLUDE, concurrency=1, environment=dies_after(on_both, "holdfast.worker.ends:Ends.add")
    )
    sent = on_both.task(retrying.talk).delay("a line", 2)
    eventually(died(on_both).exists, told="the worker died with the end of the job in its hands")
    on_both.worker(INCLUDE, concurrency=1)
    on_both.settle()

    ended = holdfast.attempts(sent)
    assert [attempt.outcome for attempt in ended] == ["lost", "succeeded"]
    assert [len(attempt.log) for attempt in ended] == [0, 2]


@pytest.mark.parametrize("before", ["their ends are written", "the batch is looked at"])
@pytest.mark.short_on("sqlite")
def test_worker_that_dies_after_the_bodies_of_members_ends_their_batch_once(
    on_both: Ground, before: str
) -> None:
    function = {
        "their ends are written": "holdfast.worker.ends:Ends.add",
        "the batch is looked at": "holdfast.worker.following:Following._take",
    }[before]
    on_both.worker(INCLUDE, concurrency=1, environment=dies_after(on_both, function))
    told = on_both.task(batching.told)
    with Batch(before, on_complete=told.s("complete"), on_success=told.s("success")) as batch:
        members = [on_both.site.task("effect").delay(f"member {n}") for n in range(5)]
    eventually(died(on_both).exists, told="the worker died amid the ends of members")
    on_both.worker(INCLUDE, concurrency=1)
    eventually(batch.is_complete, within=30, told="the batch is complete")
    on_both.settle()

    assert batch.has_succeeded()
    assert batch.progress().succeeded == 5
    for event in ("complete", "success"):
        assert on_both.site.effects().count(f"told {before} {event}") == 1
    assert sorted(member.get() for member in members) == [f"member {n}" for n in range(5)]


@pytest.mark.short_on("postgres")
def test_worker_that_dies_before_the_end_that_completes_a_chord_sends_its_body_once(
    on_both: Ground,
) -> None:
    submit = "holdfast.worker.following:Following.submit"
    on_both.worker(INCLUDE, concurrency=1, environment=dies_after(on_both, submit))
    effect = on_both.site.task("effect")
    sent = chord([effect.s(f"member {n}") for n in range(5)], effect.si("body")).apply_async()
    eventually(died(on_both).exists, told="all members but one have ended, or will again")
    on_both.worker(INCLUDE, concurrency=1)
    on_both.settle()

    assert sent.get() == "body"
    assert on_both.site.effect_counts()["start body"] == 1
    assert on_both.site.counts() == {"succeeded": 6}


@pytest.mark.short_on("sqlite")
def test_process_that_dies_after_its_progress_was_written_is_followed_by_one_that_says_anew(
    on_both: Ground,
) -> None:
    gate = on_both.site.directory / "gate"
    write = "holdfast.dispatch.progress:Reporter._flush"
    on_both.worker(INCLUDE, concurrency=1, environment=dies_after(on_both, write))
    sent = on_both.task(steered.reporting).delay("again", str(gate))
    eventually(died(on_both).exists, told="it died after its first word")
    # Shown until the next attempt says more.
    assert sent.info["message"] in {"busy", "nearly there"}

    on_both.worker(INCLUDE, concurrency=1)
    last = {"done": 499, "total": 500, "message": "nearly there"}
    eventually(lambda: sent.info == last, told="the next attempt says how far it is")
    gate.touch()
    on_both.settle()

    assert (sent.state, sent.info) == ("SUCCESS", "again")
    assert on_both.site.jobs()[sent.id].losses == 1


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_renewal_of_keys_that_is_killed_leaves_every_row_readable_and_goes_on(
    database: str, enter_ground: Enter
) -> None:
    ground = enter_ground(database, environment={"HOLDFAST_ENCRYPTION_KEYS": f"{NEW},{OLD}"})
    told = ground.site.app.tasks["tests.project.tasks.told"]
    with override_settings(HOLDFAST={**settings.HOLDFAST, "encryption_keys": [OLD]}):
        sent = [told.apply_async((f"word {n}",), encrypt=True) for n in range(30)]

    renewing = ground.site.process(
        f"import {dying.__name__}\n"
        "from holdfast.ledger import reencryption\n"
        "reencryption.renew(batch=10)\n",
        environment=dies_after(ground, "holdfast.ledger.reencryption:_renew_batch", calls=1),
    )
    assert renewing.wait() == -9, renewing.log_tail()

    with override_settings(HOLDFAST={**settings.HOLDFAST, "encryption_keys": [NEW, OLD]}):
        assert sorted(reencryption.count_by_key().values()) == [10, 20]
        assert reencryption.renew(batch=10).rows == 10
        assert sorted(reencryption.count_by_key().values()) == [30]
    # By a worker that has the new key alone.
    ground.worker(environment={"HOLDFAST_ENCRYPTION_KEYS": NEW})
    ground.settle()
    with override_settings(HOLDFAST={**settings.HOLDFAST, "encryption_keys": [NEW]}):
        assert [job.get() for job in sent] == [f"(('word {n}',), {{}})" for n in range(30)]


@pytest.mark.short_on("sqlite")
def test_killed_worker_that_weighs_its_queues_leaves_no_queue_behind(
    on_both: Ground, tell: Tell
) -> None:
    weights = {"HOLDFAST_QUEUE_WEIGHTS": '{"critical": 6, "default": 3, "low": 1}'}
    hire = {"queues": "critical,default,low", "concurrency": 2, "environment": weights}
    task = on_both.site.app.tasks["tests.chaos.tasks.work"]
    sent = {
        queue: [job.id for job in task.apply_many([(0.02,)] * 40, queue=queue)]
        for queue in ("critical", "default", "low")
    }
    victim = on_both.worker(**hire)
    eventually(lambda: len(on_both.site.effects()) > 30, told="it is in the middle of them")
    on_both.kill(victim)
    assert on_both.site.open_jobs()
    on_both.worker(**hire)
    on_both.settle()

    rows = on_both.site.jobs().values()
    assert Counter(row.queue for row in rows) == dict.fromkeys(sent, 40)
    tell(on_both.judge([id for ids in sent.values() for id in ids]), faults=1)
