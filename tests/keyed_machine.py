"""The state machine with unique keys: who has a key is told by a model in plain Python before each call."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from holdfast.exceptions import UniqueConflict
from holdfast.ledger import interventions, transitions
from holdfast.ledger.models import Job, Payload
from holdfast.ledger.models.unique import UniqueKey
from holdfast.ledger.records import Hold, UniqueRequest
from holdfast.ledger.states import FINAL, Conflict, Scope, State
from holdfast.ledger.states import Hold as HoldReason
from tests.machine import CRASHES, LedgerMachine, crash_before_statement
from tests.rows import RESULT, new_job

MOST = 12
PERIOD_SECONDS = 3600.0
WAITING = {State.HELD, State.QUEUED}


CALL: dict[str, Any] = {
    "conflict": st.sampled_from(
        [Conflict.EXISTING, Conflict.REPLACE, Conflict.POSTPONE, Conflict.RAISE]
    ),
    "delayed": st.booleans(),
    "crash": st.one_of(st.none(), st.none(), CRASHES),
    "lost": st.booleans(),
}


class KeyedMachine(LedgerMachine):
    """Calls of one key for each scope, among all the other moves; each is sent to be either a job or the holder's."""

    # Moves that do no more to keys than those that stay would only take their turns.
    begin = record = start_one = zombie_leaves = message_of_the_past_arrives = None  # type: ignore[assignment]
    dead_letters_are_replayed = dead_letters_are_discarded = None  # type: ignore[assignment]
    broker_errs = publishing_fails = reconcile = None  # type: ignore[assignment]

    @initialize()
    def with_no_keys(self) -> None:
        self.start()
        self.keys: dict[str, str] = {}

    @rule(
        scope=st.sampled_from([Scope.QUEUED, Scope.UNFINISHED, Scope.PERIOD]),
        meanwhile=st.sampled_from(["nothing", "claim", "succeed", "cancel"]),
        calls=st.lists(st.fixed_dictionaries(CALL), min_size=2, max_size=3),
    )
    def call(self, scope: str, meanwhile: str, calls: list[dict[str, Any]]) -> None:
        """Call some times in a row: among so many other moves single calls would seldom meet."""
        for call in calls:
            self._call(scope, **call)
            self._move(self._row(self.keys.get(scope)), meanwhile)

    def _move(self, holder: Job | None, how: str) -> None:
        if holder is None or holder.state != State.QUEUED:
            return
        if how == "cancel":
            interventions.cancel([holder.id], running=True)
        elif how != "nothing":
            worker = self.workers[0]
            ticket = (holder.id, holder.token, False)
            for job in transitions.claim([ticket], worker=worker).claimed:
                self.attempts.append(Hold(job.id, job.token, worker))
                if how == "succeed":
                    transitions.succeed(self.attempts[-1], stored=RESULT)

    def _call(
        self, scope: str, *, conflict: str, delayed: bool, crash: int | None, lost: bool
    ) -> None:
        holder = self._row(self.keys.get(scope))
        taken = holder is not None and self._stands(scope, holder)
        if not taken and sum(id.startswith("unique") for id in self.committed) >= MOST:
            return
        id = f"unique-{uuid4().hex[:6]}"
        request = UniqueRequest(
            key=f"key:{scope}",
            scope=scope,
            conflict=conflict,
            period_seconds=PERIOD_SECONDS if scope == Scope.PERIOD else None,
        )
        job = new_job(id, delay_seconds=-1.0 if delayed else None, unique=request, body=id.encode())
        told = False
        refused: UniqueConflict | None = None
        with crash_before_statement(self.alias, crash):
            try:
                tickets = transitions.record([job])
            except UniqueConflict as error:
                refused = error
            else:
                told = True
                if not lost:
                    self.broker += tickets
        recorded = self._row(id) is not None
        assert not (recorded and taken), "a second job has the key"
        if refused is not None:
            assert taken
            assert (refused.job, conflict) == (self.keys[scope], Conflict.RAISE)
        if recorded:
            self.committed.add(id)
            self.keys[scope] = id
        if told:
            assert request.job == (holder.id if taken and holder is not None else id)
            assert recorded is not taken
            self._holder_is_as_asked(holder if taken else None, conflict, job.body)
        elif taken and holder is not None:
            after = self._row(holder.id)
            assert after is not None
            assert (after.token, after.state) == (holder.token, holder.state), "half a change"

    def _holder_is_as_asked(self, before: Job | None, conflict: str, body: bytes) -> None:
        if before is None:
            return
        after = self._row(before.id)
        assert after is not None
        changed = (
            conflict == Conflict.REPLACE
            and before.state in WAITING
            and before.hold != HoldReason.REPLACED
        )
        payload = Payload.objects.using(self.alias).get(job=before.id)
        assert (bytes(payload.body) == body) is changed
        if changed:
            assert after.token > before.token, "the old message would run what was replaced"
        if before.state == State.RUNNING:
            assert (after.token, after.state) == (before.token, before.state)
        assert after.attempts == before.attempts

    def _stands(self, scope: str, holder: Job) -> bool:
        if holder.state in {State.CANCELLED, State.EXPIRED}:
            return False
        if scope == Scope.PERIOD:
            return True
        if scope == Scope.UNFINISHED:
            return State(holder.state) not in FINAL
        return holder.state in WAITING and holder.attempts == 0

    def _row(self, id: str | None) -> Any:
        return Job.objects.using(self.alias).filter(id=id).first()

    @invariant()
    def keys_are_as_the_model_says(self) -> None:
        if not hasattr(self, "keys"):
            return
        rows = UniqueKey.objects.using(self.alias).values_list("key", "job")
        assert dict(rows) == {f"key:{scope}": id for scope, id in self.keys.items()}
