"""What the processes of a prefork pool have been given, and how one is ended; in a worker's main process.

A job is in one of three places: with the pool, in the pipe of one process, or accepted by it. From its pipe a process
takes a job whenever it comes to it, whatever its worker has decided about that job meanwhile.
"""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from billiard.pool import ApplyResult
from celery.concurrency.asynpool import AsynPool
from celery.worker import state

# As long as Celery waits for a process to read the rest of a job.
REST_SECONDS = 10.0
# Taken by whoever hears of a job that it has begun or ended, and until all that follows from that is done.
_hearing = threading.RLock()
HEARING_SECONDS = 0.5


def entering() -> list[Any]:
    """Return the requests that the pool has been given and nothing in it has begun."""
    return [
        request
        for request in tuple(state.reserved_requests)
        if request._apply_result is not None and request.time_start is None
    ]


def listened_to(result: Any) -> None:
    """Let nobody end the process of a job that the pool has just been given, while it is heard that it has ended."""
    if isinstance(result, ApplyResult):
        result._mutex = _hearing


def is_prefork(pool: Any) -> bool:
    """Tell whether a pool has processes: to stop a body there is to end its process, which tells of nothing then."""
    return "prefork" in type(pool).__module__


def is_dropped(request: Any) -> bool:
    """Tell whether a request that was handed to Celery never came to the pool, or was taken out of it unbegun."""
    return request is None or (request._apply_result is None and request.time_start is None)


def hear_again_of_the_dead(pool: Any) -> None:
    """Let the event loop hear once more of processes that have ended and that nobody has cleared away yet.

    Celery has stopped to listen to them. At the next connection it listens to all of its pool, and the worker ends over
    one that it cannot find any more.
    """
    processes = getattr(pool, "_pool", None)
    if isinstance(processes, AsynPool):
        for process in processes._pool:
            if getattr(process, "_sentinel_poll", True) is None:
                del process._sentinel_poll


def process_of(request: Any) -> int | None:
    """Return the id of the process that runs a job or has it in its pipe."""
    pid: int | None = getattr(request, "worker_pid", None)
    return pid or getattr(getattr(_job_of(request), "_write_to", None), "pid", None)


def is_stopped(pid: int) -> bool:
    """Tell whether a child of this process was stopped by a signal."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, IndexError):
        return False
    return fields[0] == "T" and int(fields[1]) == os.getpid()


@contextmanager
def kept(pool: Any) -> Iterator[None]:
    """Keep what a process may begin, while Celery forgets what none has begun; in the event loop's thread.

    Celery does that when a connection is lost or the worker stops, for its broker brings such messages again. A process
    runs what is in its pipe all the same. Here it is the lease that holds the job: it runs where it is, once, and
    its end is heard. What is in no pipe comes out of the pool, and counts as dropped.
    """
    processes = getattr(pool, "_pool", None)
    if not isinstance(processes, AsynPool):
        yield
        return
    jobs = [
        (request, job, job._write_to)
        for request in entering()
        if getattr(request, "hold", None) and (job := _job_of(request)) is not None
    ]
    for _, job, _ in jobs:
        job.discard = _nothing
    partly = [job for _, job, _ in jobs if _is_written(processes, job)]
    patience = threading.Timer(REST_SECONDS, _end_those_who_do_not_read, [processes, partly])
    patience.daemon = True
    if partly:
        patience.start()
    try:
        yield
    finally:
        patience.cancel()
        for request, job, process in jobs:
            del job.discard
            if job.ready():
                continue
            lives = process in processes._pool
            if request.time_start is None and not (lives and job._write_to is process):
                # Its process has died and Celery has forgotten to give it to another one.
                job.discard()
                request._apply_result = None
                continue
            state.task_reserved(request)
            if lives:
                # Nothing else is to wait behind it.
                processes._busy_workers.add(process.inqW_fd)


def end(pool: Any, request: Any, *, heard: bool = True) -> bool:
    """Kill the process that has a job, from any thread; False: not now, for the job may have ended there, unheard.

    With `heard` off also a process that may have begun it, unheard. One that runs another job is never killed for one
    that waits in its pipe: that one is ended as it begins.
    """
    job = _job_of(request)
    if job is None:
        return True
    # Until its end is heard its process is given no other job.
    if not _hearing.acquire(timeout=HEARING_SECONDS):
        return False
    try:
        return job.ready() or _end(pool, request, job, heard=heard)
    finally:
        _hearing.release()


def end_idle(processes: AsynPool, slots: int) -> int:
    """End processes for good that no job runs in, waits for or has just ended in unheard; return how many.

    In the event loop's thread: nobody else gives jobs to them. Celery's own way of making a pool smaller may end one
    that has a job in its pipe.
    """
    open_jobs = [job for job in list(processes._cache.values()) if not job.ready()]
    ended = 0
    for process in list(processes._pool):
        if ended == slots:
            break
        if process in processes._waiting_to_start or _has_job(processes, process, open_jobs):
            continue
        # Until it is gone it looks like one that could take a job.
        processes._busy_workers.add(process.inqW_fd)
        processes._processes -= 1
        if processes._putlock is not None:
            processes._putlock.shrink()
        process.terminate_controlled()
        ended += 1
    return ended


def _has_job(processes: Any, process: Any, open_jobs: list[Any]) -> bool:
    given = any(
        process in (job._write_to, job._scheduled_for) or process.pid in job.worker_pids()
        for job in open_jobs
    )
    return given or process.inqW_fd in processes._busy_workers or _says(process)


def _end(pool: Any, request: Any, job: Any, *, heard: bool) -> bool:
    processes = pool._pool
    process = _process_of(processes, job)
    if process is not None and _says(process) and (heard or job._accepted):
        return False
    request._already_revoked = True
    if job._accepted:
        pool.terminate_job(job._worker_pid, signal.SIGKILL)
    elif process is not None and _runs_another(processes, process, job):
        request._terminate_on_ack = pool, signal.SIGKILL
    elif process is not None:
        # The pool is to know of it still: the next process gets this one's pipe, unless there is a job in it.
        job.terminate(signal.SIGKILL)
        pool.terminate_job(process.pid, signal.SIGKILL)
    else:
        # As one that has been accepted it is given to no process any more.
        job._accepted = True
        job.discard()
    return True


def _job_of(request: Any) -> Any:
    """Return the pool's own note of a request, None if the pool has none any more."""
    found = getattr(request, "_apply_result", None)
    return None if found is None else found()


def _process_of(processes: Any, job: Any) -> Any:
    pid = job._worker_pid if job._accepted else getattr(job._write_to, "pid", None)
    return next((process for process in list(processes._pool) if pid and process.pid == pid), None)


def _says(process: Any) -> bool:
    """Tell whether there is something from a process that has not been read."""
    look = select.poll()
    look.register(process.outqR_fd, select.POLLIN)
    return any(event & select.POLLIN for _, event in look.poll(0))


def _runs_another(processes: Any, process: Any, job: Any) -> bool:
    return any(
        other is not job and not other.ready() and process.pid in other.worker_pids()
        for other in list(processes._cache.values())
    )


def _is_written(processes: Any, job: Any) -> bool:
    """Tell whether a process has a part of a job in its pipe, and the rest is still to come."""
    writer = getattr(job, "_writer", None)
    return writer is not None and writer() in processes._active_writers


def _end_those_who_do_not_read(processes: Any, jobs: list[Any]) -> None:
    """End the processes that do not take the rest of a job: they cannot begin it, and Celery waits for them."""
    for job in jobs:
        if _is_written(processes, job):
            os.kill(job._write_to.pid, signal.SIGKILL)


def _nothing() -> None:
    """Stand for taking a job out of the pool."""
