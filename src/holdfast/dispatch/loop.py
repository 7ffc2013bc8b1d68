"""The one event loop of a process, in a thread of its own: every coroutine body of the process runs there.

It is made for the first such body and kept: what a body makes once, such as an HTTP client, serves all that come
after. Runs in pool processes, in workers of one process, and wherever a task is called eagerly.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from holdfast import events

if TYPE_CHECKING:
    from holdfast.dispatch.bodies import Body

logger = logging.getLogger("holdfast.attempt")
# A loop that does not come round for so long is held up by somebody, and the log says by whom.
BLOCKED_SECONDS = 2.0
LOOK_SECONDS = 0.5
# Threads for `asyncio.to_thread` where gevent rules; elsewhere asyncio decides.
GREEN_THREADS = 8


class LoopThread:
    """An event loop and its thread, and a second thread that sees whether it comes round."""

    def __init__(self) -> None:
        self.stepping: Body | None = None
        self._running = 0
        self._changed = threading.Condition()
        self._ready = threading.Event()
        self._thread_id = 0
        self.loop: asyncio.AbstractEventLoop
        _start_thread(self._serve, name="holdfast-event-loop")
        self._ready.wait()
        _start_thread(self._watch, name="holdfast-event-loop-watch")

    def begin(self, create: Callable[[], asyncio.Task[Any]], *, then: Callable[[], object]) -> None:
        """Create a task, from any thread; `then` is called in the loop's thread when it is over."""

        def over(_: Any) -> None:
            with self._changed:
                self._running -= 1
            then()

        def begin() -> None:
            with self._changed:
                self._running += 1
                self._changed.notify_all()
            create().add_done_callback(over)

        self.loop.call_soon_threadsafe(begin)

    def call(self, work: Callable[..., object], *args: Any) -> None:
        """Call something soon in the loop's thread, from any thread."""
        self.loop.call_soon_threadsafe(work, *args)

    def _serve(self) -> None:
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        if has_greenlets_for_threads():
            from gevent.threadpool import ThreadPoolExecutor

            # Others would be greenlets of this very thread.
            self.loop.set_default_executor(ThreadPoolExecutor(GREEN_THREADS))
        self._thread_id = threading.get_ident()
        self._ready.set()
        while True:
            try:
                self.loop.run_forever()
            except (SystemExit, KeyboardInterrupt):
                # Of a task that a body has started; the body itself is told by whoever waits for it.
                logger.exception("A task in the event loop asked the process to leave: refused")

    def _watch(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._running)
            came_round = threading.Event()
            self.call(came_round.set)
            if not came_round.wait(BLOCKED_SECONDS):
                self._tell_who_blocks()
                came_round.wait()
            threading.Event().wait(LOOK_SECONDS)

    def _tell_who_blocks(self) -> None:
        body, frame = self.stepping, sys._current_frames().get(self._thread_id)
        task, job = (body.task, body.job) if body is not None else ("", "")
        stack = "".join(traceback.format_stack(frame)[-8:]) if frame is not None else ""
        logger.warning(
            "%s has held up the event loop for %.0f s, and with it every coroutine of this process. "
            "Put what blocks into a thread: await asyncio.to_thread(...). It stands here:\n%s",
            f"Job {job} ({task})" if body is not None else "A task that a job has started",
            BLOCKED_SECONDS,
            stack,
        )
        events.loop_blocked.send_robust(
            sender=type(self), task=task, job=job, seconds=BLOCKED_SECONDS, stack=stack
        )


def loop_thread() -> LoopThread:
    """Return this process's event loop; start it if this is the first time."""
    global _of_process  # noqa: PLW0603  # there is one, and it is made when it is needed
    with _making:
        if _of_process is None:
            _of_process = LoopThread()
        return _of_process


def loop_of_process() -> LoopThread | None:
    """Return this process's event loop, if a coroutine body has begun one."""
    return _of_process


def has_greenlets_for_threads() -> bool:
    """Tell whether gevent has put greenlets in the place of this process's threads."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("threading"))


def _start_thread(work: Callable[[], None], *, name: str) -> None:
    """Start a thread of the system, also where gevent has put greenlets in the place of threads.

    A loop in a greenlet would make all of them look as if they ran one.
    """
    if has_greenlets_for_threads():
        import gevent

        # Both threads would make a hub of their own at once, and wait for each other's imports.
        gevent.sleep(0)
        sys.modules["gevent.monkey"].get_original("_thread", "start_new_thread")(work, ())
    else:
        threading.Thread(target=work, name=name, daemon=True).start()


def _after_fork() -> None:
    global _of_process, _making  # the parent's threads are not here
    _of_process, _making = None, threading.Lock()


_of_process: LoopThread | None = None
_making = threading.Lock()
os.register_at_fork(after_in_child=_after_fork)
