"""What can go wrong with a message."""

from __future__ import annotations

from typing import Any

from holdfast.exceptions import HoldfastError


class AlertNotFound(HoldfastError):
    """There is no such rule, channel or alert."""


class RuleRefused(HoldfastError):
    """A rule cannot be added or followed as it is."""


class NotSent(HoldfastError):
    """A channel did not take a message; it is sent again later."""

    def __init__(self, said: str, *, headers: Any = None) -> None:
        super().__init__(said)
        # Where a retry looks for Retry-After.
        self.headers = headers


class Refused(NotSent):
    """A channel will never take it as it is: its address or its key is wrong."""
