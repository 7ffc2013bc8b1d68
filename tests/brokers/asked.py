"""Which brokers a run was asked for, beyond those that every run has: TEST_BROKERS="rabbitmq valkey"."""

from __future__ import annotations

import os

import pytest


def needs(broker: str) -> pytest.MarkDecorator:
    """Skip a test unless its broker was asked for; one that was asked for and is not there fails it."""
    asked = os.environ.get("TEST_BROKERS", "").split()
    return pytest.mark.skipif(
        broker not in asked, reason=f"{broker} is not part of this run: use `make test-brokers`"
    )
