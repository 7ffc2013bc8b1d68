"""The pages of leads: a list, one lead with its history and the buttons that move it, and the rules."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from . import followups, services
from .forms import LeadForm, MoveForm, RuleForm
from .models import Followup, FollowupRule, Lead, Status
from .phones import known_as

PER_PAGE = 50
# Of what became of one lead, and of its messages: the newest.
MOST_SHOWN = 100
# What htmx takes as nothing new.
NOTHING_NEW = 204
# A message that is due goes out with the next collection, which the schedule has once a minute.
COLLECTED_EVERY = timedelta(minutes=1)


@require_http_methods(["GET", "HEAD", "POST"])
def index(request: HttpRequest) -> HttpResponse:
    """List leads, the newest first; `?status=` and `?phone=` narrow it. Take a new one."""
    form = LeadForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            return redirect("leads:detail", services.add_lead(form.cleaned_data["phone"]).pk)
        except services.PhoneTakenError as reason:
            form.add_error("phone", str(reason))
    context = {"form": form, "rules": FollowupRule.objects.all(), **_listed(request)}
    status = 422 if request.method == "POST" else 200
    return render(request, "leads/index.html", context, status=status)


def _listed(request: HttpRequest) -> dict[str, object]:
    sent = Count("followups", filter=Q(followups__state=Followup.State.SENT))
    leads = Lead.objects.annotate(sent=sent).order_by("-id")
    chosen = request.GET.get("status", "")
    if chosen in Status.values:
        leads = leads.filter(status=chosen)
    if phone := request.GET.get("phone", "").strip():
        # A plus in an address is a space, unless it is escaped.
        leads = leads.filter(phone__startswith=f"+{known_as(phone).lstrip('+')}")
    return {
        "page": Paginator(leads, PER_PAGE).get_page(request.GET.get("page")),
        "statuses": Status.values,
        "chosen": chosen,
        "phone": phone,
    }


@never_cache
@require_safe
def detail(request: HttpRequest, number: int) -> HttpResponse:
    """Show a lead with what became of it, and the messages it got and will get."""
    shown = _shown(get_object_or_404(Lead, pk=number))
    if not getattr(request, "htmx", False):
        return render(request, "leads/detail.html", shown)
    if request.GET.get("seen") == shown["standing"]:
        return HttpResponse(status=NOTHING_NEW)
    return render(request, "leads/history.html", shown)


def _shown(lead: Lead) -> dict[str, object]:
    messages_ = list(lead.followups.select_related("rule").order_by("-id")[:MOST_SHOWN])
    events = list(lead.events.order_by("-id")[:MOST_SHOWN])
    due = followups.due(lead)
    told = sum(event.told_crm_at is not None for event in events)
    states = Counter(each.state for each in messages_)
    return {
        "lead": lead,
        "events": events,
        "followups": messages_,
        "due": due,
        "most": MOST_SHOWN,
        "others": [status for status in Status.values if status != lead.status],
        # What the page says, in short: who has seen it learns nothing new.
        "standing": f"{events[0].pk if events else 0} {told} {sorted(states.items())} {len(due)}",
        # It asks for itself every so many seconds, as long as more is to come.
        "pace": _pace(due, is_at_it=told < len(events) or states[Followup.State.WAITING] > 0),
    }


def _pace(due: list[tuple[FollowupRule, datetime]], *, is_at_it: bool) -> int:
    if is_at_it or (due and due[0][1] < timezone.now() + COLLECTED_EVERY):
        return 1
    return 30 if due else 0


@require_http_methods(["GET", "HEAD", "POST"])
def rules(request: HttpRequest, number: int | None = None) -> HttpResponse:
    """Show who is written to, when and what; take a new rule, or change one."""
    rule = get_object_or_404(FollowupRule, pk=number) if number else None
    form = RuleForm(request.POST or None, instance=rule)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, "Saved. It holds from the next look, which is once a minute.")
        return redirect("leads:rules")
    sent = Count("followups", filter=Q(followups__state=Followup.State.SENT))
    context = {
        "form": form,
        "rule": rule,
        "rules": FollowupRule.objects.annotate(sent=sent),
        "hours": settings.FOLLOWUP_REPEAT_THRESHOLD / 60,
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "leads/rules.html", context, status=status)


@require_POST
def switch(request: HttpRequest, number: int) -> HttpResponse:
    """Switch a rule on or off, as the button said."""
    found = FollowupRule.objects.filter(pk=number)
    if not found.update(enabled=request.POST.get("enabled") == "on"):
        raise Http404
    return redirect("leads:rules")


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
