"""What is to work on every broker: jobs sent in many ways, and what must have become of them."""

from __future__ import annotations

from typing import Any

from celery import chain, chord, group

from tests.harness import Site


def send_of_each_kind(site: Site) -> dict[str, Any]:
    """Send jobs that succeed, retry, wait, fail, and follow one another; return their handles by name."""
    add, effect, leave = site.task("add"), site.task("effect"), site.task("leave")
    members = group(add.s(n, n) for n in range(3))
    return {
        "plain": add.delay(1, 2),
        "later": effect.apply_async(("later",), countdown=0.5),
        "urgent": effect.apply_async(("urgent",), priority=9),
        "retried": leave.delay("retry", "retried"),
        "failed": leave.delay("raise", "failed"),
        "chained": chain(add.s(1, 1), add.s(10), add.s(100), app=site.app).delay(),
        "chorded": chord(members, site.task("total").s(), app=site.app).delay(),
        "not durable": site.task("leave_plain").delay("return", "not durable"),
    }


def assert_ended(site: Site, sent: dict[str, Any]) -> None:
    """Wait for the end of what was sent, and hold it against what must come of it."""
    assert sent["plain"].get(timeout=60) == 3
    assert sent["later"].get(timeout=60) == "later"
    assert sent["urgent"].get(timeout=60) == "urgent"
    assert sent["retried"].get(timeout=60) == "retried"
    assert sent["chained"].get(timeout=60) == 112
    assert sent["chorded"].get(timeout=60) == 6
    assert isinstance(sent["failed"].get(timeout=60, propagate=False), ValueError)
    site.wait_all_final()
    assert site.effect_counts()["start retried"] == 2
    assert site.effect_counts()["end urgent"] == 1
    site.await_effect("start not durable")
