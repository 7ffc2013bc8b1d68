"""What `holdfast.Celery` sets by itself, and what the project's settings say in its place."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from holdfast import Celery

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


@pytest.mark.parametrize(
    ("namespace", "prefix"), [("CELERY", "CELERY_"), ("CEL", "CEL_"), (None, "")]
)
def test_project_that_says_something_gets_that(namespace: str | None, prefix: str) -> None:
    stated = {"worker_autoscaler": "shop:Scaler", "broker_channel_error_retry": False}
    names = {f"{prefix}{name}".upper() if prefix else name: value for name, value in stated.items()}
    found = conf(namespace=namespace, **names)
    assert found.worker_autoscaler == "shop:Scaler"
    assert found.broker_channel_error_retry is False


def test_setting_changed_in_code_wins() -> None:
    app = Celery("defaults", set_as_current=False)
    app.conf.worker_autoscaler = "shop:Scaler"
    assert app.conf.worker_autoscaler == "shop:Scaler"
    assert app.conf.broker_channel_error_retry is True
