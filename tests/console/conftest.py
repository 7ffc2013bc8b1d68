"""Clients of each role, on both databases; each is told by a header, as a proxy before the project would."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.test import Client, override_settings

from holdfast.console.hub import hub


@pytest.fixture
def console(ledger: str) -> Iterator[str]:
    """An empty ledger that the console shows; returns its alias."""
    hub.begin()
    said = {**settings.HOLDFAST, "console_access": "tests.console.roles.of_header"}
    with override_settings(HOLDFAST=said):
        yield ledger


def client(role: str) -> Client:
    """Return a client that may do what a role may; nothing else than its header says who it is."""
    return Client(headers={"X-Test-Role": role})


@pytest.fixture
def nobody(console: str) -> Client:
    """Who says nothing of itself."""
    return Client()


@pytest.fixture
def viewer(console: str) -> Client:
    """May look."""
    return client("view")


@pytest.fixture
def operator(console: str) -> Client:
    """May work on jobs, queues and schedules."""
    return client("operate")


@pytest.fixture
def administrator(console: str) -> Client:
    """May change limits and workers too."""
    return client("administer")
