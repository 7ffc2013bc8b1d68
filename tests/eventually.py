"""The one way tests wait: look again until a fact holds; the only place in the tests that sleeps."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
# Seconds for what comes soon on a machine that is free: a bound that is promised is asserted, or given with its name.
PATIENCE = 60.0


def eventually(
    fact: Callable[[], T], *, within: float = PATIENCE, every: float = 0.02, told: str = ""
) -> T:
    """Return the first truthy answer of `fact`; fail the test if there is none `within` seconds.

    An `AssertionError` of `fact` counts as "not yet" and is shown if time runs out.
    """
    deadline = time.monotonic() + within
    while True:
        refusal: AssertionError | None = None
        answer: T | None = None
        try:
            answer = fact()
            if answer:
                return answer
        except AssertionError as error:
            refusal = error
        if time.monotonic() > deadline:
            said = told or getattr(fact, "__name__", "the fact")
            raise AssertionError(
                f"Not within {within:g} s: {said}; last answer {answer!r}"
            ) from refusal
        time.sleep(every)
