"""The code of workers beside that of this process, which sends jobs too: what one of them lacks or has otherwise."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from celery import current_app

from holdfast.console import links
from holdfast.dispatch.code import code_of
from holdfast.doctor.sending import queue_of
from holdfast.ledger import releases
from holdfast.ledger.reads.worker_reads import LiveWorker
from holdfast.ledger.releases import UNKNOWN, Code

logger = logging.getLogger("holdfast.console")
# Characters of the key of a code that tell it from others.
SHORT = 8
# Names in a list; how many there are is said beside it.
NAMED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeShown:
    """The code of a worker beside that of the process that shows this page."""

    release: str
    """The first digits of its key: the same for the same code; empty if it is not known."""
    differs: bool
    """Whether something of it does not fit what this process sends to its queues, or its libraries are others."""
    lacks: list[str]
    """Tasks that this process sends to its queues and that it does not know; the first ten."""
    other: list[str]
    """Tasks that have other parameters there; the first ten."""
    libraries: list[str]
    """Libraries with their version there and here."""
    more: int
    """Tasks that are left out of both lists."""

    @property
    def doctor_url(self) -> str:
        """Where the doctor says what it leads to."""
        return links.address("doctor", area="workers")


def of_workers(workers: Iterable[LiveWorker]) -> dict[Any, CodeShown]:
    """Return the code of workers by their incarnation; one statement."""
    found = list(workers)
    known = releases.known({worker.release for worker in found if worker.release})
    here = _here() if known else UNKNOWN
    return {
        worker.id: _beside(worker, known.get(worker.release, UNKNOWN), here) for worker in found
    }


def _beside(worker: LiveWorker, there: Code, here: Code) -> CodeShown:
    lacks, other, libraries = list[str](), list[str](), list[str]()
    if there.key and here.key and there.key != here.key:
        app = current_app
        for name, parameters in here.tasks.items():
            if there.tasks.get(name) == parameters:
                continue
            if queue_of(app, app.tasks[name]) not in worker.queues:
                continue
            (other if name in there.tasks else lacks).append(name)
        libraries = [
            f"{name} {there.versions[name]} ({version})"
            for name, version in here.versions.items()
            if there.versions.get(name, version) != version
        ]
    return CodeShown(
        release=there.key[:SHORT],
        differs=bool(lacks or other or libraries),
        lacks=lacks[:NAMED],
        other=other[:NAMED],
        libraries=libraries,
        more=len(lacks[NAMED:]) + len(other[NAMED:]),
    )


_lock = threading.Lock()
_known: dict[tuple[int, int], Code] = {}


def _here() -> Code:
    """Return the code of this process; all its task modules are imported for it, once."""
    app: Any = current_app._get_current_object()  # noqa: SLF001  # the app itself
    try:
        with _lock:
            if not any(number == id(app) for number, _ in _known):
                app.loader.import_default_modules()
            key = (id(app), len(app.tasks))
            if key not in _known:
                _known.clear()
                _known[key] = code_of(app)
            return _known[key]
    except Exception:
        # A module that cannot be imported here: the page tells of the workers all the same.
        logger.exception("The tasks of this process cannot be told")
        return UNKNOWN
