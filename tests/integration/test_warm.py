"""A fork that has done its imports is what a start would have been: command line, path, environment, streams, end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.eventually import eventually
from tests.processes import ROOT, SiteProcess
from tests.surroundings import inherited
from tests.warm import WarmProcess, can_be_warm, run

CODE = """
import json, os, signal, sys, threading
print(json.dumps({
    "argv": sys.argv, "path": sys.path, "name": __name__, "file": globals().get("__file__"),
    "main": vars(sys.modules["__main__"]) is globals(), "cwd": os.getcwd(),
    "environment": {k: v for k, v in os.environ.items() if k != "_"},
    "files": sorted(os.listdir("/proc/self/fd"))[:-1], "input": os.readlink("/proc/self/fd/0"),
    "threads": threading.active_count(), "compiles": sys.dont_write_bytecode,
    "signals": [str(signal.getsignal(n)).split(" at ")[0] for n in signal.valid_signals()],
    "ours": [m for m in sys.modules if m.split(".")[0] in ("holdfast", "jost")],
}))
print("said", file=sys.stderr)
sys.exit(3)
"""


def told(by: list[str], folder: Path, environment: dict[str, str]) -> list[Any]:
    """Return what a process says of itself, started and forked."""
    started = subprocess.run(
        [sys.executable, *by],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert can_be_warm(by, environment)
    forked = run(by, environment=environment, cwd=folder, timeout=60)
    return [(done.returncode, json.loads(done.stdout), done.stderr) for done in (started, forked)]


@pytest.mark.parametrize("how", ["-c", "-m", "file"])
def test_fork_is_what_a_start_is(how: str, tmp_path: Path) -> None:
    (tmp_path / "itself.py").write_text(CODE)
    command = {"-c": ["-c", CODE], "-m": ["-m", "itself"], "file": [str(tmp_path / "itself.py")]}
    environment = inherited() | {"PYTHONPATH": f"{ROOT}:{tmp_path}", "TZ": "Asia/Tokyo"}
    environment["PYTHONDONTWRITEBYTECODE"] = "1" if how == "-c" else ""
    environment.pop("HOME", None)
    started, forked = told([*command[how], "--one", "two"], tmp_path, environment)
    assert forked == started
    assert started[0] == 3


@pytest.mark.parametrize(
    "code", ["1/0", "import os; os._exit(75)", "import os; os.abort()", "pass"]
)
def test_end_is_told_as_it_was(code: str) -> None:
    done = run(["-c", code], environment=inherited(), cwd=ROOT, timeout=60)
    own = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, timeout=60)
    assert done.returncode == own.returncode
    assert ("ZeroDivisionError" in done.stderr) == (code == "1/0")


def test_process_that_takes_too_long_is_killed() -> None:
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    with pytest.raises(subprocess.TimeoutExpired):
        run(["-c", code], environment=inherited(), cwd=ROOT, timeout=0.2)


def test_group_is_there_at_once_and_its_number_stays_until_it_is_asked_for(tmp_path: Path) -> None:
    environment = inherited() | {"PYTHONPATH": str(ROOT)}
    log = tmp_path / "log"
    process = SiteProcess(
        ["-c", "import time; time.sleep(600)"], log=log, environment=environment, warm=True
    )
    assert isinstance(process.popen, WarmProcess)
    process.signal_group(signal.SIGKILL)
    state = Path(f"/proc/{process.pid}/stat")
    eventually(lambda: state.read_text().rpartition(")")[2].split()[0] == "Z")
    os.kill(process.pid, 0)
    assert process.wait() == -signal.SIGKILL
    assert not state.exists()
    assert process.wait() == -signal.SIGKILL


def test_pool_of_somebody_else_is_known_by_its_variable(tmp_path: Path) -> None:
    code = (
        "from celery.concurrency import get_implementation as pool; print(pool('custom').__name__)"
    )
    environment = inherited() | {"CELERY_CUSTOM_WORKER_POOL": "celery.concurrency.thread:TaskPool"}
    assert can_be_warm(["-c", code], environment)
    done = run(["-c", code], environment=environment, cwd=tmp_path, timeout=60)
    assert (done.stdout, done.stderr) == ("TaskPool\n", "")


@pytest.mark.parametrize(
    ("command", "more"),
    [
        (["-m", "celery", "worker", "-P", "gevent"], {}),
        (["-c", ""], {"LD_PRELOAD": "libfaketime.so"}),
        (["-c", ""], {"PYTHONOPTIMIZE": "1"}),
    ],
)
def test_what_is_settled_by_the_start_is_started(command: list[str], more: dict[str, str]) -> None:
    assert not can_be_warm(command, inherited() | more)
