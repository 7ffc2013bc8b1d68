"""One thing of every kind that has an owner in JOST, and where pages and API have it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any
from unittest.mock import patch

from django.apps import apps
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from drf_spectacular.generators import SchemaGenerator

from holdfast.ledger.models import Job
from holdfast.testing import HoldfastJobs
from jost.gateways.clients import Gateway
from jost.imports import services
from jost.leads.models import FollowupRule
from jost.leads.services import add_lead
from jost.orders import checkout
from jost.orders.models import Product
from jost.reports import making
from jost.reports.links import link_token
from jost.reports.models import Category, Region, ReportFile, Sale
from jost.reports.periods import period
from jost.simulations import lifecycle, studies
from tests.simulated import ROUNDS, plain_setup

MONTH = period(since=date(2026, 1, 1), until=date(2026, 1, 31))
UPLOAD = b"email,name,phone\nada@example.com,Ada,\nnobody,Nobody,\n"
BOOKS = {"region": Region.ASIA, "category": Category.BOOKS}
METHODS = {"get", "post", "put", "patch", "delete"}


def belongings(owner: User | None, *, jobs: HoldfastJobs) -> dict[str, Any]:
    """Make the things of one user, let their jobs run, and return their numbers by path of the API."""
    things = begun(owner)
    # The world outside takes money and mails without a word.
    with patch.object(Gateway, "send", return_value=1):
        jobs.drain()
    file = ReportFile.objects.filter(report=things["/api/reports/{id}/"])[0]
    return things | {"/api/reports/files/{token}/": link_token(file)}


def begun(owner: User | None, *, key: str = "first") -> dict[str, Any]:
    """The same before any job has run, so without files of reports; each order has another key."""
    simulation = lifecycle.start(plain_setup(), rounds=ROUNDS, seed=1, owner=owner)
    setups = [plain_setup(), plain_setup(decks=1)]
    study = studies.compare(setups, rounds=ROUNDS, seed=1, owner=owner)
    order = checkout.place({_tea().pk: 1}, email="ada@example.com", key=key, owner=owner)
    upload = SimpleUploadedFile("people.csv", UPLOAD, content_type="text/csv")
    source = services.begin(upload, owner=owner)
    Sale.objects.create(sold_on=MONTH.since, customer=1, quantity=1, amount_cents=250, **BOOKS)
    return {
        "/api/simulations/{id}/": simulation.pk,
        "/api/simulations/studies/{id}/": study.pk,
        "/api/orders/{id}/": order.pk,
        "/api/imports/{id}/": source.pk,
        "/api/reports/{id}/": making.ask(MONTH, owner=owner).pk,
    }


def shared() -> dict[str, Any]:
    """What everybody has who may use JOST at all, made if it is not there."""
    lead = add_lead("+4930123456")
    rule = FollowupRule.objects.create(status="new", delay=5, text="Still there?")
    followup = lead.followups.create(rule=rule, stay=lead.status_since)
    return {
        "/lead/leads/{id}/": lead.pk,
        "/lead/leads_events/{id}/": lead.events.all()[0].pk,
        "/lead/leads_followups/{id}/": followup.pk,
        "/lead/leads_followup_rules/{id}/": rule.pk,
        "/api/orders/products/{id}/": _tea().pk,
    }


def schema() -> dict[str, Any]:
    """The description of the whole API."""
    generated: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return generated


def operations(described: Mapping[str, Any] | None = None) -> list[tuple[str, str]]:
    """Every method and path of the API."""
    paths = (described or schema())["paths"]
    return [(method, path) for path in paths for method in paths[path] if method in METHODS]


def address(path: str, things: Mapping[str, Any]) -> str:
    """The path of an operation with the number of a thing in it; KeyError for a kind that is not known."""
    head = re.match(r".*?\{\w+\}/", path)
    if head is None:
        return path
    return re.sub(r"\{\w+\}", str(things[head[0]]), path)


def everything() -> dict[str, list[Any]]:
    """All rows of JOST and all jobs, to see whether anything has changed."""
    models = [
        model
        for config in apps.get_app_configs()
        if config.name.startswith("jost.")
        for model in config.get_models()
    ]
    rows = {
        model.__name__: list(model._default_manager.order_by("pk").values()) for model in models
    }
    return {**rows, "Job": list(Job.objects.order_by("pk").values_list("id", "state"))}


def _tea() -> Product:
    product, _ = Product.objects.get_or_create(name="Tea", defaults={"price": 4, "stock": 100})
    return product
