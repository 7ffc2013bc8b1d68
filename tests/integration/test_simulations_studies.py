"""Several simulations begun together: setups side by side, or one key of the rules at several values."""

from __future__ import annotations

import pytest

from holdfast.testing import HoldfastJobs
from jost.simulations import lifecycle, studies
from jost.simulations.engine import RulesError
from jost.simulations.exact import best_chart
from jost.simulations.models import Simulation, Study
from jost.simulations.setup import Setup
from tests.simulated import ROUNDS, SEED, plain_setup, pretended_answer, written

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("pretending", "holdfast_jobs")]


def test_setups_are_compared_on_seeds_of_their_own(holdfast_jobs: HoldfastJobs) -> None:
    setups = [plain_setup(), plain_setup(dealer_hits_soft_17=True)]

    study = studies.compare(setups, rounds=ROUNDS, seed=SEED, name="H17", names=["stands", "hits"])
    holdfast_jobs.drain()

    first, second = study.in_order
    assert [each.setup for each in (first, second)] == setups
    assert [(each.name, each.seed) for each in (first, second)] == [
        ("stands", SEED),
        ("hits", SEED + 1),
    ]
    assert written(first.tally) == written(pretended_answer(rounds=ROUNDS).to_dict())
    assert written(second.tally) == written(
        pretended_answer(rounds=ROUNDS, seed=SEED + 1).to_dict()
    )


def test_sweep_has_a_simulation_for_each_value_in_their_order() -> None:
    study = studies.sweep(
        plain_setup(), key="dealing.penetration", values=[0.8, 0.5, 0.6], rounds=ROUNDS, seed=SEED
    )

    dealt = [each.setup.game.rules.dealing.penetration for each in study.in_order]
    assert dealt == [0.8, 0.5, 0.6]
    assert (study.key, study.values, study.rounds) == (
        "dealing.penetration",
        [0.8, 0.5, 0.6],
        ROUNDS,
    )
    assert next(each.name for each in study.in_order) == "dealing.penetration 0.8"


def test_sweep_computes_the_best_chart_anew_for_each_value() -> None:
    setups = studies.swept(
        Setup.from_dict({"decks": 2, "dealing": {"mode": "every_round"}}),
        key="dealer_hits_soft_17",
        values=[False, True],
    )

    assert [each.game.chart for each in setups] == [best_chart(each.game.rules) for each in setups]
    assert setups[0].game.chart != setups[1].game.chart


def test_sweep_keeps_a_chart_of_ones_own() -> None:
    own = plain_setup()

    setups = studies.swept(own, key="decks", values=[1, 8])

    assert [each.game.chart for each in setups] == [own.game.chart] * 2
    assert [each.game.rules.decks for each in setups] == [1, 8]


@pytest.mark.parametrize(
    ("key", "field"),
    [("dekcs", "dekcs"), ("dealing.penetration", "dealing.penetration"), ("x.y", "x.y")],
)
def test_impossible_sweep_names_the_key_and_begins_nothing(
    key: str, field: str, holdfast_jobs: HoldfastJobs
) -> None:
    with pytest.raises(RulesError) as refused:
        studies.sweep(plain_setup(), key=key, values=[0.5, 7.5], rounds=ROUNDS)

    assert refused.value.field == field
    assert not Study.objects.exists()
    holdfast_jobs.assert_not_recorded()


@pytest.mark.parametrize("count", [1, 51])
def test_study_of_one_or_of_too_many_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="2 to 50 simulations"):
        studies.compare([plain_setup()] * count, rounds=ROUNDS)

    assert not Simulation.objects.exists()


def test_study_that_cannot_be_begun_as_a_whole_is_not_begun(
    monkeypatch: pytest.MonkeyPatch, holdfast_jobs: HoldfastJobs
) -> None:
    start = lifecycle.start

    def breaking(*args: object, place: int, **options: object) -> Simulation:
        if place == 1:
            raise RuntimeError("no more")
        return start(*args, place=place, **options)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(lifecycle, "start", breaking)

    with pytest.raises(RuntimeError, match="no more"):
        studies.compare([plain_setup()] * 3, rounds=ROUNDS)

    assert not Study.objects.exists()
    assert not Simulation.objects.exists()
    holdfast_jobs.assert_not_recorded()
