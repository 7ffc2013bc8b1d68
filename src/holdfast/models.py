"""Where Django looks for the app's models; they are the ledger's."""

from __future__ import annotations

from holdfast.ledger.batch_models import Batch
from holdfast.ledger.checkpoint_models import Checkpoint
from holdfast.ledger.effect_models import Effect
from holdfast.ledger.limit_models import Limit, Limited
from holdfast.ledger.log_models import AttemptLog
from holdfast.ledger.models import (
    Attempt,
    Audit,
    Chord,
    ChordPart,
    Duty,
    Group,
    Job,
    Payload,
    Result,
    Worker,
)
from holdfast.ledger.pause_models import Pause, Shelved
from holdfast.ledger.schedule_models import Occurrence, Schedule
from holdfast.ledger.security_models import SecurityEvent
from holdfast.ledger.unique_models import UniqueKey

__all__ = [
    "Attempt",
    "AttemptLog",
    "Audit",
    "Batch",
    "Checkpoint",
    "Chord",
    "ChordPart",
    "Duty",
    "Effect",
    "Group",
    "Job",
    "Limit",
    "Limited",
    "Occurrence",
    "Pause",
    "Payload",
    "Result",
    "Schedule",
    "SecurityEvent",
    "Shelved",
    "UniqueKey",
    "Worker",
]
