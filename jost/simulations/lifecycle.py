"""What people do to a simulation: start, pause, resume, extend, cancel; called by pages, REST and commands.

Each locks the simulation's row, and moves it and its jobs in one transaction. What cpu workers do to it stands in
`gathering`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from secrets import randbelow

from django.contrib.auth.models import User
from django.db import transaction

from . import legs
from .engine import ENGINE_VERSION, MAX_ROUNDS, MAX_SEED, MIN_ROUNDS
from .models import Simulation, Study
from .numbers import MAX_TARGET, MIN_TARGET
from .setup import Setup

# Short enough to be told over the phone.
RANDOM_SEEDS = 10**9

State = Simulation.State


def start(
    setup: Setup,
    *,
    rounds: int,
    seed: int | None = None,
    target: float | None = None,
    name: str = "",
    owner: User | None = None,
    study: Study | None = None,
    place: int = 0,
) -> Simulation:
    """Record a simulation and all its jobs in one transaction: both exist, or neither.

    With a `target` it ends at the first prefix of its chunks whose 95 % interval reaches no further than that from
    the value, and after `rounds` at the latest.

    Raises:
        ValueError: a number lies outside what is possible; the message names it and says the repair.
    """
    check(rounds=rounds, seed=seed, target=target)
    with transaction.atomic():
        simulation = Simulation.objects.create(
            owner=owner,
            name=name,
            rules=setup.to_dict(),
            rounds=rounds,
            seed=new_seed() if seed is None else seed,
            target=target,
            engine_version=ENGINE_VERSION,
            study=study,
            place=place,
        )
        legs.begin(simulation)
    simulation.refresh_from_db()
    return simulation


def check(*, rounds: int, seed: int | None = None, target: float | None = None) -> None:
    """Refuse what no simulation can be asked for, with a ValueError that says the repair."""
    if not MIN_ROUNDS <= rounds <= MAX_ROUNDS:
        raise ValueError(
            f"Rounds must lie between {MIN_ROUNDS:,} and {MAX_ROUNDS:,}, for instance 1e8."
        )
    if seed is not None and not 0 <= seed <= MAX_SEED:
        raise ValueError(f"The seed must lie between 0 and {MAX_SEED}.")
    if target is not None and not MIN_TARGET <= target <= MAX_TARGET:
        raise ValueError(
            f"The target must lie between {MIN_TARGET:g} and {MAX_TARGET:g}, in bets: 0.0001 is "
            "0.01 % of the bet to either side."
        )


def new_seed() -> int:
    return randbelow(RANDOM_SEEDS)


def pause(simulation: Simulation) -> bool:
    """Take back the jobs that have not begun; False if there is nothing to pause.

    Chunks that are being counted are counted to their end, and kept.
    """
    with _moving(simulation) as locked:
        if not locked.can_pause:
            return False
        legs.take_back(locked)
        legs.stop(locked, state=State.PAUSED)
    return True


def resume(simulation: Simulation) -> bool:
    """Send jobs for the chunks that are missing, of a paused or failed simulation; False if it is neither."""
    with _moving(simulation) as locked:
        if not locked.can_resume:
            return False
        legs.begin(locked)
    return True


def extend(simulation: Simulation, *, rounds: int) -> bool:
    """Let it go on to so many `rounds` in all, on the same random streams; False if it cannot be extended.

    The answer is that of a simulation of `rounds` from the beginning. Until it is there the old one stays. A target
    that has been reached is given up, for it would be reached again; a paused simulation stays paused.

    Raises:
        ValueError: it has as many rounds already, or `rounds` are too many.
    """
    check(rounds=rounds)
    with _moving(simulation) as locked:
        if not locked.can_extend:
            return False
        if rounds <= locked.rounds:
            raise ValueError(
                f"The simulation has {locked.rounds:,} rounds: extend it to more, in all."
            )
        if locked.state == State.SUCCEEDED and legs.has_reached_target(locked):
            locked.target = None
        locked.rounds = rounds
        if locked.state == State.PAUSED:
            locked.save(update_fields=["rounds"])
        else:
            legs.begin(locked)
    return True


def cancel(simulation: Simulation) -> bool:
    """End the simulation and its outstanding jobs for good; False if it had ended before."""
    with _moving(simulation) as locked:
        if not locked.can_cancel:
            return False
        legs.take_back(locked, terminate=True)
        legs.stop(locked, state=State.CANCELLED)
    return True


@contextmanager
def _moving(simulation: Simulation) -> Iterator[Simulation]:
    """Hold the row; afterwards the caller's own object shows what has become of it."""
    with transaction.atomic():
        yield Simulation.objects.select_for_update().get(pk=simulation.pk)
    simulation.refresh_from_db()
