"""The process that `tests.warm` forks: imports what every process of ours imports, then waits for command lines.

A fork goes back to the bottom of this file, with nothing of it on its stack, and runs what it was told as
`python` would.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

LARGEST = 2**18
# Of others alone, and without effect until somebody sets them up.
IMPORTS = (
    "celery.apps.beat",
    "celery.apps.worker",
    "celery.bin.celery",
    "celery.concurrency.prefork",
    "celery.concurrency.solo",
    "celery.concurrency.thread",
    "celery.worker.consumer",
    "django.core.checks",
    "django.core.mail",
    "django.core.management.commands.migrate",
    "django.db.backends.postgresql.base",
    "django.db.backends.sqlite3.base",
    "django.urls",
    "django.views.generic",
    "kombu.transport.redis",
    "logging.config",
)
_PR_SET_PDEATHSIG = 1


def serve(conversation: socket.socket) -> dict[str, Any] | None:
    """Fork and tell how forks have ended, until nobody asks any more; return, in a fork, what it is to run."""
    stem = os.getpid()
    libc = ctypes.CDLL(None)
    while True:
        question, files, _, _ = socket.recv_fds(conversation, LARGEST, 2)
        if not question:
            return None
        asked: dict[str, Any] = json.loads(question)
        answer: int | None
        if "ended" in asked:
            pid, status = os.waitpid(asked["ended"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        else:
            hear, tell = os.pipe()
            answer = os.fork()
            if answer == 0:
                libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
                if os.getppid() != stem:
                    os._exit(1)
                conversation.close()
                os.close(hear)
                settle(asked, files)
                os.close(tell)
                return asked
            for file in (*files, tell):
                os.close(file)
            # Whoever asked may kill its group at once: it has to have one.
            os.read(hear, 1)
            os.close(hear)
        conversation.sendall(json.dumps(answer).encode())


def settle(asked: Mapping[str, Any], files: Sequence[int]) -> None:
    """Become what a start would have made: streams, session, folder and environment."""
    for target, file in enumerate(files, start=1):
        os.dup2(file, target)
        os.close(file)
    if asked["session"]:
        os.setsid()
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    time.tzset()


def execute(arguments: Sequence[str], path: Sequence[str]) -> None:
    """Run a module, some code or a file as the main one of this process; `path` is what is there without PYTHONPATH."""
    how, *rest = arguments
    by_file = str(Path(how).resolve().parent)
    first = {"-c": "", "-m": str(Path.cwd())}.get(how, by_file)
    added = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:] = [first, *filter(None, added), *path]
    # The one variable that is read by an import: a pool of somebody else's.
    importlib.reload(sys.modules["celery.concurrency"])
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    main = sys.modules["__main__"] = ModuleType("__main__")
    if how == "-m":
        sys.argv = ["-m", *rest[1:]]
        # What the interpreter itself calls.
        runpy._run_module_as_main(rest[0])  # type: ignore[attr-defined]
        return
    if how == "-c":
        sys.argv = ["-c", *rest[1:]]
        code = compile(rest[0], "<string>", "exec")
    else:
        sys.argv = [how, *rest]
        main.__file__ = how
        code = compile(Path(how).read_bytes(), how, "exec")
    exec(code, main.__dict__)


if __name__ == "__main__":
    for name in IMPORTS:
        importlib.import_module(name)
    # A fork neither looks through what was imported nor frees it at its end, page by page.
    gc.collect()
    gc.freeze()
    of_the_installation = sys.path[1:]
    with socket.socket(fileno=int(sys.argv[1])) as conversation:
        asked = serve(conversation)
    if asked is not None:
        execute(asked["start"], of_the_installation)
