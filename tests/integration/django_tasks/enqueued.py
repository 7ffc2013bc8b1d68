"""What the tests of the tasks API look at."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from holdfast.ledger.models import Job
from holdfast.tasks import HoldfastBackend

IN_AN_HOUR = timedelta(hours=1)


def job_of(ledger: str, result: Any) -> Job:
    return Job.objects.using(ledger).get(id=result.id)


def backend_of(**params: Any) -> HoldfastBackend:
    return HoldfastBackend("default", params)
