"""Django's admin on the ledger: for looking only; nothing can be added, changed or deleted here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db import connections
from django.http import HttpRequest
from django.utils.functional import cached_property

from holdfast.dispatch.prose import Prose
from holdfast.models import (
    Attempt,
    AttemptLog,
    Audit,
    Effect,
    Job,
    Occurrence,
    Schedule,
    SecurityEvent,
    Worker,
)

if TYPE_CHECKING:
    from django.db.models import Model

    _ModelAdmin = admin.ModelAdmin[Model]
    _Paginator = Paginator[Any]
else:
    _ModelAdmin = admin.ModelAdmin
    _Paginator = Paginator

EXACT_UP_TO = 10_000


class EstimatingPaginator(_Paginator):
    """Counts exactly while that is cheap, and takes PostgreSQL's estimate for a big table without filters."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        connection = connections[rows.db]
        if connection.vendor == "postgresql" and not rows.query.where:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass",
                    [rows.model._meta.db_table],  # noqa: SLF001  # Django's documented Options API
                )
                estimate = cursor.fetchone()
            if estimate and estimate[0] > EXACT_UP_TO:
                return int(estimate[0])
        return int(rows.count())


class ReadOnlyAdmin(_ModelAdmin):
    """Shows rows; the ledger is moved by its verbs and never by a form."""

    show_full_result_count = False
    paginator = EstimatingPaginator
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds rows by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody edits rows by hand."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes rows by hand: the pruner does, after the retention."""
        return False


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    """Jobs by the time of their record, newest first; ids of ours sort by it."""

    list_display = (
        "id",
        "task",
        "queue",
        "state",
        "attempts",
        "failures",
        "losses",
        "recorded_at",
        "finished_at",
    )
    list_filter = ("state",)
    search_fields = ("id__exact",)
    ordering = ("-id",)


@admin.register(Attempt)
class AttemptAdmin(ReadOnlyAdmin):
    """Attempts that did not end in success."""

    list_display = ("job", "number", "outcome", "worker_name", "started_at", "ended_at", "said")
    list_filter = ("outcome",)
    search_fields = ("job__exact",)
    ordering = ("-id",)
    exclude = ("error", "traceback")
    readonly_fields = ("said", "said_last")

    @admin.display(description="error")
    def said(self, attempt: Attempt) -> str:
        """The error without what is a secret by its name or its form."""
        return Prose().clean(attempt.error)

    @admin.display(description="traceback")
    def said_last(self, attempt: Attempt) -> str:
        """The traceback, the same."""
        return Prose().clean(attempt.traceback)


@admin.register(AttemptLog)
class AttemptLogAdmin(ReadOnlyAdmin):
    """What attempts have logged: found by the id of their job."""

    list_display = ("job", "number")
    search_fields = ("job__exact",)
    ordering = ("-id",)
    exclude = ("text",)
    readonly_fields = ("said",)

    @admin.display(description="text")
    def said(self, log: AttemptLog) -> str:
        """The lines without what is a secret by its name or its form."""
        return Prose().clean(log.text)


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    """Incarnations of workers with their leases."""

    list_display = (
        "name",
        "id",
        "pool",
        "concurrency",
        "started_at",
        "lease_until",
        "heard_at",
        "stalled_at",
        "lost_at",
        "stopped_at",
    )
    ordering = ("-started_at",)


@admin.register(Effect)
class EffectAdmin(ReadOnlyAdmin):
    """Calls to the world outside, by their keys."""

    list_display = ("key", "state", "job", "times_begun", "begun_at", "done_at", "expires_at")
    list_filter = ("state",)
    search_fields = ("key__exact", "job__exact")
    ordering = ("key",)


@admin.register(Audit)
class AuditAdmin(ReadOnlyAdmin):
    """Who replayed, discarded, edited or cancelled what; without the arguments that an edit has replaced."""

    list_display = ("at", "actor", "action", "job", "count")
    search_fields = ("job__exact",)
    exclude = ("detail",)
    ordering = ("-id",)


@admin.register(Schedule)
class ScheduleAdmin(ReadOnlyAdmin):
    """Schedules as the last leading scheduler took them up."""

    list_display = ("name", "timing", "active", "anchor_at", "decided_until")
    list_filter = ("active",)
    search_fields = ("name__exact",)
    ordering = ("name",)


@admin.register(Occurrence)
class OccurrenceAdmin(ReadOnlyAdmin):
    """Due times of schedules and what became of them, newest first."""

    list_display = ("schedule", "due_at", "outcome", "job", "reason", "decided_at")
    list_filter = ("outcome",)
    search_fields = ("schedule__exact", "job__exact")
    ordering = ("-id",)


@admin.register(SecurityEvent)
class SecurityEventAdmin(ReadOnlyAdmin):
    """Messages that were not ours, counted by the minute, newest first; task and job are what they claim."""

    list_display = ("at", "kind", "queue", "task", "job", "count", "accepted", "worker")
    list_filter = ("kind", "accepted")
    search_fields = ("job__exact",)
    ordering = ("-id",)
