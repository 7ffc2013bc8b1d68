"""Reads whole numbers as people write them; used by form, REST and command line."""

from decimal import Decimal, InvalidOperation

from .engine import MAX_ROUNDS, MAX_SEED, MIN_ROUNDS


def parse_rounds(text: str) -> int:
    """Read a number of rounds; ValueError says the repair."""
    rounds = _parse_whole(text, what="rounds")
    if not MIN_ROUNDS <= rounds <= MAX_ROUNDS:
        raise ValueError(
            f"Rounds must lie between {MIN_ROUNDS:,} and {MAX_ROUNDS:,}, for instance 1e8."
        )
    return rounds


def parse_seed(text: str) -> int:
    """Read a seed; ValueError says the repair."""
    seed = _parse_whole(text, what="seed")
    if not 0 <= seed <= MAX_SEED:
        raise ValueError(f"The seed must lie between 0 and {MAX_SEED}.")
    return seed


def _parse_whole(text: str, *, what: str) -> int:
    bare = text.strip().replace(",", "").replace("_", "").replace(" ", "")
    wrong = f"{text!r} is no whole number for {what}: write 100000000, 100_000_000 or 1e8."
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
