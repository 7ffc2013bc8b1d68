"""The pytest plugin: the fixture `holdfast_jobs`. Loaded by every pytest of the environment, so it imports nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from holdfast.testing.jobs import HoldfastJobs


@pytest.fixture
def holdfast_jobs() -> Iterator[HoldfastJobs]:
    """The jobs that the test records, to look at and to run: see holdfast.testing.HoldfastJobs. Needs a database."""
    from holdfast.testing.jobs import HoldfastJobs

    with HoldfastJobs() as jobs:
        yield jobs
