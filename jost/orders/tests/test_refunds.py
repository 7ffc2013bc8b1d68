"""Money that is given back: once, and what is said where the gateway declines."""

from __future__ import annotations

import holdfast
from holdfast.testing import faults
from jost.gateways.clients import GatewayDeclinedError, GatewayError
from jost.orders import steps, tasks
from jost.orders.models import Order, OrderItem

from .shop import ShopCase


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

    def confirmed(self) -> Order:
        order = self.place(tea=2)
        self.drain()
        self.money.taken.clear()
        return order

    def test_order_whose_refund_is_declined_stays_sold_and_may_be_refunded_later(self) -> None:
        order = self.confirmed()
        self.money.errors = [GatewayDeclinedError("refunds answered 402")]
        steps.ask_for_refund(order.pk)
        self.drain()

        self.assertEqual((self.state(order), self.stock()[0]), ("confirmed", 8))
        self.assertIn("refund was declined", order.reason)

        steps.ask_for_refund(order.pk)
        self.drain()

        self.assertEqual((self.state(order), order.reason), ("refunded", ""))
        # Another refund has another key: the gateway's answer to the first one stands.
        self.assertEqual(self.money.taken, [f"refund:{order.pk}:2"])

    def test_late_word_of_a_declined_refund_does_not_end_the_next_one(self) -> None:
        order = self.confirmed()
        self.money.errors = [GatewayDeclinedError("refunds answered 402")]
        steps.ask_for_refund(order.pk)
        refused = Order.objects.select_related("payment").get(pk=order.pk).payment
        self.drain()
        steps.ask_for_refund(order.pk)

        steps._decline_refund(refused, reason="told again")  # noqa: SLF001

        self.assertEqual(self.state(order), "refunding")

    def test_refund_that_cannot_be_made_says_so_and_its_replay_makes_it(self) -> None:
        order = self.confirmed()
        self.money.errors = [GatewayError("away", may_have_happened=True)] * 21
        steps.ask_for_refund(order.pk)

        self.holdfast_jobs.drain(raise_errors=False, skip_waits=True)
        self.assertEqual(self.state(order), "refunding")
        self.assertIn("money could not be given back", order.reason)

        (job,) = self.holdfast_jobs.recorded(tasks.refund)
        holdfast.replay(job.id)
        self.drain()

        self.assertEqual((self.state(order), self.stock()[0]), ("refunded", 10))
        self.assertEqual(self.money.taken, [f"refund:{order.pk}"])
