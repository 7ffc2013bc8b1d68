"""What a body can ask and say about the attempt it is: the part of a task that is there for the code inside."""

from __future__ import annotations

from contextvars import copy_context
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from celery import Task
from celery.contrib.abortable import ABORTED

from holdfast.ledger.connections.aside import in_event_loop, in_thread


class Inside(Task):
    """Methods for bodies with `bind=True`. Outside of an attempt they ask nothing, say nothing, and never fail."""

    abstract = True

    def is_aborted(self, task_id: str | None = None) -> bool:
        """Tell the body that it should stop; with an id, whether that job is being aborted.

        True once the job was cancelled or asked to stop, or the attempt lost its lease. The ledger is asked at most
        once a second. Leave by `raise holdfast.Aborted()`, and the job ends as cancelled.
        """
        if task_id is not None and task_id != self.request.id:
            state: Any = self.AsyncResult(task_id).state
            return bool(state == ABORTED)
        from holdfast.policies.aborting import is_aborted

        return is_aborted()

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Show progress, as in Celery; from a coroutine over a connection beside its event loop."""
        update = super().update_state
        if in_event_loop():
            in_thread(partial(copy_context().run, update, *args, **kwargs))
        else:
            update(*args, **kwargs)

    def checkpoint(self, state: Any, *, every: float = 0.0) -> bool:
        """Keep a state for the job's next attempt: see `holdfast.checkpoint`."""
        from holdfast.policies.checkpoints import checkpoint

        return checkpoint(state, every=every)

    def last_checkpoint(self, default: Any = None) -> Any:
        """Return the state that an attempt of this job kept last: see `holdfast.last_checkpoint`."""
        from holdfast.policies.checkpoints import last_checkpoint

        return last_checkpoint(default)

    def progress(self, done: float, total: float | None = None, message: str = "") -> None:
        """Say how far the body is: `AsyncResult.info` shows it, in state PROGRESS, and `holdfast jobs show`.

        Written twice a second at most, the last word always; an error of the database changes nothing. An attempt that
        does not stand any more writes nothing. In a transaction it is written beside it; on SQLite, where a
        transaction holds the only writer, by the next report after it.

        Raises:
            TypeError: `done` or `total` is no number.
        """
        from holdfast.dispatch.progress import PROGRESS, Reporter, meta_of

        # Bad numbers are refused outside of attempts too.
        meta = meta_of(done, total, message)
        request = self.request
        if request.called_directly or request.is_eager or not request.id:
            return
        reporter = request.get("holdfast_progress")
        if reporter is None:
            write = partial(_write, self.backend, request.id, state=PROGRESS, request=request)
            reporter = Reporter(write, job=request.id)
            request.update(holdfast_progress=reporter)
        reporter.report(meta)

    async def ais_aborted(self) -> bool:
        """Tell a coroutine that it should stop; the event loop goes on while the ledger is asked."""
        from holdfast.policies.aborting import ais_aborted

        return await ais_aborted()

    async def acheckpoint(self, state: Any, *, every: float = 0.0) -> bool:
        """Keep a state of a coroutine for the job's next attempt: see `holdfast.checkpoint`."""
        from holdfast.policies.checkpoints import acheckpoint

        return await acheckpoint(state, every=every)

    async def alast_checkpoint(self, default: Any = None) -> Any:
        """Return the state that an attempt of this job kept last: see `holdfast.last_checkpoint`."""
        from holdfast.policies.checkpoints import alast_checkpoint

        return await alast_checkpoint(default)

    async def aprogress(self, done: float, total: float | None = None, message: str = "") -> None:
        """Say how far a coroutine is, as `progress` does; the event loop goes on meanwhile."""
        await sync_to_async(self.progress, thread_sensitive=True)(done, total, message)


def _write(backend: Any, job_id: str, meta: Any, *, state: str, request: Any) -> None:
    backend.store_result(job_id, meta, state, request=request)
