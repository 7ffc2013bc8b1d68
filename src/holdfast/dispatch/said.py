"""What was said about jobs, as people may see it: errors, tracebacks and log lines by the rules of each job's task.

The values of a job's own secret arguments are looked for too, if its call is small enough to be looked into.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import islice

from celery import Celery

from holdfast.dispatch import calls
from holdfast.dispatch.known import task_named
from holdfast.dispatch.prose import Prose
from holdfast.ledger.reads import letters
from holdfast.ledger.reads.attempts import AttemptRow
from holdfast.ledger.records import Message

# Bytes of the largest body that is looked into where many jobs are shown.
LARGEST = 65_536
AT_ONCE = 500


def of_message(app: Celery, message: Message) -> Prose:
    """Return the rules for what was said about a job, by what it is called with."""
    return Prose(task_named(app, message.task), calls.secrets(app, message))


def of_jobs(app: Celery, tasks: Mapping[str, str]) -> dict[str, Prose]:
    """Return the rules for what was said about some jobs; one statement for each 500 of them.

    Args:
        app: whose tasks say what is a secret.
        tasks: the name of its task for each job's id.
    """
    found, rest = dict[str, Prose](), iter(tasks.items())
    while some := dict(islice(rest, AT_ONCE)):
        messages = letters.small_messages(some, largest=LARGEST)
        for id, task in some.items():
            known = id in messages
            found[id] = of_message(app, messages[id]) if known else Prose(task_named(app, task))
    return found


def attempt(row: AttemptRow, prose: Prose) -> AttemptRow:
    """Return an attempt with what it said cleansed."""
    return replace(
        row,
        error=prose.clean(row.error),
        traceback=prose.clean(row.traceback),
        log=prose.lines(row.log),
    )
