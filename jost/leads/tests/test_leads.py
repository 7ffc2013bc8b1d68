"""Leads, their moves and their messages, in the test's own process; `manage.py test lead` runs these files."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime
from unittest.mock import patch

from django.db import IntegrityError, connection, transaction
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

import holdfast
from holdfast.testing import faults
from jost.gateways.clients import Gateway, GatewayError, crm
from jost.leads import followups, services, tasks
from jost.leads.models import Followup, FollowupRule, Lead, LeadEvent, Status

from .cases import PHONE, GatewayCase


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

    def test_report_of_the_status_that_a_lead_has_is_an_event_and_no_new_stay(self) -> None:
        lead = services.add_lead(PHONE)

        event = services.report(lead.pk, status=Status.NEW)

        began = lead.status_since
        lead.refresh_from_db()
        self.assertEqual((lead.status_since, lead.events.count()), (began, 2))
        self.assertGreater(event.created_at, began)

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

    def test_crm_that_names_a_moment_is_told_then(self) -> None:
        moment = timezone.now().replace(microsecond=0) + timedelta(minutes=20)
        said = format_datetime(moment, usegmt=True)
        self.sent.errors = [GatewayError("closed", retry_after=said)]
        services.add_lead(PHONE)

        self.drain()

        (job,) = self.holdfast_jobs.recorded(tasks.tell_crm)
        assert job.eta is not None
        self.assertLessEqual(abs(job.eta - moment), timedelta(seconds=2))

    def test_crm_that_is_away_is_told_ever_later_and_not_by_all_at_once(self) -> None:
        for number in range(20):
            services.add_lead(f"+49301234{number:02}")
        self.sent.errors = [GatewayError("away")] * 999
        for tries in (1, 2, 3):
            began = timezone.now()
            self.drain()
            jobs = self.holdfast_jobs.recorded(tasks.tell_crm)

            # Full jitter: anything up to the backoff of two seconds, which is doubled each time.
            waits = [(job.eta - began).total_seconds() for job in jobs if job.eta is not None]
            passed = (timezone.now() - began).total_seconds()
            for job, wait in zip(jobs, waits, strict=True):
                self.assertGreaterEqual(job.failures, tries)
                self.assertLessEqual(wait, 2**job.failures + passed)
            self.assertGreater(max(waits), 2 ** (tries - 1))
            self.assertGreater(max(waits) - min(waits), 2 ** (tries - 2), "not all at once")
            self.holdfast_jobs.travel(timedelta(minutes=1))
        self.sent.errors.clear()

        self.holdfast_jobs.drain(skip_waits=True)

        self.assertEqual(len(set(self.sent.keys)), 20)
        self.assertEqual(len(self.sent.keys), 20)

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

    def new_stay(self, lead: Lead) -> None:
        """Let a lead get its message, move away and come back."""
        self.collect()
        began = timezone.now() - timedelta(minutes=31)
        Lead.objects.filter(pk=lead.pk).update(status_since=began)

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
        self.new_stay(self.lead(minutes=31))
        Followup.objects.update(created_at=timezone.now() - timedelta(days=9))

        self.assertEqual(self.collect(), 0)

        Followup.objects.update(sent_at=timezone.now() - timedelta(minutes=1441))
        self.assertEqual(self.collect(), 1)
        self.assertEqual(len(self.sms_keys()), 2)

    def test_moment_of_a_delay_is_late_and_that_of_the_threshold_too_early(self) -> None:
        now, moment = timezone.now(), timedelta(microseconds=1)
        lead = self.lead(minutes=31)
        self.new_stay(lead)

        def found(*, stayed: timedelta, sent: timedelta) -> bool:
            Lead.objects.update(status_since=now - stayed)
            Followup.objects.update(sent_at=now - sent)
            with patch.object(timezone, "now", return_value=now):
                return followups.stalled(self.rule).exists()

        delay, threshold = timedelta(minutes=30), timedelta(minutes=1440)
        self.assertTrue(found(stayed=delay, sent=threshold + moment))
        self.assertFalse(found(stayed=delay - moment, sent=threshold + moment))
        self.assertFalse(found(stayed=delay, sent=threshold))

    @override_settings(FOLLOWUP_REPEAT_THRESHOLD=0)
    def test_without_a_threshold_each_stay_is_written_to(self) -> None:
        self.new_stay(self.lead(minutes=31))

        self.assertEqual([self.collect(), self.collect()], [1, 0])

    @override_settings(FOLLOWUP_REPEAT_THRESHOLD=60)
    def test_message_of_an_earlier_stay_may_be_on_its_way_for_as_long_as_it_is_tried(self) -> None:
        self.new_stay(self.lead(minutes=31))
        for state in Followup.OPEN:
            for hours, found in ((24, False), (26, True)):
                with self.subTest(state=state, hours=hours):
                    created = timezone.now() - timedelta(hours=hours)
                    Followup.objects.update(state=state, sent_at=None, created_at=created)
                    self.assertEqual(followups.stalled(self.rule).exists(), found)

    def test_rule_that_was_switched_off_meanwhile_writes_once_it_is_on_again(self) -> None:
        lead = self.lead(minutes=31)
        followups.collect()
        FollowupRule.objects.update(enabled=False)
        self.drain()
        self.assertEqual(self.sms_keys(), [])

        FollowupRule.objects.update(enabled=True)

        self.assertEqual([self.collect(), self.collect()], [1, 0])
        states = [each.state for each in lead.followups.all()]
        self.assertEqual(states, [Followup.State.SKIPPED, Followup.State.SENT])
        self.assertEqual(len(self.sms_keys()), 1)

    def test_rule_that_became_more_patient_meanwhile_writes_later(self) -> None:
        self.lead(minutes=31)
        followups.collect()
        FollowupRule.objects.update(delay=60)

        self.drain()

        self.assertEqual((self.sms_keys(), self.collect()), ([], 0))

    def test_more_than_a_slice_is_found_at_once(self) -> None:
        with patch.object(followups, "SLICE", 3):
            for number in range(8):
                self.lead(minutes=31, phone=f"+49301234{number:02}")

            self.assertEqual(self.collect(), 8)

        self.assertEqual(len(set(self.sms_keys())), 8)

    def test_slice_costs_as_many_statements_for_many_as_for_few(self) -> None:
        costs = []
        for first, many in ((0, 2), (2, 30)):
            for number in range(first, first + many):
                self.lead(minutes=31, phone=f"+49301234{number:02}")
            with CaptureQueriesContext(connection) as asked:
                self.assertEqual(followups.collect(), many)
            costs.append(len(asked))

        self.assertEqual(costs[0], costs[1])

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
