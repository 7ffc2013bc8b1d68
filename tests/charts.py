"""Charts for tests that need one but do not care which."""

from jost.simulations.engine.chart import PARTS


def plain_chart() -> dict[str, dict[str, list[str]]]:
    """Mimics the dealer and splits eights: every row, so that nothing has to be computed."""
    chart = {part: {name: ["H"] * 10 for name in names} for part, names in PARTS.items()}
    chart["hard"]["17"] = ["S"] * 10
    chart["soft"] |= {"A7": ["S"] * 10, "A8": ["S"] * 10, "A9": ["S"] * 10}
    chart["pairs"] |= {"88": ["P"] * 10, "99": ["S"] * 10, "1010": ["S"] * 10}
    return chart
