"""Of what kind a case is, by its parameters: the database, the pool, or both in one word, as `postgres-threads`."""

from __future__ import annotations

from collections.abc import Iterable

DATABASES = frozenset({"sqlite", "postgres"})
POOLS = frozenset({"prefork", "threads", "gevent", "solo", "custom"})


def is_of(kinds: Iterable[str], values: Iterable[object]) -> bool:
    """Tell whether a case with these parameters is of one of these kinds; what it does not say may be anything."""
    named = [text for value in values for text in (value if isinstance(value, tuple) else [value])]
    said = {word for text in named if isinstance(text, str) for word in text.split("-")}
    wanted = [kind.split("-") for kind in kinds]
    return any(all(_may_be(word, said) for word in words) for words in wanted)


def _may_be(word: str, said: set[str]) -> bool:
    others = next((kind for kind in (DATABASES, POOLS) if word in kind), None)
    if others is None:
        raise ValueError(f"short_on({word!r}): name one of {', '.join(sorted(DATABASES | POOLS))}")
    return word in said or not said & others
