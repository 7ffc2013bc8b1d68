"""The answer of a run: one JSON object, the same on pages, in REST and on the command line.

It depends on setup, seed and tally alone, so equal runs give equal bytes. What cannot be said yet
is null. schemas/simulate.json describes it.
"""

from collections.abc import Callable, Mapping
from typing import Any

from . import analysis
from .analysis import Figure, Returns, Stake, Walk
from .betting import Bankroll, Bets
from .engine import Estimate, Tally
from .exact import Exact, has_exact_value, with_fresh_shoe
from .exact import exact as exact_value
from .setup import Setup

Answer = dict[str, Any]

# Times of the bankroll's fan, from the start to the horizon.
FAN_POINTS = 40
RISKS = (0.05, 0.01)


def answer(
    setup: Setup,
    tally: Tally,
    *,
    seed: int,
    engine_version: int,
    target: float | None = None,
    exact: Exact | None = None,
) -> Answer:
    """Everything that a run says; with `exact`, from `exact_of`, also how far it is from that."""
    estimate = tally.estimate()
    return {
        **_estimate(estimate),
        "rounds": tally.rounds,
        "seed": seed,
        "engine_version": engine_version,
        "target": target,
        "target_reached": _reached(estimate, target=target),
        "rules": setup.to_dict(),
        "dealing": str(setup.game.rules.dealing),
        "exact": None if exact is None else _exact(setup, estimate, exact=exact),
        **_frequencies(tally),
        **_per_true_count(setup, tally),
        **whatif(setup, tally, bets=setup.bets, bankroll=setup.bankroll),
    }


def exact_of(setup: Setup) -> Exact:
    """The exact value of the same chart and rules; takes up to some seconds.

    A game dealt to a cut card has none: then it is that of the game with a fresh shoe.
    """
    rules = setup.game.rules
    return exact_value(
        rules if has_exact_value(rules) else with_fresh_shoe(rules), setup.game.chart
    )


def returns_of(setup: Setup, tally: Tally) -> Returns | None:
    """What the bets of a setup give on its tally, for runs side by side; None if they give nothing yet."""
    played = analysis.shares_played(setup.bets, game=setup.game)
    return analysis.returns_of(
        analysis.stakes_of(setup.bets, tally=tally, bankroll=setup.bankroll, played=played)
    )


def whatif(setup: Setup, tally: Tally, *, bets: Bets, bankroll: Bankroll | None) -> Answer:
    """What these bets on that bankroll would give on a finished run: `bets` and `bankroll`."""
    played = analysis.shares_played(bets, game=setup.game)
    stakes = analysis.stakes_of(bets, tally=tally, bankroll=bankroll, played=played)
    returns = analysis.returns_of(stakes)
    best = analysis.best_bets(bets, stakes=stakes, played=played)
    return {
        "bets": None
        if returns is None
        else _bets(bets, stakes, returns, bankroll=bankroll) | {"best": _best(best)},
        "bankroll": None
        if returns is None or bankroll is None
        else _bankroll(bets, returns, bankroll=bankroll),
    }


def _estimate(estimate: Estimate | None) -> Answer:
    if estimate is None:
        return dict.fromkeys(("ev", "ev_standard_error", "ev_95", "sd", "covariance"))
    return {
        "ev": estimate.ev,
        "ev_standard_error": estimate.standard_error,
        "ev_95": list(estimate.interval),
        "sd": estimate.sd,
        "covariance": estimate.covariance,
    }


def _exact(setup: Setup, estimate: Estimate | None, *, exact: Exact) -> Answer:
    """`same_game` says whether simulation and exact value are of one game: then chance alone parts
    them, and `difference` holds 0 in nineteen runs of twenty."""
    same = exact.rules == setup.game.rules and not setup.game.plays
    apart = None
    if estimate is not None:
        apart = Figure.around(estimate.ev - exact.ev, standard_error=estimate.standard_error)
    return {
        "ev": exact.ev,
        "sd": exact.sd,
        "holds_for": exact.holds_for,
        "dealing": exact.rules.dealing.to_dict(),
        "same_game": same,
        "leaves_out": ["index_plays"] if setup.game.plays else [],
        "difference": None if apart is None else apart.to_dict(),
    }


def _reached(estimate: Estimate | None, *, target: float | None) -> bool | None:
    if target is None:
        return None
    return estimate is not None and estimate.reach <= target


def _frequencies(tally: Tally) -> Answer:
    if not tally.rounds:
        names = ("outcomes", "payoffs", "events", "dealer_outcomes", "insurance")
        return dict.fromkeys((*names, "bet_per_spot", "ev_per_unit_bet"))
    per_unit = analysis.ev_per_unit_bet(tally)
    return {
        "outcomes": _figures(analysis.outcomes(tally)),
        "payoffs": [
            {"payoff": payoff, "spots": spots, "share": share.to_dict()}
            for payoff, spots, share in analysis.payoff_shares(tally)
        ],
        "events": _figures(analysis.events(tally)),
        "dealer_outcomes": _figures(analysis.dealer_outcomes(tally)),
        "insurance": _figures(analysis.insurance(tally)),
        "bet_per_spot": analysis.bet_per_spot(tally),
        "ev_per_unit_bet": per_unit.to_dict() if per_unit else None,
    }


def _per_true_count(setup: Setup, tally: Tally) -> Answer:
    results = analysis.by_true_count(tally, rules=setup.game.rules)
    slope = analysis.edge_slope(results)
    return {
        "per_true_count": [
            {
                "true_count": result.true_count,
                "rounds": result.rounds,
                "share": result.share.value,
                "share_95": [result.share.low, result.share.high],
                **_estimate(result.estimate),
            }
            for result in results
        ],
        "edge_by_count": None
        if slope is None
        else {"per_count": slope.per_count.to_dict(), "at_zero": slope.at_zero.to_dict()},
    }


def _bets(
    bets: Bets, stakes: list[Stake], returns: Returns, *, bankroll: Bankroll | None
) -> Answer:
    hour, sd = bets.rounds_per_hour, returns.sd
    found = {
        "says": str(bets),
        "rounds_per_hour": hour,
        "played": returns.played,
        "bet_per_round": returns.bet,
        "bet_per_round_played": returns.bet / returns.played,
        "win_per_round": returns.win.to_dict(),
        "win_per_100": returns.win.times(100).to_dict(),
        "win_per_hour": returns.win.times(hour).to_dict(),
        "sd_per_round": sd.to_dict(),
        "sd_per_100": sd.times(10).to_dict(),
        "sd_per_hour": sd.times(hour**0.5).to_dict(),
        "ev_per_unit_bet": returns.per_unit.to_dict(),
        "desirability": returns.desirability.to_dict(),
        "score": returns.score.to_dict(),
        "n0": returns.n0.to_dict(),
        "stakes": [_stake(stake, bankroll=bankroll) for stake in stakes],
        "money": None,
    }
    if bets.unit is not None:
        found["money"] = {
            "unit": bets.unit,
            "bet_per_round": returns.bet * bets.unit,
            "win_per_hour": returns.win.times(hour * bets.unit).to_dict(),
            "sd_per_hour": sd.times(hour**0.5 * bets.unit).to_dict(),
        }
    return found


def _best(best: tuple[Bets, Returns] | None) -> Answer | None:
    """`ramp` as a rules file has it."""
    if best is None:
        return None
    bets, returns = best
    return {
        "ramp": bets.to_dict()["ramp"],
        "score": returns.score.to_dict(),
        "win_per_100": returns.win.times(100).to_dict(),
        "bet_per_round": returns.bet,
    }


def _stake(stake: Stake, *, bankroll: Bankroll | None) -> Answer:
    """`kelly` is the share of the bankroll that full Kelly bets, `kelly_units` the units of it."""
    return {
        "true_count": stake.sums.true_count,
        "units": stake.units,
        "played": stake.played,
        "kelly": stake.kelly,
        "kelly_units": None if bankroll is None else stake.kelly * bankroll.units,
    }


def _bankroll(bets: Bets, returns: Returns, *, bankroll: Bankroll) -> Answer:
    rounds = bankroll.horizon(bets)
    hour = bets.rounds_per_hour
    sd = returns.variance**0.5

    def walk(drift: float) -> Walk:
        return Walk(start=bankroll.units, mean=drift * sd, variance=returns.variance)

    middle = walk(returns.drift.value or 0.0)
    fall, falls = analysis.drawdown(returns.drift, sd=sd, rounds=rounds)
    certain = analysis.certainty_equivalent(
        mean=middle.mean, variance=middle.variance, units=bankroll.units, kelly=bets.kelly or 1.0
    )

    def of_walk(of: Callable[[Walk], float], *, falls: bool = False) -> Answer:
        return returns.drift.through(lambda drift: of(walk(drift)), falls=falls).to_dict()

    return {
        "units": bankroll.units,
        "rounds": rounds,
        "hours": rounds / hour,
        "risk_of_ruin": of_walk(lambda at: at.ruin(), falls=True),
        "risk_of_ruin_within": of_walk(lambda at: at.ruin_within(rounds), falls=True),
        "doubling": of_walk(lambda at: at.doubling()),
        "ahead": of_walk(lambda at: at.above(bankroll.units, rounds=rounds)),
        "win": returns.win.times(rounds).to_dict(),
        "sd": sd * rounds**0.5,
        "paths": _paths(middle, rounds=rounds),
        "drawdown": {
            "mean": fall.to_dict(),
            "percentiles": {str(percent): at.to_dict() for percent, at in falls.items()},
        },
        "certainty_equivalent_per_hour": returns.win.through(
            lambda win: hour * (win - middle.mean + certain)
        ).to_dict(),
        "units_for_risk": {f"{risk:g}": _units_for(risk, returns=returns, sd=sd) for risk in RISKS},
        "money": None if bets.unit is None else bankroll.units * bets.unit,
    }


def _paths(walk: Walk, *, rounds: int) -> Answer:
    """The bankroll that so many of a hundred players have at most, by time; 0 for who is broke."""
    fan = walk.fan(rounds, points=FAN_POINTS)
    return {
        "rounds": [time for time, _ in fan],
        "percentiles": {
            str(percent): [units[place] for _, units in fan]
            for place, percent in enumerate(analysis.PERCENTILES)
        },
    }


def _units_for(risk: float, *, returns: Returns, sd: float) -> Answer:
    return returns.drift.through(
        lambda drift: analysis.bankroll_for(risk, mean=drift * sd, variance=returns.variance),
        falls=True,
    ).to_dict()


def _figures(figures: Mapping[str, Figure] | None) -> Answer | None:
    if figures is None:
        return None
    return {name: figure.to_dict() for name, figure in figures.items()}
