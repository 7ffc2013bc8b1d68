"""Each rule of the soak refuses a record that was doctored, none refuses an honest one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from holdfast.ledger.states import Outcome, Reason, State
from tests.chaos.evidence import Body, Call, Evidence, Fired, Life, Row, Sent, Tried
from tests.chaos.ground import CRASH, SHUTS_OUT, Harm
from tests.chaos.judge import LEASE_RAN_OUT
from tests.chaos.outside import outside
from tests.chaos.rules import RULES, judged, measured
from tests.chaos.rules.jobs import explained
from tests.chaos.rules.workers import recoveries
from tests.processes import ROOT

KILLED, OTHER, LEADER, PRODUCER = 101, 102, 103, 104
Doctor = Callable[[Evidence], None]


def honest() -> Evidence:
    """Return the record of a run in which a worker was killed, Redis was away, and every promise held."""
    bodies = {
        "plain": [Body("plain", 2, KILLED, 10.0), Body("plain", 4, OTHER, 14.0, ended=14.5)],
        "row": [Body("row", 2, OTHER, 10.0, "atomic_work", ended=10.1)],
        "first": [Body("first", 2, OTHER, 10.0, "step", ended=10.2)],
        "second": [Body("second", 2, OTHER, 10.3, "step", ("first:2",), 10.4)],
        "close": [Body("close", 2, OTHER, 11.0, "closing", ("a batch",), 11.1)],
        "bad": [Body("bad", token, OTHER, 10.0 + token, "poison") for token in (2, 4, 6)],
        "in time": [Body("in time", 2, OTHER, 30.02, ended=30.1)],
        "due": [Body("due", 2, OTHER, 50.1, ended=50.2)],
        **{
            f"narrow{n}": [Body(f"narrow{n}", 2, OTHER, 20.0 + n, "limited", (), 21.0 + n)]
            for n in range(6)
        },
        "ann": [Body("ann", 2, OTHER, 20.0, "tenanted", ("ann",), 21.0)],
        "one": [Body("one", 2, OTHER, 20.0, "alone", ("key",), 21.0)],
        "two": [Body("two", 2, OTHER, 21.5, "alone", ("key",), 22.0)],
        "occurred": [Body("occurred", 2, OTHER, 20.0, "quick", (), 20.0)],
    }
    rows = {id: Row(b[-1].task, State.SUCCEEDED, b[-1].token + 1) for id, b in bodies.items()}
    rows["bad"] = Row("poison", State.DEAD, 7, losses=3, reason=Reason.POISON)
    rows["in time"].published = 30.0
    lost = [Tried("plain", 2, Outcome.LOST, LEASE_RAN_OUT, KILLED, 9.9, 13.5)]
    died = [Tried("bad", t, Outcome.LOST, "killed", OTHER, 10.0 + t, 11.0 + t) for t in (2, 4, 6)]
    return Evidence(
        lease=3.0,
        sweep=0.5,
        sent=Sent(
            committed=dict.fromkeys(bodies, 9.0) | {"in time": 27.0, "due": 45.0},
            undone={"undone"},
            poison={"bad"},
            batches={"a batch"},
            forged={f"forged{n}" for n in range(30)},
            due={"due": (50.0, 50.0)},
            calls=[
                *(Call("bulk", 40.0 + n, 0.02, PRODUCER) for n in range(30)),
                *(Call("bulk", 26.0, 0.05, PRODUCER) for _ in range(30)),
            ],
        ),
        bodies=bodies,
        rows=rows,
        tried=lost + died,
        results={"first": "first:2"},
        atomic=Counter({"row": 1}),
        fired=[
            Fired("kept", 20.0, "fired", "occurred", 20.01),
            Fired("kept", 21.0, "fired", "narrow1", 21.01),
            Fired("kept", 22.0, "fired", "narrow2", 25.0),
            Fired("kept", 23.0, "fired", "narrow3", 25.0),
        ],
        harms=[
            Harm("kill worker", KILLED, 10.2, 10.2),
            Harm("kill scheduler", LEADER, 21.5, 21.5),
            Harm("kill broker", "broker", 25.0, 28.0),
        ],
        lives=[
            Life("worker", KILLED, 0.0, 10.2),
            Life("worker", OTHER, 0.0),
            Life("scheduler", LEADER, 0.0, 21.5),
            Life("scheduler", 105, 0.0),
        ],
        security_events=12,
    )


def lost(e: Evidence) -> None:
    del e.rows["plain"]


def lost_callbacks(e: Evidence) -> None:
    del e.bodies["close"]


def ran_though_rolled_back(e: Evidence) -> None:
    e.bodies["undone"] = [Body("undone", 2, OTHER, 12.0)]


def duplicated_atomic(e: Evidence) -> None:
    e.atomic["row"] += 1


def stale_writes(e: Evidence) -> None:
    e.rows["first"].token = 5


def late_recoveries(e: Evidence) -> None:
    e.tried[0] = replace(e.tried[0], ended=14.0)


def false_rescues(e: Evidence) -> None:
    e.tried[0] = replace(e.tried[0], worker_pid=OTHER)


def poison_not_dead(e: Evidence) -> None:
    e.rows["bad"].losses = 5


def failed_by_a_fault(e: Evidence) -> None:
    e.rows["plain"].state = State.FAILED


def occurrences(e: Evidence) -> None:
    e.fired.pop(1)


def late_take_overs(e: Evidence) -> None:
    e.fired += [Fired("often", 40.0, "fired", "narrow4", 40.5)]


def overshoot(e: Evidence) -> None:
    for n in range(6):
        e.bodies[f"narrow{n}"][0].began = 20.5


def shared_keys(e: Evidence) -> None:
    e.bodies["two"][0].began = 20.9


def raised(e: Evidence) -> None:
    e.sent.raised.append("bulk: TypeError")


def slow_calls(e: Evidence) -> None:
    e.sent.calls.append(Call("bulk", 26.0, 1.05, PRODUCER))


def dear_calls(e: Evidence) -> None:
    e.sent.calls += [Call("bulk", 26.0, 0.4, PRODUCER)] * 40


def late_publications(e: Evidence) -> None:
    e.rows["in time"].published = 38.5
    e.bodies["in time"][0].began = 39.0


def ran_twice(e: Evidence) -> None:
    e.bodies["row"].append(Body("row", 2, KILLED, 10.3, "atomic_work"))


def early(e: Evidence) -> None:
    e.bodies["due"][0].began = 49.9


def late(e: Evidence) -> None:
    for n in range(20):
        e.sent.due[f"late{n}"] = (50.0, 50.0)
        e.bodies[f"late{n}"] = [Body(f"late{n}", 2, OTHER, 51.5)]
        e.rows[f"late{n}"] = Row("work", State.SUCCEEDED, 3, published=51.4)


def lost_by_sigterm(e: Evidence) -> None:
    e.harms[0] = replace(e.harms[0], fault="end worker")


def forged_runs(e: Evidence) -> None:
    e.bodies["forged7"] = [Body("forged7", 1, OTHER, 12.0)]


def unseen_forgeries(e: Evidence) -> None:
    e.security_events = 0


DOCTORS: dict[str, Doctor] = {
    doctor.__name__: doctor
    for doctor in (
        *(lost, lost_callbacks, ran_though_rolled_back, duplicated_atomic, stale_writes),
        *(late_recoveries, false_rescues, poison_not_dead, failed_by_a_fault, occurrences),
        *(late_take_overs, overshoot, shared_keys, raised, slow_calls, dear_calls),
        *(late_publications, ran_twice, early, late, lost_by_sigterm, forged_runs),
        unseen_forgeries,
    )
}


def refused(e: Evidence) -> set[str]:
    return {name for name, found in judged(e).items() if found}


def test_no_rule_refuses_an_honest_record() -> None:
    assert {name: found for name, found in judged(honest()).items() if found} == {}


@pytest.mark.parametrize("name", [rule.name for rule in RULES])
def test_rule_refuses_a_doctored_record(name: str) -> None:
    doctored = honest()
    DOCTORS[name](doctored)
    assert name in refused(doctored)


def test_every_promise_has_a_rule() -> None:
    named = {promise for rule in RULES for promise in rule.promises.split(", ")}
    assert named == {f"P{number}" for number in range(1, 14)}


def test_worker_that_a_full_database_shuts_out_is_not_rescued_falsely() -> None:
    e = honest()
    false_rescues(e)
    e.harms.append(Harm(SHUTS_OUT, "database", 8.0, 12.0))
    assert "false_rescues" not in refused(e)
    e.harms[-1] = Harm(SHUTS_OUT, "database", 14.0, 15.0)
    assert "false_rescues" in refused(e)


def more_lost(e: Evidence) -> None:
    e.rows["plain"].state = State.QUEUED


def ended_nowhere(e: Evidence) -> None:
    e.bodies["plain"][-1].ended = None


def without_a_row(e: Evidence) -> None:
    e.atomic.clear()


def row_of_nobody(e: Evidence) -> None:
    e.atomic["nobody"] = 1


def sent_by_a_stale_attempt(e: Evidence) -> None:
    e.bodies["second"][0].more = ("first:1",)


def unknown_token(e: Evidence) -> None:
    e.bodies["row"].insert(0, Body("row", 1, OTHER, 9.0, "atomic_work"))


def again_for_nothing(e: Evidence) -> None:
    e.harms.pop(0)


def two_of_a_tenant(e: Evidence) -> None:
    e.bodies |= {f"ann{n}": [replace(e.bodies["ann"][0], job=f"ann{n}")] for n in range(2)}


def another_task(e: Evidence) -> None:
    e.bodies["plain"][0].task = "poison"


def one_job_for_two_occurrences(e: Evidence) -> None:
    e.fired[1] = replace(e.fired[1], job="occurred")


def missed(e: Evidence) -> None:
    e.fired[1] = replace(e.fired[1], outcome="missed")


@pytest.mark.parametrize(
    ("doctor", "rule"),
    [
        (more_lost, "lost"),
        (ended_nowhere, "lost"),
        (without_a_row, "duplicated_atomic"),
        (row_of_nobody, "duplicated_atomic"),
        (sent_by_a_stale_attempt, "stale_writes"),
        (unknown_token, "ran_twice"),
        (again_for_nothing, "ran_twice"),
        (two_of_a_tenant, "overshoot"),
        (another_task, "forged_runs"),
        (one_job_for_two_occurrences, "occurrences"),
        (missed, "occurrences"),
    ],
)
def test_rule_refuses_this_too(doctor: Doctor, rule: str) -> None:
    doctored = honest()
    doctor(doctored)
    assert rule in refused(doctored)


def test_claim_undone_by_a_crash_of_the_database_is_explained() -> None:
    e = honest()
    unknown_token(e)
    e.harms.append(Harm(CRASH, "database", 9.2, 9.4))
    assert "ran_twice" not in refused(e)
    assert explained(e) == {"kill worker": 1, CRASH: 1}


def test_recovery_counts_from_when_somebody_was_able_to_rescue() -> None:
    e = honest()
    assert [round(one.seconds, 1) for one in recoveries(e)] == [3.3]
    # The database was away: nobody judges before a lease of steady beats, then the bound begins anew.
    e.harms.append(Harm("silence database", "database", 11.0, 15.0))
    e.tried[0] = replace(e.tried[0], ended=20.0)
    assert [round(one.seconds) for one in recoveries(e)] == [2]
    assert "late_recoveries" not in refused(e)
    e.tried[0] = replace(e.tried[0], ended=22.0)
    assert "late_recoveries" in refused(e)


def test_recovery_counts_from_when_a_worker_that_was_asked_to_leave_is_gone() -> None:
    e = honest()
    e.harms[0] = Harm("rush worker", KILLED, 10.2, 12.2)
    assert [round(one.seconds, 1) for one in recoveries(e)] == [1.3]


def test_recovery_does_not_count_while_no_worker_lives() -> None:
    e = honest()
    e.lives[1] = Life("worker", OTHER, ready=12.0)
    e.tried[0] = replace(e.tried[0], ended=17.0)
    assert [round(one.seconds) for one in recoveries(e)] == [2]


def test_figures_tell_what_ran_again_and_how_long_it_took() -> None:
    figures = measured(honest())
    assert figures["run_again"] == {"kill worker": 1}
    assert figures["recovery"] == {"count": 1, "p50": 3.3, "max": 3.3, "bound": 3.5}
    assert figures["forged"] == 30


def test_call_while_tickets_are_only_shuffled_is_one_with_redis() -> None:
    e = honest()
    slow_calls(e)
    e.harms[-1] = replace(e.harms[-1], fault="shuffle tickets")
    assert "slow_calls" not in refused(e)


def test_page_about_chaos_tells_every_rule() -> None:
    page = (ROOT / "docs/chaos.md").read_text()
    told = [f"| {rule.promises} | {rule.name.replace('_', ' ')} | {rule.what} |" for rule in RULES]
    assert [line for line in told if line not in page] == []


def test_record_alone_tells_what_was_lost_and_doubled() -> None:
    e = honest()
    assert outside(e) | {"recovery_p50": 3.8} == outside(e)
    assert outside(e)["lost"] == outside(e)["duplicated"] == outside(e)["duplicated_atomic"] == 0
    e.bodies["plain"][-1].ended = None
    e.bodies["row"].append(Body("row", 4, KILLED, 15.0, "atomic_work", ended=15.1))
    e.atomic["row"] = 2
    told = outside(e)
    assert (told["lost"], told["duplicated"], told["duplicated_atomic"]) == (1, 1, 1)
