"""Time limits of a call: they stay with the job through all it goes through, and end its job alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from celery.exceptions import SoftTimeLimitExceeded, TimeLimitExceeded

import holdfast
from tests.eventually import PATIENCE, eventually
from tests.harness import Site, new_site
from tests.project import steered
from tests.project.models import AtomicEffect


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site(str(request.param), request) as site:
        site.worker(f"--include={steered.__name__}", concurrency=2)
        yield site


@pytest.fixture
def clean(site: Site) -> Iterator[Site]:
    site.empty()
    yield site
    site.wait_all_final()


@pytest.mark.parametrize("leaving", ["retry", "snooze", "die", "fail"])
def test_limits_of_a_call_are_those_of_every_attempt(clean: Site, leaving: str) -> None:
    soft = 0.5 if leaving == "retry" else 40.0
    sent = clean.app.tasks[steered.limited.name].apply_async(
        (leaving, leaving), time_limit=50.0, soft_time_limit=soft
    )
    if leaving == "fail":
        clean.wait_all_final()
        holdfast.replay(sent)
    assert sent.get(timeout=60) == leaving
    limits = [line for line in clean.effects() if line.startswith("limits")]
    assert limits == [f"limits {leaving} [50.0, {soft}]"] * 2
    assert (f"soft {leaving}" in clean.effects()) == (leaving == "retry")


def test_hard_limit_fails_its_job_and_no_other(clean: Site) -> None:
    gate = clean.directory / "neighbour"
    neighbour = clean.app.tasks[steered.deaf.name].delay("neighbour", str(gate))
    sent = clean.app.tasks[steered.limited.name].apply_async(("hard", "stay"), time_limit=1.0)

    assert isinstance(sent.get(timeout=60, propagate=False), TimeLimitExceeded)

    row = clean.jobs()[sent.id]
    assert (row.failures, row.losses, row.attempts, row.reason) == (1, 0, 1, "error")
    (attempt,) = holdfast.attempts(sent)
    assert attempt.outcome == "failed"
    assert "TimeLimitExceeded" in attempt.error
    # The process that ran it is replaced, and the other one goes on.
    assert clean.task("add").delay(1, 1).get(timeout=60) == 2
    eventually(lambda: "start neighbour" in clean.effects())
    gate.touch()
    assert neighbour.get(timeout=60) == "neighbour"
    assert clean.effect_counts()["start neighbour"] == 1
    assert clean.jobs()[neighbour.id].attempts == 1
    assert clean.effect_counts()["attempt hard"] == 1, "nothing is left to ask for a retry"


def test_soft_limit_ends_every_body_that_writes_all_the_time(clean: Site) -> None:
    task = clean.app.tasks[steered.saying.name]
    names = {f"saying {n}" for n in range(20)}
    sent = [task.apply_async((name,), soft_time_limit=0.4) for name in sorted(names)]

    ends = [one.get(timeout=PATIENCE, propagate=False) for one in sent]

    assert {type(end) for end in ends} == {SoftTimeLimitExceeded}
    written = AtomicEffect.objects.using(clean.alias).values_list("job", flat=True)
    assert set(written) == names, "each has used its connection after it was struck"
