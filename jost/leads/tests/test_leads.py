"""Leads, their moves and their messages, in the test's own process; `manage.py test lead` runs this file."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from unittest.mock import patch

from django.contrib.admin.sites import site
from django.contrib.auth.models import Permission, User
from django.db import IntegrityError, transaction
from django.test import TestCase, override_settings
from django.utils import timezone

import holdfast
from holdfast.testing import HoldfastJobsMixin, faults
from jost.gateways.clients import Gateway, GatewayError, crm
from jost.leads import followups, services, tasks
from jost.leads.models import Followup, FollowupRule, Lead, LeadEvent, Status

PHONE = "+4930123456"


class Sent:
    """Stands for a gateway: what was sent, by key. Real ones are in tests/integration."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.errors: list[GatewayError] = []
        self.answers_lost = 0

    def send(self, _gateway: Any, *, key: str, **_content: Any) -> int:
        if self.errors:
            raise self.errors.pop(0)
        self.keys.append(key)
        if self.answers_lost:
            self.answers_lost -= 1
            raise GatewayError("no answer", may_have_happened=True, retry_after=60)
        return len(self.keys)

    def find(self, _gateway: Any, key: str) -> int | None:
        return self.keys.index(key) + 1 if key in self.keys else None


class GatewayCase(HoldfastJobsMixin, TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.sent = sent = Sent()
        for name, function in (("send", sent.send), ("find", sent.find)):
            patched = patch.object(Gateway, name, autospec=True, side_effect=function)
            patched.start()
            self.addCleanup(patched.stop)

    def drain(self) -> None:
        self.holdfast_jobs.drain()

    def sms_keys(self) -> list[str]:
        return [key for key in self.sent.keys if key.startswith("followup:")]


class Moves(GatewayCase):
    def test_new_lead_has_its_first_event_and_the_crm_is_told(self) -> None:
        lead = services.add_lead(PHONE)

        event = lead.events.get()
        self.assertEqual((lead.status, event.status), (Status.NEW, Status.NEW))
        self.drain()
        self.assertEqual(self.sent.keys, [f"lead-event:{event.pk}"])
        event.refresh_from_db()
        self.assertIsNotNone(event.told_crm_at)

    def test_move_is_an_event_and_begins_a_stay(self) -> None:
        lead = services.add_lead(PHONE)

        event = services.move(lead.pk, status=Status.PAID)

        lead.refresh_from_db()
        self.assertEqual((lead.status, lead.status_since), (Status.PAID, event.created_at))
        self.assertEqual([each.status for each in lead.events.all()], [Status.NEW, Status.PAID])

    def test_number_that_two_add_at_once_is_one_lead(self) -> None:
        services.add_lead(PHONE)

        with self.assertRaisesMessage(services.PhoneTakenError, "already"):
            services.add_lead(PHONE)

        self.assertEqual(LeadEvent.objects.count(), 1)

    def test_move_to_the_same_status_is_refused(self) -> None:
        lead = services.add_lead(PHONE)

        with self.assertRaisesMessage(services.SameStatusError, "new already"):
            services.move(lead.pk, status=Status.NEW)

        self.assertEqual(lead.events.count(), 1)

    def test_crm_that_comes_later_is_told_later(self) -> None:
        self.sent.errors = [GatewayError("busy", retry_after=90)]
        services.add_lead(PHONE)

        self.drain()
        self.assertEqual(self.sent.keys, [])

        self.holdfast_jobs.travel(timedelta(minutes=2))
        self.drain()
        self.assertEqual(len(self.sent.keys), 1)

    def test_lead_that_is_deleted_meanwhile_is_told_of_to_nobody(self) -> None:
        services.add_lead(PHONE).delete()

        self.drain()

        self.assertEqual(self.sent.keys, [])

    def test_worker_that_dies_tells_the_crm_once(self) -> None:
        services.add_lead(PHONE)

        with faults.worker_dies(tasks.tell_crm):
            self.drain()

        self.assertEqual(len(self.sent.keys), 1)
        self.assertEqual(self.holdfast_jobs.recorded(tasks.tell_crm)[0].attempts, 2)
        self.assertIsNone(crm.find("another"))


class Followups(GatewayCase):
    def setUp(self) -> None:
        super().setUp()
        self.rule = FollowupRule.objects.create(
            status=Status.SUBMITTED, delay=30, text="Are you still there?"
        )

    def lead(self, *, minutes: int, status: Status = Status.SUBMITTED, phone: str = PHONE) -> Lead:
        since = timezone.now() - timedelta(minutes=minutes)
        return Lead.objects.create(phone=phone, status=status, status_since=since)

    def collect(self) -> int:
        found = followups.collect()
        self.drain()
        return found

    def test_lead_that_stays_too_long_gets_one_message(self) -> None:
        lead = self.lead(minutes=31)

        self.assertEqual([self.collect(), self.collect()], [1, 0])

        followup = lead.followups.get()
        self.assertEqual(followup.state, Followup.State.SENT)
        self.assertEqual(self.sms_keys(), [followup.key])

    def test_who_is_in_time_or_elsewhere_gets_none(self) -> None:
        self.lead(minutes=29)
        self.lead(minutes=500, status=Status.PAID, phone="+4930123457")

        self.assertEqual(self.collect(), 0)

    def test_rule_that_is_switched_off_writes_to_nobody(self) -> None:
        self.lead(minutes=31)
        FollowupRule.objects.update(enabled=False)

        self.assertEqual(self.collect(), 0)

    def test_each_rule_of_a_status_writes_once(self) -> None:
        FollowupRule.objects.create(status=Status.SUBMITTED, delay=60, text="Last call.")
        self.lead(minutes=61)

        self.assertEqual(self.collect(), 2)
        self.assertEqual(len(self.sms_keys()), 2)

    def test_lead_that_moved_on_meanwhile_gets_none(self) -> None:
        lead = self.lead(minutes=31)
        followups.collect()
        services.move(lead.pk, status=Status.VERIFIED)

        self.drain()

        self.assertEqual(self.sms_keys(), [])
        self.assertEqual(lead.followups.get().state, Followup.State.SKIPPED)

    @override_settings(FOLLOWUP_REPEAT_THRESHOLD=1440)
    def test_new_stay_is_written_to_again_but_not_within_the_threshold(self) -> None:
        lead = self.lead(minutes=31)
        self.collect()
        again = timezone.now() - timedelta(minutes=35)
        Lead.objects.filter(pk=lead.pk).update(status_since=again)

        self.assertEqual(self.collect(), 0)

        long_ago = timezone.now() - timedelta(minutes=1441)
        Followup.objects.update(created_at=long_ago)
        self.assertEqual(self.collect(), 1)
        self.assertEqual(len(self.sms_keys()), 2)

    def test_more_than_a_slice_is_found_at_once(self) -> None:
        with patch.object(followups, "SLICE", 3):
            for number in range(8):
                self.lead(minutes=31, phone=f"+49301234{number:02}")

            self.assertEqual(self.collect(), 8)

        self.assertEqual(len(set(self.sms_keys())), 8)

    def test_worker_that_dies_while_it_sends_sends_once(self) -> None:
        self.lead(minutes=31)
        followups.collect()

        with faults.worker_dies(tasks.send_followup):
            self.drain()

        self.assertEqual(len(self.sms_keys()), 1)

    def test_message_that_was_sent_by_an_attempt_that_died_counts_as_sent(self) -> None:
        lead = self.lead(minutes=31)
        followups.collect()
        # The answer is lost, and the lead moves before the next attempt.
        self.sent.answers_lost = 1
        self.drain()
        self.assertEqual(lead.followups.get().state, Followup.State.WAITING)
        services.move(lead.pk, status=Status.VERIFIED)

        self.holdfast_jobs.drain(skip_waits=True)

        self.assertEqual(len(self.sms_keys()), 1)
        self.assertEqual(lead.followups.get().state, Followup.State.SENT)

    def test_message_that_nobody_could_send_is_a_dead_letter_whose_replay_sends_it(self) -> None:
        lead = self.lead(minutes=31)
        followups.collect()
        self.sent.errors = [GatewayError("away")] * 21

        self.holdfast_jobs.drain(raise_errors=False, skip_waits=True)

        (job,) = self.holdfast_jobs.recorded(tasks.send_followup)
        self.assertEqual((job.state, job.attempts), ("failed", 21))
        self.assertEqual(lead.followups.get().state, Followup.State.FAILED)
        self.assertContains(self.client.get(f"/leads/{lead.pk}/"), "failed")
        self.assertEqual(self.collect(), 0)

        holdfast.replay(job.id)
        self.drain()

        self.assertEqual(lead.followups.get().state, Followup.State.SENT)
        self.assertEqual(len(self.sms_keys()), 1)

    def test_refusal_leaves_no_doubt(self) -> None:
        self.lead(minutes=31)
        self.sent.errors = [GatewayError("busy", retry_after=60)]
        followups.collect()
        with patch.object(Gateway, "find", side_effect=AssertionError("nobody has to ask")):
            self.holdfast_jobs.drain(skip_waits=True)

        self.assertEqual(len(self.sms_keys()), 1)

    def test_collection_that_overlaps_itself_records_nothing_twice(self) -> None:
        lead = self.lead(minutes=31)
        followups.collect()

        with self.assertRaises(IntegrityError), transaction.atomic():
            Followup.objects.create(lead=lead, rule=self.rule, stay=lead.status_since)


class Api(GatewayCase):
    def post(self, address: str, **body: Any) -> Any:
        return self.client.post(f"/lead/{address}/", body, content_type="application/json")

    def test_lead_is_added_moved_and_read(self) -> None:
        added = self.post("leads", phone=PHONE)
        self.assertEqual(added.status_code, 201, added.content)
        number = added.json()["id"]

        moved = self.post("lead_event_create", lead=number, status="verified")

        self.assertEqual(moved.status_code, 201)
        read = self.client.get(f"/lead/leads/{number}/").json()
        self.assertEqual(read["status"], "verified")
        events = self.client.get("/lead/leads_events/", {"lead": number}).json()
        self.assertEqual([each["status"] for each in events["results"]], ["new", "verified"])

    def test_lists_have_pages_an_order_and_filters(self) -> None:
        for number in range(5):
            services.add_lead(f"+493012345{number}")
        services.move(Lead.objects.earliest("id").pk, status=Status.PAID)

        page = self.client.get("/lead/leads/?limit=2&offset=1&order_by=phone&order_dir=desc").json()
        paid = self.client.get("/lead/leads/", {"status": "paid"}).json()

        self.assertEqual(page["count"], 5)
        self.assertEqual([each["phone"][-1] for each in page["results"]], ["3", "2"])
        self.assertEqual(paid["count"], 1)

    def test_wrong_bodies_are_refused_by_field(self) -> None:
        services.add_lead(PHONE)
        wrong: list[tuple[str, dict[str, Any], str, str]] = [
            ("leads", {"phone": "030 123"}, "phone", "only digits"),
            ("leads", {"phone": PHONE}, "phone", "already exists"),
            ("leads", {"phone": "+4930999", "state": "new"}, "state", "There is no"),
            ("lead_event_create", {"lead": 10**9, "status": "paid"}, "lead", "does not exist"),
            (
                "lead_event_create",
                {"lead": Lead.objects.get().pk, "status": "new"},
                "status",
                "already",
            ),
            (
                "lead_event_create",
                {"lead": Lead.objects.get().pk, "status": "gone"},
                "status",
                "valid",
            ),
            ("leads_followup_rules", {"status": "new", "delay": 0, "text": "a"}, "delay", "1"),
            (
                "leads_followup_rules",
                {"status": "new", "delay": 2 * 10**9, "text": "a"},
                "delay",
                "less than",
            ),
            (
                "leads_followup_rules",
                {"status": "new", "delay": 1, "text": "a" * 141},
                "text",
                "140",
            ),
        ]
        for address, body, field, told in wrong:
            with self.subTest(address=address, body=body):
                answer = self.post(address, **body)
                self.assertEqual(answer.status_code, 400, answer.content)
                self.assertIn(told, str(answer.json()[field]))

    def test_second_rule_for_a_status_and_delay_is_refused(self) -> None:
        rule = {"status": "new", "delay": 5, "text": "Hello?"}
        self.assertEqual(self.post("leads_followup_rules", **rule).status_code, 201)

        again = self.post("leads_followup_rules", **rule)

        self.assertEqual(again.status_code, 400)
        self.assertIn("already", str(again.json()))

    def test_histories_cannot_be_written(self) -> None:
        for address in ("leads_events", "leads_followups"):
            self.assertEqual(self.post(address, lead=1).status_code, 405)


class Faces(GatewayCase):
    def test_page_adds_a_lead_moves_it_and_shows_its_history(self) -> None:
        added = self.client.post("/leads/add/", {"phone": PHONE}, follow=True)
        self.assertContains(added, PHONE)

        moved = self.client.post(
            f"{added.redirect_chain[-1][0]}move/", {"status": "lost"}, follow=True
        )

        self.assertContains(moved, '<th scope="row">lost</th>', html=True)
        self.assertContains(self.client.get("/leads/?status=lost"), PHONE)
        self.assertNotContains(self.client.get("/leads/?status=paid"), PHONE)

    def test_wrong_number_is_told_beside_the_field(self) -> None:
        answer = self.client.post("/leads/add/", {"phone": "123"})

        self.assertContains(answer, "a plus, the country", status_code=422)
        self.assertEqual(Lead.objects.count(), 0)

    def test_admin_shows_histories_and_lets_nobody_write_them(self) -> None:
        self.client.force_login(User.objects.create_superuser("ada"))
        lead = services.add_lead(PHONE)

        page = self.client.get(f"/admin/lead/lead/{lead.pk}/change/")
        self.assertContains(page, "Told crm at")
        for model in (LeadEvent, Followup):
            self.assertEqual(
                self.client.get(f"/admin/lead/{model.__name__.lower()}/add/").status_code, 403
            )
            self.assertTrue(site.is_registered(model))

    def test_who_may_only_look_in_the_admin_changes_nothing(self) -> None:
        eve = User.objects.create_user("eve", is_staff=True)
        self.client.force_login(eve)
        lead = services.add_lead(PHONE)
        address = f"/admin/lead/lead/{lead.pk}/change/"
        self.assertEqual(self.client.get(address).status_code, 403)

        eve.user_permissions.add(*Permission.objects.filter(codename="view_lead"))

        self.assertContains(self.client.get(address), PHONE)
        self.assertEqual(self.client.post(address, {"status": "paid"}).status_code, 403)
        self.assertEqual(lead.events.count(), 1)

    def test_status_that_is_changed_in_the_admin_is_a_move(self) -> None:
        self.client.force_login(User.objects.create_superuser("ada"))
        lead = services.add_lead(PHONE)
        form = {"phone": PHONE, "status": "paid"}
        for prefix in ("events", "followups"):
            form |= {f"{prefix}-TOTAL_FORMS": "0", f"{prefix}-INITIAL_FORMS": "0"}

        self.client.post(f"/admin/lead/lead/{lead.pk}/change/", form)

        self.assertEqual([each.status for each in lead.events.all()], ["new", "paid"])
