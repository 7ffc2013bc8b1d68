"""Sign-up in the test's own process, with a mailbox."""

from __future__ import annotations

import re
from unittest.mock import patch

from django.contrib.auth.models import User
from django.core import mail
from django.core.cache import caches
from django.test import TestCase
from django.utils import timezone

from holdfast.testing import HoldfastJobsMixin
from jost.accounts import services
from jost.accounts.models import Mail
from jost.api import rates
from jost.gateways.clients import Gateway

ADA = "ada@example.com"
SITE = "https://jost.example.com"
PASSWORD = "counts by hand"


class AccountCase(HoldfastJobsMixin, TestCase):
    def setUp(self) -> None:
        super().setUp()
        caches[rates.CACHE].clear()
        patched = patch.object(Gateway, "find", autospec=True, return_value=None)
        self.found = patched.start()
        self.addCleanup(patched.stop)

    def sign_up(self, email: str = ADA) -> None:
        services.sign_up(email, site=SITE)

    def drain(self) -> list[str]:
        self.holdfast_jobs.drain()
        return [str(message.subject) for message in mail.outbox]

    def token(self) -> str:
        found = re.search(r"/accounts/activate/(\S+)/", str(mail.outbox[-1].body))
        assert found is not None
        return found.group(1)

    def active(self) -> User:
        self.sign_up()
        self.drain()
        user = services.activate(self.token(), password=PASSWORD)
        Mail.objects.update(asked_at=timezone.now() - services.MAIL_PAUSE)
        return user
