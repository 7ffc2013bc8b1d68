"""Which of the tickets that wait in a worker are claimed next: nobody who wants a free slot waits for ever."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from holdfast.ledger.records import Refusal
from holdfast.worker.deliveries import Delivery
from holdfast.worker.waiting import Waiting


def waiting(*names: str) -> Waiting:
    return Waiting(Delivery(name, 1, None, None, None, None) for name in names)


def ids(batch: Iterable[Delivery]) -> list[str]:
    return [delivery.id for delivery in batch]


def test_all_are_taken_ahead_of_a_slot_while_none_wants_a_free_one() -> None:
    assert ids(waiting("a", "b", "c").take(free=-3, another=False)) == ["a", "b", "c"]


@pytest.mark.parametrize("why", [Refusal.SUSPECT, Refusal.LAST_CHANCE])
def test_one_that_wants_a_free_slot_gets_the_next_one_and_the_others_wait_for_theirs(
    why: Refusal,
) -> None:
    tickets = waiting("lost")
    lost = tickets.popleft()
    tickets.extend(waiting("a", "b"))
    tickets.keep(lost, why)
    assert ids(tickets.take(free=0, another=False)) == []
    first = ids(tickets.take(free=1, another=False))
    # Whoever waits longer is first; the next free slot is the lost one's.
    taken = (
        first + ids(tickets.take(free=1, another=False)) + ids(tickets.take(free=1, another=False))
    )
    assert sorted(taken) == ["a", "b", "lost"]
    assert not tickets


def test_job_on_its_last_chance_waits_for_another_one_and_holds_nobody_up() -> None:
    tickets = waiting("lost")
    tickets.keep(tickets.popleft(), Refusal.LAST_CHANCE)
    tickets.extend(waiting("a", "b"))
    assert ids(tickets.take(free=2, another=True)) == ["a", "b"]
    assert ids(tickets) == ["lost"]
    assert ids(tickets.take(free=1, another=False)) == ["lost"]
