"""What the tests of the reference project share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture
def inline() -> Iterator[None]:
    """Run every job in the call that sends it."""
    from jost.simulations import tasks

    conf = tasks.run_chunk.app.conf
    conf.task_always_eager = True
    yield
    conf.task_always_eager = False
