"""The database backend for Django's tasks (django-tasks-db)."""

from __future__ import annotations

import sys
from typing import Any

from benchmarks.peers import bodies

if sys.version_info >= (3, 12):
    from django.tasks import task
else:
    from django_tasks import task

TASKS: dict[str, Any] = {}
for _name in bodies.BODIES:
    # A worker finds a task by the name its function has in its module.
    _function: Any = bodies.BODIES[_name]
    _wrapped: Any = type(_function)(
        _function.__code__, vars(bodies), _name, _function.__defaults__, _function.__closure__
    )
    _wrapped.__module__, _wrapped.__qualname__ = __name__, _name
    TASKS[_name] = globals()[_name] = task()(_wrapped)


def send(body: str, argument: float) -> None:
    TASKS[body].enqueue(argument)
