"""Sales, and reports over them; written by web and by workers of the queue `low-priority`."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

from .periods import Period


class Region(models.IntegerChoices):
    """Where something was sold."""

    AFRICA = 1, "Africa"
    ASIA = 2, "Asia"
    EUROPE = 3, "Europe"
    NORTH_AMERICA = 4, "North America"
    OCEANIA = 5, "Oceania"
    SOUTH_AMERICA = 6, "South America"


class Category(models.IntegerChoices):
    """What was sold."""

    BOOKS = 1, "Books"
    CARDS = 2, "Cards"
    CHIPS = 3, "Chips"
    CLOTHING = 4, "Clothing"
    FURNITURE = 5, "Furniture"
    LAMPS = 6, "Lamps"
    MUSIC = 7, "Music"
    TOYS = 8, "Toys"


class Sale(models.Model):
    """One sale, as a shop's till has it; there are a great many."""

    sold_on = models.DateField(db_index=True)
    # Numbers: the database sorts a million of them twice as fast as it does words.
    region = models.PositiveSmallIntegerField(choices=Region)
    category = models.PositiveSmallIntegerField(choices=Category)
    customer = models.PositiveIntegerField()
    quantity = models.PositiveIntegerField()
    amount_cents = models.PositiveIntegerField()

    def __str__(self) -> str:
        return f"{self.quantity} x {self.get_category_display()} on {self.sold_on}"


class Report(models.Model):
    """What was sold in a period, as somebody or the schedule has asked for it."""

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"

    UNDER_WAY = (State.QUEUED, State.RUNNING)

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="reports"
    )
    # Of the daily report alone: a day has one, however often the schedule asks.
    day = models.DateField(null=True, unique=True)
    since = models.DateField()
    until = models.DateField()
    state = models.CharField(max_length=16, choices=State, default=State.QUEUED)
    reason = models.CharField(max_length=200, blank=True)
    # Its steps, by which it is known that one was cancelled.
    jobs = models.JSONField(default=list)
    parts = models.PositiveIntegerField()
    parts_done = models.PositiveIntegerField(default=0)
    asked_at = models.DateTimeField(default=timezone.now, db_index=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"report {self.pk} ({self.since} to {self.until})"

    def get_absolute_url(self) -> str:
        return reverse("reports:detail", args=[self.pk])

    @property
    def period(self) -> Period:
        return Period(since=self.since, until=self.until)

    @property
    def is_under_way(self) -> bool:
        return self.state in self.UNDER_WAY

    @property
    def took(self) -> timedelta | None:
        """How long the jobs worked on it; None before their end."""
        if self.started_at is None or self.finished_at is None:
            return None
        return self.finished_at - self.started_at


class ReportLine(models.Model):
    """What one region bought of one category in one month of the period."""

    report = models.ForeignKey(Report, on_delete=models.CASCADE, related_name="lines")
    month = models.DateField()
    region = models.CharField(max_length=20)
    category = models.CharField(max_length=40)
    sales = models.PositiveIntegerField()
    pieces = models.PositiveIntegerField()
    cents = models.BigIntegerField()
    customers = models.PositiveIntegerField()

    class Meta:
        ordering = ["month", "region", "category"]
        constraints = [
            # A month that were added up twice would be an error and no wrong report.
            models.UniqueConstraint(
                fields=["report", "month", "region", "category"], name="one_line_of_a_month"
            )
        ]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m} {self.region} {self.category}"

    @property
    def amount(self) -> Decimal:
        return Decimal(self.cents) / 100


class ReportFile(models.Model):
    """A finished report to take away. It lies in the database, which web and workers share."""

    class Kind(models.TextChoices):
        CSV = "csv"
        PDF = "pdf"

    CONTENT_TYPES = {Kind.CSV: "text/csv", Kind.PDF: "application/pdf"}

    report = models.ForeignKey(Report, on_delete=models.CASCADE, related_name="files")
    kind = models.CharField(max_length=3, choices=Kind)
    content = models.BinaryField()

    class Meta:
        ordering = ["kind"]
        constraints = [
            models.UniqueConstraint(fields=["report", "kind"], name="one_file_of_a_kind")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        return f"report-{self.report_id}.{self.kind}"

    @property
    def content_type(self) -> str:
        return self.CONTENT_TYPES[self.Kind(self.kind)]
