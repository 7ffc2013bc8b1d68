"""The names of states, ends and kinds in the language of a page; the ledger and the JSON keep the English ones.

They have a context of their own for translators: "open" is a batch that is not over here, and a verb on a button.
"""

from __future__ import annotations

from typing import Any

from django.utils.translation import pgettext_lazy

NAMES: dict[str, Any] = {
    # of jobs
    "held": pgettext_lazy("state", "held"),
    "queued": pgettext_lazy("state", "queued"),
    "running": pgettext_lazy("state", "running"),
    "succeeded": pgettext_lazy("state", "succeeded"),
    "failed": pgettext_lazy("state", "failed"),
    "cancelled": pgettext_lazy("state", "cancelled"),
    "expired": pgettext_lazy("state", "expired"),
    "dead": pgettext_lazy("state", "dead"),
    "deleted": pgettext_lazy("state", "deleted"),
    # why one is held
    "retry": pgettext_lazy("state", "retry"),
    "snooze": pgettext_lazy("state", "snooze"),
    "relay": pgettext_lazy("state", "relay"),
    "replaced": pgettext_lazy("state", "replaced"),
    "limit": pgettext_lazy("state", "limit"),
    "pause": pgettext_lazy("state", "pause"),
    # why one ended
    "error": pgettext_lazy("state", "error"),
    "retries exhausted": pgettext_lazy("state", "retries exhausted"),
    "poison": pgettext_lazy("state", "poison"),
    "rejected": pgettext_lazy("state", "rejected"),
    "unknown task": pgettext_lazy("state", "unknown task"),
    "undecodable": pgettext_lazy("state", "undecodable"),
    "aborted": pgettext_lazy("state", "aborted"),
    "ignored": pgettext_lazy("state", "ignored"),
    "replacement failed": pgettext_lazy("state", "replacement failed"),
    "discarded": pgettext_lazy("state", "discarded"),
    "skipped": pgettext_lazy("state", "skipped"),
    # of attempts
    "retried": pgettext_lazy("state", "retried"),
    "snoozed": pgettext_lazy("state", "snoozed"),
    "lost": pgettext_lazy("state", "lost"),
    "handed back": pgettext_lazy("state", "handed back"),
    "replayed": pgettext_lazy("state", "replayed"),
    # of workers
    "serving": pgettext_lazy("state", "serving"),
    "stalled": pgettext_lazy("state", "stalled"),
    "stopping": pgettext_lazy("state", "stopping"),
    # of batches, their callbacks and the steps of workflows
    "open": pgettext_lazy("state", "open"),
    "complete": pgettext_lazy("state", "complete"),
    "never": pgettext_lazy("state", "never"),
    "never sent": pgettext_lazy("state", "never sent"),
    "to come": pgettext_lazy("state", "to come"),
    "waits for a replay": pgettext_lazy("state", "waits for a replay"),
    "error callback": pgettext_lazy("state", "error callback"),
    # of schedules and their due times
    "paused": pgettext_lazy("state", "paused"),
    "off": pgettext_lazy("state", "off"),
    "broken": pgettext_lazy("state", "broken"),
    "overdue": pgettext_lazy("state", "overdue"),
    "over": pgettext_lazy("state", "over"),
    "ok": pgettext_lazy("state", "ok"),
    "fired": pgettext_lazy("state", "fired"),
    "missed": pgettext_lazy("state", "missed"),
    "success": pgettext_lazy("state", "success"),
    "failure": pgettext_lazy("state", "failure"),
    # of a job at a limit
    "away": pgettext_lazy("state", "away"),
    "waiting": pgettext_lazy("state", "waiting"),
    "admitted": pgettext_lazy("state", "admitted"),
    # of operations
    "done": pgettext_lazy("state", "done"),
    "stopped": pgettext_lazy("state", "stopped"),
    # of messages that were not ours
    "forged ticket": pgettext_lazy("state", "forged ticket"),
    "forged message": pgettext_lazy("state", "forged message"),
    "unsigned message": pgettext_lazy("state", "unsigned message"),
    "malformed message": pgettext_lazy("state", "malformed message"),
    "unknown job": pgettext_lazy("state", "unknown job"),
    # of the doctor's areas
    "System checks": pgettext_lazy("state", "System checks"),
    "Settings and environment": pgettext_lazy("state", "Settings and environment"),
    "Broker": pgettext_lazy("state", "Broker"),
    "Database": pgettext_lazy("state", "Database"),
    "Workers, pools, memory": pgettext_lazy("state", "Workers, pools, memory"),
    "Jobs, queues, schedules": pgettext_lazy("state", "Jobs, queues, schedules"),
    "Security and deployment": pgettext_lazy("state", "Security and deployment"),
    # of where a stack was taken
    "process": pgettext_lazy("state", "process"),
    "thread": pgettext_lazy("state", "thread"),
    "greenlet": pgettext_lazy("state", "greenlet"),
    "coroutine": pgettext_lazy("state", "coroutine"),
    # of alerts
    "critical": pgettext_lazy("state", "critical"),
    "warning": pgettext_lazy("state", "warning"),
    "info": pgettext_lazy("state", "info"),
    # of what people did
    "cancel": pgettext_lazy("state", "cancel"),
    "replay": pgettext_lazy("state", "replay"),
    "edit": pgettext_lazy("state", "edit"),
    "discard": pgettext_lazy("state", "discard"),
    "run now": pgettext_lazy("state", "run now"),
    "reroute": pgettext_lazy("state", "reroute"),
    "purge": pgettext_lazy("state", "purge"),
    "resume": pgettext_lazy("state", "resume"),
    "operation": pgettext_lazy("state", "operation"),
    "operation ended": pgettext_lazy("state", "operation ended"),
    "examine": pgettext_lazy("state", "examine"),
    "look at stacks": pgettext_lazy("state", "look at stacks"),
    "resize": pgettext_lazy("state", "resize"),
    "shut down": pgettext_lazy("state", "shut down"),
}


def named(name: str) -> str:
    """Return a name in words; one that is not known here, such as a task's own, as it is."""
    known = NAMES.get(name)
    return name.replace("_", " ") if known is None else str(known)


def all_names() -> dict[str, str]:
    """Return every name by its English one, for scripts."""
    return {name: str(said) for name, said in NAMES.items()}
