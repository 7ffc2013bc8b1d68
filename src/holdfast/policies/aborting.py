"""Whether the attempt that runs here is still wanted; in the process or thread of its body.

What if it dies here? Nothing is written: the wish stands in the ledger, and the job is cancelled where it would go on.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Any

from asgiref.sync import sync_to_async
from billiard.process import current_process
from celery.exceptions import SoftTimeLimitExceeded

from holdfast.interruptions import let_out_interruption
from holdfast.ledger import wishes
from holdfast.ledger.connections.aside import has_transaction, in_event_loop, in_thread
from holdfast.ledger.connections.watchdog import answer_within
from holdfast.ledger.database import close_connection, connection, is_passing
from holdfast.ledger.records import Hold
from holdfast.ledger.wishes import Standing
from holdfast.lineage import current_hold, memory

logger = logging.getLogger("holdfast.attempt")
LOOK_SECONDS = 1.0
ANSWER_SECONDS = 5.0


@dataclass(slots=True)
class _Look:
    """What an attempt saw last."""

    standing: Standing = Standing.WANTED
    at: float = float("-inf")


def is_aborted() -> bool:
    """Tell a body that it should stop: its job was cancelled, or asked to stop, or is somebody else's by now.

    The ledger is asked at most once a second, so it may be called in a tight loop; once true it stays true. A ledger
    that does not answer changes nothing. Outside of all attempts, and in a thread the body started itself without its
    context, it is False.

    Raises:
        SoftTimeLimitExceeded: the soft time limit is over, and the pool has no way to interrupt the body: once.
    """
    hold = current_hold()
    if hold is None:
        return False
    _heed_soft_limit()
    last = _last_look()
    if _is_due(last):
        last.standing = _look(hold)
        last.at = monotonic()
    return last.standing is not Standing.WANTED


async def ais_aborted() -> bool:
    """Tell a coroutine the same; the event loop goes on while the ledger is asked."""
    if current_hold() is None or not _is_due(_last_look()):
        return is_aborted()
    return await sync_to_async(is_aborted, thread_sensitive=True)()


def soft_limit(task: Any, request: Any) -> dict[str, Any]:
    """Return what an attempt must know of its soft time limit, where only its own looks can tell it.

    A pool of processes interrupts its bodies; threads, greenlets and the solo pool cannot be.
    """
    seconds = (request.timelimit or (None, None))[1] or task.soft_time_limit
    # A process of a pool has a number.
    if not seconds or getattr(current_process(), "index", None) is not None:
        return {}
    return {"soft_limit": seconds, "soft_deadline": monotonic() + seconds}


def _heed_soft_limit() -> None:
    here = memory()
    if monotonic() >= here.get("soft_deadline", float("inf")):
        del here["soft_deadline"]
        raise SoftTimeLimitExceeded(here["soft_limit"])


def _last_look() -> _Look:
    look: _Look = memory().setdefault("aborting", _Look())
    return look


def _is_due(last: _Look) -> bool:
    return last.standing is Standing.WANTED and monotonic() - last.at >= LOOK_SECONDS


def _look(hold: Hold) -> Standing:
    ask = partial(_bounded, hold)
    try:
        # Aside of a transaction: inside, a snapshot may hide what was committed since, and a look that is cut off
        # would take the body's work along. SQLite has nothing to hide there: nobody else can write meanwhile.
        aside = in_event_loop() or (has_transaction() and connection().vendor == "postgresql")
        return in_thread(ask) if aside else ask()
    except Exception as error:
        let_out_interruption(error)
        if not is_passing(error):
            raise
        logger.warning("Job %s: whether it is still wanted cannot be asked (%s)", hold.id, error)
        if not in_event_loop() and not has_transaction():
            close_connection()
        return Standing.WANTED


def _bounded(hold: Hold) -> Standing:
    with answer_within(ANSWER_SECONDS):
        return wishes.standing(hold)
