"""Where Django looks for the app's models; they are the ledger's."""

from __future__ import annotations

from holdfast.ledger.effect_models import Effect
from holdfast.ledger.models import (
    Attempt,
    Chord,
    ChordPart,
    Duty,
    Group,
    Job,
    Payload,
    Result,
    Worker,
)

__all__ = [
    "Attempt",
    "Chord",
    "ChordPart",
    "Duty",
    "Effect",
    "Group",
    "Job",
    "Payload",
    "Result",
    "Worker",
]
