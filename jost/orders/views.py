"""The pages of orders: a shop, one's orders, and one order as it goes through its steps."""

from __future__ import annotations

from collections.abc import Iterator

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from jost.api.owners import owner_of, visible_to

from . import checkout, healing, steps
from .forms import CheckoutForm, new_key
from .models import Order, Product

PER_PAGE = 20
# Of what became of one order: the newest.
MOST_SHOWN = 100
# What htmx takes as nothing new, and as the end of its asking.
NOTHING_NEW = 204
STOP_POLLING = 286

State = Order.State
# What an order goes through: what is said of a step when it is done, and while it is next.
STEPS = (
    (State.PLACED, "placed", "placing"),
    (State.RESERVED, "items reserved", "reserving items"),
    (State.CHARGED, "paid", "taking the money"),
    (State.CONFIRMED, "confirmed", "confirming"),
)
REFUND = (
    (State.REFUNDING, "refund asked for", "asking for the refund"),
    (State.REFUNDED, "money given back", "giving the money back"),
)


@never_cache
def index(request: HttpRequest) -> HttpResponse:
    """Show the shop and one's orders; take an order.

    The page is never kept: each has a key of its own, and who goes back to order once more gets a
    new one.
    """
    products = list(Product.objects.all())
    if getattr(request, "htmx", False):
        return render(request, "orders/rows.html", _listed(request))
    form = CheckoutForm(request.POST or None, products=products, initial={"key": new_key()})
    if request.method == "POST" and form.is_valid():
        try:
            return redirect(_placed(request, form))
        except checkout.KeyTakenError:
            form.take_new_key()
            form.add_error(None, "This page has placed an order already. Press again for one more.")
        except checkout.CheckoutError as reason:
            form.add_error(None, str(reason))
    context = {"form": form, "products": products, **_listed(request)}
    return render(request, "orders/index.html", context, status=422 if form.errors else 200)


def _placed(request: HttpRequest, form: CheckoutForm) -> Order:
    return checkout.place(
        form.quantities(),
        email=form.cleaned_data["email"],
        key=form.cleaned_data["key"],
        owner=owner_of(request),
    )


def _listed(request: HttpRequest) -> dict[str, object]:
    orders = _mine(request)
    chosen = request.GET.get("state", "")
    if chosen in State.values:
        orders = orders.filter(state=chosen)
    page = Paginator(orders, PER_PAGE).get_page(request.GET.get("page"))
    return {
        "page": page,
        "states": State.values,
        "chosen": chosen if chosen in State.values else "",
        # Until the last of them is over, the list asks for itself.
        "live": any(order.goes_on for order in page),
    }


@never_cache
@require_safe
def detail(request: HttpRequest, number: int) -> HttpResponse:
    """Show an order; the part with its steps asks for itself until it is over."""
    order = get_object_or_404(_mine(request), pk=number)
    shown = _shown(order)
    if not getattr(request, "htmx", False):
        return render(request, "orders/detail.html", shown)
    if order.goes_on and request.GET.get("seen") == shown["standing"]:
        return HttpResponse(status=NOTHING_NEW)
    status = None if order.goes_on else STOP_POLLING
    return render(request, "orders/steps.html", shown, status=status)


@require_POST
def refund(request: HttpRequest, number: int) -> HttpResponse:
    """Begin to give the money back."""
    order = get_object_or_404(_mine(request), pk=number)
    try:
        steps.ask_for_refund(order.pk)
    except steps.NotRefundableError as reason:
        messages.error(request, str(reason))
    return redirect(order)


def _mine(request: HttpRequest) -> QuerySet[Order]:
    return visible_to(request.user, Order.objects.select_related("payment", "receipt"))


def _shown(order: Order) -> dict[str, object]:
    stuck = healing.is_stuck(order)
    events = list(order.events.order_by("-id")[:MOST_SHOWN])
    return {
        "order": order,
        "events": events,
        "has_reasons": any(event.reason for event in events),
        "is_stuck": stuck,
        # What the page says, in short: who has seen it learns nothing new.
        "standing": f"{order.state} {events[0].pk if events else 0}{' stuck' if stuck else ''}",
        "later": "no" if order.state == State.FAILED else "not yet",
        "items": order.items.select_related("product"),
        "steps": list(_steps(order)),
    }


def _steps(order: Order) -> Iterator[tuple[str, str]]:
    """What an order goes through, each with how far that is: done, now, open or bad."""
    if order.state == State.FAILED:
        yield from [("placed", "done"), ("failed", "bad")]
        return
    way = STEPS + REFUND if order.state in (State.REFUNDING, State.REFUNDED) else STEPS
    reached = [state for state, _, _ in way].index(State(order.state))
    for place, (_, done, at_it) in enumerate(way):
        if place == reached + 1:
            yield at_it, "now"
        else:
            yield done, "done" if place <= reached else "open"
