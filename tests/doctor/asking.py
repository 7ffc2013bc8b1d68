"""Runs the doctor as people and pipelines do: a process of its own, its answer read as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.doctor.failing import no_probe_failed
from tests.eventually import eventually
from tests.processes import ROOT
from tests.warm import run


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one run has said."""

    status: int
    findings: list[dict[str, Any]]
    skipped: list[dict[str, Any]]
    asked: list[str]

    @property
    def ids(self) -> set[str]:
        """The ids it has found, as E401."""
        return {one["id"].removeprefix("holdfast.") for one in self.findings}

    def all(self, id: str) -> list[dict[str, Any]]:
        """Return the findings of an id."""
        return [one for one in self.findings if one["id"] == f"holdfast.{id}"]

    def one(self, id: str) -> dict[str, Any]:
        """Return the only finding of an id."""
        found = self.all(id)
        assert len(found) == 1, f"{len(found)} of {id} among {self.findings}"
        return found[0]

    def evidence(self, id: str) -> str:
        """Return what was seen of an id, all of it."""
        found = self.all(id)
        assert found, f"no {id}: {sorted(self.ids)}; not asked: {self.skipped}"
        return "\n".join(one["evidence"] for one in found)


def ask(environment: Mapping[str, str], *words: str, cwd: Path = ROOT) -> Told:
    """Run `python -m holdfast.doctor --json` with these words; probes have time, for machines are busy."""
    command = ["-m", "holdfast.doctor", "--json", "--timeout", "30", *words]
    done = run(command, environment=environment, cwd=cwd, timeout=120)
    assert done.stdout.strip(), f"status {done.returncode}, nothing on stdout:\n{done.stderr}"
    said = json.loads(done.stdout)
    no_probe_failed(said)
    return Told(
        status=done.returncode,
        findings=said["findings"],
        skipped=said["skipped"],
        asked=said["asked"],
    )


def until(environment: Mapping[str, str], id: str, *words: str, count: int = 1) -> Told:
    """Ask until an id is found so many times: some faults show a moment after they are made."""
    found: list[Told] = []

    def is_found() -> bool:
        found.append(ask(environment, *words))
        return len(found[-1].all(id)) == count

    eventually(is_found, told=f"{id} is found")
    return found[-1]


def only(*ids: str) -> list[str]:
    """Return the words that ask for some findings or areas."""
    return [word for id in ids for word in ("--only", id)]
