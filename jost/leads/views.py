"""The pages of leads: a list, one lead with its history, and the buttons that move it."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from . import services
from .forms import LeadForm, MoveForm
from .models import Followup, FollowupRule, Lead, Status

PER_PAGE = 50


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """List leads, the newest first; `?status=` and `?phone=` narrow it."""
    return _list(request, LeadForm())


def _list(request: HttpRequest, form: LeadForm, *, status: int = 200) -> HttpResponse:
    sent = Count("followups", filter=Q(followups__state=Followup.State.SENT))
    leads = Lead.objects.annotate(sent=sent).order_by("-id")
    chosen = request.GET.get("status", "")
    if chosen in Status.values:
        leads = leads.filter(status=chosen)
    if phone := request.GET.get("phone", "").strip():
        leads = leads.filter(phone__startswith=phone)
    page = Paginator(leads, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "form": form,
        "statuses": Status.values,
        "chosen": chosen,
        "phone": phone,
        "rules": FollowupRule.objects.all(),
    }
    return render(request, "leads/index.html", context, status=status)


@require_POST
def add(request: HttpRequest) -> HttpResponse:
    """Add a lead, or say beside the field why not."""
    form = LeadForm(request.POST)
    if form.is_valid():
        try:
            return redirect("leads:detail", services.add_lead(form.cleaned_data["phone"]).pk)
        except services.PhoneTakenError as reason:
            form.add_error("phone", str(reason))
    return _list(request, form, status=422)


@require_safe
def detail(request: HttpRequest, number: int) -> HttpResponse:
    """Show a lead with what became of it and the messages it got."""
    lead = get_object_or_404(Lead, pk=number)
    context = {
        "lead": lead,
        "events": lead.events.order_by("-id"),
        "followups": lead.followups.select_related("rule").order_by("-id"),
        "others": [status for status in Status.values if status != lead.status],
    }
    return render(request, "leads/detail.html", context)


@require_POST
def move(request: HttpRequest, number: int) -> HttpResponse:
    """Move a lead; who was slower than somebody else is told so."""
    lead = get_object_or_404(Lead, pk=number)
    form = MoveForm(request.POST)
    if form.is_valid():
        try:
            services.move(lead.pk, status=Status(form.cleaned_data["status"]))
        except services.SameStatusError as reason:
            messages.info(request, str(reason))
    else:
        messages.error(request, f"There is no such status; there is {', '.join(Status.values)}.")
    return redirect("leads:detail", lead.pk)
