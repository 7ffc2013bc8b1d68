"""A site on each database for the tests of unique jobs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness import Site, new_site


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def module_site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site(str(request.param), request) as site:
        yield site


@pytest.fixture
def site(module_site: Site) -> Iterator[Site]:
    """A site whose jobs wait until a test claims one, or starts a worker."""
    module_site.empty()
    module_site.redis().flushdb()
    yield module_site
    module_site.kill_workers()
