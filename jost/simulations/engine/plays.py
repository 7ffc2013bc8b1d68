"""Plays that depend on the count: from which true count on a hand is played differently."""

from dataclasses import dataclass

from .chart import Code


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexPlay:
    """At a true count of `index` or more (`at_least`; else: below it) play `code` instead.

    `hand` is a row of the chart ("16", "A7", "1010") or "insurance", which has neither `upcard`
    nor `code`.
    """

    hand: str
    index: int
    upcard: str | None = None
    code: Code | None = None
    at_least: bool = True
