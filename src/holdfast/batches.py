"""Batches: a set of jobs with one progress and callbacks at its ends; for every process that sends or looks."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby, islice
from types import TracebackType
from typing import Any, Self

from celery import Signature, current_app
from celery.exceptions import TimeoutError as WaitedTooLong
from celery.result import AsyncResult
from kombu.utils.json import dumps

from holdfast.exceptions import BatchError, BatchNotFound
from holdfast.ledger import audit, batches
from holdfast.ledger.database import atomic
from holdfast.ledger.ids import new_id
from holdfast.ledger.states import State
from holdfast.lineage import batch_to_join, sending_into
from holdfast.tickets import BATCH

CHUNK = 1000
SHORTEST_WAIT = 0.01
LONGEST_WAIT = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How many members of a batch are in each state, those of its inner batches included."""

    held: int = 0
    queued: int = 0
    running: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    expired: int = 0
    dead: int = 0
    deleted: int = 0
    """Members that had ended and whose rows are gone after their retention."""

    @property
    def open(self) -> int:
        """Members that wait or run."""
        return self.held + self.queued + self.running

    @property
    def done(self) -> int:
        """Members that have ended, in whatever way."""
        return self.total - self.open

    @property
    def total(self) -> int:
        """All members there are by now; those that run may add more."""
        return sum(getattr(self, name) for name in self.__dataclass_fields__)

    @property
    def fraction(self) -> float:
        """What is done of all, from 0.0 to 1.0; of no members 1.0."""
        return self.done / self.total if self.total else 1.0


class Batch:
    """A set of jobs: what is called in its `with` block becomes its members.

    Args:
        name: for people.
        on_success: called once all members have succeeded, a replayed dead letter included.
        on_complete: called once every member has ended, in whatever way.
        on_failure: called once the first member has failed for good or is dead.
        seal: False keeps the batch open after its block, until `seal()`.

    A callback is a signature. It is recorded as a job, once, in the transaction that notes the end it is for, and gets
    the batch's id as its first argument unless it is immutable.

    The first block is one transaction, or part of the one that is open: all that is called in it is recorded with the
    batch, or nothing is. Members may add more while they run; see `current_batch`.
    """

    def __init__(
        self,
        name: str = "",
        *,
        on_success: Signature[Any] | None = None,
        on_complete: Signature[Any] | None = None,
        on_failure: Signature[Any] | None = None,
        seal: bool = True,
    ) -> None:
        self.id = new_id()
        self.name = str(name)[:255]
        given = {"success": on_success, "complete": on_complete, "failure": on_failure}
        self._callbacks = _encoded({event: s for event, s in given.items() if s is not None})
        self._seal = seal
        self._new = True
        self._blocks: list[_Block] = []

    @classmethod
    def get(cls, batch_id: str) -> Self:
        """Return a batch by its id.

        Raises:
            BatchNotFound: there is none, or not any more.
        """
        row = batches.get(batch_id)
        if row is None:
            raise _not_found(batch_id)
        return cls._of(row)

    @classmethod
    def _of(cls, row: batches.BatchRow) -> Self:
        batch = cls(row.name)
        batch.id, batch._new = row.id, False
        return batch

    # -- members ---------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        """Open a block whose calls become members; the first one records the batch.

        Raises:
            BatchError: the batch is complete already, and this is not one of its own members.
            BatchNotFound: there is no such batch any more.
        """
        block = _Block(fresh=self._new)
        with ExitStack() as opening:
            opening.enter_context(atomic())
            if self._new:
                parent = batch_to_join()
                batches.create(self.id, name=self.name, parent_id=parent, callbacks=self._callbacks)
            else:
                block.cancelled = self._join()
            opening.enter_context(current_app.outbox.at_once())
            opening.enter_context(sending_into(self.id))
            block.stack = opening.pop_all()
        self._new = False
        self._blocks.append(block)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        block = self._blocks.pop()
        # Until it has committed nothing of a new batch is there: the same object may be tried again.
        self._new = block.fresh
        if error is not None:
            block.stack.__exit__(kind, error, traceback)
            return
        with block.stack:
            self._end(block)
        self._new = False

    def add(self, signatures: Iterable[Signature[Any]]) -> int:
        """Send signatures as members, in chunks: a generator of any length takes little memory. Return how many.

        All of them are recorded, or none. Runs of plain calls of one task are sent fastest.
        """
        count = 0
        with self:
            for chunk in _chunks(signatures):
                count += len(chunk)
                _send(chunk)
        return count

    def seal(self) -> None:
        """Let the batch end with the last of its members; only for one that was made with `seal=False`."""
        with atomic():
            batches.seal(self.id)
            # Members that have ended by now have looked at a batch that was open.
            if not batches.has_open(self.id):
                current_app.backend.finish_batch(self.id)

    def members(self, *states: str) -> Iterator[AsyncResult[Any]]:
        """Yield the members, or those in the states of these names ("failed", "dead", ...), in pages.

        Sorted by state, then in the order they were sent in. One that moves meanwhile may be met twice or not at all.
        """
        wanted = [State[state.upper()] for state in states] or list(State)
        return (AsyncResult(id) for id in batches.members(self.id, wanted))

    def inner(self) -> list[Batch]:
        """Return the batches that are members of this one, and theirs."""
        rows = (batches.get(id) for id in batches.inner(self.id))
        return [Batch._of(row) for row in rows if row is not None]

    # -- what has become of it ---------------------------------------------------------------------------

    def row(self) -> batches.BatchRow:
        """Return when what has happened to the batch, as the ledger has it now.

        Raises:
            BatchNotFound: it was never recorded, or deleted after its retention.
        """
        row = batches.get(self.id)
        if row is None:
            raise _not_found(self.id)
        return row

    def is_complete(self) -> bool:
        """Whether every member has ended once; adding from outside is over then."""
        return self.row().completed_at is not None

    def has_succeeded(self) -> bool:
        """Whether all members have succeeded."""
        return self.row().succeeded_at is not None

    def has_failed(self) -> bool:
        """Whether a member has failed for good, even if its replay has succeeded since."""
        return self.row().failed_at is not None

    def callback(self, event: str) -> AsyncResult[Any] | None:
        """Return the job that was recorded for "success", "complete" or "failure"; None if that has not come."""
        job: str | None = json.loads(self.row().called).get(event)
        return AsyncResult(job) if job else None

    def progress(self) -> Progress:
        """Count the members by state. Reads an index entry of each: a few milliseconds for 10,000."""
        ids = [self.id, *batches.inner(self.id)]
        counts = batches.count_by_state(ids)
        names = {state.name.lower(): n for state, n in counts.items()}
        return Progress(**names, deleted=batches.deleted_of(ids))

    def wait(self, timeout: float | None = None) -> Progress:
        """Wait until the batch is complete, for `timeout` seconds at most; one look by the key each half second.

        Raises:
            celery.exceptions.TimeoutError: it is not complete by then.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        pause = SHORTEST_WAIT
        while not self.is_complete():
            left = pause if deadline is None else deadline - time.monotonic()
            if left <= 0:
                raise WaitedTooLong(f"Batch {self.id} is not complete after {timeout} seconds.")
            time.sleep(min(pause, left))
            pause = min(pause * 1.3, LONGEST_WAIT)
        return self.progress()

    def cancel(
        self,
        *,
        terminate: bool = True,
        only_waiting: bool = False,
        actor: str = "",
        reason: str = "",
    ) -> int:
        """Cancel all members for good, those of inner batches too; return how many jobs.

        Members that are added later are cancelled as well. Running ones are stopped; without `terminate` they are asked
        to stop, and with `only_waiting` left alone. When all have ended the batch is complete, and calls `on_complete`.
        The audit gets one line, with the actor and the reason. May be called again.

        It takes as long as it takes to cancel each: of a very large batch leave it to the workers, with
        `operations.ask("cancel-batch", "batch:ID", actor=...)`.
        """
        ids = [self.id, *batches.inner(self.id)]
        with atomic():
            batches.cancel(ids)
            said = {"batch": self.id, **({"reason": reason} if reason else {})}
            audit.note("cancel", actor=actor, detail=json.dumps(said))
        count: int = current_app.backend.cancel_members(
            ids, terminate=terminate and not only_waiting, ask=not only_waiting
        )
        for batch_id in reversed(ids):
            current_app.backend.finish_batch(batch_id)
        return count

    def __repr__(self) -> str:
        return f"<Batch {self.name or 'without a name'} {self.id}>"

    # -- below ---------------------------------------------------------------------------------------------

    def _join(self) -> bool:
        """Keep the batch from ending while members come; tell whether it was cancelled."""
        row = batches.join(self.id)
        if row is None:
            raise _not_found(self.id)
        if row.completed_at is not None:
            own = current_batch()
            if own is None or own.id != self.id:
                raise BatchError(
                    f"Batch {self.id} is complete since {row.completed_at:%Y-%m-%d %H:%M:%S %Z}: only its own members "
                    "may add to it, when they are replayed. Begin another batch."
                )
            batches.watch([self.id])
        return row.cancelled_at is not None

    def _end(self, block: _Block) -> None:
        """Do what is to be done in the block's transaction when all its calls are recorded."""
        if block.cancelled:
            current_app.backend.cancel_members([self.id], terminate=False)
        if block.fresh and self._seal:
            self.seal()


@dataclass
class _Block:
    """One `with` block of a batch."""

    fresh: bool
    cancelled: bool = False
    stack: ExitStack = field(default_factory=ExitStack)


def current_batch() -> Batch | None:
    """Return the batch of the job whose body runs here; None outside of all bodies, or if the job is in none."""
    task = current_app.current_worker_task
    batch_id = getattr(task.request, BATCH, None) if task is not None else None
    return Batch.get(batch_id) if batch_id else None


def _encoded(callbacks: dict[str, Any]) -> str:
    for event, signature in callbacks.items():
        if not isinstance(signature, Signature):
            raise BatchError(
                f"on_{event} is {signature!r}: give a signature, such as task.s() or a chain of them."
            )
        task = current_app.tasks.get(signature.task)
        if getattr(task, "durable", None) is False:
            raise BatchError(
                f"on_{event} is a call of {signature.task!r}, which is plain Celery (durable=False): it could be lost. "
                "Give a durable task."
            )
    try:
        return str(dumps(callbacks))
    except TypeError as error:
        raise BatchError(
            f"A callback cannot be kept: {error}. Its arguments must be something JSON can write."
        ) from error


def _chunks(signatures: Iterable[Signature[Any]]) -> Iterator[list[Signature[Any]]]:
    rest = iter(signatures)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk


def _send(chunk: list[Signature[Any]]) -> None:
    """Send one chunk: runs of plain calls of one task by its `apply_many`, the others one by one."""
    for task, run in groupby(chunk, key=_plain_task):
        if task is not None:
            task.apply_many((signature.args, signature.kwargs) for signature in run)
            continue
        with current_app.producer_or_acquire() as producer:
            for signature in run:
                signature.apply_async(producer=producer)


def _plain_task(signature: Signature[Any]) -> Any:
    if not isinstance(signature, Signature):
        raise BatchError(
            f"{signature!r} cannot be added to a batch: give signatures, such as task.s(1)."
        )
    plain = type(signature) is Signature and not signature.options
    return current_app.tasks.get(signature.task) if plain else None


def _not_found(batch_id: str) -> BatchNotFound:
    return BatchNotFound(
        f"Batch {batch_id} is not in the ledger: it was never recorded here, was rolled back, or was deleted after its "
        "retention."
    )
