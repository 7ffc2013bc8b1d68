"""The ramp that makes the most of a spread: how the same player would bet best, by SCORE."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from jost.simulations.betting import Bets

from .wagers import Returns, Stake, returns_of

Ramp: TypeAlias = tuple[tuple[int, float], ...]

# From one step at the best count upwards, each trial that much more: SCORE is flat near its best.
TRIALS = 100
GROWTH = 1.07
# Where the least is nothing: whole units, or parts of a most that has few of them.
FEWEST_STEPS = 8


def best_bets(
    bets: Bets, *, stakes: Sequence[Stake], played: Mapping[int, float]
) -> tuple[Bets, Returns] | None:
    """The ramp with the best SCORE between the least and the most units of these bets.

    Each count is bet in proportion to its edge by its variance, never less than a lower count, in
    whole steps of the least bet; the proportion is what is looked for. None without a spread or an
    edge. It is fitted to this run: another one will find a little less in it.
    """
    spread = _spread(bets)
    kelly = _rising(stakes)
    most = max(kelly, default=0.0)
    if spread is None or not most:
        return None
    low, high = spread
    step = low or min(1.0, high / FEWEST_STEPS)
    tried: dict[Ramp, Returns] = {}
    for trial in range(TRIALS):
        units = [
            min(max(round(step * round(GROWTH**trial * share / most), 9), low), high)
            for share in kelly
        ]
        ramp = _ramp(stakes, units=units)
        if ramp not in tried:
            returns = returns_of(_staked(stakes, units=units, played=played))
            if returns is not None:
                tried[ramp] = returns
    best = max(tried.items(), key=lambda each: each[1].score.value or 0.0, default=None)
    if best is None or not best[1].score.value:
        return None
    ramp, returns = best
    return replace(bets, ramp=ramp, kelly=None, min_units=None, max_units=None), returns


def _spread(bets: Bets) -> tuple[float, float] | None:
    """The least and the most that is bet; None where they are one, or there is no most."""
    if bets.kelly is not None:
        low, high = bets.least_units, bets.max_units
    else:
        units = [units for _, units in bets.ramp]
        low, high = min(units), max(units)
    return None if high is None or high <= low else (low, high)


def _rising(stakes: Sequence[Stake]) -> list[float]:
    """Kelly's shares where chance makes none of them fall: neighbours that do are taken together."""
    pooled: list[tuple[float, int, int]] = []
    for stake in stakes:
        share, rounds, counts = stake.kelly, stake.sums.rounds, 1
        while pooled and pooled[-1][0] > share:
            before, more, others = pooled.pop()
            share = (share * rounds + before * more) / (rounds + more)
            rounds, counts = rounds + more, counts + others
        pooled.append((share, rounds, counts))
    return [share for share, _, counts in pooled for _ in range(counts)]


def _staked(
    stakes: Sequence[Stake], *, units: Sequence[float], played: Mapping[int, float]
) -> list[Stake]:
    return [
        replace(stake, units=bet, played=played.get(stake.sums.true_count, 1.0) if bet else 0.0)
        for stake, bet in zip(stakes, units, strict=True)
    ]


def _ramp(stakes: Sequence[Stake], *, units: Sequence[float]) -> Ramp:
    """Only the counts at which the bet changes."""
    ramp: list[tuple[int, float]] = []
    for stake, bet in zip(stakes, units, strict=True):
        if not ramp or ramp[-1][1] != bet:
            ramp.append((stake.sums.true_count, bet))
    return tuple(ramp)
