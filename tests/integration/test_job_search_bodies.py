"""Jobs found by what they were called with, as people may see it, on both databases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from kombu.utils.json import dumps

from holdfast import Celery
from holdfast.dispatch.argument_search import examination_of
from holdfast.ledger.models import Payload
from holdfast.ledger.reads.search import texts, walks
from holdfast.ledger.reads.search.bodies import LONGEST
from holdfast.ledger.reads.search.listing import Listing, listing
from holdfast.ledger.reads.search.ways import Sort
from holdfast.testing.services import RedisServer
from tests.rows import hire
from tests.searched import all_pages, called, failed, queued, succeeded
from tests.surroundings import shop_app


@pytest.fixture
def app(ledger: str, redis_server: RedisServer) -> Iterator[Celery]:
    """An app with a task `shop.charge(card, amount, api_token)`, whose last parameter is a secret."""
    with shop_app(redis_server.url, number=12) as app:
        yield app


def look(app: Celery, text: str, **more: Any) -> Listing:
    wanted = texts.read(text)
    return listing(wanted, examination=examination_of(app, wanted), **more)


def found(app: Celery, text: str, **more: Any) -> list[str]:
    return [row.id for row in look(app, text, **more).rows]


def charged(*args: Any, **kwargs: Any) -> str:
    return queued(task="shop.charge", body=dumps([args, kwargs, {}]).encode())


def test_an_argument_is_found_by_name_by_place_and_inside(app: Celery) -> None:
    first = charged("4111", 7)
    second = charged("4112", amount=7)
    third = charged({"user": {"name": "Ada Lovelace"}, "lines": [{"sku": "a-1"}]}, amount=8)

    assert found(app, "args.amount:7") == [second, first]
    assert found(app, "kwargs.amount:7") == [second]
    assert found(app, "args.1:7") == [first]
    assert found(app, "args.0:411*") == [second, first]
    assert found(app, "args.card:*12") == [second]
    assert found(app, 'args.card.user.name:"Ada Lovelace"') == [third]
    assert found(app, "args.card.user.name:*Love*") == [third]
    assert found(app, "args.card.lines.0.sku:a-1") == [third]
    assert found(app, "args.amount:7 args.card:4112") == [second]
    assert found(app, "args.amount:70") == found(app, "args.nothing:7") == []
    assert found(app, "args.card:7") == []
    assert found(app, "args.amount:8 state:queued task:shop.*") == [third]


VALUES = [
    ("ünïcode", "ünïcode"),
    ('a"b\\c', 'a"b\\c'),
    (UUID("019f0000-1234-7abc-8def-0123456789ab"), "019f0000-1234-7abc-8def-0123456789ab"),
    (UUID("019f0000-1234-7abc-8def-0123456789ab"), "*1234-7abc*"),
    (UUID("019f0000-1234-7abc-8def-0123456789ab"), "*-*"),
    (datetime(2026, 3, 1, 12, tzinfo=UTC), "2026-03-01T12:00:00+00:00"),
    (datetime(2026, 3, 1, 12, tzinfo=UTC), "2026-03-01 12:00*"),
    (date(2026, 3, 1), "2026-03-01"),
    (Decimal("10.50"), "10.50"),
    (True, "true"),
    (None, "null"),
    (1.5, "1.5"),
    (-3, "-3"),
    ("true", "true"),
    (float("inf"), "inf"),
]


@pytest.mark.parametrize(("value", "asked"), VALUES, ids=lambda value: str(value)[:12])
def test_values_are_found_by_their_texts(app: Celery, value: Any, asked: str) -> None:
    queued(task="shop.charge", body=called("x", 1))
    job = charged("4111", value)
    quoted = asked.replace("\\", "\\\\").replace('"', '\\"')
    assert found(app, f'args.amount:"{quoted}"') == [job]


def test_a_secret_is_not_found_by_guessing(app: Celery) -> None:
    charged("4111", 7, "s3cret")
    charged("4111", 7, api_token="s3cret")
    charged({"password": "s3cret", "ok": 1}, 7)
    for text in (
        "args.api_token:s3cret",
        "args.2:s3cret",
        "kwargs.api_token:s*",
        "args.card.password:s3cret",
        "args.api_token:*cre*",
    ):
        assert found(app, text) == [], text
    assert len(found(app, "args.card.ok:1")) == 1


def test_what_cannot_be_searched_is_counted_and_not_shown(app: Celery) -> None:
    plain = charged("4111", 7)
    queued(body=b"gAAAA", content_encoding="utf-8+encrypted:0a")
    queued(body=b"\x80", content_type="application/x-python-serialize")
    queued(body=b"x\x9c", headers=json.dumps({"compression": "application/x-gzip"}))
    said = json.dumps({"argsrepr": "the seventh", "kwargsrepr": "{}"})
    queued(task="shop.charge", headers=said, body=called("4111", 7))
    queued(task="shop.charge", body=called("4111", 7, note="x" * LONGEST))
    page = look(app, "args.amount:7")
    assert [row.id for row in page.rows] == [plain]
    unread = page.unread
    assert (unread.encrypted, unread.other_serializer, unread.compressed) == (1, 1, 1)
    assert (unread.described, unread.too_long) == (1, 1)
    assert unread.total == 5


def test_jobs_are_found_by_their_correlation(app: Celery) -> None:
    first = queued(headers=json.dumps({"correlation_id": "request-7"}))
    queued(headers=json.dumps({"correlation_id": "request-71"}))
    queued(headers=json.dumps({"other": "request-7"}), body=b"encrypted", content_encoding="x")
    assert found(app, "correlation:request-7") == [first]
    both = queued(
        task="shop.charge",
        headers=json.dumps({"correlation_id": "ü"}),
        body=called("4111", amount=7),
    )
    assert found(app, "correlation:ü args.amount:7") == [both]


def test_histories_of_different_density_are_put_together(
    app: Celery, ledger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walks, "FIRST_BODIES", 2)
    worker = hire()
    # Two of a task with a retention of its own, far apart, and many of others between them.
    ids = [
        succeeded(worker, task="shop.charge", kept_apart=apart, body=called("4111", 3))
        for apart in (True, *[False] * 10, True)
    ]
    text = "args.amount:3 task:shop.charge"
    found_ids = all_pages(
        text,
        limit=50,
        sort=Sort.LAST_FINISHED,
        examination=examination_of(app, texts.read(text)),
    )
    assert sorted(found_ids) == sorted(ids)


def test_a_look_into_bodies_goes_on_where_its_time_was_over(
    app: Celery, ledger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walks, "FIRST_BODIES", 4)
    monkeypatch.setattr(walks, "CHUNK", 2)
    worker = hire()
    wanted = []
    for n in range(12):
        id = failed(worker, task="shop.charge", body=called("4111", n % 5))
        if n % 5 == 3:
            wanted.append(id)
    text = "args.amount:3"
    for sort in (Sort.NEWEST, Sort.LAST_FINISHED):
        for limit in (1, 50):
            ids = all_pages(
                text,
                limit=limit,
                sort=sort,
                examination=examination_of(app, texts.read(text)),
                budget_seconds=0,
            )
            assert ids == wanted[::-1], (sort, limit)
    in_a_set = all_pages(
        f"{text} state:failed",
        limit=1,
        sort=Sort.NEWEST,
        examination=examination_of(app, texts.read(text)),
        budget_seconds=0,
    )
    assert in_a_set == wanted[::-1]
    Payload.objects.using(ledger).all().delete()
    assert found(app, text) == []
