"""Shapes of tasks, calls that fit them, and what changed between two of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast import Celery
from holdfast.signatures import lockfile
from holdfast.signatures.changes import Change, changes, misplaced
from holdfast.signatures.shapes import KINDS, Parameter, Shape, misfits, shape_of


class Colour(Enum):
    RED = 1


def shape(function: Callable[..., Any], *, routed: str = "celery", **options: Any) -> Shape:
    """Return the shape of a task with this body; the name is the same for all, so that two can be compared."""
    app = Celery("shapes", broker="redis://127.0.0.1:1/0", set_as_current=False)
    app.conf.task_routes = {"shop.ship": routed}
    function.__name__ = "body"  # Celery writes a lambda's name into code
    task = app.task(name="shop.ship", lazy=False, shared=False, **options)(function)
    return shape_of(app, task)


def compared(old: Callable[..., Any], new: Callable[..., Any]) -> list[Change]:
    return changes({"shop.ship": shape(old)}, {"shop.ship": shape(new)})


def broken(old: Callable[..., Any], new: Callable[..., Any]) -> set[str]:
    return {change.parameter for change in compared(old, new) if change.breaks}


# -- shapes -----------------------------------------------------------------------------------------


def test_shape_leaves_out_self_and_keeps_kinds_and_defaults() -> None:
    def body(
        self: Any, a: int, /, b: str = "x", *rest: int, c: Any = Colour.RED, **more: int
    ) -> None:
        """Be the body of a bound task."""

    assert [(p.name, p.kind, p.default) for p in shape(body, bind=True).parameters] == [
        ("a", "positional-only", None),
        ("b", "positional or keyword", "'x'"),
        ("rest", "variadic positional", None),
        ("c", "keyword-only", "Colour.RED"),
        ("more", "variadic keyword", None),
    ]


def test_shape_says_how_the_task_runs() -> None:
    found = shape(lambda: None, atomic=True, durable=False, routed="mail")
    assert (found.atomic, found.durable, found.queue) == (True, False, "mail")


def test_shape_looks_through_autoretry_and_celerys_own_models() -> None:
    def body(self: Any, order: int) -> None:
        """Be the body of a bound task."""

    for options in ({"autoretry_for": (ValueError,)}, {"pydantic": True}):
        assert [p.name for p in shape(body, bind=True, **options).parameters] == ["order"]


def test_default_reads_the_same_in_every_process() -> None:
    class Anything:
        pass

    def body(a: Any = Anything(), b: Any = {"y", "x"}, c: Any = body_of_a_test) -> None:  # noqa: B006, B008
        """Have defaults that print an address, or in any order."""

    defaults = [str(p.default) for p in shape(body).parameters]
    assert not any("0x" in default for default in defaults)
    assert defaults[1] == "set('x', 'y')"


def body_of_a_test() -> None:
    """Be a default."""


# -- calls ------------------------------------------------------------------------------------------

names = st.sampled_from(["a", "b", "c", "d"])


@st.composite
def parameter_lists(draw: st.DrawFn) -> list[inspect.Parameter]:
    kinds = sorted(draw(st.lists(st.sampled_from(list(inspect._ParameterKind)), max_size=5)))
    found: list[inspect.Parameter] = []
    seen_default = False
    for name, kind in zip("abcde", kinds, strict=False):
        variadic = kind in {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
        if variadic and kind in {p.kind for p in found}:
            continue
        placed = kind <= inspect.Parameter.POSITIONAL_OR_KEYWORD
        optional = not variadic and ((placed and seen_default) or draw(st.booleans()))
        seen_default = seen_default or (placed and optional)
        default = 0 if optional else inspect.Parameter.empty
        found.append(inspect.Parameter(name, kind, default=default))
    return found


@given(parameter_lists(), st.integers(0, 6), st.sets(st.sampled_from("abcdez")))
def test_call_fits_exactly_when_python_would_bind_it(
    parameters: list[inspect.Parameter], positional: int, keywords: set[str]
) -> None:
    told = Shape(
        "t",
        tuple(
            Parameter(p.name, p.kind.description, None if p.default is p.empty else "0")
            for p in parameters
        ),
    )
    try:
        # The call itself: `bind()` of Python 3.11 refuses one that the language takes.
        code: dict[str, Any] = {}
        exec(f"def body{inspect.Signature(parameters)}: pass", code)
        code["body"](*range(positional), **dict.fromkeys(keywords, 1))
        fits = True
    except TypeError:
        fits = False
    assert (not list(misfits(told, positional=positional, keywords=keywords))) == fits


def test_misfit_names_its_parameter_and_its_repair() -> None:
    found = list(misfits(shape(lambda a, b: None), positional=0, keywords={"b", "z"}))
    assert [(one.parameter, one.repair) for one in found] == [
        ("z", "keep the old name beside the new one until no job passes it"),
        ("a", "give it a default value"),
    ]


# -- changes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "parameters"),
    [
        (lambda a: None, lambda a: None, set()),
        (lambda a: None, lambda a, b=1: None, set()),
        (lambda a: None, lambda a, *, b=1, **c: None, set()),
        (lambda a, b=1: None, lambda a, b=2: None, set()),
        (lambda a, /: None, lambda a: None, set()),
        (lambda a, /: None, lambda b, /: None, set()),
        (lambda *, a: None, lambda a: None, set()),
        (lambda a, *, b=1: None, lambda a, **c: None, set()),
        (lambda a: None, lambda b: None, {"a"}),
        (lambda a: None, lambda a, b: None, {"b"}),
        (lambda a, b=1: None, lambda a, b: None, {"b"}),
        (lambda a, b=1: None, lambda a, c: None, {"b", "c"}),
        (lambda a, b=1: None, lambda a: None, {"b"}),
        (lambda a, b: None, lambda b, a: None, {"a", "b"}),
        (lambda a: None, lambda b=1, a=None: None, {"a"}),
        (lambda a: None, lambda *, a: None, {"a"}),
        (lambda a: None, lambda a, /: None, {"a"}),
        (lambda *a: None, lambda: None, {"a"}),
        (lambda **a: None, lambda: None, {"a"}),
    ],
)
def test_change_breaks_when_an_old_call_might_not_fit(
    old: Callable[..., Any], new: Callable[..., Any], parameters: set[str]
) -> None:
    assert broken(old, new) == parameters


def test_new_name_in_the_same_place_is_told_as_such() -> None:
    (change,) = compared(lambda order: None, lambda order_id: None)
    assert (change.parameter, change.what) == ("order", "the parameter was renamed to 'order_id'")


def test_task_that_is_gone_or_new_breaks_nothing_by_itself() -> None:
    one = {"shop.ship": shape(lambda: None)}
    (gone,), (new,) = changes(one, {}), changes({}, one)
    assert (gone.what, gone.breaks) == ("the task is gone", False)
    assert (new.what, new.breaks) == ("the task is new", False)


def test_how_a_task_runs_is_told_and_breaks_nothing() -> None:
    old, new = shape(lambda: None), shape(lambda: None, routed="mail", atomic=True, durable=False)
    found = changes({"shop.ship": old}, {"shop.ship": new})
    assert [change.what for change in found] == [
        "its queue was 'celery', and is 'mail'",
        "atomic was False, and is True",
        "durable was True, and is False",
    ]
    assert not any(change.breaks for change in found)


def test_argument_that_would_land_elsewhere_is_misplaced_and_a_new_name_is_not() -> None:
    def lost(old: Callable[..., Any], new: Callable[..., Any], positional: int) -> list[str]:
        found = misplaced(shape(old), shape(new), positional=positional)
        return [misfit.parameter for misfit in found]

    assert lost(lambda a, b: None, lambda b, a: None, 2) == ["a", "b"]
    assert lost(lambda a, b: None, lambda b, a: None, 0) == []
    assert lost(lambda a: None, lambda x, a=1: None, 1) == ["a"]
    assert lost(lambda a: None, lambda order: None, 1) == []


# -- the file ---------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
parameters = st.builds(Parameter, texts, st.sampled_from(KINDS), st.none() | texts)
shapes = st.builds(
    Shape, texts, st.lists(parameters, max_size=4).map(tuple), texts, st.booleans(), st.booleans()
)


@given(st.lists(shapes, max_size=4))
def test_file_gives_back_what_was_written_whatever_the_names(
    tmp_path_factory: pytest.TempPathFactory, some: list[Shape]
) -> None:
    path = tmp_path_factory.getbasetemp() / lockfile.NAME
    written = {one.name: one for one in some}
    lockfile.write(path, written)
    assert lockfile.read(path) == written


def test_file_is_one_block_a_task_in_a_fixed_order() -> None:
    one, two = shape(lambda a, *, b=1: None), shape(lambda: None)
    text = lockfile.text({"z": two, "a": one})
    assert text == lockfile.text({"a": one, "z": two})
    assert (
        """
[tasks."shop.ship"]
queue = "celery"
atomic = false
durable = true
parameters = [
    { name = "a", kind = "positional or keyword" },
    { name = "b", kind = "keyword-only", default = "1" },
]
"""
        in text
    )


@pytest.mark.parametrize(
    "content",
    [
        "<<<<<<< ours",
        "version = 2",
        'version = 1\n[tasks.a]\nqueue = "q"',
        'version = 1\n[tasks.a]\nqueue = "q"\natomic = true\ndurable = true\nparameters = [{ name = "x", kind = "?" }]',
        "version = 1\ntasks = 3",
    ],
)
def test_file_that_is_none_says_how_to_make_it(tmp_path: Path, content: str) -> None:
    path = tmp_path / lockfile.NAME
    with pytest.raises(lockfile.BadLock, match="signatures --write"):
        lockfile.read(path)
    path.write_text(content)
    with pytest.raises(lockfile.BadLock, match="signatures --write"):
        lockfile.read(path)
