"""Builds the compiled twin of the engine's inner functions out of their own code; in cpu workers."""

import logging
import stat
from collections.abc import Iterator
from functools import cache
from hashlib import blake2b
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from . import hands, layout, lockstep, rounds, shoes, table

log = logging.getLogger(__name__)

# In the order in which they use each other.
MODULES: tuple[ModuleType, ...] = (shoes, hands, lockstep, table, rounds)
# Once per card or per round: a call would cost more than what they do.
INLINED = frozenset({"bucket_now", "swap", "true_count"})
# The one function that Python calls; the others need no way in, nor a place on the disk.
ENTRY = "play_rounds"
ONLY_FROM_INSIDE = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def ways_to_compile() -> Iterator[Any]:
    """Compiled `play_rounds`, the best way first; none without Numba. Each may still fail to run.

    The compiled code is kept on disk beside the source, in the user's own cache directory, or
    where NUMBA_CACHE_DIR says, but never where others may write: they could run code here.
    """
    try:
        import numba
    except ImportError:
        log.warning("Numba is not installed: simulations run in plain Python, ~200 times slower.")
        return
    # Without counting references to the arrays, which outlive the call anyway.
    uncounted = {"_nrt": False}
    twin = _build(numba, keep=True, **uncounted)
    if twin is not None and _is_private(twin.stats.cache_path):
        yield twin
    else:
        log.warning(
            "No private directory to keep compiled code in: every process compiles anew. "
            "Set NUMBA_CACHE_DIR to a directory that only this user can write to."
        )
    yield _build(numba, keep=False, **uncounted)
    yield _build(numba, keep=False)


def _build(numba: Any, *, keep: bool, **options: Any) -> Any:
    """All inner functions, compiled when first called; None if there is no cache."""
    names = _compiled_names()
    options |= {"nogil": True, "error_model": "numpy"}
    try:
        for module in MODULES:
            for name, value in vars(module).items():
                if not isinstance(value, FunctionType) or value.__module__ != module.__name__:
                    continue
                # One dictionary of names for all: each function finds the others compiled.
                twin = FunctionType(value.__code__, names, name)
                # The kept code of one file does not notice a change in another: its name does.
                twin.__qualname__ = f"{name}_{source_digest()}"
                called = {"cache": keep} if name == ENTRY else ONLY_FROM_INSIDE
                inline = "always" if name in INLINED else "never"
                names[name] = numba.njit(inline=inline, **called, **options)(twin)
    except (KeyError, RuntimeError) as reason:
        log.debug("Numba does not compile with %s: %s", options, reason)
        return None
    return names[ENTRY]


@cache
def source_digest() -> str:
    """Of all source that is compiled."""
    digest = blake2b(digest_size=8)
    for module in (layout, *MODULES):
        digest.update(Path(str(module.__file__)).read_bytes())
    return digest.hexdigest()


def _compiled_names() -> dict[str, Any]:
    import numpy as np

    names: dict[str, Any] = {}
    for module in MODULES:
        names |= vars(module)
    for name, value in names.items():
        if name.startswith("WORD_"):
            names[name] = np.uint64(value)
    return names | {"word": np.uint64, "whole": np.int64, "index": np.uint32}


def _is_private(directory: str) -> bool:
    path = Path(directory)
    path.mkdir(parents=True, exist_ok=True)
    return not path.stat().st_mode & stat.S_IWOTH
