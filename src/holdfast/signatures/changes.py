"""What changed between two shapes of a task, and whether a call that fitted the old one may not fit the new one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from holdfast.signatures.shapes import (
    EITHER,
    FURTHER_KEYWORD,
    FURTHER_POSITIONAL,
    GIVE_DEFAULT,
    KEEP_KIND,
    KEEP_NAME,
    KEEP_ORDER,
    KEEP_TASK,
    ONLY_KEYWORD,
    ONLY_POSITIONAL,
    Misfit,
    Parameter,
    Shape,
)


@dataclass(frozen=True, slots=True)
class Change:
    """One difference of one task."""

    task: str
    parameter: str
    what: str
    breaks: bool = False
    """Whether a call recorded by the old code may not fit the new one."""
    repair: str = ""


def changes(old: Mapping[str, Shape], new: Mapping[str, Shape]) -> list[Change]:
    """Return what is different, task by task.

    A task that is gone breaks nothing by itself: only its jobs that wait can tell.
    """
    found: list[Change] = []
    for name in sorted(old.keys() | new.keys()):
        if name not in new:
            found.append(Change(name, "", "the task is gone", repair=KEEP_TASK))
        elif name not in old:
            found.append(Change(name, "", "the task is new"))
        else:
            found += _of_parameters(old[name], new[name])
            found += _of_running(old[name], new[name])
    return found


def misplaced(old: Shape, new: Shape, *, positional: int) -> Iterator[Misfit]:
    """Yield the parameters whose positional argument, recorded by the old code, would land in another one."""
    there = [place.name for place in new.places]
    for index, place in enumerate(old.places[:positional]):
        if index >= len(there) or there[index] == place.name:
            continue
        # A mere new name for the same place takes the same value; one that both know is mixed up.
        if new.parameter(place.name) or old.parameter(there[index]):
            what = f"it is given by position, and would land in {there[index]!r}"
            yield Misfit(place.name, what, KEEP_ORDER)


def _of_parameters(old: Shape, new: Shape) -> Iterator[Change]:
    renamed = _renamed(old, new)
    for parameter in old.parameters:
        if parameter.kind in {FURTHER_POSITIONAL, FURTHER_KEYWORD}:
            if not new.takes(parameter.kind):
                what = f"{_variadic(parameter.kind)} are not taken any more"
                yield Change(old.name, parameter.name, what, breaks=True, repair=KEEP_KIND)
        elif new.parameter(parameter.name) is None:
            yield from _gone(old, new, parameter, renamed.get(parameter.name))
    for parameter in new.parameters:
        if parameter.kind in {FURTHER_POSITIONAL, FURTHER_KEYWORD}:
            if not old.takes(parameter.kind):
                what = f"{_variadic(parameter.kind)} are taken too"
                yield Change(old.name, parameter.name, what)
            continue
        before = old.parameter(parameter.name)
        if before is not None:
            yield from _of_parameter(old, new, before, parameter)
        elif parameter.name not in renamed.values():
            what = (
                "the parameter is new, and has no default"
                if parameter.required
                else "the parameter is new"
            )
            repair = GIVE_DEFAULT if parameter.required else ""
            yield Change(old.name, parameter.name, what, breaks=parameter.required, repair=repair)


def _gone(old: Shape, new: Shape, parameter: Parameter, now: str | None) -> Iterator[Change]:
    places = [place.name for place in old.places]
    by_keyword = parameter.kind == ONLY_POSITIONAL or new.takes(FURTHER_KEYWORD)
    by_position = (
        parameter.kind == ONLY_KEYWORD
        or places.index(parameter.name) < len(new.places)
        or new.takes(FURTHER_POSITIONAL)
    )
    what = "the parameter is gone" if now is None else f"the parameter was renamed to {now!r}"
    yield Change(
        old.name, parameter.name, what, breaks=not (by_keyword and by_position), repair=KEEP_NAME
    )
    after = new.parameter(now) if now else None
    if after is not None and after.required and not parameter.required:
        what = f"the default {parameter.default} is gone"
        yield Change(old.name, after.name, what, breaks=True, repair=GIVE_DEFAULT)


def _of_parameter(old: Shape, new: Shape, before: Parameter, after: Parameter) -> Iterator[Change]:
    if before.kind != after.kind:
        what = f"it was {before.kind}, and is {after.kind}"
        yield Change(old.name, after.name, what, breaks=after.kind != EITHER, repair=KEEP_KIND)
    if before.default != after.default:
        if after.required:
            what = f"the default {before.default} is gone"
        elif before.required:
            what = f"it has the default {after.default}"
        else:
            what = f"the default was {before.default}, and is {after.default}"
        repair = GIVE_DEFAULT if after.required else ""
        yield Change(old.name, after.name, what, breaks=after.required, repair=repair)
    there, here = _place(old, before), _place(new, after)
    if there is not None and here is not None and there != here:
        what = f"it was positional argument {there + 1}, and is {here + 1}"
        yield Change(old.name, after.name, what, breaks=True, repair=KEEP_ORDER)


def _of_running(old: Shape, new: Shape) -> Iterator[Change]:
    if old.queue != new.queue:
        what = f"its queue was {old.queue!r}, and is {new.queue!r}"
        repair = f"serve {old.queue!r} until it is drained"
        yield Change(old.name, "", what, repair=repair)
    for option in ("atomic", "durable"):
        before, after = getattr(old, option), getattr(new, option)
        if before != after:
            yield Change(old.name, "", f"{option} was {before}, and is {after}")


def _renamed(old: Shape, new: Shape) -> dict[str, str]:
    """Guess which parameters only have another name: what stands in the place of one that is gone, and is new."""
    pairs = zip(old.places, new.places, strict=False)
    return {
        before.name: after.name
        for before, after in pairs
        if new.parameter(before.name) is None and old.parameter(after.name) is None
    }


def _place(shape: Shape, parameter: Parameter) -> int | None:
    return shape.places.index(parameter) if parameter in shape.places else None


def _variadic(kind: str) -> str:
    return "further positional arguments" if kind == FURTHER_POSITIONAL else "further keywords"
