"""The ledger's tables; only the ledger package touches them."""

from __future__ import annotations

from holdfast.ledger.models.alerts import AddedRule, Alert, AlertNotice, AlertRule
from holdfast.ledger.models.batches import Batch
from holdfast.ledger.models.checkpoints import Checkpoint
from holdfast.ledger.models.effects import Effect
from holdfast.ledger.models.examinations import Examination
from holdfast.ledger.models.failures import Cause, CauseCount
from holdfast.ledger.models.jobs import (
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
from holdfast.ledger.models.limits import Limit, Limited
from holdfast.ledger.models.logs import AttemptLog
from holdfast.ledger.models.minutes import Minute
from holdfast.ledger.models.operations import Operation
from holdfast.ledger.models.pauses import Pause, Shelved
from holdfast.ledger.models.releases import Release
from holdfast.ledger.models.samples import QueueSample
from holdfast.ledger.models.schedules import Occurrence, Schedule, SchedulerProcess
from holdfast.ledger.models.security import SecurityEvent
from holdfast.ledger.models.totals import Count, Total
from holdfast.ledger.models.unique import UniqueKey

__all__ = [
    "AddedRule",
    "Alert",
    "AlertNotice",
    "AlertRule",
    "Attempt",
    "AttemptLog",
    "Audit",
    "Batch",
    "Cause",
    "CauseCount",
    "Checkpoint",
    "Chord",
    "ChordPart",
    "Count",
    "Duty",
    "Effect",
    "Examination",
    "Group",
    "Job",
    "Limit",
    "Limited",
    "Minute",
    "Occurrence",
    "Operation",
    "Pause",
    "Payload",
    "QueueSample",
    "Release",
    "Result",
    "Schedule",
    "SchedulerProcess",
    "SecurityEvent",
    "Shelved",
    "Total",
    "UniqueKey",
    "Worker",
]
