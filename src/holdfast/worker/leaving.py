"""How a worker ends that does not consume, with code 76, or whose stop has a bound: nothing is counted.

What it runs is handed back, if the database answers; else its lease gives it to others.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
from typing import Any

from celery.worker import state

logger = logging.getLogger("holdfast.worker")
EXIT_STALLED = 76
# As after SIGTERM, but not for ever: nobody else waits for it.
IN_ORDER_SECONDS = 60.0


def leave_in_order(ended: threading.Event) -> bool:
    """Ask the event loop for a warm stop, and wait a minute for its end; tell whether it has come."""
    state.should_stop = EXIT_STALLED
    return ended.wait(IN_ORDER_SECONDS)


def leave_in_time(controller: Any) -> None:
    """Hand back what still runs at the end of a bounded stop, and end this process; nothing if its pool has ended."""
    if not controller.lifeline.retired:
        leave_at_once(controller, code=0)


def leave_at_once(controller: Any, *, code: int = EXIT_STALLED) -> None:
    """Hand back what runs, and end this process without asking its event loop."""
    processes = _processes(controller.pool)
    # First of all they stand still: what is handed back here must not go on there.
    _signal(processes, signal.SIGSTOP)
    try:
        controller.lifeline.close(controller)
        controller.lifeline.retire()
    except Exception:
        logger.exception("What this worker runs was not handed back: its lease gives it to others")
    finally:
        _signal(processes, signal.SIGKILL)
        os._exit(code)


def _processes(pool: Any) -> list[int]:
    """Return the processes of a pool that has some of its own."""
    try:
        found = pool.info.get("processes", ())
    except Exception:  # a pool that has begun to end
        found = ()
    return [pid for pid in found if pid and pid != os.getpid()]


def _signal(processes: list[int], number: signal.Signals) -> None:
    for pid in processes:
        with contextlib.suppress(OSError):
            os.kill(pid, number)
