"""Accounts as people and programs meet them: pages, REST, and the admin that erases."""

from __future__ import annotations

import re
from typing import Any

from django.contrib.auth.models import Permission, User
from django.core import mail
from django.test import Client, override_settings

from jost.accounts.models import Account, Mail

from .case import ADA, PASSWORD, AccountCase


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
    def test_person_who_forgot_the_password_asks_again_and_chooses_another_one(self) -> None:
        self.active()
        self.sign_up()
        self.drain()
        found = re.search(r"/accounts/password/\S+", str(mail.outbox[-1].body))
        assert found is not None

        page = self.client.get(found.group(), follow=True)
        self.assertContains(page, ADA)
        path = page.redirect_chain[-1][0]
        self.assertContains(self.client.post(path, {"password": "12345678"}), "entirely numeric")
        profile = self.post(path, password="another of mine")

        self.assertContains(profile, ADA)
        self.assertTrue(User.objects.get(username=ADA).check_password("another of mine"))
        again = self.client.get(found.group(), follow=True)
        self.assertContains(again, "used already", status_code=410)

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
            self.assertContains(self.client.get("/accounts/asked/"), ":9/mail")
            with override_settings(JOST_LOGIN=True):
                self.assertNotContains(self.client.get("/accounts/asked/"), ":9/mail")

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
