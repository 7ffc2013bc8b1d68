"""django-q2 with its ORM broker."""

from __future__ import annotations


def send(body: str, argument: float) -> None:
    from django_q.tasks import async_task

    async_task(f"benchmarks.peers.bodies.{body}", argument, save=False)
