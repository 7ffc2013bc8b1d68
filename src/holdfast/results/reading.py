"""How results are asked for: from the ledger first, from the project's configured backend for what is not there.

Runs in every process that holds a result handle. Waiting asks ever less often and keeps nothing in memory.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from celery import exceptions as celery_exceptions
from celery import states
from celery.app import backends
from celery.backends.base import BaseBackend, DisabledBackend
from celery.result import result_from_tuple
from kombu.serialization import dumps, loads
from kombu.utils.encoding import ensure_bytes

from holdfast import vault
from holdfast.exceptions import ResultPruned
from holdfast.ledger import groups, interventions
from holdfast.ledger.reads import queries
from holdfast.ledger.records import ResultMeta
from holdfast.ledger.states import FINAL, State
from holdfast.results import encoding

SHORTEST_WAIT = 0.005
LONGEST_WAIT = 0.25
# Jobs in one look of somebody who waits for many.
LOOKED_AT = 1000


class LedgerReader(BaseBackend):
    """The half of the backend that answers; `LedgerBackend` adds the half that writes."""

    persistent = True
    supports_autoexpire = True
    supports_native_join = True

    def __init__(self, app: Any, **kwargs: Any) -> None:
        super().__init__(app, **kwargs)
        # Another process changes results at any time, and a replay even finished ones.
        self._cache = _NoCache()
        self._configured: Any = None

    @property
    def configured(self) -> Any:
        """The backend of the project's own settings: for tasks that are not durable, and for results of old."""
        if self._configured is None:
            cls, url = backends.by_url(self.app.conf.result_backend, self.app.loader)
            self._configured = cls(app=self.app, url=url)
        return self._configured

    def as_uri(self, include_password: bool = False) -> str:
        return "holdfast://"

    def add_pending_result(self, result: Any, weak: bool = False) -> Any:
        """Called by Celery for a group's members as they are sent: another job may come to stand for one."""
        del weak
        self.app.outbox.show(result)
        return result

    def _get_task_meta_for(self, task_id: str) -> dict[str, Any]:
        meta = queries.result_metas([task_id]).get(task_id)
        if meta is None:
            return self._meta_of_old(task_id)
        return self._as_celery(task_id, meta)

    def _meta_of_old(self, task_id: str) -> dict[str, Any]:
        """Return what the configured backend knows of an id the ledger does not know."""
        if isinstance(self.configured, DisabledBackend):
            return {"task_id": task_id, "status": states.PENDING, "result": None, "children": []}
        return dict(self.configured._get_task_meta_for(task_id))

    def _as_celery(self, task_id: str, meta: ResultMeta) -> dict[str, Any]:
        status = encoding.celery_status(meta)
        stored = meta.stored
        found: dict[str, Any] = {
            "task_id": task_id,
            "status": status,
            "result": None,
            "traceback": vault.decrypt_text(stored.traceback) if stored else None,
            "children": json.loads(stored.children) if stored and stored.children else [],
            "date_done": meta.finished_at.isoformat()
            if meta.finished_at and status in states.READY_STATES
            else None,
        }
        if meta.parent_id:
            found["parent_id"] = meta.parent_id
        if meta.group_id:
            found["group_id"] = meta.group_id
        if stored and (stored.status == status or encoding.hides_progress(meta)):
            found["result"] = encoding.load(stored, accept=self.accept)
        elif (
            status in states.EXCEPTION_STATES
            and meta.state is not None
            and State(meta.state) in FINAL
        ):
            error = queries.last_error(task_id)
            found["result"] = self.prepare_exception(
                encoding.ending_without_result(meta.state, meta.reason, error, meta.task)
            )
        if found["status"] in self.EXCEPTION_STATES and found["result"] is not None:
            found["result"] = encoding.as_exception(self, found["result"])
        return found

    def forget(self, task_id: str) -> None:
        """Delete an id's result, and its finished job with it."""
        interventions.forget(task_id)

    def wait_for(
        self,
        task_id: str,
        timeout: float | None = None,
        interval: float = LONGEST_WAIT,
        no_ack: bool = True,
        on_interval: Callable[[], None] | None = None,
    ) -> dict[str, Any]:
        """Wait for a job's end, asking ever less often.

        Raises:
            celery.exceptions.TimeoutError: it is not finished after `timeout` seconds.
            ResultPruned: it was finished, and its row is gone.
        """
        for _, meta in self.get_many(
            [task_id], timeout=timeout, interval=interval, on_interval=on_interval
        ):
            return meta
        raise celery_exceptions.TimeoutError("The operation timed out.")

    def get_many(
        self,
        task_ids: Iterable[str],
        timeout: float | None = None,
        interval: float = LONGEST_WAIT,
        no_ack: bool = True,
        on_message: Callable[[dict[str, Any]], None] | None = None,
        on_interval: Callable[[], None] | None = None,
        **_: Any,
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield (id, meta) of each job as it finishes; one short query a look, for a thousand of them at most."""
        self._ensure_not_eager()
        waiting = deque(dict.fromkeys(task_ids))
        deadline = None if timeout is None else time.monotonic() + timeout
        pause = SHORTEST_WAIT
        longest = min(max(interval, SHORTEST_WAIT), LONGEST_WAIT)
        while waiting:
            looked_at = [waiting.popleft() for _ in range(min(len(waiting), LOOKED_AT))]
            ready = self._finished(looked_at)
            done = {task_id for task_id, _ in ready}
            # The others have their turn before these come again, so that no look grows with the number of jobs.
            waiting.extend(task_id for task_id in looked_at if task_id not in done)
            for task_id, meta in ready:
                if on_message is not None:
                    on_message(meta)
                yield task_id, meta
            if ready:
                pause = SHORTEST_WAIT
                continue
            if on_interval:
                on_interval()
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                raise celery_exceptions.TimeoutError("The operation timed out.")
            time.sleep(pause if left is None else min(pause, left))
            pause = min(pause * 1.3, longest)

    def _finished(self, waiting: list[str]) -> list[tuple[str, dict[str, Any]]]:
        metas = queries.result_metas(waiting)
        ready = [
            (task_id, self._as_celery(task_id, metas[task_id]))
            for task_id in waiting
            if task_id in metas and _is_over(metas[task_id])
        ]
        for task_id in waiting:
            if task_id not in metas:
                if queries.is_pruned(task_id, kept_seconds=self.expires):
                    raise ResultPruned(task_id)
                other = self._meta_of_old(task_id)
                if other["status"] in states.READY_STATES:
                    ready.append((task_id, other))
        return ready

    def _save_group(self, group_id: str, result: Any) -> Any:
        _, _, data = dumps({"result": result.as_tuple()}, serializer="json")
        groups.save_group(group_id, ensure_bytes(data))
        return result

    def _restore_group(self, group_id: str) -> dict[str, Any] | None:
        data = groups.load_group(group_id)
        if data is None:
            return (
                self.configured._restore_group(group_id)
                if hasattr(self.configured, "_restore_group")
                else None
            )

        meta = loads(data, "application/json", "utf-8")
        return {"result": result_from_tuple(meta["result"], self.app)}

    def _delete_group(self, group_id: str) -> None:
        groups.delete_group(group_id)


def _is_over(meta: ResultMeta) -> bool:
    return encoding.celery_status(meta) in states.READY_STATES or encoding.is_named_by_body(meta)


class _NoCache(dict[str, Any]):
    def __setitem__(self, key: str, value: Any) -> None:
        """Keep nothing."""

    def __getitem__(self, key: str) -> Any:
        raise KeyError(key)
