"""What is read out of what a simulation has counted: its answer, its files, its distance to another."""

from collections.abc import Mapping
from typing import Any

from jost.api.refusals import ConflictError
from jost.simulations.analysis import difference
from jost.simulations.engine import RulesError
from jost.simulations.exact import Exact
from jost.simulations.models import Simulation
from jost.simulations.progress import Summary, progress_of
from jost.simulations.report import answer, exact_of
from jost.simulations.setup import Setup

from .refusals import refused


def answer_of(simulation: Simulation) -> dict[str, Any]:
    """The answer as the command line prints it; of what is counted so far while it has not ended."""
    return _answer(simulation, setup=simulation.setup)


def what_if(simulation: Simulation, changed: Mapping[str, Any]) -> dict[str, Any]:
    """The answer that other `bets` and another `bankroll` would have had."""
    try:
        setup = Setup.from_dict({**simulation.rules, **changed})
    except RulesError as error:
        raise refused(error) from None
    return _answer(simulation, setup=setup)


def exact_beside(simulation: Simulation) -> dict[str, Any]:
    """The exact value of its game and how far the estimate is from it; takes some seconds."""
    exact = exact_of(simulation.setup)
    beside: dict[str, Any] = _answer(simulation, setup=simulation.setup, exact=exact)["exact"]
    return beside


def difference_told(summary: Summary, *, against: Summary) -> dict[str, Any] | None:
    """How much more one is worth than the other; None before both have an estimate."""
    if summary.estimate is None or against.estimate is None:
        return None
    apart = difference(against.estimate, summary.estimate)
    return {
        "simulation": summary.simulation.pk,
        "against": against.simulation.pk,
        "ev": apart.value,
        "ev_95": [apart.low, apart.high],
    }


def _answer(simulation: Simulation, *, setup: Setup, exact: Exact | None = None) -> dict[str, Any]:
    tally = progress_of(simulation).tally
    if tally.rounds < 2:
        raise ConflictError("Nothing of this simulation is counted yet: ask again later.")
    return answer(
        setup,
        tally,
        seed=simulation.seed,
        engine_version=simulation.engine_version,
        target=simulation.target,
        exact=exact,
    )
