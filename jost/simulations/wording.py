"""How numbers are written on the pages; static/jost/words.js writes them the same."""

from typing import Any

MINUS, DASH, NARROW_SPACE = "\u2212", "\u2013", "\u202f"


def grouped(number: float) -> str:
    """100 000 000 with narrow spaces, which break no line."""
    return f"{number:,}".replace(",", NARROW_SPACE).replace("-", MINUS)


def percent(value: object, *, digits: int = 3, sign: bool = True) -> str:
    """A share in percent; a dash for what is not known yet."""
    if not isinstance(value, int | float):
        return DASH
    written = f"{value * 100:+.{digits}f}" if sign else f"{abs(value) * 100:.{digits}f}"
    return f"{written}{NARROW_SPACE}%".replace("-", MINUS)


def count(value: int) -> str:
    """A true count with its sign; none at zero."""
    return f"{value:+d}".replace("-", MINUS) if value else "0"


def plain(value: object, *, digits: int = 2) -> str:
    """A number of a few digits, its thousands apart; a dash for what is not known."""
    if not isinstance(value, int | float):
        return DASH
    if isinstance(value, int) or value.is_integer():
        return grouped(int(value))
    return rounded(value, digits=digits)


def rounded(value: float, *, digits: int) -> str:
    """A number with so many digits, its thousands apart."""
    return f"{value:,.{digits}f}".replace(",", NARROW_SPACE).replace("-", MINUS)


def by_unit(value: Any, unit: str) -> str:
    """A number in a plot's table, by the unit of its scale."""
    if value is None:
        return DASH
    if unit == "percent":
        return percent(value, digits=4)
    if unit == "share":
        return percent(value, digits=3, sign=False)
    if unit == "count":
        return count(int(value))
    return plain(value)
