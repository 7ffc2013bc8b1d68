"""How a worker ends that does not consume, with code 76, or whose stop has a bound: nothing is counted.

What it runs is handed back, if the database answers; else its lease gives it to others.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
from typing import TYPE_CHECKING, Any

from celery.worker import state

from holdfast import spans
from holdfast.ledger.reads import queries
from holdfast.ledger.records import Hold

if TYPE_CHECKING:
    from holdfast.worker.intake import Intake

logger = logging.getLogger("holdfast.worker")
EXIT_STALLED = 76
# As after SIGTERM, but not for ever: nobody else waits for it.
IN_ORDER_SECONDS = 60.0
SEND_SECONDS = 2.0


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
        controller.lifeline.retire(at_once=True)
    except Exception:
        logger.exception("What this worker runs was not handed back: its lease gives it to others")
    finally:
        _signal(processes, signal.SIGKILL)
        _send_spans()
        os._exit(code)


def _send_spans() -> None:
    """Send what a trace was told of this stop; a collector that is away is waited for no longer than that."""
    if spans.tracer is not None:
        sends = threading.Thread(target=spans.tracer.flush, name="holdfast-flush", daemon=True)
        sends.start()
        sends.join(SEND_SECONDS)


def give_all_back(intake: Intake, *, kills: bool) -> None:
    """Hand back all that is here, once the pool has stopped; in the clerk's thread, where no claim is under way.

    Where the stop kills, what had begun can tell nobody of itself any more.
    """
    if intake.waiting:
        intake.claim()
        intake.waiting.clear()
    here = list(intake.held.values())
    if kills:
        intake.killed |= {held.hold for held in here if held.begun}
    # A claim whose answer was lost is known to the ledger alone, and no audit comes any more.
    known = (Hold(id, token, intake.worker) for id, token in queries.held_by(intake.worker).items())
    holds = {held.hold for held in here} | {hold for hold in known if hold not in intake.ends}
    intake.give_back(holds, cause="the worker stopped")


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
