"""When the one who asks the ledger looks: at once for whoever has nothing else to do, else a little later for all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from holdfast.worker import clerk as module
from holdfast.worker.clerk import Clerk
from tests.eventually import eventually

LONG = 300.0


class Desk:
    """A clerk and what its passes have found."""

    def __init__(self) -> None:
        self.came: list[str] = []
        self.passes: list[list[str]] = []
        # What comes while the first pass is made.
        self.meanwhile: list[str] = []
        self.clerk = Clerk(self._one_pass)
        self.clerk.start()

    def _one_pass(self) -> bool:
        found, self.came = self.came, []
        if found:
            if not self.passes:
                self.came += self.meanwhile
            self.passes.append(found)
        return not found

    def put(self, one: str, *, at_once: bool) -> None:
        """Let something come."""
        self.came.append(one)
        self.clerk.wake(at_once=at_once)


@pytest.fixture
def desk(ledger: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[float], Desk]]:
    desks: list[Desk] = []

    def made(rest: float) -> Desk:
        monkeypatch.setattr(module, "REST_SECONDS", rest)
        desks.append(Desk())
        return desks[-1]

    yield made
    for one in desks:
        one.clerk.stop(seconds=30)


def test_first_to_come_waits_for_nobody_and_the_next_ones_share_a_pass(
    desk: Callable[[float], Desk],
) -> None:
    here = desk(LONG)
    here.meanwhile = ["second"]
    here.put("first", at_once=False)
    eventually(lambda: here.passes, told="the first is found")
    here.put("third", at_once=False)
    here.put("fourth", at_once=True)
    eventually(lambda: len(here.passes) > 1, told="the others are found")
    assert here.passes == [["first"], ["second", "third", "fourth"]]


def test_what_came_while_it_rested_is_found_without_another_word(
    desk: Callable[[float], Desk],
) -> None:
    here = desk(0.01)
    for number in range(200):
        here.put(str(number), at_once=False)
    eventually(lambda: sum(map(len, here.passes)) == 200, told="all of them are found")


def test_work_and_a_stop_wait_for_no_rest(desk: Callable[[float], Desk]) -> None:
    here = desk(LONG)
    here.put("first", at_once=False)
    eventually(lambda: here.passes == [["first"]], told="the first is found")
    done = threading.Event()
    here.clerk.submit(done.set)
    assert done.wait(30)
    here.put("second", at_once=False)
    here.clerk.stop(seconds=30)
    assert not [one for one in threading.enumerate() if one.name == "holdfast-clerk"]
