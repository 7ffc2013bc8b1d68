"""The two protocols of Celery's messages, read alike."""

from __future__ import annotations

from typing import Any

from celery.app.amqp import task_message


def id_of(message: task_message) -> str:
    """Return the id of a message of either protocol."""
    return str(message.headers["id"] if "id" in message.headers else message.body["id"])


def name_of(queue: Any) -> str:
    """Return the name of a queue that is given as such or by it; empty if none is."""
    return str(getattr(queue, "name", queue) or "")


def as_protocol_2(message: task_message) -> task_message:
    """Return a message of either protocol as one of the second."""
    headers, properties, body, sent_event = message
    if not isinstance(body, dict):
        return message
    embed = {key: body.get(key) for key in ("callbacks", "errbacks", "chord")} | {"chain": None}
    headers = headers | {
        key: body.get(key)
        for key in ("task", "id", "group", "group_index", "retries", "eta", "expires", "timelimit")
    }
    headers.setdefault("root_id", body["id"])
    return task_message(headers, properties, (body["args"], body["kwargs"], embed), sent_event)
