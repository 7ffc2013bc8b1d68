"""The ledger's tables: what every job, attempt, chord and worker is; only the ledger package touches them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, Q
from django.db.models.lookups import In
from django.db.models.sql.compiler import SQLCompiler

from holdfast.ledger.states import DEAD_LETTERS, FINAL, State

if TYPE_CHECKING:
    _CharField = models.CharField[str, str]
    _SmallIntegerField = models.SmallIntegerField[int, int]
else:
    _CharField = models.CharField
    _SmallIntegerField = models.SmallIntegerField


class KeyField(_CharField):
    """Text that is looked up as a whole: on PostgreSQL without the second index Django adds for LIKE."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 255)
        super().__init__(*args, **kwargs)

    def db_type(self, connection: BaseDatabaseWrapper) -> str | None:
        if connection.vendor == "postgresql":
            return f"character varying({self.max_length})"
        return super().db_type(connection)


class StateField(_SmallIntegerField):
    """The state of a job; to migrations a small integer like any other."""

    def deconstruct(self) -> Any:
        """Name the field that it is in the database."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.SmallIntegerField", args, kwargs


@StateField.register_lookup
class StateIn(In):
    """Is one of several states. On SQLite they are written out: it takes a partial index for a statement only if that
    repeats the condition of the index, and parameters in a list are no repetition. It would read the whole table.
    """

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> Any:
        """Write numbers in place of parameters; what is no list of states stays as it is."""
        sql, params = self.as_sql(compiler, connection)
        if params and all(isinstance(value, int) for value in params):
            return sql % tuple(int(value) for value in params), []
        return sql, params


class Job(models.Model):
    """One call of a task: the narrow row that moves. Its body and result lie in tables of their own."""

    id = KeyField(primary_key=True)
    task = models.CharField(max_length=255)
    queue = models.CharField(max_length=255)
    priority = models.SmallIntegerField(default=0)
    state = StateField(choices=[(int(s), s.name.lower()) for s in State])
    token = models.BigIntegerField(default=1)
    attempts = models.IntegerField(default=0)
    failures = models.IntegerField(default=0)
    losses = models.IntegerField(default=0)
    # An attempt of it was lost before its turn came: from then on it is claimed only into a free slot,
    # so that a job that kills its worker is told from the ones that waited behind it.
    suspect = models.BooleanField(default=False)
    ahead = models.BooleanField(default=False)
    hold = models.CharField(max_length=16, default="", blank=True)
    reason = models.CharField(max_length=64, default="", blank=True)
    due_at = models.DateTimeField(null=True)
    # While it is held for so long, and not until a moment that somebody named: see `holdfast.ledger.clocks`.
    wait_seconds = models.FloatField(null=True)
    expires_at = models.DateTimeField(null=True)
    recorded_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    worker = models.UUIDField(null=True)
    root_id = KeyField(null=True)  # type: ignore[misc]  # the stub of CharField is not generic in null
    parent_id = KeyField(null=True)  # type: ignore[misc]  # see above
    group_id = KeyField(null=True)  # type: ignore[misc]  # see above
    batch_id = KeyField(null=True)  # type: ignore[misc]  # see above
    ignore_result = models.BooleanField(default=False)
    # Somebody waits for its end: a chord, an error callback, the rest of a chain.
    linked = models.BooleanField(default=False)
    # Ended by somebody else than its own attempt, and those who wait have not been told yet.
    unsettled = models.BooleanField(default=False)
    # Somebody asked the attempt that runs to stop by itself; never set while no attempt runs.
    cancel_asked_at = models.DateTimeField(null=True)
    # Of a dead letter: what it has in common with others of the same cause.
    fingerprint = models.CharField(max_length=16, default="", db_default="", blank=True)
    # Its task has a retention of its own: how long it is kept once it is finished is asked by task.
    kept_apart = models.BooleanField(default=False, db_default=False)
    # Becomes queued through an admission only: rows of `Limited` say by which limits.
    limited = models.BooleanField(default=False, db_default=False)

    class Meta:
        db_table = "holdfast_job"
        permissions = [
            ("view_console", "Can look at the console of Holdfast"),
            ("operate_console", "Can work on jobs, queues and schedules in the console"),
            ("administer_console", "Can change limits and workers in the console"),
        ]
        indexes = [
            models.Index(
                fields=["due_at"],
                name="holdfast_job_held",
                condition=Q(state=State.HELD, due_at__isnull=False),
            ),
            # Waits for something else than a moment: a place at a limit, the end of a pause or of what replaced it.
            models.Index(
                fields=["id"],
                name="holdfast_job_parked",
                condition=Q(state=State.HELD, due_at__isnull=True),
            ),
            models.Index(
                fields=["queue", "priority", "published_at"],
                name="holdfast_job_queued",
                condition=Q(state=State.QUEUED),
            ),
            models.Index(
                fields=["worker"], name="holdfast_job_running", condition=Q(state=State.RUNNING)
            ),
            models.Index(
                fields=["finished_at"],
                name="holdfast_job_over",
                condition=Q(state__in=sorted(FINAL - DEAD_LETTERS), kept_apart=False),
            ),
            # Few among those that succeeded, and looked for by themselves.
            models.Index(
                fields=["finished_at"],
                name="holdfast_job_stopped",
                condition=Q(state__in=[State.CANCELLED, State.EXPIRED]),
            ),
            models.Index(
                fields=["task", "finished_at", "id"],
                name="holdfast_job_kept_apart",
                condition=Q(state__in=sorted(FINAL - DEAD_LETTERS), kept_apart=True),
            ),
            models.Index(
                fields=["finished_at"],
                name="holdfast_job_dead_letter",
                condition=Q(state__in=sorted(DEAD_LETTERS)),
            ),
            models.Index(
                fields=["finished_at"], name="holdfast_job_unsettled", condition=Q(unsettled=True)
            ),
            models.Index(
                fields=["fingerprint", "finished_at"],
                name="holdfast_job_fingerprint",
                condition=Q(state__in=sorted(DEAD_LETTERS)),
            ),
            # Of these three a job that stands by itself is in none.
            models.Index(
                fields=["batch_id", "state", "id"],
                name="holdfast_job_batch",
                condition=Q(batch_id__isnull=False),
            ),
            models.Index(
                fields=["group_id", "state", "id"],
                name="holdfast_job_group",
                condition=Q(group_id__isnull=False),
            ),
            models.Index(
                fields=["root_id", "id"],
                name="holdfast_job_root",
                condition=Q(root_id__isnull=False) & ~Q(root_id=F("id")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.task}[{self.id}] {State(self.state).name.lower()}"


class Payload(models.Model):
    """What a job was called with: written at its record, again only by a retry or a replacement."""

    job = KeyField(primary_key=True)
    headers = models.TextField()
    body = models.BinaryField()
    content_type = models.CharField(max_length=100)
    content_encoding = models.CharField(max_length=50)

    class Meta:
        db_table = "holdfast_payload"


class Result(models.Model):
    """What Celery's result API answers for an id: a job's result or progress, or a state stored for a bare id."""

    id = KeyField(primary_key=True)
    status = models.CharField(max_length=50)
    result = models.BinaryField(null=True)
    content_type = models.CharField(max_length=100, default="application/json")
    content_encoding = models.CharField(max_length=50, default="utf-8")
    traceback = models.TextField(null=True)
    children = models.TextField(null=True)
    stored_at = models.DateTimeField()
    # Belongs to no job, so no job takes it along when it is pruned.
    bare = models.BooleanField(default=False)

    class Meta:
        db_table = "holdfast_result"
        indexes = [
            models.Index(fields=["stored_at"], name="holdfast_result_bare", condition=Q(bare=True))
        ]


class Attempt(models.Model):
    """An attempt that is over, and did not end in a success that still stands; the latest is on the job itself."""

    job = KeyField()
    number = models.IntegerField()
    token = models.BigIntegerField()
    outcome = models.CharField(max_length=16)
    worker = models.UUIDField(null=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField()
    error = models.TextField(default="", blank=True)
    traceback = models.TextField(default="", blank=True)
    # Workers are forgotten sooner than what they ran.
    worker_name = models.CharField(max_length=255, default="", db_default="", blank=True)
    # Of one that failed: what it has in common with others of the same cause, and whether it is still to be counted.
    fingerprint = models.CharField(max_length=16, default="", db_default="", blank=True)
    uncounted = models.BooleanField(default=False, db_default=False)

    class Meta:
        db_table = "holdfast_attempt"
        indexes = [
            models.Index(fields=["job"], name="holdfast_attempt_job"),
            models.Index(
                fields=["id"], name="holdfast_attempt_uncounted", condition=Q(uncounted=True)
            ),
        ]


class Chord(models.Model):
    """A chord's count: its row lock puts the ends of its members in order, so exactly one of them is the last."""

    group = KeyField(primary_key=True)
    size = models.IntegerField()
    done = models.IntegerField(default=0)
    fired = models.BooleanField(default=False)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "holdfast_chord"
        indexes = [models.Index(fields=["created_at"], name="holdfast_chord_created")]


class ChordPart(models.Model):
    """The result one member returned to its chord; one row a member, however often it is told."""

    group = KeyField()
    member = KeyField()
    position = models.IntegerField()
    failed = models.BooleanField(default=False)
    result = models.BinaryField(null=True)
    # Of an encrypted result alone.
    content_encoding = models.CharField(max_length=50, default="", db_default="", blank=True)

    class Meta:
        db_table = "holdfast_chord_part"
        constraints = [
            models.UniqueConstraint(fields=["group", "member"], name="holdfast_chord_part_once")
        ]


class Group(models.Model):
    """A saved GroupResult (`GroupResult.save()`)."""

    id = KeyField(primary_key=True)
    result = models.BinaryField()
    stored_at = models.DateTimeField()

    class Meta:
        db_table = "holdfast_group"
        indexes = [models.Index(fields=["stored_at"], name="holdfast_group_stored")]


class Worker(models.Model):
    """One incarnation of a worker process and its lease, renewed by one small update that touches no index."""

    id = models.UUIDField(primary_key=True)
    name = models.CharField(max_length=255)
    host = models.CharField(max_length=255)
    pid = models.IntegerField()
    pool = models.CharField(max_length=100)
    concurrency = models.IntegerField(default=1)
    queues = models.TextField(default="[]")
    started_at = models.DateTimeField()
    lease_until = models.DateTimeField()
    # How long a renewal lasts: an end further ahead than that was set by a clock that has been set back since.
    lease_seconds = models.FloatField(null=True)
    lost_at = models.DateTimeField(null=True)
    stopped_at = models.DateTimeField(null=True)
    # When a canary of it came last, and since when it takes nothing though it should; told with its heartbeat.
    heard_at = models.DateTimeField(null=True)
    stalled_at = models.DateTimeField(null=True)
    # Its code, a key of the table of releases; empty if it is not known.
    release = models.CharField(max_length=64, default="", db_default="", blank=True)
    # JSON of how the memory of one of its processes grows; empty if none does. Rarely written.
    growth = models.TextField(default="", db_default="", blank=True)
    # What its processes have in memory together, and the largest of them; told again when that has changed.
    memory_bytes = models.BigIntegerField(null=True)
    largest_bytes = models.BigIntegerField(null=True)

    class Meta:
        db_table = "holdfast_worker"


class Duty(models.Model):
    """Which worker acts for all: one row per loop, held by a lease."""

    name = models.CharField(max_length=50, primary_key=True)
    holder = models.UUIDField(null=True)
    until = models.DateTimeField()
    # As of a lease.
    seconds = models.FloatField(null=True)
    # When it was done last from beginning to end, of those that say so.
    done_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "holdfast_duty"


class Audit(models.Model):
    """One intervention or one batch of it: a replay, discard, edit or cancelling, in its own transaction."""

    at = models.DateTimeField()
    actor = models.CharField(max_length=255, default="", blank=True)
    action = models.CharField(max_length=32)
    # Of one job; a line about many has their count alone.
    job = KeyField(null=True)  # type: ignore[misc]  # see above
    count = models.IntegerField(null=True)
    # JSON: what was selected, or what was there before.
    detail = models.TextField(default="", blank=True)

    class Meta:
        db_table = "holdfast_audit"
        indexes = [
            models.Index(fields=["at"], name="holdfast_audit_at"),
            models.Index(fields=["job"], name="holdfast_audit_job", condition=Q(job__isnull=False)),
            models.Index(fields=["actor", "at"], name="holdfast_audit_actor"),
            models.Index(fields=["action", "at"], name="holdfast_audit_action"),
        ]

    def __str__(self) -> str:
        return f"{self.action} by {self.actor or 'somebody'}"
