"""What `manage.py simulate` tells people: its progress on standard error, its answer in words."""

import sys
import time
from typing import Any

from django.core.management.base import OutputWrapper

from .engine import Tally
from .setup import Setup

MILLION = 1e6
# Characters that a line of progress takes, so that a longer one before it is wiped out.
WIDTH = 72
# Between two lines on a terminal.
LEAST_SECONDS = 0.1


class Told:
    """Progress: one line that is written over on a terminal, a line for each tenth in a log."""

    def __init__(self, err: OutputWrapper, *, rounds: int, target: float | None) -> None:
        self._err = err
        self._rounds = rounds
        self._target = target
        self._began = time.monotonic()
        self._told_at = 0.0
        self._tenth = 0

    def line(self, text: str) -> None:
        self._err.write(text)

    def progress(self, tally: Tally, *, rounds_per_second: float | None = None) -> None:
        """Say how far it is and what is estimated so far; the speed if it is not given."""
        now = time.monotonic()
        speed = rounds_per_second or tally.rounds / max(now - self._began, 1e-6)
        fraction = self._fraction(tally)
        if sys.stderr.isatty():
            if now - self._told_at >= LEAST_SECONDS or fraction >= 1:
                self._told_at = now
                self._err.write(f"\r{self._text(tally, fraction, speed):<{WIDTH}}", ending="")
        elif (tenth := int(fraction * 10)) > self._tenth:
            self._tenth = tenth
            self._err.write(self._text(tally, fraction, speed))

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

    def _text(self, tally: Tally, fraction: float, speed: float) -> str:
        estimate = tally.estimate()
        if estimate is None:
            return f"{fraction:6.1%}  waiting for a worker"
        return (
            f"{fraction:6.1%}  {speed / MILLION:.1f} M rounds/s  "
            f"{estimate.ev:+.4%} of a bet, give or take {estimate.reach:.4%}"
        )


def printed(setup: Setup, result: dict[str, Any]) -> str:
    """The answer for people."""
    low, high = result["ev_95"]
    interval = f"95 % between {low:+.4%} and {high:+.4%}"
    spread = f"standard deviation {result['sd']:.4f}"
    lines = [
        f"{result['rounds']:,} rounds, {setup}, seed {result['seed']}",
        f"value of a round {result['ev']:+.4%} of the bet, {interval}, {spread}",
    ]
    if setup.game.count:
        lines += ["", f"{'count':>6} {'rounds':>8} {'value':>10} {'give or take':>13}"]
        lines += [_count_line(row) for row in result["per_true_count"]]
    return "\n".join(lines)


def _count_line(row: dict[str, Any]) -> str:
    start = f"{row['true_count']:>+6} {row['share']:>8.3%}"
    if row["ev"] is None:
        return start
    return f"{start} {row['ev']:>+10.3%} {row['ev_95'][1] - row['ev']:>13.3%}"
