"""The completer: looks at batches whose members ended where nobody looked. One worker does it for all."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from holdfast.ledger import batches
from holdfast.ledger.database import is_passing

logger = logging.getLogger("holdfast.upkeep")
PAGE = 500
AGAIN_SECONDS = 60.0


class Completer:
    """Goes round the batches that may have an open member, a page each pass: no pass is long, none is left out."""

    def __init__(
        self, finish: Callable[[str], None], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._finish = finish
        self._monotonic = monotonic
        self._after = ""
        self._put_off: dict[str, float] = {}

    def one_pass(self) -> int:
        """Look at a page of batches; return how many had come to an end, or had members to cancel."""
        now = self._monotonic()
        self._put_off = {id: until for id, until in self._put_off.items() if until > now}
        page = batches.watched(after=self._after, limit=PAGE)
        self._after = page[-1] if len(page) == PAGE else ""
        done = 0
        for batch_id in batches.ripe([id for id in page if id not in self._put_off]):
            try:
                self._finish(batch_id)
                done += 1
            except Exception as error:
                if is_passing(error):
                    raise
                # A callback that cannot be sent must keep no other batch waiting.
                logger.exception("Batch %s has ended, and its callbacks cannot be sent", batch_id)
                self._put_off[batch_id] = now + AGAIN_SECONDS
        return done
