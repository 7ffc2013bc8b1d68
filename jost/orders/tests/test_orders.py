"""Orders from their checkout to their receipt, and those that nobody goes on with: `manage.py test orders`."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from unittest.mock import patch

from django.core import mail
from django.utils import timezone

import holdfast
from holdfast.logs import correlated
from holdfast.testing import faults
from jost.gateways.clients import GatewayDeclinedError, GatewayError
from jost.orders import checkout, healing, steps, stock, tasks
from jost.orders.models import Order, Product

from .shop import ShopCase


class Steps(ShopCase):
    def test_order_is_reserved_paid_confirmed_and_told_of(self) -> None:
        order = self.place(tea=2, cup=1)
        self.assertEqual(order.total, Decimal("21.00"))

        self.drain()

        self.assertEqual(self.state(order), "confirmed")
        self.assertEqual(self.stock(), (8, 0))
        self.assertEqual(self.money.taken, [f"charge:{order.pk}"])
        (receipt,) = mail.outbox
        self.assertEqual(receipt.to, ["ada@example.com"])
        for told in ("2 x Tea: 9.00", "1 x Cup: 12.00", "received 21.00 by payment 1 on"):
            self.assertIn(told, receipt.body)
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

    def test_item_whose_job_was_discarded_is_not_sold_before_it_is_off_the_shelf(self) -> None:
        plenty, short = self.place(tea=2), self.place(tea=0, cup=2, key="short")
        self.holdfast_jobs.clear()

        for order in (plenty, short):
            steps.settle_stock(order.pk)

        self.assertEqual((self.state(plenty), self.state(short)), ("reserved", "failed"))
        self.assertEqual(self.stock(), (8, 1))

    def test_history_of_an_order_has_each_state_it_came_into(self) -> None:
        order = self.place(cup=2)
        self.drain()

        told = [(event.state, event.reason) for event in order.events.all()]
        self.assertEqual(told, [("placed", ""), ("failed", "Not enough left of Cup.")])

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


class Healing(ShopCase):
    def age(self, order: Order) -> None:
        Order.objects.filter(pk=order.pk).update(moved_at=timezone.now() - timedelta(hours=3))

    def test_order_whose_job_is_gone_is_found_and_sent_on_from_where_it_stands(self) -> None:
        with correlated("request-7"):
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
        self.assertEqual((self.stock()[0], self.money.requests), (8, ["request-7"]))
        told = [event.reason for event in order.events.filter(state="reserved")]
        self.assertEqual(told, ["", "Nobody went on with it: sent on."])

    def test_receipt_that_was_not_sent_is_sent(self) -> None:
        order = self.place()
        self.drain()
        order.receipt.sent_at = None
        order.receipt.save()
        self.age(order)

        self.assertEqual(healing.heal(), 1)
