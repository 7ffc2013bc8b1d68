"""What a job's end sets off when a call among it is unique and its key is taken: one by one, and told to who waits.

The body has done its work, so its end stands. A link that meets another job leaves the work to that one; a step of a
chain cannot, and those who wait for it hear why it will not come.
"""

from __future__ import annotations

import logging
from typing import Any

from celery import states
from celery.app.task import Context
from celery.canvas import maybe_signature

from holdfast.exceptions import UniqueConflict
from holdfast.lineage import awaiting

logger = logging.getLogger("holdfast.results")


def send_apart(
    backend: Any, request: Any, callbacks: list[Any], value: Any, options: dict[str, Any]
) -> None:
    """Record each successor by itself, in the end's transaction; none of those that were sent together is recorded."""
    for callback in callbacks:
        try:
            callback.clone().apply_async((value,), **options)
        except UniqueConflict as conflict:
            logger.info("Job %s: a link of it is left to another job. %s", request.id, conflict)
    if not request.chain:
        return
    following = maybe_signature(request.chain[-1], app=backend.app)
    try:
        with awaiting():
            following.apply_async((value,), chain=request.chain[:-1], **options)
    except UniqueConflict as conflict:
        logger.warning("Job %s: the rest of its chain will not run. %s", request.id, conflict)
        _tell(backend, request, following, conflict)


def _tell(backend: Any, request: Any, following: Any, conflict: UniqueConflict) -> None:
    """Fail the rest of a chain, and call the error callbacks of the step that could not be recorded."""
    backend._fail_chain(request.chain, conflict, None, state=states.FAILURE)
    errbacks = following.options.get("link_error")
    if errbacks:
        step = Context({**following, **following.options, "id": following.id})
        step.update(errbacks=errbacks, root_id=request.root_id, parent_id=request.id)
        backend._call_task_errbacks(step, conflict, None)
