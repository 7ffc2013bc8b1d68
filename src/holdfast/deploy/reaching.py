"""Whether the processes of rendered files reach the services beside them: their settings are asked, before anybody is.

A stack whose settings read other variables than it gives starts all the same, on a database or a broker of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from holdfast.deploy.asked import WHERE
from holdfast.deploy.description import BROKER, CACHE, DATABASE, DATABASE_PORT, Deployment
from holdfast.deploy.settled import MARK

PATIENCE_SECONDS = 60
_PORT = "5432"
# Without these no Python of this project starts; everything else is what the files say.
_OF_THE_MACHINE = (
    *("PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH"),
    *("SYSTEMROOT", "PYTHONDONTWRITEBYTECODE"),
)


def remarks(targets: Iterable[str], d: Deployment, folder: Path) -> Iterator[str]:
    """Yield what is to be said of files of Compose or Kubernetes: each variable that the settings make nothing of.

    The settings of the deployment are loaded once or twice in a process of their own, with the variables of the
    files and of the `env_file` in `folder`, at most PATIENCE_SECONDS each; nothing is connected to.
    """
    tool = next((one for one in ("compose", "kubernetes") if one in targets), None)
    if tool is None:
        return
    given = dict(_given(tool, d))
    if not given:
        return
    found: dict[str, Any] = {}
    left = dict(given)
    with TemporaryDirectory(prefix="holdfast-") as data:
        for inherited in ({}, dict(os.environ)):
            variables = {**inherited, **_variables(d, folder, data), **_values(given, d)}
            now, why = _settled(d, variables, folder)
            left = {name: lead for name, lead in left.items() if not _leads(name, lead, now)}
            if not left:
                return
            found = found or now
    if not found:
        yield (
            f"Whether {d.settings} reads what the files of {tool} give could not be seen: it does not load with their "
            f"variables and those of {d.env_file} ({why}). Put what it needs into {d.env_file}, and render again."
        )
        return
    for name, lead in left.items():
        yield _told(name, lead, found, d)


def _given(tool: str, d: Deployment) -> Iterator[tuple[str, str]]:
    """Yield the variables by which a tool's files say where a service is, with what they say."""
    for name in d.variables:
        if name in {BROKER, CACHE}:
            service = "redis" if name == BROKER else "redis-cache"
            yield name, service if tool == "compose" else f"{d.name}-{service}"
        elif tool == "compose":
            # A cluster's database is named in its Secret.
            yield name, "postgres" if name == DATABASE else _PORT


def _values(given: Mapping[str, str], d: Deployment) -> dict[str, str]:
    return {
        d.variables[name]: f"redis://{lead}:6379/0" if name in {BROKER, CACHE} else lead
        for name, lead in given.items()
    } | dict(d.environment)


def _variables(d: Deployment, folder: Path, data: str) -> dict[str, str]:
    """Return what a process has beside the addresses of services; a kept folder is a young one of this machine."""
    machine = {name: os.environ[name] for name in _OF_THE_MACHINE if name in os.environ}
    path = os.pathsep.join(dict.fromkeys([str(folder), *filter(None, sys.path)]))
    said = dict(_lines(folder / d.env_file)) | dict.fromkeys(d.secrets, "unsaid")
    kept = d.image.data.rstrip("/")
    if kept:
        said = {
            name: data + value.removeprefix(kept) if f"{value}/".startswith(f"{kept}/") else value
            for name, value in said.items()
        }
    return {**machine, "PYTHONPATH": path, **said, "DJANGO_SETTINGS_MODULE": d.settings}


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    if not path.is_file():
        return
    for line in path.read_text(errors="replace").splitlines():
        name, sign, value = line.strip().partition("=")
        if sign and not name.startswith("#"):
            yield name.strip(), value.strip().strip("\"'")


def _settled(
    d: Deployment, variables: Mapping[str, str], folder: Path
) -> tuple[dict[str, Any], str]:
    """Return what the settings make of variables, or nothing and why."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "holdfast.deploy.settled", d.app],
            cwd=folder,
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {}, f"not within {PATIENCE_SECONDS} s"
    for line in done.stdout.splitlines():
        if line.startswith(MARK):
            found: dict[str, Any] = json.loads(line.removeprefix(MARK))
            return found, ""
    # The kind of error alone: its words may have a password in them.
    errors = [line.partition(":")[0] for line in done.stderr.splitlines() if _names_error(line)]
    return {}, errors[-1] if errors else f"exit code {done.returncode}"


def _names_error(line: str) -> bool:
    word = line.partition(":")[0]
    return bool(word) and word.replace(".", "").isidentifier() and word[-1].isalpha()


# -- what they lead to -----------------------------------------------------------------------------


def _leads(name: str, lead: str, found: Mapping[str, Any]) -> bool:
    return bool(found) and _FOUND[name](lead, found)


def _to_database(host: str, found: Mapping[str, Any]) -> bool:
    return any(there == host for _, there, _ in found["database"])


def _to_port(port: str, found: Mapping[str, Any]) -> bool:
    # One that leads nowhere is said of the host.
    here = [at for _, there, at in found["database"] if there == "postgres"]
    return not here or any(at in {"", port} for at in here)


_FOUND: dict[str, Callable[[str, Mapping[str, Any]], bool]] = {
    BROKER: lambda host, found: host in found["broker"],
    CACHE: lambda host, found: host in found["cache"],
    DATABASE: _to_database,
    DATABASE_PORT: _to_port,
}


def _told(name: str, lead: str, found: Mapping[str, Any], d: Deployment) -> str:
    if name == BROKER:
        stays = f"the broker is {_and(found['broker']) or 'no server'}"
    elif name == CACHE:
        stays = f"CACHES is {_and(found['cache_kinds'])}"
        stays += f" at {_and(found['cache'])}" if found["cache"] else ""
    else:
        stays = "DATABASES is " + _and(
            f"{engine}{f' at {host}' if host else ''}{f', port {port}' if host and port else ''}"
            for engine, host, port in found["database"]
        )
    return (
        f"{d.settings} makes nothing of {d.variables[name]}, by which its processes are told of {lead!r}: {stays}. "
        f"Say in {WHERE}['variables'] what it reads, as in {{{name!r}: {_EXAMPLES[name]!r}}}, or '' for nothing; or "
        f"set the variables that it does read in {d.env_file} or {WHERE}['environment']."
    )


_EXAMPLES = {
    BROKER: "REDIS_URL",
    CACHE: "REDIS_CACHE_URL",
    DATABASE: "DB_HOST",
    DATABASE_PORT: "DB_PORT",
}


def _and(words: Iterable[str]) -> str:
    return " and ".join(words)
