"""A drained job and one in a real worker are alike: same arguments, same rows, one goes on with the other's."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.testing import HoldfastJobs
from tests.harness import new_site

PLAIN = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(max_size=20)
    | st.uuids()
    | st.decimals(allow_nan=False)
    | st.dates()
    | st.datetimes()
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
KINDS = pytest.mark.parametrize("kind", ["sqlite", "postgres"])
IN_A_TEST = """
from django.test.utils import setup_test_environment
from holdfast.testing import HoldfastJobs
setup_test_environment()
with HoldfastJobs(app) as jobs:
    tasks.leave.delay("lose child", "job")
    jobs.drain()
"""


@pytest.mark.slow
@KINDS
@pytest.mark.short_on("postgres")
def test_arguments_reach_a_drained_body_as_they_reach_a_workers(
    kind: str, request: pytest.FixtureRequest
) -> None:
    with new_site(kind, request) as site:
        site.worker(pool="threads")
        told = site.task("told")

        @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        @given(st.lists(VALUES, max_size=3), st.dictionaries(st.text("abc"), VALUES, max_size=3))
        def both_get_the_same(args: list[Any], kwargs: dict[str, Any]) -> None:
            by_worker = told.apply_async(args, kwargs).get(timeout=60)
            with HoldfastJobs(site.app) as jobs:
                sent = told.apply_async(args, kwargs)
                jobs.drain()
                assert sent.get(timeout=1) == by_worker
                (recorded,) = [job for job in jobs.recorded() if job.id == sent.id]
                jobs.assert_recorded(told, args=args, kwargs=kwargs)
            assert repr((recorded.args, recorded.kwargs)) == by_worker

        both_get_the_same()


@pytest.mark.slow
@KINDS
@pytest.mark.short_on("sqlite")
def test_job_of_a_killed_drain_is_rescued_by_a_worker(
    kind: str, request: pytest.FixtureRequest
) -> None:
    with new_site(kind, request) as site:
        # The body kills its process, which is the one that drains.
        with pytest.raises(AssertionError):
            site.python(IN_A_TEST)
        assert site.effects() == ["start job"]
        assert list(site.states().values()) == ["running"]

        site.worker()
        assert set(site.wait_all_final().values()) == {"succeeded"}
        assert site.effects() == ["start job", "start job"]
