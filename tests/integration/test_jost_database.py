"""JOST on PostgreSQL: its web process keeps connections, and its workers do what they do with a pool of Django's."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import requests
from asgiref.sync import SyncToAsync
from django.core.management import call_command
from django.db import connections
from django.test import AsyncClient
from pytest_django import DjangoDbBlocker

from holdfast.testing.services import PostgresServer, RedisServer
from jost.reports.models import Category, Region, Sale
from tests.eventually import eventually
from tests.jost_site import JostSite
from tests.ledgers import sqlite_url
from tests.surroundings import database

REQUESTS = 20
OPENED = "SELECT sessions FROM pg_stat_database WHERE datname = '{name}'"


@pytest.mark.slow
def test_requests_share_the_connections_of_their_process(
    postgres_server: PostgresServer, private_directory: Path, tmp_path: Path
) -> None:
    name = "web_connections"
    url = postgres_server.create_database(name)
    with (
        RedisServer(private_directory) as redis,
        JostSite(tmp_path, redis_url=redis.url, database_url=url) as site,
    ):
        address = f"{site.web()}/api/reports/"
        requests.get(address, timeout=60).raise_for_status()
        before = int(postgres_server.execute(OPENED.format(name=name)))

        for _ in range(REQUESTS):
            requests.get(address, timeout=60).raise_for_status()

        assert int(postgres_server.execute(OPENED.format(name=name))) - before < REQUESTS / 2


@pytest.mark.slow
@pytest.mark.parametrize("pool", ["prefork", pytest.param("threads", marks=pytest.mark.soak)])
def test_workers_work_with_djangos_pool(
    pool: str, postgres_server: PostgresServer, private_directory: Path, tmp_path: Path
) -> None:
    url = postgres_server.create_database(f"pooled_{pool}")
    with (
        RedisServer(private_directory) as redis,
        JostSite(tmp_path, redis_url=redis.url, database_url=url) as site,
    ):
        site.environment["DATABASE_POOL"] = "6"
        site.worker(pool=pool, concurrency=2)
        web = f"{site.web()}/api/reports/"
        period = {"since": "2026-01-01", "until": "2026-03-31"}
        asked = [requests.post(web, json=period, timeout=60).json()["url"] for _ in range(10)]

        def made() -> bool:
            found = [requests.get(address, timeout=60).json() for address in asked]
            return all(report["state"] == "succeeded" for report in found)

        eventually(made, told="every report is made", every=0.2)


@pytest.mark.django_db
def test_middleware_does_not_change_threads_for_each_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hops = 0
    before = SyncToAsync.__call__

    async def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal hops
        hops += 1
        return await before(self, *args, **kwargs)

    monkeypatch.setattr(SyncToAsync, "__call__", counted)

    answer = asyncio.run(AsyncClient().get("/simulations/"))

    assert answer.status_code == 200
    # Six today. With a way in and out of the event loop for each middleware there would be 16.
    assert hops < 8


def test_sales_keep_their_region_and_category_when_these_become_numbers(
    database_url: str, tmp_path: Path, django_db_blocker: DjangoDbBlocker
) -> None:
    url = database_url or sqlite_url(tmp_path)
    with django_db_blocker.unblock(), database("words", url):
        call_command("migrate", "reports", "0002", database="words", verbosity=0)
        with connections["words"].cursor() as cursor:
            cursor.executemany(
                "INSERT INTO reports_sale (sold_on, region, category, customer, quantity, amount_cents)"
                " VALUES ('2026-01-01', %s, %s, 1, 1, 1)",
                [(region.label, category.label) for region in Region for category in Category],
            )

        call_command("migrate", "reports", database="words", verbosity=0)

        found = Sale.objects.using("words").order_by("pk").values_list("region", "category")
        assert list(found) == [(region, category) for region in Region for category in Category]
        call_command("migrate", "reports", "0002", database="words", verbosity=0)
        with connections["words"].cursor() as cursor:
            cursor.execute("SELECT region, category FROM reports_sale ORDER BY id LIMIT 1")
            assert cursor.fetchone() == ("Africa", "Books")
