"""The console's workers: who lives, what each has claimed, what it tells, and who may end or resize it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.conf import settings
from django.db import connections
from django.db.models.functions import Now
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext

from holdfast import remote
from holdfast.dispatch.code import code_of
from holdfast.exceptions import WorkerSilent
from holdfast.ledger import transitions, workers
from holdfast.ledger.models import Worker
from holdfast.ledger.releases import UNKNOWN, Code
from holdfast.ledger.workers import Consuming, Incarnation
from holdfast.remote import Inside, ProcessInside, Stacks, StackShown
from tests.rows import hire, new_job
from tests.surroundings import current_app

ROOT = "/holdfast/"


def start(
    name: str, *, slots: int = 2, queues: tuple[str, ...] = ("mail",), code: Code = UNKNOWN
) -> UUID:
    worker = uuid4()
    workers.register(
        Incarnation(
            id=worker,
            name=name,
            host="host",
            pid=7,
            pool="prefork",
            concurrency=slots,
            queues=queues,
            code=code,
        )
    )
    return worker


def claim(worker: UUID, count: int) -> list[str]:
    tickets = transitions.record([new_job() for _ in range(count)])
    transitions.claim([(one.id, one.token, False) for one in tickets], worker=worker)
    return [one.id for one in tickets]


@pytest.fixture
def crew(console: str) -> dict[str, UUID]:
    found = {"busy": start("busy"), "stalled": start("stalled"), "lost": start("lost")}
    workers.renew(found["stalled"], consuming=Consuming(70.0, 30.0))
    Worker.objects.using(console).filter(id=found["lost"]).update(lost_at=Now())
    claim(found["busy"], 3)
    return found


def test_workers_are_shown_with_their_slots_and_those_that_were_lost(
    crew: dict[str, UUID], viewer: Client
) -> None:
    page = viewer.get(f"{ROOT}api/workers/").json()
    rows = {row["name"]: row for row in page["workers"]}
    assert {name: row["state"] for name, row in rows.items()} == {
        "busy": "serving",
        "stalled": "stalled",
    }
    assert (rows["busy"]["busy"], rows["busy"]["claimed"], rows["busy"]["slots"]) == (2, 3, 2)
    assert rows["stalled"]["stalled_seconds"] == pytest.approx(59, abs=30)
    assert (page["busy"], page["slots"]) == (2, 4)
    assert [row["name"] for row in page["lost"]] == ["lost"]
    html = viewer.get(f"{ROOT}workers/").content.decode()
    assert f'href="{ROOT}workers/{crew["busy"]}/"' in html
    assert "takes nothing for" in html
    assert "Their leases ran out" in html


def test_worker_has_a_page_with_the_jobs_it_has_claimed(
    crew: dict[str, UUID], viewer: Client, administrator: Client
) -> None:
    page = viewer.get(f"{ROOT}api/workers/{crew['busy']}/").json()
    assert page["worker"]["queues"] == ["mail"]
    assert len(page["jobs"]) == 3
    assert page["gone"] is None
    address = f"{ROOT}workers/{crew['busy']}/"
    html = viewer.get(address).content.decode()
    assert all(job["id"] in html for job in page["jobs"])
    assert "shut-down" not in html
    with current_app("redis://127.0.0.1:1/0"):
        html = administrator.get(address).content.decode()
        assert f"{address}shut-down/" in html
        assert f'hx-get="{address}inside/"' in html
    with current_app("redis://127.0.0.1:1/0", worker_enable_remote_control=False):
        html = administrator.get(address).content.decode()
        assert "worker_enable_remote_control = False" in html
        assert "shut-down" not in html
    lost = viewer.get(f"{ROOT}workers/{crew['lost']}/").content.decode()
    assert "Its lease ran out" in lost
    assert viewer.get(f"{ROOT}api/workers/{uuid4()}/").status_code == 404


def test_what_a_worker_tells_is_shown(
    crew: dict[str, UUID], viewer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Inside(
        versions={"celery": "5.7.0"},
        slots=2,
        running=1,
        claimed_ahead=4,
        fetched=5,
        autoscale=None,
        fixed="",
        processes=[
            ProcessInside(pid=7, main=True, job=None, rss=90_000_000, pss=50_000_000),
            ProcessInside(pid=8, main=False, job="job-8", rss=None, pss=None),
        ],
    )
    monkeypatch.setattr(remote, "look", lambda worker: told)
    address = f"workers/{crew['busy']}/inside/"
    page = viewer.get(f"{ROOT}api/{address}").json()
    assert (page["memory"], page["silent"]) == (50_000_000, "")
    assert page["inside"]["processes"][1]["job"] == "job-8"
    html = viewer.get(f"{ROOT}{address}").content.decode()
    assert 'id="inside"' in html
    assert "47.7" in html
    assert "5.7.0" in html


def test_worker_that_does_not_answer_is_said_to_be_silent(
    crew: dict[str, UUID], viewer: Client, administrator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_: Any, **__: Any) -> None:
        raise WorkerSilent("Worker busy has not answered within 1.5 s: it is frozen.")

    for name in ("look", "stacks", "resize", "shut_down"):
        monkeypatch.setattr(remote, name, silent)
    address = f"workers/{crew['busy']}/"
    page = viewer.get(f"{ROOT}{address}inside/")
    assert page.status_code == 200
    assert b"has not answered within 1.5 s" in page.content
    for action, sent in (("resize", {"slots": 3}), ("shut-down", {})):
        refused = administrator.post(f"{ROOT}api/{address}{action}/", sent)
        assert refused.status_code == 409
        assert "it is frozen" in refused.json()["error"]["message"]
    assert administrator.get(f"{ROOT}{address}stacks/").status_code == 409


def test_stacks_are_for_who_administers(
    crew: dict[str, UUID],
    operator: Client,
    administrator: Client,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def stacks(worker: UUID, *, actor: str) -> Stacks:
        asked.append(actor)
        shown = StackShown(
            name="process 8", kind="process", job="job-8", frames=["a.py:1 in <lambda>"], cut=False
        )
        return Stacks(stacks=[shown], silent=1, reason="")

    monkeypatch.setattr(remote, "stacks", stacks)
    address = f"{ROOT}workers/{crew['busy']}/stacks/"
    assert operator.get(address).status_code == 403
    html = administrator.get(address).content.decode()
    assert "a.py:1 in &lt;lambda&gt;" in html
    assert "1 process has not shown itself" in html
    assert asked == ["administer@test"]
    with override_settings(HOLDFAST={**settings.HOLDFAST, "console_read_only": True}):
        assert administrator.get(address).status_code == 403


def test_size_and_end_are_for_who_administers(
    crew: dict[str, UUID],
    operator: Client,
    administrator: Client,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[Any] = []

    def resize(worker: UUID, *, slots: int, actor: str) -> int:
        done.append((worker, slots, actor))
        return slots

    def shut_down(worker: UUID, *, actor: str) -> None:
        done.append((worker, actor))

    monkeypatch.setattr(remote, "resize", resize)
    monkeypatch.setattr(remote, "shut_down", shut_down)
    address = f"{ROOT}workers/{crew['busy']}/"
    for action in ("resize", "shut-down"):
        assert operator.post(f"{address}{action}/", {"slots": 3}).status_code == 403
    assert b'value="2"' in administrator.get(f"{address}resize/").content
    assert administrator.post(f"{address}resize/", {"slots": 0}).status_code == 422
    said = administrator.post(f"{address}resize/", {"slots": 3})
    assert (said.status_code, said["Location"]) == (303, address)
    assert administrator.post(f"{address}shut-down/")["Location"] == f"{ROOT}workers/"
    busy = crew["busy"]
    assert done == [(busy, 3, "administer@test"), (busy, "administer@test")]


def test_size_that_makes_no_sense_is_refused(crew: dict[str, UUID], administrator: Client) -> None:
    address = f"{ROOT}api/workers/{crew['busy']}/resize/"
    refused = administrator.post(address, {"slots": 999})
    assert refused.status_code == 409
    assert "from 1 to 256" in refused.json()["error"]["message"]


def test_fifty_workers_cost_as_many_statements_as_one(console: str, viewer: Client) -> None:
    def asked() -> int:
        with CaptureQueriesContext(connections[console]) as queries:
            assert viewer.get(f"{ROOT}workers/").status_code == 200
        return len(queries)

    Worker.objects.using(console).filter(id=hire()).update(lost_at=Now() - timedelta(hours=1))
    claim(hire(), 1)
    one = asked()
    for number in range(49):
        claim(start(f"w{number}"), 2)
    assert asked() == one


def test_worker_with_other_code_is_marked_with_what_does_not_fit(
    console: str, viewer: Client
) -> None:
    routes = {"shop.elsewhere": {"queue": "other"}}
    with current_app("redis://127.0.0.1:1/0", task_default_queue="mail", task_routes=routes) as app:

        @app.task(name="shop.charge", shared=False)
        def charge(card: str) -> None:
            """Never run here."""

        @app.task(name="shop.refund", shared=False)
        def refund(card: str) -> None:
            """Never run here."""

        @app.task(name="shop.elsewhere", shared=False)
        def elsewhere() -> None:
            """Never run here."""

        here = code_of(app)
        tasks = {**here.tasks, "shop.charge": "card, amount"}
        del tasks["shop.refund"]
        del tasks["shop.elsewhere"]
        start("same", code=here)
        old = start("old", code=Code(key="0ld" * 9, tasks=tasks, versions={"celery": "5.4.0"}))
        start("not known")
        other = {name: text for name, text in here.tasks.items() if name != "shop.elsewhere"}
        start("enough", code=Code(key="n0t", tasks=other, versions=here.versions))

        rows = {
            row["name"]: row["code"] for row in viewer.get(f"{ROOT}api/workers/").json()["workers"]
        }
        assert {name: (code["differs"], code["release"]) for name, code in rows.items()} == {
            "same": (False, here.key[:8]),
            "old": (True, "0ld0ld0l"),
            "not known": (False, ""),
            # What it lacks does not go to its queues.
            "enough": (False, "n0t"),
        }
        assert rows["old"]["lacks"] == ["shop.refund"]
        assert rows["old"]["other"] == ["shop.charge"]
        assert rows["old"]["libraries"] == [f"celery 5.4.0 ({here.versions['celery']})"]
        html = viewer.get(f"{ROOT}workers/").content.decode()
        assert f'href="{ROOT}workers/{old}/#code"' in html
        assert html.count("does not fit") == 1
        html = viewer.get(f"{ROOT}workers/{old}/").content.decode()
        assert f'href="{ROOT}doctor/?area=workers"' in html
        assert "shop.refund" in html


def test_tasks_that_cannot_be_imported_here_leave_the_workers_shown(
    console: str, viewer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with current_app("redis://127.0.0.1:1/0") as app:
        start("one", code=Code(key="k", tasks={"a": ""}))
        monkeypatch.setattr(app.loader, "import_default_modules", lambda: 1 / 0)
        (row,) = viewer.get(f"{ROOT}api/workers/").json()["workers"]
        assert (row["code"]["release"], row["code"]["differs"]) == ("k", False)
