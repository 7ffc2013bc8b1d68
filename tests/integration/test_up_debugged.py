"""`make up DEBUG_WORKER=1`: an editor attaches to the web process and to every process of the worker."""

from __future__ import annotations

import inspect
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from holdfast.testing.services import free_port
from jost.embedded import tasks
from jost.simulations.views import listing
from tests.dap import Debugger
from tests.eventually import eventually
from tests.integration.test_up import ROOT, Up, _make_up

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ports() -> list[int]:
    return [free_port(), free_port()]


@pytest.fixture(scope="module")
def jost(tmp_path_factory: pytest.TempPathFactory, ports: list[int]) -> Iterator[Up]:
    up = Up(
        tmp_path_factory.mktemp("jost") / "data",
        DEBUG_WORKER="1",
        DEBUG_PORTS=",".join(str(number) for number in ports),
    )
    try:
        yield up.until_ready()
    finally:
        up.end()


def place(module: Any, text: str) -> dict[Path, list[int]]:
    lines = inspect.getsource(module).splitlines()
    return {Path(module.__file__): [1 + next(at for at, line in enumerate(lines) if text in line)]}


def go_on(session: Any, frame: dict[str, Any]) -> None:
    session.ask("continue", {"threadId": frame["threadId"]})


def test_breakpoints_stop_a_page_and_a_job(jost: Up, ports: list[int]) -> None:
    web, worker = ports
    with closing(Debugger(worker, place(tasks, "path.write_text(run)"))) as debugger:
        debugger.attach_children(4)
        jost.manage(
            "shell", "-v0", "-c",
            "from jost.embedded.tasks import pulse; pulse.delay('editor', 'was here')",
        )  # fmt: skip
        session, frame = debugger.stopped()
        shown = session.ask("evaluate", {"expression": "source", "frameId": frame["id"]})
        assert shown["result"] == "'editor'"
        go_on(session, frame)
    pulse = jost.folder / "pulse" / "editor"
    eventually(lambda: pulse.exists() and pulse.read_text() == "was here")

    pages: list[int] = []

    def open_page() -> None:
        with urllib.request.urlopen(f"http://127.0.0.1:{jost.port}/simulations/") as page:
            pages.append(page.status)

    with closing(Debugger(web, place(listing, "newest = "))) as debugger:
        reading = threading.Thread(target=open_page)
        reading.start()
        go_on(*debugger.stopped())
        reading.join(60)
    assert pages == [200]


def test_debug_port_that_is_taken_gets_a_message_with_the_repair(
    tmp_path: Path, jost: Up, ports: list[int]
) -> None:
    refused = subprocess.run(
        _make_up(free_port()),
        cwd=ROOT,
        env=jost.environment | {"JOST_DATA_DIR": str(tmp_path / "other")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert refused.returncode != 0
    assert f"Port {ports[0]}, where a debugger is to attach, is taken" in refused.stderr
