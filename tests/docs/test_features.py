"""Rulings of docs/celery-features.md that need neither a worker nor a broker."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from celery import Task
from kombu import Exchange, Queue
from kombu.common import Broadcast
from kombu.transport.redis import Channel as StockChannel

from holdfast import Celery
from holdfast.broker.transport import Channel
from holdfast.exceptions import ConfigurationError


def body() -> None:
    """Be the function of a task."""


@pytest.fixture
def app() -> Celery:
    return Celery("features", broker="redis://127.0.0.1:1/0", set_as_current=False)


def test_lists_of_a_queue_are_asked_from_priority_9_down_to_the_plain_name() -> None:
    steps: Any = SimpleNamespace(priority_steps=StockChannel.priority_steps)
    steps._q_for_pri = lambda queue, step: f"{queue}{step}" if step else queue
    assert Channel.keys_of(steps, "celery") == ["celery9", "celery6", "celery3", "celery"]


def test_call_that_goes_around_super_is_refused_with_the_repair(app: Celery) -> None:
    class Around(Task):  # type: ignore[misc]  # see pyproject.toml
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return self.run(*args, **kwargs)

    with pytest.raises(ConfigurationError, match=r"Call super\(\)\.__call__"):
        app.task(name="features.around", base=Around, lazy=False, shared=False)(body)


def test_call_that_uses_super_is_taken(app: Celery) -> None:
    class Through(Task):  # type: ignore[misc]  # see pyproject.toml
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return super().__call__(*args, **kwargs)

    app.task(name="features.through", base=Through, lazy=False, shared=False)(body)


@pytest.mark.parametrize(
    "queue",
    [Broadcast("all"), Queue("t", Exchange("t", type="topic"), routing_key="#")],
    ids=["broadcast", "topic"],
)
def test_message_with_many_receivers_is_not_durable(app: Celery, queue: Queue) -> None:
    durable = True
    assert app.amqp._durable_queue("any", durable, None, None, queue) is None
    assert app.amqp._durable_queue("any", durable, None, None, Queue("one")) == "one"
