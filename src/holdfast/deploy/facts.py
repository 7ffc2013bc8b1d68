"""What a project's settings and tasks say about its deployment, gathered once; nothing is asked of a server."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from celery import Celery, current_app
from celery.app.utils import find_app
from django.conf import settings as django_settings
from django.urls import NoReverseMatch, reverse

from holdfast.conf import get_settings
from holdfast.doctor.sending import FOREIGN, queue_of, routed_to

# In the order in which they are taken where several are installed.
_SERVERS = ("uvicorn", "daphne", "hypercorn", "gunicorn")
_REQUIREMENTS = ("requirements.lock", "requirements.txt")
_PACKAGE = ("setup.py", "setup.cfg", "README.md", "README.rst", "LICENSE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The project as its code has it."""

    app: str
    settings: str
    folder: Path
    queues: tuple[str, ...] = ("celery",)
    """All that something is sent to, the default one first."""
    default_queue: str = "celery"
    time_limits: Mapping[str, float] = field(default_factory=dict)
    """The longest hard limit of the tasks that are sent to a queue, where they have one."""
    time_limit: float | None = None
    """The hard limit of all others."""
    max_tasks: int | None = None
    max_memory_kib: int | None = None
    scheduler: str = ""
    """Path of the scheduler that the settings choose; empty for Celery's own default."""
    asgi: str = ""
    wsgi: str = ""
    servers: tuple[str, ...] = ()
    static_url: str = ""
    static_root: str = ""
    console_path: str = ""
    live_path: str = ""
    ready_path: str = ""
    per_worker: int = 100
    """Waiting jobs for which there is to be one worker, and between how many."""
    minimum: int = 2
    maximum: int = 10
    requirements: str = ""
    hashed: bool = False
    package: tuple[str, ...] = ()
    asked: Any = None
    """HOLDFAST["deploy"]."""


def of_workers() -> Facts:
    """Read what a project's workers follow from: its Celery app with all tasks, and HOLDFAST["deploy"]."""
    app = current_app
    app.loader.import_default_modules()
    app.finalize()
    conf, ours = app.conf, get_settings()
    return Facts(
        app=str(app.main or ""),
        settings=os.environ.get("DJANGO_SETTINGS_MODULE", ""),
        folder=Path(getattr(django_settings, "BASE_DIR", Path.cwd())),
        queues=_queues(app),
        default_queue=conf.task_default_queue,
        time_limits=_time_limits(app),
        time_limit=conf.task_time_limit,
        max_tasks=conf.worker_max_tasks_per_child,
        max_memory_kib=conf.worker_max_memory_per_child,
        per_worker=ours.queued_per_worker,
        minimum=ours.workers_least,
        maximum=ours.workers_most,
        asked=ours.deploy,
    )


def gathered() -> Facts:
    """Read the project of this process: its Celery app with all tasks, its Django settings, and which files it has."""
    workers = of_workers()
    folder = workers.folder
    static_root = _below(folder, getattr(django_settings, "STATIC_ROOT", None))
    requirements = next((name for name in _REQUIREMENTS if (folder / name).is_file()), "")
    return replace(
        workers,
        app=_findable(current_app._get_current_object()),  # noqa: SLF001  # the app itself
        scheduler=_scheduler(current_app.conf.beat_scheduler),
        asgi=_asgi(),
        wsgi=_entry_point(getattr(django_settings, "WSGI_APPLICATION", None)),
        servers=tuple(name for name in _SERVERS if find_spec(name)),
        static_url=str(django_settings.STATIC_URL or "") if static_root else "",
        static_root=static_root,
        console_path=_address("holdfast:overview"),
        live_path=_address("holdfast_health:live"),
        ready_path=_address("holdfast_health:ready"),
        requirements=requirements,
        hashed=bool(requirements) and "--hash=" in (folder / requirements).read_text(),
        package=_package(folder),
    )


def _findable(app: Celery) -> str:
    """Return the name by which `celery --app` finds this very app; empty where none of those it could have does.

    Celery("My Shop") is allowed, and only a label: the app is then looked for in the packages of the settings.
    """
    main = str(app.main or "")
    package = os.environ.get("DJANGO_SETTINGS_MODULE", "")
    names = [main]
    while package := package.rpartition(".")[0]:
        names.append(package)
    return next((name for name in names if name and _finds(name, app)), "")


def _finds(name: str, app: Celery) -> bool:
    try:
        found = find_app(name)
    except Exception:  # noqa: BLE001  # whatever a module of this name does, it is not the app
        return False
    return found is app


def _asgi() -> str:
    """Return the ASGI application: that of the settings, or the one that startproject makes and no setting names."""
    said = _entry_point(getattr(django_settings, "ASGI_APPLICATION", None))
    package = str(getattr(django_settings, "ROOT_URLCONF", None) or "").rpartition(".")[0]
    if said or not package:
        return said
    return f"{package}.asgi:application" if find_spec(f"{package}.asgi") else ""


def _queues(app: Celery) -> tuple[str, ...]:
    conf = app.conf
    named = [conf.task_default_queue]
    named += [str(getattr(queue, "name", queue)) for queue in conf.task_queues or ()]
    sent = {queue_of(app, task) for task in _tasks(app)} | set(routed_to(conf.task_routes))
    return tuple(dict.fromkeys([*named, *sorted(sent - {""})]))


def _time_limits(app: Celery) -> dict[str, float]:
    found: dict[str, float] = {}
    for task in _tasks(app):
        if task.time_limit:
            queue = queue_of(app, task)
            found[queue] = max(found.get(queue, 0), task.time_limit)
    return found


def _tasks(app: Celery) -> Iterable[Any]:
    return [task for name, task in sorted(app.tasks.items()) if not name.startswith(FOREIGN)]


def _scheduler(path: Any) -> str:
    return "" if str(path) == "celery.beat:PersistentScheduler" else str(path)


def _entry_point(path: str | None) -> str:
    """Return a dotted path as servers take it: `shop.asgi:application`."""
    module, _, name = (path or "").rpartition(".")
    return f"{module}:{name}" if module else ""


def _below(folder: Path, path: Any) -> str:
    """Return a path as seen from the project; empty for one that lies elsewhere."""
    if not path:
        return ""
    try:
        return Path(path).resolve().relative_to(folder.resolve()).as_posix()
    except ValueError:
        return ""


def _address(name: str) -> str:
    """Return the path of a page; empty where the project has it nowhere, or no pages at all."""
    if not getattr(django_settings, "ROOT_URLCONF", None):
        return ""
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""


def _package(folder: Path) -> tuple[str, ...]:
    """Return what pip needs of a project that can be installed; nothing where it is only copied."""
    project = folder / "pyproject.toml"
    if not project.is_file() or "[build-system]" not in project.read_text():
        return ()
    files = [name for name in _PACKAGE if (folder / name).is_file()]
    return ("pyproject.toml", *files, *(["src"] if (folder / "src").is_dir() else []))
