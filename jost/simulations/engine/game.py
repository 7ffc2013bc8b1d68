"""All that decides what happens in a round: it and a seed decide an answer."""

from dataclasses import dataclass

from .chart import Chart
from .counting import Count
from .plays import IndexPlay
from .rules import Rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Game:
    """Rules, the chart that is played, and what is counted; bets are decided afterwards.

    Results are kept by the true count before the round, so any bets can be put on them later.
    Other players at the table play `chart` without the index plays.
    """

    rules: Rules
    chart: Chart
    count: Count | None = None
    plays: tuple[IndexPlay, ...] = ()
