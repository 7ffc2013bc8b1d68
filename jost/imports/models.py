"""Files, what became of their rows, and how far each is; written by web and by workers of `low-priority`."""

from __future__ import annotations

from uuid import uuid4

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

LONGEST_NAME = 120
# The folder of all uploaded files, within the site's.
UPLOADS = "imports"


def where_it_lies(_import: Import, _name: str) -> str:
    """A name of ours: nothing of the uploader's ends up in a path."""
    return f"{UPLOADS}/{timezone.now():%Y/%m/%d}/{uuid4().hex}.csv"


class Import(models.Model):
    """A file on its way in; what counts its rows is written together with them."""

    class State(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"
        CANCELLED = "cancelled"
        FAILED = "failed"

    UNDER_WAY = (State.WAITING, State.RUNNING)

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="imports"
    )
    name = models.CharField(max_length=200)
    file = models.FileField(upload_to=where_it_lies, max_length=200)
    size = models.PositiveBigIntegerField()
    state = models.CharField(max_length=16, choices=State, default=State.WAITING)
    reason = models.CharField(max_length=200, blank=True)
    # The one job that may work on it: a file goes from job to job, and an old one finds itself replaced.
    job = models.CharField(max_length=36, blank=True)
    read = models.PositiveBigIntegerField(default=0)
    imported = models.PositiveBigIntegerField(default=0)
    refused = models.PositiveBigIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.name} ({self.state})"

    def get_absolute_url(self) -> str:
        return reverse("imports:detail", args=[self.pk])

    @property
    def is_under_way(self) -> bool:
        return self.state in self.UNDER_WAY

    @property
    def has_stopped_early(self) -> bool:
        return self.state in (self.State.CANCELLED, self.State.FAILED)

    @property
    def can_go_on(self) -> bool:
        """Whether it has stopped early and its file is still kept."""
        return self.has_stopped_early and bool(self.file)

    @property
    def percent(self) -> int:
        return 100 * self.read // self.size if self.size else 100


class Contact(models.Model):
    """What a row became."""

    source = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="contacts")
    line = models.PositiveBigIntegerField()
    email = models.EmailField()
    name = models.CharField(max_length=LONGEST_NAME)
    phone = models.CharField(max_length=20, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            # A row that came twice would be an error and not a second contact.
            models.UniqueConstraint(fields=["source", "line"], name="one_contact_of_a_line")
        ]

    def __str__(self) -> str:
        return self.email


class RowError(models.Model):
    """A row that became nothing, and why."""

    source = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="errors")
    line = models.PositiveBigIntegerField()
    reason = models.CharField(max_length=200)
    text = models.CharField(max_length=500)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["source", "line"], name="one_error_of_a_line")
        ]

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"
