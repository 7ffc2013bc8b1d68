"""Leads, what became of them, and the messages they get; written by web and io workers."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from . import phones

MOST_LETTERS = 140
# A year.
MOST_MINUTES = 366 * 24 * 60


class Status(models.TextChoices):
    NEW = "new"
    SUBMITTED = "submitted"
    VERIFIED = "verified"
    PAID = "paid"
    LOST = "lost"


class Lead(models.Model):
    """Somebody who may become a customer, known by a phone number."""

    phone = models.CharField(max_length=16, unique=True, validators=[phones.check])
    status = models.CharField(max_length=16, choices=Status, default=Status.NEW)
    # When this stay in the status began: a message belongs to a stay.
    status_since = models.DateTimeField(default=timezone.now)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        indexes = [
            # In the whole order of a collection: nobody is sorted for it.
            models.Index(fields=["status", "status_since", "id"], name="lead_in_stay"),
            models.Index(fields=["-status_since", "-id"], name="lead_latest"),
        ]

    def __str__(self) -> str:
        return f"{self.phone} ({self.status})"


class LeadEvent(models.Model):
    """A lead came into a status, or was reported in the one it had; never changed."""

    lead = models.ForeignKey(Lead, on_delete=models.CASCADE, related_name="events")
    status = models.CharField(max_length=16, choices=Status)
    created_at = models.DateTimeField(default=timezone.now)
    told_crm_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["-created_at", "-id"], name="lead_event_latest")]

    def __str__(self) -> str:
        return f"{self.status} at {self.created_at:%Y-%m-%d %H:%M}"


class FollowupRule(models.Model):
    """Who stays in `status` for longer than `delay` minutes gets `text`."""

    status = models.CharField(max_length=16, choices=Status)
    delay = models.PositiveIntegerField(
        validators=[MinValueValidator(0), MaxValueValidator(MOST_MINUTES)],
        help_text="Minutes in the status.",
    )
    text = models.CharField(max_length=MOST_LETTERS)
    enabled = models.BooleanField(default=True)

    class Meta:
        ordering = ["status", "delay"]
        constraints = [
            models.UniqueConstraint(
                fields=["status", "delay"],
                name="one_rule_for_a_status_and_delay",
                violation_error_message="There is a rule for this status and delay already.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.status} for {self.delay} min"


class Followup(models.Model):
    """One message of one rule for one stay of a lead; recorded together with the job that sends it."""

    class State(models.TextChoices):
        WAITING = "waiting"
        SENT = "sent"
        SKIPPED = "skipped"
        FAILED = "failed"

    # Nobody has got it, and nobody has decided that nobody will.
    OPEN = (State.WAITING, State.FAILED)

    lead = models.ForeignKey(Lead, on_delete=models.CASCADE, related_name="followups")
    # A rule that came back would write again to everybody.
    rule = models.ForeignKey(FollowupRule, on_delete=models.PROTECT, related_name="followups")
    stay = models.DateTimeField(help_text="When the lead had come into the status.")
    state = models.CharField(max_length=16, choices=State, default=State.WAITING)
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True)
    number = models.BigIntegerField(null=True, help_text="What the gateway calls it.")

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["lead", "rule", "stay"],
                # Nobody got these: a rule that is switched on again writes after all.
                condition=~models.Q(state="skipped"),
                name="one_followup_for_a_stay",
            )
        ]
        indexes = [
            models.Index(fields=["lead", "rule"], name="followup_of_lead"),
            models.Index(fields=["-created_at", "-id"], name="followup_latest"),
        ]

    def __str__(self) -> str:
        return f"{self.rule} to {self.lead.phone}: {self.state}"

    @property
    def key(self) -> str:
        """What the gateway knows this message by."""
        return f"followup:{self.pk}"
