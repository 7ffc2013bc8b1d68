"""What effects refuse, in words: what happened, to which key, and the repair; used wherever effects are."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from holdfast.exceptions import EffectBusy, EffectError, EffectInDoubt

LONGEST_KEY = 255


def check(key: Any, keep: timedelta | None) -> None:
    """Refuse a key or a time that cannot be kept.

    Raises:
        EffectError: with the repair.
    """
    if not isinstance(key, str) or not 0 < len(key) <= LONGEST_KEY or "\0" in key:
        raise EffectError(
            f"The effect key {key!r} cannot be kept: it must be a text of 1 to {LONGEST_KEY} characters without NUL. "
            "Put a hash of the long part into it."
        )
    if keep is not None and keep <= timedelta():
        raise EffectError(
            f"The effect {key!r} cannot be kept for {keep}. Give a time greater than 0, or leave `keep` out "
            "for what HOLDFAST['effect_days'] says."
        )


def busy(key: str, job: str | None) -> EffectBusy:
    """Return the refusal of a call that somebody else is making."""
    return EffectBusy(
        f"The effect {key!r} is being made by job {job} right now. Give effect() `wait` seconds, or let this job "
        "run again later, for instance with autoretry_for=(EffectBusy,)."
    )


def in_doubt(key: str, job: str | None) -> EffectInDoubt:
    """Return the refusal of a call of which nobody knows whether it was made."""
    owner = f"job {job}" if job else "code outside of all jobs"
    return EffectInDoubt(
        f"The effect {key!r} was begun by {owner} and never recorded: nobody knows whether its call was made. "
        "Nothing was called now. Say what to do by in_doubt=, or look at the other side and tell the ledger in a "
        f"shell: `with effect({key!r}) as e: e.result = ...` if it was made, `e.did_not_happen()` if not."
    )


def unsaid(key: str) -> EffectInDoubt:
    """Return the refusal of a block that ends as if there were no doubt."""
    return EffectInDoubt(
        f"The effect {key!r} is in doubt, and its block ended without a word on it. In the block, where `in_doubt` is "
        "true, find out whether the call was made: then set `result`, or call `did_not_happen()`."
    )


def unknown_answer(key: str, answer: Any) -> EffectError:
    """Return the refusal of an `in_doubt` that says nothing."""
    return EffectError(
        f"in_doubt={answer!r} of the effect {key!r} says nothing: "
        'it is "raise", "repeat" or a function of the effect.'
    )


def open_already(key: str) -> EffectError:
    """Return the refusal of a block inside its own."""
    return EffectError(f"The effect {key!r} is open already: make another one by effect().")


def no_result(key: str) -> EffectError:
    """Return the refusal to tell what is not known."""
    return EffectError(
        f"The effect {key!r} has no result: its call has not been made here, or what it returned was not set. "
        "Set `result` in the block, where `is_new` or `in_doubt` is true."
    )


def closed(key: str, what: str) -> EffectError:
    """Return the refusal to change what stands."""
    return EffectError(
        f"{what}: {key!r} is done, freed or outside of its block. What was recorded stands; a call that is to be "
        "made again needs another key."
    )


def unwritable(key: str, value: Any, serializer: str, error: Exception) -> EffectError:
    """Return the refusal of a result that cannot be kept."""
    return EffectError(
        f"The result of the effect {key!r} is of the type {type(value).__name__}, which {serializer!r} cannot write "
        f"({error}). Its call was made and stays in doubt unless the block sets another `result`: plain values, such "
        "as the id the other side gave it."
    )


def no_second_writer(key: str) -> EffectError:
    """Return the refusal of an effect that would wait for its own caller."""
    return EffectError(
        f"The effect {key!r} cannot be used inside a transaction on SQLite: it must be committed before its call is "
        "made, and the open transaction holds SQLite's only writer. Nothing was written. Leave the atomic() "
        "block first, take atomic=True off the task, or use PostgreSQL."
    )
