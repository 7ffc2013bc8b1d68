"""Calls, publications and attempts are spans of one trace, from the request to the last successor."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import chain, chord
from django.conf import settings
from django.db import transaction
from django.test import override_settings
from kombu.exceptions import EncodeError

from holdfast import Celery, logs, spans
from holdfast.correlation import CORRELATION
from holdfast.ledger.database import alias
from holdfast.ledger.reads import queries
from holdfast.testing import HoldfastJobs
from tests.project import watched
from tests.traced import Seen, Spans, traced


@pytest.fixture
def seen() -> Iterator[Spans]:
    with traced() as found:
        yield found


@pytest.fixture
def task(app: Celery) -> Callable[[Any], Any]:
    return lambda shared: app.tasks[shared.name]


SPEAK, LISTEN = watched.speak.name, watched.listen.name


def test_one_trace_leads_from_a_request_through_its_commit_to_the_run(
    jobs: HoldfastJobs, task: Any, seen: Spans
) -> None:
    for _ in range(2):  # the second is a copy of the first
        with seen.tracer.start_as_current_span("request") as request:
            with transaction.atomic(using=alias()):
                sent = task(watched.speak).delay("it")
                assert not seen.all("publish")
            jobs.drain()
        root, trace = (
            f"{request.get_span_context().span_id:016x}",
            f"{request.get_span_context().trace_id:032x}",
        )
        create, publish, process = (
            seen.one(f"create {SPEAK}"),
            seen.one("publish celery"),
            seen.one(f"process {SPEAK}"),
        )
        assert {create.trace, publish.trace, process.trace} == {trace}
        assert (create.parent, publish.parent, process.parent) == (root, root, create.id)
        assert (create.kind, publish.kind, process.kind) == ("PRODUCER", "CLIENT", "CONSUMER")
        assert process.attributes == {
            "messaging.system": "holdfast",
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": "celery",
            "messaging.message.id": sent.id,
            "messaging.message.conversation_id": sent.id,
            "holdfast.task": SPEAK,
            "holdfast.attempt": 1,
            "holdfast.retries": 0,
            "holdfast.left_by": "return",
        }
        assert publish.attributes["messaging.message.id"] == sent.id
        seen.clear()


def test_call_that_rolls_back_is_a_span_and_nothing_is_published_or_run(
    jobs: HoldfastJobs, task: Any, seen: Spans
) -> None:
    with transaction.atomic(using=alias()):
        task(watched.speak).delay("it")
        transaction.set_rollback(True, using=alias())
    jobs.drain()
    assert [span.name for span in seen.all()] == [f"create {SPEAK}"]


def test_retry_is_the_same_call_and_linked_to_the_attempt_before_it(
    jobs: HoldfastJobs, task: Any, seen: Spans
) -> None:
    task(watched.speak).delay("it", fails=2)
    jobs.drain()
    create = seen.one("create")
    first, second, third = seen.all("process")
    assert {span.parent for span in (first, second, third)} == {create.id}
    assert [span.links for span in (first, second, third)] == [(), (first.id,), (second.id,)]
    assert [span.attributes["holdfast.attempt"] for span in (first, second, third)] == [1, 2, 3]
    assert [span.attributes["holdfast.left_by"] for span in (first, second, third)] == [
        "retry",
        "retry",
        "return",
    ]
    assert [span.failed for span in (first, second, third)] == [True, True, False]


def test_what_follows_a_retry_is_linked_to_none_of_its_attempts(
    jobs: HoldfastJobs, task: Any, seen: Spans
) -> None:
    chain(task(watched.speak).s("it", fails=1), task(watched.listen).s("next")).delay()
    jobs.drain()
    assert len(seen.all(f"process {SPEAK}")) == 2
    assert seen.one(f"process {LISTEN}").links == ()


def test_id_of_one_request_is_not_that_of_the_next_call(jobs: HoldfastJobs, task: Any) -> None:
    speak = task(watched.speak)
    with logs.correlated("request-7"):
        first, second = speak.delay("it"), speak.delay("it")
    after = speak.delay("it")
    other = speak.apply_async(("it",), headers={"correlation_id": "import-7"})
    stored = {
        id: json.loads((queries.message_of(id) or ("", "{}"))[1])
        for id in (first.id, second.id, after.id, other.id)
    }
    assert [headers.get(CORRELATION) for headers in stored.values()] == [
        "request-7",
        "request-7",
        None,
        "import-7",
    ]


def test_error_is_on_the_span_without_its_secrets(
    jobs: HoldfastJobs, task: Any, seen: Spans
) -> None:
    keys = {**settings.HOLDFAST, "encryption_keys": [urlsafe_b64encode(bytes(32)).decode()]}
    with override_settings(HOLDFAST=keys):
        task(watched.speak).delay("it", fails=1)
        task(watched.break_down).apply_async(("4111",), encrypt=True)
        jobs.drain(raise_errors=False)
    told = seen.all(f"process {SPEAK}")[0].events["exception"]
    assert told["exception.type"] == "RuntimeError"
    assert "not yet" in told["exception.message"]
    assert "hunter2" not in json.dumps(told)
    encrypted = seen.one(f"process {watched.break_down.name}")
    assert encrypted.failed
    assert encrypted.events["exception"] == {"exception.type": "ValueError"}


def test_what_a_body_sends_and_what_follows_it_are_children_of_its_run(
    jobs: HoldfastJobs, task: Any, seen: Spans
) -> None:
    speak, listen = task(watched.speak), task(watched.listen)
    chain(speak.s("it", sends="child"), listen.s("next")).delay()
    jobs.drain()
    run = next(span for span in seen.all(f"process {SPEAK}") if not is_child(span, seen))
    assert {span.trace for span in seen.all()} == {run.trace}
    created = {span.name: span.parent for span in seen.all("create") if span.parent}
    assert created == {f"create {SPEAK}": run.id, f"create {LISTEN}": run.id}


def is_child(run: Seen, seen: Spans) -> bool:
    return any(span.id == run.parent and span.parent for span in seen.all("create"))


def test_body_of_a_chord_is_linked_to_its_members(
    jobs: HoldfastJobs, task: Any, seen: Spans
) -> None:
    speak, listen = task(watched.speak), task(watched.listen)
    with seen.tracer.start_as_current_span("request"):
        chord([speak.s(str(number)) for number in range(40)])(listen.s("all"))
    jobs.drain()
    body = seen.one(f"create {LISTEN}")
    members = {span.id for span in seen.all(f"create {SPEAK}")}
    assert len(members) == 40
    assert len(body.links) == 32
    assert set(body.links) <= members
    assert len({span.trace for span in seen.all()}) == 1


def test_many_calls_at_once_are_runs_of_one_call(
    jobs: HoldfastJobs, task: Any, seen: Spans
) -> None:
    task(watched.speak).apply_many([(str(number),) for number in range(3)])
    jobs.drain()
    create = seen.one("create")
    assert [span.parent for span in seen.all("process")] == [create.id] * 3


def test_replay_goes_on_in_the_trace_of_its_call(
    jobs: HoldfastJobs, task: Any, seen: Spans
) -> None:
    import holdfast

    sent = task(watched.break_down).delay("4111")
    jobs.drain(raise_errors=False)
    holdfast.replay(sent)
    jobs.drain(raise_errors=False)
    assert [span.parent for span in seen.all("process")] == [seen.one("create").id] * 2


def test_what_a_coroutine_sends_is_a_child_of_its_run(
    jobs: HoldfastJobs, task: Any, seen: Spans
) -> None:
    task(watched.speak_async).delay("it", sends="child")
    jobs.drain()
    run = seen.one(f"process {watched.speak_async.name}")
    (child,) = [span for span in seen.all() if span.name == f"create {SPEAK}"]
    assert child.parent == run.id


def test_headers_that_make_no_sense_and_errors_without_words_fail_nothing(
    jobs: HoldfastJobs, task: Any, seen: Spans
) -> None:
    sent = task(watched.speak).apply_async(("it",), headers={"traceparent": "nonsense"})
    task(watched.mumble).apply_async(headers={"holdfast_former": 7, "tracestate": ["x"]})
    jobs.drain(raise_errors=False)
    assert sent.get(timeout=1) == "it"
    mumbled = seen.one(f"process {watched.mumble.name}")
    assert (mumbled.failed, mumbled.attributes["error.type"]) == (True, "Speechless")


def test_call_made_while_an_error_is_handled_is_no_failure(
    jobs: HoldfastJobs, task: Any, seen: Spans
) -> None:
    try:
        raise ValueError
    except ValueError:
        task(watched.speak).delay("it")
    assert not seen.one("create").failed


def test_call_that_cannot_be_sent_is_a_failure(jobs: HoldfastJobs, task: Any, seen: Spans) -> None:
    speak = task(watched.speak)
    speak.delay("it")
    seen.clear()
    with pytest.raises(EncodeError):
        speak.delay(object())
    assert seen.one("create").failed


def test_nothing_is_said_where_tracing_is_off(jobs: HoldfastJobs, task: Any) -> None:
    assert spans.tracer is None
    sent = task(watched.speak).delay("it")
    (job,) = jobs.recorded(task(watched.speak))
    jobs.drain()
    assert job.id == sent.id
    assert "traceparent" not in str(job)


def test_who_instruments_celery_as_well_is_told(
    jobs: HoldfastJobs, task: Any, seen: Spans, caplog: pytest.LogCaptureFixture
) -> None:
    from celery import signals

    from holdfast.telemetry import tracing

    def trace(**_: Any) -> None: ...

    trace.__module__ = "opentelemetry.instrumentation.celery"
    tracing._warn_of_twins.cache_clear()
    signals.before_task_publish.connect(trace)
    try:
        task(watched.speak).delay("it")
        task(watched.speak).delay("it")
    finally:
        signals.before_task_publish.disconnect(trace)
        tracing._warn_of_twins.cache_clear()
    (said,) = [line for line in caplog.messages if "opentelemetry-instrumentation-celery" in line]
    assert "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=celery" in said
