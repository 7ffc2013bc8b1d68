"""procrastinate, with the periodic task its guide gives for jobs of workers that are gone."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import procrastinate

from benchmarks.peers.bodies import BODIES

_WORKER = bool(os.environ.get("PEER_WORKER"))
_connector: Any = procrastinate.PsycopgConnector if _WORKER else procrastinate.SyncPsycopgConnector
app: Any = procrastinate.App(connector=_connector(conninfo=os.environ["PEER_DATABASE_URL"]))
TASKS: dict[str, Any] = {name: app.task(name=name)(body) for name, body in BODIES.items()}
if not _WORKER:
    app.open()


@app.periodic(cron="* * * * * */10")
@app.task(name="retry_stalled", queueing_lock="retry_stalled", pass_context=True)
async def retry_stalled(_context: Any, timestamp: int) -> None:
    """Give back what a worker without a heartbeat for 20 seconds holds."""
    del timestamp
    for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=20):
        await app.job_manager.retry_job(job)


def send(body: str, argument: float) -> None:
    TASKS[body].defer(value=argument)


def send_many(body: str, arguments: Iterable[float]) -> None:
    TASKS[body].batch_defer(*({"value": argument} for argument in arguments))
