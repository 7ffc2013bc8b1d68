"""Accounts in the test's own process: `manage.py test accounts` runs this file."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.core import mail
from django.core.cache import caches
from django.db import transaction
from django.test import Client, TestCase, override_settings
from django.utils import timezone

from holdfast.logs import correlated
from holdfast.testing import HoldfastJobsMixin, faults
from jost.accounts import mails, services, tasks
from jost.accounts.models import Account, Mail
from jost.api import rates
from jost.gateways.clients import Gateway, GatewayError

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


class Erasing(AccountCase):
    def staff(self, *permissions: str) -> None:
        staff = User.objects.create_user("staff", is_staff=True)
        staff.user_permissions.add(*Permission.objects.filter(codename__in=permissions))
        self.client.force_login(staff)

    def test_person_is_deleted_with_account_and_mails_by_who_may_delete_users(self) -> None:
        user = self.active()
        self.staff("view_user", "delete_user")

        self.client.post(f"/admin/auth/user/{user.pk}/delete/", {"post": "yes"})

        self.assertFalse(User.objects.filter(pk=user.pk).exists())
        self.assertEqual((Account.objects.count(), Mail.objects.count()), (0, 0))

    def test_history_is_not_deleted_by_itself(self) -> None:
        self.active()
        self.staff("view_user", "delete_user", "view_mail", "delete_mail")

        answer = self.client.post(
            f"/admin/accounts/mail/{Mail.objects.get().pk}/delete/", {"post": "yes"}
        )

        self.assertEqual((answer.status_code, Mail.objects.count()), (403, 1))


class Pages(AccountCase):
    def post(self, path: str, **data: Any) -> Any:
        return self.client.post(path, data, follow=True)

    @override_settings(JOST_LOGIN=True)
    def test_person_signs_up_chooses_a_password_and_is_in(self) -> None:
        asked = self.post("/accounts/sign-up/", email=ADA)
        self.assertContains(asked, "Look at your mails")
        self.drain()
        path = f"/accounts/activate/{self.token()}/"

        page = self.client.get(path)
        self.assertContains(page, "Choose a password")
        self.assertEqual(page["Referrer-Policy"], "same-origin")
        self.assertFalse(User.objects.get().is_active, "who only looks changes nothing")
        self.assertContains(
            self.post(path, password="12345678"), "entirely numeric", status_code=422
        )
        profile = self.post(path, password=PASSWORD)

        self.assertContains(profile, "Your account is active.")
        self.assertContains(self.post("/accounts/", first_name="Ada"), 'value="Ada"')
        self.assertContains(self.client.get(path), "used already", status_code=410)

    @override_settings(JOST_LOGIN=True)
    def test_person_signs_in_however_the_address_is_written(self) -> None:
        self.active()

        for name in (ADA, "Ada@Example.COM"):
            answer = self.post("/login/", username=name, password=PASSWORD)
            self.assertEqual(answer.redirect_chain[0][1], 302)
        wrong = self.client_class().post("/login/", {"username": ADA.upper(), "password": "no"})
        self.assertEqual(wrong.status_code, 200)

    @override_settings(JOST_LOGIN=True)
    def test_pages_answer_alike_whether_an_address_is_known_or_not(self) -> None:
        self.active()

        known, new = (self.post("/accounts/sign-up/", email=name) for name in (ADA, "b@b.eu"))

        self.assertEqual(known.redirect_chain, new.redirect_chain)
        self.assertEqual(known.content, new.content)

    def test_who_asks_too_often_is_told_when_to_come_again(self) -> None:
        answers = [self.post("/accounts/sign-up/", email=f"a{n}@b.eu") for n in range(21)]

        self.assertEqual([answer.status_code for answer in answers], [200] * 20 + [429])
        self.assertLessEqual(int(answers[20]["Retry-After"]), 61)
        self.assertEqual(Account.objects.count(), 20)

    def test_profile_is_for_who_is_signed_in(self) -> None:
        self.assertRedirects(self.client.get("/accounts/"), "/login/?next=/accounts/")

    def test_token_is_shown_once_and_a_new_one_takes_its_place(self) -> None:
        self.client.force_login(self.active())
        first, second = (self.post("/accounts/token/").context["token"] for _ in range(2))

        page = self.client.get("/accounts/")

        self.assertContains(page, "You have one since")
        self.assertNotContains(page, second)
        for token, status in [(first, 401), (second, 200)]:
            said = {"Authorization": f"Token {token}"}
            answer = Client().get("/api/accounts/me/", headers=said)
            self.assertEqual(answer.status_code, status)

    def test_developer_is_shown_where_mails_go_and_nobody_else(self) -> None:
        with override_settings(JOST_GATEWAYS_URL="http://127.0.0.1:9"):
            self.assertNotContains(self.client.get("/accounts/asked/"), ":9/mail")
            with override_settings(DEBUG=True):
                self.assertContains(self.client.get("/accounts/asked/"), ":9/mail")

    def test_sign_in_says_how_the_first_account_is_made_while_there_is_none(self) -> None:
        self.assertContains(self.client.get("/login/"), "createsuperuser")
        self.active()
        self.assertNotContains(self.client.get("/login/"), "createsuperuser")

    def test_address_that_is_none_is_refused(self) -> None:
        for email in ("ada", "", f"{'a' * 150}@example.com"):
            answer = self.post("/accounts/sign-up/", email=email)
            self.assertEqual(answer.status_code, 422)


class Api(AccountCase):
    def post(self, path: str = "", **data: Any) -> Any:
        return self.client.post(f"/api/accounts/{path}", data, content_type="application/json")

    @override_settings(JOST_LOGIN=True)
    def test_program_signs_up_activates_and_reads_its_profile(self) -> None:
        self.assertEqual(self.post(email=ADA).status_code, 202)
        self.drain()
        weak = self.post("activate/", token=self.token(), password="12345678")
        self.assertEqual((weak.status_code, list(weak.json())), (400, ["password"]))
        self.assertEqual(self.client.get("/api/accounts/me/").status_code, 401)

        active = self.post("activate/", token=self.token(), password=PASSWORD)
        self.client.login(username=ADA, password=PASSWORD)
        changed = self.client.patch(
            "/api/accounts/me/", {"first_name": "Ada"}, content_type="application/json"
        )

        self.assertEqual(active.json()["email"], ADA)
        self.assertEqual(changed.json()["first_name"], "Ada")
        self.assertEqual(self.client.get("/api/accounts/me/").json(), changed.json())
        again = self.post("activate/", token=self.token(), password=PASSWORD)
        self.assertEqual(again.json(), {"token": ["This link was used already."]})

    @override_settings(JOST_LOGIN=True)
    def test_answers_are_alike_whether_an_address_is_known_or_not(self) -> None:
        self.active()

        known, new = self.post(email=ADA), self.post(email="b@b.eu")

        self.assertEqual((known.status_code, known.json()), (new.status_code, new.json()))

    def test_misspelt_or_wrong_fields_are_refused(self) -> None:
        for body in ({"mail": ADA}, {"email": "ada"}, {"email": ADA, "password": "x"}):
            self.assertEqual(self.post(**body).status_code, 400)
        self.assertFalse(User.objects.exists())

    def test_who_asks_too_often_gets_429(self) -> None:
        answers = [self.post(email="wrong").status_code for _ in range(21)]

        self.assertEqual(answers, [400] * 20 + [429])
