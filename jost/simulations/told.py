"""What `manage.py simulate` tells people: its progress on standard error, its answer in words."""

import sys
import time
from collections.abc import Iterator
from typing import Any

from django.core.management.base import OutputWrapper

from .engine import Tally
from .setup import Setup

MILLION = 1e6
# Characters that a line of progress takes, so that a longer one before it is wiped out.
WIDTH = 72
# Between two lines on a terminal.
LEAST_SECONDS = 0.1
# Then somebody may want to know that nothing happens, and why.
PATIENCE_SECONDS = 10.0
NOTHING_YET = "No worker has counted anything yet: `make up` starts them; --inline needs none."
# Of all rounds, for a count that is printed.
LEAST_SHARE = 0.0005


class Told:
    """Progress: one line that is written over on a terminal, a line for each tenth in a log."""

    def __init__(self, err: OutputWrapper, *, rounds: int, target: float | None) -> None:
        self._err = err
        self._rounds = rounds
        self._target = target
        self._began = time.monotonic()
        self._told_at = 0.0
        self._tenth = 0
        self._hinted = False

    def line(self, text: str) -> None:
        self._err.write(text)

    def progress(self, tally: Tally, *, rounds_per_second: float | None = None) -> None:
        """Say how far it is and what is estimated so far; the speed if it is not given."""
        now = time.monotonic()
        if not (tally.rounds or self._hinted) and now - self._began >= PATIENCE_SECONDS:
            self._hinted = True
            self.line(NOTHING_YET)
        speed = rounds_per_second or tally.rounds / max(now - self._began, 1e-6)
        fraction = self._fraction(tally)
        if sys.stderr.isatty():
            if now - self._told_at >= LEAST_SECONDS or fraction >= 1:
                self._told_at = now
                self._err.write(
                    f"\r{self._text(tally, fraction=fraction, speed=speed):<{WIDTH}}", ending=""
                )
        elif (tenth := int(fraction * 10)) > self._tenth:
            self._tenth = tenth
            self._err.write(self._text(tally, fraction=fraction, speed=speed))

    def end(self) -> None:
        if sys.stderr.isatty():
            self._err.write("")

    def _fraction(self, tally: Tally) -> float:
        """Of the way: with a target the interval narrows with the root of the rounds."""
        done = tally.rounds / self._rounds
        estimate = tally.estimate() if self._target else None
        if estimate is not None and self._target and estimate.reach:
            done = max(done, (self._target / estimate.reach) ** 2)
        return min(done, 1.0)

    def _text(self, tally: Tally, *, fraction: float, speed: float) -> str:
        estimate = tally.estimate()
        if estimate is None:
            return f"{fraction:6.1%}  waiting for a worker"
        return (
            f"{fraction:6.1%}  {speed / MILLION:.1f} M rounds/s  "
            f"{estimate.ev:+.4%} of a bet, give or take {estimate.reach:.4%}"
        )


def printed(setup: Setup, result: dict[str, Any]) -> str:
    """The answer for people; --json has all of it."""
    low, high = result["ev_95"]
    interval = f"95 % between {low:+.4%} and {high:+.4%}"
    spread = f"standard deviation {result['sd']:.4f}"
    lines = [
        f"{result['rounds']:,} rounds, {setup}, seed {result['seed']}",
        f"value of a round {result['ev']:+.4%} of the bet, {interval}, {spread}",
    ]
    if result["exact"] is not None:
        lines.append(_exact_line(result["exact"]))
    if result["target_reached"] is False:
        lines.append(f"The target of {result['target']:.4%} was not reached: allow more --rounds.")
    if setup.game.count:
        lines += ["", f"{'count':>6} {'rounds':>9} {'value':>10} {'give or take':>13}"]
        lines += [_count_line(row) for row in _usual(result["per_true_count"])]
    if setup.bets.by_count or setup.bankroll:
        lines += ["", *_bets_lines(result)]
    return "\n".join(lines)


def _exact_line(exact: dict[str, Any]) -> str:
    without = f" without {' and '.join(exact['leaves_out'])}" if exact["leaves_out"] else ""
    return f"exact value{without} {exact['ev']:+.4%}, for {exact['holds_for']}"


def _usual(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without the counts so rare that their value says nothing."""
    return [row for row in rows if row["share"] >= LEAST_SHARE and row["ev"] is not None]


def _count_line(row: dict[str, Any]) -> str:
    reach = row["ev_95"][1] - row["ev"]
    return f"{row['true_count']:>+6} {row['share']:>9.3%} {row['ev']:>+10.3%} {reach:>13.3%}"


def _bets_lines(result: dict[str, Any]) -> Iterator[str]:
    bets, bankroll = result["bets"], result["bankroll"]
    if bets is None:
        yield "These bets were never made in so few rounds."
        return
    yield f"bets {bets['says']}, {bets['bet_per_round']:.3f} units a round on average"
    yield f"win in 100 rounds: {_figure(bets['win_per_100'], form='+.4f')} units"
    yield f"SCORE: {_figure(bets['score'], form='.2f')}"
    yield f"N0: {_figure(bets['n0'], form=',.0f')} rounds"
    if bankroll is not None:
        ruin = _figure(bankroll["risk_of_ruin"], form=".3%")
        yield f"risk of losing {bankroll['units']:g} units: {ruin}"


def _figure(figure: dict[str, float | None], *, form: str) -> str:
    """Value and ends of the interval; what has none is endless."""
    value, low, high = (
        "endless" if number is None else format(number, form)
        for number in (figure["value"], figure["low"], figure["high"])
    )
    return f"{value}, 95 % between {low} and {high}"
