"""How evidence is worded: lists of names that stay short, and lengths of time."""

from __future__ import annotations

from collections.abc import Collection, Iterable

MOST_NAMED = 5


def named(names: Iterable[object]) -> str:
    """Return names one after another, the first few of them."""
    all = [str(name) for name in names]
    more = len(all) - MOST_NAMED
    return ", ".join(all[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def lasting(seconds: float) -> str:
    """Return a length of time as people say it, in its largest unit and the next."""
    if seconds < 120:
        return f"{seconds:.3g} s"
    minutes, hours, days = seconds / 60, seconds / 3600, seconds / 86400
    if minutes < 120:
        return f"{minutes:.0f} min"
    return f"{hours:.0f} h" if hours < 48 else f"{days:.0f} days"


def counted(count: int, word: str, *, most: int | None = None) -> str:
    """Return a count with its word in the plural where it is one; "at least", where counting ended at `most`."""
    least = "at least " if most is not None and count >= most else ""
    return f"{least}{count:,} {word}{'' if count == 1 else 's'}"


def shortened(values: Collection[object]) -> list[str]:
    """Return as many names as belong into the data of a finding."""
    return [str(value) for value in list(values)[:100]]
