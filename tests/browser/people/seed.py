"""What stands in JOST before anybody comes: goods, orders in every state, leads by the hundred, a rule, a user."""

from __future__ import annotations

PASSWORD = "counts by hand"
LONG = "x" * 80
IMPORTS = "from tests.browser.people import seed"
SEED = "seed.make()"


def make() -> dict[str, object]:
    """Make all of it, in a process of the site; return numbers by name."""
    from django.contrib.auth.models import User

    User.objects.create_superuser("grace", password=PASSWORD)
    return {**_goods(), **_orders(), **_leads()}


def _goods() -> dict[str, object]:
    from jost.orders.models import Product

    for name, stock in [("Tea", 10_000), ("Cake", 0), (LONG, 5)]:
        Product.objects.create(name=name, price="4.50", stock=stock)
    return {}


def _orders() -> dict[str, object]:
    from django.utils import timezone

    from jost.orders.models import Order, OrderItem, Payment, Product, Receipt

    tea, long = Product.objects.get(name="Tea"), Product.objects.get(name=LONG)
    made: dict[str, object] = {}
    now = timezone.now()
    # Of those that go on by themselves there are none: a list in which nothing moves asks for nothing.
    for number in range(60):
        state = ("confirmed", "refunded", "failed")[number % 3]
        order = Order.objects.create(
            key=f"0:seed-{number}",
            email=f"{'a' * 60}.{number}@example.com",
            state=state,
            reason="The payment was declined: " + "no " * 50 if state == "failed" else "",
            total="1234567.89",
        )
        OrderItem.objects.create(order=order, product=long, quantity=2, price="4.50")
        OrderItem.objects.create(order=order, product=tea, quantity=200, price="4.50")
        Payment.objects.create(order=order, amount=order.total, charged_at=now)
        if state != "failed":
            Receipt.objects.create(order=order, sent_at=now)
        for each in ("placed", "reserved", state):
            order.events.create(state=each, reason=order.reason if each == state else "")
        made[state] = order.pk
    return made


def _leads() -> dict[str, object]:
    from django.utils import timezone

    from jost.leads.models import Followup, FollowupRule, Lead, LeadEvent

    rule = FollowupRule.objects.create(status="verified", delay=60, text="y" * 140)
    Lead.objects.bulk_create(Lead(phone=f"+31{number:012}", status="lost") for number in range(120))
    lead = Lead.objects.create(phone="+319999999999999", status="verified")
    now = timezone.now()
    for status in ("new", "submitted", "verified") * 40:
        LeadEvent.objects.create(lead=lead, status=status, told_crm_at=now)
    for state in ("sent", "skipped", "failed"):
        Followup.objects.create(lead=lead, rule=rule, stay=now, state=state, sent_at=None)
        now = timezone.now()
    return {"lead": lead.pk, "rule": rule.pk}
