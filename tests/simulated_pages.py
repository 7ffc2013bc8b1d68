"""The pages of simulations in tests: a form that is whole, and simulations to look at."""

from __future__ import annotations

import re
from typing import Any

from django.test import Client

from holdfast.testing import HoldfastJobs
from jost.simulations import lifecycle, tasks
from jost.simulations.models import Simulation
from jost.simulations.setup import Setup
from tests.simulated import SEED, plain_setup

NEW = "/simulations/new/"
ROUNDS = 120_000
FORM = {
    "decks": "2",
    "dealer_hits_soft_17": "yes",
    "blackjack_pays": "3:2",
    "surrender": "late",
    "mode": "cut_card",
    "penetration": "60",
    "double_on": "any",
    "max_hands": "3",
    "dealer_peeks": "on",
    "seats": "1",
    "other_players": "2",
    "strategy_from": "computed",
    "counting": "",
    "true_count": "floor",
    "betting": "flat",
    "rounds": "2e3",
    "seed": "5",
}


def page(client: Client, address: str, *, status: int = 200) -> str:
    answer = client.get(address)
    assert answer.status_code == status
    return str(answer.content.decode())


def start(client: Client, **changes: Any) -> Simulation:
    answer = client.post(NEW, FORM | changes)
    assert answer.status_code == 302, re.findall(r'class="error"[^>]*>([^<]*)', str(answer.content))
    return Simulation.objects.get()


def begun() -> Simulation:
    """One whose first chunk is counted."""
    simulation = lifecycle.start(plain_setup(), rounds=ROUNDS, seed=SEED)
    tasks.run_chunk(str(simulation.pk), 0)
    simulation.refresh_from_db()
    return simulation


def ended(jobs: HoldfastJobs) -> Simulation:
    """One that counted cards and raised its bets."""
    setup = Setup.from_dict(
        {
            "strategy": plain_setup().game.chart.to_dict(),
            "counting": "hi-lo",
            "bets": {"ramp": {"0": 1, "2": 4}},
            "bankroll": {"units": 1000},
        }
    )
    simulation = lifecycle.start(setup, rounds=ROUNDS, seed=SEED)
    jobs.drain()
    simulation.refresh_from_db()
    return simulation
