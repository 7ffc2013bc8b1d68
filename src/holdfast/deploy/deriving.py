"""From what a project says to its deployment: pools for its queues, sizes for its pools, patience for its jobs.

A project that says nothing gets a worker for all its queues, and one each for queues that are named after fast, cpu
and io work. What it says in HOLDFAST["deploy"] goes before.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from holdfast.deploy.asked import WHERE, checked
from holdfast.deploy.description import (
    EVERYWHERE,
    HAND_BACK_SECONDS,
    OUR_SCHEDULER,
    PREFORK,
    THREADS,
    VARIABLES,
    Deployment,
    Image,
    Monitoring,
    Pool,
    Scheduler,
    Size,
    Web,
)
from holdfast.deploy.facts import Facts, gathered, of_workers
from holdfast.exceptions import ConfigurationError

WORKER = "worker"
# What a queue's first word says of its jobs: many short ones; few that compute; many that wait.
KNOWN_WORK: dict[str, dict[str, Any]] = {
    "fast": {"pool": PREFORK, "concurrency": 8, "cpus": 2},
    "cpu": {"pool": PREFORK, "concurrency": 2, "cpus": 4},
    "io": {"pool": THREADS, "concurrency": 20, "cpus": 1},
}
_ORDINARY: dict[str, Any] = {"pool": PREFORK, "concurrency": 4, "cpus": 2}
_PATIENCE_SECONDS = 600
_METRICS_PORT = 9808
_PROMETHEUS = "http://prometheus.monitoring.svc:9090"
_MAIN_PROCESS_MIB, _CHILD_MIB, _THREADS_MIB = 256, 300, 1536
_SERVING = {
    "uvicorn": (
        *("uvicorn", "{app}", "--host", EVERYWHERE, "--port", "{port}"),
        # Open event streams are cut after so many seconds: they would otherwise hold up the end.
        *("--proxy-headers", "--timeout-graceful-shutdown", "10"),
    ),
    "daphne": ("daphne", "--bind", EVERYWHERE, "--port", "{port}", "--proxy-headers", "{app}"),
    "hypercorn": (
        "hypercorn",
        "--bind",
        EVERYWHERE + ":{port}",
        "--graceful-timeout",
        "10",
        "{app}",
    ),
    "gunicorn": (
        *("gunicorn", "{app}", "--bind", EVERYWHERE + ":{port}"),
        # Each console that is open polls; threads answer beside each other.
        *("--workers", "2", "--threads", "16", "--graceful-timeout", "10"),
    ),
}
_LOG_LEVEL = "INFO"
# Of an object of Kubernetes: KEDA makes a label of it with nine characters before it, and labels have 63.
_LONGEST_NAME = 54
_FOR_ASGI = ("uvicorn", "daphne", "hypercorn")
# What no command line of all these tools can hold; a comma is where --queues begins the next name.
_UNSAYABLE = re.compile(r"""[\s\x00-\x1f,'"\\$`;]""")


def described(facts: Facts | None = None) -> Deployment:
    """Return the deployment of a project, by default of this process's.

    Raises:
        ConfigurationError: HOLDFAST["deploy"] says something that cannot be, or leaves out what cannot be guessed.
    """
    facts = facts or gathered()
    asked = checked(facts.asked)
    app = asked.get("app") or facts.app
    if not app or app == "__main__":
        raise ConfigurationError(
            f"The Celery app has no name to start workers with: say in {WHERE}['app'] what `celery --app` finds it by, "
            "such as 'shop' for the package with shop/celery.py"
        )
    name = asked.get("name") or _name_of(app)
    pools = _pools(facts, asked, app=app, log_level=_LOG_LEVEL)
    _require_short(name, pools)
    manage = "manage.py" if (facts.folder / "manage.py").is_file() else "-m django"
    return Deployment(
        name=name,
        app=app,
        settings=asked.get("settings") or facts.settings,
        manage=manage,
        web=_web(facts, asked.get("web", {})),
        pools=pools,
        scheduler=_scheduler(facts, asked.get("scheduler", {}), app=app, log_level=_LOG_LEVEL),
        image=_image(facts, asked.get("image", {}), name=name),
        monitoring=_monitoring(asked.get("monitoring", {}), manage=manage),
        environment=asked.get("environment", {}),
        variables=_variables(asked),
        env_file=asked.get("env_file", "env.list"),
        secrets=tuple(asked.get("secrets", ("POSTGRES_PASSWORD",))),
        folder=asked.get("folder", f"/srv/{name}"),
        user=asked.get("user", name),
        host=asked.get("host", "localhost"),
        workspace_settings=asked.get("workspace_settings") or facts.settings,
        nix_port_variable=asked.get("nix_port_variable", "NIX_PORT"),
    )


def _variables(asked: Mapping[str, Any]) -> dict[str, str]:
    said = asked.get("variables", {})
    named = {name: said.get(name, name) for name in VARIABLES}
    own = asked.get("environment", {})
    return {name: read for name, read in named.items() if read and read not in own}


def stop_seconds(facts: Facts | None = None) -> dict[str, int]:
    """Return for how many seconds a stop of each pool waits for its jobs; nothing where no deployment is described.

    Raises:
        ConfigurationError: HOLDFAST["deploy"] says something that cannot be.
    """
    facts = facts or of_workers()
    if facts.asked is None:
        return {}
    pools = _pools(facts, checked(facts.asked), app=facts.app, log_level="INFO")
    return {pool.name: pool.stop_seconds for pool in pools}


def _require_short(name: str, pools: tuple[Pool, ...]) -> None:
    for pool in pools:
        both = f"{name}-{pool.name}"
        if len(both) > _LONGEST_NAME:
            raise ConfigurationError(
                f"{both!r}, the name of the project and a pool, has {len(both)} characters, and objects of Kubernetes "
                f"that are scaled may have {_LONGEST_NAME}: say a shorter {WHERE}['name'], or call the pool otherwise"
            )


def _name_of(app: str) -> str:
    plain = unicodedata.normalize("NFKD", app.partition(".")[0])
    letters = "".join(sign for sign in plain if not unicodedata.combining(sign)).lower()
    return re.sub(r"[^a-z0-9]+", "-", letters).strip("-") or "app"


def _pools(facts: Facts, asked: Mapping[str, Any], *, app: str, log_level: str) -> tuple[Pool, ...]:
    """Return the pools in the order in which they are written: the ordinary one first."""
    _require_sayable(facts.queues)
    events = asked.get("task_events", False)
    asked = asked.get("pools", {})
    wanted: dict[str, dict[str, Any]] = {WORKER: {**_ORDINARY, "queues": []}}
    taken = {queue for pool in asked.values() for queue in pool.get("queues", ())}
    for queue in facts.queues:
        if queue in taken:
            continue
        work = re.split(r"[^a-z0-9]", queue.lower())[0]
        known = KNOWN_WORK.get(work)
        pool = wanted.setdefault(f"{WORKER}-{work}" if known else WORKER, {**(known or _ORDINARY)})
        pool.setdefault("queues", []).append(queue)
    for name, said in asked.items():
        wanted[name] = {**wanted.get(name, _ORDINARY), **said}
    _require_queues(wanted, facts, asked)
    return tuple(
        _pool(name, {"task_events": events, **said}, facts, app=app, log_level=log_level)
        for name, said in wanted.items()
        if said["queues"]
    )


def _require_sayable(queues: tuple[str, ...]) -> None:
    for queue in queues:
        if not queue or _UNSAYABLE.search(queue):
            raise ConfigurationError(
                f"The queue {queue!r} cannot stand on a worker's command line, where a name has no space, comma, "
                "quote, semicolon, backslash, backtick and $: rename it in CELERY_TASK_QUEUES, in the routes, or in "
                "queue= of its tasks"
            )


def _require_queues(
    wanted: Mapping[str, Mapping[str, Any]], facts: Facts, asked: Mapping[str, Any]
) -> None:
    for name, said in wanted.items():
        if name in asked and not said.get("queues"):
            raise ConfigurationError(
                f"{WHERE}['pools'][{name!r}] has no queues: say 'queues', a list of names out of "
                f"{', '.join(facts.queues)}"
            )
        for queue in said.get("queues", ()):
            if queue not in facts.queues:
                raise ConfigurationError(
                    f"{WHERE}['pools'][{name!r}] serves {queue!r}, which nothing is sent to: the queues of this "
                    f"project are {', '.join(facts.queues)}; add it to CELERY_TASK_QUEUES or correct it"
                )


def _pool(name: str, said: Mapping[str, Any], facts: Facts, *, app: str, log_level: str) -> Pool:
    kind, autoscale = said["pool"], said.get("autoscale")
    slots = autoscale[0] if autoscale else said["concurrency"]
    longest = _longest(facts, said["queues"])
    patience = _PATIENCE_SECONDS if longest is None else longest + HAND_BACK_SECONDS
    minimum = said.get("minimum", facts.minimum)
    return Pool(
        name=name,
        app=app,
        queues=tuple(said["queues"]),
        kind=kind,
        concurrency=said["concurrency"],
        autoscale=tuple(autoscale) if autoscale else None,
        max_tasks=facts.max_tasks,
        max_memory_kib=facts.max_memory_kib,
        log_level=log_level,
        task_events=said["task_events"],
        size=Size(
            cpus=said["cpus"],
            memory_mib=said.get("memory_mib") or _memory(kind, slots, facts.max_memory_kib),
        ),
        longest_seconds=longest,
        grace_seconds=said.get("grace_seconds", patience),
        minimum=minimum,
        maximum=said.get("maximum", max(facts.maximum, minimum)),
        per_worker=said.get("per_worker", facts.per_worker),
    )


def _longest(facts: Facts, queues: list[str]) -> int | None:
    """Return the longest a job of these queues may run, in whole seconds."""
    limits = [facts.time_limits[queue] for queue in queues if queue in facts.time_limits]
    if facts.time_limit:
        limits.append(facts.time_limit)
    return -int(-max(limits) // 1) if limits else None


def _memory(kind: str, slots: int, max_memory_kib: int | None) -> int:
    if kind != PREFORK:
        return _THREADS_MIB
    child = -(-max_memory_kib // 1024) if max_memory_kib else _CHILD_MIB
    return _MAIN_PROCESS_MIB + slots * child


def _scheduler(facts: Facts, asked: Mapping[str, Any], *, app: str, log_level: str) -> Scheduler:
    chosen = facts.scheduler
    return Scheduler(
        app=app,
        path="" if chosen else OUR_SCHEDULER,
        ours=not chosen or chosen.startswith("holdfast."),
        log_level=log_level,
        size=Size(cpus=asked.get("cpus", 0.25), memory_mib=asked.get("memory_mib", 256)),
    )


def _web(facts: Facts, asked: Mapping[str, Any]) -> Web:
    command = tuple(asked.get("command", ())) or _served(facts)
    return Web(
        argv=command,
        port=asked.get("port", 8000),
        size=Size(cpus=asked.get("cpus", 1), memory_mib=asked.get("memory_mib", 512)),
        live_path=asked.get("live_path") or facts.live_path or "/",
        ready_path=asked.get("ready_path") or facts.ready_path or "/",
        static_url=facts.static_url,
        static_root=facts.static_root,
        console_path=facts.console_path,
        grace_seconds=asked.get("grace_seconds", 30),
        connections=asked.get("connections", 20),
    )


def _served(facts: Facts) -> tuple[str, ...]:
    """Return the command of the first server that is installed and can serve what the project has."""
    for server in facts.servers:
        entry = facts.asgi if server in _FOR_ASGI else facts.wsgi
        if entry:
            return tuple(word.replace("{app}", entry) for word in _SERVING[server])
    there = ", ".join(facts.servers)
    missing = " and ".join(
        name for name, entry in (("ASGI", facts.asgi), ("WSGI", facts.wsgi)) if not entry
    )
    why = (
        f"{there} cannot serve this project, which names no {missing} application: set {missing.split()[0]}_APPLICATION"
        if there
        else f"None of {', '.join(_SERVING)} is installed that could serve this project: install one"
    )
    raise ConfigurationError(
        f"{why}, or say in {WHERE}['web']['command'] how it is served, with {{port}} for the port"
    )


def _image(facts: Facts, asked: Mapping[str, Any], *, name: str) -> Image:
    package = tuple(asked.get("package", facts.package))
    requirements = asked.get("requirements", facts.requirements)
    return Image(
        name=asked.get("name", f"{name}:latest"),
        python=asked.get("python", "3.12"),
        requirements=requirements,
        hashed=facts.hashed and requirements == facts.requirements,
        package=package,
        install=asked.get("install", "--no-deps ." if requirements else "."),
        collects=asked.get("static", bool(facts.static_root)),
        build_environment=asked.get("build_environment", {}),
        data=asked.get("data", ""),
    )


def _monitoring(asked: Mapping[str, Any], *, manage: str) -> Monitoring:
    port = asked.get("port", _METRICS_PORT)
    serve = ("holdfast", "metrics", "--serve", f"{EVERYWHERE}:{port}")
    return Monitoring(
        command=("python", *manage.split(), *serve),
        port=port,
        token=asked.get("token", "METRICS_TOKEN"),
        address=asked.get("address", _PROMETHEUS),
        slack=asked.get("slack", ""),
        pagerduty=asked.get("pagerduty", False),
        webhook=asked.get("webhook", ""),
    )
