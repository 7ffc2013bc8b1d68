"""What the guide to retries shows is what happens; its table is held to real workers in test_retries.py."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import pytest
from celery import current_app

import holdfast
from holdfast.ledger.models import Job
from holdfast.ledger.states import CELERY_STATE, Hold, Outcome, Reason, State
from holdfast.testing import HoldfastJobs
from tests import surroundings
from tests.docs.pages import examples
from tests.project.retrying import HOOKS
from tests.project.shopping import open_shop
from tests.retry_table import PAGE, WAYS, rows

BLOCKS = examples(PAGE, language="python")


@pytest.fixture
def jobs(ledger: str) -> Any:
    with surroundings.current_app("redis://127.0.0.1:1/0"), HoldfastJobs() as jobs:
        yield jobs


def run(number: int, **names: Any) -> dict[str, Any]:
    # Of this test's app alone: shared tasks would reach every app that other tests make.
    names["shared_task"] = partial(current_app.task, shared=False)
    names["__name__"] = f"guide_to_retries_{number}"
    code = BLOCKS[number].replace("from celery import shared_task\n", "")
    exec(compile(code, str(PAGE), "exec"), names)
    return names


def test_table_has_the_rows_that_are_tested_and_no_other() -> None:
    assert list(rows()) == list(WAYS)


def test_table_uses_the_words_of_the_code() -> None:
    words = {
        value
        for cls in (Hold, Reason, Outcome)
        for key, value in vars(cls).items()
        if key.isupper()
    }
    words |= {state.name.lower() for state in State} | {*CELERY_STATE.values(), "RETRY", *HOOKS}
    for row in rows().values():
        said = [cell for head, cell in row.items() if head != "the attempt"]
        assert set(re.findall(r"`([^`]+)`", " ".join(said))) <= words, row


def test_rules_of_the_guide_do_what_it_says(jobs: HoldfastJobs) -> None:
    declined, limited = (
        type("CardDeclined", (Exception,), {}),
        type("RateLimited", (Exception,), {}),
    )
    charge = run(0, CardDeclined=declined, RateLimited=limited)["charge"]
    assert "not retried" in charge.explain_retry(declined())
    assert "retry no limit" in charge.explain_retry(limited())
    assert "retry 1 of 10" in charge.explain_retry(TimeoutError())
    assert "retry 1 of 1 " in charge.explain_retry(ValueError())


def test_snooze_of_the_guide_comes_back(jobs: HoldfastJobs) -> None:
    ready: list[str] = []
    stored: list[str] = []
    names = {"report_is_ready": lambda day: ready, "download": str, "store": stored.append}
    run(1, **names)["fetch_report"].delay("monday")
    jobs.drain()
    (job,) = jobs.recorded()
    assert job.state == "held"
    ready.append("monday")
    jobs.drain(skip_waits=True)
    assert stored == ["monday"]


def test_test_of_the_guide_passes(jobs: HoldfastJobs) -> None:
    with open_shop((429, {"Retry-After": "1800"})) as shop:
        run(2)["test_refusal_is_waited_for"](jobs, shop)
    assert shop.asked == 2


def test_clean_up_of_the_guide_runs_once_when_the_job_has_failed(
    ledger: str, jobs: HoldfastJobs, tmp_path: Any
) -> None:
    names = run(3, upload=_refuse)
    for name in ("export.csv", "kept.csv"):
        (tmp_path / name).touch()
    names["send_export"](str(tmp_path / "export.csv"))
    jobs.drain(raise_errors=False, skip_waits=True)
    assert [path.name for path in tmp_path.iterdir()] == ["kept.csv"]
    states = Job.objects.using(ledger).values_list("task", "state", "failures")
    assert sorted((task.rpartition(".")[2], state, n) for task, state, n in states) == [
        ("export", State.FAILED, 3),
        ("remove", State.SUCCEEDED, 0),
    ]


def test_attempts_of_the_guide_are_shown(
    jobs: HoldfastJobs, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing() -> None:
        raise ValueError("broken")

    sent = current_app.task(name="failing", shared=False)(failing).delay()
    jobs.drain(raise_errors=False)
    run(4, holdfast=holdfast, job_id=sent.id)
    assert "1 failed" in capsys.readouterr().out


def _refuse(path: str) -> None:
    raise OSError(path)
