"""A gateway that counts, and threads that know the ledger of the test."""

from __future__ import annotations

import pytest

from holdfast.ledger.connections import aside
from tests.integration.effects.calls import Gateway


@pytest.fixture(autouse=True)
def fresh_threads(ledger: str) -> None:
    """Threads of an earlier ledger would know its database by the same alias."""
    aside._after_fork()


@pytest.fixture
def gateway(ledger: str) -> Gateway:
    return Gateway()
