"""Unique calls that a job's end sets off in a worker: no conflict undoes the end, and who waits is told."""

from __future__ import annotations

from typing import Any

import pytest
from celery import chain, chord

from holdfast import Batch, UniqueConflict
from tests.eventually import eventually
from tests.harness import Site
from tests.project import syncing
from tests.project.syncing import export, plain, sync, translate

INCLUDE = f"--include={syncing.__name__}"


def error_of(result: Any) -> BaseException:
    """Wait for a job that fails; return its error as the caller sees it."""
    eventually(result.ready, told="its end is told")
    assert isinstance(result.result, BaseException)
    return result.result


def test_ends_that_set_off_a_call_whose_key_is_taken_stand(site: Site) -> None:
    taken = sync.apply_async((1,), countdown=3600)
    said = translate.apply_async(("yes",), countdown=3600)
    sent = len(site.jobs())
    site.worker(INCLUDE, pool="threads", concurrency=2)

    linked = plain.apply_async((1,), link=[sync.si(1), translate.si("Yes"), plain.si(10)])
    chained = chain(plain.si(2), sync.si(1).on_error(plain.si(20)), plain.si(30)).delay()
    ended = chain(plain.si(3), sync.si(1)).delay()
    body = chord([plain.si(4), plain.si(5)], sync.si(1)).delay()
    inner = chord([chain(plain.si(6), sync.si(1)), plain.si(7)], plain.si(40)).delay()
    free = chain(plain.si(8), sync.si(2), plain.si(9)).delay()

    for waiting in (chained, ended, body, inner):
        error = error_of(waiting)
        assert taken.id in str(error) or isinstance(error, UniqueConflict)
    assert linked.get(timeout=60) == 1
    assert free.get(timeout=60) == 9
    eventually(lambda: len(site.open_jobs()) == 2, told="only the held jobs are open")
    assert set(site.open_jobs()) == {taken.id, said.id}
    # What had run has succeeded: its own end stands, whatever it could not send on.
    assert set(site.counts()) == {"held", "succeeded"}
    ran = {"plain 1", "plain 2", "plain 3", "plain 4", "plain 5", "plain 6", "plain 7", "plain 8"}
    assert site.effect_counts() == dict.fromkeys(
        [*ran, "plain 9", "plain 10", "plain 20", "sync 2 shop"], 1
    )
    assert len(site.jobs()) == sent + len(ran) + 4


def test_batch_does_not_count_on_a_job_that_is_no_member(site: Site) -> None:
    taken = export.delay(1)
    with pytest.raises(UniqueConflict, match="would not wait for it"), Batch():
        export.delay(1)
    with Batch() as batch:
        first = export.delay(2)
        assert export.delay(2).id == first.id
    assert batch.progress().total == 1
    assert export.delay(2).id == first.id, "a caller outside may well use the member"
    assert set(site.jobs()) == {taken.id, first.id}


def test_batch_leaves_its_callback_to_the_job_that_is_there(site: Site) -> None:
    taken = translate.delay("done")
    with Batch(on_complete=translate.si("done"), on_success=sync.si(5)) as batch:
        pass
    called = batch.row().called
    assert taken.id in str(called)
    assert len(site.jobs()) == 2
