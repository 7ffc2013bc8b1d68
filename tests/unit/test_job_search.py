"""A search in words and in its flat form: read, written, and refused with the word that is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.exceptions import SelectionRefused
from holdfast.ledger.ids import bound_at, minted_at, new_id
from holdfast.ledger.reads.search import cursors, texts
from holdfast.ledger.reads.search.filters import JobFilter
from holdfast.ledger.reads.search.listing import usual_sort
from holdfast.ledger.reads.search.moments import Moment
from holdfast.ledger.reads.search.values import Argument, Pair
from holdfast.ledger.reads.search.ways import Place, Sort
from holdfast.ledger.states import State

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
WHOLE = "019f0000-1234-7abc-8def-0123456789ab"


def test_all_that_may_be_asked_is_read() -> None:
    text = (
        "state:failed,dead task:shop.* queue:mail worker:w1@host since:2h until:2026-03-01T10:00+00:00 "
        'error:"timed out" '
        "args.order_id:42 kwargs.user.name:ada* args.0:x batch:b group:g root:r correlation:c hold:retry reason:poison "
        "fingerprint:0123456789abcdef id:019f*,own finished_since:1d finished_until:1h"
    )
    wanted = texts.read(text)
    assert wanted == JobFilter(
        states=(State.FAILED, State.DEAD),
        task="shop.*",
        queue="mail",
        worker="w1@host",
        since=Moment("2h"),
        until=Moment("2026-03-01T10:00+00:00"),
        finished_since=Moment("1d"),
        finished_until=Moment("1h"),
        error="timed out",
        reason="poison",
        hold="retry",
        fingerprint="0123456789abcdef",
        batch="b",
        group="g",
        root="r",
        correlation="c",
        ids=("019f*", "own"),
        arguments=(
            Argument("args", ("order_id",), "42"),
            Argument("kwargs", ("user", "name"), "ada*"),
            Argument("args", ("0",), "x"),
        ),
    )
    assert texts.read(texts.write(wanted)) == wanted
    assert JobFilter.of(wanted.flat()) == wanted


VALUES = st.text(min_size=1, max_size=30).filter(lambda text: text.strip() and "\x00" not in text)
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,10}", fullmatch=True)
PAIRS = st.one_of(
    st.builds(Pair, st.sampled_from(["queue", "error", "batch", "group", "root"]), VALUES),
    st.builds(Pair, st.just("state"), st.sampled_from([state.name.lower() for state in State])),
    st.builds(Pair, st.sampled_from(["since", "finished_until"]), st.sampled_from(["2h", "3.5d"])),
    st.builds(
        Pair, NAMES.map(lambda name: f"args.{name}"), VALUES.filter(lambda text: "*" not in text)
    ),
)


@given(st.lists(PAIRS, max_size=6, unique_by=lambda pair: pair.key))
def test_a_filter_comes_back_from_its_words_and_from_its_flat_form(pairs: list[Pair]) -> None:
    wanted = JobFilter.of_pairs(pairs)
    assert texts.read(texts.write(wanted)) == wanted
    assert JobFilter.of(wanted.flat()) == wanted
    assert bool(wanted) == bool(pairs)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        wanted = texts.read(text)
    except SelectionRefused:
        return
    assert texts.read(texts.write(wanted)) == wanted


def test_several_values_of_a_state_and_of_an_id_add_up() -> None:
    wanted = texts.read("state:failed state:dead,failed id:a id:b")
    assert (wanted.states, wanted.ids) == ((State.FAILED, State.DEAD), ("a", "b"))


def test_an_id_may_stand_by_itself() -> None:
    assert texts.read(WHOLE.upper()).ids == (WHOLE,)
    assert texts.read("019f00").ids == ("019f00*",)
    assert texts.read("019f0000-1234*").ids == ("019f0000-1234*",)


SLIPS = {
    "staet:failed": "staet:failed: there is no filter 'staet': did you mean state:",
    "colour:red": "there are state, task, queue",
    "state:faild": "there is no state 'faild': did you mean 'failed'",
    "state:xyzzy": "take held, queued, running",
    "state:,": "nothing stands between the commas",
    "task:": "task: has nothing behind it: write task: and the name of a task",
    'queue:""': "queue: has nothing behind it",
    "queue:a queue:b": "queue:b: queue stands there already, as a",
    "since:yesterday": "since:yesterday: 'yesterday' is no time: write 90s",
    "since:999999w": "is no time",
    "since:0001-01-01": "is no time",
    "since:1h until:2h": "since:1h is later than until:2h",
    "task:sh*op": r"a \* may stand at the end alone, as in task:sh\*",
    "hold:retri": "no job is held for 'retri': did you mean 'retry'",
    "reason:poisson": "did you mean 'poison'",
    "args:42": "args:42: args names no argument: write args.NAME",
    "args..x:42": "names no argument",
    "args.x:*": r"every value fits \*",
    "args.x:a*b": r"a \* may stand at the beginning and at the end",
    'error:"timed out': 'error:"timed out: there is a quote that nothing ends',
    "timeout": "timeout: it does not say what it is: write task:timeout",
    "state": "state: a colon and a value are missing",
    "queue:a\x00b": "NUL",
    f"queue:{'q' * 300}": "300 characters",
    f"id:{','.join(f'i{n}' for n in range(501))}": "501 ids are more than the 500",
    "x" * 5000: "5000 characters",
}


@pytest.mark.parametrize("text", SLIPS, ids=lambda text: text[:20])
def test_a_slip_is_named_with_what_may_stand_there(text: str) -> None:
    with pytest.raises(SelectionRefused, match=SLIPS[text]):
        texts.read(text)


def test_the_flat_form_refuses_as_the_words_do() -> None:
    with pytest.raises(SelectionRefused, match="did you mean state:"):
        JobFilter.of({"stat": "failed"})
    assert JobFilter.of({"state": "failed,dead", "task": "", "args.0": 7}) == JobFilter(
        states=(State.FAILED, State.DEAD), arguments=(Argument("args", ("0",), "7"),)
    )


def test_so_long_ago_is_another_moment_each_time() -> None:
    assert Moment.read("90m").at(NOW) == NOW - timedelta(minutes=90)
    assert Moment.read("90m").at(NOW + timedelta(hours=1)) == NOW - timedelta(minutes=30)
    assert Moment.read("2026-03-01T12:00+02:00").at(NOW) == NOW - timedelta(hours=2)
    assert Moment.read("2026-03-01").at(NOW).tzinfo is not None


def test_a_chip_is_taken_out_alone() -> None:
    wanted = texts.read("state:failed,dead args.a:1 args.a:2 queue:q")
    assert texts.write(wanted.without(Pair("args.a", "1"))) == (
        "state:failed state:dead queue:q args.a:2"
    )
    assert wanted.without(Pair("state", "dead")).states == (State.FAILED,)


def test_finished_jobs_are_shown_by_their_ends() -> None:
    assert usual_sort(texts.read("state:failed,cancelled")) is Sort.LAST_FINISHED
    assert usual_sort(texts.read("finished_since:1h")) is Sort.LAST_FINISHED
    assert usual_sort(texts.read("state:failed,queued")) is Sort.NEWEST
    assert usual_sort(JobFilter()) is Sort.NEWEST


PLACES = [
    Place("a"),
    Place("ä b", NOW),
    Place("x", "2026-03-01 12:00:00.123"),
]


@pytest.mark.parametrize("place", PLACES)
def test_a_cursor_comes_back(place: Place) -> None:
    wanted = texts.read("state:failed")
    text = cursors.write(wanted, Sort.NEWEST, place, backwards=True)
    assert cursors.read(text, wanted, Sort.NEWEST) == (place, True)


def test_a_cursor_that_was_changed_or_is_of_another_search_is_refused() -> None:
    wanted = texts.read("state:failed")
    text = cursors.write(wanted, Sort.NEWEST, Place("a"))
    for other in ("", "x", "é:ü", text[1:], text[:-1], text.replace(text[0], "A", 1) + "x"):
        with pytest.raises(SelectionRefused, match="go to the first page"):
            cursors.read(other, wanted, Sort.NEWEST)
    for args in ((texts.read("state:dead"), Sort.NEWEST), (wanted, Sort.OLDEST)):
        with pytest.raises(SelectionRefused, match="belongs to another search"):
            cursors.read(text, *args)


def test_bounds_of_a_moment_enclose_the_ids_made_then() -> None:
    id = new_id()
    made: Any = minted_at(id)
    assert bound_at(made) <= id <= bound_at(made, last=True)
    assert (
        bound_at(made + timedelta(milliseconds=1))
        > id
        > bound_at(made - timedelta(milliseconds=1), last=True)
    )
