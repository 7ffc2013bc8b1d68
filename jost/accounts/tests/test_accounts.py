"""Accounts from the sign-up to the link: `manage.py test accounts` runs this file."""

from __future__ import annotations

from datetime import timedelta
from unittest.mock import patch

from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core import mail
from django.db import transaction
from django.utils import timezone

from holdfast.logs import correlated
from holdfast.testing import faults
from jost.accounts import mails, services, tasks
from jost.accounts.models import Account, Mail
from jost.gateways.clients import GatewayError

from .case import ADA, PASSWORD, SITE, AccountCase


class SignUp(AccountCase):
    def test_new_address_gets_one_link_and_cannot_sign_in_before(self) -> None:
        self.sign_up("Ada@Example.com")

        self.assertEqual(self.drain(), ["Activate your account"])
        user = User.objects.get(username=ADA)
        self.assertFalse(user.is_active or user.has_usable_password())
        self.assertIn(f"{SITE}/accounts/activate/", mail.outbox[0].body)
        sent = Mail.objects.get()
        self.assertEqual(mail.outbox[0].extra_headers["X-Effect-Key"], f"activation:{user.pk}:1")
        self.assertIsNotNone(sent.sent_at)

    def test_sign_up_that_is_rolled_back_sends_nothing(self) -> None:
        with transaction.atomic():
            self.sign_up()
            transaction.set_rollback(True)

        self.assertEqual(self.drain(), [])
        self.assertFalse(User.objects.exists())
        self.holdfast_jobs.assert_not_recorded(tasks.send_mail)

    def test_second_mail_has_to_wait_and_has_a_key_of_its_own(self) -> None:
        self.sign_up()
        self.sign_up()
        self.assertEqual(len(self.drain()), 1)

        Mail.objects.update(asked_at=timezone.now() - services.MAIL_PAUSE)
        self.sign_up()

        self.assertEqual(len(self.drain()), 2)
        self.assertEqual({each.number for each in Mail.objects.all()}, {1, 2})

    def test_known_address_is_told_so_by_mail_alone(self) -> None:
        user = self.active()

        self.sign_up()

        self.assertEqual(self.drain()[-1], "You have an account already")
        user.refresh_from_db()
        self.assertTrue(user.check_password(PASSWORD))

    def test_account_that_was_switched_off_gets_nothing(self) -> None:
        User.objects.create_user(ADA, ADA, PASSWORD, is_active=False)

        self.sign_up()

        self.assertEqual(self.drain(), [])

    def test_user_without_an_address_gets_nothing(self) -> None:
        User.objects.create_user(ADA, password=PASSWORD)

        self.sign_up()

        self.assertEqual(self.drain(), [])

    def test_mail_whose_account_is_gone_is_no_error(self) -> None:
        self.sign_up()
        User.objects.all().delete()

        self.assertEqual(self.drain(), [])
        (job,) = self.holdfast_jobs.recorded(tasks.send_mail)
        self.assertEqual(job.state, "succeeded")

    def test_worker_that_dies_while_it_sends_asks_first(self) -> None:
        self.sign_up()
        self.found.return_value = 1

        with faults.worker_dies(tasks.send_mail):
            self.drain()

        self.assertEqual(len(mail.outbox), 1)
        self.assertEqual(self.holdfast_jobs.recorded(tasks.send_mail)[0].attempts, 2)


class Links(AccountCase):
    def test_link_lets_its_reader_choose_a_password_once(self) -> None:
        self.active()

        self.assertTrue(self.client.login(username=ADA, password=PASSWORD))
        with self.assertRaisesMessage(services.LinkError, "used already"):
            services.activate(self.token(), password="another of mine")

    def test_link_that_was_changed_or_is_too_old_opens_nothing(self) -> None:
        self.sign_up()
        self.drain()

        with self.assertRaisesMessage(services.LinkError, "was changed"):
            services.account_by(self.token()[:-1] + "!")
        with (
            patch.object(services, "LINK_LASTS", timedelta(seconds=-1)),
            self.assertRaisesMessage(services.LinkError, "too old"),
        ):
            services.account_by(self.token())

    def test_link_of_another_purpose_opens_nothing(self) -> None:
        from django.core import signing

        self.sign_up()

        with self.assertRaises(services.LinkError):
            services.account_by(signing.dumps(Account.objects.get().pk, salt="another"))


class Recovery(AccountCase):
    def forget(self, *, minutes: int) -> None:
        """As if the job had never been: the flag alone is left."""
        asked = timezone.now() - timedelta(minutes=minutes)
        Mail.objects.update(asked_at=asked, look_at=asked + mails.UNSENT_AFTER)

    def recover(self) -> int:
        tasks.find_unsent.delay()
        self.drain()
        return len(self.holdfast_jobs.recorded(tasks.send_mail))

    def unsent(self) -> Mail:
        with patch.object(tasks.send_mail, "delay"), correlated("request-7"):
            self.sign_up()
        return Mail.objects.get()

    def test_mail_whose_job_is_gone_is_found_by_its_flag_and_sent_once(self) -> None:
        self.unsent()
        self.assertEqual(self.recover(), 0)

        self.forget(minutes=6)
        self.recover()
        self.forget(minutes=6)
        self.recover()

        self.assertEqual(len(mail.outbox), 1)
        self.assertEqual(mail.outbox[0].extra_headers["X-Correlation-ID"], "request-7")
        self.assertFalse(mails.unsent().exists())

    def test_mail_that_is_still_tried_gets_no_second_job(self) -> None:
        self.sign_up()
        self.forget(minutes=6)

        with patch.object(mail.EmailMessage, "send", side_effect=GatewayError("busy")):
            self.recover()
        self.forget(minutes=6)

        self.assertEqual(self.recover(), 1)

    def test_mail_that_cannot_be_sent_is_looked_after_less_and_less(self) -> None:
        looked_after = self.unsent()
        self.forget(minutes=60)

        mails.recover()

        looked_after.refresh_from_db()
        later = looked_after.look_at - timezone.now()
        self.assertGreater(later, timedelta(minutes=59))
        self.assertEqual(mails.recover(), 0)

    def test_admin_sends_what_is_not_sent(self) -> None:
        self.unsent()
        self.client.force_login(User.objects.create_superuser("root", password="x"))
        chosen = {"action": "send", "_selected_action": [Mail.objects.get().pk]}

        self.client.post("/admin/accounts/mail/", chosen)
        self.assertContains(self.client.get("/admin/accounts/mail/"), "request-7")
        self.assertEqual(LogEntry.objects.get().change_message, "Sent on.")
        number = Account.objects.get().pk
        self.assertContains(self.client.get(f"/admin/accounts/account/{number}/change/"), "reque")

        self.assertEqual(len(self.drain()), 1)
