"""How a process shows where it stands: what is asked, what is written, and what of it is believed."""

from __future__ import annotations

import faulthandler
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from celery.signals import worker_process_init

from holdfast.worker import child_stacks
from holdfast.worker.child_stacks import ChildStacks, parse
from tests.eventually import eventually

DUMP = """Stack (most recent call first):
  File "/old.py", line 1 in older
  File "/old.py", line 2 in <module>
Stack (most recent call first):
  File "/shop/a b.py", line 7 in charge
  File "/shop/main.py", line 9 in <module>
"""


@pytest.fixture
def children() -> Iterator[ChildStacks]:
    children = ChildStacks()
    children.install()
    assert children.reason == ""
    yield children
    assert children._number is not None
    faulthandler.unregister(children._number)
    worker_process_init.disconnect(children._open_own)
    children.remove()
    assert children._directory is not None
    assert not children._directory.exists()


def this_process(index: Any = "main") -> Any:
    return SimpleNamespace(pid=os.getpid(), index=index)


def written(children: ChildStacks, text: str) -> Any:
    place = children._place(this_process("7"))
    place.write_text(text)
    return place


def test_last_stack_of_a_dump_is_read() -> None:
    assert parse(DUMP) == ["/shop/a b.py:7 in charge", "/shop/main.py:9 in <module>"]
    assert parse("") == []


def test_process_shows_the_function_it_stands_in(children: ChildStacks) -> None:
    for _ in range(2):
        children.ask([this_process()])
        (stack,) = eventually(
            lambda: children.answers([this_process()], jobs={os.getpid(): "job-1"}),
            told="the process has shown itself",
        )
        assert any("test_process_shows_the_function_it_stands_in" in at for at in stack.frames)
        assert (stack.kind, stack.job, stack.name) == ("process", "job-1", f"process {os.getpid()}")


def test_half_of_a_stack_is_not_believed(children: ChildStacks) -> None:
    process = this_process("7")
    place = written(children, DUMP.rpartition("  File")[0])
    later = time.time() + 60
    os.utime(place, (later, later))
    assert children.answers([process], jobs={}) == [], "more may come"
    written(children, DUMP)
    os.utime(place, (later, later))
    assert len(children.answers([process], jobs={})) == 1, "it ends where the program began"
    written(children, DUMP.rpartition("  File")[0])
    os.utime(place, (1, 1))
    assert len(children.answers([process], jobs={})) == 1, "nothing has come behind it for long"


def test_process_that_is_gone_or_has_no_file_is_left_out(children: ChildStacks) -> None:
    gone = SimpleNamespace(pid=2**22 + 1, index="9")
    children.ask([gone])
    assert children.answers([gone], jobs={}) == []


def test_signal_that_somebody_handles_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    first = child_stacks._free_signal()
    assert first is not None
    before = signal.signal(first, lambda *_: None)
    try:
        assert child_stacks._free_signal() not in {None, first}
        monkeypatch.setattr(signal, "getsignal", lambda _: signal.SIG_IGN)
        busy = ChildStacks()
        busy.install()
        assert "handles every signal" in busy.reason
        busy.ask([this_process()])
        busy.remove()
    finally:
        signal.signal(first, before)


def test_directory_that_cannot_be_written_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: Any) -> str:
        raise OSError("no space left")

    monkeypatch.setattr(tempfile, "mkdtemp", full)
    broken = ChildStacks()
    broken.install()
    assert "no space left" in broken.reason
    broken.ask([this_process()])
    broken.remove()
