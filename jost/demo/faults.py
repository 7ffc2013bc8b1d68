"""What a visitor of the demo may break, and nothing but what this run has started; called by the page."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import redis
from django.conf import settings

from jost.embedded import state

WORKERS = ("jobs", "cpu")
SCHEDULER = "scheduler"
# So many are shown and looked after.
MOST = 20


class CannotBreakError(Exception):
    """It is not there to be broken, or not ours; the message says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that was broken at `at`, seconds since 1970; it lasts until `until`."""

    run: str
    kind: str
    target: str
    at: float
    until: float
    pid: int = 0


def known() -> list[Fault]:
    """The last faults of this run, the oldest first."""
    try:
        lines = _file().read_text().splitlines()[-MOST:]
    except FileNotFoundError:
        return []
    faults = [Fault(**json.loads(line)) for line in lines]
    return [fault for fault in faults if fault.run == settings.JOST_RUN]


def kill_worker() -> Fault:
    """Kill -9 a worker in the middle of its work, or one process of its pool alone; which one is chance."""
    workers = {name: pid for name in WORKERS if (pid := _pid_or_none(name)) is not None}
    if not workers:
        raise CannotBreakError("No worker is there just now: they are being started again.")
    whole = [(f"worker {name}", pid) for name, pid in workers.items()]
    children = [
        (f"pool process of worker {name}", child)
        for name, pid in workers.items()
        for child in _children(pid)
    ]
    # Else it were nearly always a process of the larger pool.
    target, pid = secrets.choice(secrets.choice([each for each in (whole, children) if each]))
    fault = _note("kill", target=target, pid=pid)
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        raise CannotBreakError(f"The {target} has just ended by itself: press again.") from None
    return fault


def wipe_redis() -> Fault:
    """Empty the embedded Redis; raises `CannotBreakError` for one that is not ours."""
    port = getattr(settings, "EMBEDDED_REDIS_PORT", None)
    if port is None:
        raise CannotBreakError(
            "This run uses a Redis that was given: only the embedded one is wiped."
        )
    fault = _note("wipe", target="redis")
    with redis.Redis(port=port, socket_timeout=5) as client:
        client.flushall()
    return fault


def freeze_scheduler() -> Fault:
    """Stop the scheduler for a while; `thaw` lets it go on."""
    pid = _pid(SCHEDULER)
    fault = _note("freeze", target=SCHEDULER, pid=pid, seconds=settings.JOST_DEMO_FREEZE_SECONDS)
    os.kill(pid, signal.SIGSTOP)
    return fault


def thaw(faults: list[Fault]) -> None:
    """Let go on whatever was frozen and whose time is over; once too often does no harm."""
    for fault in faults:
        if fault.kind == "freeze" and time.time() >= fault.until:
            try:
                if _pid(fault.target) == fault.pid:
                    os.kill(fault.pid, signal.SIGCONT)
            except CannotBreakError:
                continue


def _note(kind: str, *, target: str, pid: int = 0, seconds: float = 0.0) -> Fault:
    # Before it happens: whoever looks must not see a gap without its reason.
    now = time.time()
    run = settings.JOST_RUN
    fault = Fault(run=run, kind=kind, target=target, at=now, until=now + seconds, pid=pid)
    _file().parent.mkdir(parents=True, exist_ok=True)
    with _file().open("a") as file:
        file.write(json.dumps(asdict(fault)) + "\n")
    return fault


def _pid(name: str) -> int:
    pid = _pid_or_none(name)
    if pid is None:
        raise CannotBreakError(
            f"The process {name} is not there just now: it is being started again."
        )
    return pid


def _pid_or_none(name: str) -> int | None:
    """The process that the runner has started under this name, and that leads a session of its own."""
    pid = state.process(settings.DATA_DIR, name=name)
    try:
        return pid if pid is not None and os.getsid(pid) == pid else None
    except ProcessLookupError:
        return None


def _children(parent: int) -> list[int]:
    """The processes of a worker's pool; of threads there are none."""
    told = Path(f"/proc/{parent}/task/{parent}/children")
    try:
        return [int(child) for child in told.read_text().split()]
    except OSError:
        # No such file but on Linux.
        listed = subprocess.run(
            ["/bin/ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=False
        )
        pairs = [line.split() for line in listed.stdout.splitlines()]
        return [int(pid) for pid, of in pairs if int(of) == parent]


def _file() -> Path:
    folder: Path = settings.DATA_DIR
    return folder / "demo" / "faults.jsonl"


FAULTS: dict[str, Callable[[], Fault]] = {
    "kill": kill_worker,
    "wipe": wipe_redis,
    "freeze": freeze_scheduler,
}
