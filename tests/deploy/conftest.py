"""Both projects, rendered once for each module that asks."""

from __future__ import annotations

import pytest

from tests.deploy.files import PROJECTS, Files, rendered_for


@pytest.fixture(scope="session")
def jost(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return rendered_for("jost", tmp_path_factory.mktemp("jost"))


@pytest.fixture(scope="session")
def bakery(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return rendered_for("bakery", tmp_path_factory.mktemp("bakery"))


@pytest.fixture(params=PROJECTS)
def files(request: pytest.FixtureRequest) -> Files:
    """One after the other."""
    found: Files = request.getfixturevalue(request.param)
    return found
