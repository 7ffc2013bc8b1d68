"""Views that send jobs, for tests of requests in a transaction and in an event loop."""

from __future__ import annotations

from asgiref.sync import sync_to_async
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import path

from holdfast.conf import get_settings
from tests.project import tasks


def send(request: HttpRequest, name: str) -> HttpResponse:
    tasks.effect.delay(name)
    return HttpResponse(name)


def send_and_fail(request: HttpRequest, name: str) -> HttpResponse:
    tasks.effect.delay(name)
    raise ValueError(name)


async def send_async(request: HttpRequest, name: str) -> HttpResponse:
    """Send in three ways from an event loop."""
    tasks.effect.delay(f"{name} delay")
    await tasks.effect.adelay(f"{name} adelay")
    await sync_to_async(_send_in_transaction)(f"{name} in a transaction")
    return HttpResponse(name)


def _send_in_transaction(name: str) -> None:
    with transaction.atomic(using=get_settings().database):
        tasks.effect.delay(name)


urlpatterns = [
    path("send/<str:name>/", send),
    path("fail/<str:name>/", send_and_fail),
    path("async/<str:name>/", send_async),
]
