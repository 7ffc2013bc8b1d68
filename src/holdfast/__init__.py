"""Holdfast keeps the jobs of a Django project in its own database, under the Celery tasks it already has."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdfast import limits as limits
    from holdfast.api import apply_many as apply_many
    from holdfast.api import attempts as attempts
    from holdfast.api import cancel as cancel
    from holdfast.api import queues as queues
    from holdfast.api import replay as replay
    from holdfast.api import unserved_queues as unserved_queues
    from holdfast.batches import Batch as Batch
    from holdfast.batches import current_batch as current_batch
    from holdfast.beat.listing import run_now as run_now
    from holdfast.beat.listing import schedules as schedules
    from holdfast.dispatch.app import Celery as Celery
    from holdfast.dispatch.singletons import singleton_task as singleton_task
    from holdfast.exceptions import Aborted as Aborted
    from holdfast.exceptions import UniqueConflict as UniqueConflict
    from holdfast.pausing import pause as pause
    from holdfast.pausing import pauses as pauses
    from holdfast.pausing import resume as resume
    from holdfast.policies.aborting import ais_aborted as ais_aborted
    from holdfast.policies.aborting import is_aborted as is_aborted
    from holdfast.policies.checkpoints import acheckpoint as acheckpoint
    from holdfast.policies.checkpoints import alast_checkpoint as alast_checkpoint
    from holdfast.policies.checkpoints import checkpoint as checkpoint
    from holdfast.policies.checkpoints import last_checkpoint as last_checkpoint
    from holdfast.policies.effects import effect as effect
    from holdfast.policies.limits import Limit as Limit
    from holdfast.policies.retry_rules import Never as Never
    from holdfast.policies.retry_rules import Rule as Rule
    from holdfast.policies.snooze import Snooze as Snooze
    from holdfast.policies.unique import Unique as Unique
    from holdfast.waiting import why_waits as why_waits
    from holdfast.workflows import graph as graph

__all__ = [
    "Aborted",
    "Batch",
    "Celery",
    "Limit",
    "Never",
    "Rule",
    "Snooze",
    "Unique",
    "UniqueConflict",
    "acheckpoint",
    "ais_aborted",
    "alast_checkpoint",
    "apply_many",
    "attempts",
    "cancel",
    "checkpoint",
    "current_batch",
    "effect",
    "graph",
    "is_aborted",
    "last_checkpoint",
    "limits",
    "pause",
    "pauses",
    "queues",
    "replay",
    "resume",
    "run_now",
    "schedules",
    "singleton_task",
    "unserved_queues",
    "why_waits",
]
__version__ = "0.1.0.dev0"

# Public as a whole: `holdfast.limits.set(...)`.
_MODULES = {"limits"}
_HOME = {
    "Aborted": "holdfast.exceptions",
    "Batch": "holdfast.batches",
    "current_batch": "holdfast.batches",
    "Celery": "holdfast.dispatch.app",
    "Never": "holdfast.policies.retry_rules",
    "Rule": "holdfast.policies.retry_rules",
    "Unique": "holdfast.policies.unique",
    "UniqueConflict": "holdfast.exceptions",
    "Limit": "holdfast.policies.limits",
    "Snooze": "holdfast.policies.snooze",
    "effect": "holdfast.policies.effects",
    "acheckpoint": "holdfast.policies.checkpoints",
    "ais_aborted": "holdfast.policies.aborting",
    "alast_checkpoint": "holdfast.policies.checkpoints",
    "graph": "holdfast.workflows",
    "checkpoint": "holdfast.policies.checkpoints",
    "is_aborted": "holdfast.policies.aborting",
    "last_checkpoint": "holdfast.policies.checkpoints",
    "pause": "holdfast.pausing",
    "pauses": "holdfast.pausing",
    "resume": "holdfast.pausing",
    "run_now": "holdfast.beat.listing",
    "schedules": "holdfast.beat.listing",
    "singleton_task": "holdfast.dispatch.singletons",
    "why_waits": "holdfast.waiting",
}


def __getattr__(name: str) -> Any:
    # Looked up on first use: the package must be importable before Django is set up.
    if name not in __all__:
        raise AttributeError(
            f"module 'holdfast' has no attribute {name!r}; it has: {', '.join(__all__)}"
        )
    from importlib import import_module

    if name in _MODULES:
        return import_module(f"holdfast.{name}")
    return getattr(import_module(_HOME.get(name, "holdfast.api")), name)


# Django's command line dies of settings that do not load before any command of ours is asked. The project's package has
# imported this one by then, so that the doctor can still say what it died of.
if getattr(sys, "argv", [])[1:3] == ["holdfast", "doctor"]:
    from holdfast.doctor.last_resort import install

    install()
