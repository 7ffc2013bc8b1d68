"""Custom headers reach every member, step, callback, retry and replay of what they were given to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import chain, chord, group
from celery.canvas import Signature

import holdfast
from tests.harness import Site, new_site

HEADERS = {"tenant": "acme", "trace": "t-1"}


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site(str(request.param), request) as site:
        site.worker()
        yield site


def _seen(site: Site, name: str, **kwargs: Any) -> Signature[Any]:
    return site.task("seen").s(name=name, **kwargs)


def _chain(site: Site) -> Signature[Any]:
    return chain(_seen(site, "1"), _seen(site, "2"), _seen(site, "3"), app=site.app)


def _group(site: Site) -> Signature[Any]:
    return group([_seen(site, str(i)) for i in range(3)], app=site.app)


def _chord(site: Site) -> Signature[Any]:
    return chord([_seen(site, "1"), _seen(site, "2")], _seen(site, "body"), app=site.app)


def _nested(site: Site) -> Signature[Any]:
    inner = chain(_seen(site, "1"), group(_seen(site, "2"), _seen(site, "3"), app=site.app))
    return chain(_seen(site, "0"), inner, _seen(site, "4"), _seen(site, "5"), app=site.app)


def _links(site: Site) -> Signature[Any]:
    first = _seen(site, "1")
    first.link(_seen(site, "2"))
    first.link(chain(_seen(site, "3"), _seen(site, "4"), app=site.app))
    return first


def _retries(site: Site) -> Signature[Any]:
    return chain(_seen(site, "1", fails=2), _seen(site, "2", fails=1), app=site.app)


def _replaced(site: Site) -> Signature[Any]:
    inside = chain(_seen(site, "1"), _seen(site, "2"), app=site.app)
    return chain(site.task("become").si(dict(inside)), _seen(site, "3"), app=site.app)


def _error_callback(site: Site) -> Signature[Any]:
    job = site.task("leave").s("raise", "with headers")
    return job.on_error(site.task("seen_at_failure").s(name="1"))


def _error_callback_of_a_chord(site: Site) -> Signature[Any]:
    body = site.task("collect").s().on_error(site.task("seen_at_failure").s(name="2"))
    return chord([site.task("leave").s("raise", "member"), _seen(site, "1")], body, app=site.app)


CANVAS: dict[str, tuple[Callable[[Site], Signature[Any]], int]] = {
    "chain": (_chain, 3),
    "group": (_group, 3),
    "chord": (_chord, 3),
    "nested": (_nested, 6),
    "links": (_links, 4),
    "retries": (_retries, 5),
    "replaced": (_replaced, 3),
    "error callback": (_error_callback, 1),
    "error callback of a chord": (_error_callback_of_a_chord, 2),
}


@pytest.mark.parametrize("kind", sorted(CANVAS))
def test_headers_reach_everything_that_follows(site: Site, kind: str) -> None:
    site.empty()
    build, runs = CANVAS[kind]

    build(site).apply_async(headers=dict(HEADERS))
    site.wait_all_final()

    seen = [line for line in site.effects() if line.startswith("seen ")]
    assert len(seen) == runs, seen
    assert [line for line in seen if not line.endswith(" acme t-1")] == []


def test_headers_of_its_own_win_over_those_of_the_chain(site: Site) -> None:
    site.empty()
    own = _seen(site, "own").set(headers={"tenant": "other"})
    chain(_seen(site, "first"), own, _seen(site, "last"), app=site.app).apply_async(
        headers=dict(HEADERS)
    )
    site.wait_all_final()

    assert "seen first acme t-1" in site.effects()
    assert "seen own other t-1" in site.effects()


def test_job_sent_by_a_body_starts_without_its_headers(site: Site) -> None:
    """As in Celery: what a body sends by itself is a call of its own, not a successor."""
    site.empty()
    site.task("send_seen").apply_async(("inside",), headers=dict(HEADERS))
    site.wait_all_final()

    assert site.effects() == ["seen inside None None"]


def test_headers_are_there_again_in_a_replay(site: Site) -> None:
    site.empty()
    sent = site.task("seen").apply_async(kwargs={"name": "twice"}, headers=dict(HEADERS))
    sent.get(timeout=60)

    assert holdfast.replay(sent.id).get(timeout=60) == HEADERS
    assert site.effects() == ["seen twice acme t-1"] * 2
