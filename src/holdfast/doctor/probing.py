"""Probes: each looks at one thing; what they depend on is looked at before them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from holdfast.doctor.findings import Definition, Finding

if TYPE_CHECKING:
    from holdfast.doctor.look import Look

SECONDS = 2.0
# What asks no service needs time only while the machine is busy, or the project is imported.
SECONDS_HERE = 10.0
# What probes may come after, and what is said of those that are not asked because it is broken.
THINGS = {
    "settings": "the settings do not load",
    "broker": "the broker is not reachable",
    "redis": "the broker is no Redis that says how it is",
    "database": "the ledger's database does not answer",
    "tables": "the ledger's tables are not there",
}


class Absent(Exception):
    """Raised by a probe: the project has no such thing. Nothing is said, and what comes after it is not asked."""


_Look = Callable[["Look"], Iterator[Finding]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One look, and what it needs; a generator of findings, silent on a healthy system."""

    name: str
    area: str
    look: _Look
    finds: tuple[Definition, ...]
    """All it can say."""
    after: tuple[str, ...] = ()
    """Names of `THINGS` that must be whole."""
    establishes: tuple[str, ...] = ()
    """Names of `THINGS` that are broken if it yields an error, fails, or is not asked."""
    live: bool = True
    """Whether it asks a service; False: it reads settings and files only."""
    deploy: bool = False
    """Whether it is asked with `--deploy` only."""
    seconds: float = SECONDS
    """How long it may take."""


_probes: dict[str, Probe] = {}


def probe(
    *,
    area: str,
    finds: Sequence[Definition],
    after: Sequence[str] = ("settings",),
    establishes: Sequence[str] = (),
    live: bool = True,
    deploy: bool = False,
    seconds: float | None = None,
) -> Callable[[_Look], _Look]:
    """Register a generator of findings as a probe; its docstring says what it looks at.

    A probe changes nothing. It bounds what it asks (`look.seconds_left`), and where it takes longer than `seconds`,
    or raises, that is a finding about the probe, and all others are asked all the same.

    Raises:
        ValueError: the name is taken, or something it depends on is unknown.
    """
    for thing in (*after, *establishes):
        if thing not in THINGS:
            raise ValueError(f"{thing!r} is nothing a probe can come after: {', '.join(THINGS)}")

    def register(look: _Look) -> _Look:
        name = look.__name__
        if name in _probes:
            raise ValueError(f"there is a probe {name!r} already: probes have unique names")
        _probes[name] = Probe(
            name=name,
            area=area,
            look=look,
            finds=tuple(finds),
            after=tuple(after),
            establishes=tuple(establishes),
            live=live,
            deploy=deploy,
            seconds=seconds or (SECONDS if live else SECONDS_HERE),
        )
        return look

    return register


@lru_cache(maxsize=1)
def probes() -> tuple[Probe, ...]:
    """Return all probes, those of the modules in `holdfast.doctor.probes`."""
    package = import_module("holdfast.doctor.probes")
    for found in iter_modules(package.__path__):
        import_module(f"{package.__name__}.{found.name}")
    return tuple(_probes.values())


def chosen(all: Iterable[Probe], *, only: Sequence[str], deploy: bool) -> list[Probe]:
    """Return the probes of some areas or ids, all without any, and those that tell whether their things are whole.

    Raises:
        ValueError: no area and no finding has one of the names.
    """
    all = list(all)
    wanted = [one for one in all if deploy or not one.deploy]
    if not only:
        return wanted
    for word in only:
        if not any(_answers(one, word) for one in all):
            areas = ", ".join(sorted({one.area for one in all}))
            raise ValueError(
                f"{word!r} is neither an area ({areas}) nor the id of a finding like holdfast.E312"
            )
    # Who asks for one finding by its id means it, with --deploy or without.
    found = [one for one in all if any(_answers(one, word) for word in only)]
    needed = {thing for one in found for thing in one.after}
    while True:
        more = [one for one in all if one not in found and needed.intersection(one.establishes)]
        if not more:
            return [one for one in all if one in found]
        found += more
        needed |= {thing for one in more for thing in one.after}


def matches(id: str, area: str, word: str) -> bool:
    """Tell whether a word of `--only` means this id or this area."""
    return word in {area, id, id.removeprefix("holdfast.")}


def _answers(one: Probe, word: str) -> bool:
    return word == one.area or any(matches(kind.id, one.area, word) for kind in one.finds)
