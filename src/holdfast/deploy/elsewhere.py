"""The files of tools that start processes without containers, and of those that stand before or beside them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from holdfast.deploy.asked import WHERE
from holdfast.deploy.description import (
    EVERYWHERE,
    HAND_BACK_SECONDS,
    SOLO,
    THREADS,
    Deployment,
    Pool,
)
from holdfast.exceptions import ConfigurationError

File = tuple[str, str, dict[str, Any]]
DEBUG_PORTS = {"web": 5678, "worker": 5679}
"""Where a process listens for a debugger, when it is told to."""
# Of the 30 s between SIGTERM and SIGKILL; giving back has the rest.
_HURRY_SECONDS = 20
_LOCAL = "127.0.0.1"


def systemd(d: Deployment) -> Iterator[File]:
    """Yield one unit for each kind of process; what is special of a pool is a drop-in of the worker's template."""
    folder = "deploy/systemd"
    more = {"local_web": _local_web(d)}
    yield f"{folder}/{d.name}.target", "systemd/target.unit", more
    for kind in ("migrate", "web", "scheduler", "worker@"):
        yield f"{folder}/{d.name}-{kind}.service", f"systemd/{kind}.service", more
    for pool in d.pools:
        unit = f"{d.name}-worker@{pool.name}.service.d"
        yield (
            f"{folder}/{unit}/pool.conf",
            "systemd/pool.conf",
            {"pool": pool},
        )


def supervisor(d: Deployment) -> Iterator[File]:
    """Yield one group of programs."""
    said = {"DJANGO_SETTINGS_MODULE": d.settings, "PYTHONUNBUFFERED": "1", **d.environment}
    environment = ",".join(f"{name}={_quoted(name, value)}" for name, value in said.items())
    more = {"local_web": _local_web(d), "bin": f"{d.folder}/venv/bin/", "environment": environment}
    yield f"deploy/supervisor/{d.name}.conf", "supervisor.conf", more


def _quoted(name: str, value: str) -> str:
    """Write a value as Supervisor reads it, which knows no way to write a quote inside such quotes."""
    quote = '"' if '"' not in value else "'"
    if quote in value or re.search(r"\s[;#]", value):
        raise ConfigurationError(
            f"{WHERE}['environment'][{name!r}] cannot be written for Supervisor, which takes no text with both kinds "
            "of quotes, nor with ; or # after a space: give it to supervisord by its own environment"
        )
    return f"{quote}{value.replace('%', '%%')}{quote}"


def procfile(d: Deployment) -> Iterator[File]:
    """Yield the list of processes of Heroku and its like, which choose the port and kill 30 s after SIGTERM."""
    more = {
        "web": shlex.join(d.web.command_on("PORT")).replace("PORT", "$PORT"),
        "workers": {pool.name: _hurried(pool) for pool in d.pools},
    }
    yield "Procfile", "Procfile", more


def _hurried(pool: Pool) -> str:
    """Return a worker's command where every process gets SIGTERM, and is killed soon after it.

    What does not end in time is given back, which counts neither as failure nor as loss. The processes of a pool do
    not hear SIGTERM then, only their worker does, and takes it for Celery's cold stop after a pause.
    """
    hurried = replace(pool, grace_seconds=_HURRY_SECONDS + HAND_BACK_SECONDS)
    environment, words = dict(hurried.environment), shlex.join(hurried.command)
    if pool.gives_back:
        del environment["HOLDFAST_STOP_SECONDS"]
        environment["REMAP_SIGTERM"] = "SIGQUIT"
        words += f" -- worker_soft_shutdown_timeout={_HURRY_SECONDS:.1f}"
    return "".join(f"{name}={value} " for name, value in environment.items()) + words


def nginx(d: Deployment) -> Iterator[File]:
    """Yield one site."""
    yield f"deploy/nginx/{d.name}.conf", "nginx.conf", {}


def vscode(d: Deployment) -> Iterator[File]:
    """Yield what VS Code, and editors that read its files, offer under "Run and Debug"."""
    pool = replace(
        d.pools[0], name="here", queues=d.queues, kind=SOLO, concurrency=1, autoscale=None
    )
    more = {"worker_here": pool.command[1:], "attached": DEBUG_PORTS.items()}
    yield ".vscode/launch.json", "launch.json", more


def idx(d: Deployment) -> Iterator[File]:
    """Yield the workspace: a Redis, the variables once, and every process as a preview."""
    require_installable(d)
    pool = replace(
        d.pools[0], name="worker", queues=d.queues, kind=THREADS, concurrency=8, autoscale=None
    )
    settings = d.workspace_settings
    more = {
        "settings": settings,
        "environment": {k: v for k, v in d.environment.items() if k != "DJANGO_SETTINGS_MODULE"},
        "python_package": _python_package(d),
        "install": f".venv/bin/{_install(d)}",
        "web": [".venv/bin/python", *d.manage.split(), "runserver", f"{EVERYWHERE}:$PORT"],
        "worker": [f".venv/bin/{pool.command[0]}", *pool.command[1:]],
        "scheduler": [f".venv/bin/{d.scheduler.command[0]}", *d.scheduler.command[1:]],
    }
    yield ".idx/dev.nix", "dev.nix", more


def nix(d: Deployment) -> Iterator[File]:
    """Yield a flake with a shell and all processes, and the scripts that start and end them."""
    require_installable(d)
    port = d.nix_port_variable
    web = _written(d.web.command_on("PORT"), {}, "web", d.web.grace_seconds)
    web["words"] = web["words"].replace(EVERYWHERE, _LOCAL).replace("PORT", f'"${port}"')
    pools = [
        _written(pool.command, dict(pool.environment), pool.name, pool.grace_seconds)
        for pool in d.pools
    ]
    beat = _written(d.scheduler.command, {}, "scheduler", d.scheduler.grace_seconds)
    more = {
        "description": f"{d.name}: pages, workers, scheduler, PostgreSQL and Redis",
        "python_package": _python_package(d),
        "install": f'test -d "$STATE/venv" || python -m venv "$STATE/venv"; "$STATE/venv/bin/{_install_words(d)}',
        "processes": [web, *pools, beat],
        "port_variable": port,
        "web_program": d.web.command[0],
    }
    yield "nix/flake.nix", "nix/flake.nix", more
    yield "nix/process-compose.yaml", "nix/process-compose.yaml", more
    for script in ("environment", "stack", "kill-services"):
        yield f"nix/scripts/{script}.sh", f"nix/{script}.sh", more


def _written(
    command: tuple[str, ...], environment: dict[str, str], name: str, grace: int
) -> dict[str, Any]:
    return {
        "name": name,
        "program": command[0],
        "words": shlex.join(command[1:]),
        "environment": environment,
        "grace_seconds": grace,
    }


def require_installable(d: Deployment) -> None:
    """Refuse what would make an environment with nothing in it.

    Raises:
        ConfigurationError: the project has no requirements, and is no package either.
    """
    if not (d.image.requirements or d.image.package):
        raise ConfigurationError(
            "Nothing says what is to be installed: there is no requirements.lock, no requirements.txt and no "
            f"pyproject.toml with [build-system] beside manage.py. Name a file in {WHERE}['image']['requirements'], "
            "such as 'requirements/production.txt'"
        )


def _install(d: Deployment) -> str:
    """Return how the project is installed into an environment; begins with pip."""
    image = d.image
    hashes = " --require-hashes" if image.hashed else ""
    steps = [f"pip install{hashes} -r {image.requirements}"] if image.requirements else []
    if image.package:
        steps.append(f"pip install {image.install}")
    return " && .venv/bin/".join(steps)


def _install_words(d: Deployment) -> str:
    return (
        _install(d)
        .replace("pip install", 'pip" install --quiet')
        .replace(".venv/bin/", '"$STATE/venv/bin/')
    )


def _python_package(d: Deployment) -> str:
    """Return the name of Python in nixpkgs: python312."""
    return f"python{d.image.python.replace('.', '')}"


def _local_web(d: Deployment) -> tuple[str, ...]:
    """Return the web process's command on a host where a proxy stands before it: reached from the host alone."""
    return tuple(word.replace(EVERYWHERE, _LOCAL) for word in d.web.command)
