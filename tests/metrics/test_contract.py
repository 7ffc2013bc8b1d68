"""The names of metrics are a contract: what is told fits it, and none of it grows without bound."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from celery.schedules import crontab
from django.db import connections

from holdfast import Celery
from holdfast.ledger.reads import gauges, queue_reads, troubles
from holdfast.metrics import bounds, contract, parts
from holdfast.metrics.bounds import BUCKET_SECONDS
from holdfast.metrics.contract import CONTRACT
from holdfast.testing.services import RedisServer
from tests.alerting import stated
from tests.metrics.filled import fill
from tests.metrics.shown import OPENMETRICS, Scrape, scraped
from tests.surroundings import current_app

POSTGRES_ONLY = {
    contract.CONNECTIONS.name,
    contract.MOST_CONNECTIONS.name,
    contract.TABLE_BYTES.name,
    contract.TABLE_ROWS.name,
}


@pytest.fixture
def app(redis_server: RedisServer) -> Iterator[Celery]:
    """An app of a project with a schedule and alerts, whose Redis has a bound on its memory."""
    with current_app(redis_server.url) as app, stated(None, "ops", rules=[{"when": "missed"}]):
        app.conf.beat_schedule = {
            "nightly": {"task": "shop.close", "schedule": crontab(hour=3, minute=0)}
        }
        client = app.outbox.publisher.client()
        client.config_set("maxmemory", 512 * 2**20)
        yield app
        client.config_set("maxmemory", 0)


@pytest.fixture
def scrape(ledger: str, app: Celery) -> Scrape:
    fill(ledger)
    return scraped()


def bare(name: str) -> str:
    """Return a series' name as the contract has it."""
    for ending in ("_bucket", "_count", "_sum"):
        if name.removesuffix(ending) in CONTRACT:
            return name.removesuffix(ending)
    return name


def test_all_that_is_told_is_in_the_contract_and_all_of_it_is_told(
    ledger: str, scrape: Scrape
) -> None:
    told = {bare(sample.name) for family in scrape.families.values() for sample in family.samples}
    missing = POSTGRES_ONLY if connections[ledger].vendor == "sqlite" else set()
    assert told == CONTRACT.keys() - missing


def test_each_series_has_the_labels_and_the_kind_of_the_contract(scrape: Scrape) -> None:
    for family in scrape.families.values():
        for sample in family.samples:
            metric = CONTRACT[bare(sample.name)]
            assert set(sample.labels) - {"le"} == set(metric.labels), sample
            assert family.documentation == metric.says
            if metric.kind != "info":
                assert family.type == metric.kind, sample


def test_names_follow_the_rules_of_prometheus() -> None:
    for metric in CONTRACT.values():
        assert metric.name.startswith("holdfast_")
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert metric.name.endswith("_info") == (metric.kind == "info"), metric.name
        assert not any(word in metric.name for word in ("_ms", "_milli", "_minutes", "_kb", "_mb"))
        assert metric.says.endswith("."), metric.name
        assert "le" not in metric.labels
        # One series without labels; with labels a bound that somebody has thought of.
        assert (metric.most > 1) == bool(metric.labels and metric.kind != "info"), metric.name


def test_what_is_counted_ends_where_the_contract_says() -> None:
    assert {gauges.MOST, queue_reads.MOST, troubles.MOST} == {bounds.MOST_COUNTED}


def test_all_metrics_together_are_bounded() -> None:
    assert sum(metric.most for metric in CONTRACT.values()) < 15_000


def test_openmetrics_has_the_same_and_names_a_job_that_failed(ledger: str, app: Celery) -> None:
    fill(ledger)
    plain, opened = scraped(), scraped(accept=OPENMETRICS)
    (cause,) = opened.samples("holdfast_cause_failures_total")
    assert cause.value == 2
    assert cause.exemplar is not None
    assert len(cause.exemplar.labels["job"]) == 36
    told = {sample.name for family in opened.families.values() for sample in family.samples}
    assert told == {s.name for family in plain.families.values() for s in family.samples}


def test_histogram_rises_and_ends_with_all(scrape: Scrape) -> None:
    buckets = scrape.samples("holdfast_job_run_seconds_bucket")
    mail = [one for one in buckets if one.labels["task"] == "shop.mail"]
    values = [one.value for one in mail]
    assert values == sorted(values)
    assert [float(one.labels["le"]) for one in mail] == [*BUCKET_SECONDS, float("inf")]
    assert values[-1] == scrape.value("holdfast_job_run_seconds_count", task="shop.mail") == 6
    assert next(one.value for one in mail if float(one.labels["le"]) > 0.4) in {0, 6}
    half = [one.value for one in mail if float(one.labels["le"]) > 0.51]
    assert half[0] == 6
    assert next(one.value for one in mail if float(one.labels["le"]) >= 0.1995) == 0


def test_every_part_has_a_name_of_its_own_and_says_what_it_is() -> None:
    names = [part.name for part in parts.PARTS]
    assert len(set(names)) == len(names) <= contract.PART_UP.most
    assert all(part.read.__doc__ for part in parts.PARTS)
