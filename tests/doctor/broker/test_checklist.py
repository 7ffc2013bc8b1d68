"""Items of the deployment checklist that settings tell, by the command as a process."""

from __future__ import annotations

import pytest

from tests.doctor.broker.clinic import NOWHERE, Clinic


@pytest.mark.parametrize(
    ("celery", "found"),
    [
        ({}, True),
        ({"worker_max_tasks_per_child": 1000}, False),
        ({"worker_max_memory_per_child": 512_000}, False),
        ({"worker_pool": "threads"}, False),
    ],
)
def test_pool_without_bounds(clinic: Clinic, celery: dict[str, object], found: bool) -> None:
    seen = clinic.doctor("--only", "W521", "--deploy", celery=celery)
    assert ("W521" in seen.ids) is found


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("redis://:some-word@redis.invalid:6379/0", True),
        ("rediss://:some-word@redis.invalid:6379/0?ssl_cert_reqs=required", False),
        (NOWHERE, False),
    ],
)
def test_way_to_the_broker_in_clear(clinic: Clinic, url: str, found: bool) -> None:
    seen = clinic.doctor("--only", "W731", "--deploy", broker=url)
    assert ("W731" in seen.ids) is found
    assert "some-word" not in str(seen.said)
