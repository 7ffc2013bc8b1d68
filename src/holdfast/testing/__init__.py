"""For tests of projects: the jobs of a test without Redis or a worker, and real services for tests that want them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdfast.testing import faults as faults
    from holdfast.testing.attempt import JobDied as JobDied
    from holdfast.testing.drain import NeverEmpty as NeverEmpty
    from holdfast.testing.jobs import HoldfastJobs as HoldfastJobs
    from holdfast.testing.jobs import HoldfastJobsMixin as HoldfastJobsMixin
    from holdfast.testing.recorded import RecordedJob as RecordedJob

_HOME = {
    "HoldfastJobs": "holdfast.testing.jobs",
    "HoldfastJobsMixin": "holdfast.testing.jobs",
    "JobDied": "holdfast.testing.attempt",
    "NeverEmpty": "holdfast.testing.drain",
    "RecordedJob": "holdfast.testing.recorded",
}

__all__ = ["HoldfastJobs", "HoldfastJobsMixin", "JobDied", "NeverEmpty", "RecordedJob", "faults"]


def __getattr__(name: str) -> Any:
    # Looked up on first use: the pytest plugin lies in this package, and must cost nothing where it is not used.
    from importlib import import_module

    if name == "faults":
        return import_module("holdfast.testing.faults")
    if name not in _HOME:
        raise AttributeError(
            f"module 'holdfast.testing' has no attribute {name!r}; it has: {', '.join(__all__)}"
        )
    return getattr(import_module(_HOME[name]), name)
