"""Runs the doctor as a process, on a project whose settings a test makes sick."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.doctor.failing import no_probe_failed
from tests.surroundings import inherited
from tests.warm import run

ROOT = Path(__file__).resolve().parents[3]
NOWHERE = "redis://127.0.0.1:1/0"
OUTSIDE = {
    # What a test process itself runs in is not what is asked.
    "DOCTOR_IN_CONTAINER": "no",
    # Settings that are written again within a second, as long as before, would be taken for those that were compiled.
    "PYTHONDONTWRITEBYTECODE": "1",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What the process has said."""

    status: int
    said: dict[str, Any]
    remarks: str

    @property
    def ids(self) -> set[str]:
        """Return the ids without their prefix."""
        return {finding["id"].removeprefix("holdfast.") for finding in self.said["findings"]}

    def of(self, id: str) -> dict[str, Any]:
        """Return the one finding of an id."""
        found = [one for one in self.said["findings"] if one["id"] == f"holdfast.{id}"]
        assert len(found) == 1, f"{id} was not said once: {self.told()}"
        return dict(found[0])

    def told(self) -> str:
        """Return all that was said, for a message."""
        lines = [f"{one['id']}: {one['evidence']}" for one in self.said["findings"]]
        skipped = [
            f"{one['probe']} was not asked: {one['because']}" for one in self.said["skipped"]
        ]
        return "\n".join([*lines, *skipped, self.remarks[-2000:]])


class Clinic:
    """A folder with a project in it, whose settings are those of the tests and what a test adds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.code = ""
        """Python that is added to the settings."""

    def doctor(
        self,
        *words: str,
        broker: str | None = NOWHERE,
        celery: Mapping[str, Any] | None = None,
        environment: Mapping[str, str | None] | None = None,
        command: tuple[str, ...] = ("-m", "holdfast.doctor"),
    ) -> Seen:
        """Ask as a process with --json, and check that what is said has its shape; see `run`."""
        seen = self.run(
            "--json",
            *words,
            broker=broker,
            celery=celery,
            environment=environment,
            command=command,
        )
        assert {"findings", "skipped"} <= set(seen.said)
        return seen

    def run(
        self,
        *words: str,
        broker: str | None = NOWHERE,
        celery: Mapping[str, Any] | None = None,
        environment: Mapping[str, str | None] | None = None,
        command: tuple[str, ...] = ("-m", "holdfast.doctor"),
    ) -> Seen:
        """Ask as a process, with time for each probe: machines are busy. A variable that is None is not set."""
        if "--timeout" not in words and command[0] != "-c":
            words = (*words, "--timeout", "15")
        done = run(
            [*command, *words],
            environment=self.environment(broker=broker, celery=celery, more=environment),
            cwd=self.folder,
            timeout=100,
        )
        assert done.stdout, done.stderr
        said = json.loads(done.stdout)
        no_probe_failed(said)
        return Seen(done.returncode, said, done.stderr)

    def environment(
        self,
        *,
        broker: str | None,
        celery: Mapping[str, Any] | None = None,
        more: Mapping[str, str | None] | None = None,
    ) -> dict[str, str]:
        """Write the settings, and return the environment that leads to them."""
        (self.folder / "sick.py").write_text(f"from tests.settings import *\n{self.code}\n")
        variables: dict[str, str | None] = {
            **inherited(),
            **OUTSIDE,
            "DJANGO_SETTINGS_MODULE": "sick",
            "PYTHONPATH": f"{ROOT}:{self.folder}",
            "TEST_DATABASE_URL": f"sqlite:///{self.folder / 'ledger.sqlite3'}",
            "TEST_CELERY": json.dumps({"task_time_limit": 60, **(celery or {})}),
            "TEST_BROKER_URL": broker,
            **(more or {}),
        }
        return {name: value for name, value in variables.items() if value is not None}
