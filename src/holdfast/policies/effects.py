"""Effects: calls to the world outside that a repeated attempt must not make again; in every process that makes them.

A caller takes the effect's key in the ledger, commits that, makes the call, and records what it returned. What if it
dies here? Before the key is taken: nothing was called. Between the two commits: nobody knows whether the call was
made, and the next caller is told so. After the record: the next caller gets the result.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from inspect import isawaitable
from types import TracebackType
from typing import Any, Literal, Self, TypeVar
from uuid import uuid4

from celery import current_app
from kombu.serialization import dumps, loads, prepare_accept_content

from holdfast.conf import get_settings
from holdfast.interruptions import let_out_interruption
from holdfast.ledger import effects
from holdfast.ledger.connections.aside import beside_loop, has_transaction, in_event_loop, in_thread
from holdfast.ledger.connections.watchdog import answer_within
from holdfast.ledger.database import connection, with_patience
from holdfast.ledger.effects import Encoded, Found
from holdfast.ledger.records import Hold
from holdfast.lineage import current_hold, patience_seconds
from holdfast.policies import effect_refusals as refusals

logger = logging.getLogger("holdfast.effects")
T = TypeVar("T")


def effect(key: str, *, keep: timedelta | None = None, wait: float = 0.0) -> Effect:
    """Name a call to the world outside, so that a repeated attempt does not make it again.

    Use it as a block, with `with` or `async with`, or by its short forms `once` and `aonce`.

    Args:
        key: up to 255 characters that name this one call in the whole ledger, such as f"charge:{order.pk}".
        keep: how long the ledger remembers it, from its begin; HOLDFAST["effect_days"] unless given. While the
            job that began it is in the ledger and could be repeated, it is remembered longer.
        wait: seconds to wait for another job that is making this very call.

    Raises:
        EffectError: the key or the time cannot be kept.
    """
    return Effect(key, keep=keep, wait=wait)


class Effect:
    """One caller's turn at a key; `effect()` makes it.

    Inside the block exactly one of three holds. `is_new`: nobody began the call; make it and set `result`.
    `in_doubt`: somebody began it and nobody knows whether it was made; find out, then set `result`.
    `is_done`: `result` is there, nothing is to be done.

    A new effect whose block ends without an error and without a `result` is recorded with None. An error out of the
    block leaves the effect in doubt, unless `result` was set before or `did_not_happen()` was called.
    Entering raises EffectBusy if another job is making the call, and AttemptLost if this attempt does not stand any
    more: let that one out.
    """

    def __init__(
        self, key: str, *, keep: timedelta | None = None, wait: float = 0.0, take_over: bool = True
    ) -> None:
        refusals.check(key, keep)
        self.key = key
        self._keep = keep or timedelta(days=get_settings().effect_days)
        self._wait = wait
        self._take_over = take_over
        self._hold: Hold | None = None
        self._turn = uuid4()
        self._found: Found | None = None
        self._open = False
        self._encoded: Encoded | None = None
        self._value: Any = None

    # -- what a block asks and says ---------------------------------------------------------------

    @property
    def is_new(self) -> bool:
        """Tell whether nobody had begun the call before."""
        return self._found is not None and not self.in_doubt and not self.is_done

    @property
    def in_doubt(self) -> bool:
        """Tell whether somebody had begun the call and never said what came of it."""
        return self._found is not None and self._found.in_doubt

    @property
    def is_done(self) -> bool:
        """Tell whether the call had been made and recorded before."""
        return self._found is not None and self._found.done is not None

    @property
    def result(self) -> Any:
        """What the call returned, as the result serializer gives it back: on the first run as on any other.

        Set it as soon as the call has returned; it is recorded when the block ends.
        """
        if self._encoded is None:
            raise refusals.no_result(self.key)
        return self._value

    @result.setter
    def result(self, value: Any) -> None:
        self._must_be_open("The result of the effect cannot be set")
        self._know(_encode(self.key, value))

    def did_not_happen(self) -> None:
        """Say that the call was not made: the key is free at once, for whoever comes next.

        Raises:
            AttemptLost: this attempt does not stand any more; the key stays in doubt.
        """
        self._must_be_open("The effect cannot be freed")
        self._ask(partial(effects.free, self.key, turn=self._turn, hold=self._hold))
        self._open = False

    # -- blocks -----------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        begin = self._begin()
        deadline, pause = time.monotonic() + self._wait, 0.05
        while not self._entered(self._ask(begin), last=time.monotonic() >= deadline):
            time.sleep(pause)
            pause = min(pause * 2, 1.0)
        return self

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        with self._leaving(error) as record:
            if record is not None:
                self._know(self._ask(record))

    async def __aenter__(self) -> Self:
        begin = self._begin()
        deadline, pause = time.monotonic() + self._wait, 0.05
        while not self._entered(await self._aask(begin), last=time.monotonic() >= deadline):
            await asyncio.sleep(pause)
            pause = min(pause * 2, 1.0)
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        with self._leaving(error) as record:
            if record is not None:
                self._know(await self._aask(record))

    # -- short forms ------------------------------------------------------------------------------

    def once(
        self,
        function: Callable[..., T],
        *args: Any,
        in_doubt: Literal["raise", "repeat"] | Callable[[Effect], T] = "raise",
        **kwargs: Any,
    ) -> T:
        """Call `function(*args, **kwargs)` unless that is recorded; return what it returned.

        Args:
            function: makes the call; an error out of it leaves the effect in doubt.
            args: for `function`.
            in_doubt: what to do if nobody knows whether the call was made: "raise" leaves it so, "repeat" makes the
                call again, and a function is given the effect and returns the result that it found or made.
            kwargs: for `function`.

        Raises:
            EffectInDoubt: it is, and `in_doubt` is "raise".
            EffectBusy: another job is making the call.
            AttemptLost: this attempt does not stand any more; let it out.
        """
        with self._anew(in_doubt) as turn:
            if turn.is_new or (turn.in_doubt and in_doubt == "repeat"):
                turn.result = function(*args, **kwargs)
            elif turn.in_doubt and callable(in_doubt):
                turn.result = in_doubt(turn)
        return turn.result

    async def aonce(
        self,
        function: Callable[..., Any],
        *args: Any,
        in_doubt: Literal["raise", "repeat"] | Callable[[Effect], Any] = "raise",
        **kwargs: Any,
    ) -> Any:
        """Do as `once` does from async code; both functions may be coroutine functions."""
        async with self._anew(in_doubt) as turn:
            if turn.is_new or (turn.in_doubt and in_doubt == "repeat"):
                turn.result = await _awaited(function(*args, **kwargs))
            elif turn.in_doubt and callable(in_doubt):
                turn.result = await _awaited(in_doubt(turn))
        return turn.result

    def _anew(self, in_doubt: Any) -> Effect:
        if in_doubt not in ("raise", "repeat") and not callable(in_doubt):
            raise refusals.unknown_answer(self.key, in_doubt)
        keep, wait = self._keep, self._wait
        return Effect(self.key, keep=keep, wait=wait, take_over=in_doubt != "raise")

    # -- the turn ---------------------------------------------------------------------------------

    def _begin(self) -> Callable[[], Found]:
        if self._open:
            raise refusals.open_already(self.key)
        self._turn, self._hold, self._encoded = uuid4(), current_hold(), None
        return partial(
            effects.begin,
            self.key,
            turn=self._turn,
            hold=self._hold,
            keep=self._keep,
            take_over=self._take_over,
        )

    def _entered(self, found: Found, *, last: bool) -> bool:
        """Take note of what was found; False if it is worth asking again."""
        if found.busy:
            if last:
                raise refusals.busy(self.key, found.job)
            return False
        self._found = found
        if found.in_doubt:
            if not self._take_over:
                raise refusals.in_doubt(self.key, found.job)
            logger.warning("Effect %r is in doubt: it was begun, and never recorded", self.key)
        if found.done is not None:
            self._know(found.done)
        self._open = found.done is None
        return True

    @contextmanager
    def _leaving(self, error: BaseException | None) -> Iterator[Callable[[], Encoded] | None]:
        """Give out what is to be recorded, if anything is; what goes wrong with it must not hide the body's error."""
        was_open, self._open = self._open, False
        if was_open and error is None and self._encoded is None:
            if self.in_doubt:
                raise refusals.unsaid(self.key)
            self._know(_encode(self.key, None))
        if not was_open or self._encoded is None:
            yield None
            return
        record = partial(
            effects.record,
            self.key,
            self._encoded,
            turn=self._turn,
            hold=self._hold,
            keep=self._keep,
        )
        try:
            yield record
        except Exception as refusal:
            let_out_interruption(refusal)
            if error is None:
                raise
            logger.exception(
                "Effect %r: its call was made and is not recorded; it stays in doubt", self.key
            )

    def _know(self, encoded: Encoded) -> None:
        if encoded != self._encoded:
            self._encoded, self._value = encoded, _decode(encoded)

    def _must_be_open(self, what: str) -> None:
        if not self._open:
            raise refusals.closed(self.key, what)

    def _ask(self, work: Callable[[], T]) -> T:
        """Do ledger work that is committed on return, whatever the caller has open."""
        ask = self._patiently(work)
        return in_thread(ask) if in_event_loop() or has_transaction() else ask()

    async def _aask(self, work: Callable[[], T]) -> T:
        return await beside_loop(self._patiently(work))

    def _patiently(self, work: Callable[[], T]) -> Callable[[], T]:
        if connection().vendor == "sqlite" and has_transaction():
            raise refusals.no_second_writer(self.key)
        seconds, what = patience_seconds(), f"effect {self.key!r}"

        def bounded() -> T:
            with answer_within(seconds):
                return work()

        return partial(with_patience, bounded, seconds=seconds, what=what)


async def _awaited(value: Any) -> Any:
    return await value if isawaitable(value) else value


def _encode(key: str, value: Any) -> Encoded:
    serializer = current_app.conf.result_serializer
    try:
        content_type, encoding, data = dumps(value, serializer=serializer)
    except Exception as error:
        let_out_interruption(error)
        raise refusals.unwritable(key, value, serializer, error) from error
    return Encoded(data.encode() if isinstance(data, str) else bytes(data), content_type, encoding)


def _decode(encoded: Encoded) -> Any:
    if encoded.data is None:
        return None
    conf = current_app.conf
    accept = conf.result_accept_content or conf.accept_content
    return loads(
        encoded.data,
        encoded.content_type,
        encoded.content_encoding,
        accept=prepare_accept_content(accept),
    )
