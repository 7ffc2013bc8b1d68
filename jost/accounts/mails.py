"""The mails of accounts: each is sent once, and found by its flag if the job that should send it is gone."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import QuerySet
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from holdfast import logs
from jost.gateways.sending import mail_once

from . import services
from .models import Mail

CORRELATION_HEADER = "X-Correlation-ID"
UNSENT_AFTER = timedelta(minutes=5)
SLICE = 500

logger = logging.getLogger(__name__)

_SUBJECTS = {
    Mail.Kind.ACTIVATION: "Activate your account",
    Mail.Kind.KNOWN: "You have an account already",
}


def send(mail_id: int) -> None:
    """Send one mail, once, and set its flag."""
    mail = Mail.objects.select_related("account__user").filter(pk=mail_id).first()
    if mail is None:
        logger.info("Mail %s is gone, with its account.", mail_id)
        return
    if mail.sent_at is not None:
        return
    mail_once(_message(mail), key=mail.key)
    Mail.objects.filter(pk=mail_id).update(sent_at=timezone.now())
    logger.info("Sent %s.", mail.key)


def _message(mail: Mail) -> EmailMessage:
    user = mail.account.user
    if mail.kind == Mail.Kind.ACTIVATION:
        path = reverse("accounts:activate", args=[services.link_token(mail.account)])
        lasts = services.LINK_LASTS
    else:
        uid = urlsafe_base64_encode(force_bytes(user.pk))
        path = reverse(
            "accounts:new-password", args=[uid, default_token_generator.make_token(user)]
        )
        lasts = timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT)
    sign_in = reverse("login")
    values = {
        "link": f"{mail.site}{path}",
        "sign_in": f"{mail.site}{sign_in}",
        "days": lasts.days,
    }
    return EmailMessage(
        subject=_SUBJECTS[Mail.Kind(mail.kind)],
        body=render_to_string(f"accounts/{mail.kind}.txt", values),
        to=[user.email],
        headers={CORRELATION_HEADER: mail.correlation},
    )


def unsent() -> QuerySet[Mail]:
    """Mails that should have been sent by now, the longest overdue first."""
    return Mail.objects.filter(sent_at=None, look_at__lte=timezone.now()).order_by("look_at")


def recover(*, most: int = SLICE) -> int:
    """Ask again for what was not sent; return how many.

    While the first job still tries, the call is that job. A mail is looked after next when it is
    twice as old, so that one that can never be sent costs less and less.
    """
    from . import tasks  # they import this module

    found = list(unsent()[:most])
    for mail in found:
        now = timezone.now()
        with logs.correlated(mail.correlation), transaction.atomic():
            Mail.objects.filter(pk=mail.pk).update(look_at=now + (now - mail.asked_at))
            tasks.send_mail.delay(mail.pk)
    return len(found)
