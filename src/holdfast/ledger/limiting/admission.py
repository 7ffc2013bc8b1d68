"""Admission: which of the jobs that wait at a limit go on now; one short transaction, by whoever has a reason to ask.

Who admits holds the rows of the limits, so that no two count at once. What is counted are rows: jobs that were
admitted and are queued or running. Nothing is written where a job is claimed or ends, and what a dead process was
about to give back is given back by its job's own move.
What if it dies here? Before the commit: nothing happened, the next one who asks does it. After it, before the
tickets are on the broker: the jobs are queued, and the reconciler finds that the broker does not hold them.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

from holdfast.ledger.database import atomic, dialect
from holdfast.ledger.limiting import limits, lines
from holdfast.ledger.limiting.bounds import Bounds
from holdfast.ledger.limiting.lines import Waiting
from holdfast.ledger.limiting.rooms import Room
from holdfast.ledger.records import Ticket

logger = logging.getLogger("holdfast.ledger")
# Jobs moved by one transaction, and keys looked at by it.
BATCH = 500
KEYS = 64
# Transactions of one call: what is left then is taken up by the relay.
ROUNDS = 20
# Which limits were seen together: their rows are locked in one go, in the order of their names.
_together: dict[str, frozenset[str]] = {}


@dataclass(slots=True)
class Admitted:
    """What came of asking one limit."""

    tickets: list[Ticket] = field(default_factory=list)
    """Jobs that are queued now: the caller publishes them."""
    again_in: float | None = None
    """Seconds until the rate lets the next one in; None if time alone lets nobody in."""


@dataclass(slots=True)
class _Choice:
    admitted: list[Waiting] = field(default_factory=list)
    elsewhere: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    last_key: str | None = None
    full: bool = False


class _MoreLimits(Exception):
    """A job waits here that has limits whose rows are not locked."""

    def __init__(self, names: Collection[str]) -> None:
        self.names = frozenset(names)


def admit(
    name: str,
    *,
    stated: Callable[[str], Bounds | None],
    keys: Collection[str] = (),
    most: int = BATCH * ROUNDS,
    exactly: bool = True,
    waits: bool = False,
) -> Admitted:
    """Let jobs go on that wait at a limit, as many as fit: round by round of the keys, by priority, oldest first.

    Args:
        name: the limit.
        stated: what the code says of a limit that the ledger does not know.
        keys: for which something has changed. A limit that bounds each key alone looks at no others then.
        most: how many jobs, at most.
        waits: that somebody waits is known.
        exactly: False: jobs that ended a moment ago may still count where that leaves room enough; it is faster.
    """
    done = Admitted()
    for _ in range(ROUNDS):
        if most <= 0 or not (waits or lines.anybody_waits(name)):
            break
        waits = False
        try:
            with atomic():
                locked = _locked(name, stated, exactly=exactly)
                more = _one_round(locked, locked[name], done, wanted=keys, most=min(most, BATCH))
        except _MoreLimits as unlocked:
            _together[name] = _together.get(name, frozenset()) | unlocked.names
            continue
        if more is None:
            break
        most -= more
    return done


def _one_round(
    locked: dict[str, Room], here: Room, done: Admitted, *, wanted: Collection[str], most: int
) -> int | None:
    """Admit one batch; return how many jobs moved, None if there is nothing more to do now."""
    near = bool(wanted) and here.is_by_key_alone
    keys = (
        sorted(wanted)[:KEYS]
        if near
        else lines.next_keys(here.name, after=here.last_key, many=KEYS)
    )
    choice = _choose(here, locked, keys, most=most)
    tickets, held_up = _write(choice, locked)
    if choice.last_key not in {None, here.last_key} and not near:
        here.last_key, here.touched = str(choice.last_key), True
    for room in locked.values():
        if room.touched:
            lines.save(room)
    if here.bounds.skip:
        lines.skip_who_must_wait(here)
    done.tickets += tickets
    done.again_in = here.seconds_to_next()
    looked = len(choice.admitted) + sum(map(len, choice.elsewhere.values()))
    everything_seen = near or len(keys) < KEYS
    # Of those that were gone the room is left for others.
    full = held_up or (choice.full and len(tickets) == len(choice.admitted))
    return None if full or (everything_seen and not looked) else looked


def _locked(name: str, stated: Callable[[str], Bounds | None], *, exactly: bool) -> dict[str, Room]:
    names = sorted({name} | _together.get(name, frozenset()))
    rooms = lines.locked_rooms(names, exactly=exactly)
    if known := {n: its for n in names if n not in rooms and (its := stated(n)) is not None}:
        limits.declare(known, overwrite=False)
        rooms = lines.locked_rooms(names, exactly=exactly)
    counted_roughly = not exactly and all(room.bounds.rate is None for room in rooms.values())
    if counted_roughly and any(room.is_full for room in rooms.values()):
        return _locked(name, stated, exactly=True)
    for unknown in set(names) - rooms.keys():
        logger.warning(
            "Jobs wait at limit %r, and nobody knows what it allows: they go on without. Start a worker whose code "
            "has it.",
            unknown,
        )
        rooms[unknown] = Room(unknown, Bounds())
    if any(room.bounds.rate is not None for room in rooms.values()):
        now = dialect().now()
        for room in rooms.values():
            room.refill(now)
    return rooms


def _write(choice: _Choice, locked: dict[str, Room]) -> tuple[list[Ticket], bool]:
    tickets, held_up = lines.let_in([waiting.job for waiting in choice.admitted])
    gone = {waiting.job for waiting in choice.admitted} - {ticket.id for ticket in tickets}
    for waiting in choice.admitted:
        if waiting.job in gone:
            for use in waiting.uses:
                locked[use.limit].give_back(use)
    for other, jobs in choice.elsewhere.items():
        lines.go_to(other, jobs)
    return tickets, held_up


def _choose(here: Room, locked: dict[str, Room], keys: Sequence[str], *, most: int) -> _Choice:
    """Decide who of the line goes on: nothing is written, but what is taken is taken from the rooms."""
    choice = _Choice()
    if here.is_full:
        choice.full = True
        return choice
    each = min(most, here.most_that_fit() // max(1, len(keys)) + 1)
    heads = lines.heads(here.name, keys, each=each)
    unlocked = {
        use.limit for line in heads.values() for w in line for use in w.uses
    } - locked.keys()
    if unlocked:
        raise _MoreLimits(unlocked)
    for waiting in _in_turn(heads, keys):
        blocked = next((use for use in waiting.uses if not locked[use.limit].fits(use)), None)
        if blocked is None:
            for use in waiting.uses:
                locked[use.limit].take(use)
            choice.admitted.append(waiting)
        elif blocked.limit != here.name:
            # It waits where it is refused, and is in nobody's way here.
            choice.elsewhere[blocked.limit].append(waiting.job)
        elif not here.has_room_for_key(blocked):
            heads[blocked.key].clear()
        else:
            # The next in line does not fit: nobody overtakes it.
            choice.full = True
            break
        choice.last_key = waiting.use.key
        if len(choice.admitted) >= most:
            break
    return choice


def _in_turn(heads: dict[str, list[Waiting]], keys: Sequence[str]) -> Iterator[Waiting]:
    """Yield the first of each key, then the second of each, and so on."""
    while True:
        turn = [heads[key].pop(0) for key in keys if heads.get(key)]
        if not turn:
            return
        yield from turn
