"""Dead letters: the failed and dead jobs, selected by what they have in common, to be looked at, replayed or discarded.

    from holdfast import dead_letters

    outage = dead_letters.filter(task="shop.tasks.charge", error="timed out")
    outage.count()
    outage.replay(actor="ada")

A selection is lazy: it asks the database when it is used, in batches, and never holds all jobs at once.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from celery import current_app

from holdfast.dispatch import calls, said
from holdfast.dispatch.known import task_named
from holdfast.dispatch.prose import Prose
from holdfast.exceptions import SelectionRefused
from holdfast.ledger import batches, interventions
from holdfast.ledger.database import atomic
from holdfast.ledger.reads import letters
from holdfast.ledger.reads.letters import Group
from holdfast.ledger.states import REASONS_OF_DEAD_LETTERS
from holdfast.tickets import to_publish

__all__ = ["DeadLetter", "Group", "Selection", "filter", "latest"]

BATCH = 500
# Who looks at the first few must not read the arguments of hundreds.
FIRST_LOOK = 50
# An audit says which selection it was, and is no list of jobs.
IDS_SAID = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One failed or dead job, with its arguments and its error as people may see them."""

    id: str
    task: str
    queue: str
    state: str
    reason: str
    fingerprint: str
    error: str
    attempts: int
    failures: int
    losses: int
    recorded_at: datetime
    finished_at: datetime
    args: Any
    kwargs: Any
    hidden: str
    """Why `args` and `kwargs` are not the arguments themselves; empty if they are, but for starred secrets."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Dead letters that are alike; made by `filter`."""

    wanted: letters.Wanted

    def count(self) -> int:
        """Return how many dead letters are selected now."""
        return letters.count(self.wanted)

    def groups(self) -> list[Group]:
        """Return them by cause, the most frequent first: fingerprint, task, reason, an error, count, first and last.

        Reads every selected row once.
        """
        found = letters.groups(self.wanted)
        rules = said.of_jobs(current_app, {group.sample: group.task for group in found})
        return [replace(group, error=rules[group.sample].clean(group.error)) for group in found]

    def __iter__(self) -> Iterator[DeadLetter]:
        """Yield them in the order of their ends; those that end meanwhile are left out."""
        wanted, place, most = _up_to_now(self.wanted), None, FIRST_LOOK
        while wanted is not None:
            found, place = letters.batch(wanted, after=place, limit=most)
            most = BATCH
            if not found:
                return
            messages = letters.messages([letter.id for letter in found])
            for letter in found:
                yield _shown(letter, messages.get(letter.id))

    def replay(
        self,
        *,
        actor: str,
        limit: int | None = None,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
    ) -> int:
        """Put them back to work, each as a new attempt of the same job; return how many.

        Failures, losses and retries are counted anew, and `expires` does not count any more. Jobs that end as dead
        letters while this runs are left alone, so none is replayed twice by one call.

        Each batch is one transaction, with one line in the audit. If the process dies, the batches that are
        committed are replayed and the others are dead letters as before: ask again. Inside a transaction all
        batches are part of it.

        Args:
            actor: who does it, for the audit.
            limit: replay at most so many, those that ended first.
            args: call the job with these in place of its positional arguments; only if one job is selected.
            kwargs: the same for its keyword arguments. The line in the audit keeps what was there before.

        Raises:
            SelectionRefused: arguments are given and not exactly one job is selected, or they do not fit its task.
        """
        if args is not None or kwargs is not None:
            return self._replay_edited(actor=str(actor), args=args, kwargs=kwargs)

        def put_back(tokens: Mapping[str, int]) -> int:
            with atomic():
                tickets = interventions.replay_many(tokens, actor=str(actor), detail=self._said())
                current_app.outbox.publish_on_commit(to_publish(tickets))
            return len(tickets)

        return self._in_batches(put_back, limit=limit)

    def discard(self, *, actor: str, limit: int | None = None) -> int:
        """Give them up: cancelled with the reason "discarded"; return how many.

        They are kept as long as other finished jobs, and until then `holdfast.replay` brings one back. Those who
        wait for a job that died a moment ago are told first: such a job stays a dead letter until they have been.
        Batches, transactions and crashes are as with `replay`.

        Args:
            actor: who does it, for the audit.
            limit: discard at most so many, those that ended first.
        """

        def give_up(tokens: Mapping[str, int]) -> int:
            return interventions.discard(tokens, actor=str(actor), detail=self._said())

        return self._in_batches(give_up, limit=limit)

    def _in_batches(self, move: Callable[[Mapping[str, int]], int], *, limit: int | None) -> int:
        # What fails again while this runs has a later end: it is not selected a second time.
        wanted, place, moved = _up_to_now(self.wanted), None, 0
        while wanted is not None and (limit is None or moved < limit):
            most = BATCH if limit is None else min(BATCH, limit - moved)
            tokens, place = letters.tokens(wanted, after=place, limit=most)
            if not tokens:
                break
            moved += move(tokens)
        return moved

    def _replay_edited(
        self, *, actor: str, args: Sequence[Any] | None, kwargs: Mapping[str, Any] | None
    ) -> int:
        tokens, _ = letters.tokens(self.wanted, after=None, limit=2)
        if len(tokens) != 1:
            raise SelectionRefused(
                f"Arguments can be changed of one job at a time, and {self.count()} are selected: "
                "select one by its id."
            )
        ((job_id, token),) = tokens.items()
        message = letters.messages([job_id]).get(job_id)
        if message is None:
            raise SelectionRefused(f"Job {job_id} has no arguments in the ledger to be changed.")
        new = calls.edited(current_app, message, args=args, kwargs=kwargs)
        with atomic():
            if not interventions.edit(
                job_id,
                token=token,
                headers=new.headers,
                body=new.body,
                content_encoding=new.content_encoding,
                actor=actor,
            ):
                return 0
            tickets = interventions.replay_many(tokens, actor=actor, detail=self._said())
            current_app.outbox.publish_on_commit(to_publish(tickets))
        return len(tickets)

    def _said(self) -> str:
        chosen = {key: value for key, value in asdict(self.wanted).items() if value is not None}
        ids = chosen.get("ids", ())
        if len(ids) > IDS_SAID:
            chosen["ids"] = [*ids[:IDS_SAID], f"and {len(ids) - IDS_SAID} more"]
        return json.dumps({"selected": chosen}, default=str)


def filter(  # noqa: PLR0913  # each narrows the selection
    *,
    task: str | None = None,
    queue: str | None = None,
    reason: str | None = None,
    error: str | None = None,
    fingerprint: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    ids: Iterable[str] | None = None,
    batch: str | None = None,
) -> Selection:
    """Select dead letters; without arguments all of them.

    Args:
        task: the whole name of the task.
        queue: the name of the queue.
        reason: why it ended: "error", "retries exhausted", "poison", "rejected", "unknown task", "undecodable" or
            "replacement failed".
        error: text in the error of the last attempt, upper and lower case alike.
        fingerprint: sixteen hex digits that dead letters of one cause share; `groups` shows them.
        since: ended then or later, an aware datetime.
        until: ended then or before.
        ids: ids of jobs.
        batch: the id of a batch whose members they are, those of its inner batches included.

    Raises:
        SelectionRefused: there is no such reason, or a time has no time zone.
    """
    if reason is not None and reason not in REASONS_OF_DEAD_LETTERS:
        near = difflib.get_close_matches(reason, REASONS_OF_DEAD_LETTERS, n=1)
        hint = (
            f"did you mean {near[0]!r}?" if near else f"take {', '.join(REASONS_OF_DEAD_LETTERS)}."
        )
        raise SelectionRefused(f"No dead letter has the reason {reason!r}: {hint}")
    for name, moment in (("since", since), ("until", until)):
        if moment is not None and moment.tzinfo is None:
            raise SelectionRefused(
                f"{name}={moment} has no time zone: give an aware datetime, such as timezone.now()."
            )
    return Selection(
        letters.Wanted(
            task=task,
            queue=queue,
            reason=reason,
            error=error,
            fingerprint=fingerprint,
            since=since,
            until=until,
            ids=None if ids is None else tuple(ids),
            batches=None if batch is None else (batch, *batches.inner(batch)),
        )
    )


def latest(*, fingerprint: str, limit: int) -> list[DeadLetter]:
    """Return the dead letters of one cause that ended last, the newest first."""
    found = letters.latest(letters.Wanted(fingerprint=fingerprint), limit=limit)
    messages = letters.messages([letter.id for letter in found])
    return [_shown(letter, messages.get(letter.id)) for letter in found]


def _up_to_now(wanted: letters.Wanted) -> letters.Wanted | None:
    """Leave out what ends from now on; None if there is no dead letter at all."""
    now = letters.clock()
    if now is None:
        return None
    return replace(wanted, until=now if wanted.until is None else min(now, wanted.until))


def _shown(letter: letters.Letter, message: Any) -> DeadLetter:
    call = (
        calls.ShownCall(args=None, kwargs=None, hidden="not in the ledger any more")
        if message is None
        else calls.shown(current_app, message)
    )
    values = {key: value for key, value in asdict(letter).items() if key != "token"}
    if message is not None:
        values["error"] = said.of_message(current_app, message).clean(letter.error)
    else:
        values["error"] = Prose(task_named(current_app, letter.task)).clean(letter.error)
    return DeadLetter(**values, args=call.args, kwargs=call.kwargs, hidden=call.hidden)
