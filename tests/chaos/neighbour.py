"""A second project on the same Redis: its own database, worker and producer, judged by the same rules; in the soak."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from os import getpid
from pathlib import Path
from random import Random
from typing import Any, Self

from tests.chaos import next_door, rules
from tests.chaos.choosing import Choice
from tests.chaos.crew import Crew
from tests.chaos.evidence import gather
from tests.chaos.faults import CATALOGUE, Scene
from tests.chaos.ground import Ground
from tests.eventually import eventually
from tests.harness import Site
from tests.ledgers import sqlite_url
from tests.surroundings import database

# None that freezes: on SQLite that would be a fault of a database, and the two projects have one each.
FAULTS = frozenset(
    {"kill child", "end child", "kill worker", "end worker", "rush worker", "kill producer"}
)
WAYS_PER_SECOND = 3.0
# Between two of them: it is there for what both projects have in common.
PAUSE = (8.0, 20.0)
_numbers = count(1)


class SiteNextDoor(Site):
    """A site that this process looks at and is no part of: its ledger has an alias here, its app is its own."""

    def __enter__(self) -> Self:
        self.effects_file.touch()
        self._migrate()
        with ExitStack() as stack:
            stack.enter_context(database(self.alias, self.database_url))
            stack.callback(self.kill_workers)
            self._stack = stack.pop_all()
        return self


class CrewNextDoor(Crew):
    """One worker of each pool and one producer, which sends in all ways but the poison."""

    ways = "tests.chaos.ways.HARMLESS"
    workers_wanted = {"prefork": 1, "threads": 1}
    queues = dict.fromkeys(workers_wanted, next_door.CELERY_TASK_DEFAULT_QUEUE)
    schedulers = 0
    producers_wanted = 1
    forgers_wanted = 0


class Neighbour:
    """Who runs next door, and what strikes them; faults of Redis and of the database's server strike both projects."""

    def __init__(
        self,
        on: Ground,
        *,
        beside: Ground,
        seed: int,
        stop: Path,
        per_second: float = WAYS_PER_SECOND,
    ) -> None:
        """Take the ground of the other project, and the stop file of its crew: the two come to their ends together."""
        self.on, self.beside = on, beside
        rng = Random(f"{seed} next door")
        self.scene = Scene(on, rng, [], [], [])
        self.choice = Choice([one for one in CATALOGUE if one.name in FAULTS], rng)
        self.crew = CrewNextDoor(on, self.scene, seed=-seed, stop=stop, per_second=per_second)

    def settle(self, timeout: float) -> None:
        """Wait until every job is final; whoever dies meanwhile is started again."""
        self.on.forget_connection()

        def settled() -> bool:
            self.crew.man()
            left = self.on.site.open_jobs()
            assert not left, f"{len(left)} jobs next door are open: {dict(list(left.items())[:10])}"
            return True

        eventually(settled, within=timeout, every=0.2, told="every job next door is final")

    def judged(self) -> tuple[dict[str, Any], dict[str, list[str]]]:
        """Return the figures of the project next door, and the rules that were broken there, by what."""
        evidence = gather(self.on, list(self.crew.lives.values()))
        # What is done to a process is done to one project, what is done to a service to both.
        evidence.harms += [harm for harm in self.beside.harms if isinstance(harm.target, str)]
        figures = rules.measured(evidence)
        told = {name: figures[name] for name in ("jobs", "batches", "run_again", "recovery")}
        found = rules.judged(evidence)
        return (
            told | {"faults": dict(sorted((+self.choice.hits).items()))},
            {f"next door: {name}": list(broken) for name, broken in found.items() if broken},
        )


@contextmanager
def next_door_to(on: Ground) -> Iterator[Ground]:
    """Enter the ground of a second project: the same Redis and database server, another database."""
    directory = on.site.directory / "next-door"
    directory.mkdir()
    url = sqlite_url(directory)
    if on.postgres is not None:
        url = on.postgres.create_database(f"next_door_{next(_numbers)}_{getpid()}")
    site = SiteNextDoor(
        directory,
        database_url=url,
        broker_url=on.site.broker_url,
        holdfast=on.site.holdfast,
        environment={"DJANGO_SETTINGS_MODULE": next_door.__name__},
        fresh=True,
        warm=on.site.warm,
    )
    with site:
        yield Ground(site, on.redis, on.broker, on.postgres, on.database)
