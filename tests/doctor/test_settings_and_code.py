"""Findings of what is written: a project with every fault, and one with none, each looked at by one process."""

from __future__ import annotations

import pytest

from tests.doctor.asking import Told, only
from tests.doctor.project import Project

AREAS = only("celery", "schedules", "W241", "E006")
SICK_SETTINGS = """
    from celery.schedules import crontab
    from kombu import Queue

    CELERY_TASK_ALWAYS_EAGER = True
    CELERY_RESULT_EXPIRES = None
    CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 60
    TIME_ZONE = "Europe/Berlin"
    CELERY_TIMEZONE = "UTC"
    CELERY_TASK_SERIALIZER = "pickle"
    CELERY_ACCEPT_CONTENT = ["json"]
    CELERY_TASK_TIMELIMIT = 30
    CELERY_TASK_QUEUES = [Queue("celery")]
    CELERY_TASK_ROUTES = {"shop.tasks.charge": {"queue": "chrages"}}
    CELERY_BEAT_SCHEDULER = "celery.beat:PersistentScheduler"
    DATABASES["other"] = {
        "ENGINE": "django.db.backends.sqlite3", "NAME": BASE + "/other.sqlite3", "ATOMIC_REQUESTS": True,
    }
    HOLDFAST["claim_ahead_seconds"] = 60
    HOLDFAST["deploy"] = {"pools": {"worker-brief": {"queues": ["celery"], "grace_seconds": 70}}}
    CELERY_WORKER_AUTOSCALER = "celery.worker.autoscale:Autoscaler"
    CELERY_TASK_TIME_LIMIT = None
    CELERY_BEAT_SCHEDULE = {
        "broken": {"task": "shop.tasks.charge", "schedule": 0, "args": [1]},
        "unknown": {"task": "shop.tasks.chrage", "schedule": 3600},
        "misfit": {"task": "shop.tasks.charge", "schedule": 3600, "kwargs": {"crad": 1}},
        "one": {"task": "shop.tasks.charge", "schedule": 7200, "args": [1]},
        "same": {"task": "shop.tasks.charge", "schedule": 7200, "args": [1]},
    }
    for _number in range(12):
        CELERY_BEAT_SCHEDULE[f"nightly{_number}"] = {
            "task": "shop.tasks.charge", "schedule": crontab(minute=0, hour=3), "args": [_number],
        }
"""
SICK_FILES = {
    "shop/tasks.py": """
        import sys
        from pathlib import Path

        from celery import Celery, shared_task

        sys.path.insert(0, str(Path(__file__).parent))
        import twice
        from shop import twice as again

        other = Celery("other", set_as_current=False)

        @other.task(name="other.forgotten")
        def forgotten(): ...

        @shared_task
        def charge(card, amount=1):
            return amount

        @shared_task(soft_time_limit=20, time_limit=10)
        def hurried(): ...

        @shared_task(durable=False, reject_on_worker_lost=True)
        def rejected(): ...

        @shared_task(durable=False, acks_late=True, reject_on_worker_lost=True)
        def looping(): ...

        @shared_task(ignore_result=True)
        def silent(): ...

        @shared_task
        def waiting():
            result = charge.delay(1)
            return result.get()
    """,
    "shop/twice.py": """
        from celery import shared_task

        @shared_task
        def doubled(): ...
    """,
    "shop/jobs.py": """
        from celery import shared_task

        @shared_task
        def nobody_knows_me(): ...
    """,
    "shop/views.py": """
        from shop import tasks

        def page(request):
            return tasks.silent.delay().get(timeout=3)
    """,
    "redis-4.5.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: redis\nVersion: 4.5.0\n",
}
# What of the evidence shows that it is about the right thing.
SEEN = {
    "E006": "CELERY_TASK_ALWAYS_EAGER is on, and DEBUG is off",
    "W231": "CELERY_RESULT_EXPIRES is None",
    "W232": "shop.tasks.hurried: soft 20 s, hard 10 s",
    "W233": "shop.tasks.rejected",
    "W234": "shop.tasks.looping",
    "W235": "shop.tasks.looping: durable=False and acks_late, it has no time limit",
    "W236": "TERMINATION_GRACE_PERIOD_SECONDS says 30",
    "W237": "TIME_ZONE is 'Europe/Berlin': nightly0",
    "E238": "CELERY_TASK_SERIALIZER is 'pickle'",
    "W239": "CELERY_TASK_TIMELIMIT",
    "W240": "'chrages' is not among",
    "W241": "ATOMIC_REQUESTS is on for 'other'",
    "W242": "HOLDFAST['claim_ahead_seconds'] is 60",
    "W243": "CELERY_WORKER_AUTOSCALER is 'celery.worker.autoscale:Autoscaler'",
    "W250": "silent has ignore_result",
    "W251": "the task waiting waits for charge",
    "W252": "jobs.py makes 1 task (nobody_knows_me)",
    "W253": "twice.py is imported as shop.twice, twice",
    "W254": "The app 'other' has 1 task of its own: other.forgotten",
    "W255": "redis 4.5.0",
    "E631": "CELERY_BEAT_SCHEDULE['broken']",
    "E632": "'unknown' calls 'shop.tasks.chrage'",
    "E633": "'misfit' calls shop.tasks.charge(crad=...)",
    "W634": "12 of 16 are due at 03:00 UTC",
    "W635": "'one', 'same' call 'shop.tasks.charge'",
    "W636": "'celery.beat:PersistentScheduler'",
}


@pytest.fixture(scope="module")
def sick(tmp_path_factory: pytest.TempPathFactory) -> Told:
    project = Project(tmp_path_factory.mktemp("sick"), settings=SICK_SETTINGS, files=SICK_FILES)
    return project.ask(*AREAS, TERMINATION_GRACE_PERIOD_SECONDS="30")


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Told:
    # When an interval is due is known to the scheduler that first sees it: many alike are no crowd.
    hourly = {
        f"hourly{number}": {"task": "shop.tasks.charge", "schedule": 3600, "args": [number]}
        for number in range(12)
    }
    settings = (
        f"CELERY_BEAT_SCHEDULE = {hourly!r}\n"
        "CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 20\n"
        'HOLDFAST["deploy"] = {"pools": {"worker": {"queues": ["celery"], "grace_seconds": 50}}}'
    )
    project = Project(tmp_path_factory.mktemp("healthy"), settings=settings)
    return project.ask(*AREAS, TERMINATION_GRACE_PERIOD_SECONDS="30")


@pytest.mark.parametrize("id", sorted(SEEN))
def test_fault_that_is_written_down_is_seen(sick: Told, id: str) -> None:
    assert SEEN[id] in sick.evidence(id)
    assert all(one["repair"] and one["leads_to"] for one in sick.all(id))
    assert sick.status == 1


def test_only_what_is_at_fault_is_named(sick: Told) -> None:
    assert [one["data"]["task"] for one in sick.all("W232")] == ["shop.tasks.hurried"]
    assert [one["data"]["schedule"] for one in sick.all("E631")] == ["broken"]
    assert [one["data"]["schedule"] for one in sick.all("E633")] == ["misfit"]
    assert len(sick.all("W250")) == len(sick.all("W251")) == len(sick.all("W252")) == 1


def test_soft_shutdown_is_advised_to_take_what_the_deploy_files_of_the_project_give_it(
    sick: Told,
) -> None:
    here, told = sorted(sick.all("W236"), key=lambda one: "stop_seconds" in one["data"])
    assert "worker-brief (40 s)" in told["evidence"]
    assert told["data"]["stop_seconds"]["worker-brief"] == told["data"]["advised_seconds"] == 40
    assert "CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 40" in told["repair"]
    # Its supervisor says 30 s, which is less than what is described.
    assert here["repair"] == "CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 25"


def test_project_without_a_fault_hears_nothing(healthy: Told) -> None:
    # Its database is not there: what needs it is not asked.
    written = [one for one in healthy.findings if one["id"][-3] != "4"]
    assert written == []
    assert "options_of_tasks" in healthy.asked
    assert "schedules_keep_apart" in healthy.asked
