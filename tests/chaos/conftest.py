"""Grounds for the chaos scenarios, and their figures at the end of the run."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pytest_django import DjangoDbBlocker

from holdfast.testing.services import PostgresServer
from tests.chaos.ground import Ground, ground
from tests.chaos.judge import Judgement

FIGURES = "chaos figures"
Tell = Callable[..., None]
Enter = Callable[..., Ground]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every scenario of this folder."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.chaos)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print one line of figures for each scenario, whichever process ran it."""
    reports = [
        report for told in ("passed", "failed") for report in terminalreporter.getreports(told)
    ]
    properties = [named for report in reports for named in getattr(report, "user_properties", [])]
    if figures := dict.fromkeys(line for name, line in properties if name == FIGURES):
        terminalreporter.section(FIGURES)
        for line in figures:
            terminalreporter.write_line(str(line))


@pytest.fixture(scope="session")
def chaos_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL of the scenarios' own: they stop it and cut it off."""
    path = Path(tempfile.mkdtemp(prefix="holdfast-chaos-"))
    with PostgresServer(path) as server:
        yield server
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def on_postgres(
    tmp_path: Path, chaos_postgres: PostgresServer, django_db_blocker: DjangoDbBlocker
) -> Iterator[Ground]:
    """A ground on PostgreSQL."""
    with django_db_blocker.unblock(), ground(tmp_path, postgres=chaos_postgres) as entered:
        yield entered


@pytest.fixture
def on_sqlite(tmp_path: Path, django_db_blocker: DjangoDbBlocker) -> Iterator[Ground]:
    """A ground on SQLite, for what no database has a part in."""
    with django_db_blocker.unblock(), ground(tmp_path, postgres=None) as entered:
        yield entered


@pytest.fixture(params=["sqlite", "postgres"])
def on_both(
    request: pytest.FixtureRequest, tmp_path: Path, django_db_blocker: DjangoDbBlocker
) -> Iterator[Ground]:
    """A ground on each kind of database: the scenario runs twice."""
    server = request.getfixturevalue("chaos_postgres") if request.param == "postgres" else None
    with django_db_blocker.unblock(), ground(tmp_path, postgres=server) as entered:
        yield entered


@pytest.fixture
def enter_ground(
    request: pytest.FixtureRequest, tmp_path: Path, django_db_blocker: DjangoDbBlocker
) -> Iterator[Enter]:
    """Enter a ground on a database ("sqlite" or "postgres") with settings of the scenario's own."""
    with ExitStack() as stack:
        stack.enter_context(django_db_blocker.unblock())

        def enter(database: str, **options: Any) -> Ground:
            on = request.getfixturevalue("chaos_postgres") if database == "postgres" else None
            return stack.enter_context(ground(tmp_path, postgres=on, **options))

        yield enter


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Tell:
    """Print the one line of a scenario, then hold it to the promises."""

    def figures(
        found: Judgement,
        *,
        faults: int,
        recovery: float | None = None,
        bound: float | None = None,
        more: str = "",
    ) -> None:
        said = (
            ""
            if recovery is None
            else f", recovered in {recovery:.2f} s (bound {bound or 0:.2f} s)"
        )
        line = (
            f"{request.node.name}: {found.jobs} jobs, {faults} faults, {len(found.lost)} lost, "
            f"{len(found.duplicated_atomic)} atomic duplicated, {len(found.unexplained)} unexplained, "
            f"{found.repeated} bodies run again{said}{more and ', '}{more}"
        )
        request.node.user_properties.append((FIGURES, line))
        print(line)  # noqa: T201  # shown with the failure too
        assert not found.lost, found.lost[:10]
        assert not found.duplicated_atomic, found.duplicated_atomic[:10]
        assert not found.unexplained, found.unexplained[:10]
        if recovery is not None and bound is not None:
            assert recovery <= bound, f"recovered in {recovery:.2f} s, bound {bound:.2f} s"

    return figures
