"""`manage.py holdfast signatures`: what a deploy would break is told before it does, on both databases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from celery import chain, chord, group
from django.core.management import CommandError, call_command
from django.db import connections
from django.test.utils import CaptureQueriesContext

from holdfast.ledger.reads import backlog
from tests.eventually import eventually
from tests.harness import Site, new_site
from tests.shop import tasks as shop

TASKS = "tests.project.tasks"
ADD = f"{TASKS}.add"


@pytest.fixture(params=["sqlite", "postgres"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site(str(request.param), request) as site:
        yield site


@pytest.fixture
def lock(site: Site) -> Path:
    """A lock that agrees with the code."""
    path = site.directory / "tasks.lock"
    call_command("holdfast", "signatures", "--write", "--lock", str(path), stdout=StringIO())
    return path


def check(lock: Path, *flags: str) -> tuple[dict[str, Any], str]:
    """Return what `--check --json` prints, and its refusal."""
    out = StringIO()
    arguments = ["--check", "--json", "--lock", str(lock), *flags]
    refusal = ""
    try:
        call_command("holdfast", "signatures", *arguments, stdout=out)
    except CommandError as error:
        refusal = str(error)
    told = json.loads(out.getvalue())
    assert told["ok"] == (not refusal)
    return told, refusal


def breaks(told: dict[str, Any]) -> dict[tuple[str, str], int]:
    """Return the number of jobs that break by task and parameter."""
    return {
        (finding["task"].removeprefix(f"{TASKS}."), finding["parameter"]): finding["rows"]
        for finding in told["findings"]
        if finding["breaks"]
    }


def edit(lock: Path, before: str, after: str) -> None:
    """Let the lock say what the old code was."""
    text = lock.read_text()
    assert before in text
    lock.write_text(text.replace(before, after, 1))


def test_code_that_fits_its_lock_and_its_jobs_is_said_to(site: Site, lock: Path) -> None:
    site.task("add").delay(1, 2)
    site.task("effect").apply_async(["later"], countdown=3600)
    chord([site.task("add").s(1, 2)], site.task("total").s()).delay()
    chain(
        site.task("add").s(1, 2), group(site.task("add").s(3), site.task("seen").s(name="x"))
    ).delay()
    site.task("leave").apply_async(
        ["raise", "x"], link_error=[site.task("failed").s("x"), site.task("failed_id").s(name="x")]
    )
    site.task("add").map([]).delay()
    site.task("add").starmap([(1, 2)]).delay()

    told, refusal = check(lock, "--exact")

    assert (told["findings"], refusal) == ([], "")
    assert told["rows"] == {"read": 7, "breaking": 0, "unreadable": 0}


@pytest.mark.short_on("sqlite")
def test_lock_is_the_same_text_from_another_process(site: Site, lock: Path) -> None:
    before = lock.read_text()
    printed = site.django("holdfast", "signatures", "--check", "--lock", str(lock))
    assert "Nothing breaks." in printed
    site.django("holdfast", "signatures", "--write", "--lock", str(lock))
    assert lock.read_text().count("[tasks.") >= before.count(f'[tasks."{TASKS}.')
    assert f'[tasks."{ADD}"]' in before
    assert "celery.chord" not in before


def test_every_job_that_could_not_be_called_is_counted_with_its_parameter(
    site: Site, lock: Path
) -> None:
    many = backlog._BODIES * 2 + 7
    site.app.tasks[ADD].apply_many([(1, 2)] * many)
    for _ in range(3):
        site.app.send_task(ADD, [1])
    site.app.send_task(ADD, [1], countdown=3600)
    site.app.send_task(ADD, [1, 2], {"carry": True})
    site.app.send_task(ADD, [1, 2, 3])

    told, refusal = check(lock)

    assert told["rows"] == {"read": many + 6, "breaking": 6, "unreadable": 0}
    assert breaks(told) == {("add", "y"): 4, ("add", "carry"): 1, ("add", "argument 3"): 1}
    assert refusal == "The code does not fit what was called: 6 jobs that wait would break."
    (missing,) = [one for one in told["findings"] if one["parameter"] == "y"]
    assert missing["repair"] == (
        "give it a default value, or drain first: manage.py holdfast drain --queue celery"
    )
    assert len(missing["jobs"]) == 4


def test_change_that_no_job_shows_is_refused_until_it_is_accepted(site: Site, lock: Path) -> None:
    edit(
        lock,
        '{ name = "x", kind = "positional or keyword" }',
        '{ name = "first", kind = "keyword-only" }',
    )

    told, refusal = check(lock)
    assert breaks(told) == {("add", "first"): 0, ("add", "x"): 0, ("add", "y"): 0}
    assert "0 jobs that wait would break. To accept the changes" in refusal

    call_command("holdfast", "signatures", "--write", "--lock", str(lock), stdout=StringIO())
    assert check(lock, "--exact")[1] == ""


def test_parameters_that_changed_places_break_the_jobs_called_by_position(
    site: Site, lock: Path
) -> None:
    x, y = (f'    {{ name = "{name}", kind = "positional or keyword" }},\n' for name in "xy")
    edit(lock, x + y, y + x)
    site.task("add").delay(1, 2)
    site.task("add").delay(x=1, y=2)

    told, _ = check(lock)

    assert breaks(told) == {("add", "x"): 1, ("add", "y"): 1}
    assert told["rows"]["breaking"] == 1


def test_renamed_parameter_breaks_the_jobs_that_name_it(site: Site, lock: Path) -> None:
    edit(lock, '{ name = "x", kind', '{ name = "first", kind')
    site.app.send_task(ADD, [1, 2])
    site.app.send_task(ADD, kwargs={"first": 1, "y": 2})

    told, _ = check(lock)

    assert breaks(told) == {("add", "first"): 1, ("add", "x"): 1}
    assert "renamed to 'x'" in str(told["findings"])


@pytest.mark.parametrize("waiting", [0, 2])
def test_task_that_is_gone_breaks_its_jobs_and_is_told_without(
    site: Site, lock: Path, waiting: int
) -> None:
    edit(lock, f'[tasks."{ADD}"]', '[tasks."shop.gone"]')
    for _ in range(waiting):
        site.app.send_task("shop.gone", [1])

    told, refusal = check(lock)

    assert breaks(told) == ({("shop.gone", ""): waiting} if waiting else {})
    assert bool(refusal) == bool(waiting)
    assert "the task is gone" in [one["what"] for one in told["findings"]]
    assert "is not up to date" in check(lock, "--exact")[1] or waiting
    if waiting:
        with pytest.raises(CommandError, match="2 jobs that wait would break"):
            call_command(
                "holdfast", "signatures", "--write", "--lock", str(lock), stdout=StringIO()
            )
        assert "shop.gone" in lock.read_text(), "left as it was"
        call_command(
            "holdfast",
            "signatures",
            "--write",
            "--without-ledger",
            "--lock",
            str(lock),
            stdout=StringIO(),
        )
    else:
        call_command("holdfast", "signatures", "--write", "--lock", str(lock), stdout=StringIO())
    assert "shop.gone" not in lock.read_text()


TAILS = {
    "chain": lambda add, bad: chain(add.s(1, 2), add.s(3), bad),
    "group in a chain": lambda add, bad: chain(add.s(1, 2), group(add.s(1), bad)),
    "chord in a chain": lambda add, bad: chain(add.s(1, 2), chord([add.s(1)], bad)),
    "link": lambda add, bad: add.s(1, 2).set(link=bad),
    "link of a link": lambda add, bad: add.s(1, 2).set(link=add.s(3).set(link=bad)),
    "error callback": lambda add, bad: add.s(1, 2).set(link_error=bad),
    "chord": lambda add, bad: chord([add.s(1, 2)], bad),
}


PLACE = {"group in a chain": "chain", "chord in a chain": "chain", "link of a link": "link"}


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.short_on("sqlite")
def test_call_that_a_waiting_job_will_make_is_read_too(site: Site, lock: Path, tail: str) -> None:
    add = site.task("add")
    TAILS[tail](add, add.s(1, 2)).apply_async()  # with the result before them, three
    TAILS[tail](add, add.si(1, 2)).apply_async()

    told, _ = check(lock)

    assert told["rows"] == {"read": 2, "breaking": 1, "unreadable": 0}
    assert breaks(told) == {("add", "argument 3"): 1}
    assert told["findings"][0]["where"] == [PLACE.get(tail, tail)]


def test_running_job_and_compressed_body_are_read_and_damaged_ones_counted(
    site: Site, lock: Path
) -> None:
    gate = site.directory / "gate"
    worker = site.worker(concurrency=1)
    running = site.task("wait_for_file").delay(str(gate), "x").id
    eventually(lambda: site.states()[running] == "running", told="it runs")
    worker.kill()
    site.app.send_task(ADD, [1], compression="gzip")
    site.app.send_task(ADD, [1], serializer="pickle")
    edit(lock, '{ name = "gate", kind', '{ name = "path", kind')

    told, _ = check(lock)

    assert told["rows"] == {"read": 3, "breaking": 1, "unreadable": 1}
    assert breaks(told)[("add", "y")] == 1


def test_waiting_job_that_no_longer_fits_its_annotation_is_named(site: Site, lock: Path) -> None:
    fits = shop.ship.delay({"orderNumber": 7})
    chain(site.task("add").s(1, 2), shop.ship.s()).delay()  # its order is not there yet
    site.app.send_task(shop.ship.name, [{"orderNumber": 7, "speed": "never"}])

    told, _ = check(lock)

    assert breaks(told) == {("tests.shop.tasks.ship", "order"): 1}
    assert told["rows"]["breaking"] == 1
    assert told["findings"][0]["what"] == "it is given, and does not fit its annotation"
    assert fits.id not in told["findings"][0]["jobs"]


def test_without_the_ledger_only_the_lock_is_compared(site: Site, lock: Path) -> None:
    site.app.send_task(ADD, [1])
    assert check(lock, "--without-ledger")[0]["rows"] is None
    edit(
        lock, "parameters = [\n", 'parameters = [\n    { name = "gone", kind = "keyword-only" },\n'
    )
    assert "would break" in check(lock, "--without-ledger")[1]


def test_missing_lock_is_refused_with_the_way_to_make_it(site: Site, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"There is no .*none\. Make it with"):
        call_command("holdfast", "signatures", "--check", "--lock", str(tmp_path / "none"))


def test_human_output_names_task_parameter_number_and_repair(site: Site, lock: Path) -> None:
    id = site.app.send_task(ADD, [1]).id
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("holdfast", "signatures", "--check", "--lock", str(lock), stdout=out)
    assert out.getvalue().splitlines() == [
        "1 job that waits read, 1 would break.",
        f"BREAKS {ADD}(y): it is not given, and has no default; breaks 1 job that waits: {id}",
        "       repair: give it a default value, or drain first: manage.py holdfast drain --queue celery",
    ]


def test_backlog_is_counted_at_one_instant_by_place(site: Site) -> None:
    add = site.task("add")
    for queue in ("celery", "mail"):
        add.apply_async((1, 2), queue=queue)
        add.apply_async((1, 2), queue=queue, countdown=3600)
    with CaptureQueriesContext(connections[site.alias]) as asked:
        assert backlog.backlog() == backlog.Backlog(queued=2, scheduled=2)
    assert len(asked) == 1, "two statements could miss a job that moves between them"
    assert backlog.backlog(["mail"]) == backlog.Backlog(queued=1, scheduled=1)
    assert backlog.backlog(all_held=False) == backlog.Backlog(queued=2)
    assert [(row.queue, row.place, row.count) for row in backlog.left(["mail"])] == [
        ("mail", "queued", 1),
        ("mail", "scheduled", 1),
    ]
    moment = backlog.next_scheduled()
    row = site.jobs(state=0, queue="mail").popitem()[1]
    assert moment is not None
    assert row.due_at is not None
    assert abs(row.due_at - moment) < timedelta(minutes=1)
