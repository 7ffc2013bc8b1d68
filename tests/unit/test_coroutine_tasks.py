"""Tasks whose bodies are coroutines, called without a worker: directly, eagerly, and where they are refused."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from celery.exceptions import Ignore
from pydantic import BaseModel

from holdfast import Celery
from holdfast.dispatch.bodies import Body, BodyStopped, returned
from holdfast.dispatch.caller import Caller
from holdfast.dispatch.loop import loop_thread
from holdfast.exceptions import BodyCancelled, ConfigurationError


@pytest.fixture
def app() -> Celery:
    return Celery("coroutines", broker="redis://127.0.0.1:1/0", set_as_current=False)


def task(app: Celery, body: Any, **options: Any) -> Any:
    return app.task(name=body.__name__, lazy=False, shared=False, **options)(body)


async def double(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


def test_direct_call_gives_a_coroutine_to_await(app: Celery) -> None:
    for options in ({}, {"autoretry_for": (ValueError,)}):
        doubling = task(app, double, **options)
        assert asyncio.run(doubling(4)) == 8
        app.tasks.unregister(doubling)


def test_eager_call_runs_the_coroutine_to_its_end(app: Celery) -> None:
    assert task(app, double).apply((4,)).get() == 8


def test_eager_call_from_a_coroutine_runs_to_its_end(app: Celery) -> None:
    doubling = task(app, double)

    async def outer() -> int:
        return int(doubling.apply((4,)).get())

    assert asyncio.run(outer()) == 8


def test_coroutines_of_all_calls_share_one_loop(app: Celery) -> None:
    async def which() -> int:
        return id(asyncio.get_running_loop())

    asked = task(app, which)
    assert asked.apply().get() == asked.apply().get() == id(loop_thread().loop)


def test_coroutine_sees_its_request_and_works_in_the_callers_thread(app: Celery) -> None:
    async def seen(self: Any) -> tuple[Any, ...]:
        inside = self.request.id
        thread = await sync_to_async(lambda: (threading.get_ident(), self.request.id))()
        return inside, *thread

    result = task(app, seen, bind=True).apply(task_id="here")
    assert result.get() == ("here", threading.get_ident(), "here")


@pytest.mark.parametrize("error", [ValueError("broken"), Ignore(), SystemExit(3)])
def test_errors_leave_a_coroutine_as_they_are(
    app: Celery, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    async def raising() -> None:
        await asyncio.sleep(0)
        raise error

    with pytest.raises(type(error)) as raised:
        _finish(task(app, raising))
    assert raised.value is error
    assert loop_thread().loop.is_running()
    assert not caplog.records, "the loop itself was not told to leave"


def test_cancellation_of_its_own_is_an_error_with_a_repair(app: Celery) -> None:
    async def cancelled() -> None:
        raise asyncio.CancelledError

    with pytest.raises(BodyCancelled, match=r"Catch asyncio\.CancelledError"):
        _finish(task(app, cancelled))


def test_atomic_coroutine_is_refused_at_registration(app: Celery) -> None:
    with pytest.raises(ConfigurationError, match=r"'double'.*cannot span an await"):
        task(app, double, atomic=True)


def test_coroutine_that_comes_out_of_an_atomic_sync_body_is_refused(app: Celery) -> None:
    def wrapped(number: int) -> Any:
        return double(number)

    with pytest.raises(ConfigurationError, match="cannot span an await"):
        _finish(task(app, wrapped, atomic=True), 1)


def test_autoretry_sees_how_a_coroutine_ends(app: Celery) -> None:
    tried: list[int] = []

    async def failing(self: Any) -> int:
        await asyncio.sleep(0)
        tried.append(self.request.retries)
        if self.request.retries < 2:
            raise ValueError
        return 7

    retrying = task(app, failing, bind=True, autoretry_for=(ValueError,), default_retry_delay=0)
    assert retrying.apply().get() == 7
    assert tried == [0, 1, 2]


class Answer(BaseModel):
    number: int


async def answer(question: Answer) -> Answer:
    await asyncio.sleep(0)
    return Answer(number=question.number + 1)


def test_celerys_own_pydantic_sees_what_a_coroutine_returns(app: Celery) -> None:
    for options in ({}, {"autoretry_for": (ValueError,)}):
        answering = task(app, answer, pydantic=True, **options)
        assert answering.runs_async({})
        assert answering.apply(({"number": 6},)).get() == {"number": 7}
        assert asyncio.run(answering(Answer(number=1))) == Answer(number=2)
        app.tasks.unregister(answering)

    async def bound(self: Any, question: Answer) -> Answer:
        return Answer(number=self.request.retries + question.number)

    answering = task(app, bound, pydantic=True, bind=True)
    assert answering.apply(({"number": 6},)).get() == {"number": 6}
    assert asyncio.run(answering(Answer(number=1))) == Answer(number=1)
    with pytest.raises(ConfigurationError, match="cannot span an await"):
        task(app, answer, pydantic=True, atomic=True)


def test_typed_arguments_reach_a_coroutine_as_they_are_annotated(app: Celery) -> None:
    async def typed(question: Answer, day: date) -> str:
        return f"{question.number} {day.year}"

    asked = task(app, typed, typed_arguments=True)
    assert asked.apply(({"number": 6}, "2026-11-21")).get() == "6 2026"
    assert asyncio.run(asked(Answer(number=1), date(2026, 1, 1))) == "1 2026"


def test_coroutine_bodies_are_told_from_others(app: Celery) -> None:
    def plain() -> None:
        """Be sync."""

    assert task(app, double).runs_async({})
    assert not task(app, plain).runs_async({})


@contextmanager
def _under_way(app: Celery, body: Any) -> Iterator[tuple[Body, Caller]]:
    coroutine = Body(body(), task(app, body))
    caller = Caller()
    coroutine.begin(then=caller.close)
    yield coroutine, caller
    caller.serve()


def test_error_is_raised_where_the_body_awaits_and_it_may_go_on(app: Celery) -> None:
    begun = threading.Event()

    async def interrupted() -> str:
        begun.set()
        try:
            await asyncio.gather(asyncio.sleep(60), asyncio.sleep(60))
        except LookupError:
            async with asyncio.timeout(60):
                await asyncio.sleep(0)
            current = asyncio.current_task()
            assert current is not None
            return f"cancelled {current.cancelling()} times"
        return "not interrupted"

    with _under_way(app, interrupted) as (body, _):
        assert begun.wait(60)
        body.interrupt(LookupError())
    assert body.outcome() == "cancelled 0 times"


def test_stopped_body_is_told_again_and_its_end_is_not_heard(app: Celery) -> None:
    told: list[str] = []
    begun = threading.Event()

    async def stubborn() -> str:
        begun.set()
        while len(told) < 2:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                told.append("again")
        return "the end"

    with _under_way(app, stubborn) as (body, _):
        assert begun.wait(60)
        body.stop()
    assert told == ["again", "again"]
    with pytest.raises(BodyStopped):
        body.outcome()


def _finish(of: Any, *args: Any) -> Any:
    """Run a body as an attempt does, without a tracer."""
    return returned(of, of.run(*args))
