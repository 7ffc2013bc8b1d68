"""A RabbitMQ that is there and says nothing: calls go on, and what they sent is published when it speaks again."""

from __future__ import annotations

import time

import pytest

from holdfast.testing.services import Mode, RabbitServer, TcpProxy
from tests.brokers.asked import needs
from tests.harness import Site, new_site

pytestmark = needs("rabbitmq")
# P9: the first call that meets an outage, and those after it.
FIRST_CALL = 1.0
LATER_CALL = 0.05


def _timed_call(site: Site) -> float:
    began = time.monotonic()
    site.task("noop").delay()
    return time.monotonic() - began


@pytest.mark.alone
def test_silent_broker_holds_up_the_first_call_for_a_moment_and_no_later_one(
    rabbit: RabbitServer, request: pytest.FixtureRequest
) -> None:
    with (
        TcpProxy(rabbit.port) as proxy,
        new_site("sqlite", request, broker_url=proxy.url(rabbit.url)) as site,
    ):
        site.task("noop").delay()
        proxy.switch(Mode.BLACKHOLE)
        took = [_timed_call(site) for _ in range(21)]
        assert took[0] <= FIRST_CALL
        assert max(took[1:]) <= LATER_CALL
        assert sorted(site.counts()) == ["held", "queued"]

        proxy.switch(Mode.PASS)
        site.worker()
        site.wait_all_final(20)
        assert site.counts() == {"succeeded": 22}
