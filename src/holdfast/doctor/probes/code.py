"""What the project's code does that cannot work: tasks nobody imports, one module under two names, waits in vain."""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from holdfast.doctor.findings import Finding, define
from holdfast.doctor.look import Look
from holdfast.doctor.probing import probe
from holdfast.doctor.wording import counted, named, shortened

IGNORED_AND_AWAITED = define(
    "holdfast.W250",
    title="The code waits for a result that is not kept",
    leads_to="get() returns None at once, whether the job has run or not.",
    repair="Remove ignore_result=True of the task, or the get().",
)
WAITS_IN_A_TASK = define(
    "holdfast.W251",
    title="A task waits for another one",
    leads_to="Celery raises RuntimeError; where that is switched off, all slots may wait for jobs that have none.",
    repair="Make a chain or a chord of the two, or a callback (link) of what comes after.",
)
NOT_IMPORTED = define(
    "holdfast.W252",
    title="A module has tasks and is never imported by the app",
    leads_to="Workers do not know its tasks: their jobs become dead with the reason 'unknown task'.",
    repair="Call it tasks.py, or name it: app.autodiscover_tasks(related_name=...), or CELERY_IMPORTS.",
)
TWO_NAMES = define(
    "holdfast.W253",
    title="One module of tasks is imported under two names",
    leads_to="Each of its tasks is there twice. What one process sends by one name another may not know.",
    repair="Import it everywhere by its full path, and take the folder in between off PYTHONPATH.",
)
SEVERAL_APPS = define(
    "holdfast.W254",
    title="There is a second Celery app, of Celery's own class",
    leads_to="What is sent by its tasks is recorded nowhere: what Redis loses is lost.",
    repair="Use shared_task, or the one app that is made with holdfast.Celery.",
)
BAD_VERSION = define(
    "holdfast.W255",
    title="A library is installed in a version with a known fault",
    leads_to="See what was seen.",
    repair="Install the version that is named.",
)
# Name, first version without the fault, what goes wrong before it.
FAULTS: tuple[tuple[str, tuple[int, ...], str], ...] = (
    (
        "redis",
        (5, 3),
        "after a reconnect remote control is deaf (celery issue 10294); Celery 5.7 asks for 6.4",
    ),
    ("redis", (6, 4), "Celery 5.7 asks for 6.4: older ones are not tested with it"),
    (
        "kombu",
        (5, 7),
        "workers can stop consuming after a reconnect (celery issues 8030, 8091, 10205; kombu 2492, 2498)",
    ),
    (
        "celery",
        (5, 7),
        "a worker of the free pool can stall or lose what it reserved (celery pull requests 10346, 10345)",
    ),
    (
        "django-celery-beat",
        (2, 8),
        "its tables lack what Holdfast reads, and two schedulers of its own send twice (its issues 337, 558)",
    ),
    ("psycopg", (3, 2), "Holdfast is not tested with it; Django 6 refuses it"),
)


@probe(area="celery", finds=[BAD_VERSION], live=False)
def libraries_are_sound(look: Look) -> Iterator[Finding]:
    """Installed versions against a table of known faults."""
    del look
    said: set[str] = set()
    for name, first, fault in FAULTS:
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        if name not in said and _number(version) < first:
            said.add(name)
            wanted = ".".join(map(str, max(good for other, good, _ in FAULTS if other == name)))
            yield BAD_VERSION.seen(
                f"{name} {version}: {fault}.",
                repair=f'pip install "{name}>={wanted}"',
                about=name,
                package=name,
                version=version,
            )


@probe(area="celery", finds=[TWO_NAMES, SEVERAL_APPS], live=False)
def tasks_are_there_once(look: Look) -> Iterator[Finding]:
    """Tasks of one line of code under two modules, and apps beside the one."""
    from celery import _state
    from celery.app.base import Celery as StockCelery

    from holdfast.dispatch.app import Celery
    from holdfast.doctor.sending import project_tasks

    places: dict[tuple[str, str], set[str]] = defaultdict(set)
    for task in project_tasks(look).values():
        # Celery wraps bodies of its own around those with autoretry_for: all of one file.
        code = getattr(inspect.unwrap(getattr(task, "run", task)), "__code__", None)
        if code is not None:
            places[str(Path(code.co_filename).resolve()), code.co_name].add(str(task.__module__))
    twice: dict[str, set[str]] = defaultdict(set)
    for (file, _), modules in places.items():
        if len(modules) > 1:
            twice[file] |= modules
    for file, modules in sorted(twice.items()):
        yield TWO_NAMES.seen(
            f"{file} is imported as {named(sorted(modules))}.",
            about=file,
            modules=shortened(sorted(modules)),
        )
    others = [
        app
        for app in _state._get_active_apps()  # noqa: SLF001  # Celery has no other list of them
        if isinstance(app, StockCelery) and not isinstance(app, Celery) and _own_tasks(app)
    ]
    for app in others:
        tasks = _own_tasks(app)
        yield SEVERAL_APPS.seen(
            f"The app {app.main!r} has {counted(len(tasks), 'task')} of its own: {named(tasks)}.",
            about=str(app.main),
            tasks=shortened(tasks),
        )


def _own_tasks(app: Any) -> list[str]:
    """Return the tasks that were made with this app and no other; shared ones belong to all."""
    return sorted(
        name
        for name, task in app.tasks.items()
        if not name.startswith("celery.")
        and getattr(task, "app", None) is app
        and not _is_shared(name)
    )


def _is_shared(name: str) -> bool:
    from celery import current_app

    return name in current_app.tasks


@probe(area="celery", finds=[NOT_IMPORTED], live=False)
def modules_with_tasks_are_imported(look: Look) -> Iterator[Finding]:
    """Files of the project's apps that make tasks, against what the app has imported."""
    import sys

    from holdfast.doctor import sources
    from holdfast.doctor.sending import project_tasks

    project_tasks(look)
    imported = {
        str(Path(file).resolve())
        for module in list(sys.modules.values())
        if (file := getattr(module, "__file__", None))
    }
    for source in sources.of_apps(seconds=look.seconds_left()):
        if str(source.path) in imported:
            continue
        if tasks := sources.tasks_made_in(source):
            yield NOT_IMPORTED.seen(
                f"{source.path} makes {counted(len(tasks), 'task')} ({named(tasks)}); no module that the app imports "
                "imports it.",
                about=str(source.path),
                file=str(source.path),
                tasks=shortened(tasks),
            )


@probe(area="celery", finds=[IGNORED_AND_AWAITED, WAITS_IN_A_TASK], live=False)
def results_can_be_waited_for(look: Look) -> Iterator[Finding]:
    """Calls of get() on what delay() or apply_async() has returned, in the project's own code."""
    from holdfast.doctor import sources
    from holdfast.doctor.sending import project_tasks

    tasks = project_tasks(look)
    by_function: dict[str, list[Any]] = defaultdict(list)
    for task in tasks.values():
        by_function[getattr(task.run, "__name__", task.name.rpartition(".")[2])].append(task)
    for source in sources.of_apps(seconds=look.seconds_left()):
        for wait in sources.waits_in(source):
            called = by_function.get(wait.task, [])
            at = f"{source.path}, line {wait.line}"
            if called and all(task.ignore_result for task in called):
                yield IGNORED_AND_AWAITED.seen(
                    f"{at}: {wait.task} has ignore_result.",
                    about=at,
                    file=str(source.path),
                    line=wait.line,
                )
            if (
                called
                and wait.function in by_function
                and source.module in {task.__module__ for task in by_function[wait.function]}
            ):
                yield WAITS_IN_A_TASK.seen(
                    f"{at}: the task {wait.function} waits for {wait.task}.",
                    about=at,
                    file=str(source.path),
                    line=wait.line,
                )


def _number(version: str) -> tuple[int, ...]:
    parts = []
    for part in version.split(".")[:3]:
        digits = "".join(char for char in part if char.isdigit())
        parts.append(int(digits or 0))
    return tuple(parts)
