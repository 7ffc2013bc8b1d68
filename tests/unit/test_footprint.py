"""Memory of a worker is told when it has changed, and only then."""

from __future__ import annotations

from holdfast.conf import get_settings
from holdfast.worker.footprint import Footprint
from holdfast.worker.growth import BEATS_APART

MIB = 2**20


class Machine:
    """A clock and the sizes of processes in MiB."""

    def __init__(self, **sizes: float) -> None:
        self.now = 0.0
        self.sizes = {int(pid.removeprefix("p")): mib for pid, mib in sizes.items()}
        self.footprint = Footprint(
            lambda: self.sizes, monotonic=lambda: self.now, read=self.sizes.get
        )

    def later(self) -> tuple[int, int] | None:
        self.now += get_settings().beat_seconds * BEATS_APART
        return self.footprint.look()


def test_all_processes_and_the_largest_are_told() -> None:
    assert Machine(p1=40.0, p2=60.0).later() == (100 * MIB, 60 * MIB)


def test_what_has_not_changed_is_not_told_again() -> None:
    machine = Machine(p1=100.0)
    assert machine.later() == (100 * MIB, 100 * MIB)
    machine.sizes[1] = 101.0
    assert machine.later() is None
    machine.sizes[1] = 120.0
    assert machine.later() == (120 * MIB, 120 * MIB)


def test_processes_are_looked_at_once_a_minute() -> None:
    machine = Machine(p1=100.0)
    machine.later()
    machine.sizes[1] = 900.0
    machine.now += get_settings().beat_seconds
    assert machine.footprint.look() is None


def test_process_that_is_gone_counts_no_more() -> None:
    machine = Machine(p1=40.0, p2=60.0)
    machine.later()
    del machine.sizes[2]
    assert machine.later() == (40 * MIB, 40 * MIB)


def test_new_life_of_a_worker_tells_again() -> None:
    machine = Machine(p1=40.0)
    machine.later()
    machine.footprint.forget()
    assert machine.footprint.look() == (40 * MIB, 40 * MIB)


def test_system_that_does_not_say_is_told_nothing_of() -> None:
    assert Footprint(lambda: [1], read=lambda _pid: None).look() is None
