"""A plain call leaves as a copy of an earlier one: what Celery would have built, and only while it would have."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
from celery import Task as StockTask
from celery import signals
from celery._state import _task_stack
from celery.app.base import Celery as StockCelery
from django.test import override_settings
from hypothesis import given, settings
from hypothesis import strategies as st
from kombu.exceptions import EncodeError

import holdfast
from holdfast.dispatch import plain
from holdfast.ledger.records import NewJob

VALUES: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((), {}),
    ((1,), {}),
    ((1, None, True, 1.5), {"one": 1, "two": "it's"}),
    (("it's", 'a "b"', "\x00\n\u00e9\U0001f600\\"), {}),
    (([1, {"deep": [2, {"deeper": {"deepest": 3}}]}],), {"more": {"a": "b"}}),
    (("x" * 2000,), {"y": "z" * 2000}),
    ((Decimal("1.10"), b"bytes"), {}),
    (tuple(range(30)), {f"k{n}": n for n in range(30)}),
    (("password=hunter2",), {"password": "hunter2", "kept": {"api_key": "hunter2"}}),
]


@pytest.fixture
def app() -> Iterator[holdfast.Celery]:
    app = holdfast.Celery("plain", broker="memory://", set_as_current=False)
    yield app
    app.close()


def add_task(app: holdfast.Celery, name: str = "any", **options: Any) -> Any:
    @app.task(name=f"plain.{name}", shared=False, **options)
    def body(*args: Any, **kwargs: Any) -> None: ...

    return app.tasks[body.name]


@contextmanager
def patched(thing: Any, name: str, told: list[str]) -> Iterator[None]:
    """Put a function in a method's place that tells of each call, as tracers do."""
    with pytest.MonkeyPatch.context() as patch:
        before = getattr(thing, name)

        def traced(*args: Any, **kwargs: Any) -> Any:
            told.append(name)
            return before(*args, **kwargs)

        patch.setattr(thing, name, traced)
        yield


def sent(app: Any, send: Callable[[], Any]) -> NewJob:
    with app.outbox.capture() as captured:
        result = send()
    (job,) = captured
    assert result.id == job.id
    return job


def goes_the_short_way(task: Any, **options: Any) -> bool:
    with task.app.outbox.capture():
        return plain.send(task, (1,), {}, options) is not None


def told(job: NewJob) -> dict[str, Any]:
    """Everything that is said of a job, but for the id it has of its own."""
    if job.unique is not None:
        # Each call's own, and they compare by the id of the job.
        assert job.unique.handles
        job = dataclasses.replace(job, unique=dataclasses.replace(job.unique, handles=[]))
    said = dataclasses.asdict(job) | {"headers": json.loads(job.headers.replace(job.id, "ID"))}
    return said | {"id": "", "root_id": "ID" if job.root_id == job.id else job.root_id}


@pytest.mark.parametrize(("args", "kwargs"), VALUES)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"ignore_result": True},
        {"time_limit": 9, "soft_time_limit": 8, "redact": ["two"]},
        {"compression": "gzip"},
        {"serializer": "pickle"},
        {"unique": holdfast.Unique()},
        {"rate_limit": "1/m"},
        {"limit": holdfast.Limit("plain.few", concurrency=9, by=lambda *a, **k: repr((a, k)))},
    ],
)
def test_copy_is_what_celery_would_have_built(
    app: holdfast.Celery, args: Any, kwargs: Any, options: dict[str, Any]
) -> None:
    task = add_task(app, **options)
    sent(app, lambda: task.delay("first"))

    short = sent(app, lambda: task.delay(*args, **kwargs))

    assert app.plans[task.name].mould is not None
    assert told(short) == told(sent(app, lambda: StockTask.apply_async(task, args, kwargs)))


_shown = add_task(holdfast.Celery("shown", broker="memory://", set_as_current=False), "shown")


@given(
    args=st.lists(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), max_size=9),
    kwargs=st.dictionaries(st.text(max_size=9), st.integers() | st.text(), max_size=9),
    as_list=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_any_bare_values_are_shown_as_celery_shows_them(
    args: list[Any], kwargs: dict[str, Any], as_list: bool
) -> None:
    app = _shown.app
    task = _shown
    given = args if as_list else tuple(args)
    sent(app, lambda: task.delay("first"))

    short = sent(app, lambda: task.apply_async(given, kwargs))

    assert told(short) == told(sent(app, lambda: StockTask.apply_async(task, given, kwargs)))


def test_options_that_are_the_same_for_many_calls_have_a_mould_of_their_own(
    app: holdfast.Celery,
) -> None:
    task = add_task(app)
    for _ in range(2):
        job = sent(app, lambda: task.apply_async((1,), queue="slow", priority=3))
        other = sent(app, lambda: task.delay(1))
        assert (job.queue, job.priority, other.queue) == ("slow", 3, "celery")
    assert len(app.plans) == 2


def test_call_in_a_body_is_told_from_which_job_it_comes(app: holdfast.Celery) -> None:
    task = add_task(app)
    sent(app, lambda: task.delay("first"))
    task.push_request(id="parent", root_id="root", called_directly=False, children=[])
    _task_stack.push(task)
    try:
        short = sent(app, lambda: task.delay(1))
        long = sent(app, lambda: StockTask.apply_async(task, (1,), {}))
        children = [child.id for child in task.request.children]
    finally:
        _task_stack.pop()
        task.pop_request()

    assert (short.root_id, short.parent_id) == ("root", "parent")
    assert told(short) == told(long)
    assert children == [short.id, long.id]


@pytest.mark.parametrize(
    "options",
    [{"countdown": 1}, {"task_id": "x"}, {"headers": {"a": 1}}, {"expires": 60}, {"link": []}],
)
def test_call_that_is_more_than_plain_goes_celerys_way(
    app: holdfast.Celery, options: dict[str, Any]
) -> None:
    task = add_task(app)
    sent(app, lambda: task.delay(1))

    assert not goes_the_short_way(task, **options)
    sent(app, lambda: task.apply_async((1,), **options))


@pytest.mark.parametrize(
    "options",
    [
        {"durable": False},
        {"expires": 60},
        {"keep": 60},
    ],
)
def test_task_whose_jobs_are_more_than_plain_has_no_mould(
    app: holdfast.Celery, options: dict[str, Any]
) -> None:
    task = add_task(app, **options)
    if options.get("durable", True):
        sent(app, lambda: task.delay(1))

    assert not goes_the_short_way(task)


@pytest.mark.parametrize("signal", [signals.before_task_publish, signals.after_task_publish])
def test_receiver_of_a_signal_hears_of_every_call(app: holdfast.Celery, signal: Any) -> None:
    task = add_task(app)
    sent(app, lambda: task.delay(1))
    heard: list[str] = []

    def hear(sender: str, **_: Any) -> None:
        heard.append(sender)

    signal.connect(hear)
    try:
        for _ in range(2):
            sent(app, lambda: task.delay(1))
    finally:
        signal.disconnect(hear)

    assert heard == [task.name] * 2


@pytest.mark.parametrize(
    ("thing", "name"),
    [(StockTask, "apply_async"), (StockCelery, "send_task"), (holdfast.Celery, "send_task")],
)
def test_function_in_a_methods_place_sees_every_call(
    app: holdfast.Celery, thing: Any, name: str
) -> None:
    task = add_task(app)
    sent(app, lambda: task.delay(1))
    calls: list[str] = []
    with patched(thing, name, calls):
        for _ in range(2):
            sent(app, lambda: task.delay(1))
    assert calls == [name] * 2

    sent(app, lambda: task.delay(1))
    assert goes_the_short_way(task)
    assert calls == [name] * 2


def test_router_of_the_project_is_asked_of_every_call(app: holdfast.Celery) -> None:
    asked: list[Any] = []

    def route(name: str, args: Any, kwargs: Any, options: Any, task: Any = None, **_: Any) -> Any:
        asked.append(args)
        return {"queue": f"queue-{args[0]}"}

    app.conf.task_routes = [route]
    task = add_task(app)

    assert [sent(app, lambda n=n: task.delay(n)).queue for n in (1, 2)] == ["queue-1", "queue-2"]  # type: ignore[misc]
    assert asked == [(1,), (2,)]


def test_setting_that_changes_holds_for_the_next_call(app: holdfast.Celery) -> None:
    task = add_task(app)
    assert sent(app, lambda: task.delay(1)).queue == "celery"
    app.conf.task_default_queue = "other"
    assert sent(app, lambda: task.delay(1)).queue == "other"
    assert sent(app, lambda: task.delay(1)).queue == "other"
    task.ignore_result = True
    assert sent(app, lambda: task.delay(1)).ignore_result
    with override_settings(HOLDFAST={"redact": ["plainly"]}):
        assert "hidden" not in sent(app, lambda: task.delay(plainly="hidden")).headers
    app.conf.task_always_eager = True
    with app.outbox.capture() as captured:
        task.delay(1)
    assert captured == []


def test_call_that_does_not_fit_is_refused_and_nothing_is_sent(app: holdfast.Celery) -> None:
    @app.task(name="plain.typed", shared=False)
    def one(value: int) -> None: ...

    sent(app, lambda: one.delay(1))
    with app.outbox.capture() as captured:
        with pytest.raises(TypeError, match="missing 1 required"):
            one.delay()
        with pytest.raises(EncodeError, match="not JSON serializable"):
            one.delay(object())
        with pytest.raises(TypeError, match="must be a list or tuple"):
            one.apply_async("t")
    assert captured == []
