"""Ways in which a worker stops to consume, struck by remote control; a worker that is to have them is started with -I.

`for_good` lets no new connection heal it.
"""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Any
from unittest import mock

from celery.worker.control import control_command

from holdfast.broker.transport import Channel
from tests.project.tasks import note


@control_command(args=[("how", str), ("for_good", bool)])
def hang(state: Any, how: str, for_good: bool = False) -> None:  # noqa: FBT002  # a remote command
    """Hang as one of the functions below says, as soon as the event loop is at it."""
    state.consumer.call_soon(globals()[f"_{how}"], state.consumer, for_good)


def _forgets_to_fetch(consumer: Any, for_good: bool) -> None:
    """The transport sends no fetch any more, while everything else goes on."""
    target = Channel if for_good else consumer.task_consumer.channel
    mock.patch.object(target, "_brpop_start", return_value=None).start()


def _loses_its_tick(consumer: Any, for_good: bool) -> None:
    """The callback is gone by which the event loop has the transport fetch."""
    ticks = [tick for tick in consumer.hub.on_tick if "kombu.transport" in tick.__module__]
    assert ticks
    consumer.hub.on_tick.difference_update(ticks)


def _is_cancelled(consumer: Any, for_good: bool) -> None:
    """Somebody cancels the consumer of one queue, and does not say so."""
    last = max(consumer.app.amqp.queues.consume_from)
    consumer.task_consumer.cancel_by_queue(last)


def _reads_for_ever(consumer: Any, for_good: bool) -> None:
    """The event loop waits on the broker's connection for an answer that does not come."""
    sock = consumer.task_consumer.channel.client.connection._sock
    sock.settimeout(None)
    while sock.recv(4096):
        pass
    raise ConnectionError("the end of the connection")


def _is_blocked(consumer: Any, for_good: bool) -> None:
    """The event loop waits for what nobody can end."""
    here, _there = socket.socketpair()
    here.recv(1)


def _waits_for_a_file(consumer: Any, for_good: bool) -> None:
    """The event loop does nothing until `go on` lies beside the record of effects, at most a minute."""
    gate = Path(os.environ["EFFECTS"]).with_name("go on")
    note("the loop waits")
    deadline = time.monotonic() + 60
    while not gate.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
