"""Result handles that cost little to make: most are thrown away without a question."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from celery.result import AsyncResult
from vine import promise


class Handle(AsyncResult[Any]):
    """Celery's result handle; what `then()` needs is made when somebody asks for it."""

    def __init__(
        self,
        id: str,
        backend: Any = None,
        task_name: str | None = None,
        app: Any = None,
        parent: Any = None,
    ) -> None:
        found: Any = app or getattr(type(self), "app", None)
        if id is None or found is None:
            super().__init__(id, backend=backend, task_name=task_name, app=app, parent=parent)
            return
        self.app = found
        self.id = id
        self.backend = backend or found.backend
        self.parent = parent
        self._cache = None
        self._ignored = False

    @cached_property
    def on_ready(self) -> Any:
        """Return the promise that is kept once the result is there."""
        return promise(self._on_fulfilled, weak=True)
