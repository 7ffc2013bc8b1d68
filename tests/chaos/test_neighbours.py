"""Two projects, each with a ledger of its own, share one Redis: what breaks for both costs neither what is promised."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from holdfast.ledger.models import Job
from tests.chaos.campaign import SETTINGS
from tests.chaos.conftest import Enter
from tests.chaos.faults import broker, processes
from tests.chaos.neighbour import Neighbour, next_door_to
from tests.chaos.stage import stage
from tests.eventually import eventually

pytestmark = pytest.mark.short_on("sqlite")


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_two_projects_share_a_redis_that_is_wiped(database: str, enter_ground: Enter) -> None:
    on = enter_ground(database, holdfast=SETTINGS)
    with ExitStack() as stack:
        staged = stack.enter_context(stage(on))
        there = stack.enter_context(next_door_to(on))
        neighbour = Neighbour(there, beside=on, seed=7, stop=staged.crew.stop)
        stack.callback(neighbour.crew.kill)
        neighbour.crew.man()
        neighbour.crew.await_workers()
        eventually(there.site.effects, told="a job next door has begun")
        assert staged.strike(broker.wipe)
        assert processes.kill_worker.strike(neighbour.scene)
        neighbour.crew.man()
        assert staged.settle() == {}
        neighbour.settle(60)
        neighbour.crew.end_workers()
        figures, broken = neighbour.judged()
        assert broken == {}
        assert figures["jobs"] > 0
        here, beside = (
            set(Job.objects.using(each.site.alias).values_list("id", flat=True))
            for each in (on, there)
        )
        ran = [{line.split()[1] for line in each.site.effects()} for each in (on, there)]
        assert ran[0] <= here
        assert ran[1] <= beside
        assert not here & beside
