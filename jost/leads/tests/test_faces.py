"""What people and programs see of leads: REST, pages and the admin."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

from django.contrib.admin.sites import site
from django.contrib.auth.models import Permission, User

from jost.leads import services
from jost.leads.models import Followup, FollowupRule, Lead, LeadEvent, Status

from .cases import PHONE, GatewayCase


class Api(GatewayCase):
    def post(self, address: str, **body: Any) -> Any:
        return self.client.post(f"/lead/{address}/", body, content_type="application/json")

    def results(self, address: str, **asked: Any) -> list[Any]:
        answer = self.client.get(f"/lead/{address}/", asked)
        self.assertEqual(answer.status_code, 200, answer.content)
        results: list[Any] = answer.json()["results"]
        return results

    def test_lead_is_added_moved_and_read(self) -> None:
        added = self.post("leads", phone=PHONE)
        self.assertEqual(added.status_code, 201, added.content)
        number = added.json()["id"]

        moved = self.post("lead_event_create", lead=number, status="verified")

        self.assertEqual(moved.status_code, 201)
        read = self.client.get(f"/lead/leads/{number}/").json()
        self.assertEqual(read["status"], "verified")
        events = self.results("leads_events", lead=number, order_dir="asc")
        self.assertEqual([each["status"] for each in events], ["new", "verified"])

    def test_names_are_those_that_clients_of_the_api_know(self) -> None:
        rule = self.post("leads_followup_rules", status="new", delay=0, text="Hi", is_enabled=True)
        self.assertEqual(rule.status_code, 201, rule.content)
        number = services.add_lead(PHONE).pk
        moved = self.post("lead_event_create", lead_id=number, status="paid")
        self.assertEqual(moved.status_code, 201, moved.content)
        Followup.objects.create(
            lead_id=number, rule_id=rule.json()["id"], stay=Lead.objects.get().status_since
        )

        lead = {"id", "phone", "status", "updated_at"}
        of_rule = {"text", "status", "delay", "is_enabled"}
        self.assertLessEqual({"lead", "status", "created_at"}, moved.json().keys())
        self.assertLessEqual(lead, moved.json()["lead"].keys())
        self.assertEqual(moved.json()["lead"]["status"], "paid")
        for address, fields in (
            ("leads", lead),
            ("leads_events", {"lead", "status", "created_at"}),
            ("leads_followups", {"lead", "rule", "created_at"}),
            ("leads_followup_rules", of_rule),
        ):
            with self.subTest(address=address):
                first = self.results(address)[0]
                self.assertLessEqual(fields, first.keys())
                if address == "leads_followups":
                    self.assertEqual(first["lead"], number)
                    self.assertLessEqual(of_rule, first["rule"].keys())

    def test_report_of_the_same_status_is_taken(self) -> None:
        lead = services.add_lead(PHONE)

        again = self.post("lead_event_create", lead=lead.pk, status="new")

        self.assertEqual((again.status_code, lead.events.count()), (201, 2))

    def test_lead_that_is_deleted_while_it_is_moved_is_a_wrong_lead(self) -> None:
        lead = services.add_lead(PHONE)

        with patch.object(services, "report", side_effect=Lead.DoesNotExist):
            answer = self.post("lead_event_create", lead=lead.pk, status="paid")

        self.assertEqual((answer.status_code, list(answer.json())), (400, ["lead"]))

    def test_list_without_a_word_has_the_ten_latest_and_never_more_than_a_hundred(self) -> None:
        Lead.objects.bulk_create(Lead(phone=f"+4930{number:07}") for number in range(101))
        services.move(Lead.objects.earliest("id").pk, status=Status.PAID)

        self.assertEqual(len(self.results("leads")), 10)
        self.assertEqual(self.results("leads")[0]["status"], "paid")
        self.assertEqual(len(self.results("leads", limit=1000)), 100)
        numbers = [each["phone"] for each in self.results("leads", order_by="phone")]
        self.assertEqual(numbers, sorted(numbers, reverse=True))
        self.assertEqual(
            self.results("leads", order_by="phone", order_dir="DESC")[0]["phone"], numbers[0]
        )

    def test_number_is_one_however_it_is_written(self) -> None:
        written = ["+49 30 123456", "+49 (0)30 123-456", "0049.30/123456", "+49(30)123456"]
        for each in written:
            with self.subTest(each):
                self.assertEqual(self.post("leads", phone=each).status_code, 201)
                self.assertEqual(self.results("leads", phone=each)[0]["phone"], PHONE)
                Lead.objects.all().delete()
        services.add_lead(PHONE)
        found = self.client.get(f"/lead/leads/?phone={PHONE}")
        self.assertEqual(found.json()["count"], 1)

    def test_what_is_no_number_of_the_world_is_refused(self) -> None:
        wrong = ["030 123456", "+0123456789", "+49", "+49 30 12345678901234", "+49301234x", "", "٣"]
        for each in wrong:
            with self.subTest(each):
                self.assertEqual(self.post("leads", phone=each).status_code, 400)

    def test_list_asks_the_database_as_often_for_many_as_for_one(self) -> None:
        rule = FollowupRule.objects.create(status=Status.NEW, delay=1, text="Hello?")
        for number in range(9):
            lead = services.add_lead(f"+49301234{number:02}")
            Followup.objects.create(lead=lead, rule=rule, stay=lead.status_since)

        for address in ("leads", "leads_events", "leads_followups", "leads_followup_rules"):
            with self.subTest(address), self.assertNumQueries(2):
                self.client.get(f"/lead/{address}/")

    def test_lists_have_pages_an_order_and_filters(self) -> None:
        for number in range(5):
            services.add_lead(f"+493012345{number}")
        services.move(Lead.objects.earliest("id").pk, status=Status.PAID)

        page = self.client.get("/lead/leads/?limit=2&offset=1&order_by=phone&order_dir=desc").json()
        paid = self.client.get("/lead/leads/", {"status": "paid"}).json()

        self.assertEqual(page["count"], 5)
        self.assertEqual([each["phone"][-1] for each in page["results"]], ["3", "2"])
        self.assertEqual(paid["count"], 1)

    def test_histories_are_narrowed_by_numbers_and_wrong_ones_refused(self) -> None:
        number = services.add_lead(PHONE).pk
        services.add_lead("+4930123457")

        self.assertEqual(len(self.results("leads_events", lead=number)), 1)
        self.assertEqual(self.results("leads_events", lead=10**9), [])
        for wrong in ("x", "1.5", "0", str(10**30)):
            with self.subTest(wrong):
                answer = self.client.get("/lead/leads_followups/", {"rule": wrong})
                self.assertEqual((answer.status_code, list(answer.json())), (400, ["rule"]))

    def test_wrong_bodies_are_refused_by_field(self) -> None:
        services.add_lead(PHONE)
        wrong: list[tuple[str, dict[str, Any], str, str]] = [
            ("leads", {"phone": "030 123"}, "phone", "only digits"),
            ("leads", {"phone": PHONE}, "phone", "already"),
            ("leads", {"phone": "00 49 (30) 123-456"}, "phone", "already"),
            ("leads", {"phone": "+4930999", "state": "new"}, "state", "There is no"),
            ("lead_event_create", {"lead": 10**9, "status": "paid"}, "lead", "does not exist"),
            ("lead_event_create", {"lead": 10**30, "status": "paid"}, "lead", "does not exist"),
            ("lead_event_create", {"lead": 1, "lead_id": 2, "status": "new"}, "lead_id", "lead"),
            (
                "lead_event_create",
                {"lead": Lead.objects.get().pk, "status": "gone"},
                "status",
                "valid",
            ),
            ("leads_followup_rules", {"status": "new", "delay": -1, "text": "a"}, "delay", "0"),
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

    def test_rule_that_has_written_is_switched_off_and_not_deleted(self) -> None:
        rule = FollowupRule.objects.create(status=Status.NEW, delay=1, text="Hello?")
        lead = services.add_lead(PHONE)
        followup = Followup.objects.create(lead=lead, rule=rule, stay=lead.status_since)
        address = f"/lead/leads_followup_rules/{rule.pk}/"

        refused = self.client.delete(address)

        self.assertContains(refused, "switch it off", status_code=409)
        followup.delete()
        self.assertEqual(self.client.delete(address).status_code, 204)

    def test_histories_cannot_be_written(self) -> None:
        for address in ("leads_events", "leads_followups"):
            self.assertEqual(self.post(address, lead=1).status_code, 405)


class Faces(GatewayCase):
    def test_page_adds_a_lead_moves_it_and_shows_its_history(self) -> None:
        added = self.client.post("/leads/", {"phone": PHONE}, follow=True)
        self.assertContains(added, PHONE)

        moved = self.client.post(
            f"{added.redirect_chain[-1][0]}move/", {"status": "lost"}, follow=True
        )

        self.assertContains(moved, '<span class="badge lost">lost</span></th>')
        self.assertContains(self.client.get("/leads/?status=lost"), PHONE)
        self.assertNotContains(self.client.get("/leads/?status=paid"), PHONE)

    def test_wrong_number_is_told_beside_the_field(self) -> None:
        answer = self.client.post("/leads/", {"phone": "123"})

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
