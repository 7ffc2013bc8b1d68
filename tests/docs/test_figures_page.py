"""docs/simulations-figures.md speaks of the keys that an answer has."""

import re

from jost.simulations.schemas import schema_of
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "simulations-figures.md").read_text(encoding="utf-8")
SCHEMA = schema_of("simulate")
# Of rules files and of the text itself.
OTHERS = {"null", "wong_in", "wong_out", "kelly", "same_game", "leaves_out"}


def test_every_figure_of_the_page_is_a_key_of_the_answer() -> None:
    keys = set(SCHEMA["properties"]) | OTHERS
    for part in ("bets_answer", "bankroll_answer"):
        keys |= set(SCHEMA["$defs"][part]["properties"])

    named = set(re.findall(r"`([a-z_0-9]+)`", PAGE))

    assert named - keys == set()


def test_every_figure_of_bets_and_bankroll_that_has_a_formula_is_on_the_page() -> None:
    formulas = {
        *("desirability", "score", "n0", "risk_of_ruin", "risk_of_ruin_within", "doubling"),
        *("ahead", "paths", "drawdown", "units_for_risk", "certainty_equivalent_per_hour"),
    }

    assert {key for key in formulas if f"`{key}`" not in PAGE} == set()
