"""What the tests of `holdfast.testing` look at."""

from __future__ import annotations

from holdfast.testing import HoldfastJobs

NOWHERE = "redis://127.0.0.1:1/0"


def states(jobs: HoldfastJobs) -> list[str]:
    return [job.state for job in jobs.recorded()]
