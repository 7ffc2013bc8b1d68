"""The states of a job and the moves between them: the whole life of a job, used by every process."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class State(IntEnum):
    """Where a job is. Stored as a small integer: never renumber."""

    HELD = 0
    QUEUED = 1
    RUNNING = 2
    SUCCEEDED = 3
    FAILED = 4
    CANCELLED = 5
    EXPIRED = 6
    DEAD = 7


@dataclass(frozen=True, slots=True)
class Move:
    """A verb that takes a job from one of `sources` to one of `targets`."""

    sources: frozenset[State]
    targets: frozenset[State]


FINAL = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED, State.EXPIRED, State.DEAD})
OPEN = frozenset(State) - FINAL
DEAD_LETTERS = frozenset({State.FAILED, State.DEAD})


def _move(sources: set[State] | frozenset[State], *targets: State) -> Move:
    return Move(frozenset(sources), frozenset(targets))


MOVES: dict[str, Move] = {
    "record": _move(set(), State.HELD, State.QUEUED),
    "publish": _move({State.HELD}, State.QUEUED),
    "line_up": _move({State.HELD}, State.HELD),
    "shelve": _move({State.QUEUED}, State.HELD),
    "wake": _move({State.HELD}, State.HELD),
    "admit": _move({State.HELD}, State.QUEUED),
    "skip": _move({State.HELD}, State.CANCELLED, State.EXPIRED),
    "republish": _move({State.QUEUED}, State.QUEUED),
    "recall": _move({State.QUEUED}, State.HELD),
    # Somebody lets a waiting job wait on another queue, or with another priority.
    "reroute": _move({State.QUEUED}, State.QUEUED),
    "redirect": _move({State.HELD}, State.HELD),
    "claim": _move({State.QUEUED}, State.RUNNING),
    "succeed": _move({State.RUNNING}, State.SUCCEEDED),
    "fail": _move({State.RUNNING}, State.FAILED),
    "retry": _move({State.RUNNING}, State.HELD, State.QUEUED),
    "snooze": _move({State.RUNNING}, State.HELD),
    "replace": _move({State.RUNNING}, State.HELD, State.QUEUED),
    "await_replacement": _move({State.RUNNING}, State.HELD),
    # The two ways out of "held: replaced": the last step of what replaced the job is recorded, or will never be.
    "take_over": _move({State.HELD}, State.HELD, State.QUEUED),
    "abandon": _move({State.HELD}, State.FAILED),
    "hand_back": _move({State.RUNNING}, State.QUEUED),
    "rescue": _move({State.RUNNING}, State.QUEUED, State.DEAD),
    "reject": _move({State.RUNNING}, State.DEAD),
    "revoke": _move({State.RUNNING}, State.CANCELLED),
    "bury": _move({State.HELD, State.QUEUED}, State.DEAD),
    # A unique call met a job that waits: it takes its place, or pushes its time.
    "supersede": _move({State.HELD, State.QUEUED}, State.HELD, State.QUEUED),
    "postpone": _move({State.HELD, State.QUEUED}, State.HELD),
    # Somebody does not wait for its time: the relay publishes it.
    "run_now": _move({State.HELD}, State.HELD),
    "cancel": _move({State.HELD, State.QUEUED, State.RUNNING}, State.CANCELLED),
    "expire": _move({State.HELD, State.QUEUED}, State.EXPIRED),
    "replay": _move(FINAL, State.HELD, State.QUEUED),
    "discard": _move(DEAD_LETTERS, State.CANCELLED),
}

# What Celery's result API says of a job in this state; a custom state (PROGRESS) wins while it runs.
CELERY_STATE: dict[State, str] = {
    State.HELD: "PENDING",
    State.QUEUED: "PENDING",
    State.RUNNING: "STARTED",
    State.SUCCEEDED: "SUCCESS",
    State.FAILED: "FAILURE",
    State.CANCELLED: "REVOKED",
    State.EXPIRED: "REVOKED",
    State.DEAD: "FAILURE",
}


class Hold:
    """Why a held job is held."""

    ETA = "eta"
    RETRY = "retry"
    SNOOZE = "snooze"
    RELAY = "relay"
    REPLACED = "replaced"
    LIMIT = "limit"
    PAUSE = "pause"


class Reason:
    """Why a job ended as it did, if it did not succeed with a result of its own."""

    ERROR = "error"
    RETRIES_EXHAUSTED = "retries exhausted"
    POISON = "poison"
    REJECTED = "rejected"
    UNKNOWN_TASK = "unknown task"
    UNDECODABLE = "undecodable"
    CANCELLED = "cancelled"
    ABORTED = "aborted"
    EXPIRED = "expired"
    IGNORED = "ignored"
    REPLACEMENT_FAILED = "replacement failed"
    DISCARDED = "discarded"
    SKIPPED = "skipped"


# The reasons of dead letters.
REASONS_OF_DEAD_LETTERS = (
    Reason.ERROR,
    Reason.RETRIES_EXHAUSTED,
    Reason.POISON,
    Reason.REJECTED,
    Reason.UNKNOWN_TASK,
    Reason.UNDECODABLE,
    Reason.REPLACEMENT_FAILED,
)


class Outcome:
    """How an attempt ended that has a row of its own."""

    FAILED = "failed"
    RETRIED = "retried"
    SNOOZED = "snoozed"
    REPLACED = "replaced"
    LOST = "lost"
    HANDED_BACK = "handed back"
    REJECTED = "rejected"
    REPLAYED = "replayed"


class Scope:
    """How long the job of a unique call stands in the way of others with its key."""

    QUEUED = "queued"
    UNFINISHED = "unfinished"
    PERIOD = "period"


class Conflict:
    """What becomes of a unique call whose key is taken."""

    EXISTING = "existing"
    REPLACE = "replace"
    POSTPONE = "postpone"
    RAISE = "raise"


def is_final(state: int) -> bool:
    """Tell whether a job in this state is over: only a replay or a discard moves it again."""
    return State(state) in FINAL
