"""Marks every test of this folder, and shows their figures at the end of the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from holdfast.testing.services import RabbitServer

FIGURES = "figures of brokers"
Tell = Callable[[str], None]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what `make test-brokers` runs."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.brokers)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the lines that tests have told, whichever process ran them."""
    passed = terminalreporter.getreports("passed")
    told = [named for report in passed for named in getattr(report, "user_properties", [])]
    if lines := dict.fromkeys(line for name, line in told if name == FIGURES):
        terminalreporter.section(FIGURES)
        for line in lines:
            terminalreporter.write_line(str(line))


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Tell:
    """Keep a line for the end of the run."""

    def keep(line: str) -> None:
        request.node.user_properties.append((FIGURES, f"{request.node.name}: {line}"))

    return keep


@pytest.fixture(scope="session")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitServer]:
    """One RabbitMQ for the whole run, as it is slow to start; a test that breaks it must mend it."""
    with RabbitServer(tmp_path_factory.mktemp("rabbit") / "server") as server:
        yield server
