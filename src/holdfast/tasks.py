"""The backend for Django's tasks API: `TASKS = {"default": {"BACKEND": "holdfast.tasks.HoldfastBackend"}}`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdfast.dispatch.django_tasks import HoldfastBackend

__all__ = ["HoldfastBackend"]


def __getattr__(name: str) -> Any:
    # Celery imports the module `tasks` of every app: of this one too, where there is no tasks API.
    if name not in __all__:
        raise AttributeError(f"module 'holdfast.tasks' has no attribute {name!r}")
    from holdfast.dispatch.django_tasks import HoldfastBackend

    return HoldfastBackend
