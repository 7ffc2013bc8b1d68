"""Accounts in the admin: looked at, with the mails they got."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from jost.admin import HistoryAdmin, HistoryInline, note

from .models import Account, Mail
from .tasks import send_mail


class MailInline(HistoryInline):
    model = Mail
    fields = ["number", "kind", "asked_at", "sent_at", "correlation"]


@admin.register(Account)
class AccountAdmin(HistoryAdmin):
    list_display = ["user", "created_at", "activated_at"]
    list_select_related = ["user"]
    search_fields = ["user__username"]
    inlines = [MailInline]


@admin.register(Mail)
class MailAdmin(HistoryAdmin):
    list_display = ["account", "number", "kind", "asked_at", "sent_at", "correlation"]
    list_filter = ["kind", ("sent_at", admin.EmptyFieldListFilter)]
    list_select_related = ["account__user"]
    search_fields = ["account__user__username", "correlation"]
    actions = ["send"]

    @admin.action(description="Send what is not sent", permissions=["send"])
    def send(self, request: HttpRequest, mails: QuerySet[Any]) -> None:
        """What is sent stays sent once: the job looks first."""
        unsent = list(mails.filter(sent_at=None).values_list("pk", flat=True))
        with transaction.atomic():
            for number in unsent:
                send_mail.delay(number)
            note(request, Mail.objects.filter(pk__in=unsent), message="Sent on.")
        self.message_user(request, f"{len(unsent)} sent on.")

    def has_send_permission(self, request: HttpRequest) -> bool:
        """Only for whoever may change mails, though nobody writes their fields here."""
        return request.user.has_perm("accounts.change_mail")
