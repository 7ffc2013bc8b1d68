"""Whoever waits for a job and cannot be told keeps nobody else waiting, and no job from its end."""

from __future__ import annotations

from pathlib import Path

import pytest
from celery import chord

from holdfast.ledger import interventions, transitions
from holdfast.ledger.models import ChordPart
from holdfast.ledger.states import State
from holdfast.upkeep import settler
from holdfast.upkeep.settler import Settler
from tests.eventually import eventually
from tests.harness import new_site
from tests.rows import new_job

BATCH = 5


def _cancelled(*ids: str) -> None:
    transitions.record([new_job(id, linked=True) for id in ids])
    interventions.cancel(ids, running=False)


def test_jobs_whose_waiters_cannot_be_told_keep_no_others_waiting(
    ledger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settler, "BATCH", BATCH)
    bad = [f"bad-{number}" for number in range(BATCH)]
    asked: list[str] = []
    clock = [0.0]

    def settle(job_id: str) -> None:
        asked.append(job_id)
        if job_id in bad:
            raise LookupError(job_id)
        interventions.settle(job_id)

    _cancelled(*bad)
    _cancelled("good")
    one = Settler(settle, monotonic=lambda: clock[0])

    assert [one.one_pass() for _ in range(3)] == [0, 1, 0]
    assert sorted(asked) == [*bad, "good"]

    asked.clear()
    clock[0] += settler.AGAIN_SECONDS
    assert one.one_pass() == 0
    assert sorted(asked) == bad


@pytest.mark.parametrize("how", ["raise", "lose child always"])
def test_error_callback_that_cannot_be_sent_takes_nothing_with_it(
    how: str, request: pytest.FixtureRequest
) -> None:
    with new_site("postgres", request) as site:
        site.worker()
        unsendable = site.task("failed_id").s(name="never").set(serializer="no such thing")
        sent = site.task("leave").apply_async(
            (how, "member"), link_error=[unsendable, site.task("failed").s("told")]
        )
        site.wait_all_final(60)

        eventually(lambda: any(line.startswith("failed told") for line in site.effects()))
        eventually(lambda: not site.jobs(unsettled=True))
        # Nobody starts it again afterwards: two looks of the audit pass meanwhile.
        site.task("noop").apply_async(countdown=3).get(timeout=15)
        starts = {"raise": 1, "lose child always": 3}[how]
        assert site.jobs()[sent.id].attempts == starts
        assert "its error callback cannot be sent" in site.log_tails(1000)


def test_failed_member_of_a_chord_that_cannot_go_on_is_not_run_again(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    with new_site("postgres", request) as site:
        site.worker()
        slow = site.task("wait_for_file").s(str(tmp_path / "never"), "slow")
        header = [site.task("add").s(1, 1), slow.set(soft_time_limit=2)]
        member = chord(header, site.task("collect").s(), app=site.app).apply_async().parent[1]
        parts = ChordPart.objects.using(site.alias)
        eventually(parts.exists)
        parts.update(result=b"\xff")
        eventually(lambda: site.states()[member.id] == "failed")

        # Nobody starts it again afterwards: two looks of the audit pass meanwhile.
        site.task("noop").apply_async(countdown=4).get(timeout=15)
        row = site.jobs()[member.id]
        assert (row.state, row.attempts, row.unsettled) == (State.FAILED, 1, True)
