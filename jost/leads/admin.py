"""Leads in the admin: their history is shown and cannot be written."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest

from jost.admin import Admin, HistoryAdmin, HistoryInline

from . import services
from .forms import AdminLeadForm
from .models import Followup, FollowupRule, Lead, LeadEvent, Status


class EventInline(HistoryInline):
    model = LeadEvent
    fields = ["status", "created_at", "told_crm_at"]


class FollowupInline(HistoryInline):
    model = Followup
    fields = ["rule", "stay", "state", "created_at", "sent_at"]


@admin.register(Lead)
class LeadAdmin(Admin):
    form = AdminLeadForm
    list_display = ["phone", "status", "status_since", "created_at"]
    list_filter = ["status"]
    search_fields = ["phone"]
    ordering = ["-status_since", "-pk"]
    readonly_fields = ["status_since", "created_at"]
    inlines = [EventInline, FollowupInline]

    def save_model(self, request: HttpRequest, obj: Lead, form: Any, change: bool) -> None:  # noqa: FBT001
        """A status that was changed here is a move like any other; nothing else of the row is written."""
        if not change:
            asked = obj.status
            obj.pk = services.add_lead(obj.phone).pk
            if asked != Status.NEW:
                services.move(obj.pk, status=Status(asked))
            return
        if "phone" in form.changed_data:
            Lead.objects.filter(pk=obj.pk).update(phone=obj.phone)
        if "status" in form.changed_data:
            try:
                services.move(obj.pk, status=Status(obj.status))
            except services.SameStatusError as reason:
                # Somebody was faster.
                messages.info(request, str(reason))


@admin.register(LeadEvent)
class LeadEventAdmin(HistoryAdmin):
    list_display = ["lead", "status", "created_at", "told_crm_at"]
    list_filter = ["status"]
    list_select_related = ["lead"]
    search_fields = ["lead__phone"]
    ordering = ["-created_at", "-pk"]


@admin.register(Followup)
class FollowupAdmin(HistoryAdmin):
    list_display = ["lead", "rule", "state", "stay", "created_at", "sent_at"]
    list_filter = ["state", "rule", "rule__status"]
    list_select_related = ["lead", "rule"]
    search_fields = ["lead__phone"]
    ordering = ["-created_at", "-pk"]


@admin.register(FollowupRule)
class FollowupRuleAdmin(Admin):
    list_display = ["status", "delay", "enabled", "text"]
    list_filter = ["status", "enabled"]
    search_fields = ["text"]
