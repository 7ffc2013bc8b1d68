"""Who has signed up, and the mails they asked for; written by web and by workers of the queue `io`."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone


class Account(models.Model):
    """Somebody who signed up, by mail address, which is their name; nobody signs in before the link was used."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="account"
    )
    created_at = models.DateTimeField(default=timezone.now)
    activated_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.user.get_username()


class Mail(models.Model):
    """One mail that is to be sent once: `sent_at` tells whether it was, `look_at` when somebody looks after it."""

    class Kind(models.TextChoices):
        ACTIVATION = "activation"
        KNOWN = "known"

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="mails")
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=16, choices=Kind)
    # Where JOST was asked, for the link; and the request's id, for whoever looks why a mail came.
    site = models.CharField(max_length=300)
    correlation = models.CharField(max_length=128, blank=True)
    asked_at = models.DateTimeField(default=timezone.now)
    look_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["account", "number"], name="one_mail_of_a_number")
        ]
        indexes = [
            models.Index(fields=["look_at"], condition=models.Q(sent_at=None), name="mail_unsent")
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def key(self) -> str:
        """What the world outside knows this mail by."""
        return f"{self.kind}:{self.account.user_id}:{self.number}"
