"""What strikes a body is told from the errors that Holdfast outlives, and from what the body has dealt with already."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from holdfast.interruptions import let_out_interruption


class Broken(Exception):
    """An error that is outlived."""


def outlive(work: Callable[[], object]) -> None:
    try:
        work()
    except Exception as error:  # noqa: BLE001  # as its callers catch it
        let_out_interruption(error)


def strike_then_break(struck: BaseException) -> None:
    try:
        raise struck
    finally:
        raise Broken


def break_off() -> None:
    raise Broken


def convert(struck: BaseException) -> None:
    try:
        raise struck
    except BaseException as error:
        raise Broken from error


@pytest.mark.parametrize("struck", [SoftTimeLimitExceeded(), SystemExit(3), KeyboardInterrupt()])
@pytest.mark.parametrize("hide", [strike_then_break, convert])
def test_interruption_that_an_error_hides_is_let_out(
    struck: BaseException, hide: Callable[[BaseException], None]
) -> None:
    with pytest.raises(type(struck)) as left:
        outlive(lambda: hide(struck))
    assert left.value is struck


def test_time_limit_itself_is_let_out() -> None:
    def strike() -> None:
        raise SoftTimeLimitExceeded

    with pytest.raises(SoftTimeLimitExceeded):
        outlive(strike)


def test_error_that_hides_nothing_is_outlived() -> None:
    outlive(break_off)


@pytest.mark.parametrize("struck", [asyncio.CancelledError(), GeneratorExit()])
def test_what_its_owner_makes_into_an_error_stays_that_error(struck: BaseException) -> None:
    outlive(lambda: convert(struck))


def test_time_limit_that_the_body_deals_with_is_not_raised_again() -> None:
    """The body tidies up, and an error of that has the limit in its context all the same."""
    met: list[BaseException | None] = []

    def tidy_up() -> None:
        try:
            break_off()
        except Broken as error:
            met.append(error.__context__)
            let_out_interruption(error)

    try:
        raise SoftTimeLimitExceeded
    except SoftTimeLimitExceeded:
        tidy_up()
    assert isinstance(met[0], SoftTimeLimitExceeded)


def test_second_interruption_while_the_first_is_dealt_with_is_let_out() -> None:
    def go_on() -> None:
        try:
            raise SoftTimeLimitExceeded
        except SoftTimeLimitExceeded:
            outlive(lambda: strike_then_break(SystemExit()))

    with pytest.raises(SystemExit):
        go_on()


@pytest.mark.parametrize("is_new", [True, False])
def test_block_that_outlives_errors_tells_old_from_new(
    is_new: bool,
) -> None:  # pytest calls by name
    @contextmanager
    def outliving() -> Iterator[None]:
        try:
            yield
        except Broken as error:
            let_out_interruption(error)

    def inside() -> None:
        with outliving():
            if is_new:
                strike_then_break(KeyboardInterrupt())
            break_off()

    try:
        raise SoftTimeLimitExceeded
    except SoftTimeLimitExceeded:
        if is_new:
            with pytest.raises(KeyboardInterrupt):
                inside()
        else:
            inside()
