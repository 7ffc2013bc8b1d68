"""A debugger that attaches to a worker stops inside a task, in whatever process of its pool that runs."""

from __future__ import annotations

import inspect
import logging
import socket
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from holdfast import debugging
from holdfast.exceptions import ConfigurationError
from holdfast.testing.ports import free_port
from tests.dap import Debugger
from tests.eventually import eventually
from tests.harness import SHORT, Site, new_site
from tests.processes import WorkerProcess
from tests.project import tasks as project_tasks

TASK = Path(project_tasks.__file__)


@pytest.fixture(scope="module")
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site("postgres", request) as site:
        yield site


@pytest.fixture
def clean(site: Site) -> Iterator[Site]:
    site.empty()
    yield site
    site.kill_workers()


def line_in(function: str, text: str) -> int:
    """Return the number of a line in the body of a task."""
    lines, first = inspect.getsourcelines(getattr(project_tasks, function).run)
    return next(first + at for at, line in enumerate(lines) if text in line)


LINE = line_in("add", "return x + y")


def debugged(site: Site, pool: str) -> tuple[WorkerProcess, int]:
    port = free_port()
    address = {"HOLDFAST_DEBUGGER": f"127.0.0.1:{port}"}
    return site.worker(pool=pool, concurrency=2, environment=address), port


def test_breakpoint_in_a_task_stops_each_process_of_a_pool(clean: Site) -> None:
    worker, port = debugged(clean, "prefork")
    # The editor comes when the pool has long been there.
    with closing(Debugger(port, {TASK: [LINE]})) as debugger:
        children = debugger.attach_children(2)
        assert sorted(children) == sorted(set(children) & set(worker.pids()))

        sent = [clean.task("add").delay(20, 22 + n) for n in range(2)]
        stops = [debugger.stopped() for _ in sent]

        assert {session.pid for session, _ in stops} == set(children)
        assert {frame["line"] for _, frame in stops} == {LINE}
        shown = {
            session.ask("evaluate", value("x + y", frame))["result"] for session, frame in stops
        }
        assert shown == {"42", "43"}
        assert clean.counts() == {"running": 2}
        for session, frame in stops:
            session.ask("continue", {"threadId": frame["threadId"]})
        assert [result.get(timeout=60) for result in sent] == [42, 43]
    again = clean.task("add").delay(1, 2)
    assert again.get(timeout=60) == 3, "nobody stops once the editor is gone"
    worker.stop()


def test_worker_that_stands_at_a_breakpoint_keeps_its_lease(clean: Site) -> None:
    worker, port = debugged(clean, "threads")
    with closing(Debugger(port, {TASK: [LINE]})) as debugger:
        sent = clean.task("add").delay(20, 22)
        session, frame = debugger.stopped()
        stood = worker.lease()
        assert stood is not None
        enough = stood.lease_until + timedelta(seconds=SHORT["lease_seconds"])
        eventually(lambda: worker.lease_until() > enough, told="its lease is renewed")
        session.ask("continue", {"threadId": frame["threadId"]})
        assert sent.get(timeout=60) == 42
    (row,) = clean.jobs().values()
    assert (row.attempts, row.losses) == (1, 0)
    worker.stop()


def value(expression: str, frame: dict[str, object]) -> dict[str, object]:
    return {"expression": expression, "frameId": frame["id"]}


# -- who may attach ------------------------------------------------------------------------------------


def test_nobody_listens_unless_it_is_asked_for(clean: Site) -> None:
    assert debugging.listen_if_asked({}) is None
    said = clean.python("import sys; print('debugpy' in sys.modules)")
    assert said.strip() == "False"


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "[::]", "example.com"])
def test_address_that_others_reach_is_refused(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debugging, "_CONTAINER_MARKS", ())
    with pytest.raises(ConfigurationError, match=r"could run anything.* Say 127\.0\.0\.1:5679"):
        debugging.listen_if_asked({"HOLDFAST_DEBUGGER": f"{host}:5679"})


@pytest.mark.parametrize("asked", ["yes", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:66000", ":x"])
def test_address_that_is_none_is_refused(asked: str) -> None:
    with pytest.raises(ConfigurationError, match="must be an address like"):
        debugging.listen_if_asked({"HOLDFAST_DEBUGGER": asked})


def test_another_address_is_taken_inside_a_container_and_never_in_a_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debugging, "_CONTAINER_MARKS", (tmp_path,))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert debugging.address("0.0.0.0:5679") == ("0.0.0.0", 5679)
    assert debugging.address("5679") == ("127.0.0.1", 5679)
    assert debugging.address("[::1]:5679") == ("::1", 5679)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    with pytest.raises(ConfigurationError, match="inside a container only"):
        debugging.address("0.0.0.0:5679")


def test_port_that_is_taken_is_left_to_whoever_has_it(clean: Site) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        port = other.getsockname()[1]
        said = clean.python(
            "print('goes on')", environment={"HOLDFAST_DEBUGGER": f"127.0.0.1:{port}"}
        )
    assert said.splitlines()[-1] == "goes on"
    assert logging.getLogger("holdfast") is debugging.logger
