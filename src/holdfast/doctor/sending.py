"""Where the code of a project sends its jobs: the queues of its routes, tasks and schedules, as far as it says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from holdfast.doctor.look import Look

# Tasks of Celery and of Holdfast itself, which no project sends by a queue of its own.
FOREIGN = ("celery.", "holdfast.")


def project_tasks(look: Look) -> dict[str, Any]:
    """Return the project's tasks by name; all its task modules are imported for it."""

    def load() -> dict[str, Any]:
        app = look.app
        # Of two that ask at once Celery lets the second go without: the first has not come to the end.
        app.loader.import_default_modules()
        app.finalize()
        return {
            name: task for name, task in sorted(app.tasks.items()) if not name.startswith(FOREIGN)
        }

    found: dict[str, Any] = look.once("celery.tasks", load)
    return found


def queues_sent_to(look: Look) -> set[str]:
    """Return every queue that something of this code names; what a call or a routing function says is not known."""
    conf = look.conf
    found = {conf.task_default_queue}
    found |= {_name(queue) for queue in conf.task_queues or ()}
    found |= set(routed_to(conf.task_routes))
    found |= {
        _name(task.queue) for task in project_tasks(look).values() if getattr(task, "queue", None)
    }
    for entry in (conf.beat_schedule or {}).values():
        options = entry.get("options") if isinstance(entry, Mapping) else None
        found |= {_name(options["queue"])} if options and options.get("queue") else set()
    return found | set(_of_django())


def queue_of(app: Any, task: Any) -> str:
    """Return the queue that a call of a task goes to which says nothing of it; empty if a router needs more to tell."""
    options = {"queue": task.queue} if getattr(task, "queue", None) else {}
    try:
        return _name(app.amqp.router.route(options, task.name, task_type=task).get("queue", ""))
    except Exception:  # noqa: BLE001  # a router of the project's own may need arguments to decide
        return ""


def routed_to(routes: Any) -> Iterator[str]:
    """Yield the queues that CELERY_TASK_ROUTES names: in a dictionary, or in a list of them or of lists of pairs."""
    for route in routes if isinstance(routes, list | tuple) else [routes]:
        pairs = list(route.items()) if isinstance(route, Mapping) else route
        for pair in pairs if isinstance(pairs, list | tuple) else ():
            if isinstance(pair, list | tuple) and len(pair) == 2:
                yield from _of_one(pair[1])


def _of_one(said: Any) -> Iterable[str]:
    if isinstance(said, str):
        return [said]
    if isinstance(said, Mapping) and said.get("queue"):
        return [_name(said["queue"])]
    return []


def _of_django() -> Iterator[str]:
    """Yield the queues of the backends in TASKS."""
    from django.conf import settings

    for backend in (getattr(settings, "TASKS", None) or {}).values():
        if isinstance(backend, Mapping):
            yield from map(str, backend.get("QUEUES") or ("default",))


def _name(queue: Any) -> str:
    return str(getattr(queue, "name", queue))
