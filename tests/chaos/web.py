"""A web process of the scenarios: a request records a job in its transaction, and answers with the job's id."""

from __future__ import annotations

from django.core.asgi import get_asgi_application
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import path

from holdfast.conf import get_settings


def order(request: HttpRequest) -> HttpResponse:
    """Commit a job; the answer is sent after that."""
    from tests.chaos import tasks

    with transaction.atomic(using=get_settings().database):
        job = tasks.work.delay(0.02)
    return HttpResponse(job.id)


urlpatterns = [path("order/", order)]
application = get_asgi_application()
