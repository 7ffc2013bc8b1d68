"""Studies: several simulations begun together, to be looked at side by side; begun by pages, REST and commands."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from . import lifecycle
from .engine import MAX_SEED, RulesError
from .models import Study
from .setup import Setup

# One chart of more lines nobody can read, and each is a job set of its own.
MOST_SIMULATIONS = 50


def compare(
    setups: Sequence[Setup],
    *,
    rounds: int,
    seed: int | None = None,
    target: float | None = None,
    name: str = "",
    names: Sequence[str] = (),
    owner: User | None = None,
) -> Study:
    """Begin a simulation of each setup, all in one transaction.

    Each has a seed of its own, `seed` and those after it: their errors are independent, so the standard error of a
    difference is the root of the sum of their squares.

    Raises:
        ValueError: there are fewer than two setups or too many, or a number is impossible.
    """
    return _begin(
        Study(kind=Study.Kind.COMPARE, owner=owner, name=name, rounds=rounds),
        setups=setups,
        names=names,
        seed=seed,
        target=target,
    )


def sweep(
    setup: Setup,
    *,
    key: str,
    values: Sequence[Any],
    rounds: int,
    seed: int | None = None,
    target: float | None = None,
    name: str = "",
    owner: User | None = None,
) -> Study:
    """Begin a simulation with each of `values` at `key` of the rules file, such as "decks" or "dealing.penetration".

    A chart that is the best one for the setup's rules is computed anew for each, any other is kept.

    Raises:
        RulesError: there is no such key, or a value cannot stand there.
        ValueError: there are fewer than two values or too many, or a number is impossible.
    """
    return _begin(
        Study(
            kind=Study.Kind.SWEEP,
            owner=owner,
            name=name,
            rounds=rounds,
            key=key,
            values=list(values),
        ),
        setups=swept(setup, key=key, values=values),
        names=[f"{key} {value}" for value in values],
        seed=seed,
        target=target,
    )


def swept(setup: Setup, *, key: str, values: Sequence[Any]) -> list[Setup]:
    """The setups of a sweep, in the order of its values."""
    # A chart costs up to a second; who begins no sweep need not import it.
    from .exact import best_chart

    base = setup.to_dict()
    if setup.game.chart == best_chart(setup.game.rules):
        del base["strategy"]
    return [Setup.from_dict(_with(base, key=key, value=value)) for value in values]


def has_key(setup: Setup, *, key: str) -> bool:
    """Whether the rules file of a setup has something at `key` that a sweep can vary."""
    inner: Any = setup.to_dict()
    for word in key.split("."):
        if not isinstance(inner, dict) or word not in inner:
            return False
        inner = inner[word]
    return True


def _with(base: Mapping[str, Any], *, key: str, value: Any) -> dict[str, Any]:
    changed = deepcopy(dict(base))
    inner = changed
    *outer, last = key.split(".")
    for word in outer:
        if not isinstance(inner.get(word), dict):
            raise RulesError(f"There is no {key} in these rules to sweep.", field=key)
        inner = inner[word]
    inner[last] = value
    return changed


def _begin(
    study: Study,
    *,
    setups: Sequence[Setup],
    names: Sequence[str],
    seed: int | None,
    target: float | None,
) -> Study:
    if not 2 <= len(setups) <= MOST_SIMULATIONS:
        raise ValueError(
            f"A study has 2 to {MOST_SIMULATIONS} simulations, not {len(setups)}: name as many."
        )
    lifecycle.check(rounds=study.rounds, seed=seed, target=target)
    study.seed = lifecycle.new_seed() if seed is None else seed
    with transaction.atomic():
        study.save()
        for place, setup in enumerate(setups):
            lifecycle.start(
                setup,
                rounds=study.rounds,
                seed=(study.seed + place) % (MAX_SEED + 1),
                target=target,
                name=names[place] if place < len(names) else "",
                owner=study.owner,
                study=study,
                place=place,
            )
    return study
