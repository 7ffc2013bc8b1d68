"""Workflows with very many members: what their dispatch asks of memory and database, and that all of them end."""

from __future__ import annotations

# Sent by a process of its own: its memory is its own too, and so are its statements.
_SEND = """
import json, resource
from celery import chord, group
from django.db import connection
from holdfast import Batch

kind, size = sys.argv[1], int(sys.argv[2])
add, noop, count = tasks.add, tasks.noop, tasks.count
statements = 0

def counted(execute, *args):
    global statements
    statements += 1
    return execute(*args)

def send():
    if kind == "batch":
        batch = Batch("large", on_complete=noop.si())
        batch.add(noop.s() for _ in range(size))
        return batch.id
    if kind == "delay":
        with Batch("large", on_complete=noop.si()) as batch:
            for _ in range(size):
                noop.delay()
        return batch.id
    if kind == "chunks":
        with Batch("large", on_complete=noop.si()) as batch:
            add.chunks(((n, n) for n in range(size)), 100).apply_async()
        return batch.id
    if kind == "group":
        result = group(noop.si() for _ in range(size)).apply_async()
        result.save()
        return result.id
    return chord((add.si(n, 1) for n in range(size)), count.s()).apply_async().id

noop.apply_async(countdown=86400)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began = time.monotonic()
with connection.execute_wrapper(counted):
    sent = send()
seconds = time.monotonic() - began
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
print(json.dumps({"id": sent, "seconds": seconds, "mib": grown, "statements": statements}))
"""
