"""Progress of a body: written a few times a second at most, the last word always; where the body runs.

What if it dies here? The next attempt says how far it is; what was said last is shown until then.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Lock, Timer
from time import monotonic
from typing import Any

from django.utils.translation import gettext as _

from holdfast.interruptions import let_out_interruption
from holdfast.ledger.connections.aside import has_transaction, in_event_loop
from holdfast.ledger.connections.watchdog import answer_within
from holdfast.ledger.database import close_connection, connection

logger = logging.getLogger("holdfast.attempt")
PAUSE_SECONDS = 0.5
ANSWER_SECONDS = 5.0
PROGRESS = "PROGRESS"


class Reporter:
    """Writes what one attempt reports: at once, or after a pause if it has written a moment ago.

    An error, of the database or of another backend, is logged and forgotten: how far a job is must not decide what
    becomes of it.
    """

    def __init__(self, write: Callable[[dict[str, Any]], Any], *, job: str) -> None:
        self._write = write
        self._job = job
        self._lock = Lock()
        self._said: dict[str, Any] | None = None
        self._written_at = float("-inf")
        self._timer: Timer | None = None

    def report(self, meta: dict[str, Any]) -> None:
        """Note it; write it here if nothing was written for a while, else leave it to a thread."""
        with self._lock:
            self._said = meta
            if self._timer is not None:
                return
            wait = self._written_at + PAUSE_SECONDS - monotonic()
            beside = in_event_loop() or has_transaction()
            if beside and not in_event_loop() and connection().vendor == "sqlite":
                # The body's transaction holds the only writer: the next report outside of it is written.
                return
            if wait > 0 or beside:
                timer = Timer(max(wait, 0.0), self._beside)
                timer.daemon = True
                # Noted once it runs: a time limit may strike between, and one that never began is waited for in vain.
                timer.start()
                self._timer = timer
                return
        self._flush()

    def close(self) -> None:
        """Write nothing more: the body is over, and what became of it says more."""
        with self._lock:
            self._said, timer = None, self._timer
        if timer is not None:
            timer.cancel()
            timer.join(ANSWER_SECONDS)

    def _beside(self) -> None:
        try:
            self._flush()
        except Exception:  # a thread has nobody to tell
            logger.exception("Job %s: its progress could not be written", self._job)
        finally:
            close_connection()

    def _flush(self) -> None:
        with self._lock:
            said, self._said, self._timer = self._said, None, None
            self._written_at = monotonic()
        if said is None:
            return
        try:
            with answer_within(ANSWER_SECONDS):
                self._write(said)
        except Exception as error:
            let_out_interruption(error)
            logger.warning("Job %s: its progress could not be written (%s)", self._job, error)
            close_connection()


def meta_of(done: float, total: float | None, message: str) -> dict[str, Any]:
    """Return progress as `AsyncResult.info` shows it.

    Raises:
        TypeError: `done` or `total` is no number.
    """
    for name, value in (("done", done), ("total", total)):
        if isinstance(value, bool) or not isinstance(value, int | float | None):
            raise TypeError(f"progress({name}={value!r}): give a number")
    if done is None:
        raise TypeError("progress(done=None): give a number")
    return {"done": done, "total": total, "message": str(message)}


def in_words(meta: dict[str, Any]) -> str:
    """Return progress as a person reads it."""
    done, total = meta.get("done"), meta.get("total")
    said = f"{done}"
    if total and done is not None:
        words = {"done": done, "total": total, "percent": f"{done / total:.0%}"}
        said = _("%(done)s of %(total)s (%(percent)s)") % words
    return f"{said}: {meta['message']}" if meta.get("message") else said
