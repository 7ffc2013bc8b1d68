"""From settings to processes: which pools there are, how large, and how long a stop waits for them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from holdfast.deploy import Deployment, deriving, described
from holdfast.deploy.description import ASYNCIO_POOL
from holdfast.deploy.facts import Facts
from holdfast.exceptions import ConfigurationError

FLAGS = {"--without-gossip", "--without-mingle", "--without-heartbeat"}


def deployed(**said: Any) -> Deployment:
    facts = {
        "app": "shop",
        "settings": "shop.settings",
        "folder": Path("/nowhere"),
        "asgi": "shop.asgi:application",
        "wsgi": "shop.wsgi:application",
        "servers": ("uvicorn",),
    }
    return described(Facts(**{**facts, **said}))


def pools(**said: Any) -> dict[str, Any]:
    return {pool.name: pool for pool in deployed(**said).pools}


def option(pool: Any, name: str) -> str:
    return str(pool.command[pool.command.index(name) + 1])


def test_project_that_says_nothing_gets_one_worker_for_its_one_queue() -> None:
    deployment = deployed()
    (worker,) = deployment.pools
    assert (worker.name, worker.queues, worker.kind) == ("worker", ("celery",), "prefork")
    assert deployment.name == "shop"
    assert deployment.web.command[:2] == ("uvicorn", "shop.asgi:application")
    assert deployment.scheduler.replicas == 2
    assert "holdfast.beat:Scheduler" in deployment.scheduler.command


def test_queues_named_after_their_work_get_workers_made_for_it() -> None:
    found = pools(queues=("default", "critical", "fast", "cpu_intensive", "io-mail", "fastener"))
    assert found["worker"].queues == ("default", "critical", "fastener")
    assert (found["worker-fast"].concurrency, found["worker-fast"].kind) == (8, "prefork")
    assert (found["worker-cpu"].concurrency, found["worker-cpu"].size.cpus) == (2, 4)
    assert (found["worker-io"].concurrency, found["worker-io"].kind) == (20, "threads")
    assert found["worker-io"].queues == ("io-mail",)


@pytest.mark.parametrize("kind", ["prefork", "threads", "asyncio", "gevent", "solo"])
def test_every_worker_command_has_the_three_flags(kind: str) -> None:
    found = pools(
        asked={"pools": {"worker": {"pool": kind}, "more": {"queues": ["x"]}}},
        queues=("celery", "x"),
    )
    assert all(set(pool.command) >= FLAGS for pool in found.values())


def test_coroutines_run_in_the_asyncio_pool() -> None:
    worker = pools(asked={"pools": {"worker": {"pool": "asyncio", "concurrency": 500}}})["worker"]
    assert option(worker, "--pool") == "custom"
    assert worker.environment["CELERY_CUSTOM_WORKER_POOL"] == ASYNCIO_POOL
    assert worker.connections < 50


def test_stop_waits_for_the_longest_job_that_may_run() -> None:
    limits = {"slow": 3600.0, "quick": 10.5}
    found = pools(
        queues=("celery", "slow", "quick"),
        time_limits=limits,
        asked={"pools": {"slow": {"queues": ["slow"]}, "quick": {"queues": ["quick"]}}},
    )
    assert {name: pool.grace_seconds for name, pool in found.items()} == {
        "worker": 600,
        "slow": 3630,
        "quick": 41,
    }


def test_tasks_without_a_limit_of_their_own_have_the_settings() -> None:
    found = pools(queues=("celery", "slow"), time_limit=1800, time_limits={"slow": 60})
    assert found["worker"].grace_seconds == 1830


@pytest.mark.parametrize("kind", ["prefork", "threads", "asyncio", "gevent", "solo"])
def test_stop_gives_back_before_its_end_what_still_runs(kind: str) -> None:
    without = pools(asked={"pools": {"worker": {"pool": kind}}})["worker"]
    assert (without.grace_seconds, without.environment["HOLDFAST_STOP_SECONDS"]) == (600, "570")
    with_limit = pools(time_limit=3600, asked={"pools": {"worker": {"pool": kind}}})["worker"]
    assert with_limit.environment["HOLDFAST_STOP_SECONDS"] == "3600"
    shorter = {"pools": {"worker": {"pool": kind, "grace_seconds": 120}}}
    hurried = pools(time_limit=3600, asked=shorter)["worker"]
    assert (hurried.grace_seconds, hurried.stop_seconds) == (120, 90)


def test_seconds_of_stops_are_told_where_a_deployment_is_described_and_nowhere_else() -> None:
    facts = Facts(app="shop", settings="", folder=Path(), queues=("celery", "fast"), time_limit=300)
    assert deriving.stop_seconds(facts) == {}
    said = {"pools": {"worker-fast": {"grace_seconds": 45}}}
    told = deriving.stop_seconds(replace(facts, asked=said))
    assert told == {"worker": 300, "worker-fast": 15}


def test_children_are_replaced_as_the_settings_say_and_fit_into_the_limit() -> None:
    worker = pools(max_tasks=1000, max_memory_kib=200_000)["worker"]
    assert option(worker, "--max-tasks-per-child") == "1000"
    assert option(worker, "--max-memory-per-child") == "200000"
    assert worker.size.memory_mib >= worker.concurrency * 200_000 / 1024 + 200


def test_threads_are_no_children() -> None:
    asked = {"pools": {"worker": {"pool": "threads"}}}
    worker = pools(max_tasks=1000, max_memory_kib=200_000, asked=asked)["worker"]
    assert not {"--max-tasks-per-child", "--max-memory-per-child"} & set(worker.command)


def test_worker_that_scales_itself_has_bounds_and_no_size() -> None:
    worker = pools(asked={"pools": {"worker": {"autoscale": [10, 2]}}})["worker"]
    assert option(worker, "--autoscale") == "10,2"
    assert "--concurrency" not in worker.command
    assert worker.connections == 13


def test_scheduler_of_others_runs_once() -> None:
    deployment = deployed(scheduler="django_celery_beat.schedulers:DatabaseScheduler")
    assert deployment.scheduler.replicas == 1
    assert "--scheduler" not in deployment.scheduler.command


def test_server_is_one_that_can_serve_what_there_is() -> None:
    assert deployed(servers=("daphne", "gunicorn")).web.command[0] == "daphne"
    assert deployed(servers=("daphne", "gunicorn"), asgi="").web.command[:2] == (
        "gunicorn",
        "shop.wsgi:application",
    )


def test_database_is_told_of_as_many_connections_as_there_may_be() -> None:
    deployment = deployed(
        queues=("celery", "io"), asked={"pools": {"worker-io": {"concurrency": 100}}}
    )
    (ordinary, waiting) = deployment.pools
    assert deployment.connections >= 2 * (ordinary.slots + waiting.slots)
    assert deployment.max_connections >= deployment.connections * 1.2
    assert deployment.most_connections >= 10 * (ordinary.slots + waiting.slots)


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ({"pool": {}}, "did you mean 'pools'"),
        ({"pools": {"worker": {"concurency": 3}}}, "did you mean 'concurrency'"),
        ({"pools": {"worker": {"concurrency": 0}}}, "whole number greater than 0"),
        ({"pools": {"worker": {"concurrency": True}}}, "whole number greater than 0"),
        ({"pools": {"worker": {"pool": "eventlet"}}}, "one of prefork, threads"),
        ({"pools": {"worker": {"autoscale": [2, 10]}}}, "the larger one first"),
        ({"pools": {"Worker_1": {"queues": ["celery"]}}}, "lower-case"),
        ({"pools": {"more": {}}}, r"\['more'\] has no queues"),
        ({"pools": {"worker": {"queues": ["cellery"]}}}, "'cellery', which nothing is sent to"),
        ({"web": {"command": "uvicorn shop"}}, "a list of its words"),
        ({"name": "The Shop"}, "lower-case"),
        ({"environment": {"A": 1}}, "texts of one line"),
        ({"environment": {"A": "one\ntwo"}}, "texts of one line"),
        ({"environment": {"my name": "x"}}, "names of variables"),
        ({"folder": "srv/shop"}, "an absolute path"),
        ({"folder": "/srv/my shop"}, "an absolute path"),
        ({"user": "Shop User"}, "a user's name"),
        ({"host": "https://shop.example.com"}, "without https://"),
        ({"host": "a b"}, "one name of a host"),
        ({"secrets": ["db password"]}, "names of variables"),
        ({"web": {"port": 70000}}, "1 to 65535"),
        ({"image": {"python": "3.12.1"}}, "such as '3.12'"),
        ({"image": {"name": "shop latest"}}, "one word"),
        ({"name": "s" * 40, "pools": {"p" * 20: {"queues": ["celery"]}}}, "has 61 characters"),
        ({"pools": {"redis": {"queues": ["celery"]}}}, "another process.*'worker-redis'"),
        ("compose", "must be a dictionary"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place_and_the_repair(said: Any, answer: str) -> None:
    with pytest.raises(ConfigurationError, match=answer):
        deployed(asked=said)


@pytest.mark.parametrize(
    "queue", ["", "a,b", "a b", "a\nb", "it's", '"', "a$b", "a\\b", "`id`", "a;b"]
)
def test_queue_that_no_command_line_can_hold_is_refused(queue: str) -> None:
    with pytest.raises(
        ConfigurationError, match=r"cannot stand on a worker's command line.*rename"
    ):
        deployed(queues=("celery", queue))


def test_queues_of_other_languages_and_signs_are_served() -> None:
    odd = ("celery", "kö", "mail.high-priority", "100%", "%(x)s", "a=b", "a|b", "*", "#1", "{x}")
    assert option(pools(queues=odd)["worker"], "--queues") == ",".join(odd)


def test_name_is_made_of_the_letters_that_tools_take() -> None:
    assert deployed(app="Ünï-Läden 2.core").name == "uni-laden-2"
    assert deployed(app="店").name == "app"


def test_app_without_a_name_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no name to start workers with"):
        deployed(app="")


def test_project_without_a_server_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="None of uvicorn"):
        deployed(servers=())
    with pytest.raises(ConfigurationError, match=r"uvicorn cannot serve .* set ASGI_APPLICATION"):
        deployed(asgi="")
    with pytest.raises(ConfigurationError, match=r"gunicorn cannot serve .* set WSGI_APPLICATION"):
        deployed(servers=("gunicorn",), wsgi="")


@pytest.mark.parametrize("said", [True, False])
def test_workers_tell_flower_of_their_jobs_if_they_are_asked_to(*, said: bool) -> None:
    worker = pools(asked={"task_events": said})["worker"]
    assert ("--task-events" in worker.command) is said
