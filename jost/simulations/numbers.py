"""Reads numbers as people write them; used by form, REST and command line."""

from decimal import Decimal, InvalidOperation
from math import isfinite

from .engine import MAX_ROUNDS, MAX_SEED, MIN_ROUNDS

# Half the width of an interval, in bets: the most rounds there are make none narrower.
MIN_TARGET, MAX_TARGET = 1e-6, 1.0
PERCENT = 100


def parse_rounds(text: str) -> int:
    """Read a number of rounds; ValueError says the repair."""
    rounds = _parse_whole(text, what="rounds", such_as="100000000, 100_000_000 or 1e8")
    if not MIN_ROUNDS <= rounds <= MAX_ROUNDS:
        raise ValueError(
            f"Rounds must lie between {MIN_ROUNDS:,} and {MAX_ROUNDS:,}, for instance 1e8."
        )
    return rounds


def parse_seed(text: str) -> int:
    """Read a seed; ValueError says the repair."""
    seed = _parse_whole(text, what="a seed", such_as="1")
    if not 0 <= seed <= MAX_SEED:
        raise ValueError(f"The seed must lie between 0 and {MAX_SEED}.")
    return seed


def parse_target(text: str) -> float:
    """Read a half-width in bets, 0.0001 or 0.01%; ValueError says the repair."""
    bare = text.strip()
    percent = bare.endswith("%")
    try:
        target = float(bare.removesuffix("%")) / (PERCENT if percent else 1)
    except ValueError:
        raise ValueError(
            f"{text!r} is no half-width: write 0.0001 or 0.01%, which are the same."
        ) from None
    if not isfinite(target) or not MIN_TARGET <= target <= MAX_TARGET:
        raise ValueError(
            f"The target must lie between {MIN_TARGET:.6f} and {MAX_TARGET:g}, in bets: 0.0001 is "
            "0.01 % of the bet to either side."
        )
    return target


def _parse_whole(text: str, *, what: str, such_as: str) -> int:
    bare = text.strip().replace(",", "").replace("_", "").replace(" ", "")
    wrong = f"{text!r} is no whole number for {what}: write {such_as}."
    # Long enough for every number allowed, short enough that 1e999999999 costs nothing.
    if len(bare) > 24:
        raise ValueError(wrong)
    try:
        number = Decimal(bare)
    except InvalidOperation:
        raise ValueError(wrong) from None
    if (
        not number.is_finite()
        or abs(number.adjusted()) > 24
        or number != number.to_integral_value()
    ):
        raise ValueError(wrong)
    return int(number)
