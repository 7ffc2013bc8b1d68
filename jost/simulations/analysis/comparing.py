"""Two finished runs side by side: how far their estimates are apart, and how sure that is."""

from math import sqrt

from jost.simulations.engine.tally import Estimate

from .intervals import Figure


def difference(first: Estimate, second: Estimate) -> Figure:
    """What `second` is worth more than `first`, in units of the bet.

    The interval holds for runs of different seeds. Runs of one seed see much the same cards, so
    their errors go the same way and the interval is wider than it had to be, never too narrow.
    """
    error = sqrt(first.standard_error**2 + second.standard_error**2)
    return Figure.around(second.ev - first.ev, standard_error=error)


def differ(first: Estimate, second: Estimate) -> bool:
    """Whether chance alone would part them like this less than once in twenty times."""
    apart = difference(first, second)
    return apart.low is not None and apart.high is not None and not apart.low <= 0 <= apart.high
