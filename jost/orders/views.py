"""The pages of orders: a shop, one's orders, and one order as it goes through its steps."""

from __future__ import annotations

from uuid import uuid4

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from jost.api.owners import owner_of, visible_to

from . import checkout, steps
from .forms import CheckoutForm
from .models import Order, Product

PER_PAGE = 20
# What htmx takes as nothing new, and as the end of its asking.
NOTHING_NEW = 204
STOP_POLLING = 286

State = Order.State
STEPS = (
    (State.PLACED, "placed"),
    (State.RESERVED, "items reserved"),
    (State.CHARGED, "paid"),
    (State.CONFIRMED, "confirmed"),
)


def index(request: HttpRequest) -> HttpResponse:
    """Show the shop and one's orders; take an order."""
    products = list(Product.objects.all())
    form = CheckoutForm(request.POST or None, products=products, initial={"key": uuid4().hex})
    if request.method == "POST" and form.is_valid():
        try:
            order = checkout.place(
                form.quantities(),
                email=form.cleaned_data["email"],
                key=form.cleaned_data["key"],
                owner=owner_of(request),
            )
        except checkout.CheckoutError as reason:
            form.add_error(None, str(reason))
        else:
            return redirect(order)
    page = Paginator(_mine(request), PER_PAGE).get_page(request.GET.get("page"))
    context = {"form": form, "page": page, "products": products}
    return render(request, "orders/index.html", context, status=422 if form.errors else 200)


@require_safe
def detail(request: HttpRequest, number: int) -> HttpResponse:
    """Show an order; the part with its steps asks for itself until it is over."""
    order = get_object_or_404(_mine(request), pk=number)
    if not getattr(request, "htmx", False):
        return render(request, "orders/detail.html", _shown(order))
    if order.goes_on and request.GET.get("seen") == order.standing:
        return HttpResponse(status=NOTHING_NEW)
    status = None if order.goes_on else STOP_POLLING
    return render(request, "orders/steps.html", _shown(order), status=status)


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
    reached = [state for state, _ in STEPS]
    done = reached.index(State(order.state)) if order.state in reached else len(reached)
    if order.state == State.FAILED:
        done = 0
    return {
        "order": order,
        "later": "no" if order.state == State.FAILED else "not yet",
        "items": order.items.select_related("product"),
        "steps": [
            (words, "done" if place <= done else "open") for place, (_, words) in enumerate(STEPS)
        ],
    }
