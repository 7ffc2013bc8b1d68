"""From a task message to a row: clocks stripped, defaults left out, everything Celery's worker needs kept."""

from __future__ import annotations

import json
import zlib
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from kombu import Exchange, Queue
from kombu.common import Broadcast

from holdfast import Celery
from holdfast.dispatch import recording
from holdfast.dispatch.recording import build_job, restored_headers, stored_headers
from holdfast.ledger.records import NewJob


@pytest.fixture(scope="module")
def app() -> Celery:
    app = Celery("recording", broker="memory://", set_as_current=False)
    app.conf.task_queues = [
        Queue("default"),
        Queue("fast", Exchange("fast"), routing_key="fast"),
        Broadcast("everybody"),
    ]
    app.conf.task_default_queue = "default"
    return app


def built(app: Celery, **options: Any) -> NewJob:
    """Build the row of a call with these options, as `apply_async` would."""
    send = {key: options.pop(key) for key in ("priority", "compression") if key in options}
    message = app.amqp.as_task_v2("job-1", "shop.charge", args=(1,), kwargs={"x": 2}, **options)
    headers, said = dict(message.headers), message.headers.get("holdfast") or {}
    return build_job(
        "shop.charge",
        headers,
        message.body,
        queue="default",
        priority=send.get("priority"),
        said=said,
        serializer="json",
        compression=send.get("compression"),
    )


def test_body_is_encoded_as_it_would_be_on_the_wire(app: Celery) -> None:
    job = built(app)

    args, kwargs, embed = json.loads(job.body)
    assert (args, kwargs) == ([1], {"x": 2})
    assert set(embed) == {"callbacks", "errbacks", "chain", "chord"}
    assert job.content_type == "application/json"


def test_body_can_be_compressed(app: Celery) -> None:
    job = built(app, compression="zlib")

    assert json.loads(zlib.decompress(job.body))[0] == [1]
    assert json.loads(job.headers)["compression"] == "application/x-gzip"


def test_countdown_and_expiry_are_left_to_the_databases_clock(app: Celery) -> None:
    job = built(app, countdown=10, expires=60)

    assert (job.delay_seconds, job.expires_in_seconds) == (10, 60)
    assert job.due_at is None
    assert job.expires_at is None
    assert not {"eta", "expires"} & set(json.loads(job.headers))


def test_times_of_day_are_kept_with_their_zone(app: Celery) -> None:
    eta = datetime(2030, 6, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    job = built(app, eta=eta, expires=datetime(2030, 6, 2, tzinfo=UTC))

    assert job.due_at == eta
    assert job.expires_at == datetime(2030, 6, 2, tzinfo=UTC)
    assert job.delay_seconds is None


@pytest.mark.parametrize(("given", "kept"), [(None, 0), (0, 0), (5, 5), (9, 9), (12, 9), (-1, 0)])
def test_priority_is_kept_between_0_and_9(app: Celery, given: int | None, kept: int) -> None:
    assert built(app, priority=given).priority == kept


def test_lineage_is_on_the_row(app: Celery) -> None:
    job = built(app, root_id="root", parent_id="parent", group_id="group", group_index=3)

    assert (job.root_id, job.parent_id, job.group_id) == ("root", "parent", "group")
    assert restored_headers("job-1", "shop.charge", job.headers)["group_index"] == 3


@pytest.mark.parametrize(
    ("options", "linked"),
    [
        ({}, False),
        ({"callbacks": [{"task": "a"}]}, False),
        ({"errbacks": [{"task": "a"}]}, True),
        ({"chain": [{"task": "a"}]}, True),
        ({"chord": {"task": "a"}}, True),
    ],
)
def test_row_knows_whether_somebody_must_hear_of_its_failure(
    app: Celery, options: dict[str, Any], linked: bool
) -> None:
    assert built(app, **options).linked is linked


def test_headers_come_back_as_celery_sent_them(app: Celery) -> None:
    message = app.amqp.as_task_v2(
        "job-1",
        "shop.charge",
        args=(1,),
        kwargs={},
        retries=2,
        time_limit=30,
        soft_time_limit=20,
        shadow="shown",
        root_id="root",
        parent_id="parent",
        replaced_task_nesting=1,
        stamped_headers=["s"],
        s="stamp",
    )
    sent = {key: value for key, value in message.headers.items() if key != "holdfast"}

    back = restored_headers("job-1", "shop.charge", json.dumps(stored_headers(sent)))

    assert {key: back.get(key) for key in sent} == sent


def test_defaults_are_not_stored() -> None:
    stored = stored_headers({"retries": 0, "group": None, "ignore_result": False, "tenant": "a"})
    assert stored == {"tenant": "a"}


@pytest.mark.parametrize(
    ("route", "queue"),
    [
        ({}, "default"),
        ({"queue": "fast"}, "fast"),
        ({"queue": Queue("fast")}, "fast"),
        ({"exchange": "fast", "routing_key": "fast"}, "fast"),
        ({"exchange": "", "routing_key": "fast"}, "fast"),
        ({"exchange": "nowhere", "routing_key": "x"}, None),
        ({"queue": "everybody"}, None),
        ({"durable": False}, None),
    ],
)
def test_only_what_one_queue_receives_once_is_durable(
    app: Celery, route: dict[str, Any], queue: str | None
) -> None:
    asked = {"durable": None, "exchange": None, "routing_key": None, "queue": None} | route
    amqp = app.amqp
    assert isinstance(amqp, recording.LedgerAMQP)
    assert (
        amqp._durable_queue(
            "shop.charge",
            asked["durable"],
            asked["exchange"],
            asked["routing_key"],
            asked["queue"],
        )
        == queue
    )
