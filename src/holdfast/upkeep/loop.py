"""The one shape of every loop: start, one pass, stop; a pass can be called by a test."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from holdfast import debugging
from holdfast.ledger.connections.forks import gate
from holdfast.ledger.connections.turns import asking_often
from holdfast.ledger.connections.watchdog import answer_within
from holdfast.ledger.database import close_connection, is_passing

logger = logging.getLogger("holdfast.upkeep")
# A pause from which on a loop that rests gives its connection back: opening one costs some milliseconds.
REST_SECONDS = 5.0
# A pass may take long, such as one that prunes; that its connection still leads somewhere shows at once.
FIRST_ANSWER_SECONDS = 10.0


class Loop:
    """Runs `one_pass` in a thread; what it returns is the pause until the next pass, in seconds."""

    def __init__(
        self,
        name: str,
        one_pass: Callable[[], float],
        *,
        after_error: float = 1.0,
        longest: float = 60.0,
        rests: bool = False,
        undisturbed: bool = False,
    ) -> None:
        """Name a loop.

        Args:
            name: of its thread.
            one_pass: what it does again and again.
            after_error: seconds to wait after a pass that failed.
            longest: seconds that a pass may wait for the database.
            rests: keep no connection to the database during long pauses.
            undisturbed: go on while a debugger has stopped the process.
        """
        self.name = name
        self.one_pass = one_pass
        self._after_error = after_error
        self._longest = longest
        self._rests = rests
        self._undisturbed = undisturbed
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to pass; a database that is away is waited for."""
        self._thread = threading.Thread(target=self._run, name=f"holdfast-{self.name}", daemon=True)
        if self._undisturbed:
            debugging.spare(self._thread)
        self._thread.start()

    def wake(self) -> None:
        """Pass again without waiting for the pause to end."""
        self._wake.set()

    def stop(self, *, seconds: float) -> None:
        """End after the pass that runs, waiting for it so long at most."""
        self._stopped.set()
        self._wake.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(seconds)

    def _run(self) -> None:
        while not self._stopped.is_set():
            pause = self._pass_safely()
            if self._rests and pause >= REST_SECONDS and not self._wake.is_set():
                with gate.at_work():
                    close_connection()
            self._wake.wait(pause)
            self._wake.clear()
        with gate.at_work():
            close_connection()

    def _pass_safely(self) -> float:
        try:
            within = answer_within(self._longest, first=FIRST_ANSWER_SECONDS)
            with gate.at_work(), asking_often(), within:
                return self.one_pass()
        except Exception as error:
            if is_passing(error):
                logger.warning(
                    "%s: the database does not answer (%s); trying again", self.name, error
                )
            else:
                logger.exception("%s: a pass failed; the next one tries again", self.name)
            with gate.at_work():
                close_connection()
            return self._after_error
