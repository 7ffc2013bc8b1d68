"""Where this process runs: in a container or not, and what its environment says."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# Says it where the signs below are wrong.
OVERRIDE = "DOCTOR_IN_CONTAINER"
_OF_GROUPS = re.compile(r"docker|kubepods|containerd|libpod|lxc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What is known of the host."""

    container: str
    """"docker", "podman", "kubernetes" or "a container"; empty outside of one."""
    sign: str
    """What it is known by."""
    folder: Path
    """Where the process was started."""

    @classmethod
    def read(
        cls, *, environment: Mapping[str, str] | None = None, root: Path = Path("/")
    ) -> Surroundings:
        """Look at the signs that the runtimes leave."""
        environment = os.environ if environment is None else environment
        container, sign = _container(environment, root)
        return cls(container=container, sign=sign, folder=Path.cwd())


def _container(environment: Mapping[str, str], root: Path) -> tuple[str, str]:
    said = environment.get(OVERRIDE, "").lower()
    if said:
        return ("", "") if said in {"0", "no", "false"} else ("a container", f"{OVERRIDE}={said}")
    if environment.get("KUBERNETES_SERVICE_HOST"):
        return "kubernetes", "KUBERNETES_SERVICE_HOST is set"
    for name, runtime in (("run/.containerenv", "podman"), (".dockerenv", "docker")):
        if (root / name).exists():
            return runtime, f"{root / name} is there"
    try:
        groups = (root / "proc/1/cgroup").read_text()
    except OSError:
        return "", ""
    found = _OF_GROUPS.search(groups)
    return ("a container", f"/proc/1/cgroup names {found[0]}") if found else ("", "")
