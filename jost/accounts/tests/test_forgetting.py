"""Accounts that nobody activated: which are forgotten, and what becomes of who comes back."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.models import User
from django.core import mail
from django.test import TestCase
from django.utils import timezone

from holdfast.testing import HoldfastJobsMixin
from jost.accounts import forgetting, services, tasks
from jost.accounts.models import Account, Mail

ADA = "ada@example.com"


class Forgetting(HoldfastJobsMixin, TestCase):
    def sign_up(self, *, days_ago: int) -> Account:
        services.sign_up(ADA, site="https://jost.example.com")
        self.holdfast_jobs.drain()
        then = timezone.now() - timedelta(days=days_ago)
        Mail.objects.update(asked_at=then)
        Account.objects.update(created_at=then)
        return Account.objects.get()

    def left(self) -> int:
        """Run the daily job; return how many accounts it left."""
        tasks.forget_unused.delay()
        self.holdfast_jobs.drain()
        self.assertEqual(Account.objects.count(), User.objects.count())
        return Account.objects.count()

    def test_account_that_nobody_activated_is_forgotten_with_its_address(self) -> None:
        self.sign_up(days_ago=8)

        self.assertEqual(self.left(), 0)
        self.assertFalse(Mail.objects.exists())

    def test_account_whose_link_may_still_be_used_is_kept(self) -> None:
        self.sign_up(days_ago=6)

        self.assertEqual(self.left(), 1)
        self.assertGreater(forgetting.KEPT, services.LINK_LASTS)

    def test_account_that_was_asked_for_again_is_kept(self) -> None:
        self.sign_up(days_ago=8)
        services.sign_up(ADA, site="https://jost.example.com")

        self.assertEqual(self.left(), 1)

    def test_account_that_is_used_is_kept(self) -> None:
        account = self.sign_up(days_ago=400)
        for is_used in ({"is_active": True}, {"last_login": timezone.now()}, {"is_staff": True}):
            with self.subTest(is_used=is_used):
                unused = {"is_active": False, "last_login": None, "is_staff": False}
                User.objects.update(**(unused | is_used))
                self.assertEqual(self.left(), 1)

        services.activate(services.link_token(account), password="counts by hand")
        User.objects.update(is_active=False)
        self.assertEqual(self.left(), 1, "who was switched off is known all the same")

    def test_who_was_forgotten_signs_up_as_anybody_and_gets_a_mail(self) -> None:
        self.sign_up(days_ago=8)
        self.left()

        self.sign_up(days_ago=0)

        self.assertEqual(len(mail.outbox), 2)
        keys = {each.extra_headers["X-Effect-Key"] for each in mail.outbox}
        self.assertEqual(len(keys), 2, "the first mail does not stand for the second one")
