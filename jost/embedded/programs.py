"""Which processes JOST consists of on one machine, and their command lines; read by the runner of `make up`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from holdfast.testing.services import find_redis_server, redis_arguments
from jost.embedded.supervisor import Program
from jost.settings import queues

# More processes than cores only take turns, and each costs memory.
_CPU_WORKERS = min(os.cpu_count() or 2, 8)
_THREADS = 8
_DEBUGGED = 4

# A worker first finishes what it runs, then gives it back, then is killed.
_WORKER_ENDING = ((signal.SIGTERM, 10.0), (signal.SIGQUIT, 5.0))

# The queue by which each worker is asked whether it works.
WORKER_QUEUES = {"cpu": queues.CPU, "jobs": queues.DEFAULT}


# Refused rather than taken from the machine; a ticket is some 500 bytes.
CAP = ("--maxmemory", "256mb")


def redis_program(*, port: int, folder: Path) -> Program:
    """Return the embedded Redis: the same port and data at every start."""
    folder.mkdir(parents=True, exist_ok=True)
    options = [*redis_arguments(port=port, directory=folder), "--loglevel", "warning", *CAP]
    command = [str(find_redis_server()), *options]
    return Program(name="redis", command=command, ending=((signal.SIGTERM, 10.0),))


def gateways_program(*, port: int, folder: Path) -> Program:
    """Return the world outside: SMS, CRM, payments and mail, with its own record of what happened."""
    record = folder / "gateways.sqlite3"
    options = ["--port", str(port), "--record", str(record)]
    return Program(
        name="gateways", command=[sys.executable, "-m", "jost.gateways.server", *options]
    )


def jost_programs(
    *, port: int, log_level: str, debug_ports: tuple[int, int] | None = None
) -> list[Program]:
    """Return web, workers and scheduler.

    With `debug_ports` a debugger can attach to web and to one worker for all queues, in that order.
    """
    if debug_ports is not None:
        return _debugged(port=port, log_level=log_level, debug_ports=debug_ports)
    others = [name for name in queues.NAMES if name != queues.CPU]
    return [
        Program(name="web", command=_web(port=port)),
        Program(
            name="cpu",
            command=_worker("cpu", [queues.CPU], "prefork", _CPU_WORKERS, log_level=log_level),
            ending=_WORKER_ENDING,
        ),
        Program(
            name="jobs",
            command=_worker("jobs", others, "threads", _THREADS, log_level=log_level),
            ending=_WORKER_ENDING,
        ),
        _scheduler(log_level=log_level),
    ]


def demo_programs(*, page: str) -> list[Program]:
    """Return what `make demo` runs beside JOST: who asks for work, and who counts what came of it."""
    names = ("load", "watch")
    return [
        Program(name=name, command=[sys.executable, "-m", f"jost.demo.{name}", "--page", page])
        for name in names
    ]


def _debugged(*, port: int, log_level: str, debug_ports: tuple[int, int]) -> list[Program]:
    web, worker = ({"HOLDFAST_DEBUGGER": f"127.0.0.1:{number}"} for number in debug_ports)
    return [
        Program(name="web", command=_web(port=port), environment=web),
        Program(
            name="worker",
            # Processes: one that stands at a breakpoint holds up no other job.
            command=_worker("worker", queues.NAMES, "prefork", _DEBUGGED, log_level=log_level),
            ending=_WORKER_ENDING,
            environment=worker,
        ),
        _scheduler(log_level=log_level),
    ]


def _scheduler(*, log_level: str) -> Program:
    # No pid file: the runner knows its processes, and a file outlives kill -9.
    command = _celery("beat", "--loglevel", log_level, "--pidfile", "")
    return Program(name="scheduler", command=command)


def _web(*, port: int) -> Sequence[str]:
    command = [sys.executable, "-m", "uvicorn", "jost.asgi:application"]
    options = ["--host", "127.0.0.1", "--port", str(port), "--no-access-log"]
    # Open event streams are cut after so many seconds: they would otherwise hold up the end.
    return [*command, *options, "--timeout-graceful-shutdown", "3", "--log-level", "warning"]


def _worker(
    name: str, names: Sequence[str], pool: str, concurrency: int, *, log_level: str
) -> Sequence[str]:
    options = ["--hostname", f"{name}@%h", "--queues", ",".join(names)]
    size = ["--pool", pool, "--concurrency", str(concurrency), "--loglevel", log_level]
    # Workers of one machine have nothing to tell each other.
    silent = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    return _celery("worker", *options, *size, *silent)


def _celery(*arguments: str) -> Sequence[str]:
    return [sys.executable, "-m", "celery", "--quiet", "--app", "jost", *arguments]
