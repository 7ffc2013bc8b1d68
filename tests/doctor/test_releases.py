"""The code of real workers, as they note it: silent while it is the same, named where it differs from what is sent."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.db.models.functions import Now

from holdfast.ledger import releases, schedules, workers
from holdfast.ledger.models import Duty, Release, Worker
from holdfast.ledger.releases import Code
from tests.doctor.asking import ask, only
from tests.doctor.hired import hire
from tests.eventually import eventually
from tests.harness import SHORT, new_site

pytestmark = pytest.mark.short_on("postgres")

CODE = Code(key="k", tasks={"shop.charge": "card"}, versions={"celery": "5.7.0"})
TASK = "tests.project.tasks.effect"


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_site_at_work_is_silent_until_its_code_differs(
    kind: str, request: pytest.FixtureRequest
) -> None:
    hourly = {"tick": {"task": TASK, "schedule": 3600, "args": ["tick"]}}
    settings = {
        "beat_scheduler": "holdfast.beat:Scheduler",
        "beat_schedule": hourly,
        "task_time_limit": 600,
    }
    # A machine that is busy must not make a heartbeat late, which would be a finding.
    with new_site(kind, request, celery=settings, holdfast={**SHORT, "lease_seconds": 30}) as site:
        site.worker()
        beat = site.beat()
        leads = Duty.objects.using(site.alias).filter(name=schedules.DUTY, holder__isnull=False)
        eventually(leads.exists, told="a scheduler leads")
        site.task("effect").delay("once")
        site.await_effect("end once")
        told = ask(site.environment, *only("workers", "queues", "jobs", "schedules"))
        assert told.findings == []
        assert {"workers_have_this_code", "a_scheduler_leads", "upkeep_is_held"} <= set(told.asked)
        beat.stop()

        row = Release.objects.using(site.alias).get()
        tasks = json.loads(row.tasks)
        assert tasks[TASK] == "name, seconds=..."
        renamed = {name: "old_line" if name == TASK else text for name, text in tasks.items()}
        del renamed["tests.project.tasks.add"]
        row.key, row.tasks = "other", json.dumps(renamed)
        row.versions = json.dumps(json.loads(row.versions) | {"celery": "5.6.3"})
        row.save(using=site.alias, force_insert=True)
        old = hire("old@host")
        Worker.objects.using(site.alias).filter(id=old).update(release="other")

        told = ask(site.environment, *only("E508", "W509", "W510"))
        assert told.ids == {"E508", "W509", "W510"}
        assert told.one("E508")["data"]["worker"] == "old@host"
        assert "tests.project.tasks.add" in told.evidence("E508")
        assert f"{TASK}(old_line) there, (name, seconds=...) here" in told.evidence("W509")
        assert "celery: 5.6.3 on old@host; 5.7" in told.evidence("W510")


def test_code_is_kept_once_and_as_long_as_a_worker_has_it(ledger: str) -> None:
    for name in ("w1", "w2"):
        worker = hire(name)
        Worker.objects.using(ledger).filter(id=worker).update(release="k")
        releases.note(CODE)
    releases.note(Code(key="gone"))
    releases.note(Code())
    assert releases.of_live_workers() == {"w1": CODE, "w2": CODE}
    Release.objects.using(ledger).update(seen_at=Now() - timedelta(days=2))
    assert releases.prune(older_than=timedelta(days=1)) == 1
    assert releases.of_live_workers().keys() == {"w1", "w2"}
    releases.note(CODE)
    Worker.objects.using(ledger).update(lost_at=Now())
    assert releases.of_live_workers() == {}


def test_worker_that_registers_notes_its_code_with_its_lease(ledger: str) -> None:
    from uuid import uuid4

    worker = uuid4()
    incarnation = workers.Incarnation(
        id=worker, name="w", host="h", pid=1, pool="p", concurrency=1, queues=["q"], code=CODE
    )
    workers.register(incarnation)
    workers.register(incarnation)
    assert releases.of_live_workers() == {"w": CODE}


def test_code_reads_the_same_in_every_process(ledger: str) -> None:
    from tests.surroundings import current_app

    keys = set()
    for _ in range(2):
        with current_app("redis://127.0.0.1:1/0") as app:
            marker = object()

            @app.task(name="shop.of_an_object", shared=False)
            def of_an_object(card: object = marker, *rest: int, **more: int) -> None:
                """Never run here: the default reads otherwise in each process."""

            from holdfast.dispatch.code import code_of

            code = code_of(app)
            assert code.tasks["shop.of_an_object"] == "card=..., *rest, **more"
            assert code.versions.keys() >= {"python", "celery", "django"}
            keys.add(code.key)
    assert len(keys) == 1
