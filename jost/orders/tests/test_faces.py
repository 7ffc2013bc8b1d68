"""Orders as people and programs meet them: admin, REST, pages, and the command that fills a shop."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from unittest.mock import patch

from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.test import override_settings
from django.utils import timezone

from jost.orders.admin import ProductAdmin
from jost.orders.models import Order, Product

from .shop import ShopCase


class Admin(ShopCase):
    def sign_in(self, *permissions: str) -> None:
        staff = User.objects.create_user(f"staff{len(permissions)}", is_staff=True)
        staff.user_permissions.add(*Permission.objects.filter(codename__in=permissions))
        self.client.force_login(staff)

    def send_on(self, order: Order) -> Any:
        return self.act("send_on", order)

    def act(self, action: str, order: Order) -> Any:
        chosen = {"action": action, "_selected_action": [order.pk]}
        return self.client.post("/admin/orders/order/", chosen, follow=True)

    def test_order_is_sent_on_by_who_may_change_orders(self) -> None:
        order = self.place()
        self.holdfast_jobs.clear()
        self.sign_in("view_order")
        self.send_on(order)
        self.holdfast_jobs.assert_not_recorded()

        self.sign_in("view_order", "change_order")
        self.assertContains(self.send_on(order), "1 sent on")

        self.drain()
        self.assertEqual(self.state(order), "confirmed")

    def test_order_is_refunded_and_who_did_it_is_in_its_history(self) -> None:
        order = self.place()
        self.sign_in("view_order", "change_order", "view_orderevent")
        self.assertContains(self.act("refund", order), "only a confirmed one is refunded")
        self.assertFalse(LogEntry.objects.exists())
        self.drain()

        self.assertContains(self.act("refund", order), "1 will be refunded")
        self.drain()

        self.assertEqual(self.state(order), "refunded")
        history = self.client.get(f"/admin/orders/order/{order.pk}/history/")
        self.assertContains(history, "Asked for the refund.")
        shown = self.client.get(f"/admin/orders/order/{order.pk}/change/")
        self.assertContains(shown, f"refunding at {timezone.now():%Y-%m-%d}")

    def test_order_that_is_stuck_is_listed_as_such(self) -> None:
        order = self.place()
        self.sign_in("view_order")
        stuck = "/admin/orders/order/?stuck=yes"
        self.assertContains(self.client.get(stuck), "0 orders")

        Order.objects.filter(pk=order.pk).update(moved_at=timezone.now() - timedelta(hours=3))

        self.assertContains(self.client.get(stuck), "1 order")

    def test_nobody_writes_an_order(self) -> None:
        order = self.place()
        self.sign_in("view_order", "change_order", "add_order", "delete_order")

        for address in ("add", f"{order.pk}/delete"):
            answer = self.client.get(f"/admin/orders/order/{address}/")
            self.assertEqual(answer.status_code, 403)
        answer = self.client.post(f"/admin/orders/order/{order.pk}/change/", {"state": "refunded"})
        self.assertEqual((answer.status_code, self.state(order)), (403, "placed"))

    def test_stock_that_is_edited_keeps_what_orders_took_meanwhile(self) -> None:
        self.sign_in("view_product", "change_product")
        seen = {"name": "Tea", "price": "4.50", "initial-stock": "10"}
        real = ProductAdmin.save_model

        def order_meanwhile(*arguments: Any) -> None:
            Product.objects.filter(pk=self.tea.pk).update(stock=7)
            real(*arguments)

        with patch.object(ProductAdmin, "save_model", order_meanwhile):
            self.client.post(f"/admin/orders/product/{self.tea.pk}/change/", seen | {"stock": "15"})

        self.assertEqual(self.stock()[0], 12)


class Seed(ShopCase):
    def test_empty_shop_is_filled_and_one_that_sells_is_left_alone(self) -> None:
        call_command("seed_shop", verbosity=0)
        self.assertEqual(Product.objects.count(), 2)

        Product.objects.all().delete()
        for _ in range(2):
            call_command("seed_shop", verbosity=0)

        self.assertGreater(Product.objects.filter(stock__gt=0).count(), 3)


class Faces(ShopCase):
    def order(self, **more: Any) -> Any:
        body = {"email": "ada@example.com", "items": [{"product": self.tea.pk, "quantity": 1}]}
        headers = more.pop("headers", {})
        return self.client.post(
            "/api/orders/", body | more, content_type="application/json", headers=headers
        )

    def test_order_is_placed_and_read_by_rest(self) -> None:
        placed = self.order(headers={"Idempotency-Key": "a"})
        self.assertEqual(placed.status_code, 201, placed.content)
        self.assertEqual(
            self.order(headers={"Idempotency-Key": "a"}).json()["id"], placed.json()["id"]
        )
        self.drain()

        read = self.client.get(placed["Location"]).json()
        self.assertEqual((read["state"], read["items"][0]["state"]), ("confirmed", "reserved"))
        refund = self.client.post(f"{placed['Location']}refund/")
        self.assertEqual((refund.status_code, refund.json()["state"]), (202, "refunding"))

    def test_wrong_orders_are_refused_by_field(self) -> None:
        wrong: list[tuple[dict[str, Any], str, str]] = [
            ({"items": []}, "items", "empty"),
            ({"items": [{"product": 10**30, "quantity": 1}]}, "items", "less than"),
            ({"items": [{"product": 10**6, "quantity": 1}]}, "items", "no product 1000000"),
            ({"items": [{"product": self.tea.pk, "quantity": 0}]}, "items", "1"),
            ({"email": "ada"}, "email", "valid"),
            ({"coupon": "x"}, "coupon", "There is no"),
        ]
        for body, field, told in wrong:
            with self.subTest(body=body):
                answer = self.order(**body)
                self.assertEqual(answer.status_code, 400, answer.content)
                self.assertIn(told, str(answer.json()[field]))

    def test_key_that_says_nothing_is_refused(self) -> None:
        for key in ("", " ", "k" * 81, "\u00e4"):
            with self.subTest(key=key):
                answer = self.order(headers={"Idempotency-Key": key})
                self.assertEqual(
                    (answer.status_code, list(answer.json())), (400, ["Idempotency-Key"])
                )
        self.assertFalse(Order.objects.exists())

    def test_key_for_other_things_is_a_conflict(self) -> None:
        self.order(headers={"Idempotency-Key": "a"})

        items = [{"product": self.tea.pk, "quantity": 3}]
        self.assertEqual(self.order(items=items, headers={"Idempotency-Key": "a"}).status_code, 409)

    @override_settings(JOST_LOGIN=True)
    def test_orders_of_others_are_not_found(self) -> None:
        ada, bob = (User.objects.create_user(name, password="x") for name in ("ada", "bob"))
        self.client.force_login(ada)
        number = self.order().json()["id"]
        self.client.force_login(bob)

        self.assertEqual(self.client.get("/api/orders/").json()["count"], 0)
        for address in (f"/api/orders/{number}/", f"/orders/{number}/"):
            self.assertEqual(self.client.get(address).status_code, 404)
        self.assertEqual(self.client.post(f"/api/orders/{number}/refund/").status_code, 404)

    def test_page_takes_an_order_once_and_shows_its_steps(self) -> None:
        form = {"email": "ada@example.com", "key": "k", f"quantity_{self.tea.pk}": "2"}
        pages = [self.client.post("/orders/", form, follow=True) for _ in range(2)]
        address = pages[0].redirect_chain[-1][0]
        self.assertEqual(pages[1].redirect_chain[-1][0], address)
        self.assertContains(pages[0], 'hx-trigger="every 1s"')
        seen = self.client.get(
            address, {"seen": pages[0].context["standing"]}, headers={"HX-Request": "true"}
        )
        self.assertEqual(seen.status_code, 204)

        self.drain()

        part = self.client.get(address, headers={"HX-Request": "true"})
        self.assertEqual(part.status_code, 286)
        self.assertContains(part, "confirmed", status_code=286)
        self.assertNotContains(part, "<html", status_code=286)

    def test_empty_order_is_told_what_is_missing(self) -> None:
        answer = self.client.post("/orders/", {"email": "ada@example.com", "key": "k"})

        self.assertContains(answer, "Choose something", status_code=422)
