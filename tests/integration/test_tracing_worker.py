"""One trace through real processes: a request's commit, Redis, a worker, a retry and what follows, over OTLP/HTTP."""

from __future__ import annotations

import os
import signal

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


_CALL = """
from opentelemetry import trace
from tests.project import watched
with trace.get_tracer("web").start_as_current_span("POST /order"):
    app.tasks[watched.linger.name].delay("linger", 2)
trace.get_tracer_provider().force_flush()
"""


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
@pytest.mark.short_on("postgres")
def test_one_trace_from_a_request_to_the_last_successor(
    kind: str, request: pytest.FixtureRequest
) -> None:
    with receiver() as collector, new_site(kind, request) as site:
        environment = collector.environment
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


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
@pytest.mark.short_on("sqlite")
def test_trace_is_whole_after_a_child_and_then_a_whole_worker_were_killed(
    kind: str, request: pytest.FixtureRequest
) -> None:
    with receiver() as collector, new_site(kind, request) as site:
        environment = collector.environment
        site.python(_CALL, environment=environment)
        include = f"--include={watched.__name__}"
        worker = site.worker(include, concurrency=1, environment=environment)
        site.await_effect("linger")
        os.kill(int(site.effects()[0].split()[0]), signal.SIGKILL)
        eventually(lambda: site.effects().count("linger") == 2, told="it runs again")
        eventually(lambda: collector.all("process"), told="the worker has told of its child")
        worker.kill()

        rescuer = site.worker(include, concurrency=1, environment=environment)
        assert set(site.wait_all_final().values()) == {"succeeded"}
        eventually(lambda: len(collector.all("process")) == 3, told="all attempts have been told")
        rescuer.stop()
        runs = sorted(collector.all("process"), key=lambda run: run.attributes["holdfast.attempt"])
        (create,), (root,) = collector.all("create"), collector.all("POST /order")
        assert {span.trace for span in collector.all()} == {root.trace}
        assert create.parent == root.id
        assert {run.parent for run in runs} == {create.id}
        assert [run.links for run in runs] == [(), (runs[0].id,), (runs[1].id,)]
        left = [run.attributes["holdfast.left_by"] for run in runs]
        assert left == ["lost", "lost", "return"]
        assert [run.failed for run in runs] == [True, True, False]
        assert "signal 9" in runs[0].says
        assert runs[1].says == "worker lost: its worker's lease ran out"
        # A lease of the test's site is over between the claim and the moment it was given up.
        assert runs[1].ended - runs[1].began > 1e9
        names = [run.attributes.get("holdfast.worker", "") for run in runs]
        assert names[0] == names[1] != names[2] == ""
