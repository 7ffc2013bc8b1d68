"""Workers that are killed while their jobs fill a limit: nothing stays taken, and nothing runs beside what stands."""

from __future__ import annotations

import pytest

from tests.chaos.conftest import Tell
from tests.chaos.ground import Ground
from tests.eventually import eventually
from tests.project import limited

TASKS = f"--include=tests.chaos.tasks,{limited.__name__}"


def begun(ground: Ground) -> list[str]:
    return limited.begun(ground.site.effects_file)


@pytest.mark.short_on("sqlite")
def test_killed_worker_leaves_nothing_taken_and_nothing_runs_beside_it(
    on_both: Ground, tell: Tell
) -> None:
    victim = on_both.worker(TASKS, concurrency=3)
    sent = limited.narrow.apply_many([(f"first{n}", 0.0 if n > 2 else 1.5) for n in range(12)])
    eventually(lambda: len(begun(on_both)) == 3, told="the limit is full")
    victims = set(begun(on_both))

    on_both.kill(victim)
    on_both.worker(TASKS, concurrency=4)
    on_both.settle()

    counts = {name: begun(on_both).count(name) for name in begun(on_both)}
    assert counts == {f"first{n}": 2 if f"first{n}" in victims else 1 for n in range(12)}
    assert limited.most_at_once(on_both.site.effects_file, but=victims) <= 3
    tell(on_both.judge([result.id for result in sent]), faults=1, more="3 places were taken")


@pytest.mark.short_on("postgres")
def test_producer_killed_between_admission_and_publication_holds_nobody_up(
    on_both: Ground, tell: Tell
) -> None:
    on_both.worker(TASKS, concurrency=2)
    # It dies where the tickets of what it has let in would be published.
    producer = on_both.site.process(
        "from holdfast.dispatch.outbox import Outbox\n"
        "from tests.project import limited\n"
        "Outbox.publish = lambda self, tickets: os._exit(9)\n"
        "limited.narrow.apply_many([(f'p{n}',) for n in range(6)])\n"
    )
    assert producer.wait() == 9

    on_both.settle()

    assert sorted(begun(on_both)) == [f"p{n}" for n in range(6)]
    tell(on_both.judge(list(on_both.site.states())), faults=1, more="3 jobs had been let in")
