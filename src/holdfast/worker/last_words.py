"""Hears what a pool process said before it died, so that a job it has begun is begun by no other one; prefork only.

When Celery looks after a process that has died, it gives the jobs of every process that is dead by then to others,
unless it has read that they were accepted. Of one that dies meanwhile it has read nothing yet, and closes what it said
last unread: a body that had begun ran again with the same token, and its loss was not counted.
"""

from __future__ import annotations

from typing import Any

from celery.concurrency.asynpool import AsynPool


def hear_last_words(pool: Any) -> None:
    """Have a started pool read all that a dead process has said before it decides about a job that was given to it."""
    processes = getattr(pool, "_pool", None)
    if not isinstance(processes, AsynPool):
        return
    decide = processes.on_job_process_down

    def hear_and_decide(job: Any, pid: int) -> None:
        process = job._write_to
        if process is not None and not job._accepted and not process._is_alive():
            processes.process_flush_queues(process)
        decide(job, pid)

    processes.on_job_process_down = hear_and_decide
