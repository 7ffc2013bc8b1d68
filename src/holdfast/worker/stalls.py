"""When a worker counts as stalled: it is connected, or should be, and does not take what the broker has for it.

Judges by facts alone, and only in time in which this process ran: a process that stood still, or a machine that slept,
begins anew with its whole patience.
"""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.broker.canary import Heard

# A pass this late: the process was stopped, or had no processor.
GAP_SECONDS = 5.0
# Celery pauses up to 30 s between two tries to connect, and one try may take some seconds.
CONNECTING_SECONDS = 60.0
# Canaries in a row that came by a fetch that did not ask a queue.
PASSED_OVER = 3
LOOP = "its event loop does not turn"
CANARY = "what lies ready for it on the broker does not come"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known at one moment."""

    judged: bool = True
    """Whether anything can be told now: not while it starts or stops, nor while a body runs in the event loop."""
    connected: bool = True
    broker: bool = True
    """Whether the broker took the last canary; True where none is sent."""
    apart: bool = False
    """Whether there is no connection to a broker that takes canaries."""
    fetches: bool = True
    """Whether there is room for another message."""
    loop_asked_at: float | None = None
    """When the event loop was asked for a sign of life that it has not given."""
    canary_out_since: float | None = None
    """When the oldest canary was sent that has not come."""
    heard: Heard | None = None
    """The last one that came."""
    serves: frozenset[str] = frozenset()


class Stalls:
    """Remembers since when something that should end has lasted."""

    def __init__(self, *, patience: float) -> None:
        """Take the patience in seconds."""
        self._patience = patience
        self._since: dict[str, float] = {}
        self._last_pass: float | None = None
        self._passed_over: dict[str, int] = {}
        self._number = 0

    def gap(self, now: float) -> float:
        """Note a pass at `now`; return for how many seconds this process stood still before it, or 0."""
        before, self._last_pass = self._last_pass, now
        if before is None or now - before < GAP_SECONDS:
            return 0.0
        self.clear()
        return now - before

    def clear(self) -> None:
        """Begin with the whole patience."""
        self._since.clear()
        self._passed_over.clear()

    def cause(self, facts: Facts, now: float) -> str:
        """Return why the worker is stalled; empty if it is not, or if that cannot be told."""
        if not facts.judged or not facts.broker:
            self.clear()
            return ""
        apart = self._lasts("apart", facts.apart, now)
        connected = self._lasts("connected", facts.connected, now)
        fetches = self._lasts("fetches", facts.connected and facts.fetches, now)
        turns = min(connected, _age(facts.loop_asked_at, now))
        comes = min(fetches, _age(facts.canary_out_since, now))
        passed_over = self._passed_over_long(facts)
        if apart > self._patience + CONNECTING_SECONDS:
            return "it does not connect to a broker that answers"
        if turns > self._patience or (comes > self._patience and turns > self._patience / 2):
            return LOOP
        if comes > self._patience:
            return CANARY
        return f"it does not ask for {', '.join(passed_over)}" if passed_over else ""

    def _lasts(self, name: str, holds: bool, now: float) -> float:
        """Return for how many seconds it has held without a break."""
        if not holds:
            self._since.pop(name, None)
            return 0.0
        return now - self._since.setdefault(name, now)

    def _passed_over_long(self, facts: Facts) -> list[str]:
        """Count canaries, not time: a worker without room asks for nothing, and hears none."""
        heard = facts.heard
        if heard is not None and heard.number != self._number:
            self._number = heard.number
            self._passed_over = {
                queue: self._passed_over.get(queue, 0) + 1 for queue in facts.serves - heard.queues
            }
        return sorted(
            queue
            for queue, times in self._passed_over.items()
            if times >= PASSED_OVER and queue in facts.serves
        )


def _age(moment: float | None, now: float) -> float:
    return 0.0 if moment is None else now - moment
