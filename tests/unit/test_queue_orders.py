"""In which order a worker asks its queues: shares by weight, without starving anybody and without saving up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import pytest

from holdfast.broker.orders import Order, Strict, Weighted
from holdfast.conf import read
from holdfast.exceptions import ConfigurationError

WEIGHTS = {"critical": 6.0, "default": 3.0, "low": 1.0}


def fetch(order: Order, backlog: Counter[str], queues: Sequence[str], *, batch: int = 1) -> str:
    """Ask as BRPOP does: the first queue in the order that has a message gives up to a batch."""
    asked = order.of(queues)
    queue = next(name for name in asked if backlog[name])
    count = min(batch, backlog[queue])
    backlog[queue] -= count
    order.took(queue, count, asked=asked)
    return queue


def taken(order: Order, backlog: Mapping[str, int], rounds: int, *, batch: int = 1) -> Counter[str]:
    left = Counter(backlog)
    for _ in range(rounds):
        fetch(order, left, list(backlog), batch=batch)
    return Counter(backlog) - left


@pytest.mark.parametrize("batch", [1, 7])
def test_queues_share_by_weight_while_all_have_messages(batch: int) -> None:
    full = dict.fromkeys(WEIGHTS, 10_000)
    shares = taken(Weighted(WEIGHTS), full, 1000, batch=batch)
    assert shares["critical"] == pytest.approx(600 * batch, abs=2 * batch)
    assert shares["default"] == pytest.approx(300 * batch, abs=2 * batch)
    assert shares["low"] == pytest.approx(100 * batch, abs=2 * batch)


def test_share_is_of_messages_whatever_a_fetch_brings() -> None:
    order, queues = Weighted({}), ["in batches", "one by one"]
    got: Counter[str] = Counter()
    for _ in range(1000):
        asked = order.of(queues)
        count = 10 if asked[0] == "in batches" else 1
        order.took(asked[0], count, asked=asked)
        got[asked[0]] += count
    assert got["in batches"] == pytest.approx(got["one by one"], abs=10)


def test_queue_without_a_weight_has_one() -> None:
    shares = taken(Weighted({"critical": 3.0}), {"critical": 1000, "other": 1000}, 400)
    assert shares == {"critical": 300, "other": 100}


def test_queue_that_was_empty_has_saved_nothing_up() -> None:
    order, queues = Weighted(WEIGHTS), list(WEIGHTS)
    alone = Counter({"low": 500})
    for _ in range(500):
        fetch(order, alone, queues)
    back = Counter(dict.fromkeys(queues, 100))
    got = Counter(fetch(order, back, queues) for _ in range(50))
    assert got["critical"] == pytest.approx(30, abs=2)
    assert got["low"] == pytest.approx(5, abs=2), "it is not made to pay for its time alone"


def test_queue_that_is_new_begins_where_the_others_are() -> None:
    order = Weighted({})
    for _ in range(100):
        fetch(order, Counter({"a": 1}), ["a"])
    got = Counter(fetch(order, Counter({"a": 1, "b": 1}), ["a", "b"]) for _ in range(20))
    assert got["b"] == pytest.approx(10, abs=1)


def test_strict_order_empties_one_queue_before_the_next() -> None:
    left, queues = Counter({"critical": 2, "low": 2}), ["critical", "low"]
    assert [fetch(Strict(), left, queues) for _ in range(4)] == ["critical"] * 2 + ["low"] * 2


@pytest.mark.parametrize(
    "raw",
    [
        {"queue_order": "weighted"},
        {"queue_weights": {"a": 0}},
        {"queue_weights": {"a": "6"}},
        {"queue_weights": ["a"]},
        {"queue_weights": {"a": 1}, "queue_order": "strict"},
    ],
)
def test_orders_that_cannot_be_followed_are_refused(raw: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match="queue_"):
        read(raw)
