"""Every error Holdfast raises, in one tree; each message says what happened, to which job, and the repair.

HoldfastError
├── ConfigurationError      settings or task classes that would break a promise
├── UnsupportedDatabase     the ledger's database is neither PostgreSQL nor SQLite
├── JobNotFound             no row with this id
│   └── ResultPruned        there was one; its retention is over
├── JobMoved                a job is not any more what somebody saw it to be
├── CheckpointRefused       a state cannot be kept for the next attempt
├── SelectionRefused        jobs cannot be selected, or mended, as it was asked for
├── OperationRefused        what was to be done to many jobs at once is not asked for
├── EffectError             an effect was used in a way that it cannot be kept
│   ├── EffectInDoubt       a call to the world outside was begun, and nobody knows whether it was made
│   └── EffectBusy          somebody else is making the call right now
├── UniqueConflict          a unique call was not recorded: another job has its key
├── LimitNotFound           no limit of this name
├── WorkerNotFound          no live worker with this id
├── WorkerSilent            a worker does not answer, or does not do what it is told
├── ScheduleNotFound        no schedule of this name
├── Aborted                 raised by a body to leave as cancelled
├── InvalidArguments        an argument does not fit its annotation: the call is not sent, or the body not run
├── BodyCancelled           a coroutine body was cancelled by its own code
├── CannotDecrypt           what is encrypted cannot be read with the keys of this process
└── AttemptLost             this attempt lost its lease: it can change nothing any more
"""

from __future__ import annotations

from celery.exceptions import Ignore
from django.core.exceptions import ImproperlyConfigured


class HoldfastError(Exception):
    """Base of all errors of Holdfast."""


class ConfigurationError(HoldfastError, ImproperlyConfigured):
    """A setting or a task class would break a promise; the message says which and how to mend it."""


class UnsupportedDatabase(ConfigurationError):
    """The ledger's database is neither PostgreSQL nor SQLite."""


class JobNotFound(HoldfastError, LookupError):
    """No job has this id."""


class ResultPruned(JobNotFound):
    """The job was recorded here, but its row was pruned after its retention."""

    def __init__(self, job_id: str) -> None:
        super().__init__(
            f"Job {job_id} is not in the ledger any more: its result was pruned after its retention. "
            "Keep results longer with CELERY_RESULT_EXPIRES or HOLDFAST['dead_letter_days'], or store what "
            "you need in your own tables."
        )


class JobMoved(HoldfastError):
    """A job has moved on since somebody looked at it, or is gone; nothing was done."""


class SelectionRefused(HoldfastError, ValueError):
    """Jobs cannot be selected or mended as it was asked for; nothing was changed."""


class CheckpointRefused(HoldfastError, ValueError):
    """A state cannot be kept for the next attempt; nothing was written."""


class EffectError(HoldfastError):
    """An effect was used in a way that it cannot be kept; the call was not made, or the message says that it was."""


class EffectInDoubt(EffectError):
    """A call to the world outside was begun, and nobody knows whether it was made."""


class EffectBusy(EffectError):
    """Another job's attempt, which stands, is making the call right now."""


class UniqueConflict(HoldfastError):
    """A unique call was not recorded, and nothing of what was sent with it: another job has its key.

    Attributes:
        task: the name of the task that was called.
        job: the id of the job that has the key.
        key: the key as it lies in the ledger.
    """

    def __init__(self, task: str, job: str, key: str, why: str) -> None:
        super().__init__(
            f"A call of {task} was not recorded: job {job} has its unique key {key!r}, and {why} "
            f"Use that job, AsyncResult({job!r}); or cancel it, or send the call with unique=False."
        )
        self.task = task
        self.job = job
        self.key = key
        self.why = why

    def __reduce__(self) -> tuple[type[UniqueConflict], tuple[str, str, str, str]]:
        return (UniqueConflict, (self.task, self.job, self.key, self.why))


class OperationRefused(HoldfastError):
    """Nothing was asked for: it would do more than was said, or cannot be done; the text says what to say."""


class BatchError(HoldfastError):
    """A batch was used in a way that it cannot keep; nothing was recorded by the call that raised."""


class BatchNotFound(BatchError, LookupError):
    """There is no batch of this id: it was never recorded here, or it was deleted after its retention."""


class LimitNotFound(HoldfastError, LookupError):
    """Neither the ledger nor the code of this process has a limit of this name."""


class WorkerNotFound(HoldfastError, LookupError):
    """No worker with this id lives."""


class WorkerSilent(HoldfastError):
    """A live worker did not answer in time, or refused what it was told; nothing was changed."""


class ScheduleNotFound(HoldfastError, LookupError):
    """Neither the settings nor the tables of django-celery-beat have a schedule of this name."""


class Aborted(HoldfastError, Ignore):
    """Raise it in a body to leave as cancelled: nothing is sent on, and an atomic body's effects are rolled back."""


class InvalidArguments(HoldfastError, TypeError):
    """An argument of a task with `typed_arguments` does not fit its annotation; the message never shows its value."""

    def __init__(self, message: str, *, task: str = "", parameter: str = "") -> None:
        super().__init__(message)
        self.task = task
        self.parameter = parameter


class BodyCancelled(HoldfastError):
    """A CancelledError left the body of an `async def` task, and nobody outside had stopped it."""


class CannotDecrypt(HoldfastError, ValueError):
    """What is encrypted cannot be read with the keys of this process; nothing of it is lost."""


class AttemptLost(HoldfastError):
    """This attempt was rescued, cancelled or finished by somebody else; its work is rolled back."""

    def __init__(self, job_id: str, token: int) -> None:
        super().__init__(
            f"The attempt of job {job_id} with token {token} lost its lease: the job has moved on, so nothing of "
            "this attempt is written. No repair is needed; lease_seconds may be too short if this is frequent."
        )
        self.job_id = job_id
        self.token = token

    def __reduce__(self) -> tuple[type[AttemptLost], tuple[str, int]]:
        return (AttemptLost, (self.job_id, self.token))
