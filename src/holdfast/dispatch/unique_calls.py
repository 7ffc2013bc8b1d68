"""A unique call on its way from the caller to the ledger, and the answer on its way back: which job stands for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from holdfast.exceptions import ConfigurationError
from holdfast.ledger.records import NewJob, UniqueRequest
from holdfast.policies.unique import Unique, as_unique

OPTIONS = ("unique", "unique_key")


class UniqueCall:
    """What one call says of being unique; its result handle gets the id of the job that stands for it."""

    def __init__(self, unique: Unique, key: str | None, run: Any) -> None:
        self.unique = unique
        self._key = key
        self._run = run
        self._request: UniqueRequest | None = None
        self._handles: list[Any] = []

    @classmethod
    def of(cls, name: str, task: Any, options: dict[str, Any]) -> UniqueCall | None:
        """Take what is said of being unique out of a call's options; None if it is not unique.

        Raises:
            ConfigurationError: it cannot be meant.
        """
        said, key = options.pop("unique", None), options.pop("unique_key", None)
        if said is None:
            said = getattr(task, "unique", None)
        unique = as_unique(said, where=f"A call of {name}")
        if unique is not None:
            return cls(unique, key, getattr(task, "run", None))
        if key is not None:
            raise ConfigurationError(
                f"A call of {name} has the unique_key {key!r}, but neither the task nor the call is unique. "
                "Add unique=Unique(...)."
            )
        return None

    def refuse_plain(self, name: str) -> None:
        """Refuse a message that no ledger will know.

        Raises:
            ConfigurationError: always.
        """
        raise ConfigurationError(
            f"A call of {name} is to be unique, but it is not durable: no ledger knows such a job. Send it durable and "
            "to a queue with one receiver, or with unique=False."
        )

    def request(self, job: NewJob, args: Any, kwargs: Any, *, awaited: bool) -> UniqueRequest:
        """Return what the ledger is asked for a job.

        Raises:
            ConfigurationError: there is no telling the key in this process.
            InvalidArguments: an argument of the key has no form in JSON.
        """
        key = self.unique.key(job.task, self._run, args, kwargs, given=self._key)
        self._request = UniqueRequest(
            key=key,
            scope=str(self.unique.scope),
            conflict=self.unique.conflict,
            period_seconds=self.unique.period_seconds,
            awaited=awaited,
        )
        self._request.handles += self._handles
        return self._request

    def show(self, handle: Any) -> Any:
        """Give a result handle the id of the job that stands for the call, now or as soon as that is known."""
        if self._request is None:
            return handle
        if self._request.job is None:
            self._request.handles.append(handle)
        else:
            handle.id = self._request.job
        return handle


def is_unique(task: Any, options: Mapping[str, Any]) -> bool:
    """Tell whether a call may be a unique one; asked of every call, so it asks little."""
    return bool(getattr(task, "unique", None)) or "unique" in options or "unique_key" in options


def standing_for(job: NewJob) -> str:
    """Return the id of the job that stands for a call that was sent."""
    return (job.unique.job if job.unique else None) or job.id
