"""What the threads, greenlets and coroutines of a worker do at this moment: where each stands, never a value.

Bounded: so many of them, so many frames of each. Read in the worker's main process; its pool's processes show
themselves, see `child_stacks`.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any

from holdfast.dispatch import loop
from holdfast.dispatch.bodies import Body

MOST_STACKS = 200
MOST_FRAMES = 60
# Celery's tracer has the id of the job it traces in a local of this name.
_TRACERS = {"trace_task", "fast_trace_task"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Where one of them stands."""

    name: str
    kind: str
    """thread, process, greenlet or coroutine."""
    frames: tuple[str, ...]
    """File, line and function, the innermost first."""
    job: str | None = None
    """The job it runs, as far as that can be told."""
    cut: bool = False
    """Whether there are more frames."""


def all_of(pool: Any) -> list[Stack]:
    """Return the stacks of this process: its threads, the greenlets of its pool, the coroutines of its event loop."""
    found: list[Stack] = []
    for stack in _each(pool):
        if len(found) == MOST_STACKS:
            break
        found.append(stack)
    return found


def _each(pool: Any) -> Iterator[Stack]:
    # What runs jobs comes first: the list is bounded.
    yield from _greenlets(pool)
    yield from _coroutines()
    yield from _threads()


def _threads() -> Iterator[Stack]:
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    for ident, frame in sys._current_frames().items():
        if ident != threading.get_ident():
            yield _of_frame(frame, name=names.get(ident, f"thread {ident}"), kind="thread")
    # Last, and only in name: it is the one that answers.
    here = sys._getframe()
    yield _of_frame(here, name=f"{threading.current_thread().name} (answers this)", kind="thread")


def _greenlets(pool: Any) -> Iterator[Stack]:
    """Yield the greenlets in which gevent's and eventlet's pools run jobs; the one that runs now has no frame."""
    inner = getattr(pool, "_pool", None)
    running: Iterable[Any] = (
        getattr(inner, "greenlets", None) or getattr(inner, "coroutines_running", None) or ()
    )
    for number, one in enumerate(list(running)):
        frame = getattr(one, "gr_frame", None)
        if frame is not None:
            yield _of_frame(frame, name=f"greenlet {number}", kind="greenlet")


def _coroutines() -> Iterator[Stack]:
    """Yield the tasks of the event loop that coroutine bodies run in, if this process has begun one."""
    serving = loop.loop_of_process()
    if serving is None:
        return
    for task in asyncio.all_tasks(serving.loop):
        inner = task.get_coro()
        body = inner if isinstance(inner, Body) else None
        frames = [_line(frame) for frame in _awaited(body.coroutine if body else inner)]
        frames.reverse()
        yield Stack(
            name=body.task if body else task.get_name(),
            kind="coroutine",
            frames=tuple(frames[:MOST_FRAMES]),
            job=body.job if body else None,
            cut=len(frames) > MOST_FRAMES,
        )


def _awaited(coroutine: Any) -> Iterator[FrameType]:
    """Yield the frames of coroutines that wait for each other, the outermost first."""
    for _ in range(2 * MOST_FRAMES):
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        if frame is None:
            return
        yield frame
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)


def _of_frame(frame: FrameType | None, *, name: str, kind: str) -> Stack:
    frames: list[str] = []
    job = None
    while frame is not None:
        frames.append(_line(frame))
        job = job or _job_of(frame)
        frame = frame.f_back
    return Stack(
        name=name,
        kind=kind,
        frames=tuple(frames[:MOST_FRAMES]),
        job=job,
        cut=len(frames) > MOST_FRAMES,
    )


def _job_of(frame: FrameType) -> str | None:
    code = frame.f_code
    if code.co_name not in _TRACERS or not code.co_filename.endswith("trace.py"):
        return None
    uuid = frame.f_locals.get("uuid")
    return uuid if isinstance(uuid, str) else None


def _line(frame: FrameType) -> str:
    code = frame.f_code
    return f"{code.co_filename}:{frame.f_lineno} in {code.co_qualname}"
