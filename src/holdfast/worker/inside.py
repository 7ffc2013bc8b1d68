"""What a worker tells of itself and does when it is asked over Celery's remote control; in its main process.

The commands `holdfast_look`, `holdfast_stacks`, `holdfast_resize` and `holdfast_shut_down`. They run in the event loop,
so none of them waits for anything. Arguments and results of jobs are in none of the answers.
"""

from __future__ import annotations

import logging
import os
import platform
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import celery
import django
from celery.worker import state as worker_state
from celery.worker.control import Panel

from holdfast.worker import memory, pools, processes, stacks
from holdfast.worker.current import current_intake

logger = logging.getLogger("holdfast.worker")
# Processes whose memory one answer tells.
MOST_PROCESSES = 256


def answer() -> None:
    """Answer the commands from now on; in this process and for every worker of it."""
    for kind, command, function in (
        ("inspect", "holdfast_look", look),
        ("inspect", "holdfast_stacks", show_stacks),
        ("control", "holdfast_resize", resize),
        ("control", "holdfast_shut_down", shut_down),
    ):
        Panel.register(name=command, type=kind, visible=False)(function)


def look(state: Any, **_: Any) -> dict[str, Any]:
    """Tell the memory of its processes, its slots, and what it has taken in."""
    consumer = state.consumer
    intake = current_intake(consumer.app)
    jobs = _jobs_of_processes()
    pids = [process.pid for process in _processes(consumer.pool) if process.pid]
    held = list(intake.held.values())
    autoscaler = getattr(consumer.controller, "autoscaler", None)
    return _mine(state) | {
        "versions": {
            "holdfast": version("holdfast"),
            "celery": celery.__version__,
            "django": django.__version__,
            "python": platform.python_version(),
        },
        "slots": intake.slots,
        "autoscale": [autoscaler.min_concurrency, autoscaler.max_concurrency]
        if autoscaler
        else None,
        "resizable": _resizable(consumer),
        "running": sum(1 for one in held if not intake.waits(one)),
        "claimed_ahead": sum(1 for one in held if intake.waits(one)),
        "fetched": len(intake.waiting),
        "processes": [
            {"pid": pid, "main": pid == os.getpid(), "job": jobs.get(pid)} | asdict(_memory_of(pid))
            for pid in (os.getpid(), *pids[:MOST_PROCESSES])
        ],
    }


def show_stacks(state: Any, ask: bool = True, **_: Any) -> dict[str, Any]:
    """Tell where its threads, greenlets and coroutines stand, and ask its processes; without `ask`, what these said."""
    consumer = state.consumer
    children = consumer.controller.lifeline.child_stacks
    found = _processes(consumer.pool)
    if ask:
        children.ask(found)
        shown = stacks.all_of(consumer.pool)
    else:
        shown = children.answers(found, jobs=_jobs_of_processes())
    return _mine(state) | {
        "stacks": [asdict(stack) for stack in shown],
        "processes": len(found) if not children.reason else 0,
        "reason": children.reason if found else "",
    }


def resize(state: Any, worker: str = "", slots: int = 0, **_: Any) -> dict[str, Any]:
    """Give the pool so many slots; nothing that runs is stopped."""
    consumer = state.consumer
    intake = current_intake(consumer.app)
    refused = _refused(state, worker) or _resizable(consumer)
    change = slots - intake.slots
    if not refused and change < 0 and len(intake.held) > slots:
        refused = f"it holds {len(intake.held)} jobs, and only idle slots can go: pause its queues, or wait"
    if not refused and change and intake.resize(slots) != slots:
        refused = f"only idle slots can go, and {intake.slots} are left: wait for those that start or end a job"
    if not refused:
        consumer.controller.lifeline.tell()
    return _mine(state) | {"refused": refused, "slots": intake.slots}


def shut_down(state: Any, worker: str = "", **_: Any) -> dict[str, Any]:
    """End in order, as after SIGTERM: what runs goes on to its end, the rest is handed back."""
    refused = _refused(state, worker)
    if not refused:
        logger.warning("Told over remote control to shut down: what runs goes on to its end")
        # The event loop leaves at its next turn: the answer is on its way by then.
        worker_state.should_stop = os.EX_OK
    return _mine(state) | {"refused": refused}


def _mine(state: Any) -> dict[str, Any]:
    return {"worker": str(current_intake(state.app).worker), "pid": os.getpid()}


def _refused(state: Any, worker: str) -> str:
    """Say so if another life of this worker was meant."""
    mine = str(current_intake(state.app).worker)
    return "" if worker == mine else f"it has started anew since, as {mine}"


def _resizable(consumer: Any) -> str:
    """Return why the pool cannot be made larger or smaller; empty if it can."""
    if getattr(consumer.controller, "autoscaler", None):
        return "it scales its pool by itself (--autoscale)"
    return pools.why_fixed(consumer.pool)


def _processes(pool: Any) -> list[Any]:
    """Return the processes of a prefork pool."""
    if "prefork" not in type(pool).__module__:
        return []
    return list(getattr(getattr(pool, "_pool", None), "_pool", None) or ())


def _jobs_of_processes() -> dict[int, str]:
    return {
        pid: request.id
        for request in tuple(worker_state.active_requests)
        if (pid := processes.process_of(request)) is not None and pid != os.getpid()
    }


def _memory_of(pid: int) -> memory.Memory:
    found = memory.of_process(pid)
    return memory.most_of_this_process() if found.rss is None and pid == os.getpid() else found
