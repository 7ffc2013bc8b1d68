"""Workers that are killed or frozen half-way: the next attempt goes on where they were, and no step happens twice."""

from __future__ import annotations

import signal

import pytest

import holdfast
from holdfast.ledger import checkpoints
from tests.chaos.conftest import Enter
from tests.chaos.ground import Ground
from tests.eventually import eventually
from tests.processes import WorkerProcess
from tests.project import steered
from tests.project.models import AtomicEffect


def hire(ground: Ground, **options: object) -> WorkerProcess:
    """Start a worker that knows the tasks that can go on."""
    return ground.worker(f"--include=tests.chaos.tasks,{steered.__name__}", **options)


def steps(ground: Ground) -> list[str]:
    rows = AtomicEffect.objects.using(ground.site.alias).order_by("job")
    return list(rows.values_list("job", flat=True))


def notes(ground: Ground, word: str) -> list[str]:
    return [line for line in ground.site.effects() if line.startswith(f"{word} ")]


@pytest.mark.short_on("postgres")
def test_worker_killed_half_way_leaves_its_checkpoint_and_its_wish(on_both: Ground) -> None:
    victim = hire(on_both, concurrency=2)
    resumed = on_both.task(steered.resumable).delay("long", 6, "between")
    unwanted = on_both.task(steered.deaf).delay("unwanted", str(on_both.site.directory / "never"))
    eventually(lambda: notes(on_both, "stays") and notes(on_both, "start"), told="both run")
    holdfast.cancel(unwanted, terminate=False)

    on_both.kill(victim)
    hire(on_both, concurrency=2)
    on_both.settle()

    assert notes(on_both, "from") == ["from long 0", "from long 4"]
    assert steps(on_both) == [f"long {step}" for step in range(6)]
    assert resumed.get() == 2
    assert checkpoints.load(resumed.id) is None
    assert notes(on_both, "start") == ["start unwanted"], "it did not run again"
    assert on_both.site.states()[unwanted.id] == "cancelled"
    assert not on_both.site.open_jobs()


def test_worker_frozen_inside_a_step_is_ended_and_the_step_happens_once(
    enter_ground: Enter,
) -> None:
    ground = enter_ground("postgres")
    zombie = hire(ground, concurrency=1)
    resumed = ground.task(steered.resumable).delay("long", 6, "inside")
    eventually(lambda: notes(ground, "stays"), told="it is inside a step")
    with ground.harming("stop worker", zombie.pid):
        zombie.signal_group(signal.SIGSTOP)
        hire(ground, concurrency=1)
        # The frozen transaction holds the job: without an end of it nobody could take the job over.
        ground.settle()
    assert resumed.get() == 3
    assert notes(ground, "from") == ["from long 0", "from long 3"]
    assert steps(ground) == [f"long {step}" for step in range(6)]
    zombie.signal_group(signal.SIGKILL)
