"""Orders in the test's own process: `manage.py test orders` runs this file."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from unittest.mock import patch

from django.contrib.auth.models import Permission, User
from django.core import mail
from django.core.management import call_command
from django.test import TestCase, override_settings
from django.utils import timezone

import holdfast
from holdfast.testing import HoldfastJobsMixin, faults
from jost.gateways.clients import Gateway, GatewayDeclinedError, GatewayError
from jost.orders import checkout, healing, steps, stock, tasks
from jost.orders.admin import ProductAdmin
from jost.orders.models import Order, OrderItem, Product


class Money:
    """Stands for the gateways: what was taken and given back, by key. Real ones are in tests/integration."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.errors: list[Exception] = []

    def send(self, _gateway: Any, *, key: str, **_content: Any) -> int:
        if self.errors:
            raise self.errors.pop(0)
        self.taken.append(key)
        return len(self.taken)

    def find(self, _gateway: Any, key: str) -> int | None:
        return self.taken.index(key) + 1 if key in self.taken else None


class ShopCase(HoldfastJobsMixin, TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.money = money = Money()
        for name, function in (("send", money.send), ("find", money.find)):
            patched = patch.object(Gateway, name, autospec=True, side_effect=function)
            patched.start()
            self.addCleanup(patched.stop)
        self.tea = Product.objects.create(name="Tea", price=Decimal("4.50"), stock=10)
        self.cup = Product.objects.create(name="Cup", price=Decimal("12.00"), stock=1)

    def place(self, *, tea: int = 2, cup: int = 0, key: str = "first") -> Order:
        quantities = {self.tea.pk: tea, self.cup.pk: cup}
        return checkout.place(quantities, email="ada@example.com", key=key)

    def drain(self) -> None:
        self.holdfast_jobs.drain()

    def state(self, order: Order) -> str:
        order.refresh_from_db()
        return order.state

    def stock(self) -> tuple[int, int]:
        for product in (self.tea, self.cup):
            product.refresh_from_db()
        return self.tea.stock, self.cup.stock


class Steps(ShopCase):
    def test_order_is_reserved_paid_confirmed_and_told_of(self) -> None:
        order = self.place(tea=2, cup=1)
        self.assertEqual(order.total, Decimal("21.00"))

        self.drain()

        self.assertEqual(self.state(order), "confirmed")
        self.assertEqual(self.stock(), (8, 0))
        self.assertEqual(self.money.taken, [f"charge:{order.pk}"])
        self.assertEqual([each.to for each in mail.outbox], [["ada@example.com"]])
        self.assertIsNotNone(order.receipt.sent_at)

    def test_steps_of_orders_go_before_everything_else(self) -> None:
        self.place()
        self.drain()

        jobs = self.holdfast_jobs.recorded()
        self.assertEqual({job.queue for job in jobs}, {"critical"})
        self.assertGreater(len(jobs), 4)

    def test_order_of_more_than_there_is_fails_and_keeps_nothing(self) -> None:
        order = self.place(tea=3, cup=2)

        self.drain()

        self.assertEqual(self.state(order), "failed")
        self.assertEqual(order.reason, "Not enough left of Cup.")
        self.assertEqual(self.stock(), (10, 1))
        self.assertEqual((self.money.taken, mail.outbox), ([], []))

    def test_last_one_is_sold_once(self) -> None:
        orders = [self.place(tea=0, cup=1, key=key) for key in ("one", "two")]

        self.drain()

        self.assertEqual(sorted(self.state(order) for order in orders), ["confirmed", "failed"])
        self.assertEqual(self.stock(), (10, 0))
        self.assertEqual(len(self.money.taken), 1)

    def test_declined_card_fails_the_order_and_gives_back_its_items(self) -> None:
        self.money.errors = [GatewayDeclinedError("charges answered 402")]
        order = self.place(cup=1)

        self.drain()

        self.assertEqual(self.state(order), "failed")
        self.assertIn("declined", order.reason)
        self.assertEqual(self.stock(), (10, 1))

    def test_card_that_is_declined_is_declined_for_all_who_ask(self) -> None:
        self.money.errors = [GatewayDeclinedError("charges answered 402")]
        order = self.place()
        self.drain()
        # Another job had looked before the order failed.
        Order.objects.filter(pk=order.pk).update(state="reserved")

        tasks.charge.delay(order.pk)
        self.drain()

        self.assertEqual((self.state(order), self.money.taken), ("failed", []))

    def test_order_whose_charge_is_a_dead_letter_says_so_and_its_replay_goes_on(self) -> None:
        self.money.errors = [GatewayError("away", may_have_happened=True)] * 21
        order = self.place()

        self.holdfast_jobs.drain(raise_errors=False, skip_waits=True)

        (job,) = self.holdfast_jobs.recorded(tasks.charge)
        self.assertEqual((job.state, self.state(order)), ("failed", "reserved"))
        self.assertIn("tried again", order.reason)
        self.assertEqual(self.stock(), (8, 1))

        holdfast.replay(job.id)
        self.drain()

        self.assertEqual((self.state(order), order.reason), ("confirmed", ""))
        self.assertEqual((self.money.taken, len(mail.outbox)), ([f"charge:{order.pk}"], 1))

    def test_gateway_that_is_busy_is_asked_again_and_charges_once(self) -> None:
        self.money.errors = [GatewayError("busy", retry_after=30), GatewayError("busy")]
        order = self.place()
        for _ in range(3):
            self.drain()
            self.holdfast_jobs.travel(timedelta(minutes=1))

        self.drain()

        self.assertEqual(self.state(order), "confirmed")
        self.assertEqual(len(self.money.taken), 1)

    def test_any_step_that_dies_is_done_once(self) -> None:
        for number, task in enumerate(
            (tasks.reserve, tasks.settle_stock, tasks.charge, tasks.confirm, tasks.send_receipt)
        ):
            with self.subTest(task=task.name):
                mail.outbox.clear()
                self.money.taken.clear()
                before = self.stock()[0]
                order = self.place(tea=1, key=str(number))

                with faults.worker_dies(task):
                    self.drain()

                self.assertEqual(self.state(order), "confirmed")
                self.assertEqual(self.stock()[0], before - 1)
                self.assertEqual(self.money.taken, [f"charge:{order.pk}"])
                self.assertEqual(len(mail.outbox), 1)

    def test_steps_that_are_sent_twice_do_nothing_twice(self) -> None:
        order = self.place(tea=2, cup=1)
        self.drain()

        for item in order.items.all():
            tasks.reserve.delay(item.pk)
        for step in (tasks.settle_stock, tasks.charge, tasks.confirm, tasks.send_receipt):
            step.delay(order.pk)
        self.drain()

        self.assertEqual((self.stock(), len(self.money.taken), len(mail.outbox)), ((8, 0), 1, 1))


class Checkout(ShopCase):
    def test_order_that_is_rolled_back_is_never_paid(self) -> None:
        with (
            patch("jost.orders.checkout.go_on", side_effect=RuntimeError),
            self.assertRaises(RuntimeError),
        ):
            self.place()

        self.drain()

        self.assertEqual((Order.objects.count(), self.money.taken), (0, []))

    def test_same_key_is_the_same_order(self) -> None:
        first, second = self.place(), self.place()
        self.drain()

        self.assertEqual(first.pk, second.pk)
        self.assertEqual(len(self.money.taken), 1)

    def test_same_key_for_other_things_is_refused(self) -> None:
        self.place(tea=1)

        with self.assertRaisesMessage(checkout.KeyTakenError, "use a new key"):
            self.place(tea=2)

    def test_same_key_for_somebody_else_is_refused(self) -> None:
        self.place(tea=1)

        with self.assertRaisesMessage(checkout.KeyTakenError, "use a new key"):
            checkout.place({self.tea.pk: 1}, email="bob@example.com", key="first")

    def test_most_that_can_be_ordered_has_a_total(self) -> None:
        Product.objects.update(price=Decimal("999999.99"))

        self.assertEqual(self.place(tea=1000).total, Decimal("999999990.00"))

    def test_price_is_that_of_the_moment_of_the_order(self) -> None:
        order = self.place(tea=2)
        Product.objects.update(price=Decimal(100))
        self.drain()

        self.assertEqual(order.payment.amount, Decimal("9.00"))


class Refunds(ShopCase):
    def test_refund_gives_back_money_and_items_once(self) -> None:
        order = self.place(tea=2)
        self.drain()

        for _ in range(2):
            steps.ask_for_refund(order.pk)
        with faults.worker_dies(tasks.refund):
            self.drain()
        steps.ask_for_refund(order.pk)
        self.drain()

        self.assertEqual(self.state(order), "refunded")
        self.assertEqual(self.stock(), (10, 1))
        self.assertEqual(self.money.taken, [f"charge:{order.pk}", f"refund:{order.pk}"])
        states = set(order.items.values_list("state", flat=True))
        self.assertEqual(states, {OrderItem.State.RETURNED})

    def test_only_a_confirmed_order_is_refunded(self) -> None:
        order = self.place()

        with self.assertRaisesMessage(steps.NotRefundableError, "is placed"):
            steps.ask_for_refund(order.pk)


class Healing(ShopCase):
    def age(self, order: Order) -> None:
        Order.objects.filter(pk=order.pk).update(moved_at=timezone.now() - timedelta(hours=3))

    def test_order_whose_job_is_gone_is_found_and_sent_on_from_where_it_stands(self) -> None:
        order = self.place()
        for item in order.items.all():
            stock.reserve(item.pk)
        steps.settle_stock(order.pk)
        # As a dead letter that somebody discarded: nobody goes on.
        self.holdfast_jobs.clear()
        self.assertEqual(healing.heal(), 0)
        self.age(order)

        self.assertEqual([healing.heal(), healing.heal()], [1, 0])
        self.drain()

        self.assertEqual(self.state(order), "confirmed")
        self.assertEqual((self.stock()[0], len(self.money.taken)), (8, 1))

    def test_receipt_that_was_not_sent_is_sent(self) -> None:
        order = self.place()
        self.drain()
        order.receipt.sent_at = None
        order.receipt.save()
        self.age(order)

        self.assertEqual(healing.heal(), 1)


class Admin(ShopCase):
    def sign_in(self, *permissions: str) -> None:
        staff = User.objects.create_user(f"staff{len(permissions)}", is_staff=True)
        staff.user_permissions.add(*Permission.objects.filter(codename__in=permissions))
        self.client.force_login(staff)

    def send_on(self, order: Order) -> Any:
        chosen = {"action": "send_on", "_selected_action": [order.pk]}
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
        seen = self.client.get(f"{address}?seen=placed", headers={"HX-Request": "true"})
        self.assertEqual(seen.status_code, 204)

        self.drain()

        part = self.client.get(address, headers={"HX-Request": "true"})
        self.assertEqual(part.status_code, 286)
        self.assertContains(part, "confirmed", status_code=286)
        self.assertNotContains(part, "<html", status_code=286)

    def test_empty_order_is_told_what_is_missing(self) -> None:
        answer = self.client.post("/orders/", {"email": "ada@example.com", "key": "k"})

        self.assertContains(answer, "Choose something", status_code=422)
