"""One trace through real processes: a request's commit, Redis, a worker, a retry and what follows, over OTLP/HTTP."""

from __future__ import annotations

import pytest

from tests.eventually import eventually
from tests.harness import new_site
from tests.project import watched
from tests.traced import receiver

pytestmark = pytest.mark.slow

_REQUEST = """
from celery import chain
from django.db import transaction
from opentelemetry import trace
from tests.project import watched
with trace.get_tracer("web").start_as_current_span("GET /order"), transaction.atomic():
    speak, listen = app.tasks[watched.speak.name], app.tasks[watched.listen.name]
    chain(speak.s("it", fails=1, sends="child"), listen.s("next")).delay()
    app.tasks[watched.speak_plainly.name].delay("plain")
trace.get_tracer_provider().force_flush()
"""


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_one_trace_from_a_request_to_the_last_successor(
    kind: str, request: pytest.FixtureRequest
) -> None:
    with receiver() as collector, new_site(kind, request) as site:
        environment = {
            "HOLDFAST_TRACING": "True",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }
        pool = "prefork" if kind == "postgres" else "threads"
        worker = site.worker(f"--include={watched.__name__}", pool=pool, environment=environment)
        site.python(_REQUEST, environment=environment)
        site.wait_all_final()
        # Two attempts, what each of them sent, the next step, and a message of plain Celery.
        eventually(lambda: len(collector.all("process")) == 6, told="all runs have been told")
        worker.stop()
        (root,) = collector.all("GET /order")
        assert {span.trace for span in collector.all()} == {root.trace}
        runs = {
            (span.attributes["holdfast.task"], span.attributes["holdfast.attempt"]): span
            for span in collector.all("process")
            if span.attributes["holdfast.left_by"] != "return"
            or span.attributes["holdfast.attempt"] == 2
        }
        first, second = runs[watched.speak.name, 1], runs[watched.speak.name, 2]
        creates = {span.id: span for span in collector.all("create")}
        assert creates[first.parent].parent == root.id
        assert (first.parent, second.links) == (second.parent, (first.id,))
        (plain,) = collector.all(f"process {watched.speak_plainly.name}")
        assert creates[plain.parent].parent == root.id
        (after,) = collector.all(f"process {watched.listen.name}")
        assert creates[after.parent].parent == second.id
        assert [span.parent for span in collector.all("publish")].count(root.id) == 1
