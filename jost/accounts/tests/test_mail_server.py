"""Sign-up where mails go by a real mail server, which is down, refuses or hangs up."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.test import TestCase, override_settings
from django.utils import timezone

from holdfast.testing import HoldfastJobsMixin
from jost.accounts import mails, services, tasks
from jost.accounts.models import Mail

from .mail_server import MailServer


@override_settings(JOST_GATEWAYS_URL="")
class MailServerCase(HoldfastJobsMixin, TestCase):
    def setUp(self) -> None:
        super().setUp()
        services.sign_up("ada@example.com", site="https://jost.example.com")

    def send(self, *, port: int) -> Any:
        """Run what is due by this server; return how the mail's last job stands."""
        smtp = "django.core.mail.backends.smtp.EmailBackend"
        with override_settings(EMAIL_BACKEND=smtp, EMAIL_HOST="127.0.0.1", EMAIL_PORT=port):
            self.holdfast_jobs.drain(raise_errors=False)
        return self.holdfast_jobs.recorded(tasks.send_mail)[-1]

    def later(self) -> None:
        self.holdfast_jobs.travel(timedelta(minutes=10))

    def is_sent(self) -> bool:
        return Mail.objects.get().sent_at is not None

    def test_mail_waits_for_a_server_that_is_down_and_arrives_once(self) -> None:
        with MailServer() as server:
            port = server.port
        job = self.send(port=port)
        self.assertEqual((job.state, self.is_sent()), ("held", False))

        with MailServer(port=port) as server:
            self.later()
            self.send(port=port)
            tasks.send_mail.delay(Mail.objects.get().pk)
            self.send(port=port)

        self.assertTrue(self.is_sent())
        (mail,) = server.arrived
        self.assertEqual(
            (mail["To"], mail["X-Effect-Key"][:11]), ("ada@example.com", "activation:")
        )

    def test_mail_whose_answer_is_lost_is_sent_again_as_the_same_mail(self) -> None:
        with MailServer() as server:
            server.hangs_up = True
            self.send(port=server.port)
            server.hangs_up = False
            self.later()
            self.send(port=server.port)

        self.assertTrue(self.is_sent())
        self.assertEqual(len(server.arrived), 2)
        self.assertEqual(len({mail["Message-ID"] for mail in server.arrived}), 1)

    def test_server_that_wants_it_later_is_asked_later(self) -> None:
        with MailServer() as server:
            server.refuses = "451 busy"
            self.assertEqual(self.send(port=server.port).state, "held")
            server.refuses = ""
            self.later()
            self.send(port=server.port)

        self.assertTrue(self.is_sent())
        self.assertEqual(len(server.arrived), 1)

    def test_mail_that_is_refused_for_good_is_a_dead_letter_that_its_flag_finds_again(self) -> None:
        with MailServer() as server:
            server.refuses = "550 nobody here"
            self.assertEqual(self.send(port=server.port).state, "failed")
            server.refuses = ""
            long_ago = timezone.now() - timedelta(hours=1)
            Mail.objects.update(asked_at=long_ago, look_at=long_ago)
            mails.recover()
            self.send(port=server.port)

        self.assertTrue(self.is_sent())
        self.assertEqual(len(server.arrived), 1)

    def test_server_may_take_no_longer_than_a_gateway(self) -> None:
        self.assertEqual(settings.EMAIL_TIMEOUT, settings.JOST_GATEWAY_SECONDS)
