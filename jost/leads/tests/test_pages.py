"""The pages of leads: what is due is told, rules are kept, filters find."""

from __future__ import annotations

from datetime import timedelta

from django.test import TestCase, override_settings
from django.utils import timezone

from holdfast.testing import HoldfastJobsMixin
from jost.leads import services
from jost.leads.models import Followup, FollowupRule, Lead

PHONE = "+4930123456"


class Pages(HoldfastJobsMixin, TestCase):
    def rule(self, **values: object) -> FollowupRule:
        return FollowupRule.objects.create(
            **{"status": "new", "delay": 5, "text": "Still there?", **values}
        )

    def test_message_that_is_due_is_shown_with_its_moment(self) -> None:
        self.rule()
        self.rule(status="paid", text="For others")
        self.rule(delay=9, text="Switched off", enabled=False)
        lead = services.add_lead(PHONE)
        moment = lead.status_since + timedelta(minutes=5)

        page = self.client.get(f"/leads/{lead.pk}/")

        self.assertContains(page, "Still there?")
        self.assertContains(page, f"{moment:<span>%Y-%m-%d</span> <span>%H:%M:%S</span>}")
        for text in ("For others", "Switched off"):
            self.assertNotContains(page, text)

    @override_settings(FOLLOWUP_REPEAT_THRESHOLD=60)
    def test_message_that_the_threshold_forbids_is_not_called_due(self) -> None:
        rule, lead = self.rule(), services.add_lead(PHONE)
        before = timezone.now() - timedelta(minutes=30)
        had = Followup.objects.create(
            lead=lead, rule=rule, stay=before, sent_at=before, state=Followup.State.SENT
        )
        self.assertNotContains(self.client.get(f"/leads/{lead.pk}/"), "badge due")

        Followup.objects.filter(pk=had.pk).update(sent_at=before - timedelta(minutes=31))

        self.assertContains(self.client.get(f"/leads/{lead.pk}/"), "badge due")

    def test_page_asks_for_itself_and_is_sent_only_what_is_new(self) -> None:
        lead = services.add_lead(PHONE)
        address = self.client.get(f"/leads/{lead.pk}/").context["standing"]
        seen = {"seen": address}
        asking = {"HX-Request": "true"}
        again = self.client.get(f"/leads/{lead.pk}/", seen, headers=asking)
        self.assertEqual(again.status_code, 204)

        lead.events.update(told_crm_at=timezone.now())

        changed = self.client.get(f"/leads/{lead.pk}/", seen, headers=asking)
        self.assertContains(changed, "told")
        self.assertNotContains(changed, "hx-trigger")

    def test_rule_is_added_changed_and_switched_off(self) -> None:
        form = {"status": "new", "delay": "5", "text": "Still there?", "enabled": "on"}
        self.client.post("/leads/rules/", form)
        rule = FollowupRule.objects.get()

        self.client.post(f"/leads/rules/{rule.pk}/", form | {"text": "Are you?"})
        self.client.post(f"/leads/rules/{rule.pk}/switch/", {"enabled": "off"})

        rule.refresh_from_db()
        self.assertEqual((rule.text, rule.enabled), ("Are you?", False))
        self.assertContains(self.client.get("/leads/rules/"), "switched off")

    def test_wrong_rule_is_told_where_it_is_wrong(self) -> None:
        self.rule()
        form = {"status": "new", "delay": "5", "text": "Hello", "enabled": "on"}
        for wrong, told in [
            ({}, "There is a rule for this status and delay already."),
            ({"delay": "-1"}, "greater than or equal to 0"),
            ({"delay": "6", "text": "x" * 141}, "at most 140"),
        ]:
            answer = self.client.post("/leads/rules/", form | wrong)
            self.assertContains(answer, told, status_code=422)
        self.assertEqual(FollowupRule.objects.count(), 1)
        for address in ("/leads/rules/99/", "/leads/rules/99/switch/"):
            self.assertEqual(self.client.post(address, form).status_code, 404)

    def test_list_is_narrowed_and_keeps_that_from_page_to_page(self) -> None:
        numbers = [f"+49301{each:06}" for each in range(60)]
        Lead.objects.bulk_create(Lead(phone=each, status="lost") for each in numbers)
        services.add_lead("+31301000000")

        first = self.client.get("/leads/", {"status": "lost", "phone": "4930"})

        self.assertContains(first, "1\u201350 of 60")
        self.assertContains(first, "status=lost&amp;phone=4930&amp;page=2")
        self.assertNotContains(first, "+31301000000")
        for written in ("+31", "0031 (30)", "31-30"):
            found = self.client.get("/leads/", {"phone": written})
            self.assertContains(found, "+31301000000")
        nobody = self.client.get("/leads/", {"status": "paid"})
        self.assertContains(nobody, "No lead here is paid")
