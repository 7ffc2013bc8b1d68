"""Loads the settings and sets Django up; what keeps it from being so is the first finding."""

from __future__ import annotations

import os
import re
import sys
import sysconfig
import traceback
from pathlib import Path
from typing import Any

from holdfast.doctor.findings import Finding, define

VARIABLE = "DJANGO_SETTINGS_MODULE"
_DEFAULT = re.compile(rf"""{VARIABLE}["'],\s*["']([\w.]+)["']""")

NO_SETTINGS = define(
    "holdfast.E201",
    title="Nobody says which settings are used",
    leads_to="Neither a worker nor a web process starts.",
    repair="Set DJANGO_SETTINGS_MODULE=yourproject.settings, or start the doctor in the folder of manage.py.",
)
SETTINGS_FAIL = define(
    "holdfast.E202",
    title="The settings do not load",
    leads_to="No process of the project starts: no worker, no scheduler, no web process.",
    repair="Mend the line in the settings that is named.",
)
APPS_FAIL = define(
    "holdfast.E203",
    title="Django cannot be set up",
    leads_to="No process of the project starts, though its settings load.",
    repair="Mend the import that is named; every app of INSTALLED_APPS must be importable.",
)
NOT_INSTALLED = define(
    "holdfast.E204",
    title="holdfast is not in INSTALLED_APPS",
    leads_to="There are no tables for the ledger, and no checks.",
    repair='Add "holdfast" to INSTALLED_APPS, and run manage.py migrate.',
)
APP_NOT_FOUND = define(
    "holdfast.E205",
    title="The Celery app that is named cannot be imported",
    leads_to="A worker started with the same -A does not start.",
    repair="Name the module of the app: --app yourproject.celery.",
)
FINDS = (NO_SETTINGS, SETTINGS_FAIL, APPS_FAIL, NOT_INSTALLED, APP_NOT_FOUND)


def set_up(*, app: str = "") -> list[Finding]:
    """Load the settings, set Django up and find the Celery app; return what failed, at most one thing.

    Where Django is set up already, as in the console, it only looks.
    """
    if _is_set_up():
        # In a web process: to set up once more would set up its logging once more.
        return _find_app(app)
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    named = _settings_module()
    if not named and not _configured():
        return [NO_SETTINGS.seen(f"{VARIABLE} is not set, and no manage.py is in {Path.cwd()}.")]
    return _load(named) or _find_app(app)


def _load(named: str) -> list[Finding]:
    import django
    from django.conf import settings

    try:
        # The first one that is asked for loads the module.
        installed = list(settings.INSTALLED_APPS)
    except (Exception, SystemExit) as error:  # noqa: BLE001  # a module can raise anything
        return [_of(SETTINGS_FAIL, error, named)]
    try:
        django.setup()
    except Exception as error:  # noqa: BLE001  # so can an app
        return [_of(APPS_FAIL, error, named)]
    if not any(name.split(".")[0] == "holdfast" for name in installed):
        return [NOT_INSTALLED.seen(f"INSTALLED_APPS of {named} names {len(installed)} apps.")]
    return []


def failed(error: BaseException) -> Finding:
    """Return the finding of an error that has ended the start of Django."""
    definition = APPS_FAIL if _configured() else SETTINGS_FAIL
    return _of(definition, error, os.environ.get(VARIABLE, ""))


def _is_set_up() -> bool:
    from django.apps import apps

    return apps.ready


def _configured() -> bool:
    from django.conf import settings

    return bool(settings.configured)


def _settings_module() -> str:
    """Return the module of the settings: the environment's, else the default of the project's manage.py."""
    named = os.environ.get(VARIABLE, "")
    if named:
        return named
    try:
        found = _DEFAULT.search(Path("manage.py").read_text())
    except (OSError, ValueError):
        return ""
    if found is None:
        return ""
    os.environ[VARIABLE] = found[1]
    return found[1]


def _find_app(named: str) -> list[Finding]:
    if not named:
        return []
    from celery.app.utils import find_app

    try:
        find_app(named).set_current()
    except Exception as error:  # noqa: BLE001  # it is the project's module
        return [_of(APP_NOT_FOUND, error, named)]
    return []


def _of(definition: Any, error: BaseException, module: str) -> Finding:
    said = f"{type(error).__name__}: {error}".rstrip(": ")
    place, line = _where(error)
    return definition.seen(
        f"{f'{module}: ' if module else ''}{said}"
        + (f"\nin {place}, line {line}" if place else ""),
        repair=_repair(error, place, line) or definition.repair,
        module=module,
        exception=type(error).__name__,
        message=str(error),
        file=place,
        line=line,
    )


def _where(error: BaseException) -> tuple[str, int]:
    """Return the last line of the project's own code that the error came through."""
    if isinstance(error, SyntaxError) and error.filename:
        return error.filename, error.lineno or 0
    frames = [
        (frame.filename, frame.lineno or 0)
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<")
    ]
    libraries = tuple(
        path
        for name, path in sysconfig.get_paths().items()
        if name in {"stdlib", "purelib", "platlib"}
    )
    here = str(Path(__file__).parents[1])
    own = [one for one in frames if not one[0].startswith((*libraries, here))]
    return (own or [("", 0)])[-1]


def _repair(error: BaseException, place: str, line: int) -> str:
    at = f"{place}, line {line}" if place else "the settings"
    if (
        isinstance(error, KeyError)
        and error.args
        and re.fullmatch(r"[A-Z][A-Z0-9_]*", str(error.args[0]))
    ):
        return (
            f"Set the environment variable {error.args[0]} for this process: {at} reads it. A .env file is read by "
            "nobody unless the settings, Compose (env_file) or the shell load it."
        )
    if isinstance(error, ModuleNotFoundError) and error.name:
        top = error.name.partition(".")[0]
        return (
            f"Install {top} in this environment ({sys.prefix}), or start where its folder is importable: add it to "
            f"PYTHONPATH. {at} imports it."
        )
    if isinstance(error, SyntaxError):
        return f"Correct the syntax of {at}."
    if type(error).__name__ == "ImproperlyConfigured":
        return f"Mend what it names, in the environment of this process or at {at}."
    return f"Correct {at}." if place else ""
