"""The recorded budgets: what each reading may be at most, and what to say of one that is more."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from benchmarks.budgets.readings import Reading, Readings, least, take

FILE = Path(__file__).with_name("budgets.json")
COMMAND = "python -m benchmarks.budgets --write"
# Less than this share of its budget: worth to be written down, so that it stays so.
WELL_BELOW = 0.9
SHOWN_STATEMENTS = 8
TRIES = 3
# Of round trips or statements a job, ten for a call of 500: what a call does once is no cost of a job.
ALLOWANCE = 0.02


@dataclass(frozen=True, slots=True)
class Excess:
    """A reading above its budget, or one of the two without the other."""

    database: str
    step: str
    measure: str
    found: float | None
    budget: float | None
    tolerance: float = 0.0
    statements: tuple[tuple[str, float], ...] = ()

    def __str__(self) -> str:
        what = f"{self.database}, {self.step}, {self.measure}"
        if self.budget is None:
            return f"{what}: {_number(self.found)}, and there is no budget. Record one: {COMMAND}"
        if self.found is None:
            return f"{what}: a budget of {_number(self.budget)}, and nothing reads it. Drop it: {COMMAND}"
        more = (self.found / self.budget - 1) * 100 if self.budget else float("inf")
        text = (
            f"{what}: {_number(self.found)}, the budget is {_number(self.budget)}: {more:.0f} % more, "
            f"where {self.tolerance:.0%} are let through. If it is worth its price: {COMMAND}"
        )
        if self.measure.startswith("sql") and self.statements:
            lines = [f"    {number:6.2f} x {head}" for head, number in self.statements]
            text += "\n  statements a job:\n" + "\n".join(lines)
        return text


@dataclass(frozen=True, slots=True)
class Budgets:
    """What is recorded, by database, step and measure.

    `tolerances` are by words: the first of them that "step, measure" has in it is taken.
    """

    values: dict[str, dict[str, dict[str, float]]]
    tolerances: dict[str, float]

    @classmethod
    def read(cls, path: Path = FILE) -> Self:
        """Read what is recorded."""
        found: dict[str, Any] = json.loads(path.read_text())
        return cls(found["budgets"], found["tolerances"])

    def write(self, path: Path = FILE) -> None:
        """Record these."""
        written = {
            "command": COMMAND,
            "python": platform.python_version(),
            "tolerances": self.tolerances,
            "budgets": self.values,
        }
        path.write_text(json.dumps(written, indent=1) + "\n")

    def with_readings(self, database: str, readings: Readings) -> Budgets:
        """Return these with the readings of a database as its budgets."""
        own = {
            step: {measure: _rounded(value) for measure, value in sorted(reading.values.items())}
            for step, reading in readings.items()
        }
        return Budgets(self.values | {database: own}, self.tolerances)

    def tolerance(self, step: str, measure: str) -> float:
        """Return the share by which a reading may exceed its budget."""
        name = f"{step}, {measure}"
        return next(share for words, share in self.tolerances.items() if words in name)

    def exceeded(self, database: str, readings: Readings) -> list[Excess]:
        """Return what costs more than it may, and what is on one side only."""
        found = []
        for step, measure in self._names(database, readings):
            reading = readings.get(step, Reading({}))
            value = reading.values.get(measure)
            budget = self.values.get(database, {}).get(step, {}).get(measure)
            tolerance = self.tolerance(step, measure)
            if (
                value is None
                or budget is None
                or value > budget * (1 + tolerance) + _allowance(measure)
            ):
                statements = tuple(reading.statements.items())[:SHOWN_STATEMENTS]
                found.append(Excess(database, step, measure, value, budget, tolerance, statements))
        return found

    def held_against(self, database: str) -> tuple[Readings, list[Excess]]:
        """Count everything, again if something is above its budget; return the least of it, and what is above still."""
        found = take(database)
        for _ in range(TRIES - 1):
            if not (exceeded := self.exceeded(database, found)):
                break
            if all(each.found is None or each.budget is None for each in exceeded):
                break
            found = least(found, take(database))
        return found, self.exceeded(database, found)

    def well_below(self, database: str, readings: Readings) -> list[str]:
        """Name what has become so much cheaper that its budget should follow."""
        return [
            f"{database}, {step}, {measure}: {_number(value)} of {_number(budget)}"
            for step, reading in readings.items()
            for measure, value in reading.values.items()
            if (budget := self.values.get(database, {}).get(step, {}).get(measure)) is not None
            and value < budget * WELL_BELOW
        ]

    def _names(self, database: str, readings: Readings) -> list[tuple[str, str]]:
        recorded = self.values.get(database, {})
        read = {step: reading.values for step, reading in readings.items()}
        names = [(step, name) for side in (read, recorded) for step in side for name in side[step]]
        return list(dict.fromkeys(names))


def _allowance(measure: str) -> float:
    return ALLOWANCE if measure.endswith(("round trips", "statements")) else 0.0


def _rounded(value: float) -> float:
    return round(value, 3) if value < 10 else round(value, 1) if value < 1000 else round(value)


def _number(value: float | None) -> str:
    return f"{_rounded(value or 0.0):,}"
