"""A Redis Cluster is not supported, and it says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.testing.services import RedisServer, free_port
from tests.harness import new_site


def test_call_to_a_cluster_stays_in_the_ledger_and_the_log_names_the_cluster(
    private_directory: Path, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    options = ("--cluster-enabled", "yes")
    # Its nodes speak to one another 10,000 ports higher.
    port = next(port for port in iter(free_port, 0) if port < 50_000)
    with (
        RedisServer(private_directory / "redis", port, options=options) as server,
        new_site("sqlite", request, broker_url=server.url) as site,
    ):
        site.task("effect").delay("kept")

        assert list(site.states().values()) == ["held"]
        assert "it is a Redis Cluster" in caplog.text
