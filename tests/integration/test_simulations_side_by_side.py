"""The pages that lead from one run to others: side by side with its changes, swept, bet on otherwise."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.test import Client

from holdfast.testing import HoldfastJobs
from jost.simulations import lifecycle, studies, tasks
from jost.simulations.engine import Rules, Tally
from jost.simulations.engine.tally import BUCKETS, CELLS, EVENTS, MIN_COUNT, MIN_HALVES
from jost.simulations.exact import best_chart
from jost.simulations.forms.study import MOST_RECENT
from jost.simulations.models import Simulation
from jost.simulations.setup import Setup
from tests.simulated import CHART, ROUNDS, SEED, plain_setup

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("pretending", "holdfast_jobs")]

COMPARE, SWEEP = "/simulations/studies/compare/", "/simulations/studies/sweep/"
RAMP = {"counting": "hi-lo", "bets": {"ramp": {"0": 1, "2": 4}}}


def page(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return unescape(str(answer.content.decode()))


def compared(client: Client, run: Simulation, *, change: str) -> list[Setup]:
    asked = {"base_a": f"run:{run.pk}", "base_b": f"run:{run.pk}", "change_b": change}
    answer = client.post(COMPARE, asked | {"rounds": "60000"})
    assert answer.status_code == 302
    return [each.setup for each in Simulation.objects.exclude(pk=run.pk).order_by("place")]


@pytest.mark.parametrize("address", [COMPARE, SWEEP])
def test_run_leads_to_studies_of_itself_however_old_it_is(client: Client, address: str) -> None:
    run = lifecycle.start(plain_setup(), rounds=ROUNDS)
    Simulation.objects.bulk_create(
        Simulation(rules=run.rules, rounds=10_000, seed=1, engine_version=2)
        for _ in range(MOST_RECENT)
    )
    link = re.search(rf'href="({address}[^"]*)"', page(client, run.get_absolute_url()))
    assert link is not None

    assert f'value="run:{run.pk}" selected' in page(client, link[1])


def test_computed_chart_of_a_run_is_computed_anew_for_changed_rules(client: Client) -> None:
    run = lifecycle.start(Setup.from_dict({"decks": 2}), rounds=ROUNDS)

    first, second = compared(client, run, change='{"dealer_hits_soft_17": true}')

    assert first.game.chart == best_chart(Rules(decks=2))
    assert second.game.chart == best_chart(Rules(decks=2, dealer_hits_soft_17=True))


def test_own_chart_of_a_run_stays_under_changed_rules(client: Client) -> None:
    run = lifecycle.start(plain_setup(), rounds=ROUNDS)

    _, second = compared(client, run, change='{"dealer_hits_soft_17": true}')

    assert second.game.chart.to_dict() == CHART


def test_runs_whose_bets_follow_a_count_show_what_they_win(
    client: Client, holdfast_jobs: HoldfastJobs
) -> None:
    study = studies.sweep(
        plain_setup(**RAMP), key="bets.wong_in", values=[0, 2], rounds=ROUNDS, seed=SEED
    )
    waiting = page(client, study.get_absolute_url())
    holdfast_jobs.drain()

    shown = page(client, study.get_absolute_url())
    _, *lines = page(client, f"{study.get_absolute_url()}?as=csv").splitlines()

    assert "SCORE by bets.wong_in" not in waiting
    assert "SCORE by bets.wong_in" in shown
    assert "1 to 4 units, in at +2" in shown
    for run, line in zip(study.in_order, lines, strict=True):
        bets = client.get(f"{run.get_absolute_url()}export/json/").json()["bets"]
        figures = [*bets["win_per_100"].values(), *bets["score"].values()]
        assert [float(cell) for cell in line.split(",")[-6:]] == figures


def test_runs_that_bet_flat_show_no_score(client: Client, holdfast_jobs: HoldfastJobs) -> None:
    study = studies.compare(
        [plain_setup(), plain_setup(decks=2)], rounds=ROUNDS, names=["six", "two"]
    )
    holdfast_jobs.drain()

    shown = page(client, study.get_absolute_url())

    assert "SCORE" not in shown
    assert "two less six" in shown


def winning(_game: object, *, seed: int, index: int, rounds: int) -> Tally:
    """Rounds at 0 that lose, and one in four at a count of 2 that win."""
    cells, squares = [0] * (BUCKETS * CELLS), [0] * BUCKETS
    for count, share, won in ((0, rounds - rounds // 4, 0.45), (2, rounds // 4, 0.6)):
        row = (count - MIN_COUNT) * CELLS - MIN_HALVES
        cells[row + 2] = int(share * won)
        cells[row - 2] = share - cells[row + 2]
        squares[count - MIN_COUNT] = 100 * share
    happened = {"dealer_17": rounds, "hands": rounds}
    events = tuple(happened.get(name, 0) for name in EVENTS)
    return Tally(cells=tuple(cells), squares=tuple(squares), events=events)


def test_best_ramp_is_shown_with_an_address_that_tries_it(
    client: Client, holdfast_jobs: HoldfastJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "count_chunk", winning)
    run = lifecycle.start(plain_setup(**RAMP), rounds=ROUNDS, seed=SEED)
    holdfast_jobs.drain()
    shown = page(client, run.get_absolute_url())
    link = re.search(r'href="([^"]*/bets/\?[^"]*betting=ramp[^"]*)"', shown)
    assert link is not None

    tried = page(client, link[1])

    best = client.get(f"{run.get_absolute_url()}export/json/").json()["bets"]["best"]
    assert "The best ramp of 1 to 4 units is 1:1, 2:4," in shown
    score = re.search(r"<dt>SCORE</dt><dd>([\d.\u202f]+)", tried)
    assert score is not None
    assert float(score[1].replace("\u202f", "")) == pytest.approx(best["score"]["value"], abs=0.005)
