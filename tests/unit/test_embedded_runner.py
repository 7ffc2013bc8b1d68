"""The small parts of `make up` that decide whether it can be trusted: its files, its lock, its output."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from jost.embedded import state
from jost.embedded.console import Console
from jost.embedded.run import CannotStart
from jost.embedded.up import page_port


def test_redis_port_is_chosen_once(tmp_path: Path) -> None:
    port = state.redis_port(tmp_path)
    assert 1024 <= port <= 65535
    assert state.redis_port(tmp_path) == port


def test_processes_that_start_together_agree_on_one_port(tmp_path: Path) -> None:
    ports: set[int] = set()
    starting = [
        threading.Thread(target=lambda: ports.add(state.redis_port(tmp_path))) for _ in range(8)
    ]
    for thread in starting:
        thread.start()
    for thread in starting:
        thread.join()
    assert len(ports) == 1


def test_folder_is_held_by_one_run_and_says_which(tmp_path: Path) -> None:
    told = state.Running(pid=1, page="http://127.0.0.1:1/", embedded_redis=True)
    assert state.running(tmp_path) is None
    with state.held(tmp_path) as first, state.held(tmp_path) as second:
        assert (first, second) == (True, False)
        state.announce(tmp_path, told)
        assert state.running(tmp_path) == told
    assert state.running(tmp_path) is None


def test_announcement_of_a_run_that_was_killed_is_not_believed(tmp_path: Path) -> None:
    with state.held(tmp_path):
        pass
    state.announce(tmp_path, state.Running(pid=1, page="http://127.0.0.1:1/", embedded_redis=True))
    assert state.running(tmp_path) is None


def test_nobody_waits_for_a_terminal_that_is_not_read() -> None:
    reading, writing = os.pipe()
    console = Console(writing)
    for number in range(50_000):
        console.tell("web", f"line {number} of more than any pipe holds")
    console.close(timeout=0.1)
    assert os.read(reading, 100).startswith(b"web       | line 0 ")
    os.close(reading)
    # The writer's thread ends with the pipe: only then may the descriptor be used for something else.
    console.close(timeout=5)
    os.close(writing)


@pytest.mark.parametrize("port", ["no", "0", "65536", "-1", "80.5"])
def test_port_that_is_no_port_is_refused(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", port)
    with pytest.raises(CannotStart, match="from 1 to 65535"):
        page_port()
