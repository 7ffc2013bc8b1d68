"""A broker's URL with several hosts, of which the first is not there."""

from __future__ import annotations

import pytest

from holdfast.testing.services import RedisServer, free_port
from tests.harness import new_site


def test_sender_and_worker_turn_to_the_host_that_is_there(
    redis_server: RedisServer, request: pytest.FixtureRequest
) -> None:
    there = f"{redis_server.url.rpartition('/')[0]}/14"
    nobody = f"redis://127.0.0.1:{free_port()}/14"
    with new_site("sqlite", request, broker_url=f"{nobody};{there}") as site:
        first = site.task("effect").delay("first")
        site.worker()
        assert first.get(timeout=60) == "first"
        # Not by the worker's relay: the sender itself has found it.
        site.await_publisher()
        sent = site.task("wait_for_file").apply_async(("/", "second"), queue="nobody-serves-it")
        assert site.states()[sent.id] == "queued"
