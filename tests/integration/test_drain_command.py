"""`manage.py holdfast drain`: it ends when nothing is under way, not before; on both databases, with real workers."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from celery import chain
from django.core.management import CommandError, call_command
from rich.console import Console

from holdfast.ledger import interventions
from holdfast.ledger.reads.backlog import Backlog
from holdfast.management import progress
from holdfast.management.verbs import drain as verb
from tests import warm
from tests.eventually import eventually
from tests.harness import Site, new_site
from tests.processes import ROOT


@pytest.fixture(params=["sqlite", "postgres"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site(str(request.param), request) as site:
        yield site


def drain(*flags: str) -> tuple[dict[str, Any], str]:
    """Return what `--json` prints, and the refusal."""
    out, refusal = StringIO(), ""
    try:
        call_command("holdfast", "drain", "--json", *flags, stdout=out, stderr=StringIO())
    except CommandError as error:
        refusal = str(error)
    told = json.loads(out.getvalue())
    assert told["drained"] == (not refusal)
    return told, refusal


def test_empty_ledger_is_drained_at_once(site: Site) -> None:
    told, _ = drain()
    assert (told["left"], told["scheduled"], told["next_scheduled"]) == ([], 0, None)


@pytest.mark.short_on("postgres")
def test_drain_waits_for_all_that_runs_waits_and_follows(site: Site) -> None:
    add, effect = site.task("add"), site.task("effect")
    effect.delay("slow", 1.0)
    chain(add.s(1, 2), add.s(3), effect.si("last of the chain", 0.3)).delay()
    site.task("leave").delay("retry later", "again")
    effect.apply_async(["next month"], countdown=30 * 24 * 3600)
    site.worker()

    told, _ = drain("--timeout", "60")

    states = site.states()
    assert sorted(states.values()) == ["held", *["succeeded"] * 5]
    assert told["scheduled"] == 1
    assert told["next_scheduled"] is not None
    assert site.effect_counts()["end last of the chain"] == 1


@pytest.mark.short_on("sqlite")
def test_timed_out_drain_says_what_is_left_and_that_nobody_serves_it(site: Site) -> None:
    site.task("add").delay(1, 2)
    site.task("add").delay(1, 2)
    site.task("effect").apply_async(["x"], queue="mail", countdown=3600)
    site.task("effect").apply_async(["x"], queue="mail")

    told, refusal = drain("--timeout", "0.3")

    assert refusal.endswith("3 jobs are left.")
    assert [
        (row["queue"], row["task"].rpartition(".")[2], row["state"], row["jobs"])
        for row in told["left"]
    ] == [
        ("celery", "add", "queued", 2),
        ("mail", "effect", "queued", 1),
    ]
    assert (told["scheduled"], told["unserved"]) == (1, ["celery", "mail"])
    assert 0.3 <= told["seconds"] < 30


@pytest.mark.short_on("sqlite")
def test_drain_of_a_queue_leaves_the_others_alone(site: Site) -> None:
    site.task("add").delay(1, 2)
    assert drain("--queue", "mail", "--timeout", "5")[1] == ""
    assert drain("--queue", "mail", "--queue", "celery", "--timeout", "0")[1] != ""


@pytest.mark.short_on("sqlite")
def test_scheduled_jobs_are_waited_for_when_asked(site: Site) -> None:
    site.task("effect").apply_async(["soon"], countdown=1.5)
    site.worker()
    assert drain("--timeout", "30")[0]["scheduled"] in {0, 1}
    told, _ = drain("--include-scheduled", "--timeout", "30")
    assert told["scheduled"] == 0
    assert site.effect_counts()["end soon"] == 1


@pytest.mark.short_on("postgres")
def test_retry_that_is_not_due_is_under_way(site: Site) -> None:
    worker = site.worker()
    id = site.task("retry_in").delay(3600).id
    eventually(lambda: site.jobs()[id].hold == "retry", told="it is held for its retry")
    told, _ = drain("--timeout", "0.2")
    assert [(row["state"], row["place"]) for row in told["left"]] == [("held", "waiting")]
    worker.stop()


@pytest.mark.short_on("sqlite")
def test_job_whose_end_nobody_has_told_yet_is_under_way(site: Site) -> None:
    sent = chain(site.task("add").s(1, 2), site.task("add").s(3)).delay()
    interventions.cancel([sent.parent.id], running=True)
    told, _ = drain("--timeout", "0.2")
    assert [(row["state"], row["place"]) for row in told["left"]] == [("over", "telling")]
    site.worker()
    assert drain("--timeout", "30")[1] == ""


@pytest.mark.slow
@pytest.mark.short_on("postgres")
def test_worker_killed_in_the_middle_of_a_drain_delays_it_and_no_more(site: Site) -> None:
    effect = site.task("effect")
    ids = [effect.delay(f"job {n}", 0.2).id for n in range(20)]
    first = site.worker()
    command = site.process(_DRAIN)
    eventually(lambda: site.counts().get("succeeded", 0) >= 4, told="some of them are done")
    first.kill()
    assert command.running, "it waits for what the dead worker held"
    site.worker()

    assert command.wait(60) == 0, command.log_text()

    assert site.states() == dict.fromkeys(ids, "succeeded")
    assert all(site.effect_counts()[f"end job {n}"] >= 1 for n in range(20))


_DRAIN = """
from django.core.management import call_command
call_command("holdfast", "drain", "--timeout", "50")
"""


@pytest.mark.short_on("sqlite")
def test_exit_codes_are_those_that_a_deploy_script_asks_for(site: Site) -> None:
    def run() -> subprocess.CompletedProcess[str]:
        command = ["-m", "django", "holdfast", "drain", "--timeout", "0.2"]
        return warm.run(command, environment=site.environment, cwd=ROOT, timeout=120)

    done = run()
    assert (done.returncode, done.stdout[:13]) == (0, "Drained after"), done.stderr
    site.task("add").delay(1, 2)
    done = run()
    assert done.returncode == 1
    assert "tests.project.tasks.add  queued  1" in done.stdout
    assert "No live worker serves the queue 'celery'" in done.stderr
    assert "timed out" in done.stderr


def test_interrupted_drain_says_what_is_left(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.task("add").delay(1, 2)

    def pause(self: verb.Wait) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(verb.Wait, "pause", pause)
    with pytest.raises(CommandError, match=r"interrupted .* 1 jobs are left") as stopped:
        call_command("holdfast", "drain", stdout=StringIO(), stderr=StringIO())
    assert stopped.value.returncode == 130


def test_log_gets_a_line_and_not_one_for_every_look(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    class Quiet:
        watched = False

        def remark(self, line: str) -> None:
            said.append(line)

    quiet: Any = Quiet()
    with progress.progress(quiet) as shown:
        for left in (3, 2, 1):
            shown.show(left, f"{left} left")
    assert said == ["3 left"]


def test_bar_shows_the_numbers_and_how_far_it_is() -> None:
    screen = StringIO()
    bar = progress._bar(Console(file=screen, force_terminal=True, width=100))
    with bar:
        shown = progress.Bar(bar)
        shown.show(4, verb._words(Backlog(queued=4)))
        shown.show(1, verb._words(Backlog(running=1, scheduled=2)))
        assert (bar.tasks[0].total, bar.tasks[0].completed) == (4, 3)
        shown.show(9, verb._words(Backlog(queued=9)))
        assert (bar.tasks[0].total, bar.tasks[0].completed) == (9, 0)
    assert "9 queued, 0 running, 0 due" in screen.getvalue()
