"""Encrypted jobs on real workers: in no table, no list of Redis, no log and no event is there a word of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from celery import chain, chord
from celery.exceptions import ChordError
from cryptography.fernet import Fernet
from django.conf import settings
from django.test import override_settings

from holdfast.ledger.models import Attempt
from tests.dumps import dump
from tests.eventually import eventually
from tests.harness import Site, new_site
from tests.listening import hearing
from tests.project import secrets

KEY = Fernet.generate_key().decode()
SECRET = "swordfish"


@pytest.fixture(
    scope="module", params=[("sqlite", "threads"), ("postgres", "prefork")], ids="-".join
)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    kind, pool = request.param
    environment = {"HOLDFAST_ENCRYPTION_KEYS": KEY}
    with (
        new_site(kind, request, environment=environment) as site,
        override_settings(HOLDFAST={**settings.HOLDFAST, "encryption_keys": [KEY]}),
    ):
        site.worker(f"--include={secrets.__name__}", "-E", pool=pool)
        yield site


@pytest.fixture
def heard(site: Site) -> Iterator[list[dict[str, Any]]]:
    with hearing(site) as found:
        yield found


def test_no_word_of_an_encrypted_job_is_anywhere_and_all_of_them_come_through(
    site: Site, heard: list[dict[str, Any]]
) -> None:
    confide, gather = (site.app.tasks[task.name] for task in (secrets.confide, secrets.gather))
    told_of = site.app.tasks[secrets.told_of.name]
    prefork = site.database_url.startswith("postgres")
    ways = ["return", "retry", "progress", *(["die once"] if prefork else [])]
    good = [confide.delay(SECRET, how) for how in ways]
    good += confide.apply_many([(SECRET,), (SECRET,)])
    good.append(confide.apply_async((SECRET,), {"how": "return"}, compression="gzip"))
    good.append(site.task("told").apply_async((SECRET,), encrypt=True))
    good.append(chain(confide.s(SECRET), confide.s(), gather.s()).delay())
    whole = chord([confide.s(SECRET), confide.s(SECRET)], gather.s()).delay()
    bad = [
        confide.apply_async((SECRET, "raise"), link_error=told_of.s()),
        chain(confide.s(SECRET, "raise"), gather.s()).delay(),
        chord([confide.s(SECRET), confide.s(SECRET, "raise")], gather.s()).delay(),
    ]
    site.wait_all_final()

    assert all(SECRET in result.get(timeout=60) for result in good)
    assert whole.get(timeout=60) == [SECRET, SECRET]
    for result in bad:
        with pytest.raises((ValueError, ChordError), match=SECRET):
            result.get(timeout=60)
    eventually(
        lambda: site.effect_counts()[f"told of ValueError with {len(SECRET)} letters"] == 1,
        told="the error callback got the words",
    )
    errors = Attempt.objects.using(site.alias).values_list("error", flat=True)
    assert {"ValueError"} <= set(errors)

    kept = dump(site.alias)
    log = site.workers[0].log
    eventually(lambda: log.read_text().count("raised unexpected: ValueError") == 3)
    eventually(lambda: len([e for e in heard if e["type"] == "task-failed"]) == 3)
    text = log.read_text()
    assert "<encrypted>" in text
    for found in (kept, text, json.dumps(heard, default=str), in_redis(site)):
        assert SECRET not in found, found[max(0, found.index(SECRET) - 300) :][:400]


def in_redis(site: Site) -> str:
    """Return all that is in Redis now."""
    client = site.redis()
    dumped = [client.dump(key) for key in client.scan_iter()]
    return "\n".join(repr(value) for value in dumped)
