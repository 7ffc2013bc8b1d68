"""Workflows of every kind on real workers, whatever becomes of one member: each batch ends, and is told of it once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from celery.result import AsyncResult

import holdfast
from holdfast import Batch
from tests.docs.pages import ROOT, examples
from tests.eventually import eventually
from tests.harness import Site, new_site
from tests.project import batching
from tests.project.batching import DIES_AFTER_COMMIT, KINDS, SIZES, STAYS, WAITS

INCLUDE = f"--include={batching.__name__}"


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def running_site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site(request.param, request) as site:
        site.worker(INCLUDE, concurrency=3)
        yield site


@pytest.fixture
def site(running_site: Site, request: pytest.FixtureRequest) -> Iterator[Site]:
    unblock = request.getfixturevalue("django_db_blocker").unblock
    with unblock():
        running_site.wait_all_final()
        running_site.empty()
        gate(running_site).unlink(missing_ok=True)
        yield running_site


def gate(site: Site) -> Path:
    """The file that lets members go on which stay."""
    return Path(f"{site.effects_file}.gate")


def told(site: Site) -> Counter[str]:
    """Count what the callbacks noted."""
    return Counter(
        line.removeprefix("told ") for line in site.effects() if line.startswith("told ")
    )


def complete(site: Site, batch: Batch) -> bool:
    assert batch.is_complete(), f"{batch}: {site.open_jobs()}\n{site.log_tails()}"
    return True


def held_members(batch: Batch) -> list[AsyncResult[Any]]:
    return list(batch.members("held"))


def cancelled(batch: Batch) -> int:
    return batch.progress().cancelled


def await_ends(site: Site, sent: dict[str, Any], *events: str, within: float = 40) -> None:
    """Wait until all batches are complete and their callbacks have run; each of these once, and no other."""
    for batch, _ in sent.values():
        eventually(partial(complete, site, batch), within=within, told="the batch is complete")
    site.wait_all_final(within)
    assert told(site) == {f"{kind} {event}": 1 for kind in sent for event in events}


def assert_all_succeeded(site: Site, sent: dict[str, Any]) -> None:
    for kind, (batch, result) in sent.items():
        assert batch.has_succeeded(), kind
        progress = batch.progress()
        assert progress.total == progress.succeeded == SIZES[kind], kind
        if kind != "chain":
            assert kind in str(result.get(timeout=60)), kind


def await_start(site: Site) -> None:
    """Wait until members run and stay where they are, others behind them."""
    eventually(
        lambda: any(line.startswith("start ") for line in site.effects()),
        told="members stay",
    )


def test_every_kind_succeeds(site: Site) -> None:
    sent = batching.send("return")
    await_ends(site, sent, "complete", "success")
    assert_all_succeeded(site, sent)


@pytest.mark.parametrize("how", ["raise", pytest.param("reject", marks=pytest.mark.soak)])
def test_member_that_fails_for_good_ends_every_kind(site: Site, how: str) -> None:
    sent = batching.send(how)
    await_ends(site, sent, "complete", "failure")
    for kind, (batch, result) in sent.items():
        assert not batch.has_succeeded(), kind
        assert batch.progress().failed + batch.progress().dead == (2 if kind == "chunks" else 1)
        # The rest of a chain hears of a dead step from a loop.
        eventually(result.failed, told=f"the result of {kind} has failed")


@pytest.mark.soak
def test_member_that_kills_its_processes_is_dead_and_its_batch_complete(site: Site) -> None:
    sent = batching.send("lose child always", ["chord in a chain"])
    await_ends(site, sent, "complete", "failure")
    assert {batch.progress().dead for batch, _ in sent.values()} == {1}


@pytest.mark.short_on("sqlite")
def test_member_that_is_cancelled_while_it_waits_ends_every_kind(site: Site) -> None:
    sent = batching.send(WAITS)
    for kind, (batch, _) in sent.items():
        held = eventually(partial(held_members, batch), told=f"{kind} waits")
        holdfast.cancel(held[0], actor="test")
        if kind == "chunks":
            eventually(partial(cancelled, batch), told="one part is cancelled")
            assert not batch.is_complete()
            holdfast.cancel(held[1], actor="test")
    await_ends(site, sent, "complete")
    assert all(batch.progress().cancelled >= 1 for batch, _ in sent.values())


@pytest.mark.short_on("postgres")
def test_batches_are_cancelled_as_a_whole(site: Site) -> None:
    sent = batching.send(STAYS)
    await_start(site)
    for batch, _ in sent.values():
        batch.cancel(actor="test")
    await_ends(site, sent, "complete")
    assert all(batch.progress().cancelled >= 1 for batch, _ in sent.values())


@pytest.mark.short_on("sqlite")
def test_process_that_dies_between_a_members_commit_and_the_look_loses_no_callback(
    site: Site,
) -> None:
    # In chunks and starmap the members are calls of one job, which have no commit of their own.
    sent = batching.send(DIES_AFTER_COMMIT, ["group", "chord", "chain", "chord in a chain"])
    await_ends(site, sent, "complete", "success")
    assert_all_succeeded(site, sent)


def test_wiped_broker_ends_every_kind_well(site: Site) -> None:
    sent = batching.send(STAYS)
    await_start(site)
    site.redis().flushall()
    gate(site).touch()
    await_ends(site, sent, "complete", "success")
    assert_all_succeeded(site, sent)


@pytest.mark.short_on("postgres")
def test_killed_worker_ends_every_kind_well(site: Site) -> None:
    sent = batching.send(STAYS)
    await_start(site)
    site.kill_workers()
    gate(site).touch()
    site.worker(INCLUDE, concurrency=3)
    await_ends(site, sent, "complete", "success")
    assert_all_succeeded(site, sent)


def test_example_of_the_guide_to_batches_runs(site: Site) -> None:
    exec(examples(ROOT / "docs" / "guides" / "batches.md", language="python")[-1], {})
    assert site.counts() == {"succeeded": 21}


assert KINDS.keys() == SIZES.keys()
