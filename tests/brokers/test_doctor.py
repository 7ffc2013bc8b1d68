"""The doctor before a RabbitMQ: who is not let in, what is not there, and a healthy one in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.testing.services import RabbitServer
from tests.brokers.asked import needs
from tests.doctor.broker.clinic import Clinic

pytestmark = needs("rabbitmq")


@pytest.mark.parametrize(
    ("account", "path", "ids"),
    [
        ("guest:guest", "//", set()),
        ("guest:wrong-word", "//", {"E318"}),
        ("guest:guest", "/nowhere", {"E320"}),
    ],
)
def test_rabbitmq_lets_in_or_says_why_not(
    rabbit: RabbitServer, tmp_path: Path, account: str, path: str, ids: set[str]
) -> None:
    url = f"amqp://{account}@127.0.0.1:{rabbit.port}{path}"
    seen = Clinic(tmp_path).doctor("--only", "broker", broker=url)
    assert (seen.ids, seen.status) == (ids, 1 if ids else 0), seen.told()
    assert "wrong-word" not in str(seen.said)


def test_redis_is_sought_where_rabbitmq_is(rabbit: RabbitServer, tmp_path: Path) -> None:
    url = f"redis://127.0.0.1:{rabbit.port}/0"
    seen = Clinic(tmp_path).doctor("--only", "broker", broker=url)
    assert "AMQP" in seen.of("E313")["evidence"]
