"""Lets a stopped process of a pool go on, and die of its job, while the pool looks after another one that is dead.

For a worker that is started with -I; it says so in its log.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from celery.concurrency.asynpool import AsynPool

FALLEN = "died meanwhile"
LONGEST = 30.0
_flush = AsynPool.process_flush_queues


def _state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def _while_another_dies(pool: Any, dead: Any) -> None:
    # Later in the list is looked at earlier: these were alive then.
    if sys._getframe(1).f_code.co_name == "_join_exited_workers":
        for process in pool._pool[pool._pool.index(dead) + 1 :]:
            if _state_of(process.pid) == "T":
                os.kill(process.pid, signal.SIGCONT)
                deadline = time.monotonic() + LONGEST
                while _state_of(process.pid) != "Z" and time.monotonic() < deadline:
                    time.sleep(0.01)
                logging.getLogger(__name__).warning(FALLEN)
    _flush(pool, dead)


AsynPool.process_flush_queues = _while_another_dies
