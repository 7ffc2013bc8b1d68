"""What `holdfast.Celery` sets by itself, and what the project's settings say in its place."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from celery.worker.consumer.consumer import Consumer

from holdfast import Celery
from holdfast.exceptions import ConfigurationError
from holdfast.worker.consumer import LedgerConsumer, on_ledger

OURS = "holdfast.worker.autoscaler:QueueAutoscaler"


def conf(*, namespace: str | None = None, **settings: Any) -> Any:
    app = Celery("defaults", set_as_current=False)
    app.config_from_object(SimpleNamespace(**settings), namespace=namespace)
    return app.conf


def test_project_that_says_nothing_gets_what_holdfast_needs() -> None:
    found = conf(namespace="CELERY")
    assert found.worker_autoscaler == OURS
    assert found.broker_channel_error_retry is True
    assert found.worker_consumer == "holdfast.worker.consumer:LedgerConsumer"
    assert found.get("CELERY_DB_REUSE_MAX") == 1_000_000


@pytest.mark.parametrize(
    ("namespace", "prefix"), [("CELERY", "CELERY_"), ("CEL", "CEL_"), (None, "")]
)
def test_project_that_says_something_gets_that(namespace: str | None, prefix: str) -> None:
    stated = {
        "worker_autoscaler": "shop:Scaler",
        "broker_channel_error_retry": False,
        "worker_consumer": "shop:Consumer",
    }
    names = {f"{prefix}{name}".upper() if prefix else name: value for name, value in stated.items()}
    found = conf(namespace=namespace, **names)
    assert found.worker_autoscaler == "shop:Scaler"
    assert found.broker_channel_error_retry is False
    assert found.worker_consumer == "shop:Consumer"


@pytest.mark.parametrize("namespace", ["CELERY", "CEL", None])
def test_connections_are_closed_as_often_as_the_project_says(namespace: str | None) -> None:
    # Celery reads it by this name, whatever the namespace.
    assert conf(namespace=namespace, CELERY_DB_REUSE_MAX=5).get("CELERY_DB_REUSE_MAX") == 5


def test_setting_changed_in_code_wins() -> None:
    app = Celery("defaults", set_as_current=False)
    app.conf.worker_autoscaler = "shop:Scaler"
    assert app.conf.worker_autoscaler == "shop:Scaler"
    assert app.conf.broker_channel_error_retry is True


class Theirs(Consumer):  # type: ignore[misc]  # untyped in celery
    """A project's own."""


class OnOurs(LedgerConsumer):
    """A project's own that knows of Holdfast."""


def test_consumer_of_a_project_is_set_before_ours() -> None:
    cls = on_ledger(f"{__name__}:Theirs")
    assert [found.__name__ for found in cls.__mro__[:4]] == [
        *("Theirs", "Theirs", "LedgerConsumer", "Consumer"),
    ]
    assert on_ledger(OnOurs) is OnOurs
    assert on_ledger("holdfast.worker.consumer:LedgerConsumer") is LedgerConsumer


@pytest.mark.parametrize("chosen", ["holdfast:Celery", print])
def test_what_is_no_consumer_is_refused_with_the_repair(chosen: Any) -> None:
    with pytest.raises(ConfigurationError, match="derive it from"):
        on_ledger(chosen)
