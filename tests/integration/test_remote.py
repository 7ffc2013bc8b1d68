"""Workers asked over remote control, for real: what they tell, where they stand, larger and smaller pools, an end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from celery import current_app
from celery.result import AsyncResult

from holdfast import remote
from holdfast.exceptions import WorkerNotFound, WorkerSilent
from holdfast.ledger import audit
from holdfast.ledger.models import Worker
from tests.eventually import eventually
from tests.harness import Site, new_site
from tests.processes import WorkerProcess
from tests.project import steered
from tests.project.coroutines import AIO

TASKS = f"--include={steered.__name__}"
POOLS = ("prefork", "threads", "custom", "gevent")
# The function in which each body stands while it waits for its file.
STANDS = {"prefork": "_await", "threads": "_await", "custom": "await_file", "gevent": "_await"}
KINDS = {"prefork": "process", "threads": "thread", "custom": "coroutine", "gevent": "greenlet"}


@pytest.fixture(scope="module")
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site("postgres", request) as site:
        yield site


@pytest.fixture(scope="module")
def crew(site: Site) -> dict[str, WorkerProcess]:
    """A worker of each pool, on a queue of its own."""
    found = {
        pool: site.worker(TASKS, pool=pool, queues=pool, environment=AIO, wait=False)
        for pool in POOLS
    }
    for worker in found.values():
        worker.wait_ready()
    return found


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy answers late: who is silent for good is told by the tests about that alone."""
    monkeypatch.setattr(remote, "ANSWER_SECONDS", 20.0)
    monkeypatch.setattr(remote, "STACKS_SECONDS", 20.0)


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Path]:
    gate = tmp_path / "gate"
    yield gate
    gate.touch()


def id_of(worker: WorkerProcess) -> UUID:
    lease = worker.lease()
    assert lease is not None
    return lease.id


def hold(site: Site, pool: str, gate: Path) -> AsyncResult[str]:
    """Have a body wait on one of these workers."""
    name = f"{pool} {uuid4()}"
    task = site.task("await_file") if pool == "custom" else steered.deaf
    args = (str(gate), name) if pool == "custom" else (name, str(gate))
    sent: AsyncResult[str] = task.apply_async(args, queue=pool)
    site.await_effect(f"start {name}")
    return sent


def with_a_job(worker: WorkerProcess) -> remote.Inside:
    """Ask until its pool has a job."""

    def look() -> remote.Inside | None:
        found = remote.look(id_of(worker))
        return found if found.running == 1 else None

    inside = eventually(look, told="its pool has the job")
    assert inside is not None
    return inside


def release(gate: Path, sent: AsyncResult[str]) -> None:
    gate.touch()
    sent.get(timeout=30)


@pytest.mark.parametrize("times", [1, 2])
def test_connection_that_the_broker_closed_is_made_again_once(
    times: int, crew: dict[str, WorkerProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = crew["threads"]
    control, left = current_app.control, iter(range(times))
    broadcast = control.broadcast

    def closed(*args: Any, **options: Any) -> Any:
        if next(left, None) is not None:
            raise ConnectionError("Connection closed by server.")
        return broadcast(*args, **options)

    monkeypatch.setattr(control, "broadcast", closed)

    if times == 1:
        assert remote.look(id_of(worker)).processes
    else:
        with pytest.raises(WorkerSilent, match="broke twice"):
            remote.look(id_of(worker))


def test_worker_tells_its_memory_its_slots_and_its_jobs(
    site: Site, crew: dict[str, WorkerProcess], gate: Path
) -> None:
    held = {pool: hold(site, pool, gate) for pool in POOLS}
    for pool, worker in crew.items():
        inside = with_a_job(worker)
        assert (inside.slots, inside.claimed_ahead, inside.fetched) == (2, 0, 0)
        assert inside.versions["celery"].startswith("5.")
        assert inside.memory is not None
        assert 10e6 < inside.memory < 1e9
        mains = [process.pid for process in inside.processes if process.main]
        assert mains == [worker.pid]
        assert len(inside.processes) == (3 if pool == "prefork" else 1)
        running = {process.job for process in inside.processes} - {None}
        assert running == ({held[pool].id} if pool == "prefork" else set())
        assert inside.fixed == ""
    for sent in held.values():
        release(gate, sent)


@pytest.mark.parametrize("pool", POOLS)
def test_stack_shows_where_a_body_stands_and_no_value(
    site: Site, crew: dict[str, WorkerProcess], gate: Path, pool: str
) -> None:
    sent = hold(site, pool, gate)
    seen = remote.stacks(id_of(crew[pool]), actor="ada")
    assert (seen.silent, seen.reason) == (0, "")
    mine = [stack for stack in seen.stacks if stack.job == sent.id]
    assert [stack.kind for stack in mine] == [KINDS[pool]]
    assert any(frame.endswith(f" in {STANDS[pool]}") for frame in mine[0].frames), mine[0].frames
    # The innermost comes first.
    names = [frame.rpartition(" in ")[2] for frame in mine[0].frames]
    if pool in {"prefork", "threads"}:
        assert names.index("_await") < names.index("deaf")
    assert str(gate) not in json.dumps([stack.frames for stack in seen.stacks])
    assert sum(stack.kind == "process" for stack in seen.stacks) == 2 * (pool == "prefork")
    assert any(stack.kind == "thread" for stack in seen.stacks)
    (line,) = audit.search(action="look at stacks", limit=1)
    assert (line.actor, line.detail.split()[1]) == ("ada", str(id_of(crew[pool])))
    release(gate, sent)


def test_process_that_is_stopped_is_silent_and_the_others_show_themselves(
    site: Site, crew: dict[str, WorkerProcess], gate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Less than a lease, after which it is killed for it.
    monkeypatch.setattr(remote, "STACKS_SECONDS", 2.0)
    worker = id_of(crew["prefork"])
    sent = hold(site, "prefork", gate)
    (child,) = [process.pid for process in remote.look(worker).processes if process.job == sent.id]
    os.kill(child, signal.SIGSTOP)
    try:
        seen = remote.stacks(worker, actor="ada")
        assert seen.silent == 1
        assert [stack.kind for stack in seen.stacks].count("process") == 1
    finally:
        with contextlib.suppress(ProcessLookupError):  # it may have been killed for it by now
            os.kill(child, signal.SIGCONT)
    release(gate, sent)


@pytest.mark.parametrize("pool", ["prefork", "threads", "custom"])
def test_pool_grows_and_shrinks_and_the_ledger_says_so(
    site: Site, crew: dict[str, WorkerProcess], gate: Path, pool: str
) -> None:
    worker = id_of(crew[pool])

    def slots() -> int:
        return Worker.objects.using(site.alias).get(id=worker).concurrency

    assert remote.resize(worker, slots=3, actor="ada") == 3
    held = [hold(site, pool, gate) for _ in range(3)]
    with pytest.raises(WorkerSilent, match="it holds 3 jobs"):
        remote.resize(worker, slots=2, actor="ada")
    eventually(lambda: slots() == 3, told="its row says 3 slots")
    for sent in held:
        release(gate, sent)
    eventually(lambda: remote.look(worker).running == 0, told="its jobs are over")
    assert remote.resize(worker, slots=2, actor="ada") == 2
    eventually(lambda: slots() == 2, told="its row says 2 slots")
    said = [line.detail for line in audit.search(action="resize", limit=2)]
    name = Worker.objects.using(site.alias).get(id=worker).name
    assert said == [f"{name} {worker}: 2 slots", f"{name} {worker}: 3 slots"]


@pytest.mark.parametrize("slots", [0, 257])
def test_sizes_that_make_no_sense_are_refused(crew: dict[str, WorkerProcess], slots: int) -> None:
    with pytest.raises(ValueError, match=f"{slots} slots are refused: .* from 1 to 256"):
        remote.resize(id_of(crew["prefork"]), slots=slots, actor="ada")


def test_pool_that_cannot_change_says_so(site: Site) -> None:
    worker = site.worker(pool="solo", queues="solo", concurrency=1)
    with pytest.raises(WorkerSilent, match="fixed number of slots: start it with another -c"):
        remote.resize(id_of(worker), slots=5, actor="ada")
    worker.kill()


def silent(ask: Callable[[], object]) -> str:
    with pytest.raises((WorkerSilent, WorkerNotFound)) as raised:
        ask()
    return str(raised.value)


def test_worker_that_cannot_answer_is_named_with_the_reason(
    site: Site, crew: dict[str, WorkerProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = crew["threads"]
    name = Worker.objects.using(site.alias).get(id=id_of(worker)).name
    worker.signal(signal.SIGSTOP)
    try:
        monkeypatch.setattr(remote, "ANSWER_SECONDS", 0.3)
        said = silent(lambda: remote.look(id_of(worker)))
        assert said.startswith(f"Worker {name} has not answered within 0.3 s: it is frozen")
    finally:
        worker.signal(signal.SIGCONT)
    site.app.conf.worker_enable_remote_control = False
    try:
        assert "remote control is off" in silent(lambda: remote.look(id_of(worker)))
    finally:
        site.app.conf.worker_enable_remote_control = True
    assert "No worker" in silent(lambda: remote.look(uuid4()))
    with monkeypatch.context() as away:
        away.setattr(site.app.outbox.publisher, "is_reachable", lambda: False)
        assert "the broker does not answer" in silent(lambda: remote.look(id_of(worker)))


def test_namesakes_are_told_apart_by_nobody(site: Site, crew: dict[str, WorkerProcess]) -> None:
    row = Worker.objects.using(site.alias).get(id=id_of(crew["threads"]))
    twin = Worker(**{**{f.name: getattr(row, f.name) for f in Worker._meta.fields}, "id": uuid4()})
    twin.save(using=site.alias, force_insert=True)
    try:
        assert f"2 live workers are called {row.name}" in silent(lambda: remote.look(row.id))
    finally:
        twin.delete(using=site.alias)


def test_order_for_a_former_life_is_not_obeyed(crew: dict[str, WorkerProcess]) -> None:
    row = remote._found(id_of(crew["threads"]))
    for command in ("holdfast_shut_down", "holdfast_resize"):
        told = remote._ask(row, command, worker=str(uuid4()), slots=9)
        assert told["refused"].startswith("it has started anew since, as ")
    assert crew["threads"].running


@pytest.mark.parametrize("pool", POOLS)
def test_worker_that_is_told_to_end_finishes_what_runs(
    site: Site, crew: dict[str, WorkerProcess], gate: Path, pool: str
) -> None:
    """The last test of this file: it ends the crew."""
    worker = crew[pool]
    sent = hold(site, pool, gate)
    remote.shut_down(id_of(worker), actor="ada")
    assert audit.search(action="shut down", limit=1)[0].actor == "ada"
    worker.await_line("Told over remote control to shut down")
    release(gate, sent)
    assert worker.wait() == 0
