"""The tables of alerts: what is wrong by which rule, what was said of it, and what was switched off or muted."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class Alert(models.Model):
    """One thing that a rule has found: there is one row for each, and an episode for each time that it came up."""

    id: models.BigAutoField[int, int] = models.BigAutoField(primary_key=True)
    rule = models.CharField(max_length=100)
    # Of the rule, when it found this last.
    kind = models.CharField(max_length=20, db_default="", blank=True)
    subject = models.CharField(max_length=255)
    severity = models.CharField(max_length=10)
    # waiting, firing or recovered.
    state = models.CharField(max_length=10)
    summary = models.TextField(default="")
    # JSON of what people are told beside the summary, and the page behind it in the console.
    facts = models.TextField(default="{}")
    path = models.CharField(max_length=500, default="", blank=True)
    episode = models.IntegerField(default=0)
    since = models.DateTimeField()
    seen_at = models.DateTimeField()
    told_at = models.DateTimeField(null=True)
    recovered_at = models.DateTimeField(null=True)
    muted_until = models.DateTimeField(null=True)
    muted_by = models.CharField(max_length=255, default="", blank=True)

    class Meta:
        db_table = "holdfast_alert"
        constraints = [
            models.UniqueConstraint(fields=["rule", "subject"], name="holdfast_alert_once")
        ]

    def __str__(self) -> str:
        return f"{self.rule}: {self.subject} ({self.state})"


class Switched(models.Model):
    """What was said of a rule at run time."""

    name = models.CharField(max_length=100, primary_key=True)
    off = models.BooleanField(default=False)
    muted_until = models.DateTimeField(null=True)
    by = models.CharField(max_length=255, default="", blank=True)
    reason = models.CharField(max_length=255, default="", blank=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name


class AlertRule(Switched):
    """What was said at run time of a rule that the settings have."""

    class Meta:
        db_table = "holdfast_alert_rule"


class AddedRule(Switched):
    """A rule that somebody added at run time: apart from those above, which workers of a release before forget."""

    # JSON of what it says, as in the settings.
    said = models.TextField()
    changed_at = models.DateTimeField()
    changed_by = models.CharField(max_length=255, default="", blank=True)

    class Meta:
        db_table = "holdfast_alert_added"


class AlertNotice(models.Model):
    """One message to one channel, from its decision to its sending."""

    id: models.BigAutoField[int, int] = models.BigAutoField(primary_key=True)
    # The same for the same words about the same episode: a second one is none.
    key = models.CharField(max_length=255, unique=True)
    channel = models.CharField(max_length=100)
    body = models.TextField()
    made_at = models.DateTimeField()
    tries = models.IntegerField(default=0)
    tried_at = models.DateTimeField(null=True)
    error = models.TextField(default="", blank=True)
    sent_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "holdfast_alert_notice"
        indexes = [
            models.Index(
                fields=["id"], name="holdfast_notice_unsent", condition=Q(sent_at__isnull=True)
            )
        ]

    def __str__(self) -> str:
        return self.key
