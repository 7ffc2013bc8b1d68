"""What no run of the doctor may say; imports nothing that needs Django."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def no_probe_failed(said: Mapping[str, Any]) -> None:
    """A probe that raises is an error of ours; what it says is in the message."""
    failed = [one for one in said.get("findings", []) if one["id"] == "holdfast.W297"]
    assert not failed, [one["evidence"] for one in failed]
