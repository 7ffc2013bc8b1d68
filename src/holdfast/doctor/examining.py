"""One examination: every probe in the order of what it depends on, side by side where it can be, none for too long."""

from __future__ import annotations

import queue
import re
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from holdfast.doctor.findings import REGISTRY, Finding, define
from holdfast.doctor.look import Look
from holdfast.doctor.probing import THINGS, Absent, Probe, chosen, matches, probes
from holdfast.doctor.report import Report, Skipped
from holdfast.doctor.starting import failed, set_up

AT_ONCE = 6
_ACCOUNT = re.compile(r"(://[^\s:/@]*:)[^\s'\"]+(@)")
# Shorter ones are too likely to be part of another word.
SHORTEST_SECRET = 4

PROBE_FAILED = define(
    "holdfast.W297",
    title="A probe of the doctor failed",
    leads_to="What it looks at is not known to be healthy. The other probes were asked all the same.",
    repair="Read the error: it is often the database or the broker that refuses. If it is neither, it is an error of "
    "the doctor.",
)
PROBE_LATE = define(
    "holdfast.W298",
    title="A probe of the doctor had no answer in time",
    leads_to="What it looks at is not known to be healthy, and whoever answers it is slow or silent.",
    repair="Look at the service it asks, or give it more time: --timeout 10.",
)


def examine(
    *,
    only: Sequence[str] = (),
    deploy: bool = False,
    seconds: float | None = None,
    app: str = "",
    failure: BaseException | None = None,
) -> Report:
    """Look at the project and its services, and say what is wrong.

    Takes about as long as the slowest chain of probes, and at most the sum of their times: some seconds. Changes
    nothing. `only` names areas or ids, `deploy` adds the checklist of a deployment, `seconds` is how long each probe
    may take in place of its own bound, and `app` is where the Celery app is, if the project's package does not
    import it. A `failure` is what has ended the start of Django already.

    Raises:
        ValueError: `only` names neither an area nor a finding.
    """
    began = time.monotonic()
    asked = chosen(probes(), only=only, deploy=deploy)
    begun = set_up(app=app) if failure is None else [failed(failure)]
    look = Look(deploy=deploy)
    round = _Round(asked, look, seconds=seconds)
    if any(finding.severity.rank == 0 for finding in begun):
        round.broken.add("settings")
    round.run()
    found = [*begun, *round.found()]
    kept = [one for one in found if _is_wanted(one, only, round, begun)]
    silenced = _silenced(look)
    secrets = _secrets(look)
    shown = sorted(
        (_without(secrets, one) for one in kept if one.id not in silenced),
        key=lambda finding: finding.severity.rank,
    )
    return Report(
        findings=shown,
        skipped=round.skipped,
        asked=[probe.name for probe in asked if probe.name in round.answers],
        silenced=sorted({one.id for one in kept if one.id in silenced}),
        facts=_without(secrets, look.facts),
        seconds=time.monotonic() - began,
    )


@dataclass(slots=True)
class _Answer:
    findings: list[Finding]
    error: BaseException | None = None
    late: bool = False


class _Round:
    """The probes of one examination: which are asked, which wait, and what they have said."""

    def __init__(self, asked: Sequence[Probe], look: Look, *, seconds: float | None) -> None:
        self.asked = asked
        self.look = look
        self.seconds = seconds
        self.broken: set[str] = set()
        self.skipped: list[Skipped] = []
        self.answers: dict[str, _Answer] = {}
        self._waiting = list(asked)
        self._running: dict[str, tuple[Probe, float]] = {}
        self._arrived: queue.SimpleQueue[tuple[str, _Answer]] = queue.SimpleQueue()

    def run(self) -> None:
        """Ask all of them; return when each has answered, is late, or is not asked."""
        while self._waiting or self._running:
            ready = [one for one in self._waiting if self._is_ready(one)]
            if not ready and not self._running:
                # Probes that wait for each other would wait for ever.
                ready = self._waiting[:1]
            for probe in ready:
                if len(self._running) < AT_ONCE or not self._can_be_asked(probe):
                    self._waiting.remove(probe)
                    self._begin(probe)
            if self._running:
                self._await_one()

    def found(self) -> list[Finding]:
        """Return what was said, in the order in which the probes are registered."""
        return [
            finding
            for probe in self.asked
            if probe.name in self.answers
            for finding in self._judged(probe, self.answers[probe.name])
        ]

    def area_of(self, finding: Finding) -> set[str]:
        """Return the areas of the probes that said it."""
        return {
            probe.area
            for probe in self.asked
            if probe.name in self.answers and finding in self.answers[probe.name].findings
        }

    def _is_ready(self, probe: Probe) -> bool:
        before = [*self._waiting, *(one for one, _ in self._running.values())]
        return not any(
            set(probe.after).intersection(one.establishes) for one in before if one is not probe
        )

    def _can_be_asked(self, probe: Probe) -> bool:
        return not self.broken.intersection(probe.after)

    def _begin(self, probe: Probe) -> None:
        missing = next((thing for thing in probe.after if thing in self.broken), None)
        if missing is not None:
            self.skipped.append(Skipped(probe=probe.name, area=probe.area, because=THINGS[missing]))
            self.broken.update(probe.establishes)
            return
        seconds = self.seconds or probe.seconds
        self._running[probe.name] = (probe, time.monotonic() + seconds)
        # A daemon: one that hangs in a library must keep neither its neighbours nor the end of the process waiting.
        threading.Thread(
            target=self._ask, args=(probe, seconds), name=f"holdfast-{probe.name}", daemon=True
        ).start()

    def _ask(self, probe: Probe, seconds: float) -> None:
        answer = _Answer([])
        try:
            with self.look.during(seconds):
                answer.findings.extend(probe.look(self.look))
        except Exception as error:  # noqa: BLE001  # it is a finding about the probe
            answer.error = error
        self._arrived.put((probe.name, answer))

    def _await_one(self) -> None:
        until = min(deadline for _, deadline in self._running.values())
        try:
            name, answer = self._arrived.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            now = time.monotonic()
            for probe, deadline in list(self._running.values()):
                if deadline <= now:
                    self._close(probe, _Answer([], late=True))
            return
        # Whoever was late has been judged already.
        if name in self._running:
            self._close(self._running[name][0], answer)

    def _close(self, probe: Probe, answer: _Answer) -> None:
        del self._running[probe.name]
        self.answers[probe.name] = answer
        failed = answer.late or answer.error is not None
        if failed or any(finding.severity.rank == 0 for finding in answer.findings):
            self.broken.update(probe.establishes)

    def _judged(self, probe: Probe, answer: _Answer) -> list[Finding]:
        if answer.late:
            seconds = self.seconds or probe.seconds
            return [PROBE_LATE.seen(_late(probe, seconds), probe=probe.name, seconds=seconds)]
        if answer.error is None or isinstance(answer.error, Absent):
            return answer.findings
        said = f"{type(answer.error).__name__}: {answer.error}"
        failed = PROBE_FAILED.seen(
            f"The probe {probe.name} of the area {probe.area} raised {said}",
            probe=probe.name,
            error=said,
        )
        return [*answer.findings, failed]


def _late(probe: Probe, seconds: float) -> str:
    return f"The probe {probe.name} of the area {probe.area} had no answer within {seconds:g} s."


def _is_wanted(
    finding: Finding, only: Sequence[str], round: _Round, begun: Sequence[Finding]
) -> bool:
    """Keep what was asked for, and what keeps it from being known."""
    if not only or any(
        matches(finding.id, area, word)
        for word in only
        for area in round.area_of(finding) or {"settings"}
    ):
        return True
    if finding in begun:
        return finding.severity.rank == 0
    if finding.id in {PROBE_FAILED.id, PROBE_LATE.id}:
        return True
    return finding.severity.rank == 0 and any(
        probe.establishes and finding in round.answers[probe.name].findings
        for probe in round.asked
        if probe.name in round.answers
    )


def _silenced(look: Look) -> set[str]:
    try:
        return set(look.django.SILENCED_SYSTEM_CHECKS)
    except Exception:  # noqa: BLE001  # settings that do not load silence nothing
        return set()


def _secrets(look: Look) -> list[str]:
    try:
        found = {place.password for place in look.places}
    except Exception:  # noqa: BLE001  # the same
        return []
    return sorted((one for one in found if len(one) >= SHORTEST_SECRET), key=len, reverse=True)


def _without(secrets: Sequence[str], value: Any) -> Any:
    """Return a value without the passwords that are known: client libraries put whole URLs into their errors."""
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, "***")
        # Settings that do not load name no passwords, and their errors may.
        return _ACCOUNT.sub(r"\1***\2", value)
    if isinstance(value, dict):
        return {key: _without(secrets, each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without(secrets, each) for each in value]
    if isinstance(value, Finding):
        return replace(
            value,
            evidence=_without(secrets, value.evidence),
            # What is the same each time is ours: "redis://:password@host" in it is an example.
            repair=value.repair
            if value.id in REGISTRY and value.repair == REGISTRY[value.id].repair
            else _without(secrets, value.repair),
            data=_without(secrets, value.data),
        )
    return value
