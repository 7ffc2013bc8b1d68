"""Every line of a real worker about a job says which one: main process, pool processes, threads, coroutines."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from celery import chain

from tests.eventually import eventually
from tests.harness import Site, new_site
from tests.project import watched
from tests.project.coroutines import AIO

pytestmark = pytest.mark.slow
INCLUDE = f"--include={watched.__name__}"


def lines_in(file: Path) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in file.read_text().splitlines() if line.startswith("{")]
    assert found, file.read_text()
    return found


def logging_as(**config: Any) -> Mapping[str, str]:
    return {"TEST_LOGS": json.dumps({"json": True, **config})}


@pytest.mark.parametrize("pool", ["prefork", "threads", "custom"])
def test_lines_of_a_worker_and_its_bodies_say_whose_they_are(
    pool: str, request: pytest.FixtureRequest
) -> None:
    more = AIO if pool == "custom" else {}
    with new_site("sqlite", request) as site:
        file = site.directory / "jobs.log"
        worker = site.worker(INCLUDE, pool=pool, environment={**more, **logging_as(file=str(file))})
        wanted = send(site)
        site.wait_all_final()

        def is_written() -> bool:
            said = {line["message"] for line in lines_in(file)}
            return all(f"said by {name}" in said for name in wanted)

        eventually(is_written, told="every body has said its line")
        worker.stop()
        lines = lines_in(file)
        # What Celery writes beside its log, such as its banner, is no line of it.
        assert {line["message"] for line in lines_in(worker.log)} >= {
            f"said by {name}" for name in wanted
        }
    of_job = defaultdict(list)
    for line in lines:
        of_job[line.get("job")].append(line)
    for name, job in wanted.items():
        said = [line for line in of_job[job] if line["message"] == f"said by {name}"]
        assert [line["attempt"] for line in said] == ([1, 2] if name == "twice" else [1])
        assert {line["correlation"] for line in of_job[job]} == {"request-7"}
        assert {line["task"] for line in of_job[job]} == {said[0]["task"]}
        received = [line for line in of_job[job] if line["message"].endswith("received")]
        assert [line["attempt"] for line in received] == [line["attempt"] for line in said]
    by_task = [line for line in lines if line["logger"] == "watched"]
    assert len(by_task) == 5
    assert {line["job"] for line in by_task} <= set(wanted.values())
    main = {line["process"] for line in lines if line["message"].endswith("received")}
    bodies = {line["process"] for line in lines if line["message"].startswith("said by")}
    assert len(main) == 1
    assert (main == bodies) == (pool != "prefork")


def send(site: Site) -> dict[str, str]:
    """Send jobs in a few ways; return their ids by the names they say."""
    speak, listen = (site.app.tasks[task.name] for task in (watched.speak, watched.listen))
    headers = {"correlation_id": "request-7"}
    first = chain(speak.s("first"), listen.s("next")).apply_async(headers=headers)
    twice = speak.apply_async(("twice",), {"fails": 1}, headers=headers)
    parent = speak.apply_async(("parent",), {"sends": "child"}, headers=headers)
    coroutine = site.app.tasks[watched.speak_async.name].apply_async(
        ("coroutine",), headers=headers
    )
    site.wait_all_final()
    (child,) = site.jobs(parent_id=parent.id)
    return {
        "first": first.parent.id,
        "next": first.id,
        "twice": twice.id,
        "parent": parent.id,
        "child": child,
        "coroutine": coroutine.id,
    }


def test_command_line_says_more_and_adds_a_file(request: pytest.FixtureRequest) -> None:
    with new_site("sqlite", request) as site:
        file = site.directory / "by the command line.log"
        worker = site.worker(
            INCLUDE, "-f", str(file), loglevel="DEBUG", environment=logging_as(level="ERROR")
        )
        site.app.tasks[watched.speak.name].delay("it")
        site.wait_all_final()
        worker.stop()
        assert {"DEBUG", "INFO", "WARNING"} <= {line["level"] for line in lines_in(file)}
