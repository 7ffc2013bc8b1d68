"""Whatever is counted, bet and owned: an answer has the form of its schema, and no NaN."""

import json
from itertools import pairwise
from typing import Any

import jsonschema
from hypothesis import given, settings
from hypothesis import strategies as st

from jost.simulations import report
from jost.simulations.betting import read_bets
from jost.simulations.schemas import schema_of
from jost.simulations.setup import Setup
from tests.simulated import CHART
from tests.tallied import tally_of

VALIDATOR = jsonschema.Draft202012Validator(schema_of("simulate"))
SETUP = Setup.from_dict({"strategy": CHART, "counting": "hi-lo"})

counts = st.integers(-20, 20)
payoffs = st.sampled_from([-8.0, -1.0, -0.5, 0.0, 1.0, 1.5, 8.0])
tallies = st.dictionaries(
    counts,
    st.dictionaries(payoffs, st.integers(1, 10**9), min_size=1, max_size=4),
    min_size=1,
    max_size=4,
).map(tally_of)
units = st.one_of(st.sampled_from([0.001, 1, 12, 1e6]), st.floats(0.01, 1e4))
bets = st.one_of(
    st.fixed_dictionaries({"ramp": st.dictionaries(counts.map(str), units, min_size=1)}),
    st.fixed_dictionaries({"kelly": st.floats(0.01, 2), "max_units": st.floats(1, 1e6)}),
    st.fixed_dictionaries({"wong_in": counts}),
    st.fixed_dictionaries({"wong_out": counts, "unit": st.floats(0.01, 1e6)}),
)
bankrolls = st.fixed_dictionaries(
    {"units": st.floats(0.001, 1e9), "rounds": st.integers(1, 10**11)},
)


@given(tally=tallies, bet=bets, owned=bankrolls)
@settings(max_examples=15, deadline=None)
def test_any_bets_on_any_tally_are_answered(
    tally: Any, bet: dict[str, Any], owned: dict[str, Any]
) -> None:
    read, bankroll = read_bets(bet, owned, counted=True)

    answer = report.answer(SETUP, tally, seed=1, engine_version=2) | report.whatif(
        SETUP, tally, bets=read, bankroll=bankroll
    )

    assert [error.message for error in VALIDATOR.iter_errors(answer)] == []
    assert json.loads(json.dumps(answer, allow_nan=False)) == answer
    assert_in_order(answer)


def assert_in_order(answer: Any) -> None:
    """Every figure lies between its ends."""
    if isinstance(answer, list):
        for each in answer:
            assert_in_order(each)
    if not isinstance(answer, dict):
        return
    if set(answer) == {"value", "low", "high"}:
        known = [answer[end] for end in ("low", "value", "high") if answer[end] is not None]
        slack = 1e-6 * max(map(abs, known), default=0.0)
        assert all(one <= other + slack for one, other in pairwise(known))
    for each in answer.values():
        assert_in_order(each)
