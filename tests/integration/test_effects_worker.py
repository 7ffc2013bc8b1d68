"""Effects in jobs of real workers: one call for many jobs, on each pool and on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.ledger.models.effects import Effect
from tests.eventually import eventually
from tests.harness import Site, new_site
from tests.project import charging
from tests.project.charging import read


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site(str(request.param), request) as site:
        yield site


@pytest.fixture
def books(site: Site) -> Iterator[Path]:
    site.empty()
    for book in ("charged", "seen"):
        Path(f"{site.effects_file}.{book}").unlink(missing_ok=True)
    yield site.effects_file
    site.kill_workers()


@pytest.mark.parametrize("pool", ["prefork", "threads"])
@pytest.mark.short_on("sqlite-threads", "postgres-prefork")
def test_jobs_that_want_the_same_call_share_one(site: Site, books: Path, pool: str) -> None:
    site.worker(f"--include={charging.__name__}", pool=pool, concurrency=4)
    task = site.app.tasks[charging.charge_for_many.name]
    sent = [task.delay("same", 0.3) for _ in range(4)] + [task.delay("other", 0.0)]

    states = site.wait_all_final()

    assert set(states.values()) == {"succeeded"}
    assert sorted(read(books, "charged")) == ["other", "same"]
    assert [result.get() for result in sent] == ["charged same"] * 4 + ["charged other"]
    made_by = {row.key: row.job for row in Effect.objects.using(site.alias)}
    assert made_by["other"] == sent[-1].id
    assert made_by["same"] in {result.id for result in sent[:-1]}


def test_effect_in_an_atomic_body_outlives_its_rollback_or_is_refused(
    site: Site, books: Path
) -> None:
    site.worker(f"--include={charging.__name__}")
    result = site.app.tasks[charging.charge_atomic.name].delay("atomic")
    assert site.wait_all_final()
    if site.database_url.startswith("sqlite"):
        assert "take atomic=True off the task" in str(result.result)
        assert read(books, "charged") == []
    else:
        assert result.get() == "charged atomic"
        assert Effect.objects.using(site.alias).get().job == result.id


@pytest.mark.short_on("sqlite")
def test_call_left_to_the_time_after_the_commit_is_made(site: Site, books: Path) -> None:
    site.worker(f"--include={charging.__name__}")
    site.app.tasks[charging.charge_after_commit.name].delay("later")
    assert set(site.wait_all_final().values()) == {"succeeded"}
    eventually(lambda: read(books, "charged") == ["later"], told="the call is made")


@pytest.mark.short_on("postgres")
def test_attempt_is_known_inside_a_task_that_runs_inline(site: Site, books: Path) -> None:
    site.worker(f"--include={charging.__name__}")
    result = site.app.tasks[charging.charge_from_eager.name].delay("inline")
    assert result.get(timeout=60) == "charged inline"
    assert Effect.objects.using(site.alias).get().job == result.id


def test_process_forked_from_one_that_used_effects_in_a_transaction_can_use_them(
    site: Site, books: Path
) -> None:
    # SIGALRM ends a child that waits for threads which did not come along.
    said = site.python(
        "import signal\n"
        "from holdfast.ledger.connections.aside import in_thread\n"
        "assert in_thread(lambda: 1) == 1\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    signal.alarm(20)\n"
        "    os._exit(in_thread(lambda: 7))\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    assert said.split() == ["7"]
