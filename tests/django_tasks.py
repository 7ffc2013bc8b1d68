"""Django's tasks on a site: on which databases and queues, and how one of them has ended."""

from __future__ import annotations

from typing import Any

from tests.eventually import eventually
from tests.harness import Site

QUEUES = "celery,reports"
KINDS = ["sqlite", "postgres"]


def finished(site: Site, result: Any, *, within: float = 20) -> Any:
    """Wait for the end of a task; return its result as it is asked for anew."""

    def ended() -> Any:
        asked = result.task.get_result(result.id)
        return asked if asked.is_finished else None

    try:
        return eventually(ended, within=within, every=0.05, told=f"{result.id} has finished")
    except AssertionError as error:
        raise AssertionError(f"{error}\n{site.log_tails(30)}") from error
